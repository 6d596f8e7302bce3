"""Results as DataFrames and tables hold what the artifacts hold; the notebook and every snippet of the docs run."""

from __future__ import annotations

import builtins
import csv
import json
import re
from itertools import islice

import pytest
from conftest import ROOT, call
from view_home import make_home

import star_cli.api as star
from star_cli.core.records import Metric, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.report.rounds import rounds_of
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

pandas = pytest.importorskip("pandas", reason="DataFrames need pandas")
PAGE = (ROOT / "docs" / "view.md").read_text("utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("home"), "demo", "worse", "pair")


def artifact(home, place):
    name, round, stage = place.split("/")
    return Run(home, name).artifact(open_store(home), int(round.removeprefix("round-")), stage)


def test_rounds_are_those_of_star_show(home):
    rounds = star.open(home / "runs" / "demo").rounds
    rows = rounds_of(Run(home, "demo"), open_store(home))
    assert list(rounds["round"]) == [r.round for r in rows] == [0, 1, 2, 3]
    assert list(rounds["accuracy"]) == [r.accuracy for r in rows]
    assert list(rounds["accuracy/digits=3"]) == [r.groups["digits=3"] for r in rows]
    assert list(rounds["health_forgotten"].dropna()) == [r.health["forgotten"] for r in rows if "forgotten" in r.health]
    assert set(rounds["method"]) == {"star"} and set(rounds["seed"]) == {0}


def test_a_sweep_has_the_rounds_of_every_arm(home):
    rounds = star.open("pair", home=home).rounds
    assert sorted(set(rounds["run"])) == ["pair/seed=1", "pair/seed=2"] and len(rounds) == 6
    assert sorted(set(rounds["seed"])) == [1, 2]


def test_rationales_are_read_as_they_are_asked_for(home):
    demo = star.open("demo", home=home)
    found = list(demo.rationales("round-2/filter"))
    texts = {r.identity(): r for r in artifact(home, "demo/round-2/generate").read(Rationale)}
    verdicts = {v.identity(): v for v in artifact(home, "demo/round-2/filter").read(Verdict)}
    assert [(row["problem_id"], row["sample"]) for row in found] == list(texts)
    for row in found:
        at = row["problem_id"], row["sample"]
        assert (row["text"], row["logprob"]) == (texts[at].text, texts[at].logprob)
        assert (row["correct"], row["reason"]) == (verdicts[at].correct, verdicts[at].reason)
    whole_round = [row["stage"] for row in demo.rationales("round-2")]
    assert set(whole_round) == {"filter", "filter-rationalized", "evaluate"}
    broken = artifact(home, "demo/round-2/evaluate").path / "verdicts.jsonl"
    content = broken.read_bytes()
    lines = content.splitlines(keepends=True)
    try:
        broken.write_bytes(b"".join(lines[:-1]))
        with pytest.raises(StarError, match="was changed"):
            next(demo.rationales("round-2/evaluate"))
    finally:
        broken.write_bytes(content)
    assert len(list(islice(demo.rationales("round-2/evaluate"), 3))) == 3


def test_metrics_and_comparisons_are_those_of_the_commands(home):
    demo = star.open("demo", home=home)
    values = {m.name: m.value for m in artifact(home, "demo/round-1/evaluate").read(Metric)}
    table = demo.metrics("round-1/evaluate")
    assert dict(zip(table["name"], table["value"], strict=True)) == values
    compared = demo.compare("worse", budget="tokens")
    told = call(home, "compare", "demo", "worse", "--budget", "tokens", "--json").json
    assert len(compared) == sum(len(g["at"]) for g in told["groups"])
    assert sorted(set(compared["group"])) == sorted(g["label"] for g in told["groups"])


@pytest.mark.parametrize(
    "use, sentence",
    [
        (lambda home: star.open("dmeo", home=home), "unknown run 'dmeo'. Did you mean 'demo'"),
        (lambda home: star.open(home / "runs" / "none"), "unknown run 'none'"),
        (lambda home: next(star.open("demo", home=home).rationales("evaluate")), "neither a round nor a stage"),
        (lambda home: next(star.open("demo", home=home).rationales("round-1/generate")), "unknown judged samples"),
        (lambda home: star.open("demo", home=home).metrics("round-1"), "names a round, not a stage"),
        (lambda home: star.open("demo", home=home, frames="excel").rounds, "unknown kind of DataFrame 'excel'"),
    ],
)
def test_what_is_not_there_is_a_sentence(home, use, sentence):
    with pytest.raises(StarError, match=re.escape(sentence)):
        use(home)


def test_a_missing_package_is_named_with_its_command(home, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] in ("pandas", "polars", "pyarrow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StarError, match="need the package pandas") as e:
        star.open("demo", home=home).rounds  # noqa: B018
    assert "star-cli[tables]" in str(e.value)
    with pytest.raises(StarError, match="needs pyarrow"):
        from star_cli.report.frames import write_table

        write_table([{"a": 1}], home / "x.parquet")
    assert not (home / "x.parquet").exists()


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_a_table_holds_the_rows(home, tmp_path, ending):
    file = tmp_path / f"rounds{ending}"
    done = call(home, "export", "demo", "pair", "--table", str(file), "--json")
    assert done.code == 0 and done.json == {"file": str(file), "rows": 10}
    read = {
        ".csv": pandas.read_csv,
        ".parquet": pandas.read_parquet,
        ".jsonl": lambda p: pandas.read_json(p, lines=True),
    }
    table = read[ending](file)
    assert list(table["accuracy"].iloc[:4]) == pytest.approx(list(star.open("demo", home=home).rounds["accuracy"]))
    file = tmp_path / f"samples{ending}"
    assert call(home, "export", "demo/round-1/filter", "--table", str(file)).code == 0
    table = read[ending](file)
    expected = list(star.open("demo", home=home).rationales("round-1/filter"))
    assert list(table["text"]) == [row["text"] for row in expected]
    assert list(table["correct"]) == [row["correct"] for row in expected]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"rounds{ending}", f"samples{ending}"])


