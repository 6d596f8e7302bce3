"""fake: a model of one number, its skill, for tests: {"model_type": "fake", "skill": 0.4}."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from star_cli.core.parts import Model
from star_cli.core.registry import register
from star_cli.errors import need


@register("model", "fake")
class FakeModel(Model):
    """``skill`` is the probability that the fake engine solves a problem."""

    local: ClassVar[bool] = True
    skill: float = 0.4
    dtype: str = "float32"
    chat: bool | None = False

    def check(self) -> None:
        need(0 <= self.skill <= 1, f"model.skill must be in [0, 1], got {self.skill}")

    def initialise(self, texts: Iterable[str], out: Path, seed: int) -> None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text(json.dumps({"model_type": "fake", "skill": self.skill}) + "\n")
