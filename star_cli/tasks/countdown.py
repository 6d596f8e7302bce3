"""countdown: make a target of a few numbers with + - *, each number used once. One problem has many right texts.

{"id": "3:5 6 8=34", "question": "5 6 8 -> 34", "answer": "( 8 * 5 ) - 6",
 "meta": {"numbers": [5, 6, 8], "target": 34, "count": 3}}

    Numbers: 5 6 8
    Target: 34
    8 * 5 = 40
    40 - 6 = 34
    Answer: ( 8 * 5 ) - 6
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import RUNTIME, Prompt, Task
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.tasks.base.lessons import lesson
from star_cli.tasks.base.splits import SHARES

STEP = re.compile(r"\s*(\d{1,9}) ([+*-]) (\d{1,9}) = (\d{1,9})\s*")
HEADING = "Answer:"
FRUITLESS = 20_000  # draws in a row without a new problem, after which there are taken to be no more


@register("task", "countdown")
class Countdown(Task):
    """``min_numbers`` to ``max_numbers`` numbers from 1 to ``largest``, targets from 1 to ``highest``; every problem
    has an answer, and no step of it goes below 0 or above ``highest``.

    ``train``, ``dev`` and ``test`` say how many problems of each count of numbers are drawn. A problem belongs to one
    split by a hash of its numbers and target. A lesson ``"3"`` is a solved problem of three numbers, ``"3/hinted"`` one
    whose prompt shows the expression. A model that saw these alone writes the target behind the last step, whatever
    the step gives; lessons ``"3/missed"`` end in another number than the target, with steps that hold, and a lesson
    ``"step"`` is one step alone (``Step: 21 + 4``).
    """

    min_numbers: int = 3
    max_numbers: int = 3
    largest: int = 9
    highest: int = 99
    train: int = 2000
    dev: int = 150
    test: int = 300
    seed: int = 0
    lessons: dict[str, int] = field(metadata=RUNTIME, default_factory=lambda: {"3": 2500, "3/hinted": 500})
    grader: ClassVar[dict[str, Any]] = {"name": "countdown"}
    max_tokens: ClassVar[int] = 96

    def check(self) -> None:
        need(
            2 <= self.min_numbers <= self.max_numbers <= 6,
            "task.min_numbers..max_numbers must satisfy 2 <= min <= max <= 6, got "
            f"{self.min_numbers}..{self.max_numbers}",
        )
        need(2 <= self.largest <= 100, f"task.largest must be from 2 to 100, got {self.largest}")
        need(
            self.largest <= self.highest <= 9999,
            f"task.highest must be from task.largest={self.largest} to 9999, got {self.highest}",
        )
        for name in ("train", "dev", "test"):
            need(getattr(self, name) >= 1, f"task.{name} must be >= 1, got {getattr(self, name)}")

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        for count in range(self.min_numbers, self.max_numbers + 1):
            rng = random.Random(seed_of("countdown", self.seed, split, count))
            yield from self._drawn(count, getattr(self, split), split, rng)

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        shown = f"Hint: {problem.answer}\n" if hint else ""
        given = " ".join(str(n) for n in problem.meta["numbers"])
        return Prompt(f"Numbers: {given}\nTarget: {problem.meta['target']}\n{shown}")

    def answer_only(self, problem: Problem) -> str:
        return f"{HEADING} {problem.answer}"

    def gold(self, problem: Problem) -> str | None:
        return rationale(problem.answer)

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        for name, wanted in lessons.items():
            kind, _, form = name.partition("/")
            need(
                name == "step" or (kind in ("2", "3", "4", "5", "6") and form in ("", "hinted", "missed")),
                f"unknown lesson {name!r}, expected step, or 2 to 6, alone or with /hinted or /missed behind it",
            )
            rng = random.Random(seed_of("lesson", seed, name))
            if name == "step":
                for i in range(wanted):
                    a, op, b, c = self._step(rng)
                    yield lesson(name, i, f"Step: {a} {op} {b}\n", f"{a} {op} {b} = {c}")
                continue
            for i, p in enumerate(self._drawn(int(kind), wanted, "train", rng, repeat=True)):
                text = self._missed(p, rng) if form == "missed" else self.gold(p) or ""
                yield lesson(name, i, self.prompt(p, form == "hinted").text, text)

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"numbers": str(problem.meta["count"])}

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        return len(self.wrong_lines(problem, text))

    def wrong_lines(self, problem: Problem, text: str) -> list[int]:
        """Lines before the answer that are no step, do not hold, or use a number that is not there (any more)."""
        there = [int(n) for n in problem.meta["numbers"]]
        wrong = []
        for i, line in enumerate(text.partition(HEADING)[0].rstrip().splitlines()):
            step = STEP.fullmatch(line)
            if step is None:
                wrong.append(i)
                continue
            a, b, c = int(step[1]), int(step[3]), int(step[4])
            for operand in (a, b):
                if operand in there:
                    there.remove(operand)
                elif i not in wrong:
                    wrong.append(i)
            if applied(a, step[2], b) != c and i not in wrong:
                wrong.append(i)
            there.append(c)
        return wrong

    def measures(self, problem: Problem, text: str) -> dict[str, float]:
        """``forced``: an answer whose steps end in the target, though one of them does not hold."""
        steps = [STEP.fullmatch(line) for line in text.partition(HEADING)[0].strip().splitlines()]
        last = steps[-1] if steps else None
        reached = last is not None and int(last[4]) == int(problem.meta["target"])
        return {"forced": float(reached and bool(self.wrong_lines(problem, text)))}

    def _missed(self, problem: Problem, rng: random.Random) -> str:
        """A rationale with another expression of the same numbers, which does not reach the target."""
        while True:
            expression = made_of(problem.meta["numbers"], self.highest, rng)
            if expression is not None and steps_of(expression)[-1][3] != problem.meta["target"]:
                return rationale(expression)

    def _step(self, rng: random.Random) -> tuple[int, str, int, int]:
        """A step (a, operator, b, result) of given numbers and results of other steps, drawn at random."""
        while True:
            pair = [rng.randint(0, self.highest), rng.randint(1, self.largest)]
            rng.shuffle(pair)
            op = rng.choice("+-*")
            result = applied(pair[0], op, pair[1])
            if 0 <= result <= self.highest:
                return pair[0], op, pair[1], result

    def _drawn(
        self, count: int, wanted: int, split: str, rng: random.Random, repeat: bool = False
    ) -> Iterator[Problem]:
        """``wanted`` problems of a split with ``count`` numbers, fewer where few exist; each once unless ``repeat``."""
        seen: set[str] = set()
        drawn: set[str] = set()
        fruitless = 0
        while wanted and fruitless < FRUITLESS:
            fruitless += 1
            given = [rng.randint(1, self.largest) for _ in range(count)]
            expression = made_of(given, self.highest, rng)
            if expression is None:
                continue
            *_, last = steps_of(expression)
            problem = problem_of(sorted(given), last[3], expression)
            if problem.id in drawn and not (repeat and problem.id in seen):
                continue  # of another split, or given already
            drawn.add(problem.id)
            if problem.id not in seen and seed_of("split", problem.id) % 10 not in SHARES[split]:
                continue
            seen.add(problem.id)
            wanted, fruitless = wanted - 1, 0
            yield problem


def problem_of(given: list[int], target: int, expression: str) -> Problem:
    """The problem of making ``target`` of numbers, with one answer to it."""
    numbers = " ".join(map(str, given))
    return Problem(
        id=f"{len(given)}:{numbers}={target}",
        question=f"{numbers} -> {target}",
        answer=expression,
        meta={"numbers": given, "target": target, "count": len(given)},
    )


def rationale(expression: str) -> str:
    """The steps of an expression, a line each, and the expression itself as the answer."""
    steps = [f"{a} {op} {b} = {c}" for a, op, b, c in steps_of(expression)]
    return "\n".join([*steps, f"{HEADING} {expression}"])


def made_of(given: list[int], highest: int, rng: random.Random) -> str | None:
    """An expression of all numbers, drawn at random, whose every step lies in 0..highest (its value in 1..highest)."""
    parts = [(n, str(n)) for n in given]
    while len(parts) > 1:
        i, j = rng.sample(range(len(parts)), 2)
        (a, left), (b, right) = parts[i], parts[j]
        op = rng.choice("+-*")
        c = applied(a, op, b)
        if not 0 <= c <= highest:
            return None
        rest = [p for k, p in enumerate(parts) if k not in (i, j)]
        parts = [*rest, (c, f"( {left} {op} {right} )")]
    result, expression = parts[0]
    return expression[2:-2] if 1 <= result <= highest else None


def steps_of(expression: str) -> list[tuple[int, str, int, int]]:
    """The steps (a, operator, b, result) of an expression in which every pair of operands has its parentheses."""
    steps: list[tuple[int, str, int, int]] = []
    stack: list[list[Any]] = [[]]

    def close() -> int:
        a, op, b = stack.pop()
        steps.append((a, op, b, applied(a, op, b)))
        return steps[-1][3]

    for token in expression.split():
        if token == "(":
            stack.append([])
        elif token == ")":
            result = close()
            stack[-1].append(result)
        else:
            stack[-1].append(int(token) if token.isdigit() else token)
    close()
    return steps


def applied(a: int, op: str, b: int) -> int:
    """a + b, a - b or a * b."""
    return a + b if op == "+" else a - b if op == "-" else a * b
