"""Lines with intervals over any x, such as k or a budget: as a picture and as text."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.report.columns import short_number
from star_cli.report.curve import INK, figure_settings, inline
from star_cli.report.text import clean
from star_cli.store.durable import write_bytes

COLOURS = ("#3b7dd8", "#d8703b", "#3ba55d", "#a04fc4", "#c4394b", "#8a7a1f", "#2aa3a3", "#777777")
MARKS = "●x+*o#%&"


@dataclass(frozen=True)
class Line:
    """A labelled line: (x, y, low, high) of each point, low and high None where there is no interval."""

    label: str
    points: list[tuple[float, float, float | None, float | None]]


@dataclass(frozen=True)
class Chart:
    """Lines over one x-axis. ``x`` and ``y`` are the axes' titles; ``log`` is the base of a logarithmic x-axis (2 or
    10; 0: linear); with ``steps`` a line holds a value until its next point.
    """

    lines: list[Line]
    x: str
    y: str = "accuracy"
    log: int = 0
    steps: bool = False

    def svg(self) -> str:
        """An SVG to stand inside a page."""
        return inline(self._drawn("svg", "", INK, "none").decode())

    def write(self, path: Path, title: str = "") -> Path:
        """Write a .png or .svg file; another ending is a StarError."""
        form = path.suffix.lower().lstrip(".")
        if form not in ("png", "svg"):
            raise StarError(f"{path.name} ends neither in .png nor in .svg", hint="for example --out compare.png")
        if not path.parent.is_dir():
            raise StarError(f"the folder {path.parent} does not exist", hint="make it first")
        return write_bytes(path, self._drawn(form, title, "#222222", "white"))

    def _drawn(self, form: str, title: str, ink: str, ground: str) -> bytes:
        settings = figure_settings(ink)
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        out = io.BytesIO()
        with matplotlib.rc_context():
            matplotlib.rcParams.update(settings)
            figure = Figure(figsize=(7.6, 4.2), facecolor=ground, layout="constrained")
            FigureCanvasAgg(figure)
            axes = figure.add_subplot()
            self._fill(axes, ink)
            if title:
                axes.set_title(clean(title), fontsize=11)
            figure.savefig(out, format=form, dpi=150)
        return out.getvalue()

    def _fill(self, axes: Any, ink: str) -> None:
        style = {"drawstyle": "steps-post"} if self.steps else {}
        for i, line in enumerate(self.lines):
            colour = COLOURS[i % len(COLOURS)]
            banded = [(x, y, low, high) for x, y, low, high in line.points if low is not None and high is not None]
            xs, ys, lows, highs = ([p[n] for p in banded] for n in range(4))
            if self.steps:
                errors = [[p[1] - p[2] for p in banded], [p[3] - p[1] for p in banded]]
                axes.errorbar(xs, ys, yerr=errors, fmt="none", ecolor=colour, alpha=0.5, capsize=3, lw=1.2)
            else:
                axes.fill_between(xs, lows, highs, color=colour, alpha=0.13, lw=0)
            axes.plot(
                [p[0] for p in line.points],
                [p[1] for p in line.points],
                color=colour,
                lw=1.8,
                marker="o",
                ms=4,
                label=clean(line.label),
                **style,
            )
        ticks = sorted({p[0] for line in self.lines for p in line.points})
        if self.log and ticks and ticks[0] > 0:
            axes.set_xscale("log", base=self.log)
            if self.log == 2:
                axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
                axes.minorticks_off()
        tops = [y for line in self.lines for p in line.points for y in p[1:] if y is not None]
        axes.set(xlabel=self.x, ylabel=self.y, ylim=(0, max(1.02 * max(tops, default=1), 0.05)))
        axes.grid(color=ink, alpha=0.15, lw=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        if self.lines:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)

    def text(self, width: int = 60, height: int = 15) -> str:
        """The lines as plain text; on a logarithmic scale the points stand at equal distances."""
        all_xs = sorted({p[0] for line in self.lines for p in line.points})
        if not all_xs:
            return ""
        import plotext

        figure = plotext.figure
        figure.clear()
        plotext.terminal.limit(False, False)
        figure.plot_size(width, height)
        place = {x: float(i) if self.log == 2 else x for i, x in enumerate(all_xs)}
        for i, line in enumerate(self.lines):
            xs, ys = [place[p[0]] for p in line.points], [p[1] for p in line.points]
            figure.draw(figure.signal(*(_stairs(xs, ys) if self.steps else (xs, ys)), marker="braille").lines())
            figure.draw(figure.signal(xs, ys, marker=MARKS[i % len(MARKS)]))
        low, high = min(place.values()), max(place.values())
        margin = 0.04 * (high - low) or 0.5
        ticks = all_xs if self.log == 2 else [low + n * (high - low) / 4 for n in range(5)]
        figure.ruler("x").lim(low - margin, high + margin).ticks(
            [place.get(x, x) for x in ticks], [short_number(x) for x in ticks]
        )
        top = max(p[1] for line in self.lines for p in line.points) or 1
        top = min(1.0, -(-top * 10 // 1) / 10)
        figure.ruler("y").lim(0, top).ticks(
            [top * n / 4 for n in range(5)], [f"{25 * top * n:.0f} %" for n in range(5)]
        )
        figure.title(f"{self.y} by {self.x}")
        plot = str(figure.build().string(colorless=True))
        legend = [f"  {MARKS[i % len(MARKS)]} {clean(line.label)}" for i, line in enumerate(self.lines)]
        return "\n".join([*(row.rstrip() for row in plot.rstrip("\n").splitlines()), *legend])


def _stairs(xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    """A line that holds each value until the next point."""
    points = [(x, y) for i, y in enumerate(ys) for x in xs[i : i + 2]]
    return [p[0] for p in points], [p[1] for p in points]
