r"""The words and signs of a formula, written in LaTeX, in Unicode or in plain characters.

``\dfrac{1}{2}x² \le \text{3 cm}`` becomes a list of tokens. Row breaks (``\\``) and spaces (``\ ``) are different
tokens, groups of three digits are one number. Time is linear in the length; formulas above LONGEST characters are
refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from star_cli.lib.formulas.styles import unstyled
from star_cli.lib.text.plain import grouped, repeating
from star_cli.lib.text.units import LONG, NAMES

LONGEST = 2000
TOKENS = 500
FUNCTIONS = frozenset(
    """sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth ln log lg exp sqrt abs
    min max gcd lcm asin acos atan cbrt""".split()
)
CONSTANTS = {"pi": "pi", "infty": "inf", "infinity": "inf", "oo": "inf", "inf": "inf"}
GREEK = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau
    upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar""".split()
)
SIGNS = {  # commands that stand for one sign
    **dict.fromkeys(("times", "cdot", "ast", "bullet"), "*"),
    "div": "/",
    **dict.fromkeys(("le", "leq", "leqslant", "leqq"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant", "geqq"), "≥"),
    **{"lt": "<", "gt": ">", "ne": "≠", "neq": "≠", "approx": "≈", "simeq": "≈", "doteq": "≈", "equiv": "≡", "in": "∈"},
    **{"notin": "∉", "cup": "∪", "cap": "∩", "setminus": "∖", "backslash": "∖", "pm": "±", "mp": "∓", "colon": ":"},
    **dict.fromkeys(("mid", "vert", "lvert", "rvert", "middle"), "|"),
    **dict.fromkeys(("Vert", "lVert", "rVert", "parallel"), "‖"),
    **{"langle": "⟨", "rangle": "⟩", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lbrace": "\\{"},
    **{"rbrace": "\\}", "lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")", "sim": "~"},
    **dict.fromkeys(("circ", "degree", "degrees", "textdegree"), "°"),
    **dict.fromkeys(("emptyset", "varnothing"), "∅"),
    **dict.fromkeys(("ldots", "dots", "cdots", "dotsc", "dotsb", "dotso"), "…"),
    **dict.fromkeys(("prime",), "'"),
}
UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "‐": "-", "‑": "-", "﹣": "-", "×": "*", "⋅": "*", "·": "*", "∙": "*", "∗": "*", "÷": "/",
        "⁄": "/", "∕": "/", "π": "\\pi ", "∞": "\\infty ", "√": "\\sqrt ", "∛": "\\sqrt[3]", "⩽": "≤", "⩾": "≥",
        "≦": "≤", "≧": "≥", "⟨": "⟨", "〈": "⟨", "〉": "⟩", "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℚ": "\\mathbb{Q}",
        "ℕ": "\\mathbb{N}", "ℂ": "\\mathbb{C}", "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "γ": "\\gamma ",
        "δ": "\\delta ", "λ": "\\lambda ", "μ": "\\mu ", "φ": "\\phi ", "ϕ": "\\phi ", "ω": "\\omega ", "σ": "\\sigma ",
        "ε": "\\varepsilon ", "Δ": "\\Delta ", "Ω": "\\Omega ", "ρ": "\\rho ", "τ": "\\tau ", "º": "°", "′": "'",
        "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "∖": "∖", "∅": "∅",
        "Ø": "∅", "∠": "\\angle ", "⇒": "\\Rightarrow ", "→": "\\to ", "½": " 1/2", "…": "…", "∣": "|",
    }
)  # fmt: skip
DROPPED = re.compile(
    r"(?P<row>\\\\)|\\(?:left|right)\s*\.|\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|hspace\{[^}]*\}"
    r"|thinspace|enspace|nonumber|phantom\{[^}]*\}|mathstrut|strut|hfill|hline)(?![A-Za-z])|\\q?quad|\\[,!;:>]|\\(?=\s)|\\$|~"
)
WRAPS = (
    r"text|textbf|textit|textrm|textsf|texttt|textnormal|mbox|hbox|mathrm|mathbf|mathit|mathsf|mathtt|mathcal|mathscr"
    r"|operatorname\*?|boldsymbol|bm|bold|emph|rm|bf|it|underline|mathbb|overrightarrow|vec|hat|overline|bar|widehat|tilde"
)
TOKEN = re.compile(
    rf"""(?P<row>\\\\(?:\[[^\]]*\])?|\\(?:cr|newline|tabularnewline)(?![A-Za-z]))
    |(?P<space>\s+)
    |(?P<begin>\\begin\s*\{{([a-zA-Z]+)\*?\}}(?:\s*(?:\{{[lcr|@ ]*\}}|\[[lcr]\]))?)
    |(?P<end>\\end\s*\{{[a-zA-Z]+\*?\}})
    |(?P<wrap>\\(?:{WRAPS})(?![A-Za-z])\s*\{{[^{{}}]*\}})
    |(?P<command>\\[A-Za-z]+\*?)
    |(?P<escaped>\\[{{}}|%$&\#_])
    |(?P<number>\d+(?:\.\d+)?|\.\d+)
    |(?P<letters>[A-Za-z]+)
    |(?P<relation><=|>=|=<|=>|!=|<>|==)
    |(?P<sign>[-+*/^_=<>≤≥≠≈≡∈∉∪∩∖,;:&|‖!%'°±∓()\[\]{{}}⟨⟩⌊⌋⌈⌉∅…$€£¥₹¢"?.~])""",
    re.X,
)
ACCENTS = {"overline": "bar", "overrightarrow": "vec", "widehat": "hat"}
STOP = frozenset(  # short English words that are no product of letters
    """no on is in by to of if at the for not yes odd all are was be as it an we he so up do go us my me am or and any
    one two six ten now new old out our can may has had him his her she you who why how its let yet few day man men
    top low big sum""".split()
)


GROUPED = re.compile(r"(?<![\d.,])(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3})(?![\d,])")  # 1,234 and 1,00,000


class NotFormula(Exception):
    """A text that is no formula, or one that is not understood."""


@dataclass(frozen=True)
class Token:
    """``kind`` is number, name, function, constant, sign, open, close, row, begin, end, words, loose or sep.

    Words stand in ``\\text{}`` or are a known unit; loose words are any others behind a number.
    """

    kind: str
    value: str
    at: int = 0
    spaced: bool = False  # whether space stands before it


def clean(text: str) -> str:
    """A formula without its delimiters and spacing commands, in LaTeX or plain characters."""
    text = unstyled(text.strip())
    if text.count("$") - text.count("\\$") == 1:  # a lone dollar is money
        text = re.sub(r"(?<!\\)\$(?=\s*[-\d.])", r"\\$", text)
    text = re.sub(r"\\(?:boxed|fbox)\s*(?=\{)", "", text)
    text = re.sub(r"\{?([^{}\\]+)\\over(?![A-Za-z])([^{}\\]+)\}?", r"\\frac{\1}{\2}", re.sub(r"\\+\s*$", "", text))
    text = re.sub(r"\.\.\.|…|\\(?:[lc]?dots[bco]?)(?![A-Za-z])", "…", text)
    text = re.sub(r"\\pmod\s*(\{[^{}]*\}|\d)", r"(\\text{mod} \1)", text)
    text = re.sub(r"\\b?mod(?![A-Za-z])|\bmod\b(?!\})", r"\\text{mod}", text)
    text = re.sub(r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]", r"\\\\ ", text)
    text = re.sub(r"(\\\\)|\\[()\[\]]|(?<!\\)\$", lambda m: m[1] or " ", text)
    text = re.sub(r"(?<=[A-Za-z0-9)}])\s*\*\*\s*(?=[A-Za-z0-9({-])", "^", text)
    text = text.replace("**", " ") if re.search(r"^\s*\*\*|\*\*\s*[.]?\s*$", text) else text
    text = re.sub(r"[⁰¹²³⁴-⁹⁻⁺]+", lambda m: "^{" + unicodedata.normalize("NFKC", m.group()) + "}", text)
    text = re.sub(r"[₀-₉]+", lambda m: "_{" + unicodedata.normalize("NFKC", m.group()) + "}", text)
    text = re.sub(r"(?<=\d)\s*(?=[¼-¾⅐-⅞])", " ", text)
    text = re.sub(r"[¼-¾⅐-⅞]", lambda m: unicodedata.normalize("NFKC", m.group()).replace("⁄", "/"), text)
    text = "".join(c if ord(c) < 0x2100 else unicodedata.normalize("NFKC", c) if c in FANCY else c for c in text)
    text = text.translate(UNICODE)
    text = repeating(grouped(text), "({})")
    return DROPPED.sub(lambda m: m["row"] or " ", text).strip().rstrip(".,;: ").strip("`")


FANCY = frozenset(chr(c) for c in (*range(0x1D400, 0x1D800), *range(0xFF01, 0xFF5F)))


def tokens(text: str, thousands: bool = True) -> list[Token]:
    """The tokens of a cleaned formula. ``thousands``: 1,234 is one number, not two. Raises NotFormula."""
    if len(text) > LONGEST:
        raise NotFormula("too long")
    if thousands:
        text = GROUPED.sub(lambda m: m.group().replace(",", ""), text)
    text = re.sub(r"(?<![\d.,\w])\d{1,3}(?: \d{3})+(?![\d ]\d|\d)(?!\s*/)", lambda m: m.group().replace(" ", ""), text)
    found: list[Token] = []
    at = 0
    spaced = False
    while at < len(text):
        m = TOKEN.match(text, at)
        if m is None:
            raise NotFormula(text[at : at + 10])
        kind, value = str(m.lastgroup), m.group()
        at = m.end()
        if kind == "space":
            spaced = True
            continue
        for token in _token(kind, value, m, found):
            found.append(Token(token[0], token[1], m.start(), spaced))
            spaced = False
        if len(found) > TOKENS:
            raise NotFormula("too many signs")
    return found


def _token(kind: str, value: str, m: re.Match[str], before: list[Token]) -> list[tuple[str, str]]:
    if kind == "number":
        return [("number", value)]
    if kind == "row" or kind == "end":
        return [(kind, value)]
    if kind == "begin":
        return [("begin", str(m[4]))]
    if kind == "relation":
        return [("sign", {"<=": "≤", "=<": "≤", ">=": "≥", "=>": "≥", "==": "="}.get(value, "≠"))]
    if kind == "escaped":
        sign = value[1]
        if sign in "{}":
            return [("open" if sign == "{" else "close", value)]
        return [("sign", {"|": "‖", "%": "%", "$": "$", "&": "&", "_": "_"}.get(sign, sign))]
    if kind == "command":
        return _command(value[1:])
    if kind == "wrap":
        name, _, content = value[1:-1].partition("{")
        return _wrapped(name.strip(), content, before)
    if kind == "letters":
        return _letters(value, before)
    if value in "([{⟨⌊⌈":
        return [("open", value)]
    if value in ")]}⟩⌋⌉":
        return [("close", value)]
    return [("sign", value)]


def _command(name: str) -> list[tuple[str, str]]:
    if name in SIGNS:
        sign = SIGNS[name]
        kind = (
            "open"
            if sign in ("⟨", "⌊", "⌈", "\\{", "[", "(")
            else "close"
            if sign in ("⟩", "⌋", "⌉", "\\}", "]", ")")
            else "sign"
        )
        return [(kind, sign)]
    if name in FUNCTIONS:
        return [("function", name)]
    if name in CONSTANTS:
        return [("constant", CONSTANTS[name])]
    if name in GREEK:
        return [("name", "phi" if name == "varphi" else "epsilon" if name == "varepsilon" else name)]
    if name in ("frac", "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom", "sqrt"):
        return [("function", "binom" if "binom" in name else "frac" if "frac" in name else name)]
    if name in ("angle", "measuredangle", "triangle", "overline"):
        return [("name", "∠")]
    raise NotFormula(name)


def _wrapped(name: str, content: str, before: list[Token]) -> list[tuple[str, str]]:
    inside = content.strip(" ~.") if name != "overline" else content.strip()
    inside = re.sub(r"\s+", " ", inside.replace("~", " "))
    if name == "mathbb":
        return [("constant", f"set{inside}")]
    if not inside:
        return []
    low = inside.lower().strip(" ,;")
    if low in ("and", "or", "") or low in (",and", ", and"):
        return [("sep", low.strip(", ") or ",")]
    if name in ("vec", "hat", "overline", "bar", "overrightarrow", "widehat", "tilde"):
        if not re.fullmatch(r"[A-Za-z]{1,3}", inside):
            raise NotFormula(name)
        if len(inside) > 1 and name in ("overline", "bar") and inside.isupper():
            return [("name", letter) for letter in inside]  # the segment AB
        return [("name", f"{inside}_{ACCENTS.get(name, name)}")]
    if re.fullmatch(r"[A-Za-z]", inside):
        if name in ("mathbf", "boldsymbol", "bm", "bold", "vec") and inside in "ijke":
            return [("name", f"{inside}_bold")]
        if name.startswith("text") or name in ("mbox", "hbox"):
            return [("words", inside)]
        return [("name", inside)]
    if re.fullmatch(r"\d+/\d+", inside):
        return [("number", inside.split("/")[0]), ("sign", "/"), ("number", inside.split("/")[1])]
    if re.fullmatch(r"[-\d.,]*\d", inside):
        return [("sign", "-"), ("number", inside[1:])] if inside[0] == "-" else [("number", inside.replace(",", ""))]
    if inside in FUNCTIONS and not (inside in ("min", "sec") and before and before[-1].kind in ("number", "close")):
        return [("function", inside)]
    if re.fullmatch(r"[A-Z]{2,4}", inside) and name in ("mathrm", "operatorname", "rm"):
        return [("name", inside)]
    return [("words", inside)]


def _letters(run: str, before: list[Token]) -> list[tuple[str, str]]:
    low = run.lower()
    number = bool(before) and (
        before[-1].kind in ("number", "close", "words", "loose", "constant") or before[-1].value in "%°$'/"
    )
    if run in FUNCTIONS or low in FUNCTIONS and run[1:].islower():
        return [("function", low)]
    if run in CONSTANTS or low in ("infinity", "pi"):
        return [("constant", CONSTANTS[low])]
    if low in ("and", "or"):
        return [("sep", low)]
    if len(run) == 1:
        return [("name", run)]
    if number and (
        run in LONG or low in LONG and len(run) > 2 or low in ("per", "square", "cubic", "sq", "percent", "pct")
    ):
        return [("words", run)]
    head = re.fullmatch(r"(sin|cos|tan|cot|sec|csc|ln|log|sqrt|pi)([A-Za-z])", run)
    if head:
        return [("constant", "pi") if head[1] == "pi" else ("function", head[1]), ("name", head[2])]
    if (
        len(run) <= 3
        and (low not in STOP or run.isupper())
        and run not in NAMES
        and not (before and before[-1].kind in ("words", "loose"))
    ):
        return [("name", letter) for letter in run]
    if len(run) <= 3 and low not in STOP and run in NAMES and not number and len(run) == 2:
        return [("name", letter) for letter in run]
    if number:
        return [("loose", run)]
    raise NotFormula(run)
