"""Training by rewards: GRPO on TRL's loop samples, asks for rewards, learns what is rewarded and counts what it did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_verifiers import RUNTIME, one_thread, ref, sft  # noqa: F401  (fixtures)

from star_cli.backends.trainers.sft import Sft
from star_cli.backends.weights import weights_sha256
from star_cli.core.parts import GroupPolicy, PolicyJob
from star_cli.core.settings import Sampling
from star_cli.errors import StarError

POLICY = GroupPolicy(
    group=4,
    kl=0.0,
    clip=0.2,
    updates=1,
    loss="grpo",
    scale=True,
    sampling=Sampling(temperature=1.0),
    max_tokens=12,
    stop=(),
)
PROMPTS = {f"p{a}": f"{a}?" for a in range(10, 22)}


def even(completion):
    """The solutions that the start writes end in an even digit or in an odd one, half and half."""
    last = completion.text.strip()[-1:]
    return float(last.isdigit() and int(last) % 2 == 0)


class Watched:
    """A reward that remembers what it was asked."""

    def __init__(self, reward=even):
        self.reward, self.steps = reward, []

    def __call__(self, completions):
        self.steps.append(completions)
        return [self.reward(c) for c in completions]


def job(start, out, reward, **changes):
    (out / "model").mkdir(parents=True)
    policy = replace(POLICY, **{k: v for k, v in changes.items() if hasattr(POLICY, k)})
    return PolicyJob(
        start=ref(start), prompts=PROMPTS, reward=reward, policy=policy, steps=changes.get("steps", 3),
        out=out / "model", scratch=out / "scratch", seed=5, runtime=RUNTIME, vllm=changes.get("vllm", False),
    )  # fmt: skip


@pytest.fixture(scope="module")
def learnt(sft, tmp_path_factory):  # noqa: F811
    out, reward = tmp_path_factory.mktemp("policy"), Watched()
    return out, reward, Sft(lr=3e-3, batch=16).reinforce(job(sft, out, reward, steps=25))


def test_what_is_rewarded_becomes_more_frequent(sft, learnt):  # noqa: F811
    out, reward, metrics = learnt
    shares = [sum(map(even, step)) / len(step) for step in reward.steps]
    assert sum(shares[:5]) / 5 < 0.75 and sum(shares[-5:]) / 5 > 0.9, shares
    assert metrics["reward_last"] > metrics["reward_first"]
    assert metrics["start_weights"] == weights_sha256(sft) != metrics["end_weights"] == weights_sha256(out / "model")


def test_a_step_asks_whole_groups_and_every_sample_has_its_own_number(learnt):
    _, reward, metrics = learnt
    for step in reward.steps:
        problems = [c.id[0] for c in step]
        assert len(step) == 16 and problems == [p for p in problems[::4] for _ in range(4)]
    ids = [c.id for step in reward.steps for c in step]
    assert len(ids) == len(set(ids)) == metrics["samples"] == 25 * 16
    assert {c.finish for step in reward.steps for c in step} <= {"stop", "length"}
    assert all(c.tokens == 12 for step in reward.steps for c in step if c.finish == "length")


def test_tokens_written_and_trained_on_are_counted(sft, learnt, tmp_path):  # noqa: F811
    _, reward, metrics = learnt
    written = sum(c.tokens for step in reward.steps for c in step)
    assert metrics["tokens"] == written < metrics["sequence_tokens"] and metrics["scored_tokens"] == 0
    told = Sft(lr=1e-4, batch=8).reinforce(job(sft, tmp_path, Watched(), kl=0.04, updates=2, steps=4))
    assert told["samples"] == 2 * 8 and told["steps"] == 4, "two updates on each of two batches"
    assert told["scored_tokens"] == told["sequence_tokens"], "by the reference and by the old policy, once each"


def test_the_same_training_gives_the_same_bytes(sft, tmp_path):  # noqa: F811
    ends = [
        Sft(lr=1e-3, batch=8).reinforce(job(sft, tmp_path / n, Watched(), kl=0.1))["end_weights"] for n in ("a", "b")
    ]
    assert ends[0] == ends[1]


def test_equal_rewards_and_no_distance_to_weigh_leave_the_weights_as_they_are(sft, tmp_path):  # noqa: F811
    metrics = Sft(lr=1e-3, batch=8).reinforce(job(sft, tmp_path, Watched(lambda c: 1.0)))
    assert metrics["even_groups"] == 1 and metrics["end_weights"] == metrics["start_weights"]


def test_a_stop_text_ends_a_completion_and_is_not_part_of_it(sft, tmp_path):  # noqa: F811
    reward = Watched()
    Sft(lr=1e-4, batch=8).reinforce(job(sft, tmp_path, reward, stop=(" so",), steps=2))
    done = [c for step in reward.steps for c in step]
    assert all(" so" not in c.text for c in done) and any(c.finish == "stop" and c.text == "" for c in done)
    assert all(c.tokens < 12 for c in done if c.text == "")


def test_groups_that_do_not_fit_are_a_sentence(sft, tmp_path):  # noqa: F811
    with pytest.raises(StarError, match="trainer.batch=6 completions a step are no whole number of groups of 4"):
        Sft(batch=6).reinforce(job(sft, tmp_path / "a", Watched()))
    with pytest.raises(StarError, match="asks 16 problems, and there are 12"):
        Sft(batch=64).reinforce(job(sft, tmp_path / "b", Watched()))
    with pytest.raises(StarError, match="vllm=true needs a CUDA device"):
        Sft(batch=8).reinforce(job(sft, tmp_path / "c", Watched(), vllm=True))
    with pytest.raises(StarError, match="more than the context of 256"):
        Sft(batch=8).reinforce(job(sft, tmp_path / "d", Watched(), max_tokens=300))
