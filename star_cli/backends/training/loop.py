"""The training loop of ``sft``: TRL's SFTTrainer over planned sequences, in this process, with checkpoints."""

from __future__ import annotations

import copy
import gc
import json
import logging
import math
import os
import random
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from star_cli.backends.training import optimizer_state as _optimizer
from star_cli.backends.training import vision as _vision
from star_cli.core.parts import TrainJob, VerifyJob
from star_cli.errors import StarError

if TYPE_CHECKING:
    from star_cli.backends.trainers.sft import Data, Plan, Sft

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
MARK = "complete.json"  # written last into a checkpoint; one without it does not count
LEAN = ("LlamaForCausalLM", "Idefics3ForConditionalGeneration")  # body ``model``, head ``lm_head``
ROOM = "lower trainer.micro_batch, or set trainer.gradient_checkpointing=true or trainer.lora_rank=16"


def diverged(part: Sft, step: int, steps: int) -> StarError:
    """What is said when a loss, a gradient or the result is not a number."""
    return StarError(
        f"the loss is not finite at step {step} of {steps} with trainer.lr={part.lr}; nothing was saved",
        hint=f"lower it, for example trainer.lr={part.lr / 10:.1g}, or raise trainer.warmup",
    )


def processes(gpus: int) -> int:
    """How many processes train: one for each GPU that is asked for and there."""
    import torch

    return max(1, min(gpus, int(torch.cuda.device_count())))


def tokens_at_once() -> int:
    """About how many tokens one forward pass takes when ``micro_batch`` is not set: a CPU gains from little padding."""
    import torch

    return 16_384 if torch.cuda.is_available() else 1536


@contextmanager
def ground(threads: int) -> Iterator[None]:
    """Training's own surroundings; what it changes in this process is put back afterwards.

    CPU threads (0: all cores this process may use), quiet libraries, the environment and the random state.
    """
    import datasets
    import numpy as np
    import torch
    from transformers.utils import logging as hf

    set_threads = getattr(torch, "_star_set_num_threads", torch.set_num_threads)  # vLLM replaces the public one
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), hf.get_verbosity()
    bars = hf.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    environment, trl = dict(os.environ), logging.getLogger("trl")
    states, level = (random.getstate(), np.random.get_state(), torch.get_rng_state()), trl.level
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    hf.set_verbosity_error()
    hf.disable_progress_bar()
    datasets.disable_progress_bars()
    trl.setLevel(logging.ERROR)
    set_threads(threads or len(os.sched_getaffinity(0)))
    if torch.cuda.is_available():  # a CPU is deterministic by itself
        os.environ.update(CUBLAS_WORKSPACE_CONFIG=":4096:8", FLASH_ATTENTION_DETERMINISTIC="1")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        set_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        hf.set_verbosity(before[2])
        if bars[0]:
            hf.enable_progress_bar()
        if bars[1]:
            datasets.enable_progress_bars()
        trl.setLevel(level)
        os.environ.clear()
        os.environ.update(environment)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()


# ---- in this process -----------------------------------------------------------------------------------------------
def fit(
    part: Sft, job: TrainJob, start: Path, data: Data, plan: Plan, scratch: Path, mark: str, resume: str | None
) -> tuple[list[float], Any]:
    """The loss of every step (nats a token), and the trained model in the precision it came in.

    In one of several processes the model is whole in the first one only; the others return None.
    """
    import torch

    model, dtype, config = build(part, start, job)
    trainer = prepare(part, job, model, data, plan, scratch, mark)
    if part.keep_optimizer:
        _optimizer.take_up(trainer, start)
    try:
        trainer.train(resume_from_checkpoint=resume)
    except torch.OutOfMemoryError as e:
        raise StarError(f"training ran out of device memory: {str(e).splitlines()[0]}", hint=ROOM) from e
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if trainer.is_fsdp_enabled:
        state = trainer.accelerator.get_state_dict(trainer.model)
        if not trainer.is_world_process_zero():
            return losses, None
        model = build(part, start, job)[0]
        model.load_state_dict(state)
    if part.keep_optimizer:
        _optimizer.keep(trainer.optimizer, job.out)
    trainer.optimizer = trainer.lr_scheduler = trainer.model = trainer.model_wrapped = None  # two thirds of the memory
    if part.lora_rank:
        model = model.merge_and_unload()
    model.__dict__.pop("forward", None)  # TRL's own head
    model.to(dtype)
    model.config, model.generation_config = config
    return losses, model


