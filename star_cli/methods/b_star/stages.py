"""balance and reward: B-STaR's choice of temperature and threshold by its balance score, and the selection it leads
to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Metric, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import grade_all
from star_cli.stages.keeping import Keeper, KeepRule
from star_cli.store.artifacts import Artifact


@dataclass(frozen=True)
class Answer:
    """One response to a query: the text it counts as, whether it is right, and its reward."""

    text: str
    correct: bool
    reward: float


def rewarded(correct: bool, score: float | None, weight: float) -> float:
    """r = 1(correct) + weight * r_prm. A score is a logit; 2 * sigmoid - 1 puts it into [-1, 1]."""
    return float(correct) + (weight * math.tanh(score / 2) if score is not None else 0.0)


def selected(answers: list[Answer], threshold: float, distinct_first: bool = False) -> list[Answer]:
    """The answers with a reward above the threshold, the best first, of equals the first written; with
    ``distinct_first`` equal texts once.
    """
    chosen = sorted((a for a in answers if a.reward > threshold), key=lambda a: -a.reward)
    if not distinct_first:
        return chosen
    firsts: dict[str, Answer] = {}
    for answer in chosen:
        firsts.setdefault(answer.text, answer)
    return list(firsts.values())


def fewest_a_query(counts: Iterable[int], wanted: int) -> int:
    """The smallest cap c for which the sum of min(count, c) over all queries is ``wanted``; where even all are fewer,
    the largest count. 0 asks for no cap. As the published code balances its queries.
    """
    sizes = sorted(counts)
    if not wanted or sum(sizes) < wanted:
        return max(sizes, default=0)
    return next(c for c in range(1, sizes[-1] + 1) if sum(min(n, c) for n in sizes) >= wanted)


def balance_of(
    answers: list[Answer], threshold: float, n_star: int, distinct_first: bool = False, cap: int = 0
) -> float | None:
    """bs = min(n'/n*, 1) * n'/n of one query: n answers are selected, n' of them are right and unlike each other; None
    where none is selected. ``cap`` is the most that may be selected (0: all).
    """
    chosen = selected(answers, threshold, distinct_first)[: cap or None]
    if not chosen:
        return None
    unlike = len({a.text for a in chosen if a.correct})
    return min(unlike / n_star, 1.0) * unlike / len(chosen)


@stage("balance", version=3)
class Balance(Stage):
    """Inputs: ``problems`` (the queries) and, for every temperature i, ``rationales.i``, ``verdicts.i`` and, where a
    verifier judges, ``scores.i``.

    The chosen pair has the highest mean balance score over all queries (0 where nothing is selected; with
    ``drop_empty`` such queries are left out); of equals the first temperature, then the highest threshold. ``gold``
    adds the data's own solution to every query with reward 1, ``distinct_first`` counts equal answers once in n.
    ``per_query`` is how many examples a query should give on average: of each the best are selected, at most as many
    as it takes until the queries have that many together (0: all above the threshold).
    """

    reads, writes = (Problem, Rationale, Verdict, Score), (Metric,)
    task: Task
    grader: Grader
    temperatures: list[float]
    thresholds: list[float]
    n_star: int
    round: int
    weight: float = 1.0
    per_query: int = 0
    drop_empty: bool = False
    distinct_first: bool = False
    gold: bool = False

    def run(self, context: StageContext) -> dict[str, Any]:
        rows: list[Metric] = []
        best: tuple[float, float, float] | None = None
        different: list[float] = []  # right answers of a solved query, by temperature
        meter = context.meter("balance", len(self.temperatures))
        for i, temperature in enumerate(self.temperatures):
            answers = self._answers(context, i)
            different.append(right_answers(answers))
            for threshold in self.thresholds:
                cap = self._cap(answers, threshold)
                balances = [balance_of(a, threshold, self.n_star, self.distinct_first, cap) for a in answers]
                counted = [x or 0.0 for x in balances if x is not None or not self.drop_empty]
                score = sum(counted) / len(counted) if counted else 0.0
                rows.append(
                    Metric(
                        name=f"balance/temperature={temperature:g}/threshold={threshold:g}",
                        value=score,
                        n=len(counted),
                        round=self.round,
                    )
                )
                better = best is None or score > best[0] + 1e-12
                stricter = best is not None and temperature == best[1] and abs(score - best[0]) <= 1e-12
                if better or (
                    stricter and best is not None and threshold > best[2]
                ):  # of equals the one that keeps least
                    best = score, temperature, threshold
            meter.step()
        meter.close()
        assert best is not None
        score, temperature, threshold = best
        context.draft.write(Metric, [*rows, Metric(name="balance", value=score, n=len(answers), round=self.round)])
        if not score:
            raise StarError(
                f"no temperature of {self.temperatures} gave one right answer to {len(answers)} queries",
                hint="a stronger start (method.gold=true where the data has solutions), more samples or more queries",
            )
        if max(different) <= 1 < self.n_star:
            context.warn(
                f"a solved query has {max(different):.1f} different right answers at every temperature, so "
                f"n*={self.n_star} is out of reach: the balance score then prefers temperatures at which the model is "
                "wrong more often; B-STaR suits tasks with many right texts a problem (task=countdown), else set "
                "method.n_star=1"
            )
        return {
            "temperature": temperature,
            "threshold": threshold,
            "balance": score,
            "queries": len(answers),
            "n_star": self.n_star,
            "right_answers": round(max(different), 4),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "temperature {temperature:g}, threshold {threshold:g}: balance {balance:.3f}".format(**metrics)

    def _cap(self, answers: list[list[Answer]], threshold: float) -> int:
        """The most answers of a query that may be selected at a threshold; 0: all."""
        if not self.per_query:
            return 0
        counts = [len(selected(a, threshold, self.distinct_first)) for a in answers]
        return fewest_a_query(counts, self.per_query * len(counts))

    def _answers(self, context: StageContext, i: int) -> list[list[Answer]]:
        """The responses of every query at one temperature."""
        verdicts = {v.identity(): v.correct for v in context.inputs[f"verdicts.{i}"].read(Verdict)}
        scores = scores_of(context.inputs.get(f"scores.{i}"))
        answers: dict[str, list[Answer]] = {}
        for p in context.inputs["problems"].read(Problem):
            text = self.task.gold(p) if self.gold else None
            answers[p.id] = [Answer(text, True, 1.0)] if text is not None else []
        for r in context.inputs[f"rationales.{i}"].read(Rationale):
            correct = verdicts[r.identity()]
            reward = rewarded(correct, scores[r.identity()] if scores is not None else None, self.weight)
            answers[r.problem_id].append(Answer(self.grader.judged(r.text), correct, reward))
        return list(answers.values())


def right_answers(answers: list[list[Answer]]) -> float:
    """The mean number of different right answers of the queries that have one; 0 where none has."""
    counts = [len({a.text for a in query if a.correct}) for query in answers]
    solved = [n for n in counts if n]
    return sum(solved) / len(solved) if solved else 0.0


def scores_of(artifact: Artifact | None) -> dict[tuple[Any, ...], float] | None:
    """A verifier's scores by (problem, sample)."""
    return None if artifact is None else {(s.problem_id, s.sample): s.score for s in artifact.read(Score)}


@stage("reward", version=3)
class Reward(Stage):
    """Inputs: ``problems``, ``rationales``, ``choice`` (balance) and, where a verifier judges, ``scores``.

    Writes all verdicts, and as examples what has a reward above the chosen threshold and is kept by the rule, of a
    problem the best first. A threshold below 0 can let wrong answers through (``kept_wrong``). With ``per_query`` no
    more of a problem stay than it takes until all problems together have that many each on average (``capped``).
    """

    reads, writes = (Problem, Rationale, Score), (Verdict, Example)
    judges = True
    task: Task
    grader: Grader
    round: int
    keep: KeepRule
    weight: float = 1.0
    per_query: int = 0
    max_errors: float = 0.02

    def run(self, context: StageContext) -> dict[str, Any]:
        problems, rationales = context.inputs["problems"], context.inputs["rationales"]
        threshold = float(context.inputs["choice"].metrics["threshold"])
        scores = scores_of(context.inputs.get("scores"))
        generator = rationales.input("model") or ""
        keeper = Keeper(self.keep, task=self.task, grader=self.grader, round=self.round, generator=generator)
        meter = context.meter("filter", rationales.count(Rationale))
        rewards: dict[tuple[Any, ...], float] = {}
        right: dict[tuple[Any, ...], bool] = {}

        def verdicts() -> Iterator[Verdict]:
            workers = context.runtime.grade_workers
            for problem, rationale, verdict in grade_all(self.grader, self.task, problems, rationales, workers):
                score = scores[rationale.identity()] if scores is not None else None
                reward = rewards[rationale.identity()] = rewarded(verdict.correct, score, self.weight)
                right[rationale.identity()] = verdict.correct
                keeper.add(problem, rationale, verdict, fit=reward > threshold, rank=reward)
                meter.step(right=verdict.correct)
                yield verdict
            keeper.close()

        try:
            context.draft.write(Verdict, verdicts())
        finally:
            meter.close()
        keeper.errors.refuse(self.max_errors)
        examples, cap = self._capped(keeper.examples, rewards, problems.count(Problem))
        context.draft.write(Example, examples)
        return {
            "problems": problems.count(Problem),
            "solved": len(keeper.solved),
            "selected": keeper.fit,
            "kept": len(examples),
            "kept_wrong": sum(not right[e.problem_id, e.sample] for e in examples),
            "capped": len(keeper.examples) - len(examples),
            "cap": cap,
            "threshold": threshold,
            "kept_wrong_steps": keeper.wrong_steps,
            "reasons": dict(keeper.reasons),
        }

    def _capped(
        self, examples: list[Example], rewards: dict[tuple[Any, ...], float], problems: int
    ) -> tuple[list[Example], int]:
        """The examples without those beyond the cap of a problem, and the cap."""
        by_problem: dict[str, list[Example]] = {}
        for example in examples:
            by_problem.setdefault(example.problem_id, []).append(example)
        cap = fewest_a_query(map(len, by_problem.values()), self.per_query * problems)
        best = {
            (e.problem_id, e.sample)
            for rows in by_problem.values()
            for e in sorted(rows, key=lambda e: -rewards[e.problem_id, e.sample])[:cap]
        }
        return [e for e in examples if (e.problem_id, e.sample) in best], cap

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{kept} kept of {selected} above {threshold:g}, {kept_wrong} of them wrong".format(**metrics)
