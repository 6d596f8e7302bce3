"""What `star show` prints of one artifact: sample rationales, or the facts of its manifest and its first rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from star_cli.analysis.made_by import task_of
from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict, kind_of
from star_cli.report.samples import PickedSamples, Sample, SampleFilter, pick_samples, prompt_of
from star_cli.report.sql import execution, is_sql
from star_cli.report.tables import facts_of
from star_cli.report.text import clean, one_line
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.manifest import FileEntry
from star_cli.store.runs import Run

COLOUR = {"right": "green", "wrong": "red", "undecided": "yellow", "not graded": "yellow"}
CHANGED_PROMPT = "  this is not what the model saw: the task makes another prompt today than it did then"


@dataclass(frozen=True)
class ShownPrompt:
    """A prompt to print, the pictures in it, and whether it is proved to be what the model saw."""

    text: str
    images: tuple[str, ...]
    proved: bool


@dataclass(frozen=True)
class RationalesView:
    """``n`` of the rationales that pass the filter, of the artifact ``name``, which lies in ``run`` or in none."""

    store: Store
    artifact: Artifact
    name: str
    run: Run | None
    filter: SampleFilter
    n: int
    with_prompts: bool

    def pick(self) -> PickedSamples:
        """The samples to show."""
        keys = [e.key for e in self.run.events()] if self.run else []
        return pick_samples(
            self.store, self.artifact, self.filter, self.n, preferred=keys, settings=self._task_settings()
        )

    def _task_settings(self) -> dict[str, Any]:
        return self.run.info.task_settings if self.run else {}

    def prompts(self, picked: PickedSamples) -> list[ShownPrompt]:
        """The prompt of each sample; nothing where prompts are not asked for."""
        if not self.with_prompts:
            return []
        task = task_of(picked.rationales, self._task_settings())
        made = [prompt_of(sample, task) for sample in picked.samples]
        return [ShownPrompt(prompt.text, prompt.images, proved) for prompt, proved in made]

    def as_json(self) -> dict[str, Any]:
        """The samples with what they are of."""
        picked = self.pick()
        rows = [sample.as_json() for sample in picked.samples]
        for row, prompt in zip(rows, self.prompts(picked), strict=False):
            row.update(prompt=prompt.text, images=list(prompt.images), prompt_proved=prompt.proved)
        return {
            "key": self.artifact.key,
            "stage": self.artifact.stage,
            "rationales": picked.rationales.key,
            "verdicts": picked.verdicts.key if picked.verdicts else None,
            "total": picked.total,
            "matching": picked.matching,
            "samples": rows,
            **({"rows": own} if (own := own_rows(self.artifact, self.n)) else {}),
        }

    def print(self, out: Console) -> None:
        """The samples one after the other."""
        picked = self.pick()
        count = f"{len(picked.samples)} of {picked.matching:,} {self.filter}"
        in_all = f" ({picked.total:,} in all)" if picked.matching != picked.total else ""
        out.print(Text(f"{self.name}: {count}{in_all}", style="bold"))
        if self.filter.hinted and not picked.matching:
            out.print("hinted rationales are in the stages rationalize and filter-rationalized")
        prompts = self.prompts(picked)
        for sample, prompt in zip_longest(picked.samples, prompts):
            _print_sample(sample, prompt, out)
        _print_rows(own_rows(self.artifact, self.n), self.artifact, out)


@dataclass(frozen=True)
class FactsView:
    """What the manifest of an artifact says, and the first ``n`` records of each of its files."""

    artifact: Artifact
    name: str
    n: int

    def as_json(self) -> dict[str, Any]:
        """The facts, the settings (``tag``) and the rows."""
        manifest = self.artifact.manifest
        return {
            "key": self.artifact.key,
            "stage": manifest.stage,
            "path": str(self.artifact.path),
            "created": manifest.created,
            "seconds": manifest.seconds,
            "inputs": manifest.inputs,
            "metrics": manifest.metrics,
            "tag": manifest.tag,
            "files": msgspec.to_builtins(manifest.files),
            "rows": self._rows(),
        }

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        """The first records of each file of records."""
        files = self.artifact.manifest.files
        return {name: first_rows(self.artifact, name, self.n) for name in sorted(files) if files[name].schema}

    def print(self, out: Console) -> None:
        """The same for people."""
        manifest = self.artifact.manifest
        out.print(Text(f"{self.name}: {manifest.stage} artifact {manifest.key}", style="bold"))
        lines = [
            ("path", str(self.artifact.path)),
            ("made", f"{manifest.created}, in {manifest.seconds} s"),
            ("settings", settings_text(manifest.tag)),
            ("inputs", ", ".join(f"{role} {key[:12]}" for role, key in manifest.inputs.items()) or "none"),
            ("numbers", facts_of(manifest.metrics)),
            ("files", ", ".join(f"{name} ({_size(entry)})" for name, entry in manifest.files.items())),
        ]
        for name, text in lines:
            out.print(Text(f"{name:<9} {one_line(text)}"))
        _print_rows(self._rows(), self.artifact, out)


SAMPLED = {kind.schema for kind in (Problem, Rationale, Verdict, Example, Metric)}  # what samples show, and tables


def own_rows(artifact: Artifact, n: int) -> dict[str, list[dict[str, Any]]]:
    """The first ``n`` records of the files that only this kind of stage writes, such as votes or peeks, by file."""
    files = artifact.manifest.files
    own = [name for name in sorted(files) if files[name].schema not in {None, *SAMPLED}]
    return {name: first_rows(artifact, name, n) for name in own}


def _print_rows(files: dict[str, list[dict[str, Any]]], artifact: Artifact, out: Console) -> None:
    for file, rows in files.items():
        total = artifact.manifest.files[file].rows or len(rows)
        out.print(Text(f"\n{file}, the first {len(rows)} of {total:,}:"))
        for row in rows:
            out.print(Text("  " + one_line(json.dumps(row, ensure_ascii=False), 240)))


def first_rows(artifact: Artifact, name: str, n: int) -> list[dict[str, Any]]:
    """The first ``n`` records of a file with all their fields; as they were written where their class is not loaded."""
    kind = kind_of(artifact.manifest.files[name].schema or "")
    if kind is None:
        with open(artifact.file(name), encoding="utf-8") as lines:
            return [json.loads(line) for line in islice(lines, n)]
    return [msgspec.structs.asdict(record) for record in islice(artifact.read(kind), n)]


def _print_sample(s: Sample, prompt: ShownPrompt | None, out: Console) -> None:
    r, v = s.rationale, s.verdict
    head = Text("\n").append(clean(s.problem.id), style="bold").append(f"  sample {r.sample}  ")
    head.append(s.outcome, style=f"bold {COLOUR[s.outcome]}").append(f"  {v.reason}" if v else "")
    head.append("  with a hint" if r.hinted else "").append(f"  {r.tokens} tokens")
    head.append("  cut off at the token limit" if r.finish == "length" else "")
    out.print(head)
    _print_field("question", s.problem.question, out)
    for letter, choice in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", s.problem.choices or [], strict=False):
        _print_field(f"  ({letter})", choice, out)
    if prompt:
        if not prompt.proved:
            out.print(Text(CHANGED_PROMPT, style="yellow"))
        _print_field("prompt", prompt.text, out)
    for path in s.pictures:
        _print_field("picture", path, out)
    _print_field("wrote", r.text, out)
    if is_sql(s.problem):
        for name, text in execution(s.problem, r.text):
            _print_field(name, text, out)
    elif v:
        steps = f"  ({v.wrong_steps} wrong steps)" if v.wrong_steps else ""
        answer = "none found" if v.answer is None else v.answer
        _print_field("answer", f"{answer}   expected {s.problem.answer}{steps}", out)


def _print_field(name: str, text: str, out: Console) -> None:
    first, *rest = clean(text).split("\n")
    out.print(Text("\n".join([f"  {name:<9} {first}", *(f"{'':<12}{line}" for line in rest)]).rstrip("\n")))


def settings_text(tag: dict[str, Any]) -> str:
    """A stage's tag on one line: parts as name(field=value)."""

    def text(value: Any) -> str:
        if isinstance(value, dict) and "_" in value:
            inside = ", ".join(f"{k}={text(v)}" for k, v in value.items() if k != "_")
            part = str(value["_"])
            return f"{part.split('/')[1] if '/' in part else part}({inside})"
        return json.dumps(value)

    return text(tag) if tag else "not recorded"


def _size(entry: FileEntry) -> str:
    return f"{entry.bytes:,} bytes" if entry.rows is None else f"{entry.rows:,} rows"
