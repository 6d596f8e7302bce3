"""star doctor: versions that do not go together are named with what asks for another one."""

from __future__ import annotations

import pytest

from star_cli.run import clashes as module
from star_cli.run.clashes import clashes
from star_cli.run.doctor import findings

pytest.importorskip("packaging")


class Installed:
    """What importlib.metadata knows of a package."""

    def __init__(self, version: str, *requires: str) -> None:
        self.version, self.requires = version, list(requires)


@pytest.fixture
def machine(monkeypatch):
    """Packages as if they alone were installed."""

    def put(**packages):
        def distribution(name):
            try:
                return packages[name.replace("-", "_").lower()]
            except KeyError:
                raise module.PackageNotFoundError(name) from None

        monkeypatch.setattr(module, "distribution", distribution)

    return put


def test_a_version_that_another_package_cannot_use_is_found_at_any_depth(machine):
    machine(
        star_cli=Installed("0.1", "trl>=1; extra == 'train'", "nothing>=3; extra == 'slurm'"),
        trl=Installed("1.2", "transformers>=5", "typer", "ray>=9; extra == 'other'"),
        transformers=Installed("4.9", "numpy<2; python_version >= '3.0'", "numpy<1; python_version < '3.0'"),
        numpy=Installed("2.1"),
        typer=Installed("0.1"),
        ray=Installed("1.0"),
    )
    assert sorted(map(str, clashes())) == [
        "transformers 4.9 wants numpy<2, and numpy 2.1 is installed",
        "trl 1.2 wants transformers>=5, and transformers 4.9 is installed",
    ]
    (first, *_) = [f for f in findings() if f.name == "versions"]
    assert first.state == "note" and first.mend.startswith("pip install '")


def test_what_goes_together_is_no_clash(machine):
    machine(star_cli=Installed("0.1", "trl>=1,<2; extra == 'train'"), trl=Installed("1.2"))
    assert clashes() == []
    machine()
    assert clashes() == []
