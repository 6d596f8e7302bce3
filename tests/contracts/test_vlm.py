"""A model that sees: pictures reach trainer and engines alike, only completions are learnt, and new weights see anew.

A tiny vision-language model, made and trained for a few steps here, is all they run. transformers is vLLM's oracle.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import start

from star_cli.backends import vision
from star_cli.backends.engines.transformers import Transformers
from star_cli.backends.engines.vllm import Vllm
from star_cli.backends.training.data import TrainingData, encode_examples
from star_cli.core import registry
from star_cli.core.parts import ModelRef, Prompt, Request, TrainJob
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import StarError
from star_cli.run.live_engine import LiveEngine, distance
from star_cli.stages.base import with_picture_paths

has_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
TASK = registry.get("task", "tiny_scenes")(train=24, dev=12)
LESSONS = {"caption": 24, "full": 24, "answer": 24}


def examples(seed: int = 0) -> list[Any]:
    return with_picture_paths(list(TASK.lesson_examples(LESSONS, seed)), TASK.picture)


def trained(
    start: ModelRef, out: Path, *, seed: int, steps: int = 12, **settings: Any
) -> tuple[ModelRef, dict[str, Any]]:
    trainer = registry.get("trainer", "sft")(lr=3e-3, batch=8, **settings)
    metrics = trainer.train(
        TrainJob(
            start=start,
            examples=examples(seed),
            out=out,
            scratch=out.with_name(out.name + ".aside"),
            seed=seed,
            runtime=Runtime(train_threads=1),
            steps=steps,
        )
    )
    canary = tuple(json.loads((out / "canary.json").read_bytes()))
    return ModelRef(out.name, str(out), dtype="float32", chat=False, canary=canary), metrics


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vlm")


@pytest.fixture(scope="module")
def untrained(home: Path) -> ModelRef:
    out = home / "untrained"
    model = registry.get("model", "tiny_vlm")(layers=2)
    model.check()
    model.initialise((e.prompt + e.completion for e in examples()), out, 0)
    return ModelRef("untrained", str(out), dtype="float32", chat=False)


@pytest.fixture(scope="module")
def first(untrained: ModelRef, home: Path) -> tuple[ModelRef, dict[str, Any]]:
    return trained(untrained, home / "first", seed=1)


@pytest.fixture(scope="module")
def second(untrained: ModelRef, home: Path) -> tuple[ModelRef, dict[str, Any]]:
    return trained(untrained, home / "second", seed=2, steps=24)


@pytest.fixture(scope="module")
def runtime(home: Path) -> Runtime:
    return Runtime(max_num_seqs=16, kv_cache_mb=64, engine_log=str(home / "engine.log"))


def requests(**sampling: Any) -> Iterator[Request]:
    for n, p in enumerate(TASK.problems("dev")):
        yield Request((p.id, 0), TASK.prompt(p), Sampling(**sampling), 24, (), n)


def written(session: Any, **sampling: Any) -> dict[Any, Any]:
    return {c.id: c for c in session.stream(requests(**sampling))}


# ---- what is learnt -------------------------------------------------------------------------------------------------
def encoded(start: ModelRef, rows: list[Any]) -> TrainingData:
    job = TrainJob(start=start, examples=rows, out=Path("-"), scratch=Path("-"), seed=0, runtime=Runtime(), steps=1)
    return encode_examples(registry.get("trainer", "sft")(), job)


def test_only_the_completion_and_the_end_of_text_are_learnt(untrained):
    rows = examples()
    data = encoded(untrained, rows)
    assert len(data.rows) == len(rows)
    for row, example in zip(data.rows, rows, strict=True):
        taught = [i for i in row["labels"] if i != -100]
        assert data.tokenizer.decode(taught[:-1]) == example.completion
        assert taught[-1] == data.tokenizer.eos_token_id
        assert row["input_ids"][-len(taught) :] == taught, "labels stand where their tokens stand"
        shown = row["input_ids"][: -len(taught)]
        assert shown.count(data.processor.token_id) == 4 and data.tokenizer.decode(shown).endswith(example.prompt)


def test_a_batch_holds_every_row_s_own_picture_and_its_padding_teaches_nothing(untrained):
    data = encoded(untrained, examples())
    rows = sorted(data.rows, key=lambda r: -len(r["input_ids"]))[:3] + data.rows[:1]
    batch = vision.collate(data.processor, rows, 1)
    assert batch["pixel_values"].shape == (4, 1, 3, 32, 32)
    for i, row in enumerate(rows):
        length = len(row["input_ids"])
        assert batch["input_ids"][i, :length].tolist() == row["input_ids"]
        assert batch["labels"][i, :length].tolist() == row["labels"]
        assert (batch["labels"][i, length:] == -100).all()
        assert batch["attention_mask"][i].tolist() == [1] * length + [0] * (batch["input_ids"].shape[1] - length)
        alone = vision.collate(data.processor, [row], 1)["pixel_values"]
        assert (batch["pixel_values"][i] == alone[0]).all(), "the picture of this row"
    assert (batch["pixel_values"][0] != batch["pixel_values"][1]).any()


def test_rows_with_other_numbers_of_pictures_and_without_any_make_one_batch(untrained):
    one, two = examples()[:2]
    import msgspec

    rows = [one, msgspec.structs.replace(two, images=two.images + one.images), msgspec.structs.replace(one, images=[])]
    data = encoded(untrained, rows)
    assert [r["input_ids"].count(data.processor.token_id) for r in data.rows] == [4, 8, 0]
    batch = vision.collate(data.processor, data.rows, 1)
    assert batch["pixel_values"].shape == (2, 2, 3, 32, 32)
    assert not batch["pixel_values"][0, 1].any(), "what one row lacks is empty"


def test_a_text_that_looks_like_a_picture_stays_text(untrained):
    import msgspec

    row = msgspec.structs.replace(examples()[0], prompt="what is <image> or <eos>?", completion="<image><eos>")
    data = encoded(untrained, [row])
    assert data.rows[0]["input_ids"].count(data.processor.token_id) == 4
    taught = [i for i in data.rows[0]["labels"] if i != -100]
    assert taught.count(data.tokenizer.eos_token_id) == 1 and data.tokenizer.decode(taught[:-1]) == "<image><eos>"


def test_training_counts_tokens_of_pictures_and_of_text_and_its_loss_falls(first):
    _, metrics = first
    n = sum(LESSONS.values())
    assert metrics["pictures"] == n and metrics["image_tokens"] == 4 * n and metrics["prompt_text_tokens"] > 0
    assert metrics["loss_last"] < metrics["loss_first"]


def test_the_pictures_themselves_are_learnt_from(untrained, home):
    """The same texts with their pictures exchanged are another training set."""
    rows = examples()
    import msgspec

    other = [msgspec.structs.replace(a, images=b.images) for a, b in zip(rows, rows[1:] + rows[:1], strict=True)]
    assert encoded(untrained, rows).digest() != encoded(untrained, other).digest()
    assert encoded(untrained, rows).digest() == encoded(untrained, examples()).digest()


def test_adapters_train_and_merge(untrained, home):
    model, metrics = trained(untrained, home / "adapters", seed=3, steps=3, lora_rank=4)
    assert metrics["start_weights"] != metrics["end_weights"]
    assert not list(Path(model.path).glob("adapter*"))


def test_small_forward_passes_add_up_to_the_whole_batch(untrained, home):
    _, whole = trained(untrained, home / "whole", seed=4, steps=3, micro_batch=8)
    _, split = trained(untrained, home / "split", seed=4, steps=3, micro_batch=2)
    assert math.isclose(whole["loss_last"], split["loss_last"], rel_tol=1e-4)


# ---- engines --------------------------------------------------------------------------------------------------------
def test_the_plain_engine_agrees_with_the_trainer_s_canary(first, runtime):
    model, _ = first
    session = Transformers().open(model, runtime)
    scores = session.score([(model.shown(c), c["completion"]) for c in model.canary])
    assert all(c.get("images") for c in model.canary)
    assert distance(model, scores) < 1e-4
    other = [
        (Prompt(c["prompt"], (str(Path(model.path) / model.canary[i - 1]["images"][0]),)), c["completion"])
        for i, c in enumerate(model.canary)
    ]
    assert distance(model, session.score(other)) > 1e-4, "it looks at the picture"


@has_vllm
@pytest.mark.slow
def test_vllm_writes_what_transformers_writes_before_and_after_a_swap(first, second, runtime):
    a, b = first[0], second[0]
    expected = {}
    for model in (a, b):
        plain = Transformers().open(model, runtime)
        expected[model.key] = written(plain), plain.score([(model.shown(c), c["completion"]) for c in model.canary])
    said: list[str] = []
    live_engine = LiveEngine()
    try:
        for model in (a, b, a):
            session = live_engine.session(Vllm(), model, runtime, said.append)
            texts, scores = expected[model.key]
            found = written(session)
            assert {i: c.text for i, c in found.items()} == {i: c.text for i, c in texts.items()}
            assert all(c.image_tokens == 4 == texts[i].image_tokens for i, c in found.items())
            for i, c in found.items():
                assert abs(c.logprob - texts[i].logprob) < 2e-3
            mine = session.score([(model.shown(c), c["completion"]) for c in model.canary])
            assert max(abs(x - y) for x, y in zip(mine, scores, strict=True)) < 2e-3
        assert not said and live_engine.opened == 1 and live_engine.swapped == 2, (
            "one engine, its weights exchanged in place"
        )
    finally:
        live_engine.close()
    assert expected[a.key][0] != expected[b.key][0]


# ---- what cannot work -----------------------------------------------------------------------------------------------
def test_a_text_only_model_with_pictures_is_a_sentence(home, runtime):
    out = home / "text-only"
    registry.get("model", "tiny")(layers=1).initialise(["red circle"], out, 0)
    model = ModelRef("text", str(out), dtype="float32", chat=False)
    with pytest.raises(StarError, match="reads text only") as e:
        encoded(model, examples())
    assert "vision-language" in (e.value.hint or "")
    session = Transformers().open(model, runtime)
    with pytest.raises(StarError, match="reads text only"):
        list(session.stream(requests()))


def test_more_pictures_than_allowed_is_a_sentence(first, runtime):
    session = Transformers().open(first[0], runtime)
    path = TASK.picture(next(TASK.problems("dev")).images[0])
    with pytest.raises(StarError, match="has 5 pictures; 4 are allowed"):
        list(session.stream([Request(("p", 0), Prompt("?", (path,) * 5), Sampling(), 4, (), 0)]))


# ---- chat templates -------------------------------------------------------------------------------------------------
TEMPLATE = (
    "{% for m in messages %}U:{% for c in m.content %}{% if c.type == 'image' %}<image>{% else %}{{ c.text }}"
    "{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
)


@pytest.fixture(scope="module")
def talker(untrained: ModelRef, home: Path) -> ModelRef:
    """The same weights with a chat template in their processor."""
    import shutil

    from transformers import AutoProcessor

    out = home / "talker"
    shutil.copytree(untrained.path, out)
    processor = AutoProcessor.from_pretrained(out)
    processor.chat_template = TEMPLATE
    processor.save_pretrained(out)
    return ModelRef("talker", str(out), dtype="float32")


def test_a_chat_template_says_where_the_picture_stands(talker):
    row = examples()[0]
    data = encoded(talker, [row])
    shown = data.rows[0]["input_ids"][: data.rows[0]["labels"].count(-100)]
    text = data.tokenizer.decode(shown)
    assert text.startswith("U:<fake_token_around_image>") and text.endswith(f"{row.prompt}A:")
    prompt = Prompt(row.prompt, tuple(row.images))
    assert data.processor.ids(prompt).count(data.processor.token_id) == 1 and shown.count(data.processor.token_id) == 4
    assert len(data.processor.ids(prompt)) + data.processor.extra(prompt) == len(shown)


def test_a_text_with_the_picture_s_own_token_is_a_sentence_where_a_template_would_read_it(talker):
    import msgspec

    with pytest.raises(StarError, match="contains <image>"):
        encoded(talker, [msgspec.structs.replace(examples()[0], prompt="what is <image>?")])


# ---- real data ------------------------------------------------------------------------------------------------------
PUBLIC = Path(os.environ.get("STAR_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mathvision"


def mathvision() -> Any:
    if not PUBLIC.is_dir():
        pytest.skip(f"no copy of the public data at {PUBLIC} (STAR_TEST_DATA names another place)")
    task = registry.get("task", "visual_qa")(path=str(PUBLIC / "mathvision.jsonl"), groups_by=["subject"])
    task.check()
    return task


def test_mathvision_loads_and_its_prompts_show_question_choices_and_picture():
    task = mathvision()
    problems = [p for split in task.splits for p in task.problems(split)]
    assert len(problems) > 300 and sum(sum(task.left_out(s).values()) for s in task.splits) == 0
    for p in problems:
        prompt = task.prompt(p)
        assert len(prompt.images) == 1 and Path(prompt.images[0]).is_file() and "<image" not in prompt.text
        assert p.question in prompt.text and all(c in prompt.text for c in p.choices)
        assert task.groups(p)["subject"]


@has_vllm
@pytest.mark.slow
def test_a_round_of_see_think_learn_runs_end_to_end_on_mathvision(tmp_path):
    mathvision()
    process = start(
        tmp_path,
        "run",
        "task=visual_qa",
        f"task.path={PUBLIC / 'mathvision.jsonl'}",
        "method=see_think_learn",
        "model=tiny_vlm",
        "rounds=1",
        "problems=60",
        "samples=4",
        "sampling.temperature=1",
        "sampling.max_tokens=64",
        "evaluation.limit=20",
        "model.layers=2",
        "+pretraining.lessons={full:250}",
        "pretraining.steps=150",
        "trainer.max_length=1024",
        "schedule.start=10",
        "method.wrong_options=1",
        "runtime.max_num_seqs=32",
        "name=mv",
    )
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "chance" in out and "seconds" in out
