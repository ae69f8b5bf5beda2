"""SciPy's own filters, bound before anything takes their place: what is not computed here goes to them."""

from __future__ import annotations

from typing import Any

try:
    from scipy import ndimage
except ImportError as error:
    raise ImportError("fastconv.compat.ndimage stands in for SciPy and needs it: pip install scipy") from error

__all__ = ["HOST", "NAMES"]

NAMES = (
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
)

HOST: dict[str, Any] = {name: getattr(ndimage, name) for name in NAMES}
