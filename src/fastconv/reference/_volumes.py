"""Every loop of this package runs over three spatial axes; arrays of one or two get unit axes in front."""

from __future__ import annotations

import numpy as np

SPATIAL = 3


def spatial_rank(name: str, array: np.ndarray) -> int:
    """Number of spatial axes of a batch (N, C, ...), which must be 1, 2 or 3."""
    rank = array.ndim - 2
    if not 1 <= rank <= SPATIAL:
        raise ValueError(
            f"{name} must have 3, 4 or 5 axes (N, C and one to three spatial ones), got shape {array.shape}"
        )
    return rank


def as_volume(array: np.ndarray) -> np.ndarray:
    """View of (N, C, ...) as (N, C, depth, height, width), in float64 so that sums lose nothing."""
    array = np.asarray(array, dtype=np.float64)
    missing = SPATIAL + 2 - array.ndim
    return array.reshape(array.shape[:2] + (1,) * missing + array.shape[2:])


def from_volume(volume: np.ndarray, rank: int, dtype: np.dtype) -> np.ndarray:
    """The opposite of `as_volume`."""
    return volume.reshape(volume.shape[:2] + volume.shape[2 + SPATIAL - rank :]).astype(dtype)
