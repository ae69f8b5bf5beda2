"""Keras imports JAX for its NumPy backend; this lets it do so where JAX is not installed.

While Keras' own backend modules are executed, and at no other time, ``import jax`` finds stand-ins whose every use is
an error that names what is missing. They are never seen where JAX is installed, nor by any other module.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["importable_without_jax"]

_BACKEND = "keras.src.backend.numpy."


class _Absent(ModuleType):
    """A module that is not there; asking it for anything but what the import system asks for is an error."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(
            f"Keras' NumPy backend asks for {self.__name__}.{name}, which fastconv.compat.keras does not stand in for: "
            "pip install jax",
            name="jax",
        )


def _transform(x: tuple[np.ndarray, np.ndarray], transform: Any) -> tuple[np.ndarray, np.ndarray]:
    real, imaginary = x
    y = transform(real + 1j * imaginary)
    return y.real.astype(real.dtype), y.imag.astype(real.dtype)


def _stand_ins() -> dict[str, ModuleType]:
    """The names that Keras' NumPy backend imports: jax and jax.lax, and two transforms from Keras' JAX backend."""
    jax, lax, backend = _Absent("jax"), _Absent("jax.lax"), _Absent("keras.src.backend.jax")
    math = _Absent("keras.src.backend.jax.math")
    vars(jax).update(lax=lax)
    vars(math).update(fft=lambda x: _transform(x, np.fft.fft), fft2=lambda x: _transform(x, np.fft.fft2))
    return {module.__name__: module for module in (jax, lax, backend, math)}


class _Loader(importlib.abc.Loader):
    """Executes a module with the stand-ins in place."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        stand_ins = {name: stand_in for name, stand_in in _stand_ins().items() if name not in sys.modules}
        sys.modules.update(stand_ins)
        try:
            self.loader.exec_module(module)
        finally:
            for name, stand_in in stand_ins.items():
                if sys.modules.get(name) is stand_in:
                    del sys.modules[name]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of Keras' NumPy backend as they would be found anyway, to execute them by `_Loader`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(_BACKEND):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


@contextmanager
def importable_without_jax() -> Iterator[None]:
    """Within this block Keras can be imported without JAX; nothing is done where JAX is installed."""
    if importlib.util.find_spec("jax") is not None:
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
