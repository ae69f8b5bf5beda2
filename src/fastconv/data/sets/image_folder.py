"""Any folder of pictures sorted by class: ``{train,test}/CLASS/*.png`` (or .jpg ...), all of one size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..dataset import Dataset, pixel_statistics, spread
from ..formats.images import SUFFIXES, read_image
from .base import Progress, Source

__all__ = ["SET", "class_folders", "read_pictures"]

_MEMORY_LIMIT = 8 << 30
_STATISTICS_FILES = 1000


@dataclass(frozen=True)
class Pictures:
    """What one part of a folder holds."""

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


def class_folders(folder: Path, split: str) -> tuple[str, ...]:
    """Return the sorted names of the class folders of one part; none if there is no such part."""
    part = folder / split
    if not part.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def read_pictures(folder: Path, split: str, progress: Progress | None, channels: int | None = None) -> Pictures:
    """Read every picture of one part, the classes taking turns.

    Raises
    ------
    ValueError
        If a class is empty or unknown to the training part, or a picture is damaged or of another size.
    """
    class_names, files, labels = _list_files(folder, split)
    return Pictures(_read_files(files, channels, progress), labels, class_names)


def _list_files(folder: Path, split: str) -> tuple[tuple[str, ...], list[Path], np.ndarray]:
    class_names = class_folders(folder, "train")
    if not class_names:
        raise ValueError(f"{folder / 'train'}: no class folders with pictures")
    present = class_folders(folder, split)
    if not present:
        raise ValueError(f"{folder / split}: no class folders with pictures")
    unknown = set(present) - set(class_names)
    if unknown:
        raise ValueError(f"{folder / split / min(unknown)}: this class is not in {folder / 'train'}")
    ranked = []
    for name in present:
        place = folder / split / name
        members = sorted(file for file in place.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != ".")
        if not members:
            raise ValueError(f"{place}: no pictures in this class folder")
        label = class_names.index(name)
        ranked += [(rank, label, file) for rank, file in enumerate(members)]
    ranked.sort()
    return class_names, [file for _, _, file in ranked], np.array([label for _, label, _ in ranked], np.int64)


def _read_files(files: list[Path], channels: int | None, progress: Progress | None) -> np.ndarray:
    first = read_image(files[0], channels)
    if len(files) * first.size > _MEMORY_LIMIT:
        raise ValueError(
            f"{files[0].parent}: {len(files):,} pictures of {_shape(first)} take more than "
            f"{_MEMORY_LIMIT >> 30} GiB of memory"
        )
    images = np.empty((len(files), *first.shape), np.uint8)
    for index, file in enumerate(files):
        picture = read_image(file, len(first))
        if picture.shape != first.shape:
            raise ValueError(f"{file}: {_shape(picture)}, but {files[0].name} is {_shape(first)}; all must be one size")
        images[index] = picture
        if progress is not None:
            progress(index + 1, len(files))
    return images


def _shape(picture: np.ndarray) -> str:
    return "x".join(str(side) for side in picture.shape)


def _read(folder: Path, split: str, progress: Progress | None) -> Dataset:
    part = read_pictures(folder, split, progress)
    if split == "train":
        statistics = pixel_statistics(part.images)
    else:
        _, files, _ = _list_files(folder, "train")
        some = [files[index] for index in spread(len(files), _STATISTICS_FILES)]
        statistics = pixel_statistics(_read_files(some, part.images.shape[1], None))
    return Dataset(part.images, part.labels, part.class_names, folder.resolve().name, split, str(folder), *statistics)


SET = Source(
    name="image-folder",
    summary="any folder of pictures, {train,test}/CLASS/*.png|jpg, all of one size",
    licence="the data's own",
    recognises=lambda folder: bool(class_folders(folder, "train") or class_folders(folder, "test")),
    read=_read,
    only_by_path=True,
)
