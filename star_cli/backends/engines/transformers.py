"""transformers: the plain engine. It runs wherever PyTorch does, and the tests hold every other engine against it.

{"_": "engine/transformers/1", "dtype": "auto", "logprobs": true}
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, ClassVar

from star_cli.backends import vision
from star_cli.backends.chat import MASKED, Turn
from star_cli.backends.engines._sampling import pick
from star_cli.backends.engines._thinking import Writing
from star_cli.backends.model_config import (
    DTYPES,
    REBUILD,
    SAFE_WEIGHTS,
    checked_context,
    gist,
    model_class,
    saved_dtype,
)
from star_cli.backends.tokens import Codec, load_tokenizer
from star_cli.backends.weights import check_directory
from star_cli.core.extras import command
from star_cli.core.parts import Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError

AHEAD = 8  # batches pulled ahead, to sort them by length
LOGITS = 1 << 27  # logits of one scoring batch: 512 MiB in float32


@register("engine", "transformers")
class Transformers(Engine):
    """Hugging Face transformers with a sampling loop of its own; ``runtime.max_num_seqs`` is the batch.

    A request's seed decides its text whatever else is in the batch, up to the last bits of the forward pass.
    """

    packages = ("torch", "transformers")
    closes_thoughts: ClassVar[bool] = True
    dtype: str = "auto"
    logprobs: bool = True

    def check(self) -> None:
        if self.dtype not in DTYPES:
            raise StarError(f"engine.dtype must be auto, float32, float16 or bfloat16, got {self.dtype!r}")

    def open(self, model: ModelRef, runtime: Runtime) -> TransformersSession:
        """Load the model on the GPU where there is one, else on the CPU."""
        check_directory(model)
        try:
            import torch
            import transformers
        except ImportError as e:
            raise StarError(f"engine=transformers cannot be used: {gist(e)}", hint=command("transformers")) from e
        transformers.utils.logging.disable_progress_bar()
        return TransformersSession(self, model, runtime, "cuda" if torch.cuda.is_available() else "cpu")


@dataclass
class Row:
    """One sample being written: its prompt, the random numbers its seed gives, and what it has so far.

    ``forced`` are tokens that close a thought and are still to be put behind it.
    """

    request: Request
    prompt: list[int]
    draws: Any
    writing: Writing
    forced: list[int] = field(default_factory=list)


class TransformersSession:
    """A model in memory, with its tokenizer."""

    def __init__(self, spec: Transformers, model: ModelRef, runtime: Runtime, device: str) -> None:
        self.spec, self.runtime, self.device = spec, runtime, device
        self._net: Any = None
        self._load(model)

    def _load(self, model: ModelRef) -> None:
        import torch

        tokenizer = load_tokenizer(model)
        dtype = self.spec.dtype if self.spec.dtype != "auto" else model.dtype
        dtype = saved_dtype(model) if dtype == "auto" else dtype
        limit = checked_context(model, self.runtime.max_model_len) or 1 << 20
        self._net = None
        try:
            net, info = model_class(model).from_pretrained(
                model.path,
                revision=model.revision,
                dtype=getattr(torch, dtype),
                output_loading_info=True,
                **SAFE_WEIGHTS,
            )
        except Exception as e:  # a damaged or unknown model: one sentence instead of a library's traceback
            raise StarError(f"the model {model.path} cannot be loaded: {gist(e)}", hint=REBUILD) from e
        if info["missing_keys"]:
            raise StarError(
                f"the weights in {model.path} lack {len(info['missing_keys'])} tensors, "
                f"for example {sorted(info['missing_keys'])[0]}",
                hint=REBUILD,
            )
        self._cache_argument = _cache_argument(net, model)
        self._net = net.to(self.device).eval()
        self._processor = vision.load_processor(model, self.runtime.max_images)
        self.model, self._codec = model, Codec(model, tokenizer, limit, self._processor)

    # ---- writing --------------------------------------------------------------------------------------------------
    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions as they finish, in batches of similar length; ``AHEAD`` batches are pulled ahead."""
        self._ready()
        pending, size = iter(requests), self.runtime.max_num_seqs
        while rows := [self._row(r) for r in islice(pending, AHEAD * size)]:
            rows.sort(key=lambda row: (repr(row.request.sampling), len(row.prompt)))
            for _, group in groupby(rows, key=lambda row: row.request.sampling):
                alike = list(group)
                for at in range(0, len(alike), size):
                    yield from self._write(alike[at : at + size])

    def _row(self, request: Request) -> Row:
        import torch

        writing = Writing.of(request, self._codec)
        prompt = self._prompt_ids(request.prompt, f"problem {request.id[0]!r}", writing.room(self._codec))
        source = torch.Generator().manual_seed(request.seed)
        return Row(request, prompt, torch.rand(request.max_tokens, generator=source, dtype=torch.float64), writing)

    def _prompt_ids(self, prompt: Prompt, where: str, room: int) -> list[int]:
        """The ids of a prompt, every picture as long as it is."""
        ids = self._codec.prompt(prompt, where, room)
        return self._processor.read(prompt)[0] if self._processor and prompt.images else ids

    def _pixels(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """The tensors of all pictures of a batch, in order; empty where there are none."""
        pictures = [self._processor.read(p)[1] for p in prompts if p.images] if self._processor else []
        return {n: v.to(self.device) for n, v in vision.join_pictures(pictures).items()}

    def _write(self, rows: list[Row]) -> Iterator[Completion]:
        """Decode one batch with a key/value cache; a finished row is yielded at once and leaves the batch."""
        import torch
        from transformers import DynamicCache

        ids, mask = self._pad([row.prompt for row in rows])
        cache, sampling = DynamicCache(config=self._net.config.get_text_config()), rows[0].request.sampling
        pixels = self._pixels([row.request.prompt for row in rows])
        while rows:
            with torch.inference_mode():
                logits = self._forward(ids, mask, cache, pixels)
                pixels = {}  # they are in the cache now
                forced = [row.forced.pop(0) if row.forced else -1 for row in rows]
                last = len(rows[0].draws) - 1
                draws = torch.stack([row.draws[min(row.writing.own, last)] for row in rows]).to(logits.device)
                ids = pick(logits, sampling, draws)
                chosen = logits.log_softmax(-1).gather(1, ids[:, None])[:, 0].tolist()
                ids = torch.where(ids.new_tensor(forced) >= 0, ids.new_tensor(forced), ids)
            keep = []
            for at, (row, token, logprob) in enumerate(zip(rows, ids.tolist(), chosen, strict=True)):
                if forced[at] >= 0:
                    keep.append(at)
                    continue
                row.writing.add([token], logprob)
                completion = self._finished(row)
                if completion:
                    yield completion
                else:
                    row.forced = row.writing.close_thought(self._codec)
                    keep.append(at)
            if len(keep) < len(rows):
                rows = [rows[at] for at in keep]
                left = torch.tensor(keep, device=ids.device, dtype=torch.long)
                ids, mask = ids[left], mask[left]
                if rows:
                    cache.reorder_cache(left)  # unlike batch_select_indices it knows the layers with a state, too
            ids, mask = ids[:, None], torch.cat([mask, mask.new_ones(len(rows), 1)], 1)

    def _forward(self, ids: Any, mask: Any, cache: Any, pixels: dict[str, Any]) -> Any:
        """The logits of the next token of every row, in float32."""
        import torch

        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        try:
            out = self._net(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=1,
                **{self._cache_argument: cache},
                **pixels,
            )
        except torch.OutOfMemoryError as e:
            raise EngineDied(
                f"the GPU has no memory for {len(ids)} sequences at once", hint="lower runtime.max_num_seqs"
            ) from e
        return out.logits[:, -1].float()

    def _finished(self, row: Row) -> Completion | None:
        """The completion, if the last token ended it: an end token, a stop string, or the limit."""
        request, writing = row.request, row.writing
        stopped = writing.ids[-1] in self._codec.stops
        if not stopped and request.stop:
            tail = writing.ids[-(8 + 4 * max(len(s) for s in request.stop)) :]
            stopped = self._codec.text(tail, request.stop)[1] and self._codec.text(writing.ids, request.stop)[1]
        if not stopped and not writing.whole:
            return None
        if not self.spec.logprobs:
            writing.logprob = None
        image_tokens = self._processor.count_image_tokens(row.prompt) if self._processor else 0
        return writing.completion(self._codec, "stop" if stopped else "length", image_tokens)

    def _pad(self, prompts: Sequence[list[int]]) -> tuple[Any, Any]:
        """Prompts padded on the left, and the mask of what is real: (rows, tokens) both."""
        import torch

        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts], device=self.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.device)
        return ids, mask

    # ---- scoring --------------------------------------------------------------------------------------------------
    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """log P(completion, end of text | prompt) in nats, from one forward pass over each batch."""
        self._ready()
        rows = []
        for i, (prompt, completion) in enumerate(items):
            prompt = Prompt(prompt) if isinstance(prompt, str) else prompt
            turn = self._codec.turn(prompt, completion, f"item {i}")
            if self._processor and prompt.images:  # every picture as long as it is
                turn = turn._replace(prompt=self._processor.read(prompt)[0] + turn.prompt[len(self._codec.ids) :])
            rows.append((i, turn, prompt))
        rows.sort(key=lambda row: len(row[1].labels))
        scores, vocab = [0.0] * len(rows), self._net.config.get_text_config().vocab_size
        while rows:
            width = len(rows[-1][1].labels)  # the longest goes first
            size = max(1, min(self.runtime.max_num_seqs, LOGITS // (width * vocab)))
            batch, rows = rows[-size:], rows[:-size]
            for (i, *_), score in zip(batch, self._score([row[1:] for row in batch]), strict=True):
                scores[i] = score
        return scores

    def _score(self, batch: list[tuple[Turn, Prompt]]) -> list[float]:
        import torch

        ids, mask = self._pad([turn.prompt + turn.completion for turn, _ in batch])
        own, _ = self._pad([[int(label != MASKED) for label in turn.labels] for turn, _ in batch])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode():
            out = self._net(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                **self._pixels([prompt for _, prompt in batch]),
            )
            logits = out.logits.float()[:, :-1]
            each = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0].double()
        return [float(row[mine].sum()) for row, mine in zip(each, own[:, 1:].bool(), strict=True)]

    # ---- weights and life -----------------------------------------------------------------------------------------
    def swap(self, model: ModelRef) -> bool:
        """Load other weights, of any architecture."""
        self._ready()
        check_directory(model)
        self._load(model)
        return True

    def sleep(self) -> None:
        """Move the weights to main memory while a trainer works."""
        self._net.to("cpu")
        self._free()

    def wake(self) -> None:
        """Move the weights back."""
        self._net.to(self.device)

    def close(self) -> None:
        """Forget the model."""
        self._net = None
        self._free()

    def _free(self) -> None:
        if self.device == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _ready(self) -> None:
        if self._net is None:
            raise StarError("this session was closed; an engine is opened again with Engine.open")


def _cache_argument(net: Any, model: ModelRef) -> str:
    """The argument by which a model is handed what it keeps of the tokens before; a state-space model names its own.

    Without it every token would be written as if it were the first, and nothing would say so.
    """
    for name in ("past_key_values", "cache_params"):
        if name in inspect.signature(net.forward).parameters:
            return name
    raise StarError(
        f"engine=transformers cannot write with {model.path}: {type(net).__name__} takes no cache that it knows",
        hint="use engine=vllm, or another model",
    )
