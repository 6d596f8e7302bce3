"""tiny_scenes: little pictures of our own, a grid of coloured shapes, with questions that need seeing and reasoning.

{"id": "count:rc--bsgc:circles", "question": "How many circles are there?", "answer": "C", "images": ["rc--bsgc.png"],
 "choices": ["0", "1", "2", "3", "4"], "meta": {"kind": "count", "scene": "rc--bsgc", "about": ["circles"]}}

    CAPTION: 1 red circle 2 - 3 blue square 4 green circle
    REASONING: circle 1 circle 1 2 - 1 3 square 1 4 circle 2. It is 2 (c).
    CONCLUSION: (c)

A picture's name says all that is in it: two letters for each cell, in reading order (lib/scenes.py). The picture is
drawn when it is needed, into star-tiny-scenes-<user>/ below the system's folder for temporary files, and drawn again if
it was removed.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import msgspec

from star_cli.core.keys import seed_of
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.scenes import (
    KINDS,
    NAME,
    Cells,
    answer_options,
    caption,
    cells_of,
    draw,
    misread,
    random_question,
    random_scene,
    read_caption,
    reason,
    save,
)
from star_cli.tasks.base.lessons import lesson
from star_cli.tasks.base.multiple_choice import LETTERS
from star_cli.tasks.base.splits import SHARES
from star_cli.tasks.base.visual import VisualTask

LESSONS = {  # the sections that a lesson asks for
    "caption": "full",
    "full": "full",
    "no_caption": "no_caption",
    "answer": "answer",
    "negative": "full",
    "negative_no_caption": "no_caption",
}
VERSION = 1  # of how things are drawn: it is part of the pictures' place; raise the task's version with it


@register("task", "tiny_scenes")
class TinyScenes(VisualTask):
    """Kinds of questions: ``count``, ``compare`` (two counts), ``beside`` (relative position), ``sum`` (of two counts).

    ``train``, ``dev`` and ``test`` say how many questions there are in all, of every kind equally many; a scene belongs
    to one split by hash. The grid has ``side`` x ``side`` cells (2 or 3), the picture ``size`` x ``size`` pixels.
    Choices stand in a fixed order unless ``shuffle``: to find the letter of a value is the last thing that a tiny model
    learns. Lessons of a tiny base model: ``caption``, ``full``, ``no_caption``, ``answer``, ``negative`` and
    ``negative_no_caption`` (these two show the right choice). In a lesson each cell is taken for something else with
    probability ``weak``, and the reasoning follows from that. A model taught so errs as often when it samples, and is
    what the loop starts from.
    """

    kinds: list[str] = field(default_factory=lambda: list(KINDS))
    train: int = 2000
    dev: int = 240
    test: int = 400
    side: int = 2
    shuffle: bool = False
    weak: float = 0.2
    size: int = 32
    seed: int = 0
    lessons: dict[str, int] = field(
        metadata={"identity": False},
        default_factory=lambda: {
            "caption": 1000,
            "full": 4000,
            "no_caption": 1500,
            "answer": 300,
            "negative": 1500,
            "negative_no_caption": 500,
        },
    )
    between: ClassVar[str] = "\n"
    template_file: ClassVar[str] = "see_think_learn_tiny.txt"
    max_tokens: ClassVar[int] = 200

    def check(self) -> None:
        need(self.side in (2, 3), f"task.side must be 2 or 3, got {self.side}")
        need(
            self.size >= 8 * self.side and self.size % self.side == 0,
            f"task.size must be a multiple of task.side={self.side} and >= {8 * self.side}, got {self.size}",
        )
        need(0 <= self.weak < 1, f"task.weak must be in [0, 1), got {self.weak}")
        unknown_kinds = [kind for kind in self.kinds if kind not in KINDS]
        need(not unknown_kinds and bool(self.kinds), f"task.kinds must be among {', '.join(KINDS)}, got {self.kinds}")
        for name in ("train", "dev", "test"):
            need(getattr(self, name) >= 1, f"task.{name} must be >= 1, got {getattr(self, name)}")
        super().check()

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        yield from self.drawn(getattr(self, split), split, seed_of("scenes", self.seed, split))

    def drawn(self, count: int, split: str, seed: int) -> Iterator[Problem]:
        """``count`` different questions of a split, the kinds in turn."""
        rng, ids = random.Random(seed), set[str]()
        while len(ids) < count:
            scene = random_scene(rng, self.side)
            if seed_of("split", scene) % 10 not in SHARES[split]:
                continue
            problem = random_problem(self.kinds[len(ids) % len(self.kinds)], scene, rng, self.shuffle)
            if problem and problem.id not in ids:
                ids.add(problem.id)
                yield problem

    def picture(self, name: str) -> str:
        """The path of a picture; it is drawn now unless it is there."""
        path = pictures_folder(self.size) / name
        if not path.exists():
            if not NAME.fullmatch(path.stem):
                raise StarError(f"{name!r} is no picture of task=tiny_scenes")
            save(draw(path.stem, self.size), path)
        return str(path)

    def gold(self, problem: Problem) -> str | None:
        return self.rationale(problem, cells_of(problem.meta["scene"]))

    def rationale(self, problem: Problem, cells: Cells) -> str | None:
        """The rationale of a reader who takes the picture for ``cells`` and reasons right, in the sections that are
        asked for; None where the cells hold no answer to the question.
        """
        choices = problem.choices or []
        reasoned = reason(problem.meta["kind"], problem.meta["about"], cells)
        if reasoned is None:
            return None
        reasoning, answer = reasoned
        against = problem.meta.get("against")
        sections = {"CAPTION": caption(cells)}
        if against is not None:
            sections["EXPLANATION"] = f"{reasoning} It is {answer}, not {choices[LETTERS.index(against)]}."
        elif answer not in choices:
            return None
        else:
            letter = LETTERS[choices.index(answer)].lower()
            sections["REASONING"] = f"{reasoning} It is {answer} ({letter})."
            sections["CONCLUSION"] = f"({letter})"
        if self.asks != "full":
            del sections["CAPTION"]
        if self.asks == "answer":
            sections.pop("REASONING", None)
        return "\n".join(f"{self.tag(role)}: {text}" for role, text in sections.items())

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"kind": problem.meta["kind"]}

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        """Wrong cells in the caption, and one more where the reasoning does not follow from that caption."""
        if self.asks == "answer":
            return None
        truth, captioned = cells_of(problem.meta["scene"]), self.captioned(text)
        wrong = sum(captioned.get(n) != thing for n, thing in truth.items()) if self.asks == "full" else 0
        return wrong + (self.rationale(problem, captioned if self.asks == "full" else truth) != text.strip())

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """Shares of all answers: ``caption_right``; and of what is wrong ``wrong_by_seeing`` (the rest follows from a
        wrong caption) and ``wrong_by_reasoning`` (it does not follow, or the caption is right).
        """
        if self.asks != "full":
            return {}
        captioned, conclusion = self.captioned(text), self.sections(text).get("CONCLUSION", "")
        caption_right = captioned == cells_of(problem.meta["scene"])
        wrong = conclusion.strip("() ").lower() != problem.answer.lower()
        follows = self.rationale(problem, captioned) in (None, text.strip())
        return {
            "caption_right": float(caption_right),
            "wrong_by_seeing": float(wrong and follows and not caption_right),
            "wrong_by_reasoning": float(wrong and (caption_right or not follows)),
        }

    def captioned(self, text: str) -> Cells:
        """The cells as the caption of a text has them."""
        return read_caption(self.sections(text).get("CAPTION", ""))

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        for name, count in lessons.items():
            need(name in LESSONS, f"unknown lesson {name!r} of task=tiny_scenes", f"expected {', '.join(LESSONS)}")
            task = replace(self, asks=LESSONS[name])
            rng = random.Random(seed_of("lesson", seed, name))
            for n, p in enumerate(task.drawn(count, "train", seed_of("lessons", seed, name))):
                yield lesson(name, n, *task.lesson_texts(p, name, rng), p.images)

    def lesson_texts(self, problem: Problem, name: str, rng: random.Random) -> tuple[str, str]:
        """(prompt, completion) of one lesson, with cells misread at random.

        The explanation of a wrong option is written for the right answer, whatever was misread.
        """
        cells = cells_of(problem.meta["scene"])
        if name == "caption":
            prompt = self.fill(self.blocks["caption"])
            return prompt, f"{self.tag('CAPTION')}: {caption(misread(cells, self.weak, rng))}"
        negative = name.startswith("negative")
        choices = problem.choices or []
        if negative:
            wrong = [letter for letter in LETTERS[: len(choices)] if letter != problem.answer]
            problem = msgspec.structs.replace(problem, meta={**problem.meta, "against": rng.choice(wrong)})
        right = choices[LETTERS.index(problem.answer)]
        while True:
            seen = misread(cells, self.weak, rng)
            reasoned = reason(problem.meta["kind"], problem.meta["about"], seen)
            rationale = self.rationale(problem, seen)
            if reasoned and rationale and (not negative or reasoned[1] == right):
                return self.prompt_text(problem, hint=True), rationale


def random_problem(kind: str, scene: str, rng: random.Random, shuffle: bool) -> Problem | None:
    """A question of a kind about a scene, its choices in order or shuffled; None where this scene has none."""
    cells = cells_of(scene)
    question = random_question(kind, cells, rng)
    reasoned = reason(kind, question[1], cells) if question else None
    if question is None or reasoned is None:
        return None
    text, about = question
    choices = answer_options(kind, about, len(cells))
    if shuffle:
        choices = rng.sample(choices, len(choices))
    return Problem(
        id=f"{kind}:{scene}:{' '.join(about)}",
        question=text,
        answer=LETTERS[choices.index(reasoned[1])],
        choices=choices,
        images=[f"{scene}.png"],
        meta={"kind": kind, "scene": scene, "about": about},
    )


@lru_cache(maxsize=4)
def pictures_folder(size: int) -> Path:
    """Where the pictures of a size lie."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"star-tiny-scenes-{user}" / f"v{VERSION}-{size}px"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
