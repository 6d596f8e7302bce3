"""Requests to servers that speak OpenAI's HTTP API: many at once, spread over URLs, asked again where that may help.

The caller's thread pulls jobs and takes results; an event loop in a thread of its own holds the connections.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from star_cli.errors import EngineDied, StarError

T = TypeVar("T")
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}  # answers of a server that may be better a little later
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds before a request is sent again: doubled each time
LEFT_ALONE = 1.0  # seconds in which nobody asks a server that could not be reached
LONGEST_REST = 900.0  # seconds a server may ask to be left alone (Retry-After) before that counts as a failure


class Unreadable(Exception):
    """A reply that is not what the API promises; the request is sent again."""


class Again(Exception):
    """A request failed in a way that may pass. ``rest``: seconds in which nobody should ask this server."""

    def __init__(self, fault: str, rest: float = 0.0) -> None:
        super().__init__(fault)
        self.rest = rest


class Job(NamedTuple, Generic[T]):
    """One request: what it is for, the path below the URL, its JSON body, and how its reply is read.

    ``where`` names it in errors; ``only`` is the URL that must answer it (None: any).
    """

    purpose: T
    path: str
    body: dict[str, Any]
    read: Callable[[Any], Any]
    where: str
    only: str | None = None


@dataclass
class Limits:
    """How hard servers are pressed: requests at once and requests a minute, each for one URL (0: as many as it takes);
    seconds that one answer may take; how often a failed request is sent again.
    """

    concurrency: int
    per_minute: float
    timeout: float
    retries: int


@dataclass
class Server:
    """One base URL. ``free_at`` and ``next_slot`` are times of the monotonic clock before which it is not asked."""

    url: str
    client: Any = field(repr=False)
    busy: int = 0
    free_at: float = 0.0
    next_slot: float = 0.0


class Servers:
    """The servers behind one engine. ``log`` gets a line for every failure; the key stands in no message."""

    def __init__(self, urls: list[str], secret: str | None, limits: Limits, log: Path | None = None) -> None:
        import httpx

        self.limits, self.log, self._secret = limits, log, secret
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="star-servers", daemon=True)
        self._thread.start()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        pool = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(limits.timeout, connect=min(limits.timeout, 20.0))
        self.servers = [
            Server(
                url, httpx.AsyncClient(headers=headers, limits=pool, timeout=timeout, trust_env=not is_loopback(url))
            )
            for url in urls
        ]
        self._freed = asyncio.Condition()

    # ---- in the caller's thread ------------------------------------------------------------------------------------
    def answers(self, jobs: Iterator[Job[T]]) -> Iterator[tuple[T, Any]]:
        """(purpose, what ``read`` made of the reply) as replies arrive; jobs are pulled as places become free.

        Raises StarError where a server refuses a request, EngineDied where sending it again did not help.
        """
        arrived: SimpleQueue[tuple[T, Any]] = SimpleQueue()
        running: set[Any] = set()
        more, places = True, self.limits.concurrency * len(self.servers)
        try:
            while True:
                while more and len(running) < places:
                    job = next(jobs, None)
                    if job is None:
                        more = False
                        break
                    future = asyncio.run_coroutine_threadsafe(self._answer(job), self._loop)
                    running.add(future)
                    future.add_done_callback(partial(_pass_on, arrived, job.purpose))
                if not running:
                    return
                purpose, future = arrived.get()
                running.discard(future)
                yield purpose, future.result()
        finally:
            for future in running:
                future.cancel()

    def call(self, server: Server, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """One request without a second try: (status, JSON or text). Raises OSError where the server cannot be reached.

        ``path`` is a whole URL, or begins with a slash below the server's URL.
        """
        import httpx

        address = path if "://" in path else server.url + path
        try:
            reply = asyncio.run_coroutine_threadsafe(
                server.client.request(method, address, json=body), self._loop
            ).result()
        except httpx.TransportError as e:
            raise OSError(self._clean(f"{type(e).__name__} {e}".strip())) from e
        try:
            return reply.status_code, reply.json()
        except ValueError:
            return reply.status_code, self._clean(reply.text[:300])

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._loop.is_closed():
            return

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for server in self.servers:
                await server.client.aclose()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # ---- in the event loop -----------------------------------------------------------------------------------------
    async def _answer(self, job: Job[Any]) -> Any:
        fault, failed = "", None
        for attempt in range(self.limits.retries + 1):
            server = await self._turn(job.only, failed)
            try:
                return await self._post(server, job)
            except Again as e:
                fault, failed = f"{server.url}: {e}", server
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1.0)
                if e.rest:
                    server.free_at = max(server.free_at, time.monotonic() + e.rest)
            finally:
                server.busy -= 1
                async with self._freed:
                    self._freed.notify_all()
            if attempt < self.limits.retries:
                self._note(f"{job.where}: {fault}; sent again in {pause:.1f} s (try {attempt + 2})")
                await asyncio.sleep(pause)
        raise EngineDied(
            f"{job.where} was not answered in {self.limits.retries + 1} tries; the last: {fault}",
            hint="see that the server runs and has room, raise engine.retries or engine.timeout, "
            "or lower engine.concurrency; the same command continues",
        )

    async def _turn(self, only: str | None, failed: Server | None) -> Server:
        """A server that may be asked now and has a place free; it counts as busy from now on."""
        allowed = [s for s in self.servers if only in (None, s.url)]
        async with self._freed:
            while True:
                now = time.monotonic()
                free = [s for s in allowed if s.busy < self.limits.concurrency]
                waits = {s.url: max(s.free_at, s.next_slot) - now for s in free}
                if free and min(waits.values()) <= 0:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(waits.values(), default=None)):
                        await self._freed.wait()
            server = min(free, key=lambda s: (waits[s.url] > 0, s is failed, s.busy))
            server.busy += 1
            if self.limits.per_minute:
                server.next_slot = now + 60 / self.limits.per_minute
        return server

    async def _post(self, server: Server, job: Job[Any]) -> Any:
        import httpx

        try:
            reply = await server.client.post(server.url + job.path, json=job.body)
        except httpx.TimeoutException:
            raise Again(f"no answer within {self.limits.timeout:g} s (engine.timeout)") from None
        except httpx.TransportError as e:  # refused, cut off, not HTTP at all: the server is left alone for a moment
            raise Again(self._clean(f"{type(e).__name__} {e}".strip()), rest=LEFT_ALONE) from e
        if reply.status_code in AGAIN:
            raise Again(f"HTTP {reply.status_code} {self._message(reply)}", rest=self._retry_after(server, reply))
        if reply.status_code >= 400:
            raise self._refused(server, job, reply)
        try:
            return job.read(reply.json())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, Unreadable) as e:
            raise Again(f"an answer that cannot be read ({type(e).__name__}: {str(e)[:120]})") from e

    def _retry_after(self, server: Server, reply: Any) -> float:
        """Seconds that a server asks to be left alone, as a number or a date; 0 where it says nothing of use."""
        text = reply.headers.get("retry-after", "")
        try:
            seconds = float(text)
        except ValueError:
            try:
                seconds = parsedate_to_datetime(text).timestamp() - time.time()
            except (ValueError, TypeError):
                return 0.0
        if seconds > LONGEST_REST:
            raise EngineDied(
                f"{server.url} answers HTTP {reply.status_code} and asks to wait {seconds:.0f} s (Retry-After)",
                hint="run the same command again after that; what is written is kept",
            )
        return max(0.0, seconds)

    def _refused(self, server: Server, job: Job[Any], reply: Any) -> StarError:
        """The sentence for a request that no second try would mend."""
        hints = {
            401: "put the key into the environment variable that engine.key_variable names",
            403: "see what the key in engine.key_variable may do",
            404: f"engine.urls must end where {job.path} begins, for example http://host:8000/v1, and engine.model "
            "must be a model that is served there",
        }
        return StarError(
            f"{server.url}{job.path} refused {job.where}: HTTP {reply.status_code} {self._message(reply)}",
            hint=hints.get(reply.status_code, "change the setting that the server names"),
        )

    def _message(self, reply: Any) -> str:
        """What a server says of an error, in one line."""
        try:
            body = reply.json()
            error = body.get("error", body)
            text = str(error.get("message", error) if isinstance(error, dict) else error)
        except (ValueError, AttributeError):
            text = reply.text
        return self._clean(" ".join(text.split())[:300])

    def _clean(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text

    def _note(self, line: str) -> None:
        if self.log:
            with open(self.log, "a", encoding="utf-8") as f:
                f.write(time.strftime("%H:%M:%S ") + line + "\n")


def _pass_on(arrived: SimpleQueue[tuple[T, Any]], purpose: T, done: Any) -> None:
    arrived.put((purpose, done))


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine: then no proxy of the environment is asked."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
