"""Answers made by rule: a known answer, texts that are equal to it, and texts in which one thing is changed.

Every kind is a function of a random generator that gives (known answer, equal forms, changed forms). What is equal and
what is not is known from how it was made, by whole numbers and fractions; no grader is asked. ``WRAPPINGS`` are ways to
end a text with an answer, ``LOST`` ways in which an answer does not count.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random

Forms = tuple[str, list[str], list[str]]


@dataclass(frozen=True)
class Pair:
    """A known answer and an answer in a text; ``equal`` is the truth."""

    kind: str
    gold: str
    answer: str
    equal: bool


# ---- how numbers are written
def grouped(n: int, mark: str) -> str:
    return f"{n:,}".replace(",", mark)


def tex(value: Fraction, command: str = r"\frac") -> str:
    sign = "-" if value < 0 else ""
    value = abs(value)
    return (
        f"{sign}{value}" if value.denominator == 1 else f"{sign}{command}{{{value.numerator}}}{{{value.denominator}}}"
    )


def slash(value: Fraction) -> str:
    return str(value)


def finite(value: Fraction) -> bool:
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return bottom == 1


def decimal(value: Fraction) -> str:
    """The finite decimal of a fraction."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return ("-" if value < 0 else "") + text


def repeating(value: Fraction) -> str:
    """The decimal of a fraction with its period under a bar, by long division."""
    sign, value = ("-" if value < 0 else ""), abs(value)
    whole, rest = divmod(value.numerator, value.denominator)
    digits: list[str] = []
    seen: dict[int, int] = {}
    while rest and rest not in seen:
        seen[rest] = len(digits)
        digit, rest = divmod(rest * 10, value.denominator)
        digits.append(str(digit))
    if not rest:
        return decimal(value if not sign else -value)
    start = seen[rest]
    return f"{sign}{whole}.{''.join(digits[:start])}\\overline{{{''.join(digits[start:])}}}"


def fraction(r: Random, top: int = 30, bottom: int = 12) -> Fraction:
    return Fraction(r.choice([-1, 1]) * r.randint(1, top), r.randint(1, bottom))


def other(r: Random, value: Fraction) -> Fraction:
    """A fraction that differs in one place."""
    choices = [value + 1, value - 1, -value, value * 10, value / 10, value + Fraction(1, value.denominator + 1)]
    if value:
        choices += [1 / value, Fraction(value.numerator, value.denominator + 1)]
    return r.choice([c for c in choices if c != value])


def spelled(r: Random, value: Fraction) -> str:
    """One of the ways to write a fraction inside a formula."""
    ways = [tex(value), tex(value, r"\dfrac"), tex(value, r"\tfrac"), slash(value)]
    k = r.randint(2, 5)
    ways.append(f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator) * k}}}{{{value.denominator * k}}}")
    if finite(value):
        ways += [decimal(value), decimal(value) + ("0" if "." in decimal(value) else ".0")]
    return r.choice(ways)


# ---- kinds
def integers(r: Random) -> Forms:
    n = r.choice([r.randint(-99, 99), r.randint(1000, 10**7), r.randint(-(10**6), -1000)])
    plain = str(n)
    size = abs(n)
    sign = "-" if n < 0 else ""
    forms = [
        plain,
        f"{plain}.0",
        f"{plain}.00",
        plain.replace("-", "\u2212"),
        f"${plain}$",
        f"{plain}.",
        f"{n - 3} + 3",
    ]
    forms += [rf"\frac{{{2 * n}}}{{2}}", rf"\text{{{plain}}}", f"{3 * n}/3"]
    if size >= 1000:
        marks = (",", "{,}", r"\,", r",\!", r"\text{,}", " ")
        forms += [sign + grouped(size, mark) for mark in marks]
    if n > 0:
        forms.append(f"+{n}")
    wrong = {n + 1, n - 1, -n, n * 10, n + 10, int(plain[::-1]) if n > 0 else n + 100, n * n, 2 * n} - {n}
    changed = [str(w) for w in wrong] + [f"{n}x", f"{n}^2" if n not in (0, 1) else "2", f"{n}.5", f"{n}, {n + 1}"]
    changed += [f"{n}i" if n else "i"]
    return plain, forms, changed


def fractions(r: Random) -> Forms:
    value = fraction(r)
    forms = [spelled(r, value) for _ in range(4)] + [tex(value), f"${tex(value)}$", repeating(value)]
    if abs(value) > 1 and value.denominator > 1:
        whole, rest = divmod(abs(value.numerator), value.denominator)
        sign = "-" if value < 0 else ""
        forms += [f"{sign}{whole}\\frac{{{rest}}}{{{value.denominator}}}", f"{sign}{whole} {rest}/{value.denominator}"]
    if 0 < value.numerator < 10 and 1 < value.denominator < 10:
        forms.append(rf"\frac{value.numerator}{value.denominator}")
    changed = [spelled(r, other(r, value)) for _ in range(4)] + [f"{tex(value)}x", rf"\sqrt{{{abs(value) + 7}}}"]
    if not finite(value):
        changed.append(f"{float(value):.3f}")
    return tex(value), forms, changed


