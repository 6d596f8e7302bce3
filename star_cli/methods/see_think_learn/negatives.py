"""negatives: explanations of why options are wrong as training examples, without the line that names the right one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from star_cli.core.parts import Task
from star_cli.core.records import Example
from star_cli.stages.base import Stage, Work, stage
from star_cli.stages.grading.judge import joined
from star_cli.tasks.base.visual import Seeing


@stage("negatives")
class Negatives(Stage):
    """Inputs: ``problems`` (with ``meta.against``) and ``rationales``. Nobody grades them: the question was answered
    right.

    Left out and counted: what ran out of tokens, lacks a section that was asked for, or names the right choice as such.
    """

    task: Task

    def run(self, work: Work) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        tag = work.inputs["rationales"].manifest
        writer, round = tag["inputs"].get("model", ""), tag["tag"]["round"]

        def rows() -> Iterator[Example]:
            for problem, rationale in joined(work.inputs["problems"], work.inputs["rationales"]):
                text = rationale.text.strip()
                fault = "truncated" if rationale.finish == "length" else self._fault(text, problem.answer)
                counts[fault or "kept"] += 1
                if fault is None:
                    yield Example(
                        problem_id=problem.id,
                        sample=rationale.sample,
                        completion=text,
                        origin="negative",
                        prompt=self.task.training_prompt(problem),
                        round=round,
                        generator=writer,
                        images=problem.images,
                    )

        work.draft.write(Example, rows())
        return {
            "asked": sum(counts.values()),
            **{name: counts[name] for name in ("kept", "truncated", "unparsed", "told")},
        }

    def _fault(self, text: str, right: str) -> str | None:
        if not isinstance(self.task, Seeing):
            return None if text else "unparsed"
        found = self.task.sections(text)
        wanted = ["EXPLANATION"] if self.task.asks == "no_caption" else ["CAPTION", "EXPLANATION"]
        if not all(found.get(role) for role in wanted):
            return "unparsed"
        return "told" if "the correct choice is" in text.lower() else None
