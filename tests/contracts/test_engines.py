"""Engines that load real weights: they agree with each other, obey seeds, take new weights, and leave nothing behind.

A tiny random Llama, made here, is all they run. The transformers engine is the oracle for vLLM.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from star_cli.backends.engines._sampling import pick
from star_cli.backends.engines.transformers import Transformers
from star_cli.backends.engines.vllm import Vllm, VllmSession
from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, ModelRef, Prompt, Request
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import EngineDied, StarError

has_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
ENGINES = [pytest.param(Vllm, marks=has_vllm), Transformers]
LESSON = "the answer is 12 + 34 = 46 because 2 + 4 = 6"


def make(out: Path, *, seed: int, tied: bool = False, width: int = 64, layers: int = 2) -> Path:
    """A random Llama with a byte-level tokenizer of 300 tokens; heads 32 wide, the least vLLM's CPU kernels take."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        [LESSON] * 9,
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<eos>", "<pad>"],
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<eos>", pad_token="<pad>")
    tokenizer.save_pretrained(out)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRef]:
    home = tmp_path_factory.mktemp("models")
    wanted: dict[str, dict[str, Any]] = {
        "plain": {"seed": 1},
        "plain2": {"seed": 2},
        "tied": {"seed": 3, "tied": True},
        "tied2": {"seed": 4, "tied": True},
        "wide": {"seed": 5, "width": 96, "layers": 3},
    }
    return {name: ModelRef(name, str(make(home / name, **how)), dtype="float32") for name, how in wanted.items()}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return Runtime(max_num_seqs=32, kv_cache_mb=64, engine_log=str(tmp_path_factory.mktemp("log") / "engine.log"))


