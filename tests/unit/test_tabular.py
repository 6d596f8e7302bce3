"""The tabular policy: texts and numbers, sampling, refitting, the swap's canary."""

import json

import numpy as np
import pytest

from star_cli.backends.engines.tabular import Tabular as Engine
from star_cli.backends.models.tabular import Tabular as Model
from star_cli.backends.trainers.tabular import Tabular as Trainer
from star_cli.core.parts import ModelRef, Prompt, Request, TrainJob
from star_cli.core.records import Example
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import StarError
from star_cli.lib.theory.policy import Policy
from star_cli.lib.theory.states import letters_of, number, read_state, right_steps, state
from star_cli.lib.theory.tables import estimate_deltas, symmetric_tables
from star_cli.run.live_engine import LiveEngine
from star_cli.tasks.zip import Zip

QUESTION = "x 0 1 0 . 1 1 0"
CHAIN = "x 0 1 . 1 1 y 0 0\nx 0 . 1 y 1 1 . 0 0\nx . y 0 1 . 1 1 . 0 0"


def policy(delta=0.5, base=2, length=3):
    states = base ** (2 * length)
    return Policy(base, length, symmetric_tables([delta] * length, states))


def model_in(path, **settings):
    task = Zip(length=2)
    Model(**settings).initialise((e.prompt + e.completion for e in task.lesson_examples({"chain": 16}, 0)), path, 0)
    return path


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_every_state_is_read_back(length):
    for value in range(0, 2 ** (2 * length), 3):
        letters = letters_of(value, 2, 2 * length)
        assert number(letters, 2) == value
        for step in range(length + 1):
            assert read_state(state(letters, step)) == (step, letters)


@pytest.mark.parametrize("text", ["", "x", "x 0 1", "x 0 . 1 y 1", "y 0 0", "x a . b", "x 0 1 . 1 1 y 0 0 .", "0 . 1"])
def test_what_is_no_state_is_not_read(text):
    assert read_state(text) is None


def test_a_step_is_right_by_the_state_it_started_from_not_by_the_true_path():
    astray = "x 1 1 . 1 1 y 0 0\nx 1 . 1 y 1 1 . 0 0\nx . y 0 1 . 1 1 . 0 0"
    assert right_steps(QUESTION, CHAIN) == [True, True, True]
    assert right_steps(QUESTION, astray) == [False, True, False]
    assert right_steps(QUESTION, "nonsense\n" + CHAIN.split("\n")[1]) == [False, False, False]
    assert Zip().wrong_steps(next(p for p in Zip().problems("dev") if p.id == "010.110"), astray) == 2


def test_the_text_is_the_tasks_own_form():
    assert policy(1.0).write(QUESTION + "\n", 1, 1.0) == (CHAIN, 0.0)
    assert policy(1.0).write(CHAIN.split("\n")[0], 1, 1.0, one_step=True)[0] == CHAIN.split("\n")[1]


def test_samples_follow_the_table_and_the_seed_alone():
    p = policy(0.5)
    texts = [p.write(QUESTION, seed, 1.0)[0] for seed in range(3000)]
    assert texts[:50] == [policy(0.5).write(QUESTION, seed, 1.0)[0] for seed in range(50)]
    right = np.mean([right_steps(QUESTION, t) for t in texts], axis=0)
    assert right == pytest.approx([(1 + 63 * 0.5) / 64] * 3, abs=0.03)
    assert p.write(QUESTION, 7, 0.0)[0] == CHAIN  # greedy takes the likeliest


def test_temperature_sharpens_the_rows():
    right = np.mean([right_steps(QUESTION, policy(0.2).write(QUESTION, seed, 0.5)[0]) for seed in range(2000)])
    assert right > 0.7  # (1/64 + .2)^2 against 63 times .0127^2


def test_a_hint_draws_a_chain_that_ends_in_the_answer():
    p, answer = policy(0.2), CHAIN.split("\n")[-1]
    texts = [p.write(f"{QUESTION} -> {answer}\n", seed, 1.0)[0] for seed in range(200)]
    assert all(t.split("\n")[-1] == answer for t in texts)
    assert 0.05 < np.mean([t == CHAIN for t in texts]) < 0.95  # some get there by wrong steps


