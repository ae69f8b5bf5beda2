"""Convolution in one, two and three dimensions, forward and backward.

What network layers call convolution is cross-correlation; ``flip=True`` gives the true convolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional import _convolution

__all__ = ["conv1d", "conv1d_backward", "conv2d", "conv2d_backward", "conv3d", "conv3d_backward"]

Gradients = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "NCW",
    weight_layout: str = "OIW",
    flip: bool = False,
    border: str | float = "zeros",
    activation: Any = None,
    residual: Any = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Convolve in one dimension, such as time series: `conv2d` with one spatial axis.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, W)
        The input; the batch axis may be missing, or empty.
    weight : ndarray of x.dtype, shape (O, C / groups, kw)
        The kernels.
    bias, stride, padding, dilation, groups, flip, border, activation, residual
        As in `conv2d`, with one entry per spatial argument; asymmetric padding is
        written as pairs, ``((1, 2),)``.
    layout : {"NCW", "NWC"}
        Axis order of `x`, `residual` and the result.
    weight_layout : {"OIW", "WIO"}
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
    >>> signal = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> fastconv.conv1d(signal, np.array([[[1.0, 10.0]]]))
    array([[[21., 32., 43.]]])
    >>> fastconv.conv1d(signal, np.array([[[1.0, 10.0]]]), padding=((1, 0),), flip=True)
    array([[[ 1., 12., 23., 34.]]])
    """
    return _convolution.forward(
        1, False, x, weight, bias, stride, padding, 0, dilation, groups, layout, weight_layout, flip, border,
        activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "NCHW",
    weight_layout: str = "OIHW",
    flip: bool = False,
    border: str | float = "zeros",
    activation: Any = None,
    residual: Any = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Convolve images with a bank of kernels; the result is a stack of feature maps.

    ``y[n, o, i, j] = activation(bias[o] + residual[n, o, i, j] + sum over c, k, l of
    x[n, c, i s + k d - p, j s + l d - p] * weight[o, c, k, l])``, where the sum is over the input channels of the
    group of `o`. This is cross-correlation; with `flip` the kernel is rotated by 180 degrees first, which is the true
    convolution.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, H, W)
        The input, in the axis order of `layout`; the batch axis may be missing, or empty. Any view is read in place.
    weight : ndarray of x.dtype, shape (O, C / groups, kh, kw)
        The kernels, in the axis order of `weight_layout`.
    bias : ndarray of x.dtype, shape (O,), optional
        Added to each feature map.
    stride : int or tuple of int
        Step of the kernel, per axis.
    padding : int, tuple or str
        Border pixels around the input: an int; one int or one (before, after) pair per axis; or "valid" (none),
        "full" (d (k - 1) on both sides), "same" (output ceil(n / s), the odd one last), "same_lower" (first).
    dilation : int or tuple of int
        Distance between the kernel's taps, per axis.
    groups : int
        Number of groups of channels that do not see each other; C groups make a depthwise convolution.
    layout : {"NCHW", "NHWC"}
        Axis order of `x`, `residual` and the result.
    weight_layout : {"OIHW", "HWIO"}
        Axis order of `weight`.
    flip : bool
        Reverse the kernel's spatial axes: convolution proper.
    border : str or float
        What the padding holds: "zeros", a number, or as in `numpy.pad` "reflect" (edge not repeated), "symmetric"
        (edge repeated), "edge", "wrap".
    activation : None, "relu", "relu6" or ("leaky_relu", slope)
        Applied last, before the only store.
    residual : ndarray of x.dtype, shape of the result, optional
        Added before the activation.
    accuracy : {"default", "strict", "fast"}
        "strict" computes every output by its own sum of products; "default" allows an rms error 2.5 times that of
        one sequential float32 sum, "fast" ten times.
    algorithm : str
        "auto", or a row of the engine's list; see `explain_conv2d`.
    out : ndarray of x.dtype, shape of the result, optional
        Where the result goes; any strides, but it may not overlap an input.
    workspace : buffer, optional
        Scratch memory, contiguous bytes; by default the engine keeps its own.
    workspace_limit : int, optional
        Bytes of scratch memory not to exceed; another algorithm or fewer threads are taken where needed.
    num_threads : int, optional
        Threads of this call; by default those of `set_num_threads`. The bits of the result do not depend on it.

    Returns
    -------
    ndarray of x.dtype, shape (N, O, H', W')
        With H' = floor((H + 2 p - d (kh - 1) - 1) / s) + 1.

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
    >>> image = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fastconv.conv2d(image, np.ones((1, 1, 3, 3)))
    array([[[[45., 54.],
             [81., 90.]]]])
    >>> fastconv.conv2d(image, np.ones((8, 1, 3, 3)), padding="same", stride=2).shape
    (1, 8, 2, 2)
    """
    return _convolution.forward(
        2, False, x, weight, bias, stride, padding, 0, dilation, groups, layout, weight_layout, flip, border,
        activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    layout: str = "NCDHW",
    weight_layout: str = "OIDHW",
    flip: bool = False,
    border: str | float = "zeros",
    activation: Any = None,
    residual: Any = None,
    accuracy: str = "default",
    algorithm: str = "auto",
    out: np.ndarray | None = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Convolve in three dimensions, such as volumes and video: `conv2d` with three spatial axes.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (N, C, D, H, W)
        The input; the batch axis may be missing, or empty.
    weight : ndarray of x.dtype, shape (O, C / groups, kd, kh, kw)
        The kernels.
    bias, stride, padding, dilation, groups, flip, border, activation, residual
        As in `conv2d`, with three entries per spatial argument; asymmetric padding is
        written as pairs, ``((1, 2), (0, 0), (0, 1))``.
    layout : {"NCDHW", "NDHWC"}
        Axis order of `x`, `residual` and the result.
    weight_layout : {"OIDHW", "DHWIO"}
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
    >>> volume = np.ones((1, 2, 4, 5, 6), np.float32)
    >>> fastconv.conv3d(volume, np.ones((3, 2, 2, 2, 2), np.float32)).shape
    (1, 3, 3, 4, 5)
    """
    return _convolution.forward(
        3, False, x, weight, bias, stride, padding, 0, dilation, groups, layout, weight_layout, flip, border,
        activation, residual, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv1d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    needs: Any = ("x", "weight", "bias"),
    activation: Any = None,
    y: Any = None,
    layout: str = "NCW",
    weight_layout: str = "OIW",
    flip: bool = False,
    border: str | float = "zeros",
    accuracy: str = "default",
    algorithm: str = "auto",
    out: Any = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> Gradients:
    """Gradients of `conv1d`: `conv2d_backward` with one spatial axis.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape of conv1d's result
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
    >>> dx, dweight, dbias = fastconv.conv1d_backward(
    ...     np.ones((1, 1, 3)), np.ones((1, 1, 4)), np.array([[[1.0, 10.0]]]))
    >>> dx
    array([[[ 1., 11., 11., 10.]]])
    """
    return _convolution.backward(
        1, False, dy, x, weight, stride, padding, 0, dilation, groups, needs, activation, y, layout, weight_layout,
        flip, border, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv2d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    needs: Any = ("x", "weight", "bias"),
    activation: Any = None,
    y: Any = None,
    layout: str = "NCHW",
    weight_layout: str = "OIHW",
    flip: bool = False,
    border: str | float = "zeros",
    accuracy: str = "default",
    algorithm: str = "auto",
    out: Any = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> Gradients:
    """Gradients of `conv2d` for its input, its kernels and its bias.

    Both are convolutions again: the input's gradient is the transposed convolution of `dy` with `weight`, copies that
    `border` made folded back; the kernels' is the correlation of `x` with `dy`; the bias's is the sum of `dy`.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape of conv2d's result
        Gradient for the output. With a residual in the forward pass, its gradient is `dy` times the activation's
        derivative, `activation_backward`.
    x : ndarray of dy.dtype, or tuple of int
        The forward's input; its shape will do where `needs` does not hold "weight".
    weight : ndarray of dy.dtype, or tuple of int
        The forward's kernels; their shape will do where `needs` does not hold "x".
    stride, padding, dilation, groups, layout, weight_layout, flip, border
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
    >>> x, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> dx, dweight, dbias = fastconv.conv2d_backward(np.ones((1, 1, 2, 2)), x, weight)
    >>> dx[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    >>> dweight[0, 0], dbias
    (array([[ 8., 12.],
           [20., 24.]]), array([4.]))
    """
    return _convolution.backward(
        2, False, dy, x, weight, stride, padding, 0, dilation, groups, needs, activation, y, layout, weight_layout,
        flip, border, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip


def conv3d_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    needs: Any = ("x", "weight", "bias"),
    activation: Any = None,
    y: Any = None,
    layout: str = "NCDHW",
    weight_layout: str = "OIDHW",
    flip: bool = False,
    border: str | float = "zeros",
    accuracy: str = "default",
    algorithm: str = "auto",
    out: Any = None,
    workspace: Any = None,
    workspace_limit: int | None = None,
    num_threads: int | None = None,
) -> Gradients:
    """Gradients of `conv3d`: `conv2d_backward` with three spatial axes.

    Parameters
    ----------
    dy : ndarray of float32 or float64, shape of conv3d's result
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
    >>> dx, dweight, dbias = fastconv.conv3d_backward(
    ...     np.ones((1, 1, 1, 1, 2)), np.ones((1, 1, 2, 2, 3)), np.ones((1, 1, 2, 2, 2)))
    >>> dx.shape
    (1, 1, 2, 2, 3)
    """
    return _convolution.backward(
        3, False, dy, x, weight, stride, padding, 0, dilation, groups, needs, activation, y, layout, weight_layout,
        flip, border, accuracy, algorithm, out, workspace, workspace_limit, num_threads,
    )  # fmt: skip