def decimals(r: Random) -> Forms:
    value = Fraction(r.randint(-99999, 99999) or 7, r.choice([10, 100, 1000]))
    plain = decimal(value)
    power = r.randint(1, 5)
    forms = [plain, plain + ("0" if "." in plain else ".0"), tex(value), f"${plain}$"]
    forms += [rf"{decimal(value / 10**power)} \times 10^{{{power}}}", rf"{decimal(value * 10)} \cdot 10^{{-1}}"]
    forms += [f"{decimal(value / 10**power)}e{power}", plain.replace("-", "\u2212")]
    if 0 < value < 1:
        forms.append(plain.removeprefix("0"))
    changed = [decimal(v) for v in (value + Fraction(1, 1000), -value, value * 10, value / 10, value + 1)]
    changed += [rf"{plain} \times 10^{{{power}}}", rf"{plain}\pi"]
    return plain, forms, changed


def percents(r: Random) -> Forms:
    value = Fraction(r.randint(1, 400), r.choice([1, 1, 2, 4]))
    plain = decimal(value)
    forms = [
        rf"{plain}\%",
        f"{plain}%",
        f"{plain} %",
        f"{plain} percent",
        rf"{plain}\text{{ percent}}",
        rf"${plain}\%$",
    ]
    forms += [tex(value / 100), decimal(value / 100)]
    if value >= 1:
        forms.append(plain)
    wrong = [value + 1, value * 10, value + 50]
    changed = (
        [rf"{decimal(w)}\%" for w in wrong]
        + [tex(w / 100) for w in wrong]
        + [rf"-{plain}\%", rf"{decimal(value / 100)}\%"]
    )
    return rf"{plain}\%", forms, changed


def money(r: Random) -> Forms:
    cents = r.randint(5, 10**6)
    value = Fraction(cents, 100)
    plain = f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100)
    long = f"{cents // 100:,}.{cents % 100:02d}"
    forms = [rf"\${plain}", f"${plain}", f"{plain} dollars", rf"{plain}\text{{ dollars}}", rf"\${long}", plain]
    forms += [
        rf"\${long.replace(',', '{,}')}",
        rf"\${long.replace(',', chr(92) + '!,').replace(chr(92) + '!,', ',' + chr(92) + '!')}",
    ]
    forms += [f"{cents} cents", rf"{cents}\text{{ cents}}"]
    wrong = [cents + 1, cents + 100, cents * 10, cents * 100]
    changed = [rf"\${Fraction(w, 100).numerator // Fraction(w, 100).denominator}.{w % 100:02d}" for w in wrong]
    changed += [f"€{plain}", rf"{plain}\text{{ euros}}", rf"{plain}\text{{ cents}}", f"-\\${plain}"]
    assert value != Fraction(wrong[0], 100)
    return rf"\${plain}", forms, changed


UNITS = {  # by what is measured: (spellings, how many of the first are one)
    "length": [
        (("cm", "centimeters", "centimetres"), Fraction(1, 100)),
        (("meters", "metres"), Fraction(1)),
        (("km", "kilometers"), Fraction(1000)),
    ],
    "time": [(("minutes", "min"), Fraction(1)), (("hours", "hr"), Fraction(60)), (("seconds", "sec"), Fraction(1, 60))],
    "mass": [
        (("grams", "gm"), Fraction(1)),
        (("kg", "kilograms"), Fraction(1000)),
        (("mg", "milligrams"), Fraction(1, 1000)),
    ],
    "area": [
        (("cm^2", "square cm", "square centimeters"), Fraction(1)),
        (("square meters", "sq meters"), Fraction(10000)),
    ],
    "speed": [(("km/h", "km per hour", "kilometers per hour"), Fraction(1))],
}


def units(r: Random) -> Forms:
    value = Fraction(r.randint(1, 500), r.choice([1, 1, 1, 2, 10]))
    measure = r.choice(sorted(UNITS))
    names, factor = r.choice(UNITS[measure])

    def said(number: Fraction, unit: str) -> str:
        power = unit.endswith("^2")
        inner = unit.removesuffix("^2")
        return f"{decimal(number)}\\text{{ {inner}}}" + ("^2" if power else "")

    forms = [said(value, name) for name in names] + [decimal(value), f"{decimal(value)} {names[0]}"]
    for others, size in UNITS[measure]:
        converted = value * factor / size
        if finite(converted):
            forms.append(said(converted, r.choice(others)))
    changed = [said(value + 1, names[0]), said(value * 10, r.choice(names)), said(-value, names[0])]
    for others, size in UNITS[measure]:
        if size != factor:
            changed.append(said(value, r.choice(others)))
    strange = r.choice([m for m in UNITS if m != measure])
    changed.append(said(value, r.choice(UNITS[strange])[0][0]))
    return said(value, names[0]), forms, changed


def squarefree(r: Random) -> int:
    return r.choice([2, 3, 5, 6, 7, 10, 11, 13, 14, 15, 17, 19])


def radicals(r: Random) -> Forms:
    a, b, c = r.randint(2, 9), squarefree(r), r.randint(1, 9)
    gold = rf"{c}+{a}\sqrt{{{b}}}"
    forms = [
        gold,
        rf"{a}\sqrt{{{b}}}+{c}",
        rf"{c}+\sqrt{{{a * a * b}}}",
        rf"{c}+{a}√{b}",
        rf"{c}+\frac{{{a * b}}}{{\sqrt{{{b}}}}}",
    ]
    forms += [rf"{c}+{a} \cdot {b}^{{1/2}}", f"{c} + {a}sqrt({b})", rf"\frac{{{2 * c}+{2 * a}\sqrt{{{b}}}}}{{2}}"]
    forms.append(rf"-(-{c}-{a}\sqrt{{{b}}})")
    changed = [
        rf"{c}-{a}\sqrt{{{b}}}",
        rf"{c}+{a + 1}\sqrt{{{b}}}",
        rf"{c + 1}+{a}\sqrt{{{b}}}",
        rf"{c}+{a}\sqrt{{{b + 1}}}",
    ]
    changed += [
        rf"{c}+{a}\sqrt[3]{{{b}}}",
        rf"{c}{a}\sqrt{{{b}}}",
        rf"{c}+\sqrt{{{a * b}}}",
        rf"{c} \pm {a}\sqrt{{{b}}}",
        f"{c + a * b**0.5:.4f}",
    ]
    return gold, forms, changed


