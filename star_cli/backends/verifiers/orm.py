"""orm: an outcome reward model: the language model with a scalar head, trained to tell right solutions from wrong ones.

The baseline verifier of V-STaR and the verifier of STaR-SQL: binary cross-entropy on right and wrong solutions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from star_cli.core.keys import key
from star_cli.core.parts import ModelRef, Verifier, VerifyJob
from star_cli.core.records import Labelled
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError, need

CONFIG = "orm.json"
BALANCES = ("problem", "class", "none")


@register("verifier", "orm")
class Orm(Verifier):
    """The score is the head's logit at the end of the text.

    ``balance``: "problem" lets right and wrong solutions of each problem weigh alike and leaves out problems that have
    one kind only, so that telling easy problems from hard ones earns nothing (scores are compared within a problem);
    "class" lets right and wrong ones weigh alike over all, "none" takes them as they come.

    ``every_token`` asks for the verdict at every token of the solution in training (Cobbe et al. 2021), not at its end
    alone. ``lr`` and ``steps`` replace those of ``verification`` for this verifier. Saved as a token classifier of one
    label in a plain Hugging Face directory. One device.
    """

    packages = ("torch", "transformers")
    learns_from: ClassVar[str] = "labelled"
    every_token: bool = True
    balance: str = "class"
    lr: float | None = None
    steps: int | None = None

    def check(self) -> None:
        need(self.balance in BALANCES, f"verifier.balance must be {', '.join(BALANCES)}, got {self.balance!r}")
        need(self.lr is None or self.lr > 0, f"verifier.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"verifier.steps must be >= 1 or null, got {self.steps}")

    def train(self, job: VerifyJob) -> dict[str, Any]:
        """Metrics: losses, steps, right and wrong solutions, ``told_apart_last`` (share of the last tenth of the steps'
        solutions on the right side of 0), and the weights' sha256 at start and end.
        """
        import torch
        from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

        from star_cli.backends.trainers.sft import context_of, directory_of, save
        from star_cli.backends.training import loop as _loop
        from star_cli.backends.training.course import Course
        from star_cli.backends.training.forward import encode_pairs, pad_of, padded

        shares = weights(job.labelled, self.balance)
        labelled = [x for x, share in zip(job.labelled, shares, strict=True) if share]
        right = sum(x.correct for x in job.labelled)
        if not labelled or not 0 < right < len(job.labelled):
            raise StarError(
                f"the verifier's data has {right} right and {len(job.labelled) - right} wrong solutions"
                f"{', but none of both kinds of one problem' if right else ''}; it needs both",
                hint="more samples, a higher temperature or other problems give both",
            )
        start = directory_of(job.start)
        with _loop.ground(job.runtime.train_threads):
            tokenizer = AutoTokenizer.from_pretrained(str(start))
            pad, limit = pad_of(tokenizer), context_of(start)
            rows = [
                (row, float(x.correct), share)
                for row, x, share in zip(
                    encode_pairs(job.start, tokenizer, [(x.prompt, x.completion) for x in labelled]),
                    labelled,
                    [s for s in shares if s],
                    strict=True,
                )
                if len(row[0]) + len(row[1]) <= limit
            ]
            need(
                bool(rows),
                f"all {len(labelled)} solutions are longer than the {limit} tokens the verifier reads",
                "lower sampling.max_tokens, or take a model that reads more",
            )
            course = Course(self, job, [len(p) + len(c) for (p, c), _, _ in rows], key([list(r) for r in rows]))
            set_seed(job.seed % 2**32)
            model = load(str(start), job.start.dtype)
            dtype = model.dtype
            if course.sft.lora_rank:
                model = adapted(model, course.sft)
            else:
                model.to(torch.float32)
            every, told = self.every_token, [0, 0]

            def collate(batch: list[Any]) -> dict[str, Any]:
                ids, mask = padded([row for row, _, _ in batch], pad, "cpu")
                asked = torch.zeros(ids.shape)
                for n, ((prompt, completion), _, share) in enumerate(batch):
                    end = len(prompt) + len(completion)
                    if every:
                        asked[n, len(prompt) : end] = share / len(completion)
                    else:
                        asked[n, end - 1] = share
                return {
                    "input_ids": ids,
                    "attention_mask": mask,
                    "asked": asked,
                    "ends": mask.sum(1) - 1,
                    "labels": torch.tensor([label for _, label, _ in batch]),
                }

            class Loop(Trainer):  # type: ignore[misc]
                """transformers' Trainer with the loss of the head."""

                def get_train_dataloader(self) -> Any:
                    return course.loader(rows, collate)

                def compute_loss(
                    self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
                ) -> Any:
                    logits = (
                        model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
                        .logits[..., 0]
                        .float()
                    )
                    labels = inputs["labels"][:, None].expand_as(logits)
                    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
                    at_end = logits.detach().gather(1, inputs["ends"][:, None])[:, 0]
                    if self.state.global_step >= 0.9 * course.plan.steps:
                        told[0] += int(((at_end > 0) == (inputs["labels"] > 0)).sum())
                        told[1] += len(at_end)
                    return (each * inputs["asked"]).sum() / course.plan.batch

            trainer = Loop(model=model, args=course.arguments(TrainingArguments), callbacks=[course.watch()])
            trainer.model_accepts_loss_kwargs = True  # the loss is already divided by the whole step's solutions
            logs = course.go(trainer)
            if course.sft.lora_rank:
                model = model.merge_and_unload()
            model.to(dtype)
            save(model, start, job.out)
        (job.out / CONFIG).write_text(json.dumps({"every_token": self.every_token}) + "\n")
        return {
            **course.metrics(logs, job.out),
            "right": right,
            "wrong": len(job.labelled) - right,
            "of_one_kind": len(job.labelled) - len(labelled),
            "dropped_long": len(labelled) - len(rows),
            "told_apart_last": round(told[0] / max(1, told[1]), 4),
        }

    def score(self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime) -> list[float]:
        """The logit at the end of each solution; 0 is undecided."""
        import torch
        from transformers import AutoTokenizer

        from star_cli.backends.trainers.sft import context_of, directory_of
        from star_cli.backends.training import loop as _loop
        from star_cli.backends.training.forward import batches, cut, encode_pairs, pad_of, padded

        start = directory_of(model)
        if not (start / CONFIG).exists():
            raise StarError(f"{start} holds no outcome reward model", hint="train one with verifier=orm")
        found = [0.0] * len(items)
        with _loop.ground(runtime.train_threads):
            tokenizer = AutoTokenizer.from_pretrained(str(start))
            rows = cut(encode_pairs(model, tokenizer, items), context_of(start), model)
            net = load(str(start), model.dtype).eval()
            net.to("cuda" if torch.cuda.is_available() else "cpu")
            for at in batches(rows):
                ids, mask = padded([rows[i] for i in at], pad_of(tokenizer), net.device)
                with torch.inference_mode():
                    logits = net(input_ids=ids, attention_mask=mask, use_cache=False).logits[..., 0].float()
                for i, value in zip(at, logits.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0].tolist(), strict=True):
                    found[i] = value
        return found


def weights(rows: Sequence[Labelled], balance: str) -> list[float]:
    """The weight of each solution in the loss, 1 on average; 0 where it is left out."""
    if balance == "none":
        return [1.0] * len(rows)
    group = (lambda x: x.problem_id) if balance == "problem" else (lambda x: "")
    counts: Counter[tuple[str, bool]] = Counter((group(x), x.correct) for x in rows)
    found = []
    for x in rows:
        mine, other = counts[group(x), x.correct], counts[group(x), not x.correct]
        found.append(0.5 * (mine + other) / mine if other else 0.0)
    return found


def load(path: str, dtype: str) -> Any:
    """The model with its scalar head; a fresh head where the directory has none."""
    from transformers import AutoConfig, AutoModelForTokenClassification

    config = AutoConfig.from_pretrained(path, num_labels=1)
    config.classifier_dropout = 0.0
    return AutoModelForTokenClassification.from_pretrained(path, config=config, dtype=dtype)


def adapted(model: Any, settings: Any) -> Any:
    """The model with low-rank adapters and a head that is trained whole."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            target_modules="all-linear",
            task_type="TOKEN_CLS",
            modules_to_save=["score"],
            exclude_modules=["score"],
        ),
    )
