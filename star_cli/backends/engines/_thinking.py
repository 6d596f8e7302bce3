"""Thoughts with a budget: one that is longer than sampling.max_thinking is closed, and the answer follows.

"<think>\n7+5 is 12, or perhaps" + "\n\nThe time to think is up, so the answer follows.\n</think>\n\n" + "42"
"""

from __future__ import annotations

from dataclasses import dataclass, field

from star_cli.backends.tokens import Codec
from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, Request


@dataclass
class Writing:
    """What was written for a request so far: ``ids`` of the model and of closed thoughts, ``own`` of the model alone.

    ``begun`` is the thought that the prompt ends with; the text of the completion begins with it.
    """

    request: Request
    begun: str = ""
    ids: list[int] = field(default_factory=list)
    own: int = 0
    logprob: float | None = 0.0

    @classmethod
    def of(cls, request: Request, codec: Codec) -> Writing:
        """A request of which nothing is written; a StarError for a budget where it is not known how thoughts end."""
        if request.sampling.max_thinking:
            codec.chat.closing  # noqa: B018  (raises)
        return cls(request, codec.begun(request.prompt))

    @property
    def left(self) -> int:
        """How many tokens may be written before somebody looks: to the end of a thought's budget, or to the limit."""
        budget = self.request.sampling.max_thinking
        rest = self.request.max_tokens - self.own
        return min(budget - self.own, rest) if budget and self.own < budget else rest

    def room(self, codec: Codec) -> int:
        """The most tokens that may stand behind the prompt."""
        closing = len(codec.special(codec.chat.closing)) if self.request.sampling.max_thinking else 0
        return self.request.max_tokens + closing

    def add(self, ids: list[int], logprob: float | None) -> None:
        """Note tokens that the model wrote, and their log-probability."""
        self.ids += ids
        self.own += len(ids)
        self.logprob = None if self.logprob is None or logprob is None else self.logprob + logprob

    @property
    def whole(self) -> bool:
        """Whether its limit of tokens is reached."""
        return self.own >= self.request.max_tokens

    def close_thought(self, codec: Codec) -> list[int]:
        """At the end of its budget: close the thought where one is open; returns the ids that do so."""
        if self.own != self.request.sampling.max_thinking:
            return []
        if not codec.chat.thinks(self.begun + codec.text(self.ids, ())[0]):
            return []
        ids = codec.special(codec.chat.closing)
        self.ids += ids
        return list(ids)

    @property
    def seed(self) -> int:
        """The seed of what is left: the request's own, or one made from it where something is written already."""
        return seed_of(self.request.seed, self.own) if self.own else self.request.seed

    def completion(self, codec: Codec, finish: str, image_tokens: int, text: str | None = None) -> Completion:
        """The finished completion; ``text`` is what was written, where that is not what its ids say."""
        text = codec.text(self.ids, self.request.stop)[0] if text is None else text
        logprob = None if self.logprob is None else round(self.logprob, 4) + 0.0
        return Completion(self.request.id, self.begun + text, self.own, finish, logprob, image_tokens)
