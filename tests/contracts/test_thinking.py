"""Thinking models: what a template is told and begins, what is trained on, and budgets, for every kind of template."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import RUNTIME
from thinking import KINDS, talker

from star_cli.backends.chat import MASKED, TIME_IS_UP, ChatFormat
from star_cli.backends.engines._thinking import Writing
from star_cli.backends.engines.transformers import Transformers
from star_cli.backends.engines.vllm import Vllm
from star_cli.backends.tokens import encode_turns, load_tokenizer
from star_cli.backends.trainers.sft import Sft
from star_cli.backends.training.data import encode_examples
from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, ModelRef, Prompt, Request, TrainJob
from star_cli.core.records import Example
from star_cli.core.settings import Sampling
from star_cli.errors import StarError

has_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
PROMPTS = ["the answer is", "12 + 34 =", "because 2 + 4 = 6"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRef]:
    home = tmp_path_factory.mktemp("models")
    return {kind: talker(kind, home / kind) for kind in KINDS}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def session_of(model: ModelRef) -> Any:
    return Transformers().open(model, RUNTIME)


def chat(model: ModelRef, **how: Any) -> ChatFormat:
    return ChatFormat(replace(model, **how), load_tokenizer(model))


# ---- what the template is told -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "thinking", "end"),
    [
        ("plain", "auto", "x"),
        ("chat", "auto", "<|assistant|>"),
        ("switch", "auto", "<|assistant|>"),
        ("switch", "on", "<|assistant|>"),
        ("switch", "off", "<|assistant|><think>\n\n</think>\n\n"),
        ("begun", "auto", "<|assistant|><think>\n"),
        ("both", "on", "<|assistant|><think>\n"),
        ("both", "off", "<|assistant|><think>\n\n</think>\n\n"),
        ("effort", "auto", "Reasoning: medium<|end|><|start|>user<|message|>x<|end|><|start|>assistant"),
        ("effort", "on", "Reasoning: medium<|end|><|start|>user<|message|>x<|end|><|start|>assistant"),
        ("effort", "high", "Reasoning: high<|end|><|start|>user<|message|>x<|end|><|start|>assistant"),
    ],
)
def test_a_template_is_told_what_it_knows(models, kind, thinking, end):
    assert chat(models[kind], thinking=thinking).prompt("x").endswith(end)


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [
        ("plain", {"thinking": "off"}, "task.thinking=off has no effect on .*: it has no chat template"),
        ("switch", {"thinking": "on", "chat": False}, "model.chat=false leaves its chat template out"),
        ("chat", {"thinking": "off"}, "knows no enable_thinking and no reasoning_effort"),
        ("begun", {"thinking": "off"}, "knows no enable_thinking and no reasoning_effort"),
        ("switch", {"thinking": "high"}, "knows enable_thinking, on or off"),
        ("effort", {"thinking": "off"}, "knows reasoning_effort, and no way to end it"),
    ],
)
def test_what_a_template_cannot_be_told_is_refused(models, kind, how, says):
    with pytest.raises(StarError, match=says) as caught:
        chat(models[kind], **how)
    assert caught.value.hint


def test_the_tokens_around_a_thought_are_the_templates_the_vocabularys_or_set(models):
    assert chat(models["switch"]).pair == chat(models["begun"]).pair == ("<think>", "</think>")
    assert chat(models["effort"]).pair == ("<|channel|>analysis<|message|>", "<|end|>")
    assert chat(models["plain"]).pair == ("<think>", "</think>")  # they are in its vocabulary
    assert chat(models["switch"], reasoning=("<hm>", "</hm>")).pair == ("<hm>", "</hm>")


def test_a_prompt_that_begins_a_thought_without_a_template_begins_it_too(models):
    assert chat(models["plain"]).begun("12 + 34 = <think>\n") == "<think>\n"
    assert chat(models["plain"]).begun("12 + 34 =") == chat(models["switch"]).begun("<think>") == ""


# ---- what is trained on --------------------------------------------------------------------------------------------
def written(model: ModelRef, monkeypatch: pytest.MonkeyPatch, **sampling: Any) -> list[tuple[Request, Completion, Any]]:
    """Texts of the plain engine with the tokens as they were drawn: (request, completion, what was written)."""
    notes: dict[Any, Writing] = {}
    whole = Writing.completion

    def noting(self: Writing, *args: Any) -> Completion:
        notes[self.request.id] = self
        return whole(self, *args)

    monkeypatch.setattr(Writing, "completion", noting)
    requests = asked(**sampling)
    done = {c.id: c for c in session_of(model).stream(requests)}
    return [(r, done[r.id], notes[r.id]) for r in requests]


def asked(max_tokens: int = 12, **sampling: Any) -> list[Request]:
    how = Sampling(**{"temperature": 1.0, **sampling})
    return [
        Request((f"p{i}", n), Prompt(PROMPTS[i % 3]), how, max_tokens, (), seed_of("t", i, n))
        for i in range(3)
        for n in range(4)
    ]


@pytest.mark.parametrize("budget", [0, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_every_token_that_is_trained_is_one_that_the_model_wrote(models, kind, budget, monkeypatch, tmp_path):
    model = models[kind]
    tokenizer, format = load_tokenizer(model), chat(model)
    samples = written(model, monkeypatch, max_thinking=budget)
    examples = [
        Example(problem_id=r.id[0], sample=r.id[1], prompt=r.prompt.text, completion=c.text, origin="own")
        for r, c, _ in samples
    ]
    job = TrainJob(start=model, examples=examples, out=tmp_path, scratch=tmp_path, seed=0, runtime=RUNTIME, steps=1)
    data = encode_examples(Sft(), job)
    for row, (request, completion, writing) in zip(data.rows, samples, strict=True):
        learned = [label for label in row["labels"] if label != MASKED]
        before, after = around(writing.ids, tokenizer(format.closing, add_special_tokens=False)["input_ids"])
        assert len(before + after) == writing.own == completion.tokens
        if (after or before)[-1] != tokenizer.eos_token_id:
            after = [*after, tokenizer.eos_token_id]
        assert tokenizer.decode(learned) == tokenizer.decode(before) + tokenizer.decode(after)
        rest = [i for i, label in zip(row["input_ids"], row["labels"], strict=True) if label == MASKED]
        shown = tokenizer.decode(rest)
        assert shown.removesuffix(format.closing) == format.prompt(request.prompt.text)
        assert completion.text.startswith(format.begun(request.prompt.text))
    closed = sum(TIME_IS_UP in c.text for _, c, _ in samples)
    assert (closed > 0) == (budget > 0 and kind in ("begun", "both"))


def around(ids: list[int], part: list[int]) -> tuple[list[int], list[int]]:
    """What stands before and behind a run of a list; all of it and nothing where the run is not there."""
    for at in range(len(ids) - len(part) + 1):
        if ids[at : at + len(part)] == part:
            return ids[:at], ids[at + len(part) :]
    return ids, []


@pytest.mark.parametrize(
    ("completion", "before", "learned"),
    [
        ("<think>\n2 + 4</think>\n46", "", "2 + 4</think>\n46<eos>"),
        ("2 + 4</think>\n46", "", "2 + 4</think>\n46<eos>"),
        ("46", "\n</think>\n\n", "46<eos>"),  # what has no thought closes the one that the prompt begins
        (f"<think>\n2{TIME_IS_UP}</think>\n\n46", "", "246<eos>"),
    ],
)
def test_a_thought_that_the_prompt_begins_is_not_trained_on(models, completion, before, learned):
    model = models["begun"]
    tokenizer = load_tokenizer(model)
    (turn,) = encode_turns(model, tokenizer, [("12 + 34 =", completion)])
    assert tokenizer.decode(turn.prompt) == chat(model).prompt("12 + 34 =") + before
    assert tokenizer.decode([i for i in turn.labels if i != MASKED]) == learned


def test_what_is_scored_is_what_was_written(models, monkeypatch):
    for kind, budget in (("begun", 5), ("switch", 0)):
        session = session_of(models[kind])
        samples = [s for s in written(models[kind], monkeypatch, max_thinking=budget) if s[1].finish == "stop"]
        same = [
            (r, c)
            for r, c, w in samples
            if session._codec.turn(r.prompt, c.text, "").written.count(True) == w.own and "\ufffd" not in c.text
        ]
        scores = session.score([(r.prompt, c.text) for r, c in same])
        assert scores == pytest.approx([c.logprob for _, c in same], abs=2e-3)


def test_a_budget_needs_to_know_how_thoughts_end(tmp_path):
    from architectures import make

    model = replace(make("Qwen3", tmp_path / "m", chat=True), dtype="float32")
    with pytest.raises(StarError, match="sampling.max_thinking has no effect: neither the chat template") as caught:
        list(Transformers().open(model, RUNTIME).stream(asked(max_thinking=3)))
    assert "model.reasoning" in str(caught.value.hint)


# ---- with vLLM -----------------------------------------------------------------------------------------------------
@has_vllm
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["switch", "begun", "effort"])
def test_vllm_writes_and_scores_as_transformers_does(models, kind):
    plain, living = session_of(models[kind]), Vllm().open(models[kind], RUNTIME)
    try:
        for budget in (0, 5):
            requests = asked(temperature=0.0, max_thinking=budget)
            ours, theirs = ({c.id: c for c in s.stream(requests)} for s in (living, plain))
            assert {i: (c.text, c.tokens, c.finish) for i, c in ours.items()} == {
                i: (c.text, c.tokens, c.finish) for i, c in theirs.items()
            }
            assert [ours[i].logprob for i in ours] == pytest.approx([theirs[i].logprob for i in ours], abs=2e-3)
            items = [(r.prompt, ours[r.id].text) for r in requests]
            assert living.score(items) == pytest.approx(plain.score(items), abs=2e-3)
    finally:
        living.close()


@has_vllm
@pytest.mark.slow
def test_a_budget_depends_on_the_seed_alone(models):
    living = Vllm().open(models["begun"], RUNTIME)
    try:
        requests = asked(max_thinking=5)
        whole = {c.id: c for c in living.stream(requests)}
        assert {c.id: c for c in living.stream(requests[::-3])} == {r.id: whole[r.id] for r in requests[::-3]}
        assert any(TIME_IS_UP in c.text for c in whole.values())
    finally:
        living.close()


def test_thoughts_are_documented(tmp_path: Path) -> None:
    from conftest import ROOT

    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    for name in ("task.thinking", "model.reasoning", "sampling.max_thinking", "filter.thinking", "filter.shortest"):
        assert name in page
