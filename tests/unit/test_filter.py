"""The filter: what counts as equal, where a kept row comes from, and the control that keeps as much without looking."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from by_hand import committed
from conftest import SMALL, call

from star_cli.core.keys import key, stable
from star_cli.core.records import Example, Problem, Rationale, Verdict
from star_cli.core.settings import Filtering, Runtime
from star_cli.errors import StarError
from star_cli.graders.exact import Exact
from star_cli.run.observe import NoMeter
from star_cli.stages.filter import Filter
from star_cli.stages.keeping import KeepRule
from star_cli.store.artifacts import Store
from star_cli.store.runs import Run
from star_cli.tasks.addition import Addition
from star_cli.tasks.gsm8k import GSM8K

TEXTS = {
    "1:1+1": ["a 2", "a 2", "b 2", "c 3", "d 4"],
    "1:1+2": ["a 9", "b 9", "c 9", "d 9", "e 9"],
    "1:2+2": ["w 4", "x 4", "y 4", "z 4", "v 5"],
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "artifacts").open()


def keep(store, name, records, inputs=None, tag=None):
    draft = store.draft(key([name]))
    for kind, rows in records.items():
        draft.write(kind, rows)
    return committed(store, draft, name, tag=tag, inputs=inputs)


def filtered(store, texts=None, *, round=2, **settings):
    """(examples, verdicts, metrics) of a filter over small texts whose last line is the answer."""
    texts = texts or TEXTS
    ends = {i: str(sum(map(int, i.partition(":")[2].split("+")))) for i in texts}
    problems = keep(
        store,
        f"problems{round}",
        {
            Problem: [
                Problem(id=i, question=i.partition(":")[2].replace("+", " + "), answer=ends[i], meta={"digits": 1})
                for i in texts
            ]
        },
    )
    rows = [
        Rationale(
            problem_id=i,
            sample=n,
            text=t.replace(" ", "\n</scratch>\n") if "scratch" not in t else t,
            hinted=False,
            finish="stop",
            tokens=len(t.split()),
            logprob=None,
            seed=0,
            prompt_key="",
        )
        for i, some in texts.items()
        for n, t in enumerate(some)
    ]
    written = keep(store, f"generate{round}", {Rationale: rows}, {"model": "f" * 32}, {"round": round, "hint": False})
    draft = store.draft(key(["filter", settings, round]))
    work = SimpleNamespace(
        draft=draft,
        inputs={"problems": problems, "rationales": written},
        runtime=Runtime(),
        meter=lambda what, total: NoMeter(),
    )
    rule = KeepRule(**{"limit": 0, **settings})
    made = Filter(task=Addition(), grader=Exact(after="</scratch>"), keep=rule).run(work)
    artifact = committed(store, draft, "filter", metrics=made)
    return list(artifact.read(Example)), list(artifact.read(Verdict)), made


def samples(examples):
    return [(e.problem_id, e.sample) for e in examples]


def test_a_kept_row_says_its_round_and_its_generator(store):
    examples, _, _ = filtered(store)
    assert {(e.round, e.generator, e.origin) for e in examples} == {(2, "f" * 32, "own")}
    other, _, _ = filtered(store, round=3)
    assert not {e.identity() for e in examples} & {e.identity() for e in other}


@pytest.mark.parametrize(
    ("dedupe", "kept", "duplicates"),
    [("text", [0, 2], 1), ("none", [0, 1, 2], 0)],
)
def test_what_counts_as_equal_is_a_setting(store, dedupe, kept, duplicates):
    examples, verdicts, made = filtered(store, dedupe=dedupe)
    assert [e.sample for e in examples if e.problem_id == "1:1+1"] == kept
    assert made["duplicates"] == duplicates and made["solved"] == 2 and len(verdicts) == 15


def test_true_and_text_are_one_setting():
    assert [Filtering(dedupe=d).mode for d in (True, "text", False, "none")] == ["text", "text", "none", "none"]


def test_equal_equations_are_kept_once_the_text_furthest_from_those_of_other_lists(store):
    texts = {
        "1:1+1": [f"{words} <<1+1=2>>\n</scratch>\n2" for words in ("so", "so", "a much longer way of saying it")]
        + ["by <<2*1=2>>\n</scratch>\n2", "no equation\n</scratch>\n2", "none either\n</scratch>\n2"]
    }
    examples, _, made = filtered(store, texts, dedupe="equations")
    assert [e.sample for e in examples] == [0, 3, 5] and made["duplicates"] == 3
    assert [e.sample for e in filtered(store, texts, dedupe="equations", limit=2)[0]] == [0, 3]


def test_the_limit_keeps_the_first_ones(store):
    assert samples(filtered(store, limit=1)[0]) == [("1:1+1", 0), ("1:2+2", 0)]


@pytest.mark.parametrize("settings", [{}, {"limit": 1}, {"limit": 3}, {"dedupe": "none"}])
def test_the_control_keeps_as_many_of_the_same_problems_whatever_the_verdicts(store, settings):
    real, verdicts, told = filtered(store, **settings)
    drawn = {seed: filtered(store, control="random", seed=seed, **settings) for seed in range(8)}
    for examples, judged, made in drawn.values():
        assert judged == verdicts and made["kept"] == told["kept"] and made["solved"] == told["solved"]
        assert sorted(e.problem_id for e in examples) == sorted(e.problem_id for e in real)
        assert len({e.identity() for e in examples}) == len(examples)
        right = {v.identity() for v in judged if v.correct}
        assert made["kept_right"] == sum((e.problem_id, e.sample) in right for e in examples)
        if settings.get("dedupe") != "none":
            assert len({(e.problem_id, e.completion) for e in examples}) == len(examples)
    assert len({tuple(samples(e)) for e, _, _ in drawn.values()}) > 1
    assert any(made["kept_right"] < made["kept"] for _, _, made in drawn.values())
    assert samples(filtered(store, control="random", seed=3, **settings)[0]) == samples(drawn[3][0])


def test_the_control_draws_every_sample_equally_often(store):
    texts = {f"1:{a}+{b}": [f"{c} {a + b}" for c in "uvwxy"] for a in range(1, 10) for b in range(1, 10)}
    drawn = [e.sample for seed in range(4) for e in filtered(store, texts, control="random", seed=seed, limit=1)[0]]
    assert len(drawn) == 324 and all(40 <= drawn.count(n) <= 95 for n in range(5))


def test_the_control_is_another_artifact_and_a_seed_matters_only_there(store):
    plain = Filter(task=Addition(), grader=Exact())
    control = Filter(task=Addition(), grader=Exact(), keep=KeepRule(control="random"))
    assert key(plain) != key(control)


@pytest.mark.parametrize("settings", [{"control": "all"}, {"dedupe": "words"}, {"limit": -1}])
def test_a_setting_without_sense_is_a_sentence(settings):
    with pytest.raises(StarError, match="filter."):
        Filtering(**settings).check()


def test_settings_arrive_from_the_command_line(home):
    args = [*SMALL, "rounds=1", "samples=3", "sampling.temperature=1", "method.rationalize=false"]
    for name, extra in (("plain", []), ("control", ["filter.control=random"]), ("named", ["filter.dedupe=text"])):
        done = call(home, "run", *args, *extra, f"name={name}")
        assert done.code == 0, done.err
    made = {n: Run(home, n).artifact(Store(home / "artifacts"), 1, "filter") for n in ("plain", "control", "named")}
    assert made["plain"].key == made["named"].key != made["control"].key
    assert made["control"].metrics["kept"] == made["plain"].metrics["kept"] > made["control"].metrics["kept_right"]
    assert call(home, "run", *args, "filter.dedupe=words", "name=x").code == 1
    assert "filter.dedupe must be text" in call(home, "run", *args, "filter.dedupe=words", "name=x").err


def test_rft_keeps_the_marks_that_its_equations_are_read_from(home):
    """The data's calculator marks are stripped for methods that do not look at them, and kept for RFT."""
    data = Path(__file__).parents[1] / "data" / "gsm8k.jsonl"
    for method, wanted, extra in (
        ("star", "strip", []),
        ("rft", "keep", []),
        ("rft", "strip", ["task.annotations=strip"]),
        ("star", "keep", ["task.annotations=keep"]),
    ):
        asked = ["model=fake", "task=gsm8k", f"task.path={data}", f"method={method}", *extra]
        shown = call(home, "run", "--cfg", "job", *asked)
        assert shown.code == 0 and f"annotations: {wanted}" in shown.out, (method, extra, shown.err)
    marked, plain = (GSM8K(path=str(data), annotations=a) for a in ("keep", "strip"))
    for task in (marked, plain):
        task.check()
    with_marks, without = (task.gold(next(task.problems("train"))) for task in (marked, plain))
    assert "<<3*4=12>>" in with_marks and re.sub(r"<<[^<>]*>>", "", with_marks) == without
    with pytest.raises(StarError, match="task.annotations must be keep, strip or auto, got 'drop'"):
        GSM8K(path=str(data), annotations="drop").check()


