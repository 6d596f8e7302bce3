"""The tables and the figure of docs/trials/2026-11-22-hints.md: python scripts/trials/hints.py HOME."""

from __future__ import annotations

from collections.abc import Sequence

from trial import DOCS, Trial, home_argument, percent, points, table, write_result

from star_cli.analysis.arms import Group
from star_cli.core.records import Problem

PAGE = "2026-11-22-hints.md"
DIGITS = ["1", "2", "3", "4", "5"]


def label(group: Group) -> str:
    """show_hint 0.3, replay 0.2"""
    settings = group.arms[0].settings
    if not settings["method.rationalize"]:
        return "without rationalization"
    return f"show_hint {settings['method.show_hint']:g}, replay {settings['training.replay']:g}"


def digits(problem: Problem) -> str:
    """The digits of a sum."""
    return str(problem.meta["digits"])


def main() -> None:
    home = home_argument("tables and figure of the trial hints")
    sweeps = [s for s in ("sweep-trials-hints", "sweep-trials-hints_without") if (home / "runs" / s).is_dir()]
    trial = Trial(home, sweeps)
    groups = sorted(trial.groups, key=label)
    last = min(g.rounds()[-1] for g in groups)
    rounds = range(last + 1)
    seeds = ", ".join(f"{label(g)}: {g.seeds}" for g in groups)
    parts = [f"{len(trial.comparison.problems)} held-out sums; seeds {seeds}. Accuracy in %, all digits:"]
    head = ["arm", *(f"round {n}" for n in rounds)]
    parts.append(table(head, [[label(g), *(percent(trial.accuracy(g, n)) for n in rounds)] for g in groups]))
    parts.append("Share of the unsolved sums of 3 to 5 digits that are rationalized, in % (lowest and highest seed):")
    parts.append(table(["arm", *(f"round {n}" for n in rounds if n)], [hint_row(trial, g, last) for g in groups[:-1]]))
    parts.append(f"Differences after round 1 and round {last}, in points:")
    pairs = [(a, b) for i, a in enumerate(groups) for b in groups[:i]]
    parts.append(
        table(
            ["arm", "against", "round 1", f"round {last}"],
            [[label(a), label(b), *(points(trial.difference(a, b, n)) for n in (1, last))] for a, b in pairs],
        )
    )
    parts.append("Accuracy by digits after each round, in % (mean of the seeds):")
    rows = []
    for g in groups:
        by_round = [trial.shares(g, n, "evaluate", digits) for n in rounds]
        rows += [[label(g), d, *(f"{100 * shares[d][0]:.0f}" for shares in by_round)] for d in DIGITS]
    parts.append(table(["arm", "digits", *(f"round {n}" for n in rounds)], rows))
    parts.append("![accuracy by digits and round, with and without rationalization](../figures/trial_hints.svg)")
    draw(trial, groups, rounds)
    write_result(PAGE, "\n\n".join(parts))


def hint_row(trial: Trial, group: Group, last: int) -> list[str]:
    """Of each round the share of hinted rationales that are right, the mean and the range over seeds."""
    cells = [label(group)]
    for n in range(1, last + 1):
        shares = []
        for arm in group.arms:
            of_arm = trial.shares(Group("", [arm]), n, "filter-rationalized", digits)
            right = sum(s * k for d, (s, k) in of_arm.items() if d in "345")
            shares.append(100 * right / max(1, sum(k for d, (_, k) in of_arm.items() if d in "345")))
        cells.append(f"{sum(shares) / len(shares):.0f} ({min(shares):.0f} to {max(shares):.0f})")
    return cells


def draw(trial: Trial, groups: Sequence[Group], rounds: range) -> None:
    """The paper's figure: accuracy of each digit count by round, one panel an arm."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(groups), figsize=(3 * len(groups), 3), sharey=True)
    for panel, group in zip(panels, groups, strict=True):
        by_round = [trial.shares(group, n, "evaluate", digits) for n in rounds]
        for d in DIGITS:
            panel.plot(list(rounds), [100 * shares[d][0] for shares in by_round], marker="o", label=f"{d} digits")
        panel.set_title(label(group), fontsize=9)
        panel.set_xlabel("round")
        panel.set_xticks(list(rounds))
    panels[0].set_ylabel("accuracy %")
    panels[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    figure.savefig(DOCS / "figures" / "trial_hints.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
