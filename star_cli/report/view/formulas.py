"""LaTeX as MathML, which browsers draw themselves. The only door to latex2mathml.

Only elements and attributes that cannot do anything but show something are let through.
"""

from __future__ import annotations

from functools import lru_cache
from xml.etree import ElementTree

from star_cli.report.text import clean

LONGEST = 2000  # characters of a formula that is still drawn
ELEMENTS = {
    "math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "mpadded",
    "mphantom", "mfenced", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts",
    "mprescripts", "none", "mtable", "mtr", "mtd",
}  # fmt: skip
ATTRIBUTES = {
    "display", "stretchy", "fence", "form", "separator", "lspace", "rspace", "minsize", "maxsize", "largeop",
    "movablelimits", "accent", "accentunder", "linethickness", "mathvariant", "columnalign", "rowspacing",
    "columnspacing", "displaystyle", "scriptlevel", "width", "height", "depth", "notation",
}  # fmt: skip


@lru_cache(maxsize=4096)
def mathml(tex: str, block: bool = False) -> str | None:
    """A formula as MathML; None where it cannot be read, or where the package is not installed."""
    if len(tex) > LONGEST or clean(tex) != tex:
        return None
    try:
        from latex2mathml.converter import convert
    except ModuleNotFoundError:
        return None
    try:
        tree = ElementTree.fromstring(convert(tex.strip(), display="block" if block else "inline"))
    except Exception:  # a formula that a model got wrong, in whatever way: its text is shown
        return None
    return ElementTree.tostring(tree, encoding="unicode") if _harmless(tree) else None


def _harmless(element: ElementTree.Element) -> bool:
    """Take away what is not needed to show a formula; False where an element is unknown."""
    element.tag = element.tag.rpartition("}")[2]
    if element.tag not in ELEMENTS:
        return False
    for name in list(element.attrib):
        if name not in ATTRIBUTES:
            del element.attrib[name]
    return all(_harmless(child) for child in element)
