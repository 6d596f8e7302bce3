"""What sessions without a device share: text alone, and nothing to sleep, to wake or to close."""

from __future__ import annotations

from star_cli.core.parts import Prompt


def text_of(prompt: str | Prompt) -> str:
    """The text of a prompt; these engines see no pictures."""
    return prompt if isinstance(prompt, str) else prompt.text


class InMemory:
    """The end of a session whose weights are a few numbers in this process."""

    def sleep(self) -> None:
        return None

    def wake(self) -> None:
        return None

    def close(self) -> None:
        return None
