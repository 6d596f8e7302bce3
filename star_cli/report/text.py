"""Text that others wrote, made harmless to look at: nothing a model writes may steer a terminal or a page."""

from __future__ import annotations

import unicodedata

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # reorder what stands around them


def clean(text: str) -> str:
    r"""``text`` with control characters shown as escapes (``\x1b``); newlines and tabs stay."""
    return "".join(_escaped(c) if _controls(c) else c for c in text)


def one_line(text: str, width: int = 0) -> str:
    r"""``text`` on one line, newlines as ``\n``; longer than ``width`` it is cut and the cut is counted."""
    line = clean(text).replace("\n", "\\n").replace("\t", "\\t")
    return line if not width or len(line) <= width else f"{line[:width]} ... ({len(line) - width} more characters)"


def _controls(c: str) -> bool:
    return c not in "\n\t" and (c in BIDI or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp"))


def _escaped(c: str) -> str:
    return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
