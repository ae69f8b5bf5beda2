"""The four idx files that MNIST introduced and others share, and a reader for any folder of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..dataset import Dataset, pixel_statistics
from ..formats.idx import find_idx, idx_bytes, read_idx
from .base import Progress, Source

__all__ = ["FILES", "SET", "has_idx", "labels_are", "read_split"]

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def has_idx(folder: Path) -> bool:
    """Whether a folder holds at least one of the four files."""
    return folder.is_dir() and any(find_idx(folder, stem) for stems in FILES.values() for stem in stems)


def labels_are(folder: Path, *digests: str) -> bool:
    """Whether a label file, uncompressed, has one of these sha256 hashes: that tells the data sets apart."""
    if not folder.is_dir():
        return False
    for _, stem in reversed(FILES.values()):
        path = find_idx(folder, stem)
        if path is not None:
            try:
                return hashlib.sha256(idx_bytes(read_idx(path, 1))).hexdigest() in digests
            except ValueError:
                return False
    return False


def read_split(
    folder: Path,
    split: str,
    name: str,
    class_names: tuple[str, ...],
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Dataset:
    """Read the pictures and labels of one part, and check them against each other.

    Without `statistics` the mean and deviation of the training pictures are computed.
    """
    images, labels = _read_pictures(folder, split), _read_labels(folder, split)
    if len(images) != len(labels):
        raise ValueError(
            f"{folder}: {FILES[split][0]} holds {len(images):,} pictures but {FILES[split][1]} {len(labels):,} labels"
        )
    if 0 in images.shape:
        raise ValueError(f"{folder}: {FILES[split][0]} holds no pictures (shape {images.shape})")
    if statistics is None:
        statistics = pixel_statistics(images if split == "train" else _read_pictures(folder, "train"))
    return Dataset(images, labels.astype(np.int64), class_names, name, split, str(folder), *statistics)


def _read_pictures(folder: Path, split: str) -> np.ndarray:
    return read_idx(_require(folder, FILES[split][0]), 3)[:, None]


def _read_labels(folder: Path, split: str) -> np.ndarray:
    return read_idx(_require(folder, FILES[split][1]), 1)


def _require(folder: Path, stem: str) -> Path:
    path = find_idx(folder, stem)
    if path is None:
        raise ValueError(f"{folder}: {stem} is missing (plain, .gz or .xz)")
    return path


def _read(folder: Path, split: str, progress: Progress | None) -> Dataset:
    highest = max(int(_read_labels(folder, part).max(initial=0)) for part in FILES)
    class_names = tuple(str(label) for label in range(max(10, highest + 1)))
    return read_split(folder, split, folder.resolve().name, class_names)


SET = Source(
    name="idx-folder",
    summary="any folder with train-/t10k- idx files",
    licence="the data's own",
    recognises=has_idx,
    read=_read,
    only_by_path=True,
)
