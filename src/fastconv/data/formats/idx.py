"""The idx format of the MNIST family, plain or compressed with gzip or xz.

A file is a magic number (two zero bytes, a type code, the number of axes), one big-endian 32-bit size per axis, and the
values. Only unsigned bytes (type code 8) occur in image data sets.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

__all__ = ["find_idx", "idx_bytes", "read_idx", "write_idx"]

SUFFIXES = ("", ".gz", ".xz")
_UNSIGNED_BYTE = 8
_CHUNK = 1 << 20


def find_idx(folder: Path, stem: str) -> Path | None:
    """Return the file ``stem``, ``stem.gz`` or ``stem.xz`` in a folder, or None.

    Some copies spell ``-idx3`` as ``.idx3``; those are found too.
    """
    for spelling in (stem, stem.replace("-idx", ".idx")):
        for suffix in SUFFIXES:
            path = folder / (spelling + suffix)
            if path.is_file():
                return path
    return None


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an array of unsigned bytes.

    Parameters
    ----------
    path : Path
        An idx file; the suffix ``.gz`` or ``.xz`` tells how it is compressed.
    ndim : int
        How many axes it must have: 3 for pictures, 1 for labels.

    Returns
    -------
    ndarray of uint8, shape as the file says

    Raises
    ------
    ValueError
        If the file is missing, damaged, cut short, too long, or of another kind. The message names it.
    """
    try:
        with _open(path) as stream:
            shape = _read_header(path, stream, ndim)
            expected = math.prod(shape)
            body = _read_at_most(stream, expected + 1)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except EOFError:
        raise ValueError(f"{path}: truncated, the compressed data ends too early") from None
    except (OSError, zlib.error, _lzma_error()) as error:
        raise ValueError(f"{path}: cannot be read, {error}") from error
    if len(body) < expected:
        raise ValueError(f"{path}: truncated, {len(body):,} of the {expected:,} bytes that its header announces")
    if len(body) > expected:
        raise ValueError(f"{path}: longer than the {expected:,} bytes that its header announces")
    return np.frombuffer(body, np.uint8).reshape(shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array of unsigned bytes; the suffix chooses the compression, as in `read_idx`."""
    data = idx_bytes(array)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".xz":
        import lzma

        # Neighbouring pixels predict the next one: literal context 4, no alignment. Measured best on Fashion-MNIST.
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]
        data = lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters)
    path.write_bytes(data)


def idx_bytes(array: np.ndarray) -> bytes:
    """Return what an uncompressed idx file of this array holds."""
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    return header + np.ascontiguousarray(array, np.uint8).tobytes()


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.suffix == ".xz":
        try:
            import lzma
        except ImportError:
            raise ValueError(f"{path}: this Python was built without lzma, which reads .xz files") from None
        return cast("IO[bytes]", lzma.open(path, "rb"))
    return open(path, "rb")


def _lzma_error() -> type[Exception]:
    try:
        from lzma import LZMAError
    except ImportError:
        return EOFError
    return LZMAError


def _read_header(path: Path, stream: IO[bytes], ndim: int) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise ValueError(f"{path}: truncated, {len(magic)} bytes are too few for an idx file")
    if magic[:2] != b"\0\0":
        raise ValueError(f"{path}: not an idx file (it begins with {magic!r})")
    if magic[2] != _UNSIGNED_BYTE:
        raise ValueError(f"{path}: idx type {magic[2]:#04x} is not unsigned bytes (0x08)")
    if magic[3] != ndim:
        kinds = {1: "labels (1 axis)", 3: "pictures (3 axes)"}
        holds = kinds.get(magic[3], f"{magic[3]} axes")
        raise ValueError(f"{path}: holds {holds}, expected {kinds.get(ndim, f'{ndim} axes')}")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(f"{path}: truncated inside its header")
    return tuple(int(size) for size in np.frombuffer(sizes, ">u4"))


def _read_at_most(stream: IO[bytes], count: int) -> bytes:
    """Read up to count bytes without trusting count: a damaged header may announce any size."""
    parts = []
    while count > 0:
        part = stream.read(min(count, _CHUNK))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
