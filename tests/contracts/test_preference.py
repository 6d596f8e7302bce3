"""Preference training of a generator: DPO from the last model, with and without the likelihood of the chosen (RPO)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from test_verifiers import DATA, PAIRS, RUNTIME, one_thread, ref, sft  # noqa: F401  (fixtures)

from star_cli.backends.tokens import load_tokenizer
from star_cli.backends.trainers.sft import Sft
from star_cli.backends.training.forward import encode_pairs, likelihoods
from star_cli.backends.weights import weights_sha256
from star_cli.core.parts import PreferenceJob
from star_cli.errors import StarError


def job(start, out, **settings):
    (out / "model").mkdir(parents=True)
    defaults = {"beta": 0.1, "nll": 0.0, "steps": 30, "pairs": PAIRS}
    return PreferenceJob(
        start=ref(start),
        out=out / "model",
        scratch=out / "scratch",
        seed=3,
        runtime=RUNTIME,
        **{**defaults, **settings},
    )


def chosen_nll(model) -> float:
    """The mean over pairs of -log P(chosen) / tokens, by a plain forward pass."""
    items = [(p, right) for _, p, right, _ in DATA]
    lengths = [len(c) for _, c in encode_pairs(ref(model), load_tokenizer(ref(model)), items)]
    return -sum(v / n for v, n in zip(likelihoods(ref(model), items, 1), lengths, strict=True)) / len(items)


def test_the_loss_is_dpos_and_the_likelihood_of_the_chosen(sft, tmp_path):  # noqa: F811
    """Before the first step policy and reference are one: -log sigmoid(0), and nll times the chosen's loss a token."""
    trainer = Sft(lr=1e-9, batch=len(PAIRS))
    for nll in (0.0, 0.5, 1.0):
        metrics = trainer.prefer(job(sft, tmp_path / str(nll), nll=nll, steps=1))
        assert metrics["loss_first"] == pytest.approx(math.log(2) + nll * chosen_nll(sft), abs=2e-4)
        assert metrics["start_weights"] == weights_sha256(sft) and metrics["pairs"] == len(PAIRS)


def test_the_likelihood_term_keeps_the_chosen_likely_and_both_learn_to_rank(sft, tmp_path):  # noqa: F811
    trainer = Sft(lr=5e-3, batch=16)
    losses, ranked = {}, {}
    for nll in (0.0, 1.0):
        out = tmp_path / str(nll)
        ranked[nll] = trainer.prefer(job(sft, out, nll=nll))["preferred_last"]
        losses[nll] = chosen_nll(out / "model")
    assert min(ranked.values()) > 0.9, ranked
    assert losses[1.0] < chosen_nll(sft) and losses[1.0] < losses[0.0], losses


def test_what_both_sides_and_the_reference_read_is_counted(sft, tmp_path):  # noqa: F811
    whole = Sft(lr=1e-3, batch=len(PAIRS)).prefer(job(sft, tmp_path / "a", steps=1))
    assert whole["sequence_tokens"] == whole["scored_tokens"] > 0
    twice = Sft(lr=1e-3, batch=len(PAIRS)).prefer(job(sft, tmp_path / "b", steps=2))
    assert twice["sequence_tokens"] == 2 * twice["scored_tokens"] == 2 * whole["scored_tokens"]


def test_an_optimiser_that_is_to_be_kept_is_refused(sft, tmp_path):  # noqa: F811
    with pytest.raises(StarError, match="keep_optimizer=true keeps no state"):
        replace(Sft(), keep_optimizer=True).prefer(job(sft, tmp_path / "c"))
