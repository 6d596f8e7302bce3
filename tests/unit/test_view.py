"""star view: what its pages show is what the artifacts hold; what a model wrote can do nothing; who may look."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter, defaultdict
from html import unescape
from urllib.parse import urlencode

import pytest
from conftest import call
from scripted_texts import HOSTILE
from view_home import big_run, make_home

from star_cli.core import registry
from star_cli.core.records import Example, Rationale, Score, Verdict
from star_cli.errors import StarError
from star_cli.report.label_files import LabelFile, labels_of
from star_cli.report.view import samples as samples_module
from star_cli.report.view.library import JOURNAL, Library
from star_cli.report.view.pages import Pages
from star_cli.report.view.query import PAGE, SampleQuery
from star_cli.run.labels import read_labels
from star_cli.run.progress import FILE
from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

pytest.importorskip("duckdb", reason="star view needs duckdb")
pytest.importorskip("starlette", reason="star view needs starlette")
TOKEN = "the-token"


@pytest.fixture(scope="module", autouse=True)
def parts_as_they_were():
    """The engine of the tests is registered in this process; the next file of tests must not meet it."""
    registry.discover()
    state = {kind: dict(parts) for kind, parts in registry._parts.items()}, set(registry._loaded), dict(os.environ)
    yield
    registry._parts.clear()
    registry._parts.update(state[0])
    registry._loaded.intersection_update(state[1])
    os.environ.clear()
    os.environ.update(state[2])
    sys.modules.pop("scripted_parts", None)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("home [of] view")  # DuckDB would take it for a pattern
    return make_home(place, "demo", "worse", "choose", "scenes", "talk", "pair")


@pytest.fixture(scope="module")
def pages(home):
    made = Pages(home)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(pages):
    from starlette.testclient import TestClient

    from star_cli.report.view.server import application

    with TestClient(application(pages, TOKEN), base_url="http://127.0.0.1:7827") as made:
        made.get(f"/?token={TOKEN}")
        yield made


def records(home, place, kind):
    """The records of one stage, read without star view."""
    name, round, stage = place.rsplit("/", 2)
    artifact = Run(home, name).artifact(open_store(home), int(round.removeprefix("round-")), stage)
    source = artifact if artifact.has(kind) else open_store(home).get(artifact.input(kind.file.removesuffix(".jsonl")))
    return list(source.read(kind))


def shown(pages, place, **filters):
    """(problem, sample) of every sample that passes, over all pages in order."""
    one, found, page = pages.library.find(place), [], 1
    while True:
        answer = pages.samples.page(one, SampleQuery.of([*filters.items(), ("page", str(page))]))
        found += [(row["problem_id"], row["sample"]) for row in answer.rows]
        if page >= answer.pages:
            assert len(found) == answer.matching == sum(answer.outcomes.values())
            return found
        page += 1


# ---- who may look
def test_without_the_token_nothing_is_shown(pages):
    from starlette.testclient import TestClient

    from star_cli.report.view.server import application

    stranger = TestClient(application(pages, TOKEN), base_url="http://127.0.0.1:7827")
    for url in ("/", "/run/demo", "/static/view.css", "/pulse", "/?token=wrong", "/?token="):
        answer = stranger.get(url)
        assert answer.status_code == 403 and "demo" not in answer.text, url
    answer = stranger.get(f"/run/demo?token={TOKEN}&x=1", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/run/demo?x=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7827", "127.0.0.1.evil.example", "", "[::2]:80"])
def test_another_name_of_this_machine_is_turned_away(client, host):
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:7827", "localhost:7827", "[::1]:7827", "localhost"])
def test_the_names_of_this_machine_may_be_used(client, host):
    answer = client.get(f"/?token={TOKEN}", headers={"host": host}, follow_redirects=False)
    assert answer.status_code == 303


def test_a_redirect_never_leaves_the_server(client):
    answer = client.get(f"//evil.example/x?token={TOKEN}", follow_redirects=False)
    assert not answer.headers.get("location", "").startswith("//")


@pytest.mark.parametrize("headers", [{}, {"x-star-view": "1", "origin": "http://evil.example"}])
def test_other_pages_cannot_write_labels(client, home, headers):
    wish = {"place": "demo/round-1/evaluate", "id": "x", "sample": 0, "label": "right"}
    assert client.post("/label", json=wish, headers=headers).status_code == 403
    assert not labels_of(Run(home, "demo"))


PAGES = (
    "/", "/run/demo", "/run/pair", "/run/talk", "/compare?run=demo&run=worse", "/samples/talk/round-1/filter",
    "/samples/talk/round-1/filter?text=script", "/sample/talk/round-1/filter?text=script", "/nowhere",
    "/sample/talk/round-1/filter?text=python&as_written=1", "/sample/scenes/round-1/evaluate",
    "/problem?run=talk&id=train-0", "/problem?run=demo&id=1:8%2B7", "/graders/demo/round-1/filter",
    "/artifact/demo/round-1/finetune", "/samples/demo/round-1/nothing", "/samples/demo/round-1/filter?no=filter",
)  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
def test_no_page_holds_a_script_or_a_style_of_its_own_or_refers_to_the_outside(client, url):
    answer = client.get(url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    html = answer.text
    assert re.findall(r"<script\b[^>]*>", html) == ['<script src="/static/view.js" defer>']
    tags = re.findall(r"<[a-z][^>]*>", html)
    assert not [tag for tag in tags if re.search(r"\s(on\w+|style)\s*=", re.sub(r'"[^"]*"', '""', tag))]
    targets = re.findall(r'(?:src|href|action)="([^"]*)"', html)
    assert not [t for t in targets if not re.match(r"/(?!/)|#|data:image/png", t)]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)


def test_what_a_model_wrote_is_shown_letter_by_letter(client):
    html = client.get("/sample/talk/round-1/filter?text=owned").text
    text = unescape(re.sub(r"<[^>]*>", "", html))
    assert HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e") in text
    assert "<img src=x" not in html and "<script>document" not in html


# ---- filters
def test_filters_show_what_the_artifacts_hold(pages, home):
    place = "talk/round-1/filter"
    rationales = {r.identity(): r for r in records(home, place, Rationale)}
    verdicts = {v.identity(): v for v in records(home, place, Verdict)}
    kept = {(e.problem_id, e.sample) for e in records(home, place, Example)}

    def those(condition):
        return [i for i in rationales if condition(rationales[i], verdicts[i])]

    for filters, condition in (
        ({}, lambda r, v: True),
        ({"outcome": "right"}, lambda r, v: v.correct),
        ({"outcome": "wrong"}, lambda r, v: not v.correct),
        ({"reason": "TRUNCATED"}, lambda r, v: v.reason == "TRUNCATED"),
        ({"truncated": "1"}, lambda r, v: r.finish == "length" or v.reason == "TRUNCATED"),
        ({"text": "ONE thousand"}, lambda r, v: "one thousand" in r.text),
        ({"kept": "yes"}, lambda r, v: r.identity() in kept),
        ({"kept": "no", "outcome": "right"}, lambda r, v: r.identity() not in kept and v.correct),
        ({"min": "14", "max": "20"}, lambda r, v: 14 <= r.tokens <= 20),
        ({"hinted": "yes"}, lambda r, v: r.hinted),
        ({"text": "'; DROP TABLE samples_1; --"}, lambda r, v: False),
        ({"text": "100%_"}, lambda r, v: False),
    ):
        assert shown(pages, place, **filters) == those(condition), filters
    assert len(those(lambda r, v: r.finish == "length")) > 5 and kept  # or this would prove nothing


def test_sorting_orders_all_pages_and_loses_nobody(pages, home):
    place = "demo/round-1/filter"
    tokens = {r.identity(): r.logprob for r in records(home, place, Rationale)}
    found = shown(pages, place, sort="logprob", desc="1")
    assert len(found) > PAGE and sorted(found) == sorted(tokens)
    assert [tokens[i] for i in found] == sorted(tokens.values(), reverse=True)


def test_a_group_is_that_of_the_task(pages, home):
    found = shown(pages, "demo/round-1/evaluate", group="digits=3")
    everything = records(home, "demo/round-1/evaluate", Verdict)
    assert found == [v.identity() for v in everything if v.problem_id.startswith("3:")] and found


def test_changes_since_a_round_are_those_of_the_verdicts(pages, home):
    right = [{v.problem_id for v in records(home, f"worse/round-{n}/evaluate", Verdict) if v.correct} for n in (0, 3)]
    everything = {v.problem_id for v in records(home, "worse/round-3/evaluate", Verdict)}
    expected = {
        "solved": right[1] - right[0],
        "forgotten": right[0] - right[1],
        "still right": right[0] & right[1],
        "still wrong": everything - right[0] - right[1],
    }
    assert expected["forgotten"]
    library = pages.library
    now, then = library.find("worse/round-3/evaluate"), library.find("worse/round-0/evaluate")
    assert pages.samples.changes(now, then) == {name: len(ids) for name, ids in expected.items()}
    for change, ids in expected.items():
        found = shown(pages, now.place, change=change, versus=then.place)
        assert {i for i, _ in found} == ids


def test_what_a_selector_picks_is_one_sample_a_problem(pages, home):
    place = "choose/round-1/judge-candidates"
    scores = defaultdict(dict)
    for s in records(home, "choose/round-1/score-fake", Score):
        scores[s.problem_id][s.sample] = s.score
    best = shown(pages, place, choice="best")
    assert dict(best) == {i: min(n for n in of if of[n] == max(of.values())) for i, of in scores.items()}
    answers = defaultdict(list)
    for v in records(home, place, Verdict):
        answers[v.problem_id].append(v.answer)
    for id, sample in shown(pages, place, choice="majority"):
        votes = Counter(a for a in answers[id] if a is not None)
        assert votes[answers[id][sample]] == max(votes.values())


def test_disagreement_with_another_grader_is_shown(pages, home, client):
    assert call(home, "regrade", "talk/round-1/generate", "grader=exact").code == 0
    page = client.get("/graders/talk/round-1/filter").text
    link = re.search(r"/samples/talk/round-1/filter\?against=(\w+)", page)
    assert link and "exact" in page
    found = shown(pages, "talk/round-1/filter", against=link[1])
    other = next(a for a in map(open_store(home).get, open_store(home).keys()) if a.key.startswith(link[1]))
    theirs = {v.identity(): v.correct for v in other.read(Verdict)}
    mine = {v.identity(): v.correct for v in records(home, "talk/round-1/filter", Verdict)}
    assert found == [i for i in mine if mine[i] != theirs[i]] and found


def test_a_hint_given_away_is_found_as_the_health_of_the_loop_counts_it(pages):
    assert shown(pages, "talk/round-1/filter-rationalized", leak="1") == []


@pytest.mark.parametrize(
    "items, sentence",
    [
        ([("outcom", "wrong")], "unknown filter 'outcom'"),
        ([("outcome", "wrnog")], "unknown outcome 'wrnog'"),
        ([("sort", "text; DROP TABLE x")], "unknown sort"),
        ([("page", "0")], "page=0 is less than 1"),
        ([("min", "many")], "min='many' is no whole number"),
        ([("group", "digits")], "no NAME=VALUE"),
        ([("at", "9" * 30)], "too large"),
    ],
)
def test_a_filter_that_means_nothing_is_a_sentence(client, items, sentence):
    with pytest.raises(StarError, match=sentence.replace("(", r"\(")):
        SampleQuery.of(items)
    answer = client.get("/samples/demo/round-1/evaluate?" + urlencode(items))
    assert answer.status_code == 404 and sentence in unescape(answer.text)


def test_a_query_is_the_same_after_its_url():
    query = SampleQuery(outcome=("wrong", "undecided"), group=("digits=3",), text="ä&b=c d", desc=True, min=0, page=3)
    from urllib.parse import parse_qsl

    assert SampleQuery.of(parse_qsl(query.url())) == query
    assert SampleQuery().url() == ""


def test_neighbours_follow_the_filters(client):
    html = client.get("/sample/demo/round-1/evaluate?outcome=wrong&at=2").text
    assert "outcome=wrong&amp;at=1" in html and "outcome=wrong&amp;at=3" in html and "3 of" in html


# ---- one problem side by side
def test_a_problem_stands_in_every_round_that_asked_it(pages, home):
    forgotten = set.difference(
        *({v.problem_id for v in records(home, f"worse/round-{n}/evaluate", Verdict) if v.correct} for n in (0, 1))
    )
    html = pages.problem(min(forgotten), ["worse"], ["evaluation"])
    assert [int(n) for n in re.findall(r"round (\d) evaluate</a>", html)] == [0, 1, 2, 3]
    assert ">forgotten<" in html


def test_near_duplicates_are_folded(pages):
    html = pages.problem("train-3", ["talk"], [])
    assert "side by side" in html
    from star_cli.report.view.problem import folded, tried

    sets = [s for s in pages.library.sets(Run(pages.library.home, "talk")) if s.name == "filter"]
    for one in tried(sets, "train-3", {}):
        assert sum(1 + len(a.alike) for a in folded(one.attempts)) == one.total == 2


def test_runs_of_a_sweep_stand_beside_each_other(pages, home):
    id = records(home, "pair/seed=1/round-0/evaluate", Verdict)[0].problem_id
    html = pages.problem(id, ["pair"], ["evaluation"])
    assert "pair/seed=1 round 0 evaluate" in html and "pair/seed=2 round 2 evaluate" in html
    html = pages.run("pair")
    assert "Settings that differ" in html and re.search(r'scope="row" class="left">seed</th>', html)


# ---- labels
def test_a_label_is_what_star_agree_reads(client, home, pages):
    place = "talk/round-1/filter"
    wrong = next(v for v in records(home, place, Verdict) if v.reason == "MISMATCH")
    wish = {"place": place, "id": wrong.problem_id, "sample": wrong.sample, "label": "right", "note": "ein ü"}
    answer = client.post("/label", json=wish, headers={"x-star-view": "1"})
    assert answer.json() == {"label": "right"}
    ((path, (label,)),) = labels_of(Run(home, "talk"))
    assert label.disputes and label.note == "ein ü" and label.answer == wrong.answer
    assert read_labels(str(path)) == {(wrong.problem_id, wrong.sample): True}
    assert shown(pages, place, label="disputed") == [(wrong.problem_id, wrong.sample)]
    assert shown(pages, place, label="confirmed") == []
    agreed = call(home, "agree", "talk/round-1/generate", "numeric", "--labels", str(path), "--json")
    assert agreed.code == 0 and agreed.json["samples"] == 1 and agreed.json["agreement"] == 0
    assert "1 labelled, 1 against the grader" in client.get("/run/talk").text
    assert "against the grader" in client.get(f"/samples/{place}?label=any").text
    assert call(home, "show", "talk", "--page").code == 0
    report = (home / "runs" / "talk" / "report.html").read_text()
    assert path.name in report and "star view talk" in report
    client.post("/label", json={**wish, "label": "wrong", "note": ""}, headers={"x-star-view": "1"})
    assert read_labels(str(path)) == {(wrong.problem_id, wrong.sample): False}
    client.post("/label", json={**wish, "label": ""}, headers={"x-star-view": "1"})
    assert read_labels(str(path)) == {}


def test_a_label_of_nothing_is_refused(client):
    wish = {"place": "talk/round-1/filter", "id": "no such", "sample": 0, "label": "right"}
    answer = client.post("/label", json=wish, headers={"x-star-view": "1"})
    assert answer.status_code == 409 and "no sample 0" in answer.json()["error"]
    assert client.post("/label", content=b"{", headers={"x-star-view": "1"}).status_code == 400


def test_labels_that_are_damaged_are_said(home, pages):
    run = Run(home, "demo")
    file = LabelFile(run, "round-1/evaluate", "ab" * 16)
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text('{"id": 3}\n')
    with pytest.raises(StarError, match=r"jsonl:1: not a label"):
        file.read()
    assert "not a label" in pages.run("demo")
    file.path.unlink()


# ---- what is being written
def test_what_a_running_stage_has_written_is_shown_without_its_torn_line(home, tmp_path):
    import shutil

    place = tmp_path / "live"
    shutil.copytree(home / "runs" / "demo", place / "runs" / "demo", symlinks=True)
    shutil.copytree(home / "artifacts", place / "artifacts")
    run, store = Run(place, "demo"), open_store(place)
    key = run.artifact(store, 3, "generate").key
    lines = (store.root / key / "rationales.jsonl").read_bytes().splitlines()
    run.update(status="running", pid=os.getpid())
    draft = store.partial(key)
    (store.root / key).rename(draft)
    journal = draft / JOURNAL

    def write(n, torn=b""):
        import zlib

        journal.write_bytes(b"".join(x + b"\t%08x\n" % zlib.crc32(x) for x in lines[:n]) + torn)

    now = time.time()
    progress = {"round": 3, "name": "generate", "key": key, "started": now - 10, "updated": now}
    (run.path / FILE).write_text(json.dumps({**progress, "done": 5, "total": 150}))
    write(5, lines[5][:30])
    made = Pages(place)
    try:
        before = made.pulse("demo")
        assert before["running"]
        assert "being written" in made.run("demo") and "5 of 150" in made.run("demo")
        assert "about 4 min 50 s left" in made.runs()
        assert len(shown(made, "demo/round-3/generate")) == 5
        assert "not graded" in made.sample_list("demo/round-3/generate", [("outcome", "not graded")])
        first = json.loads(lines[0])["problem_id"]
        assert "round 3 generate" in made.problem(first, ["demo"], [])
        write(7)
        assert made.pulse("demo")["state"] != before["state"]
        assert len(shown(made, "demo/round-3/generate")) == 7
    finally:
        made.close()


def test_a_run_leaves_no_progress_behind(home):
    assert not list((home / "runs").rglob(FILE))


# ---- large sets, damaged files
def test_the_first_page_from_the_files_is_that_of_the_table(home, monkeypatch):
    made = Pages(home)
    try:
        for place in ("demo/round-1/filter", "demo/round-1/evaluate", "talk/round-1/filter", "talk/round-1/evaluate"):
            one = made.library.find(place)
            monkeypatch.setattr(samples_module, "TINY", 10**9)
            table = made.samples.page(one, SampleQuery())
            monkeypatch.setattr(made.tables, "has", lambda one: False)
            monkeypatch.setattr(samples_module, "TINY", 0)
            quick = made.samples.page(one, SampleQuery())
            names = quick.rows[0].keys()
            assert [{n: row[n] for n in names} for row in table.rows] == quick.rows
            assert (table.total, table.outcomes, table.reasons) == (quick.total, quick.outcomes, quick.reasons)
            monkeypatch.undo()
    finally:
        made.close()


def test_200_000_samples_are_shown_before_duckdb_has_read_them_and_filtered_as_fast(tmp_path):
    import duckdb

    place = big_run(tmp_path, 50_000, 4)
    made = Pages(tmp_path)
    try:
        made.runs()  # the templates are read

        def seconds(action):
            started = time.perf_counter()
            action()
            return time.perf_counter() - started

        first = seconds(lambda: made.sample_list(place, []))
        path = made.library.find(place).rationales.path / Rationale.file
        connection = duckdb.connect()
        reading = seconds(lambda: connection.execute(f"CREATE TABLE t AS SELECT * FROM read_json('{path}')"))
        made.tables.of(made.library.find(place))
        filters = [("outcome", "wrong"), ("sort", "tokens"), ("desc", "1"), ("page", "2000")]
        filtered = seconds(lambda: made.sample_list(place, filters))
        print(f"first page {first:.3f} s, DuckDB reads the file in {reading:.3f} s, filtered {filtered:.3f} s")
        assert first < reading and filtered < 2 * reading
        assert made.samples.page(made.library.find(place), SampleQuery(outcome=("wrong",))).matching == 150_000
    finally:
        made.close()


def test_a_changed_file_is_refused_with_a_sentence(home, tmp_path):
    import shutil

    shutil.copytree(home / "runs" / "demo", tmp_path / "runs" / "demo", symlinks=True)
    shutil.copytree(home / "artifacts", tmp_path / "artifacts")
    path = Run(tmp_path, "demo").artifact(open_store(tmp_path), 1, "generate").path / Rationale.file
    path.write_bytes(path.read_bytes().replace(b"stop", b"step"))
    made = Pages(tmp_path)
    try:
        with pytest.raises(StarError, match="was changed after it was made"):
            made.sample_list("demo/round-1/filter", [])
        (tmp_path / "runs" / "demo" / "ledger.jsonl").write_text("{}\n")
        assert "broken" in made.runs()
    finally:
        made.close()


# ---- the command
def test_an_exported_page_needs_nothing_beside_itself(home, tmp_path):
    file = tmp_path / "page.html"
    done = call(
        home, "view", "talk/round-1/filter?outcome=wrong&text=owned", "--export", str(file), "-n", "3", "--json"
    )
    assert done.code == 0 and done.json == {"file": str(file), "samples": 3}
    html = file.read_text()
    assert not re.search(r'<script|<link|(?:src|href)="(?!data:)', html) and "default-src 'none'" in html
    assert "3 of" in html and "text: owned" in html and "&lt;script&gt;document" in html
    url = "http://127.0.0.1:7827/samples/talk/round-1/filter?outcome=wrong&text=owned&page=2&token=abc"
    assert call(home, "view", url, "--export", str(file), "-n", "3").code == 0 and file.read_text() == html


@pytest.mark.parametrize(
    "args, sentence",
    [
        (["no-such-run"], "unknown run 'no-such-run'"),
        (["demo/round-9/evaluate"], "unknown samples of run demo"),
        (["demo?outcome=wrong"], "names no samples"),
        (["demo/round-1/evaluate?outcome=wrnog"], "unknown outcome"),
        (["demo", "--export", "x.html"], "report.html"),
        (["--export", "x.html"], "--export needs one thing"),
        (["demo/round-1/evaluate", "--export", "no/folder/x.html"], "does not exist"),
        (["demo/round-1/evaluate", "--export", "x.html", "--open"], "serves nothing"),
    ],
)
def test_what_cannot_be_opened_is_a_sentence(home, args, sentence):
    done = call(home, "view", *args)
    assert done.code == 1 and sentence in done.err and "Traceback" not in done.err


def test_a_port_that_is_taken_is_a_sentence():
    from star_cli.report.view.server import listen

    with listen(None) as first, listen(None) as second:
        assert first.getsockname()[0] == second.getsockname()[0] == "127.0.0.1"
        with pytest.raises(StarError, match="cannot be used"):
            listen(first.getsockname()[1])


def test_another_home_shows_its_own_runs(tmp_path):
    assert Library(tmp_path).runs() == []
    made = Pages(tmp_path)
    assert "There are no runs in this home yet" in made.runs()
    made.close()
