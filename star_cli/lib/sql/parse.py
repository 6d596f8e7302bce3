"""A parser for the SELECTs of text-to-SQL data: enough structure for hardness and exact-set match, no more."""

from __future__ import annotations

from typing import Any

from star_cli.lib.sql.reader import Reader, Unparsed
from star_cli.lib.sql.syntax import COMPARE, SETS, Expr, Query, Test
from star_cli.lib.sql.text import Token, tokens


def parse(sql: str) -> Query:
    """The structure of a statement. Raises Unparsed."""
    words = list(tokens(sql))
    while words and words[-1].word == ";":
        words.pop()
    parser = _Parser(words)
    query = parser.query()
    if parser.at < len(words):
        raise Unparsed(f"not understood from {words[parser.at].value[:30]!r}")
    return query


class _Parser(Reader):
    """Recursive descent over the tokens of one statement."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.clause: list[tuple[Query, str]] = []  # the query and clause that conditions are read for

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
        q.items = self.comma_list(self.item)
        if self.take("FROM"):
            self.clause.append((q, "from"))
            self.sources(q)
            self.clause.pop()
        if self.take("WHERE"):
            q.where = self.tests(q, "where")
        if self.take("GROUP", "BY"):
            q.group = self.comma_list(self.expression)
        if self.take("HAVING"):
            q.having = self.tests(q, "having")
        if self.take("ORDER", "BY"):
            q.order = self.comma_list(self.sort_key)
        if self.take("LIMIT"):
            q.limit = self.expression()
            if self.take("OFFSET") or self.take(","):
                self.expression()
        return q

    def item(self) -> Expr:
        expression = self.expression()
        self.alias()
        return expression

    def sort_key(self) -> tuple[Expr, bool]:
        expression = self.expression()
        descending = self.take("DESC")
        if not descending:
            self.take("ASC")
        return expression, descending

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
                self.comma_list(self.name)
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
        q.sources.append((self.alias() or (inner if isinstance(inner, str) else ""), inner))

    # ---- conditions -----------------------------------------------------------------------------------------------
    def tests(self, q: Query, clause: str) -> list[Test]:
        """Conditions joined by AND and OR as one list, parentheses opened; each OR is noted in the query."""
        self.clause.append((q, clause))
        conditions = self.disjunction()
        self.clause.pop()
        return conditions

    def disjunction(self) -> list[Test]:
        conditions = self.conjunction()
        while self.take("OR"):
            q, clause = self.clause[-1]
            q.ors.append(clause)
            conditions += self.conjunction()
        return conditions

    def conjunction(self) -> list[Test]:
        conditions = self.condition()
        while self.take("AND"):
            conditions += self.condition()
        return conditions

    def condition(self) -> list[Test]:
        """One condition, or those inside a parenthesis."""
        negated = self.take("NOT")
        if self.take("EXISTS"):
            return [Test("exists", None, (self.value(),), negated)]
        if self.look() == "(" and self.look(1) != "SELECT":
            back, depth = self.at, self.depth
            ors = len(self.clause[-1][0].ors)
            try:
                self.at += 1
                self.deeper()
                inner = self.disjunction()
                self.need(")")
                self.depth -= 1
                if self.look() not in (*COMPARE, "IN", "LIKE", "IS", "BETWEEN", "+", "-", "*", "/"):
                    return [Test(t.op, t.left, t.right, t.negated != negated) for t in inner]
            except Unparsed:
                pass
            self.at, self.depth = back, depth
            del self.clause[-1][0].ors[ors:]
        return [self.comparison(negated)]

    def comparison(self, negated: bool) -> Test:
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
        left = self.term()
        while self.look() in ("+", "-", "||", "&", "|"):
            sign = self.look()
            self.at += 1
            left = Expr("sign", sign, (left, self.term()))
        return left

    def term(self) -> Expr:
        left = self.value()
        while self.look() in ("*", "/", "%"):
            sign = self.look()
            self.at += 1
            left = Expr("sign", sign, (left, self.value()))
        return left

    def value(self) -> Expr:
        if self.at >= len(self.tokens):
            raise Unparsed("it ends too early")
        token = self.tokens[self.at]
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
            content = Expr("query", parts=(self.query(),))
        else:
            items = self.comma_list(self.expression)
            content = items[0] if len(items) == 1 and items[0].kind != "value" else Expr("list", parts=tuple(items))
        self.need(")")
        self.depth -= 1
        return content

    def call(self, name: str) -> Expr:
        distinct = self.take("DISTINCT")
        self.deeper()
        arguments = [] if self.look() == ")" else self.comma_list(self.expression)
        if self.take("AS"):  # CAST(x AS INTEGER)
            self.name()
        self.need(")")
        self.depth -= 1
        if self.look() in ("OVER", "FILTER"):
            raise Unparsed(f"{self.look()} is not read")
        return Expr("call", name, tuple(arguments), distinct)

    def case(self) -> Expr:
        self.need("CASE")
        parts: list[Any] = [] if self.look() == "WHEN" else [self.expression()]
        while self.take("WHEN"):
            self.clause.append((Query(), "case"))
            parts += self.disjunction()
            self.clause.pop()
            self.need("THEN")
            parts.append(self.expression())
        if self.take("ELSE"):
            parts.append(self.expression())
        self.need("END")
        return Expr("case", parts=tuple(parts))
