"""score: a verifier's opinion of every solution; or, without a verifier, the likelihood its own generator gave it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from itertools import islice
from typing import Any

from star_cli.core.keys import file_sha256
from star_cli.core.parts import RUNTIME, Grader, Task, Verifier
from star_cli.core.records import Problem, Rationale, Score
from star_cli.core.registry import name_of
from star_cli.errors import EngineDied, StarError
from star_cli.stages.base import Stage, StageContext, stage
from star_cli.stages.grading.judge import joined
from star_cli.store.artifacts import Artifact

CHUNK = 2048  # solutions scored between two steps of the display; each chunk is kept, should the run be killed


@stage("score", version=2)
class ScoreStage(Stage):
    """Inputs: ``verifier``, ``generator`` (whose tokenizer it must share), ``problems``, ``rationales``.

    Each solution is cut where the grader stops reading, as in the verifier's own data, and is scored after the prompt
    without examples. A likelihood is computed by the living engine (``by=engine``) or by a forward pass of the weights
    (``by=forward``); both give the same numbers within rounding, so how is not part of the address. ``auto`` takes the
    engine on a GPU and the forward pass elsewhere, which is what ``scripts/bench/scoring.py`` finds faster.

    A likelihood is that of the solution and its end; a verifier with a head reads one that ran out of tokens without.
    """

    reads, writes = (Problem, Rationale), (Score,)
    task: Task
    grader: Grader
    verifier: Verifier
    by: str = field(default="auto", metadata=RUNTIME)
    any_tokenizer: bool = False

    @property
    def device(self) -> str:
        return "engine" if self._by_engine() else "trainer"

    def run(self, context: StageContext) -> dict[str, Any]:
        trained, rationales = context.inputs["verifier"], context.inputs["rationales"]
        if not self.any_tokenizer and "generator" in context.inputs:
            same_tokenizer(trained, context.inputs["generator"])
        name, journal = name_of(self.verifier), context.draft.journal(Score)
        meter = context.meter("score", rationales.count(Rationale))
        order: list[tuple[str, int, str]] = []
        try:
            for chunk in self._chunks(context):
                identities = [(r.problem_id, r.sample, name) for r, _ in chunk]
                order += identities
                if any(at not in journal.offsets for at in identities):  # scored whole, whatever was kept of it
                    ended = [has_end(r, texts[1]) for r, texts in chunk]
                    scores = self._scores(context, trained, [texts for _, texts in chunk], ended)
                    for at, value in zip(identities, scores, strict=True):
                        if at not in journal.offsets:
                            journal.append(
                                Score(problem_id=at[0], sample=at[1], score=round(value, 4) + 0.0, verifier=name)
                            )
                    journal.sync()
                meter.step(len(chunk))
        finally:
            meter.close()
        return {"scores": context.draft.settle(journal, order)}

    def _chunks(self, context: StageContext) -> Iterator[list[tuple[Rationale, tuple[str, str]]]]:
        """Solutions with what is scored of them: the prompt, and the text as far as the grader reads it.

        The chunks are always the same ones, so that a run that goes on in the middle scores the same texts together.
        """
        items = (
            (r, (self.task.training_prompt(p), self.grader.judged(r.text)))
            for p, r in joined(context.inputs["problems"], context.inputs["rationales"])
        )
        while chunk := list(islice(items, CHUNK)):
            yield chunk

    @staticmethod
    def summary(metrics: dict[str, Any]) -> str:
        return f"{metrics['scores']} scores"

    def _scores(
        self, context: StageContext, trained: Artifact, items: list[tuple[str, str]], ended: list[bool]
    ) -> list[float]:
        if self._by_engine():
            if not self.verifier.likelihood:
                raise StarError(
                    f"verification.score_by=engine, but the engine cannot compute the scores of "
                    f"verifier={name_of(self.verifier)}: they are not likelihoods",
                    hint="set verification.score_by=auto",
                )
            try:
                return list(context.session(trained).score(items))
            except EngineDied as error:
                return list(context.revive(trained, error).score(items))
        more: dict[str, Any] = {"ended": ended} if self.verifier.reads_ends else {}
        return self.verifier.score(context.model(trained), items, context.runtime, **more)

    def _by_engine(self) -> bool:
        return self.verifier.engine_is_faster() if self.by == "auto" else self.by == "engine"

    def cost(self, inputs: dict[str, Artifact]) -> dict[str, int]:
        return {"scores": inputs["rationales"].count(Rationale)}


def has_end(rationale: Rationale, solution: str) -> bool:
    """Whether a solution has an end: the model ended it, or the grader stopped reading before its last word."""
    return rationale.finish != "length" or len(solution) < len(rationale.text.rstrip())


def same_tokenizer(verifier: Artifact, generator: Artifact) -> None:
    """Raise a StarError unless both models read and write the same tokens."""
    sides = [tokenizer_of(a) for a in (verifier, generator)]
    if None not in sides and sides[0] != sides[1]:
        raise StarError(
            f"the verifier {verifier.key[:12]} and the generator {generator.key[:12]} have different tokenizers",
            hint="train the verifier from this generator's base model, or set verification.any_tokenizer=true "
            "to let it read the generator's texts in its own tokens",
        )


def tokenizer_of(model: Artifact) -> str | None:
    """The content of a model's tokenizer; None where it lies outside the store."""
    names = [
        n for n in model.manifest.files if n in ("model/tokenizer.json", "model/tokenizer.model", "model/vocab.json")
    ]
    return "".join(file_sha256(model.file(n)) for n in sorted(names)) or None
