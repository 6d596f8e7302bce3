"""What the terminal shows of runs: progress, the forecast before the first round, the end of a run and of a sweep."""

from __future__ import annotations

from star_cli.analysis.forecast.forecast import make_forecast
from star_cli.report.forecast import print_forecast
from star_cli.report.page import show_finished
from star_cli.report.show import SweepView
from star_cli.report.terminal import Terminal, console
from star_cli.run.lab import Lab
from star_cli.run.observe import Display, Observer
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run


def terminal_display() -> Display:
    """The display of `star run` and `star resume`."""
    return Display(observer=Terminal, forecast=_forecast, finished=_finished, swept=_swept)


def _forecast(lab: Lab, run: Run) -> None:
    forecast = make_forecast(lab)
    forecast.save(run.path)
    if lab.x.runtime.progress != "none":
        print_forecast(forecast, run.name)


def _finished(run: Run, observer: Observer) -> None:
    assert isinstance(observer, Terminal)
    show_finished(run, observer)


def _swept(name: str, arms: list[Run], store: Store) -> None:
    SweepView(name, arms, store).print(console())
