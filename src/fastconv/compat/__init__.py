"""Adapters: what other NumPy programs call, with the same names, arguments and conventions, computed by fastconv.

Each is a module that imports its host itself; importing this package imports none of them.

- `fastconv.compat.autograd`: differentiable convolutions and pools, and ``autograd.scipy.signal.convolve``
- `fastconv.compat.coursera`: conv_forward, pool_forward ... of the deep learning course
- `fastconv.compat.cs231n`: the fast layers of the course's second assignment
- `fastconv.compat.keras`: Keras 3 with its NumPy backend, without JAX
- `fastconv.compat.mygrad`: conv_nd and max_pool of MyGrad
- `fastconv.compat.numpy_ml`: the convolutions and pools of numpy-ml, and its layers on them
"""
