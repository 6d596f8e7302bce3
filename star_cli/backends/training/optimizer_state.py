"""The optimiser's state between two trainings: kept beside the weights when asked for, and taken up by the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from star_cli.errors import StarError

STATE_FILE = "optimizer.pt"  # {index of a weight: {"step", "exp_avg", "exp_avg_sq"}}, in the optimiser's own order


def save_state(optimizer: Any, out: Path) -> None:
    """Write the moments and step counts; learning rates belong to a training's own settings."""
    import torch

    out.mkdir(parents=True, exist_ok=True)
    torch.save(optimizer.state_dict()["state"], out / STATE_FILE)


def load_state(trainer: Any, start: Path) -> bool:
    """Begin with the state that was kept beside the weights in ``start``; False where none was."""
    import torch

    if not (start / STATE_FILE).exists():
        return False
    state = torch.load(start / STATE_FILE, map_location="cpu", weights_only=True)
    optimizer = trainer.create_optimizer()
    groups = optimizer.state_dict()["param_groups"]
    sizes = [p.shape for group in optimizer.param_groups for p in group["params"]]
    if sorted(state) != list(range(len(sizes))) or any(
        state[i]["exp_avg"].shape != size for i, size in enumerate(sizes)
    ):
        raise StarError(
            f"{start / STATE_FILE} is not the optimiser state of these weights",
            hint="train the start anew, or set trainer.keep_optimizer=false",
        )
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return True
