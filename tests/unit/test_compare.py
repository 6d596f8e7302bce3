"""Runs at equal budgets: what is counted, at which budget they meet, and that noise is never called a gain."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from by_hand import committed, event
from conftest import SMALL, call

from star_cli.analysis.arms import Arm, Group, Point, group_arms
from star_cli.analysis.compare import compare_runs
from star_cli.analysis.comparison import Comparison
from star_cli.analysis.cost import Cost, Spending, spending
from star_cli.analysis.power import Z, power_of
from star_cli.backends.weights import count_parameters
from star_cli.core.keys import key
from star_cli.core.records import Problem, Verdict
from star_cli.errors import StarError
from star_cli.report.columns import Column
from star_cli.report.formats import as_text
from star_cli.store.artifacts import Store
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run

PROBLEMS = 40


def tensors(path, **shapes):
    """A safetensors file of zeros."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))


def keep(run, store, round, name, stage, inputs, metrics, seconds=1.0, records=(), hit=False, files=()):
    """An artifact of a run, with its line in the ledger."""
    address = key([run.name, round, name])
    draft = store.draft(address)
    for kind, rows in dict(records).items():
        draft.write(kind, rows)
    for shapes in files:
        tensors(draft.directory("model") / "model.safetensors", **shapes)
    made = committed(store, draft, stage, inputs=inputs, metrics=metrics, seconds=seconds)
    run.record(event(round, name, made, hit=hit, seconds=0.01 if hit else seconds), made)
    return address


def fake_run(home, name, *, right, samples=100, method="star", seed=0, config=None, questions="q", weights=True):
    """A run of len(right) - 1 rounds; ``right`` says which problems each round solved."""
    store, run = Store(home / "artifacts").open(), Run(home, name)
    run.start(
        Settings(
            config_key=name,
            overrides=[f"method={method}"],
            parts={"method": method},
            config={"seed": seed, "name": name, **(config or {})},
        )
    )
    ids = [f"p{i}" for i in range(len(right[0]))]
    asked = keep(
        run,
        store,
        0,
        "problems-dev",
        "problems",
        {},
        {},
        records={Problem: [Problem(id=i, question=questions, answer="1") for i in ids]},
    )
    model = base = keep(
        run,
        store,
        0,
        "pretrain",
        "pretrain",
        {},
        {"tokens": 9},
        50.0,
        files=[{"a": (10, 5), "b": (7,)}] if weights else [],
    )
    for n, solved in enumerate(right):
        if n:
            written = keep(
                run, store, n, "generate", "generate", {"model": model}, {"samples": samples, "tokens": 10 * samples}
            )
            judged = keep(run, store, n, "filter", "filter", {"rationales": written}, {}, 0.5, hit=True)
            model = keep(
                run, store, n, "finetune", "finetune", {"start": base, "examples.0": judged}, {"tokens": 30}, 2.0
            )
        answers = keep(
            run,
            store,
            n,
            "generate-dev",
            "generate",
            {"model": model, "problems": asked},
            {"samples": len(ids), "tokens": 999},
            7.0,
        )
        keep(
            run,
            store,
            n,
            "evaluate",
            "evaluate",
            {"problems": asked, "rationales": answers},
            {},
            3.0,
            {
                Verdict: [
                    Verdict(problem_id=i, sample=0, correct=bool(s), answer="1", reason="MATCH" if s else "MISMATCH")
                    for i, s in zip(ids, solved, strict=True)
                ]
            },
        )
    run.finish("finished")
    return run, store


def solved(share, n=PROBLEMS, seed=0):
    return (np.random.default_rng(seed).permutation(n) < share * n).tolist()


