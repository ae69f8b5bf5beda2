"""ONNX models on arrays: by onnxruntime, or where that is missing by the slow reference that onnx brings."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np


def run(model: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs of a ModelProto for its inputs, in order."""
    names = [value.name for value in model.graph.input]
    given = dict(zip(names, arrays, strict=True))
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime

        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, given)
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, given)
