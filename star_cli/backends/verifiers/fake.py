"""fake: a verifier of one number for tests: it scores a sum right with the probability its training shows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import ModelRef, Verifier, VerifyJob
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError


@register("verifier", "fake")
class FakeVerifier(Verifier):
    """``keenness`` is the share of solutions whose correctness it sees; the others get a score by hash."""

    learns_from: ClassVar[str] = "pairs"
    keenness: float = 0.8

    def train(self, job: VerifyJob) -> dict[str, Any]:
        start = (Path(job.start.path) / "config.json").read_bytes()
        body = json.dumps({"model_type": "fake", "skill": json.loads(start)["skill"], "pairs": len(job.pairs)}) + "\n"
        (job.out / "config.json").write_text(body)
        job.progress(1, 1, 0.5)
        return {
            "steps": 1,
            "pairs": len(job.pairs),
            "start_weights": hashlib.sha256(start).hexdigest(),
            "end_weights": hashlib.sha256(body.encode()).hexdigest(),
        }

    def score(self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime) -> list[float]:
        try:
            json.loads((Path(model.path) / "config.json").read_bytes())["pairs"]
        except (OSError, ValueError, KeyError):
            raise StarError(f"{model.path} holds no fake verifier", hint="use verifier=fake with model=fake") from None
        return [self._score(prompt, completion) for prompt, completion in items]

    def _score(self, prompt: str, completion: str) -> float:
        numbers = re.search(r"(\d[\d ]*?) \+ (\d[\d ]*)", prompt)
        draw = seed_of("opinion", prompt, completion, bits=16) / 65536
        if numbers is None or draw > self.keenness:
            return round(draw, 4)
        total = sum(int(g.replace(" ", "")) for g in numbers.groups())
        return float(completion.strip().splitlines()[-1].replace(" ", "") == str(total))
