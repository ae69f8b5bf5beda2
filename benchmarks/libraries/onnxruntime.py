"""ONNX Runtime: a session of one Conv node, weights packed when it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from libraries.onnx_model import model

options = onnxruntime.SessionOptions()


def version() -> str:
    return onnxruntime.__version__


def set_threads(count: int) -> None:
    options.intra_op_num_threads = count
    options.inter_op_num_threads = 1


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    session = onnxruntime.InferenceSession(model(job, arrays), options, providers=["CPUExecutionProvider"])
    feed = {"x": arrays["x"]}
    return lambda: session.run(None, feed), lambda result: result[0]


def prepare_network(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    options.add_free_dimension_override_by_name("batch", len(arrays["x"]))
    session = onnxruntime.InferenceSession(job["onnx"], options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: arrays["x"]}
    return lambda: session.run(None, feed), lambda result: result[0]
