"""Write the table of docs/performance.md from docs/performance.json: python scripts/bench/table.py."""

from __future__ import annotations

import json
from typing import Any

from measure import DOCS, RESULTS, Row

BEGIN, END = "<!-- begin: scripts/bench/table.py -->", "<!-- end -->"


def main() -> None:
    kept = json.loads(RESULTS.read_text())
    lines = []
    for device, machine in sorted(kept["machines"].items()):
        lines += [f"On {device}: {machine}.", "", "| what | against | ratio (median of n, range) | wanted | by | and |",
                  "|---|---|---|---|---|---|"]  # fmt: skip
        rows = (Row(**r) for r in kept["rows"] if r["device"] == device)
        lines += [cells(row) for row in sorted(rows, key=lambda r: (r.what, r.against))] + [""]
    page = DOCS / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text("\n".join([before + BEGIN, "", *lines, END + rest.partition(END)[2]]))


def cells(row: Row) -> str:
    """One line of the table."""
    low, high = min(row.ratios), max(row.ratios)
    goals = [f"{sign} {value:g}" for sign, value in (("≥", row.at_least), ("≤", row.at_most)) if value is not None]
    wanted = f"{goals[0]}{'' if row.reached else ': **missed**'}" if goals else ""
    detail = "; ".join(f"{name}: {number(value)}" for name, value in row.detail.items())
    ratio = f"{row.median:.3g} (n={len(row.ratios)}, {low:.3g} to {high:.3g})"
    return f"| {row.what} | {row.against} | {ratio} | {wanted} | {row.by} | {detail} |"


def number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
