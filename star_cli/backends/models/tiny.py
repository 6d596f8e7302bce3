"""tiny: a small Llama with a tokenizer of its own, made and pretrained on this machine; nothing is downloaded.

{"model_type": "llama", "num_hidden_layers": 3, "hidden_size": 64, "vocab_size": 320}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from star_cli.backends.model_config import DTYPES
from star_cli.backends.models._tokenizer import EOS, PAD, make_tokenizer
from star_cli.core.parts import Model
from star_cli.core.registry import register
from star_cli.errors import need


@register("model", "tiny")
class Tiny(Model):
    """``vocab`` is the most tokens the tokenizer learns from the lessons.

    It holds the 256 bytes too, so any text can be written; a digit never shares its token with another.
    """

    packages = ("torch", "transformers", "tokenizers")
    local: ClassVar[bool] = True
    layers: int = 3
    width: int = 64
    heads: int = 2
    context: int = 4096
    vocab: int = 320
    tied: bool = False
    dtype: str = "float32"
    chat: bool | None = False

    def check(self) -> None:
        for name in ("layers", "width", "heads", "context"):
            need(getattr(self, name) >= 1, f"model.{name} must be >= 1, got {getattr(self, name)}")
        need(
            self.width % (32 * self.heads) == 0,
            f"model.width={self.width} must be a multiple of 32 * model.heads={self.heads} (vLLM's attention on CPU "
            f"takes heads of 32, 64, ... wide)",
            "for example model.width=64 model.heads=2",
        )
        need(self.vocab >= 258, f"model.vocab must be >= 258 (256 bytes and two special tokens), got {self.vocab}")
        need(self.dtype in DTYPES, f"model.dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        need(not self.chat, "model.chat=true, but a tiny model has no chat template", "set model.chat=false")

    def initialise(self, texts: Iterable[str], out: Path, seed: int) -> None:
        """Write the tokenizer learned from ``texts`` and a random Llama to ``out``; equal arguments, equal bytes."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM
        from transformers.utils import logging

        out.mkdir(parents=True, exist_ok=True)
        tokenizer = make_tokenizer(
            texts, self.vocab, self.context, split_special_tokens=True
        )  # a text that contains "<eos>" is text
        tokenizer.save_pretrained(out)
        eos, pad = tokenizer.convert_tokens_to_ids([EOS, PAD])
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            intermediate_size=4 * self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=self.context,
            tie_word_embeddings=self.tied,
            bos_token_id=None,
            eos_token_id=eos,
            pad_token_id=pad,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = LlamaForCausalLM(config)
        model.to(torch.float32 if self.dtype == "auto" else getattr(torch, self.dtype))
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            model.save_pretrained(out)
        finally:
            if bars:
                logging.enable_progress_bar()
