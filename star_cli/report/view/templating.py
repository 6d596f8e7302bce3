"""The templates: values are cleaned of what steers a page and escaped, unless they are HTML of our own making."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from star_cli.report.columns import interval, percent
from star_cli.report.text import clean, one_line
from star_cli.report.view.charts import spark
from star_cli.report.view.overview import samples_url

if TYPE_CHECKING:
    from jinja2 import Environment


def templates() -> Environment:
    """Jinja with escaping on, and the filters that the pages use."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def cleaned(value: Any) -> Any:
        if value is None:
            return ""
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=PackageLoader("star_cli.report.view", "templates"),
        autoescape=True,
        finalize=cleaned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": percent,
        "one_line": one_line,
        "path": quote,
        "query": lambda pairs: urlencode(list(pairs)),
        "number": lambda n: f"{n:,}",
        "ours": Markup,  # HTML that this package made: its values are escaped already
        "span": _span,
    }
    made.globals |= {"interval": interval, "samples_url": samples_url, "now": time.time, "spark": spark}
    return made


def _span(seconds: float) -> str:
    """Seconds in words: 75 -> 1 min 15 s."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
