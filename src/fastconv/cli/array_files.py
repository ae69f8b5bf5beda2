"""Arrays in .npy and .npz files: read with errors that name the file, and written whole."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fastconv.nn.files import replacing

__all__ = ["check_target", "read_arrays", "write_arrays"]

_STARTS = {b"\x93NUMPY": ".npy", b"PK\x03\x04": ".npz", b"PK\x05\x06": ".npz"}


def read_arrays(file: str) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy file, or the arrays of an .npz file by their names.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is of another kind, damaged, or holds Python objects.
    """
    with open(file, "rb") as opened:
        start = opened.read(6)
    if not any(start.startswith(known) for known in _STARTS):
        raise ValueError(f"{file} is no .npy or .npz file")
    try:
        found = np.load(file, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise ValueError(f"{file} holds Python objects, not numbers") from None
        raise ValueError(f"{file} is a damaged .npy or .npz file: {error}") from error


def check_target(path: Path, count: int) -> None:
    """Raise ValueError unless `count` arrays can be written there, before they are computed."""
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(f"--save {path} must end in .npy or .npz")
    if path.suffix == ".npy" and count != 1:
        raise ValueError(f"{path} holds one array, this model has {count} outputs: take .npz")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ValueError(f"--save {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise ValueError(f"--save {path} is a folder")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"--save {path}: the folder {path.parent} cannot be written to")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """The only array as .npy, or all as .npz, in one step."""
    with replacing(path) as file:
        if path.suffix == ".npy":
            np.save(file, next(iter(arrays.values())), allow_pickle=False)
            return
        with zipfile.ZipFile(file, "w") as whole:  # `numpy.savez` has arguments of its own among the names
            for name, array in arrays.items():
                with whole.open(f"{name}.npy", "w", force_zip64=True) as part:
                    np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=False)
