"""scipy.signal by itself and with fastconv in its place; numpy.convolve likewise."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Call, Row


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    values = np.random.default_rng(0).standard_normal(shape)
    return (values + 1j * values[..., ::-1]).astype(dtype) if np.dtype(dtype).kind == "c" else values.astype(dtype)


def row(
    name: str, goal: float | None, module: str, function: str, prepare: Callable[[], tuple[Any, ...]],
    tolerance: float = 1e-5,
) -> Row:  # fmt: skip
    """A function of the host on prepared arguments: as it is, and while fastconv is in its place."""

    def host() -> Call:
        arguments, own = prepare(), getattr(importlib.import_module(module), function)
        return lambda: own(*arguments)

    def ours() -> Call:
        from fastconv.compat import install

        install(module)
        return host()

    return Row(name, goal, host, ours, tolerance)


def image_and(size: int, dtype: Any = np.float32, *more: Any) -> Callable[[], tuple[Any, ...]]:
    return lambda: (numbers(2048, 2048, dtype=dtype), numbers(size, size, dtype=dtype), *more)


def signal_and(size: int, dtype: Any = np.float32, *more: Any) -> Callable[[], tuple[Any, ...]]:
    return lambda: (numbers(1_000_000, dtype=dtype), numbers(size, dtype=dtype), *more)


def bytes_and_weights() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2048, 2048), dtype=np.int32), rng.integers(-3, 4, (5, 5), dtype=np.int32), "same"


def picture_and_weights() -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2048, 2048), dtype=np.uint8), np.ones((3, 3), np.uint8), "same", "symm"


SIGNAL = "scipy.signal"
ROWS = [
    row("convolve2d 3x3", 20.0, SIGNAL, "convolve2d", image_and(3, np.float32, "same")),
    row("convolve2d 7x7", 20.0, SIGNAL, "convolve2d", image_and(7, np.float32, "same")),
    row("convolve2d 7x7 symm", 20.0, SIGNAL, "convolve2d", image_and(7, np.float32, "same", "symm")),
    row("convolve2d 5x5 float64", None, SIGNAL, "convolve2d", image_and(5, np.float64, "same"), 1e-12),
    row("convolve2d 5x5 complex64", None, SIGNAL, "convolve2d", image_and(5, np.complex64, "same")),
    row("convolve2d 5x5 int32", None, SIGNAL, "convolve2d", bytes_and_weights, 0.0),
    row("convolve2d 3x3 symm uint8", None, SIGNAL, "convolve2d", picture_and_weights, 0.0),
    row("correlate 31x31", None, SIGNAL, "correlate", image_and(31, np.float32, "same")),
    row("fftconvolve 64x64", None, SIGNAL, "fftconvolve", image_and(64, np.float32, "same")),
    row("oaconvolve 1000 taps", None, SIGNAL, "oaconvolve", signal_and(1000)),
    row("convolve 100 taps float64", None, SIGNAL, "convolve", signal_and(100, np.float64), 1e-12),
    row("numpy.convolve 100 taps", None, "numpy", "convolve", signal_and(100)),
    row("numpy.convolve 1000 taps", None, "numpy", "convolve", signal_and(1000)),
    row("numpy.correlate 1000 taps float64", None, "numpy", "correlate", signal_and(1000, np.float64), 1e-12),
]
