"""The forecast: it knows what it does not know, it finds the theory's curve, and it is kept beside the run."""

import json
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from star_cli.analysis.forecast.chain import (
    Sizes,
    counted_tables,
    hinted_walks,
    kept_walks,
    possible_deltas,
    simulate_shared,
    simulate_tables,
)
from star_cli.analysis.forecast.mixture import Constants, ProblemGroup, kept_share, passes, posterior, simulate, spread
from star_cli.analysis.forecast.pilot import PilotResult, SampleCounts
from star_cli.analysis.forecast.result import forecast_of_curves, last_slope, load_forecast, score
from star_cli.analysis.forecast.start import forecast_start
from star_cli.cli import forecast as _forecast  # noqa: F401  (registers the command)
from star_cli.cli.app import app
from star_cli.core.settings import Schedule
from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import trajectory
from star_cli.lib.theory.tables import symmetric_tables
from star_cli.report.display import terminal_display
from star_cli.run.compose import launch
from star_cli.run.execute import execute, live_engine
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

SIZES = Sizes(
    steps=3,
    states=16,
    rounds=3,
    problems=16,
    samples=4000,
    limit=0,
    dedupe=False,
    rationalize=False,
    sampling=1.0,
    evaluation=1.0,
    held_out=16,
    answers=4000,
)
SMALL = [
    "experiment=rl_star_tabular",
    "task.length=2",
    "pretraining.lessons.chain=16",
    "samples=128",
    "rounds=2",
    "evaluation.samples=32",
    "tracking=none",
    "runtime.progress=none",
]


def forecast_of(curves, **more):
    return forecast_of_curves("chain", np.array(curves, dtype=float), pilot={}, assumptions=[], **more)


@pytest.mark.parametrize("simulate", [simulate_tables, simulate_shared])
def test_with_much_data_both_simulations_follow_the_closed_form(simulate, monkeypatch):
    monkeypatch.setattr("star_cli.analysis.forecast.chain.SLACK", 0.0)
    rng, told = np.random.default_rng(0), trajectory([0.4] * 3, 16, 3)
    runs = [simulate([0.4] * 3, SIZES, rng) for _ in range(30)]
    assert np.median([a for a, _ in runs], axis=0) == pytest.approx(told.accuracy, abs=0.02)
    assert np.median([w for _, w in runs], axis=0) == pytest.approx(told.wrong_given_kept, abs=0.02)


def test_few_samples_slow_a_table_down_as_the_closed_form_cannot_know():
    few = Sizes(**{**SIZES.__dict__, "samples": 10})
    runs = [simulate_tables([0.3] * 3, few, np.random.default_rng(n))[0] for n in range(20)]
    assert np.mean(runs, axis=0)[3] < trajectory([0.3] * 3, 16, 3).accuracy[3] - 0.1


def test_a_larger_pilot_narrows_the_posterior_around_the_truth():
    rng = np.random.default_rng(0)
    widths = []
    for n in (50, 5000):
        right = [round(n * (1 + 15 * 0.4) / 16)] * 3
        draws = np.array([possible_deltas(right, n, SIZES, rng) for _ in range(300)])
        assert draws.mean() == pytest.approx(0.4, abs=0.02)
        widths.append(draws.std())
    assert widths[1] < widths[0] / 5


def test_a_pilot_at_another_temperature_is_read_back_to_one():
    hot = Sizes(**{**SIZES.__dict__, "sampling": 0.5})
    odds = ((1 + 15 * 0.2) / 0.8) ** 2  # at T = 1/2 the odds are squared
    right = round(100_000 * odds / (odds + 15))
    assert possible_deltas([right], 100_000, hot, np.random.default_rng(0)) == pytest.approx((0.2,), abs=0.01)


def test_hinted_walks_return_to_their_start_and_may_be_wrong_on_the_way():
    tables = symmetric_tables([0.3] * 3, 16)
    walks = hinted_walks(tables, np.arange(16).repeat(50), np.random.default_rng(0))
    assert (walks[:, -1] == walks[:, 0]).all() and (walks[:, 1] != walks[:, 0]).any()


def test_limit_and_dedupe_are_those_of_the_filter():
    sizes = Sizes(**{**SIZES.__dict__, "limit": 2, "samples": 50})
    kept = kept_walks(symmetric_tables([0.9] * 3, 16), sizes, np.random.default_rng(0))
    assert np.bincount(kept[:, 0]).max() == 2
    once = Sizes(**{**SIZES.__dict__, "dedupe": True, "samples": 50})
    kept = kept_walks(symmetric_tables([0.9] * 3, 16), once, np.random.default_rng(0))
    assert len(np.unique(kept, axis=0)) == len(kept)


