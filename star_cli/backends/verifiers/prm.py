"""prm: a process reward model (Math-Shepherd, Wang et al. 2024, arXiv 2312.08935): every step of a solution is scored.

Binary cross-entropy at the end of each step; a step's label is what its completions reached (stages/step_labels.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from star_cli.backends.model_config import context_length
from star_cli.backends.tokens import load_tokenizer, pad_id
from star_cli.backends.training.data import ENDLESS
from star_cli.backends.training.environment import training_environment
from star_cli.backends.training.forward import batches, cut, encode_pairs, padded
from star_cli.backends.training.scalar_head import head_logits, load_with_head, with_head
from star_cli.backends.training.verifier_training import VerifierTraining, local_job
from star_cli.backends.weights import local_model, save_model
from star_cli.core.keys import key
from star_cli.core.parts import ModelRef, Verifier, VerifyJob
from star_cli.core.records import Stepped
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import StarError, need
from star_cli.lib.text.steps import step_ends

CONFIG = "prm.json"
LABELS = ("hard", "soft")
WHOLES = ("min", "product")
SURE = 30.0  # the largest logit a score has


@register("verifier", "prm")
class Prm(Verifier):
    """A solution's score is the logit of its worst step's probability (``whole=min``, as in the paper), or of the
    product of all its steps' (``product``); steps are lines that are not blank.

    The labels: of each problem ``solutions`` solutions (the paper: 15; 0: all) are completed ``completions`` times (8)
    from behind each step. ``label=hard``: a step is good where one completion is right; ``soft``: as good as the share
    that are. ``balance`` lets good and bad steps weigh alike. ``lr`` and ``steps`` replace those of ``verification``.

    Ours: a fresh scalar head, where the paper asks for one of two special tokens. Saved as a token classifier of one
    label in a plain Hugging Face directory. One device.
    """

    packages = ("torch", "transformers")
    learns_from: ClassVar[str] = "steps"
    reads_ends: ClassVar[bool] = True
    completions: int = 8
    solutions: int = 15
    label: str = "hard"
    whole: str = "min"
    balance: bool = True
    lr: float | None = None
    steps: int | None = None

    def check(self) -> None:
        need(self.completions >= 1, f"verifier.completions must be >= 1, got {self.completions}", "the paper's is 8")
        need(self.solutions >= 0, f"verifier.solutions must be >= 0 (0: all), got {self.solutions}")
        need(self.label in LABELS, f"verifier.label must be {' or '.join(LABELS)}, got {self.label!r}")
        need(self.whole in WHOLES, f"verifier.whole must be {' or '.join(WHOLES)}, got {self.whole!r}")
        need(self.lr is None or self.lr > 0, f"verifier.lr must be > 0 or null, got {self.lr}")
        need(self.steps is None or self.steps >= 1, f"verifier.steps must be >= 1 or null, got {self.steps}")

    def train(self, job: VerifyJob) -> dict[str, Any]:
        """Metrics: losses, steps, solutions, good and bad steps of solutions, ``told_apart_last`` (share of the last
        tenth of the steps' labels whose logit is on their side of 0; hard labels), sha256 of the weights.
        """
        from transformers import set_seed

        with training_environment(job.runtime.train_threads):
            job = local_job(job)
            tokenizer = load_tokenizer(job.start)
            rows = self._rows(job, tokenizer)
            lengths = [len(row.prompt) + len(row.completion) for row in rows]
            training = VerifierTraining(self, job, lengths, key([[list(part) for part in row] for row in rows]))
            set_seed(job.seed % 2**32)
            loaded = load_with_head(job.start, training.recipe)
            hits: list[bool] = []
            logs = training.run(self._trainer(training, loaded.model, rows, pad_id(tokenizer), hits), loaded)
            save_model(loaded.merged(), Path(job.start.path), job.out)
        (job.out / CONFIG).write_text(json.dumps({"label": self.label}) + "\n")
        good = sum(share > 0 for row in rows for share in row.shares)
        return {
            **training.metrics(logs),
            "solutions": len(rows),
            "good_steps": good,
            "bad_steps": sum(len(row.shares) for row in rows) - good,
            "dropped_long": len(job.stepped) - len(rows),
            "told_apart_last": round(sum(hits) / max(1, len(hits)), 4),
        }

    def _rows(self, job: VerifyJob, tokenizer: Any) -> list[Marked]:
        """Solutions as token ids with the places of their steps; a StarError where steps of one kind are missing."""
        limit = context_length(job.start) or ENDLESS
        rows = [
            row for row in marked(job.start, tokenizer, job.stepped) if len(row.prompt) + len(row.completion) <= limit
        ]
        good = [share > 0 for row in rows for share in row.shares]
        need(
            any(good) and not all(good),
            f"the verifier's data has {sum(good)} good and {len(good) - sum(good)} bad steps; it needs both",
            "more samples, a higher temperature or other problems give both",
        )
        return rows

    def _trainer(
        self, training: VerifierTraining, model: Any, rows: Sequence[Marked], pad: int, hits: list[bool]
    ) -> Any:
        """transformers' Trainer with the loss at the ends of steps; ``hits`` gets those of the last tenth."""
        import torch
        from transformers import Trainer, TrainingArguments

        plan = training.plan
        good = sum(share > 0 for row in rows for share in row.shares)
        every = sum(len(row.shares) for row in rows)
        weigh = (
            {True: every / (2 * good), False: every / (2 * (every - good))} if self.balance else {True: 1.0, False: 1.0}
        )

        def collate(batch: list[Marked]) -> dict[str, Any]:
            ids, mask = padded([(row.prompt, row.completion) for row in batch], pad, "cpu")
            labels, weight = torch.zeros(ids.shape), torch.zeros(ids.shape)
            for n, row in enumerate(batch):
                for place, share in zip(row.places, row.shares, strict=True):
                    at = len(row.prompt) + place
                    labels[n, at] = share if self.label == "soft" else float(share > 0)
                    weight[n, at] = weigh[share > 0] / len(row.shares)
            return {"input_ids": ids, "attention_mask": mask, "labels": labels, "weight": weight}

        class Loop(Trainer):  # type: ignore[misc]
            """transformers' Trainer with the loss of the head."""

            def get_train_dataloader(self) -> Any:
                return training.loader(rows, collate)

            def compute_loss(
                self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
            ) -> Any:
                logits = head_logits(model, inputs["input_ids"], inputs["attention_mask"])
                each = torch.nn.functional.binary_cross_entropy_with_logits(logits, inputs["labels"], reduction="none")
                if self.state.global_step >= 0.9 * plan.steps:
                    marked = inputs["weight"] > 0
                    hits.extend(((logits.detach() > 0) == (inputs["labels"] > 0))[marked].tolist())
                return (each * inputs["weight"]).sum() / plan.batch

        trainer = Loop(model=model, args=training.arguments(TrainingArguments), callbacks=[training.callback()])
        trainer.model_accepts_loss_kwargs = True  # the loss is already divided by the whole step's solutions
        return trainer

    def score(
        self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime, ended: Sequence[bool] | None = None
    ) -> list[float]:
        """The logit of the worst step's probability, or of all steps' product; 0 is undecided."""
        return [combined(logits, self.whole) for logits in self.step_logits(model, items, runtime, ended)]

    def step_logits(
        self, model: ModelRef, items: Sequence[tuple[str, str]], runtime: Runtime, ended: Sequence[bool] | None = None
    ) -> list[list[float]]:
        """The logit of every step of each (prompt, completion); a text without a step has the one at its end."""
        import torch

        model = local_model(model)
        if not (Path(model.path) / CONFIG).exists():
            raise StarError(f"{model.path} holds no process reward model", hint="train one with verifier=prm")
        scores: list[list[float]] = [[] for _ in items]
        with training_environment(runtime.train_threads):
            tokenizer = load_tokenizer(model)
            rows = cut(encode_pairs(model, tokenizer, items, ended), model)
            places = [
                [min(place, len(row[1]) - 1) for place in step_places(tokenizer, text, len(row[1]))]
                for row, (_, text) in zip(rows, items, strict=True)
            ]
            net = with_head(model).eval()
            net.to("cuda" if torch.cuda.is_available() else "cpu")
            for indices in batches(rows):
                ids, mask = padded([rows[i] for i in indices], pad_id(tokenizer), net.device)
                with torch.inference_mode():
                    logits = head_logits(net, ids, mask).cpu()
                for n, i in enumerate(indices):
                    scores[i] = [float(logits[n, len(rows[i][0]) + place]) for place in places[i]]
        return scores


class Marked(NamedTuple):
    """A solution as token ids: the ``places`` of its steps' ends among the completion's, and their ``shares``."""

    prompt: list[int]
    completion: list[int]
    places: list[int]
    shares: list[float]


def marked(model: ModelRef, tokenizer: Any, solutions: Sequence[Stepped]) -> list[Marked]:
    """Solutions as token ids with the places of their steps."""
    texts = [(x.prompt, x.completion) for x in solutions]
    pairs = encode_pairs(model, tokenizer, texts, [x.ended for x in solutions])
    return [
        Marked(prompt, completion, step_places(tokenizer, x.completion, len(completion)), x.shares)
        for (prompt, completion), x in zip(pairs, solutions, strict=True)
    ]


def step_places(tokenizer: Any, text: str, tokens: int) -> list[int]:
    """The token of a completion at which each step ends; the last step's is the last of all ``tokens``.

    The end of text, where there is one, so belongs to the last step. A text without a step has one, at its end.
    """
    ends = step_ends(text)[:-1]
    starts = [
        start for start, _ in tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    ]
    return [*(max(i for i, start in enumerate(starts) if start < end) for end in ends), max(0, tokens - 1)]


def combined(logits: Sequence[float], whole: str) -> float:
    """One logit for a solution: of the smallest of its steps' probabilities, or of their product."""
    if whole == "min":
        return min(logits)
    log_p = sum(-math.log1p(math.exp(-max(-SURE, min(SURE, x)))) for x in logits)
    return max(-SURE, log_p - math.log(-math.expm1(log_p))) if log_p < 0 else SURE
