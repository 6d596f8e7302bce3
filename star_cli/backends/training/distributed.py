"""Training in one process a GPU: each of them runs this module under torchrun.

``torchrun --nproc-per-node=4 -m star_cli.backends.training.distributed job.json``: all of them train, the first writes
the model and says ``{"step": 3, "loss": 1.9}`` on its standard output after every step.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from star_cli.backends.model_config import model_class
from star_cli.backends.threads import cpu_count
from star_cli.backends.training.checkpoints import Checkpoints
from star_cli.backends.training.data import encode_examples
from star_cli.backends.training.environment import training_environment
from star_cli.backends.training.loop import fit
from star_cli.backends.training.plan import Plan
from star_cli.backends.training.progress import STOP
from star_cli.backends.training.recipe import Recipe
from star_cli.backends.training.rendezvous import torchrun
from star_cli.backends.weights import save_model
from star_cli.core import preemption
from star_cli.core.parts import ModelRef, TrainJob
from star_cli.core.records import Example, encode, read_records
from star_cli.core.settings import Runtime
from star_cli.errors import Preempted, StarError

LINES = 8  # of a failed process's output in an error


# ---- in the process that starts them -------------------------------------------------------------------------------
def fit_in_processes(
    recipe: Recipe, job: TrainJob, plan: Plan, checkpoints: Checkpoints, resume: str | None
) -> tuple[list[float], Any]:
    """``loop.fit`` in ``plan.world`` processes that write the model to ``job.out``; returns it whole.

    Where a process dies all go on from the newest checkpoint, ``runtime.max_restarts`` times. Raises StarError with the
    last lines of the process that failed first, and what a process itself reports, at once.
    """
    import torch

    here = job.scratch / "processes"
    for attempt in range(job.runtime.max_restarts + 1):
        _write_job(here, recipe, job, plan, checkpoints, checkpoints.newest() if attempt else resume)
        code = _run(here, job, plan)
        if (here / "losses.json").exists():
            break
        preemption.stop_if_asked()
        reported = _reported(here)
        if reported or attempt == job.runtime.max_restarts:
            raise reported or _failure(here, code, attempt)
    losses = json.loads((here / "losses.json").read_bytes())
    shutil.rmtree(here)
    trained = ModelRef(key="", path=str(job.out))
    model = model_class(trained).from_pretrained(trained.path, dtype=torch.float32)
    return losses, model.to("cuda" if torch.cuda.is_available() else "cpu")


def _run(here: Path, job: TrainJob, plan: Plan) -> int:
    """Train once in all processes; returns the exit code. A signal to end becomes a checkpoint first."""
    threads = max(1, (job.runtime.train_threads or cpu_count()) * job.runtime.nodes // plan.world)
    line = [*torchrun(plan.world, job.runtime.nodes, here), "-m", __name__, str(here / "job.json")]
    with (
        preemption.finishing_steps(),
        open(here / "log.txt", "wb") as log,
        subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={"OMP_WAIT_POLICY": "passive", **os.environ, "OMP_NUM_THREADS": str(threads)},
        ) as running,
    ):
        try:
            for text in running.stdout or ():
                if text.startswith('{"step"'):
                    report = json.loads(text)
                    job.progress(report["step"], plan.steps, report["loss"])
                if preemption.is_asked():
                    (here / STOP).touch()
        finally:
            running.terminate()  # nothing to end when all went well
    return running.returncode


def _write_job(
    here: Path, recipe: Recipe, job: TrainJob, plan: Plan, checkpoints: Checkpoints, resume: str | None
) -> None:
    """All that the processes need, as files in ``here``: the examples under numbers of their own, and job.json."""
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    (here / "examples.jsonl").write_bytes(b"".join(encode(e) for e in _numbered(job.examples)))
    body = {
        "recipe": {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__},
        "start": asdict(job.start),
        "out": str(job.out),
        "checkpoints": str(checkpoints.folder),
        "fingerprint": checkpoints.fingerprint,
        "seed": job.seed,
        "runtime": asdict(job.runtime),
        "steps": plan.steps,
        "world": plan.world,
        "resume": resume,
    }
    (here / "job.json").write_text(json.dumps(body))


def _numbered(examples: Sequence[Example]) -> list[Example]:
    """The same texts and pictures; one problem may have several of them, and a file takes each name once."""
    return [
        Example(problem_id=str(i), sample=0, prompt=e.prompt, completion=e.completion, origin=e.origin, images=e.images)
        for i, e in enumerate(examples)
    ]


def _reported(here: Path) -> StarError | None:
    """What one of the processes reported before all ended: more tries would not change it."""
    for report in sorted(here.glob("error-*.json")):
        error = json.loads(report.read_bytes())
        return StarError(error["what"], hint=error["hint"])
    return None


def _failure(here: Path, code: int, restarts: int) -> StarError:
    """The process that failed first, as torchrun names it, with the last lines it wrote."""
    log = (here / "log.txt").read_text(errors="replace")
    cause = log.rpartition("Root Cause")[2]
    rank, end = re.search(r"rank\s*:\s*(\d+)", cause), re.search(r"exitcode\s*:\s*(-?\d+)", cause)
    name = f"process {rank[1]}" if rank else "torchrun"
    ended = int(end[1]) if end else code
    how = f"was killed by {signal.Signals(-ended).name}" if ended < 0 else f"ended with code {ended}"
    own = [p for p in sorted(here.glob("ranks/**/stderr.log")) if rank and p.parent.name == rank[1]]
    text = own[-1].read_text(errors="replace") if own and own[-1].stat().st_size else log
    lines = [line for line in text.splitlines() if line.strip()][-LINES:]
    return StarError(
        f"{name} of the training {how}, after {restarts} restart(s)"
        + ("; its last lines:\n" + "\n".join(f"    {line[:300]}" for line in lines) if lines else ""),
        hint=f"its log is below {here}; the same command goes on from the last checkpoint, and runtime.gpus=1 trains "
        "in one process",
    )


# ---- in each of the processes --------------------------------------------------------------------------------------
def main(path: str) -> None:
    """Train as one of several processes, as ``path`` (job.json) says."""
    here, rank = Path(path).parent, int(os.environ["RANK"])
    try:
        with training_environment(int(os.environ["OMP_NUM_THREADS"])):
            _fit(json.loads(Path(path).read_bytes()), here, rank)
    except Preempted:
        raise SystemExit(preemption.EXIT_CODE) from None
    except StarError as e:
        (here / f"error-{rank}.json").write_text(json.dumps({"what": e.what, "hint": e.hint}))
        raise SystemExit(1) from e


def _fit(body: dict[str, Any], here: Path, rank: int) -> None:
    import torch

    def report(done: int, total: int, loss: float) -> None:
        print(json.dumps({"step": done, "loss": loss}), flush=True)

    job = TrainJob(
        start=ModelRef(**body["start"]),
        examples=list(read_records(here / "examples.jsonl", Example)),
        out=Path(body["out"]),
        scratch=here,
        seed=body["seed"],
        runtime=Runtime(**body["runtime"]),
        steps=body["steps"],
        progress=report,
    )
    recipe = Recipe(**body["recipe"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    data = encode_examples(recipe, job)
    plan = Plan.of(recipe, job, data.lengths(), body["world"])
    checkpoints = Checkpoints(Path(body["checkpoints"]), body["fingerprint"])
    losses, model = fit(recipe, job, data, plan, checkpoints, body["resume"])
    if rank == 0:
        save_model(model, Path(job.start.path), job.out)
        (here / "losses.json").write_text(json.dumps(losses))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
