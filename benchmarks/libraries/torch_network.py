"""PyTorch modules from the config of a fastconv model: the names, arguments and keys of states are the same."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

MERGES = {"Add": torch.add, "Multiply": torch.mul}


class SameConv2d(nn.Conv2d):
    """Zeros around so that the output is ceil(input / stride), the odd one last; PyTorch's "same" is for stride 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return self._conv_forward(nn.functional.pad(x, pads) if any(pads) else x, self.weight, self.bias)


class Whiten2d(nn.Conv2d):
    """Fixed filters, of both signs, for each tap of a patch."""

    def __init__(self, in_channels: int, kernel_size: tuple[int, int], bias: bool) -> None:
        super().__init__(in_channels, 2 * in_channels * kernel_size[0] * kernel_size[1], kernel_size, bias=bias)
        self.weight.requires_grad_(False)


class Joined(nn.Module):
    """Layers in order, each with the names of what it takes."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.inputs = config.get("inputs", ["input"])
        self.taken: list[tuple[str, str, list[str]]] = []
        last = self.inputs[0]
        for name, layer, *sources in config["layers"]:
            if layer["type"] not in (*MERGES, "Concat"):
                self.add_module(name, build(layer))
            self.taken.append((name, layer["type"], sources or [last]))
            last = name
        self.outputs = config.get("outputs", [last])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {self.inputs[0]: x}
        for name, kind, sources in self.taken:
            taken = [values[source] for source in sources]
            if kind == "Concat":
                values[name] = torch.cat(taken, 1)
            elif kind in MERGES:
                values[name] = MERGES[kind](*taken)
            else:
                values[name] = self._modules[name](taken[0])
        return values[self.outputs[0]]


OURS = {"Whiten2d": Whiten2d}


def build(config: dict[str, Any]) -> nn.Module:
    """One layer, or a network of layers."""
    kind = config["type"]
    if kind == "Sequential":
        return nn.Sequential(*()) if not config["layers"] else Joined(config)
    if kind == "Graph":
        return Joined(config)
    same = kind == "Conv2d" and config["padding"] == "same" and max(config["stride"]) > 1
    maker = SameConv2d if same else OURS.get(kind) or getattr(nn, kind)
    known = inspect.signature(maker).parameters
    arguments = {name: value for name, value in config.items() if name in known and name not in ("type", "dtype")}
    if same:
        arguments["padding"] = 0
    if "inplace" in known:
        arguments["inplace"] = True
    return maker(**arguments)
