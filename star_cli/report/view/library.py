"""The runs of a home as the page looks at them: every set of rationales with its problems, verdicts and scores.

Artifacts never change, so manifests are read once; what is still being written is found by the run's progress.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from star_cli.analysis.events import evaluations, hinted_judgements, judgements
from star_cli.core.records import Example, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError, unknown
from star_cli.report.rounds import RoundRow, rounds_of
from star_cli.run.progress import Progress, read_progress
from star_cli.store.addresses import parse_path
from star_cli.store.artifacts import Artifact, Store
from star_cli.store.ledger import Event
from star_cli.store.manifest import MANIFEST
from star_cli.store.runs import Run, arms_below, runs

JOURNAL = Rationale.file + ".journal"


@dataclass(frozen=True)
class SampleSet:
    """The rationales of one stage of a run, with what judged and scored them.

    ``place`` is what people call it: ``demo/round-2/filter``. ``kind`` is evaluation, training (asked without a hint),
    rationalized, beside (any other stage that judges) or written (nobody judged it yet). ``journal`` is where they
    stand while the stage is still running; then there are no verdicts. ``scores`` are (verifier, artifact). ``source``
    is the place of the stage that wrote the rationales, or its key where that was another run's.
    """

    run: Run
    round: int
    name: str
    kind: str
    rationales: Artifact | None
    verdicts: Artifact | None
    problems: tuple[Artifact, ...]
    scores: tuple[tuple[str, Artifact], ...] = ()
    journal: Path | None = None
    source: str = ""

    @property
    def place(self) -> str:
        """demo/round-2/filter"""
        return f"{self.run.name}/round-{self.round}/{self.name}"

    @property
    def key(self) -> str:
        """What its rows are made of: equal keys are equal rows, except of one that is still being written."""
        made_of = [a.key for a in (self.rationales, self.verdicts, *(a for _, a in self.scores)) if a]
        return "-".join(dict.fromkeys(made_of)) or str(self.journal)

    @property
    def count(self) -> int | None:
        """How many rationales it holds, where that is known without reading them."""
        return self.rationales.count(Rationale) if self.rationales else None

    @property
    def bytes(self) -> int:
        """The size of its files of rationales, verdicts and scores."""
        sides = [(self.rationales, Rationale.file), (self.verdicts, Verdict.file)]
        sides += [(a, Score.file) for _, a in self.scores]
        entries = [a.manifest.files.get(file) for a, file in sides if a is not None]
        return sum(entry.bytes for entry in entries if entry)

    @property
    def keeps(self) -> bool:
        """Whether its verdicts decided what was trained on."""
        return self.verdicts is not None and self.verdicts.has(Example)


class RememberingStore(Store):
    """A store that reads each manifest once, and again where it has changed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._artifacts: dict[str, tuple[int, Artifact]] = {}

    def get(self, key: str) -> Artifact | None:
        try:
            changed = (self.root / key / MANIFEST).stat().st_mtime_ns
        except OSError:
            return None
        remembered = self._artifacts.get(key)
        if remembered is None or remembered[0] != changed:
            artifact = super().get(key)
            if artifact is None:
                return None
            remembered = self._artifacts[key] = changed, artifact
        return remembered[1]


