"""How the caller's arrays become the engine's: layouts to strides in elements, copies only where nothing else helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "LAYOUTS",
    "WEIGHT_LAYOUTS",
    "TRANSPOSED_WEIGHT_LAYOUTS",
    "as_array",
    "c_strides",
    "checked_out",
    "copied",
    "copy_reason",
    "element_strides",
    "is_shape",
    "layout_letters",
    "operand",
    "original",
    "sizes_by_letter",
    "workspace_buffer",
]

# Names of the axis orders by number of spatial axes, each with its spelling in three dimensions.
LAYOUTS = {
    1: {"NCW": "NCDHW", "NWC": "NDHWC"},
    2: {"NCHW": "NCDHW", "NHWC": "NDHWC"},
    3: {"NCDHW": "NCDHW", "NDHWC": "NDHWC"},
}
WEIGHT_LAYOUTS = {
    1: {"OIW": "OIDHW", "WIO": "DHWIO"},
    2: {"OIHW": "OIDHW", "HWIO": "DHWIO"},
    3: {"OIDHW": "OIDHW", "DHWIO": "DHWIO"},
}
TRANSPOSED_WEIGHT_LAYOUTS = {
    1: {"IOW": "IODHW", "WOI": "DHWOI"},
    2: {"IOHW": "IODHW", "HWOI": "DHWOI"},
    3: {"IODHW": "IODHW", "DHWOI": "DHWOI"},
}

_FLOAT_CHARS = frozenset("fd")
# NumPy's aligned flag means strides that are multiples of the item size wherever float64 is aligned to its size.
_ALIGNED_SUFFICES = np.dtype(np.float64).alignment == 8
_OVERLAP_WORK: Any = 10_000


def copy_reason(array: np.ndarray) -> str | None:
    """Return why the engine cannot read `array` in place, or None if it can."""
    if not array.dtype.isnative:
        return "its byte order is not the machine's"
    if not array.flags.aligned:
        return "it is not aligned to its element type"
    if not _ALIGNED_SUFFICES and any(stride % array.itemsize for stride in array.strides):
        return "its strides are no multiples of the element size"
    return None


def operand(name: str, value: Any) -> np.ndarray:
    """Return `value` as a float32 or float64 ndarray that the engine reads in place; views stay views.

    Raises
    ------
    TypeError
        For any other element type; the message names the cast to make.
    """
    array = value if type(value) is np.ndarray else as_array(name, value)
    dtype = array.dtype
    if dtype.char not in _FLOAT_CHARS:
        if dtype.kind not in "biufc":
            kind = type(value).__name__
            raise TypeError(f"{name} has dtype {dtype} (from {kind}): give an array of float32 or float64")
        raise TypeError(
            f"{name} has dtype {dtype}, but only float32 and float64 are computed: cast it with "
            f"{name}.astype(np.float32)"
        )
    if dtype.isnative and array.flags.aligned and _ALIGNED_SUFFICES or copy_reason(array) is None:
        return array
    return copied(array, dtype.newbyteorder("="), "K")


class _Copy(np.ndarray):
    """The memory of a copy that stands for another array, which it knows."""

    original: np.ndarray


def copied(array: np.ndarray, dtype: Any = None, order: Any = "C") -> np.ndarray:
    """Return a copy for the engine to read. `checked_out` treats it as the array it was made of, the caller's."""
    copy = np.array(array.view(_Copy), dtype, order=order, copy=True, subok=True)
    copy.original = array
    return copy.view(np.ndarray)


