"""Adapters that put fastconv under other NumPy code, one module per host; importing this package imports no host.

- `onnx_reference`: operators for ``onnx.reference.ReferenceEvaluator(model, new_ops=fastconv.compat.onnx_reference.ops)``
"""
