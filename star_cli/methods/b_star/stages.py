"""balance and reward: B-STaR's choice of temperature and threshold by its balance score, and the selection it leads
to.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Metric, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError
from star_cli.stages.base import Stage, Work, stage
from star_cli.stages.grading.judge import Errors, grade_all
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


def balance_of(answers: list[Answer], threshold: float, n_star: int, distinct_first: bool = False) -> float | None:
    """bs = min(n'/n*, 1) * n'/n of one query: n answers have a reward above the threshold, n' of them are right and
    unlike each other; None where none is selected. ``distinct_first`` counts equal answers once in n, too.
    """
    chosen = [a for a in answers if a.reward > threshold]
    if distinct_first:
        chosen = list({a.text: a for a in chosen}.values())
    if not chosen:
        return None
    unlike = len({a.text for a in chosen if a.correct})
    return min(unlike / n_star, 1.0) * unlike / len(chosen)


@stage("balance", version=2)
class Balance(Stage):
    """Inputs: ``problems`` (the queries) and, for every temperature i, ``rationales.i``, ``verdicts.i`` and, where a
    verifier judges, ``scores.i``.

    The chosen pair has the highest mean balance score over all queries (0 where nothing is selected; with
    ``drop_empty`` such queries are left out); of equals the first temperature, then the highest threshold. ``gold``
    adds the data's own solution to every query with reward 1.
    """

    task: Task
    grader: Grader
    temperatures: list[float]
    thresholds: list[float]
    n_star: int
    round: int
    weight: float = 1.0
    drop_empty: bool = False
    distinct_first: bool = False
    gold: bool = False

    def run(self, work: Work) -> dict[str, Any]:
        rows: list[Metric] = []
        best: tuple[float, float, float] | None = None
        meter = work.meter("balance", len(self.temperatures))
        for i, temperature in enumerate(self.temperatures):
            answers = self._answers(work, i)
            for threshold in self.thresholds:
                found = [balance_of(a, threshold, self.n_star, self.distinct_first) for a in answers]
                counted = [x or 0.0 for x in found if x is not None or not self.drop_empty]
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
        work.draft.write(Metric, [*rows, Metric(name="balance", value=score, n=len(answers), round=self.round)])
        if not score:
            raise StarError(
                f"no temperature of {self.temperatures} gave one right answer to {len(answers)} queries",
                hint="a stronger start (method.gold=true where the data has solutions), more samples or more queries",
            )
        return {
            "temperature": temperature,
            "threshold": threshold,
            "balance": score,
            "queries": len(answers),
            "n_star": self.n_star,
        }

    def _answers(self, work: Work, i: int) -> list[list[Answer]]:
        """The responses of every query at one temperature."""
        verdicts = {v.identity(): v.correct for v in work.inputs[f"verdicts.{i}"].read(Verdict)}
        scores = scores_of(work.inputs.get(f"scores.{i}"))
        found: dict[str, list[Answer]] = {}
        for p in work.inputs["problems"].read(Problem):
            text = self.task.gold(p) if self.gold else None
            found[p.id] = [Answer(text, True, 1.0)] if text is not None else []
        for r in work.inputs[f"rationales.{i}"].read(Rationale):
            correct = verdicts[r.identity()]
            reward = rewarded(correct, scores[r.identity()] if scores is not None else None, self.weight)
            found[r.problem_id].append(Answer(self.grader.judged(r.text), correct, reward))
        return list(found.values())


def scores_of(artifact: Artifact | None) -> dict[tuple[Any, ...], float] | None:
    """A verifier's scores by (problem, sample)."""
    return None if artifact is None else {(s.problem_id, s.sample): s.score for s in artifact.read(Score)}


@stage("reward")
class Reward(Stage):
    """Inputs: ``problems``, ``rationales``, ``choice`` (balance) and, where a verifier judges, ``scores``.

    Writes all verdicts, and as examples what has a reward above the chosen threshold: of a problem at most ``keep``,
    the best first (0: all), equal texts once with ``dedupe``. A threshold below 0 can let wrong answers through
    (``kept_wrong``).
    """

    task: Task
    grader: Grader
    round: int
    keep: int = 0
    dedupe: bool = True
    weight: float = 1.0
    max_errors: float = 0.02

    def run(self, work: Work) -> dict[str, Any]:
        rationales = work.inputs["rationales"]
        threshold = float(work.inputs["choice"].metrics["threshold"])
        scores = scores_of(work.inputs.get("scores"))
        reasons: Counter[str] = Counter()
        errors = Errors()
        offers: dict[str, list[tuple[Answer, Example]]] = {}
        solved: set[str] = set()
        wrong: int | None = None
        generator = rationales.manifest.get("inputs", {}).get("model", "")
        meter = work.meter("filter", rationales.count(Rationale))

        def verdicts() -> Iterator[Verdict]:
            nonlocal wrong
            for p, r, v in grade_all(
                self.grader, self.task, work.inputs["problems"], rationales, work.runtime.grade_workers
            ):
                reasons[v.reason] += 1
                errors.add(v)
                meter.step(right=v.correct)
                if v.correct:
                    solved.add(p.id)
                    if v.wrong_steps is not None:
                        wrong = (wrong or 0) + (v.wrong_steps > 0)
                text = self.grader.judged(r.text)
                reward = rewarded(v.correct, scores[r.identity()] if scores is not None else None, self.weight)
                if reward > threshold:
                    example = Example(
                        problem_id=p.id,
                        sample=r.sample,
                        prompt=self.task.training_prompt(p),
                        completion=text,
                        origin="own",
                        round=self.round,
                        generator=generator,
                        images=p.images,
                    )
                    offers.setdefault(p.id, []).append((Answer(text, v.correct, reward), example))
                yield v

        try:
            work.draft.write(Verdict, verdicts())
        finally:
            meter.close()
        errors.refuse(self.max_errors)
        kept = [pair for offered in offers.values() for pair in self._best(offered)]
        work.draft.write(Example, (example for _, example in kept))
        selected = sum(map(len, offers.values()))
        return {
            "problems": work.inputs["problems"].count(Problem),
            "solved": len(solved),
            "selected": selected,
            "kept": len(kept),
            "kept_wrong": sum(not a.correct for a, _ in kept),
            "threshold": threshold,
            "kept_wrong_steps": wrong,
            "reasons": dict(reasons),
        }

    def _best(self, offered: list[tuple[Answer, Example]]) -> list[tuple[Answer, Example]]:
        ranked = sorted(offered, key=lambda pair: -pair[0].reward)
        if self.dedupe:
            unlike: dict[str, tuple[Answer, Example]] = {}
            for pair in ranked:
                unlike.setdefault(pair[0].text, pair)
            ranked = list(unlike.values())
        return sorted(ranked[: self.keep] if self.keep else ranked, key=lambda pair: pair[1].sample)
