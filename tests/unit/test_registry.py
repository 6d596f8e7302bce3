"""Plug-ins are loaded whole or not at all: what is wrong with one is a sentence with its file and line, every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from star_cli.core import plugins, registry
from star_cli.errors import StarError
from star_cli.testing import separate_registry

TASK = """
from star_cli.api import Problem, Prompt, Task, register

@register("task", "{name}")
class Count(Task):
    size: int = 9

    def problems(self, split):
        for n in range(self.size):
            yield Problem(id=str(n), question=str(n), answer=str(n + 1))

    def prompt(self, problem, hint=False):
        return Prompt(f"What follows {{problem.question}}?")
"""


@pytest.fixture(autouse=True)
def own_registry():
    with separate_registry():
        yield


def parts(monkeypatch, *places: Path | str) -> None:
    monkeypatch.setenv(plugins.VARIABLE, ":".join(map(str, places)))


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def fault() -> str:
    with pytest.raises(StarError) as e:
        registry.names("task")
    return str(e.value)


def installed(folder: Path, monkeypatch, module: str) -> None:
    """A distribution in ``folder`` that names ``module`` as a plug-in."""
    file(folder, "odd-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    file(folder, "odd-1.0.dist-info/entry_points.txt", f"[star.parts]\nodd = {module}\n")
    monkeypatch.syspath_prepend(folder)


def test_a_broken_installed_plug_in_is_told_again_the_second_time(tmp_path, monkeypatch):
    file(tmp_path, "odd_parts.py", TASK.format(name="odd") + "\nnothing_of_this_name\n")
    installed(tmp_path, monkeypatch, "odd_parts")
    first = fault()
    assert "the plug-in 'odd' (odd_parts) could not be loaded" in first
    assert f"{tmp_path}/odd_parts.py:15: NameError: name 'nothing_of_this_name' is not defined" in first
    assert fault() == first, "the second call must not find half a registry"
    file(tmp_path, "odd_parts.py", TASK.format(name="odd"))
    assert "odd" in registry.names("task"), "once mended it is there"


def test_a_plug_in_that_asks_for_parts_while_it_is_imported_is_given_those_that_are_there(tmp_path, monkeypatch):
    text = "from star_cli.core import registry\nSEEN = registry.names('task')\n" + TASK.format(name="late")
    parts(monkeypatch, file(tmp_path, "asking.py", text))
    assert "late" in registry.names("task")
    import asking  # type: ignore[import-not-found]

    assert "addition" in asking.SEEN and "late" not in asking.SEEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\ny = = 2\n", "bad_parts.py:2: SyntaxError: invalid syntax"),
        ("import no_such_package\n", "bad_parts.py:1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("import json\n\njson.loads('{')\n", "bad_parts.py:3: JSONDecodeError"),
        ("import sys\nsys.exit(3)\n", "bad_parts.py:2: it ends the program while it is imported"),
        (
            TASK.format(name="gsm8k"),
            "bad_parts.py:4: the task 'gsm8k' is registered twice: by star_cli.tasks.gsm8k.GSM8K",
        ),
        (TASK.format(name="x").replace('"task"', '"tesk"'), "bad_parts.py:4: a part cannot be a 'tesk'"),
        ("from star_cli.api import *\n@stage('filter')\nclass F(Stage): pass\n", "the stage 'filter' is defined twice"),
    ],
)
def test_a_broken_file_is_one_sentence_with_file_line_and_error(tmp_path, monkeypatch, text, told):
    parts(monkeypatch, file(tmp_path, "bad_parts.py", text))
    assert told in fault() and "\n  next: " in fault()


def test_places_that_cannot_be_imported_are_sentences(tmp_path, monkeypatch):
    for place, told in (
        (tmp_path / "gone.py", "there is no such file"),
        ("gone_lab.parts", "ModuleNotFoundError: No module named 'gone_lab'"),
        (file(tmp_path, "my-parts.py", ""), "cannot be imported as 'my-parts'"),
        (file(tmp_path, "json.py", ""), "it cannot be imported as 'json', for that is "),
        (file(tmp_path, "empty/readme.txt", "").parent, "there is no Python file in this folder"),
    ):
        parts(monkeypatch, place)
        assert told in fault() and str(place) in fault(), place


def test_two_files_of_one_name_are_refused_and_not_mixed_up(tmp_path, monkeypatch):
    files = [file(tmp_path, f"{n}/twin_parts.py", TASK.format(name=n)) for n in ("one", "two")]
    parts(monkeypatch, *files)
    assert f"it cannot be imported as 'twin_parts', for that is {files[0]}" in fault()


def test_a_folder_a_package_and_a_module_are_loaded(tmp_path, monkeypatch):
    file(tmp_path, "several/first_part.py", TASK.format(name="first"))
    file(tmp_path, "several/second_part.py", "from first_part import Count\n" + TASK.format(name="second"))
    file(tmp_path, "several/_aside.py", "raise RuntimeError\n")
    file(tmp_path, "several/test_parts.py", "raise RuntimeError\n")
    file(tmp_path, "some_lab/__init__.py", "")
    file(tmp_path, "some_lab/names.py", "NAME = 'third'\n")
    third = TASK.replace('"{name}"', "NAME").replace("{{", "{").replace("}}", "}")
    file(tmp_path, "some_lab/parts.py", "from .names import NAME\n" + third)
    file(tmp_path, "cwd/fourth_part.py", TASK.format(name="fourth"))
    monkeypatch.chdir(tmp_path / "cwd")
    parts(monkeypatch, tmp_path / "several", tmp_path / "some_lab" / "parts.py", "fourth_part")
    assert {"first", "second", "third", "fourth"} <= set(registry.names("task"))
    assert registry.get("task", "third").__module__ == "some_lab.parts"


def test_nothing_installed_is_hidden_by_what_stands_beside_a_file(tmp_path, monkeypatch):
    file(tmp_path, "msgspec.py", "raise RuntimeError('the wrong one')\n")
    file(tmp_path, "beside.py", "WORD = 'beside'\n")
    text = "import beside, msgspec\nassert msgspec.__version__\n" + TASK.format(name="with_beside")
    parts(monkeypatch, file(tmp_path, "main_parts.py", text))
    assert "with_beside" in registry.names("task")


def test_what_was_loaded_is_not_imported_again(tmp_path, monkeypatch):
    log = tmp_path / "log"
    text = f"with open({str(log)!r}, 'a') as f:\n    f.write('x')\n" + TASK.format(name="once")
    parts(monkeypatch, file(tmp_path, "once_parts.py", text))
    for _ in range(3):
        assert "once" in registry.names("task")
    assert log.read_text() == "x"


@pytest.mark.parametrize("module", ["star_cli.api", "star_cli.testing"])
def test_what_plug_ins_import_is_light(module):
    heavy = {"torch", "transformers", "vllm", "hydra", "omegaconf", "typer", "matplotlib", "datasets"}
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
