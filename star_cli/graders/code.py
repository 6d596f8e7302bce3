"""code: the program in a text must pass the problem's tests, run in a sandbox (graders/sandbox/, docs/sandbox.md).

gold ``assert double(2) == 4``, text ``Multiply by two.\\n```python\\ndef double(x):\\n    return 2 * x\\n````` -> MATCH
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import textwrap
from functools import lru_cache
from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.graders._reading import Reader
from star_cli.graders.sandbox import run as sandbox
from star_cli.lib.python_source import parse

FENCE = re.compile(r"^[ \t]*```[ \t]*(?:[Pp]ython3?|py)?[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.S | re.M)
REASONS = {"passed": "MATCH", "failed": "MISMATCH", "timeout": "TIMEOUT", "broken": "GRADER_ERROR"}
TESTS = "assert double(2) == 4\nassert double([1]) == [1, 1]"
RIGHT = "def double(x):\n    return 2 * x\n"
BODY = {"prompt": "def double(x):\n    '''Twice x.'''\n", "names": ["double"]}


@register("grader", "code", version=3)
class Code(Reader):
    """The first fenced block is the program, or the whole text where there is none.

    The known answer is the tests. Of a problem's ``meta``: ``tests`` (a list, instead of the answer), ``names`` (what a
    program may define for them; else whatever they use and do not define), ``given`` (trusted code the tests need) and
    ``prompt`` (what a program continues). ``seconds`` and ``memory_mb`` bound one program. ``weak`` allows a machine
    without namespaces: docs/sandbox.md says what that means. ``rules=official`` runs the tests of the published metric
    alone where a problem's ``meta`` has them (``official_tests``: MBPP's three), to be reported beside ours
    (evaluation.rules).
    """

    seconds: float = 10.0
    memory_mb: int = 512
    truncated: bool = False
    weak: bool = False
    rules: str = "strict"
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        (TESTS, f"Multiply by two.\n```python\n{RIGHT}```\nDone.", "MATCH"),
        (TESTS, f"```\n{RIGHT}```", "MATCH"),
        (TESTS, f"```py\n{RIGHT}", "MATCH"),
        (TESTS, RIGHT, "MATCH"),
        (TESTS, RIGHT.replace("2 *", "3 *"), "MISMATCH"),
        (TESTS, "def triple(x):\n    return 2 * x\n", "MISMATCH"),
        (TESTS, "def double(x)\n    return 2 * x\n", "MISMATCH"),
        (TESTS, f"```python\n{RIGHT.replace('2 *', '3 *')}```\n```python\n{RIGHT}```", "MISMATCH"),
        (TESTS, f"```python\n{RIGHT}```\n\nQ: next\nA:\n```python\nraise ValueError\n```", "MATCH"),
        (TESTS, f"I am lost.\nQ: next\nA:\n```python\n{RIGHT}```", "RUN_ON"),
        (TESTS, "", "NO_ANSWER"),
        (TESTS, "There is no answer.", "NO_ANSWER"),
        (TESTS, f"```python\n{RIGHT}```", "TRUNCATED", {"finish": "length"}),
        (TESTS, "import os\nos._exit(0)", "MISMATCH"),
        (TESTS, "raise SystemExit(0)", "MISMATCH"),
        (TESTS, "class A:\n    def __eq__(self, other): return True\ndef double(x): return A()", "MISMATCH"),
        (TESTS, f"<think>\n```python\nx = 1\n```\n</think>\n```python\n{RIGHT}```", "MATCH"),
        (TESTS, f"<think>\n```python\n{RIGHT}```", "TRUNCATED"),
        ("", RIGHT, "GRADER_ERROR"),
        ("double(2) should be 4", RIGHT, "GRADER_ERROR"),
        (TESTS, "    return 2 * x\n", "MATCH", {"meta": BODY}),
        (TESTS, "    return 3 * x\n", "MISMATCH", {"meta": BODY}),
        (TESTS, f"```python\n{RIGHT}```", "MATCH", {"meta": BODY}),
    ]

    def check(self) -> None:
        super().check()
        need(self.seconds > 0, f"grader.seconds must be > 0, got {self.seconds}")
        need(self.memory_mb >= 64, f"grader.memory_mb must be >= 64, got {self.memory_mb}")
        need(self.rules in ("strict", "official"), f"grader.rules must be strict or official, got {self.rules!r}")
        sandbox.best_mode(self.weak)

    @property
    def isolated(self) -> bool:
        return True

    @property
    def wall(self) -> float:
        return 2 * self.seconds + 20

    def judged(self, text: str) -> str:
        mine = self.reading(text).text
        block = FENCE.search(mine)
        return text[: block.end() if block else len(mine.rstrip())]

    def gold_fault(self, problem: Problem) -> str | None:
        tests = tests_of(problem)
        if not tests:
            return "the problem has no tests"
        try:
            names_of(tuple(tests))
        except SyntaxError as e:
            return f"the tests are no Python: {e.msg} in line {e.lineno}"
        return None

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        reason, answer = self.judge(problem, rationale.text, rationale.finish)
        return self.verdict(rationale, reason, answer, answer_class=answer_class(answer))

    def judge(self, problem: Problem, text: str, finish: str) -> tuple[str, str | None]:
        """(reason, the program; with GRADER_ERROR what went wrong)."""
        fault = self.gold_fault(problem)
        if fault:
            return "GRADER_ERROR", fault
        tests = tests_of(problem)
        if self.rules == "official":
            tests = list(problem.meta.get("official_tests") or tests)
        reading = self.reading(text)
        program = code_of(reading.text)
        if reading.unfinished or (finish == "length" and not self.truncated):
            return "TRUNCATED", program
        if program is None:
            return "RUN_ON" if reading.ran_on else "NO_ANSWER", None
        prompt = str(problem.meta.get("prompt", ""))
        whole = (
            f"{prompt.rstrip()}\n{program}"
            if prompt and not re.match(r"\S", program)
            else f"{prompt}\n    pass\n\n{program}"
            if prompt
            else program
        )
        limits = sandbox.Limits(seconds=self.seconds, memory=self.memory_mb << 20)
        done = sandbox.test(
            whole,
            tests,
            names=list(problem.meta.get("names") or names_of(tuple(tests))),
            limits=limits,
            weak=self.weak,
            given=str(problem.meta.get("given", "")),
        )
        return REASONS[done.status], done.why if done.status == "broken" else program


def answer_class(program: str | None) -> str | None:
    """A hash of a program as its statements are: comments, spaces, quotes and brackets without effect do not count."""
    if program is None:
        return None
    try:
        same = ast.unparse(parse(textwrap.dedent(program)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        same = program
    return "program " + hashlib.sha256(same.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def tests_of(problem: Problem) -> list[str]:
    """The tests of a problem: those of its ``meta``, or its known answer."""
    return list(problem.meta.get("tests") or ([problem.answer] if problem.answer.strip() else []))


def code_of(text: str) -> str | None:
    """The program in a text: its first fenced block, or the whole of it where it looks like code."""
    block = FENCE.search(text)
    if block:
        return block[1] if block[1].strip() else None
    lines = [line for line in text.splitlines() if line.strip()]
    looks = re.compile(
        r"\s+\S|(?:def|class|import|from|@|#|if|for|while|try|with|return|raise|print|assert)\b|\w+\s*=|[@#]|\w+[.(]"
    )
    return text if lines and looks.match(lines[0]) else None


@lru_cache(maxsize=256)  # the samples of a problem share its tests
def names_of(tests: tuple[str, ...]) -> tuple[str, ...]:
    """The names that tests use and do not define themselves: what a program has to bring. Raises SyntaxError."""
    used: dict[str, None] = {}
    made: set[str] = set()
    for node in (n for test in tests for n in ast.walk(parse(test))):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                used[node.id] = None
            else:
                made.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
    return tuple(n for n in used if n not in made and not hasattr(builtins, n))
