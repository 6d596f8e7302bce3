r"""Options of a multiple-choice question: where a phrase names one, by its letter or by its text.

"The answer is 60°" names the option ``$60^\circ$``; of "train" and "train station" the longer text wins.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from star_cli.lib.formulas.latex import UNICODE
from star_cli.lib.text.plain import uncoloured, unescaped

LETTERS = "ABCDEFGHIJ"
MARKED = re.compile(r"[(\[]\s*([A-Ja-j])\s*[)\]]")  # (e) [e]
NAMED = re.compile(r"\b(?:options?|choices?|letter|answer)\s+\(?([A-Ja-j])\b\)?", re.I)  # option e
LEADING = re.compile(  # e) blotter, E: blotter, E, "E because", "E or F"; but not the article in "a cat"
    r"\s*(?:([A-Ja-j])\s*(?:[):\]]|\.(?!\w)|-\s|$)|([A-J])(?=\s*[(,/&–—]"
    r"|\s+(?:or|and|because|since|as|but|though|although|which|rather|instead|not|over)\s))"
)
SEVERAL = re.compile(
    r"(?<![\w'’])\(?([A-J])\)?\s*(?:,\s*(?:and\s+|or\s+)?|/|&|\+|\b(?:and|or)\b)\s*(?:option\s+)?\(?([A-J])\)?(?![\w'’])"
)
NOT = re.compile(r"\b(?:not|never|neither|cannot|none|except)\b|n't\b", re.I)
CLAUSE = re.compile(
    r",\s|\s(?:because|since|as|which|so|while|whereas|given|but|although|rather than|instead of)\b", re.I
)
MEANT = re.compile(r",?\s*(?:which (?:is|says|states|means)|that is|i\.e\.|namely)[,:]?\s+", re.I)
WRAP = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm|textnormal|textit|operatorname|mathit)\s*\{([^{}]*)\}")


@lru_cache(maxsize=4096)
def simple(text: str) -> str:
    r"""LaTeX, Unicode and Markdown in one plain form: ``$60^{\circ}$`` and "60 degrees" are "60 degrees"."""
    text = uncoloured(unescaped(text))
    text = WRAP.sub(r" \1 ", WRAP.sub(r" \1 ", text))
    text = re.sub(r"[⁰¹²³⁴-⁹⁻]+", lambda m: "^" + unicodedata.normalize("NFKC", m.group()).replace("−", "-"), text)
    text = unicodedata.normalize("NFKC", text).translate(UNICODE)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|\\degree|°", " degrees ", text)
    for _ in range(3):
        text = re.sub(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", lambda m: f"{_whole(m[1])}/{_whole(m[2])}", text)
        text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r"sqrt(\1)", text)
    text = re.sub(r"\\[dtc]?frac\s*(\d)\s*(\d)", r"\1/\2", text)
    text = re.sub(r"\\sqrt\s*\(?(\d+|[a-z])\)?", r"sqrt(\1)", text)
    text = re.sub(r"\\(?:times|cdot)|×|(?<=\d)\s*x\s*(?=10\s*\^)", "*", text)
    text = re.sub(r"\\(?:leq?|leqslant)(?![a-z])|≤", "<=", re.sub(r"\\(?:geq?|geqslant)(?![a-z])|≥", ">=", text))
    text = re.sub(r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[,!;:() \[\]]|~", " ", text)
    text = re.sub(r"(?<=\d)\{,\}(?=\d)|(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\\([A-Za-z]+|[%$#&])", r" \1", text)
    text = re.sub(r"[*_`]{2,}|(?<!\w)[*_`](?=\w)|(?<=\w)[*_`](?!\w)|[`$\"“”{}\\]", "", text)
    return re.sub(r"\s*([-+*/=<>^|])\s*", r"\1", " ".join(text.split())) if _mathy(text) else " ".join(text.split())


def _whole(part: str) -> str:
    return part.strip() if re.fullmatch(r"\s*(?:[\w.]+|sqrt\(\w+\))\s*", part) else f"({part.strip()})"


def _mathy(text: str) -> bool:
    return re.search(r"\d\s*[-+*/=<>^]|[-+*/=<>^]\s*\d|[=<>^]|\b[a-z]\s*[-+*/]\s*[a-z]\b", text) is not None


def text_spans(phrase: str, choices: list[str]) -> list[tuple[int, int, int]]:
    """(start, end, option) of every option's text in a phrase; the longer text wins where two overlap."""
    found: list[tuple[int, int, int]] = []
    plain = [simple(c) for c in choices]
    for i in sorted(range(len(plain)), key=lambda i: -len(plain[i])):
        pattern = _pattern(plain[i])
        if pattern is None:
            continue
        for m in pattern.finditer(phrase):
            over = [s for s in found if s[0] < m.end() and m.start() < s[1]]
            if not over or all((s[0], s[1]) == m.span() for s in over):
                found.append((*m.span(), i))
    return sorted(s for s in found if s in _closest(phrase, plain, [o for o in found if o[:2] == s[:2]]))


