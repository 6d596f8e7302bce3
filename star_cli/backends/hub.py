"""Models and data sets as other programs read them: a plain directory with its card, here or on a hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from star_cli.backends.model_config import gist
from star_cli.errors import StarError

CARD = "README.md"


def card_text(kind: str, header: dict[str, Any], results: list[dict[str, Any]], body: str) -> str:
    """A card: the hub's YAML header of a "model" or "dataset", and ``body`` in Markdown.

    ``results`` are measured numbers of a model: {"task_type", "dataset_type", "dataset_name", "metric_type",
    "metric_value"}. No licence is named: that is for the person who publishes it.
    """
    from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

    if kind == "dataset":
        data: Any = DatasetCardData(**header)
    else:
        data = ModelCardData(**header, eval_results=[EvalResult(**row) for row in results] or None)
    return f"---\n{data.to_yaml()}\n---\n\n{body.strip()}\n"


def write_data(rows: Iterable[dict[str, Any]], out: Path) -> int:
    """Rows as a directory that ``datasets.load_dataset(DIR)`` reads (data/train.parquet); returns how many."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    data = Dataset.from_list(list(rows))
    (out / "data").mkdir(parents=True)
    data.to_parquet(str(out / "data" / "train.parquet"))
    return len(data)


def publish(folder: Path, name: str, kind: str, *, private: bool) -> str:
    """Put a directory on the hub as ``name`` (USER/NAME), made where it is not there; returns its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    api = HfApi()
    try:
        address = api.create_repo(name, repo_type=kind, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, repo_type=kind, folder_path=folder, commit_message="Written by star export")
    except Exception as e:  # no network, no right to write, a name the hub refuses: each has an error of its own
        raise StarError(
            f"hub:{name} cannot be written: {gist(e)}",
            hint="log in with: hf auth login (a token that may write), or export to a directory",
        ) from e
    return str(address)
