"""What a person names on the command line, as a page: a run, several, or samples with the filters of a URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from star_cli.errors import StarError
from star_cli.report.view.library import Library
from star_cli.report.view.pages import Items, Pages
from star_cli.report.view.query import SampleQuery
from star_cli.store.addresses import parse_path
from star_cli.store.durable import write_bytes


def path_of(library: Library, named: list[str]) -> str:
    """The path of the page for these names; an unknown one is a StarError."""
    if not named:
        return "/"
    if len(named) > 1:
        runs = [run.name for name in named for run in library.named(name.rstrip("/"))]
        return "/compare?" + urlencode([("run", name) for name in runs])
    place, items = split(named[0])
    name, round, stage = parse_path(place)
    if stage is None:
        if items:
            raise StarError(f"{named[0]!r} has filters and names no samples", hint=f"for example {name}/round-1/filter")
        library.named(name)
        return f"/run/{quote(name)}"
    library.find(place)
    parameters = SampleQuery.of(items).url()
    return f"/samples/{quote(place)}{'?' if parameters else ''}{parameters}"


def split(text: str) -> tuple[str, Items]:
    """(place, filters) of ``demo/round-2/evaluate?outcome=wrong``, or of the URL of a page of samples."""
    parts = urlsplit(text)
    path = unquote(parts.path)
    for prefix in ("/samples/", "/sample/", "/run/"):
        path = path.removeprefix(prefix)
    items = parse_qsl(parts.query, keep_blank_values=True)
    return path, [(name, value) for name, value in items if name not in ("token", "at", "page")]


def export_page(pages: Pages, named: list[str], file: Path, limit: int) -> int:
    """Write a page that needs nothing beside itself: a run's, or samples; returns how many samples it holds."""
    if len(named) != 1:
        raise StarError(
            "--export needs one thing to write", hint="for example star view demo/round-2/evaluate --export page.html"
        )
    place, items = split(named[0])
    if parse_path(place)[2] is None:
        raise StarError(
            f"{named[0]!r} names no samples",
            hint=f"for example {place}/round-1/evaluate; the page of a whole run is its report.html",
        )
    html, shown = pages.exported(place, items, limit)
    if not file.parent.is_dir():
        raise StarError(f"the folder {file.parent} does not exist", hint="make it first")
    write_bytes(file, html.encode())
    return shown
