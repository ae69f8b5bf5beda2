"""Prepared convolutions: planned and packed once, then called with one input after the other.

A plain call lays the weights out anew in the order of its kernel each time. A prepared operation does it once, and
checks no more at each call than that its arrays are the ones it was made for.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from fastconv import _engine, geometry
from fastconv._arguments import flag
from fastconv.functional._arrays import deliver, result_buffer, thread_count
from fastconv.functional._convolution import hashable_activation
from fastconv.functional._operands import operand, workspace_buffer
from fastconv.functional._plans import ConvKey, conv_call, frozen
from fastconv.functional.explain import report_of
from fastconv.functional.report import ConvReport

__all__ = ["PreparedConv", "prepare_conv1d", "prepare_conv2d", "prepare_conv3d"]


class PreparedConv:
    """A convolution with fixed input shape, weights and options; `prepare_conv2d` makes one.

    Calling it with an input gives the output. It holds its weights and its bias itself: what happens to the arrays it
    was made from does not matter to it. Several threads may call one operation at the same time. It cannot be pickled,
    because its weights lie in an order that belongs to this CPU.

    Attributes
    ----------
    algorithm : str
        The row of the engine's list that runs; "none" for an empty batch.
    isa : str
        The instruction set that it was made for, and keeps.
    x_shape, weight_shape, y_shape : tuple of int
        In the axis orders of the call that prepared it.
    dtype : dtype
    packed_bytes : int
        Size of the packed weights; 0 if the algorithm reads them as they are.
    workspace_bytes : int
        Scratch memory for one thread: the least size of `workspace`.
    """

    __slots__ = ("_call", "_key", "_run", "_packed", "algorithm", "dtype", "packed_bytes", "workspace_bytes")

    def __init__(self, key: ConvKey, weight: np.ndarray, bias: np.ndarray | None) -> None:
        self._key = key
        self._call = conv_call(*key)
        self.dtype = weight.dtype
        plan = self._call.plan
        self._packed = self._run = None
        self.algorithm, self.packed_bytes, self.workspace_bytes = "none", 0, self._call.workspace_bytes
        if plan is not None:
            self._packed = _engine.PackedConv(plan, weight, bias, key.x_shape, self._call.shape, key.residual_shape)
            self._run = self._packed.run
            self.algorithm, self.packed_bytes = plan.algorithm, plan.packed_bytes

    @property
    def isa(self) -> str:
        return self._key.isa

    @property
    def x_shape(self) -> tuple[int, ...]:
        return self._key.x_shape

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self._key.weight_shape

    @property
    def y_shape(self) -> tuple[int, ...]:
        return self._call.shape

    def __call__(
        self,
        x: Any,
        *,
        residual: Any = None,
        out: np.ndarray | None = None,
        workspace: Any = None,
        num_threads: int | None = None,
    ) -> np.ndarray:
        """Convolve one input.

        Parameters
        ----------
        x : ndarray, shape and dtype that the operation was prepared for
            Read in place if it is C-contiguous, else copied first.
        residual : ndarray of the shape of the convolution's output
            If, and only if, the operation was prepared with one.
        out, workspace, num_threads
            As in `conv2d`.

        Returns
        -------
        ndarray
            The same bits in every call and for any number of threads. They are those of the plain call with the same
            `algorithm`, except where that algorithm takes another form for packed weights.

        Raises
        ------
        TypeError, ValueError
            If an array is not of the prepared kind.
        """
        threads = 0 if num_threads is None else thread_count(num_threads)
        if workspace is None and self._run is not None:
            y = self._run(x, residual, out, threads)
            if y is not None:
                return y
        return self._general(x, residual, out, workspace, threads)

    def _general(self, x: Any, residual: Any, out: Any, workspace: Any, threads: int) -> np.ndarray:
        """Run on arrays that need a check or a copy first."""
        x = self._input("x", x, self.x_shape)
        if residual is not None or self._key.residual_shape is not None:
            residual = self._residual(residual)
        inputs = (("x", x), ("residual", residual))
        y = result_buffer("out", out, self.y_shape, self.dtype, inputs)
        if workspace is not None:
            workspace = workspace_buffer(workspace, self.workspace_bytes, [*inputs, ("the output", y)])
        if self._packed is not None:
            x, residual = np.ascontiguousarray(x), None if residual is None else np.ascontiguousarray(residual)
            self._packed.execute(x, y, residual, workspace, threads)
        return deliver(y, out)

    def _input(self, name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        array = operand(name, value)
        if array.dtype != self.dtype:
            raise TypeError(
                f"{name} is {array.dtype} but the weights were prepared as {self.dtype}, and types are never mixed: "
                f"cast {name}.astype(np.{self.dtype})"
            )
        if array.shape != shape:
            raise ValueError(
                f"{name} has shape {array.shape}, but this operation was prepared for {shape}: "
                "prepare one for each shape"
            )
        return array

    def _residual(self, residual: Any) -> np.ndarray:
        shape = self._key.residual_shape
        if shape is None:
            raise ValueError("residual is given, but this operation was prepared without one: pass residual=True there")
        if residual is None:
            raise ValueError(f"residual is missing: this operation was prepared to add one of shape {shape}")
        return self._input("residual", residual, shape)

    def explain(self) -> ConvReport:
        """Say which algorithm runs and why, as `explain_conv2d` does."""
        return report_of(self._key, call=self._call)

    def __repr__(self) -> str:
        key = self._key
        options = [
            f"{name}={getattr(key, name)!r}" for name, default in _SHOWN.items() if getattr(key, name) != default
        ]
        options += ["residual=True"] * (key.residual_shape is not None) + ["pool=2"] * key.pooled
        words = [f"{_times(self.x_shape)} -> {_times(self.y_shape)}", f"weight {_times(self.weight_shape)}"]
        words += ["with bias"] * (key.bias_shape is not None) + options
        return f"<prepared conv{key.ndim}d {', '.join([*words, str(self.dtype), key.layout, self.algorithm])}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a prepared convolution cannot be pickled or copied, its weights are packed for this CPU: "
            "keep the weights, and prepare it where it runs"
        )


_SHOWN = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "flip": False, "border": "zeros", "activation": None}


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _prepare(
    ndim: int,
    x_shape: Any,
    weight: Any,
    bias: Any,
    spatial: tuple[Any, ...],
    *,
    pool: Any,
    residual: Any,
    **options: Any,
) -> PreparedConv:
    if not isinstance(x_shape, (tuple, list)):
        raise TypeError(f"x_shape must be a tuple of ints, not {type(x_shape).__name__}")
    shape = tuple(geometry.canonical_integer("x_shape", size, 0) for size in x_shape)
    weight = np.ascontiguousarray(operand("weight", weight))
    chars = weight.dtype.char * 2
    if bias is not None:
        bias = operand("bias", bias)
        bias = np.ascontiguousarray(bias) if bias.ndim else bias
        chars += bias.dtype.char
    if pool is not None and (ndim != 2 or isinstance(pool, bool) or pool != 2):
        raise ValueError(f"pool (={pool!r}) must be None, or 2 in two dimensions: the largest of each 2x2 outputs")
    stride, padding, dilation, groups = spatial
    key = ConvKey(
        ndim, False, "forward", chars, shape, None, weight.shape, None, None, None,
        None if bias is None else bias.shape, None, None, frozen("stride", stride), frozen("padding", padding), 0,
        frozen("dilation", dilation), groups, options["layout"], options["weight_layout"],
        flag("flip", options["flip"]), options["border"], hashable_activation(options["activation"]),
        options["accuracy"], options["algorithm"], options["workspace_limit"], _engine.isa(), True,
    )  # fmt: skip
    if flag("residual", residual):
        if pool is not None:
            raise ValueError("pool (=2) and residual=True do not go together: add the residual to the maps, then pool")
        key = key._replace(residual_shape=conv_call(*key).problem.y_shape)
    if pool is not None:
        key = key._replace(pooled=True)
    return PreparedConv(key, weight, bias)


def prepare_conv1d(
    x_shape: Any,
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
    residual: bool = False,
    accuracy: str = "default",
    algorithm: str = "auto",
    workspace_limit: int | None = None,
    pool: int | None = None,
) -> PreparedConv:
    """Prepare a `conv1d` for inputs of one shape; see `prepare_conv2d`.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, in the axis order of `layout`.
    weight : ndarray of float32 or float64, shape (O, C / groups, kw)
        The kernels, in the axis order of `weight_layout`.

    The other parameters are those of `prepare_conv2d`.

    Returns
    -------
    PreparedConv

    Raises
    ------
    TypeError, ValueError
        As `conv1d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> differences = fastconv.prepare_conv1d((1, 1, 5), np.array([[[-1.0, 1.0]]]))
    >>> differences(np.array([[[1.0, 4.0, 9.0, 16.0, 25.0]]]))
    array([[[3., 5., 7., 9.]]])
    """
    return _prepare(
        1, x_shape, weight, bias, (stride, padding, dilation, groups), layout=layout, weight_layout=weight_layout,
        flip=flip, border=border, activation=activation, residual=residual, accuracy=accuracy, algorithm=algorithm,
        workspace_limit=workspace_limit, pool=pool,
    )  # fmt: skip


def prepare_conv2d(
    x_shape: Any,
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
    residual: bool = False,
    accuracy: str = "default",
    algorithm: str = "auto",
    workspace_limit: int | None = None,
    pool: int | None = None,
) -> PreparedConv:
    """Prepare a `conv2d` for inputs of one shape: choose the algorithm and pack the weights once.

    Worth it wherever the same weights meet more than one input: a network that is used, a filter over a video.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, in the axis order of `layout`. Another shape needs an operation of its own, because the
        order in which weights are packed belongs to the shape's plan.
    weight : ndarray of float32 or float64, shape (O, C / groups, kh, kw)
        The kernels, in the axis order of `weight_layout`. Their dtype is that of the inputs and the result.
    bias : ndarray of weight.dtype, shape (O,), optional
        Copied, as the weights are.
    stride, padding, dilation, groups, layout, weight_layout, flip, border, activation
        As in `conv2d`.
    residual : bool
        Whether the calls pass a `residual`.
    accuracy, algorithm, workspace_limit
        As in `conv2d`.
    pool : None or 2
        2: only the largest of each 2x2 outputs is stored, as by ``max_pool2d(y, 2)`` after the activation. Not every
        algorithm does this.

    Returns
    -------
    PreparedConv
        Call it with an array of `x_shape`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.
    NotImplementedError
        If no algorithm can pool this convolution.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> blur = fastconv.prepare_conv2d((1, 1, 4, 4), np.full((1, 1, 3, 3), 1 / 9), padding="same", border="edge")
    >>> blur.y_shape
    (1, 1, 4, 4)
    >>> frames = np.ones((3, 1, 1, 4, 4))
    >>> [round(float(blur(frame).max()), 6) for frame in frames]
    [1.0, 1.0, 1.0]
    """
    return _prepare(
        2, x_shape, weight, bias, (stride, padding, dilation, groups), layout=layout, weight_layout=weight_layout,
        flip=flip, border=border, activation=activation, residual=residual, accuracy=accuracy, algorithm=algorithm,
        workspace_limit=workspace_limit, pool=pool,
    )  # fmt: skip


def prepare_conv3d(
    x_shape: Any,
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
    residual: bool = False,
    accuracy: str = "default",
    algorithm: str = "auto",
    workspace_limit: int | None = None,
    pool: int | None = None,
) -> PreparedConv:
    """Prepare a `conv3d` for inputs of one shape; see `prepare_conv2d`.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, in the axis order of `layout`.
    weight : ndarray of float32 or float64, shape (O, C / groups, kd, kh, kw)
        The kernels, in the axis order of `weight_layout`.

    The other parameters are those of `prepare_conv2d`.

    Returns
    -------
    PreparedConv

    Raises
    ------
    TypeError, ValueError
        As `conv3d`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.prepare_conv3d((1, 2, 4, 4, 4), np.ones((3, 2, 3, 3, 3)), padding=1).y_shape
    (1, 3, 4, 4, 4)
    """
    return _prepare(
        3, x_shape, weight, bias, (stride, padding, dilation, groups), layout=layout, weight_layout=weight_layout,
        flip=flip, border=border, activation=activation, residual=residual, accuracy=accuracy, algorithm=algorithm,
        workspace_limit=workspace_limit, pool=pool,
    )  # fmt: skip
