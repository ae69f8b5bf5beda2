"""What calls of pools take and refuse: views, `out`, batches, tuples, and errors that name the argument."""

from __future__ import annotations

import numpy as np
import pytest
from cases_pool import LAYOUTS, SLIDING, run

import fastconv

RNG = np.random.default_rng(3)
X = RNG.normal(size=(2, 6, 12, 14)).astype(np.float32)
Y = fastconv.max_pool2d(X, 2)
PADDED = {"kernel_size": 3, "stride": 2, "padding": 1}
VIEWS = {
    "transposed": np.ascontiguousarray(X.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0),
    "channels last in memory": np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "negative steps": np.ascontiguousarray(X[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1],
    "every second": np.repeat(np.repeat(X, 2, axis=3), 2, axis=1)[:, ::2, :, ::2],
    "window": np.pad(X, 3)[3:-3, 3:-3, 3:-3, 3:-3],
    "unaligned": np.frombuffer(b"\0" + X.tobytes(), np.float32, offset=1).reshape(X.shape),
    "other byte order": X.astype(X.dtype.newbyteorder()),
}
POOLS = {
    "max": (fastconv.max_pool2d, fastconv.max_pool2d_backward, ()),
    "avg": (fastconv.avg_pool2d, fastconv.avg_pool2d_backward, ()),
    "lp": (fastconv.lp_pool2d, fastconv.lp_pool2d_backward, (2,)),
}


@pytest.mark.parametrize("options", [{"kernel_size": 2}, PADDED], ids=["2x2", "padded"])
@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("view", VIEWS)
def test_any_view(view, kind, options, isa):
    forward, backward, leading = POOLS[kind]
    x = VIEWS[view]
    x.flags.writeable = False
    y = forward(X, *leading, **options)
    dy = RNG.normal(size=y.shape).astype(np.float32)
    np.testing.assert_allclose(forward(x, *leading, **options), y, rtol=1e-5, atol=1e-6)
    expected = backward(dy, X, *leading, **options)
    np.testing.assert_allclose(backward(dy, x, *leading, **options), expected, rtol=1e-5, atol=1e-6)
    strided = np.repeat(dy, 2, axis=3)[..., ::2]
    np.testing.assert_allclose(backward(strided, x, *leading, **options), expected, rtol=1e-5, atol=1e-6)


def test_indices_of_views():
    y, indices = fastconv.max_pool2d(X, **PADDED, return_indices=True)
    for x in VIEWS.values():
        np.testing.assert_array_equal(fastconv.max_pool2d(x, **PADDED, return_indices=True)[1], indices)
    dy = np.ones_like(y)
    expected = fastconv.max_pool2d_backward(dy, X, **PADDED)
    for given in (indices.astype(np.int32), np.repeat(indices, 2, axis=3)[..., ::2], indices.astype(">i8")):
        np.testing.assert_array_equal(fastconv.max_pool2d_backward(dy, X.shape, **PADDED, indices=given), expected)
    blind = fastconv.max_unpool2d(y, indices, 3, 2, 1, output_size=(12, 14))
    wide = np.zeros((2, 6, 12, 28), np.float32)
    assert fastconv.max_unpool2d(y, indices, 3, 2, 1, output_size=(12, 14), out=wide[..., ::2]) is not None
    np.testing.assert_array_equal(wide[..., ::2], blind)
    assert not wide[..., 1::2].any()


def test_anything_with_an_array_interface():
    class Wrapped:
        def __array__(self, dtype=None, copy=None):
            return X

    np.testing.assert_array_equal(fastconv.max_pool2d(Wrapped(), 2), Y)
    np.testing.assert_array_equal(fastconv.max_pool2d(X.tolist(), 2), fastconv.max_pool2d(X.astype(np.float64), 2))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_unbatched_and_empty(kind, layout):
    for case in SLIDING[:3] + [case for case in SLIDING if case.rank != 2]:
        name = LAYOUTS[layout][case.rank]
        forward = getattr(fastconv, case.name(kind))
        backward = getattr(fastconv, f"{case.name(kind)}_backward")
        x = case.random()
        x = np.moveaxis(x, 1, -1) if layout == "last" else x
        y = forward(x, **case.options, layout=name)
        np.testing.assert_array_equal(forward(x[0], **case.options, layout=name), y[0])
        dx = backward(y, x, **case.options, layout=name)
        np.testing.assert_array_equal(backward(y[0], x[0], **case.options, layout=name), dx[0])
        assert forward(x[:0], **case.options, layout=name).shape == (0, *y.shape[1:])
        assert backward(y[:0], x[:0], **case.options, layout=name).shape == (0, *x.shape[1:])
    values, indices = fastconv.max_pool2d(X[:0], 2, return_indices=True)
    assert values.shape == indices.shape == (0, 6, 6, 7)


def guarded(shape, dtype=np.float32):
    """An array amid guard values, and a function that tells whether they still stand."""
    size = int(np.prod(shape))
    memory = np.full(size + 128, 77, dtype)
    return memory[64 : 64 + size].reshape(shape), lambda: (memory[:64] == 77).all() and (memory[-64:] == 77).all()


@pytest.mark.parametrize("kind", ["max", "avg", "lp"])
@pytest.mark.parametrize("case", [case for case in SLIDING if case.rank < 3], ids=lambda case: case.id)
def test_nothing_is_written_around_the_outputs(case, kind, isa):
    extra = {"norm_type": 2} if kind == "lp" else {}
    x, untouched = guarded(case.shape)
    x[...] = case.random()
    for layout, order in LAYOUTS.items():
        y = run(case, kind, x, layout, **extra)
        shape = y.shape if layout == "first" else np.moveaxis(y, 1, -1).shape
        given = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout == "last" else x
        names = {"layout": order[case.rank], **case.options, **extra}
        out, intact = guarded(shape)
        assert getattr(fastconv, case.name(kind))(given, out=out, **names) is out
        np.testing.assert_array_equal(out, y if layout == "first" else np.moveaxis(y, 1, -1))
        dx, whole = guarded(given.shape)
        assert getattr(fastconv, f"{case.name(kind)}_backward")(out, given, out=dx, **names) is dx
        assert intact() and whole() and untouched()
        if kind == "max":
            indices, kept = guarded(shape, np.int64)
            getattr(fastconv, case.name(kind))(given, return_indices=True, out=(out, indices), **names)
            assert kept() and intact()
    np.testing.assert_array_equal(x, case.random().astype(np.float32))


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("options", [{"kernel_size": 2}, PADDED], ids=["2x2", "padded"])
def test_out_may_be_any_view(kind, options):
    forward, backward, leading = POOLS[kind]
    y = forward(X, *leading, **options)
    dx = backward(y, X, *leading, **options)
    for shape, axes in [((*y.shape[:3], 2 * y.shape[3]), np.s_[..., ::2]), (y.shape, np.s_[:, ::-1, :, ::-1])]:
        memory = np.full(shape, 7, np.float32)
        assert forward(X, *leading, **options, out=memory[axes]).base is memory
        np.testing.assert_array_equal(memory[axes], y)
        assert (memory == 7).sum() == memory.size - y.size
    memory = np.full((2, 6, 24, 14), 7, np.float32)
    backward(y, X, *leading, **options, out=memory[:, :, ::2])
    np.testing.assert_allclose(memory[:, :, ::2], dx, rtol=1e-6)
    assert (memory[:, :, 1::2] == 7).all()
    crooked = np.frombuffer(bytearray(y.nbytes + 1), np.float32, offset=1, count=y.size).reshape(y.shape)
    forward(X, *leading, **options, out=crooked)
    np.testing.assert_array_equal(crooked, y)


def test_out_of_a_pool_with_indices_is_a_pair():
    y, indices = fastconv.max_pool2d(X, 2, return_indices=True)
    mine = np.empty((*y.shape[:3], 14), np.int64)[..., ::2]
    a, b = fastconv.max_pool2d(X, 2, return_indices=True, out=(None, mine))
    assert b is mine
    np.testing.assert_array_equal(a, y)
    np.testing.assert_array_equal(b, indices)


def test_spellings_of_one_pool():
    expected = fastconv.max_pool2d(X, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    for kernel in ([2, 2], np.array([2, 2]), (np.int64(2),), np.int32(2), (2,)):
        np.testing.assert_array_equal(fastconv.max_pool2d(X, kernel), expected)
    np.testing.assert_array_equal(fastconv.max_pool2d(X, 2, None, "valid"), expected)
    assert fastconv.max_pool2d(X, 3, 2, "same").shape == (2, 6, 6, 7)
    upper, lower = (fastconv.max_pool1d(np.arange(4.0)[None], 2, 1, name) for name in ("same_upper", "same_lower"))
    assert upper.tolist() == [[1, 2, 3, 3]]
    assert lower.tolist() == [[0, 1, 2, 3]]


def test_huge_strides_and_dilations_are_no_overflow():
    x = np.arange(5.0)[None]
    assert fastconv.max_pool1d(x, 2, 2**62).tolist() == [[1]]
    assert fastconv.max_pool1d(x, 1, 1, 0, 2**62).tolist() == [[0, 1, 2, 3, 4]]
    with pytest.raises(ValueError, match="dilated kernel|does not fit"):
        fastconv.max_pool1d(x, 3, 1, 0, 2**62)


SHORT = np.zeros((1, 2, 4, 4), np.float32)
UP = np.zeros((1, 2, 2, 2), np.float32)
WRONG = [
    (lambda: fastconv.max_pool2d(SHORT.astype(np.float16), 2), TypeError, r"x has dtype float16.*astype"),
    (lambda: fastconv.max_pool2d(SHORT.astype(np.int64), 2), TypeError, "x has dtype int64"),
    (lambda: fastconv.max_pool2d(SHORT[0, 0], 2), ValueError, r"x of shape \(4, 4\) has 2 axes"),
    (lambda: fastconv.max_pool2d(SHORT, 0), ValueError, r"kernel_size \(=0\) must be at least 1"),
    (lambda: fastconv.max_pool2d(SHORT, -2), ValueError, r"kernel_size \(=-2\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2.0), TypeError, "kernel_size"),
    (lambda: fastconv.max_pool2d(SHORT, (2, 2.0)), TypeError, "kernel_size"),
    (lambda: fastconv.max_pool2d(SHORT, True), TypeError, "kernel_size"),
    (lambda: fastconv.max_pool2d(SHORT, "2"), TypeError, "kernel_size"),
    (lambda: fastconv.max_pool2d(SHORT, (1, 2, 3)), ValueError, r"kernel_size \(=\(1, 2, 3\)\) has 3 entries"),
    (lambda: fastconv.max_pool2d(SHORT, 2, 0), ValueError, r"stride \(=0\) must be at least 1"),
    (lambda: fastconv.max_pool2d(SHORT, 2, dilation=0), ValueError, r"dilation \(=0\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, padding=-1), ValueError, r"padding \(=-1\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, padding="half"), ValueError, "padding"),
    (lambda: fastconv.max_pool1d(SHORT[0], 2, padding=(1, 2)), ValueError, r"\(\(1, 2\),\)"),
    (lambda: fastconv.max_pool2d(SHORT, 5), ValueError, "kernel size"),
    (lambda: fastconv.max_pool2d(SHORT, 2, padding=2), ValueError, "wholly in the padding"),
    (lambda: fastconv.avg_pool2d(SHORT, 2, padding=2), ValueError, "wholly in the padding"),
    (lambda: fastconv.max_pool2d(SHORT[:, :, :0], 2), ValueError, "size 0 along height"),
    (lambda: fastconv.max_pool2d(SHORT, 2, layout="NCW"), ValueError, r"layout \(='NCW'\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, layout=["NCHW"]), TypeError, r"layout \(=\['NCHW'\]\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, ceil_mode="no"), TypeError, r"ceil_mode \(='no'\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, return_indices=1), TypeError, r"return_indices \(=1\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, num_threads=0), ValueError, r"num_threads \(=0\)"),
    (lambda: fastconv.max_pool2d(SHORT, 2, num_threads="2"), TypeError, "num_threads"),
    (lambda: fastconv.max_pool2d(SHORT, 2, out=UP[0]), ValueError, "out has shape"),
    (lambda: fastconv.max_pool2d(SHORT, 2, out=UP.astype(np.float64)), TypeError, "out has dtype float64"),
    (lambda: fastconv.max_pool2d(SHORT, 2, out=[1]), TypeError, "out must be"),
    (lambda: fastconv.max_pool2d(SHORT, 2, out=SHORT[:, :, :2, :2]), ValueError, "out overlaps x"),
    (lambda: fastconv.max_pool2d(SHORT, 2, out=np.broadcast_to(UP[:1, :1], (1, 2, 2, 2))), ValueError, "read-only"),
    (lambda: fastconv.max_pool2d(SHORT, 2, return_indices=True, out=UP.copy()), TypeError, "out must be a tuple"),
    (
        lambda: fastconv.max_pool2d(SHORT, 2, return_indices=True, out=(None, np.zeros(UP.shape, np.int32))),
        TypeError,
        r"out\[1\] has dtype int32",
    ),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT, 3), ValueError, "dy has shape"),
    (
        lambda: fastconv.max_pool2d_backward(UP, SHORT.astype(np.float64), 2),
        TypeError,
        "x is float64 but dy is float32",
    ),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT.shape, 2), ValueError, "x is a shape"),
    (lambda: fastconv.lp_pool2d_backward(UP, SHORT.shape, 2, 2), ValueError, "x is a shape"),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, ties=["all"]), TypeError, r"ties \(=\['all'\]\)"),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, ties="last"), ValueError, r"ties \(='last'\)"),
    (
        lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, ties="all", indices=np.zeros(UP.shape, int)),
        ValueError,
        r"ties \(='all'\)",
    ),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, indices=UP), TypeError, "indices has dtype float32"),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, indices=np.zeros(3, int)), ValueError, "indices has shape"),
    (
        lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, indices=np.full(UP.shape, 16)),
        ValueError,
        r"indices reach from 16 to 16.*0 to 15",
    ),
    (
        lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, indices=np.full(UP.shape, -1)),
        ValueError,
        "indices reach from -1",
    ),
    (lambda: fastconv.max_pool2d_backward(UP, SHORT, 2, out=SHORT), ValueError, "out overlaps x"),
    (lambda: fastconv.avg_pool2d(SHORT, 2, divisor_override=0), ValueError, r"divisor_override \(=0\)"),
    (lambda: fastconv.avg_pool2d(SHORT, 2, divisor_override=1.5), TypeError, "divisor_override"),
    (lambda: fastconv.avg_pool2d(SHORT, 2, count_include_pad="no"), TypeError, r"count_include_pad \(='no'\)"),
    (lambda: fastconv.lp_pool2d(SHORT, 2, 2, signed=None), TypeError, r"signed \(=None\)"),
    (lambda: fastconv.lp_pool2d(SHORT, 10**400, 2), ValueError, "norm_type .* too large"),
    (lambda: fastconv.lp_pool2d(SHORT, 0, 2), ValueError, r"norm_type \(=0\) must be above 0"),
    (lambda: fastconv.lp_pool2d(SHORT, -1, 2), ValueError, r"norm_type \(=-1\)"),
    (lambda: fastconv.lp_pool2d(SHORT, float("nan"), 2), ValueError, r"norm_type \(=nan\)"),
    (lambda: fastconv.lp_pool2d(SHORT, "2", 2), TypeError, "norm_type"),
    (lambda: fastconv.lp_pool2d_backward(UP, SHORT, 2, 2, y=UP[0]), ValueError, "y has shape"),
    (lambda: fastconv.adaptive_avg_pool2d(SHORT, 0), ValueError, r"output_size \(=0\)"),
    (lambda: fastconv.adaptive_avg_pool2d(SHORT, (1, 2, 3)), ValueError, r"output_size \(=\(1, 2, 3\)\) has 3"),
    (lambda: fastconv.adaptive_max_pool2d(SHORT, 2.5), TypeError, "output_size"),
    (lambda: fastconv.max_unpool2d(UP, np.zeros((1, 2, 2, 3), int), 2), ValueError, "indices have shape"),
    (lambda: fastconv.max_unpool2d(UP, np.full(UP.shape, 16), 2), ValueError, "indices reach from 16"),
    (lambda: fastconv.max_unpool2d(UP, np.zeros(UP.shape, int), 2, output_size=0), ValueError, r"output_size \(=0\)"),
    (
        lambda: fastconv.max_unpool2d(UP, np.zeros(UP.shape, int), 2, output_size=(1, 3, 4, 4)),
        ValueError,
        "output_size .* batch and the channels",
    ),
    (lambda: fastconv.max_unpool2d_backward(SHORT, np.zeros((1, 3, 2, 2), int)), ValueError, "must match"),
    (lambda: fastconv.max_unpool2d(UP, np.zeros(UP.shape, int), 2, layout=["NCHW"]), TypeError, "layout"),
    (lambda: fastconv.max_unpool2d_backward(SHORT, np.zeros(UP.shape, int), layout={}), TypeError, "layout"),
    (lambda: fastconv.max_unpool2d_backward(SHORT, np.zeros((1, 2, 0, 2), int)), ValueError, "indices of shape"),
    (lambda: fastconv.max_unpool2d_backward(SHORT, np.full(UP.shape, 99)), ValueError, "indices reach from 99"),
    (lambda: fastconv.avg_pool2d_backward(UP, (1, 2, 2**40, 2**40), 2), ValueError, "63 bits|dy has shape"),
    (lambda: fastconv.avg_pool2d_backward(UP, (1, 2, -4, 4), 2), ValueError, "x"),
]


