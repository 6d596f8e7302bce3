"""engine=ray: who wrote a sample does not matter. Equal bytes for one and two actors, and after kill -9."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from star_cli.backends.engines._ray_worker import MOST, PORTION, Worker
from star_cli.backends.engines.fake import Fake
from star_cli.backends.engines.ray import Ray, Source
from star_cli.core.keys import canonical, seed_of
from star_cli.core.parts import Completion, ModelRef, Prompt, Request
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import EngineDied, StarError

has_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'star-cli[ray]')")
ARGS = ["model=fake", "rounds=1", "task.train=60", "task.dev=10", "problems=60", "samples=3", "sampling.temperature=1"]
RAY = ["engine=ray", "engine.of=fake"]


def asked(problems: int, samples: int = 3) -> list[Request]:
    return [
        Request((f"p{i}", n), Prompt(f"{i} + {n}"), Sampling(temperature=1.0), 50, (), seed_of("ray", i, n))
        for i in range(problems)
        for n in range(samples)
    ]


def by_id(done: Iterator[Completion]) -> dict[tuple[str, int], Completion]:
    rows = list(done)
    assert len({c.id for c in rows}) == len(rows), "a sample was given twice"
    return {c.id: c for c in rows}


@pytest.fixture
def model(tmp_path: Path) -> ModelRef:
    here = tmp_path / "model"
    here.mkdir()
    (here / "config.json").write_text('{"skill": 0.6}')
    return ModelRef("m", str(here), dtype="float32")


# ---- without Ray ---------------------------------------------------------------------------------------------------
def test_it_has_the_key_of_the_engine_that_its_actors_hold() -> None:
    plain = canonical(Fake())
    assert canonical(Ray(of="fake", actors=3, settings={"seconds": 0.1})) == plain
    assert canonical([Ray(of="transformers", settings={"logprobs": False})]) != canonical([Ray(of="transformers")])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"of": "ray"}, "an actor cannot hold actors"),
        ({"of": "fkae"}, "Did you mean 'fake'"),
        ({"of": "fake", "settings": {"sconds": 1}}, "Did you mean 'seconds'"),
        ({"of": "fake", "settings": {"seconds": "x"}}, "Expected `float`"),
        ({"of": "fake", "actors": -1}, "engine.actors must be >= 0"),
        ({"of": "openai"}, "engine.model is not given"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(StarError, match=words):
        Ray(**settings).check()


def test_portions_hold_whole_problems_and_what_comes_back_goes_first() -> None:
    source = Source(asked(10, 3))
    first = source.take(4)
    assert [r.id for r in first.values()] == [("p0", 0), ("p0", 1), ("p0", 2), ("p1", 0), ("p1", 1), ("p1", 2)]
    source.put_back({n: r for n, r in first.items() if n in (1, 4)})
    assert [r.id for r in source.take(1).values()] == [("p0", 1)]
    assert [r.id for r in source.take(2).values()] == [("p1", 1), ("p2", 0), ("p2", 1), ("p2", 2)]
    rest: dict[int, Request] = {}
    while not source.is_empty():
        rest |= source.take(PORTION)
    assert len(rest) == 21 and source.take(5) == {}


def test_a_worker_asks_for_more_before_its_engine_waits_and_never_holds_more_than_it_asked_for(model: ModelRef) -> None:
    worker = Worker({"name": "fake"}, os.environ.get("OMP_NUM_THREADS"))
    assert worker.open(model, Runtime(), 0, {}) is None
    source, done, wants = Source(asked(200)), [], PORTION
    while True:
        portion = source.take(wants)
        answer = worker.exchange([*portion.values()], source.is_empty())
        done += answer.completions
        wants = answer.wants
        assert wants <= MOST and len(worker._inbox) <= MOST + 3
        if source.is_empty() and len(done) == 600:
            break
    plain = Fake().open(model, Runtime())
    assert by_id(iter(done)) == by_id(plain.stream(asked(200)))
    worker.stop()


def test_a_workers_failure_is_an_answer_and_what_was_done_before_is_not_lost(model: ModelRef) -> None:
    worker = Worker({"name": "fake", "die_always": True, "die_after": 20}, None)
    worker.open(model, Runtime(), 0, {})
    done: list[Completion] = []
    answer = worker.exchange(asked(10), True)
    while not answer.error:
        done += answer.completions
        answer = worker.exchange([], True)
    assert answer.died and "told to" in answer.error[0] and len(done) + len(answer.completions) == 16  # two batches


def test_a_worker_without_weights_says_so() -> None:
    worker = Worker({"name": "fake"}, None)
    answer = worker.exchange(asked(1), True)
    assert answer.died and "no weights yet" in str(answer.error)


# ---- on a local Ray ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    pytest.importorskip("ray")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from star_cli.backends.engines._ray_cluster import connect

        connect(None, 2, 80)
        yield
        import ray

        ray.shutdown()


@has_ray
@pytest.mark.filterwarnings("ignore")
def test_two_actors_write_what_one_engine_writes_also_when_one_is_killed(
    cluster: None, model: ModelRef, tmp_path: Path
) -> None:
    requests = asked(120)
    right = by_id(Fake().open(model, Runtime()).stream(requests))
    runtime = Runtime(engine_log=str(tmp_path / "engine.log"))
    session = Ray(of="fake", actors=2, settings={"seconds": 0.002}).open(model, runtime)
    pulled: list[Request] = []

    def source() -> Iterator[Request]:
        for request in requests:
            pulled.append(request)
            yield request

    try:
        stream = session.stream(source())
        first = list(islice(stream, 3))
        assert len(pulled) < 360
        os.kill(session.actors[0].place[1], signal.SIGKILL)
        assert by_id(iter([*first, *stream])) == right
        assert session.restarted == 1
        assert "asked again" in (tmp_path / "engine.log").read_text()
        assert by_id(session.stream(requests)) == right  # it lives on, and all of it
        stream = session.stream(requests)
        assert len(list(islice(stream, 5))) == 5
        stream.close()
        assert by_id(session.stream(requests)) == right
        items = [(f"{i}", "x" * i) for i in range(9)]
        assert session.score(items) == Fake().open(model, Runtime()).score(items)
    finally:
        session.close()


@has_ray
@pytest.mark.filterwarnings("ignore")
def test_an_actor_that_always_dies_ends_the_stream_with_a_sentence(cluster: None, model: ModelRef) -> None:
    session = Ray(of="fake", actors=1, restarts=1, settings={"die_after": 5, "die_always": True}).open(model, Runtime())
    with pytest.raises(EngineDied, match="all actors of engine=ray died"):
        list(session.stream(asked(10)))
    session.close()


@has_ray
@pytest.mark.filterwarnings("ignore")
def test_new_weights_reach_every_actor(cluster: None, model: ModelRef, tmp_path: Path) -> None:
    from star_cli.backends.engines.fake import fake_score

    def trained(name: str, skill: float) -> ModelRef:
        here = tmp_path / name
        here.mkdir()
        (here / "config.json").write_text(f'{{"skill": {skill}}}')
        canary = {"prompt": "p", "completion": "ccc", "tokens": 4, "logprob": fake_score(skill, "p", "ccc")}
        return ModelRef(name, str(here), dtype="float32", canary=(canary,))

    session = Ray(of="fake", actors=2).open(trained("one", 0.2), Runtime())
    two = trained("two", 0.9)
    assert session.swap(two) and session.model == two
    assert by_id(session.stream(asked(40))) == by_id(Fake().open(two, Runtime()).stream(asked(40)))
    session.close()
    session = Ray(of="fake", actors=2, settings={"stale": True}).open(trained("three", 0.2), Runtime())
    assert not session.swap(two)
    session.close()


@has_ray
@pytest.mark.filterwarnings("ignore")
def test_weights_an_actor_does_not_see_come_through_the_object_store(
    cluster: None, model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    from star_cli.backends.engines import ray as engine

    sizes = {**engine.file_sizes(model.path), "elsewhere": 0}
    monkeypatch.setattr(engine, "file_sizes", lambda path: sizes)  # as if the actors' disk were another one
    (Path(model.path) / "elsewhere").touch()
    session = Ray(of="fake", actors=1).open(replace(model, path=model.path), Runtime())
    (Path(model.path) / "elsewhere").unlink()
    session.close()
    (Path(model.path) / "elsewhere").write_bytes(b"x")
    session = Ray(of="fake", actors=2).open(model, Runtime())
    other = replace(model, key="other", canary=({"prompt": "p", "completion": "c", "tokens": 1, "logprob": -1.0},))
    assert by_id(session.stream(asked(20))) == by_id(Fake().open(model, Runtime()).stream(asked(20)))
    assert session._sent is not None and not session.swap(other)  # they have it, and its canary tells that it is wrong
    session.close()


# ---- real engines --------------------------------------------------------------------------------------------------
@pytest.mark.slow
@has_ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_real_engines_write_the_same_in_actors(engine: str, tmp_path: Path, cluster: None) -> None:
    """vLLM bit for bit. transformers computes sums in batches: equal texts, log-probabilities up to the last digit."""
    from test_engines import asked as real_requests
    from test_engines import make, same

    from star_cli.core.registry import get

    pytest.importorskip(engine)
    one, two = (ModelRef(f"m{n}", str(make(tmp_path / f"m{n}", seed=n)), dtype="float32") for n in (1, 2))
    runtime = Runtime(max_num_seqs=32, kv_cache_mb=64, engine_log=str(tmp_path / "engine.log"))
    requests = real_requests(96, temperature=1.0)
    plain = get("engine", engine)().open(one, runtime)
    right = {"m1": by_id(plain.stream(requests))}
    assert plain.swap(two)
    right["m2"] = by_id(plain.stream(requests))
    plain.close()
    tolerance = 0.0 if engine == "vllm" else 2e-4
    for actors in (1, 2):
        session = Ray(of=engine, actors=actors).open(one, runtime)
        try:
            stream = session.stream(requests)
            first = list(islice(stream, 2))
            if actors == 2:
                os.kill(session.actors[0].place[1], signal.SIGKILL)
            same(by_id(iter([*first, *stream])), right["m1"], tolerance)
            assert session.swap(two)
            same(by_id(session.stream(requests)), right["m2"], tolerance)
        finally:
            session.close()