def test_refitting_counts_and_leaves_unvisited_rows_alone():
    p = policy(0.1)
    after, empty = p.refitted([(QUESTION + "\n", CHAIN)])
    here = number((0, 1, 0, 1, 1, 0), 2)
    assert empty == 3 * 64 - 3
    assert after.tables[0, here, here] == 1.0
    other = here + 1
    assert (after.tables[0, other] == p.tables[0, other]).all()


@pytest.mark.parametrize("text", ["hello", "x . y 0 1 . 1 1 . 0 0", "x 0 . 1"])
def test_texts_that_a_table_could_not_have_written_are_refused(text):
    with pytest.raises(StarError):
        policy().pairs(QUESTION, text)


def test_the_model_directory_has_the_same_bytes_each_time_and_the_asked_for_deltas(tmp_path):
    for name in "ab":
        model_in(tmp_path / name, deltas=[0.3, 0.0])
    assert (tmp_path / "a" / "tables.npy").read_bytes() == (tmp_path / "b" / "tables.npy").read_bytes()
    tables = Policy.load(tmp_path / "a").tables
    assert estimate_deltas(tables, [list(range(16))] * 2) == pytest.approx([0.3 * 16 / 15, 0.0])


def test_a_model_with_another_number_of_deltas_is_refused(tmp_path):
    with pytest.raises(StarError, match="chain of 2 steps"):
        model_in(tmp_path, deltas=[0.3, 0.1, 0.1])
    with pytest.raises(StarError, match="no tabular model"):
        Policy.load(tmp_path / "nowhere")


def trained(path, examples, out):
    out.mkdir()
    Trainer().train(
        TrainJob(start=ModelRef("base", str(path)), examples=examples, out=out, scratch=out, seed=0, runtime=Runtime())
    )
    texts = tuple(json.loads((out / "canary.json").read_bytes()))
    return ModelRef(str(out), str(out), dtype="float32", canary=texts)


def test_new_weights_go_into_the_living_engine_and_the_canary_proves_it(tmp_path):
    base = model_in(tmp_path / "base", delta=0.4)
    chains = [Policy.load(base).write("x 0 1 . 1 0", seed, 1.0)[0] for seed in range(40)]
    examples = [
        Example(problem_id="01.10", sample=i, prompt="x 0 1 . 1 0\n", completion=c, origin="own")
        for i, c in enumerate(chains)
    ]
    first = trained(base, examples[:20], tmp_path / "m1")
    second = trained(base, examples[20:], tmp_path / "m2")
    said, live_engine = [], LiveEngine()
    live_engine.session(Engine(), first, Runtime(), said.append)
    session = live_engine.session(Engine(), second, Runtime(), said.append)
    assert (live_engine.opened, live_engine.swapped, said) == (1, 1, [])
    asked = [(c["prompt"], c["completion"]) for c in second.canary]
    assert session.score(asked) == [c["logprob"] for c in second.canary]


def test_a_model_of_other_words_goes_into_the_living_engine_too(tmp_path):
    small, task = model_in(tmp_path / "small"), Zip(length=3)
    Model().initialise((e.prompt + e.completion for e in task.lesson_examples({"chain": 64}, 0)), tmp_path / "large", 0)
    example = Example(problem_id="q", sample=0, prompt=QUESTION, completion=CHAIN, origin="own")
    large = trained(tmp_path / "large", [example], tmp_path / "m1")
    live_engine = LiveEngine()
    live_engine.session(Engine(), ModelRef("s", str(small)), Runtime(), print)
    assert live_engine.session(Engine(), large, Runtime(), print).policy.length == 3
    assert live_engine.opened == 1


def test_lessons_teach_a_table_nothing(tmp_path):
    base = model_in(tmp_path / "base")
    gold = [
        Example(
            problem_id="l", sample=0, prompt="x 0 1 . 1 0\n", completion="x 0 . 1 y 1 0\nx . y 0 1 . 1 0", origin="gold"
        )
    ]
    after = trained(base, gold, tmp_path / "m1")
    assert (Policy.load(after.path).tables == Policy.load(base).tables).all()


def test_the_engine_writes_one_line_where_a_newline_stops_it(tmp_path):
    session = Engine().open(ModelRef("base", str(model_in(tmp_path))), Runtime())
    asked = [
        Request(("a", i), Prompt("x 0 1 . 1 0\n"), Sampling(temperature=1.0), 96, stop, 5)
        for i, stop in enumerate([(), ("\n",)])
    ]
    whole, line = session.stream(asked)
    assert whole.text.count("\n") == 1 and line.text == whole.text.split("\n")[0]
