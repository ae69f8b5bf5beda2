"""What the adapters of SciPy take beside picture and result is a few megabytes, however large the picture is."""

from __future__ import annotations

from pathlib import Path

import bench_memory
import pytest

pytest.importorskip("scipy", reason="scipy is not installed")

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="a process is told its peak of memory on Linux only"
)
SIZE = 4096
COMPLEX_SIZE = 2048
MOST = 32e6
SOME = {"signal.convolve 3x3", "ndimage.convolve 3x3", "minimum_filter 15 wrap", "gaussian_filter 2"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    found = {}
    for dtype in ("uint8", ">i2"):
        found[dtype] = str(tmp_path_factory.mktemp("pictures") / "picture")
        bench_memory.picture(found[dtype], dtype, SIZE)
    found["complex64"] = str(tmp_path_factory.mktemp("pictures") / "picture")
    bench_memory.picture(found["complex64"], "complex64", COMPLEX_SIZE)
    return found


@pytest.mark.parametrize("name", bench_memory.CALLS)
def test_bytes(pictures, name):
    assert bench_memory.measure(name, True, pictures["uint8"], "uint8", SIZE)["scratch"] < MOST


@pytest.mark.parametrize("name", sorted(SOME))
def test_integers_of_the_other_byte_order(pictures, name):
    assert bench_memory.measure(name, True, pictures[">i2"], ">i2", SIZE)["scratch"] < MOST


@pytest.mark.parametrize("name", [name for name in bench_memory.CALLS if "convolve" in name and "ndimage" not in name])
def test_complex_numbers(pictures, name):
    assert bench_memory.measure(name, True, pictures["complex64"], "complex64", COMPLEX_SIZE)["scratch"] < MOST
