"""What verifiers promise: DPO and ORM really learn, start where they are told, and score what they were trained on."""

from __future__ import annotations

import json
import math
import random
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from star_cli.backends.models.tiny import Tiny
from star_cli.backends.tokens import load_tokenizer
from star_cli.backends.trainers.sft import Sft
from star_cli.backends.training import verifier_training
from star_cli.backends.training.forward import encode_pairs, likelihoods
from star_cli.backends.verifiers.dpo import Dpo, PairData
from star_cli.backends.verifiers.orm import Orm, weights
from star_cli.backends.weights import weights_sha256
from star_cli.core.parts import ModelRef, TrainJob, VerifyJob
from star_cli.core.records import Example, Labelled, Pair
from star_cli.core.settings import Runtime, Verification
from star_cli.errors import StarError

RUNTIME = Runtime(train_threads=1)


def solutions(n, seed=0):
    """(problem, right solution, wrong solution): right ones end in the even digit, wrong ones in the odd one."""
    rng = random.Random(seed)
    for i in range(n):
        a = rng.randrange(100)
        yield f"p{i}", f"{a}?", f" so {a} {2 * (a % 5)}", f" so {a} {2 * (a % 5) + 1}"


DATA = list(solutions(60))
PAIRS = [Pair(problem_id=i, prompt=p, chosen=r, rejected=w) for i, p, r, w in DATA]
LABELLED = [
    Labelled(problem_id=i, round=1, sample=n, prompt=p, completion=t, correct=n == 0, origin="own", generator="g")
    for i, p, r, w in DATA
    for n, t in enumerate((r, w))
]
HELD_OUT = list(solutions(30, seed=9))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sft(tmp_path_factory):
    """A generator that writes right and wrong solutions alike."""
    here = tmp_path_factory.mktemp("sft")
    Tiny(layers=1, width=32, heads=1, context=256, vocab=290).initialise(
        [p + r + w for _, p, r, w in DATA], here / "base", 0
    )
    rows = [
        Example(problem_id=i, sample=n, prompt=p, completion=t, origin="own")
        for i, p, r, w in DATA
        for n, t in enumerate((r, w))
    ]
    Sft(lr=1e-2, batch=16).train(
        TrainJob(
            start=ref(here / "base"),
            examples=rows,
            out=here / "model",
            scratch=here / "scratch",
            seed=0,
            runtime=RUNTIME,
            steps=120,
        )
    )
    return here / "model"


def ref(path):
    return ModelRef(key="start", path=str(path), dtype="float32", chat=False)


def job(start, out, *, pairs=PAIRS, labelled=LABELLED, **settings):
    (out / "model").mkdir(parents=True, exist_ok=True)
    told = {"lr": 5e-3, "batch": 16, "steps": 60, **settings}
    return VerifyJob(
        start=ref(start),
        pairs=pairs,
        labelled=labelled,
        out=out / "model",
        scratch=out / "scratch",
        seed=3,
        runtime=RUNTIME,
        settings=Verification(**told),
    )


@pytest.fixture(scope="module")
def dpo(sft, tmp_path_factory):
    out = tmp_path_factory.mktemp("dpo")
    return out / "model", Dpo().train(job(sft, out))


@pytest.fixture(scope="module")
def orm(sft, tmp_path_factory):
    out = tmp_path_factory.mktemp("orm")
    return out / "model", Orm().train(job(sft, out, steps=150))


def told_apart(verifier, model, sign=1.0):
    """The share of held-out problems whose right solution scores higher than its wrong one."""
    right = verifier.score(ref(model), [(p, r) for _, p, r, _ in HELD_OUT], RUNTIME)
    wrong = verifier.score(ref(model), [(p, w) for _, p, _, w in HELD_OUT], RUNTIME)
    return sum(a > b for a, b in zip(right, wrong, strict=True)) / len(HELD_OUT)


