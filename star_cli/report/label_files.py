"""What a person found of samples, beside the run: one JSON line a sample, as `star agree --labels` reads it.

runs/demo/labels/round-1-evaluate-200573cf.jsonl
{"id": "7", "sample": 0, "label": "right", "reason": "MISMATCH", "answer": "1,000", "note": "a thousands comma",
 "rationales": "200573cf...", "time": "2026-11-21T18:25:26+0000"}

``label`` says whether the text's answer is right, whatever the grader says. The file's name ends in the beginning of
the key of the rationales, so that labels of other texts under the same name are never mixed up with these.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from star_cli.errors import StarError
from star_cli.store.durable import make_directory, write_bytes, writing
from star_cli.store.ledger import now
from star_cli.store.runs import Run, named

FOLDER = "labels"


class Label(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A person's judgement of one sample, and what the grader had said of it (``reason`` "" where nothing)."""

    id: str
    sample: int
    label: Literal["right", "wrong"]
    reason: str = ""
    answer: str | None = None
    note: str = ""
    rationales: str = ""
    time: str = ""

    @property
    def right(self) -> bool:
        """Whether the person finds the sample right."""
        return self.label == "right"

    @property
    def disputes(self) -> bool:
        """Whether it contradicts the grader's verdict; a grader that failed said neither."""
        return self.reason not in ("", "GRADER_ERROR") and self.right != (self.reason == "MATCH")


class LabelFile:
    """The labels of the samples of one stage of a run."""

    def __init__(self, run: Run, place: str, rationales: str) -> None:
        self.path = run.path / FOLDER / f"{place.replace('/', '-')}-{rationales[:8]}.jsonl"
        self.rationales = rationales

    def read(self) -> dict[tuple[str, int], Label]:
        """The labels by (problem, sample); a line that is none is a StarError with its number."""
        return {(label.id, label.sample): label for label in _read(self.path)}

    def put(self, label: Label) -> None:
        """Add a label, in place of an earlier one of the same sample."""
        stamped = msgspec.structs.replace(label, rationales=self.rationales, time=now())
        with self._changing() as labels:
            labels[label.id, label.sample] = stamped

    def remove(self, problem: str, sample: int) -> None:
        """Take a label back; nothing where there is none."""
        with self._changing() as labels:
            labels.pop((problem, sample), None)

    @contextmanager
    def _changing(self) -> Iterator[dict[tuple[str, int], Label]]:
        """The labels to be changed; two pages that do so at once wait for each other, and the file is never half."""
        with writing(str(self.path)):
            make_directory(self.path.parent)
            with open(self.path.parent / ".lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                labels = self.read()
                yield labels
                lines = (
                    json.dumps(msgspec.to_builtins(label), ensure_ascii=False).encode() + b"\n"
                    for label in labels.values()
                )
                write_bytes(self.path, b"".join(lines))


def labels_of(run: Run) -> list[tuple[Path, list[Label]]]:
    """Every file of labels of a run, with what it holds. A damaged one is a StarError."""
    return [(path, list(_read(path))) for path in named(run.path / FOLDER, "*.jsonl")]


def _read(path: Path) -> Iterator[Label]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as e:
        raise StarError(f"the labels {path} cannot be read: {e.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield msgspec.json.decode(line, type=Label)
        except (msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise StarError(f"{path}:{number}: not a label: {e}", hint="mend or remove this line") from None
