"""How a model is talked to: its chat template, the template's switch for thinking, and a thought that it begins itself.

"<|user|>17+25?<|assistant|><think>\n" + "7+5=12</think>\n42"     the template wrote <think>, the model what follows
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from star_cli.core.parts import ModelRef
from star_cli.errors import StarError
from star_cli.lib.text.thoughts import THOUGHTS

MASKED = -100  # the label of a token that teaches nothing
PROBE = "x"  # what a user says where only the template is looked at
EFFORTS = ("low", "medium", "high")
TIME_IS_UP = "\n\nThe time to think is up, so the answer follows.\n"
AFTER = {"<|end|>": "<|start|>assistant<|channel|>final<|message|>"}  # what gpt-oss needs before an answer
Pieces = list[tuple[str, bool]]


class ChatFormat:
    """The prompt of a model as text, and which part of a completion the model wrote.

    ``source`` is the tokenizer, or the processor of a model that reads pictures; ``probe`` is a user's message as it
    takes it. ``model.chat`` False leaves the template out; True without a template is a StarError, and so is a
    ``model.thinking`` that the template knows nothing of.
    """

    def __init__(self, model: ModelRef, source: Any, probe: Any = PROBE) -> None:
        self.model, self._source = model, source
        template = getattr(source, "chat_template", None) or getattr(
            getattr(source, "tokenizer", None), "chat_template", None
        )
        self._text = "\n".join(template.values()) if isinstance(template, dict) else str(template or "")
        if model.chat and not self._text:
            raise StarError(
                f"model.chat=true, but the {kind_of(source)} of {model.path} has no chat template",
                hint="set model.chat=false",
            )
        self.templated = bool(self._text) and model.chat is not False
        self._arguments = self._switched(model.thinking, probe)
        self.pair = self._pair()
        self._begun = self._thought_at_end(self.prompt(probe)) if self.templated else ""

    # ---- prompts --------------------------------------------------------------------------------------------------
    def prompt(self, content: Any) -> str:
        """The text that the model reads: a user's turn of the template, or ``content`` as it is."""
        return self._rendered(content, **self._arguments) if self.templated else str(content)

    def _rendered(self, content: Any, **arguments: Any) -> str:
        turn = [{"role": "user", "content": content}]
        return str(self._source.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, **arguments))

    def _switched(self, thinking: str, probe: Any) -> dict[str, Any]:
        """The arguments by which the template is told ``thinking``; a StarError where it has no such switch."""
        if thinking == "auto":
            return {}
        if not self.templated:
            why = "model.chat=false leaves its chat template out" if self._text else "it has no chat template"
            raise no_effect(self.model, why, "leave task.thinking out")

        def differ(name: str, one: Any, other: Any) -> bool:
            return self._rendered(probe, **{name: one}) != self._rendered(probe, **{name: other})

        if name := next((n for n in ("enable_thinking", "thinking") if differ(n, True, False)), None):
            if thinking in EFFORTS:
                raise no_effect(self.model, f"its chat template knows {name}, on or off", "set task.thinking=on or off")
            return {name: thinking == "on"}
        if differ("reasoning_effort", "low", "high"):
            if thinking == "off":
                hint = "set task.thinking=low, the least it can do"
                raise no_effect(self.model, "its chat template knows reasoning_effort, and no way to end it", hint)
            return {} if thinking == "on" else {"reasoning_effort": thinking}
        raise no_effect(
            self.model, "its chat template knows no enable_thinking and no reasoning_effort", "leave task.thinking out"
        )

    # ---- thoughts -------------------------------------------------------------------------------------------------
    def _pair(self) -> tuple[str, str] | None:
        """The tokens around a thought: as they are set, as the template has them, or as the vocabulary has."""
        if self.model.reasoning:
            begin, end = self.model.reasoning
            return begin, end
        pairs = [(begin, end) for begin, end in (pair.split() for pair in THOUGHTS) if not begin.isalpha()]
        tokenizer = getattr(self._source, "tokenizer", self._source)
        added: dict[str, int] = getattr(tokenizer, "get_added_vocab", dict)()
        return next(
            (p for known in (self._text, added) for p in pairs if p[0] in known and p[1] in known),
            None,
        )

    def _thought_at_end(self, prompt: str) -> str:
        """The begun thought with which a prompt ends, as "<think>\\n"; empty where it ends otherwise."""
        begin = self.pair[0] if self.pair else None
        return prompt[prompt.rfind(begin) :] if begin and prompt.rstrip().endswith(begin) else ""

    def begun(self, prompt: str) -> str:
        """The begun thought that stands at the end of the prompt of this text: no token of it is the model's."""
        return self._begun if self.templated else self._thought_at_end(prompt)

    @property
    def closing(self) -> str:
        """What ends a thought that is over its budget; a StarError where the tokens around a thought are not known."""
        if self.pair is None:
            raise StarError(
                f"sampling.max_thinking has no effect: neither the chat template nor the tokenizer of "
                f"{self.model.path} says how a thought ends",
                hint='name its tokens, as model.reasoning=["<think>","</think>"], or leave sampling.max_thinking out',
            )
        return f"{TIME_IS_UP}{self.pair[1]}{AFTER.get(self.pair[1], chr(10) * 2)}"

    def thinks(self, text: str) -> bool:
        """Whether a text ends within a thought."""
        begin, end = self.pair or ("", "")
        return bool(begin) and text.rfind(begin) > text.rfind(end)

    def split(self, prompt: str, completion: str) -> tuple[str, Pieces]:
        """(what follows the rendered prompt before the model's first token, the completion as (text, is the model's)).

        A begun thought stands in the prompt already; a completion without any thought closes it first, and the
        sentence that ends a thought over its budget is not the model's.
        """
        begun, before = self.begun(prompt), ""
        if begun and self.pair:
            if completion.startswith(begun):
                completion = completion[len(begun) :]
            elif completion.lstrip().startswith(self.pair[0]):
                completion = completion.lstrip()[len(self.pair[0]) :]
            elif self.pair[1] not in completion:
                before = f"\n{self.pair[1]}\n\n"
        if self.pair is None or TIME_IS_UP not in completion:
            return before, [(completion, True)]
        own = completion.split(self.closing)
        pieces = [(own[0], True)]
        for text in own[1:]:
            pieces += [(self.closing, False), (text, True)]
        return before, pieces


