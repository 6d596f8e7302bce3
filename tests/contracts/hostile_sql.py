"""Hostile SQL, for the tests of the sql grader, and a grader that notes when each verdict was begun.

Every statement is named for what it tries. ``pet`` is a table of the database it is tried on; ``{decoy}`` and ``{own}``
stand for the paths of another database and of the very one.
"""

# ruff: noqa: E501  (a statement is easier to read on the line of its name)

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.graders.sql import Sql

FOREVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
CROSS = ", ".join(f"pet p{i}" for i in range(12))
NESTED = "(" * 900 + "1" + ")" * 900
WRITES = {
    "drop": "DROP TABLE pet",
    "drop if exists": "DROP TABLE IF EXISTS pet",
    "delete": "DELETE FROM pet",
    "delete returning": "DELETE FROM pet RETURNING *",
    "with delete": "WITH x AS (SELECT 1) DELETE FROM pet",
    "update": "UPDATE pet SET name = 'x'",
    "with update": "WITH x AS (SELECT 1) UPDATE pet SET age = 0 RETURNING age",
    "insert": "INSERT INTO pet VALUES (99, 'x', 1, 1)",
    "with insert": "WITH x AS (SELECT 1) INSERT INTO pet SELECT 98, 'x', 1, 1",
    "replace": "REPLACE INTO pet VALUES (1, 'x', 1, 1)",
    "create table": "CREATE TABLE t AS SELECT * FROM pet",
    "create temp table": "CREATE TEMP TABLE t AS SELECT * FROM pet",
    "create view": "CREATE VIEW v AS SELECT 1",
    "create trigger": "CREATE TRIGGER g AFTER INSERT ON pet BEGIN DELETE FROM pet; END",
    "create index": "CREATE INDEX i ON pet(age)",
    "create virtual table": "CREATE VIRTUAL TABLE f USING fts5(a)",
    "alter": "ALTER TABLE pet RENAME TO dog",
    "reindex": "REINDEX",
    "analyze": "ANALYZE",
    "vacuum": "VACUUM",
    "vacuum into": "VACUUM INTO '{decoy}.copy'",
    "attach": "ATTACH '{decoy}' AS d",
    "attach itself": "ATTACH 'file:{own}?mode=rw' AS d",
    "detach": "DETACH main",
    "writable schema": "PRAGMA writable_schema=1",
    "query_only off": "PRAGMA query_only=0",
    "journal mode": "PRAGMA journal_mode=WAL",
    "user version": "PRAGMA user_version=7",
    "temp store directory": "PRAGMA temp_store_directory='/tmp'",
    "begin": "BEGIN IMMEDIATE",
    "savepoint": "SAVEPOINT s",
    "rollback": "ROLLBACK",
    "load_extension": "SELECT load_extension('/tmp/evil.so')",
    "load_extension with entry": "SELECT load_extension('libc.so.6', 'system')",
    "writefile": "SELECT writefile('{decoy}', 'x')",
    "readfile": "SELECT readfile('/etc/passwd')",
    "edit": "SELECT edit('x', 'sh -c id')",
    "fts3_tokenizer": "SELECT fts3_tokenizer('simple', x'4141414141414141')",
    "dbpage": "SELECT data FROM sqlite_dbpage",
    "schema table": "SELECT sql FROM sqlite_master",
    "schema write": "UPDATE sqlite_master SET sql = ''",
    "pragma function": "SELECT * FROM pragma_database_list",
    "pragma table_info": "SELECT * FROM pragma_table_info('pet')",
    "dbstat": "SELECT * FROM dbstat",
    "explain": "EXPLAIN SELECT * FROM pet",
}
HIDDEN = {
    "second statement": "SELECT name FROM pet; DROP TABLE pet",
    "second statement in a comment's shadow": "SELECT name FROM pet; /* harmless */ DROP TABLE pet --",
    "statement after a line comment": "SELECT name FROM pet --\n; DELETE FROM pet",
    "comment before a drop": "/* SELECT */ DROP TABLE pet",
    "line comment before a drop": "-- SELECT name FROM pet\nDROP TABLE pet",
    "open comment": "SELECT name FROM pet /* ; DROP TABLE pet",
    "open quote": "SELECT 'name FROM pet; DROP TABLE pet",
    "semicolon in a string, then one outside": "SELECT ';' FROM pet; DELETE FROM pet WHERE name = ';'",
    "nul byte": "SELECT name FROM pet\x00; DROP TABLE pet",
    "nul byte first": "\x00DROP TABLE pet",
    "zero-width space": "SELECT\u200bname\u200bFROM\u200bpet",
    "zero-width joiner in a keyword": "DR\u200dOP TABLE pet",
    "byte order mark": "\ufeffDROP TABLE pet",
    "right-to-left override": "SELECT name FROM pet \u202e; DROP TABLE pet",
    "full-width semicolon": "SELECT name FROM pet\uff1b DROP TABLE pet",
    "homoglyph": "S\u0395LECT name FROM pet",
    "lone surrogate": "SELECT '\ud800' FROM pet",
    "parameter": "SELECT ?1, :a, @b FROM pet",
}
HEAVY = {
    "endless count": FOREVER + "SELECT count(*) FROM c",
    "endless rows": FOREVER + "SELECT x FROM c",
    "endless with a filter": FOREVER + "SELECT x FROM c WHERE x < 0",
    "endless in a subquery": "SELECT name FROM pet WHERE age IN (" + FOREVER + "SELECT x FROM c)",
    "endless growing text": "WITH RECURSIVE c(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM c) "
    "SELECT length(x) FROM c",
    "endless sort": FOREVER + "SELECT x FROM c ORDER BY -x LIMIT 1",
    "endless distinct": FOREVER + "SELECT DISTINCT x % 1000000007 FROM c",
    "endless window": FOREVER + "SELECT sum(x) OVER (ORDER BY x) FROM c",
    "cross join": f"SELECT count(*) FROM {CROSS}",
    "cross join rows": f"SELECT * FROM {CROSS}",
    "cross join sorted": f"SELECT p0.name FROM {CROSS} ORDER BY p1.kg, p2.age, p3.name",
    "cross join grouped": f"SELECT p0.name, count(DISTINCT p1.id || p2.id) FROM {CROSS} GROUP BY p3.name",
    "cross join concatenated": f"SELECT group_concat(p0.name || p1.name) FROM {CROSS}",
    "like that backtracks": f"SELECT '{'a' * 15000}' LIKE '{'%a' * 20}b'",
    "glob that backtracks": f"SELECT '{'a' * 15000}' GLOB '{'*a' * 20}b'",
    "huge printf": "SELECT printf('%.*c', 2000000000, 'x')",
    "huge pad": "SELECT printf('%1000000000d', 1)",
    "replace bomb": "SELECT replace(replace(replace(printf('%9999d', 1), ' ', printf('%999d', 1)), ' "
    "', printf('%999d', 1)), "
    "' ', 'xxxxxxxxx')",
    "randomblob": "SELECT hex(randomblob(1000000000))",
    "zeroblob": "SELECT length(zeroblob(2000000000))",
    "deep parentheses": f"SELECT {NESTED}",
    "deeper parentheses": f"SELECT {'(' * 9000}1{')' * 9000}",
    "long sum": "SELECT " + " + ".join(["1"] * 4500),
    "many unions": " UNION ALL ".join(["SELECT 1"] * 1200),
    "many columns": "SELECT " + ", ".join(["id"] * 4000) + " FROM pet",
    "many joins": "SELECT count(*) FROM " + ", ".join(f"pet a{i}" for i in range(70)),
    "100 kB": "SELECT name FROM pet WHERE name IN (" + ", ".join(["'abcdefgh'"] * 9000) + ")",
    "100 kB of comment": "SELECT name FROM pet --" + "x" * 100_000,
    "10 MB of spaces": "SELECT name" + " " * 10_000_000 + "FROM pet",
    "nested views of itself": "WITH "
    + ", ".join(
        f"t{i} AS (SELECT a.x FROM t{i - 1} a, t{i - 1} b)" if i else "t0 AS (SELECT 1 AS x UNION ALL SELECT 2)"
        for i in range(9)
    )
    + " SELECT count(*) FROM t8",
    "correlated": "SELECT (SELECT count(*) FROM pet b, pet c, pet d, pet e, pet f, pet g, pet h "
    "WHERE b.id + c.id > a.id) "
    f"FROM pet a, {CROSS}",
}
# ---- SQLite's own tables, by every name and from every place; virtual tables; functions that know the machine --------
SCHEMA = {
    "count of the schema": "SELECT count(*) FROM sqlite_master",
    "one for each of the schema": "SELECT 1 FROM sqlite_master",
    "the schema's newer name": "SELECT count(*) FROM sqlite_schema",
    "the temporary schema": "SELECT count(*) FROM sqlite_temp_master",
    "the temporary schema's newer name": "SELECT count(*) FROM sqlite_temp_schema",
    "capitals": "SELECT count(*) FROM SQLITE_MASTER",
    "quoted": 'SELECT count(*) FROM "sqlite_master"',
    "in brackets": "SELECT count(*) FROM [sqlite_master]",
    "in backticks": "SELECT count(*) FROM `sqlite_master`",
    "as a text": "SELECT count(*) FROM 'sqlite_master'",
    "with its database": "SELECT count(*) FROM main.sqlite_master",
    "with another database": "SELECT count(*) FROM temp.sqlite_master",
    "in a subquery": "SELECT count(*) FROM (SELECT 1 FROM sqlite_master)",
    "in EXISTS": "SELECT EXISTS (SELECT 1 FROM sqlite_master)",
    "in WHERE": "SELECT name FROM pet WHERE EXISTS (SELECT 1 FROM sqlite_master)",
    "in a join": "SELECT count(*) FROM pet JOIN sqlite_master",
    "in a left join": "SELECT count(*) FROM pet LEFT JOIN sqlite_master ON 1",
    "in a union": "SELECT 1 FROM pet UNION SELECT 2 FROM sqlite_master",
    "in WITH": "WITH m AS (SELECT 1 FROM sqlite_master) SELECT count(*) FROM m",
    "in recursion": "WITH RECURSIVE m(x) AS (SELECT 1 UNION SELECT 2 FROM sqlite_master, m) SELECT count(*) FROM m",
    "under an alias": "SELECT count(*) FROM sqlite_master AS pet",
    "its columns": "SELECT pet.name FROM sqlite_master AS pet",
    "all of it": "SELECT * FROM sqlite_master",
    "its rowid": "SELECT rowid FROM sqlite_master",
    "in ORDER BY": "SELECT name FROM pet ORDER BY (SELECT count(*) FROM sqlite_master)",
    "in LIMIT": "SELECT name FROM pet LIMIT (SELECT count(*) FROM sqlite_master)",
    "in a window": "SELECT sum((SELECT count(*) FROM sqlite_master)) OVER () FROM pet",
    "in IN": "SELECT name FROM pet WHERE 1 IN sqlite_master",
    "counters": "SELECT count(*) FROM sqlite_sequence",
    "statistics": "SELECT count(*) FROM sqlite_stat1",
    "running statements": "SELECT count(*) FROM sqlite_stmt",
    "pages": "SELECT count(*) FROM sqlite_dbpage",
    "sizes of pages": "SELECT count(*) FROM dbstat",
    "a pragma as a table": "SELECT count(*) FROM pragma_table_info('pet')",
    "pragmas as tables": "SELECT count(*) FROM pragma_pragma_list",
    "options of the library": "SELECT count(*) FROM pragma_compile_options",
    "modules": "SELECT count(*) FROM pragma_module_list",
    "functions": "SELECT count(*) FROM pragma_function_list",
    "a check of the file": "SELECT count(*) FROM pragma_integrity_check",
    "JSON as a table": "SELECT count(*) FROM json_each('[1, 2]')",
    "a tree of JSON": "SELECT value FROM json_tree('[1, 2]')",
    "a series": "SELECT count(*) FROM generate_series(1, 10)",
    "files as a table": "SELECT count(*) FROM fsdir('/')",
    "words of an index": "SELECT count(*) FROM fts5vocab",
    "bytecode": "SELECT count(*) FROM bytecode('SELECT 1')",
    "tables in use": "SELECT count(*) FROM tables_used('SELECT 1')",
    "version": "SELECT sqlite_version()",
    "source": "SELECT sqlite_source_id()",
    "chance": "SELECT random()",
    "changes": "SELECT changes(), total_changes(), last_insert_rowid()",
    "an option": "SELECT sqlite_compileoption_get(1)",
    "a log entry": "SELECT sqlite_log(1, 'x')",
    "an offset": "SELECT sqlite_offset(name) FROM pet",
}
QUOTES = "'" * 10
HEAVY |= {
    "endless with the best first": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c ORDER BY 1 DESC) SELECT max(x) FROM c",
    "endless pairs": "WITH RECURSIVE c(x, y) AS (SELECT 1, 1 UNION SELECT x + 1, y * 2 % 1000003 FROM c) SELECT count(*) FROM c",
    "endless kept": FOREVER.replace("AS (", "AS MATERIALIZED (") + "SELECT a.x FROM c a, c b",
    "growing rows": "WITH RECURSIVE c(x) AS (SELECT printf('%.900000c', 'x') UNION ALL SELECT x || '' FROM c) SELECT x FROM c",
    "growing group": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9000000) SELECT group_concat(x, 'xxxxxxxx') FROM c",
    "distinct texts": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(DISTINCT printf('%.9999c', x)) FROM c",
    "quadratic window": f"SELECT sum(p0.kg) OVER (ORDER BY p1.kg ROWS BETWEEN UNBOUNDED PRECEDING AND 1000000 FOLLOWING) FROM {CROSS}",
    "skipped rows": f"SELECT p0.name FROM {CROSS} LIMIT 1 OFFSET 9223372036854775807",
    "every order": f"SELECT p0.name FROM {CROSS} ORDER BY 1, p1.name, p2.name, p3.name, p4.name, p5.name",
    "self joins without end": "SELECT count(*) FROM pet " + " ".join(f"NATURAL JOIN pet p{i}" for i in range(63)),
    "left joins without end": "SELECT count(*) FROM pet "
    + " ".join(f"LEFT JOIN pet p{i} ON p{i}.age <> pet.age" for i in range(30)),
    "deep CASE": "SELECT " + "CASE WHEN 1 THEN " * 900 + "1" + " END" * 900,
    "deep subqueries": "SELECT " + "(SELECT " * 900 + "1" + ")" * 900,
    "deep functions": "SELECT " + "abs(" * 900 + "1" + ")" * 900,
    "many WITHs": "WITH "
    + ", ".join(f"t{i} AS (SELECT * FROM {f't{i - 1}' if i else 'pet'})" for i in range(600))
    + " SELECT count(*) FROM t599",
    "WITHs that double": "WITH "
    + ", ".join(
        f"t{i} AS (SELECT a.id FROM {f't{i - 1}' if i else 'pet'} a, {f't{i - 1}' if i else 'pet'} b)" for i in range(7)
    )
    + " SELECT * FROM t6",
    "digits": "SELECT printf('%!.100000000f', 1e308)",
    "digits by the thousand": f"SELECT group_concat(printf('%!.900f', p0.kg * 1e300)) FROM {CROSS}",
    "a quoted bomb": f"SELECT quote(quote(quote(quote(replace(printf('%99999d', 1), ' ', {QUOTES})))))",
    "a sum of texts": "SELECT " + " || ".join(["printf('%99999d', 1)"] * 400),
    "a pattern against itself": f"SELECT '{'ab' * 7000}' LIKE '{'%_b%a' * 800}' || 'x' FROM {CROSS}",
    "many patterns": f"SELECT count(*) FROM {CROSS} WHERE "
    + " OR ".join(f"p0.name LIKE '%{i}%_%{i}%'" for i in range(300)),
    "dates": f"SELECT count(DISTINCT strftime('%Y-%m-%d %H:%M:%f', p0.age || ' days', p1.age || ' months')) FROM {CROSS}",
    "long division": f"SELECT sum(p0.id / p1.id % p2.id * power(p3.kg, p4.kg)) FROM {CROSS}",
    "an IN for each": f"SELECT count(*) FROM {CROSS} WHERE (p0.id, p1.id) IN (SELECT id, age FROM pet) AND p2.id NOT IN (SELECT age FROM pet)",
    "zeros": "SELECT zeroblob(1000000000)",
    "blobs": "SELECT " + ", ".join(["randomblob(900000)"] * 300),
}
STATEMENTS = {**WRITES, **HIDDEN, **SCHEMA, **HEAVY}


@dataclass(kw_only=True)
class Timed(Sql):
    """The sql grader; when a verdict was begun is written to a file for each sample in the folder ``notes``."""

    notes: str = ""

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        (Path(self.notes) / str(rationale.sample)).write_text(repr(time.time()))
        return super().grade(problem, rationale)