# ---- what is spent
def test_a_budget_counts_what_the_models_were_made_of_and_nothing_else(tmp_path):
    run, store = fake_run(tmp_path, "a", right=[solved(0.1), solved(0.5), solved(0.6)])
    spent = spending(run, store)
    assert spent.parameters == 57 and spent.uncounted == []
    each = Cost(100, 1000, 57 * (2 * 1000 + 6 * 30), 1.0 + 0.5 + 2.0)  # the found filter costs what it cost when built
    assert spent.rounds == {1: each, 2: each}
    assert spent.until(0) == Cost() and spent.until(2) == each + each


def test_parameters_are_counted_over_all_files_each_tensor_once(tmp_path):
    tensors(tmp_path / "1.safetensors", a=(3, 4), b=(2,))
    tensors(tmp_path / "2.safetensors", b=(2,), c=())
    assert count_parameters(sorted(tmp_path.glob("*.safetensors"))) == 12 + 2 + 1


def test_the_sampling_that_a_method_decides_by_is_counted(tmp_path):
    run, store = fake_run(tmp_path, "a", right=[solved(0.1)])
    base = key(["a", 0, "pretrain"])
    probe = keep(run, store, 1, "generate-probe", "generate", {"model": base}, {"samples": 5, "tokens": 50})
    judged = keep(run, store, 1, "judge-probe", "evaluate", {"rationales": probe}, {})
    state = keep(run, store, 1, "balance", "balance", {"verdicts.0": judged}, {})
    scored = keep(run, store, 1, "score", "score", {"rationales": probe}, {})
    keep(run, store, 1, "finetune", "finetune", {"start": base, "examples.0": state, "s": scored}, {})
    end = keep(
        run, store, 1, "candidates", "generate", {"model": key(["a", 1, "finetune"])}, {"samples": 70, "tokens": 70}
    )
    keep(run, store, 1, "select", "select", {"rationales": end}, {})
    spent = spending(run, store)
    assert spent.rounds[1].samples == 5 and spent.rounds[1].flops == 57 * (2 * 50 + 2 * 50)
    assert spent.uncounted == ["round-1/finetune"]  # it does not say how many tokens it saw


def test_preferences_and_policies_are_charged_like_the_others(tmp_path):
    """2 P a token written, or read by a reference; 6 P a token trained on."""
    run, store = fake_run(tmp_path, "a", right=[solved(0.1)])
    base = key(["a", 0, "pretrain"])
    written = keep(run, store, 1, "generate", "generate", {"model": base}, {"samples": 5, "tokens": 50})
    pairs = keep(run, store, 1, "pairs", "pairs", {"labelled": written}, {})
    prefer = {"sequence_tokens": 300, "scored_tokens": 100}
    keep(run, store, 1, "prefer", "prefer", {"start": base, "pairs": pairs}, prefer)
    policy = {"samples": 8, "tokens": 80, "sequence_tokens": 200, "scored_tokens": 200}
    keep(run, store, 2, "reinforce", "reinforce", {"model": base}, policy)
    spent = spending(run, store)
    assert spent.uncounted == []
    first, second = spent.rounds[1], spent.rounds[2]
    assert (first.samples, first.tokens, first.flops) == (5, 50, 57 * (2 * 50 + 6 * 300 + 2 * 100))
    assert (second.samples, second.tokens, second.flops) == (8, 80, 57 * (2 * 80 + 6 * 200 + 2 * 200))


# ---- where they meet
def test_equal_settings_are_one_group_and_a_label_tells_groups_apart(tmp_path):
    for seed in (0, 1):
        fake_run(tmp_path, f"s{seed}", right=[solved(0.1), solved(0.5, seed=seed)], seed=seed)
        fake_run(tmp_path, f"r{seed}", right=[solved(0.1), solved(0.5)], method="rft", seed=seed)
    fake_run(tmp_path, "hot", right=[solved(0.1), solved(0.5)], config={"sampling": {"temperature": 1.0}})
    fake_run(tmp_path, "again", right=[solved(0.1), solved(0.5)])
    v = compare_runs(tmp_path, ["s0", "s1", "r0", "r1", "hot", "again"])
    assert {g.label: [a.name for a in g.arms] for g in v.groups} == {
        "star sampling.temperature=None": ["s0", "s1"],
        "rft": ["r0", "r1"],
        "star sampling.temperature=1.0": ["hot"],
    }
    assert any("again is left out" in n for n in v.notes)
    assert any("start from 6 different base models" in n for n in v.notes)


