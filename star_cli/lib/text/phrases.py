r"""An answer in a phrase: the formula in it, its words, its letter.

"The volume of $ABCD$ is 120 cubic feet, because ..." holds the formula ``120 \text{cubic feet}``; ``\text{(C)}`` is the
letter C, ``\text{East}`` the word east.
"""

from __future__ import annotations

import re
from functools import lru_cache

from star_cli.lib.formulas import equality
from star_cli.lib.formulas.kinds import Scalar
from star_cli.lib.formulas.latex import NotFormula
from star_cli.lib.formulas.reading import readings
from star_cli.lib.formulas.settle import Named, settled
from star_cli.lib.text.numbers import DENIED, LONGEST, TURNS, Number, Unclear, read_number
from star_cli.lib.text.units import read_unit

WRAP = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm|textnormal|textit|operatorname|emph)\s*\{([^{}]*)\}")
SPACING = re.compile(r"\\[,!;:> ]|\\q?quad\b|\\[()\[\]]|(?<!\\)\$|~|[*_`]{2,}|[`]")
MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
CLAUSE = re.compile(
    r",?\s+(?:because|since|which|as (?:the|it|this|we|there)|where|so that|i\.e\.|given|by the|according"
    r"|rather than|instead of|(?:and )?not|attained|achieved|reached|occurring|with equality"
    r"|or (?:about|approximately|roughly|around))\b.*|\s*\(or (?:about|approximately|roughly"
    r"|around)\b[^()]*\)\s*\.?$|\s*\((?:and )?not\b[^()]*\)\s*\.?$"
    r"|[,;]?(?:\s|\\[ ,;:]|\\q?quad)*\(?\s*\\(?:text|mathrm|mbox)\s*\{\s*\(?(?:because|since|where|given|by the)\b.*",
    re.S,
)
OPTION = re.compile(  # (D) 42 and \textbf{(D)}\ 42: an option's letter and its value
    r"\s*(?:\\(?:text|textbf|mathrm|mathbf|textrm)\s*\{\s*(?:\(\s*[A-J]\s*\)|[A-J][.:)])\s*\}|\([A-J]\)|[A-J][.:)](?=\s))"
    r"(?:\s|\\[ ,;:]|~|\\q?quad|[:.])*(?=[^\s,;:.])"
)
POINT = re.compile(
    r"\s*\$?\s*[A-Z](?:_\{?\d\}?)?'?\s*(?=(?:\\left\s*)?\([^()]*,[^()]*\)\s*\$?\s*$)"
)  # the point A(3, 4)
WHOLE_NUMBERS = re.compile(  # x = k \pi, k \in \mathbb{Z}: what k is, at the end
    r"(?:[,;\s]|\\[ ,;:]|\\q?quad)*(?:\\text\s*\{\s*,?\s*(?:where|for|with|for any|for all)?\s*\}\s*)?\(?\s*"
    r"(?:[a-z]\s*\\in\s*(?:\\mathbb\s*\{?\s*Z\s*\}?|\\mathbf\s*\{\s*Z\s*\}|Z|ℤ)"
    r"|\\text\s*\{\s*,?\s*(?:where|for|with)[^{}]{0,20}\binteger[^{}]{0,20}\}"
    r"|where [a-z] is an(?:y)? integer)\s*\)?\s*\.?\s*\$*\s*$"
)
SAME_WORDS = {"dne": "does not exist"}
VERB = re.compile(
    r"\b(?:is|are|equals?|be|becomes|was|were)\b(?:\s+(?:equal to|approximately|about|exactly|therefore|then"
    r"|thus|given by))?[\s:]+"
)
AROUND = re.compile(  # words around a formula that change what it says
    r"\d|[-+*/^=<>\\]|\b(?:or|and|not|no|never|times|over|plus|minus|than|least|most|half|twice|double|third|quarter|between"
    r"|if|unless|except|wrong|incorrect|n't|either|neither|to|more|less|squared|cubed|sum|product|difference"
    r"|percent of)\b|n't\b",
    re.I,
)
PROSE = re.compile(
    r"[\w\s.,$€£¥₹%°'’/:()+−–-]+"
    r"|[^\d=]*[A-Za-z]{3}[\w\s.,$€£¥₹%°'’/:()+−–*×÷=-]+"
)  # with a sum, if there are words
NOUN = re.compile(
    r"^(?:the|a|an)\s+(?:ordered\s+)?(?:pair|triple|point|polynomial|interval|equation|line|value|number|set|function|expression|vector|matrix"
    r"|fraction|ratio|formula|domain|range|solution|root|roots|solutions|values)\s+(?=[^a-zA-Z\s]|[a-zA-Z]\b)",
    re.I,
)
KNOWN_WORDS = frozenset("yes no odd even true false none all zero red both neither always never".split())
SPOKEN = (  # sets in words
    (re.compile(r"(?:the )?(?:empty|null) set|(?:there (?:is|are) )?no solutions?(?: exists?)?", re.I), r"\emptyset"),
    (re.compile(r"(?:the set of )?(?:all )?(?:the )?(?:reals|real numbers)", re.I), r"\mathbb{R}"),
    (
        re.compile(
            r"(?:all )?real(?: number|s)s? (?:except|excluding|other than)(?: for)? (?:[a-z] ?= ?)?(?P<but>[^a-z,;]+)",
            re.I,
        ),
        r"\mathbb{R} \setminus \{BUT\}",
    ),
)


