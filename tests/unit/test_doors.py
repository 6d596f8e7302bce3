"""The architecture, read from the syntax tree: who may import whom, and the one door of every dependency."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "star_cli"
FILES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py"))

# docs/architecture.md, from the ground up: a room imports only from rooms that stand before it in this list.
ROOMS = [
    "errors", "core", "lib", "store", "tasks", "graders", "backends", "stages", "run", "methods", "analysis", "report",
    "cli", "api", "testing",
]  # fmt: skip
LOOSE = {"__init__.py", "__main__.py", "api.py", "errors.py", "testing.py"}

# Files of which each registers itself and knows none of its kind; what they share lies in files named _like_this.py.
LEAVES = (
    "tasks", "graders", "methods", "backends/engines", "backends/models", "backends/trainers", "backends/verifiers",
)  # fmt: skip


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
                named = [f"{whole}.{a.name}" for a in child.names if is_module(f"{whole}.{a.name}")]
                yield from (Import(n, child.lineno, lazy, typing) for n in (named or [whole]))
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            guarded = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from walk(child, lazy or function, typing or guarded)

    yield from walk(ast.parse((ROOT / file).read_text()), False, False)


def is_module(name: str) -> bool:
    if not name.startswith("star_cli."):
        return False
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def module_of(file: str) -> str:
    return "star_cli." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(module: str) -> str:
    """star_cli.backends.engines.fake stands in the room backends."""
    return [*module.split("."), ""][1]


def house() -> dict[str, set[str]]:
    """Every module with the modules of star that it imports, at its top, inside a function or for annotations."""
    return {module_of(f): {i.name for i in imports(f) if i.top == "star_cli" and i.name != "star_cli"} for f in FILES}


@pytest.mark.parametrize("file", FILES)
def test_imports_point_down_the_house(file):
    if file in ("__init__.py", "__main__.py"):
        return
    here = room(module_of(file))
    assert here in ROOMS, f"star_cli/{file}: {here} is no room of the house"
    for found in imports(file):
        there = room(found.name) if found.top == "star_cli" else ""
        if there:
            assert ROOMS.index(there) <= ROOMS.index(here), (
                f"star_cli/{file}:{found.line}: {here} must not import {there}, which stands above it"
            )


def test_few_modules_lie_loose():
    assert {f for f in FILES if "/" not in f} <= LOOSE


def test_no_imports_run_in_a_circle():
    graph = house()
    assert not circles(graph), f"these import each other: {circles(graph)}"


def test_a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The sets of modules that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in graph.get(todo.pop(), set()) - seen:
                seen.add(other)
                todo.append(other)
        return seen

    reach = {m: reached(m) for m in graph}
    rings = {tuple(sorted(n for n in graph if n in reach[m] and m in reach[n])) for m in graph if m in reach[m]}
    return [list(ring) for ring in sorted(rings)]


@pytest.mark.parametrize("file", [f for f in FILES if f.rpartition("/")[0] in LEAVES])
def test_a_leaf_imports_no_other_leaf(file):
    folder, _, name = file.rpartition("/")
    for found in imports(file):
        there = found.name.removeprefix("star_cli.").replace(".", "/")
        sibling = there.rpartition("/")[0] == folder and (ROOT / f"{there}.py").exists()
        shared = there.rpartition("/")[2].startswith("_") or name.startswith("_")
        assert not sibling or shared, f"star_cli/{file}:{found.line}: a leaf must not import the leaf {there}"


def _in(*places: str) -> Callable[[str], bool]:
    return lambda file: file.startswith(places)


DOORS = {
    "typer": _in("cli/"),
    "click": _in(),
    "hydra": _in("run/compose.py"),
    "omegaconf": _in("run/compose.py"),
    "wandb": _in("run/trackers/wandb.py"),
    "trackio": _in("run/trackers/trackio.py"),
    "mlflow": _in("run/trackers/mlflow.py"),
    "tensorboardX": _in("run/trackers/tensorboard.py"),
    "vllm": _in("backends/engines/"),
    "httpx": _in("backends/engines/_servers.py"),
    "ray": _in("backends/engines/"),
    "matplotlib": _in("report/"),
    "plotext": _in("report/"),
    "torch": _in("backends/", "run/doctor.py"),  # doctor says what was found
    "datasets": _in("backends/", "tasks/base/datafiles.py"),  # data sets that lie on a hub
    "math_verify": _in("graders/math.py"),
    "mpmath": _in("lib/formulas/decimals.py"),
    "lm_eval": _in("backends/suites.py"),
    "datasketch": _in("lib/text/similar.py"),
    "pandas": _in("report/frames.py"),
    "polars": _in("report/frames.py"),
    "pyarrow": _in("report/frames.py", "tasks/base/formats.py"),
    "duckdb": _in("report/view/tables.py"),
    "jinja2": _in("report/view/templating.py"),
    "latex2mathml": _in("report/view/formulas.py"),
    "pygments": _in("report/view/marks.py"),
    "starlette": _in("report/view/server.py", "report/view/guard.py"),
    "uvicorn": _in("report/view/server.py"),
    **dict.fromkeys(("transformers", "trl", "peft", "accelerate", "tokenizers", "safetensors"), _in("backends/")),
}
LIGHT = {"typer", "click"}


@pytest.mark.parametrize("file", FILES)
def test_a_dependency_has_one_door(file):
    for found in imports(file):
        if found.top in DOORS:
            assert DOORS[found.top](file), f"star_cli/{file}:{found.line}: {found.top} has another door"


@pytest.mark.parametrize("file", FILES)
def test_heavy_packages_are_imported_when_they_are_needed(file):
    for found in imports(file):
        if found.top in DOORS.keys() - LIGHT:
            assert found.lazy or found.typing, f"star_cli/{file}:{found.line}: import {found.top} where it is needed"


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith("core/")])
def test_contracts_need_msgspec_alone(file):
    outside = {f.top for f in imports(file)} - set(sys.stdlib_module_names) - {"msgspec", "star_cli"}
    assert not outside


@pytest.mark.parametrize("file", [f for f in FILES if f.startswith("lib/theory/")])
def test_the_theory_needs_numpy_alone(file):
    outside = {f.top for f in imports(file)} - set(sys.stdlib_module_names) - {"numpy", "star_cli"}
    assert not outside
    assert {i.name for i in imports(file) if i.top == "star_cli"} <= {"star_cli.errors", *map(module_of, THEORY)}


THEORY = [f for f in FILES if f.startswith("lib/theory/")]


COMMANDS = """
import contextlib, importlib, io, pkgutil, sys
import star_cli.cli
for m in pkgutil.iter_modules(star_cli.cli.__path__):
    importlib.import_module("star_cli.cli." + m.name)
from star_cli.core import registry
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
