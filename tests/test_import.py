"""What `import fastconv` loads and says, each time in an interpreter of its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest

import fastconv
from fastconv import _engine


def python(code, **environment):
    """Run code in a new interpreter that finds the same fastconv."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)


def test_import_loads_numpy_and_nothing_else():
    code = """
import json, sys
import numpy
before = set(sys.modules)
import fastconv
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""
    done = python(code, FASTCONV_ISA="")
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout)) - set(sys.stdlib_module_names)
    loaded = {name for name in loaded if not name.startswith(("_cython_", "cython_runtime"))}
    assert loaded <= {"fastconv", "numpy"}


def test_rooms_above_functional_load_when_they_are_asked_for():
    code = """
import sys
import fastconv
assert not [name for name in sys.modules if name.startswith(("fastconv.nn", "fastconv.data", "fastconv.cli"))]
print(fastconv.nn.Sequential.__name__, fastconv.data.load.__name__)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Sequential", "load"]


@pytest.mark.parametrize("name", [name for name in _engine.isa_names() if _engine.isa_supported(name)])
def test_environment_forces_the_isa(name):
    done = python("from fastconv import _engine; print(_engine.isa())", FASTCONV_ISA=name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == name


def test_unknown_isa_is_refused_at_import():
    done = python("import fastconv", FASTCONV_ISA="mmx")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "FASTCONV_ISA" in last and "mmx" in last
    usable = [name for name in _engine.isa_names() if _engine.isa_supported(name)]
    assert all(name in last for name in usable), "the message does not say what is possible"


def test_thread_environment_is_heard():
    done = python("import fastconv; print(fastconv.get_num_threads())", OMP_NUM_THREADS="1")
    assert done.stdout.strip() == "1", done.stderr


def test_every_public_name_exists():
    missing = [name for name in fastconv.__all__ if not hasattr(fastconv, name)]
    assert not missing
    assert fastconv.__version__ == _engine.version()


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="conv9d"):
        fastconv.conv9d  # noqa: B018


def test_nothing_above_functional_touches_the_engine():
    root = os.path.dirname(fastconv.__file__)
    offenders = []
    for room in ("nn", "data", "reference", "cli", "onnx", "plot"):
        for folder, _, files in os.walk(os.path.join(root, room)):
            offenders += [os.path.join(folder, file) for file in files if _mentions_engine(os.path.join(folder, file))]
    assert not offenders


def _mentions_engine(path):
    if not path.endswith(".py"):
        return False
    with open(path, encoding="utf-8") as file:
        return "_engine" in file.read()


def test_package_is_typed():
    assert os.path.exists(os.path.join(os.path.dirname(fastconv.__file__), "py.typed"))
    assert importlib.import_module("fastconv.functional").__all__
