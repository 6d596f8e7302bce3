"""A paper's presets: every method has one, every value says where it is from, and the facts are those of the papers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from conftest import call

from star_cli.core import registry
from star_cli.store.run_names import can_be_named, default_name

FOLDER = Path(__file__).parents[2] / "conf" / "experiment" / "paper"
PRESETS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
DATA = Path(__file__).parents[1] / "data"
SOURCES = re.compile(r"# (?:paper|code|ours): \S")
FACTS = {  # typed from the papers and their code, not from the files
    "star_commonsense_qa": {"trainer.lr": 1e-6, "trainer.batch": 8, "trainer.warmup": 100, "schedule.start": 40,
                            "schedule.grow": 1.2, "sampling.temperature": 0.0, "samples": 1, "filter.limit": 1},
    "star_gsm8k": {"trainer.lr": 1e-6, "trainer.batch": 8, "schedule.start": 40, "evaluation.final": "test"},
    "star_addition": {"schedule.start": 300, "schedule.add": 20, "schedule.grow": 1.0, "problems": 10000,
                      "task.train": 50000, "task.max_digits": 5, "rounds": 16},
    "direct_addition": {"schedule.start": 5000, "problems": 10000},
    "ada_star_arc": {"trainer.lr": 1e-5, "trainer.weight_decay": 0.01, "trainer.batch": 8, "trainer.warmup": 100,
                     "sampling.temperature": 1.0, "sampling.top_p": 0.9, "method.beta": 320, "method.power": 2.0,
                     "evaluation.shots": "none", "method.rationalize": True},
    "ada_star_gsm8k": {"method.rationalize": False, "rounds": 2, "sampling.max_tokens": 440},
    "star_acc_arc": {"trainer.lr": 1e-5, "schedule.start": 40, "evaluation.shots": "none"},
    "rft_gsm8k": {"samples": 100, "sampling.temperature": 0.7, "trainer.lr": 2e-5, "trainer.batch": 128,
                  "trainer.schedule": "cosine", "schedule.epochs": 3, "filter.limit": 0, "filter.sound": True,
                  "filter.dedupe": "equations", "task.annotations": "keep"},
    "rest_em_math": {"samples": 32, "sampling.temperature": 0.7, "sampling.top_k": 40, "filter.limit": 10,
                     "training.shots": True},
    "expert_iteration_gsm8k": {"filter.limit": 0},
    "vstar_gsm8k": {"samples": 16, "rounds": 3, "schedule.epochs": 2, "verification.candidates": 128,
                    "verification.pairs": 0},
    "vstar_mbpp": {"samples": 16, "rounds": 3, "schedule.epochs": 3, "task.shown_tests": 3},
    "b_star_math": {"samples": 64, "rounds": 9, "schedule.start": 500, "schedule.grow": 1.0, "trainer.batch": 128,
                    "trainer.lr": 5e-6, "method.n_star": 6, "method.queries": 600, "problems": 11500},
    "raft_gsm8k": {"samples": 32, "sampling.temperature": 1.0, "filter.limit": 1},
    "iterative_dpo_gsm8k": {"rounds": 4, "samples": 30, "method.pairs": 10, "method.beta": 0.1, "method.nll": 1.0,
                            "method.lr": 7e-7, "method.steps": 5000, "trainer.batch": 16,
                            "sampling.temperature": 0.8},
    "grpo_gsm8k": {"samples": 64, "method.kl": 0.04, "method.lr": 1e-6, "method.updates": 1, "method.loss": "grpo",
                   "trainer.batch": 1024, "sampling.max_tokens": 1024},
    "star_sql_spider": {"samples": 8, "verification.candidates": 16, "method.rationalize": True},
    "see_think_learn_visual_qa": {"trainer.lora_rank": 128, "trainer.lora_alpha": 256.0, "trainer.lr": 2e-4,
                                  "trainer.batch": 16, "schedule.epochs": 1, "rounds": 5, "samples": 1},
}  # fmt: skip


def test_every_method_has_a_preset_and_every_preset_its_facts():
    methods = set(registry.names("method"))
    assert {m for m in methods if any(name.startswith(f"{m}_") for name in PRESETS)} == methods
    assert set(FACTS) == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_says_where_it_is_from(name):
    body = (FOLDER / f"{name}.yaml").read_text().partition("model: hf\n")[2]
    values = [line for line in body.splitlines() if re.match(r"\s*[\w-].*:\s+\S|\s+- override", line)]
    unsourced = [line for line in values if not SOURCES.search(line) and "override /verifier" not in line]
    assert values and not unsourced, unsourced
    assert "star run experiment=paper/" + name in (FOLDER / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_composes_to_the_papers_values(home, name):
    task = (
        name.partition("_")[2]
        if not name.startswith(
            ("star_acc", "star_sql", "ada_star", "see_think", "rest_em", "b_star", "expert_it", "iterative")
        )
        else name.rpartition("_")[2]
    )
    path = DATA / f"{task}.jsonl"
    given = [f"task.path={path}"] if path.is_file() else []
    shown = call(home, "run", "--cfg", "job", f"experiment=paper/{name}", "model.path=owner/name", *given)
    assert shown.code == 0 or "does not know its data" in shown.err, shown.err
    config = yaml.safe_load(re.sub(r"#.*", "", shown.out))
    for setting, value in FACTS[name].items():
        node = config
        for part in setting.split("."):
            node = node[part]
        assert node == value, (setting, node)
    for setting in ("lr", "schedule", "warmup", "batch"):
        assert config["trainer"][setting] is not None


def test_the_run_of_a_preset_has_a_name_that_a_run_can_have():
    assert default_name("paper/rft_gsm8k", []) == "paper-rft_gsm8k" and can_be_named("paper-rft_gsm8k")
