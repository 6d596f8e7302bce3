"""Few-shot examples (blocks of ``Q:`` and ``A:``) and prompt templates as text files, read by ``shipped``.

A file of your own takes their place with task.shots=FILE or task.template=FILE.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def shipped(name: str) -> str:
    """The text of a file in this folder."""
    return resources.files("star_cli.tasks.prompts").joinpath(name).read_text(encoding="utf-8")
