"""Tables of columns that find their place: beside each other where the terminal is wide, else below each other."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

GAPS = (1, 2)  # characters between two columns
WIDE = 140  # characters of a line in a log or a pipe
LEAST = 16  # characters that a shortened column keeps
LONG = 1000  # rows of a table that is drawn with its styles


@dataclass
class Column:
    """A column: a heading of one or two lines and a cell for every row."""

    head: str
    cells: list[str]
    left: bool = False
    style: str = ""

    @property
    def width(self) -> int:
        """Characters of its widest cell."""
        return max(cell_len(x) for x in [*self.head.split("\n"), *self.cells])


def width_of(out: Console) -> int:
    """How wide a table may be: the terminal, or COLUMNS, or ``WIDE`` in a log."""
    return out.width if out.is_terminal or "COLUMNS" in os.environ else WIDE


def stacked(first: list[Column], blocks: list[list[Column]], width: int) -> RenderableType:
    """One table, or several below each other, each with the columns ``first``; as few as ``width`` allows."""
    gap, tables = min(((gap, _packed(first, blocks, width, gap)) for gap in GAPS), key=lambda p: (len(p[1]), -p[0]))
    drawn: list[RenderableType] = []
    for i, columns in enumerate(tables):
        drawn += [Text("")] * bool(i) + [_drawn(columns, gap)]
    return Group(*drawn)


def _packed(first: list[Column], blocks: list[list[Column]], width: int, gap: int) -> list[list[Column]]:
    """Blocks onto tables in order; a block is split only where it is wider than a whole table."""
    tables = [list(first)]

    def put(columns: list[Column]) -> None:
        if space(tables[-1] + columns, gap) > width and len(tables[-1]) > len(first):
            tables.append(list(first))
        tables[-1].extend(columns)

    for block in blocks:
        for part in [block] if space(first + block, gap) <= width else [[c] for c in block]:
            put(part)
    return tables


def space(columns: list[Column], gap: int) -> int:
    """Characters of a table of these columns."""
    return sum(c.width + gap for c in columns) - gap


def _drawn(columns: list[Column], gap: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for c in columns:
        table.add_column(
            Text(c.head),
            justify="left" if c.left else "right",
            style=c.style,
            no_wrap=True,
            vertical="bottom",
            min_width=c.width,
        )
    for cells in zip(*(c.cells for c in columns), strict=True):
        table.add_row(*(Text(x) for x in cells))
    return table


def fitting(columns: list[Column], width: int, dispensable: list[str]) -> list[Column]:
    """The columns as one table that fits ``width``.

    Columns of texts are shortened, with an ellipsis, the last ones first, but none below ``LEAST``; where that is not
    enough, columns are left out by their heads, in the order of ``dispensable``.
    """
    columns = list(columns)
    for head in ["", *dispensable]:
        columns = [c for c in columns if c.head != head]
        excess = space(columns, GAPS[-1]) - width
        texts = [c for c in columns if c.left]
        if excess <= sum(max(c.width - LEAST, 0) for c in texts):
            break
    for c in reversed(texts):
        room = max(c.width - max(excess, 0), min(LEAST, c.width))
        excess -= c.width - room
        c.cells = [shortened(cell, room) for cell in c.cells]
    for c in texts if excess > 0 else ():  # nothing more can be left out
        room = max(c.width - excess, len(c.head), 1)
        excess -= c.width - room
        c.cells = [shortened(cell, room) for cell in c.cells]
    return columns


def shortened(text: str, width: int) -> str:
    """``text``, or its first characters and an ellipsis where it is wider than ``width``."""
    return text if cell_len(text) <= width else text[: max(width - 1, 0)] + "…"


def drawn(columns: list[Column]) -> Table:
    """The columns as one table."""
    return _drawn(columns, GAPS[-1])


def percent(share: float | None) -> str:
    """0.365 -> "36.5"; never "100.0" for less than all."""
    if share is None:
        return "-"
    text = f"{100 * share:.1f}"
    return "99.9" if text == "100.0" and share < 1 else text


def interval(accuracy: float | None, low: float | None, high: float | None) -> str:
    """Accuracy with its 95 % interval, in percent: "36.5 [32.0, 41.3]"."""
    if accuracy is None or low is None or high is None:
        return percent(accuracy)
    return f"{percent(accuracy)} [{percent(low)}, {percent(high)}]"


def points(value: float, low: float | None, high: float | None) -> str:
    """A difference of shares in percentage points: "+3.1 [-0.2, +6.0]"."""
    text = f"{100 * value:+.1f}"
    return text if low is None or high is None else f"{text} [{100 * low:+.1f}, {100 * high:+.1f}]"


def duration(seconds: float | None) -> str:
    """Seconds as a table shows them; "found" where nothing had to be built."""
    if seconds is None:
        return "found"
    return f"{seconds:,.0f}" if seconds >= 1000 else f"{seconds:.1f}"


def short_number(x: float) -> str:
    """1234567 -> 1.23M."""
    for size, name in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= size:
            return f"{x / size:.3g}{name}"
    return f"{x:.3g}"


def share(value: float | None) -> str:
    """A share in [0, 1] as a number, small ones with their power of ten."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value >= 1e-3 or value == 0 else f"{value:.1e}"


def print_table(columns: list[Column], out: Console) -> None:
    """Print the columns as one table. rich takes a millisecond a row, so a very long one is written as padded text."""
    if len(columns[0].cells) <= LONG:
        out.print(drawn(columns), width=width_of(out))
        return
    widths = [c.width for c in columns]
    rows = zip(*(c.cells for c in columns), strict=True)
    for row in ([c.head for c in columns], *rows):
        cells = (_padded(cell, n, c.left) for cell, n, c in zip(row, widths, columns, strict=True))
        out.file.write((" " * GAPS[-1]).join(cells).rstrip() + "\n")


def _padded(cell: str, width: int, left: bool) -> str:
    space = " " * (width - cell_len(cell))
    return cell + space if left else space + cell
