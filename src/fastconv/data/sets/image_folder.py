"""Any folder of pictures sorted by class: ``{train,test}/CLASS/*.png`` (or .jpg ...), all of one size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..dataset import Dataset, pixel_statistics, spread
from ..formats.images import SUFFIXES, Unreadable, read_image
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
    skipped: tuple[str, ...]


def class_folders(folder: Path, split: str) -> tuple[str, ...]:
    """Return the sorted names of the class folders of one part; none if there is no such part."""
    part = folder / split
    if not part.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in part.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def read_pictures(
    folder: Path, split: str, progress: Progress | None, channels: int | None = None, skip: bool = False
) -> Pictures:
    """Read every picture of one part, the classes taking turns; with `skip`, without those that cannot be read.

    Raises
    ------
    ValueError
        If a class is empty or unknown to the training part, or pictures are damaged, of another size or in colour among
        grey ones.
    """
    class_names, files, labels = _list_files(folder, split)
    images, unreadable = _read_files(files, channels, progress, skip)
    kept = np.array([file not in unreadable for file in files])
    return Pictures(images, labels[kept], class_names, tuple(map(str, unreadable)))


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


def _read_files(
    files: list[Path], channels: int | None, progress: Progress | None, skip: bool
) -> tuple[np.ndarray, dict[Path, str]]:
    """Read files into one array; tell of each that could not be read why not."""
    images: np.ndarray | None = None
    first = files[0]
    unreadable: dict[Path, str] = {}
    for index, file in enumerate(files):
        try:
            picture = read_image(file, channels)
        except Unreadable as error:
            unreadable[file] = str(error)
        else:
            if images is None:
                images, first = _room(files, picture), file
            images[index - len(unreadable)] = _alike(picture, file, images.shape[1:], first)
        if progress is not None:
            progress(index + 1, len(files))
    if unreadable and (images is None or not skip):
        reason = next(iter(unreadable.values()))
        raise ValueError(
            f"{reason}; {len(unreadable):,} of {len(files):,} pictures cannot be read, "
            "--skip-unreadable (skip_unreadable=True) leaves such out"
        )
    assert images is not None
    return images[: len(files) - len(unreadable)], unreadable


def _room(files: list[Path], picture: np.ndarray) -> np.ndarray:
    if len(files) * picture.size > _MEMORY_LIMIT:
        raise ValueError(
            f"{files[0].parent}: {len(files):,} pictures of {_shape(picture.shape)} take more than "
            f"{_MEMORY_LIMIT >> 30} GiB of memory"
        )
    return np.empty((len(files), *picture.shape), np.uint8)


def _alike(picture: np.ndarray, file: Path, wanted: tuple[int, ...], first: Path) -> np.ndarray:
    """The picture in the channels of the first one: grey becomes colour, colour without a colour becomes grey."""
    if picture.shape[1:] != wanted[1:]:
        raise ValueError(f"{file}: {_shape(picture.shape)}, but {first.name} is {_shape(wanted)}; all must be one size")
    if wanted[0] == 1 and (picture != picture[:1]).any():
        raise ValueError(f"{file}: in colour, but {first.name} is grey; all must be of one kind")
    return picture[:1] if wanted[0] == 1 else picture


def _shape(sides: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in sides)


def _read(folder: Path, split: str, progress: Progress | None, skip: bool = False) -> Dataset:
    part = read_pictures(folder, split, progress, skip=skip)
    if split == "train":
        statistics = pixel_statistics(part.images)
    else:
        _, files, _ = _list_files(folder, "train")
        some = [files[index] for index in spread(len(files), _STATISTICS_FILES)]
        statistics = pixel_statistics(_read_files(some, part.images.shape[1], None, skip)[0])
    name = folder.resolve().name
    return Dataset(
        part.images, part.labels, part.class_names, name, split, str(folder), *statistics, skipped=part.skipped
    )


SET = Source(
    name="image-folder",
    summary="any folder of pictures, {train,test}/CLASS/*.png|jpg, all of one size",
    licence="the data's own",
    recognises=lambda folder: bool(class_folders(folder, "train") or class_folders(folder, "test")),
    read=_read,
    read_skipping=partial(_read, skip=True),
    only_by_path=True,
)