def unwrapped(text: str) -> str:
    r"""A text without ``\text{}``, spacing commands, dollars and the punctuation around it."""
    plain = SPACING.sub(" ", WRAP.sub(r" \1 ", WRAP.sub(r" \1 ", text)))
    plain = " ".join(plain.split()).strip(' .,;:"“”{}')
    return plain[1:-1] if re.fullmatch(r"'[^']+'|‘[^’]+’", plain) else plain


def same_text(known: str, said: str) -> bool:
    """Whether two answers are written the same, spaces and wrappers aside; capitals count in short ones."""
    a, b = (re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", unwrapped(t).rstrip("\\")) for t in (known, said))
    if not a or re.search(r"\.\.\.|…|\\[lc]?dots", said):
        return a == b and known.strip() == said.strip()
    return a == b or (len(a) > 3 and a.isalpha() and a.casefold() == b.casefold())


def letter(text: str, leading: bool = False) -> str | None:
    r"""The capital letter that an answer is: ``(C)``, ``\text{C}``, ``C.``; with ``leading`` also "C. x = 42"."""
    plain = unwrapped(text)
    found = re.fullmatch(r"\(?\s*([A-Z])\s*\)?[.:]?", plain)
    if found is None and leading:
        found = re.match(r"\(\s*([A-J])\s*\)\s*\S|([A-J])\s*[.:)]\s+\S", plain)
    if found is None:
        alone = re.fullmatch(r"\(?\s*([a-z])\s*\)?", plain)
        return alone[1].upper() if alone and plain != text.strip() and (WRAP.search(text) or "(" in text) else None
    return found[1] or found[found.lastindex or 1]


@lru_cache(maxsize=4096)
def words(text: str) -> str | None:
    r"""The words of an answer that is words ("\text{east}", "no solution"), in one form; None for a formula."""
    plain = unwrapped(text)
    if (
        not re.fullmatch(r"[^\W\d_][^\W\d_ ,.'’-]*(?:[ ,.'’-]+[^\W\d_ ,.'’-]+)*", plain)
        or len(plain) < 2
        or len(plain) > 200
    ):
        return None
    wrapped = bool(WRAP.search(text))
    folded = " ".join(re.sub(r"[,.’'-]", " ", plain).casefold().split())
    folded = re.sub(r"\b(solution|root|answer|value|number|integer)s\b", r"\1", SAME_WORDS.get(folded, folded))
    if not (wrapped or re.search(r"[^\W\d_]{4}", folded) or folded in KNOWN_WORDS):
        return None
    if spoken_set(plain):
        return None
    return re.sub(r"^(?:an?|the) (?=\w)", "", folded)


def yes_or_no(said: str) -> str | None:
    """What "No, it is not." answers: the word before the comma; None where it begins with no such word."""
    found = re.match(r"(yes|no|true|false)\s*[,.;:–—-]", unwrapped(said) + ".", re.I)
    return found[1].casefold() if found else None


def spoken_set(text: str) -> str:
    """The formula of a set in words, such as "all real numbers except 2"; "" where it is none."""
    for pattern, formula in SPOKEN:
        found = pattern.fullmatch(text.strip(" .")) if len(text) < 100 else None
        if found:
            return formula.replace("BUT", found.groupdict().get("but") or "")
    return ""


def tail(said: str) -> str:
    """What stands after the last verb of a phrase, and before a clause such as "because ..."."""
    cut = CLAUSE.sub("", said)
    spans = [m.span() for m in MATH.finditer(cut)]
    verbs = [m for m in VERB.finditer(cut) if not any(a <= m.start() < b for a, b in spans)]
    if not verbs or re.search(r"n't\s*$|\bnot\s*$", cut[: verbs[-1].start()]):
        return cut if not verbs else ""
    after = cut[verbs[-1].end() :]
    return "" if re.match(r"not\b|n't\b|never\b", after) else after


def forms(said: str) -> list[str]:
    """The ways to take a phrase as a formula, the whole first: without a clause, the one formula in it, its tail."""
    said = re.sub(r",?\s\(?or,? equivalently,?\s", " or ", said.replace('\\"', '"'))
    found = [said.strip(), said.strip().strip('"')]
    for text in (said, CLAUSE.sub("", said), tail(said)):
        if named_set := spoken_set(unwrapped(text)):
            return [named_set]
    if DENIED.search(said):
        return []
    cut = CLAUSE.sub("", said).strip().strip('*_"“”')
    last = tail(said).strip().strip('*_"“”')
    for text in (cut, OPTION.sub("", cut, count=1), POINT.sub("", cut, count=1), last):
        if text:
            found += [text, _only_formula(text), NOUN.sub("", text)]
    return [f for f in dict.fromkeys(found) if f]


def _only_formula(text: str) -> str:
    """The one formula between dollars in words, with the unit after it; "" where there are several, or words that
    turn it.
    """
    spans = list(MATH.finditer(text))
    if len(spans) != 1:
        return ""
    m = spans[0]
    inside = next(g for g in m.groups() if g is not None)
    before, after = text[: m.start()], text[m.end() :]
    if AROUND.search(before) or AROUND.search(after) or TURNS.search(before.lower()) or re.search(r"[,;]\s*\w", after):
        return ""
    unit = unwrapped(after)
    if not unit:
        return inside
    known = read_unit(unit)
    percent = re.match(r"(?:%|percent|pct|per cent)", unit)
    return (
        f"{inside}\\%" if percent else f"{inside}\\text{{ {unit}}}" if known is not None and not known.words else inside
    )


def number(said: str) -> Number | None:
    """The one number of a phrase in plain words, such as "12 distinct sequences"; None where it holds a formula."""
    plain = unwrapped(said) if not re.search(r"(?<!\\)\\(?!text|mathrm|[,;!: $%])[A-Za-z]", said) else ""
    if re.search(r"\d\s*(?:\.\.\.|…)", said):
        return None
    if not plain or len(plain) > 300 or not PROSE.fullmatch(plain) or len(plain) > LONGEST:
        return None
    if re.search(
        r"(?<![A-Za-z'’])(?![aAI]\b)[A-Za-z](?![A-Za-z'’])|[A-Za-z]\d|\d[A-Za-z](?![A-Za-z])", _without_units(plain)
    ):
        return None  # a letter that may be a variable
    for text in dict.fromkeys((plain, unwrapped(tail(said)))):
        try:
            found = read_number(text) if text else None
        except Unclear:
            continue
        if found is not None:
            return found
    return None


def _without_units(text: str) -> str:
    return re.sub(r"(?<=\d)\s?(?:[ap]\.?\s?m\.?|[kK]?[mg]|[hsLl])\b(?!\s*[-+*/^=])", "", text)


def equals_number(known: str, said: Number) -> bool:
    """Whether a number in words equals the known answer."""
    try:
        golds = readings(known)
    except NotFormula:
        return False
    for gold in golds:
        reading = settled(gold)
        bare = reading.value if isinstance(reading, Named) else reading
        if isinstance(bare, Scalar) and any(
            equality.same_scalar(bare, Scalar(("n", v), said.unit, said.percent)) for v in said.values
        ):
            return True
    return False
