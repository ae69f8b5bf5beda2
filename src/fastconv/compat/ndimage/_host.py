"""SciPy's own filters, whatever stands in their place: what is not computed here goes to them."""

from __future__ import annotations

from typing import Any

try:
    from scipy import ndimage
except ImportError as error:
    raise ImportError("fastconv.compat.ndimage stands in for SciPy and needs it: pip install scipy") from error

from fastconv.compat._hosts import own_function
from fastconv.functional._arrays import thread_count

__all__ = ["HOST", "NAMES", "by_host"]

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

HOST: dict[str, Any] = {name: own_function(ndimage, name) for name in NAMES}


def by_host(name: str, num_threads: int | None) -> Any:
    """Return SciPy's function, which runs on one thread; what is no number of threads is an error all the same."""
    thread_count(num_threads)
    return HOST[name]
