"""Optimisers: SGD and Adam over one flat buffer, and learning-rate schedules.

An optimiser moves all parameters into one contiguous array and all gradients into another; ``p.data`` and ``p.grad``
become views of them. A step is then a handful of NumPy calls over these two arrays, with temporaries made once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from fastconv._arguments import number
from fastconv.nn.module import Parameter

__all__ = ["SCHEDULES", "SGD", "Adam", "Optimizer"]

_ALIGNMENT = 64

#: by name: the factor on the learning rate when a fraction 0..1 of the training is done
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
}


class Optimizer:
    """Base of optimisers.

    Parameters
    ----------
    parameters : iterable of Parameter
        All of one dtype. Their data and grad become views of the optimiser's buffers.
    lr : float
        Learning rate, also an attribute that may be changed between steps.
    weight_decay : float
        Adds ``weight_decay * p`` to every gradient.

    Raises
    ------
    ValueError
        If there is no parameter, one is given twice, dtypes differ or a number is out of range.
    """

    def __init__(self, parameters: Iterable[Parameter], lr: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        if not self._parameters:
            raise ValueError("parameters is empty: this model has nothing to train")
        if not all(isinstance(p, Parameter) for p in self._parameters):
            raise TypeError("parameters must hold Parameter objects, as model.parameters() gives them")
        if len({id(p) for p in self._parameters}) < len(self._parameters):
            raise ValueError("parameters holds the same Parameter twice")
        dtypes = {p.data.dtype.name for p in self._parameters}
        if len(dtypes) > 1:
            raise ValueError(f"parameters must be of one dtype, got {', '.join(sorted(dtypes))}")
        self.lr = _number("lr", lr, 0)
        self.weight_decay = _number("weight_decay", weight_decay, 0)
        self._flatten()
        self._temporary = np.empty_like(self._data)

    def _flatten(self) -> None:
        """Move data and gradients into the buffers; every parameter starts on a cache line."""
        dtype = self._parameters[0].data.dtype
        unit = _ALIGNMENT // dtype.itemsize
        sizes = [-(-p.data.size // unit) * unit for p in self._parameters]
        self._data, self._gradients = (_aligned_zeros(sum(sizes), dtype) for _ in range(2))
        self._views: list[tuple[Parameter, np.ndarray, np.ndarray]] = []
        start = 0
        for parameter, size in zip(self._parameters, sizes, strict=True):
            shape, stop = parameter.data.shape, start + parameter.data.size
            data, grad = self._data[start:stop].reshape(shape), self._gradients[start:stop].reshape(shape)
            data[...] = parameter.data
            if parameter.grad is not None:
                grad[...] = parameter.grad
            parameter.data, parameter.grad = data, grad
            self._views.append((parameter, data, grad))
            start += size

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

    def step(self) -> None:
        """Change the parameters by their gradients, once."""
        self._refresh()
        self._update(self._data, self._gradients, self._temporary)

    def _update(self, data: np.ndarray, gradients: np.ndarray, temporary: np.ndarray) -> None:
        """Write the step; `data` changes in one call, so that an interrupt finds it before or after."""
        raise NotImplementedError(type(self).__name__)


class SGD(Optimizer):
    """Stochastic gradient descent: ``v = momentum v + g``, ``p -= lr v``, where ``g = grad + weight_decay p``.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    momentum : float
    weight_decay : float
    nesterov : bool
        ``p -= lr (g + momentum v)`` instead; needs a momentum.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> p = nn.Parameter(np.array([1.0, 2.0]))
    >>> optimizer = nn.SGD([p], lr=0.1)
    >>> p.grad[...] = 1
    >>> optimizer.step()
    >>> p.data
    array([0.9, 1.9])
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = _number("momentum", momentum, 0)
        self.nesterov = bool(nesterov)
        if nesterov and not momentum:
            raise ValueError("nesterov (=True) needs a momentum above 0")
        self._velocity = np.zeros_like(self._data)
        self._ahead = np.empty_like(self._data) if nesterov else self._velocity

    def _update(self, data: np.ndarray, gradients: np.ndarray, temporary: np.ndarray) -> None:
        velocity = self._velocity
        step = gradients
        if self.weight_decay:
            np.multiply(data, self.weight_decay, out=temporary)
            np.add(temporary, gradients, out=temporary)
            step = temporary
        if self.momentum:
            np.multiply(velocity, self.momentum, out=velocity)
            np.add(velocity, step, out=velocity)
            if self.nesterov:
                np.multiply(velocity, self.momentum, out=self._ahead)
                np.add(self._ahead, step, out=temporary)
                step = temporary
            else:
                step = velocity
        np.multiply(step, self.lr, out=temporary)
        np.subtract(data, temporary, out=data)


class Adam(Optimizer):
    """Adam: means m and v of the gradient and its square, ``p -= lr m' / (sqrt(v') + eps)`` with both bias-corrected.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    betas : tuple of float
        Decay of m and of v, 0..1.
    eps : float
    weight_decay : float
        Added to the gradient, as in PyTorch's Adam.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> p = nn.Parameter(np.array([1.0, 2.0]))
    >>> optimizer = nn.Adam([p], lr=0.1)
    >>> p.grad[...] = (5, -5)
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9, 2.1])
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas (={betas!r}) must be a tuple of two numbers")
        self.betas = (_number("betas[0]", betas[0], 0, 1), _number("betas[1]", betas[1], 0, 1))
        self.eps = _number("eps", eps, 0)
        self.steps = 0
        self._mean, self._square, self._step = (np.zeros_like(self._data) for _ in range(3))

    def _update(self, data: np.ndarray, gradients: np.ndarray, temporary: np.ndarray) -> None:
        mean, square, step = self._mean, self._square, self._step
        self.steps += 1
        if self.weight_decay:
            np.multiply(data, self.weight_decay, out=step)
            np.add(step, gradients, out=step)
            gradients = step
        for average, beta, power in ((mean, self.betas[0], 1), (square, self.betas[1], 2)):
            np.multiply(gradients, 1 - beta, out=temporary)
            if power == 2:
                np.multiply(temporary, gradients, out=temporary)
            np.multiply(average, beta, out=average)
            np.add(average, temporary, out=average)
        correction = [1 - beta**self.steps for beta in self.betas]
        np.sqrt(square, out=temporary)
        np.multiply(temporary, 1 / math.sqrt(correction[1]), out=temporary)
        np.add(temporary, self.eps, out=temporary)
        np.divide(mean, temporary, out=temporary)
        np.multiply(temporary, self.lr / correction[0], out=temporary)
        np.subtract(data, temporary, out=data)


def _aligned_zeros(size: int, dtype: np.dtype) -> np.ndarray:
    raw = np.zeros(size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size * dtype.itemsize].view(dtype)


def _number(name: str, value: float, low: float, high: float = math.inf) -> float:
    found = number(name, value)
    if not low <= found < high:
        raise ValueError(f"{name} (={value}) must be at least {low:g}" + (f" and below {high:g}" * (high < math.inf)))
    return found
