"""Chains from files: transition tables, ground truths and initial distributions as .npy or .json.

tables.npy    float (N, M, M), as a tabular model has it; every state is its own right successor
chain.json    [[[0.9, 0.1], [0.2, 0.8]]], or {"tables": ..., "truth": [[0, 1]], "initial": [0.5, 0.5]}
start.json    [0.5, 0.5], a distribution over M states (also .npy)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from star_cli.errors import StarError
from star_cli.lib.theory.tables import Floats, Indices, check_initial, check_tables, check_truth

SUFFIXES = (".npy", ".json")


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """Tables (N, M, M), the right successors (N, M) and the distribution of s_0 (M,), None for uniform."""

    tables: Floats
    truth: Indices
    initial: Floats | None


def read_chain(path: Path) -> Chain:
    """The chain of a file. Raises StarError for a file that cannot be read or holds no chain."""
    content = _content(path, "tables")
    parts = content if isinstance(content, dict) else {"tables": content}
    unknown = sorted(set(parts) - {"tables", "truth", "initial"})
    if unknown or "tables" not in parts:
        raise StarError(
            f"{path} holds {', '.join(map(repr, unknown)) or 'no tables'}, expected tables and, where wanted, truth "
            "and initial",
            hint='write {"tables": [[[0.9, 0.1], [0.2, 0.8]]]}, or the list alone',
        )
    try:
        tables = check_tables(_array(path, "tables", parts["tables"]))
        steps, states, _ = tables.shape
        truth = np.tile(np.arange(states), (steps, 1)) if parts.get("truth") is None else np.asarray(parts["truth"])
        initial = parts.get("initial")
        return Chain(
            tables=tables,
            truth=check_truth(truth, steps, states),
            initial=None if initial is None else check_initial(_array(path, "initial", initial), states),
        )
    except ValueError as e:
        raise StarError(f"{path}: {e}", hint="every table needs M rows of M numbers") from None
    except StarError as e:
        raise StarError(f"{path}: {e.what}", hint=e.hint) from None


def read_initial(text: str, states: int) -> Floats:
    """The distribution of s_0 over ``states``: numbers with commas between, or a .npy or .json file.

    Raises StarError where it is neither, or no distribution over that many states.
    """
    if Path(text).suffix in SUFFIXES:
        values = _array(Path(text), "an initial distribution", _content(Path(text), "an initial distribution"))
    else:
        try:
            values = np.array([float(part) for part in text.split(",")])
        except ValueError:
            raise StarError(
                f"--initial must be numbers with commas between or a .npy or .json file, got {text!r}",
                hint="for example --states 4 --initial 0.4,0.2,0.2,0.2",
            ) from None
    return check_initial(values, states)


def _content(path: Path, what: str) -> Any:
    """The list, dict or array in a file."""
    if path.suffix not in SUFFIXES:
        raise StarError(f"{what} must be in a .npy or .json file, got {path.name!r}", hint="see docs/theory.md")
    try:
        return np.load(path) if path.suffix == ".npy" else json.loads(path.read_bytes())
    except OSError as e:
        raise StarError(f"{path} cannot be read: {e.strerror or e}", hint="give the path of a file") from None
    except (ValueError, EOFError):
        raise StarError(f"{path} is no valid {path.suffix} file", hint=f"{what} are plain numbers there") from None


def _array(path: Path, what: str, value: Any) -> Floats:
    """Numbers as an array; ragged lists and words are a StarError."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError):
        raise StarError(
            f"{path}: {what} must be numbers in rows of equal length", hint="every table needs M rows of M numbers"
        ) from None
