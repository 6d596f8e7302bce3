"""orm: an outcome reward model: the language model with a scalar head, trained to tell right solutions from wrong ones.

The baseline verifier of V-STaR and the verifier of STaR-SQL: binary cross-entropy on right and wrong solutions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from star_cli.backends.model_config import SAFE_WEIGHTS, context_length
from star_cli.backends.tokens import load_tokenizer, pad_id
from star_cli.backends.training.data import ENDLESS
from star_cli.backends.training.environment import training_environment
from star_cli.backends.training.forward import batches, cut, encode_pairs, padded
from star_cli.backends.training.scalar_head import head_logits, load_with_head, with_head
from star_cli.backends.training.verifier_training import VerifierTraining, local_job
from star_cli.backends.weights import local_model, save_model
from star_cli.core.keys import key
from star_cli.core.parts import ModelRef, Verifier, VerifyJob
from star_cli.core.records import Labelled
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError, need

CONFIG = "orm.json"
BALANCES = ("problem", "class", "none")


@register("verifier", "orm", version=2)
class Orm(Verifier):
    """The score is the head's logit at the end of the text.

    ``balance``: "problem" lets right and wrong solutions of each problem weigh alike and leaves out problems that have
    one kind only, so that telling easy problems from hard ones earns nothing (scores are compared within a problem);
    "class" lets right and wrong ones weigh alike over all, "none" takes them as they come.

    ``every_token`` asks for the verdict at every token of the solution in training (Cobbe et al. 2021), not at its end
    alone. ``language_model`` is the weight of their second objective beside it: the mean loss (nats a token) of the
    right solutions under the start's own head, which stays as it is unless it is the input embedding. ``lr`` and
    ``steps`` replace those of ``verification`` for this verifier. Saved as a token classifier of one
    label in a plain Hugging Face directory. One device.
    """

    packages = ("torch", "transformers")
    learns_from: ClassVar[str] = "labelled"
    reads_ends: ClassVar[bool] = True
    every_token: bool = True
    language_model: float = 0.0
    balance: str = "class"
    lr: float | None = None
    steps: int | None = None

    def check(self) -> None:
        need(self.balance in BALANCES, f"verifier.balance must be {', '.join(BALANCES)}, got {self.balance!r}")
        need(self.language_model >= 0, f"verifier.language_model must be >= 0, got {self.language_model}")
        need(self.lr is None or self.lr > 0, f"verifier.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"verifier.steps must be >= 1 or null, got {self.steps}")

    def train(self, job: VerifyJob) -> dict[str, Any]:
        """Metrics: losses, steps, right and wrong solutions, ``told_apart_last`` (share of the last tenth of the steps'
        solutions on the right side of 0), and the weights' sha256 at start and end.
        """
        from transformers import set_seed

        with training_environment(job.runtime.train_threads):
            job = local_job(job)
            tokenizer = load_tokenizer(job.start)
            of_one_kind, solutions = self._solutions(job)
            rows = _encode(job.start, tokenizer, solutions)
            training = VerifierTraining(
                self,
                job,
                [len(row.prompt) + len(row.completion) for row in rows],
                key([[[row.prompt, row.completion], row.label, row.weight] for row in rows]),
            )
            set_seed(job.seed % 2**32)
            loaded = load_with_head(job.start, training.recipe)
            hits: list[bool] = []
            head = _language_head(job.start) if self.language_model else None
            logs = training.run(self._trainer(training, loaded.model, rows, pad_id(tokenizer), hits, head), loaded)
            save_model(loaded.merged(), Path(job.start.path), job.out)
        (job.out / CONFIG).write_text(json.dumps({"every_token": self.every_token}) + "\n")
        right = sum(x.correct for x in job.labelled)
        return {
            **training.metrics(logs),
            "right": right,
            "wrong": len(job.labelled) - right,
            "of_one_kind": of_one_kind,
            "dropped_long": len(solutions) - len(rows),
            "told_apart_last": round(sum(hits) / max(1, len(hits)), 4),
        }

    def _solutions(self, job: VerifyJob) -> tuple[int, list[tuple[Labelled, float]]]:
        """How many solutions are left out for their problem has one kind only, and the others with their weights."""
        weighted = list(zip(job.labelled, weights(job.labelled, self.balance), strict=True))
        solutions = [(x, weight) for x, weight in weighted if weight]
        right = sum(x.correct for x in job.labelled)
        if not solutions or not 0 < right < len(job.labelled):
            raise StarError(
                f"the verifier's data has {right} right and {len(job.labelled) - right} wrong solutions"
                f"{', but none of both kinds of one problem' if right else ''}; it needs both",
                hint="more samples, a higher temperature or other problems give both",
            )
        return len(weighted) - len(solutions), solutions

    def _trainer(
        self, training: VerifierTraining, model: Any, rows: Sequence[Solution], pad: int, hits: list[bool], head: Any
    ) -> Any:
        """transformers' Trainer with the loss of the head; ``hits`` gets, for every solution of the last tenth of the
        steps, whether the logit at its end is on its side of 0. ``head`` (None: not asked for) gives next tokens.
        """
        import torch
        from transformers import Trainer, TrainingArguments

        every_token, plan, language_model = self.every_token, training.plan, self.language_model

        def collate(batch: list[Solution]) -> dict[str, Any]:
            ids, mask = padded([(row.prompt, row.completion) for row in batch], pad, "cpu")
            weight = torch.zeros(ids.shape)  # of each token's logit in the loss
            for n, row in enumerate(batch):
                start, end = len(row.prompt), len(row.prompt) + len(row.completion)
                if every_token:
                    weight[n, start:end] = row.weight / len(row.completion)
                else:
                    weight[n, end - 1] = row.weight
            return {
                "input_ids": ids,
                "attention_mask": mask,
                "weight": weight,
                "ends": mask.sum(1) - 1,
                "labels": torch.tensor([row.label for row in batch]),
                "starts": torch.tensor([len(row.prompt) for row in batch]),
            }

        class Loop(Trainer):  # type: ignore[misc]
            """transformers' Trainer with the loss of the head."""

            def get_train_dataloader(self) -> Any:
                return training.loader(rows, collate)

            def compute_loss(
                self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
            ) -> Any:
                out = model(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    use_cache=False,
                    output_hidden_states=head is not None,
                )
                logits = out.logits[..., 0].float()
                labels = inputs["labels"][:, None].expand_as(logits)
                each = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
                if self.state.global_step >= 0.9 * plan.steps:
                    at_end = logits.detach().gather(1, inputs["ends"][:, None])[:, 0]
                    hits.extend(((at_end > 0) == (inputs["labels"] > 0)).tolist())
                loss = (each * inputs["weight"]).sum() / plan.batch
                if head is None:
                    return loss
                return loss + language_model * self._language_loss(model, inputs, out.hidden_states[-1])

            def _language_loss(self, model: Any, inputs: Any, hidden: Any) -> Any:
                """The mean loss of the right solutions' tokens, each solution's share of the step's solutions."""
                ids, mask = inputs["input_ids"], inputs["attention_mask"]
                place = torch.arange(ids.shape[1], device=ids.device)[None]
                learnt = (place >= inputs["starts"][:, None]) & (mask > 0) & (inputs["labels"][:, None] > 0)
                learnt = learnt[:, 1:]
                weight = head if head.numel() else model.get_input_embeddings().weight
                scores = hidden[:, :-1][learnt].float() @ weight.to(hidden.device).float().T
                each = torch.nn.functional.cross_entropy(scores, ids[:, 1:][learnt], reduction="none")
                share = (learnt / learnt.sum(1, keepdim=True).clamp(min=1))[learnt]
                return (each * share).sum() / plan.batch

        trainer = Loop(model=model, args=training.arguments(TrainingArguments), callbacks=[training.callback()])
        trainer.model_accepts_loss_kwargs = True  # the loss is already divided by the whole step's solutions
        return trainer

    def score(
        self,
        model: ModelRef,
        items: Sequence[tuple[str, str]],
        runtime: Runtime,
        ended: Sequence[bool] | None = None,
    ) -> list[float]:
        """The logit at the end of each solution; 0 is undecided. One that ran out of tokens has no end of text."""
        import torch

        model = local_model(model)
        if not (Path(model.path) / CONFIG).exists():
            raise StarError(f"{model.path} holds no outcome reward model", hint="train one with verifier=orm")
        scores = [0.0] * len(items)
        with training_environment(runtime.train_threads):
            tokenizer = load_tokenizer(model)
            rows = cut(encode_pairs(model, tokenizer, items, ended), model)
            net = with_head(model).eval()
            net.to("cuda" if torch.cuda.is_available() else "cpu")
            for indices in batches(rows):
                ids, mask = padded([rows[i] for i in indices], pad_id(tokenizer), net.device)
                with torch.inference_mode():
                    at_end = head_logits(net, ids, mask).gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]
                for i, value in zip(indices, at_end.tolist(), strict=True):
                    scores[i] = value
        return scores