# ---- which of the right ones ---------------------------------------------------------------------------------------
LONG = {"1:1+1": ["so it must be, all in all, <<1+1=2>>\n</scratch>\n2", "<<1+1=2>>\n</scratch>\n2", "1 3"]}


def test_the_shortest_of_the_right_ones_is_kept(store):
    assert samples(filtered(store, LONG, limit=1)[0]) == [("1:1+1", 0)]
    assert samples(filtered(store, LONG, limit=1, shortest=True)[0]) == [("1:1+1", 1)]


def test_what_is_longer_than_the_longest_is_left_out_and_counted(store):
    examples, _, made = filtered(store, LONG, longest=6)
    assert samples(examples) == [("1:1+1", 1)] and made["too_long"] == 1
    assert Filter.summary(made) == "solved 1 of 1, kept 1, 1 too long"
    assert "too_long" not in filtered(store, LONG)[2]


@pytest.mark.parametrize(
    ("window", "kept", "outside"),
    [([0.0, 1.0], {"easy", "even", "hard"}, 0), ([0.3, 0.9], {"even"}, 5), ([0.5, 0.5], {"even"}, 5)],
)
def test_problems_outside_the_window_of_pass_rates_are_left_out_and_counted(store, window, kept, outside):
    texts = {"1:1+1": ["a 2", "b 2", "c 2", "d 2"], "1:1+2": ["a 3", "b 3", "c 4", "d 4"], "1:1+3": ["a 4", *"bcd"]}
    names = {"1:1+1": "easy", "1:1+2": "even", "1:1+3": "hard"}
    examples, _, made = filtered(store, texts, pass_rate=window)
    assert {names[e.problem_id] for e in examples} == kept
    assert made.get("outside_pass_rate", 0) == outside


