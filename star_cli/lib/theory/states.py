"""The states of the zip task as texts and as numbers, so that a transition table can play a language model.

    x 0 1 0 . 1 1 0   ->   x 0 1 . 1 1 y 0 0   ->   x 0 . 1 y 1 1 . 0 0   ->   x . y 0 1 . 1 1 . 0 0

The letters of both words stay what they are, only their arrangement changes: numbered by its letters every state is its
own right successor, and the ground truth of every step is the identity.
"""

from __future__ import annotations

from functools import lru_cache

Letters = tuple[int, ...]


def state(letters: Letters, step: int) -> str:
    """The text of a state after ``step`` steps for the two words in ``letters``, one after the other."""
    n = len(letters) // 2
    a, b = letters[:n], letters[n:]
    head = ["x", *map(str, a[: n - step]), ".", *map(str, b[: n - step])]
    tail = [f"{a[i]} {b[i]}" for i in range(n - step, n)]
    return " ".join(head + (["y " + " . ".join(tail)] if tail else []))


@lru_cache(maxsize=1 << 16)
def read_state(text: str) -> tuple[int, Letters] | None:
    """(steps done, letters) of a state's text; None where it is not one."""
    clean = " ".join(text.split())
    head, _, tail = clean.removeprefix("x").partition(" y ")
    left, _, right = head.partition(" .")
    groups = [g.split() for g in tail.split(" . ")] if tail else []
    words = [*left.split(), *(g[0] for g in groups), *right.split(), *(g[-1] for g in groups)]
    if not all(w.isdecimal() for w in words) or len(words) % 2:
        return None
    letters = tuple(map(int, words))
    return (len(groups), letters) if state(letters, len(groups)) == clean else None


def number(letters: Letters, base: int) -> int:
    """The number of a state: its letters as digits."""
    value = 0
    for letter in letters:
        value = value * base + letter
    return value


def letters_of(value: int, base: int, count: int) -> Letters:
    """The ``count`` letters of a state's number."""
    digits = []
    for _ in range(count):
        value, digit = divmod(value, base)
        digits.append(digit)
    return tuple(reversed(digits))


def lines_of(text: str) -> list[str]:
    """The lines of a rationale, blank ones left out."""
    return [line for line in text.strip().splitlines() if line.strip()]


def right_steps(question: str, text: str) -> list[bool] | None:
    """For each step of a chain whether it is right *given the state it started from*; None where it cannot be read.

    That is what a transition table is made of. A line that is no state of its step is a wrong step, and so is the step
    after it, which starts from nothing.
    """
    here = read_state(question)
    if here is None:
        return None
    done, letters = here
    before: Letters | None = letters
    lines, right = lines_of(text), []
    for step in range(done + 1, len(letters) // 2 + 1):
        there = read_state(lines[step - done - 1]) if step - done <= len(lines) else None
        right.append(there is not None and there == (step, before))
        before = there[1] if there and there[0] == step else None
    return right


def path(question: str, text: str, base: int) -> list[int | None]:
    """The numbers of the states of a chain, the question's first; None for a line that is no state of its step.

    Letters of another alphabet than 0 to ``base`` - 1 are no state either. N+1 entries for words of N letters.
    """
    start = read_state(question)
    if start is None:
        return [None]
    done, letters = start
    lines = lines_of(text)
    states: list[int | None] = [number(letters, base)]
    for step in range(done + 1, len(letters) // 2 + 1):
        there = read_state(lines[step - done - 1]) if step - done <= len(lines) else None
        fits = there is not None and there[0] == step and len(there[1]) == len(letters) and max(there[1]) < base
        states.append(number(there[1], base) if there is not None and fits else None)
    return states
