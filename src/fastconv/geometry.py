"""Sizes and paddings: the one place with the formulas of spatial arrangement.

Everything here works on plain integers, one per spatial axis, and raises errors that name the argument, its value and
the form to write. Convolution, transposed convolution, pooling, `explain` and `summary` all call these functions.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "AXIS_NAMES",
    "MAX_SIZE",
    "PADDING_NAMES",
    "adaptive_windows",
    "canonical_integer",
    "canonical_padding",
    "canonical_spatial",
    "check_size",
    "check_windows",
    "conv_output_size",
    "conv_transpose_geometry",
    "effective_kernel",
    "format_positions",
    "pool_output_size",
    "resolve_padding",
    "unused_input",
]

Spatial = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

MAX_SIZE = 2**63 - 1
_MAX_EXTENT = 2**60
AXIS_NAMES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}
PADDING_NAMES = ("valid", "same", "same_upper", "same_lower", "full")


def canonical_integer(name: str, value: Any, minimum: int) -> int:
    """Return an integer argument as an int.

    Raises
    ------
    TypeError
        If `value` is no integer.
    ValueError
        If it is below `minimum` or beyond 63 bits.

    Examples
    --------
    >>> canonical_integer("groups", 3, 1)
    3
    """
    return _integer(name, value, value, minimum)


def _integer(name: str, value: Any, shown: Any, minimum: int) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__") or isinstance(value, np.ndarray):
        raise TypeError(f"{name} (={shown!r}) must be made of ints, not {type(value).__name__}")
    number = operator.index(value)
    if number < minimum:
        raise ValueError(f"{name} (={shown!r}) must be at least {minimum}")
    if number > MAX_SIZE:
        raise ValueError(f"{name} (={shown!r}) does not fit in 63 bits")
    return number


def _entries(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"{name} (={value!r}) must be an int or a tuple of ints")
    return value.tolist() if isinstance(value, np.ndarray) else list(value)


def canonical_spatial(name: str, value: Any, ndim: int, minimum: int) -> Spatial:
    """Spell a spatial argument out as one int per axis.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : int or sequence of int
        An int, one int per axis, or a one-element sequence, which stands for every axis.
    ndim : int
        Number of spatial axes, 1 to 3.
    minimum : int
        Smallest value allowed.

    Returns
    -------
    tuple of int
        `ndim` ints.

    Raises
    ------
    TypeError
        If `value` is neither an int nor a flat sequence of ints.
    ValueError
        If the number of entries is wrong, or an entry is too small or beyond 63 bits.

    Examples
    --------
    >>> canonical_spatial("stride", 2, 2, 1)
    (2, 2)
    >>> canonical_spatial("stride", (1, 3), 2, 1)
    (1, 3)
    """
    if hasattr(value, "__index__") and not isinstance(value, np.ndarray):
        return (_integer(name, value, value, minimum),) * ndim
    entries = _entries(name, value)
    if len(entries) not in (1, ndim):
        axes = ", ".join(AXIS_NAMES[ndim])
        raise ValueError(f"{name} (={value!r}) has {len(entries)} entries: give an int, or one int each for ({axes})")
    numbers = tuple(_integer(name, entry, value, minimum) for entry in entries)
    return numbers if len(numbers) == ndim else numbers * ndim


def canonical_padding(name: str, value: Any, ndim: int) -> Pairs | str:
    """Spell a padding argument out as a (before, after) pair per axis, or give back its name.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : int, str or sequence
        An int, one int per axis, one (before, after) pair per axis, a mixture such as ``(1, (0, 3))``, a one-element
        sequence for every axis, or one of the names "valid", "same", "same_upper", "same_lower", "full".
    ndim : int
        Number of spatial axes, 1 to 3.

    Returns
    -------
    tuple of (int, int), or str
        `ndim` pairs, or the name ("same" as "same_upper").

    Raises
    ------
    TypeError
        If an entry is neither an int nor a pair of ints.
    ValueError
        If a name is unknown, an entry is negative, or the number of entries is wrong.

    Examples
    --------
    >>> canonical_padding("padding", (1, (0, 3)), 2)
    ((1, 1), (0, 3))
    >>> canonical_padding("padding", ((1, 2),), 1)
    ((1, 2),)
    """
    if isinstance(value, str):
        if value not in PADDING_NAMES:
            raise ValueError(f"{name} (={value!r}) must be ints, pairs, or one of {', '.join(PADDING_NAMES)}")
        return "same_upper" if value == "same" else value
    if hasattr(value, "__index__") and not isinstance(value, np.ndarray):
        number = _integer(name, value, value, 0)
        return ((number, number),) * ndim
    entries = _entries(name, value)
    flat = all(hasattr(entry, "__index__") for entry in entries)
    if flat and len(entries) == 2 * ndim:
        pairs = tuple((entries[2 * axis], entries[2 * axis + 1]) for axis in range(ndim))
        raise ValueError(f"{name} (={value!r}): padding that differs before and after takes pairs, write {pairs!r}")
    if len(entries) not in (1, ndim):
        axes = ", ".join(AXIS_NAMES[ndim])
        raise ValueError(
            f"{name} (={value!r}) has {len(entries)} entries: give an int, or an int or a (before, after) pair "
            f"for each of ({axes})"
        )
    found = []
    for entry in entries:
        if hasattr(entry, "__index__"):
            found.append((_integer(name, entry, value, 0),) * 2)
            continue
        if isinstance(entry, str):
            raise TypeError(f"{name} (={value!r}): a name stands alone, for all axes, write {name}={entry!r}")
        pair = _entries(name, entry)
        if len(pair) != 2:
            raise ValueError(f"{name} (={value!r}): {entry!r} must be an int or a (before, after) pair")
        found.append((_integer(name, pair[0], value, 0), _integer(name, pair[1], value, 0)))
    return tuple(found) if len(found) == ndim else tuple(found) * ndim


def effective_kernel(kernel: Sequence[int], dilation: Sequence[int]) -> Spatial:
    """Extent of a dilated kernel, d (k - 1) + 1 per axis.

    Examples
    --------
    >>> effective_kernel((3, 3), (1, 2))
    (3, 5)
    """
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def _split(total: int, name: str) -> tuple[int, int]:
    """Halve `total`; the odd one comes last, or first for "same_lower"."""
    small, large = total // 2, total - total // 2
    return (large, small) if name == "same_lower" else (small, large)


def resolve_padding(
    padding: Pairs | str, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pairs:
    """Turn the result of `canonical_padding` into numbers for an input of `size`.

    "valid" is none; "full" is d (k - 1) on both sides; "same_upper" and "same_lower" make the output ceil(n / s):
    in all max(0, (out - 1) s + d (k - 1) + 1 - n), halved, the odd zero last (upper) or first (lower).

    Examples
    --------
    >>> resolve_padding("same_lower", (5,), (4,), (1,), (1,))
    ((2, 1),)
    """
    if not isinstance(padding, str):
        return padding
    extents = effective_kernel(kernel, dilation)
    if padding == "valid":
        return ((0, 0),) * len(extents)
    if padding == "full":
        return tuple((extent - 1, extent - 1) for extent in extents)
    return tuple(
        _split(max(0, (-(-n // s) - 1) * s + extent - n), padding)
        for n, s, extent in zip(size, stride, extents, strict=True)
    )


def _check_axis_size(size: int, axis: str, what: str) -> int:
    if size > _MAX_EXTENT:
        raise ValueError(f"{what} along {axis} (={size}) is too large: at most {_MAX_EXTENT}")
    return size


def conv_output_size(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: Pairs
) -> Spatial:
    """Output size of a convolution, floor((n + before + after - d (k - 1) - 1) / s) + 1 per axis.

    Parameters
    ----------
    size, kernel, stride, dilation : sequence of int
        One int per axis.
    padding : tuple of (int, int)
        Zeros before and after, per axis.

    Returns
    -------
    tuple of int
        The output size.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded input, so that nothing would be left.

    Examples
    --------
    >>> conv_output_size((32, 32), (5, 5), (1, 1), (1, 1), ((0, 0), (0, 0)))
    (28, 28)
    """
    return pool_output_size(size, kernel, stride, dilation, padding, ceil_mode=False)


def pool_output_size(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pairs,
    *,
    ceil_mode: bool = False,
) -> Spatial:
    """Output size of a pool; with `ceil_mode` the division rounds up.

    A window that rounding up adds is dropped again if it would start beyond the input and the padding before it
    (PyTorch's rule).

    Parameters
    ----------
    size, kernel, stride, dilation : sequence of int
        One int per axis.
    padding : tuple of (int, int)
        Padding before and after, per axis.
    ceil_mode : bool
        Round up instead of down.

    Returns
    -------
    tuple of int
        The output size.

    Raises
    ------
    ValueError
        If nothing would be left.

    Examples
    --------
    >>> pool_output_size((7,), (2,), (2,), (1,), ((0, 0),)), pool_output_size((7,), (2,), (2,), (1,), ((0, 0),),
    ...                                                                       ceil_mode=True)
    ((3,), (4,))
    """
    outputs = []
    names = AXIS_NAMES[len(size)]
    extents = effective_kernel(kernel, dilation)
    for axis, n, k, extent, s, (before, after) in zip(names, size, kernel, extents, stride, padding, strict=True):
        padded = _check_axis_size(n + before + after, axis, "the padded input")
        room = padded - _check_axis_size(extent, axis, "the dilated kernel")
        out = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (out - 1) * s >= n + before:
            out -= 1
        if n < 1 or out < 1:
            spans = f", spanning {extent} with its dilation," if extent != k else ""
            raise ValueError(
                f"kernel size (={k}) along {axis}{spans} does not fit in the padded input "
                f"({n} + {before} + {after} = {padded}): the output would be empty"
            )
        outputs.append(out)
    return tuple(outputs)


def conv_transpose_geometry(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pairs | str,
    output_padding: Sequence[int],
) -> tuple[Spatial, Pairs]:
    """Output size and crop of a transposed convolution.

    Per axis the size is (n - 1) s + d (k - 1) + 1 + output_padding - before - after: padding crops. "same" gives n s.

    Parameters
    ----------
    size, kernel, stride, dilation, output_padding : sequence of int
        One int per axis.
    padding : tuple of (int, int), or str
        As `canonical_padding` returns it.

    Returns
    -------
    output : tuple of int
        The output size.
    padding : tuple of (int, int)
        What is cropped before and after, per axis.

    Raises
    ------
    ValueError
        If nothing would be left, if `output_padding` is not below the stride or the dilation, or if it stands beside
        padding "same".

    Examples
    --------
    >>> conv_transpose_geometry((4,), (3,), (2,), (1,), ((1, 1),), (1,))
    ((8,), ((1, 1),))
    """
    names = AXIS_NAMES[len(size)]
    extents = effective_kernel(kernel, dilation)
    same = isinstance(padding, str) and padding.startswith("same")
    for axis, extra, s, d in zip(names, output_padding, stride, dilation, strict=True):
        if extra and same:
            raise ValueError(f"output_padding (={extra}) along {axis} cannot stand beside padding 'same': leave it 0")
        if extra and extra >= max(s, d):
            raise ValueError(f"output_padding (={extra}) along {axis} must be below stride (={s}) or dilation (={d})")
    if same:
        crop = tuple(_split(max(0, extent - s), str(padding)) for extent, s in zip(extents, stride, strict=True))
        output = tuple(n * s for n, s in zip(size, stride, strict=True))
    else:
        crop = resolve_padding(padding, size, kernel, stride, dilation)
        output = tuple(
            (n - 1) * s + extent + extra - sum(pair)
            for n, s, extent, extra, pair in zip(size, stride, extents, output_padding, crop, strict=True)
        )
    for axis, n, out, pair in zip(names, size, output, crop, strict=True):
        if n < 1 or out < 1:
            raise ValueError(f"padding (={pair!r}) along {axis} leaves nothing of an input of size {n}")
        _check_axis_size(out + sum(pair), axis, "the output")
    return output, crop


def check_windows(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pairs,
    output: Sequence[int],
) -> None:
    """Refuse a pool of which some window holds no element of the input.

    Raises
    ------
    ValueError
        Naming the first such window.

    Examples
    --------
    >>> check_windows((4,), (2,), (2,), (1,), ((1, 1),), (3,))
    """
    axes = zip(AXIS_NAMES[len(size)], size, kernel, stride, dilation, padding, output, strict=True)
    for axis, n, k, s, d, (before, after), out in axes:
        in_padding = -(-before // s)
        suspects = range(min(out, in_padding if d > n else 1))
        for index in (*suspects, out - 1):
            start = index * s - before
            first = start % d if start < 0 else start
            if first >= n or first > start + (k - 1) * d:
                raise ValueError(
                    f"padding (={(before, after)!r}) along {axis}: window {index} of kernel size {k} lies wholly "
                    "in the padding; use less padding"
                )


def adaptive_windows(size: int, output: int) -> list[tuple[int, int]]:
    """Windows of adaptive pooling along one axis: floor(i n / o) to ceil((i + 1) n / o).

    Examples
    --------
    >>> adaptive_windows(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(index * size // output, -(-(index + 1) * size // output)) for index in range(output)]


def unused_input(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pairs,
    output: Sequence[int],
    border: str = "constant",
) -> tuple[np.ndarray, ...]:
    """Positions along each axis that no window reads, because the stride does not fit or jumps over them.

    Parameters
    ----------
    size, kernel, stride, dilation, output : sequence of int
        One int per axis.
    padding : tuple of (int, int)
        Padding before and after, per axis.
    border : str
        `numpy.pad` mode that fills the padding: copies of a pixel count as the pixel.

    Returns
    -------
    tuple of ndarray of int64
        The unread positions, ascending, one array per axis.

    Examples
    --------
    >>> unused_input((7,), (3,), (3,), (1,), ((0, 0),), (2,))
    (array([6]),)
    """
    found = []
    for n, k, s, d, (before, after), out in zip(size, kernel, stride, dilation, padding, output, strict=True):
        if s == 1 and out >= d:
            found.append(np.empty(0, np.int64))
            continue
        read = np.zeros(n + before + after, bool)
        for tap in range(k):
            read[tap * d : tap * d + (out - 1) * s + 1 : s] = True
        unread = ~read[before : before + n]
        if border != "constant" and before + after:
            sources = np.pad(np.arange(n), (before, after), mode=border)  # type: ignore[call-overload]
            unread[sources[read]] = False
        found.append(np.flatnonzero(unread))
    return tuple(found)


def format_positions(positions: np.ndarray) -> str:
    """Write ascending positions as ranges.

    Examples
    --------
    >>> format_positions(np.array([2, 3, 4, 9]))
    '2-4, 9'
    """
    runs = np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1) if len(positions) else []
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def check_size(name: str, shape: Sequence[int], itemsize: int = 1) -> int:
    """Number of elements of `shape`, refused if its bytes do not fit in 63 bits.

    Raises
    ------
    ValueError
        If the product overflows.

    Examples
    --------
    >>> check_size("x", (2, 3, 4))
    24
    """
    count = math.prod(shape)
    if count * itemsize > MAX_SIZE:
        raise ValueError(f"{name} of shape {tuple(shape)!r} has more elements than 63 bits can count")
    return count
