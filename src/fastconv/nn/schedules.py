"""Schedules: the factor on the learning rate, from how much of the training is done.

A schedule is a pure function of the fraction 0..1 of the steps that are done. It needs no counter of its own, so it
cannot run out of step with the optimiser, fits any number of epochs, and goes on where a resumed run stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from fastconv._arguments import number

__all__ = ["SCHEDULES", "Constant", "Cosine", "Linear", "OneCycle", "Schedule", "Step", "WarmUp", "describe"]

Schedule = Callable[[float], float]


def _check(name: str, value: float, low: float, high: float = math.inf) -> float:
    found = number(name, value)
    if not low <= found <= high or found == math.inf:
        raise ValueError(f"{name} (={value}) must be at least {low:g}" + (f" and at most {high:g}" * (high < math.inf)))
    return found


@dataclass(frozen=True)
class Constant:
    """1 throughout.

    Examples
    --------
    >>> Constant()(0.5)
    1.0
    """

    def __call__(self, done: float) -> float:
        """The factor at a fraction of the training."""
        return 1.0


@dataclass(frozen=True)
class Linear:
    """A straight line from 1 to `end`.

    Examples
    --------
    >>> Linear()(0.25), Linear(end=0.5)(0.5)
    (0.75, 0.75)
    """

    end: float = 0.0

    def __post_init__(self) -> None:
        _check("end", self.end, 0)

    def __call__(self, done: float) -> float:
        """The factor at a fraction of the training."""
        return 1 - done * (1 - self.end)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to `end`.

    Examples
    --------
    >>> Cosine()(0.0), round(Cosine()(0.5), 6)
    (1.0, 0.5)
    """

    end: float = 0.0

    def __post_init__(self) -> None:
        _check("end", self.end, 0)

    def __call__(self, done: float) -> float:
        """The factor at a fraction of the training."""
        return self.end + (1 - self.end) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Step:
    """1, and `factor` times less from each of the fractions `at` on.

    Examples
    --------
    >>> [round(Step()(done), 4) for done in (0.4, 0.5, 0.75)]
    [1.0, 0.1, 0.01]
    """

    at: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.at, (tuple, list)) or not self.at:
            raise TypeError(f"at (={self.at!r}) must be a tuple of fractions")
        object.__setattr__(self, "at", tuple(_check("at", one, 0, 1) for one in self.at))
        _check("factor", self.factor, 0)

    def __call__(self, done: float) -> float:
        """The factor at a fraction of the training."""
        return float(self.factor ** sum(done >= one for one in self.at))


@dataclass(frozen=True)
class OneCycle:
    """Up from `start` to 1 until the fraction `peak`, then down to `end`; after L. Smith, 2018.

    Parameters
    ----------
    peak : float
        Where the learning rate is highest, 0..1.
    start, end : float
        Factors at the ends.
    shape : {"cosine", "linear"}
        Of both ways.

    Examples
    --------
    >>> cycle = OneCycle(peak=0.2, start=0.1, end=0.0, shape="linear")
    >>> [round(cycle(done), 4) for done in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.1, 0.55, 1.0, 0.5, 0.0]
    """

    peak: float = 0.3
    start: float = 0.04
    end: float = 1e-4
    shape: str = "cosine"

    def __post_init__(self) -> None:
        if not 0 < _check("peak", self.peak, 0, 1) < 1:
            raise ValueError(f"peak (={self.peak}) must lie between 0 and 1")
        _check("start", self.start, 0)
        _check("end", self.end, 0)
        if self.shape not in _SHAPES:
            raise ValueError(f"shape (={self.shape!r}) must be one of {', '.join(_SHAPES)}")

    def __call__(self, done: float) -> float:
        """The factor at a fraction of the training."""
        shape = _SHAPES[self.shape]
        if done < self.peak:
            return self.start + (1 - self.start) * shape(done / self.peak)
        return self.end + (1 - self.end) * shape(min((1 - done) / (1 - self.peak), 1.0))


@dataclass(frozen=True)
class WarmUp:
    """A straight line up from `start` for the first fraction of the training, then another schedule over the rest.

    Parameters
    ----------
    then : callable
    fraction : float
        0..1.
    start : float
        Times what `then` starts with.

    Examples
    --------
    >>> schedule = WarmUp(Linear(), fraction=0.2, start=0.0)
    >>> [round(schedule(done), 4) for done in (0.0, 0.1, 0.2, 0.6)]
    [0.0, 0.5, 1.0, 0.5]
    """

    then: Schedule = field(default_factory=Cosine)
    fraction: float = 0.05
    start: float = 0.01

    def __post_init__(self) -> None:
        if not callable(self.then):
            raise TypeError(f"then (={self.then!r}) must be a schedule")
        if not 0 < _check("fraction", self.fraction, 0, 1) < 1:
            raise ValueError(f"fraction (={self.fraction}) must lie between 0 and 1")
        _check("start", self.start, 0)

    def __call__(self, done: float) -> float:
        """The factor at a fraction of the training."""
        if done < self.fraction:
            return self.then(0.0) * (self.start + (1 - self.start) * done / self.fraction)
        return self.then((done - self.fraction) / (1 - self.fraction))


_SHAPES: dict[str, Callable[[float], float]] = {
    "cosine": lambda up: 0.5 * (1 - math.cos(math.pi * up)),
    "linear": lambda up: up,
}

#: by the name that trainers, settings and checkpoints give them
SCHEDULES: dict[str, Schedule] = {
    "constant": Constant(),
    "cosine": Cosine(),
    "linear": Linear(),
    "step": Step(),
    "onecycle": OneCycle(),
}


def describe(schedule: Schedule) -> dict[str, Any]:
    """What a checkpoint says of a schedule; of a function that is none of these only that it is one.

    Examples
    --------
    >>> describe(WarmUp(Linear()))
    {'type': 'WarmUp', 'then': {'type': 'Linear', 'end': 0.0}, 'fraction': 0.05, 'start': 0.01}
    """
    if not isinstance(schedule, (Constant, Cosine, Linear, OneCycle, Step, WarmUp)):
        return {"type": "callable"}
    then = {"then": describe(schedule.then)} if isinstance(schedule, WarmUp) else {}
    return {"type": type(schedule).__name__, **asdict(schedule), **then}
