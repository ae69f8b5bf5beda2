"""Plans of convolutions: every check of a call happens here, once per combination of shapes, strides and options.

`conv_call` is cached, so a repeated call pays for one look-up. The engine knows one convolution with three passes;
transposed convolution is its backward_data pass with the two tensors in exchanged roles, and so on: see `_ENGINE_PASS`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import _engine, geometry
from fastconv.functional import _operands, _tuned
from fastconv.functional.activation import activation_code

__all__ = [
    "CACHED_PLANS",
    "About",
    "Call",
    "ConvKey",
    "border_mode",
    "cached_call",
    "conv_call",
    "conv_macs",
    "conv_problem",
    "frozen",
    "make_plan",
    "result_shape",
    "tuning_name",
]

CACHED_PLANS = 512
BORDER_NAMES = ("zeros", "reflect", "symmetric", "edge", "wrap")
ACCURACIES = ("default", "strict", "fast")
_LARGEST_ITEM = 8

# (transposed, pass of the operation) -> pass of the engine's convolution
_ENGINE_PASS = {
    (False, "forward"): "forward",
    (False, "backward_data"): "backward_data",
    (False, "backward_weights"): "backward_weights",
    (True, "forward"): "backward_data",
    (True, "backward_data"): "forward",
    (True, "backward_weights"): "backward_weights",
}


class ConvKey(NamedTuple):
    """Everything that a plan depends on; strides None stand for a C-contiguous array."""

    ndim: int
    transposed: bool
    pass_name: str
    chars: str
    x_shape: tuple[int, ...]
    x_strides: tuple[int, ...] | None
    weight_shape: tuple[int, ...]
    weight_strides: tuple[int, ...] | None
    y_shape: tuple[int, ...] | None
    y_strides: tuple[int, ...] | None
    bias_shape: tuple[int, ...] | None
    residual_shape: tuple[int, ...] | None
    residual_strides: tuple[int, ...] | None
    stride: Any
    padding: Any
    output_padding: Any
    dilation: Any
    groups: Any
    layout: Any
    weight_layout: Any
    flip: bool
    border: Any
    activation: Any
    accuracy: Any
    algorithm: Any
    workspace_limit: Any
    isa: str
    prepared: bool = False
    pooled: bool = False


class Problem(NamedTuple):
    """A convolution in canonical form: per-axis tuples of ints, the axis letters, and the shape of its output."""

    letters: str
    full: str
    weight_letters: str
    weight_full: str
    batch: int
    in_channels: int
    out_channels: int
    groups: int
    size: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    y_shape: tuple[int, ...]


class Call(NamedTuple):
    """A checked call: its plan (None where nothing is to compute), the shape of its result, the least workspace."""

    plan: Any
    shape: tuple[int, ...]
    workspace_bytes: int
    problem: Problem


def frozen(name: str, value: Any) -> Any:
    """Return a spatial argument in hashable form, so that equal values of other types are not taken for ints."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return tuple(frozen(name, entry) for entry in value)
    return geometry.canonical_integer(name, value, -geometry.MAX_SIZE)


def border_mode(border: Any) -> tuple[str, float]:
    """Return the engine's border name and the value of a constant one.

    Raises
    ------
    TypeError
        If `border` is neither a name nor a number.
    ValueError
        If the name is unknown, or an int too large.
    """
    if isinstance(border, str):
        if border not in BORDER_NAMES:
            raise ValueError(f"border (={border!r}) must be a number or one of {', '.join(BORDER_NAMES)}")
        return ("constant", 0.0) if border == "zeros" else (border, 0.0)
    if isinstance(border, (bool, np.bool_)) or not isinstance(border, (int, float, np.integer, np.floating)):
        raise TypeError(f"border (={border!r}) must be a number or one of {', '.join(BORDER_NAMES)}")
    try:
        return "constant", float(border)
    except OverflowError:
        raise ValueError(f"border (={border}) is too large for a float") from None


def _check_rank(name: str, shape: Sequence[int], letters: str, batch_optional: bool = True) -> None:
    if len(shape) == len(letters) or (batch_optional and len(shape) == len(letters) - 1):
        return
    takes = f"{len(letters)} ({letters})"
    if batch_optional:
        takes += f", or {len(letters) - 1} ({letters[1:]}) without a batch"
    raise ValueError(f"{name} of shape {tuple(shape)} has {len(shape)} axes: it takes {takes}")


