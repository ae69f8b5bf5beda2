"""fastconv under other libraries: one adapter a host, with the host's names, arguments, types and errors.

scipy_signal    scipy.signal's convolve, correlate, convolve2d, correlate2d, fftconvolve, oaconvolve and their helpers
ndimage         scipy.ndimage's convolutions, Gaussians, derivatives, means, maxima and minima of windows
numpy           numpy.convolve and numpy.correlate
use, install    put those in the place of the hosts' own functions: `with fastconv.compat.use("scipy.ndimage"):`
onnx_reference  operators for onnx's reference: `ReferenceEvaluator(model, new_ops=onnx_reference.ops)`
keras           Keras 3 with its NumPy backend, without JAX
autograd        differentiable convolutions and pools, and autograd.scipy.signal's convolve
mygrad          conv_nd and max_pool of MyGrad
numpy_ml        the convolutions and pools of numpy-ml, and its layers on them
cs231n          the fast layers of the course's second assignment
coursera        conv_forward, pool_forward ... of the deep learning course

Importing this package imports no host; each adapter imports its own.
"""

from fastconv.compat.use import install, status, uninstall, use

__all__ = ["install", "status", "uninstall", "use"]
