"""The choice of instruction set and algorithm: what is forced is used, what is unknown is refused, nothing is dead."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from calls import NEEDS, TYPES
from cases import CONV_CASES
from conftest import ISAS

import fastconv
from fastconv import _engine


def python(code, **environment):
    environment = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)


REPORT = """
import fastconv, numpy as np
x = np.random.default_rng(0).standard_normal((1, 5, 9, 9)).astype(np.float32)
w = np.random.default_rng(1).standard_normal((4, 5, 3, 3)).astype(np.float32)
print(fastconv.info()["isa"], fastconv.conv2d(x, w, num_threads=1).tobytes().hex())
"""


@pytest.mark.parametrize("name", ISAS)
def test_forced_isa_is_used(name):
    """It is reported, and its bits are those of the same instruction set chosen here."""
    done = python(REPORT, FASTCONV_ISA=name)
    assert done.returncode == 0, done.stderr
    reported, bits = done.stdout.split()
    assert reported == name
    before = _engine.isa()
    try:
        _engine.set_isa(name)
        x = np.random.default_rng(0).standard_normal((1, 5, 9, 9)).astype(np.float32)
        w = np.random.default_rng(1).standard_normal((4, 5, 3, 3)).astype(np.float32)
        assert fastconv.conv2d(x, w, num_threads=1).tobytes().hex() == bits
    finally:
        _engine.set_isa(before)


def test_instruction_sets_differ_in_their_bits():
    """With fused multiply-adds sums round differently: proof that another kernel ran."""
    fused = {"avx2", "avx512", "neon"} & set(ISAS)
    plain = {"scalar", "sse2"} & set(ISAS)
    if not fused or not plain:
        pytest.skip("this CPU has one kind only")
    before = _engine.isa()
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((1, 16, 12, 12), (8, 16, 3, 3)))
    bits = {}
    try:
        for name in ISAS:
            _engine.set_isa(name)
            bits[name] = fastconv.conv2d(x, w, algorithm="direct").tobytes()
    finally:
        _engine.set_isa(before)
    assert all(bits[a] != bits[b] for a in fused for b in plain)


@pytest.mark.parametrize("value", ["nonsense", "AVX99", " "])
def test_unknown_isa_is_an_error_at_import(value):
    done = python("import fastconv", FASTCONV_ISA=value)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "FASTCONV_ISA" in last and value in last
    assert all(name in last for name in ISAS), last


def test_unsupported_isa_is_an_error_at_import():
    missing = [name for name in _engine.isa_names() if name not in ISAS] or ["neon", "avx2"]
    foreign = [name for name in missing if name not in ISAS]
    done = python("import fastconv", FASTCONV_ISA=foreign[0])
    assert done.returncode != 0
    assert "FASTCONV_ISA" in done.stderr.strip().splitlines()[-1]


def test_empty_value_means_the_best():
    done = python(REPORT, FASTCONV_ISA="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == ISAS[-1]


def test_scalar_is_everywhere():
    assert _engine.isa_names()[0] == "scalar" and "scalar" in ISAS


# What each algorithm must at least take, per pass; the reference takes everything and stands last.
EVERYTHING = {case.id for case in CONV_CASES if case.n}
DIRECT = {"first-layer", "lenet-c1", "lenet-c3", "3x3", "strided", "dilated", "grouped", "3d", "1d", "border-wrap"}
POINTWISE = {"pointwise", "large-pointwise", "grouped-pointwise", "3d-pointwise", "pointwise-31-33"}
WINOGRAD = {"3x3", "3x3-valid", "dilated", "grouped", "border-wrap", "large-3x3", "large-one-image"}
MANY_CHANNELS = {"large-flat-rows", "large-small-maps", "large-tiles-of-six", "few-tiles-many-channels"}
DEPTHWISE = {"depthwise", "depthwise-strided", "depthwise-dilated", "large-depthwise", "1d-depthwise", "3d-depthwise"}
FFT = {"signal-65", "signals-513", "image-15x15", "image-31x31", "volume-7x7x7", "large-7x7", "3x3", "grouped"}
STENCIL = {"depthwise", "depthwise-dilated", "1d-depthwise", "3d-depthwise", "single-channel", "image-7x7"}
SERVES = {
    "reference": {"forward": EVERYTHING, "backward_data": EVERYTHING, "backward_weights": EVERYTHING},
    "blocked": {"forward": EVERYTHING, "backward_data": EVERYTHING},
    "direct": {"forward": DIRECT, "backward_data": DIRECT, "backward_weights": DIRECT | POINTWISE | DEPTHWISE},
    "panels": {"backward_weights": DIRECT | POINTWISE | DEPTHWISE},
    "scatter": {"backward_data": EVERYTHING},
    "winograd2": {"forward": WINOGRAD | {"3d-one-depth"}, "backward_data": WINOGRAD},
    "winograd4": {
        "forward": WINOGRAD | {"1d", "1x3", "5x5", "3x1", "3d-one-depth"},
        "backward_data": WINOGRAD | {"1d", "5x5"},
    },
    "winograd6": {"forward": MANY_CHANNELS, "backward_data": MANY_CHANNELS},
    "winograd_weights": {
        "backward_weights": WINOGRAD - {"dilated"}
        | {"1d", "1x3", "3x1", "5x5-many-tiles", "3d-one-depth", "large-tiles"}
    },
    "pointwise": {"forward": POINTWISE | {"pointwise-strided"}, "backward_data": POINTWISE},
    "fft": {"forward": FFT, "backward_data": FFT},
    "stencil": {"forward": STENCIL, "backward_data": STENCIL | {"depthwise-strided"}},
    "depthwise": {
        "forward": DEPTHWISE | {"depthwise-multiplier"},
        "backward_data": DEPTHWISE,
        "backward_weights": {
            "depthwise",
            "depthwise-strided",
            "depthwise-dilated",
            "large-depthwise",
            "depthwise-multiplier",
        },
    },
}


def serves(algorithm, case, pass_name, dtype):
    report = getattr(fastconv, f"explain_conv{case.rank}d")(
        case.x_shape, case.weight_shape, **case.options, **NEEDS.get(algorithm, {}), dtype=dtype, pass_name=pass_name
    )
    return {row.name: row.status for row in report.candidates}[algorithm] == "ok"


def test_asking_for_an_algorithm_that_does_not_fit_is_an_error():
    """A 3x3 filter is no 1x1 path's business."""
    with pytest.raises(ValueError, match=r"algorithm \(='pointwise'\) does not take this convolution"):
        fastconv.conv2d(np.zeros((1, 2, 5, 5)), np.zeros((1, 2, 3, 3)), algorithm="pointwise")


