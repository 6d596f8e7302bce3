"""dpo: a verifier by direct preference optimisation, as in V-STaR (Hosseini et al. 2024, arXiv 2402.06457).

It starts from the generator's SFT weights, which are also its reference; a candidate's score is its log-likelihood
under the trained weights, log V(solution | problem), never the ratio to the reference.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from star_cli.core.keys import key
from star_cli.core.parts import ModelRef, TrainJob, Verifier, VerifyJob
from star_cli.core.records import Example
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError, need


@register("verifier", "dpo")
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
        from star_cli.backends.trainers.sft import look_in, save
        from star_cli.backends.training import loop as _loop

        with _loop.ground(job.runtime.train_threads):
            course, model, data = self._prepare(job)
            dtype, config = model.dtype, (copy.deepcopy(model.config), copy.deepcopy(model.generation_config))
            trainer = self._trainer(course, model, data)
            logs = course.go(trainer)
            if course.sft.lora_rank:
                model = model.merge_and_unload()
            model.__dict__.pop("forward", None)
            model.to(dtype)
            model.config, model.generation_config = config
            canary = look_in(model, data.spoken)
            save(model, course.start, job.out)
        (job.out / "canary.json").write_text(json.dumps(canary, ensure_ascii=False, indent=1) + "\n", "utf-8")
        first, last = _loop.tenths([entry["rewards/accuracies"] for entry in logs])
        return {
            **course.metrics(logs, job.out),
            "pairs": len(data.rows),
            "dropped_long": data.dropped,
            "preferred_first": round(first, 4),
            "preferred_last": round(last, 4),
        }

    def _prepare(self, job: VerifyJob) -> Any:
        from transformers import AutoTokenizer

        from star_cli.backends.trainers.sft import directory_of
        from star_cli.backends.training import loop as _loop
        from star_cli.backends.training.course import Course

        start = directory_of(job.start)
        tokenizer = AutoTokenizer.from_pretrained(str(start))
        data = PairData.of(job, tokenizer, start)
        course = Course(
            self,
            job,
            [len(r["prompt_ids"]) * 2 + len(r["chosen_ids"]) + len(r["rejected_ids"]) for r in data.rows],
            key(data.rows),
        )
        train = TrainJob(
            start=job.start, examples=[], out=job.out, scratch=job.scratch, seed=job.seed, runtime=job.runtime
        )
        model = _loop.build(course.sft, start, train)[0]
        data.refer(model)
        return course, model, data

    def _trainer(self, course: Any, model: Any, data: PairData) -> Any:
        import datasets
        from trl import DPOConfig, DPOTrainer

        settings = course.arguments(
            DPOConfig, beta=self.beta, loss_type=self.loss, max_length=None, precompute_ref_log_probs=True, bf16=False
        )

        class Loop(DPOTrainer):  # type: ignore[misc]
            """DPOTrainer over pairs that are token ids already, with the reference's scores beside them."""

            def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
                return dataset

            def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
                return dataset

            def get_train_dataloader(self) -> Any:
                return course.loader(data.rows, self.data_collator)

            def create_model_card(self, *args: Any, **kwargs: Any) -> None:
                """A checkpoint needs no page about itself."""

        tokenizer = copy.deepcopy(data.tokenizer)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return Loop(
            model=model,
            args=settings,
            train_dataset=datasets.Dataset.from_list(data.rows[:1]),
            processing_class=tokenizer,
            callbacks=[course.watch()],
        )

    def score(self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime) -> list[float]:
        """log V(completion, end of text | prompt) in nats."""
        from star_cli.backends.training.forward import likelihoods

        return likelihoods(model, items, runtime.train_threads)

    def engine_is_faster(self) -> bool:
        """On a GPU, where the engine keeps it full; on a CPU the two are alike, and no weights need to be swapped."""
        import torch

        return bool(torch.cuda.is_available())


class PairData:
    """Pairs as token ids, the reference's log-probabilities of both sides, and a few of them as spoken texts."""

    def __init__(self, rows: list[dict[str, Any]], dropped: int, tokenizer: Any, spoken: Any) -> None:
        self.rows, self.dropped, self.tokenizer, self.spoken = rows, dropped, tokenizer, spoken

    @classmethod
    def of(cls, job: VerifyJob, tokenizer: Any, start: Any) -> PairData:
        """The pairs of a job; one longer than the model reads is left out and counted."""
        from star_cli.backends.trainers.sft import Data, context_of
        from star_cli.backends.training.forward import encode_pairs

        texts = [(p.prompt, t) for p in job.pairs for t in (p.chosen, p.rejected)]
        ids, limit = encode_pairs(job.start, tokenizer, texts), context_of(start)
        rows: list[dict[str, Any]] = []
        kept: list[Example] = []
        for pair, (prompt, chosen), (_, rejected) in zip(job.pairs, ids[::2], ids[1::2], strict=True):
            if len(prompt) + max(len(chosen), len(rejected)) <= limit:
                rows.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
                kept.append(
                    Example(
                        problem_id=pair.problem_id, sample=0, prompt=pair.prompt, completion=pair.chosen, origin="own"
                    )
                )
        if not rows:
            raise StarError(
                f"all {len(job.pairs)} pairs are longer than the {limit} tokens the verifier reads",
                hint="lower sampling.max_tokens, or take a model that reads more",
            )
        taught = [
            {"input_ids": r["prompt_ids"] + r["chosen_ids"], "labels": [-100] * len(r["prompt_ids"]) + r["chosen_ids"]}
            for r in rows
        ]
        return cls(rows, len(job.pairs) - len(rows), tokenizer, Data(taught, kept, 0, tokenizer))

    def refer(self, model: Any) -> None:
        """Note the log-probability of both sides under the weights as they are now: the reference."""
        from star_cli.backends.training.forward import logprobs, pad_of

        was = model.training
        model.eval()
        for side in ("chosen", "rejected"):
            found = logprobs(model, [(r["prompt_ids"], r[f"{side}_ids"]) for r in self.rows], pad_of(self.tokenizer))
            for row, value in zip(self.rows, found, strict=True):
                row[f"ref_{side}_logps"] = value
        model.train(was)
