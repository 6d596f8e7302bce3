"""The math grader beside math-verify and two published evaluators: agreement with the truth, false accepts, speed.

python scripts/bench/graders.py [--pairs 600] [--seed 1] [--kinds] [--json]

The answers are made by rule (tests/contracts/generated.py), so the truth is known from how they were made. Four sets:
``answers`` (one box, what is equal), ``texts`` (every kind in every way to end a text), ``hard cases`` (the table of
tests/contracts/hard_cases.py) and ``labelled`` (tests/data/labelled/math.jsonl, in the ways models end their texts).
The last two were written with our rules in mind: read these rows as "how do rules differ".

The published rules are written anew from their description and known behaviour, shortened where a detail does not
touch these sets: Qwen2.5-Math's evaluation (its unit list is cut to the units that occur here) and minerva_math of
lm-evaluation-harness (Lewkowycz et al. 2022, appendix D), which looks for one phrase only: on ``answers`` it gets its
phrase. Both read LaTeX with latex2sympy2_extended, the parser of math-verify, in place of sympy's or latex2sympy2.
A comparison may take 5 s of a processor; what takes longer is a refusal.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from math import isclose
from pathlib import Path
from random import Random
from typing import Any

from latex2sympy2_extended import latex2sympy
from math_verify import parse, verify
from sympy import N, simplify
from sympy.parsing.sympy_parser import parse_expr

from star_cli.graders.math import Math
from star_cli.lib.clock import Overdue, limited

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path.insert(0, str(TESTS / "contracts"))
from generated import crossed, pairs  # noqa: E402
from hard_cases import TABLES  # noqa: E402

SECONDS = 5.0
Item = tuple[str, str, str, bool]  # kind, known answer, text, whether the text is right
Judge = Callable[[str, str], bool]
UNITS = """degrees? mph ft feet inch(?:es)? miles? km cm mm m kg g lb hours? hr minutes? min seconds? sec days? units?
square"""
MINERVA_WORDS = """square ways integers dollars mph inches ft hours km units points feet minutes digits cents degrees
cm gm pounds meters meals edges students"""
MINERVA_LATEX = r"\text{s} \text{.} \text{}^2 \text{}^3 \text{} ^\circ ^{\circ} \; ,\! {,}"


def library(gold: str, text: str) -> bool:
    """math-verify with its default settings."""
    return bool(verify(parse(rf"\boxed{{{gold}}}"), parse(text)))


# ---- Qwen2.5-Math: evaluation/parser.py and grader.py
def qwen(gold: str, text: str) -> bool:
    return qwen_equal(qwen_answer(text), qwen_plain(gold))


def qwen_answer(text: str) -> str:
    """The phrase of minerva, else the last box, else what follows "the answer is", else the last number."""
    phrase = re.search(r"final answer is \$(.*?)\$\. I hope", text, re.S)
    if phrase:
        answer = phrase[1].strip()
    elif "boxed" in text:
        answer = balanced(text.rsplit("boxed", 1)[1])
    elif "he answer is" in text:
        answer = text.rsplit("he answer is", 1)[1].strip()
    elif "final answer is" in text:
        answer = text.rsplit("final answer is", 1)[1].strip()
    else:
        answer = (["", *re.findall(r"-?\d*\.?\d+", text.replace(",", ""))])[-1]
    answer = re.sub(r"\n\s*", "", answer).removeprefix(":").removesuffix(".").removesuffix("/")
    return qwen_plain(answer)


def balanced(tail: str) -> str:
    """What stands in the braces at the beginning of ``tail``; without braces, up to a dollar."""
    if not tail.startswith("{"):
        return tail.split("$")[0].strip()
    depth = 0
    for i, mark in enumerate(tail):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if not depth:
            return tail[1:i]
    return tail[1:]


def qwen_plain(answer: str) -> str:
    """Their normal form: units, dollars, per cent signs, degrees and the names x, y and z are dropped."""
    answer = answer.strip().replace("\n", "").rstrip(".").replace("\\!", "")
    answer = re.sub(r"\\begin\{array\}\{.*?\}", r"\\begin{pmatrix}", answer).replace(r"\end{array}", r"\end{pmatrix}")
    for old, new in (
        ("bmatrix", "pmatrix"), ("tfrac", "frac"), ("dfrac", "frac"), (r"\neq", r"\ne"), (r"\leq", r"\le"),
        (r"\geq", r"\ge"), (r"\left", ""), (r"\right", ""), (r"\{", "{"), (r"\}", "}"),
    ):  # fmt: skip
        answer = answer.replace(old, new)
    answer = re.sub(r"\\text{.*?}$", "", answer).strip() or answer
    for unit in UNITS.split():
        answer = re.sub(rf"(^|\W){unit}($|\W)", r"\1\2", answer) or answer
    for gone in ("^{\\circ}", "^\\circ", r"\$", "$", r"\(", r"\)"):
        answer = answer.replace(gone, "")
    answer = re.sub(r"\\text\{(.*?)\}", r"\1", answer)
    answer = re.sub(r"[xyz](=|\\in|\\to)", "", answer).replace(r"(-\infty,\infty)", r"\mathbb{R}")
    answer = answer.replace(r"\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    answer = re.sub(r"\\mbox{.*?}", "", answer.replace("and", "").replace(r"\mathbf", ""))
    answer = answer.replace("j", "i") if "i" not in answer else answer
    answer = re.sub(r"(\d+)\.0*([^\d]|$)", r"\1\2", answer)
    answer = f"0{answer}" if answer.startswith(".") else answer
    left, equals, right = answer.partition("=")
    answer = right if equals and len(left) <= 2 and "=" not in right else answer
    return fractions(re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", answer).replace(" ", ""))


def fractions(answer: str) -> str:
    r"""``\frac12`` and 1/2 as ``\frac{1}{2}``."""
    answer = re.sub(r"\\frac(\w)(\w)", r"\\frac{\1}{\2}", answer)
    answer = re.sub(r"\\frac(\w)\{", r"\\frac{\1}{", answer)
    return re.sub(r"^(-?\d+)/(-?\d+)$", r"\\frac{\1}{\2}", answer)


def qwen_equal(answer: str, gold: str) -> bool:
    """Equal as text, as floats to 1e-4 (a hundredth and a hundredfold, too), part by part, or by sympy."""
    if answer.lower() == gold.lower():
        return True
    if gold in ("A", "B", "C", "D", "E") and (["", *re.findall(r"\b([A-E])\b", answer.upper())])[-1] == gold:
        return True
    value, known = as_float(answer), as_float(gold)
    if value is not None and known is not None:
        if any(isclose(value, k, rel_tol=1e-4) for k in (known / 100, known, known * 100)):
            return True
    if not answer:
        return False
    one, two = (s.strip("[]()") for s in (answer, gold)) if mixed(answer, gold) else (answer, gold)
    if re.sub(r"[{}()]", "", one).lower() == re.sub(r"[{}()]", "", two).lower():
        return True
    if all(re.match(r"[(\[].+[)\]]", s) for s in (answer, gold)):
        return listed([answer[1:-1]], [gold[1:-1]], ",")
    if all(re.fullmatch(r"\\begin\{pmatrix\}.*\\end\{pmatrix\}", s) for s in (answer, gold)):
        return listed(*([row for row in s[15:-13].split(r"\\") if row] for s in (answer, gold)), "&")
    if answer.count("=") == gold.count("=") == 1:
        one, two = (f"{s.split('=')[0]} - ({s.split('=')[1]})" for s in (answer, gold))
        return symbolic(one, two) or symbolic(f"-({one})", two)
    for named, bare in ((answer, gold), (gold, answer)):
        if named.count("=") == 1 and len(named.split("=")[0]) <= 2 and "=" not in bare:
            value_of = named.split("=")[1]
            return qwen_equal(value_of, bare) if named is answer else qwen_equal(bare, value_of)
    return symbolic(answer, gold)


def mixed(answer: str, gold: str) -> bool:
    def within(text: str, marks: str) -> bool:
        return text.startswith(marks[0]) and text.endswith(marks[1])

    return (within(answer, "[]") and not within(gold, "()")) or (within(answer, "()") and not within(gold, "[]"))


def listed(answer: list[str], gold: list[str], mark: str) -> bool:
    """Rows compared entry by entry."""
    entries = [row.split(mark) for row in answer], [row.split(mark) for row in gold]
    if [len(row) for row in entries[0]] != [len(row) for row in entries[1]]:
        return False
    pairs_of = zip(sum(entries[0], []), sum(entries[1], []), strict=True)
    return all(qwen_equal(a.strip(), b.strip()) for a, b in pairs_of)


def as_float(text: str) -> float | None:
    text = text.replace(",", "")
    share = text.endswith("%")
    try:
        return float(text.removesuffix("%").removesuffix("\\")) / (100 if share else 1)
    except ValueError:
        return None


def symbolic(one: str, two: str) -> bool:
    a, b = read(one), read(two)
    checks: tuple[Callable[[], Any], ...] = (
        lambda: str(a) == str(b) or a == b,
        lambda: a.equals(b) or simplify(a - b) == 0,
        lambda: abs(a.lhs - a.rhs).equals(abs(b.lhs - b.rhs)),
        lambda: isclose(float(N(a)), float(N(b)), rel_tol=1e-4),
        lambda: a.shape == b.shape and a.applyfunc(lambda x: round(x, 3)).equals(b.applyfunc(lambda x: round(x, 3))),
    )
    return any(attempt(check) for check in checks)


def read(text: str) -> Any:
    for parser in (latex2sympy, parse_expr):
        value = attempt(lambda parser=parser: parser(text))
        if value is not None:
            return value
    return text


def attempt(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except Exception:  # whatever sympy raises means "not that way", as in the evaluators themselves
        return None


# ---- lm-evaluation-harness: minerva_math
def minerva(gold: str, text: str) -> bool:
    phrase = re.search(r"Final Answer: The final answer is(.*?). I hope it is correct.", text + "I hope it is correct.")
    if not phrase:
        return False
    one, two = minerva_plain(phrase[1].strip()), minerva_plain(gold)
    if one == two:
        return True
    return bool(attempt(lambda: simplify(latex2sympy(one) - latex2sympy(two)) == 0))


def minerva_plain(answer: str) -> str:
    """Their normal form: what follows the last "=", without words of units, spaces and grouping commas."""
    answer = answer.split("=")[-1]
    for old, new in (("an ", ""), ("a ", ""), (".$", "$"), (r"\$", ""), (r"\ ", ""), (" ", ""), ("mbox", "text"),
                     (r",\text{and}", ","), (r"\text{and}", ","), (r"\text{m}", r"\text{}")):  # fmt: skip
        answer = answer.replace(old, new)
    for gone in MINERVA_WORDS.split() + MINERVA_LATEX.split():
        answer = answer.replace(gone, "")
    answer = re.sub(r".*?(\$.*?\$).*", r"\1", answer)
    answer = re.sub(r"\\(?:text|textbf|overline)\{(.*?)\}", r"\1", answer)
    answer = re.sub(r"\\boxed\{(.*)\}", r"\1", answer)
    answer = re.sub(r"frac([^{])(.)", r"frac{\1}{\2}", answer)
    answer = re.sub(r"sqrt([^{])", r"sqrt{\1}", answer).replace("$", "")
    return answer.replace(",", "") if answer.replace(",", "").isdigit() else answer


# ---- the sets and the table
def boxed(answer: str) -> str:
    return rf"So it is $\boxed{{{bare(answer)}}}$."


def phrased(answer: str) -> str:
    return f"Final Answer: The final answer is ${bare(answer)}$. I hope it is correct."


def bare(answer: str) -> str:
    return answer[1:-1] if len(answer) > 2 and answer[0] == answer[-1] == "$" else answer


def sets(seed: int, count: int) -> Iterator[tuple[str, list[Item]]]:
    """(name, items). In ``answers`` the text is the answer alone: every judge gets the phrase that it knows."""
    yield "answers", [(p.kind, p.gold, p.answer, p.equal) for p in pairs(seed, count)]
    yield "texts", [(p.kind, p.gold, text, p.equal) for _, text, p in crossed(Random(seed))]
    rows = [row for row in TABLES["math"] if len(row) == 3]
    yield "hard cases", [("hard", gold, text, reason == "MATCH") for gold, text, reason in rows]
    labelled = map(json.loads, (TESTS / "data" / "labelled" / "math.jsonl").read_text(encoding="utf-8").splitlines())
    yield "labelled", [("labelled", row["gold"], row["prediction"], row["label"]) for row in labelled]


def measure(judge: Judge, wrap: Callable[[str], str], items: list[Item]) -> dict[str, Any]:
    """Counts of one judge on one set, and verdicts for a second of a processor."""
    counts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    judge("1", wrap("2"))  # libraries are loaded
    begun = time.process_time()
    for kind, gold, text, truth in items:
        try:
            with limited(SECONDS):
                right = judge(gold, wrap(text))
        except Overdue:
            right = False
            counts["overdue"] += 1
        except Exception:
            right = False
            counts["errors"] += 1
        outcome = "agree" if right == truth else "false accept" if right else "false refusal"
        counts[outcome] += 1
        kinds.setdefault(kind, Counter())[outcome] += 1
    seconds = time.process_time() - begun
    return {
        "items": len(items),
        "agreement": counts["agree"] / len(items),
        "false_accepts": counts["false accept"],
        "false_refusals": counts["false refusal"],
        "overdue": counts["overdue"],
        "errors": counts["errors"],
        "per_second": len(items) / seconds if seconds > 0.1 else None,  # a processor's clock may tick only every 0.01 s
        "kinds": {kind: dict(c) for kind, c in sorted(kinds.items())},
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", action="store_true", help="one line for each kind, too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # the parsers report each text that they cannot read
    ours = Math()
    judges: dict[str, tuple[Judge, Callable[[str], str]]] = {
        "star": (lambda gold, text: ours.judge(gold, text)[0], boxed),
        "math-verify": (library, boxed),
        "Qwen2.5-Math": (qwen, boxed),
        "minerva_math": (minerva, phrased),
    }
    if not args.json:
        print("| set | rules | agreement | false accepts | false refusals | overdue | a second |\n" + "|---" * 7 + "|")
    for name, items in sets(args.seed, args.pairs):
        for rules, (judge, wrap) in judges.items():
            row = measure(judge, wrap if name == "answers" else str, items)
            if args.json:
                print(json.dumps({"set": name, "rules": rules, **row}))
                continue
            speed = row["per_second"]
            print(
                f"| {name} ({len(items)}) | {rules} | {row['agreement']:.1%} | {row['false_accepts']} | "
                f"{row['false_refusals']} | {row['overdue']} | {f'{speed:,.0f}' if speed else 'not measured'} |",
                flush=True,
            )
            for kind, outcomes in row["kinds"].items() if args.kinds else ():
                print(f"    {kind:12} {outcomes}")


if __name__ == "__main__":
    main()
