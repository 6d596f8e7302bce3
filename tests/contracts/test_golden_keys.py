"""Real keys, pinned: whatever moves in the code, an artifact that a user has stays found."""

from __future__ import annotations

import json

import pytest
from golden import GOLDEN, keys_of

from star_cli.core import registry
from star_cli.core.records import Record, Verdict
from star_cli.graders.exact import Exact
from star_cli.run.build import address_of
from star_cli.stages.filter import Filter
from star_cli.stages.gold import Gold
from star_cli.tasks.addition import Addition

PINNED = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("method", registry.names("method"))
def test_keys_are_those_of_the_golden_file(method, home):
    assert keys_of(method, home) == PINNED[method]


def test_the_golden_file_names_every_method():
    assert sorted(PINNED) == registry.names("method")


def test_a_new_record_class_moves_no_key(home):
    before = keys_of("star", home)

    class Novel(Record, kw_only=True, frozen=True):
        schema = "novel/1"
        file = "novel.jsonl"
        unique = ("name",)
        name: str

    assert keys_of("star", home) == before


def test_a_key_holds_the_records_its_stage_reads_and_writes(monkeypatch):
    stage = Filter(task=Addition(), grader=Exact())
    before = address_of(stage, {})
    monkeypatch.setattr(Verdict, "schema", "verdict/99")
    assert address_of(stage, {}) != before


def test_the_records_of_another_stage_are_no_part_of_a_key(monkeypatch):
    before = address_of(Gold(task=Addition()), {})
    monkeypatch.setattr(Verdict, "schema", "verdict/99")
    assert address_of(Gold(task=Addition()), {}) == before