def product(a: list[int], b: list[int]) -> list[int]:
    found = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            found[i + j] += x * y
    return found


def poly(coefficients: list[int], letter: str, order: int = -1, star: str = "") -> str:
    terms = []
    for i, c in list(enumerate(coefficients))[::order]:
        if not c:
            continue
        power = "" if i == 0 else letter if i == 1 else f"{letter}^{i}"
        size = "" if abs(c) == 1 and i else str(abs(c)) + (star if i else "")
        terms.append(f"{'-' if c < 0 else '+'}{size}{power}")
    return "".join(terms).removeprefix("+") or "0"


def polynomials(r: Random) -> Forms:
    letter, spare = r.sample("xynt", 2)
    factors = [[r.randint(-6, 6) or 1, r.randint(1, 4)] for _ in range(r.randint(2, 3))]
    whole = [1]
    for f in factors:
        whole = product(whole, f)
    gold = poly(whole, letter)
    forms = [
        gold,
        poly(whole, letter, 1),
        poly(whole, letter, -1, "*"),
        "".join(f"({poly(f, letter)})" for f in factors),
    ]
    forms += [
        r" \cdot ".join(f"({poly(f, letter)})" for f in factors[::-1]),
        rf"\frac{{{poly([2 * c for c in whole], letter)}}}{{2}}",
    ]
    forms.append(f"{poly(whole[1:], letter)}".join(["", ""]) or gold)
    forms[-1] = f"{letter}({poly(whole[1:], letter)}){'+' if whole[0] >= 0 else ''}{whole[0]}"
    place = r.randrange(len(whole))
    bumped = [c + (1 if i == place else 0) for i, c in enumerate(whole)]
    flipped = [-c if i == place and c else c + (2 if i == place else 0) for i, c in enumerate(whole)]
    changed = [
        poly(bumped, letter),
        poly(flipped, letter),
        poly([0, *whole], letter),
        poly(whole, spare),
        poly([2 * c for c in whole], letter),
    ]
    changed += [f"{gold} = 0", poly(whole, letter.upper())]
    return gold, forms, [c for c in changed if c != gold]


def equations(r: Random) -> Forms:
    x, y, z = r.sample("xyabmn", 3)
    a, b, c, k = r.randint(2, 9), r.choice([-1, 1]) * r.randint(2, 9), r.randint(-9, 9) or 4, r.choice([2, 3, -1, -2])

    def line(p: int, q: int, s: int, sign: str = "=") -> str:
        return f"{p}{x}{'+' if q > 0 else '-'}{abs(q)}{y} {sign} {s}"

    gold = line(a, b, c)
    forms = [
        gold,
        line(k * a, k * b, k * c),
        f"{c} = {a}{x}{'+' if b > 0 else '-'}{abs(b)}{y}",
        line(a, b, c).replace("=", "-").replace("- -", "+ ") + " = 0",
    ]
    forms += [
        f"{a}{x} = {c} {'-' if b > 0 else '+'} {abs(b)}{y}",
        rf"\frac{{{a}{x}}}{{2}}{'+' if b > 0 else '-'}\frac{{{abs(b)}{y}}}{{2}} = \frac{{{c}}}{{2}}",
    ]
    changed = [
        line(a + 1, b, c),
        line(a, -b, c),
        line(a, b, c + 1),
        line(a, b, -c),
        line(a, b, c, r"\le"),
        line(a, b, c, "<"),
    ]
    changed += [str(c), f"{a}{x}{'+' if b > 0 else '-'}{abs(b)}{y}", gold.replace(y, z), f"{x} = {c}"]
    return gold, forms, changed


def assignments(r: Random) -> Forms:
    x, y = r.choice([("x", "y"), ("a", "b"), ("m", "n"), ("p", "q")])
    s, t = r.sample(range(-20, 30), 2)
    gold = f"{x} = {s}, {y} = {t}"
    forms = [
        gold,
        f"{x}={s},{y}={t}",
        f"{y}={t}, {x}={s}",
        rf"{x} = {s} \text{{ and }} {y} = {t}",
        f"({x}, {y}) = ({s}, {t})",
        f"({s}, {t})",
    ]
    changed = [
        f"{x} = {t}, {y} = {s}",
        f"{x} = {s + 1}, {y} = {t}",
        f"{x} = {s}, {y} = {t + 1}",
        f"{x} = {s}",
        f"{y} = {t}",
        str(t),
        f"({t}, {s})",
    ]
    return gold, forms, changed


