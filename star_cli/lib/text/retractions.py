"""What is said about an answer that was given before: that it is wrong, that there is none, or nothing of weight."""

from __future__ import annotations

import re

REACH = 8000  # characters behind an answer in which it can be taken back
NEAR = 160
CHATTER = re.compile(  # what is said about an answer that was given before
    r"(?:indeed|also|already|now|therefore|thus|hence|in fact)?[,\s]*(?:(?:very|quite|fully|most likely|probably)\s+)?"
    r"(?:correct|right|clear|helpful|useful|obvious|reasonable|consistent|verified|confirmed|valid|unique|simplified"
    r"|positive|negative|whole|finite|non-?zero|greater|real"
    r"|rounded|expressed|written|given|found|obtained|determined|derived|calculated|computed|checked|as follows|below"
    r"|above|in (?:the|its) (?:simplest|lowest|required|form)|the same|an? (?:positive |negative )?(?:integer"
    r"|whole number|fraction"
    r"|decimal|number|prime)|reached|complete|accurate|satisfied|what (?:we|you)|based on|supported)\b",
    re.I,
)
BECAUSE = re.compile(r",?\s(?:because|since|which|so)\b", re.I)
VAGUE = re.compile(  # the answer is taken back, or there is none
    r"(?:still|completely|simply|just)?\s*(?:wrong|incorrect|unclear|uncertain|in doubt|not (?:clear|known"
    r"|right|correct|certain|given))\b",
    re.I,
)
TURN = re.compile(
    r"\b(?:not|never|no|none|neither|cannot|half|twice|double|triple|un\w+|\w+n't|wrong|incorrect|mistaken|one|two)\b|\d|[\\$=<>^]",
    re.I,
)
WRONG = r"(?:wrong|incorrect|mistaken|not right|not correct|a mistake|an error|not the (?:right|correct) answer)"
RETRACTED = re.compile(
    r"(?:^|(?<=[.!?\n]))[\s*_]*(?:wait|hmm+|oops|no,|sorry|actually|hold on)\b(?:(?!\boptions?\b|\bchoices?\b"
    r"|\([A-Ja-j]\))[^.!?\n]){0,60}?"
    rf"\b(?:{WRONG}|mistake|error|isn't right|isn't correct|can't be right|cannot be right|miscalculated|misread)\b"
    r"|\bI (?:made|have made|'ve made) (?:an?|some|the) (?:\w+ ){0,2}(?:mistake|error)|\bI was (?:wrong|mistaken)\b"
    r"|\b(?:my|the(?: (?:above|previous|provided|given|final|earlier))?) (?:answer|solution|result|calculation"
    r"|computation|reasoning"
    rf"|working|response|value)(?: (?:above|provided|given|I gave))* (?:is|was) {WRONG}\b"
    r"|\bscratch that\b|\b(?:ignore|disregard) (?:that|this|the above|my)\b|\blet me (?:correct|redo"
    r"|fix) (?:that|this|it|my)\b"
    r"|\bI (?:retract|take (?:that|it) back)\b",
    re.I,
)
AT_ONCE = re.compile(  # in the very next sentence these are enough
    r"[\s\"'*_)\]$.!?\\]*(?P<turn>(?:wait|hmm+|oops|no|nope|sorry|actually|but|however|hold on)[,.!\s—–-]*)*"
    r"(?:(?:that|this|it)(?:'s| is| was)"
    rf" (?:{WRONG}\b(?!-)(?=\s*(?:[.,;:!?)\n—–]|$|because|since|as\b|so\b|and\b)))"
    r"|(?:that|this|it) (?:can't|cannot|can not|could not|couldn't) be (?:right|correct|the answer)\b"
    r"|(?:that|this|it) (?:does not|doesn't|did not|didn't) (?:seem|look|sound|feel) (?:right|correct|plausible"
    r"|possible)\b"
    r"|(?P<fails>(?:that|this|it|the answer) (?:does not|doesn't) (?:satisfy|work|match|fit|agree|check out"
    r"|make sense|add up)\b)"
    r"|(?:that|this)(?:'s| is) (?:right|correct)\?)"
    rf"|[\s\"'*_)\]$\\]*(?:is|was|would be|must be) {WRONG}\b"
    r"|[\s\"'*_)\]$.\\…]*(?:wait|hmm+|oops|hold on)\b[\s.…,!—–-]*no\b(?! need| problem| doubt| other| more| matter)"
    rf"|[\s\"'*_)\]$.\\]*(?:wait|hmm+|oops)\b[\s.…,!—–-]*(?:no\b[\s.,!]*)?$",
    re.I,
)
UNLESS = re.compile(r"\b(?:if|not|no|n't|never|without|any|whether|nor)\b[^.!?\n]{0,40}$", re.I)


def idle(phrase: str) -> bool:
    """Whether "the answer is" goes on with something that is no answer: "thus confirmed", "in simplest form"."""
    if re.match(r"(?:found|obtained|determined|calculated|computed|derived|reached) by \w+ing\b[^=]*$", phrase, re.I):
        return True
    return bool(CHATTER.match(phrase)) and not TURN.search(BECAUSE.split(phrase)[0])


def vague(phrase: str) -> bool:
    """Whether "the answer is" goes on with: there is none, or the one before is wrong."""
    return bool(VAGUE.match(phrase))


def retracted(text: str, end: int) -> bool:
    """Whether what follows the answer that ends at ``end`` takes it back without giving another."""
    rest = text[end : end + REACH]
    at_once = AT_ONCE.match(rest[:NEAR])
    if at_once and (at_once["turn"] or not at_once["fails"]):
        return True
    return any(not UNLESS.search(rest[max(0, m.start() - 40) : m.start()]) for m in RETRACTED.finditer(rest))
