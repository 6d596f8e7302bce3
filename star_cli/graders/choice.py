"""choice: the final answer must name the known option, by its letter, by its text, or by both.

gold ``E`` of ["shirt pocket", ..., "blotter"], text ``Blotters absorb ink. Therefore, the answer is blotter (e).`` ->
MATCH
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.core.registry import register
from star_cli.lib.text.answers import finals, learned, own

LETTERS = "ABCDEFGHIJ"
MARKED = re.compile(r"[(\[]\s*([A-Ja-j])\s*[)\]]")  # (e) [e]
NAMED = re.compile(r"\b(?:option|choice|letter|answer)\s+\(?([A-Ja-j])\b\)?", re.I)  # option e
LEADING = re.compile(  # e) blotter, E: blotter, E, "E because", "E or F"; but not the article in "a cat"
    r"\s*(?:([A-Ja-j])\s*(?:[):\]]|\.(?!\w)|-\s|$)|([A-J])(?=\s*(?:\(|,|/|(?:or|and|because|since|as)\s)))"
)
NOT = re.compile(r"\b(?:not|never|neither|cannot|none|except)\b|n't\b", re.I)
SAYS = re.compile(
    r"\b(?:option|choice)\s+\(?([A-J])\)?\s+is\s+(?:the\s+)?(?:correct|right|best)\b|"
    r"^\s*\(?([A-J])\)?\s+is\s+(?:the\s+)?(?:correct|right|best)\b",
    re.I | re.M,
)
CLAUSE = re.compile(
    r",\s|\s(?:because|since|as|which|so|while|whereas|given|but|although|rather than|instead of)\b", re.I
)

INK = {"choices": ["shirt pocket", "calligrapher's hand", "inkwell", "desk drawer", "blotter"]}
PETS = {"choices": ["cat", "dog", "a bee", "train", "train station"]}
SUMS = {"choices": ["5", "-5", "0.5", "15"]}
TINT = {"choices": ["red", "red, white and blue", "because of rain", "blue"]}


@register("grader", "choice")
class Choice(Grader):
    """A letter that contradicts the text beside it, two options, or a letter inside a word are never right.

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
        ("E", "The answer is blotter (e). No wait, the answer is inkwell (c).", "MATCH", INK),
        ("C", "The answer is blotter (e). No wait, the answer is inkwell (c).", "MISMATCH", INK),
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
        correct, answer, reason = self.judge(problem.answer, problem.choices or [], rationale.text, rationale.finish)
        return Verdict(problem_id=problem.id, sample=rationale.sample, correct=correct, answer=answer, reason=reason)

    def judged(self, text: str) -> str:
        return learned(text)

    def judge(self, gold: str, choices: list[str], text: str, finish: str = "stop") -> tuple[bool, str | None, str]:
        """(correct, extracted answer, reason) of a text."""
        known = known_option(gold, choices)
        if known is None:
            return False, unknown_option(gold, choices), "GRADER_ERROR"
        mine, ran_on = own(text)
        said, options = extract(mine, choices)
        if finish == "length" and not self.truncated:
            return False, said, "TRUNCATED"
        if options is None:
            return False, said, "RUN_ON" if ran_on and said is None else "NO_ANSWER"
        correct = options == {known}
        return correct, said, "MATCH" if correct else "MISMATCH"


def known_option(gold: str, choices: list[str]) -> int | None:
    """The option the known answer means: a letter, an option's text, or its number from 1."""
    bare = gold.strip().strip("().[] ")
    count = len(choices) or len(LETTERS)
    if len(bare) == 1 and bare.upper() in LETTERS[:count]:
        return LETTERS.index(bare.upper())
    same = [i for i, c in enumerate(choices) if " ".join(c.split()).casefold() == " ".join(gold.split()).casefold()]
    if len(same) == 1:
        return same[0]
    return int(bare) - 1 if bare.isdigit() and choices and 1 <= int(bare) <= count else None


def unknown_option(gold: str, choices: list[str]) -> str:
    """What is wrong with a known answer that means no option."""
    among = f"the {len(choices)} choices" if choices else f"the letters A to {LETTERS[-1]}"
    return f"the known answer {gold!r} is not among {among}"


