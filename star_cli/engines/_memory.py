"""What sessions without a device share: there is nothing to sleep, to wake or to close."""

from __future__ import annotations


class InMemory:
    """The end of a session whose weights are a few numbers in this process."""

    def sleep(self) -> None:
        return None

    def wake(self) -> None:
        return None

    def close(self) -> None:
        return None
