"""Chat templates of the kinds that thinking models have, written anew, and tiny random models that speak through them.

plain: no template      chat: a template that knows no thoughts      switch: enable_thinking (Qwen3, SmolLM3)
begun: the prompt ends with <think> (DeepSeek-R1's distilled models)   both: begun, with a switch (thinking)
effort: reasoning_effort, channels (gpt-oss)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from architectures import make

from star_cli.core.parts import ModelRef

TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<eos>{% endfor %}"
ANSWER = "{% if add_generation_prompt %}<|assistant|>"
END = "{% endif %}"
CLOSED = "<think>\\n\\n</think>\\n\\n"
TEMPLATES = {
    "chat": TURNS + ANSWER + END,
    "switch": TURNS
    + ANSWER
    + "{% if enable_thinking is defined and not enable_thinking %}{{ '"
    + CLOSED
    + "' }}{% endif %}"
    + END,
    "begun": TURNS + ANSWER + "{{ '<think>\\n' }}" + END,
    "both": TURNS
    + ANSWER
    + "{% if thinking is defined and not thinking %}{{ '"
    + CLOSED
    + "' }}{% else %}{{ '<think>\\n' }}{% endif %}"
    + END,
    "effort": "<|start|>system<|message|>Reasoning: {{ reasoning_effort | default('medium') }}<|end|>"
    "{# its turns: <|channel|>analysis<|message|> and <|end|> #}"
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
}
KINDS = ("plain", *TEMPLATES)
SPECIAL = ("<think>", "</think>", "<|user|>", "<|assistant|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>")


def talker(kind: str, out: Path, thinking: str = "auto", **more: Any) -> ModelRef:
    """A tiny random Qwen3 whose tokenizer has a template of this kind."""
    model = make("Qwen3", out, template=TEMPLATES.get(kind, ""), added=SPECIAL, **more)
    return replace(model, dtype="float32", thinking=thinking)