def intervals(r: Random) -> Forms:
    low = fraction(r, 12, 4)
    high = low + abs(fraction(r, 12, 4))
    left, right = r.choice("(["), r.choice(")]")
    if left == "(" and right == ")" and r.random() < 0.5:
        right = "]"
    ops = ("<" if left == "(" else r"\le", "<" if right == ")" else r"\le")

    def written(a: Fraction, b: Fraction, p: str = left, q: str = right) -> str:
        return f"{p}{spelled(r, a)}, {spelled(r, b)}{q}"

    gold = f"{left}{tex(low)}, {tex(high)}{right}"
    forms = [
        gold,
        written(low, high),
        rf"\left{left} {tex(low)}, {tex(high)} \right{right}",
        rf"x \in {written(low, high)}",
    ]
    forms += [f"{spelled(r, low)} {ops[0]} x {ops[1]} {spelled(r, high)}"]
    back = [o.replace("<", ">").replace(r"\le", r"\ge") for o in ops]
    forms.append(f"{tex(high)} {back[1]} x {back[0]} {tex(low)}")
    changed = [
        written(low, high, "[" if left == "(" else "(", right),
        written(low, high, left, "]" if right == ")" else ")"),
    ]
    changed += [
        written(low - 1, high),
        written(low, high + 1),
        rf"\{{{tex(low)}, {tex(high)}\}}",
        f"x {ops[1]} {tex(high)}",
        rf"(-\infty, {tex(high)}{right}",
    ]
    flip = {"<": r"\le", r"\le": "<"}
    changed.append(f"{tex(low)} {flip[ops[0]]} x {ops[1]} {tex(high)}")
    return gold, forms, changed


def unions(r: Random) -> Forms:
    a, b, c = sorted(r.sample(range(-15, 16), 3))
    left, right = r.choice([(")", "("), ("]", "[")])
    gold = rf"(-\infty, {a}{left} \cup {right}{b}, \infty)"
    ops = ("<", ">") if left == ")" else (r"\le", r"\ge")
    forms = [
        gold,
        rf"{right}{b}, \infty) \cup (-\infty, {a}{left}",
        rf"x {ops[0]} {a} \text{{ or }} x {ops[1]} {b}",
        rf"(-∞, {a}{left} ∪ {right}{b}, ∞)",
    ]
    inner = ("[", "]") if left == ")" else ("(", ")")
    forms.append(rf"\mathbb{{R}} \setminus {inner[0]}{a}, {b}{inner[1]}")
    swapped = ("]", "[") if left == ")" else (")", "(")
    changed = [
        rf"(-\infty, {a}{swapped[0]} \cup {swapped[1]}{b}, \infty)",
        rf"(-\infty, {a}{left} \cup {right}{c}, \infty)",
        rf"({a}, {b})",
    ]
    changed += [
        rf"(-\infty, {a}{left} \cap {right}{b}, \infty)",
        rf"x {ops[0]} {a}",
        r"(-\infty, \infty)",
        rf"{a} < x < {b}",
    ]
    return gold, forms, changed


def sets(r: Random) -> Forms:
    items = r.sample(range(-20, 21), r.randint(2, 4))
    bare = r.random() < 0.5
    names = [str(i) for i in items]
    shuffled = r.sample(names, len(names))
    gold = ", ".join(names) if bare else rf"\{{{', '.join(names)}\}}"
    forms = [
        gold,
        ", ".join(shuffled),
        rf"\{{{', '.join(shuffled)}\}}",
        rf"\{{{','.join(names)}\}}",
        rf"{', '.join(names[:-1])} \text{{ and }} {names[-1]}",
    ]
    forms += [
        rf"\left\{{ {', '.join(shuffled)} \right\}}",
        " and ".join(names) if len(names) == 2 else ", ".join(names),
    ]
    if bare:
        forms += [r" \text{ or } ".join(f"x = {n}" for n in names), f"x = {', '.join(names)}"]
    changed = [
        ", ".join(names[:-1]),
        ", ".join([*names, "99"]),
        ", ".join([*names[:-1], str(items[-1] + 50)]),
        f"({', '.join(names)})",
        names[0],
    ]
    changed += [
        rf"\{{{', '.join([*names[1:], str(-items[0] if items[0] and -items[0] not in items else 77)])}\}}",
        f"[{', '.join(names)}]",
    ]
    return gold, forms, changed


def tuples(r: Random) -> Forms:
    items = [fraction(r, 15, 4) for _ in range(r.randint(2, 4))]

    def written(values: list[Fraction], p: str = "(", q: str = ")") -> str:
        return p + ", ".join(spelled(r, v) for v in values) + q

    gold = f"({', '.join(tex(i) for i in items)})"
    forms = [
        gold,
        written(items),
        gold.replace(" ", ""),
        rf"\left( {', '.join(tex(i) for i in items)} \right)",
        written(items, r"\langle ", r" \rangle"),
    ]
    place = r.randrange(len(items))
    bumped = [other(r, v) if i == place else v for i, v in enumerate(items)]
    changed = [
        written(bumped),
        written(items[:-1]) if len(items) > 2 else tex(items[0]),
        written([*items, Fraction(0)]),
        written(items, r"\{", r"\}"),
    ]
    changed.append(written(items, "[", "]"))
    if items[::-1] != items:
        changed.append(written(items[::-1]))
    return gold, forms, changed