def test_reference_is_last_and_every_row_is_in_the_table():
    assert _engine.conv_algorithms()[-1] == "reference"
    assert set(_engine.conv_algorithms()) == set(SERVES)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("algorithm, pass_name", [(name, p) for name, passes in SERVES.items() for p in passes])
def test_algorithm_serves_its_cases(algorithm, pass_name, dtype):
    wanted = [case for case in CONV_CASES if case.id in SERVES[algorithm][pass_name]]
    assert len(wanted) == len(SERVES[algorithm][pass_name])
    assert not [case.id for case in wanted if not serves(algorithm, case, pass_name, dtype)]


@pytest.mark.parametrize("algorithm", [name for name in SERVES if name != "reference"])
def test_algorithm_is_chosen_for_some_case(algorithm):
    """The automatic choice reaches every row: none is dead weight."""
    passes = list(SERVES[algorithm])
    assert algorithm in {chosen(case, name, algorithm) for case in CONV_CASES if case.n for name in passes}


def chosen(case, pass_name, algorithm):
    explain = getattr(fastconv, f"explain_conv{case.rank}d")
    options = {**case.options, **NEEDS.get(algorithm, {})}
    return explain(case.x_shape, case.weight_shape, **options, pass_name=pass_name).algorithm


@pytest.mark.parametrize("name", ["winograd9", "", 3, None])
def test_unknown_algorithm(name):
    with pytest.raises((ValueError, TypeError), match="algorithm"):
        fastconv.conv1d(np.zeros((1, 1, 4)), np.zeros((1, 1, 2)), algorithm=name)
