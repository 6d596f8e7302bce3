"""The architecture, read from the syntax tree: who may import whom, and the one door of every dependency."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "star_cli"
LEAVES = ("tasks", "graders", "engines", "trainers", "methods", "models", "stages")
FILES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py"))
HEAVY = {"torch", "transformers", "trl", "datasets", "peft", "accelerate", "tokenizers", "safetensors"}

# Of the rooms in DESIGN section 1, from the ground up: a file imports only from below itself or from its own line.
FLOORS = [
    {"errors", "quantity", "final", "stats", "sandbox_child", "prompts", "equations"},
    {"canon", "records", "registry", "sandbox", "selection", "adastar"},
    {"store", "data", "sql", "images", "theory"},
    {"parts"},
    {"pool", "early", "turns", "sourced", "querying", "seeing", "eyes", "candidates", "health"},
    {"grading"},
    {"stages", "tasks", "graders", "engines", "trainers", "methods", "models"},
    {"verifiers"},
    {"runs", "residency", "external"},
    {
        "config",
        "tracking",
        "lab",
        "choosing",
        "adapting",
        "forecast",
        "report",
        "session",
        "sweeps",
        "resume",
        "single",
        "upkeep",
        "compare",
        "comparison",
        "listing",
        "doctor",
        "budget",
        "versus",
    },
    {"cli", "__main__"},
]
FLOOR = {name: i for i, floor in enumerate(FLOORS) for name in floor}
UPWARDS = {  # for annotations only (TYPE_CHECKING), where it is no import at all at run time
    ("parts", "lab"),
    ("methods", "lab"),
}


class Import:
    """One import: what is named, on which line, whether inside a function, whether for annotations only."""

    def __init__(self, name: str, line: int, lazy: bool, typing: bool) -> None:
        self.name, self.line, self.lazy, self.typing = name, line, lazy, typing

    @property
    def top(self) -> str:
        return self.name.split(".")[0]


def imports(file: str) -> Iterator[Import]:
    def walk(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(a.name, child.lineno, lazy, typing) for a in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}:{child.lineno}: relative imports hide who visits whom"
                whole = child.module or ""
                folder = ROOT / whole[9:].replace(".", "/")
                named = [f"{whole}.{a.name}" for a in child.names if (folder / f"{a.name}.py").exists()]
                yield from (Import(n, child.lineno, lazy, typing) for n in (named or [whole]))
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            guarded = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from walk(child, lazy or function, typing or guarded)

    yield from walk(ast.parse((ROOT / file).read_text()), False, False)


def room(module: str) -> str:
    """The room of a file (``engines/fake.py``) or of a module below star_cli (``engines.fake``)."""
    return module.replace("/", ".").removesuffix(".py").split(".")[0]


def inside(found: Import) -> str:
    return found.name.removeprefix("star_cli").lstrip(".")


@pytest.mark.parametrize("file", FILES)
def test_imports_point_down_the_house(file):
    here = room(file)
    if here == "__init__":
        assert not list(imports(file))
        return
    assert here in FLOOR, f"say in FLOORS where {here} stands"
    for found in imports(file):
        there = room(inside(found)) if found.top == "star_cli" else ""
        if not there or (found.typing and (here, there) in UPWARDS):
            continue
        assert there in FLOOR, f"{file}:{found.line}: say in FLOORS where {there} stands"
        assert FLOOR[there] <= FLOOR[here], (
            f"star_cli/{file}:{found.line}: {here} must not import {there}, which is above it"
        )


@pytest.mark.parametrize("file", [f for f in FILES if f.split("/")[0] in LEAVES])
def test_a_leaf_imports_no_other_leaf(file):
    here, name = file.split("/")
    for found in imports(file):
        there = inside(found).split(".") if found.top == "star_cli" else []
        if len(there) < 2 or there[0] not in LEAVES or f"{there[1]}.py" == name:
            continue
        private = there[0] == here and (there[1].startswith("_") or name.startswith("_"))
        assert private, f"star_cli/{file}:{found.line}: a leaf must not import the leaf {'/'.join(there)}"


DOORS = {
    "typer": lambda f: f.startswith("cli/"),
    "click": lambda f: False,
    "hydra": lambda f: f == "config.py",
    "omegaconf": lambda f: f == "config.py",
    "wandb": lambda f: f == "tracking.py",
    "vllm": lambda f: f == "engines/vllm.py" or f.startswith("engines/_"),
    "matplotlib": lambda f: f.startswith("report/"),
    "plotext": lambda f: f.startswith("report/"),
    # doctor says what was found; data.py reads data sets that lie on a hub
    **dict.fromkeys(HEAVY, lambda f: f.split("/")[0] in ("engines", "trainers", "models", "verifiers")),
    "torch": lambda f: f.split("/")[0] in ("engines", "trainers", "models", "verifiers") or f == "doctor.py",
    "datasets": lambda f: f.startswith(("trainers/", "verifiers/")) or f == "data.py",
}
LAZY = HEAVY | {"vllm", "wandb", "hydra", "omegaconf", "matplotlib", "plotext"}


@pytest.mark.parametrize("file", FILES)
def test_a_dependency_has_one_door(file):
    for found in imports(file):
        if found.top in DOORS:
            assert DOORS[found.top](file), f"star_cli/{file}:{found.line}: {found.top} has another door"


@pytest.mark.parametrize("file", FILES)
def test_heavy_packages_are_imported_when_they_are_needed(file):
    for found in imports(file):
        if found.top in LAZY:
            assert found.lazy or found.typing, f"star_cli/{file}:{found.line}: import {found.top} where it is needed"


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith("theory/")])
def test_the_theory_needs_numpy_alone(file):
    outside = {f.top for f in imports(file)} - set(sys.stdlib_module_names) - {"numpy", "star_cli"}
    assert not outside
    assert {room(inside(f)) for f in imports(file) if f.top == "star_cli"} <= {"errors", "theory"}


COMMANDS = """
import contextlib, importlib, io, pkgutil, sys
import star_cli.cli
for m in pkgutil.iter_modules(star_cli.cli.__path__):
    importlib.import_module("star_cli.cli." + m.name)
from star_cli import registry
from star_cli.cli.main import main
for args in (["--help"], ["run", "--help"], ["filter", "--help"]):
    sys.argv = ["star", *args]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main()
light = {"torch", "transformers", "vllm", "hydra", "wandb", "matplotlib"} & set(sys.modules)
registry.discover()
heavy = {"torch", "transformers", "vllm", "trl", "datasets", "peft", "wandb"} & set(sys.modules)
print(sorted(light), sorted(heavy))
"""


def test_help_and_the_whole_registry_load_without_heavy_packages():
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], capture_output=True, text=True, cwd=ROOT.parent, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[] []"


def test_a_run_on_fakes_never_loads_torch(home):
    from conftest import SMALL, environment

    code = (
        f"import sys; sys.argv = ['star', 'run', *{SMALL!r}]\nfrom star_cli.cli.main import main\n"
        "try:\n main()\nfinally:\n print('LOADED', sorted({'torch', 'transformers', 'vllm'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=home, env=environment(home), timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"
