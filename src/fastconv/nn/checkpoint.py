"""Checkpoints: a model with its description, in one file that is either the old one or the whole new one.

The arrays carry the keys of ``model.state_dict()``. Beside them stands one JSON text: what the caller says about the
model, how to build it (`config`), and where a training stands, whose arrays have keys of their own. A checksum covers
all of it. safetensors is the format; without that package it is NumPy's .npz. Reading either runs no code from it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv.nn.config import from_config
from fastconv.nn.files import replacing
from fastconv.nn.layers import LAYERS
from fastconv.nn.module import Module
from fastconv.nn.weights.safetensors_file import read_safetensors, safetensors_metadata

__all__ = ["Checkpoint", "TrainingState", "load_checkpoint", "save_checkpoint"]

_KEY = "fastconv"
_CHECKSUM = "fastconv.sha256"
_TRAINING = "fastconv.training/"
_SUFFIXES = (".safetensors", ".npz")
#: 1 had no checksum
_FORMAT = 2


class TrainingState(NamedTuple):
    """Where a training stands: what JSON can hold, and arrays by key."""

    values: dict[str, Any]
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds: the ``model`` with its values, the caller's ``metadata``, the ``state`` by key.

    ``training`` is what `Trainer.resume` goes on from, or None.
    """

    model: Module
    metadata: dict[str, Any]
    state: dict[str, np.ndarray]
    training: TrainingState | None = None


def save_checkpoint(
    path: str | os.PathLike[str],
    model: Module,
    metadata: Mapping[str, Any] | None = None,
    training: TrainingState | None = None,
) -> Path:
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
    training : TrainingState, optional
        What a `Trainer` needs to go on.

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
    path = target_of(Path(path))
    described: dict[str, Any] = {"format": _FORMAT, "model": model.config(), "metadata": dict(metadata or {})}
    arrays = model.state_dict()
    if training is not None:
        described["training"] = training.values
        arrays |= {_TRAINING + name: array for name, array in training.arrays.items()}
    try:
        text = json.dumps(described)
    except TypeError as error:
        raise ValueError(f"metadata must hold what JSON can: {error}") from None
    checksum = _checksum(text, arrays)
    with replacing(path) as file:
        if path.suffix == ".npz":
            words = {_KEY: text, _CHECKSUM: checksum}
            named: dict[str, Any] = {key: np.frombuffer(word.encode(), np.uint8) for key, word in words.items()}
            named |= arrays
            np.savez(file, **named)
        else:
            from safetensors.numpy import save

            file.write(save(arrays, metadata={_KEY: text, _CHECKSUM: checksum}))
    return path


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise what `save_checkpoint` would for this path, before there is anything to save."""
    target = target_of(Path(path))
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
        If the file is missing, truncated, damaged or no checkpoint of fastconv.
    """
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"path (={str(path)!r}) must end in {' or '.join(_SUFFIXES)}")
    if not path.is_file():
        raise ValueError(f"path (={str(path)!r}) is no file")
    try:
        text, checksum, arrays = _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
        described = json.loads(text)
        if described.get("format", 1) > 1 and checksum != _checksum(text, arrays):
            raise ValueError("its checksum is wrong, so it is not what was written")
        metadata = described["metadata"]
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is no dict")
        state = {name: array for name, array in arrays.items() if not name.startswith(_TRAINING)}
        model = from_config(described["model"])
        model.load_state_dict(state)
    except _DAMAGE as error:
        detail = f"no {error} in it" if isinstance(error, KeyError) else error
        raise ValueError(f"path (={str(path)!r}) is no checkpoint of fastconv, or damaged: {detail}") from error
    values = described.get("training")
    if values is None:
        return Checkpoint(model, metadata, state)
    rest = {name[len(_TRAINING) :]: array for name, array in arrays.items() if name not in state}
    return Checkpoint(model, metadata, state, TrainingState(values, rest))


#: what readers raise on files that are cut off, changed or something else
_DAMAGE = (ValueError, TypeError, KeyError, OSError, EOFError, MemoryError, RecursionError, zipfile.BadZipFile,
           NotImplementedError, RuntimeError, SyntaxError, AttributeError)  # fmt: skip


def _checksum(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of the words and of every array with its name, type and shape."""
    found = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {np.shape(arrays[name])} ".encode())
        found.update(array.data)
    return found.hexdigest()


def _read_npz(path: Path) -> tuple[str, str | None, dict[str, np.ndarray]]:
    import zlib

    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            arrays = {name: file[name] for name in file.files}
    except zlib.error as error:
        raise ValueError(str(error)) from error
    text = arrays.pop(_KEY).tobytes().decode()
    checksum = arrays.pop(_CHECKSUM).tobytes().decode() if _CHECKSUM in arrays else None
    return text, checksum, arrays


def _read_safetensors(path: Path) -> tuple[str, str | None, dict[str, np.ndarray]]:
    data = bytearray(path.read_bytes())  # arrays of the training's state are written to
    words = safetensors_metadata(data)
    return words[_KEY], words.get(_CHECKSUM), read_safetensors(data)


def target_of(path: Path) -> Path:
    """The file that `save_checkpoint` writes when it is given this path."""
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
