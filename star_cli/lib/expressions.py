"""Arithmetic expressions of whole numbers, as a model writes them: read without being run.

value("( 8 * 5 ) - 6") -> 34     numbers("( 8 * 5 ) - 6") -> [8, 5, 6]
normal("6 + 5 * 8") == normal("( 8 * 5 ) + 6")
"""

from __future__ import annotations

import ast
import re
from fractions import Fraction

LONGEST = 200  # characters: no answer of a countdown needs more, and nothing can nest deeply in them
ALLOWED = re.compile(r"[\d\s()+*/-]+")
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class NotAnExpression(ValueError):
    """A text that is no expression of whole numbers with + - * / and parentheses."""


def parse(text: str) -> ast.expr:
    """The tree of a text; raises NotAnExpression."""
    if len(text) > LONGEST or not ALLOWED.fullmatch(text):
        raise NotAnExpression(text[:LONGEST])
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise NotAnExpression(text) from None
    for node in ast.walk(tree):
        known = (
            (isinstance(node, ast.BinOp) and type(node.op) in OPERATORS)
            or (isinstance(node, ast.Constant) and type(node.value) is int)
            or isinstance(node, (ast.operator, ast.expr_context))
        )
        if not known:
            raise NotAnExpression(text)
    return tree


def value(text: str) -> Fraction:
    """The exact value of an expression. Raises NotAnExpression, also where something is divided by 0."""
    try:
        return _value(parse(text))
    except ZeroDivisionError:
        raise NotAnExpression(text) from None


def numbers(text: str) -> list[int]:
    """The numbers an expression is made of, from left to right."""
    found = [n for n in ast.walk(parse(text)) if isinstance(n, ast.Constant)]
    return [int(n.value) for n in sorted(found, key=lambda n: (n.lineno, n.col_offset))]  # type: ignore[arg-type]


def normal(text: str) -> str:
    """One spelling for expressions that differ in spaces, needless parentheses and the order of terms and factors."""
    return _normal(parse(text))


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case _:
                return left / right
    assert isinstance(node, ast.Constant)
    return Fraction(int(node.value))  # type: ignore[arg-type]


def _normal(node: ast.expr) -> str:
    if not isinstance(node, ast.BinOp):
        assert isinstance(node, ast.Constant)
        return str(node.value)
    upper, lower = ("+", "-") if isinstance(node.op, (ast.Add, ast.Sub)) else ("*", "/")
    parts = sorted(_parts(node, (upper, lower), upper))
    return "(" + " ".join(f"{sign}{part}" for sign, part in parts) + ")"


def _parts(node: ast.expr, signs: tuple[str, str], sign: str) -> list[tuple[str, str]]:
    """The terms of a sum, or the factors of a product, each with its sign: 6 - (5 - 2) is +6 -5 +2."""
    if isinstance(node, ast.BinOp) and OPERATORS[type(node.op)] in signs:
        upper, lower = signs
        other = lower if sign == upper else upper
        right = sign if OPERATORS[type(node.op)] == upper else other
        return _parts(node.left, signs, sign) + _parts(node.right, signs, right)
    return [(sign, _normal(node))]