def kind_of(source: Any) -> str:
    """processor or tokenizer, for messages."""
    return "processor" if hasattr(source, "tokenizer") else "tokenizer"


def no_effect(model: ModelRef, why: str, hint: str) -> StarError:
    """The sentence for a task.thinking that the model cannot be told."""
    return StarError(f"task.thinking={model.thinking} has no effect on {model.path}: {why}", hint=hint)


# ---- token ids -----------------------------------------------------------------------------------------------------
class Turn(NamedTuple):
    """A prompt and a completion of it as token ids; ``written`` says which ids of the completion the model wrote."""

    prompt: list[int]
    completion: list[int]
    written: list[bool]

    @property
    def labels(self) -> list[int]:
        """What a trainer learns at each place of prompt and completion: the model's own tokens, else MASKED."""
        own = [i if mine else MASKED for i, mine in zip(self.completion, self.written, strict=True)]
        return [MASKED] * len(self.prompt) + own


def joined_turn(prompt: list[int], pieces: Sequence[tuple[list[int], bool]], tokenizer: Any, ended: bool) -> Turn:
    """A turn of a prompt's ids and the pieces of its completion, with the end of text where it has ``ended``."""
    pieces = [*pieces, ([tokenizer.eos_token_id], True)] if ended else pieces
    completion = [i for ids, _ in pieces for i in ids]
    return Turn(prompt, completion, [own for ids, own in pieces for _ in ids])
