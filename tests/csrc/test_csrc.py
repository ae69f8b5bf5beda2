"""The C tests of the engine: natively, and cross-compiled for aarch64 under an emulator so that NEON runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import package_build
import pytest
from conftest import ISAS

from fastconv import _engine

HERE = Path(__file__).parent
PARTS = 2  # processes that share the table of convolutions
EMULATED = 48  # every 48th row of it under an emulator, which is some twenty times slower
GROUPS = (
    "arguments", "lanes", "winograd", "pool", "batch_norm", "ops", "scale_shift", "local_response", "lines",
    "integers", "quantized", "threads",
)  # fmt: skip
NEON_GROUPS = [group for group in GROUPS if group != "batch_norm"]  # scale_shift has its kernels


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


def passes(command):
    """Run a program of C tests and show what it printed if it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert ", 0 failed" in done.stdout
    return done.stdout


def run_conv(command, every):
    """Every n-th row of the table of convolutions, shared out among processes; runs of each algorithm."""
    parts = []
    for first in range(PARTS):
        env = {**os.environ, "FASTCONV_TEST_EVERY": str(every * PARTS), "FASTCONV_TEST_FIRST": str(first * every)}
        words = [*map(str, command), "conv"]
        parts.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env))
    found = {}
    for printed, part in [(part.communicate()[0], part) for part in parts]:
        assert part.returncode == 0 and ", 0 failed" in printed, printed[-8000:]
        for name, runs in re.findall(r"^(\w+): (\d+) runs$", printed, re.MULTILINE):
            found[name] = found.get(name, 0) + int(runs)
    return found


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """With the instruction sets of this CPU only: the others would not run."""
    need("make", "cc")
    return build(tmp_path_factory.mktemp("native"), ISAS=" ".join(ISAS), CC=package_build.compiler())


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory):
    need("make", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ar", "qemu-aarch64")
    tools = {"CC": "aarch64-linux-gnu-gcc", "AR": "aarch64-linux-gnu-ar", "ARCH": "aarch64", "LDFLAGS": "-static"}
    return build(tmp_path_factory.mktemp("aarch64"), **tools)


@pytest.fixture(scope="module")
def emulated(aarch64):
    """The groups, running: as many at a time as share the table of convolutions. Each test waits for its own."""
    with ThreadPoolExecutor(PARTS) as pool:
        yield {group: pool.submit(passes, ["qemu-aarch64", aarch64, group]) for group in NEON_GROUPS}


@pytest.mark.parametrize("group", GROUPS)
def test_native(native, group):
    assert "scalar" in passes([native, group])


def test_native_conv(native):
    runs = run_conv([native], 1)
    assert list(runs) == _engine.conv_algorithms()
    assert all(runs.values()), "no case of the table runs this algorithm"


@pytest.mark.slow
@pytest.mark.parametrize("group", NEON_GROUPS)
def test_aarch64_under_emulation(emulated, group):
    assert "neon" in emulated[group].result()


@pytest.mark.slow
def test_aarch64_conv_under_emulation(aarch64):
    assert any(run_conv(["qemu-aarch64", aarch64], EMULATED).values())


def test_serial_build_gives_the_same_answers(tmp_path):
    need("make", "cc")
    assert "scalar" in passes([build(tmp_path, OPENMP="", CFLAGS="-O0", ISAS="scalar"), "arguments", "ops"])


def test_unknown_group_is_refused(native):
    done = subprocess.run([str(native), "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
