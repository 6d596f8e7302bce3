r"""Reading a formula: what kind of answer it is, and its terms as trees.

``x \in [0, 1)`` is an interval, ``\{1, 2\}`` a set, ``(1, 2)`` a tuple, ``x = 1, y = 4`` two equations, ``\pm 3`` two
numbers, ``12\text{ cm}`` a quantity. A term is a tuple: ("n", 3), ("v", "x"), ("+", a, b), ("^", a, b), ("f", "sin", a).
What is not understood raises NotFormula; nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from star_cli.lib.text.latex import NotFormula, Token, clean, tokens
from star_cli.lib.text.numbers import SCALE, compound
from star_cli.lib.text.units import Unit, read_unit

Term = tuple[Any, ...]
DEEPEST = 40
RELATIONS = "=<>≤≥≠≈≡∈∉~"
TRIG = frozenset("sin cos tan cot sec csc".split())
CLOSES = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "⟨": "⟩", "⌊": "⌋", "⌈": "⌉"}
APPLIED = frozenset("f g h F G H P p Q q".split())  # letters that are functions where they stand before an argument
NOT_UNITS = re.compile(  # words that make another number, or a part, of the one before them
    r"(?:if|for|when|where|otherwise|than|more|less|fewer|plus|minus|divided|multiplied|mod|to|from|is|are|such|that|squared|cubed|or|of"
    r"|and|but|out|over|factorial)\b|.*\b(?:if|unless|otherwise|not|except|else)\b"
)


@dataclass(frozen=True)
class Scalar:
    """One term with its unit. ``digits`` are the significant digits of a decimal that was written out."""

    term: Term
    unit: Unit | None = None
    percent: bool = False
    digits: int = 0


@dataclass(frozen=True)
class Sequence:
    """Several answers in brackets, or without: ``opening`` and ``closing`` are "" for a bare list.

    ``word`` says how a bare list is joined: and, or, or a comma.
    """

    opening: str
    closing: str
    items: tuple[Any, ...]
    word: str = ","


@dataclass(frozen=True)
class Relation:
    """``sides[0] ops[0] sides[1] ops[1] ...``; ``modulus`` of a congruence."""

    sides: tuple[Any, ...]
    ops: tuple[str, ...]
    modulus: Term | None = None


@dataclass(frozen=True)
class Combined:
    """Sets joined by ∪, ∩ or ∖, from left to right."""

    first: Any
    rest: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Matrix:
    """Rows of terms."""

    rows: tuple[tuple[Term, ...], ...]


@dataclass(frozen=True)
class Words:
    """Words as the name or the value of something."""

    text: str


@dataclass(frozen=True)
class Based:
    """Digits in a number base."""

    digits: str
    base: int


@dataclass(frozen=True)
class Ratio:
    """Parts as in 3:4."""

    parts: tuple[Fraction, ...]


@dataclass(frozen=True)
class Clock:
    """A time of day in seconds; ``half`` is a or p where a.m. or p.m. stands there."""

    seconds: int
    half: str = ""


DECIMAL_COMMA = re.compile(r"-?(?:0,\d*[1-9]\d*|\d+,(?!\d{3}$)\d*[1-9]\d|\d+,(?!\d{3}$)[1-9]\d)")  # 1000,99; but 1,5 is a list
TIME = re.compile(r"(\d{1,2})(?::([0-5]\d))?(?::([0-5]\d))?\s*(?:([ap])\.?\s*m\.?|(noon|midnight|o'?clock))?", re.I)
PARTS = re.compile(r"\d+(?:\.\d+)?(?:\s*:\s*\d+(?:\.\d+)?)+")


def readings(text: str) -> list[Any]:
    """The ways a formula can be read: one, or two where 1,234 may be a number or a list. Raises NotFormula."""
    cleaned = clean(text)
    if not cleaned:
        raise NotFormula("empty")
    special = _special(re.sub(r"\\(?:text|mathrm|textrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}", r" \1 ", cleaned).strip())
    if special is not None:
        return [special]
    grouped = bool(re.search(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", cleaned))
    bracketed = bool(re.search(r"[(\[{]", cleaned))
    if not grouped:
        comma = DECIMAL_COMMA.fullmatch(cleaned)
        found = [_Parser(tokens(cleaned, False)).whole()]
        return [*found, Scalar(("n", Fraction(cleaned.replace(",", "."))))] if comma else found
    spaced = bool(re.search(r",\s", cleaned))
    found = []
    for thousands in [True, False] if not bracketed or spaced else [False]:
        try:
            found.append(_Parser(tokens(cleaned, thousands)).whole())
        except NotFormula:
            continue
    if not found:
        raise NotFormula(cleaned[:40])
    return found


def _special(text: str) -> Any:
    """A time of day, a ratio, or a quantity in several units; None for anything else."""
    if len(text) > 80:
        return None
    time = TIME.fullmatch(text)
    if time and (time[2] or time[4]) and int(time[1]) < 25 and not (time[4] and int(time[1]) > 12):
        return Clock(int(time[1]) * 3600 + int(time[2] or 0) * 60 + int(time[3] or 0), (time[4] or "").lower())
    if PARTS.fullmatch(text):
        return Ratio(tuple(Fraction(p) for p in text.split(":")))
    quantity = compound(text) if re.search(r"\d\s*[A-Za-z]+\.?,?\s*(?:and\s)?\s*\d", text) else None
    return None if quantity is None else Scalar(("n", quantity.values[0]), quantity.unit)


class _Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at, self.depth = found, 0, 0
        self.digits = 0

    # ---- tokens
    def peek(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def sign(self, *values: str) -> str | None:
        """Take the next sign if it is one of these."""
        token = self.peek()
        if token is not None and token.kind == "sign" and token.value in values:
            self.at += 1
            return token.value
        return None

    def take(self, kind: str, value: str | None = None) -> Token | None:
        token = self.peek()
        if token is not None and token.kind == kind and (value is None or token.value == value):
            self.at += 1
            return token
        return None

    def need(self, condition: object, why: str = "") -> None:
        if not condition:
            token = self.peek()
            raise NotFormula(f"{why or 'unexpected'} {token.value if token else 'end'}")

    # ---- lists
    def whole(self) -> Any:
        """The whole formula."""
        found = self.listed(None)
        self.need(self.at == len(self.tokens))
        return found

    def listed(self, until: str | None) -> Any:
        """Items up to a closing bracket: one, or a bare list of several."""
        items: list[Any] = []
        word = ","
        while True:
            if self.sign("…"):
                raise NotFormula("an ellipsis")
            items.append(self.relation())
            joined = self.separator()
            if joined is None:
                break
            word = joined if joined != "," else word
            token = self.peek()
            if token is None or token.kind == "close":
                break  # a comma at the end
        return items[0] if len(items) == 1 else Sequence("", "", tuple(items), word)

    def separator(self) -> str | None:
        word: str | None = None
        while True:
            token = self.peek()
            if token is not None and (token.kind == "sep" or (token.kind == "sign" and token.value in ",;")):
                self.at += 1
                if token.kind == "sep" and token.value in ("and", "or"):
                    word = token.value
                word = word or ","
            else:
                return word

    # ---- relations
    def relation(self) -> Any:
        sides, ops = [self.sets()], []
        while True:
            token = self.peek()
            if token is None or token.kind != "sign" or token.value not in RELATIONS:
                break
            self.at += 1
            op = token.value
            if op in "<>" and self.sign("="):
                op = {"<": "≤", ">": "≥"}[op]
            ops.append(op)
            sides.append(self.sets())
        modulus = self.modulus()
        if not ops:
            return sides[0] if modulus is None else Relation((sides[0],), (), modulus)
        return Relation(tuple(sides), tuple(ops), modulus)

    def modulus(self) -> Term | None:
        """``(mod 7)`` or ``mod 7`` at the end, as a number."""
        start = self.at
        bracket = self.take("open", "(")
        word = self.peek()
        if word is not None and word.kind == "words" and word.value == "mod":
            self.at += 1
            term = self.sum()
            if bracket:
                self.need(self.take("close", ")"))
            self.need(isinstance(term, tuple))
            return term
        self.at = start
        return None

    def sets(self) -> Any:
        first = self.item()
        rest = []
        while True:
            op = self.sign("∪", "∩", "∖")
            token = self.peek()
            if op is None and token is not None and token.kind == "name" and token.value == "U" and _bracket(first):
                self.at += 1
                op = "∪"
            if op is None:
                return Combined(first, tuple(rest)) if rest else first
            rest.append((op, self.item()))

    # ---- one item: a term with its unit, a bracket, a matrix or words
    def item(self) -> Any:
        self.digits = 0
        token = self.peek()
        self.need(token is not None, "nothing")
        assert token is not None
        if token.kind == "words":
            return self.words()
        money = None
        start = self.at
        negative = bool(self.sign("-")) if self.peek(1) and self.peek(1).value in "$€£¥₹" else False  # type: ignore[union-attr]
        sign = self.sign("$", "€", "£", "¥", "₹")
        if sign:
            money = read_unit(sign)
        elif negative:
            self.at = start
            negative = False
        found = self.sum()
        if negative:
            found = ("neg", found) if isinstance(found, tuple) else found
        return self.quantity(found, money)

    def words(self) -> Words:
        parts = []
        while (token := self.take("words")) is not None:
            parts.append(token.value)
        return Words(" ".join(parts))

    def quantity(self, found: Any, money: Unit | None) -> Any:
        """A term with what follows it: a percent sign, degrees, a unit."""
        if not isinstance(found, tuple):
            return found
        if found[0] == "based":
            return Based(found[1], found[2])
        digits, self.digits = self.digits, 0
        if found[0] == "deg":
            return Scalar(found[1], read_unit("degree"))
        if found[0] == "pct":
            return Scalar(found[1], None, True, digits)
        sign = self.sign("$", "€", "£", "¥", "₹", "¢")
        if sign:
            return Scalar(found, read_unit(sign), digits=digits)
        text = self.unit_text(found[0] == "n" or (found[0] == "neg" and found[1][0] == "n"))
        if not text:
            return Scalar(found, money, digits=digits)
        first, _, rest = text.partition(" ")
        if first.lower().rstrip("s") in SCALE:
            scaled = ("*", found, ("n", Fraction(SCALE[first.lower().rstrip("s")])))
            return Scalar(scaled, money or read_unit(rest))
        if re.fullmatch(r"(?:percent|pct|percentage|per cent)\b.*", text):
            return Scalar(found, None, True, digits)
        low = text.lower()
        if NOT_UNITS.match(low) or re.search(r"\d(?!})", re.sub(r"\^-?\d", "", low)):
            raise NotFormula(text)
        return Scalar(found, money or read_unit(text), digits=digits)

    def unit_text(self, plain: bool) -> str:
        """The words behind a term; loose ones only behind a plain number."""
        parts: list[str] = []
        while True:
            token = self.peek()
            if token is None:
                break
            if token.kind in ("words", "loose") and token.value != "mod":
                if token.kind == "loose" and not plain:
                    raise NotFormula(token.value)
                parts.append(token.value)
                self.at += 1
            elif parts and token.kind == "sign" and token.value == "^":
                power = self.peek(1)
                if power is not None and power.kind == "number":
                    parts[-1] += f"^{power.value}"
                    self.at += 2
                elif (
                    power is not None and power.value == "{" and (end := self.peek(3)) is not None and end.value == "}"
                ):
                    parts[-1] += f"^{self.tokens[self.at + 2].value}"
                    self.at += 4
                else:
                    raise NotFormula("a unit's power")
            elif parts and token.kind == "sign" and token.value in "/*" and self.unit_follows():
                parts += [token.value, self.tokens[self.at + 1].value]
                self.at += 2
            else:
                break
        return " ".join(parts)

    def unit_follows(self) -> bool:
        """Whether words, or a letter such as h and s, stand behind the next sign."""
        token = self.peek(1)
        return token is not None and (token.kind == "words" or (token.kind == "name" and token.value in "hsmgL"))

    # ---- terms
    def deeper(self) -> None:
        self.depth += 1
        self.need(self.depth <= DEEPEST, "too deep")

    def sum(self) -> Any:
        self.deeper()
        found = self.product()
        while op := self.sign("+", "-", "±", "∓"):
            other = self.product()
            if isinstance(found, Matrix) or isinstance(other, Matrix):
                found = _added(found, other, op)
                continue
            self.need(isinstance(found, tuple) and isinstance(other, tuple), "no sum of")
            if found[0] == "deg" and other[0] == "deg" and op in "+-":
                found = ("deg", (op, found[1], other[1]))
            else:
                found = (op, found, other)
            self.digits = 0
        self.depth -= 1
        return found

    def product(self) -> Any:
        found = self.signed()
        while True:
            op = self.sign("*", "/")
            token = self.peek()
            if op is None and not (token is not None and self.begins(token, found)):
                return found
            other = self.signed() if op else self.power()
            self.digits = 0
            if isinstance(found, Matrix) or isinstance(other, Matrix):
                found = _times(found, other, op or "*")
                continue
            self.need(isinstance(found, tuple) and isinstance(other, tuple), "no product of")
            self.need(found[0] != "based" and other[0] != "based", "a product of based numbers")
            found = ("/" if op == "/" else "*", found, other)

    def begins(self, token: Token, found: Any) -> bool:
        """Whether a token begins a factor that is multiplied without a sign."""
        if token.kind in ("name", "function", "constant"):
            return not (token.value == "U" and _bracket(found)) and not str(token.value).startswith("set")
        if token.kind == "number":
            self.need(not (isinstance(found, tuple) and found[0] == "n"), "two numbers side by side:")
            return True
        if token.kind == "begin":
            return True
        if token.kind == "open":
            word = self.peek(1)
            if word is not None and word.kind == "words" and word.value == "mod":
                return False
            return token.value in ("(", "[", "{", "⌊", "⌈")
        return token.kind == "sign" and token.value == "|" and self.bar_opens()

    def bar_opens(self) -> bool:
        """Whether a bar here opens an absolute value: an even number of bars stands before it on this level."""
        return sum(t.value == "|" for t in self.tokens[: self.at]) % 2 == 0

    def signed(self) -> Any:
        op = self.sign("-", "+", "±", "∓")
        if op is None:
            return self.power()
        self.deeper()
        found = self.signed()
        self.depth -= 1
        if isinstance(found, Matrix):
            self.need(op in "+-")
            return found if op == "+" else _each(found, lambda t: ("neg", t))
        self.need(isinstance(found, tuple), "no sign of")
        if op in "±∓":
            return (op, ("n", Fraction(0)), found)
        if found[0] in ("deg", "pct") and op == "-":
            return (found[0], ("neg", found[1]))
        return found if op == "+" else ("neg", found)

    def power(self) -> Any:
        base = self.mixed()
        if not isinstance(base, tuple):
            self.need(not self.sign("!", "°", "%", "^"), "no power of")
            return base
        while True:
            if self.sign("!"):
                base = ("f", "!", base)
            elif self.sign("°"):
                base = ("deg", base)
            elif self.sign("%"):
                base = ("pct", base)
            else:
                break
        if not self.sign("^"):
            return base
        token = self.peek()
        if token is not None and (
            token.value == "°" or (token.value == "{" and self.peek(1) and self.peek(1).value == "°")
        ):  # type: ignore[union-attr]
            self.at += 1 if token.value == "°" else 2
            if token.value != "°":
                self.need(self.take("close", "}"))
            return ("deg", base)
        if token is not None and token.value == "'":
            self.at += 1
            self.need(base[0] == "v")
            return ("v", base[1] + "'")
        self.need(isinstance(base, tuple) and base[0] not in ("deg", "pct", "based"), "no power of")
        self.deeper()
        exponent = self.argument()
        self.depth -= 1
        self.need(isinstance(exponent, tuple), "no exponent:")
        self.digits = 0
        raised: Term = ("^", base, exponent)
        return ("f", "!", raised) if self.sign("!") else raised

    def mixed(self) -> Any:
        """An atom, or a mixed number: 3 1/2 and 3\\frac{1}{2}."""
        token, after = self.peek(), self.peek(1)
        whole = token is not None and token.kind == "number" and "." not in token.value
        if not whole or after is None:
            return self.atom()
        assert token is not None
        if after.kind == "number" and after.spaced and (slash := self.peek(2)) is not None and slash.value == "/":
            under = self.peek(3)
            over = int(after.value) if after.value.isdigit() else 0
            if under is not None and under.value.isdigit() and 0 < over < int(under.value):
                self.at += 4
                return ("n", Fraction(int(token.value)) + Fraction(over, int(under.value)))
            raise NotFormula("a mixed number")
        if after.kind == "function" and after.value == "frac":
            start = self.at
            self.at += 1
            found = self.atom()
            if isinstance(found, tuple) and found[0] == "/" and all(x[0] == "n" and x[1].denominator == 1 for x in found[1:]):
                over, below = found[1][1], found[2][1]
                if not 0 < over < below:
                    raise NotFormula("a whole number before an improper fraction")
                return ("n", int(token.value) + Fraction(over, below))
            self.at = start
        return self.atom()

    def argument(self) -> Any:
        """What a command takes: a group in braces, or one sign, digit or letter."""
        token = self.peek()
        self.need(token is not None, "no argument")
        assert token is not None
        if token.kind == "open" and token.value == "{":
            return self.group()
        if token.kind == "number" and len(token.value) > 1 and "." not in token.value and not self.plain_power():
            self.tokens[self.at] = Token("number", token.value[1:], token.at)
            return ("n", Fraction(token.value[0]))
        if token.kind == "sign" and token.value in "+-":
            self.at += 1
            found = self.argument()
            self.need(isinstance(found, tuple))
            return found if token.value == "+" else ("neg", found)
        return self.power_atom()

    def plain_power(self) -> bool:
        """``x^10`` in plain characters is x to the tenth, though LaTeX would take one digit."""
        before = self.tokens[self.at - 1] if self.at else None
        return before is not None and before.value in ("^", "sqrt")

    def power_atom(self) -> Any:
        found = self.atom()
        if isinstance(found, tuple) and self.sign("^"):  # 2^3^4 without braces
            exponent = self.argument()
            self.need(isinstance(exponent, tuple))
            return ("^", found, exponent)
        return found

    def atom(self) -> Any:
        self.deeper()
        found = self.one()
        self.depth -= 1
        return found

    def one(self) -> Any:
        token = self.peek()
        self.need(token is not None, "nothing")
        assert token is not None
        if token.kind == "number":
            return self.number(token)
        if token.kind == "name":
            return self.name(token)
        if token.kind == "constant":
            self.at += 1
            if token.value.startswith("set"):
                return Words("all " + token.value[3:]) if token.value != "setR" else Combined("R", ())
            return ("c", token.value)
        if token.kind == "function":
            return self.function(token)
        if token.kind == "begin":
            return self.matrix()
        if token.kind == "open":
            return self.group()
        if token.kind == "sign" and token.value in "|‖":
            self.at += 1
            found = self.sum()
            self.need(self.sign(token.value), "no closing bar")
            self.need(isinstance(found, tuple), "no absolute value of")
            return ("f", "abs", found)
        if token.kind == "sign" and token.value == "∅":
            self.at += 1
            return Sequence("\\{", "\\}", ())
        raise NotFormula(token.value)

    def number(self, token: Token) -> Term:
        self.at += 1
        if self.sign("_"):
            base = self.argument() if not self.base_word() else ("n", Fraction(10))
            self.need(isinstance(base, tuple) and base[0] == "n" and 2 <= base[1] <= 36 and "." not in token.value, "no base:")
            return ("based", token.value, int(base[1]))
        if len(token.value) > 400:
            raise NotFormula("a number of more than 400 digits")
        self.digits = len(token.value.replace(".", "").lstrip("0")) if "." in token.value else 0
        value = Fraction(token.value if token.value[0] != "." else "0" + token.value)
        letter = self.peek()
        if letter is not None and letter.kind == "name" and letter.value in "eE" and not letter.spaced:
            start = self.at  # 1.5e3, but 2e is two times e
            self.at += 1
            minus = (
                self.sign("-", "+") if (n := self.peek(1)) is not None and n.kind == "number" and not n.spaced else None
            )
            digits = self.peek()
            if (
                digits is not None
                and digits.kind == "number"
                and digits.value.isdigit()
                and not digits.spaced
                and len(digits.value) < 4
            ):
                self.at += 1
                self.digits = 0
                return ("n", value * Fraction(10) ** (-int(digits.value) if minus == "-" else int(digits.value)))
            self.at = start
        return ("n", value)

    def base_word(self) -> bool:
        token = self.peek()
        return token is not None and token.kind == "words" and token.value == "ten" and bool(self.take("words"))

    def name(self, token: Token) -> Term:
        self.at += 1
        name = token.value
        if name == "∠":
            parts = []
            while (letter := self.take("name")) is not None:
                parts.append(letter.value)
            self.need(parts or self.peek(), "an angle of nothing")
            return ("v", "∠" + "".join(parts))
        while True:
            if self.sign("_"):
                name += "_" + self.subscript()
            elif self.sign("'"):
                name += "'"
            else:
                break
        if name == "e":
            return ("c", "e")
        if name == "i":
            return ("c", "i")
        if token.value in APPLIED and (applied := self.applied()) is not None:
            return ("v", f"{name}({applied})")
        return ("v", name)

    def subscript(self) -> str:
        if not self.take("open", "{"):
            token = self.peek()
            self.need(token is not None and token.kind in ("number", "name", "words", "constant"), "no subscript")
            assert token is not None
            self.at += 1
            return token.value
        parts = []
        while not self.take("close", "}"):
            token = self.peek()
            self.need(token is not None and len(parts) < 30, "an open subscript")
            assert token is not None
            parts.append(token.value)
            self.at += 1
        return "".join(parts)

    def applied(self) -> str | None:
        """The argument of f(2) or f(x): numbers and letters alone; None where brackets mean a product."""
        start = self.at
        if not self.take("open", "("):
            return None
        parts = []
        while (token := self.peek()) is not None and not (token.kind == "close" and token.value == ")"):
            if token.kind not in ("number", "name") and token.value not in (",", "-", "'", "_"):
                break
            parts.append(token.value)
            self.at += 1
        letters = [p for p in parts if p not in (",", "-")]
        if letters and len(letters) <= parts.count(",") + 1 and self.take("close", ")"):
            return "".join(parts)
        self.at = start
        return None

    def function(self, token: Token) -> Any:
        self.at += 1
        name = token.value
        if name == "frac":
            over, under = self.argument(), self.argument()
            self.need(isinstance(over, tuple) and isinstance(under, tuple), "a fraction of")
            return ("/", over, under)
        if name == "binom":
            top, below = self.argument(), self.argument()
            self.need(isinstance(top, tuple) and isinstance(below, tuple))
            return ("f", "binom", top, below)
        if name in ("sqrt", "cbrt"):
            return self.root(name)
        if name in ("min", "max", "gcd", "lcm"):
            return self.several(name)
        inverse = False
        power: Term | None = None
        base: Term | None = None
        while True:
            if power is None and self.sign("^"):
                power = self.argument()
                self.need(isinstance(power, tuple), "a power")
            elif base is None and name in ("log", "lg") and self.sign("_"):
                base = self.argument()
                self.need(isinstance(base, tuple), "a base")
            else:
                break
        if power == ("neg", ("n", Fraction(1))) and name in TRIG:
            inverse, power = True, None
        inside = self.function_argument()
        self.need(isinstance(inside, tuple), f"{name} of")
        if name == "exp":
            found: Term = ("^", ("c", "e"), inside)
        elif name in ("log", "lg"):
            found = ("f", "log", inside, base or ("n", Fraction(10)))
        else:
            found = (
                "f",
                "arc" + name if inverse else name.replace("a", "arc", 1) if name in ("asin", "acos", "atan") else name,
                inside,
            )
        return ("^", found, power) if power is not None else found

    def root(self, name: str) -> Term:
        index: Term = ("n", Fraction(3 if name == "cbrt" else 2))
        if self.take("open", "["):
            found = self.sum()
            self.need(self.take("close", "]") and isinstance(found, tuple), "no index of a root")
            index = found
        self.deeper()
        inside = self.argument()
        self.depth -= 1
        self.need(isinstance(inside, tuple), "a root of")
        return ("f", "root", inside, index)

    def several(self, name: str) -> Term:
        self.need(self.take("open", "(") or self.take("open", "{") or self.take("open", "\\{"), name)
        found = [self.sum()]
        while self.sign(","):
            found.append(self.sum())
        self.need(self.take("close") and all(isinstance(f, tuple) for f in found), name)
        return ("f", name, *found)

    def function_argument(self) -> Any:
        """What sin, log and the like are taken of: a bracket, or the factors up to the next sign or function."""
        token = self.peek()
        self.need(token is not None, "no argument")
        assert token is not None
        if token.kind == "open":
            return self.power_of_group()
        sign = self.sign("-", "+")
        found = self.power()
        self.need(isinstance(found, tuple), "a function of")
        while (after := self.peek()) is not None and isinstance(found, tuple):
            slash = after.value == "/" and after.kind == "sign"
            if not slash and (
                after.kind not in ("name", "constant", "number") or (after.kind == "number" and found[0] == "n")
            ):
                break
            if slash and not all(x in ("n", "c", "v") for x in (found[0],)):
                break
            self.at += slash
            found = ("/" if slash else "*", found, self.power())
        return ("neg", found) if sign == "-" and isinstance(found, tuple) else found

    def power_of_group(self) -> Any:
        found = self.group()
        if isinstance(found, tuple) and self.sign("°"):
            return ("deg", found)
        return found

    def group(self) -> Any:
        """What stands in brackets: one term, a tuple, an interval, a set."""
        opened = self.take("open")
        assert opened is not None
        self.deeper()
        opening = opened.value
        if self.take("close", CLOSES[opening]):
            self.need(opening == "\\{" or opening == "{", "empty brackets")
            self.depth -= 1
            return Sequence("\\{", "\\}", ())
        bars = self.tokens[self.at :]
        found = self.builder() if opening == "\\{" and any(t.value in "|:" for t in bars) else self.listed(opening)
        closed = self.take("close")
        self.need(closed is not None, "an open bracket before")
        assert closed is not None
        self.depth -= 1
        closing = closed.value
        fits = closing == CLOSES[opening]
        self.need(fits or {opening, closing} in ({"(", "]"}, {"[", ")"}), "brackets that do not fit:")
        if opening in ("⌊", "⌈"):
            self.need(isinstance(found, Scalar) and found.unit is None)
            return ("f", "floor" if opening == "⌊" else "ceil", found.term)
        if opening == "{":
            return _inner(found)
        if isinstance(found, Sequence) and not found.opening:
            return Sequence(opening, closing, found.items, found.word)
        if opening == "\\{":
            return found if isinstance(found, (Relation, Combined)) else Sequence(opening, closing, (found,))
        self.need(fits and opening in "([", "one term in")
        return _inner(found)

    def builder(self) -> Any:
        """The condition of ``{x | x > 3}``; else the elements of a set."""
        start, depth, digits = self.at, self.depth, self.digits
        if (
            self.take("name")
            and (self.sign("∈") is None or self.take("constant", "setR"))
            and (self.sign("|") or self.sign(":"))
        ):
            return self.listed("\\{")
        self.at, self.depth, self.digits = start, depth, digits
        return self.listed("\\{")

    def matrix(self) -> Any:
        begin = self.take("begin")
        assert begin is not None
        if "matrix" not in begin.value and begin.value != "array":
            raise NotFormula(begin.value)
        rows: list[list[Term]] = [[]]
        while not self.take("end"):
            if self.take("row"):
                rows.append([])
                continue
            if self.sign("&"):
                continue
            found = self.listed("end")
            self.need(isinstance(found, Scalar) and found.unit is None and not found.percent, "a matrix of")
            rows[-1].append(found.term)
            token = self.peek()
            self.need(token is not None and (token.kind in ("row", "end") or token.value == "&"), "a matrix with")
        if not rows[-1]:
            rows.pop()
        self.need(rows and len({len(r) for r in rows}) == 1 and rows[0], "a matrix without form")
        found_matrix = Matrix(tuple(tuple(r) for r in rows))
        if begin.value == "vmatrix":
            raise NotFormula("a determinant")
        return found_matrix


def _bracket(found: Any) -> bool:
    return isinstance(found, (Sequence, Combined))


def _inner(found: Any) -> Any:
    """A group as a factor: its term where it is a plain one."""
    if isinstance(found, Scalar):
        if found.percent:
            return ("pct", found.term)
        if found.unit == read_unit("degree"):
            return ("deg", found.term)
        if found.unit is not None:
            raise NotFormula("a unit inside brackets")
        return found.term
    return found


def _each(matrix: Matrix, change: Any) -> Matrix:
    return Matrix(tuple(tuple(change(t) for t in row) for row in matrix.rows))


def _added(a: Any, b: Any, op: str) -> Matrix:
    if not (isinstance(a, Matrix) and isinstance(b, Matrix)) or op not in "+-":
        raise NotFormula("a sum with a matrix")
    if (len(a.rows), len(a.rows[0])) != (len(b.rows), len(b.rows[0])):
        raise NotFormula("a sum of matrices of different forms")
    return Matrix(
        tuple(tuple((op, x, y) for x, y in zip(r, s, strict=True)) for r, s in zip(a.rows, b.rows, strict=True))
    )


def _times(a: Any, b: Any, op: str) -> Matrix:
    if isinstance(a, tuple) and isinstance(b, Matrix) and op == "*":
        return _each(b, lambda t: ("*", a, t))
    if isinstance(a, Matrix) and isinstance(b, tuple):
        return _each(a, lambda t: (op, t, b))
    if not (isinstance(a, Matrix) and isinstance(b, Matrix)) or op != "*" or len(a.rows[0]) != len(b.rows):
        raise NotFormula("a product with a matrix")
    if len(a.rows) * len(b.rows[0]) * len(b.rows) > 200:
        raise NotFormula("a product of large matrices")

    def entry(i: int, j: int) -> Term:
        found: Term = ("*", a.rows[i][0], b.rows[0][j])
        for k in range(1, len(b.rows)):
            found = ("+", found, ("*", a.rows[i][k], b.rows[k][j]))
        return found

    return Matrix(tuple(tuple(entry(i, j) for j in range(len(b.rows[0]))) for i in range(len(a.rows))))
