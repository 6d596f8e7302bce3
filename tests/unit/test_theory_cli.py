"""`star theory`: the JSON other programs read, the exit code of `check`, one sentence for a mistake."""

import json

import pytest
from typer.testing import CliRunner

from star_cli.cli import theory  # noqa: F401  (registers the commands)
from star_cli.cli.app import app
from star_cli.cli.theory import deltas_of
from star_cli.errors import StarError

star = CliRunner()


def predicted(*args):
    done = star.invoke(app, ["theory", "predict", "--json", *args])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_predict_prints_exactly_the_promised_json_with_round_zero_first():
    told = predicted("--steps", "3", "--states", "64", "--delta", "0.2", "--rounds", "4")
    assert list(told) == ["accuracy", "delta", "wrong_given_kept"]
    assert [len(v) for v in told.values()] == [5, 5, 5]
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
