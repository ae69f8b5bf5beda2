"""fastconv: plain calls on ndarrays, or with weights prepared."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

import fastconv
from fastconv import nn


def version() -> str:
    return fastconv.__version__


def set_threads(count: int) -> None:
    fastconv.set_num_threads(count)


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    last = job.get("layout") == "NHWC"
    dtype = np.dtype(job.get("dtype", "float32"))
    x, dy = (
        np.ascontiguousarray(arrays[name].transpose(0, 2, 3, 1) if last else arrays[name], dtype)
        for name in ("x", "dy")
    )
    w, b = arrays["w"].astype(dtype), arrays["b"].astype(dtype)
    spatial = (job["stride"], job["padding"], 1, job["groups"])
    options = {"layout": "NHWC" if last else "NCHW", "accuracy": job.get("accuracy", "default")}

    def to_array(result: np.ndarray) -> np.ndarray:
        return result.transpose(0, 3, 1, 2) if last and job["pass"] != "backward_weights" else result

    def forward() -> np.ndarray:
        return fastconv.conv2d(x, w, b, *spatial, **options)

    def backward_data() -> np.ndarray:
        return fastconv.conv2d_backward(dy, x.shape, w, *spatial, needs=("x",), **options)[0]

    def backward_weights() -> np.ndarray:
        return fastconv.conv2d_backward(dy, x, w.shape, *spatial, needs=("weight", "bias"), **options)[1]

    if job.get("prepared"):
        operation = fastconv.prepare_conv2d(x.shape, w, b, *spatial, **options)
        return lambda: operation(x), to_array
    calls = {"forward": forward, "backward_data": backward_data, "backward_weights": backward_weights}
    return calls[job["pass"]], to_array


def prepare_pool(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    last = job.get("layout") == "NHWC"
    x, dy, indices = (
        np.ascontiguousarray(arrays[name].transpose(0, 2, 3, 1) if last else arrays[name])
        for name in ("x", "dy", "indices")
    )
    windows = (job["kernel"], job["stride"], job["padding"])
    layout = "NHWC" if last else "NCHW"

    def to_array(result: Any) -> np.ndarray:
        parts = result if isinstance(result, tuple) else (result,)
        return np.stack([(part.transpose(0, 3, 1, 2) if last else part).astype(np.float64) for part in parts])

    calls = {
        "pool_forward": lambda: fastconv.max_pool2d(x, *windows, layout=layout),
        "pool_forward_indices": lambda: fastconv.max_pool2d(x, *windows, return_indices=True, layout=layout),
        "pool_backward": lambda: fastconv.max_pool2d_backward(dy, x, *windows, layout=layout),
        "pool_backward_indices": lambda: fastconv.max_pool2d_backward(
            dy, x.shape, *windows, indices=indices, layout=layout
        ),
    }
    return calls[job["pass"]], to_array


def network(job: dict[str, Any]) -> Any:
    """The model that the job describes, with its state."""
    with open(job["config"], encoding="utf-8") as file:
        model = nn.from_config(json.load(file))
    with np.load(job["state"]) as state:
        model.load_state_dict(dict(state))
    return model


def prepare_network(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    x = arrays["x"]
    model = network(job).compile(x.shape, memory=job["memory"])
    return lambda: model(x), lambda result: result


def prepare_training(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    model, loss = network(job), nn.CrossEntropyLoss()
    x, labels = arrays["x"], arrays["labels"]
    optimizer = nn.SGD(model.parameters(), lr=job["lr"], momentum=job["momentum"])
    model.reuse_buffers()

    def step() -> float:
        value, gradient = loss.with_gradient(model.forward(x, True), labels)
        model.backward(gradient, False)
        optimizer.step()
        return value

    return step, lambda first: np.array([first, *(step() for _ in range(job["steps"] - 1))])
