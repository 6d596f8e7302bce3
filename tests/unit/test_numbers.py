"""A number is the same number however it is written, and never another one."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.graders.choice import Choice
from star_cli.graders.numeric import Numeric
from star_cli.lib.text.answers import learned
from star_cli.lib.text.thoughts import own

GRADER = Numeric()
NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9), st.decimals(-(10**6), 10**6, allow_nan=False, places=3), st.integers(-20, 20)
)
FRAMES = [
    "#### {}",
    "The answer is {}.",
    "So the answer is {} clips.",
    r"\boxed{{{}}}",
    r"The final answer is $\boxed{{{}}}$.",
    "Answer: {}",
    "**Answer:** **{}**",
    "#### ${}",
    "The answer is {}, because it is.",
    "48 + x = {}\n#### {}",
    "{}",
    "#### {}\n\nQ: What is 1 + 1?\nA: #### 2",
    "The answer is x = {}.",
    "#### {} km/h",
    "the answer is:\n{}",
]


def spellings(value: Fraction, plain: str) -> list[str]:
    whole, _, rest = plain.lstrip("-").partition(".")
    sign = "-" if plain.startswith("-") else ""
    tail = f".{rest}" if rest else ""
    found = [
        plain,
        f"{sign}{int(whole):,}{tail}",
        plain.replace("-", "\u2212"),
        sign + f"{int(whole):,}".replace(",", "{,}") + tail,
    ]
    if not rest:
        found += [plain + ".00", f"{plain}.0"]
    if abs(value) < 10**6:
        found.append(f"{value.numerator}/{value.denominator}" if value.denominator > 1 else plain)
    return found


@settings(max_examples=200, deadline=None)
@given(number=NUMBERS, frame=st.sampled_from(FRAMES), pick=st.integers(0, 9))
def test_every_spelling_in_every_frame_matches(number: object, frame: str, pick: int) -> None:
    plain = format(number, "f") if not isinstance(number, int) else str(number)
    plain = plain.replace("-0.000", "0.000")
    written = spellings(Fraction(plain), plain)
    text = frame.replace("{}", written[pick % len(written)]).replace("{{", "{").replace("}}", "}")
    assert GRADER.judge(plain, text)[2] == "MATCH", (plain, text)


@settings(max_examples=200, deadline=None)
@given(gold=NUMBERS, other=NUMBERS, frame=st.sampled_from(FRAMES), pick=st.integers(0, 9))
def test_another_number_never_matches(gold: object, other: object, frame: str, pick: int) -> None:
    texts = [format(n, "f") if not isinstance(n, int) else str(n) for n in (gold, other)]
    if Fraction(texts[0]) == Fraction(texts[1]):
        return
    written = spellings(Fraction(texts[1]), texts[1])
    text = frame.replace("{}", written[pick % len(written)]).replace("{{", "{").replace("}}", "}")
    assert not GRADER.judge(texts[0], text)[0], (texts, text)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=200), gold=st.sampled_from(["72", "-1/2", "50%"]))
def test_no_text_makes_a_grader_raise(text: str, gold: str) -> None:
    for frame in ("{}", "The answer is {}", "\\boxed{{}}", "#### {}"):
        GRADER.judge(gold, frame.replace("{}", text))
        Choice().judge("A", ["one", "two"], frame.replace("{}", text))
        learned(text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="0123456789.,-/^eE%{}()\\$ frackboxdtimes=\n", max_size=60))
def test_number_like_text_neither_raises_nor_takes_long(text: str) -> None:
    GRADER.judge("7", "#### " + text)
    GRADER.judge("7", "\\boxed{" + text + "}")


def test_what_is_learned_ends_with_the_first_final_answer() -> None:
    assert learned("2 + 2 = 4\n#### 4\n\nQ: next\nA: #### 5") == "2 + 2 = 4\n#### 4"
    assert learned("The answer is $\\boxed{4}$. I hope so. And more.") == "The answer is $\\boxed{4}$."
    assert learned("The answer is blotter (e).\nMore.") == "The answer is blotter (e)."
    assert own("Q: restated\nA: 4") == ("Q: restated\nA: 4", False)