def extract(text: str, choices: list[str]) -> tuple[str | None, set[int] | None]:
    """(the words of the first final answer, the options they name); more than one option is a contradiction.

    None for the options: no answer, or two offered. A letter that contradicts its text gives both.
    """
    said: str | None = None
    for final in finals(text):
        for phrase in dict.fromkeys((final.text, final.line)):
            said = said if said is not None else phrase
            options = named(phrase, choices)
            if options is not None:
                return phrase, options or None
    for found in SAYS.finditer(text):
        letter = (found[1] or found[2]).upper()
        if LETTERS.index(letter) < (len(choices) or len(LETTERS)):
            return found.group().strip(), {LETTERS.index(letter)}
    if said is None and len(text.strip().splitlines()) == 1:  # nothing but the answer
        phrase = re.sub(r"^A:\s+", "", text.strip())
        options = named(phrase, choices, whole=True)
        return (phrase, options or None) if options is not None else (None, None)
    return said, None


def named(phrase: str, choices: list[str], whole: bool = False) -> set[int] | None:
    """The options the first clause of a phrase names; an empty set where it offers several, None where it names none.

    With ``whole`` the phrase must be nothing but an option.
    """
    phrase = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", phrase)
    phrase = re.sub(r"[*_`$\"“”{}]|\\[()]", "", phrase).replace("\\", " ").strip()
    spans = text_spans(phrase, choices)
    end = next(
        (m.start() for m in CLAUSE.finditer(phrase) if not any(a <= m.start() < b for a, b, _ in spans)), len(phrase)
    )
    said = [s for s in spans if s[0] < end]
    letters = [s for s in letter_spans(phrase, said) if s[0] < end]
    if not said and not letters:
        return None
    if NOT.search(phrase[: min(s[0] for s in [*said, *letters])]):
        return None
    lettered, texts = {s[2] for s in letters}, {s[2] for s in said}
    if any(o >= (len(choices) or len(LETTERS)) for o in lettered):
        return {-1}  # a letter that no option has
    if len(lettered) > 1:
        return set()
    if whole and re.search(r"\w", _without(phrase, [*said, *letters])):
        return None
    if lettered:
        return lettered if not texts or lettered <= texts else lettered | texts
    return texts if len({" ".join(choices[i].split()).casefold() for i in texts}) == 1 == len(texts) else set()


def text_spans(phrase: str, choices: list[str]) -> list[tuple[int, int, int]]:
    """(start, end, option) of every option's text in a phrase; the longer text wins where two overlap."""
    found: list[tuple[int, int, int]] = []
    for i in sorted(range(len(choices)), key=lambda i: -len(choices[i])):
        tokens = re.sub(r"^(?:an?|the)\s+(?=\S)", "", choices[i].strip().rstrip(". "), flags=re.I).split()
        if not tokens or (len(tokens) == 1 and len(tokens[0]) == 1 and tokens[0].upper() in LETTERS):
            continue
        pattern = r"(?<![\w.\-−])" + r"\s+".join(map(re.escape, tokens)) + r"(?!\w|[.,]\d|-\w)"
        for m in re.finditer(pattern, phrase, re.I):
            same = [s for s in found if s[0] < m.end() and m.start() < s[1]]
            if not same or all((s[0], s[1]) == m.span() for s in same):
                found.append((*m.span(), i))
    return sorted(found)


def letter_spans(phrase: str, said: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(start, end, option) of every letter that stands for an option, outside the options' own texts."""
    spans = [
        (m.start(), m.end(), LETTERS.index(m[1].upper())) for m in (*MARKED.finditer(phrase), *NAMED.finditer(phrase))
    ]
    lead = LEADING.match(phrase)
    if lead:
        spans.append((lead.start(), lead.end(), LETTERS.index((lead[1] or lead[2]).upper())))
        also = re.match(r"[).:\]]?\s*(?:or|and|/|,)\s*\(?([A-Ja-j])\b(?!['’])", phrase[lead.end() :])
        if also:
            spans.append((lead.end(), lead.end() + 1, LETTERS.index(also[1].upper())))
    return [s for s in spans if not any(a <= s[0] and s[1] <= b for a, b, _ in said)]


def _without(phrase: str, spans: list[tuple[int, int, int]]) -> str:
    for a, b, _ in sorted(spans, reverse=True):
        phrase = phrase[:a] + " " + phrase[b:]
    return re.sub(r"\b(?:an?|the|option|choice|answer)\b", " ", phrase, flags=re.I)
