"""Training in several processes: the batch and the loss do not depend on how many, and a death costs little."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from test_trainers import EXAMPLES, agree, base, one_thread, ref, train  # noqa: F401

from star_cli.backends.trainers.sft import Sft
from star_cli.backends.training import environment
from star_cli.backends.training.rendezvous import torchrun
from star_cli.core.parts import TrainJob
from star_cli.core.settings import Runtime
from star_cli.errors import StarError

PART = Sft(lr=1e-3, batch=8)


def job(start: Path, home: Path, *, steps: int = 6, **runtime: object) -> TrainJob:
    return TrainJob(
        start=ref(start), examples=EXAMPLES, out=home / "model", scratch=home / "scratch", seed=3, steps=steps,
        runtime=Runtime(checkpoint_minutes=0.0, **runtime),  # a checkpoint after every step
    )  # fmt: skip


def losses(work: TrainJob, part: Sft = PART) -> list[float]:
    seen: list[float] = []
    work.progress = lambda done, total, loss: seen.append(loss)
    part.train(work)
    return seen


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    """Set how many processes train; without GPUs it would always be one."""

    def set_to(count: int) -> None:
        monkeypatch.setattr(environment, "processes", lambda runtime: count)

    return set_to


@pytest.mark.slow
def test_one_two_and_four_processes_have_the_same_losses(base, tmp_path, world):  # noqa: F811
    one = losses(job(base, tmp_path / "1"))
    assert len(one) == 6
    for count in (2, 4):
        world(count)
        assert losses(job(base, tmp_path / str(count))) == pytest.approx(one, abs=2e-4), count
        agree(tmp_path / str(count))


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
def test_sharded_weights_have_the_same_losses(base, tmp_path, world, checkpointing):  # noqa: F811
    one = losses(job(base, tmp_path / "1"))
    world(2)
    part = Sft(lr=1e-3, batch=8, gradient_checkpointing=checkpointing)
    assert losses(job(base, tmp_path / "2", shard="always"), part) == pytest.approx(one, abs=2e-4)
    agree(tmp_path / "2")


def process_of(rank: int, work: TrainJob) -> int | None:
    """The process of a rank of this very training."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes().split(b"\0")
            variables = (place / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = str(work.scratch).encode() in b" ".join(line) and b"torch.distributed.run" not in line
        if ours and f"RANK={rank}".encode() in variables:
            return int(place.name)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [1, 0])
def test_a_killed_process_costs_a_restart_from_the_checkpoint_or_is_named(base, tmp_path, world, restarts):  # noqa: F811
    one = losses(job(base, tmp_path / "1", steps=8))
    world(2)
    work, seen, killed = job(base, tmp_path / "2", steps=8, max_restarts=restarts), [], threading.Event()

    def progress(done: int, total: int, loss: float) -> None:
        seen.append((done, loss))
        if done == 3 and not killed.is_set():
            killed.set()
            pid = process_of(1, work)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

    work.progress = progress
    if restarts:
        PART.train(work)
        assert dict(seen) == {n: pytest.approx(loss, abs=2e-4) for n, loss in enumerate(one, 1)}
        assert [n for n, _ in seen].count(1) == 1, "it went on from a checkpoint"
        agree(tmp_path / "2")
    else:
        with pytest.raises(StarError, match=r"process 1 of the training was killed by SIGKILL, after 0 restart"):
            PART.train(work)


SRUN = """#!/bin/bash
# two "nodes" on one machine: every task runs what follows the options of srun
while [[ $1 == --* ]]; do shift; done
"$@" & first=$!
"$@" & second=$!
trap 'kill $first $second' TERM
wait $first; one=$?
wait $second; two=$?
exit $((one > two ? one : two))
"""


@pytest.mark.slow
def test_two_nodes_of_a_slurm_job_meet_and_train_like_one_process(base, tmp_path, world, monkeypatch):  # noqa: F811
    one = losses(job(base, tmp_path / "1"))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "srun").write_text(SRUN)
    (tools / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    world(2)
    assert losses(job(base, tmp_path / "2", nodes=2)) == pytest.approx(one, abs=2e-4)


def test_more_nodes_than_there_are_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(StarError, match="runs in no Slurm job"):
        torchrun(4, 2, tmp_path)
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    with pytest.raises(StarError, match="this Slurm job has 1"):
        torchrun(4, 2, tmp_path)
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    line = torchrun(16, 2, tmp_path)
    assert line[:3] == ["srun", "--nodes=2", "--ntasks=2"] and "--nproc-per-node=8" in line and "--nnodes=2" in line


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shard": "perhaps"}, "runtime.shard must be"),
        ({"cpu_offload": True}, "has no effect unless"),
        ({"nodes": 0}, "runtime.nodes must be >= 1"),
        ({"max_restarts": -1}, "runtime.max_restarts must be >= 0"),
        ({"grace_seconds": 0.0}, "runtime.grace_seconds must be > 0"),
    ],
)
def test_settings_of_the_runtime_without_sense_are_refused(settings, words):
    with pytest.raises(StarError, match=words):
        Runtime(**settings).check()
