"""OpenVINO: a compiled model of one convolution in float32, weights packed when it is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("OPENVINO_TELEMETRY", "0")

import openvino  # noqa: E402
from libraries.onnx_model import model  # noqa: E402

settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def version() -> str:
    return openvino.__version__


def set_threads(count: int) -> None:
    settings["INFERENCE_NUM_THREADS"] = str(count)


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model(job, arrays), b""), "CPU", settings)
    request = compiled.create_infer_request()
    feed = {0: arrays["x"]}
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True), lambda result: np.array(result[0])


def prepare_network(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    core = openvino.Core()
    read = core.read_model(job["onnx"])
    read.reshape(arrays["x"].shape)
    request = core.compile_model(read, "CPU", settings).create_infer_request()
    feed = {0: arrays["x"]}
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True), lambda result: np.array(result[0])
