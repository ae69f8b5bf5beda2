"""MyGrad's convolution and max-pool, differentiated by fastconv.

In place of ``from mygrad.nnet import conv_nd, max_pool``: ``from fastconv.compat.mygrad import conv_nd, max_pool``.
Names, arguments and errors are MyGrad's: the windows must tile the padded input exactly. Ties of a maximum give the
gradient to the first. Gradients have the type of their arrays, where MyGrad's max-pool makes all of them float64.
Integers and more than three axes go on to MyGrad's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat._floats import same_floats
from fastconv.compat._hosts import host_module
from fastconv.functional import conv as _conv
from fastconv.functional import pool_max

__all__ = ["conv_nd", "max_pool"]

_Tensor = host_module("mygrad", "mygrad").Tensor
_host = host_module("mygrad.nnet.layers", "mygrad")
_host_conv, _host_pool = _host.conv_nd, _host.max_pool
_Operation = host_module("mygrad.operation_base", "mygrad").Operation

_CONV = {1: _conv.conv1d, 2: _conv.conv2d, 3: _conv.conv3d}
_CONV_BACKWARD = {1: _conv.conv1d_backward, 2: _conv.conv2d_backward, 3: _conv.conv3d_backward}
_MAX = {1: pool_max.max_pool1d, 2: pool_max.max_pool2d, 3: pool_max.max_pool3d}
_MAX_BACKWARD = {1: pool_max.max_pool1d_backward, 2: pool_max.max_pool2d_backward, 3: pool_max.max_pool3d_backward}


def _per_axis(name: str, value: Any, count: int, minimum: int) -> tuple[int, ...]:
    """One int per axis, or MyGrad's kind of error."""
    alone = isinstance(value, (int, np.integer))
    values: tuple[int, ...] = (int(value),) * count if alone else tuple(np.asarray(value, dtype=int).tolist())
    if len(values) != count or min(values, default=minimum) < minimum:
        raise AssertionError(f"{name} (={value!r}) must be an int, or {count} of them, of at least {minimum}")
    return values


def _check_tiling(named: dict[str, tuple[int, ...]], reach: tuple[int, ...], room: tuple[int, ...]) -> None:
    """Refuse windows of size `reach` that do not tile `room` exactly."""
    strides = named["Stride"]
    if any(n < k or (n - k) % s for n, k, s in zip(room, reach, strides, strict=True)):
        lines = [f"{name} dimensions: {values}" for name, values in named.items()]
        raise ValueError("\n".join(["Stride and kernel dimensions are incompatible: ", *lines, ""]))


class _ConvND(_Operation):  # type: ignore[valid-type, misc]
    """The operation behind `conv_nd`."""

    def __call__(self, x: Any, w: Any, *, stride: Any, padding: Any = 0, dilation: Any = 1) -> np.ndarray:
        self.variables = (x, w)
        self.arrangement = (stride, padding, dilation)
        (x, w), result = same_floats(x=x.data, filter_bank=w.data)
        return _CONV[x.ndim - 2](x, w, None, *self.arrangement).astype(result, copy=False)

    def backward_var(self, grad: np.ndarray, index: int, **kwargs: Any) -> np.ndarray:
        target = self.variables[index].data
        (dy, x, w), _ = same_floats(grad=grad, x=self.variables[0].data, filter_bank=self.variables[1].data)
        needs = ("x", "weight")[index]
        gradient = _CONV_BACKWARD[x.ndim - 2](dy, x, w, *self.arrangement, needs=(needs,))[index]
        return np.asarray(gradient).astype(target.dtype, copy=False)


