"""The training loop of ``sft``: TRL's SFTTrainer over planned sequences, in this process, with checkpoints."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np

from star_cli.backends import vision
from star_cli.backends.chat import MASKED
from star_cli.backends.tokens import pad_id
from star_cli.backends.training import optimizer_state
from star_cli.backends.training.arguments import common_arguments, half_precision, on_one_device
from star_cli.backends.training.checkpoints import Checkpoints
from star_cli.backends.training.data import TrainingData
from star_cli.backends.training.model import LoadedModel, load_for_training, packs_sequences
from star_cli.backends.training.plan import Plan, PlannedBatches
from star_cli.backends.training.progress import watch_callback
from star_cli.backends.training.recipe import Recipe
from star_cli.core import preemption
from star_cli.core.parts import TrainJob
from star_cli.core.settings import Runtime
from star_cli.errors import StarError

DIRECT = ("LlamaForCausalLM", "Idefics3ForConditionalGeneration")  # body ``model``, head ``lm_head``, nothing between
OUT_OF_MEMORY = "lower trainer.micro_batch, or set trainer.gradient_checkpointing=true or trainer.lora_rank=16"


def fit(
    recipe: Recipe, job: TrainJob, data: TrainingData, plan: Plan, checkpoints: Checkpoints, resume: str | None
) -> tuple[list[float], Any]:
    """The loss of every step (nats a token), and the trained model in the precision it came in.

    ``resume`` is the checkpoint to continue from. In one of several processes the model is whole in the first one only;
    the others return None. Raises StarError where the loss diverges or memory runs out.
    """
    import torch

    loaded = load_for_training(recipe, job.start, job.seed)
    loaded.take_weights(resume)
    trainer = sft_trainer(recipe, job, loaded, data, plan, checkpoints)
    if recipe.keep_optimizer:
        optimizer_state.load_state(trainer, Path(job.start.path))
    try:
        with preemption.finishing_steps():
            trainer.train(resume_from_checkpoint=resume)
    except torch.OutOfMemoryError as e:
        raise StarError(f"training ran out of device memory: {str(e).splitlines()[0]}", hint=OUT_OF_MEMORY) from e
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if trainer.is_fsdp_enabled:
        state = trainer.accelerator.get_state_dict(trainer.model)
        if not trainer.is_world_process_zero():
            return losses, None
        loaded.model = load_for_training(recipe, job.start, job.seed).model
        loaded.model.load_state_dict(state)
    if recipe.keep_optimizer:
        optimizer_state.save_state(trainer.optimizer, job.out)
    trainer.optimizer = trainer.lr_scheduler = trainer.model = trainer.model_wrapped = None  # two thirds of the memory
    return losses, loaded.finished()


def sft_trainer(
    recipe: Recipe, job: TrainJob, loaded: LoadedModel, data: TrainingData, plan: Plan, checkpoints: Checkpoints
) -> Any:
    """A TRL trainer that takes exactly the planned sequences."""
    import datasets
    import torch
    from torch.utils.data import DataLoader
    from transformers import PrinterCallback
    from trl import SFTTrainer

    cuda = torch.cuda.is_available()
    direct = not cuda and plan.world == 1 and type(loaded.model).__name__ in DIRECT

    class Loop(SFTTrainer):  # type: ignore[misc]
        """SFTTrainer over the planned sequences."""

        def get_train_dataloader(self) -> Any:
            batches = PlannedBatches(plan, self.args.process_index)
            return DataLoader(data.rows, batch_sampler=batches, collate_fn=collate, pin_memory=cuda)

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            """Forward and backward. The general one looks for sharding and rare optimisers at every small step."""
            if not direct:
                return super().training_step(model, inputs, num_items_in_batch)
            if not model.training:
                model.train()
            loss = self.compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            loss.backward()
            return loss.detach()

        def _clip_grad_norm(self, model: Any) -> Any:
            """The gradients' norm before it is clipped."""
            if not direct:
                return super()._clip_grad_norm(model)
            return torch.nn.utils.clip_grad_norm_(model.parameters(), self.args.max_grad_norm)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """The sum over completion tokens, divided by how many the whole step has.

            Off the GPU TRL scores prompt and padding too, and their entropy: a quarter of a small model's step. So a
            plain Llama is scored where it counts. The padding is on the right, where causal attention never looks.
            """
            if not direct:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            labels = inputs["labels"][:, 1:]
            learnt = labels != -100
            shown = {n: v for n, v in inputs.items() if n not in ("labels", "attention_mask")}
            hidden = model.model(**shown, use_cache=False).last_hidden_state[:, :-1]
            logits = model.lm_head(hidden[learnt])
            return torch.nn.functional.cross_entropy(logits, labels[learnt], reduction="sum") / num_items_in_batch

        def floating_point_ops(self, inputs: Any) -> int:
            return 0  # nobody reads it

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """A checkpoint needs no page about itself."""

    def collate(rows: list[dict[str, Any]]) -> Any:
        if data.processor:
            return vision.collate(data.processor, rows, pad_id(data.tokenizer))
        return padded(rows, pad_id(data.tokenizer)) if direct else trainer.data_collator(rows)

    # TRL looks at the columns of its data set; the rows themselves come through the planned batches
    columns = [{name: row[name] for name in ("input_ids", "labels")} for row in data.rows[:1]]
    trainer = Loop(
        model=loaded.model,
        args=_arguments(recipe, job, loaded.model, plan, checkpoints),
        train_dataset=datasets.Dataset.from_list(columns),
        processing_class=copy.deepcopy(data.tokenizer),
        callbacks=[watch_callback(recipe, job, plan, checkpoints)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def padded(rows: list[dict[str, Any]], pad: int) -> dict[str, Any]:
    """Rows as two tensors (rows, longest row) of int64: ``input_ids`` padded with ``pad``, ``labels`` with MASKED."""
    import torch

    shape = len(rows), max(len(row["input_ids"]) for row in rows)
    batch = {"input_ids": np.full(shape, pad), "labels": np.full(shape, MASKED)}
    for name, values in batch.items():
        for i, row in enumerate(rows):
            values[i, : len(row[name])] = row[name]
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def _arguments(recipe: Recipe, job: TrainJob, model: Any, plan: Plan, checkpoints: Checkpoints) -> Any:
    """The recipe and the plan in TRL's words."""
    from trl import SFTConfig

    sharding = _sharding(model, plan, recipe, job.runtime)
    arguments = SFTConfig(
        **common_arguments(recipe, plan.steps, job.seed, checkpoints.folder),
        gradient_accumulation_steps=plan.parts,
        max_length=None,
        per_device_train_batch_size=math.ceil(plan.batch / plan.world / plan.parts),
        padding_free=packs_sequences(recipe),
        packing=False,
        bf16=half_precision(model),
        gradient_checkpointing=recipe.gradient_checkpointing and not sharding,
        fsdp=bool(sharding),
        fsdp_config=sharding or None,
        dataset_kwargs={"skip_prepare_dataset": True},
        router_aux_loss_coef=0.0,  # the loss of a mixture of experts is that of its completions alone, too
    )
    return on_one_device(arguments) if plan.world == 1 else arguments


def _sharding(model: Any, plan: Plan, recipe: Recipe, runtime: Runtime) -> dict[str, Any]:
    """The settings of FSDP2 where the weights are split over the processes; empty where each holds a copy.

    With ``runtime.shard=auto`` a model is split whose weights, gradients and moments would crowd one GPU.
    """
    import torch

    if plan.world == 1 or runtime.shard == "never":
        return {}
    wanted = sum(p.numel() * (16 if p.requires_grad else p.element_size()) for p in model.parameters())
    if runtime.shard == "auto" and (
        not torch.cuda.is_available() or wanted <= 0.5 * torch.cuda.get_device_properties(0).total_memory
    ):
        return {}
    return {
        "version": 2,
        "reshard_after_forward": True,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "state_dict_type": "FULL_STATE_DICT",
        "cpu_offload": runtime.cpu_offload,
        "activation_checkpointing": recipe.gradient_checkpointing,
    }
