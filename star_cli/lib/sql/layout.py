"""Where the published folders of Spider and BIRD keep their questions, schemas and databases.

    spider/  train_spider.json  dev.json  tables.json  database/pets/pets.sqlite
    bird/    dev/dev.json  dev/dev_tables.json  dev/dev_databases/pets/pets.sqlite

A folder with one questions.jsonl (or .json) for all splits is read, too.
"""

from __future__ import annotations

from pathlib import Path

from star_cli.errors import StarError

QUESTIONS = {"train": ("train_spider", "train"), "dev": ("dev",), "test": ("test",)}  # names of files by split
FORMATS = (".json", ".jsonl")


def question_files(root: Path) -> tuple[dict[str, Path], Path | None]:
    """({split: its file of questions}, a file of questions of all splits). Raises StarError where there are neither."""
    if not root.is_dir():
        raise StarError(f"task.path={root} is no folder", hint="give the folder that holds dev.json and tables.json")
    by_split: dict[str, Path] = {}
    for split, names in QUESTIONS.items():
        for place in (root, root / split):
            files = [f for name in names for f in _existing(place, name)]
            if files and split not in by_split:
                by_split[split] = files[0]
    common = next(iter(_existing(root, "questions")), None)
    if not by_split and common is None:
        raise StarError(
            f"task.path={root} holds no questions", hint="expected train_spider.json and dev.json, or questions.jsonl"
        )
    return by_split, common


def tables_file(root: Path, split: str) -> Path:
    """The file with the schemas of a split: its own where there is one (BIRD, Spider's test), else that of all splits.

    Raises StarError where there is none.
    """
    for name in (f"{split}_tables", "tables"):
        for place in (root, root / split):
            if files := _existing(place, name):
                return files[0]
    raise StarError(f"task.path={root} holds no tables.json", hint="it comes with the data set, beside the questions")


def databases_folder(root: Path, split: str) -> Path:
    """The folder that holds a folder for each database of a split. Raises StarError where there is none."""
    names = (f"{split}_databases", f"{split}_database", "databases", "database")
    folders = [p / name for p in (root / split, root) for name in names if (p / name).is_dir()]
    if not folders:
        raise StarError(f"task.path={root} holds no databases", hint="expected database/DB/DB.sqlite")
    return folders[0]


def _existing(place: Path, name: str) -> list[Path]:
    return [place / f"{name}{ending}" for ending in FORMATS if (place / f"{name}{ending}").is_file()]
