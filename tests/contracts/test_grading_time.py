"""Time grows with the length of a text and no faster, whatever loops in it; one bomb takes one limit."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from star_cli.core import registry
from star_cli.core.records import Problem, Rationale
from star_cli.graders.code import code_of
from star_cli.lib.clock import Overdue, limited, ticking
from star_cli.lib.sql.text import sql_of
from star_cli.lib.text.thoughts import read
from star_cli.stages.grading.judge import Errors, judged
from star_cli.stages.grading.pool import LONGEST

PATTERNS = [
    "the answer is ",
    "#### ",
    "\\boxed{",
    "\\boxed{5} ",
    "\\boxed{1} and ",
    "The answer is 5. ",
    "A: 5\n",
    "A: ",
    "$",
    "\\[ ",
    "{",
    "(",
    "\\frac{1}{",
    "\\text{",
    "<think>",
    "</think>",
    "<think></think>",
    "<answer>",
    '"answer": "',
    "answer: \n",
    "the solution is $x$ ",
    "option A is ",
    "I made a mistake. ",
    "Wait, no. ",
    "it should be 5 ",
    "is the answer ",
    "1,234,",
    "5 5 5\n",
    "\n",
    " ",
    "a",
    "9",
    "\\\\ ",
    "x^2+",
    "red or ",
    "(A) ",
    "B, ",
    "**",
    "### Final Answer\n",
    "so ",
    "note: ",
    "CONCLUSION: (a)\n",
    "```sql\n",
    "SELECT (",
    "SELECT a FROM b\n",
    "Question ",
    "0.3",
    '{"answer": 5}\n',
    "\n{",
    "x = \\boxed{1}, ",
    "not \\boxed{5} ",
    "is it \\boxed{5}? ",
    "if ",
    "\\begin{cases} ",
    "\\textbf{",
    "assistantfinal",
    "答案是",
    "Therefore, ",
    "I choose ",
    "B. ",
    "five ",
    "5 cm ",
    "so the total is 5 ",
]
LENGTHS = (20_000, 40_000, 80_000, 160_000)
TINY = 0.004  # CPU seconds below which a measurement is noise


def rationale(text: str) -> Rationale:
    return Rationale(
        problem_id="p", sample=0, text=text, hinted=False, finish="stop", tokens=1, logprob=None, seed=0, prompt_key=""
    )


def reader(name: str) -> Callable[[str], object]:
    """What a grader does with a text, without running programs or queries."""
    if name == "sql":
        return lambda text: sql_of(read(text).text)
    if name == "code":
        return lambda text: code_of(read(text).text)
    if name == "math":
        pytest.importorskip("math_verify")
    grader = registry.get("grader", name)()
    choices = ["red", "blue", "5", "train station"] if name in ("choice", "conclusion") else None
    problem = Problem(id="p", question="", answer="A" if choices else "5", choices=choices)

    def run(text: str) -> None:
        grader.grade(problem, rationale(text))
        grader.judged(text)

    return run


def cost(run: Callable[[str], object], text: str) -> float:
    """CPU seconds, the best of two."""
    best = float("inf")
    for _ in range(2):
        started = time.process_time()
        run(text)
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("name", ["numeric", "choice", "math", "exact", "conclusion", "all_of", "sql", "code"])
def test_time_is_linear_in_the_length_of_looping_text(name: str) -> None:
    run = reader(name)
    run("warm \\boxed{5}")
    steep: dict[str, list[float]] = {}
    for pattern in PATTERNS:
        texts = [pattern * (n // len(pattern)) for n in LENGTHS]  # whole repetitions: each text ends alike
        for _ in range(4):  # another process may disturb one measurement, not four
            costs = [cost(run, text) for text in texts]
            ratios = [b / max(a, TINY) for a, b in zip(costs, costs[1:], strict=False)]
            if max(ratios) < 2.6:
                break
        else:
            steep[pattern] = costs
    assert not steep


def test_a_text_above_the_cap_is_not_read_and_is_counted() -> None:
    grader = registry.get("grader", "numeric")()
    text = "#### 5" + " " * LONGEST
    problem = Problem(id="p", question="", answer="5")
    verdicts = [v for _, _, v in judged(grader, [(problem, rationale(text)), (problem, rationale("#### 5"))])]
    assert [v.reason for v in verdicts] == ["NO_ANSWER", "MATCH"]
    assert verdicts[0].answer == "not read: the text has 1,000,006 characters, more than 1,000,000"
    errors = Errors()
    for verdict in verdicts:
        errors.add(verdict)
    assert (errors.unread, errors.count) == (1, 0)


def test_a_grader_that_hangs_in_this_process_is_a_timeout_and_the_next_item_is_judged() -> None:
    from dataclasses import dataclass

    from star_cli.graders.exact import Exact

    @dataclass(kw_only=True)
    class Hanging(Exact):
        @property
        def wall(self) -> float:
            return 0.3

        def grade(self, problem: Problem, rationale: Rationale):  # type: ignore[no-untyped-def]
            while rationale.text == "hang":
                try:
                    sum(range(1000))
                except Exception:  # what a careless grader does must not hold the clock back
                    pass
            return super().grade(problem, rationale)

    problem = Problem(id="p", question="", answer="5")
    started = time.process_time()
    items = [(problem, rationale(text)) for text in ("5", "hang", "5")]
    reasons = [v.reason for _, _, v in judged(Hanging(), items)]
    assert reasons == ["MATCH", "TIMEOUT", "MATCH"]
    assert time.process_time() - started < 5


def test_a_limit_inside_another_does_not_prolong_it() -> None:
    started = time.process_time()
    with pytest.raises(Overdue), ticking(), limited(0.3):
        with limited(30.0):
            while True:
                pass
    assert time.process_time() - started < 3
    with limited(0.01):
        pass  # and the clock is gone


BOMBS = [
    r"10^{10^{10^{10}}}",
    r"9^{9^{9^{9^9}}}+1",
    r"(10^{10^9})!",
    "100000000!",
    r"\binom{10^9}{10^8}",
    "(" * 200 + "1" + ")" * 200,
    r"\frac{1}{" * 100 + "2" + "}" * 100,
    "x^" * 600 + "2",
    "-" * 1900 + "5",
    "1+" * 900 + "1",
    "\\sin " * 300 + "x",
    "1," * 900 + "1",
    "e^{e^{e^{e^{10}}}}",
    "(x+1)^{10000000000}",
    "(x+y+z+w)^{1000}",
    r"\sqrt[1000000]{2}",
    "9" * 1500,
    r"\cos(10^{100})",
    "a!" * 300,
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}" * 40,
    "n^{n^{n^{n}}}",
    "|" * 500 + "x" + ""
    r"|" * 500,
    "5 cm " * 300,
    "<".join(["x"] * 300),
    r"\sqrt{" * 60 + "2" + "}" * 60,
    "1.0e999",
    "0." + "3" * 1500,
    "\\cup".join(["(1,2)"] * 100),
    r"\pm " * 30 + "1",
]


def test_no_bomb_of_a_formula_takes_long_or_breaks_the_grader() -> None:
    pytest.importorskip("math_verify")
    math = registry.get("grader", "math")(seconds=5)
    math.judge(r"\sqrt{2}", r"\boxed{\pi}")  # libraries are loaded
    for bomb in BOMBS:
        for gold in (r"\frac{1}{2}", "x^2+1", r"\sqrt{2}+\pi", bomb):
            started = time.process_time()
            reason = math.judge(gold, rf"\boxed{{{bomb}}}")[2]
            assert reason in ("MATCH", "MISMATCH", "NO_ANSWER"), (gold, bomb, reason)
            assert time.process_time() - started < 4, (gold, bomb)


def test_what_math_verify_hangs_on_takes_one_limit() -> None:
    pytest.importorskip("math_verify")
    math = registry.get("grader", "math")(seconds=1)
    gold = r"\int_0^{1} \sin(x^{x}) \ln(x^3+x) dx"
    started = time.process_time()
    reason = math.judge(gold, r"\boxed{\int_0^1 \cos(x^{x^x}) \sqrt{x^5+\ln(x+2)} \, dx}")[2]
    assert reason in ("TIMEOUT", "MISMATCH", "NO_ANSWER")
    assert time.process_time() - started < 1 + 12  # loading the library is no part of the limit
