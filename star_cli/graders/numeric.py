"""numeric: the final answer must be the known number, however it is written.

gold ``72``, text ``48 + 24 = 72, so she sold 72 clips.\n#### 72`` -> MATCH; ``The answer is $1,234.50.`` equals 1234.5
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.lib.text.answers import finals, learned, own
from star_cli.lib.text.numbers import Number, Unclear, last_number, read_number

BARE = re.compile(
    r"(?:A:)?[\s$€£¥₹=≈~({\[]*(?:[a-zA-Z] ?=)?[\s$€£¥₹\\(\[-]*[-+−–]?\s*[$€£]?\s*(?:[\d.]|\\[dt]?frac|[½¼¾])[^\n]*"
)

SPACED = re.compile(r"\d(?: \d)+")


@register("grader", "numeric")
class Numeric(Grader):
    r"""The first final answer counts: after ``####``, in ``\boxed{}``, after "the answer is", or a text that is bare
    number.

    With ``loose`` the last number of a text that names no answer is taken; with ``truncated`` a text that ran out of
    tokens may be right. Units, currency signs and thousands separators do not matter; values are compared exactly.
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
        ("5", r"First \boxed{5}. Then \boxed{72}.", "MATCH"),  # two boxed answers
        ("72", r"First \boxed{5}. Then \boxed{72}.", "MISMATCH"),
        ("5", r"It is \boxed{5} or \boxed{72}.", "NO_ANSWER"),
        ("72", r"It is \boxed{5} or \boxed{72}.", "NO_ANSWER"),
        ("72", "The answer is 72. No, the answer is 73.", "MATCH"),  # restated wrongly afterwards
        ("73", "The answer is 72. No, the answer is 73.", "MISMATCH"),
        ("72", "#### 72\n#### 73", "MATCH"),
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
        ("5", "The answer is 5 feet 6 inches", "NO_ANSWER"),
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
        return Verdict(problem_id=problem.id, sample=rationale.sample, correct=correct, answer=answer, reason=reason)

    def judged(self, text: str) -> str:
        return learned(text)

    def judge(self, gold: str, text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        if SPACED.fullmatch(gold.strip()):
            return self._spaced(gold, text, finish)
        known = known_number(gold)
        if known is None:
            return False, f"the known answer {gold[-60:]!r} is not a number", "GRADER_ERROR"
        mine, ran_on = own(text)
        phrase, number = self.extract(mine)
        if finish == "length" and not self.truncated:
            return False, phrase, "TRUNCATED"
        if number is None:
            return False, phrase, "RUN_ON" if ran_on and phrase is None else "NO_ANSWER"
        correct = number.equals(known)
        return correct, phrase, "MATCH" if correct else "MISMATCH"

    def _spaced(self, gold: str, text: str, finish: str) -> tuple[bool, str | None, str]:
        """Digits with a space between, as ``addition`` writes its sums: the answer is the last line, alone."""
        if finish == "length" and not self.truncated:
            return False, None, "TRUNCATED"
        last = " ".join((text.strip().splitlines() or [""])[-1].split())
        if not SPACED.fullmatch(last) and not last.isdecimal():
            return False, None, "NO_ANSWER"
        correct = int(last.replace(" ", "")) == int(gold.replace(" ", ""))
        return correct, last, "MATCH" if correct else "MISMATCH"

    def extract(self, text: str) -> tuple[str | None, Number | None]:
        """(the words of the first final answer, its number); a number of None could not be read."""
        said: str | None = None
        for final in finals(text):
            said = final.text
            try:
                number = read_number(final.text)
            except Unclear:
                return final.text, None
            if number is not None:
                return final.text, number
        if said is not None:
            return said, None
        stripped = text.strip()
        try:
            if len(stripped) <= 60 and BARE.fullmatch(stripped):
                return stripped, read_number(stripped.rstrip("."))
            if self.loose:
                return last_number(text) or (None, None)
        except Unclear:
            return stripped, None
        return None, None


def known_number(gold: str) -> Number | None:
    """The number a known answer is, behind its last ``####`` where there is one; None where it is none."""
    try:
        return read_number(gold.rpartition("####")[2])
    except Unclear:
        return None
