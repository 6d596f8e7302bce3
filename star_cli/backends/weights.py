"""Model directories: found, checked before they are loaded, hashed, counted and saved.

model/ config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json canary.json
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.backends.model_config import REBUILD
from star_cli.core.keys import file_sha256, key
from star_cli.core.parts import ModelRef
from star_cli.errors import StarError, need

INDEX = "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
COMPANIONS = (
    "tokenizer*",
    "vocab*",
    "merges*",
    "special_tokens*",
    "added_tokens*",
    "*.model",
    "*.tiktoken",
    "chat_template*",
    "*processor_config.json",
    "generation_config.json",
)  # copied beside the new weights when a model is saved
IDENTITY = ("config.json", "*.safetensors.index.json", *COMPANIONS)  # beside the weights, what makes a model what it is
COPY_AGAIN = "copy or download it again"


# ---- found ---------------------------------------------------------------------------------------------------------
def is_directory(model: ModelRef) -> bool:
    """True for a path on this machine, False for a hub id; a path that should exist and does not is a StarError."""
    if os.path.isdir(model.path):
        return True
    if os.path.isabs(model.path) or model.path.startswith(".") or model.path.count("/") > 1:
        raise StarError(f"there is no model directory {model.path}", hint="check the path, or " + REBUILD)
    return False


def local_model(model: ModelRef) -> ModelRef:
    """The same model as a directory on this machine; one of the hub is taken from the local cache or downloaded."""
    if Path(model.path).is_dir():
        return model
    from huggingface_hub import snapshot_download

    path = snapshot_download(
        model.path, revision=model.revision, allow_patterns=["*.json", "*.safetensors", "*.jinja", *COMPANIONS]
    )
    return replace(model, path=str(path), revision=None)


def shard_files(here: Path) -> list[Path]:
    """The safetensors files of a model directory: those its index names, or the only one. StarError without any."""
    index = here / INDEX
    if index.exists():
        content = read_json(index)
        names = (
            sorted(set(content["weight_map"].values())) if isinstance(content, dict) and "weight_map" in content else []
        )
        missing = [name for name in names if not (here / name).is_file()]
        if missing or not names:
            raise StarError(
                f"{index} names {', '.join(missing) or 'no file'}, which is not there",
                hint="copy the missing files, or download the model again",
            )
        return [here / name for name in names]
    if (here / "model.safetensors").is_file():
        return [here / "model.safetensors"]
    pickled = [p.name for pattern in ("pytorch_model*.bin", "*.pt", "*.pth") for p in here.glob(pattern)]
    if pickled:
        raise StarError(
            f"the weights in {here} are pickled ({pickled[0]}), which is not read here",
            hint="convert them: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW)",
        )
    raise StarError(
        f"the model directory {here} has no weights (model.safetensors)",
        hint="save them there with model.save_pretrained(DIR), or " + REBUILD,
    )


# ---- checked -------------------------------------------------------------------------------------------------------
def check_directory(model: ModelRef) -> None:
    """Raise a StarError that says what is missing or damaged in a model directory; a hub id is left to the hub."""
    if is_directory(model):
        here = Path(model.path)
        check_companions(here)
        directory_shapes(here)


def check_companions(here: Path) -> dict[str, Any]:
    """The config.json of a model directory; a StarError where it or the tokenizer is missing or of no use."""
    if (here / "adapter_config.json").exists() and not (here / "config.json").exists():
        raise StarError(
            f"{here} holds a LoRA adapter, not a model",
            hint="merge it into its base first: PeftModel.merge_and_unload(), then save_pretrained(DIR)",
        )
    config = read_json(here / "config.json")
    if not isinstance(config, dict) or not config.get("model_type"):
        raise StarError(f"{here / 'config.json'} names no model_type", hint="give a directory made by save_pretrained")
    if config["model_type"] == "fake":
        raise StarError(
            f"{here} holds a fake model, which only engine=fake can run", hint="set engine=fake, or model=tiny"
        )
    if not any((here / name).exists() for name in TOKENIZERS):
        raise StarError(
            f"the model directory {here} has no tokenizer ({', '.join(TOKENIZERS[:3])})",
            hint="save it beside the weights: tokenizer.save_pretrained(DIR)",
        )
    return config


def read_json(path: Path) -> Any:
    """What a JSON file of a model directory holds; a StarError where it is missing or broken."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StarError(
            f"the model directory {path.parent} has no {path.name}",
            hint="give a directory made by save_pretrained, or " + REBUILD,
        ) from None
    except ValueError as e:
        raise StarError(f"{path} is not valid JSON ({e})", hint=f"{COPY_AGAIN}, or {REBUILD}") from None


