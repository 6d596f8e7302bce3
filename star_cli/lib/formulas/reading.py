r"""Reading a formula: what kind of answer it is.

``x \in [0, 1)`` is an interval, ``\{1, 2\}`` a set, ``(1, 2)`` a tuple, ``x = 1, y = 4`` two equations, ``\pm 3`` two
numbers, ``12\text{ cm}`` a quantity.
What is not understood raises NotFormula; nothing is guessed.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from star_cli.lib.formulas.brackets import BracketReader
from star_cli.lib.formulas.kinds import Based, Clock, Combined, Ratio, Relation, Scalar, Sequence, Term, Words
from star_cli.lib.formulas.latex import GROUPED, NotFormula, clean, tokens
from star_cli.lib.formulas.terms import is_bracket
from star_cli.lib.text.numbers import SCALE, compound
from star_cli.lib.text.units import CURRENCY, Unit, read_unit

RELATIONS = "=<>≤≥≠≈≡∈∉~"
NOT_UNITS = re.compile(  # words that make another number, or a part, of the one before them
    r"(?:if|for|when|where|otherwise|than|more|less|fewer|plus|minus|divided|multiplied|mod|to|from|is|are|such|that|squared|cubed|or|of"
    r"|and|but|out|over|factorial)\b|.*\b(?:if|unless|otherwise|not|except|else)\b"
)


DECIMAL_COMMA = re.compile(  # 1000,99; but 1,5 is a list
    r"-?(?:0,\d*[1-9]\d*|\d+,(?!\d{3}$)\d*[1-9]\d|\d+,(?!\d{3}$)[1-9]\d|\d{1,3}(?:\.\d{3})+,\d+)"
)
TIME = re.compile(r"(\d{1,2})(?::([0-5]\d))?(?::([0-5]\d))?\s*(?:([ap])\.?\s*m\.?|(noon|midnight|o'?clock))?", re.I)
NAMED_RATIO = re.compile(  # V_1:V_2 = 11:21
    r"((?:[A-Za-z]+(?:_\{?\w+\}?)?\s*:\s*)+[A-Za-z]+(?:_\{?\w+\}?)?)\s*=\s*(\d+(?:\.\d+)?(?:\s*:\s*\d+(?:\.\d+)?)+)"
)
PARTS = re.compile(r"\d+(?:\.\d+)?(?:\s*:\s*\d+(?:\.\d+)?)+")


def readings(text: str) -> list[Any]:
    """The ways a formula can be read: one, or two where 1,234 may be a number or a list. Raises NotFormula."""
    cleaned = clean(text)
    if not cleaned:
        raise NotFormula("empty")
    special = _special(re.sub(r"\\(?:text|mathrm|textrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}", r" \1 ", cleaned).strip())
    if special is not None:
        return [special]
    grouped = bool(GROUPED.search(cleaned))
    bracketed = bool(re.search(r"[(\[{]", cleaned))
    if not grouped:
        if DECIMAL_COMMA.fullmatch(cleaned):
            number = Scalar(("n", Fraction(_pointed(cleaned))))
            return [number] if "." in cleaned else [_Parser(tokens(cleaned, False)).whole(), number]
        return [_Parser(tokens(cleaned, False)).whole()]
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


def _pointed(text: str) -> str:
    """1.234,56 and 0,5 as 1234.56 and 0.5."""
    return (text.replace(".", "") if "." in text else text).replace(",", ".")


def _special(text: str) -> Any:
    """A time of day, a ratio, or a quantity in several units; None for anything else."""
    if len(text) > 80:
        return None
    if text.lower() in ("noon", "midnight"):
        return Clock(12 * 3600, "p" if text.lower() == "noon" else "a")
    time = TIME.fullmatch(text)
    if time and (time[2] or time[4]) and int(time[1]) < 25 and not (time[4] and int(time[1]) > 12):
        return Clock(int(time[1]) * 3600 + int(time[2] or 0) * 60 + int(time[3] or 0), (time[4] or "").lower())
    colons = text.replace("\\colon", ":")
    if PARTS.fullmatch(colons):
        return Ratio(tuple(Fraction(p) for p in colons.split(":")))
    if said := re.fullmatch(r"(\d+)\s+to\s+(\d+)", text):
        return Ratio((Fraction(said[1]), Fraction(said[2])), True)
    if named := NAMED_RATIO.fullmatch(colons):
        return Relation(
            (Words(re.sub(r"[\s{}]", "", named[1])), Ratio(tuple(map(Fraction, named[2].split(":"))))), ("=",)
        )
    quantity = compound(text) if re.search(r"\d\s*[A-Za-z]+\.?,?\s*(?:and\s)?\s*\d", text) else None
    return None if quantity is None else Scalar(("n", quantity.values[0]), quantity.unit)


class _Parser(BracketReader):
    """The items of a formula: lists, relations, sets, quantities with their units."""

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
            term: Any = self.sum()
            if bracket:
                self.need(self.take("close", ")"))
            self.need(isinstance(term, tuple))
            return tuple(term)
        self.at = start
        return None

    def sets(self) -> Any:
        first = self.item()
        rest: list[tuple[str, Any]] = []
        while True:
            op = self.sign("∪", "∩", "∖")
            if op is None and isinstance(first, Combined) and self.ahead(0, "-") and self.ahead(1, "\\{"):
                self.at += 1  # R - {0}
                op = "∖"
            token = self.peek()
            if op is None and token is not None and token.kind == "name" and token.value == "U" and is_bracket(first):
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
        negative = self.ahead(0, "-") and self.ahead(1, *CURRENCY)  # -$5
        self.at += negative
        sign = self.sign(*CURRENCY)
        if sign:
            money = read_unit(sign)
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
        sign = self.sign(*CURRENCY, "¢")
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
