"""Pictures of our own making, as SVG: accuracy by round with its intervals, and the stages of a run as a graph.

Points and boxes are links, and every picture has its numbers in a table beside it. Colours are classes of the page's
style sheet; nothing in them is a style of its own, which the page's policy forbids.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from star_cli.report.columns import percent
from star_cli.report.text import clean

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 14, 34
COLOURS = 8  # classes c0 ... c7 of the style sheet
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 148, 30, 64, 10


@dataclass(frozen=True)
class Point:
    """A measured round: shares in [0, 1], and where a click leads."""

    round: int
    value: float
    low: float | None
    high: float | None
    href: str = ""


@dataclass(frozen=True)
class Line:
    """A run's points under its name."""

    label: str
    points: list[Point]


@dataclass(frozen=True)
class Box:
    """A stage: ``found`` where it was taken from the store; ``inputs`` are the keys of what it was made of."""

    key: str
    round: int
    name: str
    note: str
    found: bool
    inputs: list[str]
    href: str


@dataclass(frozen=True)
class Scale:
    """Where a round and a share stand in the picture; ``last`` is the last round."""

    last: int

    def x(self, round: float) -> float:
        """From the left edge."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (round + 0.15) / (self.last + 0.3)

    def y(self, share: float) -> float:
        """From the top."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def curve(lines: list[Line], title: str) -> str:
    """Accuracy by round, intervals as bars; "" where nothing was measured."""
    rounds = [p.round for line in lines for p in line.points]
    if not rounds:
        return ""
    scale = Scale(max(*rounds, 1))
    pieces = [_grid(scale)]
    for i, line in enumerate(lines):
        pieces.append(_line(line, f"c{i % COLOURS}", scale, shift=(i - (len(lines) - 1) / 2) * 3))
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{_text(title)}">'
        f"{''.join(pieces)}</svg>"
    )


def legend(lines: list[Line]) -> str:
    """The labels of several lines with their colours; "" for a single one."""
    if len(lines) < 2:
        return ""
    items = (
        f'<li><svg class="key" viewBox="0 0 20 8" aria-hidden="true"><line class="line c{i % COLOURS}" x1="1" y1="4" '
        f'x2="19" y2="4"/></svg>{_text(line.label)}</li>'
        for i, line in enumerate(lines)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def spark(line: Line) -> str:
    """A small curve for a row of a table."""
    if not line.points:
        return ""
    last = max(line.points[-1].round, 1)
    places = " ".join(f"{2 + 76 * p.round / last:.1f},{2 + 20 * (1 - p.value):.1f}" for p in line.points)
    numbers = " to ".join(percent(p.value) for p in (line.points[0], line.points[-1]))
    return (
        f'<svg class="spark" viewBox="0 0 80 24" role="img" aria-label="accuracy {numbers} %">'
        f'<polyline class="line c0" points="{places}"/></svg>'
    )


def graph(boxes: list[Box]) -> str:
    """The stages of a run from left to right by round; a line leads from what a stage was made of. "" of none."""
    if not boxes:
        return ""
    columns: dict[int, list[Box]] = {}
    for box in boxes:
        columns.setdefault(box.round, []).append(box)
    places: dict[str, tuple[float, float]] = {}
    drawn = []
    for i, round in enumerate(sorted(columns)):
        x = float(i * (BOX_WIDTH + GAP_X) + 4)
        drawn.append(f'<text class="axis" x="{x}" y="12">round {round}</text>')
        for j, box in enumerate(columns[round]):
            y = float(20 + j * (BOX_HEIGHT + GAP_Y))
            places.setdefault(box.key, (x, y))
            drawn.append(_box(box, x, y))
    arrows = []
    for box in boxes:
        x, y = places[box.key]
        for key in box.inputs:
            if key in places and key != box.key:
                arrows.append(_arrow(*places[key], x, y))
    width = len(columns) * (BOX_WIDTH + GAP_X) - GAP_X + 8
    height = 24 + max(map(len, columns.values())) * (BOX_HEIGHT + GAP_Y)
    return (
        f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" '
        f'aria-label="stages of the run">{"".join(arrows)}{"".join(drawn)}</svg>'
    )


def _grid(scale: Scale) -> str:
    pieces = []
    for percentage in range(0, 101, 20):
        at = scale.y(percentage / 100)
        pieces.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>')
        pieces.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{percentage} %</text>')
    for round in range(0, scale.last + 1, max(1, -(-scale.last // 14))):
        pieces.append(f'<text x="{scale.x(round):.1f}" y="{HEIGHT - 16}" text-anchor="middle">{round}</text>')
    pieces.append(f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">round</text>')
    return "".join(pieces)


def _line(line: Line, colour: str, scale: Scale, shift: float) -> str:
    """A line with its points; ``shift`` moves it a little sideways, so that intervals of several runs are seen."""
    places = [(scale.x(p.round) + shift, scale.y(p.value)) for p in line.points]
    pieces = [f'<polyline class="line {colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>']
    for point, (x, y) in zip(line.points, places, strict=True):
        if point.low is not None and point.high is not None:
            low, high = scale.y(point.low), scale.y(point.high)
            pieces.append(f'<line class="bar {colour}" x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}"/>')
        interval = "" if point.low is None else f" [{percent(point.low)}, {percent(point.high)}]"
        words = f"{_text(line.label)}, round {point.round}: {percent(point.value)} %{interval}"
        dot = f'<circle class="dot {colour}" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{words}</title></circle>'
        pieces.append(f'<a href="{escape(point.href)}" aria-label="{words}">{dot}</a>' if point.href else dot)
    return "".join(pieces)


def _box(box: Box, x: float, y: float) -> str:
    words = f"{_text(box.name)}, {_text(box.note)}"
    return (
        f'<a href="{escape(box.href)}"><rect class="box'
        f'{" found" if box.found else ""}" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
        f'<text class="name" x="{x + 7}" y="{y + 13}">{_text(box.name[:22])}</text>'
        f'<text class="note" x="{x + 7}" y="{y + 25}">{_text(box.note)}</text><title>{words}</title></a>'
    )


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """From the right side of one box to the left side of another, or along the left side within a column."""
    if x1 == x2:
        side = x1 - 4 - min(abs(y2 - y1) / 14, 18)
        start, end = f"{x1},{y1 + 18}", f"{x2},{y2 + 12}"
        return f'<path class="arrow" d="M{start} C{side},{y1 + 18} {side},{y2 + 12} {end}"/>'
    a, b, middle = x1 + BOX_WIDTH, x2, (x1 + BOX_WIDTH + x2) / 2
    return f'<path class="arrow" d="M{a},{y1 + 15} C{middle},{y1 + 15} {middle},{y2 + 15} {b},{y2 + 15}"/>'


def _text(text: str) -> str:
    return escape(clean(text))
