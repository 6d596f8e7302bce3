"""Labels: what a person found right or wrong, to measure a grader by.

{"id": "7", "sample": 0, "label": true}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from star_cli.core.records import Verdict
from star_cli.errors import StarError

Labels = dict[tuple[str, int], bool]  # by id and sample
WORDS = {
    **dict.fromkeys(("true", "right", "correct", "yes", "match", "1"), True),
    **dict.fromkeys(("false", "wrong", "incorrect", "no", "mismatch", "0"), False),
}
EXPECTED = "true or false, 1 or 0, right or wrong, correct or incorrect"


def label_of(value: Any, where: str) -> bool:
    """A label as a truth value. Raises StarError, which names ``where``, for anything that is none."""
    label = WORDS.get(str(value).strip().lower())
    if label is None:
        raise StarError(f"{where}: the label is {str(value)[:60]!r}", hint=f"expected {EXPECTED}")
    return label


def read_labels(path: str) -> Labels:
    """The labels of a file of JSON lines with id (or problem_id), label and, where there are several samples, sample.

    Raises StarError for a line that is none of these, and for two labels of one sample.
    """
    labels: Labels = {}
    try:
        lines = Path(path).expanduser().read_bytes().splitlines()
    except OSError as e:
        raise StarError(
            f"the labels {path} cannot be read: {e.strerror}", hint="give a file of JSON lines with id and label"
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as e:
            raise StarError(f"{where}: not valid JSON: {e}", hint="expected one JSON object a line") from None
        name = row.get("id", row.get("problem_id")) if isinstance(row, dict) else None
        if name is None or "label" not in row:
            held = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            raise StarError(f"{where}: no id and label; it has {held or 'no fields'}", hint=f"a label is {EXPECTED}")
        sample = row.get("sample", 0)
        if not isinstance(sample, int):
            raise StarError(f"{where}: the sample is {str(sample)[:60]!r}, expected a whole number")
        if (str(name), sample) in labels:
            raise StarError(
                f"{where}: the id {name!r} has two labels for sample {sample}", hint="give every sample one label"
            )
        labels[str(name), sample] = label_of(row["label"], where)
    return labels


def as_verdicts(labels: Labels) -> Iterator[Verdict]:
    """Labels in the form of verdicts, to set a grader's verdicts against."""
    for (name, sample), label in labels.items():
        yield Verdict(
            problem_id=name, sample=sample, correct=label, answer=None, reason="MATCH" if label else "MISMATCH"
        )
