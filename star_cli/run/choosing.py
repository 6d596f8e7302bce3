"""The verbs of methods that choose: solutions of all rounds collected, verifiers trained, candidates scored and
compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from star_cli.core.keys import seed_of
from star_cli.core.parts import Verifier
from star_cli.core.registry import name_of
from star_cli.core.settings import Sampling
from star_cli.errors import StarError
from star_cli.run.experiment import Experiment
from star_cli.stages.base import Stage
from star_cli.stages.collect import Collect
from star_cli.stages.generate import Generate
from star_cli.stages.gold import Gold
from star_cli.stages.merge import Merge
from star_cli.stages.pairs import Pairs
from star_cli.stages.score import ScoreStage
from star_cli.stages.select import Select
from star_cli.stages.verifier import TrainVerifier, training_settings

if TYPE_CHECKING:
    from star_cli.store.artifacts import Artifact

    Source = tuple[Artifact, Artifact, Artifact]  # problems, rationales, verdicts


class Choosing:
    """Part of the Lab. ``build`` and ``problems`` are the Lab's own."""

    x: Experiment

    if TYPE_CHECKING:

        def build(self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str) -> Artifact: ...
        def problems(self, split: str, *, round: int = 0, limit: int = 0, whole: bool = False) -> Artifact: ...
        def judge(self, problems: Artifact, answers: Artifact, *, round: int, name: str = "evaluate") -> Artifact: ...

    def gold(self, problems: Artifact, *, round: int = 0) -> Artifact:
        """The data's own rationales of problems, as examples."""
        return self.build(Gold(task=self.x.task), {"problems": problems}, round, "gold")

    def merge(self, examples: list[Artifact], *, round: int, keep: int = 0, name: str = "merge") -> Artifact:
        """Examples of several artifacts as one, equal texts of a problem once, at most ``keep`` a problem (0: all)."""
        dedupe = "equations" if self.x.filter.mode == "equations" else "text"
        return self.build(
            Merge(keep=keep, dedupe=dedupe), {f"examples.{i}": a for i, a in enumerate(examples)}, round, name
        )

    def collect(self, sources: list[Source], *, round: int, gold: Artifact | None = None) -> Artifact:
        """Right and wrong solutions of (problems, rationales, verdicts) of all rounds, labelled: D_VER."""
        inputs = {
            f"{role}.{i}": a
            for i, source in enumerate(sources)
            for role, a in zip(("problems", "rationales", "verdicts"), source, strict=True)
        }
        if gold is not None:
            inputs["gold"] = gold
        return self.build(Collect(task=self.x.task, grader=self.x.grader), inputs, round, "collect")

    def verifier(
        self, start: Artifact, collected: Artifact, *, round: int, verifier: Verifier | None = None
    ) -> Artifact | None:
        """A verifier trained from ``start`` on collected solutions; None with ``verifier=none``."""
        part, v = verifier or self.x.verifier, self.x.verification
        if part is None or part.learns_from == "nothing":
            return None
        if self.x.task.stepwise():
            raise StarError(
                "this task is learnt step by step, and a verifier would judge whole texts that its start never saw",
                hint="set verifier=none, or for zip task.pairwise=false",
            )
        data = collected
        if part.learns_from == "pairs":
            pairs = Pairs(limit=v.pairs, seed=self.x.seed if v.pairs else 0)
            data = self.build(pairs, {"labelled": collected}, round, "pairs")
        stage = TrainVerifier(
            verifier=part, settings=training_settings(v), seed=seed_of(self.x.seed, round, "verifier", bits=31)
        )
        return self.build(stage, {"start": start, "data": data}, round, f"verifier-{name_of(part)}")

    def candidates(self, model: Artifact, *, round: int) -> Source:
        """The pool every selector chooses from: (problems, rationales, verdicts) of ``verification.candidates``
        solutions for each held-out problem.
        """
        x, v, e = self.x, self.x.verification, self.x.evaluation
        problems = self.problems(e.split, limit=e.limit)
        sampling: Sampling = replace(x.sampling, temperature=v.temperature)
        stage = Generate(
            task=x.task,
            engine=x.engine,
            sampling=sampling,
            samples=v.candidates,
            round=round,
            seed=seed_of(x.seed, "candidates"),
        )
        pool = self.build(stage, {"model": model, "problems": problems}, round, "candidates")
        return problems, pool, self.judge(problems, pool, round=round, name="judge-candidates")

    def score(
        self,
        verifier: Artifact,
        problems: Artifact,
        rationales: Artifact,
        *,
        round: int,
        generator: Artifact | None = None,
        part: Verifier | None = None,
        name: str | None = None,
    ) -> Artifact:
        """The verifier's score of every solution."""
        part, v = part or self.x.verifier, self.x.verification
        if part is None or part.learns_from == "nothing":
            raise StarError("there is no verifier to score with", hint="set verifier=dpo or verifier=orm")
        inputs = {"verifier": verifier, "problems": problems, "rationales": rationales}
        if generator is not None:
            inputs["generator"] = generator
        stage = ScoreStage(
            task=self.x.task, grader=self.x.grader, verifier=part, by=v.score_by, any_tokenizer=v.any_tokenizer
        )
        return self.build(stage, inputs, round, name or f"score-{name_of(part)}")

    def select(self, source: Source, scores: dict[str, Artifact], *, round: int) -> Artifact:
        """Every selector on one pool of candidates: pass@k, best-of-k by each verifier, majority, weighted vote,
        oracle.
        """
        problems, rationales, verdicts = source
        stage = Select(ks=list(self.x.verification.ks), seed=0, round=round)
        inputs = {
            "problems": problems,
            "rationales": rationales,
            "verdicts": verdicts,
            **{f"scores.{name}": a for name, a in scores.items()},
        }
        return self.build(stage, inputs, round, "select")

    def choose(self, generator: Artifact, start: Artifact, collected: Artifact, *, round: int) -> Artifact:
        """The end of a method with a verifier: train it from ``start``, score the generator's candidates, compare."""
        trained = self.verifier(start, collected, round=round)
        problems, pool, verdicts = self.candidates(generator, round=round)
        scores = {}
        if trained is not None and self.x.verifier is not None:
            scores[name_of(self.x.verifier)] = self.score(trained, problems, pool, round=round, generator=generator)
        return self.select((problems, pool, verdicts), scores, round=round)
