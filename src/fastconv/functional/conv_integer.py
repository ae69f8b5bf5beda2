"""Convolution of small integers: exact sums in int32, and what quantized networks make of them."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from fastconv import _engine, geometry
from fastconv.functional import _operands
from fastconv.functional._arrays import deliver, thread_count
from fastconv.functional._operands import checked_out, copy_reason
from fastconv.functional._plans import ConvKey, conv_problem, engine_roles, frozen

__all__ = ["PreparedIntegerConv", "conv_integer", "prepare_conv_integer"]

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))


def _integers(name: str, value: Any, kinds: tuple[np.dtype, ...]) -> np.ndarray:
    """An array of one of the types that the engine reads in place."""
    array = np.asarray(value)
    if array.dtype.newbyteorder("=") not in kinds:
        raise TypeError(
            f"{name} has dtype {array.dtype}, but takes {' or '.join(map(str, kinds))}: cast it with "
            f"{name}.astype(np.{kinds[0]}) if its values fit"
        )
    return array if copy_reason(array) is None else np.array(array, dtype=array.dtype.newbyteorder("="), order="K")


def _zero_point(name: str, value: Any, kind: np.dtype, shapes: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """What stands for 0, as int64."""
    zero, limits = np.asarray(0 if value is None else value), np.iinfo(kind)
    if zero.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {zero.dtype}: it must be made of ints")
    if zero.shape not in shapes:
        raise ValueError(f"{name} has shape {zero.shape}, but takes {' or '.join(map(str, shapes))}")
    if zero.size and (zero.min() < limits.min or zero.max() > limits.max):
        raise ValueError(f"{name} (={zero.tolist()}) must lie in what {kind} holds, {limits.min} to {limits.max}")
    return zero.astype(np.int64)


class PreparedIntegerConv:
    """A convolution of small integers with fixed input shape and weights; `prepare_conv_integer` makes one.

    Several threads may call one operation at the same time. It cannot be pickled.

    Attributes
    ----------
    x_shape, weight_shape, y_shape : tuple of int
    x_dtype, y_dtype : dtype
    packed_bytes : int
        Size of the packed weights: two bytes each.
    """

    __slots__ = ("_run", "packed_bytes", "weight_shape", "x_dtype", "x_shape", "y_dtype", "y_shape")

    def __init__(
        self,
        key: ConvKey,
        x_dtype: np.dtype,
        weight: np.ndarray,
        bias: Any,
        zeros: tuple[Any, Any, Any],
        scale: Any,
        y_dtype: np.dtype,
    ) -> None:
        problem = conv_problem(key)
        self.x_shape, self.weight_shape, self.y_shape = key.x_shape, weight.shape, problem.y_shape
        self.x_dtype, self.y_dtype = x_dtype, y_dtype
        filters = (problem.out_channels,)
        x_zero = _zero_point("x_zero_point", zeros[0], x_dtype, ((),))
        weight_zero = _zero_point("weight_zero_point", zeros[1], weight.dtype, ((), filters))
        y_zero = _zero_point("y_zero_point", zeros[2], y_dtype, ((),))
        order = [problem.weight_letters.index(letter) for letter in "OIDHW" if letter in problem.weight_letters]
        centred = np.ascontiguousarray(weight.transpose(order), np.int16)
        if weight_zero.any():
            centred = centred - weight_zero.astype(np.int16).reshape(-1, *(1,) * (weight.ndim - 1))
        roles = engine_roles(key, problem)

        def three(values: Any, fill: int) -> tuple[int, ...]:
            return (fill,) * (3 - key.ndim) + tuple(values)

        def strides(shape: tuple[int, ...], steps: tuple[int, ...] | None, item: int) -> tuple[int, ...]:
            steps = _operands.c_strides(shape, item) if steps is None else steps
            return _operands.element_strides(problem.letters, problem.full, "NCDHW", shape, steps, item)

        operation = _engine.IntegerConv(
            x_dtype, y_dtype, problem.batch, problem.in_channels, problem.out_channels, problem.groups,
            three(problem.size, 1), three(problem.output, 1), three(problem.kernel, 1), three(roles.stride, 1),
            three(roles.dilation, 1), three((before for before, _ in problem.padding), 0),
            strides(self.x_shape, key.x_strides, 1), strides(self.y_shape, None, y_dtype.itemsize),
            int(x_zero), int(y_zero), centred, _bias(bias, filters), _factors(scale, filters),
        )  # fmt: skip
        self.packed_bytes = operation.packed_bytes
        self._run = operation.execute

    def __call__(self, x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
        """Convolve one input.

        Parameters
        ----------
        x : ndarray of the prepared shape and dtype
            Read in place if it is C-contiguous, else copied first.
        out : ndarray of y_shape and y_dtype, optional
        num_threads : int, optional

        Returns
        -------
        ndarray

        Raises
        ------
        TypeError, ValueError
            If an array is not of the prepared kind.
        """
        x = np.ascontiguousarray(_integers("x", x, (self.x_dtype,)))
        if x.shape != self.x_shape:
            raise ValueError(
                f"x has shape {x.shape}, but this operation was prepared for {self.x_shape}: prepare one for each shape"
            )
        if out is not None:
            checked_out("out", out, self.y_shape, self.y_dtype, (("x", x),))
        in_place = out is not None and out.flags.c_contiguous and copy_reason(out) is None
        y: Any = out if in_place else np.empty(self.y_shape, self.y_dtype)
        self._run(x, y, thread_count(num_threads))
        return deliver(y, out)

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self.x_shape)), "x".join(map(str, self.y_shape))
        return (
            f"<prepared conv_integer {sizes[0]} {self.x_dtype} -> {sizes[1]} {self.y_dtype}, "
            f"weight {'x'.join(map(str, self.weight_shape))}>"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a prepared convolution cannot be pickled or copied, its weights are packed for this CPU: "
            "keep the weights, and prepare it where it runs"
        )


def _bias(bias: Any, filters: tuple[int, ...]) -> np.ndarray | None:
    if bias is None:
        return None
    array = _integers("bias", bias, (np.dtype(np.int32),))
    if array.shape != filters:
        raise ValueError(f"bias of shape {array.shape} must have shape {filters}, the out channels")
    return np.ascontiguousarray(array)


def _factors(scale: Any, filters: tuple[int, ...]) -> np.ndarray | None:
    if scale is None:
        return None
    array = np.asarray(scale)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"scale has dtype {array.dtype}: give real numbers")
    if array.shape not in ((), filters):
        raise ValueError(f"scale has shape {array.shape}, but takes () or {filters}, the out channels")
    return np.ascontiguousarray(np.broadcast_to(array, filters), np.float64)


def _prepared(
    x_shape: tuple[int, ...],
    x_strides: tuple[int, ...] | None,
    x_dtype: np.dtype,
    weight: Any,
    bias: Any,
    spatial: tuple[Any, ...],
    zeros: tuple[Any, Any, Any],
    scale: Any,
    y_dtype: Any,
    layouts: tuple[str | None, str | None],
) -> PreparedIntegerConv:
    weight = _integers("weight", weight, _BYTES)
    ndim = weight.ndim - 2
    if ndim not in (1, 2, 3):
        raise ValueError(f"weight of shape {weight.shape} has {weight.ndim} axes: it takes 3, 4 or 5")
    if scale is None:
        if y_dtype is not None and np.dtype(y_dtype) != np.int32:
            raise ValueError(f"y_dtype (={np.dtype(y_dtype)}) needs a scale: without one the sums are int32")
        if zeros[2] is not None:
            raise ValueError(f"y_zero_point (={zeros[2]}) needs a scale: without one the sums are int32")
        kind = np.dtype(np.int32)
    else:
        kind = x_dtype if y_dtype is None else np.dtype(y_dtype)
        if kind not in _BYTES:
            raise TypeError(f"y_dtype (={kind}) must be int8 or uint8")
    layout, weight_layout = layouts
    stride, padding, dilation, groups = spatial
    key = ConvKey(
        ndim, False, "forward", "", x_shape, x_strides, weight.shape, None, None, None, None, None, None,
        frozen("stride", stride), frozen("padding", padding), 0, frozen("dilation", dilation), groups,
        next(iter(_operands.LAYOUTS[ndim])) if layout is None else layout,
        next(iter(_operands.WEIGHT_LAYOUTS[ndim])) if weight_layout is None else weight_layout,
        False, "zeros", None, "default", "auto", None, _engine.isa(),
    )  # fmt: skip
    return PreparedIntegerConv(key, x_dtype, weight, bias, zeros, scale, kind)


def prepare_conv_integer(
    x_shape: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    x_dtype: Any = np.uint8,
    x_zero_point: Any = None,
    weight_zero_point: Any = None,
    scale: Any = None,
    y_zero_point: Any = None,
    y_dtype: Any = None,
    layout: str | None = None,
    weight_layout: str | None = None,
) -> PreparedIntegerConv:
    """Prepare a `conv_integer` for inputs of one shape and type: its weights are packed once.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, in the axis order of `layout`.
    weight, bias, stride, padding, dilation, groups
        As in `conv_integer`.
    x_dtype : dtype
        Of the inputs, int8 or uint8.
    x_zero_point, weight_zero_point, scale, y_zero_point, y_dtype, layout, weight_layout
        As in `conv_integer`.

    Returns
    -------
    PreparedIntegerConv
        Call it with an array of `x_shape`.

    Raises
    ------
    TypeError, ValueError
        As `conv_integer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> halves = fastconv.prepare_conv_integer((1, 1, 4), np.array([[[1, 1]]], np.int8), scale=0.5)
    >>> halves(np.array([[[0, 10, 255, 255]]], np.uint8))
    array([[[  5, 132, 255]]], dtype=uint8)
    """
    if not isinstance(x_shape, (tuple, list)):
        raise TypeError(f"x_shape must be a tuple of ints, not {type(x_shape).__name__}")
    shape = tuple(geometry.canonical_integer("x_shape", size, 0) for size in x_shape)
    kind = np.dtype(x_dtype)
    if kind not in _BYTES:
        raise TypeError(f"x_dtype (={kind}) must be int8 or uint8")
    return _prepared(
        shape, None, kind, weight, bias, (stride, padding, dilation, groups),
        (x_zero_point, weight_zero_point, y_zero_point), scale, y_dtype, (layout, weight_layout),
    )  # fmt: skip


def conv_integer(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    x_zero_point: Any = None,
    weight_zero_point: Any = None,
    scale: Any = None,
    y_zero_point: Any = None,
    y_dtype: Any = None,
    layout: str | None = None,
    weight_layout: str | None = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Convolution of 8-bit integers with exact sums, ``sum((x - x_zero_point) * (weight - weight_zero_point)) + bias``.

    Sums are those of int32: beyond its range they wrap around, modulo 2**32. With a `scale` they become 8-bit integers
    again, as in ONNX's QLinearConv: ``clip(rint(sum * scale) + y_zero_point)``.

    Parameters
    ----------
    x : ndarray of int8 or uint8, shape (N, C, ...) with one to three spatial axes
        In the axis order of `layout`; the batch may be missing. Views are read in place.
    weight : ndarray of int8 or uint8, shape (O, C / groups, ...)
        Its number of axes says how many are spatial.
    bias : ndarray of int32, shape (O,), optional
    stride, padding, dilation, groups
        As in `conv2d`. Padding stands for `x_zero_point`, the integer of 0.
    x_zero_point : int, optional
        In the range of x's type; 0 where it is None.
    weight_zero_point : int, or ndarray of shape (O,), optional
    scale : float, or ndarray of shape (O,), optional
        Rounding is half to even, of a product of float64.
    y_zero_point : int, optional
        In the range of `y_dtype`; only with a `scale`.
    y_dtype : dtype, optional
        int8 or uint8 with a `scale`; that of x where it is None.
    layout, weight_layout : str, optional
        As in `conv1d`, `conv2d` and `conv3d`; channels first, and "OIW", "OIHW" or "OIDHW", where they are None.
    out : ndarray, optional
        Where the result goes.
    num_threads : int, optional

    Returns
    -------
    ndarray of int32, or with a `scale` of `y_dtype`

    Raises
    ------
    TypeError, ValueError
        If a type, a shape or an option does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[255, 0], [255, 128]]]], np.uint8)
    >>> weight = np.array([[[[-128, 127], [127, -128]]]], np.int8)
    >>> fastconv.conv_integer(x, weight)
    array([[[[-16639]]]], dtype=int32)
    >>> fastconv.conv_integer(x, weight, x_zero_point=128, scale=1 / 256, y_dtype=np.int8)
    array([[[[-64]]]], dtype=int8)
    """
    x = _integers("x", x, _BYTES)
    operation = _prepared(
        x.shape, x.strides, x.dtype, weight, bias, (stride, padding, dilation, groups),
        (x_zero_point, weight_zero_point, y_zero_point), scale, y_dtype, (layout, weight_layout),
    )  # fmt: skip
    if out is not None:
        inputs = (("x", x), ("weight", np.asarray(weight)), ("bias", None if bias is None else np.asarray(bias)))
        checked_out("out", out, operation.y_shape, operation.y_dtype, inputs)
    in_place = out is not None and out.flags.c_contiguous and copy_reason(out) is None
    y: Any = out if in_place else np.empty(operation.y_shape, operation.y_dtype)
    operation._run(x, y, thread_count(num_threads))
    return deliver(y, out)
