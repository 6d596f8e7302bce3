"""star theory: what RL-STaR's mathematics says about a chain, and about a run."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from star_cli.cli.app import Home, Json, StarTyper, app
from star_cli.errors import StarError

theory = StarTyper(
    name="theory",
    no_args_is_help=True,
    help="RL-STaR's theory: predict a chain, check whether it "
    "can start, compare a run with it. The mathematics is in docs/theory.md.",
)
app.add_typer(theory)

STEPS = typer.Option(3, "--steps", help="N, the steps of a chain.")
STATES = typer.Option(64, "--states", help="M, the states of a step.")
DELTA = typer.Option(
    "0.2",
    "--delta",
    help="How much better than chance a step is: one number for all steps, or N of them with commas between.",
)
CONVENTION = typer.Option(
    "theory", "--convention", help="theory: delta = P(right) - P(one wrong state); generator: delta = P(right) - 1/M."
)
FIGURE = typer.Option(None, "--figure", help="Write the curves to this .svg or .png, too.")


@theory.command(epilog="Example:  star theory predict --steps 3 --states 64 --delta 0.1,0.3,0.05 --rounds 6")
def predict(
    steps: int = STEPS,
    states: int = STATES,
    delta: str = DELTA,
    convention: str = CONVENTION,
    rounds: int = typer.Option(4, "--rounds", help="Rounds of self-training; round 0 is the start."),
    as_json: Json = False,
) -> None:
    """Accuracy, deltas and the share of kept rationales with a wrong step, round by round."""
    from star_cli.lib.theory.closed_form import trajectory
    from star_cli.report.theory import prediction_as_json, print_prediction

    prediction = trajectory(deltas_of(delta, steps), states, rounds, convention=convention)
    if as_json:
        typer.echo(json.dumps(prediction_as_json(prediction)))
    else:
        print_prediction(prediction)


@theory.command(
    epilog="Examples:  star theory check --delta 0,0.1,0.1   |   star theory check --delta 0,0,0.3 || echo hopeless"
)
def check(
    steps: int = STEPS, states: int = STATES, delta: str = DELTA, convention: str = CONVENTION, as_json: Json = False
) -> None:
    """Whether self-training can start from here, and why; the exit code is 1 when it cannot."""
    from star_cli.lib.theory.criterion import judge

    verdict = judge(deltas_of(delta, steps), states, convention=convention)
    if as_json:
        typer.echo(json.dumps({"can_start": verdict.can_start, "kind": str(verdict.kind), "words": verdict.words}))
    else:
        typer.echo(f"{'can start' if verdict.can_start else 'cannot start'} ({verdict.kind}): {verdict.words}")
    if not verdict.can_start:
        raise typer.Exit(1)


@theory.command(
    epilog="Examples:  star theory compare demo   |   star theory compare demo --delta 0.4 --convention generator"
)
def compare(
    run: str = typer.Argument(help="A run on a task that knows its true steps (zip)."),
    delta: str | None = typer.Option(
        None,
        "--delta",
        help="Start the theory from these deltas, not from what the base model was measured or made to be.",
    ),
    convention: str = CONVENTION,
    home: Home = "",
    figure: Path | None = FIGURE,
    as_json: Json = False,
) -> None:
    """The theory beside a run: measured accuracy with its interval, and every step's delta, round by round."""
    from star_cli.analysis.theory import compare_with_theory
    from star_cli.report.theory import print_theory_comparison
    from star_cli.report.theory_figure import write_figure
    from star_cli.run.overrides import home_of

    comparison = compare_with_theory(home_of(home), run, None if delta is None else numbers(delta), convention)
    if figure:
        write_figure(comparison, figure)
    if as_json:
        typer.echo(json.dumps(comparison.as_json()))
    else:
        print_theory_comparison(comparison)


def deltas_of(text: str, steps: int) -> list[float]:
    """N deltas from the command line: one number counts for every step."""
    values = numbers(text)
    if steps < 1:
        raise StarError(f"--steps must be >= 1, got {steps}", hint="for example --steps 3")
    if len(values) == 1:
        return values * steps
    if len(values) != steps:
        raise StarError(
            f"--delta holds {len(values)} numbers for --steps {steps}",
            hint=f"give one number, or {steps} with commas between",
        )
    return values


def numbers(text: str) -> list[float]:
    """Numbers with commas between."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise StarError(
            f"--delta must be numbers with commas between, got {text!r}",
            hint="for example --delta 0.2 or --delta 0.1,0.3,0.05",
        ) from None
