"""Weights that others trained: state dicts of PyTorch and safetensors files, read without either, into our networks.

One file per format, and one for the names. Reading runs nothing that a file says.
"""

from __future__ import annotations

from fastconv.nn.weights.loading import load_weights, read_weights
from fastconv.nn.weights.names import NAMES

__all__ = ["NAMES", "load_weights", "read_weights"]
