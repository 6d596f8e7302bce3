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


@stage("evaluate")
class Evaluate(Stage):
    """Inputs: ``problems``, ``rationales``. Unparsed answers count as wrong."""

    reads, writes = (Problem, Rationale), (Verdict, Metric)
    measures = True
    task: Task
    grader: Grader
    round: int
    max_errors: float = 0.02

    def run(self, context: StageContext) -> dict[str, Any]:
        right: dict[str, list[float]] = {}
        groups: dict[str, list[str]] = {}
        measured: dict[str, dict[str, list[float]]] = {}
        reasons: Counter[str] = Counter()
        chances: dict[str, float] = {}
        golds: Counter[str] = Counter()
        errors = Errors()
        wrong: list[float] = []
        tokens = 0

        def verdicts() -> Iterator[Verdict]:
            nonlocal tokens
            pairs = grade_all(
                self.grader,
                self.task,
                context.inputs["problems"],
                context.inputs["rationales"],
                context.runtime.grade_workers,
            )
            for problem, rationale, verdict in pairs:
                if problem.id not in right:
                    if problem.choices:
                        chances[problem.id] = 1 / len(problem.choices)
                        golds[problem.answer] += 1
                    groups[problem.id] = [f"{k}={v}" for k, v in self.task.groups(problem).items()]
                right.setdefault(problem.id, []).append(float(verdict.correct))
                for name, value in self.task.measures(problem, rationale.text).items():
                    measured.setdefault(name, {}).setdefault(problem.id, []).append(value)
                reasons[verdict.reason] += 1
                errors.add(verdict)
                tokens += rationale.tokens
                if verdict.correct and verdict.wrong_steps is not None:
                    wrong.append(float(verdict.wrong_steps > 0))
                yield verdict

        context.draft.write(Verdict, verdicts())
        total = sum(reasons.values())
        if not total:
            raise StarError("there is no rationale to evaluate", hint="the generate artifact is empty")
        errors.refuse(self.max_errors)
        metrics = [
            m for name, values in {"accuracy": right, **measured}.items() for m in self._grouped(name, values, groups)
        ]
        unparsed = reasons["NO_ANSWER"] / total
        metrics.append(Metric(name="unparsed", value=unparsed, n=total, round=self.round))
        metrics.append(Metric(name="tokens_per_answer", value=tokens / total, n=total, round=self.round))
        if chances:  # what guessing gives, and always naming the commonest option
            metrics.append(
                Metric(name="chance", value=sum(chances.values()) / len(chances), n=len(chances), round=self.round)
            )
            metrics.append(
                Metric(name="majority", value=max(golds.values()) / len(chances), n=len(chances), round=self.round)
            )
        if wrong:
            metrics.append(self._metric("right_with_wrong_step", wrong))
        context.draft.write(Metric, metrics)
        return {
            "accuracy": metrics[0].value,
            "low": metrics[0].low,
            "high": metrics[0].high,
            "n": metrics[0].n,
            "reasons": dict(reasons),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "accuracy {accuracy:.3f}  [{low:.3f}, {high:.3f}]  n={n}".format(**metrics)

    def _grouped(self, name: str, values: dict[str, list[float]], groups: dict[str, list[str]]) -> Iterator[Metric]:
        """A measure over all problems, then over each group of them."""
        shares = {i: sum(v) / len(v) for i, v in values.items()}
        yield self._metric(name, list(shares.values()))
        for group in sorted({g for i in shares for g in groups[i]}):
            yield self._metric(f"{name}/{group}", [s for i, s in shares.items() if group in groups[i]])

    def _metric(self, name: str, shares: list[float]) -> Metric:
        value, low, high = share_interval(shares)
        return Metric(name=name, value=value, low=low, high=high, n=len(shares), round=self.round)
