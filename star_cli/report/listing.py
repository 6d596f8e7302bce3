"""What `star ls` shows: runs, artifacts, and the parts that can be chosen, as rows and as tables that fit."""

from __future__ import annotations

import dataclasses
import fnmatch
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from star_cli.analysis.events import Accuracy, evaluations, metrics_as
from star_cli.core import registry
from star_cli.errors import StarError, unknown
from star_cli.report.columns import GAPS, LEAST, Column, duration, fitting, percent, print_table, space, width_of
from star_cli.report.text import one_line
from star_cli.run.experiments import experiments
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run, runs

Rows = list[dict[str, Any]]
BROKEN = "broken"
LEFT_OUT = ["overrides", "started", "base %"]  # where a table does not fit with its texts shortened, in order
EXTRA = ["95 % interval", "task", "method"]  # left out before any text but the overrides is shortened


def run_rows(home: Path) -> Rows:
    """A row a run: name, status, sweep, what was overridden, rounds done, first and last accuracy.

    A run that cannot be read has the status "broken" and a message.
    """
    return [_run_row(run) for run in runs(home)]


SORTS = ("accuracy", "started", "name", "rounds", "status")


def chosen_runs(rows: Rows, filters: list[str], sort: str | None) -> Rows:
    """The rows that pass all of ``filters`` (NAME=PATTERN), sorted; numbers and times begin with the largest.

    Raises StarError for an unknown order, and for a name that no run has.
    """
    if sort is not None and sort not in SORTS:
        raise unknown("order", sort, SORTS)
    for name, _, pattern in (f.partition("=") for f in filters):
        if rows and all(_cell_of(row, name) is None for row in rows):
            raise StarError(
                f"no run has a {name} to filter by",
                hint="name, status, a part such as method, or a setting: trainer.lr",
            )
        rows = [row for row in rows if fnmatch.fnmatchcase(str(_cell_of(row, name)), pattern)]
    if sort is None:
        return rows
    known = [row for row in rows if row.get(sort) is not None]
    return sorted(known, key=lambda row: row[sort], reverse=sort in ("accuracy", "started", "rounds")) + [
        row for row in rows if row.get(sort) is None
    ]


def _cell_of(row: dict[str, Any], name: str) -> Any:
    """What a run has under a name: a column, a part, or a setting; None where it has nothing such."""
    if name in row:
        return row[name]
    value: Any = row.get("config", {})
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return str(value).lower() if isinstance(value, bool) else value


def experiment_rows() -> Rows:
    """A row an experiment: its name, and the first sentence of its file."""
    return [{"name": e.name, "what": e.what} for e in experiments()]


def _run_row(run: Run) -> dict[str, Any]:
    try:
        info = run.info
        measured = {e.round: metrics_as(Accuracy, e) for e in evaluations(run.events())}
        accuracies = {round: m.accuracy for round, m in measured.items()}
        lost = run.lost()
    except StarError as e:
        return {"name": run.name, "status": BROKEN, "message": e.what}
    last = max(accuracies, default=None)
    renamed = {"made_as": info.name} if info.name != run.name else {}
    return {
        "name": run.name,
        **renamed,
        "status": info.state,
        "sweep": run.name.partition("/")[0] if info.sweep else None,
        **{kind: info.parts.get(kind) for kind in ("task", "method", "model")},
        "overrides": info.arm if info.sweep else info.overrides,
        "rounds": last,
        "base": accuracies.get(0),
        "accuracy": None if last is None else accuracies[last],
        "low": None if last is None else measured[last].low,
        "high": None if last is None else measured[last].high,
        "started": info.started,
        "config": info.config,
        **(
            {"message": f"its ledger has lost {', '.join(lost)}; star resume {run.name} notes them again"}
            if lost
            else {}
        ),
    }


def print_runs(rows: Rows, out: Console) -> None:
    """The runs as a table, each sweep as one of its own; broken ones with what is wrong below."""
    by_sweep: dict[str, Rows] = {}
    for row in rows:
        by_sweep.setdefault(row.get("sweep") or "", []).append(row)
    for sweep, members in by_sweep.items():
        out.print(Text(f"sweep {sweep}" if sweep else "runs", style="italic"))
        columns = _with_room(_run_columns(members), width_of(out))
        print_table(fitting(columns, width_of(out), LEFT_OUT), out)
        out.print()
    _print_broken(rows, "name")


def _with_room(columns: list[Column], width: int) -> list[Column]:
    """The columns without those of ``EXTRA`` for which there is no room beside the whole names."""
    for head in EXTRA:
        if space([c for c in columns if c.head != "overrides"], GAPS[-1]) + GAPS[-1] + LEAST > width:
            columns = [c for c in columns if c.head != head]
    return columns


def _run_columns(rows: Rows) -> list[Column]:
    """The columns of runs; of a sweep's arms the name without the sweep's. What is empty everywhere is left out."""
    names = [_shown_name(r) for r in rows]
    overrides = [" ".join(r.get("overrides") or []) for r in rows]
    arms = all(r.get("sweep") for r in rows)  # an arm is named by what it overrides
    columns = [
        Column("name", [one_line(name) for name in names], left=True),
        Column("status", [r["status"] for r in rows], left=True),
        Column("task", _different(rows, "task"), left=True),
        Column("method", _different(rows, "method"), left=True),
        Column("rounds", ["" if r.get("rounds") is None else str(r["rounds"]) for r in rows]),
        Column("base %", ["" if r.get("base") is None else percent(r["base"]) for r in rows]),
        Column("accuracy %", ["" if r.get("accuracy") is None else percent(r["accuracy"]) for r in rows]),
        Column("95 % interval", [_interval(r) for r in rows]),
        Column("started", [_minute(r.get("started")) for r in rows], left=True),
        Column("overrides", [] if arms else [one_line(o) for o in overrides], left=True),
    ]
    return [c for c in columns if any(c.cells)]


