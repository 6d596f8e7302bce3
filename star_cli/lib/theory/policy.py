"""A policy that is a transition table: saved, sampled, scored and refitted on texts of the zip task.

A directory holds ``tables.npy``, float64 (N, M, M), and ``config.json``: {"model_type": "tabular", "base": 2,
"length": 3}. Row s of table n is the distribution of the state after step n+1 of a chain that stands at state s.
"""

from __future__ import annotations

import json
import math
import random
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from star_cli.errors import StarError
from star_cli.lib.theory.states import Letters, letters_of, lines_of, number, read_state, state
from star_cli.lib.theory.tables import Floats, check_tables, sharpen

IMPOSSIBLE = math.log(1e-12)  # what a step counts that the table gives no chance, in nats


@dataclass(eq=False)
class Policy:
    """Tables for words of ``length`` letters out of ``base``: N = length steps over M = base**(2 length) states."""

    base: int
    length: int
    tables: Floats
    _edges: dict[float, list[list[list[float]]]] = field(default_factory=dict, repr=False)
    _goals: dict[tuple[float, int], Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, directory: str | Path) -> Policy:
        """The policy of a model directory. Raises StarError where it holds none."""
        path = Path(directory)
        try:
            config = json.loads((path / "config.json").read_bytes())
            return cls(int(config["base"]), int(config["length"]), check_tables(np.load(path / "tables.npy")))
        except (OSError, ValueError, KeyError):
            raise StarError(
                f"{path} holds no tabular model (config.json and tables.npy)",
                hint="use model=tabular with engine=tabular and trainer=tabular",
            ) from None

    def save(self, directory: Path) -> None:
        """Write the directory; the same tables give the same bytes."""
        directory.mkdir(parents=True, exist_ok=True)
        config = {"model_type": "tabular", "base": self.base, "length": self.length}
        (directory / "config.json").write_text(json.dumps(config) + "\n")
        np.save(directory / "tables.npy", self.tables)

    def number(self, text: str) -> tuple[int, int]:
        """(steps done, number) of a state's text. Raises StarError for any other text."""
        read = read_state(text)
        if read is None or len(read[1]) != 2 * self.length or max(read[1]) >= self.base:
            raise StarError(
                f"a tabular model reads only states of the zip task with task.base={self.base} and "
                f"task.length={self.length}, got {text[:60]!r}",
                hint="use task=zip with model=tabular",
            )
        return read[0], number(read[1], self.base)

    def letters(self, value: int) -> Letters:
        """The letters of both words of the state with this number."""
        return letters_of(value, self.base, 2 * self.length)

    # ---- sampling ---------------------------------------------------------------------------------------------------
    def write(self, prompt: str, seed: int, temperature: float, *, one_step: bool = False) -> tuple[str, float]:
        """Continue a state: (text, log-probability in nats), drawn at ``temperature`` (0: the likeliest) by ``seed``.

        A prompt ``state -> answer`` is a hint: the chain is then drawn from the tables' distribution over all chains
        that end in that answer. The log-probability is that of the tables at temperature 1, without the hint.
        """
        question, _, hint = (lines_of(prompt) or [""])[-1].partition(" -> ")
        done, here = self.number(question)
        goal = self.number(hint)[1] if hint else None
        rng, lines, logprob = random.Random(seed), [], 0.0
        for step in range(done, min(done + 1, self.length) if one_step else self.length):
            if goal is None:
                edges = self._cumulative(temperature)[step][here]
            else:
                row = self._row(temperature, step, here) * self._towards(temperature, goal)[step + 1]
                if not row.sum() > 0:  # no chain leads there: the hint is of no use
                    row = self._row(temperature, step, here)
                edges = np.cumsum(row).tolist()
            there = min(bisect_right(edges, rng.random() * edges[-1]), len(edges) - 1)
            chance = self.tables[step, here, there]
            logprob += math.log(chance) if chance > 0 else IMPOSSIBLE
            lines.append(state(self.letters(there), step + 1))
            here = there
        return "\n".join(lines), logprob

    def sampled(self, temperature: float) -> Floats:
        """The tables a temperature samples from; 0 puts everything on the likeliest state."""
        if temperature > 0:
            return sharpen(self.tables, temperature)
        best = self.tables.argmax(axis=2)
        return np.asarray(np.eye(self.tables.shape[1])[best])

    def _cumulative(self, temperature: float) -> list[list[list[float]]]:
        if temperature not in self._edges:
            self._edges[temperature] = np.cumsum(self.sampled(temperature), axis=2).tolist()
        return self._edges[temperature]

    def _row(self, temperature: float, step: int, here: int) -> Floats:
        edges = np.asarray(self._cumulative(temperature)[step][here])
        return np.asarray(np.diff(edges, prepend=0.0))

    def _towards(self, temperature: float, goal: int) -> Floats:
        """(N+1, M): the chance to end at ``goal`` from each state after each number of steps."""
        if (temperature, goal) not in self._goals:
            policy = self.sampled(temperature)
            ahead = [np.eye(policy.shape[1])[goal]]
            for table in policy[::-1]:
                ahead.append(table @ ahead[-1])
            self._goals[temperature, goal] = np.stack(ahead[::-1])
        return self._goals[temperature, goal]

    # ---- texts as data ----------------------------------------------------------------------------------------------
    def pairs(self, prompt: str, completion: str) -> list[tuple[int, int, int]]:
        """(step, from, to) of every line of a completion. Raises StarError for lines that are no states in order."""
        done, here = self.number((lines_of(prompt) or [""])[-1].partition(" -> ")[0])
        steps = []
        for line in lines_of(completion):
            step, there = self.number(line)
            if step != done + 1:
                raise StarError(
                    f"the line {line!r} is a state after step {step}, expected one after step {done + 1}",
                    hint="a tabular model learns only from chains it could have written",
                )
            steps.append((done, here, there))
            done, here = step, there
        return steps

    def loglikelihood(self, prompt: str, completion: str) -> float:
        """log P(completion | prompt) in nats, never below ``IMPOSSIBLE`` a step."""
        total = 0.0
        for step, here, there in self.pairs(prompt, completion):
            chance = self.tables[step, here, there]
            total += math.log(chance) if chance > 1e-12 else IMPOSSIBLE
        return total

    def refitted(self, examples: Iterable[tuple[str, str]]) -> tuple[Policy, int]:
        """The policy of the examples' conditional frequencies, and how many rows had no data and stay as they are."""
        counts = np.zeros_like(self.tables)
        for prompt, completion in examples:
            for pair in self.pairs(prompt, completion):
                counts[pair] += 1
        total = counts.sum(axis=2, keepdims=True)
        tables = np.where(total > 0, counts / np.where(total > 0, total, 1.0), self.tables)
        return Policy(self.base, self.length, tables), int((total == 0).sum())
