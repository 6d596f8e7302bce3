"""zip: RL-STaR's task of zipping two words letter by letter (Chang et al. 2024, arXiv 2410.23912).

{"id": "010.110", "question": "x 0 1 0 . 1 1 0", "answer": "x . y 0 1 . 1 1 . 0 0", "meta": {"steps": 3}}

Every step takes the last letter of both words to the front of the zipped part; the rationale writes each state down:

    x 0 1 0 . 1 1 0   ->   x 0 1 . 1 1 y 0 0   ->   x 0 . 1 y 1 1 . 0 0   ->   x . y 0 1 . 1 1 . 0 0
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from itertools import product
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, Prompt, Request, Session, Task
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.lib.theory.states import path, right_steps, state
from star_cli.tasks.base.multi_turn import in_turns


@register("task", "zip")
class Zip(Task):
    """All ``base ** (2 * length)`` questions; every split holds all of them, as in the paper.

    ``delta`` (the generator's convention) sets how good the lessons of a tiny base are: each step is right with
    probability 1/M + delta, otherwise one of the M - 1 wrong states; ``zero_step`` makes that step a guess (delta 0).
    ``pairwise`` asks for each step in a prompt of its own that holds the state before and nothing else: then the model
    is the Markov chain of the theory. Without it one text holds the whole chain, and a step may look back to the
    question.
    """

    base: int = 2
    length: int = 3
    delta: float = 0.4
    zero_step: int = 0
    pairwise: bool = False
    lessons: dict[str, int] = field(metadata={"identity": False}, default_factory=lambda: {"chain": 8192})
    grader: ClassVar[dict[str, Any]] = {"name": "exact", "after": "\n"}
    max_tokens: ClassVar[int] = 96

    def check(self) -> None:
        need(2 <= self.base <= 10, f"task.base must be 2 to 10, got {self.base}")
        need(1 <= self.length <= 6, f"task.length must be 1 to 6, got {self.length}")
        states = self.base ** (2 * self.length)
        need(
            -1 / states <= self.delta <= 1 - 1 / states,
            f"task.delta must be in [-1/M, (M-1)/M] = [{-1 / states:.4f}, {1 - 1 / states:.4f}], got {self.delta}",
        )
        need(
            0 <= self.zero_step <= self.length,
            f"task.zero_step must be 0 (none) to {self.length}, got {self.zero_step}",
        )

    def states(self) -> Iterator[tuple[int, ...]]:
        """All M = base ** (2 * length) states, each as the letters of both words, one after the other."""
        return product(range(self.base), repeat=2 * self.length)

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        for letters in self.states():
            a, b = letters[: self.length], letters[self.length :]
            name = "".join(map(str, a)) + "." + "".join(map(str, b))
            yield Problem(
                id=name, question=state(letters, 0), answer=state(letters, self.length), meta={"steps": self.length}
            )

    def whole_population(self, split: str) -> bool:
        return True

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        return Prompt(f"{problem.question} -> {problem.answer}\n" if hint else f"{problem.question}\n")

    def gold(self, problem: Problem) -> str | None:
        return "\n".join(self.true_states(problem))

    def true_states(self, problem: Problem) -> list[str]:
        """The right states after steps 1..length."""
        letters = tuple(int(c) for c in problem.id if c != ".")
        return [state(letters, k) for k in range(1, self.length + 1)]

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        every_state = list(self.states())
        for name, count in lessons.items():
            need(
                name in ("chain", "clean"),
                f"unknown lesson {name!r}, expected 'chain' or 'clean' (without wrong steps)",
            )
            rng = random.Random(seed_of("zip", seed, self.base, self.length, self.delta, self.zero_step))
            for i in range(count):
                start = every_state[i % len(every_state)]
                right = [state(start, step) for step in range(1, self.length + 1)]
                lines = self.noisy_chain(start, every_state, rng) if name == "chain" else right
                whole = f"{state(start, 0)}\n", "\n".join(lines)
                for n, (prompt, completion) in enumerate(self.pieces(*whole) if self.pairwise else [whole]):
                    yield Example(
                        problem_id=f"lesson/{name}/{i}", sample=n, prompt=prompt, completion=completion, origin="gold"
                    )

    def noisy_chain(self, start: tuple[int, ...], every_state: list[tuple[int, ...]], rng: random.Random) -> list[str]:
        """One pretraining trajectory: each step starts from the state reached, right or wrong."""
        states, here = [], start
        for step in range(1, self.length + 1):
            right = 1 / len(every_state) + (0.0 if step == self.zero_step else self.delta)
            if rng.random() >= right:
                other = rng.randrange(len(every_state) - 1)
                here = every_state[other + (every_state[other] >= here)]
            states.append(state(here, step))
        return states

    def stepwise(self) -> bool:
        return self.pairwise

    def converse(self, session: Session, requests: Iterable[Request]) -> Iterator[Completion]:
        if not self.pairwise:
            return session.stream(requests)
        one_line = (replace(r, stop=("\n",)) for r in requests)
        return in_turns(session, one_line, self.length, lambda r, lines: Prompt(next_prompt(r.prompt.text, lines[-1])))

    def pieces(self, prompt: str, completion: str) -> list[tuple[str, str]]:
        lines = (completion.split("\n") + [""] * self.length)[: self.length]
        return list(zip([prompt, *(next_prompt(prompt, line) for line in lines)], lines, strict=False))

    def chain(self) -> tuple[int, int]:
        return self.length, self.base ** (2 * self.length)

    def right_steps(self, problem: Problem, text: str) -> list[bool] | None:
        return right_steps(problem.question, text)

    def path(self, problem: Problem, text: str) -> list[int | None]:
        return path(problem.question, text, self.base)

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        """Lines that differ from the true states, missing and surplus lines included."""
        true, written = self.true_states(problem), [" ".join(s.split()) for s in text.strip().splitlines()]
        return sum(x != y for x, y in zip(true, written, strict=False)) + abs(len(true) - len(written))

    def wrong_lines(self, problem: Problem, text: str) -> list[int]:
        """Lines that differ from the true states, surplus lines included."""
        true, first = self.true_states(problem), text[: len(text) - len(text.lstrip())].count("\n")
        written = [" ".join(s.split()) for s in text.strip().splitlines()]
        return [first + i for i, line in enumerate(written) if i >= len(true) or line != true[i]]


def next_prompt(prompt: str, line: str) -> str:
    """The prompt of the step after ``line``; a hint in the first prompt is in every other too."""
    _, arrow, answer = prompt.strip().partition(" -> ")
    return f"{line}{arrow}{answer}\n"