class Solution(NamedTuple):
    """A labelled solution as token ids: ``label`` 1.0 is right, ``weight`` its share in the loss."""

    prompt: list[int]
    completion: list[int]
    label: float
    weight: float


def _encode(model: ModelRef, tokenizer: Any, solutions: Sequence[tuple[Labelled, float]]) -> list[Solution]:
    """Solutions as token ids without those the model cannot read whole; a StarError where none is left."""
    limit = context_length(model) or ENDLESS
    pairs = encode_pairs(
        model, tokenizer, [(x.prompt, x.completion) for x, _ in solutions], [x.ended for x, _ in solutions]
    )
    rows = [
        Solution(prompt, completion, float(x.correct), weight)
        for (prompt, completion), (x, weight) in zip(pairs, solutions, strict=True)
        if len(prompt) + len(completion) <= limit
    ]
    need(
        bool(rows),
        f"all {len(solutions)} solutions are longer than the {limit} tokens the verifier reads",
        "lower sampling.max_tokens, or take a model that reads more",
    )
    return rows


def weights(rows: Sequence[Labelled], balance: str) -> list[float]:
    """The weight of each solution in the loss, 1 on average; 0 where it is left out."""
    if balance == "none":
        return [1.0] * len(rows)
    group = (lambda x: x.problem_id) if balance == "problem" else (lambda x: "")
    counts: Counter[tuple[str, bool]] = Counter((group(x), x.correct) for x in rows)
    shares = []
    for x in rows:
        mine, other = counts[group(x), x.correct], counts[group(x), not x.correct]
        shares.append(0.5 * (mine + other) / mine if other else 0.0)
    return shares


def _language_head(model: ModelRef) -> Any:
    """The weights that turn hidden states into next tokens, fixed; empty where they are the input embedding."""
    import torch
    from transformers import AutoModelForCausalLM

    net = AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32, **SAFE_WEIGHTS)
    weight = net.get_output_embeddings().weight.detach()
    tied = weight.data_ptr() == net.get_input_embeddings().weight.data_ptr()
    return torch.empty(0) if tied else weight.clone()
