"""One sample written in several turns: each step is asked for in a prompt that holds the step before and no more.

    "x 0 1 . 1 0" -> "x 0 . 1 y 1 0"        "x 0 . 1 y 1 0" -> "x . y 0 1 . 1 0"        sample: both lines

So a step cannot look back behind the state it starts from, which is the Markov assumption of RL-STaR's theory (Chang et
al. 2024, arXiv 2410.23912).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from star_cli.core.keys import seed_of
from star_cli.core.parts import Completion, Prompt, Request, Session

BLOCK = 8192  # samples that take their turns together; an interruption costs at most so many


def in_turns(
    session: Session, requests: Iterable[Request], turns: int, following: Callable[[Request, list[str]], Prompt]
) -> Iterator[Completion]:
    """Completions of ``turns`` lines each, in any order.

    ``following`` makes the next prompt from a request and its lines so far. The seed of a turn comes from the request's
    seed by hash. A turn that runs out of tokens ends its sample.
    """
    source = iter(requests)
    while block := list(islice(source, BLOCK)):
        lines: dict[tuple[str, int], list[str]] = {r.id: [] for r in block}
        sums: dict[tuple[str, int], tuple[int, float | None]] = {r.id: (0, 0.0) for r in block}
        live = block
        for turn in range(turns):
            turn_requests = [
                replace(r, prompt=following(r, lines[r.id]) if turn else r.prompt, seed=seed_of(r.seed, turn))
                for r in live
            ]
            ended = set()
            for line in session.stream(turn_requests):
                lines[line.id].append(line.text.strip())
                tokens, logprob = sums[line.id]
                total = None if logprob is None or line.logprob is None else round(logprob + line.logprob, 4)
                sums[line.id] = (tokens + line.tokens, total)
                if line.finish == "length" or turn == turns - 1:
                    ended.add(line.id)
                    yield Completion(line.id, "\n".join(lines[line.id]), tokens + line.tokens, line.finish, total)
            live = [r for r in live if r.id not in ended]
