"""A small server of OpenAI's API that can be told to misbehave, request by request. It solves sums as the fake engine
does, by the request's seed.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from star_cli.backends.engines.fake import Fake, FakeSession
from star_cli.core.parts import Prompt, Request
from star_cli.core.settings import Sampling

SKILL = 0.7


class FaultyServer:
    """``faults`` are taken one a request: an int is an HTTP status, ("retry", status, value) one with Retry-After,
    "cut" ends in the middle of the body, "nonsense" is no JSON, "empty" is JSON without a choice, ("slow", seconds)
    waits first, "down" closes the connection without a word, None is no fault.
    """

    def __init__(self, faults: list[Any] | None = None, *, model: str = "teacher", secret: str = "", **options: Any):
        self.faults, self.model, self.secret, self.options = list(faults or []), model, secret, options
        self.seen: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.at_once = self.most_at_once = 0
        self.answered: Counter[str] = Counter()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.get(self)

            def do_POST(self) -> None:
                server.post(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self) -> FaultyServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    # ---- requests --------------------------------------------------------------------------------------------------
    def get(self, handler: Any) -> None:
        if self.secret and handler.headers.get("Authorization") != f"Bearer {self.secret}":
            return self.reply(handler, 401, {"error": {"message": "Incorrect API key provided"}})
        self.reply(handler, 200, {"data": [{"id": self.model}]})

    def post(self, handler: Any) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.seen.append(body)
            self.times.append(time.monotonic())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            fault = self.faults.pop(0) if self.faults else None
        try:
            self._answer(handler, body, fault)
        finally:
            with self._lock:
                self.at_once -= 1

    def _answer(self, handler: Any, body: dict[str, Any], fault: Any) -> None:
        match fault:
            case int():
                return self.reply(
                    handler, fault, {"error": {"message": f"told to fail; {handler.headers.get('Authorization')}"}}
                )
            case ("retry", status, value):
                return self.reply(handler, status, {"error": "busy"}, {"Retry-After": str(value)})
            case ("slow", seconds):
                time.sleep(seconds)
            case "nonsense":
                return self.raw(handler, b"<html>Bad Gateway</html>")
            case "empty":
                return self.reply(handler, 200, {"choices": []})
            case "down":
                handler.close_connection = True
                return handler.connection.close()
        time.sleep(self.options.get("seconds", 0.0))
        content = json.dumps(self.completion(body)).encode()
        if fault == "cut":
            self.raw(handler, content[: len(content) // 2], length=len(content))
            handler.close_connection = True
            return None
        self.answered["done"] += 1
        return self.raw(handler, content)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """What the fake engine writes, in the form of the API."""
        chat = "messages" in body
        prompt = body["messages"][0]["content"] if chat else body["prompt"]
        session = FakeSession.__new__(FakeSession)
        session.spec, session.skill, session.left = Fake(), SKILL, 0
        sampling = Sampling(temperature=body["temperature"])
        done = session._write(Request(("p", 0), Prompt(prompt), sampling, 99, (), body.get("seed", 0)))
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.options.get("finish", "stop")}
        if chat:
            choice["message"] = {"role": "assistant", "content": done.text}
            choice["logprobs"] = (
                {"content": [{"token": "x", "logprob": done.logprob}]} if body.get("logprobs") else None
            )
        else:
            choice["text"] = done.text
            choice["logprobs"] = {"token_logprobs": [done.logprob]} if body.get("logprobs") else None
        return {"choices": [choice], "usage": {"completion_tokens": done.tokens}}

    def reply(self, handler: Any, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.raw(handler, json.dumps(body).encode(), status=status, headers=headers)

    def raw(
        self, handler: Any, content: bytes, *, status: int = 200, length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        handler.send_response(status)
        for name, value in {"Content-Length": str(length or len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
