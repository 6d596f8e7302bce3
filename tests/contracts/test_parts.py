"""Every registered part and every shipped experiment composes, explains itself and checks its own settings."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest
from conftest import SMALL, call

from star_cli.core import registry
from star_cli.core.keys import canonical
from star_cli.errors import StarError
from star_cli.run.compose import launch

CONF = Path(__file__).parent.parent.parent / "conf"
PARTS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
REQUIRED = {  # parts that cannot stand by themselves, and what they must say then
    ("task", "jsonl"): "path",
    ("model", "hf"): "path",
    ("engine", "openai"): "engine.model",
}


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_composes_with_its_defaults_or_says_what_it_requires(kind, name, tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_HOME", str(tmp_path))
    try:
        found = launch(
            ["model=fake", f"{kind}={name}"] if kind != "model" else [f"model={name}"],
            lambda c: getattr(c.experiment, kind),
        )
    except StarError as e:
        needed = REQUIRED.get((kind, name))
        assert needed is None or needed in str(e), e
        if needed is None:
            assert f"{name}" in str(e) or "at least" in str(e) or "must" in str(e), e
            assert e.hint, "what is required comes with the next step"
    else:
        assert registry.name_of(found) == name
        found.check()
        known_as = registry.name_of(getattr(found, "key_part", found))  # engine=ray is the engine that it spreads
        assert canonical(found).startswith('{"_":"' + f"{kind}/{known_as}/")


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_explains_itself(kind, name):
    part = registry.get(kind, name)
    module = inspect.getmodule(part)
    first = (module.__doc__ or "-").splitlines()[0].lower()
    assert first.startswith(name.split("_")[0]), f"the first line of {module.__name__} says what {name} is"
    own = part.__dict__.get("__doc__") or ""
    assert own and not own.startswith(f"{part.__name__}("), f"{part.__name__} has no docstring of its own"


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_has_plain_settings_with_a_stable_form(kind, name):
    for f in dataclasses.fields(registry.get(kind, name)):
        assert f.kw_only, f"{f.name} must be named, never placed"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_kind_is_listed_with_its_settings(kind, home):
    rows = call(home, "ls", f"{kind}s", "--json").json
    assert [r["name"] for r in rows] == registry.names(kind)
    assert all(r["what"] for r in rows)


def test_parts_of_one_module_are_listed_with_words_of_their_own(home):
    said = {r["name"]: r["what"] for r in call(home, "ls", "methods", "--json").json}
    assert said["star"].startswith("STaR (Zelikman") and said["star_acc"].startswith("STaR-Acc of the AdaSTaR paper")
    assert said["rft"] == "rejection sampling fine-tuning (Yuan et al. 2023, arXiv 2308.01825)."


def test_an_unknown_part_lists_the_choices():
    with pytest.raises(StarError) as e:
        registry.get("grader", "exakt")
    assert "Did you mean 'exact'?" in str(e.value) and "numeric" in str(e.value)


def test_one_name_is_registered_once():
    with pytest.raises(
        StarError, match="registered twice: by star_cli.backends.engines.fake.Fake and by elsewhere.Fake"
    ):
        registry.register("engine", "fake")(type("Fake", (), {"__module__": "elsewhere", "__annotations__": {}}))


@pytest.mark.parametrize("experiment", sorted(p.stem for p in (CONF / "experiment").glob("*.yaml")))
def test_every_shipped_experiment_composes(experiment, home):
    shown = call(home, "run", f"experiment={experiment}", "--cfg", "job")
    assert shown.code == 0, shown.err
    assert "task:" in shown.out
    named = launch([f"experiment={experiment}", f"home={home}"], lambda c: c.experiment.name)
    assert named == experiment


@pytest.mark.parametrize("model", sorted(p.stem for p in (CONF / "model").glob("*.yaml")))
def test_every_shipped_model_composes(model, home):
    assert call(home, "run", f"model={model}", "--cfg", "job").code == 0


def test_the_same_command_gives_the_same_name_and_other_settings_another(home):
    def name(*args: str) -> str:
        return launch([*args, f"home={home}"], lambda c: c.experiment.name)

    assert name(*SMALL, "seed=1") == name(*SMALL, "seed=1", "runtime.gpus=2") != name(*SMALL, "seed=2")
    assert name(*SMALL, "name=demo") == "demo"
    assert len(name(*SMALL, "pretraining.lr=0.001", "sampling.temperature=0.25", "sampling.top_p=0.9")) <= 80