def test_methods_meet_at_the_largest_budget_that_all_reached(tmp_path):
    fake_run(tmp_path, "cheap", right=[solved(0.1), solved(0.4), solved(0.5)], samples=100)
    fake_run(tmp_path, "dear", right=[solved(0.1), solved(0.6), solved(0.9)], samples=150, method="rft")
    fake_run(tmp_path, "free", right=[solved(0.1), solved(0.2)], samples=0, method="direct")
    v = compare_runs(tmp_path, ["cheap", "dear", "free"])
    assert v.budget == 200 and v.budgets() == [50, 100, 200]
    cheap, dear, free = v.groups
    assert [p.round for p in (*cheap.at("samples", 200), *dear.at("samples", 200), *free.at("samples", 200))] == [
        2,
        1,
        1,
    ]
    assert dear.at("samples", 147.1)[0].round == 1 and dear.at("samples", 146)[0].round == 0  # two per cent
    assert v.difference(dear, cheap, 200).value == pytest.approx(0.1)
    assert v.difference(free, cheap, 200).value == pytest.approx(-0.3)
    told = v.as_json()
    assert [g["spent"]["samples"] for g in told["groups"]] == [200, 300, 0]
    assert len(told["differences"]) == 12 and [round(x["samples"]) for x in told["groups"][1]["curve"]] == [0, 150, 300]


def test_a_difference_inside_its_interval_is_no_gain(tmp_path):
    a = solved(0.5)
    b = [not x if i in (3, 4, 5) else x for i, x in enumerate(a)]
    fake_run(tmp_path, "a", right=[solved(0.1), a])
    fake_run(tmp_path, "b", right=[solved(0.1), b], method="rft")
    fake_run(tmp_path, "c", right=[solved(0.1), solved(0.95)], method="direct")
    v = compare_runs(tmp_path, ["a", "b", "c"])
    star, rft, direct = v.groups
    small, large = v.difference(rft, star, v.budget), v.difference(direct, star, v.budget)
    assert small.low <= 0 <= small.high and small.says == "no difference shown"
    assert large.low > 0 and large.says == "higher" and v.difference(star, direct, v.budget).says == "lower"
    same = v.difference(star, star, v.budget)
    assert (same.value, same.low, same.high) == (0, 0, 0) and same.says == "no difference shown"


def test_seeds_widen_an_interval_and_pairing_narrows_a_difference():
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(400)]
    hard, luck = rng.random(400), [-0.2, 0.0, 0.2]

    def group(label, shift, seeds):
        arms = []
        for s in seeds:
            values = np.clip(hard + luck[s] + shift, 0, 1)
            arms.append(
                Arm(
                    f"{label}{s}",
                    label,
                    s,
                    {},
                    [Point(1, Cost(10), dict(zip(ids, values.tolist(), strict=True)))],
                    Spending(),
                )
            )
        return Group(label, arms)

    a, b, one = group("a", 0.0, [0, 1, 2]), group("b", 0.05, [0, 1, 2]), group("one", 0.0, [1])
    v = Comparison([a, b, one], "samples", "accuracy", ids)
    wide, narrow = v.estimate(a, a.points(1)), v.estimate(one, one.points(1))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    paired = v.difference(b, a, 10)
    assert paired.says == "higher" and paired.high - paired.low < 0.1
    assert v.difference(b, one, 10).says == "no difference shown"  # other seeds: their luck is not shared


