"""Training in one process a GPU: each of them runs this module under torchrun.

``torchrun --nproc-per-node=4 -m star_cli.backends.training.distributed job.json``: all of them train, the first writes
the model and says ``{"step": 3, "loss": 1.9}`` on its standard output after every step.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from star_cli.backends.training import loop as _loop
from star_cli.backends.training import vision as _vision
from star_cli.core.parts import ModelRef, TrainJob
from star_cli.core.records import Example, encode, read_records
from star_cli.core.settings import Runtime
from star_cli.errors import StarError

if TYPE_CHECKING:
    from star_cli.backends.trainers.sft import Plan, Sft


def fit_apart(
    part: Sft, job: TrainJob, plan: Plan, scratch: Path, mark: str, resume: str | None
) -> tuple[list[float], Any]:
    """``fit`` in ``plan.world`` processes that write the model to ``job.out``; returns it whole."""
    import torch

    here = job.scratch / "processes"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    (here / "examples.jsonl").write_bytes(
        b"".join(
            encode(
                Example(
                    problem_id=str(i),
                    sample=0,
                    prompt=e.prompt,
                    completion=e.completion,
                    origin=e.origin,
                    images=e.images,
                )
            )
            for i, e in enumerate(job.examples)
        )
    )
    (here / "job.json").write_text(
        json.dumps(
            {
                "part": asdict(part),
                "start": asdict(job.start),
                "out": str(job.out),
                "checkpoints": str(scratch),
                "seed": job.seed,
                "runtime": asdict(job.runtime),
                "steps": plan.steps,
                "world": plan.world,
                "mark": mark,
                "resume": resume,
            }
        )
    )
    threads = max(1, (job.runtime.train_threads or len(os.sched_getaffinity(0))) // plan.world)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={plan.world}",
        "-m",
        __name__,
        str(here / "job.json"),
    ]
    with (
        open(here / "log.txt", "wb") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={"OMP_WAIT_POLICY": "passive", **os.environ, "OMP_NUM_THREADS": str(threads)},
        ) as running,
    ):
        try:
            for line in running.stdout or ():
                if line.startswith('{"step"'):
                    said = json.loads(line)
                    job.progress(said["step"], plan.steps, said["loss"])
        finally:
            running.terminate()  # nothing to end when all went well
    if not (here / "losses.json").exists():
        raise _failure(here, running.returncode)
    losses = json.loads((here / "losses.json").read_bytes())
    shutil.rmtree(here)
    model = _vision.model_class(str(job.out)).from_pretrained(str(job.out), dtype=torch.float32)
    return losses, model.to("cuda" if torch.cuda.is_available() else "cpu")


def _failure(here: Path, code: int) -> StarError:
    """What one of the processes said before all ended, or the last words of their log."""
    for said in sorted(here.glob("error-*.json")):
        error = json.loads(said.read_bytes())
        return StarError(error["what"], hint=error["hint"])
    words = [line for line in (here / "log.txt").read_text(errors="replace").splitlines() if line.strip()]
    return StarError(
        f"the training processes ended with code {code}: {words[-1] if words else 'without a word'}",
        hint=f"their log is {here / 'log.txt'}; runtime.gpus=1 trains in one process",
    )


def main(path: str) -> None:
    """One of several training processes."""
    import torch

    from star_cli.backends.trainers import sft

    given = json.loads(Path(path).read_bytes())
    rank = int(os.environ["RANK"])
    here = Path(path).parent

    def report(done: int, total: int, loss: float) -> None:
        print(json.dumps({"step": done, "loss": loss}), flush=True)

    job = TrainJob(
        start=ModelRef(**given["start"]),
        examples=list(read_records(here / "examples.jsonl", Example)),
        out=Path(given["out"]),
        scratch=here,
        seed=given["seed"],
        runtime=Runtime(**given["runtime"]),
        steps=given["steps"],
        progress=report,
    )
    part = sft.Sft(**given["part"])
    try:
        with _loop.ground(int(os.environ["OMP_NUM_THREADS"])):
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            start = sft.directory_of(job.start)
            data = sft.encode(part, job, start)
            plan = sft.Plan.of(part, job, data, given["world"])
            checkpoints = Path(given["checkpoints"])
            losses, model = _loop.fit(part, job, start, data, plan, checkpoints, given["mark"], given["resume"])
            if rank == 0:
                sft.save(model, start, job.out)
                (here / "losses.json").write_text(json.dumps(losses))
            torch.distributed.destroy_process_group()
    except StarError as e:
        (here / f"error-{rank}.json").write_text(json.dumps({"what": e.what, "hint": e.hint}))
        raise SystemExit(1) from e


if __name__ == "__main__":
    main(sys.argv[1])
