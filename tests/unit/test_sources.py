"""An edited plug-in serves no old results: what its key holds of its code, and what of it does not matter."""

from __future__ import annotations

import pytest

from star_cli.core import plugins, registry
from star_cli.core.keys import key
from star_cli.core.sources import sources_in
from star_cli.errors import StarError
from star_cli.stages.base import STAGES
from star_cli.stages.filter import Filter
from star_cli.testing import separate_registry

FILES = {
    "own_parts.py": """
        from star_cli.api import Grader, Method, Record, Stage, register, stage
        import own_words
        import msgspec

        LIMIT = 3

        class Vote(Record, kw_only=True, frozen=True):
            schema, file, unique = "own_vote/1", "votes.jsonl", ("id",)
            id: str

        def last(text):
            return own_words.of(text)[-1]

        @register("grader", "own")
        class Own(Grader):
            strict: bool = False

            def grade(self, problem, rationale):
                right = last(rationale.text) == problem.answer
                return right

        @register("grader", "other")
        class Other(Grader):
            def grade(self, problem, rationale):
                return None

        @stage("own_stage")
        class OwnStage(Stage):
            writes = (Vote,)
            round: int = 1

            def run(self, context):
                return {"n": LIMIT}

        @register("method", "own")
        class OwnMethod(Method):
            rounds: int = 1

            def run(self, lab):
                return lab.build(OwnStage(), {}, 1, "own")
        """,
    "own_words.py": "from own_letters import SPACE\ndef of(text):\n    return text.split(SPACE)\n",
    "own_letters.py": 'SPACE = " "\n',
    "unrelated.py": "X = 1\n",
}


def written(folder, changes=()):
    """The files of the plug-in in a folder, with (file, old, new) changes in them."""
    import textwrap

    folder.mkdir(parents=True, exist_ok=True)
    files = {name: textwrap.dedent(text).lstrip() for name, text in FILES.items()}
    for name, old, new in changes:
        assert old in files[name]
        files[name] = files[name].replace(old, new)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "own_parts.py"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load the plug-in with changes; gives {what: the version in its tag}."""
    count = iter(range(99))

    def loaded(*changes, at=None, file=None):
        path = file or written(tmp_path / (at or str(next(count))), changes)
        with separate_registry():
            monkeypatch.setenv(plugins.VARIABLE, str(path))
            graders = {name: registry.get("grader", name).__part__ for name in ("own", "other")}
            tags = {**graders, "stage": STAGES["own_stage"].__part__}
            return {name: tag.rpartition("/")[2] for name, tag in tags.items()}

    return loaded


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        (("own_parts.py", "return right", "return not right"), {"own"}),
        (("own_parts.py", "return None", "return 1"), {"other"}),
        (("own_parts.py", '{"n": LIMIT}', '{"n": 7}'), {"stage"}),
        (("own_parts.py", "{}, 1", "{}, 2"), set()),  # a method's loop enters no key
        (("own_parts.py", "LIMIT = 3", "LIMIT = 4"), {"own", "other", "stage"}),
        (("own_parts.py", "[-1]", "[0]"), {"own", "other", "stage"}),
        (("own_parts.py", "    id: str", "    id: int"), {"own", "other", "stage"}),
        (("own_words.py", "text.split", "text.rsplit"), {"own", "other", "stage"}),
        (("own_letters.py", '" "', '","'), {"own", "other", "stage"}),
        (("unrelated.py", "1", "2"), set()),
    ],
)
def test_an_edit_moves_the_keys_of_what_it_can_change(load, change, moved):
    before, after = load(), load(change)
    assert {name for name in before if before[name] != after[name]} == moved
    assert all(version.startswith("1+") and len(version) == 18 for version in before.values())


def test_a_part_that_names_another_one_moves_with_it(load):
    names = ("own_parts.py", "writes = (Vote,)", "judge = Other\n    writes = (Vote,)")
    before, after = load(names), load(names, ("own_parts.py", "return None", "return 1"))
    assert before["stage"] != after["stage"] and before["own"] == after["own"]


def test_place_and_line_endings_do_not_matter(load, tmp_path):
    before = load(at="here")
    moved = written(tmp_path / "there" / "deeper")
    moved.write_bytes(moved.read_bytes().replace(b"\n", b"\r\n"))
    assert load(file=moved) == before


def test_a_version_of_its_own_leaves_the_code_out(load):
    said = ('"own")\nclass Own(', '"own", version=3)\nclass Own(')
    before, after = (
        load(("own_parts.py", *said)),
        load(("own_parts.py", *said), ("own_parts.py", "return right", "return 0")),
    )
    assert before["own"] == after["own"] == "3"
    assert before["other"] == after["other"] != "1"


def test_what_is_edited_is_told_by_file_and_definition(tmp_path, monkeypatch):
    with separate_registry():
        monkeypatch.setenv(plugins.VARIABLE, str(written(tmp_path)))
        own = registry.get("grader", "own")
        sources = sources_in([{"grader": own()}, Filter(task=registry.get("task", "addition")(), grader=own())])
    assert set(sources) == {"grader/own"}
    assert set(sources["grader/own"]) == {"own_parts.py", "own_words.py", "own_letters.py"}
    assert {"Own", "Own.grade", "Vote", "last"} < set(sources["grader/own"]["own_parts.py"])
    assert not {"Other", "Other.grade", "OwnMethod.run"} & set(sources["grader/own"]["own_parts.py"])


def test_a_package_counts_what_it_imports_from_itself_and_nothing_else(tmp_path, monkeypatch):
    package = tmp_path / "own_lab"
    (package / "tools").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "words.py": "from .tools import knife\nfrom . import limits\n",
        "limits.py": "LIMIT = 1\n",
        "strangers.py": "X = 1\n",
        "tools/__init__.py": "",
        "tools/knife.py": "from ..limits import LIMIT\n",
        "parts.py": """
