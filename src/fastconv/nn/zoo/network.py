"""Network: a row of the zoo's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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

    def make(self, rng: Any = 0, input_shape: tuple[int, ...] | None = None, num_classes: int | None = None) -> Graph:
        """Build it, with the network's own shape and classes where none are given."""
        options: dict[str, Any] = {"input_shape": self.input_shape if input_shape is None else input_shape}
        if self.num_classes is not None:
            options["num_classes"] = self.num_classes if num_classes is None else num_classes
        elif num_classes is not None:
            raise ValueError(f"num_classes (={num_classes}): {self.name} is for {self.task} and knows no classes")
        return self.build(rng, **options)
