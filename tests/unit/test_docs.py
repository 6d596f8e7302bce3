"""What the documents say about the code holds: links and paths lead somewhere, rooms are those of the house."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT
from test_doors import ROOMS

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SOURCES = ("star_cli/", "tests/", "scripts/", "conf/", "docs/")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_paths_lead_to_files(page):
    text = page.read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    named = re.findall(r"`([\w./-]+)`", text)
    missing += [n for n in named if n.startswith(SOURCES) and "/x" not in n and not (ROOT / n).exists()]
    assert not missing, f"{page.name} names what is not there: {missing}"


def test_files_that_the_architecture_names_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w/.-]*)`", text)
    missing = [n for n in named if not (ROOT / "star_cli" / n).exists() and "/x" not in n]
    assert named and not missing


def test_the_rooms_of_the_architecture_are_those_of_the_door_test_in_their_order():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text[text.index("| room |") : text.index("`conf/` lies")]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.M) == ROOMS


def test_the_readme_is_short_and_its_table_names_every_room():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 170
    table = text[text.index("| room of") :]
    rooms = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, flags=re.M)))
    assert sorted(set(rooms) - {"star_cli"}) == sorted(set(ROOMS) - {"errors"})
