"""See-Think-Learn on fakes: what is trained on, from what, and what is never in it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from conftest import SMALL, call

from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict
from star_cli.methods.see_think_learn.stages import Oppose, Positives
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.runs import Run
from star_cli.tasks.visual_qa import VisualQA

SCENES = [*SMALL, "task=tiny_scenes", "method=see_think_learn", "+pretraining.lessons={full:8}", "problems=60"]


class Book:
    """The artifacts of a finished run, by round and name."""

    def __init__(self, home, name) -> None:
        store = Store(home / "artifacts")
        self.events = Run(home, name).events()
        self.rows = {(e.round, e.name): store.get(e.key) for e in self.events}

    def __call__(self, round: int, name: str) -> Artifact:
        return self.rows[round, name]

    def names(self, round: int) -> set[str]:
        return {n for r, n in self.rows if r == round}


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    for name, settings in {
        "both": [],
        "positives": ["method.learn=positives"],
        "negatives": ["method.learn=negatives"],
        "answers": ["method.learn=answers"],
        "blind": ["method.caption=false"],
    }.items():
        done = call(place, "run", *SCENES, *settings, f"name={name}")
        assert done.code == 0, done.err
    return place


def test_every_wrong_option_of_every_question_answered_right_is_explained(where):
    book = Book(where, "both")
    for n in (1, 2):
        solved = {e.problem_id for e in book(n, "positives").read(Example)}
        assert solved <= {v.problem_id for v in book(n, "filter").read(Verdict) if v.correct}
        problems = {p.id: p for p in book(n, "problems").read(Problem) if p.id in solved}
        wanted = {(i, x) for i, p in problems.items() for x in "ABCDE"[: len(p.choices)] if x != p.answer}
        opposed = {(p.id.rpartition("/")[0], p.meta["against"]) for p in book(n, "oppose").read(Problem)}
        assert opposed == wanted and len(wanted) > len(solved) > 0
        assert {r.problem_id for r in book(n, "explain").read(Rationale)} == {
            p.id for p in book(n, "oppose").read(Problem)
        }


def test_the_mix_is_positives_and_negatives_and_is_reported(where):
    book = Book(where, "both")
    for n in (1, 2):
        origins = book(n, "finetune").metrics["origins"]
        assert origins == {
            "own": book(n, "positives").metrics["kept"],
            "negative": book(n, "negatives").metrics["kept"],
        }
        assert origins["negative"] > origins["own"]


def test_no_training_text_names_the_right_choice_of_a_negative(where):
    rows = [e for n in (1, 2) for e in Book(where, "both")(n, "finetune").read(Example)]
    assert {e.origin for e in rows} == {"own", "negative"}
    assert not any("correct choice" in (e.prompt + e.completion).lower() for e in rows)
    assert all(e.images and e.images[0] in e.problem_id.replace(":", " ").split()[1] + ".png" for e in rows)


def test_pictures_are_named_and_their_paths_never_stored(where):
    for artifact in Book(where, "both").rows.values():
        for file in artifact.path.glob("*.jsonl"):
            assert b"/tmp" not in file.read_bytes() and b"base64" not in file.read_bytes()


def test_every_round_starts_from_the_base_and_explains_with_the_last_model(where):
    book = Book(where, "both")
    base = book(0, "pretrain").key
    for n in (1, 2):
        assert book(n, "finetune").manifest.inputs["start"] == base
        writer = base if n == 1 else book(1, "finetune").key
        assert book(n, "generate").manifest.inputs["model"] == writer == book(n, "explain").manifest.inputs["model"]


@pytest.mark.parametrize(
    ("name", "origins"),
    [("positives", {"own"}), ("negatives", {"negative"}), ("answers", {"gold"}), ("blind", {"own", "negative"})],
)
def test_switches_choose_what_is_trained_on(where, name, origins):
    rows = list(Book(where, name)(1, "finetune").read(Example))
    assert {e.origin for e in rows} == origins
    assert ("CAPTION" in rows[0].prompt) == (name in ("positives", "negatives"))
    if name == "answers":
        assert all(e.completion.startswith("CONCLUSION: (") and "REASONING" not in e.prompt for e in rows)
        assert not Book(where, name).names(1) & {"generate", "explain"}


def test_arms_share_the_base_and_the_first_generation(where):
    books = [Book(where, n) for n in ("both", "positives", "negatives")]
    assert len({b(0, "pretrain").key for b in books}) == len({b(1, "generate").key for b in books}) == 1
    assert Book(where, "blind")(0, "pretrain").key == books[0](0, "pretrain").key


def test_the_table_always_holds_chance_and_majority(where):
    metrics = {m.name: m for m in Book(where, "both")(2, "evaluate").read(Metric)}
    problems = list(Book(where, "both")(0, "problems-dev").read(Problem))
    assert metrics["chance"].value == pytest.approx(sum(1 / len(p.choices) for p in problems) / len(problems))
    counts = [[p.answer for p in problems].count(x) for x in "ABCDE"]
    assert metrics["majority"].value == max(counts) / len(problems)
    assert {"accuracy/kind=count", "caption_right", "wrong_by_seeing", "wrong_by_reasoning"} <= set(metrics)
    shown = call(where, "show", "both").out
    assert "chance" in shown and "majority" in shown


def test_pictures_are_in_the_page_and_their_paths_in_what_is_shown(where):
    page = (where / "runs" / "both" / "report.html").read_text()
    assert 'src="data:image/png;base64,' in page
    shown = call(where, "show", "both/round-1/filter")
    assert ".png" in shown.out and "picture" in shown.out
    told = call(where, "show", "both/round-1/filter", "--json").json
    assert all(s["pictures"][0].endswith(".png") for s in told["samples"])


def test_a_text_task_is_a_sentence(home):
    done = call(home, "run", *SMALL, "method=see_think_learn")
    assert done.code == 1 and "needs a task that asks about pictures" in done.err and "Traceback" not in done.err


PROBLEM = Problem(id="p", question="How many?", answer="B", choices=["1", "2", "3", "4"], images=["x.png"])


class Kept:
    """A draft that holds what is written to it."""

    def __init__(self) -> None:
        self.rows = []

    def write(self, kind, rows):
        self.rows = list(rows)
        return len(self.rows)


class Held:
    """An artifact of rows in memory."""

    def __init__(self, *rows) -> None:
        self.rows = rows

    def read(self, kind):
        return iter(self.rows)


def ran(stage, **inputs):
    context = SimpleNamespace(draft=Kept(), inputs=inputs)
    return stage.run(context), context.draft.rows


def test_a_text_without_all_its_sections_is_no_positive_and_the_others_have_one_form():
    good = "**CAPTION**: two dots\n\nREASONING:\none and one\nCONCLUSION: (B) is right.\n"
    texts = [good, "REASONING: a guess\nCONCLUSION: (b)", "CAPTION:\nREASONING: x\nCONCLUSION: (b)", "CONCLUSION: b"]
    rows = [Example(problem_id=str(i), sample=0, prompt="?", completion=t, origin="own") for i, t in enumerate(texts)]
    metrics, kept = ran(Positives(task=VisualQA()), problems=Held(), examples=Held(*rows))
    assert metrics == {"kept": 1, "unparsed": 3}
    assert kept[0].completion == "CAPTION: two dots\n\nREASONING: one and one\n\nCONCLUSION: (b)"
    blind, _ = ran(Positives(task=VisualQA(asks="no_caption")), problems=Held(), examples=Held(*rows))
    assert blind == {"kept": 3, "unparsed": 1}, "without a caption two sections are asked for"


def test_wrong_options_are_drawn_by_seed():
    positive = Example(problem_id="p", sample=0, prompt="?", completion="x", origin="own")
    one = Held(positive)
    drawn = {
        seed: [p.meta["against"] for p in ran(Oppose(limit=1, seed=seed), problems=Held(PROBLEM), positives=one)[1]]
        for seed in range(30)
    }
    assert {x for letters in drawn.values() for x in letters} == {"A", "C", "D"}
    assert all(len(letters) == 1 for letters in drawn.values())
    everything = ran(Oppose(), problems=Held(PROBLEM), positives=Held(positive))[1]
    assert [p.meta["against"] for p in everything] == ["A", "C", "D"]
    assert not ran(Oppose(), problems=Held(PROBLEM), positives=Held())[1]
