"""Whole quantized networks by onnxruntime, beside fastconv.onnx: DequantizeLinear and QuantizeLinear around nodes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.dropin.row import Row
from benchmarks.quantized_networks import NETWORKS, picture, quantized_network

__all__ = ["ROWS"]


def _runtime(name: str) -> Callable[[], Any]:
    import onnxruntime

    import fastconv

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = fastconv.get_num_threads()
    session = onnxruntime.InferenceSession(quantized_network(name), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, picture())


def _ours(name: str) -> Callable[[], Any]:
    from fastconv import onnx

    loaded, inputs = onnx.load(quantized_network(name)), picture()
    return lambda: list(loaded.run(inputs).values())


#: Steps that differ in one layer move others: some hundredths of the largest, of logits of 255 steps.
ROWS: list[Row] = [
    Row(name, None, functools.partial(_runtime, name), functools.partial(_ours, name), 0.05) for name in NETWORKS
]