def _closest(phrase: str, plain: list[str], spans: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Of options at one place those that are written just so: Rr and not RR, backyard and not back yard."""
    if len(spans) < 2:
        return spans
    start, end, _ = spans[0]
    for text in (phrase[max(0, start - 4) : end], phrase[start:end]):
        for same in (str, str.casefold):
            exact = [s for s in spans if same(text.strip()) == same(plain[s[2]].strip().rstrip(". "))]
            if exact:
                return exact
    return spans


@lru_cache(maxsize=4096)
def _pattern(option: str) -> re.Pattern[str] | None:
    bare = option.strip().rstrip(". ")
    if not re.match(r"A\s+(?:only|alone|and|or|but|is|does)\b", bare):  # the letter, not the article
        bare = re.sub(r"^(?:an?|the)\s+(?=\S)", "", bare, flags=re.I)
    if not bare or (len(bare) == 1 and bare.upper() in LETTERS):
        return None
    words = re.findall(r"[A-Za-z]+|\d+(?:\.\d+)?|\s+|.", bare)
    pieces: list[str] = []
    for word in words:
        if word.isspace():
            pieces.append(r"[\s-]*" if pieces and pieces[-1] != r"[\s-]*" else "")
            continue
        if word in ("and", "or") and pieces and pieces[-1] == r"[\s-]*":
            pieces[-1] = r",?[\s-]*"  # A, B, and C
        elif pieces and pieces[-1] != r"[\s-]*":
            pieces.append(r"\s*")
        pieces.append(re.escape(word))
    first, last = bare[0], bare[-1]
    formula = re.search(r"\d|sqrt|[=^*/<>]", bare)
    before = r"(?<![\w.\-−/^*=])(?<!\d\s)" if formula and (first.isdigit() or first in "(s") else ""
    if not before and (first.isalnum() or first in "-."):
        before = r"(?<![\w.\-−])"
    after = ""
    if formula and (last.isdigit() or last == ")"):
        after = r"(?!\w|[.,]\d|-\w|\s*[/^*]\s*[\w(])"
    elif last.isalnum():
        after = r"(?!\w|-\w)"
    return re.compile(before + "".join(pieces) + after, re.I)


def letter_spans(phrase: str, said: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(start, end, option) of every letter that stands for an option, outside the options' own texts."""
    spans = [
        (m.start(), m.end(), LETTERS.index(m[1].upper())) for m in (*MARKED.finditer(phrase), *NAMED.finditer(phrase))
    ]
    for m in SEVERAL.finditer(phrase):
        spans += [(m.start(g), m.end(g), LETTERS.index(m[g])) for g in (1, 2)]
    lead = LEADING.match(phrase)
    if lead:
        spans.append((lead.start(), lead.end(), LETTERS.index((lead[1] or lead[2]).upper())))
        also = re.match(r"[).:\]]?\s*(?:or|and|&|/|,)\s*(?:and\s+|or\s+)?\(?([A-Ja-j])\b(?!['’])", phrase[lead.end() :])
        if also:
            spans.append((lead.end(), lead.end() + 1, LETTERS.index(also[1].upper())))
    return [s for s in spans if not any(a <= s[0] and s[1] <= b for a, b, _ in said)]


def named(phrase: str, choices: list[str], whole: bool = False) -> tuple[set[int] | None, bool]:
    """(the options that the first clause of a phrase names, whether it denies them).

    None: it names none; an empty set: it offers several, or two that contradict each other. With ``whole`` the phrase
    must be nothing but an option.
    """
    phrase = re.sub(r"^[\s:*_`\"'‘’#>-]+(?=[A-Za-z(\[])", "", simple(phrase))
    phrase = re.sub(r"(?<=[A-Za-z)\]])['’]+(?=\s*[.,;:!]?\s*$)", "", phrase)
    spans = text_spans(phrase, choices)
    end = next(
        (m.start() for m in CLAUSE.finditer(phrase) if not any(a < m.end() and m.start() < b for a, b, _ in spans)),
        len(phrase),
    )
    several = SEVERAL.search(phrase)
    if several and several.start() <= end < several.end():
        end = several.end()
    said = [s for s in spans if s[0] < end]
    letters = [s for s in letter_spans(phrase, said) if s[0] < end]
    if not said and not letters:
        negation = re.match(r"(?:not|never)\s+(?:option\s+)?(?=\(?[A-J]\b)", phrase)
        if negation:
            return named(phrase[negation.end() :], choices)[0], True
        return None, bool(NOT.search(phrase[:end]))
    denied = bool(NOT.search(phrase[: min(s[0] for s in [*said, *letters])]))
    lettered, texts = {s[2] for s in letters}, {s[2] for s in said}
    if denied:
        return lettered | texts, True
    if any(o >= (len(choices) or len(LETTERS)) for o in lettered):
        return {-1}, False  # a letter that no option has
    if len(lettered) > 1 or (lettered and not lettered <= texts and _is_text_of_another(phrase, letters, choices)):
        return set(), False
    if lettered and not texts and (meant := MEANT.match(phrase[end:])):
        options = named(phrase[end + meant.end() :], choices)[0]
        if options and not options & lettered:
            return lettered | options, False  # "option C, which is 3", where C is 5
    rest = max(s[1] for s in [*said, *letters])
    if re.search(r"\bor\b", phrase[rest:end]) or re.match(r",?\s+or\b", phrase[end:]):
        return set(), False  # "(e) or something like it"
    if whole and re.search(r"\w", _without(phrase, [*said, *letters])):
        return None, False
    if lettered:
        return (lettered if not texts or lettered <= texts else lettered | texts), False
    return (texts if len({simple(choices[i]).casefold() for i in texts}) == 1 else set()), False


def _is_text_of_another(phrase: str, letters: list[tuple[int, int, int]], choices: list[str]) -> bool:
    """Whether a bare letter is the whole text of another option: carbon is C, and C is oxygen."""
    start, end, option = letters[0]
    bare = "(" not in phrase[start:end] and not re.search(r"option|choice|letter", phrase[start:end], re.I)
    return bare and any(i != option and simple(c).upper() == LETTERS[option] for i, c in enumerate(choices))


def _without(phrase: str, spans: list[tuple[int, int, int]]) -> str:
    for a, b, _ in sorted(spans, reverse=True):
        phrase = phrase[:a] + " " + phrase[b:]
    return re.sub(r"\b(?:an?|the|options?|choice|answer)\b", " ", phrase, flags=re.I)
