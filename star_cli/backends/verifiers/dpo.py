"""dpo: a verifier by direct preference optimisation, as in V-STaR (Hosseini et al. 2024, arXiv 2402.06457).

It starts from the generator's SFT weights, which are also its reference; a candidate's score is its log-likelihood
under the trained weights, log V(solution | problem), never the ratio to the reference.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from star_cli.backends.model_config import context_length
from star_cli.backends.tokens import load_tokenizer, pad_id
from star_cli.backends.training.data import ENDLESS, MASKED, TrainingData, make_canary
from star_cli.backends.training.environment import training_environment
from star_cli.backends.training.forward import encode_pairs, likelihoods, logprobs
from star_cli.backends.training.model import load_for_training
from star_cli.backends.training.progress import first_and_last_tenth
from star_cli.backends.training.verifier_training import VerifierTraining, local_job
from star_cli.backends.weights import save_model
from star_cli.core.keys import key
from star_cli.core.parts import ModelRef, Verifier, VerifyJob
from star_cli.core.records import Example
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError, need


@register("verifier", "dpo", version=2)
class Dpo(Verifier):
    """TRL's DPO loss on (right, wrong) pairs of the same problem; ``beta`` weighs the distance to the reference.

    ``lr`` and ``steps`` replace those of ``verification`` for this verifier. The end of text is part of a solution.
    The paper compares three values of beta and names none; .1 is the one of the DPO paper. One device.
    """

    packages = ("torch", "transformers", "trl")
    learns_from: ClassVar[str] = "pairs"
    likelihood: ClassVar[bool] = True
    beta: float = 0.1
    loss: str = "sigmoid"  # any loss_type TRL knows: sigmoid, ipo, hinge, ...
    lr: float | None = None
    steps: int | None = None

    def check(self) -> None:
        need(self.beta > 0, f"verifier.beta must be > 0, got {self.beta}", "DPO's own papers use .1 to .5")
        need(self.lr is None or self.lr > 0, f"verifier.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"verifier.steps must be >= 1 or null, got {self.steps}")

    def train(self, job: VerifyJob) -> dict[str, Any]:
        """Metrics: losses, steps, pairs, dropped_long, ``preferred_first|last`` (share of pairs ranked right by the
        implicit reward over the first and last tenth of the steps), and the weights' sha256 at start and end.
        """
        with training_environment(job.runtime.train_threads):
            job = local_job(job)
            data = PairData.of(job)
            training = VerifierTraining(self, job, data.lengths(), key(data.rows))
            loaded = load_for_training(training.recipe, job.start, job.seed)
            data.add_reference_logprobs(loaded.model)
            logs = training.run(self._trainer(training, loaded.model, data), loaded)
            model = loaded.finished()
            canary = make_canary(model, data.chosen())
            save_model(model, Path(job.start.path), job.out)
        (job.out / "canary.json").write_text(json.dumps(canary, ensure_ascii=False, indent=1) + "\n", "utf-8")
        first, last = first_and_last_tenth([entry["rewards/accuracies"] for entry in logs])
        return {
            **training.metrics(logs),
            "pairs": len(data.rows),
            "dropped_long": data.dropped,
            "preferred_first": round(first, 4),
            "preferred_last": round(last, 4),
        }

    def _trainer(self, training: VerifierTraining, model: Any, data: PairData) -> Any:
        import datasets
        from trl import DPOConfig, DPOTrainer

        arguments = training.arguments(
            DPOConfig,
            beta=self.beta,
            loss_type=self.loss,
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
                computed = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
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

    def score(self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime) -> list[float]:
        """log V(completion, end of text | prompt) in nats."""
        return likelihoods(model, items, runtime.train_threads)

    def engine_is_faster(self) -> bool:
        """On a GPU, where the engine keeps it full; on a CPU the two are alike, and no weights need to be swapped."""
        import torch

        return bool(torch.cuda.is_available())


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
    def of(cls, job: VerifyJob) -> PairData:
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
                f"all {len(job.pairs)} pairs are longer than the {limit} tokens the verifier reads",
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
