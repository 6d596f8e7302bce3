"""The program's side: run an untrusted program, then answer what the judge asks. Nothing here is trusted once it runs.

The judge sends ``{"verb": "call", "target": 0, "args": ...}``; the answer is ``{"value": ..., "changed": [...]}``, or
``{"raised": ["ValueError", ...], "text": "no"}``.
"""

from __future__ import annotations

import itertools
import json
import sys
import types
from typing import Any

from star_cli.graders.sandbox.wire import pack, receive, send, unpack

LONGEST = 1_000_000  # items taken of one iterator


class Objects:
    """What the program has handed out that is no plain data; the judge knows each by its number."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def keep(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        self.kept.append(value)
        return ["object", len(self.kept) - 1]

    def find(self, packed: Any) -> Any:
        return self.kept[packed[1]] if packed[0] == "object" else None


def run(wire: int, program: str) -> None:
    """Execute ``program`` as the module ``solution``, then answer on ``wire`` until the judge closes it (EOFError)."""
    module = types.ModuleType("solution")
    sys.modules["solution"], sys.argv = module, ["solution.py"]
    sys.setrecursionlimit(5000)
    exec(compile(program, "solution.py", "exec", dont_inherit=True), module.__dict__)
    objects = Objects()
    send(wire, {"ready": True})
    while True:
        request = json.loads(receive(wire))
        args = unpack(request["args"], objects.find)
        try:
            value = _act(module, objects.kept, request["verb"], request["target"], args)
            changed = [pack(a, objects.keep) for a in args[0]] if request["verb"] == "call" else None
            reply = {"value": pack(value, objects.keep), "changed": changed}
        except Exception as e:
            reply = {"raised": [kind.__name__ for kind in type(e).__mro__], "text": str(e)[:300]}
        send(wire, reply)


def _act(module: types.ModuleType, kept: list[Any], verb: str, target: Any, args: Any) -> Any:
    if verb == "name":
        return getattr(module, target)
    thing = kept[target]
    if verb == "call":
        return thing(*args[0], **args[1])
    if verb == "get":
        return getattr(thing, args)
    if verb == "set":
        return setattr(thing, *args)
    if verb == "iter":
        return list(itertools.islice(iter(thing), LONGEST))
    if verb == "next":
        return next(thing)
    if verb == "len":
        return len(thing)
    if verb == "item":
        return thing[args]
    return str(thing)
