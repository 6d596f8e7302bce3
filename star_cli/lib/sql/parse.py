"""A parser for the SELECTs of text-to-SQL data: enough structure for hardness and exact-set match, no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from star_cli.lib.sql.text import Token, tokens

AGGREGATES = ("max", "min", "count", "sum", "avg")
COMPARE = ("=", "==", "<>", "!=", "<", ">", "<=", ">=")
SETS = ("UNION", "INTERSECT", "EXCEPT")
CLAUSES = {
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "ON",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "OUTER",
    "AND",
    "OR",
    "NOT",
    "USING",
    "AS",
    "ASC",
    "DESC",
    "OFFSET",
    "SET",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "IN",
    "LIKE",
    "IS",
    "BETWEEN",
    "EXISTS",
    "SELECT",
    *SETS,
}
DEPTH = 40  # queries and parentheses inside one another
STEPS = 1000  # of them read in all, those read again after a wrong guess included


class Unparsed(Exception):
    """The statement is outside of what this parser reads."""


@dataclass(frozen=True)
class Expr:
    """``kind``: column, value, call, sign, query, list or case. ``name`` is the column, function or sign."""

    kind: str
    name: str = ""
    parts: tuple[Any, ...] = ()
    distinct: bool = False


@dataclass(frozen=True)
class Test:
    """One condition: ``left`` ``op`` ``right``, as in ``age > 3``; ``negated`` where NOT stands before it."""

    op: str
    left: Expr | None
    right: tuple[Expr, ...]
    negated: bool = False


@dataclass
class Query:
    """One SELECT; ``then`` is (UNION, INTERSECT or EXCEPT, the query after it)."""

    distinct: bool = False
    items: list[Expr] = field(default_factory=list)
    sources: list[tuple[str, Any]] = field(default_factory=list)  # (alias, table name or Query)
    on: list[Test] = field(default_factory=list)
    where: list[Test] = field(default_factory=list)
    group: list[Expr] = field(default_factory=list)
    having: list[Test] = field(default_factory=list)
    order: list[tuple[Expr, bool]] = field(default_factory=list)  # (what, descending)
    limit: Expr | None = None
    ors: list[str] = field(default_factory=list)  # for every OR the clause it stands in
    then: tuple[str, Query] | None = None


def parse(sql: str) -> Query:
    """The structure of a statement. Raises Unparsed."""
    found = list(tokens(sql))
    while found and found[-1].word == ";":
        found.pop()
    parser = _Parser(found)
    query = parser.query()
    if parser.at < len(found):
        raise Unparsed(f"not understood from {found[parser.at].value[:30]!r}")
    return query


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.found, self.at, self.depth, self.steps = found, 0, 0, 0
        self.clause: list[tuple[Query, str]] = []

    # ---- words ----------------------------------------------------------------------------------------------------
    def look(self, ahead: int = 0) -> str:
        """The next word in upper case, or sign; empty for anything else and at the end."""
        place = self.at + ahead
        return self.found[place].word if place < len(self.found) else ""

    def take(self, *words: str) -> bool:
        """Read these words if they come next."""
        if all(self.look(i) == w for i, w in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        if not self.take(*words):
            here = self.found[self.at].value if self.at < len(self.found) else "the end"
            raise Unparsed(f"expected {' '.join(words)}, found {here[:30]!r}")

    def name(self) -> str:
        """A table, column or alias."""
        if self.at >= len(self.found) or self.look() in CLAUSES or self.found[self.at].kind not in ("word", "quoted"):
            raise Unparsed("expected a name")
        token = self.found[self.at]
        self.at += 1
        return (token.value[1:-1] if token.kind == "quoted" else token.value).lower()

    def deeper(self) -> None:
        self.depth += 1
        self.steps += 1
        if self.depth > DEPTH or self.steps > STEPS:
            raise Unparsed("nested too deeply")

    # ---- queries --------------------------------------------------------------------------------------------------
    def query(self) -> Query:
        self.deeper()
        if self.take("("):
            query = self.query()
            self.need(")")
        else:
            query = self.core()
        last = query
        while last.then:
            last = last.then[1]
        for word in SETS:
            if self.take(word):
                last.then = (word + " ALL" if self.take("ALL") else word, self.query())
        self.depth -= 1
        return query

    def core(self) -> Query:
        q = Query()
        self.need("SELECT")
        q.distinct = self.take("DISTINCT")
        self.take("ALL")
        q.items = self.listed(self.item)
        if self.take("FROM"):
            self.clause.append((q, "from"))
            self.sources(q)
            self.clause.pop()
        if self.take("WHERE"):
            q.where = self.tests(q, "where")
        if self.take("GROUP", "BY"):
            q.group = self.listed(self.expression)
        if self.take("HAVING"):
            q.having = self.tests(q, "having")
        if self.take("ORDER", "BY"):
            q.order = self.listed(self.ordering)
        if self.take("LIMIT"):
            q.limit = self.expression()
            if self.take("OFFSET") or self.take(","):
                self.expression()
        return q

    def listed(self, one: Any) -> list[Any]:
        found = [one()]
        while self.take(","):
            found.append(one())
        return found

    def item(self) -> Expr:
        found = self.expression()
        if self.take("AS") or (
            self.at < len(self.found) and self.found[self.at].kind in ("word", "quoted") and self.look() not in CLAUSES
        ):
            self.name()
        return found

    def ordering(self) -> tuple[Expr, bool]:
        found = self.expression()
        descending = self.take("DESC")
        if not descending:
            self.take("ASC")
        return found, descending

    def sources(self, q: Query) -> None:
        self.source(q)
        while True:
            if self.take(","):
                self.source(q)
                continue
            while self.look() in ("INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "OUTER"):
                self.at += 1
            if not self.take("JOIN"):
                return
            self.source(q)
            if self.take("ON"):
                q.on += self.tests(q, "from")
            elif self.take("USING", "("):
                self.listed(self.name)
                self.need(")")

    def source(self, q: Query) -> None:
        inner: Any
        if self.take("("):
            inner = self.query()
            self.need(")")
        else:
            inner = self.name()
            if self.take("."):
                inner = self.name()
        alias = inner if isinstance(inner, str) else ""
        if self.take("AS") or (
            self.at < len(self.found) and self.found[self.at].kind in ("word", "quoted") and self.look() not in CLAUSES
        ):
            alias = self.name()
        q.sources.append((alias, inner))

    # ---- conditions -----------------------------------------------------------------------------------------------
    def tests(self, q: Query, clause: str) -> list[Test]:
        """Conditions joined by AND and OR, parentheses opened; each OR is noted in the query."""
        self.clause.append((q, clause))
        found = self.either()
        self.clause.pop()
        return found

    def either(self) -> list[Test]:
        found = self.both()
        while self.take("OR"):
            q, clause = self.clause[-1]
            q.ors.append(clause)
            found += self.both()
        return found

    def both(self) -> list[Test]:
        found = self.single()
        while self.take("AND"):
            found += self.single()
        return found

    def single(self) -> list[Test]:
        negated = self.take("NOT")
        if self.take("EXISTS"):
            return [Test("exists", None, (self.value(),), negated)]
        if self.look() == "(" and self.look(1) != "SELECT":
            back, depth = self.at, self.depth
            ors = len(self.clause[-1][0].ors)
            try:
                self.at += 1
                self.deeper()
                inner = self.either()
                self.need(")")
                self.depth -= 1
                if self.look() not in (*COMPARE, "IN", "LIKE", "IS", "BETWEEN", "+", "-", "*", "/"):
                    return [Test(t.op, t.left, t.right, t.negated != negated) for t in inner]
            except Unparsed:
                pass
            self.at, self.depth = back, depth
            del self.clause[-1][0].ors[ors:]
        return [self.compared(negated)]

    def compared(self, negated: bool) -> Test:
        left = self.expression()
        negated = self.take("NOT") or negated
        if self.take("BETWEEN"):
            low = self.expression()
            self.need("AND")
            return Test("between", left, (low, self.expression()), negated)
        if self.take("IN"):
            return Test("in", left, (self.value(),), negated)
        if self.take("LIKE"):
            return Test("like", left, (self.expression(),), negated)
        if self.take("IS"):
            negated = self.take("NOT") or negated
            return Test("is", left, (self.expression(),), negated)
        sign = self.look()
        if sign in COMPARE:
            self.at += 1
            sign = {"<>": "!=", "==": "="}.get(sign, sign)
            return Test(sign, left, (self.expression(),), negated)
        return Test("", left, (), negated)

    # ---- expressions ----------------------------------------------------------------------------------------------
    def expression(self) -> Expr:
        found = self.term()
        while self.look() in ("+", "-", "||", "&", "|"):
            sign = self.look()
            self.at += 1
            found = Expr("sign", sign, (found, self.term()))
        return found

    def term(self) -> Expr:
        found = self.value()
        while self.look() in ("*", "/", "%"):
            sign = self.look()
            self.at += 1
            found = Expr("sign", sign, (found, self.value()))
        return found

    def value(self) -> Expr:
        if self.at >= len(self.found):
            raise Unparsed("it ends too early")
        token = self.found[self.at]
        if token.word in ("-", "+"):
            self.at += 1
            return self.value()
        if token.word == "(":
            return self.bracket()
        if token.word == "*":
            self.at += 1
            return Expr("column", "*")
        if token.kind in ("text", "number"):
            self.at += 1
            return Expr("value", token.value)
        if token.word in ("NULL", "TRUE", "FALSE"):
            self.at += 1
            return Expr("value", token.word)
        if token.word == "CASE":
            return self.case()
        name = self.name()
        if token.kind == "word" and self.take("("):
            return self.call(name)
        if self.take("."):
            column = "*" if self.take("*") else self.name()
            return Expr("column", f"{name}.{column}")
        return Expr("column", name, distinct=token.kind == "quoted")

    def bracket(self) -> Expr:
        self.need("(")
        self.deeper()
        if self.look() == "SELECT":
            found = Expr("query", parts=(self.query(),))
        else:
            inside = self.listed(self.expression)
            found = inside[0] if len(inside) == 1 and inside[0].kind != "value" else Expr("list", parts=tuple(inside))
        self.need(")")
        self.depth -= 1
        return found

    def call(self, name: str) -> Expr:
        distinct = self.take("DISTINCT")
        self.deeper()
        inside = [] if self.look() == ")" else self.listed(self.expression)
        if self.take("AS"):  # CAST(x AS INTEGER)
            self.name()
        self.need(")")
        self.depth -= 1
        if self.look() in ("OVER", "FILTER"):
            raise Unparsed(f"{self.look()} is not read")
        return Expr("call", name, tuple(inside), distinct)

    def case(self) -> Expr:
        self.need("CASE")
        parts: list[Any] = [] if self.look() == "WHEN" else [self.expression()]
        while self.take("WHEN"):
            self.clause.append((Query(), "case"))
            parts += self.either()
            self.clause.pop()
            self.need("THEN")
            parts.append(self.expression())
        if self.take("ELSE"):
            parts.append(self.expression())
        self.need("END")
        return Expr("case", parts=tuple(parts))
