"""scipy.signal's convolutions on fastconv's engine: same names, arguments, types and edge cases.

What is not computed here goes to SciPy: objects, float16 and long double, integers beyond 53 bits, wrong arguments (so
that the errors are SciPy's), and kernels so large that one transform of everything beats the engine's tiles.
"""

from fastconv.compat.scipy_signal.convolution import choose_conv_method, convolve, correlate, correlation_lags
from fastconv.compat.scipy_signal.plane import convolve2d, correlate2d
from fastconv.compat.scipy_signal.transforms import fftconvolve, oaconvolve

__all__ = [
    "choose_conv_method",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "fftconvolve",
    "oaconvolve",
]
