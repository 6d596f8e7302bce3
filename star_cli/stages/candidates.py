"""The fixed pool of candidates that all selectors choose from: verdicts and scores of the same samples, as arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from star_cli.core.records import NO_VOTE, Problem, Rationale, Score, Verdict
from star_cli.errors import StarError, unknown
from star_cli.lib.selection import Floats, Ints, best_of_k, pass_at_k, vote_at_k, vote_weights
from star_cli.store.artifacts import Artifact

OWN = "likelihood"  # the selector by the log-probability that the generator gave its sample
NAME = re.compile(r"(pass|oracle|majority|weighted|best_of)@(\d+)(?:/(.+))?")


@dataclass
class Block:
    """The problems that have equally many candidates: their places in the pool, and (P, N) arrays."""

    places: Ints
    correct: Floats
    answers: Ints
    scores: dict[str, Floats] = field(default_factory=dict)


@dataclass
class Pool:
    """All candidates of ``ids``. ``weighting`` says of each verifier how its scores weigh a vote."""

    ids: list[str]
    blocks: list[Block]
    verifiers: list[str]
    distinct: Floats  # of each problem the number of different parsed answers
    unparsed: float  # share of the candidates
    tokens: float  # mean per candidate
    weighting: dict[str, str] = field(default_factory=dict)

    @property
    def fewest(self) -> int:
        """Candidates of the problem that has the fewest."""
        return min(int(b.correct.shape[1]) for b in self.blocks)

    def check(self, ks: list[int]) -> None:
        """Refuse a k that some problem has not enough candidates for."""
        for k in ks:
            if not 1 <= k <= self.fewest:
                block = min(self.blocks, key=lambda b: b.correct.shape[1])
                raise StarError(
                    f"k={k}, but problem {self.ids[block.places[0]]} has {self.fewest} candidates; k must be "
                    f"from 1 to {self.fewest}",
                    hint="leave this k out, or sample more candidates a problem",
                )

    def selectors(self) -> list[str]:
        """What chooses: majority and, for every verifier, weighted/NAME and best_of/NAME."""
        return ["majority", *(f"{kind}/{v}" for v in self.verifiers for kind in ("weighted", "best_of"))]

    def values(self, name: str, seed: int = 0) -> Floats:
        """(P,) expected correctness of a metric such as pass@8, majority@8 or best_of@8/dpo, in the order of
        ``ids``.
        """
        match = NAME.fullmatch(name)
        if match is None:
            raise StarError(f"{name!r} names no selection", hint="for example pass@8, majority@8 or best_of@8/dpo")
        kind, k, verifier = match[1], int(match[2]), match[3]
        if kind in ("weighted", "best_of") and verifier not in self.verifiers:
            raise unknown("verifier", str(verifier), self.verifiers, hint="give its scores as scores.NAME")
        self.check([k])
        correctness = np.empty(len(self.ids))
        for b in self.blocks:
            correctness[b.places] = self._block(b, kind, k, verifier, seed)
        return correctness

    def _block(self, b: Block, kind: str, k: int, verifier: str | None, seed: int) -> Floats:
        if kind in ("pass", "oracle"):
            return pass_at_k(b.correct, k)
        if kind == "majority":
            return vote_at_k(b.correct, b.answers, k, seed=seed)
        assert verifier is not None
        if kind == "best_of":
            return best_of_k(b.correct, b.scores[verifier], k)
        scores = b.scores[verifier]
        weights = (
            scores if self.weighting[verifier] == "probability" else np.exp(scores - scores.max(axis=1, keepdims=True))
        )
        return vote_at_k(b.correct, b.answers, k, weights, seed=seed)


def pool_of(problems: Artifact, rationales: Artifact, verdicts: Artifact, scores: Mapping[str, Artifact]) -> Pool:
    """The pool of artifacts that belong together; a missing verdict or score is a StarError that names it."""
    graded = verdicts.input("rationales")
    if graded not in (None, rationales.key):
        raise StarError(
            f"the verdicts {verdicts.key} are of the rationales {graded}, not of {rationales.key}",
            hint="give an evaluate or filter artifact of these rationales",
        )
    by_sample = {(v.problem_id, v.sample): v for v in verdicts.read(Verdict)}
    opinions = {name: _scores(name, artifact) for name, artifact in scores.items()}
    samples: dict[str, list[tuple[str, int]]] = {p.id: [] for p in problems.read(Problem)}
    tokens = 0
    own: dict[tuple[str, int], float] | None = {}
    for r in rationales.read(Rationale):
        if r.problem_id not in samples:
            raise StarError(
                f"the rationales {rationales.key} have a problem {r.problem_id} that {problems.key} has not",
                hint="give the problems that the rationales were generated from",
            )
        if (r.problem_id, r.sample) not in by_sample:
            raise StarError(
                f"problem {r.problem_id} sample {r.sample} has no verdict in {verdicts.key}",
                hint="grade these rationales with star evaluate",
            )
        samples[r.problem_id].append((r.problem_id, r.sample))
        tokens += r.tokens
        if own is not None and r.logprob is not None:
            own[r.problem_id, r.sample] = r.logprob
        else:
            own = None
    if not sum(map(len, samples.values())):
        raise StarError(f"the rationales {rationales.key} hold no candidate", hint="sample some first")
    if own is not None:  # the writer's opinion of its own samples: what any verifier has to beat
        opinions.setdefault(OWN, own)
    return _pool(samples, by_sample, opinions, tokens)


def _scores(name: str, artifact: Artifact) -> dict[tuple[str, int], float]:
    scores: dict[tuple[str, int], float] = {}
    for s in artifact.read(Score):
        if scores.setdefault((s.problem_id, s.sample), s.score) != s.score:
            raise StarError(
                f"scores.{name} ({artifact.key}) has several scores of problem {s.problem_id} sample {s.sample}",
                hint="give the scores of one verifier in one artifact",
            )
    return scores


def _pool(
    samples: dict[str, list[tuple[str, int]]],
    verdicts: Mapping[tuple[str, int], Verdict],
    opinions: dict[str, dict[tuple[str, int], float]],
    tokens: int,
) -> Pool:
    ids = list(samples)
    sizes: dict[int, list[int]] = {}
    for place, name in enumerate(ids):
        sizes.setdefault(len(samples[name]), []).append(place)
    blocks, distinct, lost, total = [], np.zeros(len(ids)), 0, 0
    for n, places in sorted(sizes.items()):
        rows = [[verdicts[at] for at in samples[ids[p]]] for p in places]
        answers = [numbered(row) for row in rows]
        blocks.append(
            Block(
                np.array(places),
                np.array([[float(v.correct) for v in row] for row in rows]).reshape(-1, n),
                np.array(answers, dtype=np.int64).reshape(-1, n),
            )
        )
        for place, row in zip(places, answers, strict=True):
            distinct[place] = len({a for a in row if a >= 0})
            lost += sum(a < 0 for a in row)
            total += len(row)
        for name, scores in opinions.items():
            blocks[-1].scores[name] = np.array(
                [[_score(scores, at, name) for at in samples[ids[p]]] for p in places]
            ).reshape(-1, n)
    pool = Pool(ids, blocks, sorted(opinions), distinct, lost / total, tokens / total)
    for name in opinions:
        whole = np.concatenate([b.scores[name].ravel() for b in blocks])
        pool.weighting[name] = vote_weights(whole[None])[1]
    return pool


def _score(scores: dict[tuple[str, int], float], at: tuple[str, int], name: str) -> float:
    if at not in scores:
        raise StarError(
            f"scores.{name} has no score of problem {at[0]} sample {at[1]}",
            hint="score the same rationales that are selected from",
        )
    return scores[at]


def numbered(verdicts: list[Verdict]) -> list[int]:
    """The answers of one problem as numbers, equal ones alike; -1 where nothing was parsed.

    Equal are those of one class; of a verdict without one (an older one, or a grader without classes) the words count,
    spaces aside.
    """
    numbers: dict[tuple[bool, str], int] = {}
    return [
        -1 if name is None else numbers.setdefault((v.answer_class is not None, name), len(numbers))
        for v in verdicts
        for name in (class_of(v),)
    ]


def class_of(verdict: Verdict) -> str | None:
    """The class of a verdict's answer, or its words where it has none; None where nothing was parsed."""
    if verdict.answer is None or verdict.reason in NO_VOTE:
        return None
    return verdict.answer_class if verdict.answer_class is not None else " ".join(verdict.answer.split())
