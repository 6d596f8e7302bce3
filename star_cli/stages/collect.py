"""collect: right and wrong solutions of all rounds, labelled: the data D_VER that a verifier learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Grader, Task
from star_cli.core.records import Example, Labelled, Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import with_verdicts
from star_cli.stages.score import has_end
from star_cli.store.artifacts import Artifact


@stage("collect", version=2)
class Collect(Stage):
    """Inputs: ``problems.i``, ``rationales.i`` and ``verdicts.i`` of each round, and ``gold`` examples where there are.

    Equal texts of a problem count once, whoever wrote them. Each is cut where the grader stopped reading, right or
    wrong; one that ran out of tokens has no end of text (``ended``). What the grader could not judge is left out.
    """

    reads, writes = (Problem, Rationale, Verdict, Example), (Labelled,)
    task: Task
    grader: Grader

    def run(self, context: StageContext) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        solved: dict[str, set[bool]] = {}
        by_round: Counter[str] = Counter()

        def rows() -> Iterator[Labelled]:
            seen: set[tuple[str, str, bool]] = set()
            for row in self._all(context):
                at = (row.problem_id, row.completion, row.ended)
                if at in seen:
                    counts["duplicates"] += 1
                    continue
                seen.add(at)
                counts["right" if row.correct else "wrong"] += 1
                by_round[str(row.round)] += 1
                solved.setdefault(row.problem_id, set()).add(row.correct)
                yield row

        context.draft.write(Labelled, rows())
        both = sum(len(s) == 2 for s in solved.values())
        return {
            "right": counts["right"],
            "wrong": counts["wrong"],
            "duplicates": counts["duplicates"],
            "problems": len(solved),
            "with_both": both,
            "by_round": dict(by_round),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return "{right} right and {wrong} wrong solutions; {with_both} of {problems} problems have both".format(
            **metrics
        )

    def _all(self, context: StageContext) -> Iterator[Labelled]:
        for e in context.inputs["gold"].read(Example) if "gold" in context.inputs else ():
            yield Labelled(
                problem_id=e.problem_id,
                round=0,
                sample=e.sample,
                prompt=e.prompt,
                completion=e.completion,
                correct=True,
                origin="gold",
                generator="",
            )
        for problems, rationales, verdicts in zip(
            context.numbered("problems"), context.numbered("rationales"), context.numbered("verdicts"), strict=True
        ):
            yield from self._round(problems, rationales, verdicts)

    def _round(self, problems: Artifact, rationales: Artifact, verdicts: Artifact) -> Iterator[Labelled]:
        generator, round = rationales.input("model") or "", rationales.round or 0
        for problem, rationale, verdict in with_verdicts(problems, rationales, verdicts):
            if problem.images:
                raise StarError(
                    f"problem {problem.id} has pictures, and verifiers read text only",
                    hint="choose a method without a verifier",
                )
            if verdict.reason != "GRADER_ERROR":
                text = self.grader.judged(rationale.text)
                yield Labelled(
                    problem_id=problem.id,
                    round=round,
                    sample=rationale.sample,
                    prompt=self.task.training_prompt(problem),
                    completion=text,
                    correct=verdict.correct,
                    origin="rationalized" if rationale.hinted else "own",
                    generator=generator,
                    ended=has_end(rationale, text),
                )
