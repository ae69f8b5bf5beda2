"""Batch normalisation as layers: BatchNorm1d, BatchNorm2d, BatchNorm3d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv._arguments import flag, number
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channels_of, float_type, needed_gradients, positive, volume
from fastconv.nn.module import Buffer, Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class _BatchNorm(Module):
    """``y = (x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]``; see `BatchNorm2d`."""

    KIND = "NORM"
    FUSES_RELU = True
    ARGUMENTS = ("num_features", "eps", "momentum", "affine", "track_running_stats", "layout", "dtype")
    PARAMETERS = ("weight", "bias")
    HYPERPARAMETERS = ("num_features", "eps", "momentum")
    ndim: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        layout: str | None = None,
        dtype: Any = np.float32,
        rng: Any = None,
    ) -> None:
        super().__init__()
        self.num_features = positive("num_features", num_features)
        self.eps = number("eps", eps)
        if not 0 <= self.eps < math.inf:
            raise ValueError(f"eps (={eps}) must be finite and at least 0")
        self.momentum = None if momentum is None else number("momentum", momentum)
        if self.momentum is not None and not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum (={momentum}) must be None or lie in 0..1")
        self.affine = flag("affine", affine)
        self.track_running_stats = flag("track_running_stats", track_running_stats)
        self.layout = volume(self.ndim, layout)
        self.dtype = float_type(dtype)
        empty = np.empty(self.num_features, self.dtype)
        self.weight = Parameter(empty.copy()) if self.affine else None
        self.bias = Parameter(empty.copy()) if self.affine else None
        self.running_mean = Buffer(empty.copy()) if self.track_running_stats else None
        self.running_var = Buffer(empty.copy()) if self.track_running_stats else None
        self.num_batches_tracked = Buffer(np.zeros((), np.int64)) if self.track_running_stats else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Any = None) -> None:
        """Weight 1, bias 0, and statistics of no batch: mean 0, variance 1. Nothing is drawn from `rng`."""
        entries = (self.weight, self.bias, self.running_mean, self.running_var, self.num_batches_tracked)
        for entry, value in zip(entries, (1, 0, 0, 1, 0), strict=True):
            if entry is not None:
                entry.data[...] = value

    def forward(self, x: np.ndarray, training: bool = False, activation: str | None = None) -> np.ndarray:
        """`x` normalised, in training by its own statistics, which move the running ones; then `activation`."""
        self._check(x.shape[1:])
        weight = None if self.weight is None else self.weight.data
        bias = None if self.bias is None else self.bias.data
        options: dict[str, Any] = {"eps": self.eps, "layout": self.layout, "activation": activation}
        if not training and self.running_mean is not None and self.running_var is not None:
            return F.batch_norm(x, self.running_mean.data, self.running_var.data, weight, bias, **options)
        out = self._kept_buffer(x.shape) if training else None
        y, mean, var = F.batch_norm(x, None, None, weight, bias, True, out=out, **options)
        if training:
            self._track(mean, var, x.size // self.num_features)
            self._saved = (x, y, mean, var, activation)
            self._keep_buffer(x.shape, y)
        return y

    def _track(self, mean: np.ndarray, var: np.ndarray, elements: int) -> None:
        """Move the running statistics towards those of a batch; the variance is that of a sample."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.data += 1
        share = 1 / int(self.num_batches_tracked.data) if self.momentum is None else self.momentum
        for entry, found in ((self.running_mean, mean), (self.running_var, var * (elements / (elements - 1)))):
            entry.data *= 1 - share
            entry.data += share * found

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """Through the statistics as well: `F.batch_norm_backward`."""
        x, y, mean, var, activation = self._take_saved()
        weight, bias = self.weight, self.bias
        needs = needed_gradients(needs_input, bias is not None) if weight is not None else ("x",) * needs_input
        out = (
            self._kept_buffer(("dx", x.shape)) if needs_input else None,
            None if weight is None else weight.gradient(),
            None if bias is None else bias.gradient(),
        )
        dx, _, _ = F.batch_norm_backward(
            dy, x, mean, var, None if weight is None else weight.data, needs=needs, out=out,
            eps=self.eps, layout=self.layout, activation=activation, y=y if activation else None,
        )  # fmt: skip
        if needs_input:
            self._keep_buffer(("dx", x.shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A scale and a shift, which go into the weights before them; a call where there are no running statistics."""
        if self.running_mean is None or self.running_var is None:
            return super().emit(program, x, name)
        self._check(x.shape[1:])
        weight = 1.0 if self.weight is None else self.weight.data.astype(np.float64)
        bias = 0.0 if self.bias is None else self.bias.data.astype(np.float64)
        scale = weight / np.sqrt(self.running_var.data.astype(np.float64) + self.eps)
        shift = bias - self.running_mean.data * scale
        after = () if self.layout.endswith("C") else (1,) * (len(x.shape) - 2)
        scale, shift = (array.astype(program.dtype).reshape(-1, *after) for array in (scale, shift))
        return program.add("scale", (x,), name, scale=scale, shift=shift)

    def _check(self, input_shape: tuple[int, ...]) -> None:
        flat = self.ndim == 1 and len(input_shape) == 1
        channels = input_shape[0] if flat else channels_of(input_shape, self.layout, self)[0]
        if channels != self.num_features:
            raise ValueError(f"{self!r} takes {self.num_features} channels, got an input of shape {input_shape}")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of the input."""
        self._check(input_shape)
        return input_shape

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """Per element one subtraction and one multiplication, and another of each kind with weight and bias."""
        return math.prod(self.output_shape(input_shape)) * (4 if self.affine else 2)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation over (N, C) or (N, C, W); see `BatchNorm2d`."""

    ndim = 1


class BatchNorm2d(_BatchNorm):
    """Batch normalisation over a batch of volumes (N, C, H, W).

    ``y[n, c, i, j] = (x[n, c, i, j] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]``

    In training mean and variance are those of the batch; otherwise the running ones, or the batch's if there are none.

    Parameters
    ----------
    num_features : int
        Depth of the input.
    eps : float
        Added to the variance; at least 0.
    momentum : float or None
        How far a batch moves the running statistics, 0..1; None averages all batches alike.
    affine : bool
        Whether there are a weight and a bias.
    track_running_stats : bool
        Whether there are running statistics.
    layout : {"NCHW", "NHWC"}
    dtype : {float32, float64}
    rng
        Taken as every layer with parameters takes it; nothing is drawn.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
    running_mean, running_var : Buffer, shape (num_features,), or None
    num_batches_tracked : Buffer, shape (), or None

    Raises
    ------
    ValueError
        If an argument is out of range; in training, if a channel of the batch has a single element.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.BatchNorm2d(2)
    >>> y = layer(np.random.default_rng(0).normal(5, 3, (4, 2, 8, 8)).astype(np.float32), training=True)
    >>> bool(abs(y.mean()) < 1e-6), bool(abs(y.std() - 1) < 1e-4)
    (True, True)
    """

    ndim = 2


class BatchNorm3d(_BatchNorm):
    """Batch normalisation over (N, C, D, H, W); see `BatchNorm2d`."""

    ndim = 3
