"""Tasks that ask about a picture: see (a caption), think (a reasoning), answer (a conclusion). The template is a
file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from star_cli.core.parts import RUNTIME, Prompt, Task
from star_cli.core.records import Problem
from star_cli.errors import StarError, need

LETTERS = "ABCDEFGHIJ"
ASKS = ("full", "no_caption", "answer")
BLOCKS = (*ASKS, "negative", "negative_no_caption", "caption", "choice")
ROLES = ("CAPTION", "REASONING", "CONCLUSION", "EXPLANATION")


@cache
def shipped(name: str) -> str:
    """The text of a template of this package."""
    return resources.files("star_cli.tasks.prompts").joinpath(name).read_text(encoding="utf-8")


@lru_cache(maxsize=16)
def blocks_of(text: str) -> dict[str, str]:
    """A template file as {block: text}; a block begins with a line ``== name``."""
    parts = re.split(r"^== (\w+)[ \t]*\n", text, flags=re.M)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass(kw_only=True)
class Seeing(Task):
    """``asks`` says which sections a model writes: full (caption, reasoning, conclusion), no_caption, or answer alone.

    ``template`` is "default" or a file of blocks (``== full``, ``== no_caption``, ``== answer``, ``== negative``,
    ``== negative_no_caption``, ``== caption``, and ``== choice``, one line of the choices). ``tags`` are the four
    headings it fills in: see, think, answer, and why an option is wrong. A problem whose ``meta`` holds ``against``
    asks why that option is wrong; only the hinted prompt names the right one.
    """

    asks: str = "full"
    tags: list[str] = field(default_factory=lambda: list(ROLES))
    template: str = field(default="default", metadata=RUNTIME)
    template_content: str | None = None
    template_file: ClassVar[str] = "see_think_learn.txt"

    @property
    def grader(self) -> dict[str, Any]:  # type: ignore[override]
        """The letter after the conclusion's heading."""
        return {"name": "conclusion", "tag": self.tag("CONCLUSION")}

    def check(self) -> None:
        need(self.asks in ASKS, f"task.asks must be one of {', '.join(ASKS)}, got {self.asks!r}")
        need(
            len(self.tags) == 4 and len({t.casefold() for t in self.tags}) == 4 and all(t.strip() for t in self.tags),
            f"task.tags must be four different headings ({', '.join(ROLES)}), got {self.tags}",
        )
        text = self.text()
        missing = [b for b in BLOCKS if b not in blocks_of(text)]
        need(
            not missing,
            f"task.template={self.template} has no block {', '.join(missing)}",
            "a block begins with a line such as '== full'",
        )
        for name in BLOCKS[:-2]:
            for place in ("{question}", "{choices}", *(("{right}", "{wrong}") if "negative" in name else ())):
                need(
                    place in blocks_of(text)[name],
                    f"the block {name!r} of task.template={self.template} has no {place}",
                )
        found = hashlib.sha256(text.encode()).hexdigest()[:32]
        need(
            self.template_content in (None, found),
            f"task.template_content={self.template_content}, but {self.template} is {found}",
        )
        self.template_content = found
        super().check()

    def text(self) -> str:
        """The text of the template file."""
        if self.template == "default":
            return shipped(self.template_file)
        try:
            return Path(self.template).expanduser().read_text(encoding="utf-8")
        except OSError as e:
            raise StarError(
                f"task.template={self.template} cannot be read: {e.strerror}",
                hint="give a text file of blocks, or default",
            ) from None

    def tag(self, role: str) -> str:
        """The heading of a section, such as CAPTION."""
        return self.tags[ROLES.index(role)]

    # ---- prompts --------------------------------------------------------------------------------------------------
    def fill(self, block: str, **places: str) -> str:
        """A block of the template with its places filled in; what is filled in is never looked at again."""
        values = {**dict(zip(ROLES, self.tags, strict=True)), **places}
        return re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], m[0]), blocks_of(self.text())[block])

    def asked(self, problem: Problem, hint: bool) -> str:
        """The text of a prompt; with ``hint`` that of a negative one names the right choice."""
        line = blocks_of(self.text())["choice"]
        places = {
            "question": problem.question,
            "choices": "\n".join(
                line.replace("{letter}", letter.lower()).replace("{text}", text)
                for letter, text in zip(LETTERS, problem.choices or [], strict=False)
            ),
        }
        against = problem.meta.get("against")
        if against is None:
            return self.fill(self.asks, **places)
        block = "negative_no_caption" if self.asks == "no_caption" else "negative"
        if hint:
            return self.fill(block, **places, right=problem.answer.lower(), wrong=str(against).lower())
        kept = [line for line in blocks_of(self.text())[block].splitlines() if "{right}" not in line]
        values = {**dict(zip(ROLES, self.tags, strict=True)), **places, "wrong": str(against).lower()}
        return "\n".join(re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], m[0]), line) for line in kept)

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        return Prompt(self.asked(problem, hint), tuple(self.picture(name) for name in problem.images))

    def training_prompt(self, problem: Problem) -> str:
        return self.asked(problem, hint=False)

    def answer_only(self, problem: Problem) -> str:
        return f"{self.tag('CONCLUSION')}: ({problem.answer.lower()})"

    # ---- what a model wrote ---------------------------------------------------------------------------------------
    def sections(self, text: str) -> dict[str, str]:
        """{role: what stands below its heading}, of the first of each heading that begins a line."""
        names = "|".join(re.escape(t) for t in self.tags)
        parts = re.split(rf"^[ \t>*#]*({names})\b[*]*[ \t]*:", text, flags=re.M)
        roles = dict(zip(self.tags, ROLES, strict=True))
        found: dict[str, str] = {}
        for tag, body in zip(parts[1::2], parts[2::2], strict=True):
            found.setdefault(roles[tag], body.strip())
        return found
