r"""math: the final answer must be mathematically equal to the known one, as math-verify sees it, behind limits.

gold ``\frac{\sqrt{3}}{2}``, text ``... so the height is $\boxed{\sqrt{0.75}}$.`` -> MATCH
"""

from __future__ import annotations

import re
import threading
from functools import cache, lru_cache
from typing import Any, ClassVar

from star_cli.core.extras import command
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.lib.text.answers import finals, learned, own
from star_cli.lib.text.numbers import Number, Unclear, read_number

TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm)\s*\{([^{}]*)\}")
BASE = re.compile(r"_\s*\{?\s*(\d+)\s*\}?\s*\$?\s*$")
LONGEST = 2000  # characters of an answer; a longer one is no answer
EMPTY = "the known answer {!r} is empty"


@register("grader", "math")
class Math(Grader):
    r"""The first final answer counts: in ``\boxed{}``, after ``####`` or "the answer is", or a text that is only a
    formula.

    Numbers are compared exactly, words as words, everything else by math-verify (install: ``pip install
    "star-cli[grade]"``) with the known answer first. ``seconds`` bounds one comparison; a worker that takes three times
    as long is killed. With ``truncated`` a text that ran out of tokens may be right.
    """

    packages = ("math_verify",)
    seconds: int = 5
    truncated: bool = False
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        (r"\frac{1}{2}", r"So it is $\boxed{\frac{1}{2}}$.", "MATCH"),
        (r"\frac{1}{2}", r"\boxed{0.5}", "MATCH"),
        (r"\frac{1}{2}", r"\boxed{\dfrac12}", "MATCH"),
        (r"\frac{1}{2}", r"\boxed{\frac{2}{4}}", "MATCH"),
        (r"\frac{1}{2}", r"\boxed{2}", "MISMATCH"),
        (r"\frac{\sqrt{3}}{2}", r"\boxed{\frac{\sqrt{3}}{{2}}}", "MATCH"),  # nested braces
        (r"\frac{\sqrt{3}}{2}", r"\boxed{\sqrt{\frac{3}{4}}}", "MATCH"),
        (r"\frac{\sqrt{3}}{2}", r"\boxed{\frac{\sqrt{2}}{2}}", "MISMATCH"),
        (r"2\sqrt{3}", r"The answer is $\sqrt{12}$.", "MATCH"),
        (r"2\sqrt{3}", r"The answer is $2\sqrt{2}$.", "MISMATCH"),
        (r"2\sqrt{3}", "The answer is 2.", "MISMATCH"),
        ("2", r"\boxed{2\sqrt{3}}", "MISMATCH"),
        ("x^2+2x+1", r"\boxed{(x+1)^2}", "MATCH"),
        ("x^2+2x+1", r"\boxed{(x-1)^2}", "MISMATCH"),
        ("x+1", r"\boxed{y+1}", "MISMATCH"),
        ("5", r"\boxed{x = 5}", "MATCH"),
        ("x=5", r"\boxed{5}", "MATCH"),
        ("(1,2)", r"\boxed{(1, 2)}", "MATCH"),
        ("(1,2)", r"\boxed{\left(1,\,2\right)}", "MATCH"),  # LaTeX spaces
        ("(1,2)", r"\boxed{(2,1)}", "MISMATCH"),
        ("(1,2)", r"\boxed{\{1,2\}}", "MISMATCH"),
        ("(1,2)", r"\boxed{[1,2]}", "MISMATCH"),
        ("1,2", r"\boxed{2,1}", "MATCH"),
        ("1,2", r"\boxed{1} and \boxed{2}", "MATCH"),
        ("1,2", r"\boxed{1}", "MISMATCH"),
        ("1", r"\boxed{1,2}", "MISMATCH"),
        ("3", r"\boxed{3 \text{ or } 4}", "MISMATCH"),
        ("3", r"\boxed{\pm 3}", "MISMATCH"),
        (r"\pm 3", r"\boxed{3, -3}", "MATCH"),
        ("[0,1)", r"\boxed{[0,1)}", "MATCH"),
        ("[0,1)", r"\boxed{(0,1)}", "MISMATCH"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{pmatrix} 1 \\ 2 \end{pmatrix}}", "MATCH"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{pmatrix} 2 \\ 1 \end{pmatrix}}", "MISMATCH"),
        ("1234", r"\boxed{1{,}234}", "MATCH"),
        ("1234", r"\boxed{1\,234}", "MATCH"),
        ("1234", "#### 1,234", "MATCH"),
        (r"50\%", r"\boxed{50}", "MATCH"),
        ("50", r"\boxed{50\%}", "MATCH"),
        (r"\frac{1}{2}", r"\boxed{50\%}", "MATCH"),
        ("0.5", r"\boxed{0.5\%}", "MISMATCH"),
        ("-9", "The answer is \u22129.", "MATCH"),
        ("9", r"\boxed{-9}", "MISMATCH"),
        (r"10\text{ cm}", r"\boxed{10}", "MATCH"),
        (r"90^\circ", r"\boxed{90}", "MATCH"),
        (r"\text{east}", r"\boxed{\text{East}}", "MATCH"),
        (r"\text{east}", r"\boxed{\text{seat}}", "MISMATCH"),  # not the product of its letters
        ("east", r"\boxed{seat}", "MISMATCH"),
        (r"\text{(A)}", r"\boxed{A}", "MATCH"),
        ("A", r"\boxed{B}", "MISMATCH"),
        ("5", r"\boxed{\sin 5}", "MISMATCH"),
        ("-5", r"\boxed{x - 5}", "MISMATCH"),
        ("5", r"\boxed{5x}", "MISMATCH"),
        ("2516_8", r"\boxed{2516_8}", "MATCH"),
        ("2516_8", r"\boxed{2516_7}", "MISMATCH"),
        ("x^2", r"First \boxed{x^2}. Then \boxed{x^3}.", "MATCH"),
        ("x^3", r"First \boxed{x^2}. Then \boxed{x^3}.", "MISMATCH"),
        (r"\sqrt{2}", "The answer is $\\sqrt{2}$.\n\nQ: next?\nA: The answer is 5.", "MATCH"),
        ("5", "The answer is $\\sqrt{2}$.\n\nQ: next?\nA: The answer is 5.", "MISMATCH"),
        ("5", "Let us see.\nProblem: next?\nThe answer is 5.", "RUN_ON"),
        (r"\sqrt{2}", r"The answer is $\sqrt{2}$.", "TRUNCATED", {"finish": "length"}),
        (r"\sqrt{2}", r"\boxed{\sqrt{2", "NO_ANSWER"),
        (r"\sqrt{2}", r"The root is $\sqrt{2}$, I guess, no answer", "NO_ANSWER"),
        (r"\frac{\pi}{4}", r"The answer is $\frac{\pi}{4}$ radians.", "MATCH"),
        (r"\frac{\pi}{4}", r"The answer is $\frac{\pi}{4}$ or $2$.", "MISMATCH"),
        (r"\frac{\pi}{4}", r"The answer is $\frac{\pi}{4}$ + 2.", "MISMATCH"),
        (r"\sqrt{2}", "", "NO_ANSWER"),
        (r"\sqrt{2}", r"$\sqrt{2}$", "MATCH"),
        ("", r"\boxed{1}", "GRADER_ERROR"),
    ]

    def check(self) -> None:
        need(self.seconds >= 1, f"grader.seconds must be >= 1, got {self.seconds}")

    @property
    def isolated(self) -> bool:
        return True

    @property
    def wall(self) -> float:
        return 3.0 * self.seconds

    def judged(self, text: str) -> str:
        return learned(text)

    def gold_fault(self, problem: Problem) -> str | None:
        known = _unboxed(problem.answer)
        if not known:
            return EMPTY.format(problem.answer)
        if _number(known) is not None or _words(known) is not None:
            return None
        too_slow = library()[2]
        try:
            if _parsed(known, self._limit()):
                return None
        except too_slow:
            return f"reading the known answer {known[-60:]!r} takes more than {self.seconds} s"
        except Exception as e:  # not a formula that the parser knows; the library raises anything at all here
            return f"the known answer {known[-60:]!r} cannot be read: {type(e).__name__}"
        return f"the known answer {known[-60:]!r} is no formula; only the same text would equal it"

    def _limit(self) -> int | None:
        """Seconds of one comparison; math-verify's clock works in a main thread only."""
        return self.seconds if threading.current_thread() is threading.main_thread() else None

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        correct, answer, reason = self.judge(problem.answer, rationale.text, rationale.finish)
        return Verdict(problem_id=problem.id, sample=rationale.sample, correct=correct, answer=answer, reason=reason)

    def judge(self, gold: str, text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        known = _unboxed(gold)
        mine, ran_on = own(text)
        said = extract(mine)
        if not known:
            return False, EMPTY.format(gold), "GRADER_ERROR"
        if finish == "length" and not self.truncated:
            return False, said, "TRUNCATED"
        core = _formula(said or "")
        if said is None or not said.strip() or len(said) > LONGEST:
            return False, said and said[:LONGEST], "RUN_ON" if ran_on and said is None else "NO_ANSWER"
        try:
            reason = compare(known, core, self._limit())
        except Slow:
            reason = "TIMEOUT"
        return reason == "MATCH", said, reason


class Slow(Exception):
    """math-verify ran into its time limit."""


def extract(text: str) -> str | None:
    """The words of the first final answer."""
    for final in finals(text):
        if final.text:
            return final.text
    bare = text.strip()
    formula = len(bare.splitlines()) == 1 and (
        bare.startswith("$") and bare.rstrip(".").endswith("$") and bare.count("$") == 2
    )
    return bare if formula or (bare and re.fullmatch(r"[-+−\d.,/()\[\]{}^*=a-z ]*[\d)\]}][-+\w^]*", bare)) else None


def compare(gold: str, said: str, seconds: int | None) -> str:
    """MATCH, MISMATCH or NO_ANSWER for two formulas. Raises Slow, and whatever sympy raises on a comparison."""
    numbers = [_number(gold), _number(said)]
    if numbers[0] is not None and numbers[1] is not None and not (BASE.search(gold) or BASE.search(said)):
        return "MATCH" if numbers[1].equals(numbers[0]) else "MISMATCH"
    words = [_words(gold), _words(said)]
    if words[0] is not None:
        return "MATCH" if words[0] == words[1] else "MISMATCH"
    bases = [BASE.search(gold), BASE.search(said)]
    if bases[0] and bases[1] and bases[0][1] != bases[1][1]:
        return "MISMATCH"
    if "".join(gold.split()) == "".join(said.strip("$ .").split()):
        return "MATCH"
    left, right = _shape(gold), _shape(said)
    if left != right and left and right:
        return "MISMATCH"  # a pair is no set; to math-verify (1,2) equals {1,2}
    parse, verify, too_slow = library()
    try:
        known = _parsed(gold, seconds)
        if not known:
            return "MISMATCH"  # a known answer only equal to itself, letter by letter
        try:
            mine = parse(_dollars(said), seconds)
        except Exception:  # not a formula that the parser knows; the library raises anything at all here
            return "NO_ANSWER"
        if not mine:
            return "NO_ANSWER"
        return "MATCH" if verify(known, mine, seconds) else "MISMATCH"
    except too_slow as e:
        raise Slow from e


@cache
def library() -> Any:
    """(parse, verify, its timeout exception) of math-verify, loaded when first needed."""
    try:
        import math_verify
        from math_verify.errors import TimeoutException
    except ImportError as e:
        raise StarError(
            "grader=math needs math-verify, which is not installed",
            hint=command("math_verify"),
        ) from e
    import logging

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    targets = [math_verify.LatexExtractionConfig(boxed_match_priority=0), math_verify.ExprExtractionConfig()]

    def parse(text: str, seconds: int | None) -> Any:
        return math_verify.parse(
            text, targets, fallback_mode="no_fallback", parsing_timeout=seconds, raise_on_error=True
        )

    def verify(gold: Any, said: Any, seconds: int | None) -> bool:
        return bool(math_verify.verify(gold, said, timeout_seconds=seconds, raise_on_error=True))

    return parse, verify, TimeoutException


@lru_cache(maxsize=4096)
def _parsed(gold: str, seconds: int | None) -> Any:
    return library()[0](_dollars(gold), seconds)


def _formula(said: str) -> str:
    """The one formula between dollars in an answer like "$2\\pi$ radians"; else the answer as it is."""
    inside = re.findall(r"\$([^$]+)\$|\\\((.+?)\\\)", said)
    around = re.sub(r"\$[^$]+\$|\\\(.+?\\\)", " ", said)
    if len(inside) != 1 or re.search(r"\d|[-+*/^=<>\\]|\b(?:or|and|not|times|over|plus|minus)\b", around):
        return said
    return str(inside[0][0] or inside[0][1])


def _dollars(text: str) -> str:
    text = re.sub(r"\\[,!;:]|\\ |~", " ", text)
    return "$" + re.sub(r"\\left|\\right|\\[()]|\$", "", text).strip(" .") + "$"


def _number(text: str) -> Number | None:
    before = re.split(r"\d", TEXT.sub("", text))[0]
    if re.search(r"[A-Za-z]", re.sub(r"\\[dtc]?frac|^\s*\$?\s*[a-zA-Z]\s*=", "", before)):
        return None  # sin 5, log 5
    try:
        return read_number(text)
    except Unclear:
        return None


def _words(text: str) -> str | None:
    r"""The words of an answer that is text ("\text{east}", "no solution", "(A)"), or None for a formula."""
    plain = TEXT.sub(r"\1", text)
    plain = re.sub(r"\\[,!;: ]|\\[()]|\$", " ", plain).strip(" .()")
    if re.fullmatch(r"[A-Za-z]", plain) and (plain.isupper() or plain != text):
        return plain.upper()
    if not re.fullmatch(r"[A-Za-z][A-Za-z ,.'-]+", plain) or (
        plain == text.strip() and not re.search(r"[a-z]{4}", plain)
    ):
        return None
    return " ".join(plain.casefold().replace(",", " ").split())


def _shape(text: str) -> str:
    bare = re.sub(r"\\left|\\right|\\[,!;: ]|\$|\s", "", text)
    if re.fullmatch(r"\\\{.*\\\}", bare):
        return "set"
    return "tuple" if re.fullmatch(r"[(\[][^()\[\]]*,.*[)\]]", bare) else ""


def _unboxed(gold: str) -> str:
    r"""The known answer itself, where data gives it as ``\boxed{...}`` or between dollars."""
    said = next((f.text for f in finals(gold)), None) if "\\boxed" in gold or "####" in gold else None
    return (said if said is not None else gold).strip().strip("$").strip()