class Pool:
    """A living session for each engine, swapped to the weights a test asks for, opened anew where it must be."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.sessions: dict[type[Any], Any] = {}

    def __call__(self, engine: type[Any], model: ModelRef) -> Any:
        living = self.sessions.get(engine)
        if engine is Vllm and living is not VllmSession.living:
            living = None
        if living is None or not living.swap(model):
            living = self.sessions[engine] = engine().open(model, self.runtime)
        return living


@pytest.fixture(scope="module")
def session(runtime: Runtime) -> Iterator[Pool]:
    pool = Pool(runtime)
    yield pool
    for each in pool.sessions.values():
        each.close()


def asked(n: int = 24, *, max_tokens: int = 12, stop: tuple[str, ...] = (), **sampling: Any) -> list[Request]:
    """Four samples of each prompt; prompts of different length."""
    return [
        Request(
            (f"p{i // 4}", i % 4),
            Prompt("the answer" + " is" * (i // 4 % 5) + f" {i // 4} +"),
            Sampling(**sampling),
            max_tokens,
            stop,
            seed_of("test", i),
        )
        for i in range(n)
    ]


def by_id(done: Iterator[Completion]) -> dict[tuple[str, int], Completion]:
    return {c.id: c for c in done}


def same(a: dict[Any, Completion], b: dict[Any, Completion], tolerance: float = 2e-4) -> None:
    """Equal texts; log-probabilities up to what is rounded away."""
    assert a.keys() == b.keys()
    for at in a:
        assert (a[at].text, a[at].finish, a[at].tokens) == (b[at].text, b[at].finish, b[at].tokens)
        assert a[at].logprob == pytest.approx(b[at].logprob, abs=tolerance)


# ---- vLLM against transformers -------------------------------------------------------------------------------------
@has_vllm
@pytest.mark.parametrize("name", ["wide", "tied", "plain"])  # in this order an engine is started three times, not more
def test_text_and_scores_are_those_of_transformers(session: Pool, models: dict[str, ModelRef], name: str) -> None:
    ours, theirs = session(Vllm, models[name]), session(Transformers, models[name])
    for stop in ((), ("a", "12", "\x00")):
        requests = asked(stop=stop)
        same(by_id(ours.stream(requests)), by_id(theirs.stream(requests)))
    items = [("the answer is", ""), ("12", " + 34 = 46"), ("the answer" * 4, " because 2 + 4 = 6"), ("ä€", "\n46")]
    scores = ours.score(items)
    assert scores == pytest.approx(theirs.score(items), abs=1e-4)
    assert ours.score(items[::-1]) == pytest.approx(scores[::-1], abs=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_score_is_the_log_probability_noted_while_writing(
    engine: type[Any], session: Pool, models: dict[str, ModelRef]
) -> None:
    living = session(engine, models["plain"])
    requests = asked(600, max_tokens=3, temperature=1.0)
    prompts = {r.id: r.prompt.text for r in requests}
    codec = living._codec
    ended = [
        c
        for c in living.stream(requests)
        if c.finish == "stop" and len(codec.completion(c.text)) == c.tokens and "\ufffd" not in c.text
    ]
    assert len(ended) >= 3
    scores = living.score([(prompts[c.id], c.text) for c in ended])
    assert scores == pytest.approx([c.logprob for c in ended], abs=2e-4)


# ---- seeds ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sampling", [{"temperature": 1.0}, {"temperature": 0.7, "top_k": 20, "top_p": 0.9}])
def test_a_seed_decides_its_sample_whatever_the_batch(
    engine: type[Any], sampling: dict[str, Any], session: Pool, models: dict[str, ModelRef]
) -> None:
    living = session(engine, models["plain"])
    requests = asked(96, **sampling)
    full = by_id(living.stream(requests))
    exact = 0.0 if engine is Vllm else 2e-4
    for part in (requests[::-1], requests[5:60:7], requests[17:18]):
        same(by_id(living.stream(part)), {r.id: full[r.id] for r in part}, exact)
    assert len({c.text for c in full.values()}) > 60  # four samples of a prompt differ


@pytest.mark.parametrize("engine", ENGINES)
def test_the_largest_seed_is_taken(engine: type[Any], session: Pool, models: dict[str, ModelRef]) -> None:
    living = session(engine, models["plain"])
    request = Request(("p", 0), Prompt("12 +"), Sampling(temperature=1.0), 4, (), (1 << 63) - 1)
    assert [c.text for c in living.stream([request])] == [c.text for c in living.stream([request])]


def test_filters_keep_the_likeliest() -> None:
    import torch

    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).repeat(1000, 1)
    draws = torch.linspace(0, 0.9999, 1000, dtype=torch.float64)

    def seen(**sampling: Any) -> set[int]:
        return set(pick(logits, Sampling(**sampling), draws).tolist())

    assert seen(temperature=0.0) == {0}
    assert seen(temperature=1.0) == {0, 1, 2, 3}
    assert seen(temperature=1.0, top_k=2) == {0, 1}
    assert seen(temperature=1.0, top_p=0.5) == {0}  # the first alone covers .64
    assert seen(temperature=1.0, top_p=0.7) == {0, 1}
    shares = torch.bincount(pick(logits, Sampling(temperature=1.0), draws)) / 1000
    assert shares.tolist() == pytest.approx(logits[0].softmax(-1).tolist(), abs=2e-3)


# ---- new weights ---------------------------------------------------------------------------------------------------
@has_vllm
@pytest.mark.parametrize("first, second", [("plain", "plain2"), ("tied", "tied2")])
def test_after_a_swap_nothing_of_the_old_weights_is_left(
    session: Pool, models: dict[str, ModelRef], first: str, second: str
) -> None:
    living, requests = session(Vllm, models[first]), asked()
    before = by_id(living.stream(requests))
    assert living.swap(models[second]) and living.model == models[second]
    after = by_id(living.stream(requests))  # the same prompts: a stale prefix cache would answer them
    same(after, by_id(session(Transformers, models[second]).stream(requests)))
    assert all(before[at].text != after[at].text for at in before)
    assert living.swap(models[first])
    same(by_id(living.stream(requests)), before, 0.0)


@has_vllm
def test_a_swap_to_another_shape_or_tokenizer_is_refused(
    session: Pool, models: dict[str, ModelRef], tmp_path: Path
) -> None:
    living = session(Vllm, models["plain"])
    other = shutil.copytree(models["plain2"].path, tmp_path / "other")
    rules = json.loads((other / "tokenizer.json").read_text())
    rules["model"]["merges"] = rules["model"]["merges"][:-1]
    (other / "tokenizer.json").write_text(json.dumps(rules))
    assert not living.swap(models["wide"])
    assert not living.swap(models["tied"])
    assert not living.swap(ModelRef("other", str(other), dtype="float32"))
    assert not living.swap(ModelRef("half", models["plain2"].path, dtype="bfloat16"))
    assert living.model == models["plain"]
    assert living.swap(models["plain2"])


@has_vllm
def test_models_of_two_shapes_one_after_the_other_in_silence(
    session: Pool, models: dict[str, ModelRef], runtime: Runtime, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch

    requests = asked(8)
    old = session(Vllm, models["plain"])
    capfd.readouterr()
    living = Vllm().open(models["wide"], runtime)
    ours = by_id(living.stream(requests))
    torch.set_num_threads(2)
    assert torch.get_num_threads() == 2  # vLLM would have made this do nothing
    living.close()
    assert capfd.readouterr() == ("", "")
    same(ours, by_id(session(Transformers, models["wide"]).stream(requests)))
    with pytest.raises(StarError, match="was closed"):
        old.score([("a", "b")])
    with pytest.raises(StarError, match="was closed"):
        next(living.stream(requests))


# ---- the stream ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ENGINES)
def test_text_ends_before_a_stop_string_or_at_the_limit(
    engine: type[Any], session: Pool, models: dict[str, ModelRef]
) -> None:
    living = session(engine, models["plain"])
    free = by_id(living.stream(asked(64, temperature=1.0)))
    bound = by_id(living.stream(asked(64, temperature=1.0, stop=("a", "<"))))
    assert {c.finish for c in free.values()} == {"length", "stop"} == {c.finish for c in bound.values()}
    for at, one in bound.items():
        cut = min((i for i in map(free[at].text.find, "a<") if i >= 0), default=None)
        assert one.text == (free[at].text[:cut])
        assert one.finish == ("stop" if cut is not None else free[at].finish)
        assert one.tokens <= 12 and (one.finish == "stop" or one.tokens == 12)
        assert "<eos>" not in one.text


@pytest.mark.parametrize("engine", ENGINES)
def test_requests_are_pulled_as_they_are_needed(engine: type[Any], session: Pool, models: dict[str, ModelRef]) -> None:
    living, pulled = session(engine, models["plain"]), []

    def source() -> Iterator[Request]:
        for request in asked(2000, max_tokens=4):
            pulled.append(request.id)
            yield request

    stream = living.stream(source())
    next(stream)
    assert len(pulled) <= 8 * living.runtime.max_num_seqs
    stream.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stream_that_ends_early_leaves_a_usable_engine(
    engine: type[Any], session: Pool, models: dict[str, ModelRef]
) -> None:
    living, requests = session(engine, models["plain"]), asked(96, temperature=1.0)
    reference = by_id(living.stream(requests))

    def failing() -> Iterator[Request]:
        yield from requests[:50]
        raise OSError("the source of requests failed")

    stream = living.stream(requests)
    assert len(list(islice(stream, 3))) == 3
    stream.close()
    with pytest.raises(OSError, match="source of requests"):
        list(living.stream(failing()))
    if engine is Vllm:
        assert not living._llm.llm_engine.has_unfinished_requests()
    same(by_id(living.stream(requests)), reference, 0.0 if engine is Vllm else 2e-4)
    assert living.swap(models["plain2"])


@pytest.mark.parametrize("engine", ENGINES)
def test_too_long_a_prompt_is_named_with_its_numbers(
    engine: type[Any], session: Pool, models: dict[str, ModelRef]
) -> None:
    living = session(engine, models["plain"])
    with pytest.raises(StarError) as caught:
        list(living.stream([*asked(4), Request(("long-7", 0), Prompt("12" * 120), Sampling(), 20, (), 0)]))
    assert all(word in str(caught.value) for word in ("'long-7'", "120 tokens", "the 20 to be written", "of 128"))
    assert len(list(living.stream(asked(4)))) == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_without_logprobs_none_is_noted(engine: type[Any], session: Pool, models: dict[str, ModelRef]) -> None:
    living = session(engine, models["plain"])
    living.spec = engine(logprobs=False)
    try:
        assert [c.logprob for c in living.stream(asked(4))] == [None] * 4
    finally:
        living.spec = engine()


# ---- failures ------------------------------------------------------------------------------------------------------
@has_vllm
def test_a_dead_engine_says_so_and_a_new_one_can_be_opened(
    session: Pool, models: dict[str, ModelRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    living = session(Vllm, models["plain"])
    monkeypatch.setattr(living._llm.llm_engine, "step", lambda: exec("raise RuntimeError('kernel fault')"))
    with pytest.raises(EngineDied, match="(?s)RuntimeError: kernel fault.*the end of its log"):
        list(living.stream(asked(4)))
    with pytest.raises(EngineDied, match="kernel fault"):
        living.score([("a", "b")])
    fresh = Vllm().open(models["plain"], living.runtime)
    assert len(list(fresh.stream(asked(4)))) == 4
    session.sessions[Vllm] = fresh


def torn(here: Path) -> None:
    data = (here / "model.safetensors").read_bytes()
    (here / "model.safetensors").write_bytes(data[:-100])


def emptied(name: str) -> Callable[[Path], None]:
    return lambda here: [path.unlink() for path in here.glob(name)] and None


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (emptied("config.json"), "has no config.json"),
    "bad config": (lambda here: (here / "config.json").write_text("{"), "config.json is not valid JSON"),
    "unknown model": (lambda here: (here / "config.json").write_text('{"model_type": "nonesuch"}'), "nonesuch"),
    "no tokenizer": (emptied("tokenizer*"), "has no tokenizer"),
    "bad tokenizer": (lambda here: (here / "tokenizer.json").write_text("{}"), "tokenizer of .* cannot be loaded"),
    "no weights": (emptied("*.safetensors"), "has no weights"),
    "torn weights": (torn, "is damaged: it has .* bytes where its header promises"),
    "not weights": (lambda here: (here / "model.safetensors").write_text("<html>"), "is not a safetensors file"),
    "fake model": (lambda here: (here / "config.json").write_text('{"model_type": "fake"}'), "only engine=fake"),
    "gone": (shutil.rmtree, "there is no model directory"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_model_directory_is_told_in_a_sentence(
    engine: type[Any], damage: str, models: dict[str, ModelRef], runtime: Runtime, tmp_path: Path
) -> None:
    here = shutil.copytree(models["plain"].path, tmp_path / "model")
    spoil, message = DAMAGE[damage]
    spoil(here)
    with pytest.raises(StarError, match=message) as caught:
        engine().open(ModelRef("broken", str(here), dtype="float32"), runtime)
    assert str(here) in str(caught.value) and "next: " in str(caught.value)


@has_vllm
def test_heads_no_cpu_kernel_is_made_for_are_told_before_the_first_token(
    models: dict[str, ModelRef], tmp_path: Path, runtime: Runtime
) -> None:
    here = shutil.copytree(models["plain"].path, tmp_path / "model")
    config = json.loads((here / "config.json").read_text()) | {"head_dim": 16}
    (here / "config.json").write_text(json.dumps(config))
    with pytest.raises(StarError, match="are 16 wide; on a CPU vLLM can run 32, 64"):
        Vllm().open(ModelRef("narrow", str(here), dtype="float32"), runtime)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_longer_context_than_the_model_has_is_refused(engine: type[Any], models: dict[str, ModelRef]) -> None:
    with pytest.raises(StarError, match="runtime.max_model_len=1000 is more than the 128 tokens"):
        engine().open(models["plain"], Runtime(max_model_len=1000))


def test_what_to_install_is_said_where_vllm_is_missing(
    models: dict[str, ModelRef], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("star_cli.backends.engines._vllm_cpu.version", missing)
    with pytest.raises(StarError, match="(?s)vLLM, which is not installed.*pip install"):
        Vllm().open(models["plain"], runtime)


def test_a_precision_that_does_not_exist_is_refused() -> None:
    for engine in (Vllm, Transformers):
        with pytest.raises(StarError, match="engine.dtype must be auto, float32"):
            engine(dtype="float8").check()


def test_engine_modules_import_without_torch() -> None:
    program = (
        "import sys, star_cli.backends.engines.vllm, star_cli.backends.engines.transformers\n"
        "assert not {'torch', 'vllm', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
