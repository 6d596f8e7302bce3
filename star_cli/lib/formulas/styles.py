r"""LaTeX that is only style: colours, fonts, environments around a formula, doubled backslashes.

``\textcolor{red}{\mathbf{15}}`` becomes ``{15}``, ``\begin{align*} x &= 3 \cdot 5 \\ &= 15 \end{align*}`` the chain
``x = 3 \cdot 5 = 15``, ``\\frac{1}{2}`` (as JSON writes it) ``\frac{1}{2}``. Time is linear in the length.
"""

from __future__ import annotations

import re

from star_cli.lib.text.plain import uncoloured, unescaped

FONTS = (
    r"text|textbf|textit|textrm|textsf|texttt|textnormal|mbox|hbox|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|bold|emph"
    r"|underline"
)
WHOLE = re.compile(rf"\s*\\(?:{FONTS}|boxed|fbox)\s*\{{(?P<inside>.*)\}}\s*[.]?\s*", re.S)
BRACED = re.compile(r"\s*\{(?P<inside>.*)\}\s*", re.S)
AROUND_FORMULA = re.compile(rf"\\(?:{FONTS})\s*(?=\{{[^{{}}]*[{{\\])")  # \mathbf{\frac12}
MARKS = re.compile(
    r"\\(?:label|tag)\s*\{[^{}]*\}|\\(?:blacksquare|square|qed|Box)(?![A-Za-z])\s*[.$]*\s*$"
    r"|^[\s$]*\\(?:therefore|implies|Rightarrow|Longrightarrow)(?![A-Za-z])"
)
ENVIRONMENT = re.compile(
    r"\\(?P<side>begin|end)\s*\{(?:align|aligned|alignat|equation|gather|gathered|split|multline|displaymath|math|center)\*?\}"
)
CASES = re.compile(  # a system of equations
    r"\\begin\s*\{cases\}(?P<cases>.*?)\\end\s*\{cases\}"
    r"|\\left\s*\\\{\s*\\begin\s*\{(?:array|aligned|matrix)\}(?:\s*\{[lcr"
    r"| ]*\})?(?P<array>.*?)\\end\s*\{(?:array|aligned|matrix)\}\s*\\right\s*\.",
    re.S,
)
PROBABILITY = re.compile(
    r"^\s*(?:\\(?:Pr|max|min|mathbb\s*\{\s*P\s*\}|mathrm\s*\{\s*P\s*\})|P)\s*(?:\\left)?(?:\([^()=]*=[^()]*\))?\s*=(?=[^=]+$)"
)
NEXT_SIDE = re.compile(
    r"\\\\\s*(?:\[[^\]]{0,9}\])?\s*&?\s*(?=[=<>]|\\(?:le|ge|lt|gt|approx|equiv)(?:q|qslant)?(?![A-Za-z]))"
)
MONEY = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{\s*\\?\$\s*([\d.,]*)\s*\}")
CODES = {"USD": r"\$", "US$": r"\$", "US\\$": r"\$", "EUR": "€", "GBP": "£", "Rs": "₹", "Rs.": "₹", "INR": "₹"}
CODE = re.compile(r"(?<![A-Za-z])(USD|US\\?\$|EUR|GBP|Rs\.?|INR)\s*(?=\d)")
DEGREES = re.compile(
    r"\^\s*\{?\s*(?:\\circ|°)\s*\}?\s*(?:\\(?:text|mathrm)\s*\{\s*([CF])\s*\}|([CF])(?![A-Za-z]))|°\s*([CF])(?![A-Za-z])"
)
PER = re.compile(
    r"\\[dt]?frac\s*\{\s*\\(?:text|mathrm)\s*\{\s*([A-Za-z ]+?)\s*\}\s*\}\s*\{\s*\\(?:text"
    r"|mathrm)\s*\{\s*([A-Za-z ]+?)\s*\}\s*\}"
)


def unstyled(text: str) -> str:
    """A formula without what is only style. Environments of several lines become one chain or one list."""
    text = unescaped(text)
    text = CASES.sub(_system, MARKS.sub(" ", uncoloured(text)))
    text = re.sub(r"^\s*(?:\\(?:approx|simeq|sim)(?![A-Za-z])|[≈~]|=(?!=))\s*", "", text)
    text = PROBABILITY.sub("P=", text)
    text = re.sub(r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}", r"\\binom{\1}{\2}", text)
    for _ in range(4):
        whole = WHOLE.fullmatch(text) or BRACED.fullmatch(text)
        if whole is None or not re.search(r"[\\$\d]", whole["inside"]) or not _balanced(whole["inside"]):
            break
        text = whole["inside"]
    text = MONEY.sub(r"\\$\1", text)
    text = AROUND_FORMULA.sub("", text)
    text = CODE.sub(lambda m: CODES[m[1]], text)
    text = DEGREES.sub(lambda m: rf"\text{{ °{m[1] or m[2] or m[3]}}}", text)
    text = PER.sub(r"\\text{ \1/\2}", text)
    text = re.sub(r"(?<=\d)\^\s*(?:o|\{o\})(?![A-Za-z])", r"^\\circ", text)
    return _one_line(text) if ENVIRONMENT.search(text) else text


def _system(m: re.Match[str]) -> str:
    """The equations of a system as a list; a function in pieces (with marks &) stays as it is."""
    body: str = m["cases"] if m["cases"] is not None else m["array"]
    rows = [row.strip(" \n,;") for row in re.split(r"\\\\(?:\s*\[[^\]]{0,9}\])?", body)]
    rows = [row for row in rows if row]
    return ", ".join(rows) if all("=" in row and "&" not in row for row in rows) else m.group()


def _balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"\\.|[{}]", text, re.S):
        depth += (brace == "{") - (brace == "}")
        if depth < 0:
            return False
    return depth == 0


def _one_line(text: str) -> str:
    """The lines of an environment as a chain where the next one begins with a relation, else as a list."""
    text = ENVIRONMENT.sub(" ", text)
    if re.search(r"\\begin", text):
        return text  # a matrix inside: its marks & and row breaks stay
    chain = NEXT_SIDE.sub(" ", text)
    return re.sub(r"\s*\\\\(?:\s*\[[^\]]{0,9}\])?\s*(?=\S)", ", ", chain.strip().removesuffix("\\\\")).replace("&", " ")
