"""Scenes of coloured shapes in a grid: their names, captions, questions with reasoned answers, and pictures.

A scene's name says all that is in it, two letters for each cell in reading order: ``rc--bsgc`` is a red circle, an
empty cell, a blue square and a green circle. ``Cells`` are the same in words, by the number of the cell:

    {1: "red circle", 2: "-", 3: "blue square", 4: "green circle"}
"""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Cells = dict[int, str]

COLOURS = {"r": ("red", (222, 45, 38)), "g": ("green", (44, 162, 60)), "b": ("blue", (40, 90, 220))}
SHAPES = {"c": "circle", "s": "square", "t": "triangle"}
SHAPE_OF = {f"{shape}s": shape for shape in SHAPES.values()}  # by the plural
THINGS = [f"{colour} {shape}" for colour, _ in COLOURS.values() for shape in SHAPES.values()]
NAME = re.compile(r"(?:(?:(?:[rgb][cst]|--){2}){2}|(?:(?:[rgb][cst]|--){3}){3})")
CAPTION_CELL = re.compile(r"(\d) (-|[a-z]+ [a-z]+)")
DIRECTIONS = {"right of": (0, 1), "left of": (0, -1), "above": (-1, 0), "below": (1, 0)}  # (rows, columns)
KINDS = ("count", "compare", "beside", "sum")
FILLED = {2: (2, 4), 3: (3, 7)}  # fewest and most things in a grid of that side


# ---- scenes ---------------------------------------------------------------------------------------------------------
def random_scene(rng: random.Random, side: int) -> str:
    """The name of a random scene of 2 to 4 things in 4 cells, or 3 to 7 in 9."""
    filled = set(rng.sample(range(side * side), rng.randint(*FILLED[side])))
    return "".join(rng.choice("rgb") + rng.choice("cst") if i in filled else "--" for i in range(side * side))


def cells_of(scene: str) -> Cells:
    """The cells of a scene's name."""
    pairs = [scene[i : i + 2] for i in range(0, len(scene), 2)]
    return {n: "-" if p == "--" else f"{COLOURS[p[0]][0]} {SHAPES[p[1]]}" for n, p in enumerate(pairs, 1)}


def caption(cells: Cells) -> str:
    """All cells in reading order: ``1 red circle 2 - 3 blue square 4 green circle``."""
    return " ".join(f"{n} {thing}" for n, thing in sorted(cells.items()))


def read_caption(text: str) -> Cells:
    """The cells that a caption names."""
    return {int(n): thing for n, thing in CAPTION_CELL.findall(text)}


def misread(cells: Cells, chance: float, rng: random.Random) -> Cells:
    """The cells with each of them, with this chance, taken for something else."""
    return {
        n: rng.choice([t for t in (*THINGS, "-") if t != thing]) if rng.random() < chance else thing
        for n, thing in cells.items()
    }


def neighbour(cell: int, direction: str, side: int) -> int | None:
    """The number of the cell next to a cell; None beyond the edge."""
    row, column = divmod(cell - 1, side)
    row, column = row + DIRECTIONS[direction][0], column + DIRECTIONS[direction][1]
    return row * side + column + 1 if 0 <= row < side and 0 <= column < side else None


# ---- questions ------------------------------------------------------------------------------------------------------
def random_question(kind: str, cells: Cells, rng: random.Random) -> tuple[str, list[str]] | None:
    """(the question, what it is about) of a kind; None where this scene has none.

    It is about "circles" or "red objects" (two of them to compare or add), or a direction and a thing that is unique.
    """
    shapes, colours = list(SHAPE_OF), [f"{colour} objects" for colour, _ in COLOURS.values()]
    if kind == "beside":
        unique = [t for t in THINGS if list(cells.values()).count(t) == 1]
        if not unique:
            return None
        about = [rng.choice(list(DIRECTIONS)), rng.choice(unique)]
        return f"What colour is {about[0]} the {about[1]}?", about
    if kind == "count":
        about = [rng.choice(shapes + colours)]
        return f"How many {about[0]} are there?", about
    about = rng.sample(rng.choice([shapes, colours]), 2)
    if kind == "compare":
        return f"Are there more {about[0]} or {about[1]}?", about
    return f"How many {about[0]} and {about[1]} are there in all?", about


