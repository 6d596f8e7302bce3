"""lmsi: LMSI (Huang et al. 2022, arXiv 2210.11610): a model learns from its own majority answers, without gold ones.

    S  = m sampled rationales of each training problem from M, at temperature 0.7
    a* = the answer that most of S reach
    M' = train(M, {s in S : s reaches a*})                         section 3.1; m = 32 in the paper

A plug-in in one file: a record, a stage and a method of its own; nothing else was edited for it.

    star run parts=examples/lmsi.py method=lmsi problems=200
    star show RUN/round-1/majority
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any, ClassVar

from star_cli.api import (
    Artifact,
    Example,
    Grader,
    Keeper,
    KeepRule,
    Lab,
    Method,
    Problem,
    Rationale,
    Record,
    Stage,
    StageContext,
    Task,
    Verdict,
    grade_all,
    register,
    stage,
)


class Vote(Record, kw_only=True, frozen=True):
    """A problem's majority: ``votes`` of its ``n`` samples that could be parsed reach ``answer``.

    ``correct`` says whether that is right, for the reader alone: the method does not look at it.
    """

    schema = "vote/1"
    file = "votes.jsonl"
    unique = ("problem_id",)
    problem_id: str
    answer: str
    votes: int
    n: int
    correct: bool


@stage("majority")
class Majority(Stage):
    """Inputs: ``problems``, ``rationales``. Keeps, by ``rule``, the rationales that reach their problem's majority.

    Of equally many votes the answer that came first wins. The grader reads the answers; whether they are right is
    written down and decides nothing.
    """

    reads, writes = (Problem, Rationale), (Verdict, Vote, Example)
    judges = True
    task: Task
    grader: Grader
    rule: KeepRule
    round: int
    max_errors: float = 0.02

    def run(self, context: StageContext) -> dict[str, Any]:
        problems, rationales = context.inputs["problems"], context.inputs["rationales"]
        generator = rationales.input("model") or ""
        keeper = Keeper(self.rule, task=self.task, grader=self.grader, round=self.round, generator=generator)
        votes: list[Vote] = []

        def verdicts() -> Iterator[Verdict]:
            judged = grade_all(self.grader, self.task, problems, rationales, context.runtime.grade_workers)
            for problem_id, rows in groupby(judged, key=lambda row: row[0].id):
                samples = list(rows)
                winner = majority(problem_id, [verdict for _, _, verdict in samples])
                votes.extend([winner] if winner else [])
                for problem, rationale, verdict in samples:
                    fit = winner is not None and verdict.answer == winner.answer
                    keeper.add(problem, rationale, verdict, fit=fit)
                    yield verdict
            keeper.close()

        context.draft.write(Verdict, verdicts())
        keeper.errors.refuse(self.max_errors)
        context.draft.write(Vote, votes)
        context.draft.write(Example, keeper.examples)
        return {
            "problems": problems.count(Problem),
            "asked": len(keeper.asked),
            "solved": len(keeper.solved),
            "voted": len(votes),
            "right_majorities": sum(v.correct for v in votes),
            "kept": len(keeper.examples),
            "kept_right": keeper.right,
            "reasons": dict(keeper.reasons),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{right_majorities} of {voted} majorities right, kept {kept}".format(**metrics)


def majority(problem_id: str, verdicts: list[Verdict]) -> Vote | None:
    """The answer that most samples of a problem reach; None where none could be parsed."""
    parsed = [v for v in verdicts if v.answer is not None and v.reason not in ("GRADER_ERROR", "TIMEOUT")]
    if not parsed:
        return None
    answer, count = Counter(v.answer or "" for v in parsed).most_common(1)[0]
    correct = next(v.correct for v in parsed if v.answer == answer)
    return Vote(problem_id=problem_id, answer=answer, votes=count, n=len(parsed), correct=correct)


@register("method", "lmsi")
class Lmsi(Method):
    """LMSI (Huang et al. 2022): train on the samples that reach their problem's majority answer, right or wrong.

    One round in the paper; a further one samples from the newest model and trains the base anew. The paper samples the
    improved model at 1.2, mixes four prompt formats (section 3.2) and trains for 10,000 steps at lr 5e-5 with batches
    of 32 (section 4); here there is the task's own format, and steps, lr and batch are the run's settings.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "sampling.temperature": 0.7,
        "filter.limit": 0,  # all that reach the majority
        "filter.dedupe": "none",
    }
    rounds: int = 1
    samples: int = 32

    def run(self, lab: Lab) -> Artifact:
        x, base = lab.x, lab.base_model()
        f = x.filter
        seed = x.seed if f.control == "random" else 0
        rule = KeepRule(limit=f.limit, dedupe=f.mode, sound=f.sound, control=f.control, seed=seed)
        model = base
        lab.evaluate(model, round=0)
        for n in lab.rounds(self.rounds):
            problems = lab.problems("train", round=n)
            samples = lab.generate(model, problems, round=n)
            vote = Majority(task=x.task, grader=x.grader, rule=rule, round=n, max_errors=f.max_errors)
            kept = lab.build(vote, {"problems": problems, "rationales": samples}, n, "majority")
            model = lab.finetune(base, [kept], round=n)
            lab.evaluate(model, round=n)
        return model