def test_intervals_over_seeds_cover_the_truth_about_as_often_as_they_say():
    rng, ids, hits = np.random.default_rng(5), [f"p{i}" for i in range(30)], 0
    for _ in range(200):
        arms = [
            Arm(
                "a",
                "a",
                s,
                {},
                [
                    Point(
                        1, Cost(1), dict(zip(ids, (rng.normal(0, 0.2) + rng.normal(0, 0.2, 30)).tolist(), strict=True))
                    )
                ],
                Spending(),
            )
            for s in range(8)
        ]
        g = Group("a", arms)
        v = Comparison([g], "samples", "accuracy", ids)
        e = v.estimate(g, g.points(1))
        hits += e.low <= 0 <= e.high
    assert 0.87 <= hits / 200 <= 0.995, hits


# ---- sentences
def test_other_problems_are_a_sentence(tmp_path):
    fake_run(tmp_path, "a", right=[solved(0.1)])
    fake_run(tmp_path, "b", right=[solved(0.1)], questions="other")
    fake_run(tmp_path, "c", right=[solved(0.1, 50)])
    with pytest.raises(StarError, match="a was evaluated on 40 problems and b on 40, of which 0 are the same"):
        compare_runs(tmp_path, ["a", "b"])
    with pytest.raises(StarError, match="on 40 problems and c on 50, of which 40 are the same"):
        compare_runs(tmp_path, ["a", "c"])


