"""tiny_vlm: a small vision-language model (Idefics3, SmolVLM's family) made and pretrained on this machine.

{"model_type": "idefics3", "vision_config": {"image_size": 32, "patch_size": 8}, "text_config": {"hidden_size": 64}}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from star_cli.backends.model_config import DTYPES
from star_cli.backends.models._tokenizer import EOS, PAD, make_tokenizer
from star_cli.core.parts import Model
from star_cli.core.registry import register
from star_cli.errors import need

IMAGE = ("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>")
TILES = [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]  # read by the processor, never written here


@register("model", "tiny_vlm")
class TinyVLM(Model):
    """A Llama of ``layers`` and ``width`` that reads pictures through a vision transformer and a linear connector.

    A picture is scaled to ``image`` x ``image`` pixels and cut into patches of ``patch``; ``shuffle`` x ``shuffle``
    patches become one token of the text model: (image / patch / shuffle)**2 tokens a picture. ``vocab`` is the most
    tokens the tokenizer learns from the lessons; it holds the 256 bytes too.
    """

    packages = ("torch", "transformers", "tokenizers")
    local: ClassVar[bool] = True
    layers: int = 3
    width: int = 64
    heads: int = 2
    context: int = 2048
    vocab: int = 400
    image: int = 32
    patch: int = 8
    shuffle: int = 2
    vision_layers: int = 2
    vision_width: int = 64
    spread: float = 0.08  # standard deviation of the first weights; the usual 0.02 is slow to leave at this width
    dtype: str = "float32"
    chat: bool | None = False

    def check(self) -> None:
        for name in ("layers", "width", "heads", "context", "vision_layers", "vision_width", "patch", "shuffle"):
            need(getattr(self, name) >= 1, f"model.{name} must be >= 1, got {getattr(self, name)}")
        need(
            self.width % (32 * self.heads) == 0,
            f"model.width={self.width} must be a multiple of 32 * model.heads={self.heads} (vLLM's attention on CPU "
            f"takes heads of 32, 64, ... wide)",
            "for example model.width=64 model.heads=2",
        )
        need(self.vision_width % 32 == 0, f"model.vision_width must be a multiple of 32, got {self.vision_width}")
        need(
            self.image >= 1 and self.image % (self.patch * self.shuffle) == 0,
            f"model.image={self.image} must be a multiple of model.patch * model.shuffle = {self.patch * self.shuffle}",
        )
        need(self.vocab >= 300, f"model.vocab must be >= 300 (256 bytes and 42 special tokens), got {self.vocab}")
        need(
            self.tokens + 64 <= self.context,
            f"model.context={self.context} has no room beside the {self.tokens} tokens of a picture",
            "raise model.context",
        )
        need(self.spread > 0, f"model.spread must be > 0, got {self.spread}")
        need(self.dtype in DTYPES, f"model.dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        need(not self.chat, "model.chat=true, but a tiny model has no chat template", "set model.chat=false")

    @property
    def tokens(self) -> int:
        """Tokens a picture becomes."""
        return (self.image // self.patch // self.shuffle) ** 2

    def initialise(self, texts: Iterable[str], out: Path, seed: int) -> None:
        """Write the processor and a random model to ``out``; equal arguments, equal bytes."""
        from transformers.utils import logging

        out.mkdir(parents=True, exist_ok=True)
        verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()  # it warns of the defaults it compares with, which are not ours
        logging.disable_progress_bar()
        try:
            self._write(texts, out, seed)
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()

    def _write(self, texts: Iterable[str], out: Path, seed: int) -> None:
        import torch
        from transformers import Idefics3Config, Idefics3ForConditionalGeneration

        tokenizer = make_tokenizer(
            texts, self.vocab, self.context, [*IMAGE, *TILES], additional_special_tokens=list(IMAGE)
        )
        self._processor(tokenizer).save_pretrained(out)
        eos, pad, image = tokenizer.convert_tokens_to_ids([EOS, PAD, IMAGE[0]])
        config = Idefics3Config(
            image_token_id=image,
            scale_factor=self.shuffle,
            tie_word_embeddings=False,
            pad_token_id=pad,
            eos_token_id=eos,
            bos_token_id=None,
            initializer_range=self.spread,
            vision_config={
                "initializer_range": self.spread,
                "hidden_size": self.vision_width,
                "intermediate_size": 2 * self.vision_width,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_width // 32,
                "image_size": self.image,
                "patch_size": self.patch,
                "model_type": "idefics3_vision",
            },
            text_config={
                "model_type": "llama",
                "initializer_range": self.spread,
                "vocab_size": len(tokenizer),
                "hidden_size": self.width,
                "intermediate_size": 4 * self.width,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "num_key_value_heads": self.heads,
                "max_position_embeddings": self.context,
                "tie_word_embeddings": False,
                "bos_token_id": None,
                "eos_token_id": eos,
                "pad_token_id": pad,
                "rms_norm_eps": 1e-6,
            },
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Idefics3ForConditionalGeneration(config)
        model.to(torch.float32 if self.dtype == "auto" else getattr(torch, self.dtype))
        model.save_pretrained(out)

    def _processor(self, tokenizer: Any) -> Any:
        from transformers import Idefics3Processor
        from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

        pictures = Idefics3ImageProcessorPil(
            size={"longest_edge": self.image}, max_image_size={"longest_edge": self.image}, do_image_splitting=False
        )
        return Idefics3Processor(pictures, tokenizer, image_seq_len=self.tokens)
