"""Tables for the terminal: a run by rounds, a round by stages, a sweep by arms. What does not fit goes below."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.terminal import outline
from star_cli.report.text import clean, one_line
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Event, Run

STAGES = (
    "pretrain",
    "base",
    "problems",
    "generate",
    "score",
    "filter",
    "answers",
    "steps",
    "finetune",
    "health",
    "evaluate",
    "select",
)
MINOR = ("problems", "answers", "steps", "base", "health")  # too quick to show unless they are not
GAPS = (1, 2)


@dataclass
class Column:
    """A column: a heading of one or two lines and a cell for every row."""

    head: str
    cells: list[str]
    left: bool = False
    style: str = ""

    @property
    def width(self) -> int:
        return max(cell_len(x) for x in [*self.head.split("\n"), *self.cells])


def width_of(out: Console) -> int:
    """How wide a table may be: the terminal, or COLUMNS, or 140 in a log."""
    return out.width if out.is_terminal or "COLUMNS" in os.environ else 140


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
        if _space(tables[-1] + columns, gap) > width and len(tables[-1]) > len(first):
            tables.append(list(first))
        tables[-1].extend(columns)

    for block in blocks:
        for part in [block] if _space(first + block, gap) <= width else [[c] for c in block]:
            put(part)
    return tables


def _space(columns: list[Column], gap: int) -> int:
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


def percent(share: float | None) -> str:
    """0.365 -> "36.5"; never "100.0" for less than all."""
    if share is None:
        return "-"
    shown = f"{100 * share:.1f}"
    return "99.9" if shown == "100.0" and share < 1 else shown


def interval(accuracy: float | None, low: float | None, high: float | None) -> str:
    """Accuracy with its 95 % interval, in percent: "36.5 [32.0, 41.3]"."""
    if accuracy is None or low is None or high is None:
        return percent(accuracy)
    return f"{percent(accuracy)} [{percent(low)}, {percent(high)}]"


def duration(seconds: float | None) -> str:
    """Seconds as a table shows them; "found" where nothing had to be built."""
    if seconds is None:
        return "found"
    return f"{seconds:,.0f}" if seconds >= 1000 else f"{seconds:.1f}"


def stage_names(rows: list[RoundRow]) -> list[str]:
    """The stages that have a column: in the order of the data's way, quick ones only where they took a second."""
    seen = {name for r in rows for name in r.by_stage}
    slow = {name for r in rows for name, spent in r.by_stage.items() if (spent or 0) >= 1}
    known = [s for s in STAGES if s in seen and (s not in MINOR or s in slow)]
    return known + sorted(seen - set(STAGES))


def round_blocks(rows: list[RoundRow]) -> tuple[list[Column], list[list[Column]]]:
    """The columns of a run's table: the round, and the blocks accuracy, problems and seconds."""
    first = [Column("round", [str(r.round) for r in rows])]
    groups = list(dict.fromkeys(g for r in rows for g in r.groups))
    accuracy = [
        Column("accuracy %\n[95 % interval]", [interval(r.accuracy, r.low, r.high) for r in rows], style="bold")
    ]
    if any(r.forecast for r in rows):
        told = [interval(*r.forecast) if r.forecast else "-" for r in rows]
        accuracy.append(Column("forecast %\n[80 % band]", told))
    accuracy += [Column(clean(g).replace("=", "\n", 1), [percent(r.groups.get(g)) for r in rows]) for g in groups]
    heads = {
        "caption_right": "caption\nright %",
        "wrong_by_seeing": "wrong by\nseeing",
        "wrong_by_reasoning": "wrong by\nreasoning",
    }
    accuracy += [
        Column(heads.get(name, f"\n{name}"), [percent(r.beside.get(name)) for r in rows])
        for name in dict.fromkeys(n for r in rows for n in r.beside)
    ]
    work = [
        Column("solved\n%", [percent(r.solved) for r in rows]),
        Column("ration-\nalized %", [percent(r.rationalized) for r in rows]),
        Column("right, wrong\nstep %", [percent(r.wrong_steps) for r in rows]),
        Column("tokens\nwritten", ["-" if r.tokens is None else f"{r.tokens:,}" for r in rows]),
    ]
    seconds = [Column("seconds\nin all", [duration(_built(r)) for r in rows])]
    seconds += [
        Column(f"\n{clean(s)}", [duration(r.by_stage[s]) if s in r.by_stage else "-" for r in rows], style="dim")
        for s in stage_names(rows)
    ]
    return first, [accuracy, [c for c in work if set(c.cells) != {"-"}], seconds, health_block(rows)]


