"""tiny_scenes: little pictures of our own, a grid of coloured shapes, with questions that need seeing and reasoning.

{"id": "count:rc--bsgc:circles", "question": "How many circles are there?", "answer": "C", "images": ["rc--bsgc.png"],
 "choices": ["0", "1", "2", "3", "4"], "meta": {"kind": "count", "scene": "rc--bsgc", "about": ["circles"]}}

    CAPTION: 1 red circle 2 - 3 blue square 4 green circle
    REASONING: circle 1 circle 1 2 - 1 3 square 1 4 circle 2. It is 2 (c).
    CONCLUSION: (c)

A picture's name says all that is in it: two letters a cell, in reading order. It is drawn where it is needed, into
star-tiny-scenes-<user>/ below the system's folder for temporary files, and drawn again if it was removed.
"""

from __future__ import annotations

import math
import os
import random
import re
import tempfile
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from star_cli.core.keys import seed_of
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.tasks.base.visual import LETTERS, Seeing

COLOURS = {"r": ("red", (222, 45, 38)), "g": ("green", (44, 162, 60)), "b": ("blue", (40, 90, 220))}
SHAPES = {"c": "circle", "s": "square", "t": "triangle"}
PLURALS = {f"{s}s": s for s in SHAPES.values()}
THINGS = [f"{c} {s}" for c, _ in COLOURS.values() for s in SHAPES.values()]
NAME = re.compile(r"(?:(?:(?:[rgb][cst]|--){2}){2}|(?:(?:[rgb][cst]|--){3}){3})")
WAYS = {"right of": (0, 1), "left of": (0, -1), "above": (-1, 0), "below": (1, 0)}
KINDS = ("count", "compare", "beside", "sum")
SHARES = {"train": range(0, 8), "dev": range(8, 9), "test": range(9, 10)}
LESSONS = ("caption", "full", "no_caption", "answer", "negative", "negative_no_caption")
CELL = re.compile(r"(\d) (-|[a-z]+ [a-z]+)")
VERSION = 1  # of how things are drawn: it is part of the pictures' place and of the task's identity


