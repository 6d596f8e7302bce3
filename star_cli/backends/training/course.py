"""What the verifiers' trainings share: the optimiser's settings, the order of the data, checkpoints, reports."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from star_cli.backends.trainers.sft import Plan, Sft, directory_of, weights_sha256
from star_cli.backends.training import loop as _loop
from star_cli.core.keys import key
from star_cli.core.parts import Verifier, VerifyJob


class Course:
    """One training of a verifier: ``lengths`` are the tokens of each unit of the data (a pair, or a solution)."""

    def __init__(self, part: Verifier, job: VerifyJob, lengths: Sequence[int], digest: str) -> None:
        s = job.settings
        self.part, self.job = part, job
        self.start = directory_of(job.start)
        self.sft = Sft(
            lr=part.lr or s.lr,
            schedule=s.schedule,
            warmup=s.warmup,
            batch=s.batch,
            lora_rank=s.lora_rank,
            lora_alpha=s.lora_alpha,
        )
        batch = min(s.batch, len(lengths))
        steps = part.steps or s.steps or math.ceil(s.epochs * len(lengths) / batch)
        micro = max(1, _loop.tokens_at_once() // max(lengths))
        self.plan = Plan(list(lengths), steps, batch, min(math.ceil(batch / micro), batch), 1, job.seed)
        self.scratch = job.scratch / "checkpoints"
        self.mark = key([part, s.lr, s.schedule, s.warmup, job.seed, steps, batch, weights_sha256(self.start), digest])

    def arguments(self, kind: type, **more: Any) -> Any:
        """TrainingArguments (or a subclass) with these settings."""
        import torch

        cuda = torch.cuda.is_available()
        made = kind(
            output_dir=str(self.scratch),
            max_steps=self.plan.steps,
            learning_rate=self.sft.lr,
            warmup_steps=self.sft.warmup,
            lr_scheduler_type=_loop.SCHEDULES[self.sft.schedule],
            weight_decay=0.0,
            max_grad_norm=1.0,
            gradient_accumulation_steps=self.plan.parts,
            per_device_train_batch_size=math.ceil(self.plan.batch / self.plan.parts),
            seed=self.job.seed % 2**32,
            use_cpu=not cuda,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_num_workers=0,
            dataloader_pin_memory=cuda,
            remove_unused_columns=False,
            **more,
        )
        if cuda:
            made._n_gpu = 1
        return made

    def watch(self) -> Any:
        """A callback that reports every step, stops at a loss that is no number, and keeps checkpoints."""
        return _loop.watch(self.sft, self.job, self.plan, self.scratch, self.mark)

    def loader(self, rows: Sequence[Any], collate: Any) -> Any:
        """The planned batches of ``rows``."""
        from torch.utils.data import DataLoader

        return DataLoader(list(rows), batch_sampler=_loop.Passes(self.plan, 0), collate_fn=collate)

    def go(self, trainer: Any) -> list[dict[str, float]]:
        """Train, from the newest checkpoint of this very course where there is one; returns what was logged."""
        from transformers import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=_loop.resumable(self.scratch, self.mark))
        shutil.rmtree(self.scratch, ignore_errors=True)
        return [entry for entry in trainer.state.log_history if "loss" in entry]

    def metrics(self, logs: list[dict[str, float]], out: Path) -> dict[str, Any]:
        """Losses over the first and the last tenth of the steps, steps, passes over the data, weights."""
        first, last = _loop.tenths([entry["loss"] for entry in logs])
        return {
            "loss_first": round(first, 6),
            "loss_last": round(last, 6),
            "steps": self.plan.steps,
            "epochs": round(self.plan.steps * self.plan.batch / len(self.plan.lengths), 3),
            "sequence_tokens": sum(self.plan.lengths[i] for rows in self.plan.stream() for i in rows),
            "start_weights": weights_sha256(self.start),
            "end_weights": weights_sha256(out),
        }