def answer_options(kind: str, about: Sequence[str], cells: int) -> list[str]:
    """All answers there can be in a grid of so many cells, in a fixed order: three to five of them in 4 cells."""
    if kind == "compare":
        return [*about, "as many of both"]
    if kind == "beside":
        return [*(colour for colour, _ in COLOURS.values()), "nothing"]
    return [str(n) for n in range(cells + 1)]


def reason(kind: str, about: Sequence[str], cells: Cells) -> tuple[str, str] | None:
    """(the reasoning, the answer in words) that follows from these cells; None where the question has none in them."""
    if kind == "beside":
        direction, thing = about
        at = next((n for n, t in sorted(cells.items()) if t == thing), None)
        to = neighbour(at, direction, math.isqrt(len(cells))) if at else None
        if to is None or to not in cells:
            return None
        colour = cells[to].split()[0] if cells[to] != "-" else "nothing"
        return f"{thing} {at}. {direction} {at} is {to} {cells[to]}.", colour
    lines, counts = zip(*(count(cells, what) for what in about), strict=True)
    work = " ".join(lines)
    if kind == "count":
        return work, str(counts[0])
    a, b = counts
    if kind == "sum":
        return f"{work} {a} + {b} = {a + b}.", str(a + b)
    sign, answer = (">", about[0]) if a > b else ("<", about[1]) if a < b else ("=", "as many of both")
    return f"{work} {a} {sign} {b}.", answer


def count(cells: Cells, what: str) -> tuple[str, int]:
    """("circle 1 circle 1 2 - 1 3 square 1 4 circle 2.", 2): each cell's shape, or colour, with the count so far."""
    word, part = SHAPE_OF.get(what, what.split()[0]), 1 if what in SHAPE_OF else 0
    total, steps = 0, []
    for n, thing in sorted(cells.items()):
        total += word in thing.split()
        steps.append(f"{n} {thing.split()[part] if thing != '-' else thing} {total}")
    return " ".join([word, *steps]) + ".", total


# ---- pictures -------------------------------------------------------------------------------------------------------
def draw(scene: str, size: int) -> Any:
    """The picture of a scene: uint8 (size, size, 3), white ground, every edge sharp."""
    import numpy as np

    picture = np.full((size, size, 3), 255, dtype=np.uint8)
    side = math.isqrt(len(scene) // 2)
    cell = size // side
    y, x = np.mgrid[0:cell, 0:cell]
    middle, reach = (cell - 1) / 2, cell * 0.4
    below_top = y - (middle - reach)  # how far a pixel is below the triangle's top
    masks = {
        "c": (y - middle) ** 2 + (x - middle) ** 2 <= reach**2,
        "s": (abs(y - middle) <= reach * 0.9) & (abs(x - middle) <= reach * 0.9),
        "t": (below_top >= 0) & (below_top <= 2 * reach) & (abs(x - middle) <= below_top / 2),
    }
    for n in range(side * side):
        colour, shape = scene[2 * n], scene[2 * n + 1]
        if colour != "-":
            row, column = divmod(n, side)
            square = picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
            square[masks[shape]] = COLOURS[colour][1]
    return picture


def save(picture: Any, path: Path) -> None:
    """Write a picture whole or not at all; uncompressed, so that equal pictures are equal bytes everywhere."""
    from PIL import Image

    draft = path.with_name(f".{path.name}.{os.getpid()}")
    Image.fromarray(picture).save(draft, "PNG", compress_level=0)
    os.replace(draft, path)
