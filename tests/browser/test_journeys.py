"""Ten journeys through star view in a real browser, each with a screenshot (kept where STAR_SCREENSHOTS points).

They need the package playwright and a chromium of the system; where one is missing they are skipped, with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import environment, start
from view_home import SCRIPTED, make_home

from star_cli.run.labels import read_labels

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = os.environ.get("STAR_AXE", "")  # the path of axe.min.js, for example of the npm package axe-core
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("playwright") is None, reason="the package playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("home"), "demo", "worse", "choose", "scenes", "talk", "sql", "pair")


@pytest.fixture(scope="module")
def server(home):
    """The URL of a `star view` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "star_cli.cli.main", "view", "--port", "0", "--json"],
        env=environment(home), cwd=home, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield json.loads(process.stdout.readline())["url"]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        opened = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark"], scope="module")
def scheme(request):
    return request.param


@pytest.fixture
def page(browser, server, request, tmp_path):
    """A page that is let in, and that must report no error of script or policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    made = context.new_page()
    errors: list[str] = []
    made.on("console", lambda m: errors.append(m.text) if m.type == "error" and "404" not in m.text else None)
    made.on("pageerror", lambda e: errors.append(str(e)))
    made.goto(server)
    yield made
    folder = Path(os.environ.get("STAR_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    made.screenshot(path=folder / f"{name}.png")
    context.close()
    assert not errors


def to(page, path):
    """Go to a path of the server."""
    page.goto("/".join(page.url.split("/")[:3]) + path)


def press(page, key):
    """Press a key as soon as the page listens to keys."""
    page.wait_for_load_state("load")
    page.keyboard.press(key)


def test_1_first_look(page):
    assert page.title() == "runs · star view"
    page.get_by_role("link", name="demo", exact=True).click()
    page.get_by_role("heading", name="Accuracy by round").wait_for()
    page.get_by_role("link", name="demo, round 1:").click()
    assert page.url.endswith("/samples/demo/round-1/evaluate")
    assert page.locator("table.samples tbody tr").count() == 50
    press(page, "j")
    press(page, "j")
    second = page.locator("a.row").nth(1)
    assert second.evaluate("e => e === document.activeElement")
    name = second.inner_text()
    press(page, "Enter")
    page.get_by_role("heading", name=name).wait_for()
    assert page.locator("mark.answer").count() == 1


def test_2_find_why_round_3_is_worse(page):
    to(page, "/run/worse")
    page.get_by_role("link", name="worse, round 3:").click()
    page.wait_for_url("**/samples/worse/round-3/evaluate")
    to(page, "/samples/worse/round-3/evaluate?versus=worse/round-0/evaluate")
    page.get_by_role("link", name="forgotten").click()
    page.wait_for_url("**change=forgotten**")
    assert page.locator("table.samples tbody tr").count() > 3
    assert set(page.locator(".verdict").all_inner_texts()) == {"wrong"}
    page.locator("a.row").first.click()
    page.get_by_role("heading", name="Rationale").wait_for()
    press(page, "c")
    page.get_by_role("region", name="attempts side by side").wait_for()
    assert page.get_by_role("heading", name="round 0 evaluate").is_visible()
    assert "forgotten" in page.locator(".column .label").all_inner_texts()


def test_3_label_a_grader_error(page, home):
    to(page, "/sample/talk/round-1/filter?outcome=wrong&reason=MISMATCH&text=python")
    press(page, "w")
    page.get_by_text("labelled right, against the grader").wait_for()
    press(page, "e")
    page.keyboard.type("the comma")
    press(page, "Enter")
    page.locator('[title="the comma"]').wait_for()
    (file,) = (home / "runs" / "talk" / "labels").glob("round-1-filter-*.jsonl")
    assert list(read_labels(str(file)).values()) == [True]
    assert json.loads(file.read_text())["note"] == "the comma"
    press(page, "j")
    page.get_by_text("2 of").wait_for()
    press(page, "b")
    page.get_by_text("labelled right").wait_for()


def test_4_compare_two_methods_on_one_problem(page):
    for name in ("choose", "demo"):
        page.get_by_label(f"choose {name}").check()
    page.get_by_role("button", name="Lay the chosen over each other").click()
    page.get_by_role("heading", name="Settings that differ").wait_for()
    assert page.locator(".legend li").all_inner_texts() == ["choose", "demo"]
    assert "method" in page.locator("tbody th").all_inner_texts()
    page.get_by_label("problem id").fill("1:8+7")
    page.get_by_role("button", name="Side by side").click()
    heads = page.locator(".column h2").all_inner_texts()
    assert any(h.startswith("choose round 1") for h in heads) and any(h.startswith("demo round 3") for h in heads)


def test_5_watch_a_running_run(page, home):
    path = home / "talk.jsonl"
    words = [*SCRIPTED, "task=jsonl", f"task.path={path}", f"engine.path={path}", "grader=numeric", "samples=8"]
    process = start(home, "run", *words, "engine.seconds=0.03", "seed=7", "name=watched")
    try:
        page.get_by_role("link", name="watched").wait_for(timeout=60_000)  # the page finds it by itself
        page.get_by_role("link", name="watched").click()
        page.get_by_role("link", name="generate being written").first.click(timeout=60_000)
        count = page.locator("#rows p").first
        page.wait_for_function("() => /^[1-9][0-9]* of/.test(document.querySelector('#rows p').textContent)")
        before = int(count.inner_text().split()[0])
        page.wait_for_function(f"() => parseInt(document.querySelector('#rows p').textContent) > {before}")
        page.get_by_role("link", name="watched").click()
        page.locator("progress").wait_for()
    finally:
        assert process.wait(timeout=120) == 0, process.stderr.read()
        process.stdout.close()
        process.stderr.close()
    page.locator(".status.finished").wait_for(timeout=20_000)
    assert page.locator("svg.curve circle").count() == 2


def test_6_find_truncated_thoughts(page):
    to(page, "/samples/talk/round-1/filter")
    page.get_by_role("link", name="TRUNCATED").first.click()
    page.wait_for_url("**reason=TRUNCATED**")
    page.locator("a.row").first.click()
    thought = page.locator("details.thought")
    assert "that never ends" in thought.inner_text() and not thought.evaluate("e => e.open")
    thought.locator("summary").click()
    assert "never comes to its end" in thought.inner_text()


def test_7_sql_mismatch(page):
    to(page, "/sample/sql/round-1/filter?outcome=wrong&reason=MISMATCH")
    page.get_by_text("What the SQL gives").click()
    page.get_by_role("region", name="expected").wait_for(timeout=40_000)
    assert "Different on" in page.locator(".loaded").inner_text()
    assert page.locator("tr.differs").count() > 0


def test_8_picture_question(page):
    to(page, "/sample/scenes/round-1/evaluate")
    picture = page.locator("img.shot")
    assert picture.evaluate("e => e.complete && e.naturalWidth") > 0
    assert page.locator(".choices li").count() > 1
    press(page, "t")
    page.wait_for_url("**as_written=1**")
    assert page.locator(".rationale pre.text").is_visible()


def test_9_sweep_overlay(page):
    to(page, "/run/pair")
    assert page.locator("svg.curve polyline").count() == 2
    assert page.locator("tbody th").all_inner_texts() == ["seed"]
    page.locator("svg.curve a").first.focus()
    press(page, "Enter")
    page.wait_for_url("**/samples/pair/seed%3D1/round-0/evaluate")


def test_10_share_a_url(page, browser, server):
    to(page, "/samples/demo/round-1/evaluate")
    press(page, "/")
    page.keyboard.type("1 5")
    page.locator("select[name=outcome]").select_option("right")
    page.locator("select[name=sort]").select_option("logprob")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**sort=logprob**")
    ids = page.locator("a.row").all_inner_texts()
    assert ids
    other = browser.new_context().new_page()
    assert other.goto(page.url).status == 403  # the token is not in it
    other.goto(server)
    other.goto(page.url)
    assert other.locator("a.row").all_inner_texts() == ids
    other.context.close()


@pytest.mark.parametrize("path", ["/", "/run/demo", "/samples/demo/round-2/evaluate?outcome=wrong",
                                  "/sample/talk/round-1/filter?text=python", "/problem?run=worse&id=1:8%2B7",
                                  "/compare?run=demo&run=worse"])  # fmt: skip
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, server, path, colours):
    if not AXE:
        pytest.skip("STAR_AXE does not name an axe.min.js (npm pack axe-core)")
    context = browser.new_context(color_scheme=colours, bypass_csp=True)
    made = context.new_page()
    made.goto(server)
    to(made, path)
    made.add_script_tag(path=AXE)
    found = made.evaluate("async () => (await axe.run()).violations")
    serious = [
        (v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found if v["impact"] in ("serious", "critical")
    ]
    context.close()
    assert not serious


@pytest.mark.parametrize("path", ["/", "/run/demo", "/samples/talk/round-1/filter", "/sample/talk/round-1/filter",
                                  "/problem?run=worse&id=1:8%2B7"])  # fmt: skip
def test_a_phone_shows_every_page_without_scrolling_sideways(browser, server, path, tmp_path):
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    made = context.new_page()
    made.goto(server)
    to(made, path)
    assert made.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_what_a_model_wrote_runs_nowhere(page):
    to(page, "/sample/talk/round-1/filter?text=owned")
    assert "owned" not in page.title() and "onerror" in page.locator(".rationale").inner_text()
    assert page.locator(".rationale img, .rationale script").count() == 0
