"""grpo: group-relative policy optimisation by verdicts, as a method and its stage."""

from star_cli.methods.grpo.method import Grpo

__all__ = ["Grpo"]
