"""Convolution of small integers: exact sums in int32, and what quantized networks make of them."""

from __future__ import annotations

import math
import time
from typing import Any, NoReturn

import numpy as np

from fastconv import _engine, geometry
from fastconv.functional import _operands, profiling
from fastconv.functional._arrays import deliver, result_buffer, thread_count
from fastconv.functional._bytes import BYTES, byte_array, byte_type, checked_zero_point, named_type
from fastconv.functional._operands import as_array
from fastconv.functional._plans import ConvKey, conv_macs, conv_problem, engine_roles, frozen

__all__ = ["PreparedIntegerConv", "conv_integer", "prepare_conv_integer"]


class PreparedIntegerConv:
    """A convolution of small integers with fixed input shape and weights; `prepare_conv_integer` makes one.

    Several threads may call one operation at the same time. It cannot be pickled.

    Attributes
    ----------
    x_shape, weight_shape, y_shape : tuple of int
        In the axis orders of the call that prepared it.
    x_dtype, y_dtype : dtype
    packed_bytes : int
        Size of the packed weights with what belongs to each filter: at least two bytes a weight, because channels and
        filters fill whole vectors.
    """

    __slots__ = ("_key", "_run", "packed_bytes", "weight_shape", "x_dtype", "x_shape", "y_dtype", "y_shape")

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
        self._key = key
        self.x_shape, self.weight_shape, self.y_shape = key.x_shape, weight.shape, problem.y_shape
        self.x_dtype, self.y_dtype = x_dtype, y_dtype
        filters = (problem.out_channels,)
        x_zero = checked_zero_point("x_zero_point", zeros[0], x_dtype, ((),))
        weight_zero = checked_zero_point("weight_zero_point", zeros[1], weight.dtype, ((), filters))
        y_zero = checked_zero_point("y_zero_point", zeros[2], y_dtype, ((),))
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
            int(x_zero), int(y_zero), key.prepared, centred, _bias(bias, filters), _factors(scale, filters),
        )  # fmt: skip
        self.packed_bytes = operation.packed_bytes
        self._run = operation.execute

    def __call__(self, x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
        """Convolve one input.

        Parameters
        ----------
        x : ndarray of x_shape and x_dtype
            Read in place if it is C-contiguous, else copied first. For channels that lie last prepare with a `layout`
            that says so, rather than transpose each input.
        out : ndarray of y_shape and y_dtype, optional
            Where the result goes; it may not overlap `x`.
        num_threads : int, optional

        Returns
        -------
        ndarray of y_shape and y_dtype
            `out`, if it is given.

        Raises
        ------
        TypeError, ValueError
            If an array is not of the prepared kind.
        """
        given = as_array("x", x)
        array = byte_array("x", x, (self.x_dtype,))
        if array.shape != self.x_shape:
            raise ValueError(
                f"x has shape {array.shape}, but this operation was prepared for {self.x_shape}: "
                "prepare one for each shape"
            )
        y = result_buffer("out", out, self.y_shape, self.y_dtype, (("x", given),))
        self._execute(np.ascontiguousarray(array), y, num_threads)
        return deliver(y, out)

    def _execute(self, x: np.ndarray, y: np.ndarray, num_threads: int | None) -> None:
        """Run on arrays of the planned kind and strides, and tell who watches how long it took."""
        threads = thread_count(num_threads)
        if not profiling.watched():
            self._run(x, y, threads)
            return
        start = time.perf_counter()
        self._run(x, y, threads)
        seconds = time.perf_counter() - start
        profiling.tell(self, seconds, threads or _engine.threads())

    @property
    def about(self) -> ConvKey:
        return self._key

    def record(self, seconds: float, threads: int) -> profiling.CallRecord:
        """What `profile` shows of one execution."""
        key = self._key
        arrays = ((self.x_shape, self.x_dtype), (self.weight_shape, BYTES[0]), (self.y_shape, self.y_dtype))
        return profiling.CallRecord(
            operation="conv_integer",
            pass_name=key.pass_name,
            x_shape=self.x_shape,
            weight_shape=self.weight_shape,
            y_shape=self.y_shape,
            dtype=str(self.x_dtype),
            layout=key.layout,
            isa=key.isa,
            algorithm="integers",
            prepared=key.prepared,
            threads=threads,
            seconds=seconds,
            flops=2.0 * conv_macs(conv_problem(key)),
            moved_bytes=sum(math.prod(shape) * dtype.itemsize for shape, dtype in arrays),
        )

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
    """An int32 for each filter, in C order, as the engine packs it."""
    if bias is None:
        return None
    array = byte_array("bias", bias, (np.dtype(np.int32),))
    if array.shape != filters:
        raise ValueError(f"bias of shape {array.shape} must have shape {filters}, the out channels")
    return np.ascontiguousarray(array)


def _factors(scale: Any, filters: tuple[int, ...]) -> np.ndarray | None:
    """A float64 for each filter, in C order: what the sums are multiplied by."""
    if scale is None:
        return None
    array = as_array("scale", scale)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"scale (={scale!r}) must be made of real numbers, not {array.dtype}")
    if array.shape not in ((), filters):
        raise ValueError(f"scale has shape {array.shape}, but takes () or {filters}, the out channels")
    if not np.isfinite(array).all():
        raise ValueError(f"scale (={array.tolist()}) must be finite")
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
    """An operation on inputs of one shape, with strides in bytes (None: C order).

    `spatial` is stride, padding, dilation and groups, `zeros` the zero points of x, weight and y, and `layouts` those
    of the input and the weight, where None stands for channels first.
    """
    weight = byte_array("weight", weight, BYTES)
    ndim = weight.ndim - 2
    if ndim not in (1, 2, 3):
        raise ValueError(f"weight of shape {weight.shape} has {weight.ndim} axes: it takes 3, 4 or 5")
    if scale is None:
        if y_dtype is not None and named_type(y_dtype) != np.int32:
            shown = repr(y_dtype) if named_type(y_dtype) is None else named_type(y_dtype)
            raise ValueError(f"y_dtype (={shown}) needs a scale: without one the sums are int32")
        if zeros[2] is not None:
            raise ValueError(f"y_zero_point (={zeros[2]}) needs a scale: without one the sums are int32")
        kind = np.dtype(np.int32)
    else:
        kind = x_dtype if y_dtype is None else byte_type("y_dtype", y_dtype)
    layout, weight_layout = layouts
    stride, padding, dilation, groups = spatial
    key = ConvKey(
        ndim, False, "forward", "", x_shape, x_strides, weight.shape, None, None, None, None, None, None,
        frozen("stride", stride), frozen("padding", padding), 0, frozen("dilation", dilation), groups,
        next(iter(_operands.LAYOUTS[ndim])) if layout is None else layout,
        next(iter(_operands.WEIGHT_LAYOUTS[ndim])) if weight_layout is None else weight_layout,
        False, "zeros", None, "default", "auto", None, _engine.isa(), x_strides is None,
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
        As in `conv_integer`; the arrays are copied.
    x_dtype : dtype
        Of the inputs, int8 or uint8. They are read in C order: where channels lie last, say so by `layout`.
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
    shape = tuple(geometry.canonical_integer(f"x_shape[{axis}]", size, 0) for axis, size in enumerate(x_shape))
    return _prepared(
        shape, None, byte_type("x_dtype", x_dtype), weight, bias, (stride, padding, dilation, groups),
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
        In the axis order of `layout`; the batch may be missing. Views are read in place, whatever their strides.
    weight : ndarray of int8 or uint8, shape (O, C / groups, ...)
        Its number of axes says how many are spatial.
    bias : ndarray of int32, shape (O,), optional
    stride, dilation : int or tuple of ints
        Per spatial axis.
    padding : int, str or tuple
        Every form that `conv2d` takes; it stands for `x_zero_point`, the integer of 0.
    groups : int
        Number of independent groups of channels.
    x_zero_point : int, optional
        In the range of x's type; 0 where it is None.
    weight_zero_point : int, or ndarray of shape (O,), optional
    scale : float, or ndarray of shape (O,), optional
        Finite. Rounding is half to even, of a product of float64.
    y_zero_point : int, optional
        In the range of `y_dtype`; only with a `scale`.
    y_dtype : dtype, optional
        int8 or uint8 with a `scale`; that of x where it is None.
    layout, weight_layout : str, optional
        As in `conv1d`, `conv2d` and `conv3d`; channels first, and "OIW", "OIHW" or "OIDHW", where they are None.
    out : ndarray of the result's shape and dtype, optional
        Where the result goes; it may have any strides, and overlap none of the other arrays.
    num_threads : int, optional

    Returns
    -------
    ndarray of int32, or with a `scale` of `y_dtype`, shape (N, O, ...)
        In the axis order of `layout`; without a batch where `x` has none. `out`, if it is given.

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
    given = as_array("x", x)
    array = byte_array("x", x, BYTES)
    operation = _prepared(
        array.shape, array.strides, array.dtype, weight, bias, (stride, padding, dilation, groups),
        (x_zero_point, weight_zero_point, y_zero_point), scale, y_dtype, (layout, weight_layout),
    )  # fmt: skip
    inputs = (("x", given), ("weight", np.asarray(weight)), ("bias", None if bias is None else np.asarray(bias)))
    y = result_buffer("out", out, operation.y_shape, operation.y_dtype, inputs)
    operation._execute(array, y, num_threads)
    return deliver(y, out)
