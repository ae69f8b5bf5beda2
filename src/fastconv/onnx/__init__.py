"""Networks as ONNX files, for the programs that read those (the ``onnx`` extra).

``save(model, path, input_shape)`` writes a file, ``to_onnx(model, input_shape)`` makes the same in memory. A file holds
the layers as they are, nothing folded or fused, and the weights under the keys of the model's state, so that it can be
edited. `ROWS` says for every layer which ONNX nodes stand for it: supporting another layer is one row.
"""

from __future__ import annotations

from fastconv.onnx.export import save, to_onnx
from fastconv.onnx.rows import ROWS
from fastconv.onnx.writer import Value, Writer

__all__ = ["ROWS", "Value", "Writer", "save", "to_onnx"]