def test_csv_survives_quotes_and_line_breaks(tmp_path):
    from star_cli.report.frames import write_table

    rows = [{"text": 'a "b"\n,c', "n": None}, {"text": "é\r\n", "n": 3}]
    assert write_table(rows, tmp_path / "x.csv") == 2
    with open(tmp_path / "x.csv", encoding="utf-8", newline="") as f:
        assert list(csv.DictReader(f)) == [{"text": 'a "b"\n,c', "n": ""}, {"text": "é\r\n", "n": "3"}]


@pytest.mark.parametrize(
    "args, sentence",
    [
        (["demo", "--table", "x.xls"], "ends in .xls"),
        (["demo", "--table", "no/folder/x.csv"], "does not exist"),
        (["demo/round-1/filter", "pair", "--table", "x.csv"], "exported by itself"),
        (["nobody", "--table", "x.csv"], "unknown run"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(home, args, sentence):
    done = call(home, "export", *args)
    assert done.code == 1 and sentence in done.err and "Traceback" not in done.err


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.M | re.S)


@pytest.mark.parametrize("code", blocks("python"))
def test_every_snippet_of_the_page_runs(home, monkeypatch, code):
    for package in ("duckdb", "datasets"):
        if f"import {package}" in code:
            pytest.importorskip(package, reason=f"the snippet uses {package}")
    monkeypatch.chdir(home)
    monkeypatch.setenv("STAR_HOME", str(home))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(home / "cache"))
    exec(compile(code, "docs/view.md", "exec"), {})


def test_the_notebook_runs(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("STAR_HOME", str(home))
    notebook = json.loads((ROOT / "examples" / "read_results.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict = {}
    for cell in cells:
        exec(compile(cell, "read_results.ipynb", "exec"), names)
    assert len(cells) >= 4 and not names["lost"].empty
