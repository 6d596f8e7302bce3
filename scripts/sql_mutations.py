"""How much wrong SQL does execution catch? Mutate every gold query in one place, and grade on one and on two instances.

    python scripts/sql_mutations.py --data DIR                # DIR as for task=spider
    python scripts/sql_mutations.py --data DIR --write        # the table of docs/star_sql.md

A mutant that does not execute is not counted: execution catches it by itself. Some mutants mean the same as their gold
(a DISTINCT over a key, a condition that always holds), so no share is 100 %.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from star_cli.core.registry import get
from star_cli.lib.sql.execute import Failed, instances, run
from star_cli.lib.sql.files import locate
from star_cli.lib.sql.results import same
from star_cli.lib.sql.syntax import AGGREGATES
from star_cli.lib.sql.text import Token, flat, ordered, tokens

DOCS = Path(__file__).parent.parent / "docs" / "star_sql.md"
BEGIN, END = "<!-- mutations -->", "<!-- /mutations -->"
ENDS = ("GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "INTERSECT", "EXCEPT", ")", ";")
SECONDS = 5.0
Mutant = tuple[str, str]  # (kind, SQL)


def mutants(sql: str, schema: str) -> Iterator[Mutant]:
    """Every one-step wrong variant of a query."""
    found = list(tokens(sql))
    for i, token in enumerate(found):
        word, after = token.word, found[i + 1].word if i + 1 < len(found) else ""
        if word.lower() in AGGREGATES and after == "(":
            other = {"MAX": "min", "MIN": "max", "AVG": "sum", "SUM": "avg", "COUNT": "sum"}[word]
            yield "other aggregate", swapped(sql, token, other)
        elif word in ("ASC", "DESC"):
            yield "swapped order", swapped(sql, token, "DESC" if word == "ASC" else "ASC")
        elif word == "DISTINCT":
            yield "missing DISTINCT", swapped(sql, token, "")
        elif word in (">", "<", ">=", "<="):
            yield "other comparison", swapped(sql, token, {">": ">=", "<": "<=", ">=": ">", "<=": "<"}[word])
        elif word in ("WHERE", "HAVING"):
            yield "dropped condition", dropped(sql, found, i)
        elif word in ("AND", "OR") and "BETWEEN" not in {t.word for t in found[max(0, i - 4) : i]}:
            yield "dropped condition", dropped(sql, found, i)
            yield "AND for OR", swapped(sql, token, "OR" if word == "AND" else "AND")
        elif word == "JOIN":
            yield "LEFT JOIN for JOIN", swapped(sql, token, "LEFT JOIN")
        elif word in ("UNION", "INTERSECT", "EXCEPT"):
            yield (
                "other set operation",
                swapped(sql, token, {"UNION": "INTERSECT", "INTERSECT": "UNION", "EXCEPT": "INTERSECT"}[word]),
            )
        elif word == "LIMIT" and i + 1 < len(found) and found[i + 1].value.isdigit():
            yield "other LIMIT", swapped(sql, found[i + 1], str(int(found[i + 1].value) + 1))
        elif word == "ON":
            yield from joined_otherwise(sql, found, i, schema)
    if ordered(sql) and not {"ASC", "DESC"} & {t.word for t in found}:
        at = next((t.at for t in found if t.word == "LIMIT"), len(sql))
        yield "swapped order", f"{sql[:at].rstrip()} DESC {sql[at:]}"


def swapped(sql: str, token: Token, new: str) -> str:
    """The query with one word replaced."""
    return sql[: token.at] + new + sql[token.at + len(token.value) :]


def dropped(sql: str, found: list[Token], i: int) -> str:
    """The query without the condition that begins at word ``i``."""
    depth = 0
    for token in found[i + 1 :]:
        if depth == 0 and (token.word in ENDS or token.word in ("AND", "OR")):
            if token.word == "AND" and "BETWEEN" in sql[found[i].at : token.at].upper():
                continue
            kept = found[i].value if found[i].word in ("WHERE", "HAVING") and token.word in ("AND", "OR") else ""
            rest = sql[token.at + (len(token.value) if kept else 0) :]
            return f"{sql[: found[i].at]}{kept} {rest}"
        depth += (token.word == "(") - (token.word == ")")
    return sql[: found[i].at]


def joined_otherwise(sql: str, found: list[Token], i: int, schema: str) -> Iterator[Mutant]:
    """``a.x = b.y`` after ON with another column of b's table for y."""
    if i + 7 >= len(found) or [t.word for t in found[i + 2 : i + 7 : 4]] != [".", "."]:
        return
    last = found[i + 7]
    columns = re.findall(r"[(,] ?([A-Za-z_]\w*)", schema)
    for column in columns:
        if column.lower() != last.value.lower():
            yield "wrong join", swapped(sql, last, column)


def caught(gold: str, mutant: str, paths: list[Path]) -> list[bool] | None:
    """On which instances the results differ; None where the mutant does not execute."""
    try:
        deadline = time.monotonic() + SECONDS
        return [not same(run(p, gold, deadline), run(p, mutant, deadline), ordered(gold)) for p in paths]
    except Failed:
        return None


def main() -> None:
    """Count and print; with --write into the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True)
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    task = get("task", "spider")(path=given.data)
    task.check()
    seen: set[tuple[str, str]] = set()
    counts: dict[str, list[list[bool]]] = defaultdict(list)
    for split in ("train", "dev", "test"):
        for problem in task.problems(split):
            gold, paths = problem.answer, instances(locate(problem.meta["database"]))
            per_kind: dict[str, int] = defaultdict(int)
            for kind, sql in mutants(gold, problem.meta["schema"]):
                mark = (problem.meta["db"], flat(gold) + "\n" + flat(sql))
                if flat(sql) == flat(gold) or mark in seen or per_kind[kind] >= 2:
                    continue
                seen.add(mark)
                found = caught(gold, sql, paths)
                if found is not None:
                    per_kind[kind] += 1
                    counts[kind].append(found)
    table = report(counts)
    print(table)
    if given.write:
        text = DOCS.read_text()
        DOCS.write_text(text[: text.index(BEGIN) + len(BEGIN)] + f"\n{table}\n" + text[text.index(END) :])


def report(counts: dict[str, list[list[bool]]]) -> str:
    """The caught shares as a table."""
    lines = ["| mutation | mutants | caught by the first instance | caught by both |", "|---|---|---|---|"]
    everything = [f for found in counts.values() for f in found]
    for kind, found in [*sorted(counts.items(), key=lambda c: -len(c[1])), ("**all**", everything)]:
        one, both = sum(f[0] for f in found) / len(found), sum(any(f) for f in found) / len(found)
        lines.append(f"| {kind} | {len(found):,} | {one:.1%} | {both:.1%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
