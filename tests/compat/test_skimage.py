"""scikit-image on fastconv, through scipy.ndimage and scipy.signal: the same pictures, and its own tests.

Its wheels hold no tests: FASTCONV_SKIMAGE_TESTS names the folder `tests` of its source at the installed version's tag.
"""

from __future__ import annotations

import os

import host_suites
import numpy as np
import pytest

pytest.importorskip("skimage", reason="scikit-image is not installed")

from skimage import feature, filters  # noqa: E402

from fastconv import compat  # noqa: E402

TESTS = os.environ.get("FASTCONV_SKIMAGE_TESTS", "")
FOLDERS = (
    "exposure", "feature", "filters", "graph", "measure", "metrics", "morphology", "registration", "restoration",
    "segmentation", "transform", "util",
)  # fmt: skip
PICTURE = np.random.default_rng(0).random((200, 230), dtype=np.float32)
CALLS = {
    "gaussian": lambda: filters.gaussian(PICTURE, 2),
    "sobel": lambda: filters.sobel(PICTURE),
    "unsharp_mask": lambda: filters.unsharp_mask(PICTURE, 3),
    "match_template": lambda: feature.match_template(PICTURE, PICTURE[20:41, 30:51]),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_picture(name):
    wanted = CALLS[name]()
    with compat.use("scipy.ndimage", "scipy.signal"):
        got = CALLS[name]()
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5)


@pytest.mark.slow
@pytest.mark.skipif(not TESTS, reason="FASTCONV_SKIMAGE_TESTS names no scikit-image tests")
def test_what_passes_without_passes_with_it(tmp_path):
    root = os.path.join(TESTS, "skimage")
    arguments = [os.path.join(root, name) for name in FOLDERS]
    # Settings beside the tests ask for plugins, stop early and make errors of newer versions' warnings.
    arguments += ["-o", "addopts=", "-o", "filterwarnings=", f"--confcutdir={root}", "--import-mode=importlib"]
    without = host_suites.run(tmp_path, arguments)
    outcome = host_suites.run(tmp_path, arguments, ["scipy.ndimage", "scipy.signal", "numpy"])
    assert len(without.passed) > 4000, without.output
    assert not outcome.failed & without.passed, outcome.output
    assert outcome.passed >= without.passed
