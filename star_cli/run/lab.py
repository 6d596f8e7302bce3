"""The Lab: the only hand that runs stages. It finds what is already built, builds the rest, and keeps one engine
alive.
"""

from __future__ import annotations

import json
import time
from dataclasses import fields, replace
from typing import Any

from star_cli.core.keys import seed_of, stable
from star_cli.core.parts import Meter, ModelRef, Session, Task
from star_cli.core.records import Problem, Rationale
from star_cli.core.registry import name_of
from star_cli.core.settings import Sampling
from star_cli.errors import NotBuilt, StarError
from star_cli.methods.see_think_learn.negatives import Negatives
from star_cli.methods.see_think_learn.stages import Oppose
from star_cli.run.adapting import Adapting
from star_cli.run.build import Planned, Step, address_of, manifest_of, stage_name
from star_cli.run.choosing import Choosing
from star_cli.run.experiment import Experiment
from star_cli.run.live_engine import Residency
from star_cli.run.observe import Observer
from star_cli.stages.answers import Answers
from star_cli.stages.base import Stage, Work
from star_cli.stages.evaluate import Evaluate
from star_cli.stages.filter import Filter
from star_cli.stages.finetune import Finetune
from star_cli.stages.generate import Generate
from star_cli.stages.health import Health
from star_cli.stages.pretrain import Base, Pretrain
from star_cli.stages.problems import Problems
from star_cli.stages.steps import Steps
from star_cli.store.artifacts import Artifact, Draft, Store, full_disk
from star_cli.store.ledger import Event, Run


