"""autograd's own tests of convolve and its convolutional network, from its source distribution, on fastconv."""

from __future__ import annotations

import gzip
import os
import re
import shutil

import data_files
import numpy as np
import pytest

pytest.importorskip("autograd", reason="autograd is not installed")

from importlib.metadata import version

from host_runs import python, source_of

from fastconv import data

pytestmark = pytest.mark.slow

IN_PLACE = """
import autograd.scipy.signal
import fastconv.compat.autograd
autograd.scipy.signal.convolve = fastconv.compat.autograd.convolve
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return source_of("autograd", version("autograd"), tmp_path_factory.mktemp("autograd"))


def test_the_hosts_tests_of_convolve(source, tmp_path):
    pytest.importorskip("scipy", reason="scipy is not installed")
    (tmp_path / "in_place.py").write_text(IN_PLACE)
    done = python(
        "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", source, "-p", "in_place", "-k", "convolve",
        "test_scipy.py", cwd=source / "tests", path=[tmp_path],
    )  # fmt: skip
    assert re.search(r"\b5 passed", done.stdout) and done.returncode == 0, done.stdout + done.stderr


def test_the_convolutional_network_learns_with_one_line_changed(source, tmp_path):
    """examples/convnet.py to its end, on pictures of Fashion-MNIST under the file names of MNIST."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split, stems in data_files.IDX_STEMS.items():
        part = data.load("fashion-mnist-sample", split)
        for stem, array in zip(stems, (part.images[:1000, 0], part.labels[:1000]), strict=True):
            (folder / f"{stem}.gz").write_bytes(gzip.compress(data_files.idx_bytes(array.astype(np.uint8))))
    script = (source / "examples" / "convnet.py").read_text()
    old, new = "convolve = autograd.scipy.signal.convolve\n", "from fastconv.compat.autograd import convolve\n"
    assert script.count(old) == 1
    (tmp_path / "convnet.py").write_text(script.replace(old, new))
    shutil.copy(source / "examples" / "data_mnist.py", tmp_path)
    done = python("convnet.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    epochs = re.findall(r"(\d+)\|\s*([\d.]+)\|\s*([\d.]+)", done.stdout)
    assert len(epochs) == 50
    assert float(epochs[-1][1]) < 0.35 and float(epochs[-1][2]) < 0.5, epochs[-1]
