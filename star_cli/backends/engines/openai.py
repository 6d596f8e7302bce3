"""openai: any server that speaks OpenAI's HTTP API: `vllm serve`, SGLang, a router before them, a commercial one.

{"_": "engine/openai/1", "api": "chat", "body": {}, "logprobs": true, "model": "Qwen/Qwen3-8B", "seeds": true}
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from star_cli.backends.engines._quiet import scratch_path
from star_cli.backends.engines._served_weights import put_weights
from star_cli.backends.engines._servers import Job, Limits, Servers, Unreadable
from star_cli.core.parts import RUNTIME, Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError, need

ENDS = {"stop": "stop", "length": "length", "content_filter": "stop"}  # a filter ended it: what it let through counts


@register("engine", "openai")
class OpenAI(Engine):
    """A model behind ``urls`` (each ends in /v1), which ``model`` names there; ``api`` is completions or chat.

    What the servers write is not reproducible: seeds are sent (``seeds``) and may be ignored, batches differ, a
    provider changes its models. The manifest says so (``determinism: none``). Without ``reload`` the model is fixed: a
    teacher (method.teacher). ``reload`` makes the servers hold the run's own weights: ``vllm`` through vLLM's endpoint
    (VLLM_SERVER_DEV_MODE=1), or a command that restarts them with {model}; a canary proves it on every URL.
    ``body`` holds further fields of every request. ``key_variable`` names the environment variable with the key.
    """

    determinism: ClassVar[str] = "none"
    model: str = ""
    api: str = "completions"
    logprobs: bool = True
    seeds: bool = True
    body: dict[str, Any] = field(default_factory=dict)
    urls: list[str] = field(default_factory=lambda: ["http://127.0.0.1:8000/v1"], metadata=RUNTIME)
    key_variable: str = field(default="OPENAI_API_KEY", metadata=RUNTIME)
    reload: str | None = field(default=None, metadata=RUNTIME)
    concurrency: int = field(default=64, metadata=RUNTIME)  # requests at once, for each URL
    per_minute: float = field(default=0.0, metadata=RUNTIME)  # requests a minute, for each URL; 0: no limit
    timeout: float = field(default=600.0, metadata=RUNTIME)  # seconds one answer may take
    retries: int = field(default=8, metadata=RUNTIME)
    start_seconds: float = field(default=600.0, metadata=RUNTIME)  # a server may take to come up with new weights

    @property
    def packages(self) -> tuple[str, ...]:
        return ("httpx", "transformers") if self.own_weights else ("httpx",)

    @property
    def own_weights(self) -> bool:
        """Whether the servers are given the weights of the run."""
        return self.reload is not None

    def check(self) -> None:
        need(
            bool(self.model.strip()),
            "engine.model is not given: the name under which the server serves the model",
            "for example engine.model=Qwen/Qwen3-8B; GET URL/models lists them",
        )
        need(
            self.api in ("completions", "chat"),
            f"engine.api must be completions or chat, got {self.api!r}",
            "chat shows the prompt as a user's turn by the server's own template",
        )
        need(bool(self.urls), "engine.urls is empty", "for example engine.urls=[http://127.0.0.1:8000/v1]")
        for url in self.urls:
            _check_url(url)
        need(len(set(self.urls)) == len(self.urls), f"engine.urls names a server twice: {', '.join(self.urls)}")
        for name, least in (("concurrency", 1), ("retries", 0), ("per_minute", 0)):
            need(getattr(self, name) >= least, f"engine.{name} must be >= {least}, got {getattr(self, name)}")
        for name in ("timeout", "start_seconds"):
            need(getattr(self, name) > 0, f"engine.{name} must be > 0 seconds, got {getattr(self, name)}")
        if self.reload is not None:
            need(self.api == "completions", f"engine.api={self.api} cannot prove that new weights arrived",
                 "use engine.api=completions with engine.reload")  # fmt: skip
            try:
                need(bool(shlex.split(self.reload)), "engine.reload is empty", "engine.reload=vllm, or a command")
            except ValueError as e:
                raise StarError(f"engine.reload={self.reload} is no command: {e}", hint="close its quotes") from None

    def open(self, model: ModelRef, runtime: Runtime) -> OpenAISession:
        """Reach every server and see that it has the model; with ``reload`` put the weights of ``model`` there."""
        self.check()
        return OpenAISession(self, model, runtime)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    need(
        parts.scheme in ("http", "https") and bool(parts.hostname),
        f"engine.urls: {url!r} is no URL of a server",
        "for example engine.urls=[http://127.0.0.1:8000/v1]",
    )
    need(
        not (parts.username or parts.password or parts.query),
        f"engine.urls holds a key or a password for {parts.hostname}, which would be written into run.json",
        "put it into an environment variable and name that with engine.key_variable",
    )


class OpenAISession:
    """Connections to the servers. ``url`` below names one of them where only that one may answer."""

    device = "served"

    def __init__(self, spec: OpenAI, model: ModelRef, runtime: Runtime) -> None:
        self.spec, self.model, self.runtime = spec, model, runtime
        self.log = Path(runtime.engine_log or scratch_path("engine.log"))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._closed = False
        self._codec: Any = None
        limits = Limits(spec.concurrency, spec.per_minute, spec.timeout, spec.retries)
        urls = [url.rstrip("/") for url in spec.urls]
        self._servers = Servers(urls, os.environ.get(spec.key_variable) or None, limits, self.log)
        try:
            if spec.own_weights:
                self._put(model)
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        """See that every server is there and serves the model; one that lists no models is believed."""
        for server in self._servers.servers:
            try:
                status, answer = self._servers.call(server, "GET", "/models")
            except OSError as e:
                raise StarError(
                    f"the server {server.url} cannot be reached: {e}",
                    hint="start it, for example: vllm serve MODEL --port 8000; or change engine.urls",
                ) from None
            if status in (401, 403):
                have = "refuses the key in" if os.environ.get(self.spec.key_variable) else "wants a key, and none is in"
                raise StarError(
                    f"the server {server.url} {have} {self.spec.key_variable} (HTTP {status})",
                    hint=f"export {self.spec.key_variable}=..., or name another with engine.key_variable",
                )
            rows = answer.get("data") if status == 200 and isinstance(answer, dict) else None
            names = [str(row.get("id")) for row in rows] if isinstance(rows, list) else []
            if names and self.spec.model not in names:
                raise StarError(
                    f"the server {server.url} serves no model {self.spec.model!r}, only {', '.join(names[:8])}",
                    hint="set engine.model to one of these",
                )

    # ---- writing --------------------------------------------------------------------------------------------------
    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions as they arrive. As many requests are pulled as the servers may be asked at once."""
        self._ready()
        for _, completion in self._servers.answers(self._job(request) for request in requests):
            yield completion

    def _job(self, request: Request) -> Job[None]:
        s, where = request.sampling, f"problem {request.id[0]!r}"
        if request.prompt.images:
            raise StarError(f"engine=openai sends text only, and {where} has pictures", hint="use engine=vllm")
        body = {"model": self.spec.model, "temperature": s.temperature, "top_p": s.top_p}
        if s.top_k > 0:
            body["top_k"] = s.top_k
        if self.spec.seeds and s.temperature:
            body["seed"] = request.seed
        if request.stop:
            body["stop"] = list(request.stop)
        if self.spec.api == "chat":
            body["messages"] = [{"role": "user", "content": request.prompt.text}]
            body["max_completion_tokens"] = request.max_tokens
            body["logprobs"] = self.spec.logprobs
        else:
            body["prompt"], body["max_tokens"] = request.prompt.text, request.max_tokens
            if self.spec.logprobs:
                body["logprobs"] = 1
            if self._codec:  # the trainer's own token ids, and those that were sampled: vLLM gives them back
                body["prompt"] = self._codec.prompt(request.prompt, where, request.max_tokens)
                body |= {"stop_token_ids": self._codec.stops, "skip_special_tokens": False, "return_token_ids": True}
        path = "/chat/completions" if self.spec.api == "chat" else "/completions"
        return Job(None, path, {**body, **self.spec.body}, lambda reply: self._completion(request, reply), where)

    def _completion(self, request: Request, reply: Any) -> Completion:
        """A reply as a completion; Unreadable where it is none."""
        choice = reply["choices"][0]
        if choice["finish_reason"] not in ENDS:
            raise Unreadable(f"finish_reason is {choice['finish_reason']!r}")
        text = choice["message"]["content"] or "" if self.spec.api == "chat" else choice["text"]
        if not isinstance(text, str):
            raise Unreadable(f"the text is a {type(text).__name__}")
        ids = choice.get("token_ids")
        if self._codec and ids:
            cut, stopped = self._codec.text(ids, request.stop)
            text = text if choice.get("stop_reason") in request.stop and not stopped else cut
        tokens = int(reply["usage"]["completion_tokens"])
        return Completion(request.id, text, tokens, ENDS[choice["finish_reason"]], self._logprob(choice))

    def _logprob(self, choice: Any) -> float | None:
        """The sum over the sampled tokens in nats; None where the server gives none."""
        noted = choice.get("logprobs") if self.spec.logprobs else None
        if not noted:
            return None
        if self.spec.api == "chat":
            values = [token["logprob"] for token in noted.get("content") or ()]
        else:
            values = noted.get("token_logprobs") or []
        if not values or any(v is None or not math.isfinite(v) for v in values):
            return None
        return round(float(sum(values)), 4) + 0.0

    # ---- scoring --------------------------------------------------------------------------------------------------
    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """log P(completion, end of text | prompt) in nats; only of the run's own weights, whose tokenizer is here."""
        return self._score(items, None)

    def _score(self, items: Sequence[tuple[str | Prompt, str]], url: str | None) -> list[float]:
        self._ready()
        if self._codec is None:
            raise StarError(
                f"engine=openai cannot score texts by {self.spec.model}, whose tokenizer is not on this machine",
                hint="set verification.score_by=forward, or engine.reload for a model of your own",
            )
        scores = [0.0] * len(items)
        for i, score in self._servers.answers(self._score_job(i, *item, url) for i, item in enumerate(items)):
            scores[i] = score
        return scores

    def _score_job(self, i: int, text: str | Prompt, completion: str, url: str | None) -> Job[int]:
        ids = self._codec.completion(completion)
        prompt = Prompt(text) if isinstance(text, str) else text
        prompt_ids = self._codec.prompt(prompt, f"item {i}", len(ids) + 1)
        start, end = len(prompt_ids), len(prompt_ids) + len(ids)
        body = {"model": self.spec.model, "prompt": prompt_ids + ids, "echo": True, "logprobs": 1, "max_tokens": 1}

        def read(reply: Any) -> float:
            values = reply["choices"][0]["logprobs"]["token_logprobs"][start:end]
            if len(values) != end - start or any(v is None for v in values):
                raise Unreadable(f"{len(values)} log-probabilities for {end - start} tokens")
            return float(sum(values))

        return Job(i, "/completions", {**body, "temperature": 0.0}, read, f"item {i}", url)

    # ---- weights and life -----------------------------------------------------------------------------------------
    def swap(self, model: ModelRef) -> bool:
        """The servers load other weights; StarError where one of them does not."""
        self._ready()
        if not self.spec.own_weights:
            raise StarError(
                f"engine=openai cannot put new weights into {self.spec.model}",
                hint="set engine.reload=vllm, or to a command that restarts the server with {model}",
            )
        self._put(model)
        self.model = model
        return True

    def _put(self, model: ModelRef) -> None:
        from star_cli.backends.model_config import context_length
        from star_cli.backends.tokens import Codec, load_tokenizer
        from star_cli.backends.weights import check_directory

        check_directory(model)
        limit = self.runtime.max_model_len or context_length(model) or 1 << 20
        self._codec = Codec(model, load_tokenizer(model), limit)
        reload = self.spec.reload or ""
        put_weights(self._servers, reload, model, self._canary_scores, self.log, self.spec.start_seconds)

    def _canary_scores(self, model: ModelRef, url: str) -> list[float]:
        return self._score([(model.shown(c), c["completion"]) for c in model.canary], url)

    def sleep(self) -> None:
        """Nothing of this machine is given back: the servers are others' business."""

    def wake(self) -> None:
        """Nothing was given back."""

    def close(self) -> None:
        """Close the connections; the servers go on."""
        if not self._closed:
            self._closed = True
            self._servers.close()

    def _ready(self) -> None:
        if self._closed:
            raise StarError("this session was closed; an engine is opened again with Engine.open")
