"""Real keys, pinned: whatever moves in the code, an artifact that a user has stays found."""

from __future__ import annotations

import json

import pytest
from golden import GOLDEN, keys_of

from star_cli.core import registry

PINNED = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("method", registry.names("method"))
def test_keys_are_those_of_the_golden_file(method, home):
    assert keys_of(method, home) == PINNED[method]


def test_the_golden_file_names_every_method():
    assert sorted(PINNED) == registry.names("method")
