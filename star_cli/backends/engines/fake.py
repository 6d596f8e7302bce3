"""fake: an engine without a model, for tests and for learning the tool. Settings make it fail on purpose.

It solves sums ("6 2 4 + 2 5 9") with a probability that the fake model's ``skill`` gives, always by the request's seed.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from star_cli.backends.engines._memory import InMemory, text_of
from star_cli.core.keys import seed_of
from star_cli.core.parts import RUNTIME, Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError

CHOICE = re.compile(r"^(?:\(([a-j])\) .*|.* \(([a-j])\))$", re.M)
SUM = re.compile(r"(\d[\d ]*?) \+ (\d[\d ]*)")


@register("engine", "fake")
class Fake(Engine):
    """Faults: ``die_after`` completions once (``die_always`` every time), ``stale`` keeps old weights after a swap.

    ``seconds`` is spent on each completion; ``count_file`` gets a byte for each completion really written.
    """

    die_after: int = field(default=0, metadata=RUNTIME)
    die_always: bool = field(default=False, metadata=RUNTIME)
    stale: bool = field(default=False, metadata=RUNTIME)
    seconds: float = field(default=0.0, metadata=RUNTIME)
    count_file: str | None = field(default=None, metadata=RUNTIME)

    def open(self, model: ModelRef, runtime: Runtime) -> FakeSession:
        return FakeSession(self, model)


class FakeSession(InMemory):
    """A session of the fake engine. ``opened`` counts how many were made in this process."""

    device = "fake"
    opened = 0
    died = False

    def __init__(self, spec: Fake, model: ModelRef) -> None:
        type(self).opened += 1
        self.spec, self.model, self.skill, self.left = spec, model, skill_of(model), spec.die_after
        if type(self).died and not spec.die_always:
            self.left = 0

    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        batch: list[Completion] = []
        for request in requests:
            batch.append(self._write(request))
            if len(batch) == 8:  # finished out of order, as a real engine does
                yield from reversed(batch)
                batch = []
        yield from reversed(batch)

    def _write(self, request: Request) -> Completion:
        if self.left:
            self.left -= 1
            if not self.left:
                type(self).died = not self.spec.die_always
                raise EngineDied("the fake engine died, as it was told to", hint="set engine.die_after=0")
        if self.spec.seconds:
            time.sleep(self.spec.seconds)
        if self.spec.count_file:
            with open(self.spec.count_file, "ab") as f:
                f.write(b".")
        text = self._solve(request)
        draw = seed_of("logprob", request.seed, text, bits=16) / 65536
        return Completion(request.id, text, len(text.split()) + 1, "stop", round(-5 * draw, 4))

    def _solve(self, request: Request) -> str:
        summands = SUM.search(request.prompt.text)
        if summands is None:
            return guess_choice(request) or f"an answer to {len(request.prompt.text)} characters"
        a, b = (int(digits.replace(" ", "")) for digits in summands.groups())
        hinted = "Target: " in request.prompt.text
        chance = self.skill + (1 - self.skill) * 0.5 if hinted else self.skill
        seed = request.seed if request.sampling.temperature else seed_of("greedy", request.prompt.text)
        right = random.Random(seed).random() < chance
        total = a + b if right else a + b + 1
        return f"<scratch>\n{a} + {b}\n</scratch>\n" + " ".join(str(total))

    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        return [fake_score(self.skill, text_of(prompt), completion) for prompt, completion in items]

    def swap(self, model: ModelRef) -> bool:
        self.model = model
        if not self.spec.stale:
            self.skill = skill_of(model)
        return True


def guess_choice(request: Request) -> str | None:
    """A guess at a multiple-choice question: the headings in the prompt's last line, a letter after CONCLUSION.

    None where the prompt shows no choices.
    """
    letters = [a or b for a, b in CHOICE.findall(request.prompt.text)]
    if not letters:
        return None
    seed = request.seed if request.sampling.temperature else seed_of("guess", request.prompt.text)
    letter = random.Random(seed).choice(letters)
    return "\n".join(
        f"{tag}: ({letter})" if tag == "CONCLUSION" else f"{tag}: a guess"
        for tag in request.prompt.text.splitlines()[-1].split()
    )


def skill_of(model: ModelRef) -> float:
    """The skill written in a fake model's config.json."""
    path = Path(model.path) / "config.json"
    try:
        return float(json.loads(path.read_bytes())["skill"])
    except (OSError, ValueError, KeyError):
        raise StarError(
            f"{path} holds no fake model (a config.json with a skill)",
            hint="use model=fake with engine=fake, or another engine",
        ) from None


def fake_score(skill: float, prompt: str, completion: str) -> float:
    """A log-probability that depends on the weights, as a real one does."""
    return round(math.log(0.01 + 0.99 * skill) * (1 + len(completion)) - len(prompt) * 1e-3, 5)
