"""Checkpoints: a model with its description, in one file that is either the old one or the whole new one.

The arrays carry the keys of ``model.state_dict()``. Beside them stands one JSON text: what the caller says about the
model, and how to build it (`config`). safetensors is the format; without that package it is NumPy's .npz. Reading
either runs no code from the file.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import stat
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.nn.config import from_config
from fastconv.nn.layers import LAYERS
from fastconv.nn.module import Module

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

_KEY = "fastconv"
_SUFFIXES = (".safetensors", ".npz")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds: the ``model`` with its values, the caller's ``metadata``, the ``state`` by key."""

    model: Module
    metadata: dict[str, Any]
    state: dict[str, np.ndarray]


def save_checkpoint(path: str | os.PathLike[str], model: Module, metadata: Mapping[str, Any] | None = None) -> Path:
    """Write a model to a file, which is replaced in one step and keeps its permissions.

    Parameters
    ----------
    path : path
        With the suffix .safetensors or .npz, or none: that is the better format there is. Where safetensors is not
        installed, .npz takes the place of .safetensors, and one line on stderr says so.
    model : Module
        Of layers that `fastconv.nn` has.
    metadata : mapping, optional
        Anything that JSON can hold.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    TypeError
        If `model` is none.
    ValueError
        If the suffix is unknown, a layer is none of `fastconv.nn`, the folder cannot be written to, or JSON cannot hold
        the metadata.
    """
    if not isinstance(model, Module):
        raise TypeError(f"model (={model!r}) must be a Module")
    for name, layer in model.named_modules():
        if LAYERS.get(type(layer).__name__) is not type(layer):
            raise ValueError(f"model holds {name!r}, a {type(layer).__name__}: only layers of fastconv.nn can be saved")
    path = _target(Path(path))
    try:
        text = json.dumps({"model": model.config(), "metadata": dict(metadata or {})})
    except TypeError as error:
        raise ValueError(f"metadata must hold what JSON can: {error}") from None
    state = model.state_dict()
    real = Path(os.path.realpath(path))
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            if real.exists():
                temporary.chmod(stat.S_IMODE(real.stat().st_mode))
            if path.suffix == ".npz":
                arrays: dict[str, Any] = {_KEY: np.frombuffer(text.encode(), np.uint8), **state}
                np.savez(file, **arrays)
            else:
                from safetensors.numpy import save

                file.write(save(state, metadata={_KEY: text}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, real)
    except OSError as error:
        raise ValueError(f"path (={str(path)!r}) cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise what `save_checkpoint` would for this path, before there is anything to save."""
    target = _target(Path(path))
    folder = Path(os.path.realpath(target)).parent
    reason = "it is a folder" if target.is_dir() else "" if folder.is_dir() else f"there is no folder {str(folder)!r}"
    if not reason and not os.access(folder, os.W_OK):
        reason = f"the folder {str(folder)!r} is read-only"
    if reason:
        raise ValueError(f"path (={str(target)!r}) cannot be written: {reason}")


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    Checkpoint

    Raises
    ------
    ValueError
        If the file is missing, truncated, damaged or no checkpoint of fastconv, or safetensors is needed to read it.
    """
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"path (={str(path)!r}) must end in {' or '.join(_SUFFIXES)}")
    if not path.is_file():
        raise ValueError(f"path (={str(path)!r}) is no file")
    try:
        text, state = _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
        described = json.loads(text)
        metadata = described["metadata"]
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is no dict")
        model = from_config(described["model"])
        model.load_state_dict(state)
    except _Unavailable as error:
        raise ValueError(str(error)) from None
    except _DAMAGE as error:
        detail = f"no {error} in it" if isinstance(error, KeyError) else error
        raise ValueError(f"path (={str(path)!r}) is no checkpoint of fastconv, or damaged: {detail}") from error
    return Checkpoint(model, metadata, state)


class _Unavailable(Exception):
    """The package that reads this format is not installed."""


#: what readers raise on files that are cut off, changed or something else
_DAMAGE = (ValueError, TypeError, KeyError, OSError, EOFError, MemoryError, RecursionError, zipfile.BadZipFile,
           NotImplementedError, RuntimeError, SyntaxError)  # fmt: skip


def _read_npz(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    import zlib

    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            arrays = {name: file[name] for name in file.files}
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return arrays.pop(_KEY).tobytes().decode(), arrays


def _read_safetensors(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    if not _installed():
        raise _Unavailable(f"path (={str(path)!r}) needs safetensors to be read: pip install 'fastconv[cli]' brings it")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {})[_KEY]
            return text, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _target(path: Path) -> Path:
    if path.suffix not in ("", *_SUFFIXES):
        raise ValueError(f"path (={str(path)!r}) must end in {' or '.join(_SUFFIXES)}")
    if path.suffix == ".npz" or _installed():
        return path if path.suffix else path.with_suffix(".safetensors")
    path = path.with_suffix(".npz")
    _say_once(
        f"safetensors is not installed: the checkpoint becomes {path.name} (pip install 'fastconv[cli]' brings it)"
    )
    return path


_said: set[str] = set()


def _say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr)


def _installed() -> bool:
    return importlib.util.find_spec("safetensors") is not None
