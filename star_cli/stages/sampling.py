"""Writing samples: requests to the living engine, and a journal that holds every rationale once it is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, tee

from star_cli.core.keys import key, seed_of
from star_cli.core.parts import Completion, Grader, Prompt, Request, Session, Task, stepwise
from star_cli.core.records import Problem, Rationale, Verdict, decode
from star_cli.core.settings import Sampling
from star_cli.errors import EngineDied
from star_cli.lib import images
from star_cli.lib.clock import ticking
from star_cli.stages.base import StageContext
from star_cli.stages.grading.cache import EarlyGrading, cache_file
from star_cli.stages.grading.judge import judged
from star_cli.store.durable import writing

Wanted = Callable[[], Iterable[tuple[Problem, Iterable[int]]]]  # a fresh pass over problems and their sample numbers


class SampleWriter:
    """Has samples written by the input ``model``, each decided by its own seed: hash of (seed, round, hint, problem,
    n).

    A sample is in the journal as soon as it is finished, and what an interrupted run left there is not asked for again.
    An engine that dies is started anew once. A grader that works in processes of its own begins while text is being
    written (grading/cache.py). ``show`` is called with every new rationale, for the display.
    """

    def __init__(
        self,
        context: StageContext,
        *,
        task: Task,
        sampling: Sampling,
        seed: int,
        round: int,
        show: Callable[[Problem, Rationale], None] = lambda problem, rationale: None,
    ) -> None:
        self.context, self.task, self.sampling, self.seed, self.round = context, task, sampling, seed, round
        self.show = show
        self.journal = context.draft.journal(Rationale)
        if self.journal.torn:
            context.warn(f"{self.journal.torn} line(s) that an interrupted run left torn are cut off and written again")
        self.reused = len(self.journal.offsets)
        self.tokens = self.truncated = self.image_tokens = 0
        self._early = self._early_grading()
        self._pending: dict[tuple[str, int], tuple[Problem, str, int]] = {}  # with its prompt's key and its seed
        self._synced = time.monotonic()

    def __enter__(self) -> SampleWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._early:
            self._early.close()
        self.journal.sync()

    def write(self, wanted: Wanted, *, hint: bool = False) -> None:
        """Have all wanted samples in the journal: those of an interrupted run are counted, the others asked for."""
        if self.journal.offsets:
            pairs = ((p, n) for p, samples in wanted() for n in samples)
            for problem, rationale in self.written(pairs):
                self._count(problem, rationale)
        model = self.context.inputs["model"]
        session: Session | None = None
        for attempt in range(2):
            requests = self._requests(wanted(), hint)
            first = next(requests, None)
            if first is None:
                return
            session = session or self.context.session(model)
            try:
                with ticking():  # every text is judged for the display
                    for completion in self._converse(session, chain([first], requests)):
                        self._record(completion, hint)
                return
            except EngineDied as error:
                if attempt:
                    raise
                self._pending.clear()
                self.journal.sync()
                session = self.context.revive(model, error)

    def written(self, pairs: Iterable[tuple[Problem, int]]) -> Iterator[tuple[Problem, Rationale]]:
        """What the journal holds of these (problem, sample number), in their order."""
        held = (pair for pair in pairs if (pair[0].id, pair[1]) in self.journal.offsets)
        ours, places = tee(held)
        lines = self.journal.ordered((p.id, n) for p, n in places)
        for (problem, _), line in zip(ours, lines, strict=True):
            yield problem, decode(line, Rationale, str(self.journal.path))

    def verdicts(
        self, grader: Grader, items: Iterable[tuple[Problem, Rationale]]
    ) -> Iterator[tuple[Problem, Rationale, Verdict]]:
        """The verdict on every item, in order; what was judged while text was being written is not judged again."""
        if self._early:
            return self._early.verdicts(items)
        return judged(grader, items, self.context.runtime.grade_workers)

    def settle(self, order: Iterable[tuple[str, int]]) -> int:
        """Write the artifact's file of rationales: those of ``order`` that are there, in its order; returns how
        many.
        """
        return self.context.draft.settle(self.journal, (at for at in order if at in self.journal.offsets))

    def _early_grading(self) -> EarlyGrading | None:
        grader, runtime, draft = self.context.grader, self.context.runtime, self.context.draft
        if grader is None or not grader.isolated or not runtime.grade_early:
            return None
        path = cache_file(draft.path.parent, draft.key, grader)
        return EarlyGrading(grader, path, runtime.grade_workers, self.context.warn)

    def _converse(self, session: Session, requests: Iterator[Request]) -> Iterator[Completion]:
        in_steps = stepwise(self.task)
        return in_steps.converse(session, requests) if in_steps else session.stream(requests)

    def _requests(self, wanted: Iterable[tuple[Problem, Iterable[int]]], hint: bool) -> Iterator[Request]:
        """What is not in the journal yet, lazily."""
        limit = self.sampling.max_tokens or self.task.max_tokens
        for problem, samples in wanted:
            prompt: Prompt | None = None
            for sample in samples:
                at = (problem.id, sample)
                if at in self.journal.offsets:
                    continue
                if prompt is None:
                    prompt = self.task.prompt(problem, hint=hint)
                    address = prompt_key(prompt)
                seed = seed_of(self.seed, self.round, hint, *at)
                self._pending[at] = (problem, address, seed)
                yield Request(at, prompt, self.sampling, limit, self.task.stop, seed)

    def _record(self, completion: Completion, hint: bool) -> None:
        """Write one completion down."""
        problem, address, seed = self._pending.pop(completion.id)
        self.image_tokens += completion.image_tokens
        rationale = Rationale(
            problem_id=problem.id,
            sample=completion.id[1],
            text=completion.text,
            hinted=hint,
            finish=completion.finish,
            tokens=completion.tokens,
            logprob=completion.logprob,
            seed=seed,
            prompt_key=address,
        )
        with writing(str(self.journal.path)):
            self.journal.append(rationale)
            if time.monotonic() - self._synced > self.context.runtime.sync_seconds:
                self.journal.sync()
                self._synced = time.monotonic()
        self._count(problem, rationale)
        self.show(problem, rationale)

    def _count(self, problem: Problem, rationale: Rationale) -> None:
        self.tokens += rationale.tokens
        self.truncated += rationale.finish == "length"
        if self._early:
            self._early.offer(problem, rationale)


def prompt_key(prompt: Prompt) -> str:
    """16 hex digits of a prompt's text and of what its pictures hold, wherever they lie."""
    return key([prompt.text, [images.digest(path) for path in prompt.images]])[:16]
