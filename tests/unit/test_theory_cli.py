"""`star theory`: the JSON other programs read, the exit code of `check`, one sentence for a mistake."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from star_cli.cli import theory  # noqa: F401  (registers the commands)
from star_cli.cli.app import app
from star_cli.cli.theory import deltas_of
from star_cli.errors import StarError
from star_cli.lib.theory.closed_form import trajectory
from star_cli.lib.theory.tables import symmetric_tables
from star_cli.lib.theory.tabular import simulate
from star_cli.report.theory_figure import draw_predictions

star = CliRunner()


def predicted(*args):
    done = star.invoke(app, ["theory", "predict", "--json", *args])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_predict_prints_exactly_the_promised_json_with_round_zero_first():
    told = predicted("--steps", "3", "--states", "64", "--delta", "0.2", "--rounds", "4")
    assert list(told) == ["accuracy", "delta", "wrong_given_kept", "improvement"]
    assert [len(v) for v in told.values()] == [5, 5, 5, 4]
    assert told["improvement"][0] == pytest.approx([0.289362] * 3, abs=1e-6)
    assert told["accuracy"][:4] == pytest.approx([0.023500, 0.130984, 0.869432, 0.999777], abs=1e-6)
    assert told["delta"][0] == [0.2, 0.2, 0.2]
    assert told["wrong_given_kept"][:3] == pytest.approx([0.5917, 0.0608, 0.00011], abs=1e-4)


def test_unequal_deltas_are_given_with_commas():
    told = predicted("--delta", "0.3,0.1,0.05", "--rounds", "2")
    assert told["delta"][1] == pytest.approx([0.36364, 0.19004, 0.15806], abs=1e-5)


def test_the_generator_convention_is_converted():
    told = predicted("--delta", "0.2", "--convention", "generator", "--rounds", "1")
    assert told["accuracy"] == pytest.approx([0.023881, 0.138797], abs=1e-6)
    assert told["delta"][0][0] == pytest.approx(0.2 * 64 / 63)


def test_without_json_a_table_and_a_plot_are_printed():
    done = star.invoke(app, ["theory", "predict"])
    assert done.exit_code == 0 and "0.869432" in done.output and "reached in round 3" in done.output
    assert "\x1b[" not in done.output


def test_several_deltas_are_a_list_and_one_figure(tmp_path):
    figure = tmp_path / "two.svg"
    both = predicted("--delta", "0.1", "--delta", "0.3,0.1,0.05", "--figure", str(figure))
    assert both == [predicted("--delta", "0.1"), predicted("--delta", "0.3,0.1,0.05")]
    assert "delta 0.1<" in figure.read_text() and "delta 0.3,0.1,0.05<" in figure.read_text()
    five = [word for n in range(1, 6) for word in ("--delta", f"0.{n}")]
    printed = star.invoke(app, ["theory", "predict", *five]).output
    assert "64 states, delta 0.5" in printed and "* accuracy, delta 0.1\n" in printed
    assert printed.count("#") > 5 and "# accuracy, delta 0.5" in printed, "the fifth curve is drawn, too"


def test_the_figure_draws_the_numbers_of_the_prediction():
    from matplotlib.figure import Figure

    predictions = {"a": trajectory([0.1, 0.2], 8, 3), "b": trajectory([0.3, 0.2], 8, 5)}
    figure = Figure()
    draw_predictions(figure, predictions)
    accuracy, wrong, deltas = figure.axes
    assert [tuple(line.get_ydata()) for line in accuracy.lines] == [p.accuracy for p in predictions.values()]
    assert [tuple(line.get_ydata()) for line in wrong.lines] == [p.wrong_given_kept for p in predictions.values()]
    drawn = [tuple(line.get_ydata()) for line in deltas.lines]
    assert drawn == [values for p in predictions.values() for values in zip(*p.delta, strict=True)]


def test_temperature_and_initial_and_tables_agree_where_they_say_the_same(tmp_path):
    """The closed form at a temperature, the tables of the family and a uniform distribution that is written out."""
    np.save(tmp_path / "t.npy", symmetric_tables([0.1, 0.2, 0.3], 8))
    chain = {"tables": symmetric_tables([0.1, 0.2, 0.3], 8).tolist(), "initial": [1 / 8] * 8}
    (tmp_path / "t.json").write_text(json.dumps(chain))
    closed = predicted("--states", "8", "--delta", "0.1,0.2,0.3", "--temperature", "0.7")
    for args in (
        ["--states", "8", "--delta", "0.1,0.2,0.3", "--initial", ",".join(["0.125"] * 8)],
        ["--tables", str(tmp_path / "t.npy")],
        ["--tables", str(tmp_path / "t.json")],
    ):
        exact = predicted("--temperature", "0.7", *args)
        assert exact["rows_without_data"] == [0] * 4
        for name in ("accuracy", "wrong_given_kept"):
            assert exact[name] == pytest.approx(closed[name], abs=1e-12), args
        assert np.allclose(exact["delta"], closed["delta"], atol=1e-12)
        assert np.allclose(exact["improvement"], closed["improvement"], atol=1e-12)


def test_a_chain_of_any_functions_is_predicted_as_it_is_simulated(tmp_path):
    truth = [[1, 2, 0], [0, 2, 1]]
    tables, initial = symmetric_tables([0.3, 0.4], 3, truth), [0.5, 0.3, 0.2]
    (tmp_path / "c.json").write_text(json.dumps({"tables": tables.tolist(), "truth": truth}))
    np.save(tmp_path / "s.npy", initial)
    told = predicted("--tables", str(tmp_path / "c.json"), "--initial", str(tmp_path / "s.npy"), "--rounds", "2")
    assert told["accuracy"] == list(simulate(tables, truth, 2, initial).accuracy)
    assert told["accuracy"] != predicted("--tables", str(tmp_path / "c.json"), "--rounds", "2")["accuracy"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--tables", "{}/none.npy"], "cannot be read"),
        (["--tables", "{}/bad.json"], "no valid .json"),
        (["--tables", "{}/ragged.json"], "rows of equal length"),
        (["--tables", "{}/keys.json"], "'table'"),
        (["--tables", "{}/sum.json"], "must be a distribution"),
        (["--tables", "{}/x.csv"], ".npy or .json"),
        (["--tables", "{}/ok.json", "--states", "2"], "--states say nothing beside --tables"),
        (["--states", "3", "--initial", "0.5,0.5"], "over 3 states"),
        (["--initial", "much"], "--initial must be numbers"),
        (["--temperature", "0"], "temperature must be > 0"),
        (["--states", "2000", "--initial", ",".join(["0.0005"] * 2000)], "up to 1,024 states"),
        (["--figure", "{}/x.pdf"], ".svg or .png"),
    ],
)
def test_a_mistake_in_what_is_predicted_is_a_sentence(args, words, tmp_path):
    (tmp_path / "bad.json").write_text("[1, ")
    (tmp_path / "ragged.json").write_text("[[[0.5, 0.5], [1]]]")
    (tmp_path / "keys.json").write_text('{"table": []}')
    (tmp_path / "sum.json").write_text("[[[0.5, 0.6], [0, 1]]]")
    (tmp_path / "ok.json").write_text("[[[0.5, 0.5], [0, 1]]]")
    done = star.invoke(app, ["theory", "predict", *(a.format(tmp_path) for a in args)])
    assert isinstance(done.exception, StarError) and words in done.exception.what, done.exception


def test_the_limit_is_told_with_its_rate_and_rounds():
    done = star.invoke(app, ["theory", "limit", "--delta", "0.1", "--accuracy", "0.9", "--accuracy", "0.999"])
    assert done.exit_code == 0, done.output
    assert "accuracy tends to 1\n" in done.output and "quadratic in the end" in done.output
    told = json.loads(star.invoke(app, ["theory", "limit", "--delta=-0.01,-0.01,0.2", "--json"]).output)
    assert told["rounds_to"] == {"0.5": None, "0.9": None, "0.99": None, "0.999": None}
    assert told["factor"] == pytest.approx(62 / 63) and told["delta"] == pytest.approx([-1 / 63, -1 / 63, 1])
    assert "no round moves anything" in star.invoke(app, ["theory", "limit", "--delta", "0,0,0.3"]).output


@pytest.mark.parametrize(
    ("delta", "code", "word"),
    [
        ("0.1", 0, "converges"),
        ("0,0.1,0.1", 0, "recovers from zero"),
        ("0,0,0.3", 1, "stuck"),
        ("-0.01,0.2,0.2", 0, "recovers from negative"),
        ("-0.01,-0.01,0.2", 1, "drifts"),
    ],
)
def test_check_has_exit_code_1_when_self_training_cannot_start(delta, code, word):
    done = star.invoke(app, ["theory", "check", "--delta", delta])
    assert done.exit_code == code and word in done.output
    told = star.invoke(app, ["theory", "check", "--json", f"--delta={delta}"])
    assert json.loads(told.output)["can_start"] is (code == 0) and told.exit_code == code


@pytest.mark.parametrize("delta", ["0.1,0.2", "a", ""])
def test_deltas_that_make_no_sense_are_a_sentence(delta):
    with pytest.raises(StarError, match="--delta"):
        deltas_of(delta, 3)


def test_a_value_out_of_range_is_a_star_error():
    done = star.invoke(app, ["theory", "predict", "--delta", "2"])
    assert isinstance(done.exception, StarError) and "must be in" in done.exception.what
