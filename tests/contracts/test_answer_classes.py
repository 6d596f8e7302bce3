"""Votes count answers, not phrases: spellings of one answer are one class, different answers are not.

The spellings are written by hand, and what a class should be is known from the values they stand for; nothing here is
asked of the code under test.
"""

from collections import Counter

import pytest

from star_cli.core import registry
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Verdict
from star_cli.stages.candidates import numbered
from star_cli.stages.grading.classes import with_merged_classes
from star_cli.stages.grading.judge import judged
from star_cli.testing import case, cases, rationale

INK = {"choices": ["shirt pocket", "hand", "inkwell", "desk drawer", "blotter"]}
PETS = {
    "tables": "CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);"
    "INSERT INTO pet VALUES (1, 'Ann', 3), (2, 'Bo', 3), (3, 'Ann', 7), (4, 'Zo', 1);"
}
DOUBLE = "def double(x):\n    return 2 * x"
MEMBERS = ["#### 72", "72", "72.0", "Answer: $72", r"\boxed{72}", "A: 72", "The answer is 72 clips"]
SEVEN = {  # grader: (known answer, facts, seven spellings of one answer, answers that are all different from it)
    "numeric": (
        "13",
        {},
        ["#### 72", "The answer is $72.00.", "The answer is 72 clips.", r"\boxed{72}", "Answer: **72**"]
        + ["The answer is seventy-two.", "The answer is 144/2"],
        ["#### 13", "#### 720", "#### -72", "The answer is 7.2"],
    ),
    "numeric/half": (
        "13",
        {},
        ["#### 0.5", r"\boxed{\frac12}", "The answer is 1/2", "The answer is one half.", "#### .50", "#### 2/4"]
        + [r"\boxed{\dfrac{1}{2}}"],
        ["#### 5", "#### 0.05"],
    ),
    "choice": (
        "A",
        INK,
        ["The answer is (C).", "The answer is C", "Therefore, the answer is inkwell (c).", "The answer is an inkwell."]
        + ["#### c", r"\boxed{\text{(C)}}", "C) inkwell"],
        ["The answer is (A).", "The answer is blotter.", "The answer is (B) hand."],
    ),
    "conclusion": (
        "A",
        INK,
        ["CONCLUSION: (c)", "CONCLUSION: (C) inkwell", "CONCLUSION:\nC", "**CONCLUSION**: ( c )", "###CONCLUSION: (C)"]
        + ["CAPTION: x\nREASONING: y\nCONCLUSION: (c)", "CONCLUSION: (c), not (b)"],
        ["CONCLUSION: (a)", "CONCLUSION: (b)"],
    ),
    "math": (
        "13",
        {},
        [r"\boxed{\frac{\sqrt{3}}{2}}", r"\boxed{\sqrt{\frac34}}", r"The answer is $\sqrt{0.75}$.", r"#### \sqrt{3}/2"]
        + [r"\boxed{\frac{3}{2\sqrt{3}}}", r"\boxed{x = \dfrac{\sqrt3}{2}}", r"\boxed{\sin 60^\circ}"],
        [r"\boxed{13}", r"\boxed{\frac{\sqrt{2}}{2}}", r"\boxed{\sqrt3}", r"\boxed{(1,2)}"],
    ),
    "math/number": (
        "13",
        {},
        [r"\boxed{\frac12}", r"\boxed{0.5}", r"The answer is 1/2.", r"\boxed{\frac{2}{4}}", r"\boxed{x = \frac12}"]
        + [r"\boxed{2^{-1}}", "#### .5"],
        [r"\boxed{2}", r"\boxed{-\frac12}"],
    ),
    "math/words": (
        "east",
        {},
        [r"\boxed{\text{north}}", "The answer is north.", r"\boxed{North}", "#### north", r"\boxed{\textbf{North}}"]
        + ["The answer is the north.", r"\boxed{\mathrm{north}}"],
        [r"\boxed{\text{east}}", "The answer is thorn."],
    ),
    "countdown": (
        "8 * ( 5 - 6 )",
        {"meta": {"numbers": [5, 6, 8], "target": 34}},
        ["Answer: 8 * 5 - 6", "Answer: ( 8 * 5 ) - 6", "Answer: 5*8-6", "8 * 5 = 40\nAnswer: (5 * 8) - 6 = 34"]
        + ["Answer: ( ( 5 * 8 ) - 6 )", "Answer: 8*5 -6 = 34", "Answer: 1\nAnswer: 8 * 5 - 6"],
        ["Answer: 8 * 6 - 5", "Answer: 8 - 5 - 6", "Answer: 8 * ( 5 - 6 )"],
    ),
    "exact": ("8 8 3", {}, ["8 8 4", " 8 8 4", "8  8 4 ", "\n8 8 4\n", "8\t8 4", "8 8  4", " 8  8  4\n\n"], ["8 8 3"]),
    "sql": (
        "SELECT name FROM pet",
        {"meta": PETS},
        ["SELECT name FROM pet WHERE age = 3", "select NAME from pet where age=3"]
        + ["SQL: SELECT name FROM pet WHERE id < 3"]
        + ["```sql\nSELECT name FROM pet WHERE age = 3;\n```", "SELECT p.name FROM pet AS p WHERE p.age = 3"]
        + ["SELECT name FROM pet WHERE age = 3 ORDER BY id DESC", "SELECT name FROM pet WHERE age BETWEEN 3 AND 4"],
        ["SELECT name FROM pet", "SELECT age FROM pet WHERE age = 3", "SELECT DISTINCT name FROM pet"],
    ),
    "code": (
        "assert double(2) == 5",
        {},
        [DOUBLE, f"```python\n{DOUBLE}\n```", DOUBLE.replace("2 *", "2*"), f"# twice\n{DOUBLE}  # this"]
        + [DOUBLE.replace("2 * x", "(2 * x)"), DOUBLE.replace("    ", "  "), "def double(x): return 2 * x"],
        [DOUBLE.replace("2", "3"), DOUBLE.replace("2 * x", "x + x")],
    ),
    "any_of": ("13", {}, MEMBERS, ["#### 13"]),
    "all_of": ("13", {}, MEMBERS, ["#### 13"]),
}  # fmt: skip


