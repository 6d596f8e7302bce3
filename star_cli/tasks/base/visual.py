"""Tasks about a picture: see (a caption), think (a reasoning), answer (a conclusion), by a template in a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from star_cli.core.keys import CHANGED
from star_cli.core.parts import RUNTIME, Prompt, Task
from star_cli.core.records import Problem
from star_cli.core.settings import check_thinking
from star_cli.errors import need
from star_cli.tasks.base.multiple_choice import option_lines
from star_cli.tasks.base.templates import file_text, fill, text_sha256
from star_cli.tasks.prompts import shipped

ASKS = ("full", "no_caption", "answer")
BLOCKS = (*ASKS, "negative", "negative_no_caption", "caption", "choice")
ROLES = ("CAPTION", "REASONING", "CONCLUSION", "EXPLANATION")


@lru_cache(maxsize=16)
def blocks_of(text: str) -> dict[str, str]:
    """A template file as {block: text}; a block begins with a line ``== name``."""
    parts = re.split(r"^== (\w+)[ \t]*\n", text, flags=re.M)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass(kw_only=True)
class VisualTask(Task):
    """``asks`` says which sections a model writes: full (caption, reasoning, conclusion), no_caption, or answer alone.

    ``template`` is "default" or a file of blocks (``== full``, ``== no_caption``, ``== answer``, ``== negative``,
    ``== negative_no_caption``, ``== caption``, and ``== choice``, one line of the choices). ``tags`` are the four
    headings it fills in: see, think, answer, and why an option is wrong. A problem whose ``meta`` holds ``against``
    asks why that option is wrong; only the hinted prompt names the right one. ``thinking`` (on, off, low, medium, high)
    is told to a chat template that knows such a switch.
    """

    asks: str = "full"
    tags: list[str] = field(default_factory=lambda: list(ROLES))
    template: str = field(default="default", metadata=RUNTIME)
    template_content: str | None = None
    thinking: str = field(default="auto", metadata={"identity": CHANGED})
    template_file: ClassVar[str] = "see_think_learn.txt"
    between: ClassVar[str] = "\n\n"  # what stands between two sections of a training text

    @property
    def grader(self) -> dict[str, Any]:  # type: ignore[override]
        """The letter after the conclusion's heading."""
        return {"name": "conclusion", "tag": self.tag("CONCLUSION")}

    def check(self) -> None:
        check_thinking(self.thinking)
        need(self.asks in ASKS, f"task.asks must be one of {', '.join(ASKS)}, got {self.asks!r}")
        need(
            len(self.tags) == 4 and len({t.casefold() for t in self.tags}) == 4 and all(t.strip() for t in self.tags),
            f"task.tags must be four different headings ({', '.join(ROLES)}), got {self.tags}",
        )
        missing = [name for name in BLOCKS if name not in self.blocks]
        need(
            not missing,
            f"task.template={self.template} has no block {', '.join(missing)}",
            "a block begins with a line such as '== full'",
        )
        for name in BLOCKS[:-2]:
            for place in ("{question}", "{choices}", *(("{right}", "{wrong}") if "negative" in name else ())):
                need(
                    place in self.blocks[name],
                    f"the block {name!r} of task.template={self.template} has no {place}",
                )
        content = text_sha256(self.template_text)
        need(
            self.template_content in (None, content),
            f"task.template_content={self.template_content}, but {self.template} is {content}",
        )
        self.template_content = content
        super().check()

    @cached_property
    def template_text(self) -> str:
        """The text of the template file, read once."""
        if self.template == "default":
            return shipped(self.template_file)
        return file_text(self.template, "task.template", "give a text file of blocks, or default")

    @property
    def blocks(self) -> dict[str, str]:
        """The blocks of the template."""
        return blocks_of(self.template_text)

    def tag(self, role: str) -> str:
        """The heading of a section, such as CAPTION."""
        return self.tags[ROLES.index(role)]

    # ---- prompts --------------------------------------------------------------------------------------------------
    def fill(self, text: str, **values: str) -> str:
        """A text with its {places} filled in: those of the headings, and ``values``."""
        return fill(text, {**dict(zip(ROLES, self.tags, strict=True)), **values})

    def prompt_text(self, problem: Problem, hint: bool) -> str:
        """The text of a prompt. A hint changes the prompt of a negative alone: it names the right choice."""
        values = {
            "question": problem.question,
            "choices": option_lines(problem.choices or [], self.blocks["choice"]),
        }
        against = problem.meta.get("against")
        if against is None:
            return self.fill(self.blocks[self.asks], **values)
        lines = self.blocks["negative_no_caption" if self.asks == "no_caption" else "negative"].splitlines()
        text = "\n".join(line for line in lines if hint or "{right}" not in line)
        return self.fill(text, **values, right=problem.answer.lower(), wrong=str(against).lower())

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        return Prompt(self.prompt_text(problem, hint), tuple(self.picture(name) for name in problem.images))

    def training_prompt(self, problem: Problem, hint: bool = False) -> str:
        return self.prompt_text(problem, hint)

    def answer_only(self, problem: Problem) -> str:
        return f"{self.tag('CONCLUSION')}: ({problem.answer.lower()})"

    # ---- what a model wrote ---------------------------------------------------------------------------------------
    def sections(self, text: str) -> dict[str, str]:
        """{role: what stands below its heading}, of the first of each heading that begins a line."""
        names = "|".join(re.escape(t) for t in self.tags)
        parts = re.split(rf"^[ \t>*#]*({names})\b[*]*[ \t]*:", text, flags=re.M)
        roles = dict(zip(self.tags, ROLES, strict=True))
        sections: dict[str, str] = {}
        for tag, body in zip(parts[1::2], parts[2::2], strict=True):
            sections.setdefault(roles[tag], body.strip())
        return sections

    def wanted_sections(self, negative: bool = False) -> list[str]:
        """The roles of the sections that a model is asked for, or one that explains why an option is wrong."""
        if self.asks == "answer":
            return ["CONCLUSION"]
        caption = [] if self.asks == "no_caption" else ["CAPTION"]
        return [*caption, "EXPLANATION"] if negative else [*caption, "REASONING", "CONCLUSION"]

    def normal_form(self, text: str, wanted: list[str]) -> str | None:
        """A text as its wanted sections alone, in their order, the conclusion as "(b)"; None where one is missing or
        empty, or the conclusion names no letter.
        """
        sections = self.sections(text)
        if not all(sections.get(role) for role in wanted):
            return None
        if "CONCLUSION" in wanted:
            letter = re.search(r"\(\s*([A-Ja-j])\s*\)|^[ \t*]*([A-Ja-j])[ \t*.]*$", sections["CONCLUSION"], re.M)
            if letter is None:
                return None
            sections["CONCLUSION"] = f"({(letter[1] or letter[2]).lower()})"
        return self.between.join(f"{self.tag(role)}: {sections[role]}" for role in wanted)
