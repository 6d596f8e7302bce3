"""Tables of the theory in the terminal: a prediction, and a run beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from star_cli.analysis.theory import TheoryComparison
from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import Prediction, rounds_to_reach
from star_cli.lib.theory.limits import Limit
from star_cli.report.columns import share
from star_cli.report.terminal import console

PLATEAU = 0.99
MARKS = "*o+x#@%&"


def prediction_as_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain JSON: round 0 first (``improvement``: round 1), deltas in the theory convention."""
    rows = {"rows_without_data": list(prediction.rows_without_data)} if prediction.rows_without_data else {}
    return {
        "accuracy": list(prediction.accuracy),
        "delta": [list(row) for row in prediction.delta],
        "wrong_given_kept": list(prediction.wrong_given_kept),
        "improvement": [list(row) for row in prediction.improvement],
        **rows,
    }


def print_predictions(predictions: Mapping[str, Prediction], *, closed_form: bool) -> None:
    """Print every prediction's tables and when it reaches the plateau, and a plot of all.

    ``closed_form``: they are those of temperature 1 and a uniform start, of which later rounds are known at once.
    """
    for label, prediction in predictions.items():
        _print_prediction(prediction, label)
        console().print(_plateau(prediction, closed_form))
    rounds, (first, *others) = max(len(p.accuracy) for p in predictions.values()), predictions.values()
    if rounds == 1:
        return
    title = f"N={len(first.delta[0])}, M={first.states}"
    if others:
        print_curves({f"accuracy, {label}": p.accuracy for label, p in predictions.items()}, title)
    else:
        print_curves({"accuracy": first.accuracy, "kept but wrong": first.wrong_given_kept}, title)


def _print_prediction(prediction: Prediction, label: str) -> None:
    """Print the tables of values and of improvements; ``label`` says where it starts."""
    out, steps = console(), len(prediction.delta[0])
    names = [f"delta {n + 1}" for n in range(steps)]
    rows = [
        [str(n), f"{prediction.accuracy[n]:.6f}", *(f"{d:.6f}" for d in row), share(prediction.wrong_given_kept[n])]
        for n, row in enumerate(prediction.delta)
    ]
    title = f"theory: {steps} steps, {prediction.states} states, {label}"
    out.print(_table(title, ["round", "accuracy", *names, "kept but wrong"], rows))
    if prediction.improvement:
        gains = [
            [str(n + 1), f"{prediction.accuracy[n + 1] - prediction.accuracy[n]:+.6f}", *(f"{d:+.6f}" for d in row)]
            for n, row in enumerate(prediction.improvement)
        ]
        out.print(_table("improvement in a round", ["round", "accuracy", *names], gains))
    if any(prediction.rows_without_data):
        counts = ", ".join(map(str, prediction.rows_without_data))
        out.print(f"table rows that no kept chain visits, which stay as they are, by round: {counts}")


def _plateau(prediction: Prediction, closed_form: bool) -> str:
    """When the plateau is reached, as a sentence."""
    reached = next((n for n, j in enumerate(prediction.accuracy) if j >= PLATEAU), None)
    if reached is None and not closed_form:
        return f"accuracy {PLATEAU} is not reached within these rounds"
    try:
        reached = rounds_to_reach(prediction.delta[0], prediction.states, PLATEAU) if reached is None else reached
    except StarError as e:
        return e.what
    return f"accuracy {PLATEAU} is " + ("never reached" if reached is None else f"reached in round {reached}")


def limit_as_json(limit: Limit, reached: Mapping[float, int | None]) -> dict[str, Any]:
    """A limit as plain JSON; ``reached`` is {accuracy: the first round that has it, None where none does}."""
    return {
        "start": list(limit.start),
        "delta": list(limit.delta),
        "accuracy": limit.accuracy,
        "factor": limit.factor,
        "constant": limit.constant,
        "settled": limit.settled,
        "rounds_to": {f"{target:g}": rounds for target, rounds in reached.items()},
    }


def print_limit(limit: Limit, reached: Mapping[float, int | None]) -> None:
    """Print the limit, the rate and the rounds to some accuracies."""
    out = console()
    rows = [[str(n + 1), f"{a:.6f}", f"{b:.6f}"] for n, (a, b) in enumerate(zip(limit.start, limit.delta, strict=True))]
    title = f"limit: {len(limit.start)} steps, {limit.states} states, theory convention"
    out.print(_table(title, ["step", "delta at the start", "delta in the end"], rows))
    out.print(f"accuracy tends to {limit.accuracy:.6g}")
    out.print(rate_of(limit))
    rounds = [[f"{target:g}", "never" if n is None else f"{n:,}"] for target, n in reached.items()]
    out.print(_table("rounds to reach an accuracy", ["accuracy", "round"], rows=rounds))


def rate_of(limit: Limit) -> str:
    """How fast the limit is approached, as a sentence."""
    if limit.factor is None:
        return "no round moves anything"
    if limit.factor > 0:
        return f"linear in the end: a round leaves {limit.factor:.6g} of the distance"
    if limit.constant is None:
        return "faster than linear in the end"
    if limit.constant == 0:
        return "one round is enough"
    return f"quadratic in the end: 1 - accuracy becomes {limit.constant:.4g} of its square in a round"


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
    for values, marker in zip(curves.values(), cycle(MARKS), strict=False):
        figure.draw(figure.signal(list(range(len(values))), list(values), marker=marker).lines())
    longest = max(map(len, curves.values()))
    figure.ruler("x", "lower").ticks(list(range(longest)), [str(n) for n in range(longest)])
    figure.ruler("y", "left").lim(0, 1)
    plot = uncolorize(figure.build()).rstrip("\n")
    print("\n".join([plot, *(f"  {mark} {name}" for name, mark in zip(curves, cycle(MARKS), strict=False))]))
