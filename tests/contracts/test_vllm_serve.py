"""engine=openai against the real `vllm serve`: the same texts and scores as in this process, and new weights."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, environment
from served_vllm import ENVIRONMENT, free_port, line, served
from test_engines import asked, by_id, make, same

from star_cli.backends.engines.openai import OpenAI
from star_cli.backends.engines.transformers import Transformers
from star_cli.core.parts import ModelRef
from star_cli.core.settings import Runtime
from star_cli.errors import StarError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")]
TEXTS = [("the answer is", " 12"), ("12", " + 34 = 46"), ("34 +", " because")]


def model(home: Path, name: str, **how: Any) -> ModelRef:
    """A random Llama with the canary that a trainer would have written beside it."""
    ref = ModelRef(name, str(make(home / name, **how)), dtype="float32")
    session = Transformers().open(ref, Runtime())
    scores = session.score(TEXTS)
    counts = [len(session._codec.completion(text)) for _, text in TEXTS]
    session.close()
    canary = [
        {"prompt": p, "completion": c, "tokens": n, "logprob": s}
        for (p, c), n, s in zip(TEXTS, counts, scores, strict=True)
    ]
    return replace(ref, canary=tuple(canary))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRef]:
    home = tmp_path_factory.mktemp("models")
    return {n: model(home, n, seed=s, tied=n.startswith("tied")) for s, n in enumerate(("one", "two", "tied", "tied2"))}


@pytest.fixture(scope="module")
def url(models: dict[str, ModelRef], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(models["one"].path, tmp_path_factory.mktemp("log") / "serve.log") as address:
        yield address


def test_texts_and_scores_are_those_of_this_process_before_and_after_new_weights(
    url: str, models: dict[str, ModelRef]
) -> None:
    session = OpenAI(model="star", urls=[url], reload="vllm").open(models["two"], Runtime())  # it serves another one
    for name in ("two", "one", "two"):
        if session.model.key != name:
            assert session.swap(models[name])
        oracle = Transformers().open(models[name], Runtime())
        for stop in ((), ("a", "12", "\x00")):
            requests = asked(24, stop=stop)
            same(by_id(session.stream(requests)), by_id(oracle.stream(requests)))
        assert session.score(TEXTS) == pytest.approx(oracle.score(TEXTS), abs=1e-3)
        oracle.close()
    seeded = asked(40, temperature=1.0)
    first = by_id(session.stream(seeded))
    assert {c.text for c in by_id(session.stream(seeded[::-1])).values()} == {c.text for c in first.values()}
    assert len({c.text for c in first.values()}) > 20
    session.close()


def test_chat_and_plain_completions_without_a_model_of_ours(url: str) -> None:
    foreign = ModelRef("m", "nowhere")
    session = OpenAI(model="star", urls=[url]).open(foreign, Runtime())
    done = list(session.stream(asked(8, temperature=1.0)))
    assert len(done) == 8 and all(c.logprob is not None and c.tokens <= 12 for c in done)
    with pytest.raises(StarError, match="cannot score"):
        session.score(TEXTS)
    session.close()
    session = OpenAI(model="star", urls=[url], api="chat").open(foreign, Runtime())
    with pytest.raises(StarError, match="refused problem 'p0': HTTP 400"):  # this model has no chat template
        list(session.stream(asked(1)))
    session.close()


def test_weights_that_do_not_arrive_are_noticed(url: str, models: dict[str, ModelRef]) -> None:
    OpenAI(model="star", urls=[url], reload="vllm").open(models["one"], Runtime()).close()
    OpenAI(model="star", urls=[url], reload="true").open(models["one"], Runtime()).close()
    with pytest.raises(StarError, match="did not take the weights(.|\n)*did not change at all"):
        OpenAI(model="star", urls=[url], reload="true").open(models["two"], Runtime())
    with pytest.raises(StarError, match="could not load|did not take the weights|is no|has no"):
        OpenAI(model="star", urls=[url], reload="vllm").open(models["tied"], Runtime())


RESTART = """
import os, pathlib, signal, subprocess, sys, time
note = pathlib.Path({note!r})
if note.exists():
    group = int(note.read_text())
    os.killpg(group, signal.SIGKILL)
    time.sleep(1)
running = subprocess.Popen([sys.argv[1] if word == "MODEL" else word for word in {words!r}], start_new_session=True,
    stdin=subprocess.DEVNULL, stdout=open({log!r}, "ab"), stderr=subprocess.STDOUT, env=dict(os.environ, **{env!r}))
note.write_text(str(running.pid))
"""


def test_a_whole_run_on_a_server_that_a_command_restarts_with_each_rounds_weights(tmp_path: Path) -> None:
    port, note, script = free_port(), tmp_path / "pid", tmp_path / "restart.py"
    words = line("MODEL", port)
    script.write_text(RESTART.format(note=str(note), words=words, log=str(tmp_path / "serve.log"), env=ENVIRONMENT))
    reload = f"{shlex.quote(sys.executable)} {script} {{model}}"
    small = [
        "task.max_digits=1", "+pretraining.lessons.1=400", "pretraining.steps=150", "pretraining.lr=3e-3",
        "schedule.start=20", "rounds=1", "sampling.temperature=1", "samples=4", "sampling.max_tokens=48", "name=small",
        "engine=openai", "engine.model=star", f"engine.urls=[http://127.0.0.1:{port}/v1]", f"engine.reload='{reload}'",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-m", "star_cli.cli.main", "run", *small], env=environment(tmp_path), cwd=tmp_path,
            capture_output=True, text=True, timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        if note.exists():
            os.killpg(int(note.read_text()), signal.SIGKILL)
    manifests = [json.loads(p.read_bytes()) for p in (tmp_path / "artifacts").glob("*/manifest.json")]
    noted = {m["stage"]: m.get("determinism") for m in manifests}
    assert noted["generate"] == "none" and noted["finetune"] is None and ROOT
    assert "starting it anew" not in done.stdout
