"""Lessons: the solved problems that a tiny base model is pretrained on, by name: ``gold`` or ``gold/hinted``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from star_cli.core.keys import seed_of
from star_cli.core.records import Example, Problem
from star_cli.errors import need


def lesson_kind(name: str, kinds: Iterable[str]) -> tuple[str, bool]:
    """("gold", True) of the name ``gold/hinted``: the kind, and whether the prompt shows the answer.

    Raises StarError for a kind that is none of ``kinds``.
    """
    choices = list(kinds)
    kind, _, form = name.partition("/")
    need(
        kind in choices and form in ("", "hinted"),
        f"unknown lesson {name!r}, expected one of {', '.join(choices)}, alone or with /hinted behind it",
    )
    return kind, form == "hinted"


def lesson(name: str, number: int | str, prompt: str, completion: str, images: Iterable[str] = ()) -> Example:
    """One lesson as a training example; ``number`` tells those of one name apart."""
    return Example(
        problem_id=f"lesson/{name}/{number}",
        sample=0,
        prompt=prompt,
        completion=completion,
        origin="gold",
        images=list(images),
    )


def solved_lessons(
    problems: list[Problem],
    lessons: dict[str, int],
    seed: int,
    kinds: Iterable[str],
    write: Callable[[Problem, str, bool], tuple[str, str]],
    longest: int,
) -> Iterator[Example]:
    """``lessons`` (how many by name) made of problems; ``write`` gives (prompt, completion) of one, its kind and hint.

    Of those with at most ``longest`` characters some are drawn by seed, fewer than asked for where there are fewer; the
    order of the problems does not matter. Raises StarError for a kind that is none of ``kinds``.
    """
    choices = list(kinds)
    for name, count in lessons.items():
        kind, hinted = lesson_kind(name, choices)
        texts = {p.id: write(p, kind, hinted) for p in problems}
        short = [id for id, (prompt, completion) in texts.items() if len(prompt) + len(completion) <= longest]
        for id in sorted(short, key=lambda id: seed_of("lesson", seed, name, id))[:count]:
            yield lesson(name, id, *texts[id])
