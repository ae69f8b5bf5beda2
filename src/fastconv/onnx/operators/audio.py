"""Spectra and what they are made with: windows, Fourier transforms, mel scales."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastconv.onnx.operators.operator import Call, Operator, axis_of, bounded
from fastconv.onnx.types import numpy_type

__all__ = ["ROWS"]


def _scalar(value: Any) -> Any:
    return np.ravel(value)[0]


def _output_type(call: Call) -> np.dtype:
    return np.dtype(np.float32) if call["output_datatype"] is None else numpy_type(call["output_datatype"])


def _cosine_window(terms: tuple[float, ...], call: Call, size: np.ndarray) -> np.ndarray:
    count = int(_scalar(size))
    bounded((count,), np.float64)
    period = count if call["periodic"] != 0 else count - 1
    angle = 2 * np.pi * np.arange(count) / max(period, 1)
    return np.sum([term * np.cos(k * angle) for k, term in enumerate(terms)], axis=0).astype(_output_type(call))


def _complex(x: np.ndarray) -> np.ndarray:
    """The last axis holds real parts, or real and imaginary ones."""
    if x.shape[-1] not in (1, 2):
        raise ValueError(f"an input of shape {x.shape} has neither 1 nor 2 numbers in its last axis")
    wide = x.astype(np.float64)
    return wide[..., 0] if x.shape[-1] == 1 else wide[..., 0] + 1j * wide[..., 1]


def _parts(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    return np.stack([values.real, values.imag], axis=-1).astype(kind)


def _fourier(call: Call, x: np.ndarray, length: Any = None, axis: Any = None) -> np.ndarray:
    """The axis is an attribute before opset 20; a one-sided inverse is real."""
    given = call["axis"] if axis is None else int(_scalar(axis))
    default = 1 if call.since < 20 else -2
    along = axis_of(Call("", attributes={"axis": default if given is None else given}), x.ndim)
    if along == x.ndim - 1:
        raise ValueError("the last axis holds real and imaginary parts")
    signal = _complex(x)
    back, onesided = bool(call["inverse"]), bool(call["onesided"])
    n = x.shape[along] if length is None else int(_scalar(length))
    if back and onesided:
        n = 2 * (x.shape[along] - 1) if length is None else n
        bounded((*signal.shape[:along], n, *signal.shape[along + 1 :]), np.complex128)
        return np.fft.irfft(signal, n, along)[..., None].astype(x.dtype)
    bounded((*signal.shape[:along], n, *signal.shape[along + 1 :]), np.complex128)
    values = (np.fft.ifft if back else np.fft.fft)(signal, n, along)
    if onesided:
        values = values.take(range(n // 2 + 1), along)
    return _parts(values, x.dtype)


def _short_time(call: Call, x: np.ndarray, step: Any, window: Any = None, length: Any = None) -> np.ndarray:
    """Spectra (N, frames, frequencies, 2) of windows that move along a signal (N, n, 1 or 2)."""
    signal, hop = _complex(x), int(_scalar(step))
    size = (
        signal.shape[-1]
        if length is None and window is None
        else len(window)
        if length is None
        else int(_scalar(length))
    )
    if hop < 1 or not 1 <= size <= signal.shape[-1]:
        raise ValueError(f"frames of {size} every {hop} do not fit a signal of {signal.shape[-1]}")
    frames = np.lib.stride_tricks.sliding_window_view(signal, size, -1)[:, ::hop]
    values = np.fft.fft(frames if window is None else frames * window, size, -1)
    if call["onesided"] != 0:
        values = values[..., : size // 2 + 1]
    return _parts(values, x.dtype)


def _mel_weights(call: Call, bins: Any, length: Any, rate: Any, lowest: Any, highest: Any) -> np.ndarray:
    """Triangles of frequencies, equally far apart on the mel scale."""
    count, n = int(_scalar(bins)), int(_scalar(length))
    size = bounded((n // 2 + 1, count), np.float64)
    ends = [2595 * np.log10(1 + float(_scalar(edge)) / 700) for edge in (lowest, highest)]
    mels = ends[0] + np.arange(count + 2) * (ends[1] - ends[0]) / (count + 2)
    corners = np.floor((n + 1) * 700 * (10 ** (mels / 2595) - 1) / float(_scalar(rate))).astype(int)
    weights = np.zeros(size)
    for column, (low, centre, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        if low == centre:
            weights[centre, column] = 1
        else:
            weights[low : centre + 1, column] = np.arange(centre - low + 1) / (centre - low)
        if high > centre:
            weights[centre:high, column] = np.arange(high - centre, 0, -1) / (high - centre)
    return weights.astype(_output_type(call))


ROWS: dict[str, Operator] = {
    "HannWindow": Operator(functools.partial(_cosine_window, (0.5, -0.5)), sizes=(0,)),
    "HammingWindow": Operator(functools.partial(_cosine_window, (25 / 46, -21 / 46)), sizes=(0,)),
    "BlackmanWindow": Operator(functools.partial(_cosine_window, (0.42, -0.5, 0.08)), sizes=(0,)),
    "DFT": Operator(_fourier, sizes=(1, 2)),
    "STFT": Operator(_short_time, sizes=(1, 3)),
    "MelWeightMatrix": Operator(_mel_weights, sizes=(0, 1, 2, 3, 4)),
}