from star_cli.api import Grader, register
from own_lab.words import knife
import numpy, unbundled

@register("grader", "packed")
class Packed(Grader):
    def grade(self, problem, rationale):
        from own_lab import limits
""",
    }.items():
        (package / name).write_text(text)
    (tmp_path / "unbundled.py").write_text("")  # beside the package, not in it
    with separate_registry():
        monkeypatch.setenv(plugins.VARIABLE, str(package / "parts.py"))
        sources = registry.get("grader", "packed").__sources__
    assert set(sources) == {"own_lab/parts.py", "own_lab/words.py", "own_lab/limits.py", "own_lab/tools/knife.py"}


def test_a_module_among_installed_packages_counts_alone(load, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "anything-1.0.dist-info").mkdir()
    before = load(at="site")
    with open(tmp_path / "site" / "own_words.py", "a") as f:
        f.write("X = 1\n")
    assert load(file=tmp_path / "site" / "own_parts.py") == before != load()


def test_a_part_that_extends_one_of_another_plug_in_moves_with_it(tmp_path, monkeypatch):
    def version(body: str) -> str:
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "b").mkdir(exist_ok=True)
        first = f"from star_cli.api import *\n@register('grader', 'first')\nclass First(Grader):\n    x = {body}\n"
        second = "from first_one import *\n@register('grader', 'second')\nclass Second(First): pass\n"
        (tmp_path / "a" / "first_one.py").write_text(first)
        (tmp_path / "b" / "second_one.py").write_text(second.replace("*", "First\nfrom star_cli.api import register"))
        with separate_registry():
            monkeypatch.setenv(plugins.VARIABLE, f"{tmp_path}/a/first_one.py:{tmp_path}/b/second_one.py")
            return str(registry.get("grader", "second").__part__)

    assert version("1") != version("2")


def test_a_class_without_source_is_refused_unless_it_counts_its_versions():
    with separate_registry():
        facts = {"__module__": "a_notebook", "__annotations__": {}}
        with pytest.raises(StarError, match="the grader 'mine' has no source file .* notebook or at a prompt") as e:
            registry.register("grader", "mine")(type("Mine", (), dict(facts)))
        assert '@register("grader", "mine", version=1)' in str(e.value)
        assert "mine" not in registry.names("grader")
        made = registry.register("grader", "mine", version=2)(type("Mine", (), dict(facts)))
        assert made.__part__ == "grader/mine/2"


def test_shipped_parts_have_plain_versions():
    for kind in registry.KINDS:
        for name in registry.names(kind):
            part = registry.get(kind, name)
            assert part.__part__.rpartition("/")[2].isdigit() and not part.__sources__
    assert Filter.__part__ == "stage/filter/3"
    assert key(registry.get("trainer", "fake")())