class Lab(Choosing, Adapting):
    """The verbs of a method. Each makes a stage, looks it up by key, and builds it when it is not there."""

    def __init__(
        self,
        experiment: Experiment,
        store: Store,
        observer: Observer,
        residency: Residency,
        run: Run | None = None,
        *,
        pins: dict[tuple[int, str], str] | None = None,
        planning: bool = False,
    ) -> None:
        self.x, self.store, self.observer, self.residency, self.run = experiment, store, observer, residency, run
        self.pins = pins or {}
        self.planning = planning
        self.plan: list[Step] = []
        self.built = 0
        self._base_path: dict[str, str] = {}
        self._done: dict[tuple[int, str, str], Artifact] = {}

    # ---- the verbs ------------------------------------------------------------------------------------------------
    def base_model(self) -> Artifact:
        """The model the run starts from: pretrained here, or brought from outside and addressed by its content."""
        x = self.x
        if x.model.local:
            settings = {
                "lr": x.pretraining.lr,
                "batch": x.pretraining.batch,
                "warmup": x.pretraining.warmup,
                "schedule": x.pretraining.schedule,
            }
            known = {f.name for f in fields(x.trainer)}
            trainer = type(x.trainer)(**{k: v for k, v in settings.items() if k in known})
            stage: Stage = Pretrain(
                model=x.model,
                task=x.task,
                lessons=dict(x.pretraining.lessons or x.task.lessons),
                trainer=trainer,
                steps=x.pretraining.steps,
                seed=x.pretraining.seed,
                first=dict(x.pretraining.first),
                first_steps=x.pretraining.first_steps,
            )
            return self.build(stage, {}, 0, "pretrain")
        found = x.model.resolve()
        stage = Base(
            content=found["content"],
            dtype=x.model.dtype,
            chat=x.model.chat,
            path=found["path"],
            revision=found.get("revision"),
        )
        artifact = self.build(stage, {}, 0, "base")
        self._base_path[artifact.key] = found["path"]
        return artifact

    def problems(self, split: str, *, round: int = 0, limit: int = 0, whole: bool = False) -> Artifact:
        """Problems of a split; of "train" those drawn for this round (``problems=N``), unless ``whole``."""
        draw = self.x.problems if split == "train" and not whole else 0
        stage = Problems(
            task=self.x.task,
            split=split,
            limit=limit,
            draw=draw,
            seed=self.x.seed if draw else 0,
            round=round if draw else 0,
        )
        return self.build(stage, {}, round, "problems" if split == "train" else f"problems-{split}")

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
    ) -> Artifact:
        """Rationales for problems; ``unless`` leaves out those that a filter found solved; ``hint`` shows the
        answer.
        """
        sampling = sampling or self.x.sampling
        stage = Generate(
            task=self.x.task,
            engine=self.x.engine,
            sampling=sampling,
            samples=samples or self.x.method.samples,
            round=round,
            hint=hint,
            seed=self.x.seed if sampling.temperature else 0,
        )  # greedy text does not depend on a seed
        inputs = {"model": model, "problems": problems}
        if unless is not None:
            inputs["solved"] = unless
        return self.build(stage, inputs, round, name or ("rationalize" if hint else "generate"))

    def filter(self, problems: Artifact, rationales: Artifact, *, name: str | None = None) -> Artifact:
        """Verdicts on rationales, and the right ones as examples."""
        written = rationales.manifest["tag"]
        stage = Filter(
            task=self.x.task,
            grader=self.x.grader,
            keep=self.x.filter.limit,
            dedupe=self.x.filter.mode,
            sound=self.x.filter.sound,
            max_errors=self.x.filter.max_errors,
            control=self.x.filter.control,
            seed=self.x.seed if self.x.filter.control == "random" else 0,
        )
        return self.build(
            stage,
            {"problems": problems, "rationales": rationales},
            written["round"],
            name or ("filter-rationalized" if written["hint"] else "filter"),
        )

    def answers(self, problems: Artifact, *, round: int) -> Artifact:
        """Examples with the bare answers of problems."""
        return self.build(Answers(task=self.x.task), {"problems": problems}, round, "answers")

    def finetune(self, start: Artifact, examples: list[Artifact], *, round: int, trainer: Any = None) -> Artifact:
        """A model trained from ``start`` on the examples, with the schedule's steps of this round (of round 1 before
        it).
        """
        x = self.x
        self._health(examples, round)
        if x.task.stepwise():
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
        )
        inputs = {"start": start, **{f"examples.{i}": a for i, a in enumerate(examples)}}
        return self.build(stage, inputs, round, "finetune")

    def evaluate(self, model: Artifact, *, round: int) -> Artifact:
        """Accuracy of a model on the held-out split, with its interval and by group."""
        e = self.x.evaluation
        problems = self.problems(e.split, round=0, limit=e.limit)
        greedy = Sampling(temperature=e.temperature, max_tokens=self.x.sampling.max_tokens)
        drawn = e.temperature > 0
        stage = Generate(
            task=self.x.task,
            engine=self.x.engine,
            sampling=greedy,
            samples=e.samples,
            seed=seed_of(self.x.seed, "evaluate") if drawn else 0,  # never the training samples' own seeds
            round=round if drawn else 0,
        )
        answers = self.build(stage, {"model": model, "problems": problems}, round, f"generate-{e.split}")
        return self.judge(problems, answers, round=round)

    def judge(self, problems: Artifact, answers: Artifact, *, round: int, name: str = "evaluate") -> Artifact:
        """Accuracy of answers that are there already."""
        stage = Evaluate(task=self.x.task, grader=self.x.grader, round=round, max_errors=self.x.filter.max_errors)
        return self.build(stage, {"problems": problems, "rationales": answers}, round, name)

    def oppose(self, problems: Artifact, verdicts: Artifact, *, round: int, limit: int = 0) -> Artifact:
        """For each question that a filter found right, a problem for each wrong option: why is it wrong?"""
        return self.build(Oppose(limit=limit), {"problems": problems, "verdicts": verdicts}, round, "oppose")

    def negatives(self, problems: Artifact, rationales: Artifact, *, round: int) -> Artifact:
        """Explanations of wrong options as examples that do not name the right one."""
        return self.build(
            Negatives(task=self.x.task), {"problems": problems, "rationales": rationales}, round, "negatives"
        )

    def ask(self, task: Task) -> None:
        """From here on problems are put to models as ``task`` puts them."""
        self.x = replace(self.x, task=task)

    def _health(self, examples: list[Artifact], round: int) -> None:
        """The round's health, from what was judged and is trained on, else from all that was judged in the round."""
        made = {a.key: a for a in self._done.values()}
        judged = {
            a.key: a
            for (r, name, _), a in self._done.items()
            if r == round and a.stage in ("filter", "reward", "ada_sample") and not name.startswith("filter-pilot")
        }
        trained = [a.key for a in examples if a.key in judged]
        inputs: dict[str, Artifact] = {}
        for i, a in enumerate(judged[k] for k in trained or judged):
            told = a.manifest["inputs"]
            for role in ("problems", "rationales"):
                found = (
                    a
                    if role not in told or a.stage == "ada_sample"
                    else made.get(told[role]) or self.store.get(told[role])
                )
                if found is None:
                    return  # pinned, and what it judged is gone
                inputs[f"{role}.{i}"] = found
            inputs[f"verdicts.{i}"] = a
        if not inputs:
            return
        earlier = max((r for r, name, _ in self._done if name == "health" and r < round), default=None)
        if earlier is not None:
            inputs["before"] = [a for (r, name, _), a in self._done.items() if (r, name) == (earlier, "health")][-1]
        asked = sum(a.count(Problem) for role, a in inputs.items() if role == "problems.0" and a.stage == "problems")
        self.build(Health(round=round, wanted=self._wanted(round, asked)), inputs, round, "health")

    def _wanted(self, round: int, problems: int) -> int:
        """B-STaR's n*: training examples of the round over problems, and no more than a problem can give."""
        x = self.x
        most = int(getattr(x.method, "samples", 1))
        most = min(most, x.filter.limit) if x.filter.limit else most
        steps, batch = x.schedule.steps(round), getattr(x.trainer, "batch", None)
        return max(1, min(-(-steps * batch // problems), most) if steps and batch and problems else most)

    # ---- building -------------------------------------------------------------------------------------------------
    def build(self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str) -> Artifact:
        """The artifact of a stage: found by its key, or built now. In a plan: noted, not built."""
        pinned = self.pins.get((round, name))
        address = pinned or address_of(stage, inputs)
        done = self._done.get((round, name, address))
        if done is not None:
            return done
        hit = self.store.get(address)
        if self.planning:
            return self._note(stage, inputs, round, name, address, hit)
        started = time.monotonic()
        self.observer.stage_started(round, name, address)
        found = hit
        if found is None:
            if pinned:
                raise StarError(
                    f"the artifact {pinned} that round-{round}/{name} is pinned to is no longer in the store",
                    hint="resume without --from, or from an earlier stage",
                )
            wait = f"round-{round}/{name} is being built by another process; waiting for it"
            with self.store.lock(address, lambda: self.observer.say(wait)):
                found = hit = self.store.get(address) or self.store.recover(address)
                if found is None:
                    found = self._make(stage, inputs, address)
        seconds = time.monotonic() - started
        event = Event(round, name, found.stage, address, hit is not None, seconds, found.metrics)
        if self.run:
            self.run.record(event, found)
        self.built += hit is None
        self._done[round, name, address] = found
        self.observer.stage_done(event)
        return found

    def _note(
        self, stage: Stage, inputs: dict[str, Artifact], round: int, name: str, address: str, hit: Artifact | None
    ) -> Artifact:
        state = "built" if hit else "partial" if (self.store.root / f"{address}.partial").exists() else "missing"
        try:
            cost = {} if hit else stage.cost(inputs)
        except NotBuilt:
            cost = {}
        step = Step(round, name, stage_name(stage), address, state, cost)
        self.plan.append(step)
        if hit:
            self._done[round, name, address] = hit
            return hit
        rows: dict[str, int] = {}
        if isinstance(stage, Problems):
            rows[Problem.file] = sum(1 for _ in stage.chosen())
        if "samples" in cost:
            rows[Rationale.file] = cost["samples"]
        manifest = {
            "stage": stage_name(stage),
            "tag": stable(stage),
            "files": {},
            "metrics": {},
            "inputs": {role: a.key for role, a in inputs.items()},
        }
        planned = Planned(address, self.store.root / address, manifest, rows)
        self._done[round, name, address] = planned
        return planned

    def _make(self, stage: Stage, inputs: dict[str, Artifact], address: str) -> Artifact:
        draft = self.store.draft(address)
        started = time.monotonic()
        try:
            with full_disk(str(draft.path)):
                metrics = stage.run(self._work(draft, inputs))
                return self.store.commit(draft, manifest_of(stage, inputs, metrics, time.monotonic() - started))
        finally:
            draft.close()

    def _work(self, draft: Draft, inputs: dict[str, Artifact]) -> Work:
        return Work(
            draft=draft,
            inputs=inputs,
            runtime=self.x.runtime,
            session=self.session,
            revive=self.revive,
            model=self.reference,
            meter=self._meter,
            warn=self.observer.say,
            glance=self._glance,
            grader=self.x.grader,
            max_gold_errors=self.x.filter.max_gold_errors,
            picture=self.x.task.picture,
        )

    def _meter(self, what: str, total: int) -> Meter:
        if what in ("finetune", "pretrain", "verifier"):
            self.residency.sleep()
        meter: Meter = self.observer.meter(what, total)
        return meter

    def _glance(self, problem: Problem, rationale: Rationale) -> bool | None:
        return self.x.grader.grade(problem, rationale).correct if getattr(self.x.grader, "cheap", True) else None

    # ---- models and engines -----------------------------------------------------------------------------------------
    def reference(self, model: Artifact) -> ModelRef:
        """How to load the weights of a model artifact."""
        m = self.x.model
        if model.has_file("base.json"):
            base = json.loads(model.file("base.json").read_bytes())
            path = self._base_path.get(model.key, base["path"])
            return ModelRef(model.key, path, base["revision"], m.dtype, m.chat)
        directory = model.directory("model")
        canary = directory / "canary.json"
        texts = tuple(json.loads(canary.read_bytes())) if canary.exists() else ()
        return ModelRef(model.key, str(directory), None, m.dtype, m.chat, texts)

    def session(self, model: Artifact) -> Session:
        """The living engine, with the weights of ``model`` in it."""
        if not self.residency.alive:
            self.observer.engine_starts(name_of(self.x.engine))
        return self.residency.session(self.x.engine, self.reference(model), self.x.runtime, self.observer.say)

    def revive(self, model: Artifact, error: StarError) -> Session:
        """A new engine after one died; a second death in the same stage is the caller's to raise."""
        self.observer.say(
            f"the engine died ({error.what.splitlines()[0]}); starting a new one, written samples are kept"
        )
        self.residency.close()
        return self.session(model)
