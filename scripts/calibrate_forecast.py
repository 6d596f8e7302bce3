"""How good are forecasts? Forecast and run many small experiments, and write the table of docs/forecast.md.

    python scripts/calibrate_forecast.py tabular --home DIR        # a quarter of an hour
    python scripts/calibrate_forecast.py addition zip --home DIR   # the tiny transformer: an hour or two
    python scripts/calibrate_forecast.py --table --home DIR        # write the table, from the runs that are there

Every forecast is made before its run's first round (``forecast=true``). What is there already is found, not repeated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from star_cli.analysis.forecast.forecast import measured_of
from star_cli.analysis.forecast.result import Score, load_forecast, score
from star_cli.run.compose import launch
from star_cli.run.execute import execute, live_engine
from star_cli.store.artifacts import open_store
from star_cli.store.runs import runs

DOCS = Path(__file__).parent.parent / "docs" / "forecast.md"
BEGIN, END = "<!-- calibration -->", "<!-- /calibration -->"
TABULAR = ["experiment=rl_star_tabular", "evaluation.samples=64"]
PAIR = ["task.length=2", "pretraining.lessons.chain=16"]
TINY = [
    "task.max_digits=4",
    "task.train=1200",
    "task.dev=80",
    "schedule.start=400",
    "rounds=2",
    "runtime.train_threads=1",
]


def tabular() -> Iterator[list[str]]:
    """Chains of 2 to 4 steps, deltas from hopeless to easy, few and many samples, hints, limits, temperature."""
    seed = 100
    for delta in (0.05, 0.1, 0.2, 0.3, 0.4):
        for samples in (64, 256, 1024):
            yield [f"model.delta={delta}", f"samples={samples}", f"seed={seed}", "rounds=4"]
            seed += 1
    for delta in (0.1, 0.25, 0.5):
        for samples in (16, 128):
            yield [*PAIR, f"model.delta={delta}", f"samples={samples}", f"seed={seed}"]
            seed += 1
    for deltas in ("[0,0.3,0.3]", "[0,0,0.4]", "[0.5,0.2,0.1]"):
        yield [f"model.deltas={deltas}", "samples=512", f"seed={seed}"]
        seed += 1
    for hint in ("true", "false"):
        for samples in (4, 16):
            yield [f"method.rationalize={hint}", f"samples={samples}", "model.delta=0.4", f"seed={seed}"]
            seed += 1
    for limit, dedupe in ((4, "true"), (16, "false")):
        yield [f"filter.limit={limit}", f"filter.dedupe={dedupe}", "samples=256", "model.delta=0.3", f"seed={seed}"]
        seed += 1
    for hot in (0.5, 0.8):
        yield [
            f"sampling.temperature={hot}",
            f"evaluation.temperature={hot}",
            "samples=256",
            "model.delta=0.15",
            f"seed={seed}",
        ]
        seed += 1
    yield [
        "task.base=3",
        "task.length=2",
        "pretraining.lessons.chain=81",
        "model.delta=0.25",
        "samples=256",
        f"seed={seed}",
    ]


def addition() -> Iterator[list[str]]:
    """The tiny Llama on addition: small and large pools, one greedy sample or four, with and without
    rationalization.
    """
    seed = 0
    for problems in (300, 1200):
        for samples, heat in ((1, 0), (4, 0.7)):
            for hint in ("true", "false"):
                yield [
                    f"method.rationalize={hint}",
                    f"problems={problems}",
                    f"samples={samples}",
                    f"sampling.temperature={heat}",
                    f"seed={seed}",
                ]
                seed += 1
    for hint in ("true", "false"):
        yield [f"method.rationalize={hint}", "problems=600", "samples=2", "sampling.temperature=1", f"seed={seed}"]
        seed += 1


def zip_chain() -> Iterator[list[str]]:
    """The tiny Llama on zip, a prompt a step."""
    for n, (experiment, samples) in enumerate([("rl_star_zip", 64), ("rl_star_zip", 16), ("rl_star_zip_cold", 32)]):
        yield [f"experiment={experiment}", f"samples={samples}", "rounds=2", f"seed={n + 1}"]


FAMILIES = {
    "tabular": (TABULAR, tabular),
    "addition": (TINY, addition),
    "zip": (["runtime.train_threads=1"], zip_chain),
}


def run_family(family: str, home: Path, least: int) -> None:
    """Forecast and run every experiment of a family."""
    common, arms = FAMILIES[family]
    for n, arm in enumerate(arms()):
        if n >= least:
            return
        started = time.monotonic()
        args = [
            *common,
            *arm,
            f"name='{family}/{n:02d}'",
            f"home='{home}'",
            "forecast=true",
            "runtime.progress=none",
            "tracking=none",
        ]
        try:
            launch(args, execute)
        except Exception as e:  # noqa: BLE001  (an arm that fails does not end the others)
            print(f"{family}/{n:02d} {' '.join(arm)}: {e}", flush=True)
            continue
        print(f"{family}/{n:02d} {' '.join(arm)}: {time.monotonic() - started:.0f} s", flush=True)


def rows(homes: Sequence[Path]) -> list[tuple[str, str, list[float], list[float], Score]]:
    """(family, settings, forecast, measured, score) of every run that was forecast and has finished."""
    found = []
    for run in sorted((r for home in homes for r in runs(home)), key=lambda r: r.name):
        if run.info.status != "finished":
            continue
        forecast, measured = load_forecast(run.path), measured_of(run, open_store(run.home))
        if forecast and len(measured) > 1:
            told = [o for o in run.info.overrides if o.split("=")[0] not in NOT_SHOWN]
            family = next((f for f in FAMILIES if f in run.name), run.name)
            found.append(
                (
                    family,
                    " ".join(told) or run.name,
                    [r.accuracy for r in forecast.rows],
                    measured,
                    score(forecast, measured),
                )
            )
    return found


NOT_SHOWN = {
    "name",
    "home",
    "forecast",
    "runtime.progress",
    "tracking",
    "evaluation.samples",
    "experiment",
    "task.train",
    "task.dev",
    "task.max_digits",
    "runtime.train_threads",
    "pretraining.lessons.chain",
}


def table(homes: Sequence[Path]) -> str:
    """The markdown of docs/forecast.md: a summary by family, then every run."""
    found = rows(homes)
    lines = [
        "| runs | count | rounds | inside the 80 % band | mean error | no change | last slope |",
        "|---|---|---|---|---|---|---|",
    ]
    families = sorted({f for f, *_ in found})
    for name in [*families, *(["all"] if len(families) > 1 else [])]:
        scores = [s for f, _, _, _, s in found if name in (f, "all")]
        total = sum(s.rounds for s in scores)
        lines.append(
            f"| {name} | {len(scores)} | {total} | {sum(s.covered for s in scores) / total:.0%} "
            f"| {_mean(scores, 'error')} | {_mean(scores, 'no_change')} | {_mean(scores, 'last_slope')} |"
        )
    lines += ["", "| run | settings | forecast | measured | inside | error |", "|---|---|---|---|---|---|"]
    for family, told, expected, measured, s in found:
        lines.append(
            f"| {family} | `{told}` | {_curve(expected)} | {_curve(measured)} | {s.covered}/{s.rounds} "
            f"| {s.error:.3f} |"
        )
    return "\n".join(lines)


def _mean(scores: Sequence[Score], name: str) -> str:
    total = sum(s.rounds for s in scores)
    return f"{sum(getattr(s, name) * s.rounds for s in scores) / total:.3f}"


def _curve(values: Sequence[float]) -> str:
    return " ".join(f"{v:.3f}".lstrip("0") if v < 1 else "1" for v in np.round(values, 3))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help="what to run")
    parser.add_argument("--home", type=Path, required=True, nargs="+", help="runs go to the first; the table reads all")
    parser.add_argument("--most", type=int, default=1000, help="runs of a family")
    parser.add_argument("--table", action="store_true", help="write the table into docs/forecast.md")
    told = parser.parse_args()
    try:
        for family in told.families:
            run_family(family, told.home[0].resolve(), told.most)
    finally:
        live_engine.close()
    text = table([home.resolve() for home in told.home])
    print(text)
    if told.table:
        page = DOCS.read_text()
        if BEGIN not in page or END not in page:
            sys.exit(f"{DOCS} has no place for the table: {BEGIN} ... {END}")
        DOCS.write_text(f"{page.split(BEGIN)[0]}{BEGIN}\n{text}\n{END}{page.split(END)[1]}")


if __name__ == "__main__":
    main()
