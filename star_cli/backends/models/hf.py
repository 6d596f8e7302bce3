"""hf: weights from outside, a directory written by save_pretrained or a model of the Hugging Face hub.

{"path": "Qwen/Qwen2.5-0.5B", "revision": "060db6499f32faf8b98477b0a26969ef7d8b9987"}
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.core.keys import file_sha256, key
from star_cli.errors import StarError
from star_cli.core.parts import Model, need
from star_cli.core.registry import register

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
MATTER = ("config.json", "generation_config.json", "*.safetensors.index.json", "tokenizer*", "vocab*", "merges*",
          "special_tokens*", "added_tokens*", "*.model", "*.tiktoken", "chat_template*", "*processor_config.json")
COMMIT = re.compile(r"[0-9a-f]{40}")
DTYPES = ("auto", "float32", "bfloat16", "float16")


@register("model", "hf")
class HuggingFace(Model):
    """``path`` is a directory, or a hub id such as ``Qwen/Qwen2.5-0.5B`` with a ``revision`` (null: the newest).

    A directory is addressed by the content of its files wherever it lies, a hub model by its name and commit.
    ``chat`` shows the prompt as a user's turn through the tokenizer's chat template (null: where there is one).
    """

    path: str = ""
    revision: str | None = None
    dtype: str = "auto"
    chat: bool | None = None

    def check(self) -> None:
        need(bool(self.path.strip()), "model.path is not given", "set model.path=DIR, or a hub id such as "
             "model.path=Qwen/Qwen2.5-0.5B; model=tiny makes a small model here")
        need(self.dtype in DTYPES, f"model.dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        need(self.revision is None or not self.directory(),
             f"model.revision={self.revision} has no effect on the directory {self.path}", "leave model.revision=null")

    def directory(self) -> Path | None:
        """The local directory that is meant, or None for a hub id; a path that does not exist is a StarError."""
        path = Path(self.path).expanduser()
        if path.is_dir():
            return path.resolve()
        if path.exists():
            raise StarError(f"model.path={self.path} is a file", hint="give the directory it lies in")
        if self.path.startswith((".", "~", "/")) or self.path.count("/") > 1:
            raise StarError(f"there is no model directory {self.path}",
                            hint="check the path; a hub id is written owner/name, for example Qwen/Qwen2.5-0.5B")
        return None

    def resolve(self) -> dict[str, Any]:
        """Where the weights are, {"path", "revision"}, and what they are, "content": equal content, equal weights."""
        self.check()
        here = self.directory()
        if here:
            return {"path": str(here), "revision": None, "content": content_of(here)}
        commit = commit_of(self.path, self.revision)
        return {"path": self.path, "revision": commit, "content": f"hub:{self.path}@{commit}"}


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
        raise StarError(f"{here} holds a LoRA adapter, not a model",
                        hint="merge it into its base first: PeftModel.merge_and_unload(), then save_pretrained(DIR)")
    config = _json(here / "config.json")
    if not isinstance(config, dict) or "model_type" not in config:
        raise StarError(f"{here / 'config.json'} names no model_type", hint="give a directory made by save_pretrained")
    if not any((here / name).exists() for name in TOKENIZERS):
        raise StarError(f"the model directory {here} has no tokenizer ({', '.join(TOKENIZERS[:3])})",
                        hint="save it beside the weights: tokenizer.save_pretrained(DIR)")
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
            raise StarError(f"{index} names {', '.join(lost) or 'no file'}, which is not there",
                            hint="copy the missing files, or download the model again")
        return [here / name for name in names]
    if (here / "model.safetensors").is_file():
        return [here / "model.safetensors"]
    pickled = [p.name for pattern in ("pytorch_model*.bin", "*.pt", "*.pth") for p in here.glob(pattern)]
    if pickled:
        raise StarError(f"the weights in {here} are pickled ({pickled[0]}), which is not read here",
                        hint="convert them: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW)")
    raise StarError(f"the model directory {here} has no weights (model.safetensors)",
                    hint="save them there with model.save_pretrained(DIR)")


def check_shard(path: Path) -> None:
    """Raise StarError unless a safetensors file is as long as its header says."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as f:
            length = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(length)) if length <= size - 8 else None
        ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]  # type: ignore[union-attr]
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        raise StarError(f"{path} is not a readable safetensors file (its header is broken)",
                        hint="copy or download it again") from None
    wanted = 8 + length + max(ends, default=0)
    if size < wanted:
        raise StarError(f"{path} is truncated: {size} bytes of {wanted}", hint="copy or download it again")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StarError(f"the model directory {path.parent} has no {path.name}",
                        hint="give a directory made by save_pretrained") from None
    except ValueError as e:
        raise StarError(f"{path} is not valid JSON ({e})", hint="copy or download it again") from None


# ---- the hub -------------------------------------------------------------------------------------------------------
def commit_of(path: str, revision: str | None) -> str:
    """The commit a revision of a hub model stands for: asked of the hub, else read from the local cache."""
    if revision and COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import model_info, try_to_load_from_cache
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    name = f"{path} at revision {revision}" if revision else path
    try:
        return str(model_info(path, revision=revision, timeout=10).sha)
    except RevisionNotFoundError as e:
        raise StarError(f"the hub has no {name}", hint="name a branch, a tag or a commit of it") from e
    except RepositoryNotFoundError as e:
        raise StarError(f"there is no directory {path}, and the hub shows no model of this name",
                        hint="check model.path; for a private or gated model log in with: hf auth login") from e
    except Exception as e:  # no network, a proxy, offline mode: each library version has errors of its own
        cached = try_to_load_from_cache(path, "config.json", revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        raise StarError(f"there is no directory {path}, the hub cannot be reached ({type(e).__name__}: {_first(e)}), "
                        f"and {name} is not in the local cache",
                        hint=f"set model.path=DIR to a copy on this machine, or fetch it where there is a network: "
                             f"hf download {path}") from e


def _first(e: Exception) -> str:
    return (str(e).splitlines() or [""])[0][:120]
