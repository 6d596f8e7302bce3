r"""math: the final answer must be mathematically equal to the known one.

gold ``\frac{\sqrt{3}}{2}``, text ``... so the height is $\boxed{\sqrt{0.75}}$.`` -> MATCH
"""

from __future__ import annotations

import re
import time
from functools import cache, lru_cache
from itertools import islice
from typing import Any, ClassVar

from star_cli.core.extras import command
from star_cli.core.records import NO_VOTE, Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.errors import StarError, need
from star_cli.graders._reading import Reader
from star_cli.lib.clock import Overdue, limited
from star_cli.lib.formulas.equality import equal, rational
from star_cli.lib.formulas.latex import NotFormula
from star_cli.lib.formulas.reading import readings
from star_cli.lib.text import math_strings, phrases, retractions
from star_cli.lib.text.answers import boxed, finals, idle, marked, vague
from star_cli.lib.text.conclusion import conclusion, last_line
from star_cli.lib.text.extents import Final
from star_cli.lib.text.plain import uncoloured
from star_cli.lib.text.signs import PICTURES, READ

EMPTY = "the known answer {!r} is empty"
LONGEST = 2000  # characters of an answer
ONE_FORMULA = re.compile(r"\$\$[^$]+\$\$\.?|\$[^$]+\$\.?|\\\[(?:(?!\\\]).)+\\\]\.?|\\\((?:(?!\\\)).)+\\\)\.?", re.S)
NEAR_END = 400  # characters at the end of a text that say whether math-verify will be needed
NUMBER_WORDS = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*(?: \([\d,.]+\))?\.?|[\d,.]+ \([A-Za-z -]+\)\.?")  # five (5)
RULES = ("strict", "last_box")


