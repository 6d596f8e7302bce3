"""How healthy a loop is: what a round newly solves and forgets, how varied and how long it writes, what it keeps.

A round is described by its verdicts and texts (``Looked``) and what earlier rounds left behind (``History``). Every
number is defined in ``MEANING``; one that a round does not tell is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from star_cli.core.records import Example, Problem, Rationale, Verdict

MEANING = {
    "newly_solved": "problems solved now that were unsolved when last asked, without a hint",
    "forgotten": "problems unsolved now that were solved when last asked, without a hint",
    "asked_again": "problems asked in this round and in an earlier one",
    "unique_rationales": "share of the right rationales without a hint that are different texts of their problem",
    "length_drift": "mean tokens of a rationale without a hint, relative to the first round's (1: no drift)",
    "hint_only": "share of the kept examples whose problem is kept by rationalization alone",
    "easiest_tenth": "share of the kept examples that are of the easiest tenth of the problems asked "
    "so far, by pass rate "
    "without a hint in all rounds up to this one; equal pass rates share the places (.1: no preference)",
    "balance": "mean over problems of B-STaR's min(n'/n*, 1) n'/n: n right rationales selected, n' different ones, 0 "
    "where none is",
    "hint_leak": "share of the kept rationalized examples that name the answer before any work or speak of the hint",
    "leak_unhinted": "the same share of the kept examples without a hint: how often the check is wrong",
    "unhinted_pass": "share of the problems kept by rationalization in an earlier round that are "
    "solved when asked again "
    "without the hint",
}
TALK = re.compile(
    r"\bas (?:is |was |already |we are |we were )?(?:given|told|hinted|stated in the hint)\b"
    r"|\b(?:the )?(?:correct |right |final |known )?answer (?:is|was) (?:already )?(?:given|provided|known|marked)\b"
    r"|\b(?:given|provided|known|hinted) (?:that )?(?:the )?(?:correct |right |final )?answer\b"
    r"|\bthe hint\b|\bhint(?:ed)? (?:says|said|that|is|was)\b|\(CORRECT\)|\bmarked (?:as )?correct\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_]+(?:[.,][^\W_]+)*|[^\w\s]")
STEP = re.compile(r"(?<=[.!?;])\s+|\n+")
TAG = re.compile(r"</?\w+>|[^\W\d]\w*:")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class History:
    """What rounds before left: of each problem (right, asked) samples in all, and how it stood when last asked."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    solved: dict[str, bool] = field(default_factory=dict)
    rescued: list[str] = field(default_factory=list)  # kept by rationalization alone, not asked again since
    tokens: float | None = None  # per rationale in the first round

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"counts": self.counts, "solved": self.solved, "rescued": self.rescued, "tokens": self.tokens}


@dataclass(frozen=True)
class Looked:
    """One judged sample of a round: its problem, what was written, whether it was right."""

    problem: Problem
    rationale: Rationale
    verdict: Verdict


@dataclass
class Seen:
    """What the samples of a round come to: hinted ones give their problem, the others everything."""

    problems: dict[str, Problem] = field(default_factory=dict)
    right: dict[str, list[int]] = field(default_factory=dict)  # hashes of the right texts of a problem
    asked: dict[str, int] = field(default_factory=dict)
    tokens: int = 0

    def add(self, s: Looked) -> None:
        """Count one sample."""
        self.problems[s.problem.id] = s.problem
        if s.rationale.hinted:
            return
        self.asked[s.problem.id] = self.asked.get(s.problem.id, 0) + 1
        self.tokens += s.rationale.tokens
        texts = self.right.setdefault(s.problem.id, [])
        if s.verdict.correct:
            texts.append(hash(s.rationale.text))

    @property
    def samples(self) -> int:
        return sum(self.asked.values())


def health(
    looked: Iterable[Looked], kept: list[Example], history: History, wanted: int
) -> tuple[dict[str, tuple[float, int]], History]:
    """The numbers of a round, each (value, how many problems or examples it rests on), and the history with it.

    ``wanted`` is B-STaR's n*, the right rationales hoped for a problem.
    """
    seen = Seen()
    for s in looked:
        seen.add(s)
    new = _later(seen, kept, history)
    told = dict(_movement(seen.right, history))
    written = sum(map(len, seen.right.values()))
    if written:
        told["unique_rationales"] = sum(len(set(t)) for t in seen.right.values()) / written, written
    if new.tokens and seen.samples:
        told["length_drift"] = seen.tokens / seen.samples / new.tokens, seen.samples
    if seen.right:
        scores = [balance(len(set(t)), len(t), wanted) for t in seen.right.values()]
        told["balance"] = sum(scores) / len(scores), len(scores)
    told.update(_kept(kept, new, seen.problems))
    return told, new