def conv_nd(
    x: Any,
    filter_bank: Any,
    *,
    stride: Any,
    padding: Any = 0,
    dilation: Any = 1,
    constant: bool | None = None,
) -> Any:
    """Convolve a batch with a bank of filters, without flipping them.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, C, X0, ...)
    filter_bank : Tensor or ndarray, shape (F, C, W0, ...)
    stride, padding, dilation : int or tuple of int
    constant : bool, optional
        Whether the result takes no part in back-propagation.

    Returns
    -------
    Tensor, shape (N, F, G0, ...)

    Raises
    ------
    ValueError
        If the numbers of axes or channels differ, or the windows do not tile the padded input exactly.

    Examples
    --------
    >>> import mygrad
    >>> x, filters = mygrad.arange(6.0).reshape(1, 1, 6), mygrad.tensor([[[1.0, 10.0]]])
    >>> conv_nd(x, filters, stride=2)
    Tensor([[[10., 32., 54.]]])
    >>> conv_nd(x, filters, stride=2).sum().backward()
    >>> filters.grad
    array([[[6., 9.]]])
    """
    if x.ndim < 3:
        raise ValueError(f"`x` must possess at least three dimensions, got {x.ndim} dimensions")
    if x.ndim != filter_bank.ndim:
        raise ValueError(
            f"`x` ({x.ndim}-dimensions) must have the same dimensionality as `filter_bank` "
            f"({filter_bank.ndim}-dimensions)"
        )
    if filter_bank.shape[1] != x.shape[1]:
        raise ValueError(f"`x.shape[1]` ({x.shape[1]}) must match `filter_bank.shape[1]` ({filter_bank.shape[1]})")
    ndim = x.ndim - 2
    if ndim not in _CONV or np.result_type(x.dtype, filter_bank.dtype).char not in "efd":
        return _host_conv(x, filter_bank, stride=stride, padding=padding, dilation=dilation, constant=constant)
    where = {
        "stride": _per_axis("stride", stride, ndim, 1),
        "padding": _per_axis("padding", padding, ndim, 0),
        "dilation": _per_axis("dilation", dilation, ndim, 1),
    }
    size, kernel = tuple(x.shape[2:]), tuple(filter_bank.shape[2:])
    named = {"Input": size, "Stride": where["stride"], "Kernel": kernel, "Padding": where["padding"],
             "Dilation": where["dilation"]}  # fmt: skip
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, where["dilation"], strict=True))
    room = tuple(n + 2 * p for n, p in zip(size, where["padding"], strict=True))
    _check_tiling(named, reach, room)
    return _Tensor._op(_ConvND, x, filter_bank, op_kwargs=where, constant=constant)


class _MaxPoolND(_Operation):  # type: ignore[valid-type, misc]
    """The operation behind `max_pool`; the axes before the pooled ones are channels of one image."""

    def __call__(self, x: Any, pool: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
        self.variables = (x,)
        self.arrangement = (pool, stride)
        (x,), result = same_floats(x=x.data)
        y = _MAX[len(pool)](self._channels(x), *self.arrangement)
        return y.reshape(*x.shape[: x.ndim - len(pool)], *y.shape[2:]).astype(result, copy=False)

    def _channels(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(1, -1, *array.shape[array.ndim - len(self.arrangement[0]) :])

    def backward_var(self, grad: np.ndarray, index: int, **kwargs: Any) -> np.ndarray:
        data = self.variables[index].data
        (dy, x), _ = same_floats(grad=grad, x=data)
        dx = _MAX_BACKWARD[len(self.arrangement[0])](self._channels(dy), self._channels(x), *self.arrangement)
        return dx.reshape(data.shape).astype(data.dtype, copy=False)


def max_pool(x: Any, pool: tuple[int, ...], stride: Any, *, constant: bool | None = None) -> Any:
    """Largest element of every window over the last axes.

    Parameters
    ----------
    x : Tensor or ndarray, shape ([...], C0, ...)
    pool : tuple of int
        Size of the window along the last ``len(pool)`` axes.
    stride : int or tuple of int
    constant : bool, optional
        Whether the result takes no part in back-propagation.

    Returns
    -------
    Tensor, shape ([...], G0, ...)

    Raises
    ------
    ValueError
        If the windows do not tile the input exactly.

    Examples
    --------
    >>> import mygrad
    >>> x = mygrad.tensor([[0.0, 10.0, 8.0], [2.0, 7.0, 3.0], [5.0, 7.0, 20.0]])
    >>> max_pool(x, (2, 2), 1).sum().backward()
    >>> x.grad
    array([[0., 2., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    if not isinstance(pool, (tuple, list, np.ndarray)) or not all(
        isinstance(k, (int, np.integer)) and k > 0 for k in pool
    ):
        raise AssertionError(f"pool (={pool!r}) must be a tuple of ints of at least 1")
    ndim = len(pool)
    if x.ndim < ndim:
        raise AssertionError("The number of pooled dimensions cannot exceed the dimensionality of the data.")
    strides = _per_axis("stride", stride, ndim, 1)
    kernel, size = tuple(int(k) for k in pool), tuple(x.shape[x.ndim - ndim :])
    _check_tiling({"Input": size, "Stride": strides, "Pooling": kernel}, kernel, size)
    if ndim not in _MAX or x.dtype.char not in "efd" or 0 in x.shape:
        return _host_pool(x, pool, stride, constant=constant)
    return _Tensor._op(_MaxPoolND, x, op_args=(kernel, strides), constant=constant)
