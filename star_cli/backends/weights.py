"""What engines with real weights share: a model directory checked before it is loaded, its tokenizer, its text."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.backends.vision import Eyes, blind
from star_cli.core.keys import file_sha256, key
from star_cli.core.parts import ModelRef, Prompt
from star_cli.errors import StarError

VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache", "pad_token_id")
BUILD = "train or fetch the model again (star verify finds damaged artifacts)"


def is_directory(model: ModelRef) -> bool:
    """True for a path on this machine, False for a hub id; a path that should exist and does not is a StarError."""
    if os.path.isdir(model.path):
        return True
    if os.path.isabs(model.path) or model.path.startswith(".") or model.path.count("/") > 1:
        raise StarError(f"there is no model directory {model.path}", hint="check the path, or " + BUILD)
    return False


def check_directory(model: ModelRef) -> None:
    """Raise a StarError that says what is missing or damaged in a model directory; a hub id is left to the hub."""
    if not is_directory(model):
        return
    here = Path(model.path)
    read_config(here)
    if not any((here / name).exists() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")):
        raise StarError(
            f"the model directory {here} has no tokenizer (tokenizer.json, tokenizer.model or vocab.json)",
            hint="save the tokenizer beside the weights: tokenizer.save_pretrained(directory)",
        )
    if not any(here.glob("*.bin")):
        shapes(here)


def read_config(here: Path) -> dict[str, Any]:
    """The config.json of a model directory."""
    path = here / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StarError(
            f"the model directory {here} has no config.json",
            hint="point to a directory written by save_pretrained, or " + BUILD,
        ) from None
    except ValueError as e:
        raise StarError(f"{path} is not valid JSON ({e})", hint=BUILD) from None
    if not isinstance(config, dict) or not config.get("model_type"):
        raise StarError(f"{path} names no model_type", hint="point to a directory written by save_pretrained")
    if config["model_type"] == "fake":
        raise StarError(
            f"{here} holds a fake model, which only engine=fake can run", hint="set engine=fake, or model=tiny"
        )
    return config


def shapes(here: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor in a directory's safetensors files; a torn or missing file is a StarError."""
    files = sorted(here.glob("*.safetensors"))
    index = here / "model.safetensors.index.json"
    if index.exists():
        files = [here / name for name in sorted(set(json.loads(index.read_bytes())["weight_map"].values()))]
    if not files:
        raise StarError(
            f"the model directory {here} has no weights (model.safetensors)",
            hint="save them with model.save_pretrained(directory), or " + BUILD,
        )
    found: dict[str, list[int]] = {}
    for path in files:
        found.update(_header(path))
    return found


def _header(path: Path) -> dict[str, list[int]]:
    """The header of one safetensors file: 8 bytes of length, JSON, then the data it promises."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as f:
            length = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(length)) if 0 < length <= size - 8 else None
    except FileNotFoundError:
        raise StarError(f"the weights file {path} is missing", hint=BUILD) from None
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise StarError(f"{path} is not a safetensors file ({size} bytes, its header cannot be read)", hint=BUILD)
    tensors = {name: t for name, t in header.items() if name != "__metadata__"}
    promised = 8 + length + max((t["data_offsets"][1] for t in tensors.values()), default=0)
    if size != promised:
        raise StarError(f"{path} is damaged: it has {size} bytes where its header promises {promised}", hint=BUILD)
    return {name: t["shape"] for name, t in tensors.items()}


def mark(model: ModelRef, tokenizer: Any) -> dict[str, Any] | None:
    """What must be equal before weights may be swapped: config, tensor shapes, tokenizer. None: cannot be told."""
    if not is_directory(model) or not any(Path(model.path).glob("*.safetensors")):
        return None
    config = {k: v for k, v in read_config(Path(model.path)).items() if k not in VOLATILE}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_padding()  # a trainer may have left these two in the file; encoding sets them anew each time
        backend.no_truncation()
    rules = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    return {
        "config": config,
        "shapes": shapes(Path(model.path)),
        "eos": stop_ids(model, tokenizer),
        "tokenizer": hashlib.sha256(rules.encode()).hexdigest(),
        "class": type(tokenizer).__name__,
        "template": getattr(tokenizer, "chat_template", None),
        "chat": model.chat,
    }


def load_tokenizer(model: ModelRef) -> Any:
    """The tokenizer of a model; a StarError where it cannot be read or has no end-of-text token."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model.path, revision=model.revision)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise StarError(f"the tokenizer of {model.path} cannot be loaded: {gist(e)}", hint=BUILD) from e
    if tokenizer.eos_token_id is None:
        raise StarError(
            f"the tokenizer of {model.path} has no end-of-text token (eos_token)",
            hint="set tokenizer.eos_token and save it again",
        )
    return tokenizer


