"""The light graphs of the onnx package by onnxruntime, beside fastconv.onnx."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.dropin.row import Row
from benchmarks.light_graphs import NAMES, image, light_graph

__all__ = ["MEAN_GOAL", "ROWS"]

MEAN_GOAL = 1.0


def _runtime(name: str) -> Callable[[], Any]:
    import onnxruntime

    import fastconv

    model = light_graph(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = fastconv.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, image(model))


def _ours(name: str) -> Callable[[], Any]:
    from fastconv import onnx

    model = light_graph(name)
    loaded, inputs = onnx.load(model), image(model)
    return lambda: list(loaded.run(inputs).values())


ROWS: list[Row] = [
    Row(name, None, functools.partial(_runtime, name), functools.partial(_ours, name), 1e-4) for name in NAMES
]
