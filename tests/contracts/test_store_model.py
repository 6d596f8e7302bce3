"""Whatever is done to a home, in whatever order: what must hold of its artifacts and its runs (hypothesis, stateful).

The model is what must hold: an artifact has the bytes that an undisturbed run makes, or is one that was changed here;
`star verify` says so and no more; what a finished run uses stays until it is taken away here; the same command again
mends whatever was killed, removed or lost.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
from conftest import call
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from star_cli.store.artifacts import open_store
from star_cli.store.runs import Run

ARGS = ["model=fake", "rounds=1", "task.train=12", "problems=12", "task.dev=6", "tracking=none"]
ARGS += ["runtime.progress=none", "runtime.sync_seconds=0"]
SEEDS = st.sampled_from([1, 2])
SHARES = st.floats(0, 1)
reference: dict[int, dict[str, dict[str, bytes]]] = {}  # by seed: the files of every artifact of an undisturbed run


def content(artifact: Path) -> dict[str, bytes]:
    """The files of an artifact, but for its manifest, which says when it was made."""
    files = (p for p in artifact.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {p.relative_to(artifact).as_posix(): p.read_bytes() for p in files}


def contents(home: Path) -> dict[str, dict[str, bytes]]:
    return {key: content(home / "artifacts" / key) for key in open_store(home).keys()}


def command(seed: int) -> list[str]:
    return ["run", *ARGS, f"seed={seed}", f"name=seed{seed}"]


def forked(home: Path, *args: str) -> int:
    """The command in a process of its own that knows all modules already; its number."""
    child = os.fork()
    if not child:
        code = 70
        try:
            code = call(home, *args).code
        finally:
            os._exit(code)
    return child


class Home(RuleBasedStateMachine):
    """A home, what was changed in it by hand, and which runs came to their end with nothing taken from them since."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="star-model-"))
        self.home = self.place / "home"
        self.home.mkdir()
        self.changed: set[str] = set()  # keys of artifacts
        self.whole: set[int] = set()  # seeds of runs

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    def finished(self, seed: int, code: int) -> None:
        """After a run: it fails only over what was changed by hand."""
        blocked = self.changed & set(reference[seed])
        assert code == 0 or blocked, f"seed {seed}: exit code {code}"
        if code == 0:
            self.whole.add(seed)

    @rule(seed=SEEDS)
    def run(self, seed: int) -> None:
        done = call(self.home, *command(seed))
        assert "Traceback" not in done.err, done.err
        self.finished(seed, done.code)

    @rule(seed=SEEDS, share=SHARES)
    def kill(self, seed: int, share: float) -> None:
        child = forked(self.home, *command(seed))
        time.sleep(share * 0.4)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    @precondition(lambda self: (self.home / "runs").exists())
    @rule(seed=SEEDS)
    def resume(self, seed: int) -> None:
        known = (self.home / f"runs/seed{seed}/run.json").exists()
        done = call(self.home, "resume", f"seed{seed}")
        assert "Traceback" not in done.err, done.err
        if known:
            self.finished(seed, done.code)

    @rule(one=SEEDS, other=SEEDS)
    def two_at_once(self, one: int, other: int) -> None:
        children = [forked(self.home, *command(seed)) for seed in (one, other)]
        for seed, child in zip((one, other), children, strict=True):
            self.finished(seed, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    @rule()
    def gc(self) -> None:
        done = call(self.home, "gc", "--yes")
        assert done.code == 0, done.err
        self.changed &= set(open_store(self.home).keys())

    @precondition(lambda self: contents(self.home))
    @rule(share=SHARES)
    def delete(self, share: float) -> None:
        key = self.chosen(share)
        shutil.rmtree(self.home / "artifacts" / key)
        self.changed.discard(key)
        self.whole -= {seed for seed in self.whole if key in reference[seed]}

    @precondition(lambda self: contents(self.home))
    @rule(share=SHARES)
    def corrupt(self, share: float) -> None:
        key = self.chosen(share)
        path = sorted(p for p in (self.home / "artifacts" / key).rglob("*") if p.suffix == ".jsonl")[:1]
        if path:
            path[0].write_bytes(path[0].read_bytes() + b"{}\n")
            self.changed.add(key)

    @precondition(lambda self: self.changed)
    @rule()
    def mend(self) -> None:
        """Do what the hint says: remove what was changed."""
        for key in self.changed:
            shutil.rmtree(self.home / "artifacts" / key)
            self.whole -= {seed for seed in self.whole if key in reference[seed]}
        self.changed.clear()

    @rule()
    def copy(self) -> None:
        """Go on in a copy elsewhere, as after a move to another machine."""
        place = self.place / f"copy-{time.monotonic_ns()}"
        shutil.copytree(self.home, place, symlinks=True)
        shutil.rmtree(self.home)
        self.home = place

    def chosen(self, share: float) -> str:
        keys = sorted(open_store(self.home).keys())
        return keys[min(int(share * len(keys)), len(keys) - 1)]

    @invariant()
    def artifacts_are_what_an_undisturbed_run_makes(self) -> None:
        expected = {key: files for made in reference.values() for key, files in made.items()}
        for key, files in contents(self.home).items():
            assert key in self.changed or files == expected[key], key

    @invariant()
    def what_finished_runs_use_is_there(self) -> None:
        keys = set(open_store(self.home).keys())
        for seed in self.whole:
            assert set(reference[seed]) <= keys, f"seed {seed} lost {set(reference[seed]) - keys}"
            assert {e.key for e in Run(self.home, f"seed{seed}").events()} == set(reference[seed])

    @invariant()
    def verify_names_what_was_changed_and_nothing_else(self) -> None:
        done = call(self.home, "verify", "--json")
        named = {key for key in self.changed if key in done.out}
        assert (done.code == 0) == (not self.changed) and named == self.changed, done.out + done.err


@pytest.fixture(scope="module", autouse=True)
def references(tmp_path_factory: pytest.TempPathFactory) -> None:
    for seed in (1, 2):
        home = tmp_path_factory.mktemp("reference")
        assert call(home, *command(seed)).code == 0
        reference[seed] = contents(home)


def explored(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Home,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_few_sequences_of_what_is_done_to_a_home_break_nothing():
    explored(4, 8)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_sequence_of_what_is_done_to_a_home_breaks_anything():
    explored(int(os.environ.get("SEQUENCES", "150")), 20)
