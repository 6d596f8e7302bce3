"""Heat-maps of a run's transition matrices: a row a round, of every step the measured one and the theory's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from star_cli.analysis.transitions import RoundTransitions, pooled_delta
from star_cli.report.figure_file import write_drawing

SIDE = 1.45  # inches of a matrix


def write_transition_figure(rounds: Sequence[RoundTransitions], path: Path) -> Path:
    """Write the heat-maps as an SVG or a PNG, by the suffix; another suffix is a StarError."""
    columns = 2 * rounds[0].measured.shape[0]
    size = (SIDE * columns + 1.2, (SIDE + 0.35) * len(rounds) + 0.5)

    def draw(figure: Any) -> None:
        draw_transitions(figure, rounds)

    return write_drawing(path, size, draw, option="--transitions")


def draw_transitions(figure: Any, rounds: Sequence[RoundTransitions]) -> None:
    """Draw the matrices on a matplotlib figure, on a square-root scale; grey is a row that was never visited."""
    import matplotlib
    from matplotlib.colors import PowerNorm

    steps = rounds[0].measured.shape[0]
    colours = matplotlib.colormaps["viridis"].with_extremes(bad="#cccccc")
    panels = figure.subplots(len(rounds), 2 * steps, squeeze=False)
    image = None
    for row, line in zip(rounds, panels, strict=True):
        deltas, theory = pooled_delta(row.measured), _deltas(row)
        for n, measured in enumerate(row.shares()):
            for axes, matrix, delta in (
                (line[2 * n], measured, deltas[n]),
                (line[2 * n + 1], row.theory[n], theory[n]),
            ):
                image = axes.imshow(matrix, cmap=colours, norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                axes.set_title(f"\u03b4 = {delta:.3f}", fontsize=8)
        line[0].set_ylabel(f"round {row.round}" if row.round else "base", fontsize=9)
    for n in range(steps):
        panels[0][2 * n].set_title(f"step {n + 1}, measured\n{panels[0][2 * n].get_title()}", fontsize=8)
        panels[0][2 * n + 1].set_title(f"step {n + 1}, theory\n{panels[0][2 * n + 1].get_title()}", fontsize=8)
    bar = figure.colorbar(image, ax=panels, shrink=0.7 if len(rounds) > 1 else 1.0, ticks=[0, 0.02, 0.1, 0.3, 0.6, 1])
    bar.set_label("probability, from (down) to (across)", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _deltas(row: RoundTransitions) -> list[float]:
    """Of each step the delta of the theory's matrix: P(right) - P(one wrong state)."""
    return [float(table[0, 0] - table[0, 1]) for table in row.theory]
