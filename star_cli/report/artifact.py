"""What `star show` prints of one artifact: sample rationales, or the facts of its manifest and its first rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rich.console import Console
from rich.text import Text

from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict, kind_of
from star_cli.report.samples import Picked, Sample, Wanted, pick, prompt_of, task_of
from star_cli.report.sql import execution, is_sql
from star_cli.report.tables import facts_of
from star_cli.report.text import clean, one_line
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Run

COLOUR = {"right": "green", "wrong": "red", "undecided": "yellow", "not graded": "yellow"}


@dataclass(frozen=True)
class RationalesView:
    """``n`` of the rationales that are ``wanted``, of the artifact ``name``, which lies in ``run`` or in none."""

    store: Store
    artifact: Artifact
    name: str
    run: Run | None
    wanted: Wanted
    n: int
    prompt: bool

    def pick(self) -> Picked:
        """The samples looked for."""
        near = [e.key for e in self.run.events()] if self.run else []
        return pick(self.store, self.artifact, self.wanted, self.n, near=near, settings=self._settings())

    def _settings(self) -> dict[str, Any]:
        told = self.run.info.get("config", {}).get("task", {}) if self.run else {}
        return told if isinstance(told, dict) else {}

    def prompts(self, picked: Picked) -> list[tuple[str, tuple[str, ...], bool]]:
        """Of each sample: the prompt's text, its pictures, and whether it is proved to be what the model saw."""
        task = task_of(picked.rationales, self._settings())
        told = [prompt_of(s, task) for s in picked.samples]
        return [(p.text, p.images, proved) for p, proved in told]

    def as_json(self) -> dict[str, Any]:
        """The samples with what they are of."""
        picked = self.pick()
        rows = [s.as_json() for s in picked.samples]
        for row, (text, images, proved) in zip(rows, self.prompts(picked) if self.prompt else (), strict=False):
            row.update(prompt=text, images=list(images), prompt_proved=proved)
        return {
            "key": self.artifact.key,
            "stage": self.artifact.stage,
            "rationales": picked.rationales.key,
            "verdicts": picked.judge.key if picked.judge else None,
            "total": picked.total,
            "matching": picked.matching,
            "samples": rows,
            **({"rows": own} if (own := own_rows(self.artifact, self.n)) else {}),
        }

    def print(self, out: Console) -> None:
        """The samples one after the other."""
        picked = self.pick()
        shown = f"{len(picked.samples)} of {picked.matching:,} {self.wanted}"
        all_of = f" ({picked.total:,} in all)" if picked.matching != picked.total else ""
        out.print(Text(f"{self.name}: {shown}{all_of}", style="bold"))
        if self.wanted.hinted and not picked.matching:
            out.print("hinted rationales are in the stages rationalize and filter-rationalized")
        told = self.prompts(picked) if self.prompt else [None] * len(picked.samples)
        for sample, seen in zip(picked.samples, told, strict=True):
            _print_sample(sample, seen, out)
        _print_rows(own_rows(self.artifact, self.n), self.artifact, out)


@dataclass(frozen=True)
class FactsView:
    """What the manifest of an artifact says, and the first ``n`` records of each of its files."""

    artifact: Artifact
    name: str
    n: int

    def as_json(self) -> dict[str, Any]:
        """The facts, the settings (``tag``) and the rows."""
        a, m = self.artifact, self.artifact.manifest
        rows = {name: first_rows(a, name, self.n) for name, entry in sorted(m["files"].items()) if "schema" in entry}
        return {
            "key": a.key,
            "stage": a.stage,
            "path": str(a.path),
            "created": m.get("created"),
            "seconds": m.get("seconds"),
            "inputs": m.get("inputs", {}),
            "metrics": a.metrics,
            "tag": m.get("tag"),
            "files": m["files"],
            "rows": rows,
        }

    def print(self, out: Console) -> None:
        """The same for people."""
        told = self.as_json()
        out.print(Text(f"{self.name}: {told['stage']} artifact {told['key']}", style="bold"))
        lines = [
            ("path", told["path"]),
            ("made", f"{told['created']}, in {told['seconds']} s"),
            ("settings", _settings(told["tag"] or {})),
            ("inputs", ", ".join(f"{role} {k[:12]}" for role, k in told["inputs"].items()) or "none"),
            ("numbers", facts_of(told["metrics"])),
            ("files", ", ".join(f"{name} ({_size(f)})" for name, f in told["files"].items())),
        ]
        for name, text in lines:
            out.print(Text(f"{name:<9} {one_line(text)}"))
        _print_rows(told["rows"], self.artifact, out)


