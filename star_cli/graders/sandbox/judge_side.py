"""The judge's side: trusted tests, untrusted data. It holds the tests, asks the program for results, and compares."""

from __future__ import annotations

import builtins
import importlib
import json
import struct
from typing import Any

from star_cli.graders.sandbox.wire import pack, receive, send, unpack

# Modules of the program's that a test gets as the judge's own.
TRUSTED = (
    "math",
    "cmath",
    "re",
    "sys",
    "string",
    "itertools",
    "collections",
    "heapq",
    "bisect",
    "datetime",
    "copy",
    "statistics",
)


class Gone(BaseException):
    """The program ended, or sent something that is no message; a test cannot catch it."""


class Raised(BaseException):
    """Carries an exception of the program's past the checks of the wire."""


class Remote:
    """Something of the program's that is no plain data. It can be called and read, and equals only itself."""

    __slots__ = ("_star",)

    def __init__(self, link: Link, number: int) -> None:
        object.__setattr__(self, "_star", (link, number))

    def _ask(self, verb: str, args: Any = None) -> Any:
        link, number = object.__getattribute__(self, "_star")
        return link.ask(verb, number, args)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Remote._ask(self, "call", [list(args), kwargs])

    def __getattr__(self, name: str) -> Any:
        return Remote._ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        Remote._ask(self, "set", [name, value])

    def __iter__(self) -> Any:
        return iter(Remote._ask(self, "iter"))

    def __next__(self) -> Any:
        return Remote._ask(self, "next")

    def __len__(self) -> int:
        return int(Remote._ask(self, "len"))

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, place: Any) -> Any:
        return Remote._ask(self, "item", place)

    def __str__(self) -> str:
        return str(Remote._ask(self, "str"))


class Link:
    """The judge's end of the wire. Raises Gone until the program is ready."""

    def __init__(self, wire: int) -> None:
        self.wire = wire
        self.message()

    def message(self) -> dict[str, Any]:
        """The program's next message."""
        try:
            message = json.loads(receive(self.wire))
            if not isinstance(message, dict):
                raise ValueError
            return message
        except (OSError, EOFError, ValueError, RecursionError, struct.error) as e:
            raise Gone(str(e)) from None

    def ask(self, verb: str, target: Any, args: Any) -> Any:
        """The value of one request; raises what the program raised, and Gone where the answer is no message."""
        send(self.wire, {"verb": verb, "target": target, "args": pack(args, self.refer)})
        reply = self.message()
        try:
            if "raised" in reply:
                raise Raised(exception_of(reply))
            value = self.read(reply["value"])
            if verb == "call":
                for mine, now in zip(args[0], reply["changed"], strict=False):
                    self.change(mine, self.read(now))
            return value
        except Raised as e:
            raise e.args[0] from None
        except (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError, ArithmeticError) as e:
            raise Gone(f"no message: {e}") from None

    def read(self, packed: Any) -> Any:
        return unpack(packed, self.follow)

    def refer(self, value: Any) -> Any:
        if isinstance(value, Remote):
            return ["object", object.__getattribute__(value, "_star")[1]]
        raise TypeError(f"a test passes a {type(value).__name__} to the program, which cannot be sent")

    def follow(self, packed: Any) -> Any:
        if packed[0] == "object":
            return Remote(self, int(packed[1]))
        if packed[0] == "module" and packed[1] in TRUSTED:
            return importlib.import_module(packed[1])
        raise ValueError("an unknown reference")

    @staticmethod
    def change(mine: Any, now: Any) -> None:
        """What a call did to a list or dictionary it was given."""
        if type(mine) is not type(now):
            return
        if isinstance(mine, (list, bytearray)):
            mine[:] = now
        elif isinstance(mine, (dict, set)):
            mine.clear()
            mine.update(now)


def exception_of(reply: dict[str, Any]) -> BaseException:
    """The first of the program's exception classes that is a builtin, with its text; else a RuntimeError."""
    text = str(reply.get("text"))
    for name in list(reply["raised"])[:20]:
        kind = getattr(builtins, str(name), None)
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not StopIteration:
            try:
                return kind(text)
            except TypeError:
                return RuntimeError(text)
        if name == "StopIteration":
            return StopIteration()
    return RuntimeError(text)


def run(wire: int, verdict: int, task: dict[str, Any]) -> None:
    """Run the ``tests`` of a task on what the program defined as ``names``, after ``given``, which is trusted code, and
    write one message to ``verdict``: ``{"nonce": ..., "passed": true, "why": "", "run": 3}``.
    """
    result: dict[str, Any] = {"nonce": task["nonce"], "passed": False, "why": "", "run": 0}
    names: dict[str, Any] = {"__name__": "tests"}
    try:
        link = Link(wire)
        if task["given"]:
            exec(compile(task["given"], "given", "exec", dont_inherit=True), names)
        for name in task["names"]:
            try:
                names[name] = link.ask("name", name, None)
            except AttributeError:
                pass
        for test in task["tests"]:
            exec(compile(test, "test", "exec", dont_inherit=True), names)
            result["run"] += 1
        result["passed"] = result["run"] == len(task["tests"]) > 0
    except Gone as e:
        result["why"] = f"the program ended before its tests did ({e})"
    except BaseException as e:
        result["why"] = f"{type(e).__name__}: {e}"[:300]
    send(verdict, result)
