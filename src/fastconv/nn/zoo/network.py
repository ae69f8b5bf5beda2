"""Network: a row of the zoo's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastconv.nn.layers import Sequential

__all__ = ["Network"]


class Network(NamedTuple):
    """A network that the zoo can build; ``build(rng, input_shape, num_classes)`` makes it."""

    name: str
    description: str
    input_shape: tuple[int, ...]
    num_classes: int
    build: Callable[..., Sequential]