def graded(grader: Grader, problem: Problem, texts: list[str]) -> list[Verdict]:
    items = [(problem, rationale(problem, text)) for text in texts]
    return [v for _, _, v in with_merged_classes(grader, judged(grader, iter(items), workers=1), workers=1)]


@pytest.mark.parametrize("name", SEVEN)
def test_seven_spellings_of_one_answer_are_one_vote(name: str) -> None:
    gold, facts, same, others = SEVEN[name]
    assert len(set(same)) == 7
    problem, _, _ = case(gold, "", "", facts)
    grader = registry.get("grader", name.partition("/")[0])()
    verdicts = graded(grader, problem, [*same, *others])
    assert all(v.answer_class for v in verdicts), [(v.answer, v.reason) for v in verdicts if not v.answer_class]
    votes = numbered(verdicts)
    assert Counter(votes[:7]) == {0: 7}, [v.answer_class for v in verdicts[:7]]
    assert sorted(votes[7:]) == list(range(1, 1 + len(others))), [v.answer_class for v in verdicts]


def test_every_grader_has_its_seven() -> None:
    reads = {name for name in registry.names("grader") if not registry.get("grader", name).asks}  # others ask a model
    assert {name.partition("/")[0] for name in SEVEN} == reads


@pytest.mark.parametrize("name", sorted({n.partition("/")[0] for n in SEVEN} - {"code", "sql"}))
def test_a_right_and_a_wrong_answer_of_a_problem_are_never_one_class(name: str) -> None:
    grader = registry.get("grader", name)()
    by_problem: dict[str, list] = {}
    for problem, text, reason in cases(grader):
        if reason in ("MATCH", "MISMATCH"):
            by_problem.setdefault(repr((problem.answer, problem.choices)), []).append((problem, text.text, reason))
    for rows in by_problem.values():
        verdicts = graded(grader, rows[0][0], [text for _, text, _ in rows])
        right = {v.answer_class for v in verdicts if v.correct}
        wrong = {v.answer_class for v in verdicts if not v.correct}
        assert not right & wrong, (rows[0][0].answer, right & wrong)


def test_what_names_no_answer_has_no_class() -> None:
    numeric = registry.get("grader", "numeric")()
    problem, _, _ = case("72", "", "")
    for text in ("", "There is no answer.", r"\boxed{7r^2}", "The answer is 72 or 73."):
        verdict = numeric.grade(problem, rationale(problem, text))
        assert verdict.answer_class is None and numbered([verdict]) == [-1]


def test_a_class_does_not_depend_on_which_answer_is_known() -> None:
    """A vote that knew the right answer would be an oracle."""
    for name, texts in (
        ("numeric", ["#### 72", "The answer is $72.00.", "The answer is 13"]),
        ("math", [r"\boxed{\sqrt{12}}", r"\boxed{2\sqrt3}", r"\boxed{5}", r"\boxed{\frac{10}{2}}"]),
    ):
        grader = registry.get("grader", name)()
        seen = {
            tuple(v.answer_class for v in graded(grader, case(gold, "", "")[0], texts))
            for gold in ("72", "13", "5", "1000")
        }
        assert len(seen) == 1


class Wordy(Grader):
    """A grader of somebody else, which knows nothing of classes."""

    def grade(self, problem, rationale):
        return self.verdict(rationale, "MISMATCH", answer=rationale.text)


def test_a_grader_without_classes_votes_by_its_words() -> None:
    problem, _, _ = case("x", "", "")
    assert numbered(graded(Wordy(), problem, ["a  b", "a b", "a c"])) == [0, 0, 1]
