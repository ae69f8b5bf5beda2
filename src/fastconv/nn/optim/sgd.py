"""SGD: gradient descent with momentum, Nesterov's too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastconv.nn.module import Parameter
from fastconv.nn.optim.optimizer import Group, Optimizer, within

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent: ``v = momentum v + g``, ``p -= lr v``, where ``g = grad + weight_decay p``.

    Parameters
    ----------
    parameters : iterable of Parameter, or of groups (see `Optimizer`)
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

    BUFFERS = ("velocity",)
    SETTINGS = ("momentum", "nesterov")

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = within("momentum", momentum, 0)
        self.nesterov = bool(nesterov)
        if nesterov and not momentum:
            raise ValueError("nesterov (=True) needs a momentum above 0")
        self._ahead = np.empty_like(self._data) if nesterov else self._data

    def _write_step(
        self, group: Group, data: np.ndarray, gradients: np.ndarray, out: np.ndarray, **buffers: Any
    ) -> None:
        velocity = buffers["velocity"]
        step = gradients
        if group.weight_decay:
            np.multiply(data, group.weight_decay, out=out)
            np.add(out, gradients, out=out)
            step = out
        if self.momentum:
            np.multiply(velocity, self.momentum, out=velocity)
            np.add(velocity, step, out=velocity)
            if self.nesterov:
                ahead = self._ahead[group.part]
                np.multiply(velocity, self.momentum, out=ahead)
                np.add(ahead, step, out=out)
                step = out
            else:
                step = velocity
        np.multiply(step, self.lr * group.lr_scale, out=out)
