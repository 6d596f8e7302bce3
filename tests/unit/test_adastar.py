"""AdaSTaR's heap against a slow, literal transcription of the algorithm box."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_cli.methods.ada_star.heap import Heap, fresh, replaced, wanted


class Slow:
    """The box, line by line, over a list that is searched for its least entry whenever one is needed."""

    def __init__(self, ids):
        self.t = dict.fromkeys(ids, 0)
        self.w = dict.fromkeys(ids, 0.0)
        self.tie = {name: n for n, name in enumerate(ids)}

    def least(self, of):
        best = None
        for i in of:
            if (
                best is None
                or self.t[i] < self.t[best]
                or (self.t[i] == self.t[best] and self.w[i] < self.w[best])
                or (self.t[i] == self.t[best] and self.w[i] == self.w[best] and self.tie[i] < self.tie[best])
            ):
                best = i
        return best

    def round(self, t, beta, attempt, alpha):
        """The peeked problems in order, and their tmp w; ``attempt(i)`` is how many right ones of how many."""
        right, peeked, w_tmp = 0, [], {}
        unseen = list(self.t)
        while right < beta and unseen:
            i = self.least(unseen)
            unseen.remove(i)
            peeked.append(i)
            won, tried = attempt(i)
            w_tmp[i] = won / tried
            right += won
        for _ in range(math.floor(Fraction(len(peeked)) * alpha * alpha)):
            i = self.least(self.t)
            self.t[i], self.w[i] = t, w_tmp[i]
        return peeked, w_tmp


@given(st.integers(1, 25), st.data())
@settings(max_examples=200, deadline=None)
def test_the_heap_does_what_the_algorithm_box_says(n, data):
    ids = [f"p{i}" for i in range(n)]
    slow, state = Slow(ids), list(fresh(ids))
    for t in range(1, data.draw(st.integers(1, 5)) + 1):
        fates = {i: data.draw(st.sampled_from([(0, 2), (1, 2), (1, 1)])) for i in ids}
        beta, alpha = data.draw(st.integers(1, 30)), Fraction(data.draw(st.integers(0, 20)), 20)
        heap, collected, won = Heap(state, None), 0, {}
        for i in heap.peek():
            if collected >= beta:
                break
            won[i] = fates[i][0] / fates[i][1]
            collected += fates[i][0]
        heap.sample(t, won, replaced(len(won), float(alpha), 2, "floor"))
        peeked, w_tmp = slow.round(t, beta, fates.__getitem__, alpha)
        assert list(won.items()) == list(w_tmp.items()) and list(won) == peeked
        entries = heap.entries()
        assert {i: (e.sampled, e.won) for i, e in entries.items()} == {i: (slow.t[i], slow.w[i]) for i in ids}
        state = [entries[i] for i in ids]


def test_looking_changes_nothing():
    heap = Heap(fresh(f"{i}" for i in range(9)), 3)
    assert list(heap.peek()) == list(heap.peek()) and len(heap) == 9


def test_ties_are_broken_by_seed_and_not_by_the_order_of_the_data():
    ids = [f"{i}" for i in range(50)]
    orders = [list(Heap(fresh(ids), seed).peek()) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] == list(Heap(fresh(reversed(ids)), 0).peek())
    assert orders[0] != orders[2] and orders[0] != ids and sorted(orders[0]) == sorted(ids)
    assert list(Heap(fresh(ids), None).peek()) == ids


@pytest.mark.parametrize(
    ("m", "alpha", "power", "rounding", "count"),
    [
        (100, 0.7, 2, "floor", 49),
        (100, 0.0, 2, "floor", 0),
        (100, 1.0, 2, "floor", 100),
        (10, 0.79, 2, "floor", 6),
        (10, 0.81, 2, "round", 7),
        (10, 0.81, 2, "floor", 6),
        (7, 0.3, 0, "floor", 7),
        (10, 0.5, 1, "floor", 5),
    ],
)
def test_how_many_count_as_sampled(m, alpha, power, rounding, count):
    assert replaced(m, alpha, power, rounding) == count


def test_each_round_wants_a_fifth_more_as_its_steps_do():
    assert [wanted(320, 1.2, t) for t in (1, 2, 3)] == [320, 384, 460]
