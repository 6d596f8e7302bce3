"""Without the extras: what needs no torch works, and what does says which pip command brings it."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, SMALL, Result, call, environment

from star_cli.core.extras import EXTRAS, command, require
from star_cli.core.parts import Part
from star_cli.errors import StarError

TRAIN = "pip install 'star-cli[train]'"
VLLM = command("vllm")  # vllm-cuda where there is a GPU

# In a process that starts with this on its path every optional package is as good as not installed.
HIDDEN = f"import sys\nfor name in {sorted(EXTRAS)!r}:\n    sys.modules[name] = None\n"
CALLS = """
import json, sys
from pathlib import Path
from conftest import call
home, commands = Path(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps([vars(call(home, *c)) for c in commands]))
"""


def without_extras(home: Path, *commands: list[str]) -> list[Result]:
    """What `star` answers to each command in a process (and its children) that sees no optional package."""
    hiding = home / "hiding"
    hiding.mkdir(exist_ok=True)
    (hiding / "sitecustomize.py").write_text(HIDDEN)
    env = environment(home)
    env["PYTHONPATH"] = f"{hiding}:{ROOT / 'tests'}:{env['PYTHONPATH']}"
    called = [sys.executable, "-c", CALLS, str(home), json.dumps(commands)]
    done = subprocess.run(called, capture_output=True, text=True, env=env, cwd=home, timeout=300)
    assert done.returncode == 0, done.stderr
    return [Result(**answer) for answer in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with two finished runs on fakes."""
    home = tmp_path_factory.mktemp("made")
    for args in (["name=demo"], ["name=other", "method=rft"]):
        done = call(home, "run", *SMALL, *args)
        assert done.code == 0, done.err
    return home


def test_what_needs_no_torch_works_without_the_extras(made):
    (made / "answers.jsonl").write_text('{"id": 1, "gold": "18", "prediction": "The answer is 18."}\n')
    commands = [
        ["--help"],
        ["run", "--help"],
        ["ls"],
        *(["ls", kind] for kind in ("tasks", "graders", "engines", "trainers", "methods", "models", "artifacts")),
        ["show", "demo", "--page"],
        ["show", "demo/round-1/filter"],
        ["show", "demo", "--json"],
        ["verify"],
        ["diff", "demo", "other"],
        ["plan", *SMALL, "seed=3"],
        ["plan"],
        ["compare", "demo", "other"],
        ["theory", "predict"],
        ["theory", "check"],
        ["grade", "answers.jsonl", "grader=numeric"],
        ["regrade", "demo/round-1/generate", "grader=exact"],
        ["show", "demo", "--diff", "round-0", "round-1"],
        ["export", "demo", "--table", "rounds.csv"],
        ["export", "demo/round-1/filter", "--table", "samples.jsonl"],
        ["run", *SMALL, "name=demo"],
        ["run", "--cfg", "job"],
    ]
    results = without_extras(made, *commands)
    assert {" ".join(c): r.err for c, r in zip(commands, results, strict=True) if r.code} == {}
    assert '"reason": "MATCH"' in results[commands.index(["grade", "answers.jsonl", "grader=numeric"])].out
    assert (made / "runs" / "demo" / "report.html").is_file()


def test_doctor_names_the_command_for_each_missing_package(home):
    (doctor,) = without_extras(home, ["doctor", "--json"])
    assert doctor.code == 1
    mend = {row["name"]: row["mend"] for row in doctor.json}
    assert mend["torch"] == TRAIN and mend["vllm"].startswith(VLLM)


def test_a_missing_extra_is_a_sentence_with_the_command_that_brings_it(home, tmp_path):
    row = {"id": 1, "gold": r"\sqrt{2}", "prediction": r"The answer is $\frac{\sqrt{8}}{2}$."}
    (home / "answers.jsonl").write_text(json.dumps(row))
    (home / "data.parquet").write_bytes(b"PAR1")
    model = home / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "tokenizer.json").write_text("{}")
    header = b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    local, fake = ["model=hf", f"model.path={model}"], [*SMALL, "rounds=1"]
    cases = {
        "run model=tiny": (["run", "engine=fake"], TRAIN),
        "run model=tiny_vlm": (["run", "experiment=stl_tiny", "engine=fake"], TRAIN),
        "run": (["run"], command("torch", "vllm")),
        "run engine=vllm": (["run", *fake, "engine=vllm"], VLLM),
        "run engine=transformers": (["run", *local, "engine=transformers"], TRAIN),
        "run model=hf, from the hub": (["run", "model=hf", "model.path=owner/name", "engine=fake"], TRAIN),
        "run trainer=sft": (["run", *fake, "trainer=sft"], TRAIN),
        "run verifier=dpo": (["run", *fake, "method=vstar", "verifier=dpo", "name=dpo"], TRAIN),
        "run verifier=orm": (["run", *fake, "method=vstar", "verifier=orm", "name=orm"], TRAIN),
        "run tracking=wandb": (["run", *fake, "tracking=wandb", "name=w"], command("wandb")),
        "run -m trainer=sft": (["run", "-m", *fake, "trainer=sft", "seed=1,2"], TRAIN),
        "task from the hub": (["run", "model=fake", "task=gsm8k", f"task.revision={40 * chr(97)}"], TRAIN),
        "grade grader=math": (["grade", "answers.jsonl", "grader=math"], command("math_verify")),
        "grade grader=any_of": (["grade", "answers.jsonl", "grader=any_of", "grader.graders=[math]"], "[grade]"),
        "task from parquet": (["run", "model=fake", "task=jsonl", "task.path=data.parquet"], TRAIN),
        "view": (["view"], "pip install 'star-cli[view]'"),
        "launcher joblib": (["run", "-m", *fake, "seed=1,2", "hydra/launcher=joblib"], "'star-cli[joblib]'"),
    }
    if find_spec("hydra_plugins.hydra_joblib_launcher"):  # Hydra looks for its plug-ins by folder: not to be hidden
        del cases["launcher joblib"]
    results = without_extras(home, *(args for args, _ in cases.values()))
    for (case, (_, expected)), result in zip(cases.items(), results, strict=True):
        assert result.code == 1 and expected in result.err, f"{case}: {result}"
        assert "Traceback" not in result.err, f"{case}: {result.err}"


def test_every_extra_that_a_command_names_is_in_pyproject_and_holds_the_package():
    with open(ROOT / "pyproject.toml", "rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    for package, extra in EXTRAS.items():
        held = " ".join(extras[extra]).replace("-", "_")
        assert package in held or package == "pyarrow", f"{extra} does not bring {package}"  # datasets brings pyarrow
    assert any(line.startswith("vllm>") for line in extras["vllm-cuda"])


def test_a_package_that_no_extra_brings_is_named_as_it_is():
    @dataclass(kw_only=True)
    class Mine(Part):
        packages = ("json", "no_such_package")

    Mine.__part__ = "engine/mine/1"
    with pytest.raises(StarError, match="engine=mine needs no_such_package: not installed") as e:
        require(Mine())
    assert e.value.hint == "pip install no_such_package"
