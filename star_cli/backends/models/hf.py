"""hf: weights from outside, a directory written by save_pretrained or a model of the Hugging Face hub.

{"path": "Qwen/Qwen2.5-0.5B", "revision": "060db6499f32faf8b98477b0a26969ef7d8b9987"}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from star_cli.backends.model_config import DTYPES
from star_cli.backends.weights import content_key
from star_cli.core.parts import Model
from star_cli.core.registry import register
from star_cli.errors import StarError, need

COMMIT = re.compile(r"[0-9a-f]{40}")


@register("model", "hf")
class HuggingFace(Model):
    """``path`` is a directory, or a hub id such as ``Qwen/Qwen2.5-0.5B`` with a ``revision`` (null: the newest).

    A directory is addressed by the content of its files wherever it lies, a hub model by its name and commit.
    ``chat`` shows the prompt as a user's turn through the tokenizer's chat template (null: where there is one).
    ``reasoning`` are the tokens around a thought, as ["<think>", "</think>"] (null: as the chat template or the
    tokenizer has them, where star knows these).
    """

    path: str = ""
    revision: str | None = None
    dtype: str = "auto"
    chat: bool | None = None
    reasoning: list[str] | None = None

    def check(self) -> None:
        need(
            bool(self.path.strip()),
            "model.path is not given",
            "set model.path=DIR, or a hub id such as model.path=Qwen/Qwen2.5-0.5B; model=tiny makes a small model here",
        )
        need(self.dtype in DTYPES, f"model.dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        tokens = self.reasoning
        need(
            tokens is None or (len(tokens) == 2 and all(len(token.split()) == 1 for token in tokens)),
            f"model.reasoning must be two tokens without spaces, got {tokens}",
            'for example model.reasoning=["<think>","</think>"]',
        )
        need(
            self.revision is None or not self.directory(),
            f"model.revision={self.revision} has no effect on the directory {self.path}",
            "leave model.revision=null",
        )

    def directory(self) -> Path | None:
        """The local directory that is meant, or None for a hub id; a path that does not exist is a StarError."""
        path = Path(self.path).expanduser()
        if path.is_dir():
            return path.resolve()
        if path.exists():
            raise StarError(f"model.path={self.path} is a file", hint="give the directory it lies in")
        if self.path.startswith((".", "~", "/")) or self.path.count("/") > 1:
            raise StarError(
                f"there is no model directory {self.path}",
                hint="check the path; a hub id is written owner/name, for example Qwen/Qwen2.5-0.5B",
            )
        return None

    def resolve(self) -> dict[str, Any]:
        """Where the weights are, {"path", "revision"}, and what they are, "content": equal content, equal weights."""
        self.check()
        here = self.directory()
        if here:
            return {"path": str(here), "revision": None, "content": content_key(here)}
        commit = commit_of(self.path, self.revision)
        return {"path": self.path, "revision": commit, "content": f"hub:{self.path}@{commit}"}


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
        raise StarError(
            f"there is no directory {path}, and the hub shows no model of this name",
            hint="check model.path; for a private or gated model log in with: hf auth login",
        ) from e
    except Exception as e:  # no network, a proxy, offline mode: each library version has errors of its own
        cached = try_to_load_from_cache(path, "config.json", revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        raise StarError(
            f"there is no directory {path}, the hub cannot be reached ({type(e).__name__}: {_first(e)}), "
            f"and {name} is not in the local cache",
            hint=f"set model.path=DIR to a copy on this machine, or fetch it where there is a network: "
            f"hf download {path}",
        ) from e


def _first(e: Exception) -> str:
    return (str(e).splitlines() or [""])[0][:120]