def _check_channels(key: ConvKey, channels: int, out_size: int, in_size: int, groups: int) -> tuple[int, int]:
    """Check the weight's channel axes against the input's; return in and out channels of the whole operation."""
    if channels % groups:
        raise ValueError(f"groups (={groups}) must divide in_channels (={channels})")
    if key.transposed:
        if in_size != channels:
            raise ValueError(
                f"weight of shape {key.weight_shape} ({key.weight_layout}) has {in_size} input channels, "
                f"but x has in_channels (={channels})"
            )
        return channels, out_size * groups
    if out_size % groups:
        raise ValueError(f"groups (={groups}) must divide out_channels (={out_size})")
    if in_size != channels // groups:
        raise ValueError(
            f"weight of shape {key.weight_shape} ({key.weight_layout}) has {in_size} input channels per group, "
            f"but in_channels (={channels}) / groups (={groups}) is {channels // groups}"
        )
    return channels, out_size


def conv_problem(key: ConvKey) -> Problem:
    """Check shapes and spatial arguments, and bring them into canonical form.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what to do.
    """
    ndim = key.ndim
    letters = _operands.layout_letters("layout", key.layout, _operands.LAYOUTS[ndim])
    weight_table = (_operands.TRANSPOSED_WEIGHT_LAYOUTS if key.transposed else _operands.WEIGHT_LAYOUTS)[ndim]
    weight_letters = _operands.layout_letters("weight_layout", key.weight_layout, weight_table)
    _check_rank("x", key.x_shape, letters)
    _check_rank("weight", key.weight_shape, weight_letters, batch_optional=False)
    sizes = _operands.sizes_by_letter(letters, key.x_shape)
    weight_sizes = _operands.sizes_by_letter(weight_letters, key.weight_shape)
    for name, shape, found in (("x", key.x_shape, sizes), ("weight", key.weight_shape, weight_sizes)):
        for letter, extent in found.items():
            if extent < 1 and letter != "N":
                raise ValueError(
                    f"{name} of shape {shape} has size {extent} along axis {letter}: it must be at least 1"
                )
    geometry.check_size("x", key.x_shape, _LARGEST_ITEM)
    geometry.check_size("weight", key.weight_shape, _LARGEST_ITEM)

    axes = "DHW"[3 - ndim :]
    size = tuple(sizes[axis] for axis in axes)
    kernel = tuple(weight_sizes[axis] for axis in axes)
    stride = geometry.canonical_spatial("stride", key.stride, ndim, 1)
    dilation = geometry.canonical_spatial("dilation", key.dilation, ndim, 1)
    groups = geometry.canonical_integer("groups", key.groups, 1)
    padding = geometry.canonical_padding("padding", key.padding, ndim)
    in_channels, out_channels = _check_channels(key, sizes["C"], weight_sizes["O"], weight_sizes["I"], groups)
    if key.transposed:
        output_padding = geometry.canonical_spatial("output_padding", key.output_padding, ndim, 0)
        output, pairs = geometry.conv_transpose_geometry(size, kernel, stride, dilation, padding, output_padding)
    else:
        pairs = geometry.resolve_padding(padding, size, kernel, stride, dilation)
        output = geometry.conv_output_size(size, kernel, stride, dilation, pairs)
    result = {**sizes, "C": out_channels, **dict(zip(axes, output, strict=True))}
    y_shape = tuple(result[letter] for letter in letters if letter in result)
    geometry.check_size("the output", y_shape, _LARGEST_ITEM)
    return Problem(
        letters, _operands.LAYOUTS[ndim][letters], weight_letters, weight_table[weight_letters],
        sizes.get("N", 1), in_channels, out_channels, groups,
        size, output, kernel, stride, dilation, pairs, y_shape,
    )  # fmt: skip


def _check_arrays(key: ConvKey, problem: Problem) -> None:
    names = ("dy" if key.pass_name != "forward" else "x", "weight", "bias", "residual")
    first = np.dtype(key.chars[0])
    for name, char in zip(names[1:], key.chars[1:].ljust(3), strict=False):
        if char not in (" ", key.chars[0]):
            raise TypeError(
                f"{name} is {np.dtype(char)} but {names[0]} is {first}, and types are never mixed: cast one of them, "
                f"as in {name}.astype(np.{first})"
            )
    if key.bias_shape is not None and key.bias_shape != (problem.out_channels,):
        raise ValueError(f"bias of shape {key.bias_shape} must have shape ({problem.out_channels},), the out channels")
    for name, shape in (("dy", key.y_shape), ("residual", key.residual_shape)):
        if shape is not None and shape != problem.y_shape:
            raise ValueError(f"{name} has shape {shape}, but the output has shape {problem.y_shape}")


class Options(NamedTuple):
    """The options of a call in the engine's terms."""

    border: str
    border_value: float
    activation: str | None
    slope: float
    accuracy: str
    algorithm: Any
    workspace_limit: int


def _choice(name: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(choices)}")
    return value


