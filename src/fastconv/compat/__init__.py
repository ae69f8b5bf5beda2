"""fastconv under other libraries: one adapter a host, with the host's names, arguments, types and errors.

scipy_signal    scipy.signal's convolve, correlate, convolve2d, correlate2d, fftconvolve, oaconvolve and their helpers
ndimage         scipy.ndimage's convolutions, Gaussians, derivatives, means, maxima and minima of windows
numpy           numpy.convolve and numpy.correlate
use, install    put those in the place of the host's own functions: `with fastconv.compat.use("scipy.ndimage"):`

Importing this package imports no host; each adapter imports its own.
"""

from fastconv.compat.use import install, status, uninstall, use

__all__ = ["install", "status", "uninstall", "use"]
