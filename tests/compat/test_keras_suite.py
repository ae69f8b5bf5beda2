"""Keras' own tests of convolutions and pools, as installed, on the NumPy backend with fastconv."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from host_runs import python

pytestmark = pytest.mark.slow

# Files below keras/src, and the least number of tests that pass there. Nothing is expected to fail: tests that train
# carry a mark that Keras' own conftest skips on the NumPy backend, and that is left out here likewise.
SUITES = {
    "ops/nn_test.py": 120,
    "layers/convolutional": 120,
    "layers/pooling": 120,
}


@pytest.mark.parametrize("suite", SUITES)
def test_the_hosts_tests(suite, tmp_path):
    found = importlib.util.find_spec("keras")
    if found is None:
        pytest.skip("keras is not installed")
    tests = Path(found.origin).parent / "src" / suite
    if not tests.exists():
        pytest.skip(f"the installed keras has no {suite}")
    (tmp_path / "in_place.py").write_text("import fastconv.compat.keras\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    requires_trainable_backend: trains\n")
    done = python(
        "-m", "pytest", "-q", "-p", "in_place", "-p", "no:cacheprovider", "-c", tmp_path / "pytest.ini", "--rootdir",
        tmp_path, "-m", "not requires_trainable_backend", "-k", "conv or pool", tests,
        cwd=tmp_path, path=[tmp_path], KERAS_BACKEND="numpy",
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0 and passed and int(passed[1]) >= SUITES[suite], done.stdout[-5000:] + done.stderr
