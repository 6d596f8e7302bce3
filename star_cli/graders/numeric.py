"""numeric: the final answer must be the known number, however it is written.

gold ``72``, text ``48 + 24 = 72, so she sold 72 clips.\n#### 72`` -> MATCH; ``The answer is $1,234.50.`` equals 1234.5
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.graders._reading import Reader
from star_cli.lib.text.answers import finals, idle, marked, vague
from star_cli.lib.text.conclusion import conclusion, last_line
from star_cli.lib.text.numbers import Number, Unclear, last_number, read_number
from star_cli.lib.text.retractions import retracted
from star_cli.lib.text.signs import PICTURES, READ

BARE = re.compile(
    r"(?:A:)?[\s$€£¥₹=≈~({\[*]*(?:[a-zA-Z] ?=)?[\s$€£¥₹\\(\[-]*[-+−–]?\s*[$€£]?\s*(?:[\d.]|\\[dt]?frac|[½¼¾])[^\n]*"
)
SPELLED = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*(?: \([\d,.]+\))?\.?")
SPACED = re.compile(r"\d(?: \d)+")
TELLS = re.compile(  # a phrase with one of these says something of a number, even where none can be read
    r"\d|[\\=<>^]|\b(?:no|not|none|never|cannot|half|twice|double|triple|un\w+|zero|one|two|three|four|five|six|seven|eight|nine|ten"
    r"|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|dozen|wrong|incorrect|mistaken"
    r"|quarter|third)\b|n't\b",
    re.I,
)


@register("grader", "numeric", version=3)
class Numeric(Reader):
    r"""The last final answer before a run-on counts: after ``####``, in ``\boxed{}``, after "the answer is", or a text
    that is bare number.

    With ``loose`` the last number of a text that names no answer is taken; with ``truncated`` a text that ran out of
    tokens may be right. Values are compared exactly; units, currency signs and thousands separators do not matter, but
    a unit that both sides name must agree.
    """

    loose: bool = False
    truncated: bool = False

    CASES: ClassVar[list[tuple[Any, ...]]] = [
        ("72", "48 + 24 = 72, so she sold 72 clips.\n#### 72", "MATCH"),
        ("48/2 = <<48/2=24>>24\n#### 72", "The answer is 72", "MATCH"),
        ("72", "The answer is 72.", "MATCH"),  # trailing period
        ("72", "So the final answer is: **72**", "MATCH"),
        ("72", "Answer: 72.00", "MATCH"),
        ("72", "The answer is <<48+24=72>>72 clips", "MATCH"),
        ("72", "The answer is 48 + 24 = 72.", "MATCH"),
        ("72", "The answer is 72, because 48 + 24 = 72.", "MATCH"),
        ("72", "The answer is 72 clips in 2 months.", "MATCH"),
        ("72", "72", "MATCH"),
        ("72", "#### 73", "MISMATCH"),
        ("72", "48 + 24 = 72\n#### 24", "MISMATCH"),
        ("1234", "The answer is 1,234.", "MATCH"),  # thousands separators
        ("1234567", r"$\boxed{1{,}234{,}567}$", "MATCH"),
        ("1,234", r"The answer is 1\,234", "MATCH"),
        ("1000000", "#### 1 000 000", "MATCH"),
        ("100000", "The answer is 1,00,000 rupees", "MATCH"),
        ("1", "The answer is 1,234.", "MISMATCH"),
        ("1", "#### 1,00", "NO_ANSWER"),  # a torn number
        ("1000", "The answer is 1,", "MISMATCH"),
        ("12", "#### 1", "MISMATCH"),
        ("72", "48 + 24 = 72\n#### 72", "TRUNCATED", {"finish": "length"}),
        ("72", "#### 72\n\nQ: Bob has 5 dogs. How many legs?\nA: #### 20", "MATCH"),  # run-on second question
        ("20", "#### 72\n\nQ: Bob has 5 dogs. How many legs?\nA: #### 20", "MISMATCH"),
        ("20", "She sells clips.\n\nQ: Bob has 5 dogs.\nA: #### 20", "RUN_ON"),
        ("20", "She sells clips. Question 2: the answer is 20", "MATCH"),
        ("20", "She sells clips.\nQuestion 2: the answer is 20", "RUN_ON"),
        ("72", r"First \boxed{5}. Then \boxed{72}.", "MATCH"),  # two boxed answers: the last one counts
        ("5", r"First \boxed{5}. Then \boxed{72}.", "MISMATCH"),
        ("5", r"It is \boxed{5} or \boxed{72}.", "NO_ANSWER"),
        ("72", r"It is \boxed{5} or \boxed{72}.", "NO_ANSWER"),
        ("73", "The answer is 72. No, the answer is 73.", "MATCH"),  # taken back
        ("72", "The answer is 72. No, the answer is 73.", "MISMATCH"),
        ("72", "The answer is 72. Wait, that is wrong.", "NO_ANSWER"),
        ("73", "#### 72\n#### 73", "MATCH"),
        ("72", "<think>\\boxed{5}</think> The answer is 72.", "MATCH"),  # a thought never decides
        ("5", "<think>The answer is 5.</think> The answer is 72.", "MISMATCH"),
        ("72", "<think>The answer is 72.", "TRUNCATED"),
        ("72", "Half of 48 is 24, and 48 + 24 = 72.\nA: 72", "MATCH"),
        ("72", "So the number of clips is 72.", "MATCH"),
        ("8", "The answer is 3x + 2y = 8.", "NO_ANSWER"),  # an equation is no number
        ("4", "The answer is x = 1, y = 4.", "NO_ANSWER"),
        ("7", r"\boxed{7r^2}", "NO_ANSWER"),
        ("5 hours", "The answer is 5 minutes.", "MISMATCH"),
        ("50", "The answer is 50%.", "MATCH"),  # percent and fraction
        ("50", r"\boxed{50\%}", "MATCH"),
        ("50%", "The answer is 50 percent", "MATCH"),
        ("0.5", "The answer is 50%", "MATCH"),
        ("50%", "The answer is 1/2", "MATCH"),
        ("50%", "The answer is 50", "MATCH"),
        ("50", "The answer is 0.5", "MISMATCH"),
        ("0.5", "The answer is 0.5%", "MISMATCH"),
        ("1/2", r"\boxed{\frac{1}{2}}", "MATCH"),
        ("1/2", r"\boxed{\dfrac12}", "MATCH"),
        ("3.5", "The answer is 3 1/2 hours", "MATCH"),
        ("3.5", "The answer is 3½", "MATCH"),
        ("1/3", "The answer is 0.333", "MISMATCH"),
        ("2/4", "The answer is 1/2", "MATCH"),
        ("-9", "The answer is -9.", "MATCH"),  # negative
        ("-9", "The answer is - 9", "MATCH"),
        ("9", "The answer is -9", "MISMATCH"),
        ("-9", "The answer is 9", "MISMATCH"),
        ("-9", "#### \u22129", "MATCH"),  # unicode minus
        ("9", "#### \u22129", "MISMATCH"),
        ("-9", "#### \u20139", "MATCH"),
        ("1500", "The answer is 1.5e3", "MATCH"),  # scientific
        ("1500", "The answer is 1.5E+03", "MATCH"),
        ("1500", r"The answer is $1.5 \times 10^{3}$.", "MATCH"),
        ("1500", "The answer is 1.5 × 10³", "MATCH"),
        ("0.0015", "The answer is 1.5 x 10^-3", "MATCH"),
        ("1.5", "The answer is 1.5e3", "MISMATCH"),
        ("1.5", r"The answer is $1.5 \times 10^3$", "MISMATCH"),
        ("10", "The answer is 10^99999999999", "NO_ANSWER"),
        ("64", "The answer is 2^6 = 64", "MATCH"),
        ("18", "The answer is $18.00.", "MATCH"),  # currency
        ("18", r"The answer is \$18", "MATCH"),
        ("18", "#### €18", "MATCH"),
        ("-18", "The answer is -$18", "MATCH"),
        ("18", "The answer is 18 dollars", "MATCH"),
        ("18", "The answer is Rs. 18", "MATCH"),
        ("1500000", "The answer is $1.5 million", "MATCH"),
        ("1.5", "The answer is $1.5 million", "MISMATCH"),
        ("5000", "The answer is 5k", "MATCH"),
        ("24", "The answer is 2 dozen eggs", "MATCH"),
        ("72", "The answer is 72 km/h", "MATCH"),  # unit
        ("72", r"\boxed{72\text{ cm}^2}", "MATCH"),
        ("72", "The answer is 72 m^2", "MATCH"),
        ("90", r"\boxed{90^\circ}", "MATCH"),
        ("5", "The answer is 5 feet 6 inches", "MISMATCH"),
        ("5.5", "The answer is 5 feet 6 inches", "MATCH"),
        ("5", "The answer is 5:30", "NO_ANSWER"),
        ("72", r"\boxed{ \; 72 \, }", "MATCH"),  # LaTeX spaces
        ("72", r"The answer is \( 72 \).", "MATCH"),
        ("1000", r"\boxed{1\!000}", "MATCH"),
        ("72", r"\boxed{\text{{72}}}", "MATCH"),  # nested braces
        ("0.75", r"\boxed{\frac{3}{{4}}}", "MATCH"),
        ("72", r"\boxed{72", "NO_ANSWER"),
        ("2", r"\boxed{2\sqrt{3}}", "NO_ANSWER"),
        ("2", "The answer is 2x", "NO_ANSWER"),
        ("2", r"The answer is $2\pi$", "NO_ANSWER"),
        ("72", "I do not know: no answer. She had 72 clips.", "NO_ANSWER"),  # no answer
        ("72", "There is no answer.", "NO_ANSWER"),
        ("72", "She sold 48 and then 24, that makes 72 clips", "NO_ANSWER"),
        ("72", "", "NO_ANSWER"),
        ("72", "The answer is not 72.", "NO_ANSWER"),
        ("72", "The answer is half of 72.", "NO_ANSWER"),
        ("72", "The answer is more than 72.", "NO_ANSWER"),
        ("72", "The answer is 72 or 73.", "NO_ANSWER"),
        ("72", "The answer is 72-73.", "NO_ANSWER"),
        ("72", "The answer is 72 + 1", "NO_ANSWER"),
        ("72", "The answer is ±72", "NO_ANSWER"),
        ("2", "The answer is CO2.", "NO_ANSWER"),  # a digit inside a word
        ("12", "The answer is twelve.", "MATCH"),
        ("72", "The answer is seventy-two clips.", "MATCH"),
        ("1", "The answer is one of many.", "NO_ANSWER"),
        ("1/0", "The answer is 1", "GRADER_ERROR"),
        ("forty", "The answer is 41", "MISMATCH"),
        ("unknown", "The answer is 40", "GRADER_ERROR"),
        ("5 or 6", "The answer is 5", "GRADER_ERROR"),
        ("8 8 3", "<scratch>\n6 2 4 + 2 5 9 , C: 0\n0 8 8 3\n</scratch>\n8 8 3", "MATCH"),  # digits with spaces
        ("8 8 3", "<scratch>\n0 8 8 3\n</scratch>\n8 8 4", "MISMATCH"),
        ("8 8 3", "<scratch>\n6 2 4 + 2 5 9 , C: 0", "NO_ANSWER"),
        ("8 8 3", "8 8 3\nInput:\n1 + 1", "NO_ANSWER"),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        if SPACED.fullmatch(problem.answer.strip()) or known_number(problem.answer) is not None:
            return None
        return f"the known answer {problem.answer[-60:]!r} is not a number"

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        correct, answer, reason = self.judge(problem.answer, rationale.text, rationale.finish)
        return self.verdict(rationale, reason, answer, answer_class=answer_class(answer, problem.answer))

    def judge(self, gold: str, text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        reading = self.reading(text)
        cut = reading.unfinished or (finish == "length" and not self.truncated)
        if SPACED.fullmatch(gold.strip()):
            return (False, None, "TRUNCATED") if cut else self._spaced(gold, reading.text)
        known = known_number(gold)
        if known is None:
            return False, f"the known answer {gold[-60:]!r} is not a number", "GRADER_ERROR"
        phrase, number = self.extract(reading.text)
        if cut:
            return False, phrase, "TRUNCATED"
        if number is None:
            return False, phrase, "RUN_ON" if reading.ran_on and phrase is None else "NO_ANSWER"
        correct = number.equals(known)
        return correct, phrase, "MATCH" if correct else "MISMATCH"

    def _spaced(self, gold: str, text: str) -> tuple[bool, str | None, str]:
        """Digits with a space between, as ``addition`` writes its sums: the answer is the last line, alone."""
        last = " ".join((text.strip().splitlines() or [""])[-1][:4000].split())
        if not SPACED.fullmatch(last) and not last.isdecimal():
            return False, None, "NO_ANSWER"
        correct = last.replace(" ", "").lstrip("0") == gold.strip().replace(" ", "").lstrip("0")
        return correct, last, "MATCH" if correct else "MISMATCH"

    def extract(self, text: str) -> tuple[str | None, Number | None]:
        """(the words of the last final answer, its number); a number of None could not be read."""
        said: str | None = None
        for final in islice(finals(text), READ):
            if idle(final):
                continue
            if vague(final):
                return final.text, None
            said = final.text if said is None else said
            number = _number(final.text)
            if number is None and final.text and final.kind in ("said", "claim") and not TELLS.search(final.text):
                continue  # it speaks of an answer that was given before
            return final.text, None if number is None or retracted(text, final.end) else number
        if said is not None:
            return said, None
        stripped = text.strip().strip(PICTURES).strip()
        if len(stripped) <= 60 and BARE.fullmatch(stripped):
            number = _number(stripped.strip("*").rstrip("."))
            if number is not None or conclusion(text) is None:
                return stripped, number
        if len(stripped) <= 60 and SPELLED.fullmatch(stripped) and (number := _number(stripped)) is not None:
            return stripped, number
        alone = last_line(text)
        if alone is not None and (number := _number(alone.text)) is not None:
            return alone.text, number
        last = conclusion(text)
        if last is not None and (number := _number(last.text)) is not None:
            return last.text, number
        if self.loose:
            try:
                return last_number(text) or (None, None)
            except Unclear:
                return stripped[-60:], None
        return None, None


@lru_cache(maxsize=4096)
def _number(phrase: str) -> Number | None:
    try:
        return read_number(phrase)
    except Unclear:
        return None


def answer_class(phrase: str | None, gold: str) -> str | None:
    """One text for all spellings of a number, in the unit and the percentage of the known answer."""
    if phrase is None:
        return None
    if SPACED.fullmatch(gold.strip()):
        return phrase.replace(" ", "").lstrip("0") or "0"
    number, known = _number(phrase), known_number(gold)
    return None if number is None or known is None else number.in_terms_of(known)


def known_number(gold: str) -> Number | None:
    """The number a known answer is, behind its last ``####`` or "A:" where there is one; None where it is none."""
    answer = marked(gold)
    return _number(gold if answer is None else answer)
