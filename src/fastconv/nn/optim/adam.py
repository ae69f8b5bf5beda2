"""Adam, with the weight decay in the gradient, and AdamW, with the decay apart from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from fastconv.nn.module import Parameter
from fastconv.nn.optim.optimizer import Group, Optimizer, within

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: means m and v of the gradient and its square, ``p -= lr m' / (sqrt(v') + eps)`` with both bias-corrected.

    Parameters
    ----------
    parameters : iterable of Parameter, or of groups (see `Optimizer`)
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

    BUFFERS = ("mean", "square")
    SETTINGS = ("betas", "eps")
    #: whether the decay moves the parameter itself instead of its gradient
    DECOUPLED: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas (={betas!r}) must be a tuple of two numbers")
        self.betas = (within("betas[0]", betas[0], 0, 1), within("betas[1]", betas[1], 0, 1))
        self.eps = within("eps", eps, 0)
        self._decayed = np.empty_like(self._data)

    def _write_step(
        self, group: Group, data: np.ndarray, gradients: np.ndarray, out: np.ndarray, **buffers: Any
    ) -> None:
        mean, square, decayed = buffers["mean"], buffers["square"], self._decayed[group.part]
        lr = self.lr * group.lr_scale
        if group.weight_decay and not self.DECOUPLED:
            np.multiply(data, group.weight_decay, out=decayed)
            np.add(decayed, gradients, out=decayed)
            gradients = decayed
        for average, beta, power in ((mean, self.betas[0], 1), (square, self.betas[1], 2)):
            np.multiply(gradients, 1 - beta, out=out)
            if power == 2:
                np.multiply(out, gradients, out=out)
            np.multiply(average, beta, out=average)
            np.add(average, out, out=average)
        correction = [1 - beta**self.steps for beta in self.betas]
        np.sqrt(square, out=out)
        np.multiply(out, 1 / math.sqrt(correction[1]), out=out)
        np.add(out, self.eps, out=out)
        np.divide(mean, out, out=out)
        np.multiply(out, lr / correction[0], out=out)
        if group.weight_decay and self.DECOUPLED:
            np.multiply(data, lr * group.weight_decay, out=decayed)
            np.add(out, decayed, out=out)


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p -= lr (m' / (sqrt(v') + eps) + weight_decay p)``.

    After I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", 2019: the decay is not divided by the size
    of the gradients.

    Parameters
    ----------
    parameters, lr, betas, eps
        As for `Adam`.
    weight_decay : float

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> p = nn.Parameter(np.array([1.0, -2.0]))
    >>> optimizer = nn.AdamW([p], lr=0.1, weight_decay=0.5)
    >>> p.grad[...] = 0
    >>> optimizer.step()
    >>> p.data
    array([ 0.95, -1.9 ])
    """

    DECOUPLED = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)
