"""`star init`: a small project that runs as it is: data, a file of settings, a grader of one's own, a README."""

from __future__ import annotations

import json
from pathlib import Path

from star_cli.errors import StarError
from star_cli.run.schema import schema
from star_cli.store.durable import writing

EXPERIMENT = """\
# @package _global_
# yaml-language-server: $schema=../../star.schema.json
# NAME: star teaches a model sums by its own rationales. Every line is a setting: star explain says what it means.
defaults:
  - override /task: jsonl
  - override /grader: last_line    # ours: star_parts.py
  - override /method: star

task:
  path: data/problems.jsonl        # question, answer, and level, by which accuracy is broken down
  groups_by: [level]
  template: "Write the sum step by step, then the result alone on the last line.\\nQ: {question}\\nA:"
rounds: 2
samples: 4
sampling:
  temperature: 0.7                 # four samples of one problem are to differ
  max_tokens: 96
schedule:
  epochs: 3                        # passes over what was kept, however little that is
"""

PARTS = '''\
"""Parts of this project: star finds this file in the directory where it is started."""

from star_cli.api import Grader, register


@register("grader", "last_line")
class LastLine(Grader):
    """The last line must be the known answer, spaces aside."""

    CASES = [("42", "40 + 2\\n4 2", "MATCH"), ("42", "43", "MISMATCH"), ("42", " ", "NO_ANSWER")]

    def grade(self, problem, rationale):
        lines = rationale.text.strip().splitlines()
        if not lines:
            return self.verdict(rationale, "NO_ANSWER")
        answer = "".join(lines[-1].split())
        return self.verdict(rationale, "MATCH" if answer == problem.answer else "MISMATCH", answer)
'''

README = """\
# NAME

    star run --config-dir conf experiment=NAME model=fake      # the whole loop without a model, in seconds
    star run --config-dir conf experiment=NAME model=hf model.path=DIR trainer.lr=1e-5
    star show experiment-name                                  # star ls runs names the runs
    star view                                                  # every rationale in the browser

`data/problems.jsonl` are the problems (put yours there), `conf/experiment/NAME.yaml` the settings and `star_parts.py`
the grader.
`star explain task.jsonl` says what a row may hold, `star plan ...` how much a run takes, and
`star grade answers.jsonl grader=last_line` tries the grader on texts of yours. Results lie in `runs/` and `artifacts/`.

`star.schema.json` lets an editor complete and check the settings (`star schema > star.schema.json` renews it).
"""

IGNORED = "artifacts/\nruns/\n__pycache__/\n"
LEVELS = {"easy": (2, 9), "hard": (12, 98)}  # of the summands


def write_project(folder: Path, name: str) -> list[Path]:
    """Write the files of a project; returns them. Raises StarError where one of them is there already."""
    files = {
        "README.md": README.replace("experiment-name", f"{name}-model=fake").replace("NAME", name),
        f"conf/experiment/{name}.yaml": EXPERIMENT.replace("NAME", name),
        "data/problems.jsonl": _problems(),
        "star_parts.py": PARTS,
        "star.schema.json": json.dumps(schema(), indent=1) + "\n",
        ".gitignore": IGNORED,
    }
    there = [file for file in files if (folder / file).exists()]
    if there:
        raise StarError(f"{folder / there[0]} is there already", hint="choose an empty folder: star init DIR")
    with writing(str(folder)):
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in files]


def _problems() -> str:
    rows = []
    for level, (low, high) in LEVELS.items():
        for n in range(100):
            a, b = low + (n * 7) % (high - low + 1), low + (n * 11 + n // 10) % (high - low + 1)
            rows.append({"id": f"{level}-{n}", "question": f"{a} + {b}", "answer": str(a + b), "level": level})
    return "".join(json.dumps(row) + "\n" for row in rows)
