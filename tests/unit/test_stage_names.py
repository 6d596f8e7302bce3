"""Nobody compares the names of stages: what others may know of a stage, it states itself (stages/base.py)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from star_cli.core import registry
from star_cli.stages.base import STAGES, stage_class

ROOT = Path(__file__).parent.parent.parent / "star_cli"
FILES = sorted(
    p.relative_to(ROOT).as_posix()
    for p in ROOT.rglob("*.py")
    if not p.relative_to(ROOT).as_posix().startswith(("stages/", "methods/"))
)
registry.discover()
NAMES = frozenset(STAGES)


def constants(tree: ast.AST) -> dict[str, set[str]]:
    """The texts in constants of the module: BASE = ("pretrain", "base") -> {"BASE": {"pretrain", "base"}}."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return {t.id: texts(node.value, {}) for node in assigned for t in node.targets if isinstance(t, ast.Name)}


def texts(node: ast.AST, named: dict[str, set[str]]) -> set[str]:
    """The text literals in an expression, those of the module's constants too."""
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return {text for element in node.elts for text in texts(element, named)}
    if isinstance(node, ast.Dict):
        return {text for element in node.keys if element for text in texts(element, named)}
    return named.get(node.id, set()) if isinstance(node, ast.Name) else set()


def names_an_event(node: ast.AST) -> bool:
    """Whether an expression is what people call a stage in the ledger: event.name."""
    return isinstance(node, ast.Attribute) and node.attr == "name" and ast.unparse(node.value) in ("e", "event")


def begins_like_a_stage(literals: set[str]) -> bool:
    """filter, filter-rationalized, filter-"""
    return any(text.partition("-")[0] in NAMES for text in literals)


def names_a_stage(node: ast.AST) -> bool:
    """Whether an expression is the name of a stage: x.stage, row["stage"], stage_name(x)."""
    if isinstance(node, ast.Attribute):
        return node.attr == "stage"
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "stage"
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "stage_name"


def comparisons(source: str) -> Iterator[tuple[int, str]]:
    """(line, code) of every comparison of a stage's name with a text, or of anything with the name of a stage."""
    tree = ast.parse(source)
    named = constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            literals = {text for side in sides for text in texts(side, named)}
            of_events = any(map(names_an_event, sides)) and begins_like_a_stage(literals)
            if (any(map(names_a_stage, sides)) and literals) or of_events:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_stage = names_a_stage(node.func.value) or names_an_event(node.func.value)
            literals = {text for argument in node.args for text in texts(argument, named)}
            if node.func.attr in ("startswith", "endswith") and of_stage and begins_like_a_stage(literals):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Subscript) and names_a_stage(node.slice) and texts(node.value, named):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Match) and names_a_stage(node.subject):
            yield node.lineno, ast.unparse(node.subject)


@pytest.mark.parametrize("file", FILES)
def test_no_file_outside_stages_and_methods_compares_the_name_of_a_stage(file):
    found = list(comparisons((ROOT / file).read_text()))
    assert not found, f"star_cli/{file}:{found[0][0]}: {found[0][1]}; ask stage_class(name) for a fact of the stage"


@pytest.mark.parametrize(
    "code",
    [
        'artifact.stage == "select"',
        'if event.stage in ("filter", "evaluate"): pass',
        'BASE = ("pretrain", "base")\nx = [a for a in artifacts if a.stage in BASE]',
        '"finetune" != e.stage',
        'row["stage"] == "finetune"',
        'stage_name(stage) == "score"',
        'e.name == "evaluate"',
        'event.name.startswith("filter-")',
        'event.name == "filter-rationalized"',
        'ORDER = {"filter": 1}\nORDER[event.stage]',
        'match event.stage:\n    case "filter":\n        pass',
    ],
)
def test_a_comparison_would_be_found(code):
    assert list(comparisons(code))


def test_what_is_no_comparison_of_a_stage_is_let_through():
    assert not list(
        comparisons('a.stage == b.stage\nr.status == "broken"\nstage_class(e.stage).judges\ne.name == name')
    )


def test_the_facts_of_every_stage_are_of_known_kinds():
    for name in NAMES:
        stage = stage_class(name)
        assert stage.makes in (None, "base", "model", "verifier")
        assert all(
            isinstance(getattr(stage, fact), bool) for fact in ("judges", "measures", "chooses", "monitors", "quick")
        )


def test_a_stage_of_a_method_is_known_before_its_method_was_loaded():
    import subprocess
    import sys

    code = "from star_cli.stages.base import stage_class as s; print(s('ada_sample').judges, s('no_such').judges)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.split() == ["True", "False"]
