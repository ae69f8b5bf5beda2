"""Networks as ONNX files, and ONNX models as programs (the ``onnx`` extra).

``load(path).run({"x": x})`` runs a model. `OPERATORS` says for every ONNX operator how it is computed: supporting
another one is one row. ``Backend`` is the same behind the interface of the onnx package.

``save(model, path, input_shape)`` writes a file, ``to_onnx(model, input_shape)`` makes the same in memory. A file holds
the layers as they are, nothing folded or fused, and the weights under the keys of the model's state, so that it can be
edited. `ROWS` says for every layer which ONNX nodes stand for it: supporting another layer is one row.
"""

from __future__ import annotations

from typing import Any

from fastconv.onnx.export import save, to_onnx
from fastconv.onnx.graph_reader import Port
from fastconv.onnx.model import Model, load
from fastconv.onnx.operators import OPERATORS
from fastconv.onnx.rows import ROWS
from fastconv.onnx.writer import Value, Writer

__all__ = ["OPERATORS", "ROWS", "Model", "Port", "Value", "Writer", "load", "save", "to_onnx"]


def __getattr__(name: str) -> Any:
    """`Backend` is a class of the onnx package, which is imported when it is asked for."""
    if name == "Backend":
        from fastconv.onnx.backend import Backend

        return Backend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