def matrices(r: Random) -> Forms:
    rows, columns = r.choice([(2, 2), (2, 1), (3, 1), (2, 3), (1, 3), (3, 3)])
    entries = [[fraction(r, 12, 3) for _ in range(columns)] for _ in range(rows)]

    def written(values: list[list[Fraction]], style: str = "pmatrix", plain: bool = True, gap: str = r" \\ ") -> str:
        body = gap.join(" & ".join(tex(v) if plain else spelled(r, v) for v in row) for row in values)
        if style == "array":
            return rf"\left[\begin{{array}}{{{'c' * len(values[0])}}}{body}\end{{array}}\right]"
        return rf"\begin{{{style}}} {body} \end{{{style}}}"

    gold = written(entries)
    forms = [
        gold,
        written(entries, "bmatrix"),
        written(entries, "array"),
        written(entries, plain=False),
        written(entries, gap=r"\\"),
        written(entries, gap="\\\\\n"),
    ]
    halves = [[v / 2 for v in row] for row in entries]
    forms += [
        f"2{written(halves)}",
        written([[v - 1 for v in row] for row in entries])
        + " + "
        + written([[Fraction(1)] * columns for _ in range(rows)]),
    ]
    i, j = r.randrange(rows), r.randrange(columns)
    bumped = [[other(r, v) if (a, b) == (i, j) else v for b, v in enumerate(row)] for a, row in enumerate(entries)]
    turned = [list(row) for row in zip(*entries, strict=True)]
    flat = [v for row in entries for v in row]
    changed = [
        written(bumped),
        f"({', '.join(tex(v) for v in flat)})",
        tex(sum(flat, Fraction(0))),
        written(entries[:-1]) if rows > 1 else written([row[:-1] for row in entries]),
    ]
    if turned != entries:
        changed.append(written(turned))
    if rows * columns > 1 and (rows > 1) + (columns > 1) == 2:
        changed.append(written([flat]))
    return gold, forms, changed


def times(r: Random) -> Forms:
    hour, minute = r.randint(1, 12), r.randint(0, 59)
    half = r.choice("ap")
    clock = f"{hour}:{minute:02d}"
    gold = f"{clock} {half}.m."
    forms = [gold, rf"{clock}\text{{ {half}.m.}}", f"{clock} {half.upper()}M", rf"{clock} \text{{ {half}m}}", clock]
    full = hour % 12 + (12 if half == "p" else 0)
    if full >= 13:
        forms.append(f"{full}:{minute:02d}")
    swap = "p" if half == "a" else "a"
    changed = [
        f"{clock} {swap}.m.",
        rf"{clock}\text{{ {swap}.m.}}",
        f"{hour % 12 + 1}:{minute:02d} {half}.m.",
        f"{hour}:{(minute + 7) % 60:02d} {half}.m.",
    ]
    changed += [f"{hour}:{(minute + 30) % 60:02d}", str(hour), f"{hour}.{minute:02d}" if minute else str(hour + 12)]
    return gold, forms, changed


NAMES = "east west north Evelyn Carla Tuesday odd even isosceles triangle rectangle".split() + [
    "no solution",
    "right triangle",
    "all real numbers",
]


def texts(r: Random) -> Forms:
    word, wrong = r.sample(NAMES, 2)
    gold = rf"\text{{{word}}}"
    forms = [
        gold,
        word,
        rf"\text{{{word.capitalize()}}}",
        rf"\mathrm{{{word}}}" if " " not in word else gold,
        rf"\textbf{{{word}}}",
        word.upper(),
    ]
    mixed = "".join(r.sample(word.replace(" ", ""), len(word.replace(" ", ""))))
    changed = [rf"\text{{{wrong}}}", wrong, f"{word}ly", rf"\text{{not {word}}}", "5", word[:-1]]
    if mixed.casefold() != word.replace(" ", "").casefold():
        changed.append(rf"\text{{{mixed}}}")
    return gold, forms, changed


def complexes(r: Random) -> Forms:
    a, b = r.randint(-9, 9) or 2, r.randint(2, 9)
    gold = f"{a}+{b}i"
    forms = [
        gold,
        f"{b}i+{a}" if a > 0 else f"{b}i-{-a}",
        rf"{a}+{b}\mathrm{{i}}",
        f"{a} + {b} i",
        rf"\frac{{{2 * a}+{2 * b}i}}{{2}}",
        f"{a}-{b}i^3",
    ]
    changed = [
        f"{a}-{b}i",
        f"{a}+{b}",
        f"{a + 1}+{b}i",
        f"{a}+{b + 1}i",
        f"{b}+{a}i" if a != b else f"{a}i",
        f"{a}",
        rf"{a} \pm {b}i",
    ]
    return gold, forms, changed


def powers(r: Random) -> Forms:
    base, n = r.randint(2, 9), r.randint(20, 400)
    gold = rf"{base}^{{{n}}}"
    forms = [
        gold,
        rf"{base}^{{{n - 1}}} \cdot {base}",
        rf"\frac{{{base}^{{{n + 2}}}}}{{{base * base}}}",
        rf"{base}^{{{n}}}+0",
    ]
    if n % 2 == 0:
        forms.append(rf"{base * base}^{{{n // 2}}}")
    changed = [
        rf"{base}^{{{n}}}+1",
        rf"{base}^{{{n + 1}}}",
        rf"{base + 1}^{{{n}}}",
        rf"{n}^{{{base}}}",
        rf"-{base}^{{{n}}}",
        rf"{base}^{{{n}}}-1",
        f"{base}{n}",
    ]
    tower = rf"{base}^{{{base}^{{{n}}}}}"
    if r.random() < 0.3:
        return tower, [tower, f"1 \\cdot {tower}"], [f"{tower}+1", rf"{base}^{{{base}^{{{n + 1}}}}}", gold]
    return gold, forms, changed


def bases(r: Random) -> Forms:
    base = r.randint(3, 9)
    digits = str(r.randint(1, base - 1)) + "".join(str(r.randrange(base)) for _ in range(r.randint(1, 5)))
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % base)
    gold = f"{digits}_{base}"
    small = "₀₁₂₃₄₅₆₇₈₉"[base]
    forms = [gold, f"{digits}_{{{base}}}", f"{digits}{small}", f"${digits}_{base}$"]
    changed = [
        f"{wrong}_{base}",
        f"{digits}_{base + 1}",
        f"{digits}1_{base}",
        str(int(digits, base)),
        f"{digits}_{{10}}",
    ]
    return gold, forms, changed