def build(part: Sft, start: Path, job: TrainJob) -> tuple[Any, Any, tuple[Any, Any]]:
    """The model to train, with adapters where asked; its own precision, configuration and generation settings."""
    import torch
    from transformers import set_seed

    set_seed(job.seed % 2**32)
    attention = {"attn_implementation": "flash_attention_2"} if can_pack(part) else {}
    model = _vision.model_class(str(start)).from_pretrained(str(start), dtype=job.start.dtype, **attention)
    dtype = model.dtype
    config = copy.deepcopy(model.config), copy.deepcopy(model.generation_config)
    if not part.lora_rank:
        return model.to(torch.float32), dtype, config
    from peft import LoraConfig, get_peft_model

    targets = part.lora_targets if part.lora_targets == "all-linear" else part.lora_targets.split(",")
    lora = LoraConfig(
        r=part.lora_rank,
        lora_alpha=part.lora_alpha,
        lora_dropout=part.lora_dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, lora), dtype, config
    except ValueError as e:
        raise StarError(
            f"trainer.lora_targets={part.lora_targets} does not suit this model: {e}",
            hint="all-linear suits most, or name modules: trainer.lora_targets='q_proj,v_proj'",
        ) from e


def prepare(part: Sft, job: TrainJob, model: Any, data: Data, plan: Plan, scratch: Path, mark: str) -> Any:
    """A TRL trainer that takes exactly the planned sequences."""
    import datasets
    import torch
    from torch.utils.data import DataLoader
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    cuda = torch.cuda.is_available()
    lean = not cuda and plan.world == 1 and type(model).__name__ in LEAN
    settings = SFTConfig(
        output_dir=str(scratch),
        max_steps=plan.steps,
        learning_rate=part.lr,
        warmup_steps=part.warmup,
        lr_scheduler_type=SCHEDULES[part.schedule],
        weight_decay=part.weight_decay,
        max_grad_norm=part.clip,
        adam_beta1=part.beta1,
        adam_beta2=part.beta2,
        gradient_accumulation_steps=plan.parts,
        max_length=None,
        per_device_train_batch_size=math.ceil(plan.batch / plan.world / plan.parts),
        padding_free=can_pack(part),
        packing=False,
        bf16=cuda and torch.cuda.is_bf16_supported() and model.config.dtype != torch.float32,
        gradient_checkpointing=part.gradient_checkpointing,
        seed=job.seed % 2**32,
        use_cpu=not cuda,
        fsdp=sharded(model, plan),
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=cuda,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    if cuda and plan.world == 1:
        settings._n_gpu = 1  # one GPU of several; transformers would otherwise split every batch over all of them

    class Loop(SFTTrainer):  # type: ignore[misc]
        """SFTTrainer over the planned sequences."""

        def get_train_dataloader(self) -> Any:
            return DataLoader(
                data.rows, batch_sampler=Passes(plan, self.args.process_index), collate_fn=together, pin_memory=cuda
            )

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """The sum over completion tokens, divided by how many the whole step has.

            Off the GPU TRL scores prompt and padding too, and their entropy: a quarter of a small model's step. So a
            plain Llama is scored where it counts. The padding is on the right, where causal attention never looks.
            """
            if not lean:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            labels = inputs["labels"][:, 1:]
            taught = labels != -100
            seen = {n: v for n, v in inputs.items() if n not in ("labels", "attention_mask")}
            hidden = model.model(**seen, use_cache=False).last_hidden_state[:, :-1]
            logits = model.lm_head(hidden[taught])
            return torch.nn.functional.cross_entropy(logits, labels[taught], reduction="sum") / num_items_in_batch

        def floating_point_ops(self, inputs: Any) -> int:
            return 0  # nobody reads it

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """A checkpoint needs no page about itself."""

    def together(rows: list[dict[str, Any]]) -> Any:
        return (
            _vision.collate(rows, data.eyes, data.tokenizer.pad_token_id or 0)
            if data.eyes
            else trainer.data_collator(rows)
        )

    glimpse = [
        {name: row[name] for name in ("input_ids", "labels")} for row in data.rows[:1]
    ]  # all that TRL itself is given
    trainer = Loop(
        model=model,
        args=settings,
        train_dataset=datasets.Dataset.from_list(glimpse),
        processing_class=copy.deepcopy(data.tokenizer),
        callbacks=[watch(part, job, plan, scratch, mark)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def watch(part: Sft, job: TrainJob | VerifyJob, plan: Plan, scratch: Path, mark: str) -> Any:
    """A callback for transformers' Trainer that looks after one planned training."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Reports every step, stops when the loss is not a number, and asks for a checkpoint now and then."""

        last = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                if not (math.isfinite(logs["loss"]) and math.isfinite(logs.get("grad_norm", 0.0))):
                    raise diverged(part, state.global_step, plan.steps)
                if state.is_world_process_zero:
                    job.progress(state.global_step, plan.steps, logs["loss"])

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            due = time.monotonic() - self.last >= 60 * job.runtime.checkpoint_minutes
            if plan.world > 1:
                due = agree(due, args.device)
            control.should_save = due and state.global_step < plan.steps

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.last = time.monotonic()
            if state.is_world_process_zero:
                finish_checkpoint(scratch, state.global_step, mark)

    return Watch()


def tenths(values: Sequence[float]) -> tuple[float, float]:
    """The means over the first and the last tenth of the steps."""
    window = max(1, round(len(values) / 10))
    return sum(values[:window]) / window, sum(values[-window:]) / window


class Passes:
    """The forward passes of one process, as a batch sampler."""

    def __init__(self, plan: Plan, rank: int) -> None:
        self.plan, self.rank = plan, rank

    def __len__(self) -> int:
        return self.plan.steps * self.plan.parts

    def __iter__(self) -> Iterator[list[int]]:
        return self.plan.share(self.rank)


def can_pack(part: Sft) -> bool:
    """Whether sequences are laid end to end; only attention over variable lengths keeps them apart."""
    import torch
    from transformers.utils import is_flash_attn_2_available

    able = torch.cuda.is_available() and is_flash_attn_2_available()
    if part.packing and not able:
        raise StarError(
            "trainer.packing=true needs flash-attn and a CUDA device",
            hint="leave trainer.packing=null, or pip install flash-attn",
        )
    return bool(able if part.packing is None else part.packing)


# ---- checkpoints ---------------------------------------------------------------------------------------------------
def finish_checkpoint(scratch: Path, step: int, mark: str) -> None:
    """Force a checkpoint to disk, mark it complete, and remove the older ones."""
    here = scratch / f"checkpoint-{step}"
    for file in here.rglob("*"):
        if file.is_file():
            with open(file, "rb") as f:
                os.fsync(f.fileno())
    (here / MARK).write_text(json.dumps({"step": step, "training": mark}) + "\n")
    for other in scratch.glob("checkpoint-*"):
        if other != here:
            shutil.rmtree(other, ignore_errors=True)


def resumable(scratch: Path, mark: str) -> str | None:
    """The newest complete checkpoint of this very training; everything else in ``scratch`` is removed."""
    found: dict[int, Path] = {}
    for here in scratch.glob("checkpoint-*"):
        try:
            said = json.loads((here / MARK).read_bytes())
        except (OSError, ValueError):
            continue
        if said["training"] == mark:
            found[said["step"]] = here
    best = found[max(found)] if found else None
    for here in scratch.glob("checkpoint-*"):
        if here != best:
            shutil.rmtree(here, ignore_errors=True)
    return str(best) if best else None


# ---- one of several processes -------------------------------------------------------------------------------------
def sharded(model: Any, plan: Plan) -> str:
    """The fsdp setting: shard a model whose weights, gradients and moments would crowd one GPU, else copy it."""
    import torch

    if plan.world == 1 or not torch.cuda.is_available():
        return ""
    wanted = sum(p.numel() * (16 if p.requires_grad else p.element_size()) for p in model.parameters())
    return "full_shard auto_wrap" if wanted > 0.5 * torch.cuda.get_device_properties(0).total_memory else ""


def agree(due: bool, device: Any) -> bool:
    """What the first process says, in all of them."""
    import torch

    said = torch.tensor([due], dtype=torch.int32, device=device)
    torch.distributed.broadcast(said, 0)
    return bool(said.item())
