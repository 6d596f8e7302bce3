"""Graders that misbehave, for the tests of the pool. What a text says is what happens."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

from star_cli.core.keys import tagged
from star_cli.core.parts import Grader
from star_cli.core.records import Problem, Rationale, Verdict
from star_cli.graders.exact import Exact


@tagged("unruly", 1)
@dataclass(kw_only=True)
class Unruly(Grader):
    """``hang``, ``explode``, ``exit``, ``segfault``, ``raise``, ``print``, ``torch``; anything else is right."""

    seconds: float = 1.0
    work: float = 0.0

    @property
    def isolated(self) -> bool:
        return True

    @property
    def wall(self) -> float:
        return self.seconds

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        text = rationale.text
        if text == "hang":
            while True:
                time.sleep(0.1)
        if text == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            9**9**9  # noqa: B018  (never comes back to the interpreter)
        if text == "explode":
            return Verdict(problem_id="x" * (1 << 33), sample=0, correct=True, answer=None, reason="MATCH")
        if text == "exit":
            os._exit(3)
        if text == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if text == "raise":
            raise KeyError("nothing here")
        if text == "print":
            print("noise on standard output", flush=True)
        if self.work:
            end = time.process_time() + self.work
            while time.process_time() < end:
                pass
        answer = str("torch" in sys.modules or "transformers" in sys.modules) if text == "torch" else str(os.getpid())
        return Verdict(problem_id=problem.id, sample=rationale.sample, correct=True, answer=answer, reason="MATCH")


@tagged("apart", 1)
@dataclass(kw_only=True)
class Apart(Exact):
    """``exact`` in workers; ``work`` seconds of processor time for each verdict, written down in ``log``."""

    work: float = 0.0
    log: str = ""

    @property
    def isolated(self) -> bool:
        return True

    def grade(self, problem: Problem, rationale: Rationale) -> Verdict:
        end = time.process_time() + self.work
        while time.process_time() < end:
            pass
        if self.log:
            with open(self.log, "a") as f:
                f.write(f"{problem.id} {rationale.sample}\n")
        return super().grade(problem, rationale)
