"""What people look at: rows, tables, curves and the page, on fakes and on hostile text."""

import io
import os
from contextlib import contextmanager
from dataclasses import replace

import pytest
from by_hand import committed, event
from rich.console import Console

from star_cli.core.keys import key
from star_cli.core.records import Metric, Problem, Rationale, Verdict
from star_cli.errors import StarError
from star_cli.report import curve, page
from star_cli.report.columns import percent
from star_cli.report.display import terminal_display
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.report.samples import SampleFilter
from star_cli.report.show import view_of
from star_cli.report.tables import rounds_table
from star_cli.report.terminal import Terminal
from star_cli.report.text import clean, one_line
from star_cli.run.sweeps import run_all
from star_cli.store.artifacts import Store
from star_cli.store.durable import write_bytes
from star_cli.store.run_info import Settings
from star_cli.store.runs import Run

HOSTILE = "\x1b[31mred\x1b[0m <script>alert(1)</script> [bold]x[/bold] \u202eback\r\x07 </pre><img src=http://x.y/z>"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    run_all(
        [
            "model=fake",
            "rounds=2",
            "task.max_digits=5",
            "task.train=60",
            "task.dev=20",
            "problems=60",
            "name=demo",
            f"home={place}",
        ],
        display=terminal_display(),
    )
    run_all(
        [
            "model=fake",
            "method=direct",
            "rounds=1",
            "task.max_digits=5",
            "task.train=60",
            "task.dev=20",
            "name=direct",
            f"home={place}",
        ],
        display=terminal_display(),
    )
    return place


def rows_of(home, name="demo"):
    return rounds_of(Run(home, name), Store(home / "artifacts"))


def printed(renderable, width=140):
    out = Console(file=io.StringIO(), width=width, highlight=False, soft_wrap=True)
    out.print(renderable, width=width)
    return out.file.getvalue()


def hostile_run(home):
    """A run whose question, text and answer try to steer terminal and page."""
    store, run = Store(home / "artifacts").open(), Run(home, "hostile")
    run.start(Settings(config_key="x", overrides=["name=hostile"]))
    problem = Problem(id="p<b>", question=HOSTILE, answer="1", meta={})
    verdict = Verdict(problem_id="p<b>", sample=0, correct=False, answer=HOSTILE, reason="MISMATCH", wrong_steps=2)
    rationale = Rationale(
        problem_id="p<b>",
        sample=0,
        text=HOSTILE,
        hinted=False,
        finish="stop",
        tokens=3,
        logprob=None,
        seed=0,
        prompt_key="0" * 16,
    )
    task = {"_": "task/addition/1", "max_digits": 3}

    def keep(stage, name, inputs, records, metrics, tag):
        address = key([stage, name])
        draft = store.draft(address)
        for kind, rows in records.items():
            draft.write(kind, rows)
        made = committed(store, draft, stage, tag=tag, inputs=inputs, metrics=metrics, seconds=0.1)
        run.record(event(1, name, made), made)
        return address

    problems = keep("problems", "problems", {}, {Problem: [problem]}, {"problems": 1}, {})
    written = keep(
        "generate",
        "generate",
        {"problems": problems},
        {Rationale: [rationale]},
        {"samples": 1, "tokens": 3},
        {"_": "stage/generate/1", "task": task},
    )
    inputs = {"problems": problems, "rationales": written}
    keep("filter", "filter", inputs, {Verdict: [verdict]}, {"problems": 1, "asked": 1, "solved": 0, "kept": 0}, {})
    metric = Metric(name="accuracy", value=0.0, low=0.0, high=0.8, n=1, round=1)
    keep(
        "evaluate",
        "evaluate",
        inputs,
        {Verdict: [verdict], Metric: [metric]},
        {"accuracy": 0.0, "low": 0.0, "high": 0.8, "n": 1, "reasons": {}},
        {},
    )
    run.finish("finished")
    return run, store


# ---- rows
def test_round_zero_is_the_base_model(home):
    rows = rows_of(home)
    assert [r.round for r in rows] == [0, 1, 2]
    base = rows[0]
    assert base.solved is None and base.rationalized is None and base.accuracy < rows[-1].accuracy
    assert list(base.groups) == [f"digits={n}" for n in range(1, 6)]
    assert set(base.by_stage) == {"pretrain", "problems", "evaluate"}


