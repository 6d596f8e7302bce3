"""Tables and plots of the theory: a prediction, and a run beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import Prediction, rounds_to_reach
from star_cli.report.curve import BLUE, settings, write_whole
from star_cli.report.terminal import console

if TYPE_CHECKING:
    from star_cli.analysis.theory import Comparison

PLATEAU = 0.99
DARK = "#222222"


def as_record(told: Prediction) -> dict[str, Any]:
    """A prediction as plain JSON: round 0 first, deltas in the theory convention."""
    return {
        "accuracy": list(told.accuracy),
        "delta": [list(row) for row in told.delta],
        "wrong_given_kept": list(told.wrong_given_kept),
    }


def show_prediction(told: Prediction) -> None:
    """Print the table, the rounds to the plateau and a plot."""
    out = console()
    steps = len(told.delta[0])
    table = Table(title=f"theory: {steps} steps, {told.states} states", title_justify="left", box=SIMPLE_HEAD)
    for name in ("round", "accuracy", *(f"delta {n + 1}" for n in range(steps)), "kept but wrong"):
        table.add_column(name, justify="right")
    for n, row in enumerate(told.delta):
        table.add_row(str(n), f"{told.accuracy[n]:.6f}", *(f"{d:.6f}" for d in row), share(told.wrong_given_kept[n]))
    out.print(table)
    try:
        reached = rounds_to_reach(told.delta[0], told.states, PLATEAU)
        words = (
            f"accuracy {PLATEAU} is reached in round {reached}"
            if reached is not None
            else f"accuracy {PLATEAU} is never reached"
        )
    except StarError as e:
        words = e.what
    out.print(words)
    lines = {"accuracy": told.accuracy, "kept but wrong": told.wrong_given_kept}
    if len(told.accuracy) > 1:
        plot(lines, f"N={steps}, M={told.states}")


def show_comparison(found: Comparison) -> None:
    """Print the run's table beside the theory's, and a plot of both."""
    out = console()
    table = Table(
        title=f"{found.name}: accuracy beside the theory ({found.source})", title_justify="left", box=SIMPLE_HEAD
    )
    for name in ("round", "measured", "95 %", "theory", "inside", "wrong step", "theory"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(
            str(row.round),
            f"{row.accuracy:.4f}",
            f"{row.low:.4f} to {row.high:.4f}",
            f"{row.theory:.4f}",
            "yes" if row.inside else "no",
            share(row.wrong),
            share(row.theory_wrong),
        )
    out.print(table)
    table = Table(
        title="the theory's curve is for endless samples; 95 % of simulated runs of this size lie in",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("round", "runs of this size", "measured", "inside"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(
            str(row.round),
            f"{row.band[0]:.4f} to {row.band[1]:.4f}",
            f"{row.accuracy:.4f}",
            "yes" if row.usual else "no",
        )
    out.print(table)
    table = Table(
        title=f"delta of each of the {found.steps} steps, theory convention, M={found.states}",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("round", "measured", "95 % within", "theory", "samples"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        half = max((b - a) / 2 for a, b in zip(row.delta_low, row.delta_high, strict=True))
        table.add_row(
            str(row.round),
            " ".join(f"{d:.4f}" for d in row.delta),
            f"{half:.4f}",
            " ".join(f"{d:.4f}" for d in row.theory_delta),
            f"{row.samples:,}",
        )
    out.print(table)
    for note in found.notes:
        out.print(note)
    if len(found.rows) > 1:
        lines = {"measured": [r.accuracy for r in found.rows], "theory": [r.theory for r in found.rows]}
        plot({**lines, **({"forecast": found.forecast} if found.forecast else {})}, found.name)


def write_comparison(found: Comparison, path: Path) -> Path:
    """Write accuracy, wrong steps and deltas by round, measured and expected, as an SVG or a PNG (by the suffix)."""
    form = path.suffix.lower().lstrip(".")
    if form not in ("svg", "png"):
        raise StarError(
            f"a figure is written as .svg or .png, got {path.name!r}", hint=f"--figure {path.stem or 'x'}.svg"
        )
    chosen = settings(DARK)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rounds, whole = [r.round for r in found.rows], io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcParams.update(chosen)
        figure = Figure(figsize=(10, 3.2), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        left, middle, right = figure.subplots(1, 3)
        left.fill_between(
            rounds,
            [r.band[0] for r in found.rows],
            [r.band[1] for r in found.rows],
            color=DARK,
            alpha=0.12,
            lw=0,
            label="95 % of runs of this size",
        )
        left.plot(rounds, [r.theory for r in found.rows], color=DARK, ls="--", lw=1.4, label="theory")
        if found.forecast:
            left.plot(range(len(found.forecast)), found.forecast, color="#9a6b00", ls=":", lw=1.6, label="forecast")
        spans = [
            [max(0.0, r.accuracy - r.low) for r in found.rows],
            [max(0.0, r.high - r.accuracy) for r in found.rows],
        ]
        left.errorbar(
            rounds,
            [r.accuracy for r in found.rows],
            spans,
            color=BLUE,
            marker="o",
            ms=5,
            lw=0,
            elinewidth=1.6,
            label="measured, 95 %",
        )
        known = [r for r in found.rows if r.wrong is not None]
        middle.plot(rounds, [r.theory_wrong for r in found.rows], color=DARK, ls="--", lw=1.4)
        middle.plot([r.round for r in known], [r.wrong for r in known], color=BLUE, marker="o", ms=5, lw=0)
        for n in range(found.steps):
            shade = matplotlib.colormaps["plasma"](0.1 + 0.7 * n / max(found.steps - 1, 1))
            right.plot(rounds, [r.theory_delta[n] for r in found.rows], color=shade, ls="--", lw=1.2)
            right.plot(
                rounds, [r.delta[n] for r in found.rows], color=shade, marker="o", ms=4, lw=0, label=f"step {n + 1}"
            )
        for axes, title in (
            (left, "accuracy"),
            (middle, "right answers with a wrong step"),
            (right, "delta of each step"),
        ):
            axes.set_title(title, fontsize=10)
            axes.set(xlabel="round", xticks=rounds, ylim=(min(0.0, axes.get_ylim()[0]), 1.03))
            axes.grid(color=DARK, alpha=0.15, lw=0.6)
        left.legend(frameon=False, fontsize=8)
        right.legend(frameon=False, fontsize=8)
        figure.savefig(whole, format=form, dpi=120, metadata={"Date": None} if form == "svg" else None)
    return write_whole(path, whole.getvalue())


def plot(lines: Mapping[str, Sequence[float]], title: str) -> None:
    """Curves over rounds, in characters."""
    from plotext import figure, uncolorize

    figure.clear()
    figure.theme("colorless")
    figure.plot_size(72, 16)
    figure.title(title)
    figure.label("round", "x")
    for (name, values), marker in zip(lines.items(), "*o+x", strict=False):
        figure.draw(figure.signal(list(range(len(values))), list(values), marker=marker).lines().label(name))
    longest = max(map(len, lines.values()))
    figure.ruler("x", "lower").ticks(list(range(longest)), [str(n) for n in range(longest)])
    figure.ruler("y", "left").lim(0, 1)
    figure.legend(x=1.0, y=0.0, ha="right", va="bottom", relative=True)
    print(uncolorize(figure.build()))


def share(value: float | None) -> str:
    """A share in [0, 1], small ones with their power of ten."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value >= 1e-3 or value == 0 else f"{value:.1e}"