SAMPLED = {kind.schema for kind in (Problem, Rationale, Verdict, Example, Metric)}  # what samples show, and tables


def own_rows(artifact: Artifact, n: int) -> dict[str, list[dict[str, Any]]]:
    """The first ``n`` records of the files that only this kind of stage writes, such as votes or peeks, by file."""
    files = artifact.manifest["files"]
    return {f: first_rows(artifact, f, n) for f in sorted(files) if files[f].get("schema", "") not in {"", *SAMPLED}}


def _print_rows(files: dict[str, list[dict[str, Any]]], artifact: Artifact, out: Console) -> None:
    for file, rows in files.items():
        total = artifact.manifest["files"][file].get("rows", len(rows))
        out.print(Text(f"\n{file}, the first {len(rows)} of {total:,}:"))
        for row in rows:
            out.print(Text("  " + one_line(json.dumps(row, ensure_ascii=False), 240)))


def first_rows(artifact: Artifact, name: str, n: int) -> list[dict[str, Any]]:
    """The first ``n`` records of a file with all their fields; as they were written where their class is not loaded."""
    kind = kind_of(artifact.manifest["files"][name]["schema"])
    if kind is None:
        with open(artifact.file(name), encoding="utf-8") as lines:
            return [json.loads(line) for line in islice(lines, n)]
    return [{field: getattr(r, field) for field in r.__struct_fields__} for r in islice(artifact.read(kind), n)]


def _print_sample(s: Sample, seen: tuple[str, tuple[str, ...], bool] | None, out: Console) -> None:
    r, v = s.rationale, s.verdict
    head = Text("\n").append(clean(s.problem.id), style="bold").append(f"  sample {r.sample}  ")
    head.append(s.says, style=f"bold {COLOUR[s.says]}").append(f"  {v.reason}" if v else "")
    head.append("  with a hint" if r.hinted else "").append(f"  {r.tokens} tokens")
    head.append("  cut off at the token limit" if r.finish == "length" else "")
    out.print(head)
    _field("question", s.problem.question, out)
    for name, value in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", s.problem.choices or [], strict=False):
        _field(f"  ({name})", value, out)
    if seen:
        text, _, proved = seen
        if not proved:
            out.print(
                Text(
                    "  this is not what the model saw: the task makes another prompt today than it did then",
                    style="yellow",
                )
            )
        _field("prompt", text, out)
    for path in s.pictures:
        _field("picture", path, out)
    _field("wrote", r.text, out)
    if is_sql(s.problem):
        for name, text in execution(s.problem, r.text):
            _field(name, text, out)
    elif v:
        steps = f"  ({v.wrong_steps} wrong steps)" if v.wrong_steps else ""
        _field("answer", f"{'none found' if v.answer is None else v.answer}   expected {s.problem.answer}{steps}", out)


def _field(name: str, text: str, out: Console) -> None:
    first, *rest = clean(text).split("\n")
    out.print(Text("\n".join([f"  {name:<9} {first}", *(f"{'':<12}{line}" for line in rest)]).rstrip("\n")))


def _settings(tag: dict[str, Any]) -> str:
    """A stage's tag on one line: parts as name(field=value)."""

    def told(value: Any) -> str:
        if isinstance(value, dict) and "_" in value:
            inside = ", ".join(f"{k}={told(v)}" for k, v in value.items() if k != "_")
            return f"{str(value['_']).split('/')[1] if '/' in str(value['_']) else value['_']}({inside})"
        return json.dumps(value)

    return told(tag) if tag else "not recorded"


def _size(entry: dict[str, Any]) -> str:
    return f"{entry['rows']:,} rows" if "rows" in entry else f"{entry['bytes']:,} bytes"
