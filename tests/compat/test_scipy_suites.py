"""SciPy's own tests of the functions that fastconv stands in for, from the installed package."""

from __future__ import annotations

import host_suites
import pytest

scipy = pytest.importorskip("scipy", reason="scipy is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 17), reason="the tests of scipy 1.17 are the measure"
    ),
]

# Test -> why SciPy itself is at fault.
EXPECTED_FAILURES: dict[str, str] = {}

SUITES = {
    "signal": (
        ["--pyargs", "scipy.signal.tests.test_signaltools", "-k",
         "Convol or Correlat or AllFreq or choose_conv or correlation_lags or longdtype"],
        11_000,
    ),
    "ndimage": (["--pyargs", "scipy.ndimage.tests.test_filters"], 2_400),
}  # fmt: skip


@pytest.mark.parametrize("name", SUITES)
def test_suite(name, tmp_path):
    arguments, least = SUITES[name]
    outcome = host_suites.run(tmp_path, arguments, ["scipy.signal", "scipy.ndimage", "numpy"])
    assert outcome.failed == EXPECTED_FAILURES.keys() & outcome.failed, outcome.output
    assert len(outcome.passed) >= least