def angles(r: Random) -> Forms:
    n = r.randint(1, 359)
    gold = rf"{n}^\circ"
    forms = [
        gold,
        rf"{n}^{{\circ}}",
        f"{n}°",
        str(n),
        rf"{n}\text{{ degrees}}",
        f"{n} degrees",
        rf"\angle ABC = {n}^\circ",
    ]
    changed = [
        rf"{n + 1}^\circ",
        rf"-{n}^\circ",
        rf"{n}\text{{ radians}}",
        rf"{n}\pi",
        f"{n + 1}^2",
        rf"{n}\text{{ cm}}",
    ]
    return gold, forms, changed


def pis(r: Random) -> Forms:
    value = fraction(r, 20, 9)
    gold = rf"{tex(value)}\pi" if abs(value) != 1 else rf"{'-' if value < 0 else ''}\pi"
    forms = [
        gold,
        rf"\frac{{{value.numerator}\pi}}{{{value.denominator}}}",
        f"{value.numerator}π/{value.denominator}",
        rf"\pi \cdot {tex(value)}" if value > 0 else gold,
    ]
    changed = [
        rf"{tex(value + 1)}\pi",
        tex(value),
        rf"{tex(value)}\pi^2",
        f"{float(value) * 3.141592653589793:.4f}",
        rf"{tex(value)}e",
        rf"{tex(-value)}\pi",
    ]
    return gold, forms, changed


def ratios(r: Random) -> Forms:
    p, q, k = r.randint(1, 20), r.randint(1, 20), r.randint(2, 5)
    gold = f"{p}:{q}"
    forms = [gold, f"{p} : {q}", f"{p} to {q}", rf"{p} \text{{ to }} {q}", rf"\frac{{{p}}}{{{q}}}", f"AB:CD = {p}:{q}"]
    if q < 10 or k * p > 24:  # two that look like times are compared as times
        forms.append(f"{k * p}:{k * q}")
    changed = [f"{p + 1}:{q}", f"{p}:{q + 1}", f"{p}:{q}:1", tex(Fraction(p + q, q)), f"{p} to {q + 1}", f"{p}, {q}"]
    return gold, forms, [*changed, f"{q}:{p}"] if p != q else changed


def systems(r: Random) -> Forms:
    x, y = r.choice([("x", "y"), ("a", "b"), ("p", "q")])
    (s, t), (u, v) = r.sample(range(-9, 10), 2), r.sample(range(10, 30), 2)
    gold = f"({s}, {t}), ({u}, {v})"
    forms = [gold, f"({u}, {v}), ({s}, {t})", rf"\{{({s}, {t}), ({u}, {v})\}}", f"({x}, {y}) = ({s}, {t}), ({u}, {v})"]
    forms += [f"{x}={s}, {y}={t}; {x}={u}, {y}={v}", rf"{x}={u}, {y}={v} \text{{ or }} {x}={s}, {y}={t}"]
    changed = [
        f"({s}, {v}), ({u}, {t})",
        f"({s}, {t})",
        f"{s}, {t}, {u}, {v}",
        f"({x}, {y}) = ({s}, {t}), ({u}, {v + 1})",
    ]
    changed += [f"{x}={t}, {y}={s}; {x}={u}, {y}={v}", f"({t}, {s}), ({v}, {u})", f"({s}, {t}), ({u}, {v}), (0, 99)"]
    return gold, forms, changed


def inequalities(r: Random) -> Forms:
    a, b, c = r.randint(2, 9), r.randint(-9, 9), r.randint(1, 12)
    low, high = Fraction(-c - b, a), Fraction(c - b, a)
    plus = f"{b:+d}" if b else ""
    if r.random() < 0.5:
        gold = f"({tex(low)}, {tex(high)})"
        forms = [gold, f"|{a}x{plus}| < {c}", f"{-c} < {a}x{plus} < {c}", f"{slash(low)} < x < {slash(high)}"]
        changed = [rf"|{a}x{plus}| \le {c}", f"|{a}x{plus}| < {c + 1}", f"|{a}x{plus}| > {c}", f"{a}x{plus} < {c}"]
        return gold, forms, [*changed, f"x < {slash(high)}"]
    gold = f"x > {tex(high)}"
    forms = [gold, f"{a}x{plus} > {c}", rf"({tex(high)}, \infty)", f"{c} < {a}x{plus}", f"{-a}x{-b:+d} < {-c}"]
    changed = [
        f"{a}x{plus} < {c}",
        rf"{a}x{plus} \ge {c}",
        f"{a + 1}x{plus} > {c + 1 if c == b else c}",
        f"x = {tex(high)}",
    ]
    return gold, forms, changed


def functions(r: Random) -> Forms:
    name, (x, y) = r.choice("fgh"), r.sample("xnt", 2)
    coefficients = [r.randint(-6, 6), r.randint(-6, 6), r.randint(1, 6)]
    gold = f"{name}({x}) = {poly(coefficients, x)}"
    forms = [
        gold,
        f"{name}({y}) = {poly(coefficients, y)}",
        poly(coefficients, x),
        f"{name}({x}) = {poly(coefficients, x, 1)}",
    ]
    bumped = [coefficients[0] + 1, *coefficients[1:]]
    changed = [
        f"{name}({x}) = {poly(bumped, x)}",
        f"{name}({y}) = {poly(bumped, y)}",
        f"{name.upper()}({x}) = {poly(bumped, x)}",
    ]
    return gold, forms, [*changed, f"{name}({x}) = {poly(coefficients, y)}" if any(coefficients[1:]) else "0.123"]


