"""What a trainer promises: the loss is where it belongs, equal jobs give equal bytes, and nothing breaks silently."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from star_cli.backends import threads
from star_cli.backends.models.tiny import Tiny
from star_cli.backends.tokens import encode_prompt, encode_prompts
from star_cli.backends.trainers.sft import Sft
from star_cli.backends.training import environment
from star_cli.backends.training.data import encode_examples
from star_cli.backends.training.plan import Plan
from star_cli.core.parts import ModelRef, TrainJob
from star_cli.core.records import Example
from star_cli.core.settings import Runtime
from star_cli.errors import StarError


def sums(n, seed=0):
    draw = random.Random(seed)
    pairs = [(draw.randrange(10 ** draw.randint(1, 3)), draw.randrange(1000)) for _ in range(n)]
    return [
        Example(problem_id=str(i), sample=0, prompt=f"{a}+{b}=", completion=f" carry {a % 7}; {a + b}.", origin="own")
        for i, (a, b) in enumerate(pairs)
    ]


EXAMPLES = sums(40)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Two threads that wait for each other crawl on a machine that is busy with other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    out = tmp_path_factory.mktemp("base") / "model"
    Tiny(layers=1, width=32, heads=1, context=512, vocab=290).initialise(
        [e.prompt + e.completion for e in EXAMPLES], out, 0
    )
    return out


def ref(path, **given):
    return ModelRef(**{"key": "start", "path": str(path), "dtype": "float32", "chat": False, **given})


def job_of(base, out, *, examples=EXAMPLES, steps=3, seed=5, start=None, **given):
    runtime = Runtime(train_threads=1, **given.pop("runtime", {}))
    return TrainJob(
        start=start or ref(base),
        examples=examples,
        out=out / "model",
        scratch=out / "scratch",
        seed=seed,
        runtime=runtime,
        steps=steps,
        **given,
    )


def train(base, out, part=None, **given):
    return (part or Sft(lr=1e-2, batch=8)).train(job_of(base, out, **given))


def digest(out):
    files = sorted((out / "model").iterdir())
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def load(path, dtype="float32"):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval(), AutoTokenizer.from_pretrained(path)


def by_hand(path, examples):
    """log P(completion, end of text | prompt) of each example in float64 arithmetic on the logits, and its tokens."""
    model, tokenizer = load(path)
    found = []
    for e in examples:
        prompt = tokenizer(e.prompt)["input_ids"]
        taught = [*tokenizer(e.completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + taught])).logits[0].double().log_softmax(-1)
        found.append((sum(logits[len(prompt) - 1 + i, t].item() for i, t in enumerate(taught)), len(taught)))
    return found


# ---- what is learnt ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lora_rank", [0, 2])
def test_the_loss_is_the_mean_over_completion_and_end_of_text_only(base, tmp_path, lora_rank):
    metrics = train(base, tmp_path, Sft(lr=1e-6, batch=40, lora_rank=lora_rank), steps=1)
    scores = by_hand(base, EXAMPLES)
    expected = -sum(s for s, _ in scores) / sum(n for _, n in scores)
    assert metrics["loss_first"] == pytest.approx(expected, abs=2e-5)
    assert metrics["tokens"] == sum(n for _, n in scores)


def test_the_prompt_and_the_padding_teach_nothing(base):
    data = encode_examples(Sft(), job_of(base, Path("unused")))
    for row, example in zip(data.rows, EXAMPLES, strict=True):
        taught = [t for t in row["labels"] if t != -100]
        assert row["labels"][: len(row["labels"]) - len(taught)] == [-100] * (len(row["labels"]) - len(taught))
        assert data.tokenizer.decode(taught) == example.completion + "<eos>"
        assert data.tokenizer.decode(row["input_ids"]) == example.prompt + example.completion + "<eos>"


def test_the_end_of_text_is_learnt(base, tmp_path):
    few = EXAMPLES[:4]
    train(base, tmp_path, Sft(lr=2e-2, batch=4), examples=few, steps=60)
    model, tokenizer = load(tmp_path / "model")
    ids = tokenizer(few[0].prompt, return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=40, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert tokenizer.decode(out) == few[0].completion + "<eos>"


def test_it_is_adamw_with_clipping_and_a_linear_schedule(base, tmp_path):
    part = Sft(lr=5e-3, batch=8, schedule="linear", warmup=2, weight_decay=0.1, clip=0.5, micro_batch=3)
    job = job_of(base, tmp_path, steps=6)
    part.train(job)
    model, _ = load(base)
    model.train()
    data = encode_examples(part, job)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}])
    for step, rows in enumerate(Plan.of(part, job, data.lengths(), 1).stream()):
        total = 0.0
        taught = sum(label != -100 for i in rows for label in data.rows[i]["labels"])
        for i in rows:
            ids, labels = torch.tensor([data.rows[i]["input_ids"]]), torch.tensor(data.rows[i]["labels"])
            logits = model(ids).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum")
        (total / taught).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for group in optimiser.param_groups:
            group["lr"] = 5e-3 * (step / 2 if step < 2 else (6 - step) / 4)
        optimiser.step()
        optimiser.zero_grad()
    trained, _ = load(tmp_path / "model")
    for (name, want), got in zip(model.named_parameters(), trained.parameters(), strict=True):
        assert torch.allclose(want, got, atol=2e-4), name


def test_splitting_a_batch_changes_nothing_but_the_last_digits(base, tmp_path):
    whole = train(base, tmp_path / "a", Sft(lr=1e-3, batch=12, micro_batch=12))
    split = train(base, tmp_path / "b", Sft(lr=1e-3, batch=12, micro_batch=5, gradient_checkpointing=True))
    assert whole["loss_last"] == pytest.approx(split["loss_last"], abs=1e-4)


def test_adapters_are_merged_and_change_the_layers_only(base, tmp_path):
    train(base, tmp_path, Sft(lr=1e-2, batch=8, lora_rank=2, lora_dropout=0.1))
    before, after = load(base)[0].state_dict(), load(tmp_path / "model")[0].state_dict()
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(".layers." in name and "norm" not in name for name in changed)
    assert not list((tmp_path / "model").glob("adapter*"))


def test_half_precision_comes_back_as_it_came(base, tmp_path):
    start = tmp_path / "half"
    Tiny(layers=1, width=32, heads=1, context=512, vocab=290, dtype="bfloat16", tied=True).initialise(
        ["1+1= 2"], start, 0
    )
    metrics = train(start, tmp_path, Sft(lr=1e-4, batch=8), start=ref(start, dtype="auto"))
    model, _ = load(tmp_path / "model", "auto")
    assert model.dtype == torch.bfloat16 and model.config.tie_word_embeddings
    assert metrics["start_weights"] != metrics["end_weights"]
    agree(tmp_path)


# ---- what it is given ----------------------------------------------------------------------------------------------
def test_what_is_too_long_is_left_out_and_counted(base, tmp_path):
    long = Example(problem_id="long", sample=0, prompt="9+9=", completion=" x" * 200, origin="own")
    metrics = train(base, tmp_path, Sft(lr=1e-3, batch=8, max_length=60), examples=[*EXAMPLES, long], steps=1)
    assert (metrics["examples"], metrics["dropped_long"]) == (40, 1)


def test_what_the_model_cannot_read_is_left_out(base, tmp_path):
    long = Example(problem_id="long", sample=0, prompt="9+9=", completion=" x" * 600, origin="own")
    assert train(base, tmp_path, examples=[*EXAMPLES, long], steps=1)["dropped_long"] == 1


@pytest.mark.parametrize(
    ("part", "given", "says"),
    [
        (Sft(max_length=3), {}, "all 40 examples are longer than 3 tokens"),
        (Sft(), {"examples": []}, "no example"),
        (Sft(), {"steps": None}, "a number of steps or of epochs"),
        (Sft(lr=-1), {}, "trainer.lr must be > 0, got -1"),
        (Sft(schedule="cosin"), {}, "constant, linear, cosine, got 'cosin'"),
        (Sft(lora_dropout=0.1), {}, "trainer.lora_dropout=0.1 has no effect"),
        (Sft(packing=True), {}, "flash-attn"),
        (Sft(lora_rank=2, lora_targets="nonsense"), {}, "trainer.lora_targets=nonsense"),
    ],
)
def test_what_cannot_be_is_said(base, tmp_path, part, given, says):
    with pytest.raises(StarError, match=says):
        train(base, tmp_path, part, **given)


def test_epochs_are_passes_and_steps_win(base, tmp_path):
    metrics = train(base, tmp_path / "a", steps=None, epochs=0.5)
    assert (metrics["steps"], metrics["epochs"]) == (3, 0.6)
    assert train(base, tmp_path / "b", steps=2, epochs=9.0)["steps"] == 2


def test_few_examples_make_a_small_batch_and_repeat(base, tmp_path):
    metrics = train(base, tmp_path, Sft(lr=1e-3, batch=64), examples=EXAMPLES[:3], steps=4)
    assert metrics["epochs"] == 4.0


def test_a_chat_model_reads_its_template(base, tmp_path):
    _, tokenizer = load(base)
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\n"
    tokenizer.save_pretrained(tmp_path)
    prompts = [e.prompt for e in EXAMPLES[:3]]
    for model, shown in ((ref(base), "{}"), (ref(base, chat=None), "<user>{}")):
        encoded = encode_prompts(model, tokenizer, prompts)
        assert {p: tokenizer.decode(ids) for p, ids in encoded.items()} == {p: shown.format(p) for p in prompts}
        assert encoded == {p: encode_prompt(model, tokenizer, p) for p in prompts}


# ---- the plan of the sequences ---------------------------------------------------------------------------------------
def plan(lengths, **given):
    part, job = (
        Sft(batch=given.pop("batch", 8), micro_batch=given.pop("micro_batch", None)),
        job_of("", Path("x"), **given),
    )
    return Plan.of(part, job, lengths, given.pop("world", 1))


def test_every_sequence_is_seen_once_a_pass():
    seen = [i for rows in plan(range(1, 21), steps=10).stream() for i in rows]
    assert sorted(seen) == sorted([*range(20)] * 4)


def test_devices_share_the_very_batches_of_one():
    lengths = [(7 * i) % 31 + 1 for i in range(50)]
    one = plan(lengths, steps=9, batch=10)
    two = Plan(lengths, one.steps, one.batch, 2, 2, one.seed)
    shares = [list(two.share(rank)) for rank in (0, 1)]
    assert all(len(share) == 18 and all(share) for share in shares)
    for step, rows in enumerate(one.stream()):
        parts = [share[2 * step + k] for share in shares for k in (0, 1)]
        assert sorted(i for part in parts for i in part) == sorted(rows)


def test_a_forward_pass_is_never_larger_than_asked():
    assert max(len(rows) for rows in plan([5] * 50, batch=11, micro_batch=4).share(0)) <= 4


# ---- the same again ------------------------------------------------------------------------------------------------
def test_equal_jobs_give_equal_bytes_whatever_ran_before(base, tmp_path):
    first = train(base, tmp_path / "a")
    torch.manual_seed(99)
    train(base, tmp_path / "b", Sft(lr=1e-3, batch=5, lora_rank=2), seed=6)
    assert train(base, tmp_path / "c") == first
    assert digest(tmp_path / "a") == digest(tmp_path / "c")
    train(base, tmp_path / "d", seed=7)
    assert digest(tmp_path / "a") != digest(tmp_path / "d")
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nimport test_trainers as t\n"
        f"t.train(Path({str(base)!r}), Path({str(tmp_path / 'e')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=400, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert digest(tmp_path / "a") == digest(tmp_path / "e")


def test_what_surrounds_a_training_is_put_back(base, tmp_path, capfd):
    state, threads, environment = torch.get_rng_state(), torch.get_num_threads(), dict(os.environ)
    drawn = random.getstate()
    seen = []
    train(base, tmp_path, progress=lambda done, total, loss: seen.append((done, total, torch.get_num_threads())))
    assert seen == [(1, 3, 1), (2, 3, 1), (3, 3, 1)]
    assert torch.equal(state, torch.get_rng_state()) and drawn == random.getstate()
    assert (torch.get_num_threads(), dict(os.environ)) == (threads, environment)
    assert capfd.readouterr() == ("", "")


def test_threads_are_set_where_a_living_engine_replaced_the_setter(base, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", torch.set_num_threads)  # put back whatever happens here
    with threads.thread_setter_kept():
        torch.set_num_threads = lambda n: None  # what vLLM does as it starts
    seen = []
    job = job_of(base, tmp_path, steps=1, progress=lambda *_: seen.append(torch.get_num_threads()))
    job.runtime.train_threads = 2
    Sft(lr=1e-3).train(job)
    assert seen == [2]


# ---- interrupted -----------------------------------------------------------------------------------------------------
class Stop(Exception):
    pass


def stop_at(step):
    def progress(done, total, loss):
        if done == step:
            raise Stop

    return progress


@pytest.mark.parametrize(
    "part",
    [Sft(lr=1e-2, batch=8, schedule="cosine", micro_batch=3), Sft(lr=1e-2, batch=8, lora_rank=2, lora_dropout=0.2)],
    ids=["full", "lora"],
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(base, tmp_path, part):
    often = {"runtime": {"checkpoint_minutes": 0.0}}
    whole = train(base, tmp_path / "a", part, steps=8)
    with pytest.raises(Stop):
        train(base, tmp_path / "b", part, steps=8, progress=stop_at(5), **often)
    kept = tmp_path / "b" / "scratch" / "checkpoints"
    assert [p.name for p in kept.iterdir()] == ["checkpoint-4"]
    torn = kept / "checkpoint-7"  # as if the machine had stopped while it was written
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    seen = []
    metrics = train(base, tmp_path / "b", part, steps=8, progress=lambda done, *_: seen.append(done), **often)
    assert seen == [5, 6, 7, 8] and metrics == whole
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert not kept.exists()


def test_a_checkpoint_of_another_training_is_not_taken(base, tmp_path):
    with pytest.raises(Stop):
        train(base, tmp_path, steps=4, progress=stop_at(3), runtime={"checkpoint_minutes": 0.0})
    seen = []
    train(base, tmp_path, steps=4, seed=77, progress=lambda done, *_: seen.append(done))
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize(("lr", "steps"), [(1e30, 3), (1e30, 1), (1e300, 1)])
def test_a_loss_that_is_no_number_stops_and_saves_nothing(base, tmp_path, lr, steps):
    with pytest.raises(StarError, match=r"not finite at step \d of \d with trainer.lr=1e\+") as caught:
        train(base, tmp_path, Sft(lr=lr, batch=8), steps=steps)
    assert "trainer.lr=1e+" in str(caught.value.hint)
    assert not (tmp_path / "model").exists() or not list((tmp_path / "model").iterdir())


# ---- what is left behind ---------------------------------------------------------------------------------------------
def agree(out):
    canary = json.loads((out / "model" / "canary.json").read_bytes())
    examples = [
        Example(problem_id="x", sample=0, prompt=c["prompt"], completion=c["completion"], origin="own") for c in canary
    ]
    for said, (score, tokens) in zip(canary, by_hand(out / "model", examples), strict=True):
        assert said["tokens"] == tokens
        assert said["logprob"] == pytest.approx(score, abs=2e-4)
    return canary


def test_the_canary_is_what_the_saved_weights_say(base, tmp_path):
    train(base, tmp_path)
    canary = agree(tmp_path)
    assert len({c["prompt"] for c in canary}) == 8
    assert canary[0]["prompt"] == EXAMPLES[0].prompt


def test_the_output_is_a_plain_directory_of_any_machine(base, tmp_path):
    metrics = train(base, tmp_path)
    out = tmp_path / "model"
    assert {p.name for p in out.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "canary.json",
    }
    for path in out.iterdir():
        text = path.read_bytes()
        assert str(tmp_path).encode() not in text and str(base).encode() not in text and b"_name_or_path" not in text
    for same in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (out / same).read_bytes() == (base / same).read_bytes()
    assert set(metrics) == {
        "loss_first",
        "loss_last",
        "steps",
        "epochs",
        "examples",
        "tokens",
        "dropped_long",
        "sequence_tokens",
        "start_weights",
        "end_weights",
    }


# ---- several processes -----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("lora_rank", [0, 2])
def test_two_processes_train_like_one(base, tmp_path, monkeypatch, lora_rank):
    part, seen = Sft(lr=1e-3, batch=8, lora_rank=lora_rank), []
    one = train(base, tmp_path / "a", part, steps=5)
    monkeypatch.setattr(environment, "processes", lambda runtime: 2)
    two = train(base, tmp_path / "b", part, steps=5, progress=lambda done, total, loss: seen.append(done))
    assert seen == [1, 2, 3, 4, 5]
    assert one["loss_first"] == pytest.approx(two["loss_first"], abs=1e-4)
    assert one["loss_last"] == pytest.approx(two["loss_last"], abs=1e-3)
    agree(tmp_path / "b")


@pytest.mark.slow
def test_two_processes_say_what_went_wrong(base, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "processes", lambda runtime: 2)
    with pytest.raises(StarError, match="not finite at step 2"):
        train(base, tmp_path, Sft(lr=1e30, batch=8), steps=4)