def _options(key: ConvKey) -> Options:
    activation_code(key.activation)
    name, slope = key.activation if isinstance(key.activation, tuple) else (key.activation, 0.0)
    limit = key.workspace_limit
    algorithm = _choice("algorithm", key.algorithm, ("auto", *_engine.conv_algorithms()))
    return Options(
        *border_mode(key.border),
        activation=name,
        slope=slope,
        accuracy=_choice("accuracy", key.accuracy, ACCURACIES),
        algorithm=-1 if algorithm == "auto" else algorithm,
        workspace_limit=-1 if limit is None else geometry.canonical_integer("workspace_limit", limit, 0),
    )


def _in_three(values: Sequence[int], fill: int) -> tuple[int, ...]:
    return (fill,) * (3 - len(values)) + tuple(values)


def result_shape(key: ConvKey, problem: Problem) -> tuple[int, ...]:
    """Shape of what the pass computes; the 2x2 pool drops an odd last row or column.

    Raises
    ------
    ValueError
        If the maps are too small to pool.
    """
    if key.pass_name != "forward":
        return key.x_shape if key.pass_name == "backward_data" else key.weight_shape
    if not key.pooled:
        return problem.y_shape
    if min(problem.output) < 2:
        raise ValueError(f"pool (=2) needs maps of at least 2x2, but the convolution's are {problem.output}")
    letters = problem.letters[len(problem.letters) - len(problem.y_shape) :]
    return tuple(n // 2 if letter in "HW" else n for letter, n in zip(letters, problem.y_shape, strict=True))


class Roles(NamedTuple):
    """A problem as the engine sees it: transposed convolution is its backward_data pass with the tensors exchanged."""

    pass_name: str
    in_channels: int
    out_channels: int
    size: tuple[int, ...]
    output: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]


def engine_roles(key: ConvKey, problem: Problem) -> Roles:
    """Return what the engine is asked for."""
    ic, oc, size, output = problem.in_channels, problem.out_channels, problem.size, problem.output
    if key.transposed:
        ic, oc, size, output = oc, ic, output, size
    # A stride beyond the padded input, or the dilation of one tap, changes nothing: keep the engine's products small.
    stride = tuple(
        min(s, n + sum(pair)) if out == 1 else s
        for s, n, pair, out in zip(problem.stride, size, problem.padding, output, strict=True)
    )
    dilation = tuple(d if k > 1 else 1 for d, k in zip(problem.dilation, problem.kernel, strict=True))
    return Roles(_ENGINE_PASS[key.transposed, key.pass_name], ic, oc, size, output, stride, dilation)


def tuning_name(key: ConvKey, problem: Problem) -> str:
    """What a tuned choice is filed under: all that the speed of an algorithm depends on, but no thread count.

    Bias, activation and kernel flipping are left out, because they cost the same in every algorithm.
    """
    roles = engine_roles(key, problem)
    words = [
        roles.pass_name,
        str(np.dtype(key.chars[0])),
        "channels-last" if problem.letters[-1] == "C" else "channels-first",
        f"{_times(problem.batch, roles.in_channels, *roles.size)}->{_times(roles.out_channels, *roles.output)}",
        f"kernel {_times(*problem.kernel)}",
        f"stride {_times(*roles.stride)}",
        f"dilation {_times(*roles.dilation)}",
        f"padding {_times(*(before for before, _ in problem.padding))}",
        f"groups {problem.groups}",
        f"border {border_mode(key.border)[0]}",
        f"accuracy {key.accuracy}",
    ]
    words += [word for word, on in (("prepared", key.prepared), ("pooled", key.pooled)) if on]
    words += ["residual"] if key.residual_shape is not None else []
    return ", ".join(words)


def _times(*sizes: int) -> str:
    return "x".join(map(str, sizes))


class About(NamedTuple):
    """What a plan was made for, and the file that chose its algorithm, if one did."""

    key: ConvKey
    problem: Problem
    tuned_by: str | None


