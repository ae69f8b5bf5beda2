"""PyTorch, eager, with tensors already in the layout asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from libraries.torch_network import build


def version() -> str:
    return torch.__version__


def set_threads(count: int) -> None:
    torch.set_num_threads(count)
    torch.set_grad_enabled(False)


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    layout = torch.channels_last if job.get("layout") == "NHWC" else torch.contiguous_format
    x, w, dy = (torch.from_numpy(arrays[name]).contiguous(memory_format=layout) for name in ("x", "w", "dy"))
    b = torch.from_numpy(arrays["b"])
    stride, padding, groups = job["stride"], job["padding"], job["groups"]

    def forward() -> torch.Tensor:
        return torch.nn.functional.conv2d(x, w, b, stride, padding, 1, groups)

    def backward(data: bool) -> torch.Tensor:
        gradients = torch.ops.aten.convolution_backward(
            dy, x, w, [job["filters"]], [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups,
            [data, not data, not data],
        )  # fmt: skip
        return gradients[0 if data else 1]

    calls = {
        "forward": forward,
        "backward_data": lambda: backward(True),
        "backward_weights": lambda: backward(False),
    }
    return calls[job["pass"]], lambda result: result.numpy()


def prepare_pool(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    layout = torch.channels_last if job.get("layout") == "NHWC" else torch.contiguous_format
    x, dy, indices = (
        torch.from_numpy(arrays[name]).contiguous(memory_format=layout) for name in ("x", "dy", "indices")
    )
    kernel, stride, padding = ([job[name]] * 2 for name in ("kernel", "stride", "padding"))

    def forward(with_indices: bool) -> Any:
        return torch.nn.functional.max_pool2d(x, kernel, stride, padding, return_indices=with_indices)

    def backward() -> torch.Tensor:
        return torch.ops.aten.max_pool2d_with_indices_backward(
            dy, x, kernel, stride, padding, [1, 1], False, indices
        )  # fmt: skip

    def to_array(result: Any) -> np.ndarray:
        parts = result if isinstance(result, tuple) else (result,)
        return np.stack([part.double().numpy() for part in parts])

    calls = {
        "pool_forward": lambda: forward(False),
        "pool_forward_indices": lambda: forward(True),
        "pool_backward": backward,
        "pool_backward_indices": backward,
    }
    return calls[job["pass"]], to_array


def network(job: dict[str, Any]) -> tuple[torch.nn.Module, torch.memory_format]:
    """The model that the job describes, with its state, in the layout asked for."""
    layout = torch.channels_last if job.get("layout") == "NHWC" else torch.contiguous_format
    with open(job["config"], encoding="utf-8") as file:
        model = build(json.load(file))
    with np.load(job["state"]) as state:
        model.load_state_dict({name: torch.from_numpy(state[name]) for name in state.files})
    return model.to(memory_format=layout), layout


def prepare_network(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    model, layout = network(job)
    x = torch.from_numpy(arrays["x"]).contiguous(memory_format=layout)
    model.eval()
    return lambda: model(x), lambda result: result.numpy()


def prepare_training(
    job: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    torch.set_grad_enabled(True)
    model, layout = network(job)
    model.train()
    x, labels = torch.from_numpy(arrays["x"]).contiguous(memory_format=layout), torch.from_numpy(arrays["labels"])
    optimizer = torch.optim.SGD(model.parameters(), lr=job["lr"], momentum=job["momentum"])
    run = torch.compile(model) if job.get("compiled") else model

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(run(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, lambda first: np.array([first, *(step() for _ in range(job["steps"] - 1))])
