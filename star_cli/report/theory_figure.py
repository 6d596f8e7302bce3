"""The figure of a run beside the theory: accuracy, wrong steps and deltas by round, measured and expected."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from star_cli.analysis.theory import TheoryComparison
from star_cli.errors import StarError
from star_cli.report.curve import BLUE, figure_settings
from star_cli.store.durable import write_bytes

DARK = "#222222"
AMBER = "#9a6b00"


def write_figure(comparison: TheoryComparison, path: Path) -> Path:
    """Write the figure as an SVG or a PNG, by the suffix; another suffix is a StarError."""
    form = path.suffix.lower().lstrip(".")
    if form not in ("svg", "png"):
        raise StarError(
            f"a figure is written as .svg or .png, got {path.name!r}", hint=f"--figure {path.stem or 'x'}.svg"
        )
    settings = figure_settings(DARK)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    content = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=(10, 3.2), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        accuracy, wrong, deltas = figure.subplots(1, 3)
        _draw_accuracy(accuracy, comparison)
        _draw_wrong_steps(wrong, comparison)
        _draw_deltas(deltas, comparison)
        rounds = [r.round for r in comparison.rows]
        for axes, title in (
            (accuracy, "accuracy"),
            (wrong, "right answers with a wrong step"),
            (deltas, "delta of each step"),
        ):
            axes.set_title(title, fontsize=10)
            axes.set(xlabel="round", xticks=rounds, ylim=(min(0.0, axes.get_ylim()[0]), 1.03))
            axes.grid(color=DARK, alpha=0.15, lw=0.6)
        accuracy.legend(frameon=False, fontsize=8)
        deltas.legend(frameon=False, fontsize=8)
        figure.savefig(content, format=form, dpi=120, metadata={"Date": None} if form == "svg" else None)
    return write_bytes(path, content.getvalue())


def _draw_accuracy(axes: Any, comparison: TheoryComparison) -> None:
    rows = comparison.rows
    rounds = [r.round for r in rows]
    low, high = [r.band[0] for r in rows], [r.band[1] for r in rows]
    axes.fill_between(rounds, low, high, color=DARK, alpha=0.12, lw=0, label="95 % of runs of this size")
    axes.plot(rounds, [r.theory for r in rows], color=DARK, ls="--", lw=1.4, label="theory")
    if comparison.forecast:
        expected = comparison.forecast
        axes.plot(range(len(expected)), expected, color=AMBER, ls=":", lw=1.6, label="forecast")
    below, above = [max(0.0, r.accuracy - r.low) for r in rows], [max(0.0, r.high - r.accuracy) for r in rows]
    axes.errorbar(
        rounds,
        [r.accuracy for r in rows],
        [below, above],
        color=BLUE,
        marker="o",
        ms=5,
        lw=0,
        elinewidth=1.6,
        label="measured, 95 %",
    )


def _draw_wrong_steps(axes: Any, comparison: TheoryComparison) -> None:
    rows = comparison.rows
    known = [r for r in rows if r.wrong is not None]
    axes.plot([r.round for r in rows], [r.theory_wrong for r in rows], color=DARK, ls="--", lw=1.4)
    axes.plot([r.round for r in known], [r.wrong for r in known], color=BLUE, marker="o", ms=5, lw=0)


def _draw_deltas(axes: Any, comparison: TheoryComparison) -> None:
    import matplotlib

    rows = comparison.rows
    rounds = [r.round for r in rows]
    for n in range(comparison.steps):
        shade = matplotlib.colormaps["plasma"](0.1 + 0.7 * n / max(comparison.steps - 1, 1))
        axes.plot(rounds, [r.theory_delta[n] for r in rows], color=shade, ls="--", lw=1.2)
        axes.plot(rounds, [r.delta[n] for r in rows], color=shade, marker="o", ms=4, lw=0, label=f"step {n + 1}")
