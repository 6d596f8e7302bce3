"""filter: a grader judges every rationale; the right ones become training examples, without any hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from star_cli.grading import Errors, grade_all
from star_cli.parts import Grader, Stage, Task, Work, stage
from star_cli.records import Example, Problem, Rationale, Verdict


@stage("filter")
class Filter(Stage):
    """Inputs: ``problems``, ``rationales``. Writes all verdicts, and at most ``keep`` examples a problem (0: all)."""

    task: Task
    grader: Grader
    keep: int = 1
    dedupe: bool = True
    max_errors: float = 0.02

    def run(self, work: Work) -> dict[str, Any]:
        judged = Judged()
        rationales = work.inputs["rationales"]
        meter = work.meter("filter", rationales.count(Rationale))

        def verdicts() -> Iterator[Verdict]:
            pairs = grade_all(self.grader, self.task, work.inputs["problems"], rationales, work.runtime.grade_workers)
            for problem, rationale, verdict in pairs:
                judged.add(verdict)
                meter.step(right=verdict.correct)
                if verdict.correct:
                    judged.keep(self, problem, rationale)
                yield verdict

        try:
            work.draft.write(Verdict, verdicts())
        finally:
            meter.close()
        judged.errors.refuse(self.max_errors)
        work.draft.write(Example, judged.examples)
        total = work.inputs["problems"].count(Problem)
        return {"problems": total, "asked": len(judged.seen), "solved": len(judged.solved), "kept": len(judged.examples),
                "duplicates": judged.duplicates, "kept_wrong_steps": judged.wrong, "reasons": dict(judged.reasons)}


class Judged:
    """What came out of the grading so far."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.errors = Errors()
        self.seen: set[str] = set()
        self.solved: set[str] = set()
        self.examples: list[Example] = []
        self.texts: dict[str, set[str]] = {}
        self.held: Counter[str] = Counter()
        self.duplicates = 0
        self.wrong: int | None = None

    def add(self, verdict: Verdict) -> None:
        self.reasons[verdict.reason] += 1
        self.errors.add(verdict)
        self.seen.add(verdict.problem_id)
        if verdict.correct:
            self.solved.add(verdict.problem_id)
            if verdict.wrong_steps is not None:
                self.wrong = (self.wrong or 0) + (verdict.wrong_steps > 0)

    def keep(self, spec: Filter, problem: Problem, rationale: Rationale) -> None:
        text = spec.grader.judged(rationale.text)  # what runs on after the answer is not learned
        texts = self.texts.setdefault(problem.id, set())
        held = self.held[problem.id]
        if text in texts and spec.dedupe:
            self.duplicates += 1
        elif not spec.keep or held < spec.keep:
            texts.add(text)
            self.held[problem.id] += 1
            self.examples.append(Example(
                problem_id=problem.id, sample=rationale.sample, prompt=spec.task.training_prompt(problem),
                completion=text, origin="rationalized" if rationale.hinted else "own"))
