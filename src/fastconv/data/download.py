"""Fetching data sets, only when asked to, each file checked by its hash (pooch, the ``data`` extra)."""

from __future__ import annotations

import logging
import tarfile
import zlib
from pathlib import Path
from types import ModuleType

from .sets.base import Progress, Remote, Source, cache_folder

__all__ = ["download"]


def download(source: Source, *, progress: Progress | None = None) -> Path:
    """Fetch the files of a data set into its cache folder; those already there are only checked.

    Parameters
    ----------
    source : Source
        A row of the table of data sets.
    progress : callable (done, total), optional
        Told after each piece how many bytes of the present file have come.

    Returns
    -------
    Path
        The folder, ready to be read.

    Raises
    ------
    ValueError
        If there is nothing to download, pooch is missing, the network fails, a hash differs, or the folder cannot be
        written. A file that fails is not kept.
    """
    if not source.remotes:
        raise ValueError(f"data (={source.name!r}) cannot be downloaded")
    folder = cache_folder(source.name)
    pooch = _pooch(source.name)
    for remote in source.remotes:
        file = _fetch(pooch, remote, folder, progress)
        if remote.members:
            _unpack(file, remote.members, folder)
    return folder


def _pooch(name: str) -> ModuleType:
    try:
        import pooch
    except ImportError:
        raise ValueError(f"downloading {name} needs pooch: pip install 'fastconv[data]'") from None
    return pooch


def _fetch(pooch: ModuleType, remote: Remote, folder: Path, progress: Progress | None) -> Path:
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        downloader = pooch.HTTPDownloader(progressbar=progress is not None and _Bar(progress), timeout=30)
        return Path(pooch.retrieve(remote.url, f"sha256:{remote.sha256}", remote.file, folder, downloader=downloader))
    except OSError as error:  # requests' errors are OSErrors too
        raise ValueError(f"{remote.url}: cannot be downloaded to {folder} ({_first_line(error)})") from error
    except ValueError as error:
        raise ValueError(f"{remote.url}: what arrived is not the expected file ({_first_line(error)})") from error
    finally:
        logger.setLevel(level)


class _Bar:
    """What pooch calls a progress bar, made of a `Progress`."""

    total = 0

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def update(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _unpack(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Write the named members, and only them, straight into the folder."""
    try:
        with tarfile.open(archive) as tar:
            found = {Path(entry.name).name: entry for entry in tar.getmembers() if entry.isfile()}
            for name in members:
                stream = tar.extractfile(found[name]) if name in found else None
                if stream is None:
                    raise ValueError(f"{archive}: {name} is missing")
                partial = folder / f"{name}.part"
                partial.write_bytes(stream.read())
                partial.replace(folder / name)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ValueError(f"{archive}: cannot be unpacked ({_first_line(error)})") from error
