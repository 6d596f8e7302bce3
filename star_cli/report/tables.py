"""Tables for the terminal: a run by rounds, a round by stages, a sweep by arms. What does not fit goes below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from star_cli.errors import StarError
from star_cli.report.columns import Column, duration, interval, percent, stacked
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.terminal import outline
from star_cli.report.text import clean, one_line
from star_cli.stages.base import stage_class
from star_cli.store.artifacts import Store
from star_cli.store.ledger import Event
from star_cli.store.run_info import RunInfo
from star_cli.store.runs import Run

BESIDE_HEADS = {
    "caption_right": "caption\nright %",
    "wrong_by_seeing": "wrong by\nseeing",
    "wrong_by_reasoning": "wrong by\nreasoning",
}


def rounds_table(rows: list[RoundRow], width: int = 140) -> RenderableType:
    """A row for every round; at narrow widths in two or three parts."""
    first, blocks = round_blocks(rows)
    return stacked(first, blocks, width)


def round_blocks(rows: list[RoundRow]) -> tuple[list[Column], list[list[Column]]]:
    """The columns of a run's table: the round, and the blocks accuracy, problems, seconds and health."""
    first = [Column("round", [str(r.round) for r in rows])]
    return first, [_accuracy_block(rows), _work_block(rows), _seconds_block(rows), health_block(rows)]


def _accuracy_block(rows: list[RoundRow]) -> list[Column]:
    columns = [Column("accuracy %\n[95 % interval]", [interval(r.accuracy, r.low, r.high) for r in rows], style="bold")]
    if any(r.forecast for r in rows):
        expected = [interval(*r.forecast) if r.forecast else "-" for r in rows]
        columns.append(Column("forecast %\n[80 % band]", expected))
    groups = list(dict.fromkeys(g for r in rows for g in r.groups))
    columns += [Column(clean(g).replace("=", "\n", 1), [percent(r.groups.get(g)) for r in rows]) for g in groups]
    beside = list(dict.fromkeys(n for r in rows for n in r.beside))
    columns += [Column(BESIDE_HEADS.get(n, f"\n{n}"), [percent(r.beside.get(n)) for r in rows]) for n in beside]
    return columns


def _work_block(rows: list[RoundRow]) -> list[Column]:
    columns = [
        Column("solved\n%", [percent(r.solved) for r in rows]),
        Column("ration-\nalized %", [percent(r.rationalized) for r in rows]),
        Column("right, wrong\nstep %", [percent(r.wrong_steps) for r in rows]),
        Column("tokens\nwritten", ["-" if r.tokens is None else f"{r.tokens:,}" for r in rows]),
    ]
    return [c for c in columns if set(c.cells) != {"-"}]


def _seconds_block(rows: list[RoundRow]) -> list[Column]:
    columns = [Column("seconds\nin all", [duration(_built_seconds(r)) for r in rows])]
    for stage in stage_names(rows):
        cells = [duration(r.by_stage[stage]) if stage in r.by_stage else "-" for r in rows]
        columns.append(Column(f"\n{clean(stage)}", cells, style="dim"))
    return columns


def _built_seconds(row: RoundRow) -> float | None:
    return row.seconds if any(spent is not None for spent in row.by_stage.values()) else None


def stage_names(rows: list[RoundRow]) -> list[str]:
    """The stages that have a column, in the order in which a round has them; quick ones where they took a second.

    What only the base model's round has stands first.
    """
    slow = {name for r in rows for name, spent in r.by_stage.items() if (spent or 0) >= 1}
    in_rounds = list(dict.fromkeys(name for r in rows if r.round for name in r.by_stage))
    only_before = [name for r in rows if not r.round for name in r.by_stage if name not in in_rounds]
    return [name for name in only_before + in_rounds if name in slow or not stage_class(name).quick]


def health_block(rows: list[RoundRow]) -> list[Column]:
    """The columns of the loop's health (``star_cli.lib.health.MEANING`` says what they are), as far as it is known."""
    heads = [
        ("newly_solved", "newly\nsolved", _count),
        ("forgotten", "for-\ngotten", _count),
        ("unhinted_pass", "unhinted\npass %", percent),
        ("unique_rationales", "unique\n%", percent),
        ("length_drift", "length\ndrift", _factor),
        ("truncated", "trun-\ncated %", _some),
        ("tokens_per_right", "tokens a\nright one", _count),
        ("hint_only", "hint\nonly %", percent),
        ("hint_leak", "hint\nleak %", percent),
        ("easiest_tenth", "easiest\ntenth %", percent),
        ("balance", "\nbalance", _factor),
    ]
    columns = [Column(head, [as_text(r.health.get(name)) for r in rows]) for name, head, as_text in heads]
    return [c for c in columns if set(c.cells) != {"-"}]


def _some(share: float | None) -> str:
    return percent(share) if share else "-"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _factor(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def stages_table(name: str, events: list[Event], width: int = 140) -> RenderableType:
    """The stages of a run with their keys, seconds and numbers."""
    first = [Column("stage", [f"{name}/{e.place}" for e in events], left=True)]
    numbers = [one_line(outline(e) or facts_of(e.metrics), 100) for e in events]
    return stacked(
        first,
        [
            [
                Column("key", [e.key[:12] for e in events], left=True, style="dim"),
                Column("seconds", [duration(None if e.hit else e.seconds) for e in events]),
            ],
            [Column("", numbers, left=True)],
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
class SweepRow:
    """One run of a sweep. ``fault`` says why it cannot be read."""

    run: Run
    rows: list[RoundRow]
    info: RunInfo | None
    fault: str | None = None

    @property
    def label(self) -> str:
        """What sets it apart from the others."""
        return " ".join(self.info.arm if self.info else []) or self.run.name.partition("/")[2]

    @property
    def status(self) -> str:
        """How it ended, or "broken"."""
        return "broken" if self.fault or self.info is None else self.info.state

    def as_json(self) -> dict[str, Any]:
        """The arm with its first and last measured round."""
        measured = [r for r in self.rows if r.accuracy is not None]
        first, last = (measured[0], measured[-1]) if measured else (None, None)
        return {
            "name": self.run.name,
            "arm": self.info.arm if self.info else [],
            "status": self.status,
            "base_accuracy": first.accuracy if first and first.round == 0 else None,
            **(last or RoundRow(0)).as_json(),
            "round": last.round if last else None,
            "tokens": sum(r.tokens or 0 for r in self.rows),
            "seconds": round(sum(r.seconds for r in self.rows), 3),
            **({"message": self.fault} if self.fault else {}),
        }


def sweep_rows(runs: list[Run], store: Store) -> list[SweepRow]:
    """The arms of a sweep with their rounds; one that cannot be read says why."""
    rows = []
    for run in runs:
        try:
            rows.append(SweepRow(run, rounds_of(run, store), run.info))
        except StarError as e:
            rows.append(SweepRow(run, [], None, e.what))
    return rows


def sweep_table(arms: list[SweepRow], width: int = 140) -> RenderableType:
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
