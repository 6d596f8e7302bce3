r"""What of a text is judged: thoughts count for nothing, and what follows a next question is not the answer's.

``<think>a guess: \boxed{3}</think> So it is $\boxed{4}$.\n\nQ: next?`` -> `` So it is $\boxed{4}$.``, every letter in
its place. Time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

THOUGHTS = (  # where a thought begins and ends, as reasoning models write it
    "<think> </think>",
    "<thinking> </thinking>",
    "<thought> </thought>",
    "<thoughts> </thoughts>",
    "<reasoning> </reasoning>",
    "<analysis> </analysis>",
    "<scratchpad> </scratchpad>",
    "<reflection> </reflection>",
    "<seed:think> </seed:think>",
    "[THINK] [/THINK]",
    "<|begin_of_thought|> <|end_of_thought|>",
    "◁think▷ ◁/think▷",
    "<|START_THINKING|> <|END_THINKING|>",
    "<|channel|>analysis<|message|> <|end|>",
    "<|channel|>analysis<|message|> <|channel|>final<|message|>",
    "analysis assistantfinal",  # the same where special tokens were dropped
)
ANEW = "<|start|>assistant"  # by which gpt-oss begins its turn again behind a thought
NEXT = re.compile(
    r"^[ \t>*#]*(?:(?:[Nn]ext|[Nn]ew)[ \t]+)?(?:Q|[Qq]uestion|Problem|Exercise|Human|User"
    r"|Instruction)\b[ \t]*\d*[ \t]*\**"
    r"[ \t]*[:.)]|^[ \t>*#]*(?:Question|Problem|Exercise|Example)[ \t]+\d+[ \t]*\**[ \t]*[:.)]?[ \t]*\**[ \t]*$"
    r"|^[ \t>*#]*(?:[Nn]ext|[Nn]ew)[ \t]+(?:question|problem|exercise|example)\b[^\n]{0,40}:"
    r"|(?<=\s)Q:|<\|(?:im_start|im_end|eot_id|eom_id|endoftext|end_of_text|EOT|user|assistant|start_header_id|start|end|return"
    r"|END_RESPONSE|END_OF_TURN_TOKEN)\|>|<｜(?:end▁of▁sentence|User|Assistant)｜>|</s>|<eos>|<end_of_turn>"
    r"|<start_of_turn>|\[/?INST\]",
    re.M,
)
BLOCK = re.compile(r"^[ \t]*```.*\n(?:.*\n)*?[ \t]*```", re.M)  # a fenced block that ends
MARKS = (  # a text without any of these does not run on
    "Q:", "Q ", "Q.", "Q)", "Q*", "Q1", "uestion", "roblem", "xercise", "xample", "Human", "User",
    "nstruction", "<|", "</s>",
    "_turn>", "INST]", "<eos>", "<｜",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What of a text is judged: ``text`` up to a run-on, with every thought blanked (same places, same length).

    ``unfinished``: a thought was never closed. ``ran_on``: a next question follows.
    """

    text: str
    unfinished: bool
    ran_on: bool


def own(text: str) -> tuple[str, bool]:
    """(the text before it runs on to a next question, whether it does). A docstring's "Example 1:" is no question."""
    if not any(mark in text for mark in MARKS):
        return text, False
    blocks = BLOCK.finditer(text)
    block = next(blocks, None)
    for start in (mark.start() for mark in NEXT.finditer(text)):
        while block and block.end() <= start:
            block = next(blocks, None)
        if not (block and block.start() < start) and text[:start].strip():
            return text[:start], True
    return text, False


def read(text: str, thoughts: Sequence[str] = THOUGHTS) -> Reading:
    """What of a text is judged. ``thoughts`` are pairs of tokens with a space between."""
    visible, unfinished = spoken(text, thoughts)
    mine, ran_on = own(visible)
    return Reading(mine, unfinished, ran_on)


@dataclass(frozen=True)
class _Tokens:
    """The tokens around thoughts: a pattern of all, those that begin and end one, and their first characters.

    ``late`` are ends that are unlike their beginning (``<|end|>``): they end only what was begun. ``words`` are pairs
    of bare words, which frame a thought at the beginning of a text alone.
    """

    pattern: re.Pattern[str] | None
    ends: frozenset[str]
    late: frozenset[str]
    firsts: frozenset[str]
    words: tuple[tuple[str, str], ...]


@lru_cache(maxsize=16)
def _tokens(thoughts: tuple[str, ...]) -> _Tokens:
    split = [tuple(pair.split()) for pair in thoughts]
    words = tuple((a, b) for a, b in split if a.isalpha() and b.isalpha())
    pairs = [(a.lower(), b.lower()) for a, b in split if (a, b) not in words]
    tokens = sorted({token for pair in pairs for token in pair}, key=len, reverse=True)
    heads = dict.fromkeys(token[0] for token in tokens)  # a token is looked for only where its first letter stands
    grouped = [
        re.escape(head) + "(?:" + "|".join(re.escape(t[1:]) for t in tokens if t[0] == head) + ")" for head in heads
    ]
    pattern = re.compile("|".join(grouped), re.I) if tokens else None
    firsts = {first for token in tokens for first in (token[0], token[0].upper())}
    late = {b for a, b in pairs if (known := _words(a)) and (mine := _words(b)) and not known & mine}
    return _Tokens(pattern, frozenset(b for _, b in pairs), frozenset(late), frozenset(firsts), words)


def _words(token: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", token))


def spoken(text: str, thoughts: Sequence[str] = THOUGHTS) -> tuple[str, bool]:
    """(the text with newlines in place of its thoughts, whether the last thought is open)."""
    spans, unfinished = thought_spans(text, thoughts)
    done, pieces = 0, []
    for start, end in spans:
        pieces += [text[done:start], "\n" * (end - start)]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text, unfinished


def spoken_alone(text: str, thoughts: Sequence[str] = THOUGHTS) -> str:
    """A text without its thoughts and the space behind them: the turn as if the model had not thought."""
    spans, _ = thought_spans(text, thoughts)
    done, pieces = 0, []
    for start, end in spans:
        pieces.append(text[done:start])
        answer = text[end:].lstrip()
        done = len(text) - len(answer.removeprefix(ANEW) if start == 0 else answer)
    return "".join([*pieces, text[done:]])


def thought_spans(text: str, thoughts: Sequence[str] = THOUGHTS) -> tuple[list[tuple[int, int]], bool]:
    """([(start, end) of every thought, its tokens included], whether the last one is open).

    An end without a beginning ends a thought that began in the prompt, but not one that is unlike its beginning.
    """
    tokens = _tokens(tuple(thoughts))
    spans: list[tuple[int, int]] = []
    for word, end in tokens.words:
        lead = len(text) - len(text.lstrip())
        if text.startswith(word, lead) and (at := text.rfind(end)) > 0:
            spans = [(0, at + len(end))]
    opened: int | None = None
    if tokens.pattern is not None and any(first in text for first in tokens.firsts):
        for token in tokens.pattern.finditer(text, spans[0][1] if spans else 0):
            name = token.group().lower()
            if name not in tokens.ends:
                opened = token.start() if opened is None else opened
            elif opened is not None:
                spans.append((opened, token.end()))
                opened = None
            elif name not in tokens.late:
                spans = [(0, token.end())]
    if opened is not None:
        spans.append((opened, len(text)))
    return spans, opened is not None