def stop_ids(model: ModelRef, tokenizer: Any) -> list[int]:
    """The token ids that end a text: the tokenizer's eos and those of generation_config.json (chat models: more)."""
    from transformers import GenerationConfig

    ids = {tokenizer.eos_token_id}
    try:
        more = GenerationConfig.from_pretrained(model.path, revision=model.revision).eos_token_id
    except OSError:
        more = None
    ids.update([more] if isinstance(more, int) else more or [])
    return sorted(ids)


def config_of(model: ModelRef) -> Any:
    """The configuration transformers makes of a model; a StarError where it knows no such model."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model.path, revision=model.revision)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise StarError(
            f"the config.json of {model.path} cannot be used: {gist(e)}",
            hint="check model.path and the installed version of transformers, or " + BUILD,
        ) from e


def saved_dtype(model: ModelRef) -> str:
    """The precision the weights were saved in, as config.json says; float32 where it says nothing."""
    return str(getattr(config_of(model), "dtype", None) or "float32").removeprefix("torch.")


def gist(error: BaseException) -> str:
    """The type and the first two lines of another library's error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()][:2]
    return f"{type(error).__name__}: {' '.join(lines)[:400] or 'no message'}"


def context(model: ModelRef, wanted: int | None) -> int | None:
    """How many tokens a model can read at once: ``wanted``, if that is not too many, else what its config says."""
    most = getattr(config_of(model).get_text_config(), "max_position_embeddings", None)
    if wanted and most and wanted > most:
        raise StarError(
            f"runtime.max_model_len={wanted} is more than the {most} tokens {model.path} can read",
            hint=f"set runtime.max_model_len to at most {most}, or leave it out",
        )
    return wanted or most


class Codec:
    """Text to token ids and back, the same for every engine and for the trainer.

    A text is decoded from its own ids alone, without the end token, so that the trainer's encoding of it gives the ids
    that were sampled; a stop string and what follows it is not part of it.
    """

    def __init__(self, model: ModelRef, tokenizer: Any, limit: int, eyes: Eyes | None = None) -> None:
        self.model, self.tokenizer, self.limit, self.eyes = model, tokenizer, limit, eyes
        self.stops = stop_ids(model, tokenizer)
        self._last: tuple[Prompt, list[int], int] = (Prompt(""), [], 0)

    def prompt(self, prompt: Prompt, where: str, room: int) -> list[int]:
        """The ids of a prompt with ``room`` tokens left behind it, or a StarError with ``where`` and the numbers.

        A picture is one placeholder here; ``extra`` says how many tokens more it becomes.
        """
        if prompt != self._last[0] or not self._last[1]:
            self._last = (prompt, *self._encoded(prompt, where))
        _, ids, extra = self._last
        if not ids:
            raise StarError(f"the prompt of {where} has no tokens", hint="the task must ask the model something")
        if len(ids) + extra + room > self.limit:
            raise StarError(
                f"the prompt of {where} has {len(ids) + extra} tokens; with the {room} to be written that is more "
                f"than the context of {self.limit}",
                hint="lower sampling.max_tokens, shorten the prompt, or raise runtime.max_model_len if the "
                "model can read more",
            )
        return ids

    def _encoded(self, prompt: Prompt, where: str) -> tuple[list[int], int]:
        if self.eyes is None:
            if prompt.images:
                raise blind(self.model.path, where, len(prompt.images))
            return self.model.encode(self.tokenizer, prompt.text), 0
        self.eyes.check(prompt, where)
        return self.eyes.ids(prompt), self.eyes.extra(prompt)

    @property
    def extra(self) -> int:
        """How many tokens the pictures of the last prompt add to its ids."""
        return self._last[2]

    def completion(self, text: str) -> list[int]:
        """The ids the trainer learns for a completion: its own encoding and the end of text."""
        if self.eyes is not None:
            return [*self.eyes.plain(text), self.tokenizer.eos_token_id]
        return [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]

    def text(self, ids: Sequence[int], stop: Iterable[str]) -> tuple[str, bool]:
        """The text of sampled ids up to the first stop string, and whether there was one."""
        ids = ids[:-1] if ids and ids[-1] in self.stops else ids
        text = str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        ends = [at for at in (text.find(s) for s in stop) if at >= 0]
        return (text[: min(ends)], True) if ends else (text, False)