class Library:
    """Runs and sets of samples of one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = RememberingStore(home / "artifacts")
        self._rounds: dict[str, tuple[tuple[int, int], list[RoundRow]]] = {}
        self._judges: dict[str, tuple[str, str]] = {}  # artifacts with verdicts: key -> (stage, key of the rationales)
        self._looked_at: set[str] = set()

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return runs(self.home)[::-1]

    def named(self, name: str) -> list[Run]:
        """The run of a name, or the arms of a sweep; an unknown name is a StarError with the choices."""
        run = Run(self.home, name)
        if run.exists():
            return [run]
        arms = arms_below(self.home, name)
        if not arms:
            raise unknown("run", name, [r.name for r in runs(self.home)], hint="star ls runs shows them all")
        return arms

    def rounds(self, run: Run) -> list[RoundRow]:
        """The rounds of a run, worked out anew where its ledger has changed."""
        try:
            status = run.ledger.stat()
            state = (status.st_mtime_ns, status.st_size)
        except OSError:
            state = (0, 0)
        remembered = self._rounds.get(run.name)
        if remembered is None or remembered[0] != state:
            remembered = self._rounds[run.name] = state, rounds_of(run, self.store)
        return remembered[1]

    def progress(self, run: Run) -> Progress | None:
        """What a run is doing now; None where it is not running."""
        return read_progress(run.path) if run.info.state == "running" else None

    def sets(self, run: Run) -> list[SampleSet]:
        """Every set of samples of a run, in the order of its ledger; the one that is being written comes last.

        Rationales that were judged stand under the stage that judged them. What is gone or damaged is left out.
        """
        events = run.events()
        artifacts = {e.key: self._readable(e.key) for e in events}
        made = [a for a in artifacts.values() if a is not None]
        judged = {self._rationales_of(a) for a in made if a.has(Verdict)}
        problems = tuple(a for a in made if a.has(Problem))
        sets = []
        for event in events:
            artifact = artifacts[event.key]
            unjudged = artifact is not None and artifact.has(Rationale) and artifact.key not in judged
            if artifact is None or not (artifact.has(Verdict) or unjudged):
                continue
            rationales = self._readable(self._rationales_of(artifact))
            if rationales is not None and rationales.has(Rationale):
                sets.append(self._set(run, event, events, artifact, rationales, made, problems))
        live = self._live(run, problems)
        return [*sets, *([live] if live else [])]

    def find(self, place: str) -> SampleSet:
        """The set of a place such as demo/round-2/filter; generate is found where it was judged."""
        name, number, stage = parse_path(place)
        if number is None or not stage:
            raise StarError(f"{place!r} does not name samples", hint="for example demo/round-1/evaluate")
        run = Run(self.home, name)
        run.require()
        sets = self.sets(run)
        for one in sets:
            if (one.round, one.name) == (number, stage):
                return one
        event = next((e for e in run.events() if (e.round, e.name) == (number, stage)), None)
        for one in sets if event else ():
            if one.rationales is not None and event is not None and one.rationales.key == event.key:
                return one
        raise unknown(f"samples of run {name}", f"round-{number}/{stage}", [f"round-{s.round}/{s.name}" for s in sets])

    def before(self, one: SampleSet) -> SampleSet | None:
        """The set of the same name of the last round before, of which the same problems may have been asked."""
        earlier = [s for s in self.sets(one.run) if s.name == one.name and s.round < one.round and s.verdicts]
        return earlier[-1] if earlier else None

    def other_verdicts(self, one: SampleSet) -> list[Artifact]:
        """Artifacts of the store that judge the same rationales, by another grader or in another way."""
        for key in self.store.keys():
            if key not in self._looked_at:
                self._looked_at.add(key)
                artifact = self._readable(key)
                if artifact is not None and artifact.has(Verdict):
                    self._judges[key] = artifact.stage, self._rationales_of(artifact)
        mine = one.rationales.key if one.rationales else ""
        keys = [key for key, (_, rationales) in self._judges.items() if rationales == mine]
        own = one.verdicts.key if one.verdicts else ""
        return [a for key in keys if key != own and (a := self._readable(key)) is not None]

    def _set(
        self,
        run: Run,
        event: Event,
        events: list[Event],
        artifact: Artifact,
        rationales: Artifact,
        made: list[Artifact],
        all_problems: tuple[Artifact, ...],
    ) -> SampleSet:
        problems = self._readable(artifact.input("problems") or rationales.input("problems") or "")
        scores = tuple((_verifier_of(a), a) for a in made if a.has(Score) and a.input("rationales") == rationales.key)
        return SampleSet(
            run=run,
            round=event.round,
            name=event.name,
            kind=_kind(event, events) if artifact.has(Verdict) else "written",
            rationales=rationales,
            verdicts=artifact if artifact.has(Verdict) else None,
            problems=(problems,) if problems is not None and problems.has(Problem) else all_problems,
            scores=scores,
            source=next((f"{run.name}/{e.place}" for e in events if e.key == rationales.key), rationales.key[:12]),
        )

    def _live(self, run: Run, problems: tuple[Artifact, ...]) -> SampleSet | None:
        progress = self.progress(run)
        if progress is None:
            return None
        journal = self.store.partial(progress.key) / JOURNAL
        if not journal.is_file():
            return None
        return SampleSet(run, progress.round, progress.name, "written", None, None, problems, journal=journal)

    def _rationales_of(self, artifact: Artifact) -> str:
        """The key of the rationales that an artifact judges, or its own where it holds some itself."""
        return artifact.key if artifact.has(Rationale) else artifact.input("rationales") or ""

    def _readable(self, key: str) -> Artifact | None:
        """An artifact, or None where it is gone or damaged (star verify says what is wrong with it)."""
        try:
            return self.store.get(key) if key else None
        except StarError:
            return None


def _kind(event: Event, events: list[Event]) -> str:
    """What the verdicts of an event are about."""
    kinds: Iterator[tuple[str, list[Event]]] = iter(
        (
            ("evaluation", evaluations(events)),
            ("training", judgements(events)),
            ("rationalized", hinted_judgements(events)),
        )
    )
    return next((kind for kind, of_kind in kinds if event in of_kind), "beside")


def _verifier_of(artifact: Artifact) -> str:
    """The name of the verifier whose scores an artifact holds; its stage where it names none."""
    verifier = artifact.tag.get("verifier")
    name = str(verifier.get("_")).split("/")[1:2] if isinstance(verifier, dict) else []
    return name[0] if name else artifact.stage