def test_shares_tokens_and_seconds_come_from_the_ledger(home):
    run = Run(home, "demo")
    row, events = rows_of(home)[1], {e.name: e for e in run.events() if e.round == 1}
    assert row.solved == events["filter"].metrics["solved"] / 60
    assert row.rationalized == events["filter-rationalized"].metrics["solved"] / 60
    assert row.tokens == sum(events[n].metrics["tokens"] for n in ("generate", "rationalize", "generate-dev"))
    assert row.seconds == pytest.approx(sum(e.seconds for e in events.values() if not e.hit))
    assert row.seconds == pytest.approx(sum(s or 0 for s in row.by_stage.values()))


def test_a_method_without_generation_leaves_unknowns_empty(home):
    rows = rows_of(home, "direct")
    assert rows[1].solved is None and rows[1].rationalized is None and rows[1].accuracy is not None
    text = printed(rounds_table(rows))
    assert "solved" not in text and "found" in text  # nobody solves anything; the base of demo is shared


# ---- tables
def test_the_table_has_every_column(home):
    text = printed(rounds_table(rows_of(home)))
    for name in (
        "accuracy %",
        "[95 % interval]",
        "digits",
        "solved",
        "ration-",
        "tokens",
        "pretrain",
        "generate",
        "filter",
        "finetune",
        "evaluate",
        "in all",
    ):
        assert name in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 140])
