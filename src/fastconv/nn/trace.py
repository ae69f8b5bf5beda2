"""Trace: what every layer of a network made of an input, and the gradients of any of it, without training anything."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastconv.nn.module import Buffer, Module, Parameter

__all__ = ["Trace"]


class _Step(NamedTuple):
    """A call of a layer: ``backward(dy)`` gives the gradients for its inputs, as numbers of the trace's values."""

    name: str
    backward: Callable[[np.ndarray], Any]
    sources: tuple[int, ...]
    result: int
    merges: bool


class Trace:
    """One inference of a network, layer by layer.

    Parameters
    ----------
    model : Module
        Neither its parameters nor its statistics are changed, and no gradients of parameters are set.
    x : ndarray, or tuple of them
        A batch.

    Attributes
    ----------
    outputs : dict of str to ndarray
        What each layer gave, by the layer's name in the order in which they ran. Nothing is fused.
    result : ndarray, or tuple of them
        What the network gave.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential({"conv": nn.Conv2d(1, 2, 3, rng=0), "relu": nn.ReLU(), "mean": nn.AdaptiveAvgPool2d(1)})
    >>> trace = nn.Trace(model, np.ones((1, 1, 5, 5), np.float32))
    >>> {name: output.shape for name, output in trace.outputs.items()}
    {'conv': (1, 2, 3, 3), 'relu': (1, 2, 3, 3), 'mean': (1, 2, 1, 1)}
    >>> dmean = np.ones((1, 2, 1, 1), np.float32)
    >>> round(float(trace.gradients({"mean": dmean}, of=["relu", "input"])["relu"][0, 0, 0, 0]), 3)
    0.111
    """

    outputs: dict[str, np.ndarray]
    result: Any

    def __init__(self, model: Module, x: Any) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"model (={model!r}) must be a Module")
        self._values: list[np.ndarray] = []
        self._steps: list[_Step] = []
        several = isinstance(x, (tuple, list))
        names = getattr(model, "inputs", None) or ("input",)
        taken = [self._new(np.asarray(part)) for part in (x if several else (x,))]
        self._inputs = dict(zip(names, taken, strict=False))
        result = model.flow(self._call, tuple(taken) if several else taken[0])
        self.outputs = {step.name: self._values[step.result] for step in self._steps}
        values = tuple(self._values[slot] for slot in (result if isinstance(result, tuple) else (result,)))
        self.result = values if isinstance(result, tuple) else values[0]

    def _new(self, value: np.ndarray) -> int:
        self._values.append(value)
        return len(self._values) - 1

    def _call(self, name: str, layer: Module, taken: Any) -> int:
        sources = tuple(taken) if layer.MERGES else (taken,)
        arrays = tuple(self._values[slot] for slot in sources)
        value, backward = _infer(layer, arrays if layer.MERGES else arrays[0])
        result = self._new(value)
        self._steps.append(_Step(name or type(layer).__name__.lower(), backward, sources, result, layer.MERGES))
        return result

    def gradients(self, given: Mapping[str, np.ndarray], of: Any = ("input",)) -> dict[str, np.ndarray]:
        """Gradients of a number for what layers gave, from its gradients for what other layers gave.

        Parameters
        ----------
        given : mapping of str to ndarray
            Layers whose outputs the number depends on, and its gradient for each.
        of : sequence of str
            Layers before them, or inputs of the network.

        Returns
        -------
        dict of str to ndarray
            For every name of `of`, in the shape of what that gave.

        Raises
        ------
        ValueError
            If there is no layer or input of a name, or a gradient has another shape.
        RuntimeError
            If the gradients of this trace were asked for before: layers go back once.
        """
        slots = {**self._inputs, **{step.name: step.result for step in self._steps}}
        for name in (*given, *of):
            if name not in slots:
                raise ValueError(f"no layer or input {name!r} here; there are {', '.join(slots)}")
        gradients: dict[int, np.ndarray] = {}
        for name, gradient in given.items():
            value = self._values[slots[name]]
            if np.shape(gradient) != value.shape:
                raise ValueError(f"the gradient for {name!r} has shape {np.shape(gradient)}, its output {value.shape}")
            gradients[slots[name]] = np.ascontiguousarray(gradient, value.dtype)
        wanted = {slots[name] for name in of}
        needed = self._behind(wanted)
        for step in reversed(self._steps):
            if step.result not in gradients or step.result not in needed or not needed.intersection(step.sources):
                continue
            gradient = gradients[step.result] if step.result in wanted else gradients.pop(step.result)
            found = step.backward(gradient)
            for source, part in zip(step.sources, found if step.merges else (found,), strict=True):
                gradients[source] = part if source not in gradients else gradients[source] + part
        return {name: gradients.get(slots[name], np.zeros_like(self._values[slots[name]])) for name in of}

    def _behind(self, slots: set[int]) -> set[int]:
        """These values, and all that were made from them."""
        found = set(slots)
        for step in self._steps:
            if found.intersection(step.sources):
                found.add(step.result)
        return found


def _infer(layer: Module, x: Any) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """The layer's output in inference, and the function that goes back from its gradient."""
    rule = _IN_INFERENCE.get(type(layer).__name__)
    backward = None if rule is None else rule(layer, x)
    if backward is not None:
        return layer(x), backward
    apart = _apart(layer)
    return apart(x, training=True), apart.backward


def _batch_norm(layer: Any, x: np.ndarray) -> Callable[[np.ndarray], Any] | None:
    """A factor for each channel; None without running statistics, where inference is as training."""
    if layer.running_var is None:
        return None
    weight = 1.0 if layer.weight is None else layer.weight.data
    after = () if layer.layout.endswith("C") else (1,) * (x.ndim - 2)
    factor = (weight / np.sqrt(layer.running_var.data + layer.eps)).astype(x.dtype).reshape(-1, *after)
    return lambda dy: dy * factor


#: layers whose training is another than their inference, and how the latter goes back
_IN_INFERENCE: dict[str, Callable[[Any, Any], Callable[[np.ndarray], Any] | None]] = {
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), _batch_norm),
    "Dropout": lambda layer, x: lambda dy: dy,
    "Reparametrize": lambda layer, x: lambda dy: (dy, np.zeros_like(dy)),
}


def _apart(layer: Module) -> Module:
    """The layer with its values, whose training calls leave the original alone."""
    twin = copy.copy(layer)
    twin._saved = twin._kept = None
    for name, entry in vars(layer).items():
        if isinstance(entry, Parameter):
            setattr(twin, name, Parameter(entry.data))
        elif isinstance(entry, Buffer):
            setattr(twin, name, Buffer(entry.data.copy()))
    return twin
