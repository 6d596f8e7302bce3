"""step_labels: what each step of a solution is worth, by completing it again and again from there (Math-Shepherd).

Wang et al. 2024 (arXiv 2312.08935, section 3.3): a step is good when a completion from it reaches the right answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from star_cli.core.keys import seed_of
from star_cli.core.parts import Engine, Grader, Prompt, Task, stepwise
from star_cli.core.records import Labelled, Problem, Rationale, Stepped
from star_cli.core.settings import Sampling
from star_cli.errors import StarError
from star_cli.lib.text.steps import step_ends, step_starts
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import Errors, judged
from star_cli.stages.sampling import SampleWriter


@stage("step_labels")
class StepLabels(Stage):
    """Inputs: ``labelled`` (solutions with their verdicts), ``model`` (which completes) and ``problems.I``.

    Of each problem ``solutions`` solutions (0: all), drawn by seed, right and wrong alike, are cut behind each of their
    lines; from every place but the last the model writes ``completions``. A step's share is that of the completions
    which are right, the last step's the verdict on the solution. Equal beginnings of a problem are completed once.

    The artifact holds the beginnings as problems (``question`` is the text so far), the completions as rationales, and
    the solutions with their shares. A beginning follows the prompt's text, so a model with a chat template reads it in
    the user's turn. Where the task knows the true steps, ``agreement`` says how often "a completion is right" and "no
    step so far is wrong" are the same, and ``agreement_right|wrong`` how often of the steps that truly are.
    """

    reads, writes = (Labelled, Problem), (Problem, Rationale, Stepped)
    task: Task
    engine: Engine
    grader: Grader
    sampling: Sampling
    completions: int
    solutions: int
    seed: int
    round: int
    max_errors: float = 0.02

    @property
    def device(self) -> str:
        return "engine"

    def run(self, context: StageContext) -> dict[str, Any]:
        if stepwise(self.task):
            raise StarError("this task is asked step by step, and solutions are cut into steps by their lines")
        problems = {p.id: p for a in context.numbered("problems") for p in a.read(Problem)}
        chosen = self._chosen(list(context.inputs["labelled"].read(Labelled)))
        beginnings = Beginnings.of(chosen)
        task = Continued(task=self.task, originals=problems)
        quiet = replace(context, grader=None)  # a completion alone is not what a grader judges
        writer = SampleWriter(quiet, task=task, sampling=self.sampling, seed=self.seed, round=self.round)
        meter = context.meter("step_labels", len(beginnings.problems) * self.completions)
        writer.show = lambda p, r: meter.step(tokens=r.tokens)
        try:
            with writer:
                writer.write(lambda: ((p, range(self.completions)) for p in beginnings.problems))
        finally:
            meter.close()
        shares = self._shares(context, writer, beginnings, problems)
        context.draft.write(Problem, beginnings.problems)
        written = writer.settle((p.id, n) for p in beginnings.problems for n in range(self.completions))
        rows = [self._stepped(x, beginnings, shares) for x in chosen]
        context.draft.write(Stepped, rows)
        steps = [share for row in rows for share in row.shares]
        return {
            "samples": written,
            "tokens": writer.tokens,
            "reused": writer.reused,
            "solutions": len(rows),
            "beginnings": len(beginnings.problems),
            "steps": len(steps),
            "good_steps": sum(share > 0 for share in steps),
            **self._agreement(rows, problems),
        }

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        known = ", agrees with the true steps in {agreement:.1%}" if "agreement" in metrics else ""
        return ("{good_steps} of {steps} steps lead to a right answer, by {samples} completions" + known).format(
            **metrics
        )

    def _chosen(self, rows: list[Labelled]) -> list[Labelled]:
        """The solutions that are looked at, in their order."""
        drawn = sorted(rows, key=lambda x: seed_of(self.seed, "solution", *map(str, x.identity())))
        count: Counter[str] = Counter()
        names = set()
        for x in drawn:
            if x.completion.strip() and (not self.solutions or count[x.problem_id] < self.solutions):
                count[x.problem_id] += 1
                names.add(x.identity())
        if not names:
            raise StarError("there is no solution whose steps could be looked at", hint="draw more samples")
        return [x for x in rows if x.identity() in names]

    def _shares(
        self, context: StageContext, writer: SampleWriter, beginnings: Beginnings, problems: dict[str, Problem]
    ) -> dict[str, float]:
        """The share of right completions of each beginning."""
        errors, right = Errors(), Counter[str]()

        def whole() -> Iterator[tuple[Problem, Rationale]]:
            pairs = ((p, n) for p in beginnings.problems for n in range(self.completions))
            for beginning, r in writer.written(pairs):
                yield problems[beginning.meta["problem"]], msgspec.structs.replace(r, text=beginning.question + r.text)

        for _, rationale, verdict in judged(self.grader, whole(), context.runtime.grade_workers):
            errors.add(verdict)
            right[rationale.problem_id] += verdict.correct
        errors.refuse(self.max_errors)
        return {p.id: right[p.id] / self.completions for p in beginnings.problems}

    def _stepped(self, x: Labelled, beginnings: Beginnings, shares: dict[str, float]) -> Stepped:
        ends = step_ends(x.completion)
        before = [shares[beginnings.names[x.problem_id, text]] for text in beginnings_of(x.completion)]
        return Stepped(
            problem_id=x.problem_id,
            round=x.round,
            sample=x.sample,
            origin=x.origin,
            prompt=x.prompt,
            completion=x.completion,
            ended=x.ended,
            ends=ends,
            shares=[*before, float(x.correct)],
        )

    def _agreement(self, rows: list[Stepped], problems: dict[str, Problem]) -> dict[str, float]:
        """How often labels and the task's own true steps agree, over all steps but the last; empty without these."""
        agrees: dict[bool, list[bool]] = {True: [], False: []}
        for row in rows:
            truth = true_steps(self.task, problems[row.problem_id], row.completion)
            for good, share in zip(truth[:-1], row.shares[:-1], strict=True) if truth else ():
                agrees[good].append((share > 0) == good)
        both = [*agrees[True], *agrees[False]]
        named = {"agreement": both, "agreement_right": agrees[True], "agreement_wrong": agrees[False]}
        return {name: round(sum(values) / len(values), 4) for name, values in named.items() if values}

    def cost(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {"solutions": inputs["labelled"].count(Labelled)}


def true_steps(task: Task, problem: Problem, text: str) -> list[bool]:
    """For each step whether it and all before it are right; empty where the task does not know."""
    if task.wrong_steps(problem, text) is None:
        return []
    wrong = task.wrong_lines(problem, text)
    first = min(wrong, default=len(text))
    return [text.count("\n", 0, start) < first for start in step_starts(text)]


def beginnings_of(text: str) -> list[str]:
    """A solution up to each of its steps but the first: what stands before the second step, before the third, ..."""
    return [text[:start] for start in step_starts(text)[1:]]


@dataclass
class Beginnings:
    """The different beginnings of solutions: ``problems`` to complete, and their ``names`` by problem and text."""

    problems: list[Problem] = field(default_factory=list)
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, solutions: list[Labelled]) -> Beginnings:
        """The beginnings of solutions, numbered within a problem in the order they come."""
        found, count = cls(), Counter[str]()
        for x in solutions:
            for text in beginnings_of(x.completion):
                if (x.problem_id, text) not in found.names:
                    name = f"{x.problem_id}|{count[x.problem_id]}"
                    count[x.problem_id] += 1
                    found.names[x.problem_id, text] = name
                    found.problems.append(Problem(id=name, question=text, answer="", meta={"problem": x.problem_id}))
        return found


@dataclass(kw_only=True)
class Continued(Task):
    """A task's problems with the beginning of a solution behind the prompt: {"question": "first line\\n"}."""

    task: Task
    originals: dict[str, Problem]

    @property
    def max_tokens(self) -> int:  # type: ignore[override]
        return self.task.max_tokens

    @property
    def stop(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.task.stop

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        asked = self.task.prompt(self.originals[problem.meta["problem"]])
        return replace(asked, text=asked.text + problem.question)
