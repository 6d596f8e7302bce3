"""Preference training: TRL's DPO loss on pairs of a better and a worse solution, for verifiers and for generators.

{"prompt_ids": [9], "chosen_ids": [7, 2], "rejected_ids": [8, 2], "ref_chosen_logps": -1.2, "ref_rejected_logps": -3.4}
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from star_cli.backends.chat import MASKED
from star_cli.backends.model_config import context_length
from star_cli.backends.tokens import load_tokenizer, pad_id
from star_cli.backends.training.data import ENDLESS, TrainingData, make_canary
from star_cli.backends.training.forward import encode_pairs, logprobs
from star_cli.backends.training.model import load_for_training
from star_cli.backends.training.planned import PlannedTraining
from star_cli.backends.training.progress import first_and_last_tenth
from star_cli.backends.weights import save_model
from star_cli.core.parts import PreferenceJob, VerifyJob
from star_cli.core.records import Example
from star_cli.errors import StarError


def prefer(training: PlannedTraining, data: PairData, *, beta: float, loss: str, nll: float) -> dict[str, Any]:
    """Train on the pairs and save to the job's ``out``, with the weights at the start as the reference.

    Metrics: losses, steps, pairs, dropped_long, ``preferred_first|last`` (share of pairs ranked right by the implicit
    reward over the first and last tenth of the steps), ``scored_tokens`` (read by the reference), and the weights'
    sha256 at start and end. The loss is the mean over pairs of DPO's plus ``nll`` times -log P(chosen) / tokens.
    """
    job = training.job
    loaded = load_for_training(training.recipe, job.start, job.seed)
    data.add_reference_logprobs(loaded.model)
    logs = training.run(_trainer(training, loaded.model, data, beta, loss, nll), loaded)
    model = loaded.finished()
    canary = make_canary(model, data.chosen())
    save_model(model, Path(job.start.path), job.out)
    (job.out / "canary.json").write_text(json.dumps(canary, ensure_ascii=False, indent=1) + "\n", "utf-8")
    first, last = first_and_last_tenth([entry["rewards/accuracies"] for entry in logs])
    return {
        **training.metrics(logs),
        "scored_tokens": sum(data.lengths()),
        "pairs": len(data.rows),
        "dropped_long": data.dropped,
        "preferred_first": round(first, 4),
        "preferred_last": round(last, 4),
    }


def _trainer(training: PlannedTraining, model: Any, data: PairData, beta: float, loss: str, nll: float) -> Any:
    """TRL's DPOTrainer over the planned pairs."""
    import datasets
    from trl import DPOConfig, DPOTrainer

    arguments = training.arguments(
        DPOConfig,
        beta=beta,
        loss_type=loss,
        max_length=None,
        precompute_ref_log_probs=True,
        bf16=False,
        router_aux_loss_coef=0.0,  # of a mixture of experts
    )

    class Loop(DPOTrainer):  # type: ignore[misc]
        """DPOTrainer over pairs that are token ids already, with the reference's scores beside them."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

        def get_train_dataloader(self) -> Any:
            return training.loader(data.rows, self.data_collator)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """TRL's mean over the pairs of a forward pass, weighted by their share of the step's pairs: the forward
            passes of a step may differ by one pair, and the Trainer takes their plain mean.
            """
            logps: list[Any] = []
            hook = model.register_forward_hook(lambda *call: logps.append(call[-1].log_probs)) if nll else None
            computed = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            if hook is not None:
                hook.remove()
                likelihood = nll * _mean_nll(logps[0], inputs["completion_mask"])
                computed = (computed[0] + likelihood, computed[1]) if return_outputs else computed + likelihood
            share = len(inputs["input_ids"]) / 2 * training.plan.parts / training.plan.batch
            return (computed[0] * share, computed[1]) if return_outputs else computed * share

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """A checkpoint needs no page about itself."""

    tokenizer = copy.deepcopy(data.tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Loop(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list(data.rows[:1]),
        processing_class=tokenizer,
        callbacks=[training.callback()],
    )


def _mean_nll(logps: Any, completion_mask: Any) -> Any:
    """The mean over pairs of the chosen side's negative log-likelihood a token.

    ``logps`` (2 x pairs, tokens - 1) has chosen sides first. TRL's own "sft" loss weighs tokens alike, not pairs.
    """
    mask = completion_mask[:, 1:]
    chosen, learnt = logps[:, -mask.shape[1] :].chunk(2)[0], mask.chunk(2)[0]
    return -((chosen * learnt).sum(1) / learnt.sum(1)).mean()


@dataclass
class PairData:
    """Pairs as token ids: rows of {"prompt_ids", "chosen_ids", "rejected_ids"}, to which training adds
    ``ref_chosen_logps`` and ``ref_rejected_logps``; ``dropped`` counts pairs that were too long.
    """

    rows: list[dict[str, Any]]
    examples: list[Example]  # the chosen sides
    dropped: int
    tokenizer: Any

    @classmethod
    def of(cls, job: VerifyJob | PreferenceJob) -> PairData:
        """The pairs of a job; one longer than the model reads is left out and counted. StarError where none is left."""
        tokenizer = load_tokenizer(job.start)
        texts = [(p.prompt, t) for p in job.pairs for t in (p.chosen, p.rejected)]
        ended = [end for p in job.pairs for end in (p.chosen_ended, p.rejected_ended)]
        ids, limit = encode_pairs(job.start, tokenizer, texts, ended), context_length(job.start) or ENDLESS
        rows: list[dict[str, Any]] = []
        examples: list[Example] = []
        for pair, (prompt, chosen), (_, rejected) in zip(job.pairs, ids[::2], ids[1::2], strict=True):
            if len(prompt) + max(len(chosen), len(rejected)) <= limit:
                rows.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
                examples.append(
                    Example(
                        problem_id=pair.problem_id, sample=0, prompt=pair.prompt, completion=pair.chosen, origin="own"
                    )
                )
        if not rows:
            raise StarError(
                f"all {len(job.pairs)} pairs are longer than the {limit} tokens the model reads",
                hint="lower sampling.max_tokens, or take a model that reads more",
            )
        return cls(rows, examples, len(job.pairs) - len(rows), tokenizer)

    def lengths(self) -> list[int]:
        """The tokens of each pair, both sides with their prompt."""
        return [len(r["prompt_ids"]) * 2 + len(r["chosen_ids"]) + len(r["rejected_ids"]) for r in self.rows]

    def chosen(self) -> TrainingData:
        """The right side of every pair as training examples; one that ran out of tokens is none."""
        rows = [
            {
                "input_ids": r["prompt_ids"] + r["chosen_ids"],
                "labels": [MASKED] * len(r["prompt_ids"]) + r["chosen_ids"],
            }
            for r in self.rows
        ]
        ended = [i for i, r in enumerate(self.rows) if r["chosen_ids"][-1:] == [self.tokenizer.eos_token_id]]
        return TrainingData([rows[i] for i in ended], [self.examples[i] for i in ended], 0, self.tokenizer)

    def add_reference_logprobs(self, model: Any) -> None:
        """Note the log-probability of both sides under the weights as they are now: the reference."""
        was_training = model.training
        model.eval()
        for side in ("chosen", "rejected"):
            pairs = [(row["prompt_ids"], row[f"{side}_ids"]) for row in self.rows]
            for row, value in zip(self.rows, logprobs(model, pairs, pad_id(self.tokenizer)), strict=True):
                row[f"ref_{side}_logps"] = value
        model.train(was_training)
