"""The tokenizer of models made on this machine: byte-level, its merges learned from the lessons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

WORDS = r" ?\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s"  # a digit is one token, with the space before it
EOS, PAD = "<eos>", "<pad>"


def make_tokenizer(texts: Iterable[str], vocab: int, context: int, special: Iterable[str] = (), **settings: Any) -> Any:
    """A byte-level tokenizer with merges learned from ``texts``; it writes and reads back any Unicode text exactly.

    ``special`` are further special tokens; ``settings`` go to transformers' PreTrainedTokenizerFast.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    rules = Tokenizer(models.BPE())
    rules.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    rules.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[EOS, PAD, *special],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    rules.train_from_iterator(texts, trainer=trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=rules,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        **settings,
    )
