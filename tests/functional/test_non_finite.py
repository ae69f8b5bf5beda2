"""NaN and infinity reach every output whose window holds them, through every algorithm; strict touches no other."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from calls import NEEDS, PASSES, is_refusal, layouts, oracle, run, to_layout, weight_to_layout
from cases import by_id

import fastconv
from fastconv import _engine

ALGORITHMS = _engine.conv_algorithms()
CASES = by_id(
    "3x3", "5x5", "1d-wide", "3d", "strided", "dilated", "depthwise", "depthwise-strided", "pointwise",
    "pointwise-strided", "image-7x7", "filters-17", "channels-17", "large-3x3", "large-small-maps", "few-tiles",
    "large-7x7", "border-wrap", "border-edge", "grouped",
)  # fmt: skip


def candidates(case, pass_name, layout="first", **options):
    """Options that ask for each algorithm that takes the case by name."""
    explain = getattr(fastconv, f"explain_conv{case.rank}d")
    x_shape, w_shape = (np.empty(shape) for shape in (case.x_shape, case.weight_shape))
    shapes = to_layout(x_shape, layout).shape, weight_to_layout(w_shape, layout).shape
    found = []
    for name in ALGORITHMS:
        asked = {**case.options, **NEEDS.get(name, {}), **options}
        rows = explain(*shapes, **asked, **layouts(case.rank, layout), pass_name=pass_name).candidates
        if {row.name: row.status for row in rows}[name] == "ok":
            found.append({**asked, "algorithm": name})
    return found


def poisoned_passes(case, which):
    """(pass, arrays, name and place of an element of the first or second array that the pass reads)."""
    x, weight, _ = case.arrays(np.float32)
    dy = np.random.default_rng(3).uniform(0.25, 1, oracles.conv(x, weight, None, case.oracle_options).shape)
    arrays = {"x": x, "weight": weight, "dy": dy.astype(np.float32)}
    for pass_name in PASSES:
        read = {"forward": ("x", "weight"), "backward_data": ("dy", "weight"), "backward_weights": ("x", "dy")}
        source = read[pass_name][which]
        # Even places, for strides of two pass over the odd ones.
        place = tuple(size // 4 * 2 for size in arrays[source].shape)
        yield pass_name, arrays, source, place


def poison(case, pass_name, arrays, source, place, value):
    """Which outputs have the marked element in their window, and (x, weight, dy) with `value` there."""
    marks = {name: np.ones(array.shape) for name, array in arrays.items()}
    marks[source] = np.zeros(arrays[source].shape)
    marks[source][place] = 1
    touched = oracle(pass_name, marks["x"], marks["weight"], marks["dy"], case.oracle_options) > 0
    poisoned = {name: array.copy() for name, array in arrays.items()}
    poisoned[source][place] = value
    return touched, (poisoned["x"], poisoned["weight"], poisoned["dy"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_reaches_every_window(case, which, value):
    for pass_name, arrays, source, place in poisoned_passes(case, which):
        touched, poisoned = poison(case, pass_name, arrays, source, place, value)
        assert touched.any()
        for options in candidates(case, pass_name):
            missed = touched & np.isfinite(run(pass_name, case.rank, *poisoned, **options))
            where = f"{pass_name} {options['algorithm']}: {source} is lost at {np.argwhere(missed)[:1]}"
            assert not missed.any(), where


@pytest.mark.parametrize("layout, value", [("first", np.nan), ("last", np.inf)])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_strict_touches_no_other(case, layout, value, isa):
    for pass_name, arrays, source, place in poisoned_passes(case, 0):
        touched, poisoned = poison(case, pass_name, arrays, source, place, value)
        assert 0 < touched.sum()
        for options in [case.options, *candidates(case, pass_name, layout, accuracy="strict")]:
            options = {**options, "accuracy": "strict"}
            got = run(pass_name, case.rank, *poisoned, layout, **options)
            message = f"{pass_name} {options.get('algorithm')} {source}"
            np.testing.assert_array_equal(~np.isfinite(got), touched, err_msg=message)


@pytest.mark.parametrize("activation", ["relu", "relu6", ("leaky_relu", 0.1)], ids=str)
@pytest.mark.parametrize("case", by_id("3x3", "pointwise", "strided", "large-3x3", "large-7x7"), ids=lambda c: c.id)
def test_a_nan_survives_what_is_fused(case, activation):
    """Bias, residual, activation and the 2x2 max-pool of a prepared operation let it through."""
    [pass_name, arrays, source, place] = next(poisoned_passes(case, 0))
    touched, (x, weight, _) = poison(case, pass_name, arrays, source, place, np.nan)
    shape = touched.shape
    even = touched[:, :, : shape[2] // 2 * 2, : shape[3] // 2 * 2]
    pooled = even.reshape(*shape[:2], shape[2] // 2, 2, shape[3] // 2, 2).any(axis=(3, 5))
    bias, residual = np.ones(case.channels_out, np.float32), np.ones(shape, np.float32)
    calls = {
        "residual": lambda o: fastconv.conv2d(x, weight, bias, **o, activation=activation, residual=residual),
        "pool": lambda o: fastconv.prepare_conv2d(x.shape, weight, bias, **o, activation=activation, pool=2)(x),
        "activation": lambda o: fastconv.conv2d(x, weight, bias, **o, activation=activation),
    }
    for options in candidates(case, "forward"):
        for name, call in calls.items():
            try:
                got = call(options)
            except ValueError as error:
                assert name != "activation" and is_refusal(error)
                continue
            assert np.isnan(got[pooled if name == "pool" else touched]).all(), f"{options['algorithm']} {name}"