def count(files: Iterable[Path]) -> int:
    """The numbers in all tensors of safetensors files, from their headers alone."""
    shapes: dict[str, list[int]] = {}
    for path in files:
        with open(path, "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        shapes |= {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}
    return sum(math.prod(shape) for shape in shapes.values())


TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


MATTER = (
    "config.json",
    "generation_config.json",
    "*.safetensors.index.json",
    "tokenizer*",
    "vocab*",
    "merges*",
    "special_tokens*",
    "added_tokens*",
    "*.model",
    "*.tiktoken",
    "chat_template*",
    "*processor_config.json",
)


# ---- a directory ---------------------------------------------------------------------------------------------------
def content_of(here: Path) -> str:
    """One key for all files of a model directory that matter, by name and content; its place does not enter.

    Raises StarError for a directory that no engine could load: no configuration, tokenizer or whole weights.
    """
    files = checked(here)
    with ThreadPoolExecutor(8) as pool:
        sums = pool.map(lambda p: _sum(p, p.stat().st_size, p.stat().st_mtime_ns), files)
    return "files:" + key([[p.name, digest] for p, digest in zip(files, sums, strict=True)])


@lru_cache(maxsize=1024)
def _sum(path: Path, size: int, changed: int) -> str:
    return file_sha256(path)  # read once a process: a sweep resolves the same model again and again


def checked(here: Path) -> list[Path]:
    """The files of a model directory that matter, sorted by name, after a look at each."""
    if (here / "adapter_config.json").exists() and not (here / "config.json").exists():
        raise StarError(
            f"{here} holds a LoRA adapter, not a model",
            hint="merge it into its base first: PeftModel.merge_and_unload(), then save_pretrained(DIR)",
        )
    config = _json(here / "config.json")
    if not isinstance(config, dict) or "model_type" not in config:
        raise StarError(f"{here / 'config.json'} names no model_type", hint="give a directory made by save_pretrained")
    if not any((here / name).exists() for name in TOKENIZERS):
        raise StarError(
            f"the model directory {here} has no tokenizer ({', '.join(TOKENIZERS[:3])})",
            hint="save it beside the weights: tokenizer.save_pretrained(DIR)",
        )
    shards = weights(here)
    for shard in shards:
        check_shard(shard)
    found = {p for pattern in MATTER for p in here.glob(pattern) if p.is_file()}
    return sorted(found.union(shards))


def weights(here: Path) -> list[Path]:
    """The safetensors files of a model directory: those its index names, or the only one."""
    index = here / "model.safetensors.index.json"
    if index.exists():
        named = _json(index)
        names = sorted(set(named["weight_map"].values())) if isinstance(named, dict) and "weight_map" in named else []
        lost = [name for name in names if not (here / name).is_file()]
        if lost or not names:
            raise StarError(
                f"{index} names {', '.join(lost) or 'no file'}, which is not there",
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
        hint="save them there with model.save_pretrained(DIR)",
    )


def check_shard(path: Path) -> None:
    """Raise StarError unless a safetensors file is as long as its header says."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as f:
            length = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(length)) if length <= size - 8 else None
        ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]  # type: ignore[union-attr]
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        raise StarError(
            f"{path} is not a readable safetensors file (its header is broken)", hint="copy or download it again"
        ) from None
    wanted = 8 + length + max(ends, default=0)
    if size < wanted:
        raise StarError(f"{path} is truncated: {size} bytes of {wanted}", hint="copy or download it again")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StarError(
            f"the model directory {path.parent} has no {path.name}", hint="give a directory made by save_pretrained"
        ) from None
    except ValueError as e:
        raise StarError(f"{path} is not valid JSON ({e})", hint="copy or download it again") from None
