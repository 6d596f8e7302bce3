"""The learning curve: accuracy by round with its 95 % interval, as a picture and as text. The only door to matplotlib.

Lines given beside the run (a theory) are ``extra``: {label: values at round 0, 1, 2, ...}; a forecast is in the rows
themselves and is drawn with its band.
"""

from __future__ import annotations

import io
import logging
import math
import re
from pathlib import Path
from typing import Any

from star_cli.report.rounds import RoundRow
from star_cli.report.text import clean
from star_cli.store.durable import write_bytes

Extra = dict[str, list[float]]
INK = "#123457"  # stands for the page's own text colour in an SVG
BLUE = "#3b7dd8"


def write_png(rows: list[RoundRow], path: Path, *, title: str = "", extra: Extra | None = None) -> Path:
    """Write the curve as a PNG; a reader sees the old file or the new one, never half."""
    content = io.BytesIO()
    _draw(rows, content, "png", title, extra or {}, ink="#222222", ground="white")
    return write_bytes(path, content.getvalue())


def svg(rows: list[RoundRow], *, extra: Extra | None = None) -> str:
    """The curve as an SVG to stand inside a page: it takes the page's text colour and refers to nothing outside."""
    content = io.BytesIO()
    _draw(rows, content, "svg", "", extra or {}, ink=INK, ground="none")
    return inline(content.getvalue().decode())


def inline(text: str) -> str:
    """A whole SVG file as one that stands inside a page: in the page's colour, its size left to the page."""
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    return re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)


def figure_settings(ink: str) -> dict[str, Any]:
    """matplotlib's settings for every picture, whatever a person's own file says."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    return {
        **matplotlib.rcParamsDefault,
        "backend": "agg",
        "text.parse_math": False,
        "svg.hashsalt": "star",
        "svg.fonttype": "none",
        "font.size": 10,
        "axes.facecolor": "none",
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink),
    }


def _draw(rows: list[RoundRow], out: io.BytesIO, form: str, title: str, extra: Extra, *, ink: str, ground: str) -> None:
    settings = figure_settings(ink)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=(7.6, 4.2), facecolor=ground, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _lines(axes, rows, extra, ink)
        if title:
            axes.set_title(clean(title), fontsize=11)
        figure.savefig(out, format=form, dpi=150)


def _lines(axes: Any, rows: list[RoundRow], extra: Extra, ink: str) -> None:
    """Draw the curve with its intervals, the groups, the forecast and the extra lines; label the axes."""
    measured = [r for r in rows if r.accuracy is not None]
    _draw_groups(axes, measured)
    _draw_accuracy(axes, measured)
    expected = [(r.round, *r.forecast) for r in rows if r.forecast]
    if expected:
        rounds, _, low, high = zip(*expected, strict=True)
        axes.fill_between(rounds, low, high, color=ink, alpha=0.1, lw=0, label="80 % band")
    extra = {**forecast_line(rows), **extra}
    for (label, values), dashes in zip(extra.items(), ["--", ":", "-."] * len(extra), strict=False):
        axes.plot(range(len(values)), values, color=ink, ls=dashes, lw=1.4, alpha=0.8, label=clean(label))
    _label_axes(axes, max([r.round for r in rows] + [len(v) - 1 for v in extra.values()] + [1]), ink)


def _draw_groups(axes: Any, measured: list[RoundRow]) -> None:
    import matplotlib

    groups = list(dict.fromkeys(g for r in measured for g in r.groups))
    shades = matplotlib.colormaps["plasma"]
    for i, group in enumerate(groups):
        points = [(r.round, r.groups[group]) for r in measured if group in r.groups]
        axes.plot(
            *zip(*points, strict=True),
            color=shades(0.3 + 0.55 * i / max(len(groups) - 1, 1)),
            lw=1.1,
            alpha=0.85,
            marker=".",
            ms=4,
            label=clean(group).replace("=", " "),
        )


def _draw_accuracy(axes: Any, measured: list[RoundRow]) -> None:
    banded = [r for r in measured if r.low is not None and r.high is not None]
    axes.fill_between(
        [r.round for r in banded],
        [r.low for r in banded],
        [r.high for r in banded],
        color=BLUE,
        alpha=0.22,
        lw=0,
        label="95 % interval",
    )
    axes.plot(
        [r.round for r in measured],
        [r.accuracy for r in measured],
        color=BLUE,
        lw=2.4,
        marker="o",
        ms=5,
        zorder=3,
        label="accuracy",
    )


def _label_axes(axes: Any, last: int, ink: str) -> None:
    """Titles, ticks and the legend, accuracy first; ``last`` is the last round."""
    axes.set(
        xlim=(-0.15, last + 0.15),
        ylim=(0, 1.02),
        xlabel="round (0 is the base model)",
        ylabel="accuracy on held-out problems",
        yticks=[0, 0.2, 0.4, 0.6, 0.8, 1],
    )
    axes.set_xticks(range(0, last + 1, max(1, -(-last // 12))))
    axes.grid(color=ink, alpha=0.15, lw=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    handles = {**{name: handles.pop(name) for name in ("accuracy", "95 % interval")}, **handles}
    axes.legend(
        handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9
    )


def forecast_line(rows: list[RoundRow]) -> Extra:
    """The forecast of a run as a line, {} where there is none; rounds without one are left out of the line."""
    expected = {r.round: r.forecast[0] for r in rows if r.forecast}
    return {"forecast": [expected.get(n, math.nan) for n in range(max(expected) + 1)]} if expected else {}


def text_plot(rows: list[RoundRow], *, extra: Extra | None = None, width: int = 60, height: int = 15) -> str:
    """The curve as plain text without colour; empty when nothing was measured yet."""
    measured = [r for r in rows if r.accuracy is not None]
    if not measured:
        return ""
    import plotext

    extra = {**forecast_line(rows), **(extra or {})}
    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)
    figure.plot_size(width, height)
    for values, mark in zip(extra.values(), "x+*" * len(extra), strict=False):
        points = [(n, v) for n, v in enumerate(values) if not math.isnan(v)]
        figure.draw(figure.signal([n for n, _ in points], [v for _, v in points], marker=mark))
    for r in measured:
        if r.low is not None and r.high is not None:
            figure.draw(figure.signal([r.round, r.round], [r.low, r.high], marker="│").lines())
    rounds, accuracies = [r.round for r in measured], [r.accuracy for r in measured]
    figure.draw(figure.signal(rounds, accuracies, marker="braille").lines())
    figure.draw(figure.signal(rounds, accuracies, marker="●"))
    last = max([r.round for r in rows] + [len(v) - 1 for v in extra.values()] + [1])
    ticks = list(range(0, last + 1, max(1, -(-last // 10))))
    figure.ruler("x").lim(-0.04 * last, 1.04 * last).ticks(ticks, [str(t) for t in ticks])
    figure.ruler("y").lim(0, 1).ticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    figure.title("accuracy by round (● with its 95 % interval)")
    plot = str(figure.build().string(colorless=True))
    legend = [f"  {mark} {clean(label)}" for label, mark in zip(extra, "x+*" * len(extra), strict=False)]
    return "\n".join([*(line.rstrip() for line in plot.rstrip("\n").splitlines()), *legend])
