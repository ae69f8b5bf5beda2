"""Average pooling layers: AvgPool1d, AvgPool2d, AvgPool3d."""

from __future__ import annotations

import math
from typing import Any

from fastconv._arguments import flag
from fastconv.geometry import canonical_integer
from fastconv.nn.layers._windows import WindowPool

__all__ = ["AvgPool1d", "AvgPool2d", "AvgPool3d"]


class _AvgPool(WindowPool):
    """The mean of each window; see `AvgPool2d`."""

    FUNCTION = "avg_pool"
    ARGUMENTS = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override", "layout")
    HYPERPARAMETERS = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        layout: str | None = None,
    ) -> None:
        self.count_include_pad = flag("count_include_pad", count_include_pad)
        self.divisor_override = (
            None if divisor_override is None else canonical_integer("divisor_override", divisor_override, 1)
        )
        super().__init__(kernel_size, stride, padding, 1, ceil_mode, layout)

    def _arguments(self) -> dict[str, Any]:
        names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
        return {name: getattr(self, name) for name in names}

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """k-1 additions and one division per output."""
        return self._outputs(input_shape) * math.prod(self.kernel_size)


class AvgPool1d(_AvgPool):
    """1-D average pooling over (N, C, W); see `AvgPool2d`."""

    ndim = 1


class AvgPool2d(_AvgPool):
    """2-D average pooling over (N, C, H, W), on every depth slice apart.

    Parameters
    ----------
    kernel_size : int or tuple of int
    stride : int or tuple of int, optional
        The kernel size where it is not given.
    padding : int, tuple, nested pairs or {"valid", "same", "same_lower", "full"}
    ceil_mode : bool
        Round the output size up.
    count_include_pad : bool
        Whether zeros of the padding count in the mean.
    divisor_override : int, optional
        Divide by this instead of the number of elements.
    layout : {"NCHW", "NHWC"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.AvgPool2d(2)(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]], dtype=float32)
    """

    ndim = 2


class AvgPool3d(_AvgPool):
    """3-D average pooling over (N, C, D, H, W); see `AvgPool2d`."""

    ndim = 3
