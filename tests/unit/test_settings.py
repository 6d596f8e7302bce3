"""Which settings hold: an override, an experiment's own file, a method's paper, the default; and what is written
down.
"""

from __future__ import annotations

import pytest
from conftest import SMALL, call

from star_cli.analysis.arms import settings_of
from star_cli.errors import StarError
from star_cli.run.compose import launch
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run


def composed(*args, home=None):
    return launch(["model=fake", *args], lambda c: c)


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_HOME", str(tmp_path))


@pytest.fixture
def own(tmp_path):
    """A user's own configuration directory."""
    (tmp_path / "conf/experiment").mkdir(parents=True)

    def write(name, text):
        (tmp_path / "conf/experiment" / f"{name}.yaml").write_text("# @package _global_\n" + text)
        return ["--config-dir", str(tmp_path / "conf")]

    return write


def test_a_papers_settings_hold_unless_touched():
    x = composed("method=rest_em").experiment
    assert (x.sampling.temperature, x.sampling.top_k, x.filter.limit) == (0.7, 40, 10)
    y = composed("method=rest_em", "sampling.temperature=0.0", "filter.limit=1").experiment
    assert (y.sampling.temperature, y.sampling.top_k, y.filter.limit) == (0.0, 40, 1)


def test_an_experiments_file_wins_over_the_paper_even_with_a_default(own, tmp_path):
    flags = own("mine", "defaults:\n  - override /method: vstar\nfilter:\n  limit: 1\n")
    done = call(
        tmp_path,
        "run",
        *flags,
        "experiment=mine",
        *SMALL,
        "samples=2",
        "method.gold=false",
        "name=mine",
        "verification.candidates=4",
        "verification.ks=[1,2]",
        "sampling.temperature=1.0",
    )
    assert done.code == 0, done.err
    config = Run(tmp_path, "mine").info.config
    assert config["filter"]["limit"] == 1 and config["sampling"]["temperature"] == 1.0


def test_what_is_written_down_is_what_was_used():
    c = composed("method=vstar", "rounds=2")
    told = c.info()
    assert told["config"]["sampling"]["temperature"] == 0.7 and told["config"]["filter"]["limit"] == 0
    assert told["config"]["method"]["rounds"] == 2 and told["parts"]["verifier"] == "fake"


def test_runs_with_other_verifiers_are_other_runs():
    infos = [composed("method=vstar", v).info() for v in ("verifier=fake", "verifier=none")]
    with_one, without = (Settings(**info) for info in infos)
    assert settings_of(with_one) != settings_of(without)
    assert with_one.config_key != without.config_key


def test_settings_of_one_method_among_several():
    assert composed("method=rft", "+methods.rft.samples=7", "samples=3").experiment.method.samples == 3
    assert composed("method=rft", "+methods.rft.samples=7").experiment.method.samples == 7
    assert composed("method=star", "+methods.rft.samples=7").experiment.method.samples == 1
    with pytest.raises(StarError, match="methods.rft.sample=7: this method has no sample"):
        composed("method=rft", "+methods.rft.sample=7")
    with pytest.raises(StarError, match="methods.rft.samples=many"):
        composed("method=rft", "+methods.rft.samples=many")
    with pytest.raises(StarError, match="unknown method 'rtf'"):
        composed("method=rft", "+methods.rtf.samples=7")


def test_an_experiment_of_ones_own_can_name_its_sweep(own, tmp_path):
    flags = own("mine", "hydra:\n  sweeper:\n    params:\n      seed: 1,2\n")
    done = call(tmp_path, "run", "-m", *flags, "experiment=mine", *SMALL, "rounds=1")
    assert done.code == 0, done.err
    assert sorted(p.name for p in (tmp_path / "runs").glob("sweep-*/*")) == ["seed=1", "seed=2"]


@pytest.mark.parametrize("method", ["ada_star", "b_star"])
def test_a_filter_setting_that_a_method_does_not_heed_is_refused(method, tmp_path):
    done = call(
        tmp_path,
        "run",
        *SMALL,
        f"method={method}",
        "samples=2",
        "filter.control=random",
        "name=x",
        *(["method.gold=false", "method.queries=5", "method.temperatures=[1.0]"] if method == "b_star" else []),
    )
    assert done.code == 1 and "filter.control=random has no effect" in done.err and "Traceback" not in done.err
