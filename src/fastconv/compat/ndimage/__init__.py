"""scipy.ndimage's filters on fastconv's engine: same names, arguments, modes, types and errors.

Filters along one axis, and what is made of them (Gaussians, their derivatives, sobel, prewitt), are summed in float64
in SciPy's order and have SciPy's bits, integers too; only kernels of more than 32 taps on float32 are summed in
float32. Kernels of several axes are summed in float32 for float32 images with float32 results, with a relative error
of about 1e-7 times the square root of the number of taps, and in float64 for other floats; integers go through the
engine where every weight is whole, since all sums are exact then. Means divide sums that are added up anew for every
window. What is not computed here goes to SciPy: complex and boolean images, small images, footprints that are no box,
windows over more than three neighbouring axes, and wrong arguments, so that the errors are SciPy's.
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
