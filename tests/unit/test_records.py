"""Records are read strictly: whatever is wrong with a line is told with its file and line number."""

import json

import pytest

from star_cli.core import registry
from star_cli.core.records import (
    Example,
    Metric,
    Problem,
    Record,
    Verdict,
    decode,
    encode,
    kind_of,
    kinds,
    read_records,
)
from star_cli.errors import StarError

GOOD = b'{"id":"a","question":"1 + 1","answer":"2"}\n'


def fault(tmp_path, *lines, kind=Problem):
    path = tmp_path / "problems.jsonl"
    path.write_bytes(b"".join(lines))
    with pytest.raises(StarError) as e:
        list(read_records(path, kind))
    return str(e.value), str(path)


def test_good_lines_are_read_in_order_with_defaults(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(GOOD + GOOD.replace(b'"a"', b'"b"'))
    assert [p.id for p in read_records(path, Problem)] == ["a", "b"]
    assert next(read_records(path, Problem)).meta == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (GOOD[:-1], "torn"),
        (GOOD[:20] + b"\n", "not valid JSON"),
        (b'{"id":"b","question":"1"}\n', "missing required field `answer`"),
        (GOOD.replace(b"}", b',"extra":1}').replace(b'"a"', b'"b"'), "unknown field `extra`"),
        (GOOD.replace(b'"2"', b"2").replace(b'"a"', b'"b"'), "Expected `str`, got `int`"),
        (GOOD.replace(b"1 + 1", b"\xff\xfe").replace(b'"a"', b'"b"'), "not valid JSON"),
        (GOOD, "occurs twice"),
        (b"\n", "not valid JSON"),
        (b"[1]\n", "problem/1"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(tmp_path, line, told):
    text, path = fault(tmp_path, GOOD, line)
    assert text.startswith(f"{path}:2: ") and told in text and "next: " in text


def test_a_missing_field_lists_the_fields_expected(tmp_path):
    assert "id, question, answer, choices, images, meta" in fault(tmp_path, b"{}\n")[0]


def test_a_repeated_identity_says_what_makes_a_line_unique(tmp_path):
    line = encode(Verdict(problem_id="p", sample=0, correct=True, answer="1", reason="MATCH"))
    assert "problem_id + sample" in fault(tmp_path, line, line, kind=Verdict)[0]


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(StarError, match="does not exist; expected a JSONL file of problem/1 records"):
        list(read_records(tmp_path / "no.jsonl", Problem))


def test_nothing_is_lost_on_the_way_to_a_line_and_back():
    for record in (
        Problem(id='é\n"', question="\u2028", answer="", choices=["x"], meta={"n": [1, 2.5, None]}),
        Example(problem_id="p", sample=3, prompt="a\nb", completion="c", origin="own"),
        Metric(name="accuracy", value=0.1, n=3, round=0),
    ):
        line = encode(record)
        assert line.count(b"\n") == 1 and line.endswith(b"\n")
        assert decode(line, type(record), "x") == record
        assert json.loads(line)


def test_every_schema_has_a_file_and_an_identity_of_its_own_fields():
    registry.discover()
    shipped = [kind for kind in kinds() if kind.__module__.startswith("star_cli.")]
    assert len({k.file for k in shipped}) == len(shipped) >= 10
    for kind in shipped:
        assert kind.unique and set(kind.unique) <= set(kind.__struct_fields__)
        assert kind_of(kind.schema) is kind


def record(**facts):
    return type(Record)("Vote", (Record,), {"__module__": __name__, "__annotations__": {"id": str}, **facts})


FACTS = {"schema": "test_vote/1", "file": "votes.jsonl", "unique": ("id",)}


def test_a_record_from_anywhere_is_found_by_its_schema():
    vote = record(**FACTS)
    assert kind_of("test_vote/1") is vote
    assert record(**FACTS) is kind_of("test_vote/1"), "defined again, as in a notebook, the newer one counts"
    assert kind_of("nobody/1") is None


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"schema": "vote"}, "schema='vote' of the record Vote is no name with a version"),
        ({"file": "votes"}, "does not say where its lines live"),
        ({"unique": ()}, "does not say where its lines live and what tells them apart"),
    ],
)
def test_a_record_that_could_not_be_read_again_is_refused(facts, told):
    with pytest.raises(StarError, match=told):
        record(**FACTS | {"schema": "test_bad/1"} | facts)


def test_two_records_of_one_schema_are_refused():
    with pytest.raises(StarError, match=r"two records have the schema 'problem/1': star_cli.core.records.Problem and"):
        record(**FACTS | {"schema": "problem/1"})
    assert kind_of("problem/1") is Problem


def test_a_record_that_extends_another_needs_a_schema_of_its_own():
    with pytest.raises(StarError, match="the record Longer has the schema 'problem/1' of the class that it extends"):

        class Longer(Problem, kw_only=True, frozen=True):
            more: int


def test_a_line_of_a_record_is_refused_by_other_kinds():
    with pytest.raises(StarError, match="here:1: not a problem/1 record"):
        decode(encode(Metric(name="a", value=1.0, n=1, round=0)), Problem, "here:1")
