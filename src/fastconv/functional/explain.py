"""Explanations: which algorithm a convolution runs, why, what it costs, and which input pixels it never reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastconv import _engine, geometry
from fastconv._arguments import flag
from fastconv.functional._operands import c_strides, copy_reason, is_shape
from fastconv.functional._peaks import peak_gflops
from fastconv.functional._plans import Call, ConvKey, Problem, border_mode, conv_call, conv_macs, frozen
from fastconv.functional._timing import dense_key, measured_seconds
from fastconv.functional.report import Candidate, ConvReport

__all__ = ["explain_conv1d", "explain_conv2d", "explain_conv3d"]

PASSES = ("forward", "backward_data", "backward_weights")

# Rows that, unless strict, let a NaN or an infinity touch outputs whose window does not hold it: backward_weights
# runs over the pixels between rows with a gradient of zero, Winograd's sums mix the inputs of a tile, and
# Fourier transforms those of a pair of tiles.
SPREADING = {("backward_weights", "direct"), ("backward_weights", "winograd_weights")}
SPREADING |= {(name, f"winograd{tile}") for name in ("forward", "backward_data") for tile in (2, 4, 6)}
SPREADING |= {("forward", "fft"), ("backward_data", "fft")}

# Largest rms error of an algorithm, in units of the rms error of one sequential sum of fused multiply-adds per output
# in the same type, on normally distributed values. "default" admits up to 2.5, "fast" up to 10.
ERROR_BOUNDS = {
    "pointwise": 1.0,
    "depthwise": 1.0,
    "stencil": 1.0,
    "fft": 2.5,
    "panels": 1.0,
    "scatter": 1.0,
    "winograd2": 1.0,
    "winograd4": 2.5,
    "winograd6": 9.0,
    "winograd_weights": 2.5,
    "blocked": 1.0,
    "direct": 1.0,
    "reference": 1.0,
}

# Cycles that a measured explanation spends on a candidate at most, by its prediction.
PATIENCE = 3e9


def _described(name: str, value: Any, dtype: np.dtype) -> tuple[tuple[int, ...], tuple[int, ...], list[str]]:
    """Shape and strides of an argument that is a shape or an array, and the copy it asks for."""
    if is_shape(value):
        shape = tuple(geometry.canonical_integer(name, size, 0) for size in value)
        return shape, c_strides(shape, dtype.itemsize), []
    array = np.asarray(value)
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, but dtype is {dtype}: cast it, or pass dtype={array.dtype}")
    reason = copy_reason(array)
    if reason is None:
        return array.shape, array.strides, []
    return array.shape, c_strides(array.shape, dtype.itemsize), [f"{name} is copied: {reason}"]


def _unused(problem: Problem, border: str) -> tuple[dict[str, np.ndarray], int]:
    positions = geometry.unused_input(
        problem.size, problem.kernel, problem.stride, problem.dilation, problem.padding, problem.output, border
    )
    total = used = 1
    for size, unread in zip(problem.size, positions, strict=True):
        total *= size
        used *= size - len(unread)
    names = geometry.AXIS_NAMES[len(problem.size)]
    return dict(zip(names, positions, strict=True)), total - used


def _reason(algorithm: Any, rows: list[Candidate], chosen: str, tuned_by: str | None) -> str:
    """Say why `chosen` runs, from the candidates' costs."""
    if algorithm != "auto":
        return "asked for by name"
    if tuned_by is not None:
        return f"measured as the fastest by tune, says {tuned_by}"
    mine = next(row for row in rows if row.name == chosen)
    others = sorted((row for row in rows if row.status == "ok" and row.name != chosen), key=lambda row: row.cost)
    if not others:
        return "the only one that takes this convolution"
    ratio = others[0].cost / mine.cost if mine.cost else float("inf")
    why = f"{mine.reason}; " if mine.reason else ""
    return f"{why}predicted {ratio:,.{0 if ratio >= 10 else 2}f} times faster than {others[0].name}"


