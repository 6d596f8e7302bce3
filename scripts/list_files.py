"""Write README's one-line-per-file list anew from the first line of every module: python scripts/list_files.py."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN, END = "## One line per file\n", "    conf/ "


def line_of(path: Path, width: int) -> str:
    """A file's name and the first sentence of its docstring."""
    told = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0].strip().rstrip(".")
    name, _, rest = told.partition(": ")
    known = rest if name == path.stem and rest else told
    return f"      {path.name:<{width}} {known}"[:150].rstrip()


def listing() -> str:
    """All rooms with their files."""
    lines = []
    for room in [ROOT / "star_cli", *sorted(p for p in (ROOT / "star_cli").iterdir() if (p / "__init__.py").exists())]:
        files = [p for p in sorted(room.glob("*.py")) if p.name != "__init__.py"]
        lines.append(f"    {room.relative_to(ROOT)}/")
        lines += [line_of(p, 18) for p in files]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Replace the list in README.md."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest[rest.index(END) :]
    readme.write_text(f"{before}{BEGIN}\n{listing()}{after}", "utf-8")


if __name__ == "__main__":
    main()