class DamagedShard(Exception):
    """A safetensors file that cannot be opened: its size in bytes, and the size its header promises.

    ``promised`` is None where the header itself is broken.
    """

    def __init__(self, path: Path) -> None:
        self.size, self.promised = path.stat().st_size, _promised_bytes(path)
        if self.promised == self.size:
            self.promised = None

    def wrong_size(self, path: Path) -> str:
        """The fault as a sentence's beginning."""
        return f"{path} is damaged: it has {self.size} bytes where its header promises {self.promised}"


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor of one safetensors file, from its header alone. Raises DamagedShard."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as shard:
            return {name: list(shard.get_slice(name).get_shape()) for name in shard.keys()}
    except SafetensorError as e:
        raise DamagedShard(path) from e


def _promised_bytes(path: Path) -> int | None:
    """The length a file's own header asks for: safetensors says that a file is torn, but not by how much."""
    with open(path, "rb") as f:
        length = int.from_bytes(f.read(8), "little")
        try:
            header = json.loads(f.read(min(length, path.stat().st_size)))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        except (ValueError, AttributeError, KeyError, TypeError, IndexError):
            return None
    return 8 + length + max(ends, default=0)


def directory_shapes(here: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor in a model directory; a StarError for a torn or missing file."""
    shapes: dict[str, list[int]] = {}
    for path in shard_files(here):
        try:
            shapes.update(tensor_shapes(path))
        except DamagedShard as e:
            if e.promised is None:
                what = f"{path} is not a safetensors file ({e.size} bytes, its header cannot be read)"
            else:
                what = e.wrong_size(path)
            raise StarError(what, hint=REBUILD) from None
    return shapes


def check_shard(path: Path) -> None:
    """Raise a StarError for a safetensors file brought from outside that is torn or none at all."""
    try:
        tensor_shapes(path)
    except DamagedShard as e:
        if e.promised is None:
            what = f"{path} is not a readable safetensors file (its header is broken)"
        elif e.size < e.promised:
            what = f"{path} is truncated: {e.size} bytes of {e.promised}"
        else:
            what = e.wrong_size(path)
        raise StarError(what, hint=COPY_AGAIN) from None


# ---- hashed and counted --------------------------------------------------------------------------------------------
def content_key(here: Path) -> str:
    """One key for all files of a model directory that matter, by name and content; its place does not enter.

    Raises a StarError for a directory that no engine could load: no configuration, tokenizer or whole weights.
    """
    check_companions(here)
    shards = shard_files(here)
    for shard in shards:
        check_shard(shard)
    files = sorted({p for pattern in IDENTITY for p in here.glob(pattern) if p.is_file()}.union(shards))
    with ThreadPoolExecutor(8) as pool:
        sums = pool.map(lambda p: _sha256(p, p.stat().st_size, p.stat().st_mtime_ns), files)
    return "files:" + key([[p.name, digest] for p, digest in zip(files, sums, strict=True)])


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, changed: int) -> str:
    return file_sha256(path)  # read once a process: a sweep resolves the same model again and again


def weights_sha256(here: Path) -> str:
    """One sha256 over the names and contents of a directory's safetensors files."""
    files = sorted(here.glob("*.safetensors"))
    need(bool(files), f"{here} holds no *.safetensors file", "write the model anew with save_pretrained")
    return hashlib.sha256("".join(f"{p.name} {file_sha256(p)}\n" for p in files).encode()).hexdigest()


def count_parameters(files: Iterable[Path]) -> int:
    """The numbers in all tensors of safetensors files, from their headers alone; a name that recurs counts once."""
    shapes: dict[str, list[int]] = {}
    for path in files:
        shapes |= tensor_shapes(path)
    return sum(math.prod(shape) for shape in shapes.values())


# ---- saved ---------------------------------------------------------------------------------------------------------
def save_model(model: Any, start: Path, out: Path) -> None:
    """Write the model as a plain Hugging Face directory, with the tokenizer of its ``start``, byte for byte."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    for pattern in COMPANIONS:
        for file in start.glob(pattern):
            if file.suffix != ".safetensors":
                shutil.copyfile(file, out / file.name)
