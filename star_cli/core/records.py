"""The records of JSONL files: one class a schema, strict reading and writing.

A line is one record; a field that is unknown, missing or of the wrong type is an error that names file and line.
Every file is plain JSON lines: ``datasets.load_dataset("json")``, DuckDB and jq read it as it is. Here are the records
that several methods share; a method's own ones live with it. Wherever a class stands, its schema names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from star_cli.errors import StarError, need

_kinds: dict[str, type[Record]] = {}  # by schema


def _declare(kind: type[Record]) -> None:
    """Take note of a kind of record when its class is made; refuses what could not be read again."""
    if "schema" not in kind.__dict__:
        need(
            not kind.schema,
            f"the record {kind.__name__} has the schema {kind.schema!r} of the class that it extends",
            f'give it one of its own: schema = "{kind.__name__.lower()}/1"',
        )
        return
    need(
        re.fullmatch(r"[a-z][a-z0-9_]*/\d+", kind.schema) is not None,
        f"schema={kind.schema!r} of the record {kind.__name__} is no name with a version",
        f'for example schema = "{kind.__name__.lower()}/1"',
    )
    need(
        re.fullmatch(r"[\w-]+\.jsonl", kind.file) is not None and bool(kind.unique),
        f"the record {kind.__name__} does not say where its lines live and what tells them apart",
        f'for example file = "{kind.__name__.lower()}s.jsonl" and unique = ("problem_id",)',
    )
    other = _kinds.get(kind.schema)
    if other is not None and (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise StarError(
            f"two records have the schema {kind.schema!r}: {other.__module__}.{other.__qualname__} and "
            f"{kind.__module__}.{kind.__qualname__}",
            hint="give one of them another name",
        )
    for schema in (kind.schema, *kind.older):
        _kinds[schema] = kind


def kind_of(schema: str) -> type[Record] | None:
    """The class of records that a manifest names; None for one of a plug-in that is not loaded."""
    return _kinds.get(schema)


def kinds() -> list[type[Record]]:
    """Every kind of record whose class was imported so far, by schema."""
    return [_kinds[schema] for schema in sorted(_kinds) if _kinds[schema].schema == schema]


class Record(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A line of a JSONL file. ``schema`` is its versioned name, ``file`` where it lives in an artifact, ``unique`` the
    fields that tell one line from another. A subclass that changes its fields takes the next version; ``older`` are
    those whose lines it still reads (its new fields have defaults).
    """

    schema: ClassVar[str] = ""
    older: ClassVar[tuple[str, ...]] = ()
    file: ClassVar[str] = ""
    unique: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _declare(cls)

    def identity(self) -> tuple[Any, ...]:
        """What must not occur twice in one file."""
        return tuple(getattr(self, name) for name in self.unique)


class Problem(Record, kw_only=True, frozen=True):
    """A question with its known answer. ``meta`` holds what a task needs beside (database, tests, digits)."""

    schema = "problem/1"
    file = "problems.jsonl"
    unique = ("id",)
    id: str
    question: str
    answer: str
    choices: list[str] | None = None
    images: list[str] = []
    meta: dict[str, Any] = {}


class Rationale(Record, kw_only=True, frozen=True):
    """What the model wrote for one sample of a problem, right or wrong.

    ``finish`` is "stop" (the model ended it) or "length" (it ran out of tokens); ``logprob`` is the sum over the
    completion's tokens in nats, rounded to 4 digits; ``prompt_key`` addresses the exact prompt the model saw.
    """

    schema = "rationale/1"
    file = "rationales.jsonl"
    unique = ("problem_id", "sample")
    problem_id: str
    sample: int
    text: str
    hinted: bool
    finish: str
    tokens: int
    logprob: float | None
    seed: int
    prompt_key: str


class Verdict(Record, kw_only=True, frozen=True):
    """A grader's judgement of one sample.

    ``answer`` are the words it read the answer from; ``answer_class`` is one text for all spellings of an answer of
    this problem, which votes and counts of distinct answers go by (None: nothing was read, or the grader has no such
    form).
    ``wrong_steps`` counts wrong steps where the task knows the true ones.
    """

    schema = "verdict/2"
    older = ("verdict/1",)
    file = "verdicts.jsonl"
    unique = ("problem_id", "sample")
    problem_id: str
    sample: int
    correct: bool
    answer: str | None
    reason: str
    wrong_steps: int | None = None
    answer_class: str | None = None


NO_VOTE = ("NO_ANSWER", "TIMEOUT", "GRADER_ERROR")  # reasons of a verdict that names no answer
REASONS = ("MATCH", "MISMATCH", "NO_ANSWER", "TRUNCATED", "RUN_ON", "TIMEOUT", "GRADER_ERROR")


