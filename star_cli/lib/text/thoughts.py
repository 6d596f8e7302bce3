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
    "<reasoning> </reasoning>",
    "<reflection> </reflection>",
    "<seed:think> </seed:think>",
    "[THINK] [/THINK]",
    "<|begin_of_thought|> <|end_of_thought|>",
    "◁think▷ ◁/think▷",
    "<|channel|>analysis<|message|> <|end|>",
)
NEXT = re.compile(
    r"^[ \t>*#]*(?:(?:[Nn]ext|[Nn]ew)[ \t]+)?(?:Q|[Qq]uestion|Problem|Exercise|Human|User"
    r"|Instruction)\b[ \t]*\d*[ \t]*\**"
    r"[ \t]*[:.)]|^[ \t>*#]*(?:Question|Problem|Exercise|Example)[ \t]+\d+[ \t]*\**[ \t]*[:.)]?[ \t]*\**[ \t]*$"
    r"|(?<=\s)Q:|<\|(?:im_start|im_end|eot_id|endoftext|end_of_text|user|start_header_id)\|>|</s>|<end_of_turn>"
    r"|<start_of_turn>|\[/?INST\]",
    re.M,
)
BLOCK = re.compile(r"^[ \t]*```.*\n(?:.*\n)*?[ \t]*```", re.M)  # a fenced block that ends
MARKS = (  # a text without any of these does not run on
    "Q:", "Q ", "Q.", "Q)", "Q*", "Q1", "uestion", "roblem", "xercise", "xample", "Human", "User",
    "nstruction", "<|", "</s>",
    "_turn>", "INST]",
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


@lru_cache(maxsize=16)
def _tokens(thoughts: tuple[str, ...]) -> tuple[re.Pattern[str] | None, frozenset[str], frozenset[str]]:
    """(a pattern of all tokens, those that end a thought, their first characters)."""
    pairs = [pair.split() for pair in thoughts]
    if not pairs:
        return None, frozenset(), frozenset()
    tokens = [token for pair in pairs for token in pair]
    pattern = re.compile("|".join(map(re.escape, tokens)), re.I)
    firsts = {first for token in tokens for first in (token[0].lower(), token[0].upper())}
    return pattern, frozenset(pair[1].lower() for pair in pairs), frozenset(firsts)


def spoken(text: str, thoughts: Sequence[str] = THOUGHTS) -> tuple[str, bool]:
    """(the text with newlines in place of its thoughts, whether the last thought is open)."""
    spans, unfinished = thought_spans(text, thoughts)
    done, pieces = 0, []
    for start, end in spans:
        pieces += [text[done:start], "\n" * (end - start)]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text, unfinished


def thought_spans(text: str, thoughts: Sequence[str] = THOUGHTS) -> tuple[list[tuple[int, int]], bool]:
    """([(start, end) of every thought, its tokens included], whether the last one is open).

    An end without a beginning ends a thought that began in the prompt.
    """
    pattern, ends, firsts = _tokens(tuple(thoughts))
    if pattern is None or not any(first in text for first in firsts):
        return [], False
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    for token in pattern.finditer(text):
        if token.group().lower() not in ends:
            opened = token.start() if opened is None else opened
        elif opened is None:
            spans = [(0, token.end())]
        else:
            spans.append((opened, token.end()))
            opened = None
    if opened is not None:
        spans.append((opened, len(text)))
    return spans, opened is not None