@register("grader", "math", version=3)
class Math(Reader):
    r"""The last final answer before a run-on counts: in ``\boxed{}``, after "the answer is", on a line of its own.

    Terms are compared by exact arithmetic or to 300 decimals, words as words, tuples, sets, intervals, matrices and
    equations each by its own rule (docs/grading.md). Integrals, sums and limits need math-verify (install: ``pip
    install "star-cli[math]"``). ``seconds`` bounds one verdict. With ``truncated`` a text that ran out of tokens may
    be right. ``rules=last_box`` is MATH's own metric (lib/text/math_strings.py), to be reported beside ours
    (evaluation.rules).
    """

    packages = ("math_verify",)
    seconds: int = 5
    truncated: bool = False
    rules: str = "strict"
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
        ("x^3", r"First \boxed{x^2}. Then \boxed{x^3}.", "MATCH"),  # the last one counts
        ("x^2", r"First \boxed{x^2}. Then \boxed{x^3}.", "MISMATCH"),
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
        super().check()
        need(self.seconds >= 1, f"grader.seconds must be >= 1, got {self.seconds}")
        need(self.rules in RULES, f"grader.rules must be {' or '.join(RULES)}, got {self.rules!r}")

    @property
    def isolated(self) -> bool:
        return True

    @property
    def wall(self) -> float:
        return 2.0 * self.seconds + 1  # the clock inside counts CPU seconds, this one all of them

    def gold_fault(self, problem: Problem) -> str | None:
        known = unboxed(problem.answer)
        if not known:
            return EMPTY.format(problem.answer)
        try:
            with limited(self.seconds):
                return None if readable(known) else f"the known answer {known[-60:]!r} is no formula and no words"
        except Overdue:
            return f"reading the known answer {known[-60:]!r} takes more than {self.seconds} s"

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        begun = time.process_time()
        correct, answer, reason = self.judge(problem.answer, rationale.text, rationale.finish)
        left = self.seconds - (time.process_time() - begun)  # one clock for the whole verdict
        try:
            with limited(max(left, 0.05)):
                name = answer_class(answer) if reason not in NO_VOTE else None
        except Overdue:
            name = answer
        return self.verdict(rationale, reason, answer, answer_class=name)

    def same_answer(self, a: str, b: str) -> bool:
        return not (RATIONAL.fullmatch(a) and RATIONAL.fullmatch(b)) and "MATCH" in (compare(a, b), compare(b, a))

    @property
    def merges_classes(self) -> bool:
        return True

    def judge(self, gold: str, text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        known = unboxed(gold)
        if not known:
            return False, EMPTY.format(gold), "GRADER_ERROR"
        if self.rules == "last_box":
            box = math_strings.last_box(text)
            right = box is not None and math_strings.equivalent(known, box)
            return right, box, "NO_ANSWER" if box is None else "MATCH" if right else "MISMATCH"
        reading = self.reading(text)
        said: str | None = None
        if HARD.search(known) or HARD.search(text, max(0, len(text) - NEAR_END)):
            library()  # loading it is no part of the verdict's time
        try:
            with limited(self.seconds):
                found = final_of(reading.text, known)
                said = found.text if found is not None else None
                if reading.unfinished or (finish == "length" and not self.truncated):
                    return False, said, "TRUNCATED"
                if not said:
                    return False, said, "RUN_ON" if reading.ran_on and said is None else "NO_ANSWER"
                reason = compare(known, said)
        except Overdue:
            reason = "TIMEOUT"
        return reason == "MATCH", said, reason


def final_of(text: str, known: str) -> Final | None:
    """The answer of a text; one without words where the last answer cannot be used or was taken back."""
    for found in islice(finals(text), READ):
        word = phrases.words(known)
        if word is None or phrases.words(found.text) != word:  # the known answer may be "unclear" itself
            if idle(found) and not retractions.idle(word or ""):
                continue
            if vague(found):
                return Final("", "", found.start, found.end, found.kind)
        return Final("", "", found.start, found.end, found.kind) if retractions.retracted(text, found.end) else found
    bare = text.strip().strip(PICTURES).strip()
    if bare and len(bare) <= 60 and NUMBER_WORDS.fullmatch(bare) and phrases.number(bare) is not None:
        return Final(bare, bare, 0, len(text), "bare")
    if bare and len(bare) <= LONGEST and (ONE_FORMULA.fullmatch(bare) or _formula(bare) or _few_words(bare, known)):
        return Final(bare, bare, 0, len(text), "bare")
    last = last_line(text)
    if last is not None and _formula(last.text):
        return last
    last = conclusion(text)
    if last is not None and (
        any(_formula(form) for form in phrases.forms(last.text))
        or phrases.number(last.text) is not None
        or _few_words(last.text, known)
    ):
        return last
    return None


RATIONAL = re.compile(r"-?\d+(?:/\d+)?")


def answer_class(phrase: str | None) -> str | None:
    """A number as an exact fraction, a letter as "(C)", words in one form; any other formula as it is written, to be
    compared with the others of its problem (``Math.same_answer``).
    """
    if not phrase:
        return None
    if (letter := phrases.letter(phrase, leading=True)) is not None:
        return f"({letter})"
    if (words := phrases.words(phrase)) is not None:
        return words
    for form in phrases.forms(phrase):
        try:
            if (number := rational(form)) is not None:
                return str(number)
        except NotFormula:
            continue
    return " ".join(phrase.split())


def _formula(text: str) -> bool:
    try:
        return bool(readings(text))
    except NotFormula:
        return False


def _few_words(text: str, known: str) -> bool:
    """Whether a text is nothing but a few words: a set in words, or where the known answer is words or a letter."""
    if phrases.spoken_set(phrases.unwrapped(text)):
        return True
    letter = phrases.letter(known) is not None and phrases.letter(text, leading=True) is not None
    return letter or (phrases.words(known) is not None and phrases.words(text) is not None and len(text.split()) <= 6)


def readable(known: str) -> bool:
    """Whether a known answer can be compared with anything but itself."""
    if phrases.words(known) is not None or phrases.letter(known) is not None or _formula(known):
        return True
    if any(_formula(form) for form in phrases.forms(known)) or phrases.number(known) is not None:
        return True
    return _parsed(known) is not None


def compare(known: str, said: str) -> str:
    """MATCH, MISMATCH or NO_ANSWER for two answers; NO_ANSWER where the second is not understood."""
    if len(said) > LONGEST:
        return "NO_ANSWER"
    said = uncoloured(said)
    if phrases.same_text(known, said):
        return "MATCH"
    letter = phrases.letter(known)
    if letter is not None and phrases.letter(said, leading=True) is not None:
        return "MATCH" if phrases.letter(said, leading=True) == letter else "MISMATCH"
    words = phrases.words(known)
    if words is not None:
        options = (phrases.words(said), phrases.words(phrases.tail(said)), phrases.yes_or_no(said))
        return "MATCH" if words in options else "MISMATCH"
    if re.fullmatch("[A-Z]{3,}", known):
        return "MISMATCH"  # letters in another order
    if bool(phrases.WHOLE_NUMBERS.search(known)) != bool(phrases.WHOLE_NUMBERS.search(said)):
        known, said = (phrases.WHOLE_NUMBERS.sub("", text) for text in (known, said))
    understood = False
    golds = [form for form in phrases.forms(known) if _formula(form)]
    for form in phrases.forms(said):
        for gold in golds:
            try:
                if equal(gold, form):
                    return "MATCH"
                understood = True
            except NotFormula:
                continue
    spelled_out = phrases.words(said) is not None
    if (not understood or spelled_out) and golds and (number := phrases.number(said)) is not None:
        return "MATCH" if any(phrases.equals_number(gold, number) for gold in golds) else "MISMATCH"
    if understood or spelled_out:
        return "MISMATCH"
    return by_library(known, said)


# ---- what is left to math-verify: integrals, sums, products, limits
@cache
def library() -> Any:
    """(parse, verify) of math-verify, loaded when first needed."""
    try:
        import math_verify
    except ImportError as e:
        raise StarError(
            "grader=math needs math-verify for this answer, and it is not installed",
            hint=command("math_verify"),
        ) from e
    import logging

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    targets = [math_verify.LatexExtractionConfig(boxed_match_priority=0)]

    def parse(text: str) -> Any:
        return math_verify.parse(text, targets, fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True)

    def verify(gold: Any, said: Any) -> bool:
        return bool(
            math_verify.verify(
                gold, said, float_rounding=15, numeric_precision=100, timeout_seconds=None, raise_on_error=True
            )
        )

    return parse, verify


HARD = re.compile(r"\\(?:sum|prod|int|iint|oint|lim|infty|partial|det|nabla|bigcup|bigcap|limsup|liminf)(?![A-Za-z])")


def by_library(known: str, said: str) -> str:
    """MATCH, MISMATCH or NO_ANSWER as math-verify sees it: equation against equation side by side, never across
    kinds.
    """
    if not HARD.search(known) and not HARD.search(said):
        return "NO_ANSWER"  # our own reader refused it for a reason
    if not all(HARD.search(text) or _formula(text) for text in (known, said)):
        return "NO_ANSWER"
    sides = [_sides(known), _sides(said)]
    if len(sides[0]) != len(sides[1]) or len(sides[0]) > 2:
        return "NO_ANSWER"
    verdicts = [_verified(a, b) for a, b in zip(*sides, strict=True)]
    return "NO_ANSWER" if None in verdicts else "MATCH" if all(verdicts) else "MISMATCH"


def _sides(text: str) -> list[str]:
    """The sides of an equation; a sign inside braces, as under a sum, does not part them."""
    sides, depth = [""], 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if letter == "=" and not depth:
            sides.append("")
        else:
            sides[-1] += letter
    return sides


def _verified(known: str, said: str) -> bool | None:
    if phrases.same_text(known, said):
        return True
    if re.search(r"(?<!\\)[<>,;]|\\(?:le|ge|in|to|cup|text)(?![A-Za-z])", known + said):
        return None
    gold, mine = _parsed(known), _parsed(said)
    if gold is None or mine is None:
        return None
    try:
        return bool(library()[1](list(gold), list(mine)))
    except StarError:
        raise
    except Exception:  # the library raises anything at all on what it cannot compare
        return None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[Any, ...] | None:
    try:
        return tuple(library()[0]("$" + re.sub(r"\\left|\\right|\\[()]|\$", "", text).strip(" .") + "$")) or None
    except StarError:
        raise
    except Exception:  # not a formula that the parser knows; the library raises anything at all here
        return None


def unboxed(gold: str) -> str:
    r"""The known answer itself, where data gives it as ``\boxed{...}``, after ``####``, on a last line ``A: ...`` or
    between dollars.
    """
    found = boxed(gold)
    if found is None and (answer := marked(gold)) is not None:
        return answer
    known = (found.text if found is not None else gold).strip()
    pair = re.fullmatch(r"\$+([^$]+)\$+", known)
    return (pair[1] if pair else known).strip()