@register("task", "tiny_scenes")
class TinyScenes(Seeing):
    """Kinds of questions: ``count``, ``compare`` (two counts), ``beside`` (relative position), ``sum`` (of two counts).

    ``train``, ``dev`` and ``test`` say how many questions there are in all, of every kind equally many; a scene belongs
    to one split by hash. The grid has ``side`` x ``side`` cells (2 or 3), the picture ``size`` x ``size`` pixels.
    Choices stand in a fixed order unless ``shuffle``: to find the letter of a value is the last thing that a tiny model
    learns. Lessons of a tiny base model: ``caption``, ``full``, ``no_caption``, ``answer``, ``negative`` and
    ``negative_no_caption`` (these two show the right choice). They are told by weak eyes: each cell is seen as
    something else with probability ``weak``, and what follows follows from that. A model taught so errs as often when
    it samples, and is what the loop starts from.
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
    template_file: ClassVar[str] = "see_think_learn_tiny.txt"
    max_tokens: ClassVar[int] = 200

    def check(self) -> None:
        need(self.side in (2, 3), f"task.side must be 2 or 3, got {self.side}")
        need(
            self.size >= 8 * self.side and self.size % self.side == 0,
            f"task.size must be a multiple of task.side={self.side} and >= {8 * self.side}, got {self.size}",
        )
        need(0 <= self.weak < 1, f"task.weak must be in [0, 1), got {self.weak}")
        strange = [k for k in self.kinds if k not in KINDS]
        need(not strange and bool(self.kinds), f"task.kinds must be among {', '.join(KINDS)}, got {self.kinds}")
        for name in ("train", "dev", "test"):
            need(getattr(self, name) >= 1, f"task.{name} must be >= 1, got {getattr(self, name)}")
        super().check()

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        yield from drawn(
            self.kinds, getattr(self, split), split, seed_of("scenes", self.seed, split), self.side, self.shuffle
        )

    def picture(self, name: str) -> str:
        """The path of a picture; it is drawn now unless it is there."""
        path = place(self.size) / name
        if not path.exists():
            if not NAME.fullmatch(path.stem):
                raise StarError(f"{name!r} is no picture of task=tiny_scenes")
            save(draw(path.stem, self.size), path)
        return str(path)

    def gold(self, problem: Problem) -> str | None:
        return self.written(problem, cells_of(problem.meta["scene"]))

    def written(self, problem: Problem, cells: dict[int, str]) -> str | None:
        """What somebody writes who sees ``cells`` and reasons right, in the sections that are asked for; None where the
        cells hold no answer to the question.
        """
        told = reasoned(problem, cells)
        if told is None:
            return None
        reasoning, answer = told
        against = problem.meta.get("against")
        if against is not None:
            wrong = (problem.choices or [])[LETTERS.index(against)]
            lines = {"CAPTION": caption(cells), "EXPLANATION": f"{reasoning} It is {answer}, not {wrong}."}
        else:
            letter = LETTERS[(problem.choices or []).index(answer)] if answer in (problem.choices or []) else None
            if letter is None:
                return None
            lines = {
                "CAPTION": caption(cells),
                "REASONING": f"{reasoning} It is {answer} ({letter.lower()}).",
                "CONCLUSION": f"({letter.lower()})",
            }
        if self.asks != "full":
            del lines["CAPTION"]
        if self.asks == "answer":
            lines.pop("REASONING", None)
        return "\n".join(f"{self.tag(role)}: {text}" for role, text in lines.items())

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"kind": problem.meta["kind"]}

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        """Wrong cells in the caption, and one more where the reasoning does not follow from that caption."""
        if self.asks == "answer":
            return None
        truth, seen = cells_of(problem.meta["scene"]), self.seen(text)
        wrong = sum(seen.get(i) != thing for i, thing in truth.items()) if self.asks == "full" else 0
        return wrong + (self.written(problem, seen if self.asks == "full" else truth) != text.strip())

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """Shares of all answers: ``caption_right``; and of what is wrong ``wrong_by_seeing`` (the rest follows from a
        wrong caption) and ``wrong_by_reasoning`` (it does not follow, or the caption is right).
        """
        if self.asks != "full":
            return {}
        seen, found = self.seen(text), self.sections(text)
        sees = seen == cells_of(problem.meta["scene"])
        wrong = found.get("CONCLUSION", "").strip("() ").lower() != problem.answer.lower()
        follows = self.written(problem, seen) in (None, text.strip())
        return {
            "caption_right": float(sees),
            "wrong_by_seeing": float(wrong and follows and not sees),
            "wrong_by_reasoning": float(wrong and (sees or not follows)),
        }

    def seen(self, text: str) -> dict[int, str]:
        """The cells as the caption of a text tells them."""
        return {int(n): thing for n, thing in CELL.findall(self.sections(text).get("CAPTION", ""))}

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        from dataclasses import replace

        for name, count in lessons.items():
            need(name in LESSONS, f"unknown lesson {name!r} of task=tiny_scenes", f"expected {', '.join(LESSONS)}")
            asks = {"negative": "full", "negative_no_caption": "no_caption", "caption": "full"}.get(name, name)
            form = replace(self, asks=asks)
            rng = random.Random(seed_of("lesson", seed, name))
            problems = drawn(self.kinds, count, "train", seed_of("lessons", seed, name), self.side, self.shuffle)
            for n, p in enumerate(problems):
                prompt, told = form.lesson(p, name, rng)
                yield Example(
                    problem_id=f"lesson/{name}/{n}",
                    sample=0,
                    prompt=prompt,
                    completion=told,
                    origin="gold",
                    images=p.images,
                )

    def lesson(self, problem: Problem, name: str, rng: random.Random) -> tuple[str, str]:
        """(prompt, completion) of one lesson, seen with weak eyes; why an option is wrong is told by who knows the
        answer.
        """
        cells = cells_of(problem.meta["scene"])
        if name == "caption":
            return self.fill("caption"), f"{self.tag('CAPTION')}: {caption(blurred(cells, self.weak, rng))}"
        negative = name.startswith("negative")
        if negative:
            wrong = [x for x in LETTERS[: len(problem.choices or [])] if x != problem.answer]
            problem = msgspec.structs.replace(problem, meta={**problem.meta, "against": rng.choice(wrong)})
        right = (problem.choices or [])[LETTERS.index(problem.answer)]
        while True:
            seen = blurred(cells, self.weak, rng)
            reasoning, written = reasoned(problem, seen), self.written(problem, seen)
            if reasoning and written and (not negative or reasoning[1] == right):
                return self.asked(problem, hint=True), written


# ---- scenes and questions -------------------------------------------------------------------------------------------
def cells_of(scene: str) -> dict[int, str]:
    """{1: "red circle", 2: "-", ...} of a scene's name."""
    pairs = [scene[i : i + 2] for i in range(0, len(scene), 2)]
    return {n: "-" if p == "--" else f"{COLOURS[p[0]][0]} {SHAPES[p[1]]}" for n, p in enumerate(pairs, 1)}


