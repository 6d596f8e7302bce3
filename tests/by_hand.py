"""Artifacts and ledger lines made without a run, for tests of what reads them."""

from __future__ import annotations

from typing import Any

from star_cli.store.artifacts import Artifact, Store
from star_cli.store.drafts import Draft
from star_cli.store.ledger import Event
from star_cli.store.manifest import new_manifest


def committed(
    store: Store,
    draft: Draft,
    stage: str,
    *,
    tag: dict[str, Any] | None = None,
    inputs: dict[str, str] | None = None,
    metrics: dict[str, Any] | None = None,
    seconds: float = 0.0,
) -> Artifact:
    """The artifact of a draft whose files are written."""
    manifest = new_manifest(
        draft.key, stage=stage, tag=tag or {}, inputs=inputs or {}, metrics=metrics or {}, seconds=seconds
    )
    return store.commit(draft, manifest)


def event(round: int, name: str, artifact: Artifact, *, hit: bool = False, seconds: float = 0.5) -> Event:
    """The line of a ledger that says an artifact was built, or found."""
    return Event(
        time="2026-01-02T03:04:05+0000",
        round=round,
        name=name,
        stage=artifact.stage,
        key=artifact.key,
        hit=hit,
        seconds=seconds,
        metrics=artifact.manifest.metrics,
    )
