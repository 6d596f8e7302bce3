r"""Reading functions: \frac, \sqrt, \sin, \log and what they are taken of."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from star_cli.lib.formulas.kinds import Term
from star_cli.lib.formulas.latex import Token
from star_cli.lib.formulas.terms import TermReader

TRIG = frozenset("sin cos tan cot sec csc".split())
INVERSES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}


class FunctionReader(TermReader):
    """Terms with functions."""

    def function(self, token: Token) -> Any:
        self.at += 1
        name = token.value
        if name == "frac":
            over, under = self.argument(False), self.argument(False)
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
        return ("deg", found) if isinstance(found, tuple) and self.sign("°") else found