@pytest.mark.parametrize(
    ("names", "settings", "told"),
    [
        (["a"], {"unit": "money"}, "unknown budget 'money'"),
        (["a"], {"metric": "best"}, "neither accuracy nor a selection"),
        (["no"], {}, "unknown run 'no'"),
        (["bare"], {"unit": "flops"}, "parameters of the base of bare are not known"),
        (["a"], {"metric": "best_of@4/dpo"}, "has measured best_of@4/dpo yet"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(tmp_path, names, settings, told):
    fake_run(tmp_path, "a", right=[solved(0.1), solved(0.2)])
    fake_run(tmp_path, "bare", right=[solved(0.1)], weights=False)
    with pytest.raises(StarError, match=told):
        compare_runs(tmp_path, names, **settings)


def test_a_run_that_measured_nothing_is_left_out_and_said(tmp_path):
    fake_run(tmp_path, "a", right=[solved(0.1), solved(0.2)])
    Run(tmp_path, "young").start(Settings(config_key="y"))
    v = compare_runs(tmp_path, ["a", "young"])
    assert v.notes[0] == "young is left out: it has no accuracy yet" and len(v.groups) == 1
    with pytest.raises(StarError, match="none of young has measured accuracy yet"):
        compare_runs(tmp_path, ["young"])


def test_grouping_ignores_the_seed_of_the_base_too(tmp_path):
    arms = [Arm(f"{s}", "star", s, {"rounds": 2}, [], Spending()) for s in (1, 0)]
    assert [g.seeds for g in group_arms(arms)] == [[0, 1]]


# ---- the command
def noisy(rng, label, shift, seeds, problems, luck, hard):
    """A group whose runs differ by ``luck`` as a whole and by noise in each problem."""
    ids = [f"p{i}" for i in range(problems)]
    arms = []
    for s in range(seeds):
        values = hard + shift + rng.normal(0, luck) + rng.normal(0, 0.1, problems)
        arms.append(
            Arm(label, label, s, {}, [Point(1, Cost(1), dict(zip(ids, values.tolist(), strict=True)))], Spending())
        )
    return Group(label, arms)


def test_the_seeds_that_are_named_show_a_difference_four_times_of_five():
    """Simulated runs with known variances, and as many of them as are asked for."""
    rng, problems, luck, wanted = np.random.default_rng(3), 60, 0.02, 0.03
    ids, hard = [f"p{i}" for i in range(problems)], rng.random(problems)
    s2 = 2 * (luck**2 + 2 * 0.1**2 / problems)
    true = int(np.ceil(s2 / (wanted / Z) ** 2))
    named, seen = [], 0
    for _ in range(60):
        pair = [noisy(rng, name, 0, 12, problems, luck, hard) for name in "ab"]
        shares = [np.array([[p.shares[i] for i in ids] for p in g.points(1)]) for g in pair]
        named.append(power_of(*pair, *shares, wanted).needed)
        a, b = (noisy(rng, n, d, true, problems, luck, hard) for n, d in (("a", wanted), ("b", 0)))
        seen += Comparison([a, b], "samples", "accuracy", ids).difference(a, b, 1).says == "higher"
    assert abs(np.median(named) - true) <= 0.25 * true, (np.median(named), true)
    assert 0.65 <= seen / 60 <= 0.95, seen


def test_what_the_problems_leave_is_not_averaged_out_by_seeds():
    rng = np.random.default_rng(1)
    gap, effect = rng.normal(0, 0.4, 50), 0.0  # b is better at some problems and worse at others
    hard = rng.random(50)
    a, b = (noisy(rng, n, 0, 6, 50, 0.001, h) for n, h in (("a", hard + effect), ("b", hard + gap)))
    shares = [np.array([list(p.shares.values()) for p in g.points(1)]) for g in (a, b)]
    found = power_of(a, b, *shares, 0.02)
    assert found.needed is None and found.between_problems == pytest.approx(0.4 / 50**0.5, rel=0.3)
    assert found.problems == pytest.approx((Z * 0.4 / 0.02) ** 2, rel=0.6)
    assert power_of(a, b, *shares, 0.5).needed == 2


def test_power_is_shown_and_needs_seeds(home):
    for method, share in (("star", 0.4), ("rft", 0.6)):
        for seed in (0, 1, 2):
            fake_run(home, f"{method}{seed}", right=[solved(0.1), solved(share, seed=seed)], seed=seed, method=method)
    names = [f"{m}{s}" for m in ("star", "rft") for s in (0, 1, 2)]
    done = call(home, "compare", *names, "--power", "--points", "5")
    assert done.code == 0 and "needed for" in done.out and "rft - star" in done.out, done.err
    row = call(home, "compare", *names, "--power", "--json").json["power"][0]
    assert (row["a"], row["b"], row["seeds"], row["wanted"]) == ("rft", "star", 3, 0.02)
    few = call(home, "compare", "star0", "rft0", "--power")
    assert few.code == 1 and "two seeds each" in few.err and "Traceback" not in few.err
    none = call(home, "compare", *names, "--power", "--points", "0")
    assert none.code == 1 and "--points must be above 0" in none.err


def test_the_command_shows_table_plot_and_file(home):
    for seed in (0, 1):
        fake_run(home, f"s{seed}", right=[solved(0.1), solved(0.5), solved(0.5, seed=seed)], seed=seed)
    fake_run(home, "rft", right=[solved(0.1), solved(0.9)], method="rft", samples=200)
    done = call(home, "compare", "s0", "s1", "rft", "--out", str(home / "c.svg"))
    assert done.code == 0, done.err
    for part in (
        "3 runs, accuracy on 40 problems",
        "star (2 seeds)",
        "rft - star",
        "higher",
        "●",
        "flops",
        "over problems and over seeds",
    ):
        assert part in " ".join(done.out.split()), part
    assert "<svg" in (home / "c.svg").read_text()
    told = call(home, "compare", "s0", "s1", "rft", "--budget", "flops", "--json").json
    assert told["unit"] == "flops" and told["differences"][-1]["says"] == "higher"
    failed = call(home, "compare", "s0", "--out", str(home / "c.pdf"))
    assert failed.code == 1 and "ends neither in .png nor in .svg" in failed.err
    help_text = call(home, "compare", "--help").out
    assert "star compare" in help_text and "--budget" in help_text


def test_a_baseline_is_what_all_others_are_set_against_at_every_budget_and_at_their_ends(home):
    fake_run(home, "direct", right=[solved(0.1), solved(0.3)], method="direct", samples=10)
    fake_run(home, "rft", right=[solved(0.1), solved(0.9)], method="rft", samples=200)
    fake_run(home, "star", right=[solved(0.1), solved(0.5)])
    names = ["direct", "rft", "star"]
    told = call(home, "compare", *names, "--baseline", "star", "--json").json
    assert told["baseline"] == "star" and told["groups"][0]["label"] == "star"
    shown = call(home, "compare", *names, "--baseline", "star").out
    assert "direct - star" in shown and "rft - star" in shown and "rft - direct" not in shown and "own ends" in shown
    rows = list(csv.DictReader(io.StringIO(call(home, "compare", *names, "--baseline", "star", "--csv").out)))
    ends = {row["method"]: row for row in rows if row["budget"] == "own end"}
    assert float(ends["rft"]["difference"]) == pytest.approx(float(ends["rft"]["value"]) - float(ends["star"]["value"]))
    assert ends["rft"]["says"] == "higher" and ends["direct"]["says"] == "lower" and ends["star"]["says"] == ""
    assert call(home, "compare", *names, "--md").out.startswith("| method | % at ")
    latex = call(home, "compare", *names, "--latex").out
    assert latex.startswith("\\begin{tabular}{lr") and latex.count("\\toprule") == 2 and "\\% at" in latex
    refused = call(home, "compare", *names, "--baseline", "ppo")
    assert refused.code == 1 and "unknown baseline 'ppo'" in refused.err
    assert "exclude each other" in call(home, "compare", *names, "--md", "--csv").err


def test_tables_for_other_programs_escape_what_is_special_there():
    columns = [Column("a\n|%", ["x|y", "50 % of_#1"], left=True), Column("n", ["1,5", "2"])]
    assert as_text(columns, "md").splitlines()[2] == "| x\\|y | 1,5 |"
    assert list(csv.reader(io.StringIO(as_text(columns, "csv")))) == [
        ["a |%", "n"],
        ["x|y", "1,5"],
        ["50 % of_#1", "2"],
    ]
    assert r"50 \% of\_\#1 & 2 \\" in as_text(columns, "latex")


def test_runs_and_sweeps_on_fakes_are_compared(home):
    args = [*SMALL[:1], "rounds=1", "task.train=30", "task.dev=10", "filter.control=none,random"]
    assert call(home, "run", "-m", *args, "seed=0,1", "name=pair").code == 0
    told = call(home, "compare", "pair", "--json").json
    assert [(g["label"], g["seeds"]) for g in told["groups"]] == [
        ("star filter.control=none", [0, 1]),
        ("star filter.control=random", [0, 1]),
    ]
    assert told["problems"] == 30 and told["budget"] > 0
    assert call(home, "compare", "pair", "--json", "--group", "digits=2").json["problems"] == 10
    assert "Choices: digits=1, digits=2, digits=3" in call(home, "compare", "pair", "--group", "digits=9").err


def test_what_is_gone_is_charged_from_the_ledger_and_said(tmp_path):
    """An artifact that the store has lost still cost what the ledger says."""
    import shutil

    from conftest import SMALL, call

    from star_cli.analysis.cost import spending
    from star_cli.store.artifacts import Store
    from star_cli.store.runs import Run

    assert call(tmp_path, "run", *SMALL, "rounds=1", "name=demo").code == 0
    run, store = Run(tmp_path, "demo"), Store(tmp_path / "artifacts")
    before = spending(run, store)
    lost = next(e for e in run.events() if e.name == "generate")
    shutil.rmtree(tmp_path / "artifacts" / lost.key)
    after = spending(run, store)
    assert after.until(1).samples == before.until(1).samples > 0
    assert not before.uncounted and ["round-1/generate" in w for w in after.uncounted] == [True]
