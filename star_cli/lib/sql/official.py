"""The rules by which published scripts call a result right: Spider's test suite and BIRD. Reported, never trained on.

Spider (Zhong et al. 2020, test-suite-sql-eval): DISTINCT does not count, two empty results are equal, rows are ordered
where "order by" stands anywhere in the gold query, columns have none. BIRD (Li et al. 2023): equal sets of rows.
"""

from __future__ import annotations

import re

from star_cli.lib.sql.execute import Result
from star_cli.lib.sql.results import Rules, same
from star_cli.lib.sql.text import tokens

RULES = ("strict", "spider", "bird")
APART = {"> =": ">=", "< =": "<=", "! =": "!="}
THIS_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.I)
EXACTLY = Rules(tolerance=0.0)


def as_executed(sql: str, rules: str) -> str:
    """The statement that a published script runs in place of one; under BIRD's rules it is run as it is."""
    if rules != "spider":
        return sql
    for apart, operator in APART.items():
        sql = sql.replace(apart, operator)
    sql = THIS_YEAR.sub("2020", sql)
    distinct = [t.at for t in tokens(sql) if t.kind == "word" and t.word == "DISTINCT"]
    for at in reversed(distinct):
        sql = sql[:at] + sql[at + len("DISTINCT") :]
    return sql


def equal_results(gold: Result, other: Result, gold_sql: str, rules: str) -> bool:
    """Whether two results are equal by a published script's rules."""
    if not gold.rows and not other.rows:
        return True
    if rules == "bird":
        return set(map(tuple, gold.rows)) == set(map(tuple, other.rows))
    return same(gold, other, "order by" in gold_sql.lower(), EXACTLY)