def test_rows_without_data_stay_the_bases():
    base = symmetric_tables([0.3] * 3, 16)
    after = counted_tables(np.array([[5, 5, 5, 5]]), base)
    assert after[0, 5, 5] == 1 and (after[0, 6] == base[0, 6]).all()


# ---- the mixture ---------------------------------------------------------------------------------
def test_spread_tells_a_polarised_group_from_an_even_one():
    assert spread([(0, 8)] * 10 + [(8, 8)] * 10) < 0.3
    rng = np.random.default_rng(0)
    assert spread([(int(r), 8) for r in rng.binomial(8, 0.5, 200)]) > 10
    assert spread([(1, 1), (0, 1)]) == 1.0


def test_polarised_problems_are_solved_less_often_than_their_mean_suggests():
    even, poles = kept_share(0.3, 50, 8, 1), kept_share(0.3, 0.1, 8, 1)
    assert even[0] > 0.9 and poles[0] < 0.4
    assert kept_share(0.3, 1, 8, 0)[1] == pytest.approx(2.4)


def test_samples_of_one_problem_count_as_one():
    assert posterior([(4, 8)] * 10) == (5.5, 5.5)


LAW = Constants(kappa=1.3, tau=20.0, rho=0.25, wear=2.0, limit=12.0)


class X:
    """An experiment of 600 sequences a round, as far as the mixture looks at it."""

    schedule = Schedule(start=60, grow=1.0)

    class method:
        rounds, samples = 3, 1

    class sampling:
        temperature = 0.0

    class filter:
        limit = 1

    class trainer:
        batch = 10


def test_a_few_rationales_repeated_too_often_are_expected_to_spoil_the_model():
    assert passes(X, 1, 30.0) == 20.0
    assert passes(type("E", (X,), {"schedule": Schedule(epochs=2.5)}), 1, 30.0) == 2.5
    assert passes(type("T", (X,), {"trainer": object()}), 1, 30.0) == 0.0

    def last(problems):
        group = ProblemGroup(
            own=(30.5, 30.5), evaluated=(30.5, 30.5), hinted=None, spread=1.0, train=problems, held_out=200
        )
        rng = np.random.default_rng(0)
        return np.mean([simulate(X, [group], LAW, 0.3, rng)[-1] for _ in range(200)])

    assert last(20) < 0.4 and last(2000) > 0.9


def test_a_group_that_nobody_solves_is_not_expected_to_be_perfect_without_hints():
    def last(hinted):
        groups = [
            ProblemGroup(own=(0.5, 60.5), evaluated=(0.5, 60.5), hinted=hinted, spread=1.0, train=500, held_out=50)
        ]
        rng = np.random.default_rng(0)
        return np.mean([simulate(X, groups, LAW, 0.3, rng)[-1] for _ in range(200)])

    assert last(None) < 0.2 and last((30.5, 30.5)) > last(None) + 0.1


# ---- the forecast ---------------------------------------------------------------------------------
def test_the_band_holds_eighty_percent_and_the_advice_follows_the_chance_of_a_gain():
    curves = [[0.1, 0.1 + 0.8 * i / 99] for i in range(100)]
    told = forecast_of(curves)
    assert told.rows[1].low == pytest.approx(0.18, abs=0.01) and told.rows[1].high == pytest.approx(0.82, abs=0.01)
    assert told.advice == "start"
    assert forecast_of([[0.1, 0.1]] * 10).advice == "stop"
    assert forecast_of([[0.1, 0.1]] * 5 + [[0.1, 0.9]] * 5).advice == "wait"
    assert forecast_of([[1.0, 1.0]] * 10).advice == "stop"


def test_the_plateau_is_the_first_round_close_to_the_end():
    assert forecast_of([[0.1, 0.5, 0.995, 1.0]] * 3).plateau == 2
    assert forecast_of([[0.1, 0.2, 0.4, 0.8]] * 3).plateau is None


def test_a_forecast_is_judged_against_two_naive_ones():
    told = forecast_of([[0.1, 0.5, 0.9]] * 3)
    s = score(told, [0.1, 0.5, 0.8])
    assert (s.rounds, s.covered) == (2, 1)
    assert (s.error, s.no_change, s.last_slope) == pytest.approx((0.05, 0.55, (0.4 + 0.1) / 2))
    assert last_slope([0.5, 0.9]) == 1.0
    with pytest.raises(StarError, match="no round was measured"):
        score(told, [0.1])


