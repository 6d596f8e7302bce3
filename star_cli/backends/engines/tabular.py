"""tabular: an engine that walks transition tables (model=tabular) and writes the zip task's states.

prompt ``x 0 1 . 1 0``  ->  completion ``x 0 . 1 y 1 0\\nx . y 0 1 . 1 0``
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from star_cli.backends.engines._memory import InMemory, text_of
from star_cli.core.parts import Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError
from star_cli.lib.theory.policy import IMPOSSIBLE, Policy


@register("engine", "tabular")
class Tabular(Engine):
    """Exact: a sample depends on the tables, the temperature and the request's seed alone."""

    def open(self, model: ModelRef, runtime: Runtime) -> TabularSession:
        return TabularSession(model)


class TabularSession(InMemory):
    """One set of tables in memory."""

    device = "tables"

    def __init__(self, model: ModelRef) -> None:
        self.model, self.policy = model, Policy.load(model.path)

    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for r in requests:
            text, logprob = self.policy.write(r.prompt.text, r.seed, r.sampling.temperature, one_step="\n" in r.stop)
            yield Completion(r.id, text, len(text.split()) + 1, "stop", round(logprob, 4))

    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        return [self._score(text_of(prompt), completion) for prompt, completion in items]

    def _score(self, prompt: str, completion: str) -> float:
        try:
            return self.policy.loglikelihood(prompt, completion)
        except StarError:  # a text of words of another size, before a swap to their model: these tables never write it
            return IMPOSSIBLE * max(1, len(completion.splitlines()))

    def swap(self, model: ModelRef) -> bool:
        self.model, self.policy = model, Policy.load(model.path)
        return True
