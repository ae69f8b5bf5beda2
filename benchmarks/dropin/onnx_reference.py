"""The light ResNet-50 by onnx's reference evaluator: beside fastconv.onnx, and with fastconv's operators in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.dropin.row import Row
from benchmarks.light_graphs import image, light_graph

__all__ = ["ROWS"]


def _model() -> Any:
    """In opset 15: in opset 9 the evaluator takes statistics of the batch for those that the file has."""
    from onnx import version_converter

    return version_converter.convert_version(light_graph("resnet50"), 15)


def _evaluator(**options: Any) -> Callable[[], Any]:
    from onnx.reference import ReferenceEvaluator

    model = _model()
    evaluator, inputs = ReferenceEvaluator(model, **options), image(model)
    return lambda: evaluator.run(None, inputs)


def _with_ops() -> Callable[[], Any]:
    from fastconv.compat.onnx_reference import ops

    return _evaluator(new_ops=list(ops))


def _loaded() -> Callable[[], Any]:
    from fastconv import onnx

    model = _model()
    loaded, inputs = onnx.load(model), image(model)
    return lambda: list(loaded.run(inputs).values())


ROWS: list[Row] = [
    Row("resnet50, fastconv.onnx", 20.0, _evaluator, _loaded, 1e-4),
    Row("resnet50, new_ops", None, _evaluator, _with_ops, 1e-4),
]
