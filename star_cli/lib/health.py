"""Health of a self-training loop: what a round newly solves and forgets, how varied its texts are, what it keeps.

``health`` computes the numbers of one round from its judged samples and from what earlier rounds left behind
(``History``). Every number is defined in ``MEANING``; one that cannot be computed for a round is left out.
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
    "truncated": "share of the rationales without a hint that ran out of tokens",
    "tokens_per_right": "tokens written without a hint for each right rationale, those of the wrong ones included",
    "hint_only": "share of the kept examples whose problem is kept by rationalization alone",
    "easiest_tenth": "share of the kept examples that are of the easiest tenth of the problems asked so far, by pass "
    "rate without a hint in all rounds up to this one; equal pass rates share the places (.1: no preference)",
    "balance": "mean over problems of B-STaR's min(n'/n*, 1) n'/n: n right rationales selected, n' different ones, 0 "
    "where none is",
    "hint_leak": "share of the kept rationalized examples that name the answer before any work or speak of the hint",
    "leak_unhinted": "the same share of the kept examples without a hint: how often the check is wrong",
    "unhinted_pass": "share of the problems kept by rationalization in an earlier round that are solved when asked "
    "again without the hint",
}
HINT_TALK = re.compile(  # a rationale that speaks of a hint or of a known answer
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
    """What the rounds before this one left behind, by problem id; samples with a hint do not count."""

    counts: dict[str, list[int]] = field(default_factory=dict)  # [right samples, all samples] in all rounds
    solved: dict[str, bool] = field(default_factory=dict)  # whether it was solved when it was last asked
    rescued: list[str] = field(default_factory=list)  # kept by rationalization alone, not asked again since
    tokens: float | None = None  # mean tokens of a rationale in the first round

    def as_json(self) -> dict[str, Any]:
        """The fields as plain JSON."""
        return {"counts": self.counts, "solved": self.solved, "rescued": self.rescued, "tokens": self.tokens}


@dataclass(frozen=True)
class JudgedSample:
    """One sample of a round: its problem, the rationale and the verdict on it."""

    problem: Problem
    rationale: Rationale
    verdict: Verdict


@dataclass
class RoundCounts:
    """The samples of a round, counted by problem id. Of a sample with a hint only the problem is noted."""

    problems: dict[str, Problem] = field(default_factory=dict)
    right: dict[str, list[int]] = field(default_factory=dict)  # hashes of the right texts of a problem
    samples: dict[str, int] = field(default_factory=dict)  # samples of a problem
    tokens: int = 0
    truncated: int = 0

    def add(self, sample: JudgedSample) -> None:
        """Count one sample."""
        id = sample.problem.id
        self.problems[id] = sample.problem
        if sample.rationale.hinted:
            return
        self.samples[id] = self.samples.get(id, 0) + 1
        self.tokens += sample.rationale.tokens
        self.truncated += sample.rationale.finish == "length"
        texts = self.right.setdefault(id, [])
        if sample.verdict.correct:
            texts.append(hash(sample.rationale.text))

    @property
    def total(self) -> int:
        """How many samples were counted."""
        return sum(self.samples.values())


def health(
    samples: Iterable[JudgedSample], kept: list[Example], history: History, wanted: int
) -> tuple[dict[str, tuple[float, int]], History]:
    """The numbers of a round by name, and the history with this round in it.

    ``kept`` are the examples that the round keeps for training; ``wanted`` is B-STaR's n*, the number of right
    rationales wanted for a problem. Each number comes as (value, how many problems or examples it rests on).
    """
    counts = RoundCounts()
    for sample in samples:
        counts.add(sample)
    later = _with_round(counts, kept, history)
    numbers = dict(_movement(counts.right, history))
    right_texts = sum(map(len, counts.right.values()))
    if right_texts:
        numbers["unique_rationales"] = sum(len(set(t)) for t in counts.right.values()) / right_texts, right_texts
        numbers["tokens_per_right"] = counts.tokens / right_texts, right_texts
    if counts.total:
        numbers["truncated"] = counts.truncated / counts.total, counts.total
    if later.tokens and counts.total:
        numbers["length_drift"] = counts.tokens / counts.total / later.tokens, counts.total
    if counts.right:
        scores = [balance(len(set(t)), len(t), wanted) for t in counts.right.values()]
        numbers["balance"] = sum(scores) / len(scores), len(scores)
    numbers.update(_of_kept(kept, later, counts.problems))
    return numbers, later


def _movement(right: dict[str, list[int]], history: History) -> Iterator[tuple[str, tuple[float, int]]]:
    """What became of problems that were asked before."""
    again = [i for i in right if i in history.solved]
    if again:
        yield "asked_again", (len(again), len(right))
        yield "newly_solved", (sum(bool(right[i]) and not history.solved[i] for i in again), len(again))
        yield "forgotten", (sum(not right[i] and history.solved[i] for i in again), len(again))
    rescued = [i for i in history.rescued if i in right]
    if rescued:
        yield "unhinted_pass", (sum(bool(right[i]) for i in rescued) / len(rescued), len(rescued))


def _of_kept(
    kept: list[Example], history: History, problems: dict[str, Problem]
) -> Iterator[tuple[str, tuple[float, int]]]:
    """What the kept examples are."""
    if not kept:
        return
    own = {e.problem_id for e in kept if e.origin != "rationalized"}
    yield "hint_only", (sum(e.problem_id not in own for e in kept) / len(kept), len(kept))
    easy = easiest({i: c[0] / c[1] for i, c in history.counts.items() if c[1]})
    if easy:
        yield "easiest_tenth", (sum(easy.get(e.problem_id, 0.0) for e in kept) / len(kept), len(kept))
    for name, hinted in (("hint_leak", True), ("leak_unhinted", False)):
        examples = [e for e in kept if (e.origin == "rationalized") == hinted and e.problem_id in problems]
        if examples:
            leaking = sum(leaks(problems[e.problem_id], e.completion) for e in examples)
            yield name, (leaking / len(examples), len(examples))


def _with_round(counted: RoundCounts, kept: list[Example], old: History) -> History:
    """The history with one more round in it."""
    counts = {i: list(c) for i, c in old.counts.items()}
    for i, samples in counted.samples.items():
        count = counts.setdefault(i, [0, 0])
        count[0] += len(counted.right[i])
        count[1] += samples
    own = {e.problem_id for e in kept if e.origin != "rationalized"}
    hinted = {e.problem_id for e in kept if e.origin == "rationalized"} - own
    tokens = old.tokens
    if tokens is None and counted.total:
        tokens = counted.tokens / counted.total
    return History(
        counts,
        {**old.solved, **{i: bool(t) for i, t in counted.right.items()}},
        sorted(hinted | (set(old.rescued) - counted.right.keys())),
        tokens,
    )


def balance(different: int, selected: int, wanted: int) -> float:
    """B-STaR's balance score of one problem (Zeng et al. 2024): min(n'/n*, 1) * n'/n, and 0 where nothing was selected.

    n' are the ``different`` right rationales among the n ``selected``, n* the number ``wanted``.
    """
    return min(different / wanted, 1.0) * different / selected if selected else 0.0


def easiest(rates: dict[str, float], share: float = 0.1) -> dict[str, float]:
    """The easiest ``share`` of the problems by pass rate, as {problem id: weight}; others are left out.

    A problem has the weight 1; those with equal pass rates at the border divide what is left between them.
    """
    left = share * len(rates)
    weights: dict[str, float] = {}
    ranked = sorted(rates, key=lambda i: -rates[i])
    for _, group in groupby(ranked, key=lambda i: rates[i]):
        names = list(group)
        weights.update(dict.fromkeys(names, min(1.0, left / len(names))))
        left -= len(names)
        if left <= 0:
            break
    return weights


def leaks(problem: Problem, text: str) -> bool:
    """Whether a rationale gives away that its answer was shown.

    It does where it speaks of the hint, or where the first of several steps holds the whole answer, which the question
    does not, before any equals sign. With choices the first step must name the right letter as (b), and no other. A
    single step is the work itself, and proves nothing.
    """
    if HINT_TALK.search(text):
        return True
    steps = [s for s in STEP.split(text) if WORD.search(TAG.sub(" ", s))]
    if len(steps) < 2:
        return False
    first = steps[0].partition("=")[0]  # what stands behind an equals sign was worked out
    if problem.choices:
        letters = {m.lower() for m in re.findall(r"\(([A-Za-z])\)", first)}
        return letters == {_letter(problem)}
    answer = _tokens(problem.answer.rpartition("####")[2])
    return bool(answer) and _holds(_tokens(first), answer) and not _holds(_tokens(problem.question), answer)


def _letter(problem: Problem) -> str:
    """The letter of the known answer, in lower case."""
    choices = problem.choices or []
    answer = problem.answer.strip("() ")
    return LETTERS[choices.index(problem.answer)] if problem.answer in choices[:26] else answer.lower()


def _tokens(text: str) -> list[str]:
    """The words, numbers and signs of a text in lower case, without tags and headings."""
    return [w.lower().replace(",", "") for w in WORD.findall(TAG.sub(" ", text))]


def _holds(tokens: list[str], answer: list[str]) -> bool:
    """Whether ``answer`` stands in ``tokens`` as a whole, and no digit beside it makes it part of a longer number."""
    n = len(answer)
    is_spaced_number = n > 1 and all(len(w) == 1 and w.isdigit() for w in answer)
    for i in range(len(tokens) - n + 1):
        if tokens[i : i + n] == answer:
            beside = [*tokens[max(0, i - 1) : i], *tokens[i + n : i + n + 1]]
            if not (is_spaced_number and any(len(t) == 1 and t.isdigit() for t in beside)):
                return True
    return False
