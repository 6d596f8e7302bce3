"""What is kept of judged rationales as training examples: right, sound, unlike each other, not too many of a
problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.keys import CHANGED, seed_of, tagged
from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.core.settings import CONTROLS, DEDUPE, check_choice
from star_cli.errors import need
from star_cli.lib.text.equations import equations, sound, unlike
from star_cli.lib.text.similar import most_different, runs_of_words, without_near_duplicates
from star_cli.lib.text.thoughts import THOUGHTS, spoken_alone
from star_cli.stages.grading.judge import Errors


@tagged("keep_rule", 2)
@dataclass(frozen=True, kw_only=True)
class KeepRule:
    """At most ``limit`` examples a problem (0: all), one of each set of equals.

    ``dedupe``: "text" counts equal texts once (the first), "equations" equal ordered lists of equations (the text that
    RFT's published selection keeps: ``equations.unlike``), "none" keeps all. ``sound`` leaves out a right rationale
    with an equation that does not hold. ``control="random"`` keeps as many as the rule
    would, drawn by ``seed`` from all rationales of the problem whatever their verdicts. ``show_hint`` is the share of
    the hinted ones, drawn by ``seed``, whose training prompt shows the hint. The rest is as ``filter`` has it
    (settings.Filtering).
    """

    limit: int = 1
    dedupe: str = "text"
    sound: bool = False
    control: str = "none"
    seed: int = 0
    show_hint: float = 0.0
    similar: float = field(default=0.8, metadata={"identity": CHANGED})
    diverse: str = field(default="none", metadata={"identity": CHANGED})
    shortest: bool = field(default=False, metadata={"identity": CHANGED})
    longest: int = field(default=0, metadata={"identity": CHANGED})
    pass_rate: list[float] = field(default_factory=lambda: [0.0, 1.0], metadata={"identity": CHANGED})
    thinking: str = field(default="keep", metadata={"identity": CHANGED})

    def __post_init__(self) -> None:
        check_choice(self)
        need(0 <= self.show_hint <= 1, f"show_hint must be a share from 0 to 1, got {self.show_hint}")
        need(self.limit >= 0, f"filter.limit must be >= 0 (0 keeps all), got {self.limit}")
        need(self.dedupe in DEDUPE, f"filter.dedupe must be one of {', '.join(DEDUPE)}, got {self.dedupe!r}")
        need(self.control in CONTROLS, f"filter.control must be {' or '.join(CONTROLS)}, got {self.control!r}")


@dataclass(frozen=True)
class Candidate:
    """A judged rationale: what of its text would be learned, whether it may be kept, and how much it is wanted."""

    sample: int
    text: str
    hinted: bool
    correct: bool
    fit: bool
    rank: float = 0.0
    tokens: int = 0  # that the model wrote


@dataclass
class Kept:
    """What is kept of one problem, and what was left out of it."""

    examples: list[Example] = field(default_factory=list)
    right: int = 0  # of the kept ones
    duplicates: int = 0
    unsound: int = 0
    too_long: int = 0
    outside: int = 0  # of a problem that too many or too few samples solve


class Keeper:
    """Applies one rule to judged rationales, problem by problem, and counts what came in and what is kept.

    ``add`` takes rationales in the order of their problems; ``close`` settles the last one. ``of_problem`` does the
    same for the rationales of one problem without counting them. ``examples`` are the kept ones.
    """

    def __init__(self, rule: KeepRule, *, task: Task, grader: Grader, round: int, generator: str) -> None:
        self.rule, self.task, self.grader, self.round, self.generator = rule, task, grader, round, generator
        self.examples: list[Example] = []
        self.reasons: Counter[str] = Counter()
        self.errors = Errors()
        self.asked: set[str] = set()
        self.solved: set[str] = set()
        self.fit = self.right = self.duplicates = self.unsound = self.too_long = self.outside = 0
        self._counts = (0, 0)  # of the problem under way: right samples, samples
        self.wrong_steps: int | None = None  # right answers with a wrong step, where the task knows the true steps
        self._problem: Problem | None = None
        self._candidates: list[Candidate] = []

    def add(
        self,
        problem: Problem,
        rationale: Rationale,
        verdict: Verdict,
        *,
        fit: bool | None = None,
        rank: float = 0.0,
    ) -> None:
        """Count a verdict. ``fit`` says whether it may be kept (None: where it is right), ``rank`` who goes first."""
        if self._problem is not None and self._problem.id != problem.id:
            self.close()
        self._problem = problem
        self._counts = (self._counts[0] + verdict.correct, self._counts[1] + 1)
        self.reasons[verdict.reason] += 1
        self.errors.add(verdict)
        self.asked.add(problem.id)
        if verdict.correct:
            self.solved.add(problem.id)
            if verdict.wrong_steps is not None:
                self.wrong_steps = (self.wrong_steps or 0) + (verdict.wrong_steps > 0)
        fit = verdict.correct if fit is None else fit
        self.fit += fit
        if fit or self.rule.control == "random":
            self._candidates.append(self._candidate(rationale, verdict, fit, rank))

    def close(self) -> None:
        """Keep of the last problem what the rule says."""
        if self._problem is not None:
            right, samples = self._counts
            kept = self._chosen(self._problem, self._candidates, right / samples)
            self.examples += kept.examples
            self.right += kept.right
            self.duplicates += kept.duplicates
            self.unsound += kept.unsound
            self.too_long += kept.too_long
            self.outside += kept.outside
        self._candidates, self._counts = [], (0, 0)

    def left_out(self) -> dict[str, int]:
        """How many right rationales the rule left out, by setting; only of settings that are in use."""
        rule = self.rule
        counts = {
            "unsound": (self.unsound, rule.sound),
            "too_long": (self.too_long, rule.longest > 0),
            "outside_pass_rate": (self.outside, rule.pass_rate != [0.0, 1.0]),
        }
        return {name: count for name, (count, used) in counts.items() if used}

    def of_problem(self, problem: Problem, judged: Iterable[tuple[Rationale, Verdict]]) -> Kept:
        """What the rule keeps of one problem's judged rationales."""
        candidates = [self._candidate(r, v, v.correct, 0.0) for r, v in judged]
        right = sum(c.correct for c in candidates)
        return self._chosen(problem, candidates, right / len(candidates) if candidates else 0.0)

    def _candidate(self, rationale: Rationale, verdict: Verdict, fit: bool, rank: float) -> Candidate:
        text = self.grader.judged(rationale.text)  # what runs on after the answer is not learned
        if self.rule.thinking == "strip":
            text = spoken_alone(text, getattr(self.grader, "thoughts", THOUGHTS))
        return Candidate(rationale.sample, text, rationale.hinted, verdict.correct, fit, rank, rationale.tokens)

    def _chosen(self, problem: Problem, candidates: Sequence[Candidate], pass_rate: float) -> Kept:
        rule = self.rule
        right_ones = [c for c in candidates if c.fit]
        if not rule.pass_rate[0] <= pass_rate <= rule.pass_rate[1]:
            return Kept(outside=len(right_ones))
        brief = [c for c in right_ones if not rule.longest or c.tokens <= rule.longest]
        fit = [c for c in brief if not rule.sound or sound(c.text)]
        too_long, unsound = len(right_ones) - len(brief), len(brief) - len(fit)
        if not fit:
            return Kept(unsound=unsound, too_long=too_long)
        wanted = sorted(fit, key=lambda c: (c.tokens if rule.shortest else 0, -c.rank))
        unlike = distinct(wanted, rule.dedupe, rule.similar)
        kept = self._limited(unlike)
        if rule.control == "random":
            kept = self._drawn(problem.id, candidates, len(kept))
        kept = sorted(kept, key=lambda c: c.sample)
        prompts = {
            hint: self.task.training_prompt(problem, hint=True) if hint else self.task.training_prompt(problem)
            for hint in {self._shows_hint(problem, c) for c in kept}
        }
        examples = [
            Example(
                problem_id=problem.id,
                sample=c.sample,
                prompt=prompts[self._shows_hint(problem, c)],
                completion=c.text,
                origin="rationalized" if c.hinted else "own",
                round=self.round,
                generator=self.generator,
                images=problem.images,
            )
            for c in kept
        ]
        right = sum(c.correct and (not rule.sound or sound(c.text)) for c in kept)
        return Kept(examples, right, len(fit) - len(unlike), unsound, too_long)

    def _limited(self, candidates: list[Candidate]) -> list[Candidate]:
        """At most ``limit`` of the candidates: the first ones, or those that differ most."""
        rule = self.rule
        if not rule.limit or len(candidates) <= rule.limit:
            return candidates
        if rule.diverse == "none":
            return candidates[: rule.limit]
        marks = [set(equations(c.text)) if rule.diverse == "equations" else runs_of_words(c.text) for c in candidates]
        return [candidates[i] for i in most_different(marks, rule.limit)]

    def _shows_hint(self, problem: Problem, candidate: Candidate) -> bool:
        """Whether the training prompt of a candidate holds the hint that it was written with."""
        if not candidate.hinted or not self.rule.show_hint:
            return False
        drawn = seed_of(self.rule.seed, "show_hint", self.round, problem.id, candidate.sample, bits=32)
        return drawn < self.rule.show_hint * 2**32

    def _drawn(self, problem: str, candidates: Sequence[Candidate], n: int) -> list[Candidate]:
        """``n`` of all rationales of a problem by seed, none equal to another."""
        order = sorted(candidates, key=lambda c: seed_of(self.rule.seed, "control", self.round, problem, c.sample))
        drawn: dict[Any, Candidate] = {}
        for candidate in order:
            if len(drawn) < n:
                drawn.setdefault(same_as(candidate, self.rule.dedupe), candidate)
        return list(drawn.values())


def same_as(candidate: Candidate, dedupe: str) -> Any:
    """What two candidates must share to count as equal."""
    if dedupe == "none":
        return candidate.sample
    if dedupe == "equations":
        return equations(candidate.text) or candidate.text
    return candidate.text


def distinct(candidates: Sequence[Candidate], dedupe: str, similar: float) -> list[Candidate]:
    """One candidate of each set of equal ones, in the order of the sets' first members.

    That is the first one; with ``dedupe="equations"`` the one that RFT's published selection keeps. ``dedupe="near"``
    folds those that are at least ``similar``.
    """
    if dedupe == "near":
        return [candidates[i] for i in without_near_duplicates([c.text for c in candidates], similar)]
    if dedupe == "equations":
        return [candidates[i] for i in unlike([c.text for c in candidates])]
    firsts: dict[Any, Candidate] = {}
    for candidate in candidates:
        firsts.setdefault(same_as(candidate, dedupe), candidate)
    return list(firsts.values())
