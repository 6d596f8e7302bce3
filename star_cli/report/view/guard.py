"""Who may look: this machine alone, and only with the token of this server.

The address is loopback. A browser that was led here by a foreign page is turned away by the name of the host, by the
token (in the first URL, then in a cookie that other sites' requests do not carry) and, where something is written, by
the origin. The policy that goes with every page forbids scripts from data and everything from outside.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = {"127.0.0.1", "localhost", "[::1]"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


class Guard:
    """The layer around the pages."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import Request

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(k, v) for k, v in message["headers"] if k.decode().lower() not in HEADERS]
                message["headers"] = [*headers, *((k.encode(), v.encode()) for k, v in HEADERS.items())]
            await send(message)

        answer = self._answer(Request(scope))
        await (answer or self.app)(scope, receive, send_guarded)

    def _answer(self, request: Request) -> Response | None:
        """What a request is answered without reaching a page; None where it may pass."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        if _host(request.headers.get("host", "")) not in HOSTS:
            return PlainTextResponse("star view answers under 127.0.0.1 and localhost alone\n", 403)
        given = request.query_params.get("token")
        if given is not None and hmac.compare_digest(given.encode(), self.token.encode()):
            rest = [(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "token"]
            target = request.url.path.replace("//", "/") + (f"?{urlencode(rest)}" if rest else "")
            redirect = RedirectResponse(target, 303)
            redirect.set_cookie(self._cookie(request), self.token, httponly=True, samesite="strict", path="/")
            return redirect
        held = request.cookies.get(self._cookie(request), "")
        if not hmac.compare_digest(held.encode(), self.token.encode()):
            return PlainTextResponse("open the URL that star view printed: it holds the token\n", 403)
        origin = request.headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
        if request.method not in ("GET", "HEAD") and (foreign or request.headers.get("x-star-view") != "1"):
            return PlainTextResponse("only the page of star view itself may write\n", 403)
        return None

    def _cookie(self, request: Request) -> str:
        """A name for each port, so that two servers of one machine do not overwrite each other's."""
        return f"star-view-{request.headers.get('host', '').rpartition(':')[2]}"


def _host(text: str) -> str:
    """The name in a Host header, without its port."""
    return text.rpartition(":")[0] if ":" in text.rpartition("]")[2] else text
