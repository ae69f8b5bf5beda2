"""Transposed convolution in one, two and three dimensions, forward and backward.

It is the gradient of a convolution for its input, used as a layer: it enlarges where a strided convolution shrinks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional import _convolution

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
]

Gradients = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    layout: str = "NCW",
    weight_layout: str = "IOW",
    flip: bool = False,
    activation: Any = None,
    residual: Any = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Transposed convolution: `conv_transpose2d` with one spatial axis.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    weight : ndarray of x.dtype, shape (C, O / groups, kw)
        The kernels.
    bias, stride, padding, output_padding, groups, dilation, flip, activation, residual
        As in `conv_transpose2d`, with one entry per spatial argument.
    layout : {"NCW", "NWC"}
        Axis order of `x`, `residual` and the result.
    weight_layout : {"IOW", "WOI"}
        Axis order of `weight`.
    accuracy, algorithm, out, workspace, workspace_limit, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray of x.dtype, shape (N, O, W')

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.conv_transpose1d(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]]))
    array([[[ 1., 12., 23., 30.]]])
    """
    return _convolution.forward(
        1, True, x, weight, bias, stride, padding, output_padding, dilation, groups, layout, weight_layout, flip,
        "zeros", activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    layout: str = "NCHW",
    weight_layout: str = "IOHW",
    flip: bool = False,
    activation: Any = None,
    residual: Any = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Transposed convolution of images: every input pixel adds its multiple of the kernel to the output.

    ``y[n, o, i s + k d - p, j s + l d - p] += x[n, c, i, j] * weight[c, o, k, l]``, then bias, residual and
    activation. It is the adjoint of `conv2d` with the same weight, stride, padding and dilation.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input, in the axis order of `layout`; the batch axis may be missing, or empty.
    weight : ndarray of x.dtype, shape (C, O / groups, kh, kw)
        The kernels, in the axis order of `weight_layout`.
    bias : ndarray of x.dtype, shape (O,), optional
        Added to each feature map.
    stride : int or tuple of int
        Distance between the kernel's copies in the output, per axis.
    padding : int, tuple or str
        What is cropped from the output, in the forms of `conv2d`; "same" gives H' = H s.
    output_padding : int or tuple of int
        Rows and columns added at the end of the output, below the stride or the dilation.
    groups : int
        Number of groups of channels that do not see each other. It comes before `dilation`, as in PyTorch.
    dilation : int or tuple of int
        Distance between the kernel's taps, per axis.
    layout : {"NCHW", "NHWC"}
        Axis order of `x`, `residual` and the result.
    weight_layout : {"IOHW", "HWOI"}
        Axis order of `weight`.
    flip, activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray of x.dtype, shape (N, O, H', W')
        With H' = (H - 1) s - 2 p + d (kh - 1) + 1 + output_padding.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.conv_transpose2d(np.array([[[[1.0, 2.0]]]]), np.ones((1, 1, 2, 2)), stride=2)
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """
    return _convolution.forward(
        2, True, x, weight, bias, stride, padding, output_padding, dilation, groups, layout, weight_layout, flip,
        "zeros", activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    layout: str = "NCDHW",
    weight_layout: str = "IODHW",
    flip: bool = False,
    activation: Any = None,
    residual: Any = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Transposed convolution: `conv_transpose2d` with three spatial axes.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    weight : ndarray of x.dtype, shape (C, O / groups, kd, kh, kw)
        The kernels.
    bias, stride, padding, output_padding, groups, dilation, flip, activation, residual
        As in `conv_transpose2d`, with three entries per spatial argument.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x`, `residual` and the result.
    weight_layout : {"IODHW", "DHWOI"}
        Axis order of `weight`.
    accuracy, algorithm, out, workspace, workspace_limit, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray of x.dtype, shape (N, O, D', H', W')

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If shapes, sizes or options do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> volume = np.ones((1, 2, 3, 4, 5), np.float32)
    >>> fastconv.conv_transpose3d(volume, np.ones((2, 3, 2, 2, 2), np.float32), stride=2).shape
    (1, 3, 6, 8, 10)
    """
    return _convolution.forward(
        3, True, x, weight, bias, stride, padding, output_padding, dilation, groups, layout, weight_layout, flip,
        "zeros", activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv_transpose1d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    needs: Any = ("x", "weight", "bias"),
    activation: Any = None,
    y: Any = None,
    layout: str = "NCW",
    weight_layout: str = "IOW",
    flip: bool = False,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: Any = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> Gradients:
    """Gradients of `conv_transpose1d`: `conv_transpose2d_backward` with one spatial axis.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape of conv_transpose1d's result
        Gradient for the output.
    x, weight : ndarray of dy.dtype, or tuple of int
        The forward's arrays, or their shapes where no gradient needs the values.
    needs : tuple of {"x", "weight", "bias"}
        The gradients wanted.
    y : ndarray of dy.dtype, optional
        The forward's result, needed with `activation`.
    out : tuple of (ndarray or None), optional
        Where dx, dweight, dbias go; None allocates.

    Other parameters are those of the forward pass.

    Returns
    -------
    dx, dweight, dbias : ndarray of dy.dtype, or None
        None where not needed.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If shapes, sizes or options do not fit, or values are missing; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> dx, dweight, dbias = fastconv.conv_transpose1d_backward(
    ...     np.ones((1, 1, 5)), np.ones((1, 1, 4)), np.array([[[1.0, 10.0]]]))
    >>> dx
    array([[[11., 11., 11., 11.]]])
    """
    return _convolution.backward(
        1, True, dy, x, weight, stride, padding, output_padding, dilation, groups, needs, activation, y, layout,
        weight_layout, flip, "zeros", accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv_transpose2d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    needs: Any = ("x", "weight", "bias"),
    activation: Any = None,
    y: Any = None,
    layout: str = "NCHW",
    weight_layout: str = "IOHW",
    flip: bool = False,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: Any = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> Gradients:
    """Gradients of `conv_transpose2d` for its input, its kernels and its bias.

    The input's gradient is the convolution of `dy` with `weight`; the kernels' the correlation of `dy` with `x`; the
    bias's the sum of `dy`.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape of conv_transpose2d's result
        Gradient for the output.
    x : ndarray of dy.dtype, or tuple of int
        The forward's input; its shape will do where `needs` does not hold "weight".
    weight : ndarray of dy.dtype, or tuple of int
        The forward's kernels; their shape will do where `needs` does not hold "x".
    stride, padding, output_padding, groups, dilation, layout, weight_layout, flip
        As in the forward pass.
    needs : tuple of {"x", "weight", "bias"}
        The gradients wanted.
    activation, y
        The forward's activation, and then its result, from which the derivative is read.
    accuracy, algorithm, workspace, workspace_limit, num_threads
        As in `conv2d`.
    out : tuple of (ndarray or None), optional
        Where dx, dweight, dbias go; None allocates.

    Returns
    -------
    dx : ndarray of dy.dtype, shape of x, or None
    dweight : ndarray of dy.dtype, shape of weight, or None
    dbias : ndarray of dy.dtype, shape (O,), or None
        None where not needed.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If shapes, sizes or options do not fit, or values are missing; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x, weight = np.array([[[[1.0, 2.0]]]]), np.ones((1, 1, 2, 2))
    >>> dx, dweight, dbias = fastconv.conv_transpose2d_backward(np.ones((1, 1, 2, 4)), x, weight, stride=2)
    >>> dx, dbias
    (array([[[[4., 4.]]]]), array([8.]))
    >>> dweight[0, 0]
    array([[3., 3.],
           [3., 3.]])
    """
    return _convolution.backward(
        2, True, dy, x, weight, stride, padding, output_padding, dilation, groups, needs, activation, y, layout,
        weight_layout, flip, "zeros", accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv_transpose3d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    needs: Any = ("x", "weight", "bias"),
    activation: Any = None,
    y: Any = None,
    layout: str = "NCDHW",
    weight_layout: str = "IODHW",
    flip: bool = False,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: Any = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> Gradients:
    """Gradients of `conv_transpose3d`: `conv_transpose2d_backward` with three spatial axes.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape of conv_transpose3d's result
        Gradient for the output.
    x, weight : ndarray of dy.dtype, or tuple of int
        The forward's arrays, or their shapes where no gradient needs the values.
    needs : tuple of {"x", "weight", "bias"}
        The gradients wanted.
    y : ndarray of dy.dtype, optional
        The forward's result, needed with `activation`.
    out : tuple of (ndarray or None), optional
        Where dx, dweight, dbias go; None allocates.

    Other parameters are those of the forward pass.

    Returns
    -------
    dx, dweight, dbias : ndarray of dy.dtype, or None
        None where not needed.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If shapes, sizes or options do not fit, or values are missing; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> dx, dweight, dbias = fastconv.conv_transpose3d_backward(
    ...     np.ones((1, 1, 2, 2, 3)), np.ones((1, 1, 1, 1, 2)), np.ones((1, 1, 2, 2, 2)))
    >>> dx.shape
    (1, 1, 1, 1, 2)
    """
    return _convolution.backward(
        3, True, dy, x, weight, stride, padding, output_padding, dilation, groups, needs, activation, y, layout,
        weight_layout, flip, "zeros", accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip
