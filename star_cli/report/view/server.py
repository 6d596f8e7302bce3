"""The web server of `star view`: routes, errors as pages, labels. It listens on the loopback address alone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from star_cli.errors import StarError
from star_cli.report.label_files import Label
from star_cli.report.view.pages import Items, Pages
from star_cli.report.view.query import SampleQuery

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
PORT = 7827  # STAR on a telephone
WRITTEN = "as_written"  # the parameter that shows a text without marks


class LabelWish(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends: a label of a sample, or "" to take it back."""

    place: str
    id: str
    sample: int
    label: str
    note: str = ""


def application(pages: Pages, token: str) -> Starlette:
    """The pages behind their guard."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import HTMLResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    from star_cli.report.view.guard import Guard

    def shown(path: str, make: Callable[[Request], str]) -> Route:
        """A page; it is made in a thread of its own."""
        return Route(path, lambda request: HTMLResponse(make(request)))

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarError)
        return HTMLResponse(pages.render("error.html", title="not found", error=error, pulse=""), 404)

    def unknown_page(request: Request, error: Exception) -> Response:
        return refused(request, StarError(f"there is no page {request.url.path}", hint="begin at the list of runs"))

    return Starlette(
        routes=[
            shown("/", lambda r: pages.runs()),
            shown("/run/{name:path}", lambda r: pages.run(r.path_params["name"])),
            shown("/compare", lambda r: pages.compare(_values(r, "run"))),
            shown("/samples/{place:path}", lambda r: pages.sample_list(r.path_params["place"], _items(r))),
            shown("/sample/{place:path}", lambda r: _sample(pages, r)),
            shown("/problem", lambda r: _problem(pages, r)),
            shown("/graders/{place:path}", lambda r: pages.graders(r.path_params["place"])),
            shown("/artifact/{name:path}", lambda r: pages.artifact(r.path_params["name"])),
            shown("/sql/{place:path}", lambda r: _sql(pages, r)),
            Route("/random/{place:path}", lambda r: _random(pages, r)),
            Route("/pulse", lambda r: _pulse(pages, r)),
            Route("/label", _labeller(pages), methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={StarError: refused, 404: unknown_page},
    )


def serve(pages: Pages, token: str, listening: socket.socket) -> None:
    """Answer until Ctrl-C."""
    import uvicorn

    config = uvicorn.Config(application(pages, token), log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def listen(port: int | None) -> socket.socket:
    """A socket on the loopback address: at ``port``, or where that is None at PORT or, if taken, at a free one.

    Raises StarError where the port is taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            listening.bind((ADDRESS, wanted))
            listening.listen(128)
            return listening
        except (OSError, OverflowError) as e:
            reason = e.strerror if isinstance(e, OSError) else str(e)
    listening.close()
    raise StarError(f"port {port} of {ADDRESS} cannot be used: {reason}", hint="leave --port out to take a free one")


def put_label(pages: Pages, wish: LabelWish) -> None:
    """Write a label beside its run, or take it back. Raises StarError for a sample that is not there."""
    one = pages.set(wish.place)
    file = pages.samples.label_file(one)
    if file is None:
        raise StarError(f"{wish.place} is still being written", hint="label it when the stage is finished")
    if not wish.label:
        file.remove(wish.id, wish.sample)
        return
    row = pages.samples.row(one, wish.id, wish.sample)
    file.put(
        Label(
            id=wish.id,
            sample=wish.sample,
            label="right" if wish.label == "right" else "wrong",
            reason=row["reason"] or "",
            answer=row["answer"],
            note=wish.note,
        )
    )


def _labeller(pages: Pages) -> Callable[[Request], Any]:
    async def label(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse

        try:
            wish = msgspec.json.decode(await request.body(), type=LabelWish)
        except msgspec.MsgspecError as e:
            return JSONResponse({"error": f"this is no label: {e}"}, 400)
        try:
            await run_in_threadpool(put_label, pages, wish)
        except StarError as e:
            return JSONResponse({"error": str(e)}, 409)
        return JSONResponse({"label": wish.label})

    return label


def _random(pages: Pages, request: Request) -> Response:
    """To one of the samples that match."""
    from starlette.responses import RedirectResponse

    place, query = request.path_params["place"], SampleQuery.of(_items(request))
    at = pages.samples.random_place(pages.set(place), query)
    return RedirectResponse(f"/sample/{quote(place)}?{query.but(at=at).url()}", 303)


def _pulse(pages: Pages, request: Request) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(pages.pulse(request.query_params.get("run", "all")))


def _sample(pages: Pages, request: Request) -> str:
    return pages.sample(request.path_params["place"], _items(request), WRITTEN in request.query_params)


def _problem(pages: Pages, request: Request) -> str:
    parameters = request.query_params
    return pages.problem(
        parameters.get("id", ""), _values(request, "run"), _values(request, "kind"), parameters.get("text", "")
    )


def _sql(pages: Pages, request: Request) -> str:
    sample = request.query_params.get("sample", "0")
    if not sample.isdecimal():
        raise StarError(f"sample={sample!r} is no whole number")
    return pages.sql(request.path_params["place"], request.query_params.get("id", ""), int(sample))


def _items(request: Request) -> Items:
    """The parameters that are filters."""
    return [(name, value) for name, value in request.query_params.multi_items() if name != WRITTEN]


def _values(request: Request, name: str) -> list[str]:
    return [value for value in request.query_params.getlist(name) if value]
