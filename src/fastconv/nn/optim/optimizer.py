"""What all optimisers share: groups of parameters in one flat buffer, clipping, accumulation, the state of a run.

An optimiser moves all parameters into one contiguous array and all gradients into another; ``p.data`` and ``p.grad``
become views of them. A step is then a handful of NumPy calls over slices of these arrays, with temporaries made once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastconv._arguments import number
from fastconv.nn.module import Parameter

__all__ = ["Group", "Optimizer", "within"]

_ALIGNMENT = 64
_OPTIONS = ("params", "weight_decay", "lr_scale")


@dataclass
class Group:
    """Parameters that are treated alike.

    Attributes
    ----------
    parameters : list of Parameter
    weight_decay : float
    lr_scale : float
        Factor on the optimiser's learning rate; relative, so that a schedule moves one number.
    part : slice
        Where they lie in the flat buffers.
    """

    parameters: list[Parameter]
    weight_decay: float
    lr_scale: float
    part: slice


class Optimizer:
    """Base of optimisers.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        All of one dtype. Their data and grad become views of the optimiser's buffers. A dict is a group:
        ``{"params": iterable of Parameter, "weight_decay": float, "lr_scale": float}``, the latter two optional.
    lr : float
        Learning rate, also an attribute that may be changed between steps.
    weight_decay : float
        Of the groups that do not say theirs; what it does is the subclass's.

    Attributes
    ----------
    groups : list of Group
    steps : int
        How many steps were done.

    Raises
    ------
    ValueError
        If there is no parameter, one is given twice, dtypes differ or a number is out of range.
    """

    #: names of the flat buffers that a step reads and writes beside data and gradients
    BUFFERS: ClassVar[tuple[str, ...]] = ()
    #: attributes that, with those of the groups, say how it steps
    SETTINGS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: Iterable[Parameter | Mapping[str, Any]], lr: float, weight_decay: float) -> None:
        self.lr = within("lr", lr, 0)
        self.weight_decay = within("weight_decay", weight_decay, 0)
        self.steps = 0
        self.groups = self._grouped(list(parameters))
        self._parameters = [p for group in self.groups for p in group.parameters]
        if not self._parameters:
            raise ValueError("parameters is empty: this model has nothing to train")
        if not all(isinstance(p, Parameter) for p in self._parameters):
            raise TypeError("parameters must hold Parameter objects, as model.parameters() gives them")
        if len({id(p) for p in self._parameters}) < len(self._parameters):
            raise ValueError("parameters holds the same Parameter twice")
        dtypes = {p.data.dtype.name for p in self._parameters}
        if len(dtypes) > 1:
            raise ValueError(f"parameters must be of one dtype, got {', '.join(sorted(dtypes))}")
        self._flatten()
        self._temporary = np.empty_like(self._data)
        self._buffers = {name: np.zeros_like(self._data) for name in self.BUFFERS}
        self._gathered: np.ndarray | None = None

    def _grouped(self, entries: list[Any]) -> list[Group]:
        if not any(isinstance(entry, Mapping) for entry in entries):
            return [Group(entries, self.weight_decay, 1.0, slice(0))]
        groups = []
        for index, entry in enumerate(entries):
            if not isinstance(entry, Mapping) or "params" not in entry:
                raise TypeError(f'parameters[{index}] must be a dict with "params", as the others are')
            unknown = [name for name in entry if name not in _OPTIONS]
            if unknown:
                raise ValueError(f"parameters[{index}] has {unknown[0]!r}; a group takes {', '.join(_OPTIONS)}")
            decay = within("weight_decay", entry.get("weight_decay", self.weight_decay), 0)
            scale = within("lr_scale", entry.get("lr_scale", 1.0), 0)
            groups.append(Group(list(entry["params"]), decay, scale, slice(0)))
        return groups

    def _flatten(self) -> None:
        """Move data and gradients into the buffers; every parameter starts on a cache line."""
        dtype = self._parameters[0].data.dtype
        unit = _ALIGNMENT // dtype.itemsize
        total = sum(-(-p.data.size // unit) * unit for p in self._parameters)
        self._data, self._gradients = (_aligned_zeros(total, dtype) for _ in range(2))
        self._views: list[tuple[Parameter, np.ndarray, np.ndarray]] = []
        self._places: list[slice] = []
        start = 0
        for group in self.groups:
            first = start
            for parameter in group.parameters:
                place = slice(start, start + parameter.data.size)
                data, grad = (flat[place].reshape(parameter.data.shape) for flat in (self._data, self._gradients))
                data[...] = parameter.data
                if parameter.grad is not None:
                    grad[...] = parameter.grad
                parameter.data, parameter.grad = data, grad
                self._views.append((parameter, data, grad))
                self._places.append(place)
                start += -(-parameter.data.size // unit) * unit
            group.part = slice(first, start)

    def _refresh(self) -> None:
        """Take over arrays that somebody put in place of the views."""
        for parameter, data, grad in self._views:
            if parameter.data.shape != data.shape:
                raise ValueError(
                    f"a parameter changed its shape from {data.shape} to {parameter.data.shape}: make a new optimizer"
                )
            if parameter.data is not data or parameter.grad is not grad:
                self._flatten()
                return

    def zero_grad(self) -> None:
        """Set all gradients to zero. Not needed before a backward, which sets and does not add."""
        self._refresh()
        self._gradients.fill(0)

    def gather(self, first: bool = False) -> None:
        """Set the gradients aside, added to those set aside before unless they are the `first`."""
        self._refresh()
        if self._gathered is None:
            self._gathered = np.zeros_like(self._gradients)
        if first:
            np.copyto(self._gathered, self._gradients)
        else:
            np.add(self._gathered, self._gradients, out=self._gathered)

    def add_gathered(self) -> None:
        """Add the gradients that were set aside to those of the last backward, and forget them."""
        self._refresh()
        if self._gathered is not None:
            np.add(self._gradients, self._gathered, out=self._gradients)
            self._gathered.fill(0)

    def clip_gradients(self, max_norm: float) -> float:
        """Scale all gradients by one factor where their common 2-norm is above `max_norm`.

        Returns
        -------
        float
            The norm before; gradients with a norm that is infinite or NaN stay as they are.
        """
        max_norm = within("max_norm", max_norm, 0)
        self._refresh()
        with np.errstate(over="ignore"):
            np.multiply(self._gradients, self._gradients, out=self._temporary)
        norm = math.sqrt(float(np.add.reduce(self._temporary, dtype=np.float64)))
        largest = float(np.abs(self._gradients, out=self._temporary).max(initial=0)) if norm == math.inf else math.inf
        if largest < math.inf:  # only the squares are beyond the type
            np.divide(self._gradients, largest, out=self._temporary)
            norm = largest * math.sqrt(float(np.square(self._temporary).sum(dtype=np.float64)))
        if max_norm < norm < math.inf:
            np.multiply(self._gradients, max_norm / (norm + 1e-6), out=self._gradients)
        return norm

    def step(self) -> None:
        """Change the parameters by their gradients, once."""
        self._refresh()
        self.steps += 1
        for group in self.groups:
            part = group.part
            buffers = {name: flat[part] for name, flat in self._buffers.items()}
            self._write_step(group, self._data[part], self._gradients[part], self._temporary[part], **buffers)
        # One call, so that an interrupt finds the parameters before or after it.
        np.subtract(self._data, self._temporary, out=self._data)

    def _write_step(
        self, group: Group, data: np.ndarray, gradients: np.ndarray, out: np.ndarray, **buffers: Any
    ) -> None:
        """Write to `out` what is subtracted from `data`; neither `data` nor `gradients` change."""
        raise NotImplementedError(type(self).__name__)

    def settings(self) -> dict[str, Any]:
        """How it steps, as JSON can hold it: two optimisers of equal settings do the same."""
        groups = [[len(group.parameters), group.weight_decay, group.lr_scale] for group in self.groups]
        own = {name: getattr(self, name) for name in self.SETTINGS}
        return {"type": type(self).__name__, "lr": self.lr, **own, "groups": groups}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of what it remembers: ``steps``, and each buffer by parameter, ``velocity.0``, ``velocity.1`` ..."""
        state = {"steps": np.array(self.steps, np.int64)}
        for name, flat in self._buffers.items():
            for index, (place, (_, data, _)) in enumerate(zip(self._places, self._views, strict=True)):
                state[f"{name}.{index}"] = flat[place].reshape(data.shape).copy()
        return state

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state_dict` of an optimiser of this kind gave.

        Raises
        ------
        ValueError
            If keys or shapes are those of other parameters or of another kind; nothing is changed then.
        """
        wanted = {"steps": (), **{
            f"{name}.{index}": data.shape for name in self._buffers for index, (_, data, _) in enumerate(self._views)
        }}  # fmt: skip
        found = {name: np.shape(array) for name, array in state.items()}
        wrong = sorted({name for name, shape in (*wanted.items(), *found.items()) if wanted.get(name) != found.get(name)
                        or name not in wanted or name not in found})  # fmt: skip
        if wrong:
            first = wrong[0]
            raise ValueError(
                f"the state of this {type(self).__name__} does not fit: {first!r} has shape {found.get(first)}, "
                f"needed is {wanted.get(first)}"
            )
        self.steps = int(state["steps"])
        for name, flat in self._buffers.items():
            for index, place in enumerate(self._places):
                flat[place] = np.ravel(state[f"{name}.{index}"])


def _aligned_zeros(size: int, dtype: np.dtype) -> np.ndarray:
    raw = np.zeros(size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size * dtype.itemsize].view(dtype)


def within(name: str, value: float, low: float, high: float = math.inf) -> float:
    """Return a number as a float, or raise ValueError if it is below `low` or not below `high`."""
    found = number(name, value)
    if not low <= found < high:
        raise ValueError(f"{name} (={value}) must be at least {low:g}" + (f" and below {high:g}" * (high < math.inf)))
    return found
