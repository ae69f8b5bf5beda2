"""Data sets: found, read, checked.

``load()`` gives Fashion-MNIST: Debian's copy (package dataset-fashion-mnist) if it is installed, else the sample that
ships with fastconv. ``load("mnist")`` looks for a data set by name, ``load("some/folder")`` tells by its files what a
folder holds. Nothing is downloaded unless ``download=True``.

`transforms` crop, flip, cut and normalise batches; a `Loader` prepares them in a thread that runs ahead. `load_series`
reads time series, `compose_scenes` makes pictures with known boxes and masks.

>>> from fastconv import data
>>> test = data.load("fashion-mnist-sample", "test")
>>> test.images.shape, test.images.dtype, test.class_names[:3]
((1000, 1, 28, 28), dtype('uint8'), ('t-shirt', 'trouser', 'pullover'))
"""

from __future__ import annotations

import os
from pathlib import Path

from .dataset import Dataset, normalize
from .loader import Loader
from .scenes import Scenes, compose_scenes
from .series import Series, load_series
from .sets import TABLE, fashion_mnist, sample
from .sets.base import SPLITS, Progress, Source
from .transforms import Compose, Cutout, Normalize, RandomCrop, RandomFlip

__all__ = [
    "Compose", "Cutout", "Dataset", "Loader", "Location", "Normalize", "RandomCrop", "RandomFlip", "Scenes", "Series",
    "available", "compose_scenes", "load", "load_series", "locate", "names", "normalize",
]  # fmt: skip


def names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "cifar10" in names()
    True
    """
    return tuple(source.name for source in TABLE if not source.only_by_path)


class Location:
    """A data set that was found: `source` is its row in the table, `path` where it is; `load` reads a part."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path

    def load(
        self,
        split: str,
        *,
        limit: int | None = None,
        progress: Progress | None = None,
        skip_unreadable: bool = False,
    ) -> Dataset:
        """Read one part; see `fastconv.data.load`."""
        if split not in SPLITS:
            raise ValueError(f"split (={split!r}) must be one of {', '.join(SPLITS)}")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"limit (={limit!r}) must be a whole number of at least 1")
        read = self.source.read_skipping if skip_unreadable and self.source.read_skipping else self.source.read
        part = read(self.path, split, progress)
        return part if limit is None else part.take(limit)


def locate(
    name_or_folder: str | os.PathLike[str] | None = None, *, download: bool = False, progress: Progress | None = None
) -> Location:
    """Find a data set without reading it.

    Parameters
    ----------
    name_or_folder : str or path, optional
        A name (see `names`), or a folder (or file) that holds a data set.
    download : bool, default False
        Fetch what is not on this machine.
    progress : callable (done, total), optional
        Told how many bytes of a file have come.

    Returns
    -------
    Location

    Raises
    ------
    ValueError
        If the name is unknown, the data set is not on this machine, or the folder holds none.

    Examples
    --------
    >>> place = locate("fashion-mnist-sample")
    >>> place.source.licence, place.path.name
    ('MIT', 'sample')
    """
    if name_or_folder is None:
        found = fashion_mnist.SET.find()
        if found is not None or download:
            return Location(fashion_mnist.SET, found or _download(fashion_mnist.SET, progress))
        return Location(sample.SET, sample.FOLDER)
    text = os.fspath(name_or_folder)
    source = next((row for row in TABLE if row.name == text and not row.only_by_path), None)
    if source is not None:
        found = source.find()
        if found is None and download:
            found = _download(source, progress)
        if found is None:
            ways = "--download (download=True) fetches it, or give" if source.remotes else "give"
            raise ValueError(f"data (={text!r}) is not on this machine; {ways} the folder that holds it")
        return Location(source, found)
    path = Path(text).expanduser()
    if not path.exists():
        raise ValueError(f"data (={text!r}) is neither a folder nor a known name: {', '.join(names())}")
    for row in TABLE:
        if row.recognises(path):
            return Location(row, path)
    raise ValueError(
        f"data (={text!r}) holds no data set that fastconv knows: idx files (train-images-idx3-ubyte.gz ...), "
        "CIFAR-10 batches (data_batch_1.bin ...), mnist_5k.csv.gz, or pictures as {train,test}/CLASS/*.png"
    )


def load(
    name_or_folder: str | os.PathLike[str] | None = None,
    split: str = "train",
    *,
    download: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
    skip_unreadable: bool = False,
) -> Dataset:
    """Read one part of a data set.

    Parameters
    ----------
    name_or_folder : str or path, optional
        A name (see `names`), or a folder (or file) that holds a data set. None: Debian's Fashion-MNIST if it is
        installed, else the sample that ships with fastconv.
    split : {"train", "test"}, default "train"
        Which part.
    download : bool, default False
        Fetch what is not on this machine (needs pooch); every file is checked by its hash.
    limit : int, optional
        Keep only the first pictures.
    progress : callable (done, total), optional
        Told how far a long download or reading is.
    skip_unreadable : bool, default False
        Leave out pictures of a folder that cannot be read; ``skipped`` names them.

    Returns
    -------
    Dataset
        ``images`` uint8 (N, C, H, W), ``labels`` int64 (N,), ``class_names``, ``source``, ``mean`` and ``std``.

    Raises
    ------
    ValueError
        If it cannot be found, or a file is missing, truncated, damaged or of the wrong kind; the message names it.

    Examples
    --------
    >>> part = load("fashion-mnist-sample", "test", limit=20)
    >>> len(part), part.input_shape
    (20, (1, 28, 28))
    """
    place = locate(name_or_folder, download=download, progress=progress)
    return place.load(split, limit=limit, progress=progress, skip_unreadable=skip_unreadable)


def available() -> list[dict[str, str | None]]:
    """List the data sets.

    Returns
    -------
    list of dict
        One row each: ``name``, ``summary``, ``licence``, and ``path``, where it was found, or None.

    Examples
    --------
    >>> [row["licence"] for row in available() if row["name"] == "fashion-mnist-sample"]
    ['MIT']
    """
    rows: list[dict[str, str | None]] = []
    for source in TABLE:
        found = None if source.only_by_path else source.find()
        path = None if found is None else str(found)
        rows.append({"name": source.name, "summary": source.summary, "licence": source.licence, "path": path})
    return rows


def _download(source: Source, progress: Progress | None) -> Path:
    from .download import download

    return download(source, progress=progress)
