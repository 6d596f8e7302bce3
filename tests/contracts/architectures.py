"""Tiny random models of well-known architectures, made by transformers' own classes, and what star can do with each.

python tests/contracts/architectures.py            # the table of docs/models.md, each row tried out now (minutes)
python tests/contracts/architectures.py Llama GPT-2
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from star_cli.backends.engines.transformers import Transformers
from star_cli.backends.engines.vllm import Vllm
from star_cli.backends.trainers.sft import Sft
from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, ModelRef, Prompt, Request, TrainJob
from star_cli.core.records import Example
from star_cli.core.settings import Runtime, Sampling
from star_cli.errors import StarError

LESSON = "the answer is 12 + 34 = 46 because 2 + 4 = 6"
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "{% endif %}"
)
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "eos_token_id": 0,
    "pad_token_id": 1,
    "bos_token_id": None,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_state": 16, "mamba_n_groups": 1, "mamba_chunk_size": 16}
LATENT = {"kv_lora_rank": 512, "q_lora_rank": 32, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
DELTA = {"linear_num_value_heads": 2, "linear_num_key_heads": 2}
HYBRID = ["linear_attention", "full_attention"]


@dataclass(frozen=True)
class Architecture:
    """A causal language model of transformers, two layers of it, with heads that vLLM's CPU kernels take."""

    cls: str
    models: str  # that people know, for the table
    settings: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()  # the sizes that its configuration takes; none: all
    dtype: str = "float32"


ARCHITECTURES: dict[str, Architecture] = {
    "Llama": Architecture("LlamaForCausalLM", "Llama 2 and 3, TinyLlama, SmolLM2, DeepSeek-R1-Distill-Llama"),
    "Qwen2": Architecture("Qwen2ForCausalLM", "Qwen2.5, DeepSeek-R1-Distill-Qwen"),
    "Qwen3": Architecture("Qwen3ForCausalLM", "Qwen3", {"head_dim": 32}),
    "Qwen3-MoE": Architecture("Qwen3MoeForCausalLM", "Qwen3-30B-A3B", {"head_dim": 32, **EXPERTS}),
    "Gemma 2": Architecture("Gemma2ForCausalLM", "gemma-2", {"head_dim": 32, "sliding_window": 64}),
    "Gemma 3": Architecture("Gemma3ForCausalLM", "gemma-3-1b", {"head_dim": 32, "sliding_window": 64}),
    "Mistral": Architecture("MistralForCausalLM", "Mistral 7B", {"head_dim": 32, "sliding_window": None}),
    "Phi": Architecture("PhiForCausalLM", "phi-1.5, phi-2", {"num_key_value_heads": 2}),
    "Phi-3": Architecture("Phi3ForCausalLM", "Phi-3, Phi-4, Phi-4-mini"),
    "GPT-2": Architecture(
        "GPT2LMHeadModel",
        "gpt2, distilgpt2",
        {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 256, "n_inner": 128},
        ("initializer_range", "eos_token_id", "pad_token_id", "bos_token_id"),
    ),
    "GPT-NeoX": Architecture("GPTNeoXForCausalLM", "Pythia", {"num_key_value_heads": 2}),
    "OLMo 2": Architecture("Olmo2ForCausalLM", "OLMo-2"),
    "SmolLM3": Architecture("SmolLM3ForCausalLM", "SmolLM3"),
    "Starcoder 2": Architecture("Starcoder2ForCausalLM", "starcoder2"),
    "gpt-oss": Architecture(
        "GptOssForCausalLM",
        "gpt-oss",
        {
            "head_dim": 32,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 64,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 150000.0,
                "factor": 8.0,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "truncate": False,
                "original_max_position_embeddings": 32,
            },
        },
    ),
    "DeepSeek-V3": Architecture(
        "DeepseekV3ForCausalLM",
        "DeepSeek-V3 and R1, Kimi-K2",
        {
            **LATENT,
            "num_key_value_heads": 2,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 64,
            "n_group": 2,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            "n_shared_experts": 1,
            "topk_method": "noaux_tc",
            "scoring_func": "sigmoid",
        },
    ),
    "Mamba 2": Architecture(
        "Mamba2ForCausalLM",
        "mamba2",
        {"num_heads": 4, "head_dim": 32, "state_size": 16, "n_groups": 1, "chunk_size": 16},
    ),
    "Falcon-H1": Architecture(
        "FalconH1ForCausalLM", "Falcon-H1", {**MAMBA, "mamba_n_heads": 2, "mamba_d_ssm": 64, "head_dim": 32}
    ),
    "Granite 4": Architecture(
        "GraniteMoeHybridForCausalLM",
        "granite-4.0-h",
        {**MAMBA, "layer_types": ["mamba", "attention"], "num_local_experts": 0, "shared_intermediate_size": 128},
    ),
    "Bamba": Architecture("BambaForCausalLM", "Bamba", {**MAMBA, "attn_layer_indices": [1]}),
    "Qwen3-Next": Architecture(
        "Qwen3NextForCausalLM",
        "Qwen3-Next",
        {
            **EXPERTS,
            **DELTA,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "head_dim": 32,
            "layer_types": HYBRID,
            "shared_expert_intermediate_size": 64,
            "initializer_range": 0.05,
        },
        dtype="bfloat16",
    ),
}