def caption(cells: dict[int, str]) -> str:
    """All cells in reading order."""
    return " ".join(f"{n} {thing}" for n, thing in sorted(cells.items()))


def having(cells: dict[int, str], what: str) -> list[int]:
    """The cells that hold ``what``: "circles", or "red objects"."""
    word = PLURALS.get(what, what.split()[0])
    return [n for n, thing in sorted(cells.items()) if word in thing.split()]


def counted(cells: dict[int, str], what: str) -> tuple[str, int]:
    """("circle 1 circle 1 2 - 1 3 square 1 4 circle 2.", 2): of every cell its shape, or colour, and the count so
    far.
    """
    found, at = having(cells, what), 1 if what in PLURALS else 0
    steps = (
        f"{n} {thing.split()[at] if thing != '-' else thing} {sum(m <= n for m in found)}"
        for n, thing in sorted(cells.items())
    )
    return " ".join([PLURALS.get(what, what.split()[0]), *steps]) + ".", len(found)


def blurred(cells: dict[int, str], weak: float, rng: random.Random) -> dict[int, str]:
    """What weak eyes see: each cell, with probability ``weak``, as something else."""
    return {
        n: rng.choice([t for t in (*THINGS, "-") if t != thing]) if rng.random() < weak else thing
        for n, thing in cells.items()
    }


def reasoned(problem: Problem, cells: dict[int, str]) -> tuple[str, str] | None:
    """(the reasoning, the answer in words) of who sees these cells; None where they do not hold what is asked about."""
    kind, about = problem.meta["kind"], problem.meta["about"]
    if kind == "beside":
        at = next((n for n, thing in sorted(cells.items()) if thing == about[1]), None)
        to = beside(at, about[0], math.isqrt(len(cells))) if at else None
        if to is None or to not in cells:
            return None
        colour = cells[to].split()[0] if cells[to] != "-" else "nothing"
        return f"{about[1]} {at}. {about[0]} {at} is {to} {cells[to]}.", colour
    told = [counted(cells, what) for what in about]
    lines = " ".join(line for line, _ in told)
    if kind == "count":
        return lines, str(told[0][1])
    a, b = told[0][1], told[1][1]
    if kind == "sum":
        return f"{lines} {a} + {b} = {a + b}.", str(a + b)
    sign, answer = (">", about[0]) if a > b else ("<", about[1]) if a < b else ("=", "as many of both")
    return f"{lines} {a} {sign} {b}.", answer


def beside(cell: int, way: str, side: int) -> int | None:
    """The cell next to a cell, or None at the edge."""
    row, column = divmod(cell - 1, side)
    row, column = row + WAYS[way][0], column + WAYS[way][1]
    return row * side + column + 1 if 0 <= row < side and 0 <= column < side else None


def drawn(kinds: list[str], count: int, split: str, seed: int, side: int, shuffle: bool) -> Iterator[Problem]:
    """``count`` different questions of a split, the kinds in turn."""
    rng, seen = random.Random(seed), set[str]()
    while len(seen) < count:
        scene = scene_of(rng, side)
        if seed_of("split", scene) % 10 not in SHARES[split]:
            continue
        problem = question(kinds[len(seen) % len(kinds)], scene, rng, shuffle)
        if problem and problem.id not in seen:
            seen.add(problem.id)
            yield problem


