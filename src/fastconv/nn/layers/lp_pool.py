"""Power-average pooling layers: LPPool1d, LPPool2d, LPPool3d; a norm of 2 is the textbook's L2 pooling."""

from __future__ import annotations

import math
from typing import Any

from fastconv._arguments import flag, number
from fastconv.nn.layers._windows import WindowPool

__all__ = ["LPPool1d", "LPPool2d", "LPPool3d"]


class _LPPool(WindowPool):
    """The Lp norm of each window; see `LPPool2d`."""

    FUNCTION = "lp_pool"
    ARGUMENTS = ("norm_type", "kernel_size", "stride", "ceil_mode", "padding", "signed", "layout")
    HYPERPARAMETERS = ("norm_type", "kernel_size", "stride", "padding")

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        ceil_mode: bool = False,
        *,
        padding: Any = 0,
        signed: bool = False,
        layout: str | None = None,
    ) -> None:
        self.norm_type = number("norm_type", norm_type)
        if not self.norm_type > 0:
            raise ValueError(f"norm_type (={norm_type}) must be above 0")
        self.signed = flag("signed", signed)
        super().__init__(kernel_size, stride, padding, 1, ceil_mode, layout)

    def _arguments(self) -> dict[str, Any]:
        names = ("norm_type", "kernel_size", "stride", "ceil_mode", "padding", "signed")
        return {name: getattr(self, name) for name in names}

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """k powers, k-1 additions and one root per output."""
        return self._outputs(input_shape) * 2 * math.prod(self.kernel_size)


class LPPool1d(_LPPool):
    """1-D power-average pooling over (N, C, W); see `LPPool2d`."""

    ndim = 1


class LPPool2d(_LPPool):
    """2-D power-average pooling over (N, C, H, W): ``(sum |x|^p)^(1/p)`` over each window.

    Parameters
    ----------
    norm_type : float
        The power p, above 0; ``math.inf`` is the largest magnitude.
    kernel_size : int or tuple of int
    stride : int or tuple of int, optional
        The kernel size where it is not given.
    ceil_mode : bool
        Round the output size up.
    padding : int, tuple, nested pairs or {"valid", "same", "same_lower", "full"}
    signed : bool
        PyTorch's formula, which takes x^p without the magnitude.
    layout : {"NCHW", "NHWC"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.LPPool2d(2, 2)(np.full((1, 1, 2, 2), -3, np.float32))
    array([[[[6.]]]], dtype=float32)
    """

    ndim = 2


class LPPool3d(_LPPool):
    """3-D power-average pooling over (N, C, D, H, W); see `LPPool2d`."""

    ndim = 3
