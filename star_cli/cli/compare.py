"""star compare: runs, or the arms of sweeps, at equal budgets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.cli.completion import run_names
from star_cli.errors import StarError


@app.command(
    epilog="Examples:  star compare star-demo rft-demo --budget tokens   |   star compare sweep-shootout "
    "--out shootout.png   |   star compare vstar rft --metric best_of@16/dpo --json   |   "
    "star compare shootout --power   |   "
    "star compare sweep-shootout --baseline direct --group digits=4 --latex"
)
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, or sweeps (all their arms).", autocompletion=run_names)
    ],
    budget: Annotated[
        str, typer.Option("--budget", help="What is made equal: samples, tokens, flops or seconds.")
    ] = "samples",
    metric: Annotated[
        str,
        typer.Option(
            "--metric", help="accuracy, transfer-TASK, or what a select stage measures: pass@8, best_of@8/dpo."
        ),
    ] = "accuracy",
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="What the others are set against: a run, a method or a label.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME=VALUE", help="Only problems of a group, such as digits=3.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: a row a method and budget.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="Print Markdown tables.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX tables (booktabs).")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plot to FILE.png or FILE.svg.")] = None,
    power: Annotated[
        bool, typer.Option("--power", help="With how many seeds a difference of --points could be seen.")
    ] = False,
    points: Annotated[float, typer.Option("--points", help="Percentage points that --power asks for.")] = 2.0,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Compare methods at equal budgets, with intervals; a difference inside its interval is never called a gain.

    Runs that differ in their seed alone are one line, with an interval over problems and seeds. All must have been
    evaluated on the same problems.
    """
    from star_cli.analysis.compare import compare_runs
    from star_cli.analysis.power import powers_in_points
    from star_cli.report.compare import comparison_chart, comparison_text, print_comparison, print_power
    from star_cli.report.terminal import console
    from star_cli.run.overrides import home_of

    forms = [
        form for form, wanted in (("csv", as_csv), ("md", as_md), ("latex", as_latex), ("json", as_json)) if wanted
    ]
    if len(forms) > 1:
        raise StarError(f"--{forms[0]} and --{forms[1]} exclude each other", hint="give one of them")
    comparison = compare_runs(home_of(home), runs, budget, metric, baseline=baseline, group=group)
    if out is not None:
        comparison_chart(comparison).write(out, title=", ".join(runs))
    found = powers_in_points(comparison, points) if power else []
    if as_json:
        more = {"power": [p.as_json() for p in found]} if power else {}
        typer.echo(json.dumps({**comparison.as_json(), **more}, indent=1))
        return
    if forms:
        typer.echo(comparison_text(comparison, forms[0]), nl=False)
        return
    print_comparison(comparison, console())
    if power:
        print_power(found, points, console())
    if out is not None:
        typer.echo(f"plot       {out}")
