"""The public operations on ndarrays: convolution, pooling, and the other layers, forward and backward.

Each module checks its arguments once and calls the engine; `fastconv` re-exports every name here.
"""

from fastconv.functional.activation import relu, relu_backward
from fastconv.functional.batch_norm import batch_norm, batch_norm_backward
from fastconv.functional.binary_cross_entropy import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
)
from fastconv.functional.channel_shuffle import channel_shuffle, channel_shuffle_backward
from fastconv.functional.conv import conv1d, conv1d_backward, conv2d, conv2d_backward, conv3d, conv3d_backward
from fastconv.functional.conv_integer import PreparedIntegerConv, conv_integer, prepare_conv_integer
from fastconv.functional.conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose3d,
    conv_transpose3d_backward,
)
from fastconv.functional.dropout import dropout, dropout_backward
from fastconv.functional.explain import explain_conv1d, explain_conv2d, explain_conv3d
from fastconv.functional.flatten import flatten, flatten_backward
from fastconv.functional.gelu import gelu, gelu_backward
from fastconv.functional.image import apply_filter
from fastconv.functional.interpolate import interpolate, interpolate_backward
from fastconv.functional.linear import linear, linear_backward
from fastconv.functional.local_response_norm import local_response_norm, local_response_norm_backward
from fastconv.functional.losses import (
    cross_entropy,
    cross_entropy_backward,
    mse_loss,
    mse_loss_backward,
    softmax_cross_entropy,
)
from fastconv.functional.normal_divergence import normal_divergence, normal_divergence_backward
from fastconv.functional.pad import pad, pad_backward
from fastconv.functional.pool_adaptive_avg import (
    adaptive_avg_pool1d,
    adaptive_avg_pool1d_backward,
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    adaptive_avg_pool3d,
    adaptive_avg_pool3d_backward,
)
from fastconv.functional.pool_adaptive_max import (
    adaptive_max_pool1d,
    adaptive_max_pool1d_backward,
    adaptive_max_pool2d,
    adaptive_max_pool2d_backward,
    adaptive_max_pool3d,
    adaptive_max_pool3d_backward,
)
from fastconv.functional.pool_avg import (
    avg_pool1d,
    avg_pool1d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    avg_pool3d,
    avg_pool3d_backward,
)
from fastconv.functional.pool_global_avg import (
    global_avg_pool1d,
    global_avg_pool1d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    global_avg_pool3d,
    global_avg_pool3d_backward,
)
from fastconv.functional.pool_global_max import (
    global_max_pool1d,
    global_max_pool1d_backward,
    global_max_pool2d,
    global_max_pool2d_backward,
    global_max_pool3d,
    global_max_pool3d_backward,
)
from fastconv.functional.pool_lp import (
    lp_pool1d,
    lp_pool1d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    lp_pool3d,
    lp_pool3d_backward,
)
from fastconv.functional.pool_max import (
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
)
from fastconv.functional.pool_unpool import (
    max_unpool1d,
    max_unpool1d_backward,
    max_unpool2d,
    max_unpool2d_backward,
    max_unpool3d,
    max_unpool3d_backward,
)
from fastconv.functional.prelu import prelu, prelu_backward
from fastconv.functional.prepared import PreparedConv, prepare_conv1d, prepare_conv2d, prepare_conv3d
from fastconv.functional.profiling import CallRecord, Profile, profile
from fastconv.functional.quantized import dequantize, quantize, quantized_add, quantized_mul
from fastconv.functional.report import Candidate, ConvReport
from fastconv.functional.scale_shift import scale_shift
from fastconv.functional.signal import convolve, correlate
from fastconv.functional.smooth import (
    hardsigmoid,
    hardsigmoid_backward,
    hardswish,
    hardswish_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    tanh,
    tanh_backward,
)
from fastconv.functional.softmax import softmax, softmax_backward
from fastconv.functional.tuning import TunedChoice, Tuning, tune

__all__ = [
    "CallRecord",
    "Candidate",
    "ConvReport",
    "PreparedConv",
    "PreparedIntegerConv",
    "Profile",
    "TunedChoice",
    "Tuning",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_backward",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_backward",
    "apply_filter",
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
    "batch_norm",
    "batch_norm_backward",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "channel_shuffle",
    "channel_shuffle_backward",
    "conv1d",
    "conv1d_backward",
    "conv2d",
    "conv2d_backward",
    "conv3d",
    "conv3d_backward",
    "conv_integer",
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
    "convolve",
    "correlate",
    "cross_entropy",
    "cross_entropy_backward",
    "dequantize",
    "dropout",
    "dropout_backward",
    "explain_conv1d",
    "explain_conv2d",
    "explain_conv3d",
    "flatten",
    "flatten_backward",
    "gelu",
    "gelu_backward",
    "global_avg_pool1d",
    "global_avg_pool1d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "global_avg_pool3d",
    "global_avg_pool3d_backward",
    "global_max_pool1d",
    "global_max_pool1d_backward",
    "global_max_pool2d",
    "global_max_pool2d_backward",
    "global_max_pool3d",
    "global_max_pool3d_backward",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "interpolate",
    "interpolate_backward",
    "linear",
    "linear_backward",
    "local_response_norm",
    "local_response_norm_backward",
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
    "mse_loss",
    "mse_loss_backward",
    "normal_divergence",
    "normal_divergence_backward",
    "pad",
    "pad_backward",
    "prelu",
    "prelu_backward",
    "prepare_conv1d",
    "prepare_conv2d",
    "prepare_conv3d",
    "prepare_conv_integer",
    "profile",
    "quantize",
    "quantized_add",
    "quantized_mul",
    "relu",
    "relu_backward",
    "scale_shift",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "tanh",
    "tanh_backward",
    "tune",
]
