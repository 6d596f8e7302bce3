"""Keys: one form for one meaning, a refusal for what has none, and nothing of Runtime in it."""

import json
import random
from dataclasses import dataclass, field
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_cli.backends.engines.fake import Fake
from star_cli.backends.trainers.fake import FakeTrainer
from star_cli.core.keys import KEY_LENGTH, canonical, key, seed_of, stable
from star_cli.core.settings import Sampling
from star_cli.errors import StarError
from star_cli.stages.generate import Generate
from star_cli.tasks.addition import Addition

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Colour(Enum):
    RED = "red"


def test_the_form_of_a_part_names_kind_name_version_and_fields():
    assert canonical(FakeTrainer(lr=0.5)) == '{"_":"trainer/fake/1","gain":0.5,"lr":0.5}'


def test_the_form_is_pinned():
    """A key that changes by accident makes every artifact of every user unreachable."""
    assert canonical({"b": [1, 2.0, None, True], "a": "ü"}) == '{"a":"ü","b":[1,2.0,null,true]}'
    assert key({"b": [1, 2.0, None, True], "a": "ü"}) == "c4e1d7bb35e7f120b7acedd7303bbd56"
    assert seed_of(1, "x") == 6401160462665483128


def test_a_whole_number_in_a_float_field_is_the_same_setting():
    assert key(FakeTrainer(lr=1)) == key(FakeTrainer(lr=1.0))
    assert key(Sampling(temperature=0)) == key(Sampling(temperature=0.0)) == key(Sampling(temperature=-0.0))
    assert key(FakeTrainer(lr=1)) != key(FakeTrainer(lr=2))


def test_fields_that_are_no_identity_do_not_change_the_key():
    assert key(Fake()) == key(Fake(die_after=3, seconds=1.0, count_file="x", stale=True))
    assert key(Addition()) == key(Addition(lessons={"1": 1})), "lessons address the pretraining, not the problems"
    assert key(Addition()) != key(Addition(seed=1))


def test_runtime_does_not_change_the_key_of_a_stage():
    def stage(engine: Fake) -> Generate:
        return Generate(task=Addition(), engine=engine, sampling=Sampling(), samples=1, seed=0, round=1)

    assert key(stage(Fake())) == key(stage(Fake(seconds=0.1)))
    assert key(stage(Fake())) != key(
        Generate(task=Addition(), engine=Fake(), sampling=Sampling(), samples=2, seed=0, round=1)
    )


def test_enums_and_tuples_take_the_form_of_what_they_hold():
    assert stable((Colour.RED, 1)) == ["red", 1]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ({1: 2}, "the key 1"),
        ({1, 2}, "a set"),
        (object(), "a object"),
        (lambda: 0, "a function"),
        (b"x", "a bytes"),
        ([{"a": [float("nan")]}], "value[0].a[0]"),
    ],
)
def test_what_has_no_stable_form_is_refused_with_its_place(value, told):
    with pytest.raises(StarError) as e:
        key(value)
    assert told in str(e.value) and ("stable form" in str(e.value))


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(StarError, match="no stable form"):
        key({"path": "bad\udcff"})


def test_a_part_with_a_field_without_form_names_the_field():
    @dataclass
    class Odd:
        inside: list = field(default_factory=lambda: [object()])

    with pytest.raises(StarError, match=r"value\.inside\[0\]"):
        key(Odd())


@given(PLAIN)
def test_canonical_is_json_that_reads_back_to_the_same_key(value):
    text = canonical(value)
    assert "\n" not in text
    assert key(json.loads(text)) == key(value) and len(key(value)) == KEY_LENGTH


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(value, rng: random.Random):
    items = list(value.items())
    rng.shuffle(items)
    assert key(dict(items)) == key(value)


@given(PLAIN, PLAIN)
def test_two_values_share_a_key_only_if_they_share_their_form(a, b):
    assert (key(a) == key(b)) == (canonical(a) == canonical(b))


@given(st.integers(), st.text(), st.integers(1, 63))
def test_a_seed_stays_below_its_bits_and_depends_on_every_part(a, b, bits):
    assert 0 <= seed_of(a, b, bits=bits) < 2**bits
    assert seed_of(a, b) != seed_of(a + 1, b)
