"""The only door to lm-evaluation-harness: published benchmarks on a model directory, in the numbers that people know.

{"exact_match,strict-match": 0.31, "exact_match_stderr,strict-match": 0.02, "exact_match,flexible-extract": 0.34, ...}
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from star_cli.backends.model_config import gist
from star_cli.core.extras import command
from star_cli.errors import StarError

SPLITS = ("train", "validation", "test")


def run_suite(
    suite: str, model: str, *, data: Path | None = None, limit: int | None = None, chat: bool = False
) -> dict[str, Any]:
    """The metrics of a suite (a task of lm-evaluation-harness) on a model directory or hub id, by transformers.

    ``data`` is a directory of train.jsonl, validation.jsonl and test.jsonl that stands for the suite's own data on the
    hub; ``limit`` takes the first problems only; ``chat`` shows prompts through the chat template. Returns
    {"metrics": {name: value}, "samples": how many, "version": of the suite, "harness": of lm-eval}.
    """
    try:
        import lm_eval
        import torch
        from lm_eval.tasks import TaskManager
    except ImportError as e:
        raise StarError("--suite needs lm-eval, which is not installed", hint=command("lm_eval")) from e
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    manager = TaskManager()
    if suite not in manager.all_tasks:
        near = [name for name in manager.all_tasks if suite.lower() in name.lower()][:6]
        raise StarError(
            f"lm-evaluation-harness has no task {suite!r}",
            hint=f"did you mean {', '.join(near)}?" if near else "lm-eval ls tasks lists them",
        )
    try:
        results: Any = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": model, "dtype": "auto"},
            tasks=[suite if data is None else _with_data(suite, data)],
            task_manager=manager,
            device="cuda" if torch.cuda.is_available() else "cpu",
            limit=limit,
            apply_chat_template=chat,
            bootstrap_iters=0,
            log_samples=False,
        )
    except Exception as e:  # no network for its data, a task that needs more packages, a model it cannot load
        raise StarError(
            f"lm-evaluation-harness cannot run {suite} on {model}: {gist(e)}",
            hint="where there is no network, give its data with --suite-data DIR (test.jsonl, train.jsonl)",
        ) from e
    values = results["results"][suite]
    return {
        "suite": suite,
        "metrics": {name: value for name, value in values.items() if isinstance(value, (int, float)) and "," in name},
        "samples": results["n-samples"][suite]["effective"],
        "version": results["versions"].get(suite),
        "harness": str(lm_eval.__version__),
    }


def _with_data(suite: str, data: Path) -> dict[str, Any]:
    """The suite with its data read from a directory instead of the hub."""
    files = {split: str(data / f"{split}.jsonl") for split in SPLITS if (data / f"{split}.jsonl").is_file()}
    if not files:
        raise StarError(f"{data} holds no test.jsonl, train.jsonl or validation.jsonl", hint="give a directory of them")
    return {"task": suite, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
