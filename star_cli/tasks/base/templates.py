"""Prompt templates: text with {places} to fill in, typed as a setting or read from a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from star_cli.errors import StarError, need

PLACE = re.compile(r"\{(\w+)\}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with every {name} that ``values`` holds replaced; what is filled in is not looked at again."""
    return PLACE.sub(lambda match: values.get(match[1], match[0]), template)


def places(template: str) -> list[str]:
    """The names of a template's {places}, each once, in order."""
    return list(dict.fromkeys(PLACE.findall(template)))


def template_text(value: str, setting: str) -> str:
    r"""The template that a setting means: the text of FILE for ``@FILE``, else ``value`` itself.

    A typed ``\n`` is a line break, since a shell passes it as two letters. Where a small letter follows it could be a
    command of LaTeX, as in ``\neq``, and a StarError asks for a file. Raises StarError for a file that cannot be read.
    """
    if value.startswith("@"):
        text = file_text(value[1:], setting, "give a text file with the template")
        need(
            not text.startswith("@"),
            f"{setting}={value}: the text of the file begins with @, which names a file",
            "begin it with another letter",
        )
        return text.rstrip("\n")
    unclear = re.search(r"\\n[a-z]\w*", value)
    need(
        unclear is None,
        f"{setting} holds {unclear[0] if unclear else ''}, which may be a line break or a command of LaTeX",
        f"put the template into a file and give {setting}=@FILE",
    )
    return value.replace("\\n", "\n")


def file_text(path: str, setting: str, hint: str) -> str:
    """The text of a user's UTF-8 file. Raises StarError that names the ``setting`` where it cannot be read."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise StarError(
            f"{setting}={path} is not UTF-8 (byte {e.start}: {e.reason})", hint="convert the file to UTF-8"
        ) from None
    except (OSError, ValueError, RuntimeError) as e:
        reason = e.strerror if isinstance(e, OSError) else e
        raise StarError(f"{setting}={path} cannot be read: {reason}", hint=hint) from None


def text_sha256(text: str) -> str:
    """What stands for a text in a key: the first 32 hex digits of its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
