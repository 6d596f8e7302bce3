"""Many architectures: what docs/models.md says of each is what happens, on tiny random models."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import (
    ARCHITECTURES,
    COLUMNS,
    EXAMPLES,
    RUNTIME,
    agree,
    apart,
    examine,
    make,
    requests,
    texts,
    train,
)
from conftest import ROOT

from star_cli.backends.engines.transformers import Transformers
from star_cli.backends.engines.vllm import Vllm
from star_cli.backends.tokens import encode_prompt, load_tokenizer
from star_cli.backends.trainers.sft import Sft
from star_cli.core.parts import ModelRef, TrainJob
from star_cli.errors import StarError

has_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
DOCS = ROOT / "docs" / "models.md"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def by_hand(model: ModelRef, prompt: str, tokens: int) -> tuple[str, float]:
    """The greedy text of a prompt and its log-probability, from one whole forward pass a token and no cache."""
    from star_cli.backends.model_config import model_class

    net, tokenizer = model_class(model).from_pretrained(model.path).eval(), load_tokenizer(model)
    ids, total = encode_prompt(model, tokenizer, prompt), 0.0
    start = len(ids)
    for _ in range(tokens):
        with torch.no_grad():
            scores = net(torch.tensor([ids]), use_cache=False).logits[0, -1].double().log_softmax(-1)
        ids.append(int(scores.argmax()))
        total += float(scores.max())
        if ids[-1] == tokenizer.eos_token_id:
            break
    written = ids[start:-1] if ids[-1] == tokenizer.eos_token_id else ids[start:]
    return tokenizer.decode(written), total


# ---- a few of them with the plain engine ---------------------------------------------------------------------------
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("GPT-NeoX", {}),
    ("GPT-2", {"bos": True}),
    ("Gemma 3", {"bos": True, "chat": True}),
    ("Qwen3-MoE", {"chat": True, "shards": "100KB"}),
    ("Mamba 2", {}),
    ("Falcon-H1", {"tie_word_embeddings": True}),
]


@pytest.mark.parametrize(("name", "more"), KINDS, ids=[name for name, _ in KINDS])
def test_each_kind_is_opened_written_with_scored_trained_and_swapped(name, more, tmp_path):
    start = make(name, tmp_path / "start", **more)
    shards = list((tmp_path / "start").glob("*.safetensors"))
    assert (len(shards) > 1) == ("shards" in more)
    session = Transformers().open(start, RUNTIME)
    written = texts(session)
    for request in requests()[::3]:
        text, logprob = by_hand(start, request.prompt.text, request.max_tokens)
        assert written[request.id].text == text and written[request.id].logprob == pytest.approx(logprob, abs=5e-4)
    trained = train(start, tmp_path / "trained", steps=1)
    assert apart(session, trained) > 0.01 and session.swap(trained) and apart(session, trained) < 1e-3
    assert not agree(texts(session), written)


def test_what_is_longer_than_the_context_is_left_out_whatever_its_name_in_the_configuration(tmp_path):
    start = make("GPT-2", tmp_path / "start")  # n_positions=256
    long = replace_completion(" 46" * 300)
    metrics = Sft(lr=1e-3, batch=4).train(
        TrainJob(
            start=start,
            examples=[*EXAMPLES[:4], long],
            out=tmp_path / "out",
            scratch=tmp_path / "scratch",
            seed=0,
            runtime=RUNTIME,
            steps=1,
        )
    )
    assert (metrics["examples"], metrics["dropped_long"]) == (4, 1)


def replace_completion(text: str) -> Any:
    import msgspec

    return msgspec.structs.replace(EXAMPLES[0], problem_id="long", completion=text)


class Stop(Exception):
    pass


def interrupted_and_resumed(start: ModelRef, home: Path) -> tuple[list[int], list[int]]:
    """Train in one go and with an interruption; the bytes must be equal. Returns the steps of the two parts."""
    often = replace(RUNTIME, checkpoint_minutes=0.0)
    first: list[int] = []
    second: list[int] = []

    def job(place: str, progress: Any = lambda *_: None) -> TrainJob:
        return TrainJob(
            start=start,
            examples=EXAMPLES,
            out=home / place,
            scratch=home / f"{place}.scratch",
            seed=5,
            runtime=often,
            steps=6,
            progress=progress,
        )

    def stop(done: int, *_: Any) -> None:
        first.append(done)
        if done == 4:
            raise Stop

    whole = Sft(lr=1e-3, batch=8).train(job("whole"))
    with pytest.raises(Stop):
        Sft(lr=1e-3, batch=8).train(job("part", stop))
    assert Sft(lr=1e-3, batch=8).train(job("part", lambda done, *_: second.append(done))) == whole
    return first, second


@pytest.mark.parametrize("name", ["GPT-NeoX", "Qwen3-MoE"])
def test_weights_that_a_file_names_otherwise_than_the_model_are_resumed_too(name, tmp_path):
    assert interrupted_and_resumed(make(name, tmp_path / "start"), tmp_path) == ([1, 2, 3, 4], [4, 5, 6])


def test_a_model_without_a_cache_is_refused_before_it_writes(tmp_path, monkeypatch):
    from transformers import GPTNeoXForCausalLM

    whole = GPTNeoXForCausalLM.forward
    monkeypatch.setattr(GPTNeoXForCausalLM, "forward", lambda self, input_ids: whole(self, input_ids))
    with pytest.raises(StarError, match="takes no cache that it knows"):
        Transformers().open(make("GPT-NeoX", tmp_path / "start"), RUNTIME)


# ---- the documentation ---------------------------------------------------------------------------------------------
def table() -> dict[str, dict[str, str]]:
    """The rows of the table in docs/models.md: {architecture: {column: cell}}."""
    lines = [line.strip("| ").split(" | ") for line in DOCS.read_text("utf-8").splitlines() if line.startswith("|")]
    head = next(cells for cells in lines if cells[0] == "architecture")
    rows = [cells for cells in lines if len(cells) == len(head) and cells is not head and not cells[0].startswith("-")]
    return {cells[0]: dict(zip(head, cells, strict=True)) for cells in rows}


def test_the_table_has_a_row_for_every_architecture():
    rows = table()
    assert list(rows) == list(ARCHITECTURES)
    assert {name: row["models"] for name, row in rows.items()} == {n: a.models for n, a in ARCHITECTURES.items()}


@pytest.mark.parametrize(
    "command", [line[len("star ") :] for line in DOCS.read_text("utf-8").splitlines() if line.startswith("star run")]
)
def test_every_command_of_the_page_is_understood(command, star, home):
    import shlex

    (home / "problems.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n' * 20)
    result = star(*shlex.split(command.partition("  #")[0]), "--cfg", "job")
    assert "model:" in result.out


# ---- with vLLM -----------------------------------------------------------------------------------------------------
@has_vllm
@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_table_says_what_happens(name, tmp_path):
    row = table()[name]
    assert examine(name, tmp_path) == {column: row[column] for column in COLUMNS}


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("Llama", {"tie_word_embeddings": True, "bos": True}),
    ("Qwen2", {"chat": True, "shards": "100KB"}),
    ("Gemma 3", {"bos": True, "chat": True}),
    ("SmolLM3", {"tie_word_embeddings": True, "bos": True, "chat": True}),
    ("OLMo 2", {"shards": "100KB"}),
]


@has_vllm
@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), VARIANTS, ids=[f"{name}-{'-'.join(more)}" for name, more in VARIANTS])
def test_tied_heads_templates_first_tokens_and_shards_make_no_difference(name, more, tmp_path):
    start = make(name, tmp_path / "start", **more)
    living = Vllm().open(start, RUNTIME)
    try:
        assert agree(texts(living), texts(Transformers().open(start, RUNTIME)))
        trained = train(start, tmp_path / "trained")
        assert living.swap(trained) and apart(living, trained) < 2e-3
        assert agree(texts(living), texts(Transformers().open(trained, RUNTIME)))
    finally:
        living.close()


@has_vllm
@pytest.mark.slow
def test_half_precision_is_trained_in_full_and_written_with_as_it_is(tmp_path):
    start = make("Qwen3", tmp_path / "start", dtype="bfloat16", initializer_range=0.05)
    living = Vllm().open(start, RUNTIME)
    try:
        trained = train(start, tmp_path / "trained")
        assert living.swap(trained) and apart(living, trained) < 0.1
        assert not living.swap(make("Qwen3", tmp_path / "full", dtype="float32"))
    finally:
        living.close()


@has_vllm
@pytest.mark.slow
@pytest.mark.parametrize("name", ["GPT-NeoX", "SmolLM3"])
def test_a_training_beside_a_living_engine_can_be_interrupted_and_resumed(name, tmp_path):
    start = make(name, tmp_path / "start")
    living = Vllm().open(start, RUNTIME)
    try:
        assert interrupted_and_resumed(start, tmp_path) == ([1, 2, 3, 4], [4, 5, 6])
    finally:
        living.close()


@has_vllm
@pytest.mark.slow
def test_starting_vllm_leaves_the_classes_of_transformers_as_they_were(tmp_path):
    from transformers import GPTNeoXModel

    before = (GPTNeoXModel.__bases__, GPTNeoXModel.__init__, GPTNeoXModel.__call__)
    Vllm().open(make("GPT-NeoX", tmp_path / "start"), RUNTIME).close()
    assert before == (GPTNeoXModel.__bases__, GPTNeoXModel.__init__, GPTNeoXModel.__call__)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Llama", {"head_dim": 48}, "attention heads of .* are 48 wide; on a CPU vLLM can run 32, 64"),
    ("DeepSeek-V3", {"kv_lora_rank": 32, "qk_rope_head_dim": 32}, "latent attention of .* is 64 wide .* can run 576"),
    ("Bamba", {}, "has no code for the linear_attention layers of .* \\(bamba\\)"),
    ("Qwen3-Next", {"dtype": "float32"}, "gated delta layers of .* need bfloat16 and heads 128 wide .* got float32"),
]


@has_vllm
@pytest.mark.slow
@pytest.mark.parametrize(("name", "more", "sentence"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_what_cannot_run_on_a_cpu_is_one_sentence_before_vllm_starts(name, more, sentence, tmp_path, monkeypatch):
    import vllm

    monkeypatch.setattr(vllm, "LLM", lambda **_: pytest.fail("vLLM was started"))
    with pytest.raises(StarError, match=sentence) as caught:
        Vllm().open(make(name, tmp_path / "start", **more), RUNTIME)
    assert "engine=transformers" in str(caught.value.hint) and "log" not in str(caught.value)
