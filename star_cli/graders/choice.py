"""choice: the final answer must name the known option, by its letter, by its text, or by both.

gold ``E`` of ["shirt pocket", ..., "blotter"], text ``Blotters absorb ink. Therefore, the answer is blotter (e).`` ->
MATCH
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, ClassVar

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.graders._reading import Reader
from star_cli.lib.formulas import equality
from star_cli.lib.formulas.latex import NotFormula
from star_cli.lib.text.answers import finals, idle, vague
from star_cli.lib.text.conclusion import conclusion
from star_cli.lib.text.options import LETTERS, NOT, named, simple
from star_cli.lib.text.retractions import retracted
from star_cli.lib.text.signs import READ

SAYS = re.compile(
    r"\b(?:option|choice)\s+\(?([A-J])\)?\s+is\s+(?:the\s+)?(?:correct|right|best)\b|"
    r"^[ \t]*\(?([A-J])\)?\s+is\s+(?:the\s+)?(?:correct|right|best)\b",
    re.I | re.M,
)
OPTION_LINE = re.compile(r"[\s*_>-]*\(?[A-Ja-j][).:\]]")
CHOSEN = re.compile(  # "I would choose B", "that leaves us with option B", at the end of a text
    r"\b(?:choose|select|pick|go(?:ing)? with|leaves(?: us with)?|has to be|must be|it is"
    r"|it's)\s+(?:(?:the )?(?:option|answer|choice)\s+)?"
    r"(\(?[A-J](?:\)|\b)[^\n]{0,200})",
)
HEDGED = re.compile(r"\b(?:could|might|may|maybe|perhaps|not sure|possibly|or)\b|\?", re.I)
REASONED = re.compile(r"\(?[A-J]\)?(?=,?\s+(?:because|since|as)\b)")
YES = re.compile(r"(yes|no|true|false)(?=[,.;:!]|\s*$)", re.I)
FIRM = ("boxed", "tag", "field", "hash", "heading")  # places that hold nothing but an answer

INK = {"choices": ["shirt pocket", "calligrapher's hand", "inkwell", "desk drawer", "blotter"]}
PETS = {"choices": ["cat", "dog", "a bee", "train", "train station"]}
SUMS = {"choices": ["5", "-5", "0.5", "15"]}
TINT = {"choices": ["red", "red, white and blue", "because of rain", "blue"]}
ANGLES = {"choices": [r"$30^\circ$", r"$60^\circ$", r"$90^{\circ}$"]}


@register("grader", "choice", version=3)
class Choice(Reader):
    """The last final answer before a run-on counts. A letter that contradicts the text beside it, two options, or a
    letter inside a word are never right.

    The known answer is a letter (A is the first option) or an option's text. With ``truncated`` a text that ran out of
    tokens may be right.
    """

    truncated: bool = False
    CASES: ClassVar[list[tuple[Any, ...]]] = [
        ("E", "Blotters absorb ink. Therefore, the answer is blotter (e).", "MATCH", INK),
        ("E", "The answer is (e) blotter.", "MATCH", INK),
        ("E", "The answer is e.", "MATCH", INK),
        ("E", "The answer is E", "MATCH", INK),
        ("E", "The answer is **E**.", "MATCH", INK),
        ("E", "The answer is (E).", "MATCH", INK),
        ("E", "Answer: E) blotter", "MATCH", INK),
        ("E", "Answer: E: blotter", "MATCH", INK),
        ("E", "#### E", "MATCH", INK),
        ("E", "#### (e)", "MATCH", INK),
        ("E", r"So it is $\boxed{\text{E}}$.", "MATCH", INK),
        ("E", r"\boxed{E}", "MATCH", INK),
        ("E", r"\boxed{\textbf{(E)}\ \text{blotter}}", "MATCH", INK),
        ("E", "E", "MATCH", INK),
        ("E", "(e)", "MATCH", INK),
        ("E", "e) blotter", "MATCH", INK),
        ("E", "blotter", "MATCH", INK),
        ("E", "A blotter.", "MATCH", INK),
        ("E", "The answer is blotter.", "MATCH", INK),
        ("E", "The answer is a blotter", "MATCH", INK),
        ("E", "the answer is option e", "MATCH", INK),
        ("E", "The correct option is (e) because blotters absorb and (c) holds ink.", "MATCH", INK),
        ("E", "The best choice is E, since inkwells hold ink.", "MATCH", INK),
        ("E", "Option E is correct.", "MATCH", INK),
        ("blotter", "The answer is (e).", "MATCH", INK),
        ("(e)", "The answer is blotter.", "MATCH", INK),
        ("5", "The answer is blotter.", "MATCH", INK),
        ("E", "The answer is blotter (e).\n\nQ: What next?\nA: The answer is inkwell (c).", "MATCH", INK),
        ("C", "The answer is blotter (e).\n\nQ: What next?\nA: The answer is inkwell (c).", "MISMATCH", INK),
        ("C", "The answer is blotter (e). No wait, the answer is inkwell (c).", "MATCH", INK),
        ("E", "The answer is blotter (e). No wait, the answer is inkwell (c).", "MISMATCH", INK),
        ("E", "<think>The answer is (c).</think> The answer is (e).", "MATCH", INK),
        ("E", "<think>The answer is (e).", "TRUNCATED", INK),
        ("E", "The answer must be E", "MATCH", INK),
        ("E", "### Final Answer\n\n**E**", "MATCH", INK),
        ("E", "<answer>E</answer>", "MATCH", INK),
        ("E", '{"answer": "E"}', "MATCH", INK),
        ("E", "The answer is E, C", "NO_ANSWER", INK),
        ("E", "Answer: E. inkwell", "MISMATCH", INK),
        ("B", r"\boxed{60^\circ}", "MATCH", ANGLES),
        ("B", "The answer is 60 degrees.", "MATCH", ANGLES),
        ("A", r"\boxed{60^\circ}", "MISMATCH", ANGLES),
        ("C", "The answer is inkwell (e).", "MISMATCH", INK),  # the letter of another option
        ("E", "The answer is inkwell (e).", "MISMATCH", INK),
        ("E", "The answer is inkwell.", "MISMATCH", INK),
        ("E", "The answer is (g).", "MISMATCH", INK),
        ("E", "The answer is (d) or (e).", "NO_ANSWER", INK),
        ("E", "The answer is E or D", "NO_ANSWER", INK),
        ("E", "The answer is inkwell or blotter.", "NO_ANSWER", INK),
        ("E", "The answer is not (e).", "NO_ANSWER", INK),
        ("E", "The answer isn't blotter.", "NO_ANSWER", INK),
        ("E", "The answer must be (e) or something like it", "NO_ANSWER", INK),
        ("E", "There is no answer.", "NO_ANSWER", INK),
        ("E", "", "NO_ANSWER", INK),
        ("E", "Everything else absorbs ink too, e.g. paper.", "NO_ANSWER", INK),
        ("E", "A blotter could absorb the ink, and so could a shirt pocket.", "NO_ANSWER", INK),
        ("E", "It absorbs ink\nQ: What next?\nA: The answer is blotter (e).", "RUN_ON", INK),
        ("E", "The answer is blotter (e).", "TRUNCATED", {**INK, "finish": "length"}),
        ("F", "The answer is (e).", "GRADER_ERROR", INK),
        ("eraser", "The answer is (e).", "GRADER_ERROR", INK),
        ("A", "The answer is a dog.", "MISMATCH", PETS),  # an article is not option a
        ("B", "The answer is a dog.", "MATCH", PETS),
        ("A", "The answer is a fish.", "NO_ANSWER", PETS),
        ("A", "The answer is category.", "NO_ANSWER", PETS),  # neither a letter nor an option inside a word
        ("C", "The answer is Bee.", "MATCH", PETS),
        ("D", "The answer is train station.", "MISMATCH", PETS),
        ("E", "The answer is train station.", "MATCH", PETS),
        ("E", "The answer is the train station, not the train.", "MATCH", PETS),
        ("D", "The answer is train.", "MATCH", PETS),
        ("A", "The answer is -5.", "MISMATCH", SUMS),
        ("B", "The answer is -5.", "MATCH", SUMS),
        ("A", "The answer is 5.", "MATCH", SUMS),
        ("A", "The answer is 0.5.", "MISMATCH", SUMS),
        ("A", "The answer is 15", "MISMATCH", SUMS),
        ("B", "The answer is red, white and blue.", "MATCH", TINT),
        ("A", "The answer is red, white and blue.", "MISMATCH", TINT),
        ("A", "The answer is red, as blue is too cold.", "MATCH", TINT),
        ("C", "The answer is because of rain.", "MATCH", TINT),
        ("B", "The answer is B.", "MATCH", {}),
        ("B", "b", "MATCH", {}),
        ("B", "The answer is bread.", "NO_ANSWER", {}),
        ("bread", "The answer is B.", "GRADER_ERROR", {}),
        ("B", "The answer is B", "MATCH", {"choices": ["A", "B", "C", "D"]}),
        ("A", "The answer is B", "MISMATCH", {"choices": ["A", "B", "C", "D"]}),
    ]

    def gold_fault(self, problem: Problem) -> str | None:
        choices = problem.choices or []
        return None if known_option(problem.answer, choices) is not None else unknown_option(problem.answer, choices)

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        choices = problem.choices or []
        answer, options, reason = self.read_options(problem.answer, choices, rationale.text, rationale.finish)
        return self.verdict(rationale, reason, answer, answer_class=answer_class(options, choices))

    def judge(self, gold: str, choices: list[str], text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        answer, _, reason = self.read_options(gold, choices, text, finish)
        return reason == "MATCH", answer, reason

    def read_options(
        self, gold: str, choices: list[str], text: str, finish: str
    ) -> tuple[str | None, set[int] | None, str]:
        """(extracted answer, the options it names, reason) of a text."""
        known = known_option(gold, choices)
        if known is None:
            return unknown_option(gold, choices), None, "GRADER_ERROR"
        reading = self.reading(text)
        said, options = extract(reading.text, choices)
        if reading.unfinished or (finish == "length" and not self.truncated):
            return said, options, "TRUNCATED"
        if options is None:
            return said, None, "RUN_ON" if reading.ran_on and said is None else "NO_ANSWER"
        correct = known in options and len({simple(choices[o]) if choices else o for o in options}) == 1
        return said, options, "MATCH" if correct else "MISMATCH"


def answer_class(options: set[int] | None, choices: list[str]) -> str | None:
    """The letters of the options that an answer names, of options with the same text the first; None without one.

    A letter beyond the choices (its option is negative) is "none".
    """
    if not options:
        return None
    texts = [simple(c) for c in choices]
    if min(options) < 0 or (choices and max(options) >= len(choices)):
        return "none"
    return "".join(LETTERS[o] for o in sorted({texts.index(texts[o]) if choices else o for o in options}))


def known_option(gold: str, choices: list[str]) -> int | None:
    """The option the known answer means: a letter, an option's text, or its number from 1."""
    bare = gold.strip().strip("().[] ")
    count = len(choices) or len(LETTERS)
    if len(bare) == 1 and bare.upper() in LETTERS[:count]:
        return LETTERS.index(bare.upper())
    same = [i for i, c in enumerate(choices) if " ".join(c.split()).casefold() == " ".join(gold.split()).casefold()]
    if len(same) == 1:
        return same[0]
    return int(bare) - 1 if bare.isdecimal() and len(bare) < 3 and choices and 1 <= int(bare) <= count else None