def health_block(rows: list[RoundRow]) -> list[Column]:
    """The columns of the loop's health (``star_cli.lib.health.MEANING`` says what they are), as far as it is known."""
    named = [
        ("newly_solved", "newly\nsolved", _count),
        ("forgotten", "for-\ngotten", _count),
        ("unhinted_pass", "unhinted\npass %", percent),
        ("unique_rationales", "unique\n%", percent),
        ("length_drift", "length\ndrift", _factor),
        ("hint_only", "hint\nonly %", percent),
        ("hint_leak", "hint\nleak %", percent),
        ("easiest_tenth", "easiest\ntenth %", percent),
        ("balance", "\nbalance", _factor),
    ]
    found = [Column(head, [shown(r.health.get(name)) for r in rows]) for name, head, shown in named]
    return [c for c in found if set(c.cells) != {"-"}]


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _factor(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _built(row: RoundRow) -> float | None:
    return row.seconds if any(spent is not None for spent in row.by_stage.values()) else None


def rounds_table(rows: list[RoundRow], width: int = 140) -> RenderableType:
    """A row for every round; at narrow widths in two or three parts."""
    first, blocks = round_blocks(rows)
    return stacked(first, blocks, width)


def stages_table(name: str, events: list[Event], width: int = 140) -> RenderableType:
    """The stages of a run with their keys, seconds and numbers."""
    labels = [f"{name}/round-{e.round}/{e.name}" for e in events]
    first = [Column("stage", labels, left=True)]
    facts = [one_line(outline(e) or facts_of(e.metrics), 100) for e in events]
    return stacked(
        first,
        [
            [
                Column("key", [e.key[:12] for e in events], left=True, style="dim"),
                Column("seconds", [duration(None if e.hit else e.seconds) for e in events]),
            ],
            [Column("", facts, left=True)],
        ],
        width,
    )


def facts_of(metrics: dict[str, Any]) -> str:
    """Numbers of a stage on one line; long texts (hashes) shortened."""
    parts = []
    for name, value in metrics.items():
        if isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, str) and len(value) > 16:
            value = value[:12]
        parts.append(f"{name} {value}")
    return ", ".join(parts)


@dataclass
class Arm:
    """One run of a sweep."""

    run: Run
    rows: list[RoundRow]
    info: dict[str, Any]

    @property
    def label(self) -> str:
        return " ".join(self.info.get("arm") or []) or self.run.name.partition("/")[2]

    @property
    def judged(self) -> list[RoundRow]:
        return [r for r in self.rows if r.accuracy is not None]

    def as_json(self) -> dict[str, Any]:
        """The arm with its first and last measured round."""
        first, last = (self.judged[0], self.judged[-1]) if self.judged else (None, None)
        return {
            "name": self.run.name,
            "arm": self.info.get("arm") or [],
            "status": self.info.get("status"),
            "base_accuracy": first.accuracy if first and first.round == 0 else None,
            **(last or RoundRow(0)).as_json(),
            "round": last.round if last else None,
            "tokens": sum(r.tokens or 0 for r in self.rows),
            "seconds": round(sum(r.seconds for r in self.rows), 3),
        }


def arms_of(runs: list[Run], store: Store) -> list[Arm]:
    """The arms of a sweep with their rounds."""
    return [Arm(r, rounds_of(r, store), r.info) for r in runs]


def sweep_table(arms: list[Arm], width: int = 140) -> RenderableType:
    """A row for every arm: its overrides, how it ended, and what it reached."""
    rows = [a.as_json() for a in arms]
    first = [Column("arm", [one_line(a.label) for a in arms], left=True)]
    return stacked(
        first,
        [
            [
                Column("status", [str(r["status"]) for r in rows], left=True),
                Column("last\nround", ["-" if r["round"] is None else str(r["round"]) for r in rows]),
                Column("base\naccuracy %", [percent(r["base_accuracy"]) for r in rows]),
                Column(
                    "last accuracy %\n[95 % interval]",
                    [interval(r["accuracy"], r["low"], r["high"]) for r in rows],
                    style="bold",
                ),
            ],
            [
                Column("solved\n%", [percent(r["solved"]) for r in rows]),
                Column("tokens\nwritten", [f"{r['tokens']:,}" for r in rows]),
                Column("seconds\nin all", [duration(r["seconds"]) for r in rows]),
            ],
        ],
        width,
    )
