"""Smooth activations and their piecewise relatives: Sigmoid, Tanh, SiLU, GELU, Hardsigmoid, Hardswish, ScaledTanh."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.functional.gelu import approximation
from fastconv.graph import Node, Program
from fastconv.nn.module import Module

__all__ = ["GELU", "Hardsigmoid", "Hardswish", "ScaledTanh", "SiLU", "Sigmoid", "Tanh"]


class _Activation(Module):
    """A function of each element; its gradient is read off the output, or needs the input."""

    KIND = "ACTIVATION"
    #: multiplications, additions, comparisons and elementary functions per element
    COST: ClassVar[int]
    #: the engine's name of the function; None where it has none
    SMOOTH: ClassVar[str | None] = None
    #: whether the gradient is a function of the output
    FROM_OUTPUT: ClassVar[bool] = False

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        """``f(x, out=)`` and ``g(dy, x or y, out=)``."""
        raise NotImplementedError

    def _kind(self) -> str | None:
        return self.SMOOTH

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The function of each element."""
        y = self._functions()[0](x, out=self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (y if self.FROM_OUTPUT else x,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` times the derivative."""
        (saved,) = self._take_saved()
        if not needs_input:
            return None
        dx = self._functions()[1](dy, saved, out=self._kept_buffer(("dx", saved.shape)))
        self._keep_buffer(("dx", saved.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A function that the engine knows, or a call that writes where the program wants it."""
        kind = self._kind()
        if kind is not None:
            return program.add("smooth", (x,), name, activation=kind)
        return program.add("call", (x,), name, function=self._functions()[0], out=True, shape=x.shape)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """So many per element as the formula has, an elementary function counting as one."""
        return self.COST * math.prod(input_shape)


class Sigmoid(_Activation):
    """``y = 1 / (1 + exp(-x))``, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Sigmoid()(np.array([0.0, np.log(3.0)])).round(6)
    array([0.5 , 0.75])
    """

    SMOOTH = "sigmoid"
    COST = 3
    FROM_OUTPUT = True

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        return F.sigmoid, F.sigmoid_backward


class Tanh(_Activation):
    """``y = tanh(x)``, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Tanh()(np.array([0.0, np.log(3.0)])).round(6)
    array([0. , 0.8])
    """

    SMOOTH = "tanh"
    COST = 1
    FROM_OUTPUT = True

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        return F.tanh, F.tanh_backward


class SiLU(_Activation):
    """``y = x / (1 + exp(-x))``, also called swish, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.SiLU()(np.array([0.0, 2.0])).round(4)
    array([0.    , 1.7616])
    """

    SMOOTH = "silu"
    COST = 3

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        return F.silu, F.silu_backward


class GELU(_Activation):
    """``y = x Phi(x)`` with the distribution function of the normal law, element by element.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "none" is exact up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.GELU()(np.array([0.0, 2.0])).round(4)
    array([0.    , 1.9545])
    """

    COST = 2
    ARGUMENTS = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximation(approximate)

    def _kind(self) -> str | None:
        return "gelu" if self.approximate == "none" else "gelu_tanh"

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        kind = self.approximate
        return (
            lambda x, out=None: F.gelu(x, kind, out=out),
            lambda dy, x, out=None: F.gelu_backward(dy, x, kind, out=out),
        )


class Hardsigmoid(_Activation):
    """``y = min(max(x + 3, 0), 6) / 6``, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Hardsigmoid()(np.array([-4.0, 0.0, 4.0]))
    array([0. , 0.5, 1. ])
    """

    SMOOTH = "hardsigmoid"
    COST = 4

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        return F.hardsigmoid, F.hardsigmoid_backward


class Hardswish(_Activation):
    """``y = x min(max(x + 3, 0), 6) / 6``, element by element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Hardswish()(np.array([1.5, 4.0]))
    array([1.125, 4.   ])
    """

    SMOOTH = "hardswish"
    COST = 5

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        return F.hardswish, F.hardswish_backward


class ScaledTanh(_Activation):
    """``y = amplitude * tanh(slope * x)``, element by element: the squashing function of LeNet-5.

    Parameters
    ----------
    amplitude, slope : float
        Not 0 and finite. Those of the paper make f(1) = 1 and f(-1) = -1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ScaledTanh()(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-1.,  0.,  1.])
    """

    COST = 3
    FROM_OUTPUT = True
    ARGUMENTS = ("amplitude", "slope")
    HYPERPARAMETERS = ("amplitude", "slope")

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = number("amplitude", amplitude), number("slope", slope)
        for name, value in (("amplitude", self.amplitude), ("slope", self.slope)):
            if value == 0 or not math.isfinite(value):
                raise ValueError(f"{name} (={value}) must be finite and not 0")

    def _functions(self) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
        return self._squash, self._squash_backward

    def _squash(self, x: np.ndarray, out: Any = None) -> np.ndarray:
        y = np.multiply(x, x.dtype.type(self.slope), out=out)
        F.tanh(y, out=y)
        y *= y.dtype.type(self.amplitude)
        return y

    def _squash_backward(self, dy: np.ndarray, y: np.ndarray, out: Any = None) -> np.ndarray:
        """The derivative is ``slope (amplitude - y^2 / amplitude)``."""
        dx = np.multiply(y, y, out=out)
        dx *= dx.dtype.type(-self.slope / self.amplitude)
        dx += dx.dtype.type(self.slope * self.amplitude)
        dx *= dy
        return dx
