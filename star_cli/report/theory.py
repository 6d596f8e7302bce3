"""Tables of the theory in the terminal: a prediction, and a run beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from star_cli.analysis.theory import TheoryComparison
from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import Prediction, rounds_to_reach
from star_cli.report.columns import share
from star_cli.report.terminal import console

PLATEAU = 0.99

MARKS = "*o+x"


def prediction_as_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain JSON: round 0 first, deltas in the theory convention."""
    return {
        "accuracy": list(prediction.accuracy),
        "delta": [list(row) for row in prediction.delta],
        "wrong_given_kept": list(prediction.wrong_given_kept),
    }


def print_prediction(prediction: Prediction) -> None:
    """Print the table, the rounds to the plateau and a plot."""
    out, steps = console(), len(prediction.delta[0])
    heads = ["round", "accuracy", *(f"delta {n + 1}" for n in range(steps)), "kept but wrong"]
    rows = [
        [
            str(n),
            f"{prediction.accuracy[n]:.6f}",
            *(f"{d:.6f}" for d in row),
            share(prediction.wrong_given_kept[n]),
        ]
        for n, row in enumerate(prediction.delta)
    ]
    out.print(_table(f"theory: {steps} steps, {prediction.states} states", heads, rows))
    out.print(_plateau(prediction))
    curves = {"accuracy": prediction.accuracy, "kept but wrong": prediction.wrong_given_kept}
    if len(prediction.accuracy) > 1:
        print_curves(curves, f"N={steps}, M={prediction.states}")


def _plateau(prediction: Prediction) -> str:
    """When the plateau is reached, as a sentence."""
    try:
        reached = rounds_to_reach(prediction.delta[0], prediction.states, PLATEAU)
    except StarError as e:
        return e.what
    if reached is None:
        return f"accuracy {PLATEAU} is never reached"
    return f"accuracy {PLATEAU} is reached in round {reached}"


def print_theory_comparison(comparison: TheoryComparison) -> None:
    """Print the run's table beside the theory's, the bands, the deltas, and a plot of both."""
    out, rows = console(), comparison.rows
    accuracies = [
        [
            str(row.round),
            f"{row.accuracy:.4f}",
            f"{row.low:.4f} to {row.high:.4f}",
            f"{row.theory:.4f}",
            "yes" if row.inside else "no",
            share(row.wrong),
            share(row.theory_wrong),
        ]
        for row in rows
    ]
    heads = ["round", "measured", "95 %", "theory", "inside", "wrong step", "theory"]
    out.print(_table(f"{comparison.name}: accuracy beside the theory ({comparison.source})", heads, accuracies))
    bands = [
        [
            str(row.round),
            f"{row.band[0]:.4f} to {row.band[1]:.4f}",
            f"{row.accuracy:.4f}",
            "yes" if row.usual else "no",
        ]
        for row in rows
    ]
    title = "the theory's curve is for endless samples; 95 % of simulated runs of this size lie in"
    out.print(_table(title, ["round", "runs of this size", "measured", "inside"], bands))
    title = f"delta of each of the {comparison.steps} steps, theory convention, M={comparison.states}"
    out.print(_table(title, ["round", "measured", "95 % within", "theory", "samples"], _deltas(comparison)))
    for note in comparison.notes:
        out.print(note)
    if len(rows) > 1:
        curves = {"measured": [r.accuracy for r in rows], "theory": [r.theory for r in rows]}
        if comparison.forecast:
            curves["forecast"] = comparison.forecast
        print_curves(curves, comparison.name)


def _deltas(comparison: TheoryComparison) -> list[list[str]]:
    rows = []
    for row in comparison.rows:
        half = max((b - a) / 2 for a, b in zip(row.delta_low, row.delta_high, strict=True))
        measured, theory = (" ".join(f"{d:.4f}" for d in deltas) for deltas in (row.delta, row.theory_delta))
        rows.append([str(row.round), measured, f"{half:.4f}", theory, f"{row.samples:,}"])
    return rows


def _table(title: str, heads: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def print_curves(curves: Mapping[str, Sequence[float]], title: str) -> None:
    """Curves over rounds, in characters."""
    from plotext import figure, uncolorize

    figure.clear()
    figure.theme("colorless")
    figure.plot_size(72, 16)
    figure.title(title)
    figure.label("round", "x")
    for values, marker in zip(curves.values(), MARKS, strict=False):
        figure.draw(figure.signal(list(range(len(values))), list(values), marker=marker).lines())
    longest = max(map(len, curves.values()))
    figure.ruler("x", "lower").ticks(list(range(longest)), [str(n) for n in range(longest)])
    figure.ruler("y", "left").lim(0, 1)
    plot = uncolorize(figure.build()).rstrip("\n")
    print("\n".join([plot, *(f"  {mark} {name}" for name, mark in zip(curves, MARKS, strict=False))]))