# ---- making one ----------------------------------------------------------------------------------------------------
def make_tokenizer(
    out: Path, *, bos: bool = False, chat: bool = False, template: str = "", added: tuple[str, ...] = ()
) -> Any:
    """A byte-level tokenizer of some 290 tokens. ``bos``: <bos> stands before a text; ``chat``: it has a template, or
    the one that is given; ``added`` are special tokens more.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    rules = Tokenizer(models.BPE())
    rules.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rules.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<eos>", "<pad>", "<bos>", *added],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    rules.train_from_iterator([LESSON] * 9, trainer)
    if bos:
        rules.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=rules,
        eos_token="<eos>",
        pad_token="<pad>",
        bos_token="<bos>" if bos else None,
        model_max_length=256,
    )
    if chat or template:
        tokenizer.chat_template = template or TEMPLATE
    tokenizer.save_pretrained(out)
    return tokenizer


def make(name: str, out: Path, *, seed: int = 1, bos: bool = False, chat: bool = False, **more: Any) -> ModelRef:
    """A random model of an architecture with its tokenizer; ``more`` goes to its configuration.

    ``dtype`` is the precision it is saved in, ``shards`` the largest size of one weights file, ``template`` and
    ``added`` are the tokenizer's.
    """
    import torch
    import transformers

    architecture, shards = ARCHITECTURES[name], more.pop("shards", None)
    dtype = more.pop("dtype", architecture.dtype)
    words = {name: more.pop(name) for name in ("template", "added") if name in more}
    tokenizer = make_tokenizer(out, bos=bos, chat=chat, **words)
    cls = getattr(transformers, architecture.cls)
    settings = SIZES if not architecture.only else {k: v for k, v in SIZES.items() if k in architecture.only}
    settings = {**settings, **architecture.settings, **({"bos_token_id": 2} if bos else {}), **more}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = cls(cls.config_class(vocab_size=len(tokenizer), **settings))
    model.to(getattr(torch, dtype)).save_pretrained(out, **({"max_shard_size": shards} if shards else {}))
    return ModelRef(out.name, str(out))


# ---- trying one out ------------------------------------------------------------------------------------------------
EXAMPLES = [
    Example(problem_id=str(i), sample=0, prompt=f"the answer is {i} +", completion=f" {i} = {2 * i}", origin="own")
    for i in range(20)
]
RUNTIME = Runtime(max_num_seqs=8, kv_cache_mb=64, train_threads=1)
YES = "yes"


def requests(n: int = 8) -> list[Request]:
    """Greedy requests with prompts of different lengths."""
    prompts = [Prompt("the answer" + " is" * (i % 5) + f" {i} +") for i in range(n)]
    return [Request((f"p{i}", 0), prompt, Sampling(), 12, (), seed_of("test", i)) for i, prompt in enumerate(prompts)]


def texts(session: Any) -> dict[tuple[str, int], Completion]:
    return {c.id: c for c in session.stream(requests())}


def train(start: ModelRef, out: Path, *, steps: int = 2, **settings: Any) -> ModelRef:
    """A fine-tuned model with its canary."""
    part = Sft(**{"lr": 1e-3, "batch": 8, **settings})
    part.train(
        TrainJob(
            start=start,
            examples=EXAMPLES,
            out=out,
            scratch=out.with_name(out.name + ".scratch"),
            seed=5,
            runtime=RUNTIME,
            steps=steps,
        )
    )
    canary = tuple(json.loads((out / "canary.json").read_bytes()))
    return replace(start, key=out.name, path=str(out), canary=canary)


def apart(session: Any, model: ModelRef) -> float:
    """The largest difference in nats a token between a session's scores of the canary and the trainer's own."""
    scores = session.score([(c["prompt"], c["completion"]) for c in model.canary])
    return max(abs(s - c["logprob"]) / c["tokens"] for s, c in zip(scores, model.canary, strict=True))


def agree(a: dict[Any, Completion], b: dict[Any, Completion]) -> bool:
    """Equal greedy texts, and the log-probability that both engines give them."""
    return a.keys() == b.keys() and all(
        (a[i].text, a[i].finish, a[i].tokens) == (b[i].text, b[i].finish, b[i].tokens)
        and abs(float(a[i].logprob or 0) - float(b[i].logprob or 0)) < 5e-3
        for i in a
    )


def outcome(work: Callable[[], str]) -> str:
    """What work says of itself, or the sentence it is refused with."""
    try:
        return work()
    except StarError as e:
        return e.what


def examine(name: str, home: Path) -> dict[str, str]:
    """What star can do with an architecture, as {column: "yes", or why not}.

    The weights are trained while vLLM lives in the same process.
    """
    home.mkdir(parents=True, exist_ok=True)
    start = make(name, home / "start")
    half = ARCHITECTURES[name].dtype != "float32"
    near = 0.2 if half else 2e-3  # nats a token
    row: dict[str, str] = {}
    trained: dict[str, ModelRef] = {}
    living: Any = None

    def compared(model: ModelRef, session: Any) -> str:
        plain = Transformers().open(model, RUNTIME)
        if model.canary and max(apart(plain, model), apart(session, model)) > near:
            return "its canary disagrees"
        return YES if half or agree(texts(session), texts(plain)) else "its texts differ from those of transformers"

    def opened() -> str:
        nonlocal living
        living = Vllm().open(start, RUNTIME)
        return compared(start, living)

    def tuned(column: str, **settings: Any) -> str:
        trained[column] = train(start, home / column, **settings)
        plain = Transformers().open(trained[column], RUNTIME)
        return YES if apart(plain, trained[column]) < near else "its canary disagrees"

    def swapped() -> str:
        nonlocal living
        for model in (trained["fine-tuning"], trained.get("LoRA", start), trained["fine-tuning"]):
            if not living.swap(model):
                living.close()
                living = Vllm().open(model, RUNTIME)
                return "the engine starts anew" if compared(model, living) == YES else "even a new engine disagrees"
            if (result := compared(model, living)) != YES:
                return result
        return YES

    try:
        row["transformers"] = outcome(lambda: compared(start, Transformers().open(start, RUNTIME)))
        row["vLLM on a CPU"] = outcome(opened)
        row["fine-tuning"] = outcome(lambda: tuned("fine-tuning"))
        row["LoRA"] = outcome(lambda: tuned("LoRA", lora_rank=2))
        if "all-linear does not suit" in row["LoRA"]:
            named = outcome(lambda: tuned("LoRA", lora_rank=2, lora_targets="in_proj"))
            row["LoRA"] = "with trainer.lora_targets=in_proj" if named == YES else named
        row["swap"] = outcome(swapped) if living else "-"
    finally:
        if living:
            living.close()
    return {column: cell.replace(str(home / "start"), "DIR") for column, cell in row.items()}


COLUMNS = ("transformers", "vLLM on a CPU", "swap", "fine-tuning", "LoRA")


def main() -> None:
    """Print the table."""
    print("| architecture | models | " + " | ".join(COLUMNS) + " |")
    print("|---" * (2 + len(COLUMNS)) + "|")
    for name in sys.argv[1:] or ARCHITECTURES:
        with tempfile.TemporaryDirectory() as home:
            row = examine(name, Path(home))
            cells = [row[column] for column in COLUMNS]
        print("| " + " | ".join([name, ARCHITECTURES[name].models, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
