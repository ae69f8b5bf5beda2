"""load_weights and read_weights: a file of any known format, into a model or as arrays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.nn.module import Module
from fastconv.nn.weights.formats import DamagedFile
from fastconv.nn.weights.names import renamed
from fastconv.nn.weights.safetensors_file import read_safetensors
from fastconv.nn.weights.torch_file import read_legacy, read_zip

__all__ = ["load_weights", "read_weights"]

#: what files begin with, and their reader; a safetensors file begins with the length of its JSON text
_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Any]], ...] = (
    (lambda data: data.startswith(b"PK\x03\x04"), read_zip),
    (lambda data: data.startswith(b"\x80") and data[8:9] != b"{", read_legacy),
    (lambda data: data[8:9] == b"{", read_safetensors),
)


def read_weights(path: str | os.PathLike[str], *, part: str | None = None) -> dict[str, np.ndarray]:
    """Read the tensors of a file by name: what ``torch.save(model.state_dict(), path)`` or safetensors wrote.

    Neither package is needed, and nothing that the file says is executed.

    Parameters
    ----------
    path : path
        A file of PyTorch, in the zip or the legacy format, or of safetensors; its content tells which.
    part : str, optional
        The entry to take where the file holds more than a state dict, such as "state_dict".

    Returns
    -------
    dict of str to ndarray
        Read-only; bfloat16 becomes float32.

    Raises
    ------
    ValueError
        If the file is missing, in another format, cut off or damaged, asks for something that tensors do not need, or
        holds something else than tensors.
    """
    path = Path(path)
    named = f"path (={str(path)!r})"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{named} cannot be read: {error.strerror or error}") from error
    reader = next((reader for begins, reader in _FORMATS if begins(data)), None)
    if reader is None:
        raise ValueError(f"{named} is no file of PyTorch or safetensors, or damaged")
    try:
        tree = reader(data)
    except DamagedFile as error:
        raise ValueError(f"{named} cannot be loaded: {error}") from error
    except (ValueError, OverflowError, MemoryError) as error:
        raise ValueError(f"{named} cannot be loaded: it is damaged ({error})") from error
    return _tensors(tree, part, named)


def _tensors(tree: Any, part: str | None, named: str) -> dict[str, np.ndarray]:
    if not isinstance(tree, dict):
        raise ValueError(f"{named} holds a {type(tree).__name__}, no state dict")
    if part is not None:
        if not isinstance(tree.get(part), dict):
            raise ValueError(f"{named} has no dict {part!r}; it holds {_listed(tree)}")
        tree = tree[part]
    strange = {key: value for key, value in tree.items() if not isinstance(value, np.ndarray)}
    if strange:
        parts = [key for key, value in strange.items() if isinstance(value, dict)]
        hint = f"; part={parts[0]!r} takes that dict" if parts and part is None else ""
        raise ValueError(f"{named} holds what is no tensor: {_listed(strange)}{hint}")
    return {str(key): value for key, value in tree.items()}


def _listed(entries: dict[Any, Any]) -> str:
    shown = [f"{key!r:.60} ({type(value).__name__})" for key, value in list(entries.items())[:8]]
    return ", ".join(shown) + (f" and {len(entries) - 8} more" if len(entries) > 8 else "")


def load_weights(model: Module, path: str | os.PathLike[str], names: Any = None, *, part: str | None = None) -> None:
    """Give a model the weights of a file that PyTorch or safetensors wrote.

    Parameters
    ----------
    model : Module
        Whose keys are those of ``model.state_dict()``.
    path : path
        As in `read_weights`.
    names : callable, mapping or str, optional
        The model's key for a key of the file. A function gives it, or None to leave the tensor out. A mapping holds
        prefixes of keys, up to a dot, and what stands in their place: ``{"module": "", "head": None}`` takes "module."
        off and leaves "head.weight" out. A string names one of ``fastconv.nn.weights.NAMES``. Without it keys are the
        model's own, as they are for the networks of the zoo.
    part : str, optional
        As in `read_weights`.

    Raises
    ------
    TypeError
        If `model` is no Module or `names` none of these.
    ValueError
        If the file cannot be read, or tensors are missing, unexpected or of another shape; all of them are listed. The
        model is unchanged then. Only counts of batches, which no inference needs, may be missing.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.zoo.build("lenet5", seed=1)
    >>> path = nn.save_checkpoint("lenet5.safetensors", model)
    >>> other = nn.zoo.build("lenet5", seed=2)
    >>> nn.load_weights(other, path)
    >>> bool((other["conv1"].weight.data == model["conv1"].weight.data).all())
    True
    """
    if not isinstance(model, Module):
        raise TypeError(f"model (={model!r}) must be a Module")
    state: dict[str, Any] = read_weights(path, part=part)
    if names is not None:
        state = renamed(state, names)
    for key, entry in model.named_state():
        if key.rpartition(".")[2] == "num_batches_tracked":
            state.setdefault(key, entry.data)
    try:
        model.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"path (={str(path)!r}): {error}") from error
