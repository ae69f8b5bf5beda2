"""The package is built the ways people build it: sdist, wheel, editable; without OpenMP; without a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
FOLDERS = ("benchmarks", "csrc", "src")
# Bytes; the goal of 4 MB is missed (docs/performance.md).
WHEEL_LIMIT = 5_000_000
SMALL_CONV = """
import numpy as np, fastconv
y = fastconv.conv2d(np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float32), padding=1, num_threads=2)
assert y[0, 0, 1, 1] == 18 and y[0, 0, 0, 0] == 8
print(fastconv.__file__)
"""

pytestmark = pytest.mark.slow


def run(*command, cwd=None, **environment):
    """Run a command with this interpreter's environment less the path to the tree."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FASTCONV_ISA", "LD_PRELOAD")}
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, env={**env, **environment})


def require_index(done):
    """Skip where an isolated build could not fetch what it builds with."""
    printed = done.stdout + done.stderr
    if done.returncode and ("No matching distribution found" in printed or "NewConnectionError" in printed):
        pytest.skip("needs a package index for isolated builds")
    assert done.returncode == 0, printed[-6000:]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Copy of what a build needs, without anything already built."""
    root = tmp_path_factory.mktemp("tree") / "fastconv"
    root.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, root)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info"))
    return root


@pytest.fixture(scope="module")
def dist(tree, tmp_path_factory):
    """An sdist, and a wheel built from that sdist, each in an isolated environment."""
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    require_index(run(sys.executable, "-m", "build", "--outdir", out, tree))
    return out


def test_sdist_holds_the_sources(dist):
    [sdist] = dist.glob("fastconv-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    sources = {
        str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*") if path.suffix in (".c", ".h", ".inc")
    }
    assert sources <= names
    assert {
        "setup.py",
        "LICENSE",
        "csrc/flags.txt",
        "csrc/isas.txt",
        "csrc/Makefile",
        "src/fastconv/_engine.pyx",
        "src/fastconv/_engine_conv.pxi",
    } <= names
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc"))]


def test_wheel_holds_the_package_and_no_sources(dist):
    [wheel] = dist.glob("fastconv-*.whl")
    assert wheel.stat().st_size < WHEEL_LIMIT
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        fields = archive.read(metadata).decode()
        [points] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        assert "fastconv = fastconv.cli:main" in archive.read(points).decode()
    engines = [name for name in names if name.startswith("fastconv/_engine") and name.endswith((".so", ".pyd"))]
    assert len(engines) == 1
    sample = [name for name in names if name.startswith("fastconv/data/sample/")]
    assert any("LICENSE" in name for name in sample) and any("images" in name for name in sample)
    assert "fastconv/py.typed" in names
    assert {"fastconv/benchmarks/__main__.py", "fastconv/benchmarks/shapes/peers.txt"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".c", ".h", ".pyx", ".pxd")) or name.startswith("tests")]
    assert "License-Expression: BSD-3-Clause" in fields
    required = [line for line in fields.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert [line.split()[1].split(">")[0] for line in required] == ["numpy"]


def test_wheel_works_where_it_is_unpacked(dist, tmp_path):
    [wheel] = dist.glob("fastconv-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = run(sys.executable, "-c", SMALL_CONV, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout


def test_editable_install(tree, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy)
    home = tmp_path / "venv"
    assert run(sys.executable, "-m", "venv", home).returncode == 0
    python = home / "bin" / "python"
    require_index(run(python, "-m", "pip", "install", "-q", "--no-input", "-e", copy))
    done = run(python, "-c", SMALL_CONV, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(copy / "src") in done.stdout


@pytest.fixture
def build_here(tree, tmp_path):
    """Runs setup.py in a copy of the tree with the build requirements of this environment."""
    pytest.importorskip("setuptools")
    pytest.importorskip("Cython")
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy)

    def build(**environment):
        done = run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", cwd=copy, **environment)
        return copy, done

    return build


def test_without_a_compiler_the_build_says_what_to_install(build_here):
    copy, done = build_here(CC="no-such-compiler")
    assert done.returncode != 0
    assert "no-such-compiler" in done.stderr and "build-essential" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((copy / "src" / "fastconv").glob("*.so"))


def test_poor_compiler_gives_a_serial_engine_without_that_isa(build_here, tmp_path):
    poor = tmp_path / "poor-cc"
    poor.write_text('#!/bin/sh\ncase " $* " in *" -fopenmp "*|*" -mavx512f "*) exit 1;; esac\nexec cc "$@"\n')
    poor.chmod(0o755)
    copy, done = build_here(CC=str(poor), LDSHARED=f"{poor} -shared", FASTCONV_CFLAGS="-O0")
    assert done.returncode == 0, done.stderr
    assert "no OpenMP: building serial" in done.stdout
    code = f"{SMALL_CONV}\nfrom fastconv import _engine\nprint(_engine.isa_names(), _engine.cpu_info())"
    done = run(sys.executable, "-c", code, PYTHONPATH=str(copy / "src"))
    assert done.returncode == 0, done.stderr
    assert str(copy) in done.stdout
    assert "avx512" not in done.stdout and "'openmp': 0" in done.stdout
