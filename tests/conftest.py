"""Fixtures of all tests: one instruction set after the other, hypothesis without deadlines.

With FASTCONV_CI=1 a skipped test fails the run unless its reason has a phrase of MAY_MISS. FASTCONV_TEST_EVERY=n runs
every n-th test only (under sanitizers, where all take too long)."""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest

import fastconv
from fastconv import _engine

# The tests are about the engine's own choices, here and in the processes they start.
os.environ["FASTCONV_TUNE"] = "0"

# A shell lets what it starts in the background ignore Ctrl-C, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("fastconv", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("fastconv")

# Libraries that fastconv is only compared with, too large for every run; and what a superuser cannot be refused.
MAY_MISS = (
    "torch", "ncnn", "onnx", "onnxruntime", "openvino",
    "autograd", "keras", "jax", "mygrad", "numpy_ml", "scikit-image",
    "root may write",
)  # fmt: skip

ISAS = [name for name in _engine.isa_names() if _engine.isa_supported(name)]


@pytest.fixture(params=[os.environ["FASTCONV_ISA"]] if os.environ.get("FASTCONV_ISA") else ISAS)
def isa(request):
    """Run the test once with every instruction set that this CPU has, or with the one that is forced."""
    before = _engine.isa()
    _engine.set_isa(request.param)
    yield request.param
    _engine.set_isa(before)


@pytest.fixture
def keep_threads():
    """Put the default number of threads back after the test."""
    before = fastconv.get_num_threads()
    yield before
    fastconv.set_num_threads(before)


def pytest_collection_modifyitems(items):
    """Keep every n-th test."""
    items[:] = items[:: int(os.environ.get("FASTCONV_TEST_EVERY", "1"))]


def pytest_sessionfinish(session):
    """Turn skips that continuous integration must not have into a failure of the run."""
    if os.environ.get("FASTCONV_CI") != "1":
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = {(report.nodeid, str(report.longrepr[2])) for report in terminal.stats.get("skipped", [])}
    forbidden = sorted(pair for pair in skipped if not any(name in pair[1] for name in MAY_MISS))
    for test, reason in forbidden:
        terminal.write_line(f"must run here, but was skipped: {test}: {reason}", red=True)
    if forbidden:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
