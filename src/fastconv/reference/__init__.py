"""The specification: every operation as naive loops that read like the textbook's formulas.

Slow on purpose, one multiplication and one addition per iteration, channels first only, sums in float64, those of
integers exact. The tests hold everything else against these functions, and the benchmarks measure how much faster the
engine is.

Examples
--------
>>> import numpy as np
>>> from fastconv import reference
>>> reference.conv(np.ones((1, 3, 32, 32)), np.ones((1, 3, 5, 5)), stride=27).shape
(1, 1, 2, 2)
"""

from fastconv.reference.activation import dropout, relu, relu_backward
from fastconv.reference.avg_pool import adaptive_avg_pool, adaptive_avg_pool_backward, avg_pool, avg_pool_backward
from fastconv.reference.batch_norm import batch_norm, batch_norm_backward, channel_statistics
from fastconv.reference.conv import conv
from fastconv.reference.conv_backward import (
    conv_backward,
    conv_backward_bias,
    conv_backward_data,
    conv_backward_weights,
)
from fastconv.reference.conv_integer import conv_integer, requantize
from fastconv.reference.conv_transpose import conv_transpose, conv_transpose_backward
from fastconv.reference.linear import linear, linear_backward
from fastconv.reference.loss import mse_loss, mse_loss_backward, softmax, softmax_backward, softmax_cross_entropy
from fastconv.reference.lp_pool import lp_pool, lp_pool_backward
from fastconv.reference.max_pool import (
    adaptive_max_pool,
    adaptive_max_pool_backward,
    max_pool,
    max_pool_backward,
    max_unpool,
)
from fastconv.reference.padding import border_index, pad, pad_backward
from fastconv.reference.quantized import dequantize, quantize
from fastconv.reference.scale_shift import scale_shift
from fastconv.reference.signal import convolve1d, convolve2d, correlate1d, correlate2d, feature_maps

__all__ = [
    "adaptive_avg_pool",
    "adaptive_avg_pool_backward",
    "adaptive_max_pool",
    "adaptive_max_pool_backward",
    "avg_pool",
    "avg_pool_backward",
    "batch_norm",
    "batch_norm_backward",
    "border_index",
    "channel_statistics",
    "conv",
    "conv_backward",
    "conv_backward_bias",
    "conv_backward_data",
    "conv_backward_weights",
    "conv_integer",
    "conv_transpose",
    "conv_transpose_backward",
    "convolve1d",
    "convolve2d",
    "correlate1d",
    "correlate2d",
    "dequantize",
    "dropout",
    "feature_maps",
    "linear",
    "linear_backward",
    "lp_pool",
    "lp_pool_backward",
    "max_pool",
    "max_pool_backward",
    "max_unpool",
    "mse_loss",
    "mse_loss_backward",
    "pad",
    "pad_backward",
    "quantize",
    "relu",
    "relu_backward",
    "requantize",
    "scale_shift",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
]
