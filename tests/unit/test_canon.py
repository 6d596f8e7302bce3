"""Keys: one form for one meaning, a refusal for what has none, and nothing of Runtime in it."""

import json
import random
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_cli.backends.engines.fake import Fake
from star_cli.backends.trainers.fake import FakeTrainer
from star_cli.core.keys import KEY_LENGTH, canonical, key, seed_of, stable, tagged
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


def rates(**values):
    """A dataclass of a plug-in: its annotations are types, not texts."""

    @tagged("rates", 1)
    @dataclass
    class Rates:
        plain: float = 1.0
        none: float | None = None
        optional: Optional[float] = None  # noqa: UP045  (as plug-ins write it)
        several: list[float] = field(default_factory=list)
        named: dict[str, float] = field(default_factory=dict)
        pair: tuple[float, int] = (0.0, 0)
        row: tuple[float, ...] = ()
        deep: dict[str, list[float]] | None = None
        whole: int = 1
        wholes: list[int] = field(default_factory=list)
        flag: bool | float = False

    assert Rates.__annotations__["plain"] is float
    return Rates(**values)


@pytest.mark.parametrize(
    ("whole", "real"),
    [
        ({"plain": 2}, {"plain": 2.0}),
        ({"none": 2}, {"none": 2.0}),
        ({"optional": 2}, {"optional": 2.0}),
        ({"several": [1, 2]}, {"several": [1.0, 2.0]}),
        ({"named": {"a": 1}}, {"named": {"a": 1.0}}),
        ({"pair": (3, 1)}, {"pair": (3.0, 1)}),
        ({"row": (3, 1)}, {"row": (3.0, 1.0)}),
        ({"deep": {"a": [1]}}, {"deep": {"a": [1.0]}}),
    ],
)
def test_a_whole_number_is_the_same_setting_however_a_plug_in_writes_its_types(whole, real):
    assert key(rates(**whole)) == key(rates(**real)) != key(rates())


def test_whole_numbers_and_flags_stay_what_they_are():
    assert canonical(rates(wholes=[1], whole=3, flag=True)).endswith('"whole":3,"wholes":[1]}')
    assert '"flag":true' in canonical(rates(flag=True)) and '"pair":[1.0,2]' in canonical(rates(pair=(1, 2)))
    assert "null" in canonical(rates(none=None))


def test_one_annotation_for_type_checkers_alone_does_not_hide_the_others():
    @tagged("partly", 1)
    @dataclass
    class Partly:
        lr: "float" = 1.0  # noqa: UP037
        other: "OnlyForTypeCheckers | None" = None  # noqa: F821, UP037

    assert key(Partly(lr=1)) == key(Partly(lr=1.0))


def test_a_whole_number_beyond_all_floats_is_a_sentence():
    with pytest.raises(StarError, match="value.plain is too large for a number"):
        key(rates(plain=10**400))


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
    @tagged("odd", 1)
    @dataclass
    class Odd:
        inside: list = field(default_factory=lambda: [object()])

    with pytest.raises(StarError, match=r"value\.inside\[0\]"):
        key(Odd())


def test_a_class_without_a_name_in_keys_is_refused():
    @dataclass
    class Plain:
        value: int = 1

    with pytest.raises(StarError, match="Plain, a class without a name in keys"):
        key(Plain())


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
