"""Network: a row of the zoo's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastconv.nn.layers import Graph

__all__ = ["Network"]


class Network(NamedTuple):
    """A network that the zoo can build.

    ``build(rng, input_shape, num_classes)`` makes it; where it knows no classes, num_classes is None and `build` takes
    none. `task` says what its outputs are: "classification" (scores), "localization" (scores, and a box),
    "segmentation" (scores of every pixel), "reconstruction" (the input again) or "generation".
    """

    name: str
    description: str
    input_shape: tuple[int, ...]
    num_classes: int | None
    build: Callable[..., Graph]
    task: str = "classification"
