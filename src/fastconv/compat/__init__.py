"""Adapters that put fastconv under other NumPy code, one module per host; importing this package imports no host.

onnx_reference    operators for onnx's reference: `ReferenceEvaluator(model, new_ops=onnx_reference.ops)`
"""
