"""Files of ``torch.save``: the zip format, and the legacy one before PyTorch 1.6.

Both hold a pickle that names tensors as views of storages: a storage, an offset, sizes and strides. The storages follow
as raw bytes, in the zip as files of their own. Sizes, offsets and strides are checked against the storage.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastconv.nn.weights.formats import DamagedFile, as_array
from fastconv.nn.weights.pickle_reader import Global, plain_keys, read_pickle

__all__ = ["read_legacy", "read_zip"]

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # pickles that legacy files begin with
_KINDS = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
}  # fmt: skip
_MAX_AXES = 32


class _Storage(NamedTuple):
    kind: str
    key: str
    elements: int


class _Tensor(NamedTuple):
    """A view of a storage, before the storage's bytes are there."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    axes = (shape, strides)
    plain = isinstance(storage, _Storage) and all(isinstance(sizes, tuple) for sizes in axes) and _natural(offset)
    if not plain or len(shape) != len(strides) or len(shape) > _MAX_AXES or not all(map(_natural, shape + strides)):
        raise DamagedFile("it holds a tensor without a storage, or whose sizes and strides are none")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.elements:
        raise DamagedFile(
            f"a tensor of shape {shape}, strides {strides} and offset {offset} reaches beyond its storage of "
            f"{storage.elements} elements"
        )
    if math.prod(shape) > max(storage.elements, 1):
        raise DamagedFile(f"a tensor of shape {shape} repeats the elements of its storage of {storage.elements}")
    return _Tensor(storage, offset, shape, strides)


def _ordered_dict(pairs: Any = ()) -> dict[str | int, Any]:
    if not isinstance(pairs, (list, tuple)):
        raise DamagedFile("it makes a dict of something that is no list of pairs")
    return plain_keys(pairs)


def _kind(name: str) -> Callable[..., Any]:
    """What stands for a class of storages: never called, only recognised by `_storage`."""

    def refuse(*_: Any) -> Any:
        raise DamagedFile(f"it calls torch.{name}Storage")

    return refuse


_STORAGES = {f"torch.{name}Storage": _kind(name) for name in _KINDS}
_KIND_OF = {function: _KINDS[name] for name, function in zip(_KINDS, _STORAGES.values(), strict=True)}
_GLOBALS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    **_STORAGES,
}


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _storage(identifier: Any) -> _Storage:
    """The storage that a persistent id, ("storage", class, key, device, elements), stands for."""
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise DamagedFile("it holds a persistent id that is no storage")
    _, kind, key, _, elements, *view = identifier
    kind = _KIND_OF.get(kind.function) if isinstance(kind, Global) else None
    if kind is None or not isinstance(key, str) or not _natural(elements):
        raise DamagedFile("it holds a storage without a type, a key or a size")
    if any(part is not None for part in view):
        raise DamagedFile("it holds a view of a storage, as only PyTorch before 0.4 wrote them")
    return _Storage(kind, key, elements)


def _byte_size(kind: str) -> int:
    return 2 if kind == "bfloat16" else np.dtype(kind).itemsize


def read_legacy(data: bytes) -> Any:
    """What a file in the legacy format holds, as dicts of arrays and other values."""
    file = io.BytesIO(data)
    if read_pickle(file, {}) != _MAGIC:
        raise DamagedFile("it is a pickle, but none of torch.save")
    if read_pickle(file, {}) != _VERSION:
        raise DamagedFile(f"its protocol version is not {_VERSION}")
    system = read_pickle(file, {})
    order = "little" if not isinstance(system, dict) or system.get("little_endian", True) else "big"
    used: dict[str, _Storage] = {}
    tree = read_pickle(file, _GLOBALS, lambda identifier: _used(used, _storage(identifier)))
    keys = read_pickle(file, {})
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(used):
        raise DamagedFile("its list of storages is not that of its tensors")
    arrays = {}
    place = file.tell()
    for key in keys:
        storage = used[key]
        start, place = place + 8, place + 8 + storage.elements * _byte_size(storage.kind)
        if place > len(data):
            raise DamagedFile(f"it is cut off: {len(data)} bytes, where storage {key} ends at {place}")
        if int.from_bytes(data[start - 8 : start], "little") != storage.elements:
            raise DamagedFile(f"storage {key} has not the {storage.elements} elements that its tensors need")
        arrays[key] = as_array(storage.kind, memoryview(data)[start:place], order)
    return _with_arrays(tree, arrays.__getitem__)


def read_zip(data: bytes) -> Any:
    """What a file in the zip format holds, as dicts of arrays and other values."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            packed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
            if packed:
                raise DamagedFile(f"its entry {packed[0]} is compressed, which PyTorch never does")
            roots = [name[: -len("data.pkl")] for name in entries if name.endswith("data.pkl")]
            if len(roots) != 1:
                raise DamagedFile("it holds no data.pkl, so that it is no file of torch.save")
            (root,) = roots
            order = archive.read(f"{root}byteorder").decode() if f"{root}byteorder" in entries else "little"
            used: dict[str, _Storage] = {}
            pickled = io.BytesIO(archive.read(f"{root}data.pkl"))
            tree = read_pickle(pickled, _GLOBALS, lambda identifier: _used(used, _storage(identifier)))
            arrays = {}
            for key, storage in used.items():
                raw = archive.read(f"{root}data/{key}")
                if len(raw) != storage.elements * _byte_size(storage.kind):
                    raise DamagedFile(f"storage {key} has {len(raw)} bytes for {storage.elements} {storage.kind}")
                arrays[key] = as_array(storage.kind, raw, order)
    except (zipfile.BadZipFile, KeyError, EOFError, UnicodeDecodeError, RuntimeError, NotImplementedError) as error:
        raise DamagedFile(f"it is cut off or damaged: {error}") from error
    return _with_arrays(tree, arrays.__getitem__)


def _used(used: dict[str, _Storage], storage: _Storage) -> _Storage:
    if used.setdefault(storage.key, storage) != storage:
        raise DamagedFile(f"storage {storage.key} has two types or sizes")
    return storage


def _with_arrays(tree: Any, storage: Callable[[str], np.ndarray], depth: int = 2) -> Any:
    """Tensors of the dict `tree`, and of dicts in it, as arrays; anything else as it is."""
    if isinstance(tree, _Tensor):
        return _array(tree, storage(tree.storage.key))
    if isinstance(tree, dict) and depth:
        return {key: _with_arrays(value, storage, depth - 1) for key, value in tree.items()}
    return tree


def _array(tensor: _Tensor, flat: np.ndarray) -> np.ndarray:
    strides = tuple(stride * flat.itemsize for stride in tensor.strides)
    start = flat[tensor.offset :] if math.prod(tensor.shape) else flat[:0]
    return np.lib.stride_tricks.as_strided(start, tensor.shape, strides, writeable=False)