def unknown_option(gold: str, choices: list[str]) -> str:
    """What is wrong with a known answer that means no option."""
    among = f"the {len(choices)} choices" if choices else f"the letters A to {LETTERS[-1]}"
    return f"the known answer {gold!r} is not among {among}"


def extract(text: str, choices: list[str]) -> tuple[str | None, set[int] | None]:
    """(the words of the last final answer, the options they name); more than one option is a contradiction.

    None for the options: no answer, or two offered. A letter that contradicts its text gives both.
    """
    said: str | None = None
    denied: set[int] = set()
    for final in islice(finals(text), READ):
        if final.kind == "line" and re.search(r"^[ \t*]*\(?B[).:]", text, re.M):
            continue  # a list of options: "A: red" and "B: blue"
        said = said if said is not None else final.text
        if not final.text:
            return said, None
        phrase, options, denies = _named(final.text, final.line, choices)
        if options is None and final.kind in FIRM:
            return phrase, _equal_option(phrase, choices)
        if options is None:
            if idle(final) or not (denies or vague(final)):
                continue
            return phrase, None
        if denies:
            denied |= options
            continue
        if options & denied or retracted(text, final.end):
            return phrase, None
        return phrase, options or None
    if denied:
        return said, None
    found = _last_says(text, choices) or _alone(text, choices, said)
    return found if found is not None else (said, None)