def test_near_duplicates_are_kept_once(store):
    words = [f"first we see that there are {n} of them in all, and that is what was asked" for n in (1, 1, 7)]
    texts = {"1:1+1": [f"{w}\n</scratch>\n2" for w in (*words, "an altogether other way")]}
    examples, _, made = filtered(store, texts, dedupe="near", similar=0.6)
    assert [e.sample for e in examples] == [0, 3] and made["duplicates"] == 2
    assert [e.sample for e in filtered(store, texts, dedupe="near", similar=0.95)[0]] == [0, 2, 3]


@pytest.mark.parametrize(("by", "kept"), [("none", [0, 1]), ("equations", [0, 3]), ("words", [0, 2])])
def test_the_most_different_ones_are_kept(store, by, kept):
    ways = [
        "we add <<1+1=2>>",
        "we add now <<1+1=2>>",
        "one apple lies here and another one there, which makes a pair: <<1+1=2>>",
        "we add <<2*1=2>>",
    ]
    texts = {"1:1+1": [f"{way}\n</scratch>\n2" for way in ways]}
    assert [e.sample for e in filtered(store, texts, limit=2, diverse=by)[0]] == kept


THOUGHT = "<think>1+1 is 3, no, 2</think>\n\n"


def test_a_thought_is_kept_or_stripped(store):
    texts = {"1:1+1": [f"{THOUGHT}so\n</scratch>\n2", "1, no, 2</think>\nso\n</scratch>\n2"]}
    assert [e.completion for e in filtered(store, texts)[0]] == texts["1:1+1"]
    examples, _, made = filtered(store, texts, thinking="strip")
    assert [e.completion for e in examples] == ["so\n</scratch>\n2"] and made["duplicates"] == 1


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"pass_rate": [0.9, 0.1]}, "filter.pass_rate must be two shares"),
        ({"similar": 0.5}, "filter.similar=0.5 has no effect with filter.dedupe=text"),
        ({"dedupe": "near", "similar": 0}, "filter.similar must be above 0"),
        ({"diverse": "words"}, "filter.diverse=words has no effect with filter.limit=1"),
        ({"diverse": "colours", "limit": 3}, "filter.diverse must be none, equations, words"),
        ({"shortest": True, "limit": 0}, "filter.shortest=true has no effect with filter.limit=0"),
        ({"shortest": True, "limit": 2, "diverse": "words"}, "both say which are kept"),
        ({"longest": -1}, "filter.longest must be >= 0"),
        ({"thinking": "fold"}, "filter.thinking must be keep or strip"),
    ],
)
def test_a_choice_without_sense_is_refused(setting, says):
    with pytest.raises(StarError, match=says):
        Filtering(**setting).check()


def test_a_setting_that_is_new_changes_no_key_unless_it_is_set():
    plain = stable(KeepRule())
    assert set(plain) == {"_", "limit", "dedupe", "sound", "control", "seed", "show_hint"}
    assert stable(KeepRule(shortest=True)) == {**plain, "shortest": True}
    assert stable(KeepRule(pass_rate=[0, 1])) == plain  # whole numbers or not
