"""CIFAR-10: 60,000 colour pictures of 32x32 (Krizhevsky 2009), as binary batches, Python batches or picture files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ..dataset import Dataset
from ..formats import cifar
from . import image_folder
from .base import Progress, Remote, Source

__all__ = ["CLASS_NAMES", "SET", "STATISTICS"]

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STATISTICS = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))

_BINARY = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
_PYTHON = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py")


def _find_batches(folder: Path) -> tuple[Path, bool] | None:
    """Return the folder that holds batches, here or one level down, and whether they are binary."""
    for below in _FOLDERS:
        place = folder / below
        for binary, files in ((True, _BINARY), (False, _PYTHON)):
            if any((place / file).is_file() for split in files.values() for file in split):
                return place, binary
    return None


def _is_picture_folder(folder: Path) -> bool:
    return image_folder.class_folders(folder, "train") == CLASS_NAMES


def _read(folder: Path, split: str, progress: Progress | None, skip: bool = False) -> Dataset:
    found = _find_batches(folder)
    if found is None:
        part = image_folder.read_pictures(folder, split, progress, channels=3, skip=skip)
        if part.images.shape[1:] != cifar.IMAGE_SHAPE:
            raise ValueError(f"{folder}: CIFAR-10 pictures are 3x32x32, these are {part.images.shape[1:]}")
        return Dataset(
            part.images, part.labels, CLASS_NAMES, "cifar10", split, str(folder), *STATISTICS, skipped=part.skipped
        )
    place, binary = found
    if binary:
        images, labels = _read_batches(place, _BINARY[split], cifar.read_binary_batch)
        names = _read_names(place / "batches.meta.txt", cifar.read_binary_names)
    else:
        images, labels = _read_batches(place, _PYTHON[split], cifar.read_python_batch)
        names = _read_names(place / "batches.meta", cifar.read_python_names)
    return Dataset(images, labels, names, "cifar10", split, str(place), *STATISTICS)


def _read_batches(
    place: Path, files: tuple[str, ...], read: Callable[[Path], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    batches = [read(place / file) for file in files]
    sizes = [len(labels) for _, labels in batches]
    for file, size in zip(files, sizes, strict=True):
        if size < max(sizes):
            raise ValueError(f"{place / file}: truncated, {size:,} pictures where another batch has {max(sizes):,}")
        labels = batches[files.index(file)][1]
        if labels.max() >= len(CLASS_NAMES):
            raise ValueError(f"{place / file}: label {labels.max()} is outside the {len(CLASS_NAMES)} classes")
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def _read_names(path: Path, read: Callable[[Path], tuple[str, ...]]) -> tuple[str, ...]:
    if not path.exists():
        return CLASS_NAMES
    names = read(path)
    if len(names) != len(CLASS_NAMES):
        raise ValueError(f"{path}: {len(names)} class names, expected {len(CLASS_NAMES)}")
    return names


SET = Source(
    name="cifar10",
    summary="animals and vehicles, 10 classes, 50,000 + 10,000 colour pictures of 32x32",
    licence="free for research",
    recognises=lambda folder: folder.is_dir() and (_find_batches(folder) is not None or _is_picture_folder(folder)),
    read=_read,
    read_skipping=partial(_read, skip=True),
    remotes=(
        Remote(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            members=(*_BINARY["train"], *_BINARY["test"], "batches.meta.txt"),
        ),
    ),
)