KINDS: dict[str, Callable[[Random], Forms]] = {
    f.__name__: f
    for f in (
        integers, fractions, decimals, percents, money, units, radicals, polynomials, equations, assignments,
        intervals, unions, sets, tuples, matrices, times, texts, complexes, powers, bases, angles, pis, ratios, systems,
        inequalities, functions,
    )
}  # fmt: skip

# What is equal to a person but refused by rule (docs/grading.md, "what is refused and why"): these are not generated.


def pair(r: Random, kind: str | None = None) -> Pair:
    """One known answer with an equal or a changed one."""
    kind = kind or r.choice(sorted(KINDS))
    gold, forms, changed = KINDS[kind](r)
    equal = r.random() < 0.5
    return Pair(kind, gold, r.choice(forms if equal else changed), equal)


def pairs(seed: int, count: int) -> Iterator[Pair]:
    r = Random(seed)
    return (pair(r) for _ in range(count))


# ---- ways to end a text with an answer; {} stands for it, bare or as a formula
def formula(answer: str) -> str:
    return answer if answer.startswith("$") or answer.endswith("$") else f"${answer}$"


WRAPPINGS: dict[str, Callable[[str], str]] = {
    "boxed": lambda a: rf"So it is $\boxed{{{a.strip('$')}}}$.",
    "boxed display": lambda a: f"We conclude\n\\[\n\\boxed{{{a.strip('$')}}}\n\\]",
    "boxed bare": lambda a: rf"\boxed{{{a.strip('$')}}}",
    "fboxed": lambda a: rf"Thus $\fbox{{{a.strip('$')}}}$.",
    "boxed is our answer": lambda a: rf"Therefore, $\boxed{{{a.strip('$')}}}$ is our answer.",
    "the answer is": lambda a: f"The answer is {formula(a)}.",
    "the answer is boxed": lambda a: rf"The answer is $\boxed{{{a.strip('$')}}}$.",
    "the final answer is": lambda a: f"Hence the final answer is {formula(a)}.",
    "the answer is, display": lambda a: f"The answer is\n$$ {a.strip('$')} $$",
    "the answer is, brackets": lambda a: f"The answer is \\( {a.strip('$')} \\).",
    "Answer:": lambda a: f"Answer: {formula(a)}",
    "Final Answer:": lambda a: f"Some work.\n\nFinal Answer: {formula(a)}",
    "minerva": lambda a: f"Some work.\nFinal Answer: The final answer is {formula(a)}. I hope it is correct.",
    "bold answer": lambda a: f"**Answer:** {formula(a)}",
    "bold": lambda a: f"**Final Answer**: **{formula(a)}**",
    "heading": lambda a: f"Some work.\n\n### Final Answer\n\n{formula(a)}",
    "heading with colon": lambda a: f"## Answer: {formula(a)}",
    "heading bold": lambda a: f"Some work.\n\n**Final Answer**\n\n{formula(a)}",
    "heading boxed": lambda a: f"Some work.\n\n### Final Answer\n\n$$\\boxed{{{a.strip('$')}}}$$",
    "tag": lambda a: f"Some work.\n<answer>{a}</answer>",
    "tag, formula": lambda a: f"<answer>\n{formula(a)}\n</answer>",
    "tag boxed": lambda a: rf"<answer>\boxed{{{a.strip('$')}}}</answer>",
    "hash": lambda a: f"Some work.\n#### {formula(a)}",
    "A:": lambda a: f"Some work.\nA: {formula(a)}",
    "alone": lambda a: formula(a),
    "alone, display": lambda a: f"$${a.strip('$')}$$",
    "after a thought": lambda a: rf"<think>Maybe \boxed{{123456}}?</think>So it is $\boxed{{{a.strip('$')}}}$.",
    "after an open prompt's thought": lambda a: rf"Maybe \boxed{{123456}}?</think>The answer is {formula(a)}.",
    "after another's thought": lambda a: rf"[THINK]The answer is 123456.[/THINK]The answer is {formula(a)}.",
    "thought and tag": lambda a: f"<think>It is 123456</think>\n<answer>{a}</answer>",
    "chatter behind": lambda a: (
        rf"It is $\boxed{{{a.strip('$')}}}$. I hope this helps! Let me know if you have questions."
    ),
    "said twice": lambda a: rf"It is $\boxed{{{a.strip('$')}}}$. So the answer is {formula(a)}.",
    "first another": lambda a: rf"At first \boxed{{123456}}. Wait, that is wrong. It is $\boxed{{{a.strip('$')}}}$.",
    "retracted another": lambda a: rf"The answer is 123456. No, I made a mistake: the answer is {formula(a)}.",
    "two answers": lambda a: rf"Step 1 gives $\boxed{{123456}}$. Step 2 gives $\boxed{{{a.strip('$')}}}$.",
    "run-on": lambda a: f"The answer is {formula(a)}.\n\nQuestion: What is 1 + 1?\nAnswer: 123456",
    "run-on Q": lambda a: f"#### {formula(a)}\n\nQ: What is 1 + 1?\nA: 123456",
    "run-on token": lambda a: f"The answer is {formula(a)}.<|im_end|>\n<|im_start|>user\nThe answer is 123456.",
    "is the solution": lambda a: f"Therefore {formula(a)} is the solution.",
    "the solution is": lambda a: f"The solution is {formula(a)}.",
    "Answer without colon": lambda a: f"Answer {formula(a)}",
    "because": lambda a: f"The answer is {formula(a)} because of the theorem above.",
    "sentence": lambda a: f"Some work. So the value that we want is {formula(a)}.",
    "channels": lambda a: (
        rf"<|channel|>analysis<|message|>Is it \boxed{{123456}}?<|end|><|start|>assistant<|channel|>final<|message|>"
        rf"It is $\boxed{{{a.strip('$')}}}$.<|return|>"
    ),
    "channels without tokens": lambda a: f"analysisThe answer is 123456?assistantfinalThe answer is {formula(a)}.",
    "object": lambda a: json.dumps({"reason": "the answer is not 123456", "answer": a}),
    "not another": lambda a: rf"It is $\boxed{{{a.strip('$')}}}$, not $\boxed{{123456}}$.",
    "another asked": lambda a: rf"Is it \boxed{{123456}}? No. The answer is {formula(a)}.",
    "coloured": lambda a: rf"It is $\boxed{{\textcolor{{red}}{{{a.strip('$')}}}}}$.",
    "twice escaped": lambda a: rf"The answer is $\boxed{{{a.strip('$')}}}$.".replace("\\", "\\\\"),
    "program": lambda a: f"```python\nanswer = 123456\n```\nThe answer is {formula(a)}.",
    "answer comes to": lambda a: f"The answer comes out to {formula(a)}.",
    "scratchpad": lambda a: f"<scratchpad>The answer is 123456.</scratchpad>\n<answer>{a}</answer>",
}

