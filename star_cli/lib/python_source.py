"""Read Python source that somebody else wrote."""

from __future__ import annotations

import ast
import warnings


def parse(source: str) -> ast.Module:
    """The syntax tree of ``source``, without what Python warns of in it, such as an escape ``"\\B"`` it does not know.

    Raises SyntaxError, or ValueError where it holds a null character.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