def test_a_forecast_is_read_back_and_a_damaged_one_is_a_sentence(tmp_path):
    told = forecast_of([[0.1, 0.5]] * 3, wrong=[0.2], deltas=[[0.1, 0.0, 0.2]])
    told.save(tmp_path)
    assert load_forecast(tmp_path) == told and load_forecast(tmp_path / "nowhere") is None
    (tmp_path / "forecast.json").write_text("{}")
    with pytest.raises(StarError, match="is not a forecast"):
        load_forecast(tmp_path)


def test_a_tally_knows_how_many_problems_were_solved():
    assert SampleCounts(by_problem={"a": (0, 2), "b": (1, 2)}).solved == 1


# ---- from end to end -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("forecast")
    try:
        launch([*SMALL, f"home='{home}'", "name=t", "forecast=true"], partial(execute, display=terminal_display()))
    finally:
        live_engine.close()
    return home


def test_forecast_true_keeps_the_forecast_with_the_run_and_it_comes_true(home):
    run, told = Run(home, "t"), load_forecast(Run(home, "t").path)
    assert told.model == "chain" and len(told.rows) == 3 and told.advice == "start"
    assert {e.name for e in run.events() if e.round == 0} >= {"pilot-problems", "pilot", "filter-pilot"}
    measured = [e.metrics["accuracy"] for e in run.events() if e.name == "evaluate"]
    assert all(abs(r.accuracy - m) < 0.12 for r, m in zip(told.rows, measured, strict=True))
    assert told.rows[0].wrong > told.rows[2].wrong


def test_a_forecast_changes_neither_the_runs_settings_nor_its_artifacts(home):
    before = Run(home, "t").info.config_key, [e.key for e in Run(home, "t").events() if e.name == "finetune"]
    launch([*SMALL, f"home='{home}'", "name=u"], execute)
    live_engine.close()
    after = Run(home, "u")
    assert before == (after.info.config_key, [e.key for e in after.events() if e.name == "finetune"])
    assert after.info.built == 0


def test_star_forecast_takes_a_run_and_shows_what_it_measured(home):
    done = CliRunner().invoke(app, ["forecast", "t", f"home={home}", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert len(told["measured"]) == 3 and told["format"] == "forecast/1"
    shown = CliRunner().invoke(app, ["forecast", "t", f"home={home}"])
    assert "judged:" in shown.output and "80 % band" in shown.output


def test_star_forecast_takes_overrides_and_fine_tunes_nothing(tmp_path):
    done = CliRunner().invoke(
        app,
        [
            "forecast",
            "model=fake",
            "task.train=60",
            "task.dev=20",
            "problems=80",
            "rounds=2",
            "tracking=none",
            f"home={tmp_path}",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["model"] == "start" and told["measured"] == [] and told["pilot"]["hinted"] > 0
    assert len(told["rows"]) == 1 and told["chance"] is None and "not calibrated for this task" in done.output
    store = open_store(tmp_path)
    assert "finetune" not in {store.get(k).stage for k in store.keys()}


# ---- whether to start ----------------------------------------------------------------------------
def pilot_of(right: int, problems: int, hinted: int | None = None) -> PilotResult:
    """A greedy pilot: ``right`` of ``problems`` problems solved, and of the others ``hinted`` with the answer shown."""
    own = SampleCounts({f"p{i}": (int(i < right), 1) for i in range(problems)}, right, problems)
    rest = None
    if hinted is not None:
        unsolved = problems - right
        rest = SampleCounts({f"p{right + i}": (int(i < hinted), 1) for i in range(unsolved)}, hinted, unsolved)
    return PilotResult(own, own, rest, [], {f"p{i}": "all" for i in range(problems)}, {"all": 2000}, {"all": 300})


@pytest.mark.parametrize(
    "pilot, advice, words",
    [
        (pilot_of(30, 100, hinted=50), "start", "problems are ones it does not answer yet"),
        (pilot_of(30, 100), "stop", "would be new to the model"),  # greedy, no hint: it learns what it can do
        (pilot_of(0, 100, hinted=0), "stop", "would be new to the model"),
        (pilot_of(100, 100), "stop", "nearly perfect"),
        (pilot_of(2, 100, hinted=4), "wait", "pass"),
    ],
)
def test_advice_without_a_calibrated_law_rests_on_what_round_one_will_keep(pilot, advice, words):
    told = forecast_start(type("E", (X,), {"schedule": Schedule(start=400, grow=1.0)}), pilot, seed=0)
    assert told.advice == advice and words in told.words
    assert [row.round for row in told.rows] == [0] and told.rows[0].low <= told.rows[0].accuracy <= told.rows[0].high
