"""The splits of tasks that make their own problems: each belongs to one by a hash of what it is, whatever the seed."""

from __future__ import annotations

SHARES = {"train": range(0, 8), "dev": range(8, 9), "test": range(9, 10)}  # of ten buckets, by that hash
