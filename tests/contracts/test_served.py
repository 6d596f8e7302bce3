"""engine=openai against a server that misbehaves: nothing is lost or doubled; what cannot be mended is a sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import SMALL, call, start
from faulty_server import FaultyServer

from star_cli.backends.engines import _servers
from star_cli.backends.engines.openai import OpenAI
from star_cli.core.keys import canonical
from star_cli.core.parts import Completion, ModelRef, Prompt, Request
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import EngineDied, StarError

MODEL = ModelRef("m", "nowhere")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_servers, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_servers, "LEFT_ALONE", 0.05)


def asked(n: int, **sampling: Any) -> list[Request]:
    return [
        Request((f"p{i}", 0), Prompt(f"{i} + {i + 1}"), Sampling(**{"temperature": 1.0, **sampling}), 50, ("\n\n",), i)
        for i in range(n)
    ]


def write(servers: list[FaultyServer], requests: list[Request], tmp_path: Any, **settings: Any) -> list[Completion]:
    engine = OpenAI(model="teacher", urls=[s.url for s in servers], **settings)
    session = engine.open(MODEL, Runtime(engine_log=str(tmp_path / "engine.log")))
    try:
        return list(session.stream(requests))
    finally:
        session.close()


def texts(done: list[Completion]) -> dict[tuple[str, int], tuple[str, int, str, float | None]]:
    assert len({c.id for c in done}) == len(done)
    return {c.id: (c.text, c.tokens, c.finish, c.logprob) for c in done}


FAULTS = [500, "cut", "nonsense", "empty", "down", ("retry", 429, 0.05), ("slow", 0.2), 503, ("retry", 503, "soon")]


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_every_request_is_answered_once_whatever_the_server_does(api: str, tmp_path: Any) -> None:
    with FaultyServer() as good, FaultyServer([f for fault in FAULTS for f in (fault, None)]) as bad:
        right = texts(write([good], asked(60), tmp_path, api=api))
        assert len(right) == 60 and all(logprob is not None for *_, logprob in right.values())
        assert texts(write([bad], asked(60), tmp_path, api=api, concurrency=4)) == right
        assert not bad.faults and bad.most_at_once <= 4
    log = (tmp_path / "engine.log").read_text()
    for words in ("HTTP 500", "RemoteProtocolError", "cannot be read", "HTTP 429", "sent again in"):
        assert words in log


def test_a_request_that_takes_too_long_is_sent_again(tmp_path: Any) -> None:
    with FaultyServer([("slow", 3.0)]) as server:
        assert len(write([server], asked(3), tmp_path, timeout=0.5)) == 3
        assert len(server.seen) == 4
    assert "no answer within 0.5 s" in (tmp_path / "engine.log").read_text()


def test_what_never_comes_right_ends_the_stream_with_the_last_failure(tmp_path: Any) -> None:
    with FaultyServer([500] * 50) as server:
        with pytest.raises(EngineDied, match=r"problem 'p0' was not answered in 3 tries; the last: .*HTTP 500"):
            write([server], asked(1), tmp_path, retries=2)
        assert len(server.seen) == 3


@pytest.mark.parametrize(("status", "word"), [(400, "HTTP 400"), (404, "must end where"), (422, "HTTP 422")])
def test_a_refused_request_is_said_at_once(status: int, word: str, tmp_path: Any) -> None:
    with FaultyServer([status]) as server:
        with pytest.raises(StarError, match="refused problem 'p0'") as e:
            write([server], asked(1), tmp_path)
        assert word in str(e.value) and len(server.seen) == 1 and not isinstance(e.value, EngineDied)


def test_a_server_that_is_down_costs_nothing_where_another_is_up(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_servers, "LEFT_ALONE", 60.0)
    with FaultyServer() as good, FaultyServer(["down"] * 99) as bad:
        assert len(write([bad, good], asked(40), tmp_path, concurrency=4)) == 40
        assert good.answered["done"] == 40 and len(bad.seen) <= 4


def test_retry_after_is_obeyed_by_all_requests_to_that_server(tmp_path: Any) -> None:
    with FaultyServer([("retry", 429, 1)]) as server:
        assert len(write([server], asked(6), tmp_path, concurrency=1)) == 6
        assert server.times[1] - server.times[0] >= 0.95
    with FaultyServer([("retry", 429, 86400)]) as server, pytest.raises(EngineDied, match="asks to wait 86400 s"):
        write([server], asked(1), tmp_path)


def test_requests_a_minute_are_limited_for_each_url(tmp_path: Any) -> None:
    with FaultyServer() as one, FaultyServer() as two:
        started = time.monotonic()
        assert len(write([one, two], asked(12), tmp_path, per_minute=600)) == 12
        assert time.monotonic() - started >= 0.45  # six of each, 0.1 s apart
        assert len(one.seen) == len(two.seen) == 6
        assert all(b - a > 0.05 for a, b in zip(one.times, one.times[1:], strict=False))


def test_requests_are_pulled_as_places_become_free_and_a_closed_stream_sends_no_more(tmp_path: Any) -> None:
    pulled: list[Request] = []

    def source() -> Iterator[Request]:
        for request in asked(500):
            pulled.append(request)
            yield request

    with FaultyServer(seconds=0.02) as server:
        session = OpenAI(model="teacher", urls=[server.url], concurrency=5).open(MODEL, Runtime())
        stream = session.stream(source())
        next(stream)
        assert len(pulled) <= 6
        stream.close()
        time.sleep(0.2)
        seen = len(server.seen)
        assert seen <= 6
        assert len(list(session.stream(asked(3)))) == 3  # the session lives on
        session.close()
        session.close()
        with pytest.raises(StarError, match="was closed"):
            next(session.stream(asked(1)))


def test_what_is_asked_is_what_the_settings_say(tmp_path: Any) -> None:
    with FaultyServer() as server:
        write([server], asked(1, temperature=0.7, top_p=0.9, top_k=20), tmp_path, body={"reasoning_effort": "low"})
        write([server], asked(1, temperature=0.0), tmp_path, api="chat", logprobs=False)
        write([server], asked(1), tmp_path, seeds=False)
    first, second, third = server.seen
    assert first == {
        "model": "teacher", "prompt": "0 + 1", "temperature": 0.7, "top_p": 0.9, "top_k": 20, "seed": 0,
        "stop": ["\n\n"], "max_tokens": 50, "logprobs": 1, "reasoning_effort": "low",
    }  # fmt: skip
    assert second["messages"] == [{"role": "user", "content": "0 + 1"}] and second["max_completion_tokens"] == 50
    assert "seed" not in second and second["logprobs"] is False and "prompt" not in second
    assert "seed" not in third


def test_an_unknown_model_and_a_server_that_is_not_there_are_said_before_any_request(tmp_path: Any) -> None:
    with FaultyServer(model="other") as server:
        with pytest.raises(StarError, match="serves no model 'teacher', only other"):
            write([server], asked(1), tmp_path)
        assert not server.seen
    with pytest.raises(StarError, match=r"cannot be reached(.|\n)*vllm serve"):
        write([server], asked(1), tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": ""}, "engine.model is not given"),
        ({"api": "responses"}, "must be completions or chat"),
        ({"urls": []}, "engine.urls is empty"),
        ({"urls": ["127.0.0.1:8000"]}, "is no URL"),
        ({"urls": ["http://me:secret@host/v1"]}, "would be written into run.json"),
        ({"urls": ["http://host/v1?key=secret"]}, "would be written into run.json"),
        ({"concurrency": 0}, "engine.concurrency must be >= 1"),
        ({"timeout": 0.0}, "engine.timeout must be > 0"),
        ({"reload": "vllm", "api": "chat"}, "cannot prove"),
        ({"reload": "restart 'x"}, "is no command"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(StarError) as e:
        OpenAI(**{"model": "teacher", **settings}).check()
    assert words in str(e.value) and "secret" not in str(e.value)


def test_where_and_how_fast_is_no_part_of_the_key() -> None:
    one = OpenAI(model="m", urls=["http://a/v1"], key_variable="X", concurrency=2, reload="vllm")
    assert canonical(one) == canonical(OpenAI(model="m"))
    assert canonical(one) != canonical(OpenAI(model="n"))


# ---- the key -------------------------------------------------------------------------------------------------------
def test_a_key_is_asked_for_and_stands_in_no_message(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with FaultyServer([500, 400], secret="sk-very-secret") as server:
        with pytest.raises(StarError, match="wants a key, and none is in TEACHER_KEY"):
            write([server], asked(1), tmp_path, key_variable="TEACHER_KEY")
        monkeypatch.setenv("TEACHER_KEY", "sk-wrong")
        with pytest.raises(StarError, match="refuses the key in TEACHER_KEY"):
            write([server], asked(1), tmp_path, key_variable="TEACHER_KEY")
        monkeypatch.setenv("TEACHER_KEY", "sk-very-secret")
        with pytest.raises(StarError, match=r"HTTP 400 told to fail; Bearer \*\*\*"):
            write([server], asked(1), tmp_path, key_variable="TEACHER_KEY")
    assert "sk-very" not in (tmp_path / "engine.log").read_text()


# ---- runs ----------------------------------------------------------------------------------------------------------
def test_a_teacher_writes_the_rationales_of_the_first_round(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    small = [a for a in SMALL if not a.startswith("task.train")] + ["task.train=40", "name=demo", "trainer=fake"]
    with FaultyServer([500, None, "cut"], secret="sk-very-secret") as server:
        teacher = f"+method.teacher={{name: openai, model: teacher, api: chat, urls: ['{server.url}']}}"
        running = start(home, "run", *small, teacher)
        _, err = running.communicate(timeout=300)
        assert running.returncode == 0, err
        asked_of_teacher = len(server.seen)
        assert asked_of_teacher > 40
        assert call(home, "run", *small, teacher).code == 0 and len(server.seen) == asked_of_teacher
        assert call(home, "verify").code == 0
    manifest = {
        name: json.loads((home / "runs" / "demo" / name / "manifest.json").read_bytes())
        for name in ("round-1/generate", "round-1/rationalize", "round-2/generate")
    }
    assert manifest["round-1/generate"]["tag"]["engine"]["model"] == "teacher"
    assert manifest["round-1/generate"]["determinism"] == manifest["round-1/rationalize"]["determinism"] == "none"
    assert "determinism" not in manifest["round-2/generate"]
    assert manifest["round-2/generate"]["tag"]["engine"]["_"] == "engine/fake/1"
    written = [p for p in home.rglob("*") if p.is_file() and b"sk-very" in p.read_bytes()]
    assert not written


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_run_whose_weights_cannot_reach_the_server_is_refused_before_any_work(home: Any, command: str) -> None:
    done = call(home, command, *SMALL, "engine=openai", "engine.model=teacher")
    assert done.code == 1 and "writes with a model that is fixed" in done.err and "engine.reload" in done.err
    assert not (home / "artifacts").exists() and not (home / "runs").exists()


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ("{model: x}", "method.teacher must name its engine"),
        ("{name: openai, modle: x}", "Did you mean 'model'"),
        ("{name: openai, model: 3}", "Expected `str`, got `int`"),
        ("{name: openai}", "engine.model is not given"),
        ("{name: opanai}", "Did you mean 'openai'"),
    ],
)
def test_a_teacher_that_cannot_be_is_a_sentence(home: Any, teacher: str, words: str) -> None:
    done = call(home, "run", *SMALL, f"+method.teacher={teacher}")
    assert done.code == 1 and words in done.err, done.err
