"""Arrays as people have them: strided, turned round, read-only, unaligned, byte-swapped; results between guards."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from calls import LAYOUTS, PASSES, TYPES, is_refusal, layouts, oracle, run, to_layout, too_slow, weight_to_layout
from cases import CONV_CASES, LARGE, by_id

import fastconv
from fastconv import _engine

GUARD = 0xA5


def strided(a):
    wide = np.full(tuple(2 * n + 1 for n in a.shape), np.nan, a.dtype)
    view = wide[tuple(slice(1, 1 + 2 * n, 2) for n in a.shape)]
    view[...] = a
    return view


def negative(a):
    axes = tuple(range(a.ndim))
    return np.flip(np.ascontiguousarray(np.flip(a, axes)), axes)


def transposed(a):
    return np.ascontiguousarray(a.transpose()).transpose()


def spatially_transposed(a):
    return np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert not view.flags.aligned
    return view


def byte_swapped(a):
    return a.astype(a.dtype.newbyteorder())


def in_a_record(a):
    """A field of a structured array: strides that are no multiple of the element size."""
    records = np.zeros(a.shape, np.dtype([("flag", "i1"), ("value", a.dtype)]))
    records["value"] = a
    return records["value"]


def off_by_one(a):
    """Aligned to the element, but to no vector."""
    raw = np.empty(a.size + 1, a.dtype)
    view = raw[1:].reshape(a.shape)
    view[...] = a
    return view


def with_array_method(a):
    class Wrapped:
        def __array__(self, dtype=None, copy=None):
            return a if dtype is None else a.astype(dtype)

    return Wrapped()


VIEWS = [
    strided,
    negative,
    transposed,
    spatially_transposed,
    read_only,
    unaligned,
    byte_swapped,
    in_a_record,
    off_by_one,
    with_array_method,
]
OUT_VIEWS = [strided, negative, transposed, spatially_transposed, off_by_one]
CASES = by_id("3x3", "strided", "pointwise", "depthwise", "grouped", "width-33", "border-reflect", "large-3x3")


def prepared(case, dtype, seed=0):
    x, weight, bias = case.arrays(dtype)
    shape = oracles.conv(x, weight, None, case.oracle_options).shape
    return x, weight, bias, np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def close(dtype):
    return {"rtol": 2e-5, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("view", VIEWS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_inputs_in_any_view(case, layout, view):
    x, weight, bias, dy = prepared(case, np.float32)
    o = case.oracle_options
    names = {**layouts(2, layout), **case.options}
    residual = to_layout(np.ones_like(dy), layout)
    moved = [to_layout(x, layout), weight_to_layout(weight, layout), bias, residual, to_layout(dy, layout)]
    seen = [view(a) if a.ndim > 1 or view is not spatially_transposed else a for a in moved]
    y = fastconv.conv2d(*seen[:3], **names, residual=seen[3])
    expected = to_layout(oracles.conv(x, weight, bias, o) + 1, layout)
    np.testing.assert_allclose(y, expected, **close(np.float32))
    dx, dweight, dbias = fastconv.conv2d_backward(seen[4], seen[0], seen[1], **names)
    np.testing.assert_allclose(dx, to_layout(oracle("backward_data", x, weight, dy, o), layout), **close(np.float32))
    expected = weight_to_layout(oracle("backward_weights", x, weight, dy, o), layout)
    np.testing.assert_allclose(dweight, expected, rtol=2e-5, atol=2e-4)
    np.testing.assert_allclose(dbias, oracles.conv_backward_bias(dy), rtol=2e-5, atol=2e-4)
    for array, original in zip(seen, moved, strict=True):
        np.testing.assert_array_equal(np.asarray(array), original, err_msg="an input was written to")
    for result in (y, dx, dweight, dbias):
        assert result.dtype == np.float32 and result.dtype.isnative and result.flags.writeable


@pytest.mark.parametrize("view", OUT_VIEWS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_results_go_to_any_view(case, layout, view):
    x, weight, _, dy = prepared(case, np.float64)
    o = case.oracle_options
    names = {**layouts(2, layout), **case.options}
    moved, w, sent = to_layout(x, layout), weight_to_layout(weight, layout), to_layout(dy, layout)
    out = view(np.full_like(sent, np.nan))
    result = fastconv.conv2d(moved, w, **names, out=out)
    assert result is out
    np.testing.assert_allclose(out, to_layout(oracle("forward", x, weight, dy, o), layout), **close(np.float64))
    outs = tuple(view(np.full_like(a, np.nan)) for a in (moved, w)) + (np.full(case.channels_out, np.nan),)
    results = fastconv.conv2d_backward(sent, moved, w, **names, out=outs)
    assert all(a is b for a, b in zip(results, outs, strict=True))
    np.testing.assert_allclose(
        outs[0], to_layout(oracle("backward_data", x, weight, dy, o), layout), **close(np.float64)
    )
    expected = weight_to_layout(oracle("backward_weights", x, weight, dy, o), layout)
    np.testing.assert_allclose(outs[1], expected, **close(np.float64))
    np.testing.assert_allclose(outs[2], oracles.conv_backward_bias(dy), **close(np.float64))


class Guarded:
    """An array in the middle of a buffer whose other bytes must stay as they are."""

    def __init__(self, shape, dtype, offset):
        self.margin = 512 + offset * np.dtype(dtype).itemsize
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self.raw = np.full(size + 2 * self.margin, GUARD, np.uint8)
        self.array = self.raw[self.margin : self.margin + size].view(dtype).reshape(shape)

    def check(self, message):
        ends = np.concatenate((self.raw[: self.margin], self.raw[-self.margin :]))
        assert np.all(ends == GUARD), f"{message}: bytes outside of the result were written"


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("case", [c for c in CONV_CASES if c.n], ids=lambda c: c.id)
def test_nothing_is_written_outside_of_the_result(case, dtype, isa):
    x, weight, _, dy = prepared(case, dtype)
    kept = [a.copy() for a in (x, weight, dy)]
    for layout in LAYOUTS:
        for algorithm in _engine.conv_algorithms():
            for pass_name, target in zip(
                PASSES, (to_layout(dy, layout), to_layout(x, layout), weight_to_layout(weight, layout)), strict=True
            ):
                if too_slow(algorithm, case, isa):
                    continue
                guarded = Guarded(target.shape, dtype, offset=1)
                guarded.array[...] = np.nan
                index = PASSES.index(pass_name) - 1
                out = guarded.array if index < 0 else tuple(guarded.array if i == index else None for i in range(3))
                try:
                    run(
                        pass_name,
                        case.rank,
                        x,
                        weight,
                        dy,
                        layout,
                        **case.options,
                        algorithm=algorithm,
                        out=out,
                        num_threads=2,
                    )
                except ValueError as error:
                    if not is_refusal(error):
                        raise
                    continue
                message = f"{pass_name} {algorithm} channels {layout}"
                guarded.check(message)
                assert not np.isnan(guarded.array).any(), f"{message}: not every element was written"
    for before, after in zip(kept, (x, weight, dy), strict=True):
        np.testing.assert_array_equal(before, after, err_msg="an input was written to")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gaps_of_a_strided_result_stay(layout):
    case = by_id("3x3")[0]
    x, weight, _, dy = prepared(case, np.float32)
    out = strided(to_layout(np.zeros_like(dy), layout))
    base = out.base
    fastconv.conv2d(
        to_layout(x, layout), weight_to_layout(weight, layout), **layouts(2, layout), **case.options, out=out
    )
    assert np.isnan(base).sum() == base.size - out.size


def test_broadcast_input():
    """An axis of stride 0 is read like any other."""
    x = np.broadcast_to(np.arange(6.0).reshape(2, 3), (2, 4, 2, 3))
    weight = np.random.default_rng(0).standard_normal((3, 4, 2, 2))
    expected = oracles.conv(x, weight, None, oracles.options(2))
    np.testing.assert_allclose(fastconv.conv2d(x, weight), expected, rtol=1e-12)


def test_lists_are_arrays():
    assert fastconv.conv1d([[[1.0, 2.0, 4.0]]], [[[1.0, 10.0]]]).tolist() == [[[21.0, 42.0]]]


def test_a_result_may_not_overlap():
    x = np.zeros((1, 1, 4, 4))
    weight = np.ones((1, 1, 1, 1))
    with pytest.raises(ValueError, match="overlaps x"):
        fastconv.conv2d(x, weight, out=x)
    with pytest.raises(ValueError, match="overlaps itself"):
        fastconv.conv2d(x, weight, out=np.lib.stride_tricks.as_strided(np.zeros(16), x.shape, (0, 0, 8, 8)))
    frozen = read_only(np.zeros((1, 1, 4, 4)))
    with pytest.raises(ValueError, match="read-only"):
        fastconv.conv2d(x, weight, out=frozen)
    with pytest.raises(ValueError, match=r"\(1, 1, 4, 4\)"):
        fastconv.conv2d(x, weight, out=np.zeros((1, 1, 4, 5)))
    with pytest.raises(TypeError, match="float32"):
        fastconv.conv2d(x, weight, out=np.zeros((1, 1, 4, 4), np.float32))


def cropped(a):
    """The middle of a larger array: unit stride along the innermost axis, gaps after each of its rows."""
    wide = np.full(tuple(n + 3 for n in a.shape), np.nan, a.dtype)
    view = wide[tuple(slice(1, 1 + n) for n in a.shape)]
    view[...] = a
    return view


# A 1x1 layer joins neighbouring pixels over the ends of rows.
JOINLESS = [case for case in LARGE if case.weight_shape[2:] != (1,) * case.rank]


@pytest.mark.parametrize("pass_name", PASSES)
@pytest.mark.parametrize("case", JOINLESS + by_id("3x3", "depthwise", "strided", "border-wrap"), ids=lambda c: c.id)
def test_cropped_arrays_have_the_bits_of_dense_ones(case, pass_name):
    """docs/design.md: strides count only where the innermost axis has gaps, or a 1x1 layer's pixels do."""
    x, weight, _ = case.arrays(np.float32)
    shape = run("forward", case.rank, x, weight, None, **case.options).shape
    dy = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    wanted = run(pass_name, case.rank, x, weight, dy, **case.options)
    found = run(pass_name, case.rank, cropped(x), weight, cropped(dy), **case.options)
    assert found.tobytes() == wanted.tobytes()