def _movement(right: dict[str, list[int]], history: History) -> Iterator[tuple[str, tuple[float, int]]]:
    again = [i for i in right if i in history.solved]
    if again:
        yield "asked_again", (len(again), len(right))
        yield "newly_solved", (sum(bool(right[i]) and not history.solved[i] for i in again), len(again))
        yield "forgotten", (sum(not right[i] and history.solved[i] for i in again), len(again))
    rescued = [i for i in history.rescued if i in right]
    if rescued:
        yield "unhinted_pass", (sum(bool(right[i]) for i in rescued) / len(rescued), len(rescued))


def _kept(
    kept: list[Example], history: History, problems: dict[str, Problem]
) -> Iterator[tuple[str, tuple[float, int]]]:
    if not kept:
        return
    own = {e.problem_id for e in kept if e.origin != "rationalized"}
    yield "hint_only", (sum(e.problem_id not in own for e in kept) / len(kept), len(kept))
    easy = easiest({i: c[0] / c[1] for i, c in history.counts.items() if c[1]})
    if easy:
        yield "easiest_tenth", (sum(easy.get(e.problem_id, 0.0) for e in kept) / len(kept), len(kept))
    for name, hinted in (("hint_leak", True), ("leak_unhinted", False)):
        some = [e for e in kept if (e.origin == "rationalized") == hinted and e.problem_id in problems]
        if some:
            yield name, (sum(leaks(problems[e.problem_id], e.completion) for e in some) / len(some), len(some))


def _later(seen: Seen, kept: list[Example], old: History) -> History:
    counts = {i: list(c) for i, c in old.counts.items()}
    for i, asked in seen.asked.items():
        count = counts.setdefault(i, [0, 0])
        count[0] += len(seen.right[i])
        count[1] += asked
    own = {e.problem_id for e in kept if e.origin != "rationalized"}
    hinted = {e.problem_id for e in kept if e.origin == "rationalized"} - own
    tokens = old.tokens
    if tokens is None and seen.samples:
        tokens = seen.tokens / seen.samples
    return History(
        counts,
        {**old.solved, **{i: bool(t) for i, t in seen.right.items()}},
        sorted(hinted | (set(old.rescued) - seen.right.keys())),
        tokens,
    )


def balance(different: int, selected: int, wanted: int) -> float:
    """B-STaR's score of one problem: min(n'/n*, 1) * n'/n, and 0 where nothing was selected."""
    return min(different / wanted, 1.0) * different / selected if selected else 0.0


def easiest(rates: dict[str, float], share: float = 0.1) -> dict[str, float]:
    """How much of each problem belongs to the easiest ``share`` (by pass rate): 1, 0, or for ties at the border a
    part.
    """
    left = share * len(rates)
    found: dict[str, float] = {}
    ranked = sorted(rates, key=lambda i: -rates[i])
    for _, group in groupby(ranked, key=lambda i: rates[i]):
        names = list(group)
        found.update(dict.fromkeys(names, min(1.0, left / len(names))))
        left -= len(names)
        if left <= 0:
            break
    return found


def leaks(problem: Problem, text: str) -> bool:
    """Whether a rationale gives away that its answer was shown: it says so, or its first of several steps already holds
    the whole answer, before any equals sign, which the question does not. With choices the first step must name the
    right letter as (b), and no other. A single step is the work itself, and proves nothing.
    """
    if TALK.search(text):
        return True
    steps = [s for s in STEP.split(text) if WORD.search(TAG.sub(" ", s))]
    if len(steps) < 2:
        return False
    first = steps[0].partition("=")[0]  # what stands behind an equals sign was worked out
    if problem.choices:
        named = {m.lower() for m in re.findall(r"\(([A-Za-z])\)", first)}
        return named == {_letter(problem)}
    answer = _tokens(problem.answer.rpartition("####")[2])
    return bool(answer) and _holds(_tokens(first), answer) and not _holds(_tokens(problem.question), answer)


def _letter(problem: Problem) -> str:
    choices = problem.choices or []
    answer = problem.answer.strip("() ")
    return LETTERS[choices.index(problem.answer)] if problem.answer in choices[:26] else answer.lower()


def _tokens(text: str) -> list[str]:
    return [w.lower().replace(",", "") for w in WORD.findall(TAG.sub(" ", text))]


def _holds(tokens: list[str], wanted: list[str]) -> bool:
    """Whether ``wanted`` stands in ``tokens`` as a whole, and no digit beside it makes it part of a longer number."""
    n = len(wanted)
    spaced = n > 1 and all(len(w) == 1 and w.isdigit() for w in wanted)
    for i in range(len(tokens) - n + 1):
        if tokens[i : i + n] == wanted:
            around = [*tokens[max(0, i - 1) : i], *tokens[i + n : i + n + 1]]
            if not (spaced and any(len(t) == 1 and t.isdigit() for t in around)):
                return True
    return False
