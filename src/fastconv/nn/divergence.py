"""Why a loss is not a number: the first layer whose values are not finite."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from fastconv.nn.module import Module

__all__ = ["find_cause", "first_bad_value"]


def find_cause(model: Module, x: Any) -> str:
    """Say in a clause where the first infinity or NaN arises when `model` learns from the batch `x`.

    The batch goes once more through a copy of the model, layer by layer; the model itself does not change.
    """
    if not _finite(x):
        rows = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
        return f"{len(rows)} of {len(x)} inputs of the batch are not finite"
    model.reuse_buffers(False)
    found: list[str] = []

    def apply(name: str, layer: Module, value: Any) -> Any:
        result = layer.forward(value, True)
        if not found and not all(map(_finite, result if isinstance(result, tuple) else (result,))):
            bad = first_bad_value(layer)
            already = f", whose {bad} was not finite before" if bad else ""
            found.append(f"layer {name or type(layer).__name__!r} first gave a value that is not finite{already}")
        return result

    with np.errstate(all="ignore"):
        copy.deepcopy(model).flow(apply, x)
    return found[0] if found else "the outputs of all layers are finite, their loss is not"


def first_bad_value(model: Module) -> str | None:
    """The key of the first parameter or buffer that holds an infinity or NaN."""
    return next((name for name, entry in model.named_state() if not _finite(entry.data)), None)


def _finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())
