"""Pictures: what is refused and how it is said, what addresses them, and what a task does with bad ones."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from star_cli.core import registry
from star_cli.errors import StarError
from star_cli.lib import images
from star_cli.lib.scenes import KINDS, cells_of
from star_cli.report import html
from star_cli.tasks.base.visual import BLOCKS

TASK = registry.get("task", "tiny_scenes")(train=40, dev=40)


def picture(path: Path, size: tuple[int, int] = (20, 10), colour: str = "red") -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def bomb(path: Path) -> Path:
    """A few hundred bytes that promise 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    return path


def torn(path: Path) -> Path:
    whole = picture(path.with_name("whole.png"), (64, 64)).read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return path


BAD = {
    "missing": (lambda p: p, "does not exist"),
    "empty": (lambda p: (p.write_bytes(b""), p)[1], r"is empty \(0 bytes\)"),
    "text": (lambda p: (p.write_text("<html>no picture</html>"), p)[1], "is no picture of a known kind"),
    "torn": (torn, "is damaged or truncated"),
    "bomb": (bomb, r"100000 x 100000 pixels, more than the 40,000,000|too large to be decoded"),
    "folder": (lambda p: (p.mkdir(), p)[1], "is not a file"),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_what_is_no_picture_is_a_sentence(kind, tmp_path):
    make, said = BAD[kind]
    path = make(tmp_path / "x.png")
    for look in (images.check, images.load):
        with pytest.raises(StarError, match=said) as e:
            look(path)
        assert str(path) in e.value.what and "bad_images=skip" in (e.value.hint or "")


def test_a_picture_is_opened_upright_in_rgb_on_white(tmp_path):
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert images.load(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    photo = Image.new("RGB", (8, 4))
    exif = photo.getexif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(tmp_path / "turned.jpg", exif=exif)
    assert images.load(tmp_path / "turned.jpg").size == (4, 8) == images.check(tmp_path / "turned.jpg")


def test_a_picture_s_address_is_what_it_holds(tmp_path):
    a, b = picture(tmp_path / "a.png"), tmp_path / "b.png"
    shutil.copyfile(a, b)
    assert images.digest(a) == images.digest(b)
    picture(b, colour="blue")
    assert images.digest(a) != images.digest(b)


def test_a_page_holds_the_picture_and_nothing_of_its_name(tmp_path):
    shown = html.embedded_picture(str(picture(tmp_path / '"><script>x.png')))
    assert "data:image/png;base64," in shown and "<script>" not in shown
    lost = html.embedded_picture(str(tmp_path / "none<b>.png"))
    assert "does not exist" in lost and "<b>" not in lost and "<img" not in lost


# ---- a task with bad pictures
# -----------------------------------------------------------------------------------------
def data(folder: Path, n: int = 6, **changed: Any) -> Path:
    rows = []
    for i in range(n):
        picture(folder / f"{i}.png", (10 + i, 10))
        rows.append(
            {
                "id": str(i),
                "question": f"<image1> how wide is {i}?",
                "options": ["a", "bb", "ccc"],
                "answer": "ABC"[i % 3],
                "image": f"{i}.png",
                "split": "train",
                **changed,
            }
        )
    (folder / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder / "data.jsonl"


def task_of(path: Path, **settings: Any) -> Any:
    task = registry.get("task", "visual_qa")(path=str(path), **settings)
    task.check()
    return task


def all_of(task: Any) -> list[Any]:
    return [p for split in ("train", "dev") for p in task.problems(split)]


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_problem_with_a_bad_picture_is_refused_or_left_out_and_counted(kind, tmp_path):
    path = data(tmp_path)
    (tmp_path / "3.png").unlink()
    make, said = BAD[kind]
    make(tmp_path / "3.png")
    with pytest.raises(StarError, match=said) as e:
        all_of(task_of(path))
    assert "data.jsonl:4" in e.value.what
    task = task_of(path, bad_images="skip")
    assert {p.id for p in all_of(task)} == set("012456") - {"3", "6"}
    assert sum(task.left_out(s)["bad_picture"] for s in ("train", "dev")) == 1


def test_what_is_left_out_is_said_and_stands_in_the_manifest(tmp_path):
    from star_cli.stages.problems import Problems
    from star_cli.store.artifacts import Store

    path = data(tmp_path, 30)
    good = task_of(path)
    said: list[str] = []

    class Bench:
        warn = staticmethod(said.append)
        draft = Store(tmp_path / "store").draft("a" * 32)

    split = next(s for s in ("train", "dev") if "3" in {p.id for p in good.problems(s)})
    (tmp_path / "3.png").write_bytes(b"?")
    metrics = Problems(task=task_of(path, bad_images="skip"), split=split).run(Bench())  # type: ignore[arg-type]
    assert metrics["bad_picture"] == 1 and "bad picture" in said[0]


def test_a_changed_picture_changes_the_address_and_a_moved_folder_does_not(tmp_path):
    (tmp_path / "one").mkdir()
    path = data(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    from star_cli.stages.sampling import prompt_key

    one, two = task_of(path), task_of(tmp_path / "two" / "data.jsonl")
    assert one.content == two.content and all_of(one) == all_of(two)
    problem = all_of(one)[0]
    assert prompt_key(one.prompt(problem)) == prompt_key(two.prompt(problem))
    assert one.prompt(problem).images != two.prompt(problem).images
    picture(tmp_path / "two" / problem.images[0], (10, 10), "blue")
    changed = task_of(tmp_path / "two" / "data.jsonl")
    assert changed.content != one.content
    assert prompt_key(changed.prompt(problem)) != prompt_key(one.prompt(problem))
    with pytest.raises(StarError, match="is another one or was changed"):
        task_of(tmp_path / "two" / "data.jsonl", content=one.content)


@pytest.mark.parametrize("name", ["/etc/passwd.png", "../x.png", "", 7, None, {"bytes": "x"}])
def test_a_picture_outside_the_data_s_folder_is_a_sentence(name, tmp_path):
    with pytest.raises(StarError, match="the picture") as e:
        all_of(task_of(data(tmp_path, image=name)))
    assert "relative to the data file" in (e.value.hint or "")


@pytest.mark.parametrize(
    "bad", [{"answer": "Z"}, {"options": ["one"]}, {"options": "ab"}, {"answer": 9}, {"options": list("abcdefghijk")}]
)
def test_a_question_without_a_right_option_is_refused_or_left_out_and_counted(bad, tmp_path):
    path = data(tmp_path, **bad)
    with pytest.raises(StarError, match="none of the options"):
        all_of(task_of(path))
    task = task_of(path, bad_answers="skip")
    assert not all_of(task) and sum(task.left_out(s)["bad_answer"] for s in ("train", "dev")) == 6


def test_letters_numbers_and_texts_are_answers(tmp_path):
    for told in ("B", "(b)", "bb", 1):
        assert {p.answer for p in all_of(task_of(data(tmp_path, answer=told)))} == {"B"}
    assert "<image1>" not in all_of(task_of(data(tmp_path)))[0].question


# ---- templates
# --------------------------------------------------------------------------------------------------------
def test_a_template_and_its_headings_can_be_one_s_own(tmp_path):
    sides = {b: " {right} {wrong}" if "negative" in b else "" for b in BLOCKS}
    blocks = {b: "Q {question} {choices}" + sides[b] + f" <{{CAPTION}}> {b}" for b in BLOCKS}
    blocks["choice"] = "{letter}: {text}"
    mine = tmp_path / "mine.txt"
    mine.write_text("".join(f"== {name}\n{text}\n\n" for name, text in blocks.items()))
    task = task_of(data(tmp_path), template=str(mine), tags=["see", "think", "answer", "why"])
    problem = all_of(task)[0]
    assert task.prompt(problem).text == "Q how wide is 0? a: a\nb: bb\nc: ccc <see> full"
    assert task.grader == {"name": "conclusion", "tag": "answer"} and task.answer_only(problem) == "answer: (a)"
    mine.write_text(mine.read_text().replace("== answer", "== reply"))
    with pytest.raises(StarError, match="has no block answer"):
        task_of(data(tmp_path), template=str(mine))


def test_braces_of_a_question_are_left_alone(tmp_path):
    task = task_of(data(tmp_path, question="is {choices} {CAPTION} a set?"))
    assert "is {choices} {CAPTION} a set?" in task.prompt(all_of(task)[0]).text


@pytest.mark.parametrize("caption", [True, False])
def test_the_stored_negative_prompt_does_not_name_the_right_choice(caption):
    import msgspec

    task = registry.get("task", "tiny_scenes")(asks="full" if caption else "no_caption")
    task.check()
    for problem in TASK.problems("dev"):
        wrong = next(x for x in "ABC" if x != problem.answer)
        p = msgspec.structs.replace(problem, meta={**problem.meta, "against": wrong})
        line = f"The correct choice is ({p.answer.lower()})."
        hinted, stored = task.prompt(p, hint=True).text, task.training_prompt(p)
        assert line in hinted and hinted.replace(line + "\n", "") == stored
        assert f"({wrong.lower()})" in stored.splitlines()[-2]


# ---- tiny_scenes
# ------------------------------------------------------------------------------------------------------
def test_gold_texts_are_right_by_the_grader_and_by_the_scene():
    grader = registry.get("grader", "conclusion")()
    for asks in ("full", "no_caption"):
        task = registry.get("task", "tiny_scenes")(asks=asks, dev=120)
        for p in task.problems("dev"):
            text = task.gold(p)
            assert grader.judge(p.answer, p.choices, text)[0] and task.wrong_steps(p, text) == 0
            assert (
                set(task.measures(p, text).values()) <= {0.0, 1.0}
                and task.measures(p, text).get("wrong_by_seeing", 0) == 0
            )


def test_errors_of_seeing_and_of_reasoning_are_told_apart():
    told = []
    for p in TASK.problems("dev"):
        cells = cells_of(p.meta["scene"])
        place = next(n for n, thing in cells.items() if thing != "-")
        blurred = TASK.rationale(p, {**cells, place: "-"})
        gold = TASK.gold(p)
        letters = "abcde"[: len(p.choices)]
        other = letters[letters.index(p.answer.lower()) - 1]
        muddled = gold.replace(f"({p.answer.lower()})", f"({other})")
        assert TASK.measures(p, muddled) == {"caption_right": 1.0, "wrong_by_seeing": 0.0, "wrong_by_reasoning": 1.0}
        if blurred and f"({p.answer.lower()})" not in blurred:
            told.append(TASK.measures(p, blurred))
            assert TASK.wrong_steps(p, blurred) == 1
    assert told and all(m == {"caption_right": 0.0, "wrong_by_seeing": 1.0, "wrong_by_reasoning": 0.0} for m in told)


def test_a_picture_is_drawn_from_its_name_alone_and_again_when_it_is_gone():
    name = next(TASK.problems("train")).images[0]
    path = Path(TASK.picture(name))
    before = path.read_bytes()
    path.unlink()
    assert Path(TASK.picture(name)).read_bytes() == before
    assert images.check(path) == (32, 32)
    with pytest.raises(StarError, match="is no picture of task=tiny_scenes"):
        TASK.picture("../../etc/passwd")


def test_splits_share_no_scene_and_every_kind_is_there():
    scenes = {s: {p.meta["scene"] for p in TASK.problems(s)} for s in ("train", "dev", "test")}
    assert (
        not scenes["train"] & scenes["dev"]
        and not scenes["train"] & scenes["test"]
        and not scenes["dev"] & scenes["test"]
    )
    lessons = {e.images[0].removesuffix(".png") for e in TASK.lesson_examples({"full": 200, "caption": 200}, 0)}
    assert not lessons & scenes["dev"] and not lessons & scenes["test"]
    assert {p.meta["kind"] for p in TASK.problems("dev")} == set(KINDS)
