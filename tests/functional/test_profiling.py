"""profile and FASTCONV_VERBOSE: every execution is seen once, from every thread, with figures that fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastconv
from fastconv import _engine
from fastconv.functional import _peaks

X = np.random.default_rng(0).standard_normal((2, 6, 14, 15)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((8, 6, 3, 3)).astype(np.float32)


def test_every_kind_of_call():
    op = fastconv.prepare_conv2d(X.shape, W, padding=1)
    with fastconv.profile() as seen:
        y = fastconv.conv2d(X, W, padding=1, num_threads=1)
        op(X)
        fastconv.conv2d_backward(y, X, W, padding=1)
        fastconv.conv_transpose2d(X, np.ones((6, 4, 2, 2), np.float32), stride=2)
        fastconv.max_pool2d(y, 2)
        fastconv.avg_pool1d(X[0].astype(np.float64), 3, layout="NWC")
        fastconv.relu(y)
    names = [(record.operation, record.pass_name, record.prepared) for record in seen.records]
    assert names == [
        ("conv2d", "forward", False),
        ("conv2d", "forward", True),
        ("conv2d", "backward_data", False),
        ("conv2d", "backward_weights", False),
        ("conv_transpose2d", "forward", False),
        ("max_pool2d", "forward", False),
        ("avg_pool1d", "forward", False),
    ]
    first, *_, transposed, pooled, last = seen.records
    assert (first.x_shape, first.weight_shape, first.y_shape) == (X.shape, W.shape, y.shape)
    assert (first.dtype, first.layout, first.isa, first.threads) == ("float32", "NCHW", _engine.isa(), 1)
    assert first.algorithm == fastconv.explain_conv2d(X.shape, W.shape, padding=1).algorithm
    assert seen.records[1].algorithm == op.algorithm
    assert all(record.flops == 2 * y.size * 54 for record in seen.records[:4])
    assert transposed.flops == 2 * X.size * 4 * 4
    assert first.moved_bytes == X.nbytes + W.nbytes + y.nbytes
    assert pooled.flops == 0 and pooled.y_shape == (2, 8, 7, 7) and pooled.moved_bytes == y.nbytes + 4 * 784
    assert last.layout == "NWC" and last.dtype == "float64" and last.y_shape == (6, 4, 15)
    assert all(record.seconds > 0 for record in seen.records)


def test_rates_totals_and_table():
    with fastconv.profile() as seen:
        for _ in range(3):
            fastconv.max_pool2d(fastconv.conv2d(X, W), 2)
    record = seen.records[0]
    assert record.gflops == pytest.approx(1e-9 * record.flops / record.seconds)
    peak = _peaks.peak_gflops(np.dtype(np.float32), record.threads)
    assert record.percent_of_peak == pytest.approx(100 * record.gflops / peak)
    assert seen.records[1].percent_of_peak > 0
    totals = seen.totals()
    assert sum(row["calls"] for row in totals.values()) == 6 and set(totals) == {record.algorithm, "pool"}
    assert sum(row["seconds"] for row in totals.values()) == pytest.approx(seen.seconds)
    text = str(seen)
    assert text == seen.table() and text.count("conv2d forward") == 3 and "total of" in text and "GB/s" in text
    plain = json.loads(json.dumps(seen.to_dict()))
    assert plain["records"][0]["percent_of_peak"] > 0 and plain["totals"]["pool"]["calls"] == 3
    assert str(record).startswith("conv2d forward") and "\n" not in str(record)


def test_an_empty_profile():
    with fastconv.profile() as seen:
        pass
    assert seen.records == [] and seen.totals() == {} and seen.seconds == 0
    assert "call" in str(seen)


def test_nothing_is_recorded_outside_and_after_an_error():
    with pytest.raises(RuntimeError), fastconv.profile() as seen:
        fastconv.conv2d(X, W)
        raise RuntimeError
    fastconv.conv2d(X, W)
    assert len(seen.records) == 1


def test_profiles_may_be_nested_and_other_threads_are_seen():
    with fastconv.profile() as outer:
        fastconv.conv2d(X, W)
        with fastconv.profile() as inner:
            threads = [threading.Thread(target=fastconv.conv2d, args=(X, W)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert len(inner.records) == 4 and len(outer.records) == 5


def test_the_bits_are_the_same():
    wanted = fastconv.conv2d(X, W).tobytes()
    with fastconv.profile():
        assert fastconv.conv2d(X, W).tobytes() == wanted


def test_peaks_are_measured_once_and_for_the_active_isa(isa, monkeypatch):
    monkeypatch.setattr(_peaks, "_measured", {})
    measured = []
    real = _engine.measure_multiply_adds
    monkeypatch.setattr(_engine, "measure_multiply_adds", lambda *a: measured.append(a) or real(*a))
    dtype = np.dtype(np.float32)
    assert _peaks.peak_gflops(dtype, 1) == _peaks.peak_gflops(dtype, 1, isa) > 0 and len(measured) == 1
    assert _peaks.peak_gflops(dtype, 1, "another") is None


def python(code, **environment):
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)


CALLS = """
import numpy as np, fastconv
y = fastconv.conv2d(np.ones((1, 2, 8, 8), np.float32), np.ones((3, 2, 3, 3), np.float32))
fastconv.max_pool2d(y, 2)
"""


def test_verbose_prints_a_line_per_call_on_stderr():
    done = python(CALLS, FASTCONV_VERBOSE="1")
    assert done.returncode == 0 and done.stdout == ""
    first, second = done.stderr.splitlines()
    for word in (
        "fastconv: conv2d forward",
        "1x2x8x8 * 3x2x3x3 -> 1x3x6x6",
        "float32 NCHW",
        " ms",
        "GFLOP/s",
        "of peak",
    ):
        assert word in first
    assert second.startswith("fastconv: max_pool2d forward") and "GB/s" in second


@pytest.mark.parametrize("value", ["", "0"])
def test_verbose_is_off(value):
    done = python(CALLS, FASTCONV_VERBOSE=value)
    assert done.returncode == 0 and done.stderr == ""


def test_verbose_survives_a_closed_stderr():
    assert python("import sys; sys.stderr.close()\n" + CALLS, FASTCONV_VERBOSE="1").returncode == 0


def test_an_unknown_value_is_refused():
    done = python("import fastconv", FASTCONV_VERBOSE="loud")
    assert done.returncode != 0 and "FASTCONV_VERBOSE (='loud')" in done.stderr.splitlines()[-1]


def test_nothing_is_measured_at_import():
    code = "import fastconv; from fastconv.functional import _peaks; assert not _peaks._measured"
    assert python(code, FASTCONV_VERBOSE="1").returncode == 0
