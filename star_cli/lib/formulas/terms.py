r"""Reading terms: sums, products, powers, roots, functions, brackets and matrices of a formula.

``2\sin^2 x + \frac{1}{2}`` becomes ("+", ("*", ("n", 2), ("^", ("f", "sin", ("v", "x")), ("n", 2))), ("/", ...)).
What is not understood raises NotFormula; nothing is guessed.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from star_cli.lib.formulas.kinds import Combined, Matrix, Sequence, Term, Words
from star_cli.lib.formulas.latex import NotFormula, Token
from star_cli.lib.formulas.matrices import added, each, times

DEEPEST = 40
APPLIED = frozenset("f g h F G H P p Q q".split())  # letters that are functions where they stand before an argument


class TermReader:
    """Recursive descent over the tokens of one formula; what stands between commas is read by a subclass."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at, self.depth = found, 0, 0
        self.digits = 0

    # ---- tokens
    def peek(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def ahead(self, offset: int, *values: str) -> bool:
        """Whether the token so far ahead is one of these."""
        token = self.peek(offset)
        return token is not None and token.value in values

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

    def listed(self, until: str | None) -> Any:
        """What stands in brackets, or between two marks of a matrix."""
        raise NotImplementedError

    def function(self, token: Token) -> Any:
        """What a command such as \\frac, \\sqrt or \\sin makes of what follows it."""
        raise NotImplementedError

    def group(self) -> Any:
        """What stands in brackets."""
        raise NotImplementedError

    def matrix(self) -> Any:
        """What stands between \\begin and \\end."""
        raise NotImplementedError

    def deeper(self) -> None:
        self.depth += 1
        self.need(self.depth <= DEEPEST, "too deep")

    def sum(self) -> Any:
        self.deeper()
        found = self.product()
        while not (isinstance(found, Combined) and self.ahead(1, "\\{")) and (op := self.sign("+", "-", "±", "∓")):
            other = self.product()
            if isinstance(found, Matrix) or isinstance(other, Matrix):
                found = added(found, other, op)
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
                found = times(found, other, op or "*")
                continue
            self.need(isinstance(found, tuple) and isinstance(other, tuple), "no product of")
            self.need(found[0] != "based" and other[0] != "based", "a product of based numbers")
            found = ("/" if op == "/" else "*", found, other)

    def begins(self, token: Token, found: Any) -> bool:
        """Whether a token begins a factor that is multiplied without a sign."""
        if token.kind in ("name", "function", "constant"):
            return not (token.value == "U" and is_bracket(found)) and not str(token.value).startswith("set")
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
            return found if op == "+" else each(found, lambda t: ("neg", t))
        self.need(isinstance(found, tuple), "no sign of")
        if op in "±∓":
            return (op, ("n", Fraction(0)), found)
        if found[0] in ("deg", "pct") and op == "-":
            return (found[0], ("neg", found[1]))
        return found if op == "+" else ("neg", found)

    def power(self) -> Any:
        base = self.mixed()
        if isinstance(base, Matrix) and self.transposes():
            base = Matrix(tuple(zip(*base.rows, strict=True)))
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
        if self.sign("°"):
            return ("deg", base)
        if self.ahead(0, "{") and self.ahead(1, "°") and self.ahead(2, "}"):
            self.at += 3
            return ("deg", base)
        if self.ahead(0, "'"):
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

    def transposes(self) -> bool:
        """Take ``^T`` or ``^{T}``."""
        for values in (("^", "T"), ("^", "{", "T", "}")):
            if all(self.ahead(i, value) for i, value in enumerate(values)):
                self.at += len(values)
                return True
        return False

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
            if (
                isinstance(found, tuple)
                and found[0] == "/"
                and all(x[0] == "n" and x[1].denominator == 1 for x in found[1:])
            ):
                over, below = found[1][1], found[2][1]
                if not 0 < over < below:
                    raise NotFormula("a whole number before an improper fraction")
                return ("n", int(token.value) + Fraction(over, below))
            self.at = start
        return self.atom()

    def argument(self, signed: bool = True) -> Any:
        """What a command takes: a group in braces, one digit or letter, or (``signed``) one with a sign before it."""
        token = self.peek()
        self.need(token is not None, "no argument")
        assert token is not None
        if token.kind == "open" and token.value == "{":
            return self.group()
        if token.kind == "number" and len(token.value) > 1 and "." not in token.value and not self.plain_power():
            self.tokens[self.at] = Token("number", token.value[1:], token.at)
            return ("n", Fraction(token.value[0]))
        if signed and token.kind == "sign" and token.value in "+-":
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
            self.need(
                isinstance(base, tuple) and base[0] == "n" and 2 <= base[1] <= 36 and "." not in token.value, "no base:"
            )
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
            parts: list[str] = []
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
        parts: list[str] = []
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
        parts: list[str] = []
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


def is_bracket(found: Any) -> bool:
    return isinstance(found, (Sequence, Combined))
