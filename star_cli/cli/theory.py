"""star theory: what RL-STaR's mathematics says about a chain, and about a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from star_cli.cli.app import Home, Json, StarTyper, app
from star_cli.errors import StarError

if TYPE_CHECKING:
    from star_cli.lib.theory.closed_form import Prediction

theory = StarTyper(
    name="theory",
    no_args_is_help=True,
    help="RL-STaR's theory: predict a chain, check whether it "
    "can start, compare a run with it. The mathematics is in docs/theory.md.",
)
app.add_typer(theory)

STEPS = typer.Option(3, "--steps", help="N, the steps of a chain.")
STATES = typer.Option(64, "--states", help="M, the states of a step.")
DELTA_HELP = "How much better than chance a step is: one number for all steps, or N of them with commas between."
DELTA = typer.Option("0.2", "--delta", help=DELTA_HELP)
DELTAS = typer.Option(["0.2"], "--delta", help=f"{DELTA_HELP} Several --delta are shown in one figure.")
CONVENTION = typer.Option(
    "theory", "--convention", help="theory: delta = P(right) - P(one wrong state); generator: delta = P(right) - 1/M."
)
TABLES = typer.Option(
    None, "--tables", help="Any transition tables, (N, M, M), in a .npy or .json file, in the place of --delta."
)
ACCURACIES = typer.Option([0.5, 0.9, 0.99, 0.999], "--accuracy", help="Accuracies to be reached.")
TRANSITIONS = typer.Option(
    None,
    "--transitions",
    help="Write heat-maps of every step's transition matrix before and after each round, measured and the theory's, "
    "to this .svg or .png; with --json their counts are printed, too.",
)
FIGURE = typer.Option(None, "--figure", help="Write the curves to this .svg or .png, too.")


@theory.command(
    epilog="Examples:  star theory predict --delta 0.1,0.3,0.05 --rounds 6   |   "
    "star theory predict --delta 0.1 --delta 0.2 --temperature 0.5 --figure curves.svg   |   "
    "star theory predict --tables chain.json --initial start.npy"
)
def predict(
    context: typer.Context,
    steps: int = STEPS,
    states: int = STATES,
    delta: list[str] = DELTAS,
    convention: str = CONVENTION,
    rounds: int = typer.Option(4, "--rounds", help="Rounds of self-training; round 0 is the start."),
    temperature: float = typer.Option(
        1.0, "--temperature", help="T at which is sampled and measured; the theory's is 1."
    ),
    initial: str | None = typer.Option(
        None,
        "--initial",
        help="Distribution of the first state: M numbers with commas between, or a .npy or .json file.",
    ),
    tables: Path | None = TABLES,
    figure: Path | None = FIGURE,
    as_json: Json = False,
) -> None:
    """Accuracy, deltas, improvement and the share of kept rationales with a wrong step, round by round."""
    from star_cli.report.theory import prediction_as_json, print_predictions
    from star_cli.report.theory_figure import write_prediction_figure

    if tables:
        _refuse_beside_tables(context)
        predictions = {tables.name: _predict_tables(tables, rounds, temperature, initial)}
    else:
        predictions = _predict_deltas(delta, steps, states, rounds, convention, temperature, initial)
    if figure:
        write_prediction_figure(predictions, figure)
    if as_json:
        rows = [prediction_as_json(p) for p in predictions.values()]
        typer.echo(json.dumps(rows if len(rows) > 1 else rows[0]))
    else:
        print_predictions(predictions, closed_form=tables is None and initial is None and temperature == 1)


def _predict_deltas(
    delta: list[str], steps: int, states: int, rounds: int, convention: str, temperature: float, initial: str | None
) -> dict[str, Prediction]:
    """The prediction of every --delta, by a label that names it."""
    from star_cli.lib.theory.files import read_initial
    from star_cli.lib.theory.predict import predict

    start = None if initial is None else read_initial(initial, states)
    starts = {f"delta {text}": deltas_of(text, steps) for text in delta}
    return {
        label: predict(values, states, rounds, convention=convention, temperature=temperature, initial=start)
        for label, values in starts.items()
    }


def _predict_tables(tables: Path, rounds: int, temperature: float, initial: str | None) -> Prediction:
    """The prediction of a file's tables; --initial wins over the file's own distribution."""
    from star_cli.lib.theory.files import read_chain, read_initial
    from star_cli.lib.theory.predict import predict_tables

    chain = read_chain(tables)
    start = chain.initial if initial is None else read_initial(initial, chain.tables.shape[1])
    return predict_tables(chain.tables, chain.truth, rounds, initial=start, temperature=temperature)


def _refuse_beside_tables(context: typer.Context) -> None:
    """A StarError for an option that tables in a file leave without effect."""
    names = ("delta", "steps", "states", "convention")
    given = [f"--{n}" for n in names if (source := context.get_parameter_source(n)) and source.name == "COMMANDLINE"]
    if given:
        raise StarError(
            f"{', '.join(given)} say nothing beside --tables, whose file holds the steps, states and deltas",
            hint="leave either out",
        )


@theory.command(
    epilog="Examples:  star theory limit --delta 0.1   |   star theory limit --delta=-0.01,-0.01,0.2 --accuracy 0.0158"
)
def limit(
    steps: int = STEPS,
    states: int = STATES,
    delta: str = DELTA,
    convention: str = CONVENTION,
    accuracy: list[float] = ACCURACIES,
    as_json: Json = False,
) -> None:
    """Where endless rounds lead (accuracy, deltas), how fast, and how many rounds reach an accuracy."""
    from star_cli.lib.theory.limits import limit_of, rounds_to
    from star_cli.report.theory import limit_as_json, print_limit

    start = deltas_of(delta, steps)
    end = limit_of(start, states, convention=convention)
    reached = dict(zip(accuracy, rounds_to(start, states, accuracy, convention=convention), strict=True))
    if as_json:
        typer.echo(json.dumps(limit_as_json(end, reached)))
    else:
        print_limit(end, reached)


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
    epilog="Examples:  star theory compare demo   |   "
    "star theory compare demo --delta 0.4 --convention generator   |   "
    "star theory compare demo --transitions matrices.svg"
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
    transitions: Path | None = TRANSITIONS,
    as_json: Json = False,
) -> None:
    """The theory beside a run: measured accuracy with its interval, and every step's delta, round by round."""
    from star_cli.analysis.theory import compare_with_theory
    from star_cli.analysis.transitions import transitions_of
    from star_cli.report.theory import print_theory_comparison
    from star_cli.report.theory_figure import write_figure
    from star_cli.report.transition_figure import write_transition_figure
    from star_cli.run.overrides import home_of

    comparison = compare_with_theory(home_of(home), run, None if delta is None else numbers(delta), convention)
    if figure:
        write_figure(comparison, figure)
    matrices = transitions_of(home_of(home), comparison) if transitions else []
    if transitions:
        write_transition_figure(matrices, transitions)
    if as_json:
        rows = {"transitions": [m.as_json() for m in matrices]} if transitions else {}
        typer.echo(json.dumps({**comparison.as_json(), **rows}))
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
