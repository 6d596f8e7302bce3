"""addition: sums of two n-digit numbers with STaR's scratchpad (Zelikman et al. 2022, section 4.1).

{"id": "3:624+259", "question": "6 2 4 + 2 5 9", "answer": "8 8 3", "meta": {"digits": 3}}

    Input:              <scratch>
    6 2 4 + 2 5 9       6 2 4 + 2 5 9 , C: 0
    Target:             2 + 5 , 3 C: 1
                        6 + 2 , 8 3 C: 0
                        , 8 8 3 C: 0
                        0 8 8 3
                        </scratch>
                        8 8 3
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any, ClassVar

from star_cli.core.keys import seed_of
from star_cli.core.parts import ADDED, RUNTIME, Prompt, Task
from star_cli.core.records import Example, Problem
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.tasks.base.lessons import lesson
from star_cli.tasks.base.splits import SHARES


@register("task", "addition")
class Addition(Task):
    """``train``, ``dev`` and ``test`` say how many sums of each digit count are drawn (fewer where fewer exist).

    A sum belongs to one split by a hash of its operands, so the splits are disjoint whatever the seed; the lessons of a
    tiny base model come from the train part. A lesson ``"2"`` is a plain sum of two digits, ``"2/hinted"`` one that
    shows the answer. The paper has sums of 1 to 5 digits: ``task.max_digits=5``.

    ``shots`` worked examples stand before the question in a prompt, with the answer shown where the question's is; in
    training texts there are none. They take turns in their digits, from ``min_digits`` to ``shot_digits`` (the paper
    shows sums of 1 and 2). The lessons have 0 to ``shots`` of them, drawn anew for each, so that the base model learns
    to follow what it is shown.
    """

    min_digits: int = 1
    max_digits: int = 3
    train: int = 2000
    dev: int = 120
    test: int = 300
    seed: int = 0
    shots: int = field(default=0, metadata=ADDED)
    shot_digits: int = field(default=2, metadata=ADDED)
    lessons: dict[str, int] = field(
        metadata=RUNTIME,
        default_factory=lambda: {"1": 100, "2": 2500, "3": 100, "2/hinted": 300, "3/hinted": 500},
    )
    grader: ClassVar[dict[str, Any]] = {"name": "exact", "after": "</scratch>"}
    max_tokens: ClassVar[int] = 192

    def check(self) -> None:
        need(
            1 <= self.min_digits <= self.max_digits <= 12,
            f"task.min_digits..max_digits must satisfy 1 <= min <= max <= 12, got {self.min_digits}..{self.max_digits}",
        )
        for name in ("train", "dev", "test"):
            need(getattr(self, name) >= 1, f"task.{name} must be >= 1, got {getattr(self, name)}")
        need(self.shots >= 0, f"task.shots must be >= 0 (0: no worked examples), got {self.shots}")
        need(
            not self.shots or self.min_digits <= self.shot_digits <= 12,
            f"task.shot_digits must be from task.min_digits={self.min_digits} to 12, got {self.shot_digits}",
        )

    def problems(self, split: str) -> Iterator[Problem]:
        self.check_split(split)
        for digits in range(self.min_digits, self.max_digits + 1):
            for a, b in sums(digits, getattr(self, split), split, seed_of("addition", self.seed, split, digits)):
                yield problem_of(a, b, digits)

    def prompt(self, problem: Problem, hint: bool = False) -> Prompt:
        shots = [p for p in self.worked_examples(self.shots + 1, "shots") if p.id != problem.id][: self.shots]
        return Prompt(self.shown(shots, hint) + self.training_prompt(problem, hint))

    def training_prompt(self, problem: Problem, hint: bool = False) -> str:
        target = f"Target: {problem.answer}\n" if hint else "Target:\n"
        return f"Input:\n{problem.question}\n{target}"

    def without_shots(self) -> Task | None:
        return replace(self, shots=0) if self.shots else None

    def shown(self, problems: list[Problem], hint: bool) -> str:
        """Problems with their solutions, as they stand before a question."""
        return "".join(f"{self.training_prompt(p, hint)}{self.gold(p)}\n\n" for p in problems)

    def worked_examples(self, count: int, *draw: int | str) -> list[Problem]:
        """``count`` sums of the train part, their digits in turns; the same ones for the same ``draw``."""
        if not count or not self.shots:
            return []
        turns = self.shot_digits - self.min_digits + 1
        drawn = {
            digits: sums(digits, count, "train", seed_of("shots", self.seed, digits, *draw), repeat=True)
            for digits in range(self.min_digits, self.shot_digits + 1)
        }
        in_turns = [self.min_digits + i % turns for i in range(count)]
        return [problem_of(*next(drawn[digits]), digits) for digits in in_turns]

    def gold(self, problem: Problem) -> str | None:
        a, b = operands(problem)
        return "<scratch>\n" + "\n".join(scratchpad(a, b)) + f"\n</scratch>\n{problem.answer}"

    def lesson_examples(self, lessons: dict[str, int], seed: int) -> Iterator[Example]:
        for name, count in lessons.items():
            digits, _, form = name.partition("/")
            need(
                digits.isdigit() and form in ("", "hinted"),
                f"unknown lesson {name!r}, expected a digit count such as '2' or '2/hinted'",
            )
            pairs = sums(int(digits), count, "train", seed_of("lesson", seed, name), repeat=True)
            for i, (a, b) in enumerate(pairs):
                p, hint = problem_of(a, b, int(digits)), form == "hinted"
                shots = self.worked_examples(seed_of("shots", seed, name, i) % (self.shots + 1), name, i)
                prompt = self.shown(shots, hint) + self.training_prompt(p, hint)
                yield lesson(name, i, prompt, self.gold(p) or "")

    def groups(self, problem: Problem) -> dict[str, str]:
        return {"digits": str(problem.meta["digits"])}

    def wrong_steps(self, problem: Problem, text: str) -> int | None:
        """Lines of the scratchpad that differ from the true ones, missing and surplus lines included."""
        true = scratchpad(*operands(problem))
        return len(self.wrong_lines(problem, text)) + max(0, len(true) - len(_scratch(text)[1]))

    def wrong_lines(self, problem: Problem, text: str) -> list[int]:
        """Lines of the scratchpad that differ from the true ones, surplus lines included."""
        first, written = _scratch(text)
        true = scratchpad(*operands(problem))
        return [first + i for i, line in enumerate(written) if i >= len(true) or line != true[i]]


def _scratch(text: str) -> tuple[int, list[str]]:
    """(the number of the first line of the scratchpad, counted from 0; its lines, each space a single one)."""
    before, _, rest = text.partition("<scratch>")
    inside = rest.partition("</scratch>")[0]
    blank = len(inside) - len(inside.lstrip())
    first = before.count("\n") + inside[:blank].count("\n")
    return first, [" ".join(line.split()) for line in inside.strip().splitlines()]


def problem_of(a: int, b: int, digits: int) -> Problem:
    """The problem a + b."""
    return Problem(
        id=f"{digits}:{a}+{b}", question=f"{spaced(a)} + {spaced(b)}", answer=spaced(a + b), meta={"digits": digits}
    )


def operands(problem: Problem) -> tuple[int, int]:
    """The two numbers of a problem."""
    a, b = problem.question.replace(" ", "").split("+")
    return int(a), int(b)


def spaced(n: int | str) -> str:
    """Digits with a space between: 883 -> "8 8 3"."""
    return " ".join(str(n))


def scratchpad(a: int, b: int) -> list[str]:
    """The lines between <scratch> and </scratch>: the next digits to add, the digits of the sum so far, the carry."""
    left, right = str(a), str(b)
    width = max(len(left), len(right))
    left, right = left.zfill(width), right.zfill(width)
    lines, digits, carry = [f"{spaced(left)} + {spaced(right)} , C: 0"], "", 0
    for i in range(width - 1, -1, -1):
        total = int(left[i]) + int(right[i]) + carry
        digits, carry = str(total % 10) + digits, total // 10
        next_pair = f"{left[i - 1]} + {right[i - 1]} " if i else ""
        lines.append(f"{next_pair}, {spaced(digits)} C: {carry}")
    return [*lines, spaced(f"{carry}{digits}")]


def sums(digits: int, count: int, split: str, seed: int, *, repeat: bool = False) -> Iterator[tuple[int, int]]:
    """``count`` pairs of ``digits``-digit numbers of a split, drawn by seed; without ``repeat`` each at most once."""
    low, high = (0, 9) if digits == 1 else (10 ** (digits - 1), 10**digits - 1)
    available = (high - low + 1) ** 2
    if not repeat and available <= 20 * count:  # few: list them all and shuffle
        pairs = [(a, b) for a in range(low, high + 1) for b in range(low, high + 1) if _bucket(a, b) in SHARES[split]]
        random.Random(seed).shuffle(pairs)
        yield from pairs[:count]
        return
    rng, seen = random.Random(seed), set()
    while count:
        pair = (rng.randint(low, high), rng.randint(low, high))
        if _bucket(*pair) in SHARES[split] and (repeat or pair not in seen):
            seen.add(pair)
            count -= 1
            yield pair


def _bucket(a: int, b: int) -> int:
    return seed_of("split", a, b) % 10
