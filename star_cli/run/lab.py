"""The Lab: the verbs that any method may use. Each makes a stage; what is there already is found, the rest is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.extras import require_package
from star_cli.core.keys import seed_of
from star_cli.core.parts import Engine, Grader, Model, Part, Task, Trainer, Verifier, stepwise
from star_cli.core.records import Problem, Rationale
from star_cli.core.registry import name_of
from star_cli.core.settings import (
    Evaluation,
    Filtering,
    Pilot,
    Pretraining,
    Runtime,
    Sampling,
    Schedule,
    Tracking,
    Training,
    Verification,
)
from star_cli.errors import NotBuilt, StarError, need
from star_cli.run.build import Builder, Equipment
from star_cli.run.transfer import targets
from star_cli.stages.answers import Answers
from star_cli.stages.ask_judge import AskJudge
from star_cli.stages.base import Stage
from star_cli.stages.collect import Collect
from star_cli.stages.evaluate import Evaluate
from star_cli.stages.filter import Filter
from star_cli.stages.finetune import Finetune
from star_cli.stages.generate import Generate
from star_cli.stages.gold import Gold
from star_cli.stages.health import Health
from star_cli.stages.keeping import KeepRule
from star_cli.stages.merge import Merge
from star_cli.stages.outside import OutsideExamples, content_of
from star_cli.stages.overlap import overlap_of
from star_cli.stages.pairs import Pairs
from star_cli.stages.pretrain import Base, Pretrain
from star_cli.stages.problems import Problems
from star_cli.stages.score import ScoreStage
from star_cli.stages.select import Select
from star_cli.stages.step_labels import StepLabels
from star_cli.stages.steps import Steps
from star_cli.stages.verifier import TrainProcessVerifier, TrainVerifier, training_settings
from star_cli.store.artifacts import Artifact

Source = tuple[Artifact, Artifact, Artifact]  # problems, rationales of them, verdicts on these


class Method(Part):
    """A whole algorithm on one page."""

    defaults: ClassVar[dict[str, Any]] = {}  # its paper's settings elsewhere: {"sampling.temperature": 0.7}
    verifier: ClassVar[str] = "none"  # the verifier that is trained unless another is chosen
    # it learns from wrong samples too, or counts them: no sampling.stop_after
    needs_all_samples: ClassVar[bool] = False
    judges: ClassVar[bool] = False  # it has stages of its own that ask the grader
    rounds: int  # of the loop
    samples: int  # rationales a problem

    def run(self, lab: Lab) -> Artifact:
        """The loop; returns the last model."""
        raise NotImplementedError

    def prepare(self, experiment: Experiment) -> Experiment:
        """The experiment as this method asks for it, before anything is written down; refuses what it cannot use."""
        return experiment

    def check(self) -> None:
        for name in ("rounds", "samples"):
            value = getattr(self, name, 1)
            need(value >= 1, f"{name} must be >= 1, got {value}", f"for example {name}=3")


@dataclass(kw_only=True)
class Experiment:
    """Everything `star run` needs, as live parts. It has no key of its own: only its stages have."""

    name: str
    home: Path
    seed: int
    task: Task
    grader: Grader
    engine: Engine
    trainer: Trainer
    method: Method
    model: Model
    sampling: Sampling
    filter: Filtering
    evaluation: Evaluation
    schedule: Schedule
    pretraining: Pretraining
    runtime: Runtime
    tracking: Tracking
    problems: int = 0  # training problems drawn afresh each round; 0: the whole split
    pilot: Pilot = field(default_factory=Pilot)
    training: Training = field(default_factory=Training)
    verifier: Verifier | None = None
    verification: Verification = field(default_factory=Verification)
    forecast: bool = False  # say first what to expect, from the pilot
    base_task: Task | None = None  # whose lessons a base model learns that is pretrained here; None: the task's

    def check(self) -> None:
        """Every part's own check, before any work is done."""
        need(self.problems >= 0, f"problems must be >= 0 (0: the whole split), got {self.problems}")
        self._check_shots()
        self._check_thinking()
        for f in fields(self):
            part = getattr(self, f.name)
            if hasattr(part, "check"):
                part.check()
        self.task.check_split(self.evaluation.split)
        if self.evaluation.final is not None:
            self.task.check_split(self.evaluation.final)
        self._check_rules()
        targets(self.evaluation)
        need(
            self.model.local or not self.training.replay,
            f"training.replay={self.training.replay} has no lessons to replay: model={name_of(self.model)} was not "
            "pretrained here",
            "leave it out, or use model=tiny",
        )
        if self.filter.mode == "near":
            require_package("filter.dedupe=near", "datasketch")
        name = name_of(self.method)
        asks = self.grader.asks
        need(
            not (asks and (self.method.judges or self.sampling.stop_after)),
            f"grader={name_of(self.grader)} asks a model after a round is written, and "
            + (f"method={name} judges" if self.method.judges else "sampling.stop_after needs verdicts")
            + " before",
            "use it with star, rft, rest_em, expert_iteration or vstar, and without sampling.stop_after",
        )
        need(
            not (self.sampling.stop_after and self.method.needs_all_samples),
            f"sampling.stop_after={self.sampling.stop_after} cannot be used: method={name} needs every sample",
            "leave sampling.stop_after out",
        )

    def _check_shots(self) -> None:
        """Whether worked examples stand in a prompt can be set for a task that has some; training's is its form."""
        asked = {
            "sampling.shots": self.sampling.shots != "task",
            "evaluation.shots": self.evaluation.shots != "task",
            "training.shots": self.training.shots,
        }
        for name in (name for name, wanted in asked.items() if wanted):
            need(
                self.task.without_shots() is not None,
                f"{name} has no effect: the prompts of task={name_of(self.task)} hold no worked examples",
                "leave it out",
            )
        if self.training.shots:
            self.task = self.task.with_shots_in_training() or self.task

    def _check_thinking(self) -> None:
        """Settings of thoughts have an effect on a model that has a chat template, and graders see what follows one."""
        task, model, name = self.task, self.model, name_of(self.model)
        why = f"model={name} has none" if model.local else "model.chat=false leaves it out"
        need(
            task.thinking == "auto" or not (model.local or model.chat is False),
            f"task.thinking={task.thinking} has no effect: it is told to a chat template, and {why}",
            "leave it out",
        )
        budget = self.sampling.max_thinking
        need(
            not budget or self.engine.closes_thoughts,
            f"sampling.max_thinking={budget} has no effect: engine={name_of(self.engine)} cannot close a thought",
            "use engine=vllm or engine=transformers, or leave it out",
        )
        limit = self.sampling.max_tokens or task.max_tokens
        need(
            budget < limit,
            f"sampling.max_thinking={budget} has no effect: a text ends after {limit} tokens",
            f"set sampling.max_tokens={2 * budget}, for example",
        )
        need(
            not budget or stepwise(task) is None,
            f"sampling.max_thinking={budget} has no effect on a task that is asked step by step",
            "leave it out",
        )
        need(
            not budget or self.verifier is None or self.verifier.learns_from == "nothing",
            f"sampling.max_thinking={budget} closes thoughts with words that are not the model's, and "
            f"verifier={name_of(self.verifier or Verifier())} would learn them",
            "set verifier=none, or leave sampling.max_thinking out",
        )
        self._show_graders_what_follows()

    def _show_graders_what_follows(self) -> None:
        """Tokens around a thought that only this model has are told to the grader."""
        grader: Any = self.grader
        pair = " ".join(self.model.reasoning or ())
        if not pair or pair in getattr(grader, "thoughts", ()):
            return
        need(
            hasattr(grader, "thoughts"),
            f"model.reasoning={self.model.reasoning} cannot be told to grader={name_of(grader)}, which has no thoughts",
            "choose numeric, math, choice, exact or another grader that has grader.thoughts",
        )
        self.grader = replace(grader, thoughts=[*grader.thoughts, pair])

    def _check_rules(self) -> None:
        """Rules of published scripts are for reporting: the run's own grader is strict, and knows those asked for."""
        grader: Any = self.grader
        used = getattr(grader, "rules", "strict")
        need(
            used == "strict",
            f"grader.rules={used} would also decide what is trained on",
            f"set evaluation.rules=[{used}] to report it beside ours",
        )
        for rules in self.evaluation.rules:
            need(
                hasattr(grader, "rules") and rules != "strict",
                f"evaluation.rules names {rules!r}, and grader={name_of(grader)} has no such rules",
                "sql has spider and bird, math last_box, code official",
            )
            replace(grader, rules=rules).check()

    def equipment(self) -> Equipment:
        """What its stages work with."""
        limit = self.filter.max_gold_errors
        return Equipment(self.task, self.grader, self.engine, self.model, self.runtime, max_gold_errors=limit)