class Example(Record, kw_only=True, frozen=True):
    """All a trainer sees of one kept rationale; ``origin`` is gold, own, rationalized, negative, lesson or outside.

    ``round`` is the round it was written in and ``generator`` the key of the model that wrote it ("" where none did);
    ``images`` are the pictures of its problem, as the problem names them.
    """

    schema = "example/1"
    file = "examples.jsonl"
    unique = ("problem_id", "sample", "origin", "round")
    problem_id: str
    sample: int
    prompt: str
    completion: str
    origin: str
    round: int = 0
    generator: str = ""
    images: list[str] = []


class Labelled(Record, kw_only=True, frozen=True):
    """One solution with its verdict, for a verifier: which round's generator wrote it, and the text it is judged by.

    ``origin`` is own, rationalized or gold; ``generator`` is the key of the model that wrote it ("" for gold). One that
    ran out of tokens is not ``ended``: a verifier reads it without an end of text.
    """

    schema = "labelled/2"
    older = ("labelled/1",)
    file = "labelled.jsonl"
    unique = ("problem_id", "round", "sample", "origin")
    problem_id: str
    round: int
    sample: int
    prompt: str
    completion: str
    correct: bool
    origin: str
    generator: str
    ended: bool = True


class Stepped(Record, kw_only=True, frozen=True):
    """One solution whose steps are labelled, for a process verifier.

    Step i ends before character ``ends[i]`` of ``completion``; ``shares[i]`` is the share of the completions from
    there whose answer was right, for the last step 1 or 0 by the verdict on the solution itself.
    """

    schema = "stepped/1"
    file = "stepped.jsonl"
    unique = ("problem_id", "round", "sample", "origin")
    problem_id: str
    round: int
    sample: int
    origin: str
    prompt: str
    completion: str
    ends: list[int]
    shares: list[float]
    ended: bool = True


class Pair(Record, kw_only=True, frozen=True):
    """A right and a wrong solution of one problem, for preference training.

    A solution that ran out of tokens is not ``..._ended``: it is read without an end of text.
    """

    schema = "pair/2"
    older = ("pair/1",)
    file = "pairs.jsonl"
    unique = ("problem_id", "chosen", "rejected", "chosen_ended", "rejected_ended")
    problem_id: str
    prompt: str
    chosen: str
    rejected: str
    chosen_ended: bool = True
    rejected_ended: bool = True


class Score(Record, kw_only=True, frozen=True):
    """A verifier's opinion of one sample."""

    schema = "score/1"
    file = "scores.jsonl"
    unique = ("problem_id", "sample", "verifier")
    problem_id: str
    sample: int
    score: float
    verifier: str


class Metric(Record, kw_only=True, frozen=True):
    """A measured number with its 95 % interval; ``n`` is how many problems it rests on."""

    schema = "metric/1"
    file = "metrics.jsonl"
    unique = ("name", "round")
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    round: int


R = TypeVar("R", bound=Record)

_encoder = msgspec.json.Encoder()
_decoders: dict[type[Record], msgspec.json.Decoder[Any]] = {}


def encode(record: Record) -> bytes:
    """The record as one line with its newline."""
    return _encoder.encode(record) + b"\n"


def decode(line: bytes, kind: type[R], where: str) -> R:
    """One line as a record, or a StarError that names ``where`` and what is wrong with it."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        record: R = decoder.decode(line)
    except msgspec.ValidationError as e:
        raise StarError(
            f"{where}: not a {kind.schema} record: {e}", hint=f"expected fields: {field_list(kind)}"
        ) from None
    except RecursionError:
        raise StarError(f"{where}: nested too deeply", hint="mend or remove this line") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        text = line[:60].decode("utf-8", "replace").rstrip()
        raise StarError(f"{where}: not valid JSON ({e}): {text!r}", hint="mend or remove this line") from None
    return record


def field_list(kind: type[Record]) -> str:
    """The names of a record's fields, for messages."""
    return ", ".join(kind.__struct_fields__)


def read_records(path: Path, kind: type[R], *, name: str | None = None) -> Iterator[R]:
    """Every record of a file, in order. A torn, unknown or repeated line is an error with file and line number."""
    shown = name or str(path)
    seen: set[int] = set()
    try:
        f = open(path, "rb")
    except FileNotFoundError:
        raise StarError(f"{shown} does not exist; expected a JSONL file of {kind.schema} records") from None
    with f:
        for number, line in enumerate(f, 1):
            where = f"{shown}:{number}"
            if not line.endswith(b"\n"):
                raise StarError(
                    f"{where}: the last line is torn (no newline at its end)",
                    hint="remove the last line, or restore the file it was copied from",
                )
            record = decode(line, kind, where)
            mark = hash(record.identity())
            if mark in seen:
                raise StarError(
                    f"{where}: {kind.schema} {record.identity()} occurs twice in this file",
                    hint="each line needs its own " + " + ".join(kind.unique),
                )
            seen.add(mark)
            yield record
