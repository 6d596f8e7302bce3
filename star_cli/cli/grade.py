"""star grade, regrade and agree."""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides
from star_cli.cli.completion import run_paths
from star_cli.core.extras import require
from star_cli.errors import StarError, need

if TYPE_CHECKING:
    from star_cli.run.composed import Composed

Place = Annotated[
    str,
    typer.Argument(help="Rationales: a run path such as demo/round-2/generate, or a key.", autocompletion=run_paths),
]


LabelFile = Annotated[
    str,
    typer.Option("--labels", help="JSON lines with id and label (right or wrong), and sample where there are several."),
]


@app.command(
    context_settings=PASS,
    epilog="Examples:  star grade answers.jsonl grader=math > verdicts.jsonl   |   "
    "cat answers.jsonl | star grade - grader=numeric grader.loose=true   |   "
    "star grade answers.jsonl grader=math --summary --labels mine.jsonl",
)
def grade(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="JSON lines with id, gold and prediction; - reads standard input.")],
    summary: Annotated[
        bool, typer.Option("--summary", help="Print the counts, and where labels disagree, instead of the verdicts.")
    ] = False,
    labels: LabelFile = "",
    as_json: Json = False,
) -> None:
    """Grade text from anywhere: JSON lines in, JSON lines (id, correct, answer, reason) out, in order, streaming.

    Where the grader needs them a line also holds choices, question, database or tests; finish="length" marks a text
    that ran out of tokens; label (true or false) is what you found yourself. The counts go to standard error.
    """
    from star_cli.report.grading import print_summary, sentences
    from star_cli.report.terminal import console
    from star_cli.run.grade_file import Summary, grade_lines
    from star_cli.run.labels import read_labels

    grader, workers = _grader(list(context.args))
    given = read_labels(labels) if labels else None
    result = Summary()
    source = _open(file)
    try:
        name = file if file != "-" else "standard input"
        for verdict in grade_lines(grader, source, name, workers, given, result):
            if not summary:
                sys.stdout.write(json.dumps(verdict, ensure_ascii=False) + "\n")
                if source.name == 0 or sys.stdout.isatty():
                    sys.stdout.flush()
    finally:
        source.close()
    sys.stdout.flush()
    if not summary:
        if as_json:
            typer.echo("--json changes nothing without --summary: verdicts are JSON lines already", err=True)
        for sentence in sentences(result):
            typer.echo(sentence, err=True)
    elif as_json:
        typer.echo(json.dumps(result.as_json(), indent=1, ensure_ascii=False))
    else:
        print_summary(result, console())


def _open(file: str) -> IO[bytes]:
    if file == "-":
        return open(0, "rb", closefd=False)
    try:
        return open(file, "rb")
    except OSError as e:
        raise StarError(
            f"{file} cannot be read: {e.strerror}", hint="give a JSONL file, or - for standard input"
        ) from None


def _grader(args: list[str]) -> tuple[Any, int]:
    """(the grader of the overrides, how many workers)."""
    from star_cli.run.compose import launch

    if not any(a.startswith("grader=") for a in args):
        raise StarError(
            "star grade needs to be told the grader", hint="for example grader=numeric; star ls graders shows them all"
        )

    def checked(c: Composed) -> tuple[Any, int]:
        c.experiment.grader.check()
        need(
            not c.experiment.grader.asks,
            "star grade loads no model, and this grader asks one",
            "take the texts in with star import, then star filter --input rationales=KEY grader=judge",
        )
        return c.experiment.grader, c.experiment.runtime.grade_workers

    # no task is asked for: jsonl alone brings no settings for a grader, and what it lacks does not matter here
    grader: tuple[Any, int] = launch([*args, "task=jsonl", "model=fake", "tracking=none"], checked, lenient=True)
    require(grader[0])
    return grader


@app.command(context_settings=PASS, epilog="Example:  star regrade demo/round-2/generate grader=math")
def regrade(context: typer.Context, path: Place, home: Home = "", as_json: Json = False) -> None:
    """Judge rationales that are there already with another grader: new verdicts and examples, nothing is generated."""
    from star_cli.report.terminal import Terminal, console
    from star_cli.run.one_stage import run_stage

    artifact, hit = run_stage(
        "filter",
        [f"rationales={path}"],
        overrides(context, home),
        observer=lambda progress: Terminal("none" if as_json else progress),
    )
    if as_json:
        typer.echo(
            json.dumps(
                {"key": artifact.key, "path": str(artifact.path), "hit": hit, "metrics": artifact.metrics}, indent=1
            )
        )
        return
    m = artifact.metrics
    counts = ", ".join(f"{n:,} {reason}" for reason, n in m["reasons"].items())
    console().print(
        f"filter {artifact.key} {'was already there' if hit else 'built'}: {artifact.path}\n{counts}; "
        f"{m['solved']:,} of {m['asked']:,} problems solved, {m['kept']:,} examples kept"
    )
    if not hit:
        typer.echo(f"they belong to no run, so star gc removes them; look at them with star show {artifact.key[:12]}")


@app.command(
    context_settings=PASS,
    epilog="Examples:  star agree demo/round-2/generate numeric math   |   "
    "star agree demo/round-2/generate numeric --labels mine.jsonl",
)
def agree(
    context: typer.Context,
    path: Place,
    first: Annotated[str, typer.Argument(help="A grader's name.")],
    second: Annotated[str, typer.Argument(help="Another grader's name; not needed with --labels.")] = "",
    labels: LabelFile = "",
    home: Home = "",
    as_json: Json = False,
) -> None:
    """How far two graders agree on the same rationales, or a grader with labels of your own.

    Shows the confusion table, Cohen's kappa and the samples that they judge differently. With two graders and labels:
    each grader against the labels.
    """
    from star_cli.analysis.agreement import Confusion, confusion, set_against
    from star_cli.core.records import Verdict
    from star_cli.report.confusion import print_confusion
    from star_cli.report.terminal import Terminal, console
    from star_cli.run.labels import as_verdicts, read_labels
    from star_cli.run.one_stage import run_stage

    args = overrides(context, home)
    if "=" in second:  # an override, where the second grader was left out
        second, args = "", [second, *args]
    if not second and not labels:
        raise StarError("star agree needs a second grader, or labels", hint="for example: star agree PATH numeric math")
    given = read_labels(labels) if labels else {}
    graders = [first, second] if second else [first]
    verdicts = [
        run_stage(
            "filter",
            [f"rationales={path}"],
            ["filter.max_errors=1", *args, f"grader={name}"],
            observer=lambda progress: Terminal("none"),
        )[0]
        for name in graders
    ]
    pairs: list[tuple[str, str, Confusion]] = []
    if labels:
        for name, artifact in zip(graders, verdicts, strict=True):
            pairs.append(
                (name, "labels", set_against(artifact.read(Verdict), as_verdicts(given), (name, "the labels")))
            )
    else:
        pairs.append((first, second, confusion(verdicts[0], verdicts[1])))
    if as_json:
        parts = [result.as_json() for _, _, result in pairs]
        typer.echo(json.dumps(parts[0] if len(parts) == 1 else parts, indent=1, ensure_ascii=False))
        return
    for a, b, result in pairs:
        print_confusion(result, console(), (a, b))
