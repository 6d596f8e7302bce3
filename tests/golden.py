"""The artifact keys of every method, as `star plan` knows them: nothing is built.

python tests/golden.py            # print what differs from tests/golden_keys.json
python tests/golden.py --renew    # write it anew: a deliberate change of keys, in a commit of its own
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from conftest import call  # noqa: E402

GOLDEN = Path(__file__).parent / "golden_keys.json"
COMMON = ["model=fake", "rounds=2", "task.train=100", "problems=200", "task.dev=20"]
EXTRA = {
    "see_think_learn": ["task=tiny_scenes", "+pretraining.lessons={full:8}"],
    "b_star": ["method.queries=30", "method.temperatures=[.5,1]", "samples=6"],
}


def keys_of(method: str, home: Path) -> dict[str, Any]:
    """{"stages": ["round/name key", ...], "open_end": where the plan cannot see further} of a small run of a method."""
    result = call(home, "plan", *COMMON, f"method={method}", *EXTRA.get(method, []), "--json")
    assert result.code == 0, result.err
    plan = result.json
    return {"stages": [f"{s['round']}/{s['stage']} {s['key']}" for s in plan["stages"]], "open_end": plan["open_end"]}


def all_keys() -> dict[str, Any]:
    """The keys of every method that star ships."""
    from star_cli.core import registry

    with tempfile.TemporaryDirectory() as home:
        return {name: keys_of(name, Path(home)) for name in registry.names("method")}


if __name__ == "__main__":
    now = all_keys()
    if "--renew" in sys.argv:
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n")
    then = json.loads(GOLDEN.read_text())
    changed = [
        f"{m}: {line}" for m in now for line in now[m]["stages"] if line not in then.get(m, {"stages": []})["stages"]
    ]
    print("\n".join(changed) or "no key differs")
    sys.exit(bool(changed))