def make_plan(key: ConvKey, problem: Problem) -> Any:
    """Build the engine's plan for a checked problem that is not empty.

    Where the algorithm is free and a file of tuned choices has one for this problem, that one is taken.

    Raises
    ------
    ValueError
        If an option is unknown, or no algorithm serves the problem within its limits.
    """
    itemsize = 4 if key.chars[0] == "f" else 8
    options = _options(key)

    def spread(shape: Sequence[int], strides: Sequence[int] | None) -> tuple[int, ...]:
        found = _operands.c_strides(shape, itemsize) if strides is None else strides
        return _operands.element_strides(problem.letters, problem.full, "NCDHW", shape, found, itemsize)

    weight_strides = key.weight_strides or _operands.c_strides(key.weight_shape, itemsize)
    w_strides = _operands.element_strides(
        problem.weight_letters,
        problem.weight_full,
        "IODHW" if key.transposed else "OIDHW",
        key.weight_shape,
        weight_strides,
        itemsize,
    )
    y_shape = result_shape(key, problem) if key.pooled else problem.y_shape
    x_strides, y_strides = spread(key.x_shape, key.x_strides), spread(y_shape, key.y_strides)
    if key.transposed:
        x_strides, y_strides = y_strides, x_strides
    residual_strides: tuple[int, ...] = (0, 0, 0, 0, 0)
    if key.residual_shape is not None:
        residual_strides = spread(key.residual_shape, key.residual_strides)
    roles = engine_roles(key, problem)
    build = functools.partial(
        _engine.ConvPlan,
        roles.pass_name,
        np.dtype(key.chars[0]),
        problem.batch,
        roles.in_channels,
        roles.out_channels,
        problem.groups,
        _in_three(roles.size, 1),
        _in_three(roles.output, 1),
        _in_three(problem.kernel, 1),
        _in_three(roles.stride, 1),
        _in_three(roles.dilation, 1),
        _in_three([before for before, _ in problem.padding], 0),
        x_strides,
        w_strides,
        y_strides,
        residual_strides=residual_strides,
        channels_last=problem.letters[-1] == "C",
        border=options.border,
        border_value=options.border_value,
        flip=key.flip,
        bias=key.bias_shape is not None,
        residual=key.residual_shape is not None,
        activation=options.activation,
        slope=options.slope,
        accuracy=options.accuracy,
        prepared=key.prepared,
        pool=key.pooled,
    )
    plan = tuned_by = None
    if options.algorithm == -1 and options.workspace_limit < 0:
        plan, tuned_by = _tuned_plan(key, problem, build)
    try:
        plan = plan or build(algorithm=options.algorithm, workspace_limit=options.workspace_limit)
    except (ValueError, NotImplementedError) as error:
        raise _refusal(key, options, build, error) from None
    plan.about = About(key, problem, tuned_by)
    return plan


def _tuned_plan(key: ConvKey, problem: Problem, build: Any) -> tuple[Any, str | None]:
    """Return the plan that a file of tuned choices asks for, and the file; None for both if there is none that fits."""
    choices = _tuned.choices()
    if not choices:
        return None, None
    name = choices.get(tuning_name(key, problem))
    if name is None:
        return None, None
    try:
        return build(algorithm=name), _tuned.path()
    except (ValueError, NotImplementedError):
        return None, None


def _refusal(key: ConvKey, options: Options, build: Any, error: Exception) -> Exception:
    """Say why the engine made no plan: the algorithm asked for, or the limit on the workspace."""
    try:
        rows = build().candidates()
    except (ValueError, NotImplementedError):
        return NotImplementedError("no algorithm pools (pool=2) this convolution") if key.pooled else error
    chosen = [row for row in rows if options.algorithm in (-1, row["name"])]
    able = [row for row in chosen if row["status"] == "ok"]
    if not able:
        return ValueError(f"algorithm (={key.algorithm!r}) does not take this convolution: {chosen[0]['reason']}")
    least = min(row["workspace_bytes"] for row in able)
    return ValueError(f"workspace_limit (={key.workspace_limit}) is too small: this call needs at least {least} bytes")


def conv_macs(problem: Problem, transposed: bool = False) -> float:
    """Multiply-adds of a convolution by its formula, taps on padding included; the same for all three passes."""
    positions = problem.size if transposed else problem.output
    taps = math.prod(problem.kernel) * problem.in_channels * problem.out_channels // problem.groups
    return float(problem.batch * math.prod(positions) * taps)


def conv_call(*fields: Any) -> Call:
    """Check a call and plan it, once; `fields` are those of `ConvKey`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what to do.
    """
    try:
        return cached_call(*fields)
    except TypeError:
        for name, value in zip(ConvKey._fields, fields, strict=False):
            if type(value).__hash__ is None:
                raise TypeError(f"{name} (={value!r}) must not be of type {type(value).__name__}") from None
        raise


@functools.lru_cache(maxsize=CACHED_PLANS, typed=True)
def cached_call(*fields: Any) -> Call:
    """The cache of `conv_call`: typed, so that 1.0 and True are not taken for a 1 that was fine before."""
    key = ConvKey(*fields)
    problem = conv_problem(key)
    _check_arrays(key, problem)
    _options(key)
    shape = result_shape(key, problem)
    if math.prod(problem.y_shape) == 0:
        return Call(None, shape, 0, problem)
    plan = make_plan(key, problem)
    return Call(plan, shape, plan.workspace_bytes(1), problem)
