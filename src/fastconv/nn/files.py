"""Files that are either the old one or the whole new one, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` in one step when the block ends well, and else leaves nothing behind.

    The bytes are on the disk before the name changes, and permissions and links stay. A process that is killed leaves
    its temporary file, named after its number; the next one that writes here removes it.

    Raises
    ------
    ValueError
        If the place cannot be written to, or the disk is full.
    """
    real = Path(os.path.realpath(path))
    temporary = real.with_name(f".{real.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            if real.exists():
                temporary.chmod(stat.S_IMODE(real.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, real)
        _sync_folder(real.parent)
    except OSError as error:
        raise ValueError(f"path (={str(path)!r}) cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    _remove_leftovers(real)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk as well, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_leftovers(real: Path) -> None:
    for file in real.parent.glob(f".{glob.escape(real.name)}.*.*"):
        number = file.name.rsplit(".", 2)[1]
        if number.isdigit() and not _runs(int(number)):
            with contextlib.suppress(OSError):
                file.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