def _named(phrase: str, line: str, choices: list[str]) -> tuple[str, set[int] | None, bool]:
    """(the phrase that names options, the options, whether it denies them), of an answer's sentence or else its
    line.
    """
    if re.fullmatch(r"\W*[A-Ja-j]\W*", phrase) and (longer := re.match(r"\W*[A-Ja-j]\W?[.)]\W*\s+[^.!?\n]+", line)):
        options, _ = named(longer.group(), choices)
        if options:
            return longer.group(), options, False  # "E. inkwell", where E is the blotter, contradicts itself
    first: tuple[set[int] | None, bool] = (None, False)
    for text in dict.fromkeys((phrase, line)):
        options, denies = named(text, choices)
        if options is not None:
            return text, options, denies
        first = (None, first[1] or denies)
    value = _equal_option(phrase, choices)
    return phrase, value, first[1]


def _equal_option(phrase: str, choices: list[str]) -> set[int] | None:
    """The one option that a phrase equals as a formula, such as 0.5 for 1/2."""
    if not choices or len(phrase) > 200 or not re.search(r"\d|\\", phrase) or NOT.search(phrase):
        return None
    found = set()
    for i, choice in enumerate(choices):
        try:
            if equality.equal(choice, phrase):
                found.add(i)
        except NotFormula:
            continue
    return found if len(found) == 1 else None


