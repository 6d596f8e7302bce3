"""One sample written in several turns: every step gets a prompt of its own, made of what was written before.

    "x 0 1 . 1 0" -> "x 0 . 1 y 1 0"        "x 0 . 1 y 1 0" -> "x . y 0 1 . 1 0"        sample: both lines

Then a step cannot look back behind the state it starts from, which is the Markov assumption of RL-STaR's theory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, Prompt, Request, Session

BLOCK = 8192  # samples that take their turns together; what an interruption can cost


def in_turns(
    session: Session, requests: Iterable[Request], turns: int, following: Callable[[Request, list[str]], Prompt]
) -> Iterator[Completion]:
    """Completions of ``turns`` lines each; ``following`` makes the next prompt of a request and its lines so far.

    The seed of a turn comes from the request's by hash. A turn that runs out of tokens ends its sample.
    """
    source = iter(requests)
    while block := list(islice(source, BLOCK)):
        lines: dict[tuple[str, int], list[str]] = {r.id: [] for r in block}
        sums: dict[tuple[str, int], tuple[int, float | None]] = {r.id: (0, 0.0) for r in block}
        live = block
        for turn in range(turns):
            asked = [
                replace(r, prompt=following(r, lines[r.id]) if turn else r.prompt, seed=seed_of(r.seed, turn))
                for r in live
            ]
            cut = set()
            for done in session.stream(asked):
                lines[done.id].append(done.text.strip())
                tokens, logprob = sums[done.id]
                total = None if logprob is None or done.logprob is None else round(logprob + done.logprob, 4)
                sums[done.id] = (tokens + done.tokens, total)
                if done.finish == "length" or turn == turns - 1:
                    cut.add(done.id)
                    yield Completion(done.id, "\n".join(lines[done.id]), tokens + done.tokens, done.finish, total)
            live = [r for r in live if r.id not in cut]