def as_array(name: str, value: Any) -> np.ndarray:
    """Return `value` as an ndarray; what is ragged is an error that names the argument."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} ({type(value).__name__}) is no array: {error}") from None


def is_shape(value: Any) -> bool:
    """Tell a shape, a tuple or list of ints, from an array or a list of arrays."""
    return isinstance(value, (tuple, list)) and all(
        hasattr(entry, "__index__") and not isinstance(entry, np.ndarray) for entry in value
    )


def layout_letters(argument: str, layout: Any, table: dict[str, str]) -> str:
    """Return the axis letters of a layout name.

    Raises
    ------
    ValueError
        If `table` has no such name; the message lists those it has.
    """
    if not isinstance(layout, str) or layout not in table:
        raise ValueError(f"{argument} (={layout!r}) must be {' or '.join(repr(name) for name in table)}")
    return layout


def sizes_by_letter(letters: str, shape: Sequence[int]) -> dict[str, int]:
    """Pair axis letters with sizes; the batch letter is dropped where `shape` is one axis short.

    Examples
    --------
    >>> sizes_by_letter("NCW", (3, 8))
    {'C': 3, 'W': 8}
    """
    return dict(zip(letters[len(letters) - len(shape) :], shape, strict=True))


def c_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of a C-contiguous array.

    Examples
    --------
    >>> c_strides((2, 3, 4), 4)
    (48, 16, 4)
    """
    strides = []
    step = itemsize
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def element_strides(
    letters: str, full: str, roles: str, shape: Sequence[int], strides: Sequence[int], itemsize: int
) -> tuple[int, ...]:
    """Strides in elements in the engine's axis order.

    Axes that are missing or of size 1 get the stride they would have in a dense array: NumPy leaves them arbitrary.

    Parameters
    ----------
    letters : str
        Axis order of the array, such as "NHWC".
    full : str
        The same order with all three spatial axes.
    roles : str
        The engine's axis order in the same letters.
    shape, strides : sequence of int
        Of the array; strides in bytes.
    itemsize : int
        Bytes of an element.

    Returns
    -------
    tuple of int
        Five strides.

    Examples
    --------
    >>> element_strides("NWC", "NDHWC", "NCDHW", (2, 5, 3), (60, 12, 4), 4)
    (15, 1, 15, 15, 3)
    """
    sizes = sizes_by_letter(letters, shape)
    steps = sizes_by_letter(letters, strides)
    found: dict[str, int] = {}
    dense = 1
    for letter in reversed(full):
        size = sizes.get(letter, 1)
        found[letter] = steps[letter] // itemsize if size > 1 else dense
        dense = found[letter] * max(size, 1)
    return tuple(found[letter] for letter in roles)


def original(array: np.ndarray) -> np.ndarray:
    """Return what `array` was copied from by `copied`, or itself."""
    owner = array.base
    while isinstance(owner, np.ndarray):
        if type(owner) is _Copy:
            return original(owner.original)
        owner = owner.base
    return array


def _overlaps(a: np.ndarray, b: np.ndarray) -> bool:
    b = original(b)
    if a.base is None and b.base is None and a is not b and a.flags.owndata and b.flags.owndata:
        return False
    if not np.may_share_memory(a, b):
        return False
    try:
        return bool(np.shares_memory(a, b, max_work=_OVERLAP_WORK))
    except np.exceptions.TooHardError:
        return True


def _overlaps_itself(array: np.ndarray) -> bool:
    reach = 0
    axes = sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True) if size > 1)
    for stride, size in axes:
        if stride < reach + array.itemsize:
            return True
        reach += stride * (size - 1)
    return False


def checked_out(
    name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype, inputs: Sequence[tuple[str, np.ndarray | None]]
) -> np.ndarray:
    """Return `out` if a result may be written to it.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    out : ndarray
        The caller's array.
    shape : tuple of int
        Shape of the result.
    dtype : dtype
        Element type of the result.
    inputs : sequence of (str, ndarray or None)
        Names and arrays that `out` may not overlap; neither what they were `copied` from.

    Raises
    ------
    TypeError
        If `out` is no ndarray or has another element type.
    ValueError
        If its shape differs, it is read-only, or it overlaps an input or itself.
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be an ndarray of shape {shape} and dtype {dtype}, not {type(out).__name__}")
    if out.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name} has dtype {out.dtype}, but the result is {dtype}")
    if out.shape != shape:
        raise ValueError(f"{name} has shape {out.shape}, but the result has shape {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only: pass a writeable array of shape {shape}")
    if out.size and not out.flags.c_contiguous and _overlaps_itself(out):
        raise ValueError(f"{name} with strides {out.strides} overlaps itself: pass an array with an element per index")
    for other_name, other in inputs:
        if other is not None and _overlaps(out, other):
            raise ValueError(f"{name} overlaps {other_name}: pass an array of its own")
    return out


def workspace_buffer(workspace: Any, needed: int, arrays: Sequence[tuple[str, np.ndarray | None]]) -> np.ndarray:
    """Return the caller's workspace as a uint8 array of at least `needed` bytes.

    Raises
    ------
    TypeError
        If it is no writeable, contiguous buffer.
    ValueError
        If it is too small, or overlaps one of `arrays`.
    """
    try:
        buffer = np.frombuffer(workspace, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        if isinstance(workspace, np.ndarray) and workspace.size == 0:
            buffer = np.empty(0, np.uint8)
        else:
            raise TypeError(
                f"workspace (={type(workspace).__name__}) must be a contiguous uint8 array or buffer: {error}"
            ) from None
    if not buffer.flags.writeable:
        raise TypeError(f"workspace (={type(workspace).__name__}) must be writeable")
    if buffer.nbytes < needed:
        raise ValueError(f"workspace holds {buffer.nbytes} bytes, but this call needs at least {needed}")
    for name, array in arrays:
        if array is not None and _overlaps(buffer, array):
            raise ValueError(f"workspace overlaps {name}: pass a buffer of its own")
    return buffer