def _explain(
    ndim: int, x_shape: Any, weight_shape: Any, bias: Any, spatial: tuple[Any, ...], **options: Any
) -> ConvReport:
    try:
        dtype = np.dtype(options["dtype"])
    except TypeError:
        raise TypeError(f"dtype (={options['dtype']!r}) must be float32 or float64") from None
    if dtype.char not in "fd":
        raise TypeError(f"dtype (={dtype}) must be float32 or float64")
    pass_name = options["pass_name"]
    if pass_name not in PASSES:
        raise ValueError(f"pass_name (={pass_name!r}) must be one of {', '.join(PASSES)}")
    dtype = dtype.newbyteorder("=")
    stride, padding, dilation, groups = spatial
    x_shape, x_strides, copies = _described("x_shape", x_shape, dtype)
    weight_shape, weight_strides, weight_copies = _described("weight_shape", weight_shape, dtype)
    forward = pass_name == "forward"
    key = ConvKey(
        ndim, False, pass_name, dtype.char * 2, x_shape, x_strides, weight_shape, weight_strides, None, None,
        None, None, None, frozen("stride", stride), frozen("padding", padding), 0, frozen("dilation", dilation), groups,
        options["layout"], options["weight_layout"], flag("flip", options["flip"]), options["border"],
        options["activation"] if forward else None, options["accuracy"], options["algorithm"],
        options["workspace_limit"], _engine.isa(), forward and flag("prepared", options["prepared"]),
    )  # fmt: skip
    if options["prepared"] and not forward:
        raise ValueError(f"prepared=True is for the forward pass, not for pass_name (={pass_name!r})")
    call = conv_call(*key)
    problem = call.problem
    if forward and bias is not None and bias is not False:
        key = key._replace(bias_shape=(problem.out_channels,))
    if forward and options["residual"] is not None and options["residual"] is not False:
        shape = problem.y_shape
        key = key._replace(residual_shape=shape, residual_strides=c_strides(shape, dtype.itemsize))
    return report_of(key, copies + weight_copies, flag("measured", options["measured"]))


def _candidates(key: ConvKey, call: Call, measured: bool) -> list[Candidate]:
    """The engine's list with predicted, and if wanted measured, shares of the peak."""
    if call.plan is None:
        return []
    dtype = np.dtype(key.chars[0])
    macs = conv_macs(call.problem)
    at_peak = macs / (2 * _engine.lanes(dtype))
    peak = peak_gflops(dtype, call.plan.threads())
    rows = []
    for row in call.plan.candidates():
        percent = 100 * at_peak / row["cost"] if row["status"] == "ok" and row["cost"] > 0 else None
        seconds = 2e-7 * macs / percent / peak if percent and peak else None
        rows.append(Candidate(**row, predicted_percent=percent, predicted_seconds=seconds,
                              error_bound=ERROR_BOUNDS.get(row["name"])))  # fmt: skip
    if not measured:
        return rows
    names = [
        row.name for row in rows if row.status == "ok" and (row.cost < PATIENCE or row.name == call.plan.algorithm)
    ]
    seconds = measured_seconds(dense_key(key), call.problem, names)
    return [
        row
        if row.name not in seconds
        else replace(
            row,
            seconds=seconds[row.name],
            percent_of_peak=2e-7 * macs / seconds[row.name] / peak if peak else None,
        )
        for row in rows
    ]


def report_of(
    key: ConvKey, copies: list[str] | None = None, measured: bool = False, call: Call | None = None
) -> ConvReport:
    """Explain the call of a key, or one that was planned; `copies` says what had to be copied before."""
    call = call or conv_call(*key)
    unused, unused_pixels = _unused(call.problem, border_mode(key.border)[0])
    rows = _candidates(key, call, measured)
    algorithm = call.plan.algorithm if call.plan is not None else "none"
    tuned_by = call.plan.about.tuned_by if call.plan is not None else None
    notes = []
    if (key.pass_name, algorithm) in SPREADING and key.accuracy != "strict":
        notes.append('NaN and infinity may reach other outputs; accuracy="strict" keeps them in their windows')
    if algorithm == "blocked" and key.accuracy != "strict" and any(map(any, call.problem.padding)):
        notes.append('NaN and infinity of weights whose tap lies in padding are left out; accuracy="strict" keeps them')
    if algorithm == "fft":
        notes.append("rounding errors are relative to the largest values of a pair of tiles, not to each output's own")
    return ConvReport(
        operation=f"conv{key.ndim}d",
        pass_name=key.pass_name,
        dtype=str(np.dtype(key.chars[0])),
        isa=key.isa,
        x_shape=key.x_shape,
        weight_shape=key.weight_shape,
        output_shape=call.shape if key.pooled else call.problem.y_shape,
        algorithm=algorithm,
        reason=_reason(key.algorithm, rows, algorithm, tuned_by) if rows else "the batch is empty",
        candidates=rows,
        workspace_bytes=call.workspace_bytes,
        macs=next((row.macs for row in rows if row.name == algorithm), 0.0),
        padding=call.problem.padding,
        unused_input=unused,
        unused_pixels=unused_pixels,
        copies=copies or [],
        notes=notes,
        prepared=key.prepared,
        threads=1 if call.plan is None else call.plan.threads(),
        tuned_by=tuned_by,
    )


