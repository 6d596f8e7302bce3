"""star generate, filter, finetune, evaluate, score: one stage on artifacts named by run path or key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import PASS, Home, Json, app, overrides
from star_cli.errors import need

Inputs = Annotated[
    list[str], typer.Option("--input", "-i", help="ROLE=RUN/round-N/STAGE or ROLE=KEY; may be repeated.")
]
Round = Annotated[int, typer.Option("--round", help="The round its seeds and step schedule are of.")]


def _run(
    verb: str, context: typer.Context, inputs: list[str], home: str, as_json: bool, round: int, **options: bool
) -> None:
    """Build one stage and say which artifact it is."""
    from star_cli.report.terminal import Terminal, console
    from star_cli.run.one_stage import run_stage

    artifact, hit = run_stage(
        verb,
        inputs,
        overrides(context, home),
        round=round,
        observer=lambda progress: Terminal("none" if as_json else progress),
        **options,
    )
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "stage": artifact.stage,
                    "key": artifact.key,
                    "path": str(artifact.path),
                    "hit": hit,
                    "metrics": artifact.metrics,
                },
                indent=1,
            )
        )
        return
    console().print(f"{artifact.stage} {artifact.key} {'was already there' if hit else 'built'}: {artifact.path}")
    if not hit:
        console().print(f"it belongs to no run, so star gc removes it; look at it with star show {artifact.key[:12]}")


@app.command(
    context_settings=PASS,
    epilog="Example:  star generate --input model=demo/round-2/finetune "
    "--input problems=demo/round-2/problems samples=4 sampling.temperature=1",
)
def generate(
    context: typer.Context,
    input: Inputs,
    round: Round = 1,
    home: Home = "",
    as_json: Json = False,
    hint: Annotated[bool, typer.Option("--hint", help="Show the answer (rationalization).")] = False,
) -> None:
    """Write rationales. Inputs: model, and problems (default: the task's training problems), solved (left out)."""
    _run("generate", context, input, home, as_json, round, hint=hint)


@app.command(
    "filter",
    context_settings=PASS,
    epilog="Example:  star filter --input rationales=demo/round-2/generate grader=exact",
)
def filter_(context: typer.Context, input: Inputs, home: Home = "", as_json: Json = False) -> None:
    """Grade rationales and keep the right ones. Input: rationales (its problems are known from it)."""
    _run("filter", context, input, home, as_json, 1)


@app.command(
    context_settings=PASS,
    epilog="Example:  star finetune --input start=demo/round-0/pretrain "
    "--input examples=demo/round-1/filter --input examples=demo/round-1/filter-rationalized trainer.lr=1e-3",
)
def finetune(context: typer.Context, input: Inputs, round: Round = 1, home: Home = "", as_json: Json = False) -> None:
    """Fine-tune a model on examples. Inputs: start, and examples (may be repeated)."""
    _run("finetune", context, input, home, as_json, round)


@app.command(
    context_settings=PASS,
    epilog="Examples:  star evaluate --input model=demo/round-2/finetune evaluation.split=test   |   "
    "star evaluate --suite gsm8k --input model=my-model",
)
def evaluate(
    context: typer.Context,
    input: Inputs,
    round: Round = 0,
    suite: Annotated[
        str, typer.Option("--suite", help="A task of lm-evaluation-harness instead of ours, such as gsm8k.")
    ] = "",
    suite_data: Annotated[
        Path | None, typer.Option("--suite-data", help="Its data here: DIR with test.jsonl, train.jsonl.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="The first N problems of the suite only.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Show the suite's prompts through the chat template.")] = False,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Measure accuracy. Input: model (it answers the evaluation split), or rationales (that are there already).

    With --suite the model (of a run, or an exported directory) is measured by lm-evaluation-harness, in its numbers.
    """
    if suite:
        _suite(suite, input, overrides(context, home), suite_data, limit, chat, as_json)
        return
    need(
        suite_data is None and limit is None and not chat,
        "--suite-data, --limit and --chat have no effect without --suite",
        "our own evaluation is set by evaluation.limit=N, task.path=FILE and model.chat",
    )
    _run("evaluate", context, input, home, as_json, round)


def _suite(
    suite: str, inputs: list[str], words: list[str], data: Path | None, limit: int | None, chat: bool, as_json: bool
) -> None:
    """Measure a model by a published suite and print its metrics."""
    from star_cli.run.overrides import home_in
    from star_cli.run.suite import evaluate_suite

    settings = [word for word in words if not word.startswith("home=")]
    need(not settings, f"{' '.join(settings)} has no effect with --suite", "the suite has its own settings")
    result = evaluate_suite(home_in(words), suite, inputs, data=data, limit=limit, chat=chat)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    for name, value in result["metrics"].items():
        typer.echo(f"{suite}  {name:40} {value:.4f}")
    harness = f"lm-evaluation-harness {result['harness']}, version {result['version']} of the suite"
    typer.echo(f"{result['samples']:,} problems; {harness}")


@app.command(
    context_settings=PASS,
    epilog="Example:  star score --input verifier=demo/round-3/verifier-dpo "
    "--input rationales=demo/round-3/candidates verification.score_by=engine",
)
def score(context: typer.Context, input: Inputs, home: Home = "", as_json: Json = False) -> None:
    """Score solutions by a trained verifier. Inputs: verifier, and rationales (their problems are known from them)."""
    _run("score", context, input, home, as_json, 1)
