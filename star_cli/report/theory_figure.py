"""Figures of the theory by round: a run beside it, and predictions from several starts.

Both show accuracy, the share of right answers with a wrong step, and every step's delta.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from star_cli.analysis.theory import TheoryComparison
from star_cli.lib.theory.closed_form import Prediction
from star_cli.report.curve import BLUE
from star_cli.report.figure_file import DARK, write_drawing

AMBER = "#9a6b00"
TITLES = ("accuracy", "right answers with a wrong step", "delta of each step")
SIZE = (10, 3.2)  # inches


def write_figure(comparison: TheoryComparison, path: Path) -> Path:
    """Write the figure of a run beside the theory as an SVG or a PNG; another suffix is a StarError."""

    def draw(figure: Any) -> None:
        accuracy, wrong, deltas = figure.subplots(1, 3)
        _draw_accuracy(accuracy, comparison)
        _draw_wrong_steps(wrong, comparison)
        _draw_deltas(deltas, comparison)
        _label((accuracy, wrong, deltas), [r.round for r in comparison.rows])
        accuracy.legend(frameon=False, fontsize=8)
        deltas.legend(frameon=False, fontsize=8)

    return write_drawing(path, SIZE, draw)


def write_prediction_figure(predictions: Mapping[str, Prediction], path: Path) -> Path:
    """Write the predictions, by their labels, into one figure: a colour a start, a dash a step."""

    def draw(figure: Any) -> None:
        draw_predictions(figure, predictions)

    return write_drawing(path, SIZE, draw)


def draw_predictions(figure: Any, predictions: Mapping[str, Prediction]) -> None:
    """The three panels of some predictions on a matplotlib figure."""
    import matplotlib

    accuracy, wrong, deltas = panels = figure.subplots(1, 3)
    last = max(len(p.accuracy) for p in predictions.values())
    for i, (label, prediction) in enumerate(predictions.items()):
        shade = matplotlib.colormaps["plasma"](0.05 + 0.75 * i / max(len(predictions) - 1, 1))
        rounds = range(len(prediction.accuracy))
        style = {"color": shade, "marker": "o", "ms": 3, "lw": 1.4}
        accuracy.plot(rounds, prediction.accuracy, label=label, **style)
        wrong.plot(rounds, prediction.wrong_given_kept, **style)
        for n, values in enumerate(zip(*prediction.delta, strict=True)):
            deltas.plot(rounds, values, ls=("-", "--", ":", "-.")[n % 4], **style)
    _label(panels, list(range(0, last, max(1, -(-last // 12)))))
    accuracy.legend(frameon=False, fontsize=8)


def _label(panels: Any, rounds: list[int]) -> None:
    """Titles, ticks and grids of the three panels."""
    for axes, title in zip(panels, TITLES, strict=True):
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="round", xticks=rounds, ylim=(min(0.0, axes.get_ylim()[0]), 1.03))
        axes.grid(color=DARK, alpha=0.15, lw=0.6)


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
