"""Text that others wrote, made harmless to look at: nothing a model writes may steer a terminal or a page."""

from __future__ import annotations

import re

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # reorder what stands around them
CONTROLS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029{BIDI}]")  # Cc, Cs, Zl, Zp and these


def clean(text: str) -> str:
    r"""``text`` with control characters shown as escapes (``\x1b``); newlines and tabs stay."""
    return CONTROLS.sub(lambda found: _escaped(found[0]), text)


def one_line(text: str, width: int = 0) -> str:
    r"""``text`` on one line, newlines as ``\n``; longer than ``width`` it is cut and the cut is counted."""
    line = clean(text).replace("\n", "\\n").replace("\t", "\\t")
    return line if not width or len(line) <= width else f"{line[:width]} ... ({len(line) - width} more characters)"


def _escaped(c: str) -> str:
    return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
