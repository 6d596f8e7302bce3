"""One engine for the whole run: weights are swapped into it, and a canary tells when they did not arrive."""

import json
from dataclasses import replace

import pytest

from star_cli.backends.engines.fake import Fake, FakeSession, fake_score
from star_cli.core.parts import ModelRef
from star_cli.core.settings import Runtime
from star_cli.errors import StarError
from star_cli.run.live_engine import LiveEngine, distance, stale


def model(tmp_path, name: str, skill: float, canary: bool = True) -> ModelRef:
    place = tmp_path / name
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text(json.dumps({"skill": skill}))
    told = (
        tuple(
            {"prompt": "p", "completion": "c" * n, "tokens": n + 1, "logprob": fake_score(skill, "p", "c" * n)}
            for n in (3, 5)
        )
        if canary
        else ()
    )
    return ModelRef(name, str(place), dtype="float32", canary=told)


class Said(list):
    """What was said, but for the line that tells of every start."""

    def append(self, text: str) -> None:
        if not text.startswith("starting the engine"):
            super().append(text)


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def live_engine():
    made = LiveEngine()
    FakeSession.died = False
    yield made
    made.close()


def test_one_session_lives_on_and_takes_new_weights(tmp_path, live_engine, said):
    one, two = model(tmp_path, "one", 0.2), model(tmp_path, "two", 0.8)
    first = live_engine.session(Fake(), one, Runtime(), said.append)
    assert live_engine.session(Fake(), one, Runtime(), said.append) is first
    second = live_engine.session(Fake(), two, Runtime(), said.append)
    assert second is first and second.model.key == "two" and second.skill == 0.8
    assert (live_engine.opened, live_engine.swapped, said) == (1, 1, [])


def test_a_stale_swap_is_caught_by_the_canary_and_the_engine_started_anew(tmp_path, live_engine, said):
    live_engine.session(Fake(stale=True), model(tmp_path, "one", 0.2), Runtime(), said.append)
    fresh = live_engine.session(Fake(stale=True), model(tmp_path, "two", 0.8), Runtime(), said.append)
    assert fresh.skill == 0.8 and live_engine.opened == 2
    assert len(said) == 1 and "did not take the new weights" in said[0] and "did not change at all" in said[0]


def test_a_swap_that_lands_far_from_the_trainer_is_caught(tmp_path, live_engine, said):
    class Lost(FakeSession):
        def swap(self, model: ModelRef) -> bool:
            super().swap(model)
            self.skill = 0.05
            return True

    class Losing(Fake):
        __part__ = "engine/losing/1"

        def open(self, model: ModelRef, runtime: Runtime) -> FakeSession:
            return Lost(self, model)

    live_engine.session(Losing(), model(tmp_path, "one", 0.2), Runtime(), said.append)
    assert live_engine.session(Losing(), model(tmp_path, "two", 0.8), Runtime(), said.append).skill == 0.8
    assert live_engine.opened == 2 and "nats a token from the trainer's" in said[0]


def test_weights_without_a_canary_are_never_trusted_to_a_swap(tmp_path, live_engine, said):
    live_engine.session(Fake(), model(tmp_path, "one", 0.2), Runtime(), said.append)
    live_engine.session(Fake(), model(tmp_path, "two", 0.8, canary=False), Runtime(), said.append)
    assert live_engine.opened == 2 and "no canary" in said[0]


def test_another_engine_is_opened_anew(tmp_path, live_engine, said):
    one = model(tmp_path, "one", 0.2)
    live_engine.session(Fake(), one, Runtime(), said.append)

    class Other(Fake):
        __part__ = "engine/other/1"

    live_engine.session(Other(), one, Runtime(), said.append)
    assert live_engine.opened == 2


def test_an_engine_that_disagrees_from_the_start_is_a_sentence(tmp_path, live_engine, said):
    one = model(tmp_path, "one", 0.2)
    off = replace(one, canary=tuple({**c, "logprob": c["logprob"] - 9.0} for c in one.canary))
    with pytest.raises(StarError, match="the engine and the trainer disagree about the model"):
        live_engine.session(Fake(), off, Runtime(), said.append)


def test_an_engine_that_sleeps_is_woken_before_it_is_used(tmp_path, live_engine, said, monkeypatch):
    calls = []
    monkeypatch.setattr(FakeSession, "sleep", lambda self: calls.append("sleep"))
    monkeypatch.setattr(FakeSession, "wake", lambda self: calls.append("wake"))
    one = model(tmp_path, "one", 0.2)
    live_engine.session(Fake(), one, Runtime(), said.append)
    live_engine.sleep(print)
    live_engine.sleep(print)
    live_engine.session(Fake(), one, Runtime(), said.append)
    assert calls == ["sleep", "wake"]


@pytest.mark.parametrize(
    ("dtype", "before", "after", "fresh"),
    [
        ("float32", [-5.0], [-2.0], True),  # exactly the trainer's
        ("float32", [-5.0], [-2.015], True),  # within 0.01 nats a token
        ("float32", [-2.04], [-2.03], False),  # neither within it nor half as far as before
        ("float32", [-5.0], [-3.4], True),  # less than half as far as before
        ("float32", [-5.0], [-3.6], False),
        ("float32", [-5.0], [-5.0], False),  # nothing changed
        ("float32", [-2.0], [-2.0], True),  # nothing changed, and it was right before
        ("bfloat16", [-2.4], [-2.19], True),  # half precision is given more room
    ],
)
def test_the_tolerance_of_the_canary(tmp_path, dtype, before, after, fresh):
    told = ModelRef("m", "x", dtype=dtype, canary=({"prompt": "", "completion": "", "tokens": 2, "logprob": -2.0},))
    assert (stale(told, before, after) is None) == fresh


def test_the_distance_is_a_mean_over_tokens(tmp_path):
    canary = (
        {"prompt": "", "completion": "", "tokens": 2, "logprob": -2.0},
        {"prompt": "", "completion": "", "tokens": 8, "logprob": -9.0},
    )
    assert distance(ModelRef("m", "x", canary=canary), [-3.0, -8.0]) == pytest.approx(0.2)
    assert distance(ModelRef("m", "x"), []) == 0.0


def test_a_run_with_a_stale_engine_ends_like_one_without(star, home, tmp_path):
    from star_cli.store.artifacts import Store

    small = ["model=fake", "rounds=2", "task.train=60", "problems=60", "task.dev=10", "name=demo"]
    told = star("run", *small, "engine.stale=true").out
    assert told.count("did not take the new weights") >= 2
    other = tmp_path / "other"
    other.mkdir()
    star("run", *small, at=other)
    both = [
        {k: {n: f.sha256 for n, f in s.get(k).manifest.files.items()} for k in s.keys()}
        for s in (Store(home / "artifacts"), Store(other / "artifacts"))
    ]
    assert both[0] == both[1]
