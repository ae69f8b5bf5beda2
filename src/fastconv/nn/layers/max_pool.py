"""Max pooling layers: MaxPool1d, MaxPool2d, MaxPool3d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.nn.layers._windows import WindowPool

__all__ = ["MaxPool1d", "MaxPool2d", "MaxPool3d"]


class _MaxPool(WindowPool):
    """The largest element of each window; see `MaxPool2d`."""

    FUNCTION = "max_pool"
    OPERATION = "max_pool"
    MASKS_RELU = True
    ARGUMENTS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "layout")
    HYPERPARAMETERS = ("kernel_size", "stride", "padding", "dilation")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: Any = 0,
        dilation: int | tuple[int, ...] = 1,
        *,
        ceil_mode: bool = False,
        layout: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, layout)

    def _arguments(self) -> dict[str, Any]:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return {name: getattr(self, name) for name in names}

    def backward(self, dy: np.ndarray, needs_input: bool = True, rectified: bool = False) -> np.ndarray | None:
        """`dy`, each at the first largest element of its window, and 0 elsewhere.

        `rectified` says that the input comes from a ReLU whose mask is still to be applied. The largest element of a
        window is positive if the output is, so masking the small `dy` does the same.
        """
        if rectified and needs_input and self._saved is not None:
            _, y = self._saved
            dy = F.relu_backward(dy, y, out=self._kept_buffer(("dy", y.shape)))
            self._keep_buffer(("dy", y.shape), dy)
        return super().backward(dy, needs_input)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """k-1 comparisons per output."""
        return self._outputs(input_shape) * (math.prod(self.kernel_size) - 1)


class MaxPool1d(_MaxPool):
    """1-D max pooling over (N, C, W); see `MaxPool2d`."""

    ndim = 1


class MaxPool2d(_MaxPool):
    """2-D max pooling over (N, C, H, W), on every depth slice apart.

    ``y[n, c, i, j] = max_{k, l} x[n, c, i*s + k*d - p, j*s + l*d - p]``.
    The gradient goes to the first largest element.

    Parameters
    ----------
    kernel_size : int or tuple of int
    stride : int or tuple of int, optional
        The kernel size where it is not given.
    padding : int, tuple, nested pairs or {"valid", "same", "same_lower", "full"}
    dilation : int or tuple of int
    ceil_mode : bool
        Round the output size up.
    layout : {"NCHW", "NHWC"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.MaxPool2d(2)(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]], dtype=float32)
    """

    ndim = 2


class MaxPool3d(_MaxPool):
    """3-D max pooling over (N, C, D, H, W); see `MaxPool2d`."""

    ndim = 3