PLAIN = (
    "integers",
    "fractions",
    "decimals",
    "percents",
    "money",
    "units",
    "times",
    "texts",
    "angles",
    "bases",
    "complexes",
)
RAW: dict[str, Callable[[str], str]] = {  # kinds that people also write without dollars
    "raw is": lambda a: f"The answer is {a}.",
    "raw Answer": lambda a: f"Answer: {a}",
    "raw claim": lambda a: f"Thus {a} is the answer.",
    "raw heading": lambda a: f"### Final Answer\n\n{a}",
    "raw bold heading": lambda a: f"**Final Answer:**\n**{a}**",
    "raw tag": lambda a: f"<answer>{a}</answer>",
    "raw hash": lambda a: f"#### {a}",
    "raw A": lambda a: f"A: {a}",
    "raw alone": lambda a: a,
    "raw bold": lambda a: f"**{a}**",
    "raw because": lambda a: f"The answer is {a}, because it must be so.",
    "raw after a thought": lambda a: f"<think>It is 123456.</think>\n\nThe answer is {a}.",
    "raw retracted": lambda a: f"The answer is 123456. Wait, that is wrong. The answer is {a}.",
    "raw colon": lambda a: f"The final answer is: {a}",
    "raw equals": lambda a: f"The answer equals {a}.",
}

LOST: dict[str, tuple[Callable[[str], str], str]] = {  # the answer stands there and does not count
    "thought alone": (lambda a: rf"<think>It is \boxed{{{a.strip('$')}}}</think>I am done.", "stop"),
    "open thought": (lambda a: rf"<think>It is \boxed{{{a.strip('$')}}}", "stop"),
    "second thought open": (lambda a: rf"<think>x</think>\boxed{{{a.strip('$')}}}<think>hm", "stop"),
    "truncated": (lambda a: rf"It is \boxed{{{a.strip('$')}}}", "length"),
    "retracted": (lambda a: rf"It is \boxed{{{a.strip('$')}}}. Wait, that is wrong.", "stop"),
    "replaced": (lambda a: rf"It is \boxed{{{a.strip('$')}}}. No, it is \boxed{{123456}}.", "stop"),
    "mistaken": (lambda a: f"The answer is {formula(a)}. Hmm, I made a mistake.", "stop"),
    "of the next question": (
        lambda a: rf"I am lost.\n\nQuestion: next\nAnswer: \boxed{{{a.strip('$')}}}".replace(r"\n", "\n"),
        "stop",
    ),
    "box not closed": (lambda a: rf"It is \boxed{{{a.strip('$')}", "stop"),
    "denied": (lambda a: f"The answer is not {formula(a)}.", "stop"),
    "denied box": (lambda a: rf"It is not $\boxed{{{a.strip('$')}}}$.", "stop"),
    "asked": (lambda a: f"Is the answer {formula(a)}?", "stop"),
    "asked in a box": (lambda a: rf"Is it $\boxed{{{a.strip('$')}}}$?", "stop"),
    "supposed": (lambda a: rf"Suppose it is $\boxed{{{a.strip('$')}}}$. Then 2 = 3.", "stop"),
    "cannot be right": (lambda a: rf"\boxed{{{a.strip('$')}}}. But that can't be right.", "stop"),
    "in a channel": (lambda a: f"analysisThe answer is {formula(a)}.assistantfinalI am lost.", "stop"),
    "in a program": (lambda a: f"```python\n# the answer is {formula(a)}\nprint(5)\n```", "stop"),
}


def crossed(r: Random) -> Iterator[tuple[str, str, Pair]]:
    """Every kind in every wrapping: (wrapping, text, pair)."""
    for kind, name in itertools.product(sorted(KINDS), WRAPPINGS):
        found = pair(r, kind)
        yield name, WRAPPINGS[name](found.answer), found
    for kind, name in itertools.product(PLAIN, RAW):
        found = pair(r, kind)
        if not found.answer.startswith("$"):
            yield name, RAW[name](found.answer), found