def _different(rows: Rows, name: str) -> list[str]:
    """The cells of a column that tells runs apart; [] where all are the same."""
    cells = [r.get(name) or "" for r in rows]
    return cells if len({cell for cell in cells if cell}) > 1 else []


def _interval(row: dict[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    return "" if low is None or high is None else f"[{percent(low)}, {percent(high)}]"


def _shown_name(row: dict[str, Any]) -> str:
    name: str = row["name"].removeprefix(f"{row['sweep']}/") if row.get("sweep") else row["name"]
    return f"{name} (made as {row['made_as']})" if "made_as" in row else name


def artifact_rows(store: Store) -> Rows:
    """A row an artifact: key, stage, rows by file, seconds it took, when; a damaged one says what is wrong."""
    rows: Rows = []
    for key in store.keys():
        try:
            artifact = store.get(key)
        except StarError as e:
            rows.append({"key": key, "stage": BROKEN, "message": e.what})
            continue
        if artifact is not None:
            manifest = artifact.manifest
            counts = {name: entry.rows for name, entry in manifest.files.items() if entry.rows is not None}
            row: dict[str, Any] = {"key": key, "stage": artifact.stage, "rows": counts}
            rows.append(row | {"seconds": manifest.seconds, "created": manifest.created})
    return rows


def print_artifacts(rows: Rows, out: Console) -> None:
    """The artifacts as a table, by the beginning of their keys; broken ones with what is wrong below."""
    counts = [" ".join(f"{name}={n}" for name, n in r.get("rows", {}).items()) for r in rows]
    columns = [
        Column("key", [r["key"][:12] for r in rows], left=True),
        Column("stage", [one_line(r["stage"]) for r in rows], left=True),
        Column("rows", counts, left=True),
        Column("seconds", [duration(r["seconds"]) if "seconds" in r else "" for r in rows]),
        Column("created", [_minute(r.get("created")) for r in rows], left=True),
    ]
    print_table(fitting(columns, width_of(out), ["seconds"]), out)
    _print_broken(rows, "key")


def _minute(time: str | None) -> str:
    """2026-01-02T03:04:05+0000 -> "2026-01-02 03:04"."""
    return one_line((time or "")[:16].replace("T", " "))


def _print_broken(rows: Rows, name: str) -> None:
    """What is wrong with the rows that say so, apart from the table."""
    for row in rows:
        if "message" in row:
            print(f"{row[name]}: {one_line(row['message'])}", file=sys.stderr)


def part_rows(what: str) -> Rows:
    """A row a registered part: name, first line of its documentation, settings with defaults.

    The documentation is the module's; the class's own where the module registers several parts, or says nothing.
    """
    kind = what.removesuffix("s")
    if kind not in registry.KINDS:
        raise unknown("list", what, ["runs", "artifacts", "experiments", *(k + "s" for k in registry.KINDS)])
    parts = {name: registry.get(kind, name) for name in registry.names(kind)}
    return [
        {"name": name, "what": what_is(part), "settings": {f.name: _default(f) for f in dataclasses.fields(part)}}
        for name, part in parts.items()
    ]


def what_is(part: Any) -> str:
    """What a part or its class is: the first line of its module, or its own where the module has several parts."""
    cls = part if isinstance(part, type) else type(part)
    siblings = sum(registry.get(k, n).__module__ == cls.__module__ for k in registry.KINDS for n in registry.names(k))
    whole = sys.modules[cls.__module__].__doc__ if siblings == 1 else None
    lines = (whole or _class_docstring(cls)).strip().splitlines()
    return lines[0].removeprefix(f"{registry.name_of(cls)}: ") if lines else ""


def _class_docstring(part: type[Any]) -> str:
    """A class's docstring; "" where it has none but the one that dataclasses make."""
    text = part.__dict__.get("__doc__") or ""
    return "" if text.startswith(f"{part.__name__}(") else text


def _default(f: Any) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default if isinstance(f.default, (str, int, float, bool, type(None))) else str(f.default)
    if f.default_factory is not dataclasses.MISSING:
        made = f.default_factory()
        return made if isinstance(made, (list, dict)) else str(made)
    return "(required)"


def print_rows(rows: Rows, title: str, out: Console) -> None:
    """Dictionaries as a table, without their settings, cells folded; what is empty in every row is left out."""
    from rich.table import Table

    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if name != "settings" and any(row.get(name) not in (None, "", []) for row in rows)]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if _numeric(rows, name) else "left")
    for row in rows:
        table.add_row(*(Text(one_line(_cell(row.get(name)))) for name in names))
    out.print(table, width=width_of(out))
    out.print()


def _numeric(rows: Rows, name: str) -> bool:
    return all(isinstance(r.get(name), (int, float, type(None))) for r in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
