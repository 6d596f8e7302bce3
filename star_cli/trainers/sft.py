"""sft: supervised fine-tuning with TRL; the loss is on the completion and the end of text only.

{"prompt": "17+25=", "completion": " 7+5=12 carry 1; 42", "origin": "own"}
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
import shutil
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar, Iterator, Sequence

from star_cli.canon import canonical, file_sha256, key, seed_of
from star_cli.errors import StarError
from star_cli.parts import RUNTIME, Trainer, TrainJob, need
from star_cli.records import Example
from star_cli.registry import register

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
TOKENS_AT_ONCE = 16_384  # a forward pass of about this many tokens when trainer.micro_batch is not set
CANARIES = 8
MARK = "complete.json"  # written last into a checkpoint


@register("trainer", "sft")
class Sft(Trainer):
    """AdamW on every weight, or on low-rank adapters (``lora_rank``) that are merged before saving.

    ``batch`` counts sequences of one optimiser step over all devices; the loss is the mean over their tokens, however
    they are split (``micro_batch``). An example longer than ``max_length`` tokens is left out and counted, never cut.
    """

    install: ClassVar[str] = "pip install trl peft"
    lr: float = 1e-5
    schedule: str = "constant"
    warmup: int = 0
    batch: int = 64
    weight_decay: float = 0.0
    clip: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    max_length: int | None = None
    lora_rank: int = 0
    lora_alpha: float = 32.0
    lora_dropout: float = 0.0
    lora_targets: str = "all-linear"
    micro_batch: int | None = field(default=None, metadata=RUNTIME)
    packing: bool | None = field(default=None, metadata=RUNTIME)
    gradient_checkpointing: bool = field(default=False, metadata=RUNTIME)

    def check(self) -> None:
        need(math.isfinite(self.lr) and self.lr > 0, f"trainer.lr must be > 0, got {self.lr}")
        need(self.schedule in SCHEDULES,
             f"trainer.schedule must be {', '.join(SCHEDULES)}, got {self.schedule!r}")
        need(self.batch >= 1, f"trainer.batch must be >= 1, got {self.batch}")
        for name in ("warmup", "weight_decay", "clip", "lora_rank", "lora_dropout"):
            need(getattr(self, name) >= 0, f"trainer.{name} must be >= 0, got {getattr(self, name)}")
        for name in ("beta1", "beta2", "lora_dropout"):
            need(0 <= getattr(self, name) < 1, f"trainer.{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("max_length", "micro_batch"):
            value = getattr(self, name)
            need(value is None or value >= 1, f"trainer.{name} must be >= 1 or null, got {value}")

    def train(self, job: TrainJob) -> dict[str, Any]:
        raise NotImplementedError
