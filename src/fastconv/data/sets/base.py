"""What a data set tells about itself, so that one table of them is all that `load` needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..dataset import Dataset

__all__ = ["SPLITS", "Progress", "Remote", "Source", "cache_folder"]

SPLITS = ("train", "test")
Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all."""


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded, with the hash it must have; `members` are unpacked if it is a tar archive."""

    url: str
    sha256: str
    members: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


def _nowhere() -> Sequence[Path]:
    return ()


@dataclass(frozen=True)
class Source:
    """One row of the table of data sets.

    Parameters
    ----------
    name : str
        What people type.
    summary, licence : str
        For lists; one short phrase each.
    recognises : callable (Path) -> bool
        Whether a folder (or file) given by the user is this data set.
    read : callable (Path, split, progress) -> Dataset
        Reads and checks one part.
    places : callable () -> paths, optional
        Where it is looked for when only the name is given; the download folder comes after these.
    remotes : tuple of Remote, optional
        What ``--download`` fetches.
    read_skipping : callable (Path, split, progress) -> Dataset, optional
        The same as `read`, but pictures that cannot be read are left out; for sets that are one file a picture.
    """

    name: str
    summary: str
    licence: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, str, Progress | None], Dataset]
    places: Callable[[], Sequence[Path]] = _nowhere
    remotes: tuple[Remote, ...] = ()
    only_by_path: bool = False
    read_skipping: Callable[[Path, str, Progress | None], Dataset] | None = None

    def find(self) -> Path | None:
        """Return the first of its places that holds it, or None."""
        candidates = [*self.places()]
        if self._is_downloaded():
            candidates.append(cache_folder(self.name))
        return next((place for place in candidates if place.exists() and self.recognises(place)), None)

    def _is_downloaded(self) -> bool:
        """Whether the download folder is complete; a download that broke off does not count."""
        folder = cache_folder(self.name)
        files = [file for remote in self.remotes for file in (remote.members or (remote.file,))]
        return bool(files) and all((folder / file).is_file() for file in files)


def cache_folder(name: str) -> Path:
    """Return the folder that a download goes to: ``$FASTCONV_DATA_DIR/name`` or one in the user's cache."""
    chosen = os.environ.get("FASTCONV_DATA_DIR")
    if chosen:
        return Path(chosen) / name
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path("~/.cache").expanduser()) / "fastconv" / name
