"""What the program's side and the judge's side say to each other: plain data as JSON, each message with its length.

``["i", "0x2a"]`` is 42, ``["list", [["s", "a"]]]`` is ``["a"]``. Both sides keep the kinds of values apart that JSON
would mix (1 and 1.0, tuples and lists); only plain types can come out of a message.
"""

from __future__ import annotations

import collections
import importlib
import json
import os
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

LARGEST = 16 << 20  # bytes of one message
DEEPEST = 150  # levels of one value

COLLECTIONS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}
# Classes by name with their module, which is loaded only where a program uses it: what is loaded makes forks slower.
SPELLED = {"Decimal": "decimal", "Fraction": "fractions"}
DATED = {"datetime": "datetime", "date": "datetime", "time": "datetime"}
TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, type(None))
}


def receive(number: int) -> bytes:
    """One message from a file descriptor. Raises EOFError at its end, or where it announces too many bytes."""
    size = struct.unpack("<I", _exactly(number, 4))[0]
    if size > LARGEST:
        raise EOFError("message too long")
    return _exactly(number, size)


def _exactly(number: int, size: int) -> bytes:
    body = bytearray()
    while len(body) < size:
        piece = os.read(number, size - len(body))
        if not piece:
            raise EOFError("the other side is gone")
        body += piece
    return bytes(body)


def send(number: int, value: Any) -> None:
    """Write one message. Raises ValueError where it is too large."""
    body = json.dumps(value).encode()
    if len(body) > LARGEST:
        raise ValueError("the value is too large")
    view = memoryview(struct.pack("<I", len(body)) + body)
    while view:
        view = view[os.write(number, view) :]


def pack(value: Any, other: Callable[[Any], Any], depth: int = 0) -> Any:
    """A value as JSON; what is no plain data goes through ``other``. Raises ValueError for one nested too deeply."""
    if depth > DEEPEST:
        raise ValueError("the value is nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return ["i", hex(int(value))]
    if isinstance(value, float):
        return ["f", float(value).hex()]
    if isinstance(value, complex):
        return ["c", value.real.hex(), value.imag.hex()]
    if isinstance(value, str):
        return ["s", str(value)]
    if isinstance(value, types.FunctionType):
        return other(value)  # most of what a program defines
    if isinstance(value, (bytes, bytearray)):
        return ["b", type(value).__name__ == "bytearray", value.hex()]
    for name, kind in COLLECTIONS.items():
        if isinstance(value, kind):
            return [name, [pack(v, other, depth + 1) for v in value]]
    if isinstance(value, dict):
        return ["dict", [[pack(k, other, depth + 1), pack(v, other, depth + 1)] for k, v in value.items()]]
    if isinstance(value, range):
        return ["range", [value.start, value.stop, value.step]]
    for names, text in ((SPELLED, str), (DATED, _isoformat)):
        for name, module in names.items():
            if module in sys.modules and type(value) is getattr(sys.modules[module], name, None):
                return [name, text(value)]
    if isinstance(value, type) and value in TYPES.values():
        return ["type", value.__name__]
    return other(value)


def _isoformat(value: Any) -> str:
    return str(value.isoformat())


def unpack(packed: Any, other: Callable[[Any], Any]) -> Any:
    """The value of ``pack``; only plain types can come out, and what ``other`` makes of references."""
    if packed is None or isinstance(packed, bool):
        return packed
    kind = packed[0]
    if kind == "i":
        return int(packed[1], 16)
    if kind == "f":
        return float.fromhex(packed[1])
    if kind == "c":
        return complex(float.fromhex(packed[1]), float.fromhex(packed[2]))
    if kind == "s":
        return str(packed[1])
    if kind == "b":
        return (bytearray if packed[1] else bytes).fromhex(packed[2])
    if kind in COLLECTIONS:
        return COLLECTIONS[kind](unpack(v, other) for v in packed[1])
    if kind == "dict":
        return {unpack(k, other): unpack(v, other) for k, v in packed[1]}
    if kind == "range":
        return range(*packed[1])
    if kind in SPELLED:
        return getattr(importlib.import_module(SPELLED[kind]), kind)(packed[1])
    if kind in DATED:
        return getattr(importlib.import_module(DATED[kind]), kind).fromisoformat(packed[1])
    if kind == "type":
        return TYPES[packed[1]]
    return other(packed)
