"""The tables of docs/trials/2026-11-22-verifiers.md: python scripts/trials/verifiers.py HOME."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from trial import Trial, home_argument, percent, points, table, write_result

from star_cli.analysis.arms import Group
from star_cli.core import registry
from star_cli.core.records import Problem, Rationale, Score, Verdict

PAGE = "2026-11-22-verifiers.md"
SWEEP = "sweep-trials-verifiers"
KS = (1, 4, 16, 64)
Sample = tuple[str, int]


def main() -> None:
    home = home_argument("the tables of the trial verifiers")
    chosen = {verifier: trial_of(home, verifier) for verifier in ("dpo", "orm")}
    plain = measured(home, "accuracy")
    group = next(g for g in plain.groups if g.arms[0].settings["verifier"] == "dpo")
    last = group.rounds()[-1]
    parts = [
        f"{len(plain.comparison.problems)} held-out problems, seeds {group.seeds}. Greedy accuracy by round, in %:"
    ]
    parts.append(
        table(
            ["", *(f"round {n}" for n in group.rounds())],
            [["greedy", *(percent(plain.accuracy(group, n)) for n in group.rounds())]],
        )
    )
    parts.append("Of k candidates, in %:")
    rows = []
    for name in ("pass", "majority", "best_of/likelihood", "best_of/dpo", "best_of/orm"):
        rows.append([name.replace("/", ", "), *(percent(at(home, name, k, last)[1]) for k in KS)])
    parts.append(table(["", *(f"k = {k}" for k in KS)], rows))
    parts.append("Differences at k = 64, in points, paired by problem and seed:")
    differences = []
    for verifier in ("dpo", "orm"):
        for other in ("majority", "best_of/likelihood", "pass1"):
            left = selected(home, f"best_of@64/{verifier}")
            right = selected(home, "pass@1" if other == "pass1" else spelled(other, 64), verifier)
            d = left[0].comparison.difference_of(left[1], left[1].points(last), right[1], right[1].points(last))
            assert d is not None
            what = {"pass1": "one candidate"}.get(other, other.replace("/", ", "))
            differences.append([f"best of, {verifier}", what, points(d), d.says])
    parts.append(table(["", "against", "difference", ""], differences))
    parts.append(
        "Of the pairs of a right and a wrong candidate of one problem, how many are ranked right, in % (each seed):"
    )
    aucs = []
    for verifier, trial in chosen.items():
        g = next(g for g in trial.groups if g.arms[0].settings["verifier"] == verifier)
        aucs.append([verifier, ", ".join(f"{100 * ranked(trial, a.name, last, verifier):.1f}" for a in g.arms)])
    own = [f"{100 * ranked(plain, a.name, last, None):.1f}" for a in group.arms]
    parts.append(table(["", "ranked right"], [["own likelihood", ", ".join(own)], *aucs]))
    parts.append(forced(plain, group, last))
    write_result(PAGE, "\n\n".join(parts))


@cache
def measured(home: Path, metric: str) -> Trial:
    """The runs by one metric; each pool of candidates is read once a metric."""
    return Trial(home, [SWEEP], metric)


def trial_of(home: Path, verifier: str) -> Trial:
    """The runs by what their verifier's best of 64 reaches."""
    return measured(home, f"best_of@64/{verifier}")


def spelled(name: str, k: int) -> str:
    """best_of@16/dpo of best_of/dpo and 16."""
    way, _, by = name.partition("/")
    return f"{way}@{k}/{by}" if by else f"{way}@{k}"


def selected(home: Path, metric: str, verifier: str | None = None) -> tuple[Trial, Group]:
    """The runs of one verifier, measured by a metric of select."""
    trial = measured(home, metric)
    by = verifier or metric.rpartition("/")[2]
    wanted = by if by in ("dpo", "orm") else "dpo"
    return trial, next(g for g in trial.groups if g.arms[0].settings["verifier"] == wanted)


def at(home: Path, name: str, k: int, last: int) -> tuple[Trial, object]:
    """(the runs, what a way of choosing reaches at k)."""
    trial, group = selected(home, spelled(name, k))
    return trial, trial.accuracy(group, last)


def ranked(trial: Trial, run: str, last: int, verifier: str | None) -> float:
    """Share of (right, wrong) pairs of a problem in which the right one has the higher score; equal ones count half."""
    verdicts = {(v.problem_id, v.sample): v.correct for v in read(trial, run, last, "judge-candidates", Verdict)}
    if verifier is None:
        scores = {(r.problem_id, r.sample): r.logprob for r in read(trial, run, last, "candidates", Rationale)}
    else:
        scores = {(s.problem_id, s.sample): s.score for s in read(trial, run, last, f"score-{verifier}", Score)}
    return mean_auc(verdicts, scores)


def mean_auc(verdicts: Mapping[Sample, bool], scores: Mapping[Sample, float]) -> float:
    """The mean over problems that have both kinds."""
    by_problem: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for sample, correct in verdicts.items():
        by_problem[sample[0]][0 if correct else 1].append(scores[sample])
    shares = []
    for right, wrong in by_problem.values():
        if right and wrong:
            above = np.subtract.outer(right, wrong)
            shares.append(float(np.mean((above > 0) + 0.5 * (above == 0))))
    return float(np.mean(shares))


def read(trial: Trial, run: str, round: int, name: str, kind: type) -> list:  # type: ignore[type-arg]
    """The records of an artifact of a run."""
    artifact = trial.artifact(run, round, name)
    assert artifact is not None, f"{run} has no round-{round}/{name}"
    return list(artifact.read(kind))


def forced(trial: Trial, group: Group, last: int) -> str:
    """How many of the wrong candidates end in the target by a step that does not hold."""
    task, wrong, bent = registry.get("task", "countdown")(largest=12), 0, 0
    for arm in group.arms:
        verdicts = {
            (v.problem_id, v.sample): v.correct for v in read(trial, arm.name, last, "judge-candidates", Verdict)
        }
        candidates = trial.artifact(arm.name, last, "candidates")
        assert candidates is not None
        source = trial.store.get(candidates.input("problems") or "")
        assert source is not None
        problems = {p.id: p for p in source.read(Problem)}
        for r in candidates.read(Rationale):
            if not verdicts[r.problem_id, r.sample]:
                wrong += 1
                bent += task.measures(problems[r.problem_id], r.text)["forced"] > 0
    return f"Of {wrong:,} wrong candidates {bent:,} ({100 * bent / wrong:.0f} %) are forced."


if __name__ == "__main__":
    main()
