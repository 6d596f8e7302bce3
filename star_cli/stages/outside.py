"""outside_rationales and outside_examples: what was written elsewhere, as artifacts to filter and to train on.

{"problem_id": "gsm8k-17", "text": "48 / 2 = 24. The answer is 72."}      {"prompt": "Q: ...", "completion": "..."}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any

from star_cli.core.keys import file_sha256
from star_cli.core.parts import RUNTIME, Task
from star_cli.core.records import Example, Problem, Rationale
from star_cli.errors import StarError, need
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.sampling import prompt_key
from star_cli.store.json_lines import read_rows, text_of

RATIONALES = "problem_id (or prompt, the question) and text"
EXAMPLES = "prompt and completion"


def content_of(path: Path) -> str:
    """What addresses a file from outside: the sha256 of its bytes."""
    try:
        return file_sha256(path)
    except OSError as e:
        raise StarError(f"{path} cannot be read: {e.strerror}", hint="give a file of JSON lines") from None


@stage("outside_rationales")
class OutsideRationales(Stage):
    """Input: ``problems``. Every line becomes a rationale of the problem that it names by id, prompt or question.

    ``finish`` ("length": it ran out of tokens) and ``tokens`` are taken from the line where they are given.
    """

    reads, writes = (Problem,), (Rationale,)
    task: Task
    content: str
    path: str = field(metadata=RUNTIME)

    def run(self, context: StageContext) -> dict[str, Any]:
        problems = list(context.inputs["problems"].read(Problem))
        names = self._names(problems)
        texts: dict[str, list[tuple[str, dict[str, Any]]]] = {p.id: [] for p in problems}
        for where, row in read_rows(Path(self.path), RATIONALES):
            name = text_of(row, ("problem_id", "id", "prompt", "question"), where)
            if names.get(name) is None:
                raise StarError(
                    f"{where}: {name[:80]!r} is no id, prompt or question of the {len(problems):,} problems "
                    + ("(several have it)" if name in names else ""),
                    hint="check the task, its data and --split",
                )
            texts[str(names[name])].append((where, row))
        rows = (r for p in problems for r in self._rationales(p, texts[p.id]))
        count = context.draft.write(Rationale, rows)
        need(count > 0, f"{self.path} holds no rationale", f"expected one JSON object a line with {RATIONALES}")
        return {"samples": count, "asked": sum(bool(t) for t in texts.values())}

    def _names(self, problems: list[Problem]) -> dict[str, str | None]:
        """The id of the problem that is meant by an id, a question or a prompt; None where several could be."""
        ids: dict[str, str | None] = {p.id: p.id for p in problems}
        questions: Counter[str] = Counter(p.question for p in problems)
        for p in problems:
            for name in (p.question, self.task.training_prompt(p), self.task.prompt(p).text):
                ids.setdefault(name, p.id if questions[p.question] == 1 else None)
        return ids

    def _rationales(self, problem: Problem, rows: list[tuple[str, dict[str, Any]]]) -> Iterator[Rationale]:
        for sample, (where, row) in enumerate(rows):
            yield Rationale(
                problem_id=problem.id,
                sample=sample,
                text=text_of(row, ("text", "completion"), where),
                hinted=False,
                finish="length" if row.get("finish") == "length" else "stop",
                tokens=row["tokens"] if isinstance(row.get("tokens"), int) else 0,
                logprob=None,
                seed=0,
                prompt_key=prompt_key(self.task.prompt(problem)),
            )

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['samples']} rationales of {metrics['asked']} problems"


@stage("outside_examples")
class OutsideExamples(Stage):
    """Every line becomes a training example, as it is."""

    writes = (Example,)
    quick = True
    content: str
    path: str = field(metadata=RUNTIME)

    def run(self, context: StageContext) -> dict[str, Any]:
        def rows() -> Iterator[Example]:
            for number, (where, row) in enumerate(read_rows(Path(self.path), EXAMPLES)):
                yield Example(
                    problem_id=f"outside/{self.content[:12]}/{number}",
                    sample=0,
                    prompt=text_of(row, ("prompt",), where),
                    completion=text_of(row, ("completion", "text"), where),
                    origin="outside",
                )

        count = context.draft.write(Example, rows())
        need(count > 0, f"{self.path} holds no example", f"expected one JSON object a line with {EXAMPLES}")
        return {"kept": count}

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['kept']} examples from outside"
