"""star view: runs and rationales in the browser, side by side, live."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from star_cli.cli.app import Home, Json, app
from star_cli.errors import StarError


@app.command(
    epilog="Examples:  star view   |   star view demo   |   star view demo/round-2/evaluate   |   "
    "star view 'demo/round-2/evaluate?outcome=wrong&sort=tokens' --export wrong.html"
)
def view(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN[/round-2/filter]]...",
            help="What to open: a run, several to lay over each other, or samples with the filters of a page's URL.",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1 (default: 7827, or a free one).")
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write what is named to FILE.html, one file, and serve nothing.")
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many samples --export writes at most.")] = 200,
    home: Home = "",
    as_json: Json = False,
) -> None:
    """Look at runs in the browser: curves, every rationale with its verdict, one problem in all rounds side by side.

    The page is served on this machine alone, under a URL that holds a token. It follows runs that are in progress; for
    one on another machine: ssh -L 7827:127.0.0.1:7827 HOST. Labels are kept in runs/RUN/labels for star agree --labels.
    """
    from star_cli.report.view.guard import new_token
    from star_cli.report.view.pages import Pages
    from star_cli.report.view.places import export_page, path_of
    from star_cli.report.view.server import listen, serve
    from star_cli.run.overrides import home_of

    named = what or []
    pages = Pages(home_of(home))
    try:
        path = path_of(pages.library, named)
        if export is not None:
            if browser or port is not None:
                raise StarError("--export writes a file and serves nothing", hint="leave --port and --open out")
            shown = export_page(pages, named, export, n)
            typer.echo(json.dumps({"file": str(export), "samples": shown}) if as_json else f"page       {export}")
            return
        token = new_token()
        with listen(port) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}{path}{'&' if '?' in path else '?'}token={token}"
            typer.echo(json.dumps({"url": url}) if as_json else f"star view  {url}\n           Ctrl-C ends it")
            if browser:
                import webbrowser

                webbrowser.open(url)
            with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is meant to end
                serve(pages, token, listening)
    finally:
        pages.close()
