"""The light graphs of the onnx package by onnxruntime, beside fastconv.onnx."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.dropin.row import Row
from benchmarks.light_graphs import NAMES, image, light_graph

__all__ = ["MEAN_GOAL", "ROWS", "model_row"]

MEAN_GOAL = 1.0


def by_runtime(make: Callable[[], Any]) -> Callable[[], Any]:
    """The model that `make` gives, by onnxruntime, on as many threads as fastconv has."""
    import onnxruntime

    import fastconv

    model = make()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = fastconv.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, image(model))


def by_fastconv(make: Callable[[], Any]) -> Callable[[], Any]:
    """The same by fastconv.onnx."""
    from fastconv import onnx

    model = make()
    loaded, inputs = onnx.load(model), image(model)
    return lambda: list(loaded.run(inputs).values())


def model_row(name: str, make: Callable[[], Any]) -> Row:
    return Row(name, None, functools.partial(by_runtime, make), functools.partial(by_fastconv, make), 1e-4)


ROWS: list[Row] = [model_row(name, functools.partial(light_graph, name)) for name in NAMES]
