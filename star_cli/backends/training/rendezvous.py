"""How the processes of one training find each other: torchrun on this machine, or on every node of a Slurm job.

srun --nodes=2 --ntasks-per-node=1 python -m torch.distributed.run --nnodes=2 --nproc-per-node=8
    --rdzv-backend=c10d --rdzv-endpoint=node-1:29417 --rdzv-id=4711-3 -m star_cli.backends.training.distributed job.json
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

from star_cli.core.keys import seed_of
from star_cli.errors import StarError, need


def torchrun(world: int, nodes: int, here: Path) -> list[str]:
    """The command that starts ``world`` processes on ``nodes`` machines; what follows it is run by each of them.

    What each writes to its standard error is kept below ``here``. Raises StarError for more machines than there are.
    """
    run = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={world // nodes}"]
    kept = [f"--log-dir={here / 'ranks'}", "--redirects=2"]
    if nodes == 1:
        return [*run, "--standalone", *kept]
    job = os.environ.get("SLURM_JOB_ID")
    need(
        job is not None and shutil.which("srun") is not None,
        f"runtime.nodes={nodes}: processes on other machines are started by Slurm, and this runs in no Slurm job",
        "use scripts/clusters/slurm.sbatch with --nodes, or runtime.nodes=1",
    )
    there = int(os.environ.get("SLURM_JOB_NUM_NODES") or os.environ.get("SLURM_NNODES") or 1)
    if there < nodes:
        raise StarError(f"runtime.nodes={nodes}, but this Slurm job has {there}", hint=f"sbatch --nodes={nodes} ...")
    name = f"{job}-{seed_of(str(here), bits=31)}"
    endpoint = f"{socket.gethostname()}:{20_000 + seed_of(name, bits=31) % 20_000}"
    return [
        *("srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--overlap", *run),
        *(f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", f"--rdzv-id={name}", *kept),
    ]