@pytest.mark.parametrize("index", range(len(WRONG)))
def test_bad_input_is_one_clear_error(index):
    call, error, pattern = WRONG[index]
    for _ in range(2):
        with pytest.raises(error, match=pattern):
            call()


def test_errors_leave_the_next_call_alone():
    with pytest.raises(ValueError, match="indices reach"):
        fastconv.max_unpool2d(UP, np.full(UP.shape, 99), 2)
    np.testing.assert_array_equal(fastconv.max_pool2d(X, 2), Y)


def test_plans_are_bounded():
    from fastconv.functional import _pool

    for width in range(2, 40):
        fastconv.max_pool1d(np.zeros((1, width)), 2)
    held = _pool._forward_call.cache_info()
    assert held.maxsize is not None and held.currsize <= held.maxsize


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_indices_beyond_what_float32_counts(layout):
    """Planes of 3 x 2**24 elements, broadcast from a few: positions are exact all the same."""
    rows = np.array([[0.0, 5.0], [1.0, 3.0], [2.0, 4.0]], np.float32)
    x = np.broadcast_to(rows[None, :, None], (1, 3, 2**24, 2))
    x = x.transpose(0, 3, 1, 2) if layout == "NCHW" else x
    y, indices = fastconv.max_pool2d(x, (2, 1), (1, 2**23 + 1), return_indices=True, layout=layout)
    y, indices = (np.moveaxis(a, -1, 1) if layout == "NHWC" else a for a in (y, indices))
    assert y[0, :, :, 1].tolist() == [[1, 2], [5, 4]]
    column = 2**23 + 1
    assert indices[0, :, :, 1].tolist() == [[2**24 + column, 2**25 + column], [column, 2**25 + column]]
