"""none: no verifier; candidates are chosen by majority vote and by the generator's own likelihood alone."""

from __future__ import annotations

from typing import ClassVar

from star_cli.core.parts import Verifier
from star_cli.core.registry import register


@register("verifier", "none")
class NoVerifier(Verifier):
    """Nothing is trained and nothing is scored."""

    learns_from: ClassVar[str] = "nothing"
