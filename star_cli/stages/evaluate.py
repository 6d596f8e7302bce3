"""evaluate: grade a model's answers to held-out problems and measure accuracy, with intervals and by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Grader, Task
from star_cli.core.records import Metric, Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.lib.intervals import share_interval
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import Errors, grade_all


@stage("evaluate", version=2)
class Evaluate(Stage):
    """Inputs: ``problems``, ``rationales``. Unparsed answers count as wrong.

    Intervals are over problems; where these are all there are (``Task.whole_population``) only the answers vary, and
    each is a trial of its own.
    """

    reads, writes = (Problem, Rationale), (Verdict, Metric)
    measures = True
    task: Task
    grader: Grader
    round: int
    max_errors: float = 0.02

    def run(self, context: StageContext) -> dict[str, Any]:
        problems, rationales = context.inputs["problems"], context.inputs["rationales"]
        workers = context.runtime.grade_workers
        measured = Measured(self.task)
        graded = grade_all(self.grader, self.task, problems, rationales, workers, context.inputs.get("votes"))
        context.draft.write(Verdict, (measured.add(*row) for row in graded))
        if not measured.answers:
            raise StarError("there is no rationale to evaluate", hint="the generate artifact is empty")
        measured.errors.refuse(self.max_errors)
        tag = problems.tag
        whole = not (tag.get("limit") or tag.get("draw")) and self.task.whole_population(str(tag.get("split")))
        metrics = list(self._metrics(measured, whole))
        context.draft.write(Metric, metrics)
        accuracy = metrics[0]
        return {
            "accuracy": accuracy.value,
            "low": accuracy.low,
            "high": accuracy.high,
            "n": accuracy.n,
            "reasons": dict(measured.reasons),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "accuracy {accuracy:.3f}  [{low:.3f}, {high:.3f}]  n={n}".format(**metrics)

    def _metrics(self, measured: Measured, whole: bool) -> Iterator[Metric]:
        """Accuracy first, then the task's own measures, each over all problems and by group; then the rest."""
        for name, values in {"accuracy": measured.correct, **measured.measures}.items():
            yield from self._grouped(name, values, measured.groups, whole)
        answers = measured.answers
        yield self._plain("unparsed", measured.reasons["NO_ANSWER"] / answers, answers)
        yield self._plain("tokens_per_answer", measured.tokens / answers, answers)
        if measured.chances:  # what guessing gives, and always naming the commonest option
            n = len(measured.chances)
            yield self._plain("chance", sum(measured.chances.values()) / n, n)
            yield self._plain("majority", max(measured.golds.values()) / n, n)
        if measured.wrong_steps:
            yield self._with_interval("right_with_wrong_step", measured.wrong_steps)

    def _grouped(
        self, name: str, values: dict[str, list[float]], groups: dict[str, list[str]], whole: bool
    ) -> Iterator[Metric]:
        """A measure over all problems, then over each group of them."""
        named = {name: list(values.values())}
        for group in sorted({g for i in values for g in groups[i]}):
            named[f"{name}/{group}"] = [v for i, v in values.items() if group in groups[i]]
        for label, answers in named.items():
            if whole:
                yield self._with_interval(label, [x for v in answers for x in v], len(answers))
            else:
                yield self._with_interval(label, [sum(v) / len(v) for v in answers])

    def _with_interval(self, name: str, shares: list[float], problems: int = 0) -> Metric:
        value, low, high = share_interval(shares)
        return Metric(name=name, value=value, low=low, high=high, n=problems or len(shares), round=self.round)

    def _plain(self, name: str, value: float, n: int) -> Metric:
        return Metric(name=name, value=value, n=n, round=self.round)


class Measured:
    """What graded answers add up to; by problem where a problem has several answers."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.correct: dict[str, list[float]] = {}
        self.measures: dict[str, dict[str, list[float]]] = {}  # the task's own, by name
        self.groups: dict[str, list[str]] = {}
        self.chances: dict[str, float] = {}  # of guessing right, where there are choices
        self.golds: Counter[str] = Counter()  # how often each choice is the right one
        self.wrong_steps: list[float] = []  # of right answers: 1 where a step is wrong
        self.reasons: Counter[str] = Counter()
        self.errors = Errors()
        self.answers = self.tokens = 0

    def add(self, problem: Problem, rationale: Rationale, verdict: Verdict) -> Verdict:
        """Count one graded answer; returns its verdict."""
        if problem.id not in self.correct:
            self.groups[problem.id] = [f"{k}={v}" for k, v in self.task.groups(problem).items()]
            if problem.choices:
                self.chances[problem.id] = 1 / len(problem.choices)
                self.golds[problem.answer] += 1
        self.correct.setdefault(problem.id, []).append(float(verdict.correct))
        for name, value in self.task.measures(problem, rationale.text).items():
            self.measures.setdefault(name, {}).setdefault(problem.id, []).append(value)
        if verdict.correct and verdict.wrong_steps is not None:
            self.wrong_steps.append(float(verdict.wrong_steps > 0))
        self.reasons[verdict.reason] += 1
        self.errors.add(verdict)
        self.answers += 1
        self.tokens += rationale.tokens
        return verdict
