"""The optimiser's state between trainings: two halves with it are the whole, without it they are not."""

from __future__ import annotations

import pytest
import torch
from test_trainers import base, digest, load, one_thread, ref, sums, train  # noqa: F401  (fixtures)

from star_cli.backends.models.tiny import Tiny
from star_cli.backends.trainers.sft import Sft
from star_cli.errors import StarError

ALL = {"lr": 1e-2, "batch": 40}  # every step takes all examples, so that the order of the data plays no part


def weights(out):
    return {n: p.detach() for n, p in load(out / "model")[0].named_parameters()}


def apart(a, b):
    return max(float((a[n] - b[n]).abs().max()) for n in a)


def test_two_halves_with_the_state_are_the_whole(base, tmp_path):  # noqa: F811
    keeping = Sft(**ALL, keep_optimizer=True)
    train(base, tmp_path / "whole", Sft(**ALL), steps=8)
    train(base, tmp_path / "half", keeping, steps=4)
    half = tmp_path / "half" / "model"
    train(half, tmp_path / "with", keeping, steps=4)
    train(half, tmp_path / "without", Sft(**ALL), steps=4)
    whole = weights(tmp_path / "whole")
    assert apart(whole, weights(tmp_path / "with")) < 1e-4
    assert apart(whole, weights(tmp_path / "without")) > 1e-3
    state = torch.load(tmp_path / "with" / "model" / "optimizer.pt", weights_only=True)
    assert {float(s["step"]) for s in state.values()} == {8.0}


def test_a_new_learning_rate_is_not_overruled_by_the_state(base, tmp_path):  # noqa: F811
    train(base, tmp_path / "half", Sft(**ALL, keep_optimizer=True), steps=4)
    half = tmp_path / "half" / "model"
    train(half, tmp_path / "still", Sft(lr=1e-12, batch=40, keep_optimizer=True), steps=2)
    assert apart(weights(tmp_path / "half"), weights(tmp_path / "still")) < 1e-6


def test_the_state_is_kept_only_when_asked_for_and_alike_each_time(base, tmp_path):  # noqa: F811
    train(base, tmp_path / "plain", Sft(**ALL), steps=2)
    assert "optimizer.pt" not in digest(tmp_path / "plain")
    for place in ("a", "b"):
        train(base, tmp_path / place, Sft(**ALL, keep_optimizer=True), steps=2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") and "optimizer.pt" in digest(tmp_path / "a")


def test_the_state_of_other_weights_is_a_sentence(base, tmp_path):  # noqa: F811
    train(base, tmp_path / "half", Sft(**ALL, keep_optimizer=True), steps=1)
    other = tmp_path / "other"
    texts = [e.prompt + e.completion for e in sums(40)]
    Tiny(layers=1, width=64, heads=1, context=512, vocab=290).initialise(texts, other, 0)
    (other / "optimizer.pt").write_bytes((tmp_path / "half" / "model" / "optimizer.pt").read_bytes())
    with pytest.raises(StarError, match="not the optimiser state of these weights"):
        train(other, tmp_path / "no", Sft(**ALL, keep_optimizer=True), steps=1)


def test_adapters_have_no_state_to_keep():
    with pytest.raises(StarError, match="adapters"):
        Sft(lora_rank=4, keep_optimizer=True).check()
