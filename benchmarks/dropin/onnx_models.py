"""The light graphs of the onnx package: onnxruntime, and for one of them onnx.reference, beside fastconv.onnx."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.dropin.light_graphs import NAMES, image, light_graph
from benchmarks.dropin.row import Row

__all__ = ["ROWS"]

Call = Callable[[], Any]


def _runtime(name: str) -> Call:
    import onnxruntime

    import fastconv

    model = light_graph(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = fastconv.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, image(model))


def _reference(name: str) -> Call:
    from onnx.reference import ReferenceEvaluator

    model = light_graph(name)
    return functools.partial(ReferenceEvaluator(model).run, None, image(model))


def _reference_with_ops(name: str) -> Call:
    from onnx.reference import ReferenceEvaluator

    from fastconv.compat.onnx_reference import ops

    model = light_graph(name)
    return functools.partial(ReferenceEvaluator(model, new_ops=list(ops)).run, None, image(model))


def _ours(name: str) -> Call:
    from fastconv import onnx

    model = light_graph(name)
    loaded, inputs = onnx.load(model), image(model)
    return lambda: list(loaded.run(inputs).values())


def _row(title: str, goal: float | None, host: Callable[[str], Call], ours: Callable[[str], Call], name: str) -> Row:
    return Row(title, goal, functools.partial(host, name), functools.partial(ours, name), 1e-4)


ROWS: list[Row] = [
    _row("resnet50: onnx.reference", 20.0, _reference, _ours, "resnet50"),
    _row("resnet50: onnx.reference, with and without ops", None, _reference, _reference_with_ops, "resnet50"),
    *(_row(f"{name}: onnxruntime", 1.0, _runtime, _ours, name) for name in NAMES),
]
