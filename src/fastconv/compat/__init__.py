"""fastconv under other libraries: one adapter a host, with the host's names, arguments, types and errors.

onnx_reference  operators for onnx's reference: `ReferenceEvaluator(model, new_ops=onnx_reference.ops)`
keras           Keras 3 with its NumPy backend, without JAX
autograd        differentiable convolutions and pools, and autograd.scipy.signal's convolve
mygrad          conv_nd and max_pool of MyGrad
numpy_ml        the convolutions and pools of numpy-ml, and its layers on them
cs231n          the fast layers of the course's second assignment
coursera        conv_forward, pool_forward ... of the deep learning course

Importing this package imports no host; each adapter imports its own.
"""
