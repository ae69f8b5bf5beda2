"""scipy.ndimage's filters on fastconv's engine: same names, arguments, modes, types and errors.

SciPy computes in float64 and casts. Here float32 images with float32 results are computed in float32, with a relative
error of about 1e-7 times the number of taps' square root; all other floats in float64. Integer results are exact, or
SciPy's own: integer images go through the engine where every weight is whole, and means divide exact sums. What is not
computed here goes to SciPy: complex and boolean images, windows over more than three neighbouring axes, wrong arguments (so that the
errors are SciPy's).
"""

from fastconv.compat.ndimage.extrema import maximum_filter, maximum_filter1d, minimum_filter, minimum_filter1d
from fastconv.compat.ndimage.lines import convolve1d, correlate1d, gaussian_filter1d, uniform_filter1d
from fastconv.compat.ndimage.separable import (
    gaussian_filter,
    gaussian_gradient_magnitude,
    gaussian_laplace,
    laplace,
    prewitt,
    sobel,
    uniform_filter,
)
from fastconv.compat.ndimage.windows import convolve, correlate

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "maximum_filter",
    "maximum_filter1d",
    "minimum_filter",
    "minimum_filter1d",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]
