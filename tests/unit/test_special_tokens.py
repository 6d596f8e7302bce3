"""Special tokens that stand in problems and completions are plain text there, for every kind of chat template."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from star_cli.backends.special_tokens import OF_THOUGHTS, completion_ids
from star_cli.backends.tokens import encode_prompt, encode_prompts
from star_cli.core.parts import ModelRef
from star_cli.errors import StarError

USER = "{% for m in messages %}"
TEMPLATES = {  # special tokens, and how a turn looks: the kinds that the common families use
    "none": (["<s>", "</s>"], None),
    "chatml": (
        ["<|im_start|>", "<|im_end|>"],
        USER + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n",
    ),
    "llama-3": (
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "<|begin_of_text|>" + USER + "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}"
        "<|eot_id|>{% endfor %}<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "mistral": (["<s>", "</s>", "[INST]", "[/INST]"], "<s>" + USER + "[INST] {{ m.content }} [/INST]{% endfor %}"),
    "gemma": (
        ["<bos>", "<start_of_turn>", "<end_of_turn>"],
        "<bos>" + USER + "<start_of_turn>{{ m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "<start_of_turn>model\n",
    ),
    "phi": (
        ["<|user|>", "<|assistant|>", "<|end|>"],
        USER + "<|user|>\n{{ m.content }}<|end|>\n{% endfor %}<|assistant|>\n",
    ),
    "harmony": (
        ["<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|return|>"],
        USER + "<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}<|start|>assistant",
    ),
    "deepseek": (
        ["<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"],
        USER + "<｜User｜>{{ m.content }}{% endfor %}<｜Assistant｜>",
    ),
}
MODEL = ModelRef("key", "somewhere")


def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """Bytes, and the special tokens of a kind; the first stands before a plain text where there is no template."""
    special, template = TEMPLATES[kind]
    rules = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    rules.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rules.decoder = decoders.ByteLevel()
    rules.add_special_tokens([AddedToken(token, special=True) for token in special])
    rules.post_processor = processors.TemplateProcessing(
        single=f"{special[0]} $A", special_tokens=[(special[0], rules.token_to_id(special[0]))]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=rules, bos_token=special[0], eos_token=special[-1], additional_special_tokens=special[1:-1]
    )
    made.chat_template = template
    return made


@pytest.mark.parametrize("kind", TEMPLATES)
def test_special_tokens_in_a_prompt_are_plain_text_and_those_of_the_template_are_not(kind):
    t, special = tokenizer(kind), TEMPLATES[kind][0]
    quoting = f"  What is {special[-1]}{special[0]} of {' '.join(special)}? "
    honest = encode_prompt(MODEL, t, "What?")
    ids = encode_prompt(MODEL, t, quoting)
    numbers = set(t.convert_tokens_to_ids(special))
    assert [i for i in ids if i in numbers] == [i for i in honest if i in numbers]
    assert quoting.strip() in t.decode(ids)
    before = next(n for n, (a, b) in enumerate(zip(honest, ids, strict=False)) if a != b)
    assert ids[:before] == honest[:before]


@pytest.mark.parametrize("kind", TEMPLATES)
def test_honest_prompts_have_the_ids_the_tokenizer_gives_them(kind):
    t = tokenizer(kind)
    template = t.chat_template is not None
    prompts = ["2 + 2 =", "a <think> b </think>", "x\n\n<b>y</b>", "<|imstart|>"]
    for prompt, ids in encode_prompts(MODEL, t, prompts).items():
        turn = [{"role": "user", "content": prompt}]
        text = t.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) if template else prompt
        assert ids == t(text, add_special_tokens=not template)["input_ids"]


@pytest.mark.parametrize("kind", TEMPLATES)
def test_special_tokens_in_a_completion_are_plain_text_but_for_the_marks_of_thoughts(kind):
    t, special = tokenizer(kind), TEMPLATES[kind][0]
    text = f"so {' and '.join(special)} is all"
    [ids] = completion_ids(t, [text])
    assert {t.convert_ids_to_tokens(i) for i in ids} & set(special) == set(special) & OF_THOUGHTS
    assert t.decode(ids, clean_up_tokenization_spaces=False) == text


def test_a_template_that_changes_a_quoting_prompt_is_a_sentence():
    t = tokenizer("chatml")
    t.chat_template = t.chat_template.replace("{{ m.content }}", "{{ m.content | upper }}")
    with pytest.raises(StarError, match="a prompt contains '<|im_end|>'"):
        encode_prompt(MODEL, t, "what is <|im_end|>?")