def explain_conv1d(
    x_shape: Any,
    weight_shape: Any,
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
    workspace_limit: int | None = None,
    dtype: Any = np.float32,
    pass_name: str = "forward",
    prepared: bool = False,
    measured: bool = False,
) -> ConvReport:
    """Say how a `conv1d` call of these shapes would run; see `explain_conv2d`.

    Parameters
    ----------
    x_shape, weight_shape : tuple of int, or ndarray
        Shapes as `conv1d` takes them.

    The other parameters are those of `explain_conv2d`.

    Returns
    -------
    ConvReport

    Raises
    ------
    TypeError, ValueError
        As `conv1d`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.explain_conv1d((1, 1, 10), (1, 1, 4), stride=4).output_shape
    (1, 1, 2)
    """
    return _explain(
        1, x_shape, weight_shape, bias, (stride, padding, dilation, groups), layout=layout,
        weight_layout=weight_layout, flip=flip, border=border, activation=activation, residual=residual,
        accuracy=accuracy, algorithm=algorithm, workspace_limit=workspace_limit, dtype=dtype, pass_name=pass_name,
        prepared=prepared, measured=measured,
    )  # fmt: skip


def explain_conv2d(
    x_shape: Any,
    weight_shape: Any,
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
    workspace_limit: int | None = None,
    dtype: Any = np.float32,
    pass_name: str = "forward",
    prepared: bool = False,
    measured: bool = False,
) -> ConvReport:
    """Say how a `conv2d` call of these shapes would run, without running it.

    Parameters
    ----------
    x_shape, weight_shape : tuple of int, or ndarray
        Shapes as `conv2d` takes them; of an array the strides count too, and whether it has to be copied.
    bias, residual : bool or array_like, optional
        Whether there is a bias, a residual.
    stride, padding, dilation, groups, layout, weight_layout, flip, border, activation
        As in `conv2d`.
    accuracy, algorithm, workspace_limit
        As in `conv2d`.
    dtype : dtype
        float32 or float64.
    pass_name : {"forward", "backward_data", "backward_weights"}
        The pass to explain.
    prepared : bool
        Whether the weights come packed, as in `prepare_conv2d`.
    measured : bool
        Run each candidate some times on random values, and add its time and its share of the measured peak. Candidates
        that are predicted to take more than about a second are left out.

    Returns
    -------
    ConvReport
        The algorithm that runs and why, all candidates with predicted time, error bound and workspace bytes, the
        output's shape, and the input pixels that a stride that does not fit never reads.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import fastconv
    >>> report = fastconv.explain_conv2d((1, 3, 7, 7), (8, 3, 3, 3), stride=3)
    >>> report.output_shape, report.unused_pixels
    ((1, 8, 2, 2), 13)
    >>> report.unused_input["width"]
    array([6])
    """
    return _explain(
        2, x_shape, weight_shape, bias, (stride, padding, dilation, groups), layout=layout,
        weight_layout=weight_layout, flip=flip, border=border, activation=activation, residual=residual,
        accuracy=accuracy, algorithm=algorithm, workspace_limit=workspace_limit, dtype=dtype, pass_name=pass_name,
        prepared=prepared, measured=measured,
    )  # fmt: skip


def explain_conv3d(
    x_shape: Any,
    weight_shape: Any,
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
    workspace_limit: int | None = None,
    dtype: Any = np.float32,
    pass_name: str = "forward",
    prepared: bool = False,
    measured: bool = False,
) -> ConvReport:
    """Say how a `conv3d` call of these shapes would run; see `explain_conv2d`.

    Parameters
    ----------
    x_shape, weight_shape : tuple of int, or ndarray
        Shapes as `conv3d` takes them.

    The other parameters are those of `explain_conv2d`.

    Returns
    -------
    ConvReport

    Raises
    ------
    TypeError, ValueError
        As `conv3d`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.explain_conv3d((1, 1, 8, 8, 8), (2, 1, 3, 3, 3), padding="same").output_shape
    (1, 2, 8, 8, 8)
    """
    return _explain(
        3, x_shape, weight_shape, bias, (stride, padding, dilation, groups), layout=layout,
        weight_layout=weight_layout, flip=flip, border=border, activation=activation, residual=residual,
        accuracy=accuracy, algorithm=algorithm, workspace_limit=workspace_limit, dtype=dtype, pass_name=pass_name,
        prepared=prepared, measured=measured,
    )  # fmt: skip
