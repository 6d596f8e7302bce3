"""Inputs of a stage that come in numbers: ``examples.0``, ``examples.1``, ..."""

from __future__ import annotations