class Lab:
    """The verbs of a method, for one experiment (``x``). ``build`` takes any stage, a method's own ones too."""

    def __init__(self, experiment: Experiment, builder: Builder, *, base: dict[str, Any] | None = None) -> None:
        self.x, self.builder = experiment, builder
        self.base = base or {}  # where a base model from outside lies and what it is, looked up once: it takes a while
        self._judged: dict[int, dict[str, tuple[Stage, Artifact]]] = {}  # by round and key: what decided what is right
        self._healths: dict[int, Artifact] = {}  # by round, the last one
        self._problems: dict[str, Artifact] = {}  # by split, the first ones
        self._overlap_said = False
        self._evaluated: dict[int, tuple[Artifact, Artifact]] = {}  # by round: the model, and what it was found to be

    def build(self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str) -> Artifact:
        """The artifact of a stage: found by its key, or built now, and known as ``round-N/name``.

        What a round is about has a plain name; what stands beside it has a second word, such as ``evaluate-peeked``.
        """
        artifact = self.builder.build(stage, inputs, round, name)
        if stage.judges:
            self._judged.setdefault(round, {}).setdefault(artifact.key, (stage, artifact))
        return artifact

    def say(self, text: str) -> None:
        """Tell whoever watches."""
        self.builder.observer.say(text)

    # ---- where a run starts
    # -------------------------------------------------------------------------------------------
    def base_model(self) -> Artifact:
        """The model the run starts from: pretrained here, or brought from outside and addressed by its content."""
        x, p = self.x, self.x.pretraining
        if x.model.local:
            own = {f.name for f in fields(x.trainer)}
            settings = {"lr": p.lr, "batch": p.batch, "warmup": p.warmup, "schedule": p.schedule}
            pretrain = Pretrain(
                model=x.model,
                task=x.base_task or x.task,
                lessons=dict(p.lessons or x.task.lessons),
                trainer=type(x.trainer)(**{k: v for k, v in settings.items() if k in own}),
                steps=p.steps,
                seed=p.seed,
                first=dict(p.first),
                first_steps=p.first_steps,
            )
            return self.build(pretrain, {}, 0, "pretrain")
        base = self.base = self.base or x.model.resolve()
        stage = Base(
            content=base["content"],
            dtype=x.model.dtype,
            chat=x.model.chat,
            path=base["path"],
            revision=base.get("revision"),
            thinking=x.task.thinking,
            reasoning=x.model.reasoning,
        )
        artifact = self.build(stage, {}, 0, "base")
        self.builder.base_paths[artifact.key] = base["path"]
        return artifact

    def problems(self, split: str, *, round: int = 0, limit: int = 0, whole: bool = False) -> Artifact:
        """Problems of a split; of "train" those drawn for this round (``problems=N``), unless ``whole``."""
        draw = self.x.problems if split == "train" and not whole else 0
        seed = self.x.seed if draw else 0
        stage = Problems(task=self.x.task, split=split, limit=limit, draw=draw, seed=seed, round=round if draw else 0)
        artifact = self.build(stage, {}, round, "problems" if split == "train" else f"problems-{split}")
        self._problems.setdefault(split, artifact)
        return artifact

    # ---- generate, filter, finetune, evaluate
    # -------------------------------------------------------------------------
    def generate(
        self,
        model: Artifact,
        problems: Artifact,
        *,
        round: int,
        hint: bool = False,
        unless: Artifact | None = None,
        samples: int | None = None,
        sampling: Sampling | None = None,
        name: str | None = None,
        engine: Engine | None = None,
    ) -> Artifact:
        """Rationales for problems. ``unless`` leaves out those a filter found solved; ``hint`` shows the answer.

        ``engine`` takes the place of the run's own, for a teacher.
        """
        sampling = sampling or self.x.sampling
        stage = Generate(
            task=self.asking(self.x.sampling.shots, round),
            engine=engine or self.x.engine,
            sampling=sampling,
            samples=samples or self.x.method.samples,
            round=round,
            hint=hint,
            seed=self.x.seed if sampling.temperature else 0,  # greedy text does not depend on a seed
            grader=self.x.grader if sampling.stop_after else None,
        )
        inputs = {"model": model, "problems": problems, **({"solved": unless} if unless is not None else {})}
        return self.build(stage, inputs, round, name or ("rationalize" if hint else "generate"))

    def asking(self, shots: str, round: int) -> Task:
        """The task as it asks in a round: with its worked examples, or without them (``sampling.shots``, ...)."""
        if shots == "task" or (shots == "first" and round <= 1):
            return self.x.task
        return self.x.task.without_shots() or self.x.task

    def filter(self, problems: Artifact, rationales: Artifact, *, name: str | None = None) -> Artifact:
        """Verdicts on rationales, and the right ones as examples."""
        x = self.x
        stage = Filter(task=x.task, grader=x.grader, keep=self.keep_rule(), max_errors=x.filter.max_errors)
        hinted = rationales.tag.get("hint", False)
        round, name = rationales.round or 0, name or ("filter-rationalized" if hinted else "filter")
        inputs = {
            "problems": problems,
            "rationales": rationales,
            **self._votes(x.grader, problems, rationales, round, name),
        }
        return self.build(stage, inputs, round, name)

    def _votes(
        self, grader: Grader, problems: Artifact, rationales: Artifact, round: int, name: str
    ) -> dict[str, Artifact]:
        """What the run's base model says of rationales, for a grader that asks one, as {"votes": artifact}."""
        if not grader.asks:
            return {}
        seed = seed_of(self.x.seed, "judge") if getattr(grader, "temperature", 0.0) else 0
        stage = AskJudge(grader=grader, engine=self.x.engine, seed=seed)
        inputs = {"model": self.base_model(), "problems": problems, "rationales": rationales}
        return {"votes": self.build(stage, inputs, round, f"votes-{name}")}

    def keep_rule(self, *, limit: int | None = None) -> KeepRule:
        """What the settings say of keeping; ``limit`` takes the place of ``filter.limit``."""
        f = self.x.filter
        show_hint = float(getattr(self.x.method, "show_hint", 0.0))
        return KeepRule(
            limit=f.limit if limit is None else limit,
            dedupe=f.mode,
            sound=f.sound,
            control=f.control,
            seed=self.x.seed if f.control == "random" or show_hint else 0,
            show_hint=show_hint,
            similar=f.similar,
            diverse=f.diverse,
            shortest=f.shortest,
            longest=f.longest,
            pass_rate=list(f.pass_rate),
            thinking=f.thinking,
        )

    def answers(self, problems: Artifact, *, round: int) -> Artifact:
        """Examples with the bare answers of problems."""
        return self.build(Answers(task=self.x.task), {"problems": problems}, round, "answers")

    def gold(self, problems: Artifact, *, round: int = 0) -> Artifact:
        """The data's own rationales of problems, as examples."""
        return self.build(Gold(task=self.x.task), {"problems": problems}, round, "gold")

    def merge(self, examples: list[Artifact], *, round: int, keep: int = 0, name: str = "merge") -> Artifact:
        """Examples of several artifacts as one: equal texts of a problem once, at most ``keep`` a problem (0: all)."""
        dedupe = "equations" if self.x.filter.mode == "equations" else "text"
        inputs = {f"examples.{i}": a for i, a in enumerate(examples)}
        return self.build(Merge(keep=keep, dedupe=dedupe), inputs, round, name)

    def finetune(
        self, start: Artifact, examples: list[Artifact], *, round: int, trainer: Trainer | None = None
    ) -> Artifact:
        """A model trained from ``start`` on the examples, with the schedule's steps of this round.

        Round 0, before the first, has the steps of round 1. The round's health is measured beside.
        """
        x = self.x
        self.health(examples, round=round)
        if stepwise(x.task):
            examples = [
                self.build(Steps(task=x.task), {"examples": a}, round, f"steps-{i}" if i else "steps")
                for i, a in enumerate(examples)
            ]
        stage = Finetune(
            trainer=trainer or x.trainer,
            steps=x.schedule.steps(max(1, round)),
            epochs=x.schedule.epochs,
            seed=seed_of(x.seed, round, "finetune", bits=31),
            round=round,
            replay=x.training.replay,
            weights=[float(mixed.weight) for mixed in x.training.mix],
        )
        inputs = {"start": start, **{f"examples.{i}": a for i, a in enumerate(examples)}}
        if x.training.replay:
            inputs["lessons"] = self.base_model()
        inputs.update({f"mix.{i}": a for i, a in enumerate(self._mixed())})
        return self.build(stage, inputs, round, "finetune")

    def _mixed(self) -> list[Artifact]:
        """The files from outside that are trained on, too, as artifacts."""
        files = [Path(mixed.path).expanduser() for mixed in self.x.training.mix]
        stages = [OutsideExamples(content=content_of(file), path=str(file.resolve())) for file in files]
        return [self.build(stage, {}, 0, f"mix-{i}") for i, stage in enumerate(stages)]

    def evaluate(self, model: Artifact, *, round: int) -> Artifact:
        """Accuracy of a model on the held-out split, with its interval and by group."""
        e = self.x.evaluation
        artifact = self._evaluate(model, e.split, round=round, limit=e.limit, name="evaluate")
        self._evaluated[round] = (model, artifact)
        self._say_overlap()
        if e.tasks_at == "round" or round == 0:
            self._transfer(model, round)
        return artifact

    def _transfer(self, model: Artifact, round: int) -> None:
        """The same model on the held-out problems of other tasks (evaluation.tasks), each by its own grader."""
        x, e = self.x, self.x.evaluation
        for target in targets(e):
            with self.builder.equipped(target.task, target.grader):
                source = Problems(task=target.task, split=e.split, limit=e.limit)
                problems = self.build(source, {}, 0, f"problems-{target.label}")
                answers = Generate(
                    task=target.task if e.shots == "task" else target.task.without_shots() or target.task,
                    engine=x.engine,
                    sampling=Sampling(temperature=e.temperature),
                    samples=e.samples,
                    seed=seed_of(x.seed, "evaluate") if e.temperature else 0,
                    round=round if e.temperature else 0,
                )
                inputs = {"model": model, "problems": problems}
                rationales = self.build(answers, inputs, round, f"generate-{target.label}")
                judging = Evaluate(task=target.task, grader=target.grader, round=round, max_errors=x.filter.max_errors)
                inputs = {"problems": problems, "rationales": rationales}
                self.build(judging, inputs, round, f"transfer-{target.label}")

    def _say_overlap(self) -> None:
        """Once, how many of the held-out problems stand among the first training problems, too."""
        split = self.x.evaluation.split
        artifacts = [self._problems.get(name) for name in (split, "train")]
        known = [a for a in artifacts if a is not None and a.path.is_dir()]  # a plan has made none
        if self._overlap_said or len(known) < 2 or self.x.task.whole_population(split):
            return
        self._overlap_said = True
        held_out, train = (list(a.read(Problem)) for a in known)
        self.say(overlap_of(split, held_out, train).sentence())

    def _evaluate(self, model: Artifact, split: str, *, round: int, limit: int, name: str) -> Artifact:
        e = self.x.evaluation
        problems = self.problems(split, round=0, limit=limit)
        drawn = e.temperature > 0
        stage = Generate(
            task=self.asking(e.shots, round),
            engine=self.x.engine,
            sampling=Sampling(temperature=e.temperature, max_tokens=self.x.sampling.max_tokens),
            samples=e.samples,
            seed=seed_of(self.x.seed, "evaluate") if drawn else 0,  # never the training samples' own seeds
            round=round if drawn else 0,
        )
        answers = self.build(stage, {"model": model, "problems": problems}, round, f"generate-{split}")
        for rules in e.rules:
            official: Any = replace(self.x.grader, rules=rules)  # type: ignore[call-arg]
            self.judge(problems, answers, round=round, name=f"{name}-{rules}", grader=official)
        return self.judge(problems, answers, round=round, name=name)

    def rounds(self, last: int) -> Iterator[int]:
        """The rounds 1 to ``last``; fewer where ``schedule.patience`` rounds in a row were no better than one before.

        A method that evaluates every round goes through these. In a plan, which measures nothing, they are all there.
        """
        patience = self.x.schedule.patience
        for n in range(1, last + 1):
            yield n
            accuracies = self._accuracies()
            if patience and n < last and len(accuracies) > patience:
                in_order = [accuracies[r] for r in sorted(accuracies)]
                if max(in_order[-patience:]) <= max(in_order[:-patience]):
                    self.say(f"round {n}: no better for {patience} rounds, so the run ends here (schedule.patience)")
                    return

    def _accuracies(self) -> dict[int, float]:
        """The accuracy of each round that was measured, by round."""
        measured = {n: artifact.metrics.get("accuracy") for n, (_, artifact) in self._evaluated.items()}
        return {n: float(value) for n, value in measured.items() if value is not None}

    def finish(self) -> None:
        """After the last round: the round that is best on the held-out split, measured on ``evaluation.final``."""
        e = self.x.evaluation
        if e.tasks_at == "end" and self._evaluated:
            last = max(self._evaluated)
            self._transfer(self._evaluated[last][0], last)
        if e.final is None or not self._evaluated:
            return
        accuracies = self._accuracies()
        if len(accuracies) < len(self._evaluated):
            raise NotBuilt(f"which round is measured on {e.final} is known only once all are measured on {e.split}")
        best = max(sorted(accuracies), key=lambda n: accuracies[n])  # of equals the earliest
        result = self._evaluate(self._evaluated[best][0], e.final, round=best, limit=0, name=f"evaluate-{e.final}")
        summary = Evaluate.summary(result.metrics)
        self.say(f"{e.final}: {summary}, by round {best}, the best on {e.split} ({accuracies[best]:.3f})")

    def judge(
        self,
        problems: Artifact,
        answers: Artifact,
        *,
        round: int,
        name: str = "evaluate",
        grader: Grader | None = None,
    ) -> Artifact:
        """Accuracy of answers that are there already, by the run's grader or another one."""
        x = self.x
        grader = grader or x.grader
        stage = Evaluate(task=x.task, grader=grader, round=round, max_errors=x.filter.max_errors)
        inputs = {"problems": problems, "rationales": answers, **self._votes(grader, problems, answers, round, name)}
        return self.build(stage, inputs, round, name)

    # ---- verifiers and candidates
    # -------------------------------------------------------------------------------------
    def collect(self, sources: list[Source], *, round: int, gold: Artifact | None = None) -> Artifact:
        """Right and wrong solutions of all rounds, labelled: what a verifier learns from (V-STaR's D_VER)."""
        roles = ("problems", "rationales", "verdicts")
        inputs = {
            f"{role}.{i}": artifact
            for i, source in enumerate(sources)
            for role, artifact in zip(roles, source, strict=True)
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
        if stepwise(self.x.task):
            raise StarError(
                "this task is learnt step by step, and a verifier would judge whole texts that its start never saw",
                hint="set verifier=none, or for zip task.pairwise=false",
            )
        data = collected
        if part.learns_from == "pairs":
            pairs = Pairs(limit=v.pairs, seed=self.x.seed if v.pairs else 0)
            data = self.build(pairs, {"labelled": collected}, round, "pairs")
        kind = TrainVerifier
        if part.learns_from == "steps":
            data, kind = self._step_labels(part, start, collected, round), TrainProcessVerifier
        seed = seed_of(self.x.seed, round, "verifier", bits=31)
        stage = kind(verifier=part, settings=training_settings(v), seed=seed)
        return self.build(stage, {"start": start, "data": data}, round, f"verifier-{name_of(part)}")

    def _step_labels(self, prm: Any, model: Artifact, collected: Artifact, round: int) -> Artifact:
        """Collected solutions with every step labelled, by what ``model`` makes of it."""
        x = self.x
        stage = StepLabels(
            task=self.asking(x.sampling.shots, round),
            engine=x.engine,
            grader=x.grader,
            sampling=replace(x.sampling, temperature=x.verification.temperature, stop_after=0),
            completions=prm.completions,
            solutions=prm.solutions,
            seed=seed_of(x.seed, "step_labels"),
            round=round,
            max_errors=x.filter.max_errors,
        )
        inputs = {"labelled": collected, "model": model}
        for role in sorted(collected.manifest.inputs):
            if role.startswith("problems."):
                problems = self.builder.artifact(collected.manifest.inputs[role])
                if problems is not None:
                    inputs[role] = problems
        return self.build(stage, inputs, round, "step_labels")

    def candidates(self, model: Artifact, *, round: int) -> Source:
        """The pool every selector chooses from: ``verification.candidates`` solutions of each held-out problem."""
        x, v, e = self.x, self.x.verification, self.x.evaluation
        problems = self.problems(e.split, limit=e.limit)
        stage = Generate(
            task=self.asking(e.shots, round),
            engine=x.engine,
            sampling=replace(x.sampling, temperature=v.temperature, stop_after=0),
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
        """Every selector on one pool of candidates: pass@k, best-of-k by each verifier, majority, weighted vote."""
        problems, rationales, verdicts = source
        inputs = {
            "problems": problems,
            "rationales": rationales,
            "verdicts": verdicts,
            **{f"scores.{name}": a for name, a in scores.items()},
        }
        return self.build(Select(ks=list(self.x.verification.ks), seed=0, round=round), inputs, round, "select")

    def choose(self, generator: Artifact, start: Artifact, collected: Artifact, *, round: int) -> Artifact:
        """The end of a method with a verifier: train it from ``start``, score the generator's candidates, compare."""
        trained = self.verifier(start, collected, round=round)
        problems, pool, verdicts = self.candidates(generator, round=round)
        scores = {}
        if trained is not None and self.x.verifier is not None:
            scores[name_of(self.x.verifier)] = self.score(trained, problems, pool, round=round, generator=generator)
        return self.select((problems, pool, verdicts), scores, round=round)

    # ---- health
    # -------------------------------------------------------------------------------------------------------
    def health(self, examples: list[Artifact], *, round: int) -> None:
        """The round's health, from what was judged and is trained on, else from all that was judged in the round."""
        judged = self._judged.get(round, {})
        trained = [a.key for a in examples if a.key in judged]
        inputs: dict[str, Artifact] = {}
        problems = 0
        for i, (stage, verdicts) in enumerate(judged[k] for k in trained or judged):
            for role, kind in (("problems", Problem), ("rationales", Rationale)):
                own = kind in stage.writes  # it asked and judged in one: what it looked at is its own
                artifact = verdicts if own else self.builder.artifact(verdicts.input(role) or "")
                if artifact is None:
                    return  # pinned, and what it judged is gone
                inputs[f"{role}.{i}"] = artifact
                if role == "problems" and i == 0 and not own:
                    problems = artifact.count(Problem)
            inputs[f"verdicts.{i}"] = verdicts
        if not inputs:
            return
        earlier = max((n for n in self._healths if n < round), default=None)
        if earlier is not None:
            inputs["before"] = self._healths[earlier]
        health = Health(round=round, wanted=self._right_answers_wanted(round, problems))
        self._healths[round] = self.build(health, inputs, round, "health")

    def _right_answers_wanted(self, round: int, problems: int) -> int:
        """B-STaR's n*: training examples of the round over problems, and no more than a problem can give."""
        x = self.x
        most = int(getattr(x.method, "samples", 1))
        most = min(most, x.filter.limit) if x.filter.limit else most
        steps, batch = x.schedule.steps(round), getattr(x.trainer, "batch", None)
        return max(1, min(-(-steps * batch // problems), most) if steps and batch and problems else most)
