"""Vision transformers of several sizes by onnxruntime, beside fastconv.onnx."""

from __future__ import annotations

import functools

from benchmarks.dropin.onnx_models import model_row
from benchmarks.dropin.row import Row
from benchmarks.vision_transformer import vision_transformer

__all__ = ["MEAN_GOAL", "ROWS"]

MEAN_GOAL = 1.0

ROWS: list[Row] = [
    model_row(name, functools.partial(vision_transformer, **options))
    for name, options in (
        ("ViT-tiny", {}),
        ("ViT-tiny, opset 16", {"opset": 16}),
        ("ViT-small, 4 layers", {"layers": 4, "width": 384, "heads": 6}),
        ("ViT-tiny of 50 tokens", {"side": 7, "patch": 32}),
    )
]
