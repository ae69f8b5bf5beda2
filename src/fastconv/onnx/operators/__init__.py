"""The table of ONNX operators: how each is computed on arrays, and which it becomes in a program.

A family of operators is a file with its `ROWS`; supporting another operator is one row. Control flow is in
`fastconv.onnx.control`.
"""

from __future__ import annotations

from fastconv.onnx.operators import (
    activation,
    audio,
    constants,
    conv,
    elementwise,
    gather,
    matmul,
    norm,
    pool,
    quantized,
    reduction,
    regions,
    resize,
    runtime,
    shape,
)
from fastconv.onnx.operators.operator import Call, Evaluate, Operator, result_tuple

__all__ = ["OPERATORS", "Call", "Evaluate", "Operator", "result_tuple"]

_FAMILIES = (
    activation, audio, constants, conv, elementwise, gather, matmul, norm, pool, quantized, reduction, regions, resize,
    runtime, shape,
)  # fmt: skip

#: rows by `Call.kind`: ONNX's own operators by their names, others with their domains
OPERATORS: dict[str, Operator] = {name: row for family in _FAMILIES for name, row in family.ROWS.items()}