def test_dpo_starts_from_the_generator_and_learns_to_prefer_what_is_right(sft, dpo):
    model, metrics = dpo
    assert metrics["start_weights"] == weights_sha256(sft) != metrics["end_weights"] == weights_sha256(model)
    assert metrics["loss_first"] == pytest.approx(math.log(2), abs=0.15), "at the start policy and reference are one"
    assert metrics["loss_last"] < 0.5 * metrics["loss_first"] and metrics["preferred_last"] > 0.9
    assert told_apart(Dpo(), sft) < 0.8 < told_apart(Dpo(), model)


def test_dpo_gives_the_loss_of_its_formula(sft, tmp_path):
    """One step at a learning rate of nearly nothing after a real one: the logged loss is -log sigmoid(beta *
    margin).
    """
    out = tmp_path / "one"
    Dpo().train(job(sft, out, steps=8))
    four = PAIRS[:4]
    found = Dpo().train(job(sft, tmp_path / "two", pairs=four, steps=1, batch=4))
    assert found["loss_first"] == pytest.approx(math.log(2), abs=1e-5)
    texts = [(p.prompt, t) for p in four for t in (p.chosen, p.rejected)]
    new, old = likelihoods(ref(out / "model"), texts, 1), likelihoods(ref(sft), texts, 1)
    ratio = [a - b for a, b in zip(new, old, strict=True)]
    margin = [ratio[i] - ratio[i + 1] for i in range(0, 8, 2)]
    assert max(map(abs, margin)) > 0.01, "eight steps moved it"


