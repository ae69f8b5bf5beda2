"""One row of bench_dropin.py: a call of a host beside the same call with fastconv in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Row"]

Call = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """A call, twice.

    Attributes
    ----------
    name : str
        Unique within its file.
    goal : float or None
        How many times faster fastconv has to be; None for a figure without a goal.
    host, ours : callable
        Each runs in a process of its own: prepares its inputs, seeded so that both get the same, and returns a function
        without arguments that computes and returns the result (an array, or a tuple, list or dict of arrays).
    tolerance : float
        Largest difference of any element, relative to the largest element of the host's array.
    """

    name: str
    goal: float | None
    host: Callable[[], Call]
    ours: Callable[[], Call]
    tolerance: float
