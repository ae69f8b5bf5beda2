"""Writer: nodes and constants of an ONNX graph while it is made, and the names that nothing else has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["PAD_MODES", "Unsupported", "Value", "Writer", "onnx_package"]

#: the modes of ONNX's Pad, by PyTorch's names of borders
PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class Unsupported(ValueError):
    """A layer, or one of its arguments, that ONNX has no nodes for."""


@dataclass(frozen=True)
class Value:
    """What a layer takes: its name in the graph, and its shape without the batch axis, channels first."""

    name: str
    shape: tuple[int, ...]


def onnx_package() -> ModuleType:
    """The onnx package."""
    try:
        import onnx
    except ImportError:
        raise ImportError("ONNX files need the onnx package: pip install 'fastconv[onnx]'") from None
    return onnx


class Writer:
    """An ONNX graph in the making.

    Attributes
    ----------
    nodes, constants : list
        Of onnx's NodeProto and TensorProto.
    dtype : dtype
        Of every floating array.
    """

    def __init__(self, dtype: np.dtype) -> None:
        onnx = onnx_package()
        self._make_node, self._from_array = onnx.helper.make_node, onnx.numpy_helper.from_array
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: set[str] = set()

    def name(self, wanted: str) -> str:
        """`wanted`, with a number behind it if something has that name already."""
        found, number = wanted, 1
        while found in self._names:
            number += 1
            found = f"{wanted}_{number}"
        self._names.add(found)
        return found

    def constant(self, name: str, array: Any, *, cast: bool = True) -> str:
        """A constant; floating ones get the graph's type unless `cast` is false."""
        array = np.asarray(array)
        name = self.name(name)
        array = array.astype(self.dtype) if cast and array.dtype.kind == "f" else array
        self.constants.append(self._from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """A node of one output, which has the node's name; "" stands for an input that is left out."""
        name = self.name(name)
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self._make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def reshape(self, x: str, shape: Sequence[int], name: str) -> str:
        """Another shape, batch axis apart."""
        return self.node("Reshape", [x, self.constant(f"{name}.shape", np.array((0, *shape), np.int64))], name)

    def pad(
        self,
        x: str,
        pairs: Sequence[tuple[int, int]],
        name: str,
        mode: str = "constant",
        value: float = 0.0,
        first_axis: int = 2,
    ) -> str:
        """Borders along the axes from `first_axis` on."""
        before, after = [0] * first_axis, [0] * first_axis
        before += [pair[0] for pair in pairs]
        after += [pair[1] for pair in pairs]
        inputs = [x, self.constant(f"{name}.pads", np.array(before + after, np.int64))]
        if mode == "constant":
            inputs.append(self.constant(f"{name}.value", np.array(float(value))))
        return self.node("Pad", inputs, name, mode=mode)
