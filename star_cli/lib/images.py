"""Pictures on disk: their content hash, checked and decoded. Whatever is wrong with a file is raised as StarError."""

from __future__ import annotations

import base64
import io
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_cli.core.keys import file_sha256
from star_cli.errors import StarError

KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
PIXELS = 40_000_000  # the largest picture that is decoded; a small file can promise far more (decompression bomb)
MEND = "replace or remove the file; task.bad_images=skip leaves such problems out and counts them"


def digest(path: str | os.PathLike[str]) -> str:
    """The sha256 of a picture's bytes in hex, whatever its name. Raises StarError where there is no file."""
    name, size, changed = _stat(Path(path))
    return _digest(name, size, changed)


def check(path: str | os.PathLike[str], pixels: int = PIXELS) -> tuple[int, int]:
    """Decode a whole picture to see that it can be read; (width, height).

    Raises StarError for a file that is missing, empty, truncated, no picture, or has more than ``pixels`` pixels;
    nothing larger is ever decoded.
    """
    name, size, changed = _stat(Path(path))
    result = _size_or_fault(name, size, changed, pixels)
    if isinstance(result, str):
        raise StarError(result, hint=MEND)
    return result


def load(path: str | os.PathLike[str], pixels: int = PIXELS) -> Any:
    """The picture as a PIL image in RGB, turned upright by its EXIF orientation; transparent parts become white.

    Raises StarError as ``check`` does.
    """
    return _decode(Path(path), pixels)


def embedded(path: str | os.PathLike[str], edge: int = 320) -> str:
    """A picture as a ``data:`` URL for a page, at most ``edge`` pixels wide and high; small ones are enlarged.

    Raises StarError as ``check`` does.
    """
    from PIL import Image

    picture = load(path)
    longest = max(picture.size)
    if longest > edge:
        picture.thumbnail((edge, edge))
    elif longest * 2 <= edge:
        times = min(edge // longest, 4)
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _stat(path: Path) -> tuple[str, int, int]:
    """(path, size in bytes, time of the last change in ns): while these are equal, what was read of a file holds."""
    try:
        stat = path.stat()
    except OSError:
        raise StarError(f"the picture {path} does not exist", hint=MEND) from None
    if not path.is_file():
        raise StarError(f"the picture {path} is not a file", hint=MEND)
    return str(path), stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=65536)
def _digest(name: str, size: int, changed: int) -> str:
    return file_sha256(Path(name))


@lru_cache(maxsize=65536)
def _size_or_fault(name: str, size: int, changed: int, pixels: int) -> tuple[int, int] | str:
    try:
        picture = _decode(Path(name), pixels)
    except StarError as e:
        return e.what
    return int(picture.width), int(picture.height)


def _decode(path: Path, pixels: int) -> Any:
    from PIL import Image, ImageOps, UnidentifiedImageError

    _, size, _ = _stat(path)
    if not size:
        raise StarError(f"the picture {path} is empty (0 bytes)", hint=MEND)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: our limit is lower
            with Image.open(path, formats=KINDS) as source:
                if source.width * source.height > pixels:
                    raise StarError(
                        f"the picture {path} has {source.width} x {source.height} pixels, more than the "
                        f"{pixels:,} that are decoded",
                        hint="make it smaller, or " + MEND,
                    )
                source.load()
                upright = ImageOps.exif_transpose(source)
                if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                    upright = upright.convert("RGBA")
                    ground = Image.new("RGBA", upright.size, "white")
                    upright = Image.alpha_composite(ground, upright)
                return upright.convert("RGB")
    except UnidentifiedImageError:
        raise StarError(
            f"the file {path} is no picture of a known kind ({', '.join(KINDS).lower()})", hint=MEND
        ) from None
    except Image.DecompressionBombError as e:
        raise StarError(
            f"the picture {path} is too large to be decoded: {e}", hint="make it smaller, or " + MEND
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as e:
        raise StarError(f"the picture {path} is damaged or truncated: {e}", hint=MEND) from None
