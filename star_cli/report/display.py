"""What the terminal shows of runs: progress, the forecast before the first round, the end of a run and of a sweep."""

from __future__ import annotations

import json

from rich.text import Text

from star_cli.analysis.forecast.forecast import make_forecast
from star_cli.report.forecast import print_forecast
from star_cli.report.page import show_finished, write_report
from star_cli.report.show import RunView, SweepView
from star_cli.report.sweep_page import attempted, write_sweep_page
from star_cli.report.terminal import Terminal, console
from star_cli.run.lab import Lab
from star_cli.run.observe import Display, Observer
from star_cli.store.artifacts import Store, open_store
from star_cli.store.runs import Run


def terminal_display() -> Display:
    """The display of `star run` and `star resume`."""
    return Display(observer=Terminal, forecast=_forecast, finished=_finished, swept=_swept)


def json_display() -> Display:
    """The display of `star run --json`: at the end of a run what `star show RUN --json` prints, at the end of a sweep
    one object for all its arms; sentences go to standard error.
    """
    return Display(observer=lambda progress: Terminal("none"), finished=_finished_as_json, swept=_swept_as_json)


def _forecast(lab: Lab, run: Run) -> None:
    forecast = make_forecast(lab)
    forecast.save(run.path)
    if lab.x.runtime.progress != "none":
        print_forecast(forecast, run.name)


def _finished(run: Run, observer: Observer) -> None:
    assert isinstance(observer, Terminal)
    show_finished(run, observer)


def _finished_as_json(run: Run, observer: Observer) -> None:
    assert isinstance(observer, Terminal)
    write_report(run, observer)
    if not run.info.sweep:
        print(json.dumps(RunView(run, open_store(run.home)).as_json(), indent=1), flush=True)


def _swept_as_json(name: str, arms: list[Run], store: Store) -> None:
    print(json.dumps(SweepView(name, arms, store).as_json(), indent=1), flush=True)


def _swept(name: str, arms: list[Run], store: Store) -> None:
    out = console()
    SweepView(name, arms, store).print(out)
    home = store.root.parent
    out.print(Text(attempted(lambda: write_sweep_page(home, name, arms, store))))