def scene_of(rng: random.Random, side: int) -> str:
    """A random scene of 2 to 4 things in 4 cells, or 3 to 7 in 9."""
    low, high = {2: (2, 4), 3: (3, 7)}[side]
    filled = set(rng.sample(range(side * side), rng.randint(low, high)))
    return "".join(rng.choice("rgb") + rng.choice("cst") if i in filled else "--" for i in range(side * side))


def question(kind: str, scene: str, rng: random.Random, shuffle: bool) -> Problem | None:
    """A question of a kind about a scene, its choices in order or shuffled; None where this scene has none."""
    cells = cells_of(scene)
    shapes, colours = list(PLURALS), [f"{c} objects" for c, _ in COLOURS.values()]
    if kind == "beside":
        once = [t for t in THINGS if list(cells.values()).count(t) == 1]
        if not once:
            return None
        about = [rng.choice(list(WAYS)), rng.choice(once)]
        text = f"What colour is {about[0]} the {about[1]}?"
    elif kind == "count":
        about = [rng.choice(shapes + colours)]
        text = f"How many {about[0]} are there?"
    elif kind == "compare":
        about = rng.sample(rng.choice([shapes, colours]), 2)
        text = f"Are there more {about[0]} or {about[1]}?"
    else:
        about = rng.sample(rng.choice([shapes, colours]), 2)
        text = f"How many {about[0]} and {about[1]} are there in all?"
    meta: dict[str, Any] = {"kind": kind, "scene": scene, "about": about}
    asked = Problem(id=f"{kind}:{scene}:{' '.join(about)}", question=text, answer="", meta=meta)
    told = reasoned(asked, cells)
    if told is None:
        return None
    right = told[1]
    choices = options(kind, about, len(cells))
    if shuffle:
        choices = rng.sample(choices, len(choices))
    return Problem(
        id=asked.id,
        question=text,
        answer=LETTERS[choices.index(right)],
        choices=choices,
        images=[f"{scene}.png"],
        meta=meta,
    )


def options(kind: str, about: list[str], cells: int) -> list[str]:
    """All answers there can be, in a fixed order: three to five in a grid of 4 cells."""
    if kind == "compare":
        return [*about, "as many of both"]
    if kind == "beside":
        return [*(colour for colour, _ in COLOURS.values()), "nothing"]
    return [str(n) for n in range(cells + 1)]


# ---- drawing --------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=4)
def place(size: int) -> Path:
    """Where pictures of a size lie."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    here = Path(tempfile.gettempdir()) / f"star-tiny-scenes-{user}" / f"v{VERSION}-{size}px"
    here.mkdir(parents=True, exist_ok=True, mode=0o700)
    return here


def draw(scene: str, size: int) -> Any:
    """The picture of a scene: uint8 (size, size, 3), white ground, every edge sharp."""
    import numpy as np

    picture = np.full((size, size, 3), 255, dtype=np.uint8)
    side = math.isqrt(len(scene) // 2)
    cell = size // side
    y, x = np.mgrid[0:cell, 0:cell]
    middle, reach = (cell - 1) / 2, cell * 0.4
    up = y - (middle - reach)  # how far below the triangle's top
    masks = {
        "c": (y - middle) ** 2 + (x - middle) ** 2 <= reach**2,
        "s": (abs(y - middle) <= reach * 0.9) & (abs(x - middle) <= reach * 0.9),
        "t": (up >= 0) & (up <= 2 * reach) & (abs(x - middle) <= up / 2),
    }
    for n in range(side * side):
        colour, shape = scene[2 * n], scene[2 * n + 1]
        if colour != "-":
            row, column = divmod(n, side)
            picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell][masks[shape]] = COLOURS[colour][
                1
            ]
    return picture


def save(picture: Any, path: Path) -> None:
    """Write a picture whole or not at all; uncompressed, so that equal pictures are equal bytes everywhere."""
    from PIL import Image

    aside = path.with_name(f".{path.name}.{os.getpid()}")
    Image.fromarray(picture).save(aside, "PNG", compress_level=0)
    os.replace(aside, path)