def test_a_score_is_the_likelihood_of_the_solution_alone(dpo):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, _ = dpo
    net, tokenizer = AutoModelForCausalLM.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    items = [(p, r) for _, p, r, _ in HELD_OUT[:5]] + [("a much longer prompt than the others " * 3, " 4")]
    for (prompt, completion), score in zip(items, Dpo().score(ref(model), items, RUNTIME), strict=True):
        head = tokenizer(prompt)["input_ids"]
        tail = [*tokenizer(completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = net(torch.tensor([head + tail])).logits[0].double().log_softmax(-1)
        expected = sum(float(logits[len(head) - 1 + i, t]) for i, t in enumerate(tail))
        assert score == pytest.approx(expected, abs=1e-4)


def test_the_canary_of_a_dpo_verifier_is_its_own_opinion(dpo):
    model, _ = dpo
    canary = json.loads((model / "canary.json").read_text())
    scores = Dpo().score(ref(model), [(c["prompt"], c["completion"]) for c in canary], RUNTIME)
    assert scores == pytest.approx([c["logprob"] for c in canary], abs=1e-3)


def test_engine_and_forward_pass_score_alike(dpo):
    from star_cli.backends.engines.transformers import Transformers

    model, _ = dpo
    items = [(p, t) for _, p, r, w in HELD_OUT[:8] for t in (r, w)]
    session = Transformers().open(ref(model), RUNTIME)
    try:
        assert session.score(items) == pytest.approx(Dpo().score(ref(model), items, RUNTIME), abs=1e-3)
    finally:
        session.close()


def test_equal_trainings_give_equal_bytes(sft, dpo, tmp_path):
    assert Dpo().train(job(sft, tmp_path))["end_weights"] == dpo[1]["end_weights"]


def test_a_verifier_keeps_the_precision_of_its_start(sft, tmp_path):
    from transformers import AutoModelForCausalLM

    half = shutil.copytree(sft, tmp_path / "half")
    AutoModelForCausalLM.from_pretrained(sft, dtype="bfloat16").save_pretrained(half)
    for name, verifier in (("dpo", Dpo()), ("orm", Orm())):
        verifier.train(replace(job(sft, tmp_path / name, steps=2), start=replace(ref(half), dtype="auto")))
        with safe_open(tmp_path / name / "model" / "model.safetensors", framework="numpy") as file:
            assert {file.get_slice(tensor).get_dtype() for tensor in file.keys()} == {"BF16"}, name


def test_orm_learns_to_tell_right_from_wrong(sft, orm):
    model, metrics = orm
    assert metrics["start_weights"] == weights_sha256(sft) and metrics["right"] == metrics["wrong"] == len(DATA)
    assert metrics["loss_last"] < 0.8 * metrics["loss_first"]
    assert told_apart(Orm(), model) > 0.8


def test_orm_scores_do_not_depend_on_what_is_scored_beside(orm):
    model, _ = orm
    items = [(p, t) for _, p, r, w in HELD_OUT for t in (r, w)]
    alone = [Orm().score(ref(model), [item], RUNTIME)[0] for item in items[:4]]
    assert Orm().score(ref(model), items, RUNTIME)[:4] == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize("every", [True, False])
def test_orm_with_adapters_is_a_plain_model_afterwards(sft, tmp_path, every):
    metrics = Orm(every_token=every).train(job(sft, tmp_path, steps=4, lora_rank=4))
    assert metrics["end_weights"] != metrics["start_weights"]
    assert len(Orm().score(ref(tmp_path / "model"), [("1?", " so 1 2")], RUNTIME)) == 1


def test_dpo_with_adapters_is_a_plain_model_afterwards(sft, tmp_path):
    metrics = Dpo().train(job(sft, tmp_path, steps=20, lora_rank=4))
    assert metrics["preferred_last"] > metrics["preferred_first"] or metrics["preferred_last"] > 0.9
    assert not list((tmp_path / "model").glob("adapter*"))
    Dpo().score(ref(tmp_path / "model"), [("1?", " so 1 2")], RUNTIME)


def test_orm_needs_both_classes(sft, tmp_path):
    with pytest.raises(StarError, match="60 right and 0 wrong"):
        Orm().train(job(sft, tmp_path, labelled=[x for x in LABELLED if x.correct]))


def test_pairs_longer_than_the_model_reads_are_counted_and_all_of_them_a_sentence(sft, tmp_path):
    long = Pair(problem_id="long", prompt="9?", chosen=" 1 2" * 400, rejected=" 3")
    assert Dpo().train(job(sft, tmp_path / "a", pairs=[*PAIRS, long], steps=1))["dropped_long"] == 1
    with pytest.raises(StarError, match="all 1 pairs are longer than the 256 tokens"):
        Dpo().train(job(sft, tmp_path / "b", pairs=[long]))


def test_a_language_model_is_no_orm_and_a_directory_without_one_is_a_sentence(sft):
    with pytest.raises(StarError, match="holds no outcome reward model"):
        Orm().score(ref(sft), [("1?", " 1")], RUNTIME)


def test_a_diverging_training_is_a_sentence(sft, tmp_path):
    with pytest.raises(StarError, match="the loss is not finite"):
        Dpo(lr=1e25).train(job(sft, tmp_path))


def test_right_and_wrong_weigh_alike_within_each_problem_or_over_all():
    rows = [
        x
        for i, (right, wrong) in enumerate([(1, 3), (2, 0), (4, 1), (0, 5)])
        for x in (
            Labelled(
                problem_id=f"p{i}",
                round=1,
                sample=n,
                prompt="q",
                completion=f"{n}",
                correct=n < right,
                origin="own",
                generator="g",
            )
            for n in range(right + wrong)
        )
    ]

    def mass(shares, problem, correct):
        return sum(s for x, s in zip(rows, shares, strict=True) if x.problem_id == problem and x.correct == correct)

    each = weights(rows, "problem")
    assert mass(each, "p0", True) == mass(each, "p0", False) == pytest.approx(2)
    assert mass(each, "p2", True) == mass(each, "p2", False) == pytest.approx(2.5)
    assert mass(each, "p1", True) == mass(each, "p3", False) == 0
    whole = weights(rows, "class")
    assert sum(s for x, s in zip(rows, whole, strict=True) if x.correct) == pytest.approx(len(rows) / 2)
    assert sum(whole) == pytest.approx(len(rows)) and set(weights(rows, "none")) == {1.0}


def test_orm_without_a_problem_of_both_kinds_is_a_sentence(sft, tmp_path):
    rows = [x for x in LABELLED if x.correct == (int(x.problem_id[1:]) % 2 == 0)]
    with pytest.raises(StarError, match="30 right and 30 wrong solutions, but none of both kinds of one problem"):
        Orm(balance="problem").train(job(sft, tmp_path, labelled=rows))


def test_a_solution_that_ran_out_of_tokens_is_read_without_an_end(sft):
    tokenizer = load_tokenizer(ref(sft))
    items = [("1?", " so 2"), ("1?", " so 2")]
    whole, cut_off = encode_pairs(ref(sft), tokenizer, items, [True, False])
    assert whole[1] == [*cut_off[1], tokenizer.eos_token_id] and encode_pairs(ref(sft), tokenizer, items)[1] == whole
    pair = Pair(problem_id="p", prompt="1?", chosen=" so 2", rejected=" so 3", rejected_ended=False)
    row = PairData.of(job(sft, sft.parent / "ends", pairs=[pair])).rows[0]
    assert row["chosen_ids"][-1] == tokenizer.eos_token_id != row["rejected_ids"][-1]


def test_an_outcome_head_scores_a_cut_off_solution_at_its_last_token(orm):
    items = [("7?", " so 7 4"), ("7?", " so 7 4")]
    alike = Orm().score(ref(orm[0]), items, RUNTIME)
    whole, cut_off = Orm().score(ref(orm[0]), items, RUNTIME, ended=[True, False])
    assert alike[0] == pytest.approx(whole) and whole != pytest.approx(cut_off, abs=1e-4)


def test_forward_passes_of_different_sizes_weigh_their_pairs_alike(sft, tmp_path, monkeypatch):
    """A step of three pairs in passes of one and two trains like the same step in one pass."""
    ends = {}
    for parts, room in (("one", 10_000), ("two", 40)):
        monkeypatch.setattr(verifier_training, "tokens_at_once", lambda room=room: room)
        told = Dpo().train(job(sft, tmp_path / parts, pairs=PAIRS[:3], batch=3, steps=3))
        ends[parts] = (
            told["loss_last"],
            Dpo().score(ref(tmp_path / parts / "model"), [(p, w) for _, p, _, w in DATA[:9]], RUNTIME),
        )
    assert ends["two"][0] == pytest.approx(ends["one"][0], rel=1e-3)
    assert ends["two"][1] == pytest.approx(ends["one"][1], rel=1e-3)


def language_loss(path, start) -> float:
    """Nats a token of the held-out right solutions: the verifier's body under the start's head, by hand."""
    from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

    net = AutoModelForTokenClassification.from_pretrained(path, num_labels=1, dtype=torch.float32).eval()
    causal = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    tied = causal.config.tie_word_embeddings
    head = net.get_input_embeddings().weight if tied else causal.get_output_embeddings().weight
    rows = encode_pairs(ref(start), load_tokenizer(ref(start)), [(p, r) for _, p, r, _ in HELD_OUT])
    total = tokens = 0
    for prompt, completion in rows:
        ids = torch.tensor([prompt + completion])
        with torch.no_grad():
            hidden = net(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
        scores = (hidden @ head.detach().T).log_softmax(-1)
        for place, token in enumerate(completion, len(prompt)):
            total, tokens = total - float(scores[place - 1, token]), tokens + 1
    return total / tokens


def test_the_second_objective_keeps_the_language_of_right_solutions(sft, tmp_path):
    """Cobbe et al. 2021: a verifier that also models language; alone it forgets how."""
    losses, told = {}, {}
    for weight in (0.0, 1.0):
        out = tmp_path / str(weight)
        told[weight] = Orm(language_model=weight).train(job(sft, out, steps=150))
        losses[weight] = language_loss(out / "model", sft)
    start = language_loss(sft, sft)
    assert losses[1.0] < 1.2 * start and losses[0.0] > 2 * start, (start, losses)
    assert told[1.0]["told_apart_last"] > 0.6, told
    with pytest.raises(StarError, match="verifier.language_model must be >= 0"):
        Orm(language_model=-1.0).check()
