"""What is kept of judged rationales as training examples: right, sound, unlike each other, not too many of a
problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from star_cli.core.keys import seed_of, tagged
from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.core.settings import CONTROLS, DEDUPE
from star_cli.errors import need
from star_cli.lib.text.equations import equations, sound, unlike
from star_cli.stages.grading.judge import Errors


@tagged("keep_rule", 2)
@dataclass(frozen=True, kw_only=True)
class KeepRule:
    """At most ``limit`` examples a problem (0: all), one of each set of equals.

    ``dedupe``: "text" counts equal texts once (the first), "equations" equal ordered lists of equations (the text that
    RFT's published selection keeps: ``equations.unlike``), "none" keeps all. ``sound`` leaves out a right rationale
    with an equation that does not hold. ``control="random"`` keeps as many as the rule
    would, drawn by ``seed`` from all rationales of the problem whatever their verdicts. ``show_hint`` is the share of
    the hinted ones, drawn by ``seed``, whose training prompt shows the hint.
    """

    limit: int = 1
    dedupe: str = "text"
    sound: bool = False
    control: str = "none"
    seed: int = 0
    show_hint: float = 0.0

    def __post_init__(self) -> None:
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


@dataclass
class Kept:
    """What is kept of one problem, and what was left out of it."""

    examples: list[Example] = field(default_factory=list)
    right: int = 0  # of the kept ones
    duplicates: int = 0
    unsound: int = 0


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
        self.fit = self.right = self.duplicates = self.unsound = 0
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
            kept = self._chosen(self._problem, self._candidates)
            self.examples += kept.examples
            self.right += kept.right
            self.duplicates += kept.duplicates
            self.unsound += kept.unsound
        self._candidates = []

    def of_problem(self, problem: Problem, judged: Iterable[tuple[Rationale, Verdict]]) -> Kept:
        """What the rule keeps of one problem's judged rationales."""
        return self._chosen(problem, [self._candidate(r, v, v.correct, 0.0) for r, v in judged])

    def _candidate(self, rationale: Rationale, verdict: Verdict, fit: bool, rank: float) -> Candidate:
        text = self.grader.judged(rationale.text)  # what runs on after the answer is not learned
        return Candidate(rationale.sample, text, rationale.hinted, verdict.correct, fit, rank)

    def _chosen(self, problem: Problem, candidates: Sequence[Candidate]) -> Kept:
        rule = self.rule
        fit = [c for c in candidates if c.fit and (not rule.sound or sound(c.text))]
        unsound = sum(c.fit for c in candidates) - len(fit)
        if not fit:
            return Kept(unsound=unsound)
        unlike = distinct(sorted(fit, key=lambda c: -c.rank), rule.dedupe)
        kept = unlike[: rule.limit] if rule.limit else unlike
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
        return Kept(examples, right, len(fit) - len(unlike), unsound)

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


def distinct(candidates: Sequence[Candidate], dedupe: str) -> list[Candidate]:
    """One candidate of each set of equal ones, in the order of the sets' first members.

    That is the first one; with ``dedupe="equations"`` the one that RFT's published selection keeps.
    """
    if dedupe == "equations":
        return [candidates[i] for i in unlike([c.text for c in candidates])]
    firsts: dict[Any, Candidate] = {}
    for candidate in candidates:
        firsts.setdefault(same_as(candidate, dedupe), candidate)
    return list(firsts.values())
