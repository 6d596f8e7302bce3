"""Every method, killed with SIGKILL in the middle of its writing and run again, ends with the bytes of an undisturbed
run.
"""

from __future__ import annotations

import random

import pytest
from test_methods import QUICK

from star_cli.core import registry
from star_cli.testing import check_resume

FEWER = {
    "rft": ["samples=10"],
    "rest_em": ["samples=6"],
    "vstar": ["samples=4", "verification.candidates=4", "verification.ks=[1,4]"],
    "expert_iteration": ["samples=3"],
    "raft": ["samples=3"],
    "iterative_dpo": ["samples=4", "rounds=2"],
    "grpo": ["samples=4", "method.steps=20"],
}  # the published numbers take long to be killed in


@pytest.mark.parametrize("method", registry.names("method"))
def test_a_method_that_is_killed_ends_with_the_same_bytes(method, tmp_path):
    overrides = ["problems=100", *QUICK.get(method, []), *FEWER.get(method, []), f"method={method}"]
    check_resume(tmp_path, *overrides, at=random.Random(method).uniform(0.25, 0.75))
