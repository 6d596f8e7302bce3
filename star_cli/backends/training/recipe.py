"""What a fine-tuning is told: optimiser, schedule, batch, adapters. The loop, the plan and the data read it.

Recipe(lr=2e-5, schedule="cosine", warmup=10, batch=64, lora_rank=16)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

from star_cli.core.parts import RUNTIME
from star_cli.errors import need

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}  # ours, and transformers' name


@dataclass(kw_only=True)
class Recipe:
    """AdamW on every weight, or on low-rank adapters; the fields are those of the trainer ``sft``."""

    lr: float = 1e-5  # learning rate of AdamW
    schedule: str = "constant"  # constant | linear | cosine
    warmup: int = 0  # steps over which it rises
    batch: int = 64  # sequences of one step
    weight_decay: float = 0.0  # AdamW's
    clip: float = 1.0  # gradient norm; 0 is off
    beta1: float = 0.9  # AdamW's
    beta2: float = 0.999  # AdamW's
    max_length: int | None = None  # tokens of a sequence; longer ones are left out and counted
    lora_rank: int = 0  # 0 trains every weight
    lora_alpha: float = 32.0  # scale of the adapters
    lora_dropout: float = 0.0  # of the adapters
    lora_targets: str = "all-linear"  # layers that get adapters
    keep_optimizer: bool = False  # go on with the start's optimiser state
    micro_batch: int | None = field(default=None, metadata=RUNTIME)  # sequences in memory at once; null: found out
    packing: bool | None = field(
        default=None, metadata=RUNTIME
    )  # several sequences in one row; null: where the model can
    gradient_checkpointing: bool = field(default=False, metadata=RUNTIME)  # less memory for more time

    def check(self) -> None:
        """Raise a StarError for a setting without sense or without effect."""
        need(math.isfinite(self.lr) and self.lr > 0, f"trainer.lr must be > 0, got {self.lr}")
        need(
            self.schedule in SCHEDULES,
            f"trainer.schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}",
        )
        need(self.batch >= 1, f"trainer.batch must be >= 1, got {self.batch}")
        for name in ("warmup", "weight_decay", "clip", "lora_rank"):
            need(getattr(self, name) >= 0, f"trainer.{name} must be >= 0, got {getattr(self, name)}")
        for name in ("beta1", "beta2", "lora_dropout"):
            need(0 <= getattr(self, name) < 1, f"trainer.{name} must be in [0, 1), got {getattr(self, name)}")
        for f in fields(self):
            idle = f.name.startswith("lora_") and not self.lora_rank and getattr(self, f.name) != f.default
            need(
                not idle,
                f"trainer.{f.name}={getattr(self, f.name)} has no effect while trainer.lora_rank is 0",
                "set trainer.lora_rank, for example to 16",
            )
        need(
            not (self.keep_optimizer and self.lora_rank),
            "trainer.keep_optimizer=true keeps no state of adapters, which are merged when a training ends",
            "set trainer.lora_rank=0 or trainer.keep_optimizer=false",
        )
        for name in ("max_length", "micro_batch"):
            value = getattr(self, name)
            need(value is None or value >= 1, f"trainer.{name} must be >= 1 or null, got {value}")
