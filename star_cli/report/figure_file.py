"""A figure of its own as .svg or .png: the settings all of them share, and how it is written."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from star_cli.errors import StarError
from star_cli.report.curve import figure_settings
from star_cli.store.durable import write_bytes

DARK = "#222222"


def write_drawing(path: Path, size: tuple[float, float], draw: Callable[[Any], None], option: str = "--figure") -> Path:
    """Write what ``draw`` puts on a matplotlib figure of ``size`` (inches); another suffix is a StarError.

    ``option``: what the file was named with, for the sentence.
    """
    form = path.suffix.lower().lstrip(".")
    if form not in ("svg", "png"):
        raise StarError(
            f"a figure is written as .svg or .png, got {path.name!r}", hint=f"{option} {path.stem or 'x'}.svg"
        )
    settings = figure_settings(DARK)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    content = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(content, format=form, dpi=120, metadata={"Date": None} if form == "svg" else None)
    return write_bytes(path, content.getvalue())
