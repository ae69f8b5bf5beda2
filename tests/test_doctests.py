"""Runs the examples of every docstring in the package, and asks public functions to have one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import fastconv

# Libraries that the benchmarks compare with: their adapters import them, and are left out where they are missing.
PEERS = ("autograd", "cv2", "keras", "mygrad", "ncnn", "numpy_ml", "onnx", "onnxruntime", "openvino", "torch")
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = [
    "fastconv",
    *sorted(
        info.name
        for info in pkgutil.walk_packages(fastconv.__path__, "fastconv.")
        if not info.name.endswith(("._engine", ".__main__"))
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name not in PEERS:
            raise
        pytest.skip(f"{missing.name} is not installed")
    result = doctest.testmod(module, optionflags=OPTIONS, raise_on_error=False)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name} fail; see the captured output"


def test_public_functions_have_an_example():
    functions = {name: getattr(fastconv, name) for name in fastconv.__all__}
    bare = [
        name
        for name, function in functions.items()
        if callable(function) and not isinstance(function, type) and ">>>" not in (function.__doc__ or "")
    ]
    assert not bare
