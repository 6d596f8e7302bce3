"""filter: a grader judges every rationale; the right ones become training examples, without any hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from star_cli.core.keys import seed_of
from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.core.settings import CONTROLS, dedupe_mode
from star_cli.errors import need
from star_cli.stages.base import Stage, Work, stage
from star_cli.stages.grading.judge import Errors, grade_all


@stage("filter", version=2)
class Filter(Stage):
    """Inputs: ``problems``, ``rationales``. Writes all verdicts, and at most ``keep`` examples a problem (0: all).

    ``dedupe``: "text" keeps equal texts once (the first), "equations" equal ordered lists of equations once (the text
    that is furthest from the others; a text without equations counts by its text), "none" keeps all; true and false
    stand for "text" and "none". ``sound`` keeps only what has no annotated equation that does not hold.
    ``control="random"`` keeps as many examples of the same problems, drawn by ``seed`` from all their rationales
    whatever the verdicts; the verdicts are written as ever.
    """

    task: Task
    grader: Grader
    keep: int = 1
    dedupe: str = "text"
    sound: bool = False
    max_errors: float = 0.02
    control: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        self.dedupe = dedupe_mode(self.dedupe)
        need(self.control in CONTROLS, f"filter.control must be {' or '.join(CONTROLS)}, got {self.control!r}")

    def run(self, work: Work) -> dict[str, Any]:
        rationales = work.inputs["rationales"]
        written = rationales.manifest.get("tag", {})
        judged = Judged(self, int(written.get("round", 0)), rationales.manifest.get("inputs", {}).get("model", ""))
        meter = work.meter("filter", rationales.count(Rationale))

        def verdicts() -> Iterator[Verdict]:
            pairs = grade_all(self.grader, self.task, work.inputs["problems"], rationales, work.runtime.grade_workers)
            for problem, rationale, verdict in pairs:
                judged.add(problem, rationale, verdict)
                meter.step(right=verdict.correct)
                yield verdict
            judged.close()

        try:
            work.draft.write(Verdict, verdicts())
        finally:
            meter.close()
        judged.errors.refuse(self.max_errors)
        work.draft.write(Example, judged.examples)
        total = work.inputs["problems"].count(Problem)
        return {
            "problems": total,
            "asked": len(judged.seen),
            "solved": len(judged.solved),
            "kept": len(judged.examples),
            "duplicates": judged.duplicates,
            "kept_wrong_steps": judged.wrong,
            "reasons": dict(judged.reasons),
            **({"unsound": judged.unsound} if self.sound else {}),
            **({"kept_right": judged.kept_right} if self.control == "random" else {}),
        }


@dataclass(frozen=True)
class Offer:
    """A rationale that may be kept: what of it would be learned, and whether its answer is right (and it is sound)."""

    sample: int
    text: str
    hinted: bool
    correct: bool


class Judged:
    """What came out of the grading so far; rationales come problem by problem."""

    def __init__(self, spec: Filter, round: int, generator: str) -> None:
        self.spec, self.round, self.generator = spec, round, generator
        self.reasons: Counter[str] = Counter()
        self.errors = Errors()
        self.seen: set[str] = set()
        self.solved: set[str] = set()
        self.examples: list[Example] = []
        self.duplicates = self.kept_right = self.unsound = 0
        self.wrong: int | None = None
        self._problem: Problem | None = None
        self._offers: list[Offer] = []

    def add(self, problem: Problem, rationale: Rationale, verdict: Verdict) -> None:
        """Count a verdict; when the problem changes, what is kept of the one before is settled."""
        if self._problem is not None and self._problem.id != problem.id:
            self.close()
        self._problem = problem
        self.reasons[verdict.reason] += 1
        self.errors.add(verdict)
        self.seen.add(verdict.problem_id)
        if verdict.correct:
            self.solved.add(verdict.problem_id)
            if verdict.wrong_steps is not None:
                self.wrong = (self.wrong or 0) + (verdict.wrong_steps > 0)
        if verdict.correct or self.spec.control == "random":
            text = self.spec.grader.judged(rationale.text)  # what runs on after the answer is not learned
            fit = verdict.correct and (not self.spec.sound or holds_good(text))
            self.unsound += verdict.correct and not fit
            if fit or self.spec.control == "random":
                self._offers.append(Offer(rationale.sample, text, rationale.hinted, fit))

    def close(self) -> None:
        """Keep of the last problem what the settings say."""
        problem, spec = self._problem, self.spec
        right = [o for o in self._offers if o.correct]
        if problem is not None and right:
            kept = distinct(right, spec.dedupe)
            self.duplicates += len(right) - len(kept)
            kept = kept[: spec.keep] if spec.keep else kept
            if spec.control == "random":
                kept = self._drawn(problem.id, len(kept))
            self.kept_right += sum(o.correct for o in kept)
            prompt = spec.task.training_prompt(problem)
            self.examples += [
                Example(
                    problem_id=problem.id,
                    sample=o.sample,
                    prompt=prompt,
                    completion=o.text,
                    origin="rationalized" if o.hinted else "own",
                    round=self.round,
                    generator=self.generator,
                    images=problem.images,
                )
                for o in kept
            ]
        self._offers = []

    def _drawn(self, problem: str, n: int) -> list[Offer]:
        """``n`` of all rationales of a problem by seed, none equal to another, in file order."""
        order = sorted(self._offers, key=lambda o: seed_of(self.spec.seed, "control", self.round, problem, o.sample))
        drawn: dict[Any, Offer] = {}
        for offer in order:
            if len(drawn) < n:
                drawn.setdefault(mark_of(offer, self.spec.dedupe), offer)
        return sorted(drawn.values(), key=lambda o: o.sample)


def holds_good(text: str) -> bool:
    """Whether every annotated equation of a text holds (RFT)."""
    from star_cli.lib.text.equations import sound

    return sound(text)


def mark_of(offer: Offer, mode: str) -> Any:
    """What two offers must share to count as equal."""
    if mode == "none":
        return offer.sample
    if mode == "equations":
        from star_cli.lib.text.equations import equations

        return equations(offer.text) or offer.text
    return offer.text


def distinct(offers: list[Offer], mode: str) -> list[Offer]:
    """One offer of each set of equal ones, in the order of the sets' first members."""
    groups: dict[Any, list[Offer]] = {}
    for offer in offers:
        groups.setdefault(mark_of(offer, mode), []).append(offer)
    if mode != "equations":
        return [group[0] for group in groups.values()]
    from star_cli.lib.text.equations import pick

    return [group[pick([o.text for o in group])] if len(group) > 1 else group[0] for group in groups.values()]
