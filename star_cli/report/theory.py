"""Tables and plots of the theory: a prediction, and a run beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from star_cli.errors import StarError
from star_cli.report.terminal import console
from star_cli.theory.closed_form import Prediction, rounds_to_reach

if TYPE_CHECKING:
    from star_cli.comparison import Comparison

PLATEAU = 0.99


def as_record(told: Prediction) -> dict[str, Any]:
    """A prediction as plain JSON: round 0 first, deltas in the theory convention."""
    return {"accuracy": list(told.accuracy), "delta": [list(row) for row in told.delta],
            "wrong_given_kept": list(told.wrong_given_kept)}


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
        words = f"accuracy {PLATEAU} is reached in round {reached}" if reached is not None else \
            f"accuracy {PLATEAU} is never reached"
    except StarError as e:
        words = e.what
    out.print(words)
    lines = {"accuracy": told.accuracy, "kept but wrong": told.wrong_given_kept}
    if len(told.accuracy) > 1:
        plot(lines, f"N={steps}, M={told.states}")


def show_comparison(found: Comparison) -> None:
    """Print the run's table beside the theory's, and a plot of both."""
    out = console()
    table = Table(title=f"{found.name}: accuracy beside the theory ({found.source})", title_justify="left",
                  box=SIMPLE_HEAD)
    for name in ("round", "measured", "95 %", "theory", "inside", "wrong step", "theory"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(str(row.round), f"{row.accuracy:.4f}", f"{row.low:.4f} to {row.high:.4f}", f"{row.theory:.4f}",
                      "yes" if row.inside else "no", share(row.wrong), share(row.theory_wrong))
    out.print(table)
    table = Table(title=f"delta of each of the {found.steps} steps, theory convention, M={found.states}",
                  title_justify="left", box=SIMPLE_HEAD)
    for name in ("round", "measured", "theory"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(str(row.round), *(" ".join(f"{d:.4f}" for d in ds) for ds in (row.delta, row.theory_delta)))
    out.print(table)
    for note in found.notes:
        out.print(note)
    if len(found.rows) > 1:
        plot({"measured": [r.accuracy for r in found.rows], "theory": [r.theory for r in found.rows]}, found.name)


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