def _last_says(text: str, choices: list[str]) -> tuple[str, set[int] | None] | None:
    """ "Option B is correct", where no place names an answer: the last of them."""
    for found in reversed(list(SAYS.finditer(text))[-64:]):
        option = LETTERS.index((found[1] or found[2]).upper())
        if option < (len(choices) or len(LETTERS)):
            return found.group().strip(), None if retracted(text, found.end()) else {option}
    return None


def _alone(text: str, choices: list[str], said: str | None) -> tuple[str, set[int] | None] | None:
    """An option that is the whole text, its last line, what its last sentence comes to, or how it begins."""
    lines = text.strip().splitlines()
    if not lines or said is not None:
        return None
    phrase = re.sub(r"^A:\s+", "", lines[-1].strip())
    listed = len(lines) > 1 and OPTION_LINE.match(phrase) and any(OPTION_LINE.match(line) for line in lines[-4:-1])
    if not listed and len(phrase) <= 300:
        options, denies = named(phrase, choices, whole=True)
        if options is None and len(lines) == 1 and not denies:
            options = _equal_option(phrase, choices)
        if options is not None:
            return phrase, None if denies else options or None
    last = conclusion(text)
    if last is not None:
        options, denies = named(last.text, choices, whole=True)
        if options is not None and not denies:
            return last.text, options or None
    return (_chosen(phrase, choices) if not listed else None) or _opening(lines, choices)


def _chosen(line: str, choices: list[str]) -> tuple[str, set[int] | None] | None:
    """The letter that the last line chooses: "I would go with option B." """
    found = CHOSEN.search(line[-400:])
    if found is None or NOT.search(line[-400:][: found.start(1)]) or HEDGED.search(found[1]):
        return None
    options, denies = named(found[1], choices)
    return None if options is None else (found[1], None if denies else options or None)


def _opening(lines: list[str], choices: list[str]) -> tuple[str, set[int] | None] | None:
    """An option that is the first line, or its first sentence, before what explains it."""
    first = lines[0].strip()
    if sum(bool(OPTION_LINE.match(line)) for line in lines[:12]) > 1 or len(first) > 400:
        return None  # a list of the options
    sentences = [first] if len(lines) > 1 else []
    mark = re.search(r"(?<=[\w)])\.\s", first[3:])
    if mark and re.match(r"\(?[A-J][).:]", first) and not re.search(r"\s\(?[A-J][).:]\s", first[mark.start() + 3 :]):
        sentences.append(first[: mark.start() + 3])
    sentences += [m.group() for m in (REASONED.match(first), YES.match(first)) if m]
    for phrase in sentences:
        options, denies = named(phrase, choices, whole=True)
        if options is not None:
            return phrase, None if denies or retracted("\n".join(lines), len(phrase)) else options or None
    return None