def test_a_narrow_table_loses_no_column_and_fits(home, width):
    rows = rows_of(home)
    text = printed(rounds_table(rows, width), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    for name in ("digits", "solved", "tokens", "pretrain", "finetune", "evaluate"):
        assert name in text
    assert text.count("digits") == 5


def test_percent_never_rounds_up_to_all():
    assert [percent(x) for x in (1.0, 0.99999, 0.365, 0.0, None)] == ["100.0", "99.9", "36.5", "0.0", "-"]


# ---- curves
def test_the_png_is_a_picture(home, tmp_path):
    extra = {"theory $": [0.1, 0.5, 0.6, 0.7]}
    path = curve.write_png(rows_of(home), tmp_path / "c.png", title="a $b <c", extra=extra)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10_000
    assert [p.name for p in tmp_path.iterdir()] == ["c.png"]


def test_the_text_plot_is_plain_and_small(home):
    text = curve.text_plot(rows_of(home), extra={"forecast": [0.2, 0.6, 0.9, 0.95]})
    lines = text.splitlines()
    assert "\x1b" not in text and text.count("●") >= 3 and "x forecast" in text
    assert len(lines) <= 16 and max(map(len, lines)) <= 60


def test_the_forecast_stands_in_the_curve_with_its_band(home):
    rows = rows_of(home)
    assert curve.forecast_line(rows) == {} and "forecast" not in curve.svg(rows) + curve.text_plot(rows)
    told = [replace(r, forecast=(0.1 * (n + 1), 0.05, 0.4)) if n else r for n, r in enumerate(rows)]
    line = curve.forecast_line(told)["forecast"]
    assert line[1:] == pytest.approx([0.2, 0.3]) and line[0] != line[0]
    assert "forecast" in curve.text_plot(told) and "forecast" in curve.svg(told) and "80 % band" in curve.svg(told)


def test_nothing_measured_is_no_plot(tmp_path):
    assert curve.text_plot([RoundRow(0)]) == ""
    assert curve.write_png([RoundRow(0)], tmp_path / "c.png").stat().st_size


def test_importing_the_report_does_not_import_matplotlib():
    import subprocess
    import sys

    code = "import sys, star_cli.run.sweeps, star_cli.report.show; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the page
def test_the_page_holds_everything_and_asks_for_nothing(home):
    text = (home / "runs" / "demo" / "report.html").read_text()
    for part in (
        "Learning curve",
        "<svg",
        "Rounds",
        "before and after",
        "Right (",
        "Wrong (",
        "Rationalized",
        "problems=60",
        "round-2/filter",
        Run(home, "demo").events()[0].key,
    ):
        assert part in text
    for loaded in ("http:", "https:", "<script", "<link", "@import", "src="):
        assert loaded not in text


def test_the_page_escapes_what_models_write(tmp_path):
    run, store = hostile_run(tmp_path)
    text = page.write_page(run, store).read_text()
    assert "&lt;script&gt;alert(1)" in text and "\\x1b[31m" in text
    for harm in ("<script", "\x1b", "\x07", "\r", "\u202e", "<img", "p<b>"):
        assert harm not in text


@pytest.mark.parametrize(
    "what",
    [
        "hostile/round-1/filter",
        "hostile/round-1/problems",
        "hostile/round-1/generate",
        "hostile/round-1/evaluate",
        "hostile",
    ],
)
def test_the_terminal_is_not_steered_by_what_models_write(tmp_path, what):
    hostile_run(tmp_path)
    out = Console(file=io.StringIO(), width=120, highlight=False, soft_wrap=True)
    view_of(tmp_path, what, filter=SampleFilter()).print(out)
    text = out.file.getvalue()
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e"}
    assert what == "hostile" or ("1b[31mred" in text and "[bold]x[/bold]" in text)


def test_a_prompt_that_cannot_be_proved_is_said(tmp_path):
    hostile_run(tmp_path)
    out = Console(file=io.StringIO(), width=120)
    view_of(tmp_path, "hostile/round-1/filter", filter=SampleFilter(), prompt=True).print(out)
    assert "not what the model saw" in out.file.getvalue()


def test_clean_shows_control_characters():
    assert clean("a\x1b[0m\tb\nc\r\x9b\u2028\ud800") == "a\\x1b[0m\tb\nc\\x0d\\x9b\\u2028\\ud800"
    assert clean("ä 漢 🙂 e\u0301 \u200d") == "ä 漢 🙂 e\u0301 \u200d"
    assert one_line("a\nb" * 3, 4) == "a\\nb ... (8 more characters)"


# ---- the end of a run
def finished(run):
    out = Console(file=io.StringIO(), width=140, highlight=False, soft_wrap=True)
    page.show_finished(run, Terminal("none", out))
    return out.file.getvalue()


def test_the_end_of_a_run_names_the_places(home):
    text = finished(Run(home, "demo"))
    for name in ("curve.png", "report.html", "artifacts"):
        assert str(home) in text and name in text
    assert "●" in text and "accuracy" in text and "built in" in text


def test_a_second_run_says_that_all_was_found(home):
    run_all(
        [
            "model=fake",
            "rounds=2",
            "task.max_digits=5",
            "task.train=60",
            "task.dev=20",
            "problems=60",
            "name=demo",
            f"home={home}",
        ],
        display=terminal_display(),
    )
    assert "nothing was built, everything was found" in finished(Run(home, "demo"))


@contextmanager
def no_space(monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as m:
        m.setattr(page, "write_bytes", full)
        m.setattr(curve, "write_bytes", full)
        yield


def test_a_full_disk_costs_the_plot_and_not_the_run(home, monkeypatch, capsys):
    with no_space(monkeypatch):
        text = finished(Run(home, "demo")) + capsys.readouterr().err
    assert "curve.png could not be written: No space left on device" in text
    assert "report.html could not be written: No space left on device" in text


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_bytes(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_killed_run_is_shown_as_stopped(tmp_path):
    run, _ = hostile_run(tmp_path)
    run.update(status="running", pid=2**22 + 1)
    out = Console(file=io.StringIO(), width=120)
    view_of(tmp_path, "hostile", filter=SampleFilter()).print(out)
    assert "star resume hostile continues" in " ".join(out.file.getvalue().split())


def test_a_missing_input_is_a_sentence(tmp_path):
    import shutil

    run, store = hostile_run(tmp_path)
    shutil.rmtree(store.root / next(e.key for e in run.events() if e.name == "generate"))
    with pytest.raises(StarError, match="the rationales .* are not in the store"):
        view_of(tmp_path, "hostile/round-1/filter", filter=SampleFilter()).as_json()


def test_rows_keep_unknown_stages_as_columns():
    row = RoundRow(1, accuracy=0.5, seconds=2.0, by_stage={"score": 2.0, "vote": 0.5})
    text = printed(rounds_table([row, replace(row, round=2, by_stage={"vote": None})]))
    assert "score" in text and "vote" in text and "found" in text
