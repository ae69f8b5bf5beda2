"""The C tests of the engine: natively, and cross-compiled for aarch64 under an emulator so that NEON runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EMULATED = "4"  # every fourth row of the convolution cases: an emulator is some twenty times slower
GROUPS = ("arguments", "conv", "lanes", "winograd", "pool", "ops", "threads")


def need(*programs):
    """Paths of the programs, or skip the test."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def build(folder, **variables):
    """Compile the tests with make; the path of the program."""
    words = [f"{name}={value}" for name, value in variables.items()]
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", str(HERE), f"OUT={folder}", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def passes(command, **environment):
    """Run a program of C tests and show what it printed if it fails."""
    env = {**os.environ, **environment}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert ", 0 failed" in done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    need("make", "cc")
    return build(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory):
    need("make", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ar", "qemu-aarch64")
    tools = {"CC": "aarch64-linux-gnu-gcc", "AR": "aarch64-linux-gnu-ar", "ARCH": "aarch64", "LDFLAGS": "-static"}
    return build(tmp_path_factory.mktemp("aarch64"), **tools)


@pytest.mark.parametrize("group", GROUPS)
def test_native(native, group):
    assert "scalar" in passes([native, group])


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_aarch64_under_emulation(aarch64, group):
    assert "neon" in passes(["qemu-aarch64", aarch64, group], FASTCONV_TEST_EVERY=EMULATED)


def test_serial_build_gives_the_same_answers(tmp_path):
    need("make", "cc")
    assert "scalar" in passes([build(tmp_path, OPENMP="", CFLAGS="-O1"), "arguments", "ops"])


def test_unknown_group_is_refused(native):
    done = subprocess.run([str(native), "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
