"""Time series as the UCR archive has them: two text files, one series a line, its class first."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .sets.base import SPLITS

__all__ = ["Series", "load_series"]

_SUFFIXES = (".txt", ".tsv")


class Series(NamedTuple):
    """One part of a set: ``x`` float32 (N, 1, L), ``labels`` int64 (N,) from 0, ``class_names``, ``source``."""

    x: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    source: str


def load_series(folder: str | os.PathLike[str], split: str = "train") -> Series:
    """Read one part of a set of time series from a folder with ``NAME_TRAIN.txt`` and ``NAME_TEST.txt`` (or ``.tsv``).

    Parameters
    ----------
    folder : path
    split : {"train", "test"}, default "train"
        Which part.

    Returns
    -------
    Series
        Classes are numbered in the order of their labels in the training file.

    Raises
    ------
    ValueError
        If a file is missing or damaged, or the test has another length or other classes than the training; the message
        names the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> for part in ("TRAIN", "TEST"):
    ...     _ = Path(f"Steps_{part}.txt").write_text("1 0.0 0.5 1.0\\n2 1.0 0.5 0.0\\n")
    >>> test = load_series(".", "test")
    >>> test.x.shape, test.labels, test.class_names
    ((2, 1, 3), array([0, 1]), ('1', '2'))
    """
    if split not in SPLITS:
        raise ValueError(f"split (={split!r}) must be one of {', '.join(SPLITS)}")
    folder = Path(folder).expanduser()
    train, labels = _read(_find(folder, "train"))
    classes = np.unique(labels)
    file = _find(folder, split)
    x = train
    if split == "test":
        x, labels = _read(file)
        if x.shape[1] != train.shape[1]:
            raise ValueError(f"{file}: {x.shape[1]} values in a series, {train.shape[1]} in the training file")
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise ValueError(f"{file}: no series of class {unknown[0]} is in the training file")
    numbers = np.searchsorted(classes, labels).astype(np.int64)
    return Series(x[:, None], numbers, tuple(map(str, classes)), str(file))


def _find(folder: Path, split: str) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    files = sorted(file for suffix in _SUFFIXES for file in folder.glob(f"*_{split.upper()}{suffix}"))
    if len(files) != 1:
        found = "is missing" if not files else f"is there {len(files)} times"
        raise ValueError(f"{folder}: *_{split.upper()}.txt {found}")
    return files[0]


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Series, float32 (N, L), and their classes as the file numbers them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file is named below
            rows = np.loadtxt(file, ndmin=2)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: damaged ({error})") from error
    if rows.shape[1] < 2:
        raise ValueError(f"{file}: no series, expected lines of a class and the values of a series")
    infinite = ~np.isfinite(rows).all(axis=1)
    if infinite.any():
        raise ValueError(f"{file}: series {1 + int(infinite.argmax())} holds a value that is not finite")
    labels = rows[:, 0].astype(np.int64)
    if not np.array_equal(labels, rows[:, 0]):
        raise ValueError(f"{file}: classes must be whole numbers")
    return np.ascontiguousarray(rows[:, 1:], np.float32), labels
