"""Prepared convolutions: the bits of the plain call, whatever is given at call time, and errors that name the shape."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from calls import LAYOUTS, NEEDS, TYPES, is_refusal, layouts, to_layout, weight_to_layout
from cases import CONV_CASES, LARGE, by_id

import fastconv
from fastconv import _engine

ALGORITHMS = _engine.conv_algorithms()
CASES = [case for case in CONV_CASES if case.n]
SAMPLE = by_id(
    "first-layer", "3x3", "pointwise", "depthwise", "strided", "dilated", "grouped", "asymmetric", "border-wrap",
    "border-number", "flipped", "1d", "3d", "even-kernel-same",
)  # fmt: skip


def both(case, dtype=np.float32, layout="first", bias=True, **options):
    """The operation, its input, and the plain call's result; None where the algorithm does not take the case."""
    x, weight, b = case.arrays(dtype)
    b = b if bias else None
    keywords = {**layouts(case.rank, layout), **case.options, **options}
    x, weight = to_layout(x, layout), weight_to_layout(weight, layout)
    try:
        op = getattr(fastconv, f"prepare_conv{case.rank}d")(x.shape, weight, b, **keywords)
    except ValueError as error:
        assert is_refusal(error), error
        return None
    plain = getattr(fastconv, f"conv{case.rank}d")(x, weight, b, **{**keywords, "algorithm": op.algorithm})
    return op, x, plain


def assert_same(op, got, plain, label=""):
    """The bits of the plain call; transformed tiles may have another size where the weights' transform is not paid."""
    if op.algorithm.startswith(("winograd", "fft")):
        np.testing.assert_allclose(
            got, plain, rtol=0, atol=1e-5 * max(1.0, np.abs(plain).max(initial=0)), err_msg=label
        )
    else:
        assert got.tobytes() == plain.tobytes(), label


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_bits_of_the_plain_call(case):
    for dtype in TYPES:
        for layout in LAYOUTS:
            op, x, plain = both(case, dtype, layout)
            assert op.y_shape == plain.shape and op.dtype == dtype
            assert_same(op, op(x), plain, layout)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(algorithm, isa):
    ran = 0
    for case in SAMPLE:
        for options in ({}, {"bias": False, "activation": ("leaky_relu", 0.25)}):
            found = both(case, algorithm=algorithm, **NEEDS.get(algorithm, {}), **options)
            if found is None:
                continue
            op, x, plain = found
            ran += 1
            assert op.algorithm == algorithm and op.isa == isa
            assert_same(op, op(x), plain, case.id)
    assert ran or algorithm not in forward_algorithms()


def forward_algorithms():
    return {
        row.name
        for case in SAMPLE
        for row in getattr(fastconv, f"explain_conv{case.rank}d")(
            case.x_shape, case.weight_shape, **case.options
        ).candidates
        if row.status == "ok"
    }


@pytest.mark.parametrize("case", LARGE, ids=lambda c: c.id)
def test_threads_and_arrays_of_the_call(case):
    op, x, plain = both(case)
    serial = op(x, num_threads=1)
    assert_same(op, serial, plain)
    for threads in (1, 2, 3, 4):
        out = np.full(op.y_shape, np.nan, np.float32)
        assert op(x, out=out, num_threads=threads) is out
        assert out.tobytes() == serial.tobytes()
    workspace = np.full(op.workspace_bytes + 128, 0xAB, np.uint8)
    assert op(x, workspace=workspace[64:-64], num_threads=2).tobytes() == serial.tobytes()
    assert (workspace[:64] == 0xAB).all() and (workspace[-64:] == 0xAB).all()
    if op.workspace_bytes:
        with pytest.raises(ValueError, match=f"at least {op.workspace_bytes}"):
            op(x, workspace=np.empty(op.workspace_bytes - 1, np.uint8))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("size", [(12, 10), (33, 47), (2, 3)])
def test_pool(size, layout):
    """A fused 2x2 pool gives the bits of the pool of the plain result, and never goes the reference's way."""
    rng = np.random.default_rng(0)
    shape = (2, 12, *size) if layout == "NCHW" else (2, *size, 12)
    x = rng.standard_normal(shape).astype(np.float32)
    weight, bias = rng.standard_normal((20, 12, 3, 3)).astype(np.float32), rng.standard_normal(20).astype(np.float32)
    for activation in (None, "relu", ("leaky_relu", -0.5)):
        op = fastconv.prepare_conv2d(x.shape, weight, bias, 1, 1, activation=activation, layout=layout, pool=2)
        assert op.algorithm != "reference"
        plain = fastconv.conv2d(x, weight, bias, 1, 1, activation=activation, layout=layout, algorithm=op.algorithm)
        assert op(x).tobytes() == fastconv.max_pool2d(plain, 2, layout=layout).tobytes()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("algorithm", ["blocked", "winograd2", "winograd4", "winograd6", "direct"])
def test_pool_of_each_algorithm(algorithm, layout):
    """Whatever the algorithm, odd sizes too, the fused pool gives the bits of the pool of its own maps."""
    rng = np.random.default_rng(0)
    shape = (2, 33, 19, 45) if layout == "NCHW" else (2, 19, 45, 33)
    x = rng.standard_normal(shape).astype(np.float32)
    weight, bias = rng.standard_normal((37, 33, 3, 3)).astype(np.float32), rng.standard_normal(37).astype(np.float32)
    for activation in (None, "relu", ("leaky_relu", -0.5)):
        options = {"activation": activation, "layout": layout, "algorithm": algorithm, "accuracy": "fast"}
        op = fastconv.prepare_conv2d(x.shape, weight, bias, 1, 1, pool=2, **options)
        maps = fastconv.conv2d(x, weight, bias, 1, 1, **options)
        assert op(x).tobytes() == fastconv.max_pool2d(maps, 2, layout=layout).tobytes()


def test_layers_of_vgg_pool_by_minimal_filtering():
    weight = np.ones((64, 64, 3, 3), np.float32)
    assert fastconv.prepare_conv2d((1, 64, 56, 56), weight, None, 1, 1, pool=2).algorithm == "winograd4"


def test_residuals_never_go_the_slow_way():
    for kernel, padding, groups in ((1, 0, 1), (3, 1, 1), (3, 1, 32)):
        op = fastconv.prepare_conv2d(
            (1, 32, 14, 14), np.ones((32, 32 // groups, kernel, kernel), np.float32), None, 1, padding, 1, groups,
            residual=True,
        )  # fmt: skip
        assert op.algorithm != "reference"


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_residuals_of_1x1_layers_are_fused(layout):
    rng = np.random.default_rng(0)
    for channels, filters, size in ((20, 33, 7), (64, 16, 14), (12, 5, 3)):
        x = rng.standard_normal((2, channels, size, size)).astype(np.float32)
        x = to_layout(x, "last" if layout == "NHWC" else "first")
        weight, bias = (rng.standard_normal(s).astype(np.float32) for s in ((filters, channels, 1, 1), (filters,)))
        plain = fastconv.conv2d(x, weight, bias, layout=layout, algorithm="pointwise")
        residual = rng.standard_normal(plain.shape).astype(np.float32)
        op = fastconv.prepare_conv2d(x.shape, weight, bias, activation="relu", layout=layout, residual=True)
        assert op.algorithm == "pointwise"
        assert op(x, residual=residual).tobytes() == np.maximum(plain + residual, 0).tobytes()
        assert op(x, residual=np.asfortranarray(residual)).tobytes() == op(x, residual=residual).tobytes()


def test_residual():
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in ((2, 6, 9, 8), (5, 6, 3, 3), (5,)))
    residual = rng.standard_normal((2, 5, 9, 8)).astype(np.float32)
    op = fastconv.prepare_conv2d(x.shape, weight, bias, padding=1, activation="relu", residual=True)
    plain = fastconv.conv2d(x, weight, bias, padding=1, activation="relu", residual=residual, algorithm=op.algorithm)
    assert_same(op, op(x, residual=residual), plain)
    assert op(x, residual=np.asfortranarray(residual)).tobytes() == op(x, residual=residual).tobytes()
    with pytest.raises(ValueError, match="residual is missing"):
        op(x)
    with pytest.raises(ValueError, match=r"residual has shape \(2, 5, 9, 7\)"):
        op(x, residual=residual[..., 1:])
    with pytest.raises(ValueError, match="out overlaps residual"):
        op(x, residual=residual, out=residual)
    without = fastconv.prepare_conv2d(x.shape, weight, bias, padding=1)
    with pytest.raises(ValueError, match="prepared without one"):
        without(x, residual=residual)


def operation(dtype=np.float32, **options):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((2, 3, 7, 8)).astype(dtype), rng.standard_normal((4, 3, 3, 3)).astype(dtype)
    return fastconv.prepare_conv2d(x.shape, weight, **options), x, weight


@pytest.mark.parametrize("dtype", TYPES)
def test_any_view_of_the_right_shape(dtype):
    op, x, weight = operation(dtype)
    wanted = op(x)
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(dtype).reshape(x.shape)
    for view in (np.asfortranarray(x), x[::-1].copy()[::-1], x.astype(x.dtype.newbyteorder()), x.tolist(), unaligned):
        given = np.asarray(view, None if isinstance(view, np.ndarray) else dtype)
        assert np.array_equal(op(given), wanted)
    read_only = x.copy()
    read_only.flags.writeable = False
    assert np.array_equal(op(read_only), wanted)
    for out in (np.empty(op.y_shape[::-1], dtype).T, np.empty(op.y_shape, np.dtype(dtype).newbyteorder())):
        assert op(x, out=out) is out and np.array_equal(out, wanted)


def test_errors_name_both_shapes():
    op, x, _ = operation()
    for other in (x[:1], x[0], x[..., :6], np.ones((2, 3, 8, 7), np.float32)):
        with pytest.raises(ValueError) as caught:
            op(other)
        assert str(other.shape) in str(caught.value) and str(op.x_shape) in str(caught.value)
    with pytest.raises(TypeError, match="x is float64 but the weights were prepared as float32"):
        op(x.astype(np.float64))
    with pytest.raises(TypeError, match="x has dtype int64"):
        op(np.ones(x.shape, np.int64))
    with pytest.raises(ValueError, match="out has shape"):
        op(x, out=np.empty((2, 4, 5, 5), np.float32))
    with pytest.raises(TypeError, match="out has dtype float64"):
        op(x, out=np.empty(op.y_shape))
    frozen = np.empty(op.y_shape, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        op(x, out=frozen)
    with pytest.raises(ValueError, match="num_threads"):
        op(x, num_threads=0)


def test_out_may_not_overlap_x():
    weight = np.ones((1, 1, 1, 1), np.float32)
    buffer = np.ones(80, np.float32)
    x, shifted, after = (buffer[start : start + 36].reshape(1, 1, 6, 6) for start in (0, 10, 36))
    op = fastconv.prepare_conv2d(x.shape, weight)
    for out in (x, shifted):
        with pytest.raises(ValueError, match="out overlaps x"):
            op(x, out=out)
    assert op(x, out=after) is after


@pytest.mark.parametrize(
    "keywords, error, words",
    [
        ({"x_shape": 3}, TypeError, "x_shape"),
        ({"x_shape": (2, 3.0, 7, 8)}, TypeError, "x_shape"),
        ({"x_shape": (2, 4, 7, 8)}, ValueError, "in_channels (=4)"),
        ({"weight": np.ones((4, 3, 3, 3), np.int8)}, TypeError, "weight"),
        ({"bias": np.ones(3, np.float32)}, ValueError, "bias"),
        ({"bias": np.ones(4)}, TypeError, "bias"),
        ({"stride": 0}, ValueError, "stride"),
        ({"algorithm": "magic"}, ValueError, "algorithm (='magic')"),
        ({"algorithm": "panels"}, ValueError, "does not take this convolution"),
        ({"activation": "swish"}, ValueError, "activation"),
        ({"residual": 1}, TypeError, "residual"),
        ({"pool": 3}, ValueError, "pool (=3)"),
        ({"pool": True}, ValueError, "pool (=True)"),
        ({"pool": 2, "residual": True}, ValueError, "pool (=2) and residual"),
        ({"pool": 2, "x_shape": (1, 3, 3, 8)}, ValueError, "at least 2x2"),
        ({"workspace_limit": -1}, ValueError, "workspace_limit"),
    ],
)
def test_preparing_checks_its_arguments(keywords, error, words):
    given = {"x_shape": (2, 3, 7, 8), "weight": np.ones((4, 3, 3, 3), np.float32), **keywords}
    with pytest.raises(error) as caught:
        fastconv.prepare_conv2d(**given)
    assert words in str(caught.value)


@pytest.mark.parametrize("algorithm", ["auto", "reference"])
def test_the_callers_arrays_are_its_own_again(algorithm):
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in ((1, 3, 7, 8), (4, 3, 3, 3), (4,)))
    op = fastconv.prepare_conv2d(x.shape, weight, bias, algorithm=algorithm)
    wanted = op(x).tobytes()
    weight[:], bias[:] = np.nan, np.nan
    assert op(x).tobytes() == wanted
    alive = weakref.ref(weight)
    del weight
    gc.collect()
    assert alive() is None


def test_strided_weights_and_both_weight_layouts():
    _, x, weight = operation()
    wanted = fastconv.prepare_conv2d(x.shape, weight)(x)
    assert np.array_equal(fastconv.prepare_conv2d(x.shape, np.asfortranarray(weight))(x), wanted)
    hwio = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    assert np.array_equal(fastconv.prepare_conv2d(x.shape, hwio, weight_layout="HWIO")(x), wanted)


def test_unbatched_and_empty():
    op, x, weight = operation()
    single = fastconv.prepare_conv2d(x.shape[1:], weight)
    assert np.array_equal(single(x[0]), op(x)[0])
    empty = fastconv.prepare_conv2d((0, 3, 7, 8), weight)
    assert empty.algorithm == "none" and empty(x[:0]).shape == (0, 4, 5, 6) and "none" in repr(empty)
    with pytest.raises(ValueError, match="prepared for"):
        empty(x)


def test_what_it_says_about_itself():
    op, x, weight = operation(padding=1, stride=2, activation="relu")
    text = repr(op)
    for words in ("prepared conv2d", "2x3x7x8 -> 2x4x4x4", "weight 4x3x3x3", "stride=2", "relu", op.algorithm):
        assert words in text
    assert "groups" not in text and "bias" not in text
    report = op.explain()
    assert report.algorithm == op.algorithm and report.workspace_bytes == op.workspace_bytes
    assert report.output_shape == op.y_shape and op.weight_shape == weight.shape
    assert op.packed_bytes >= weight.nbytes or op.packed_bytes == 0


def test_workspace_leaves_the_packed_weights_out():
    x_shape, weight = (1, 32, 12, 12), np.ones((64, 32, 3, 3), np.float32)
    op = fastconv.prepare_conv2d(x_shape, weight, algorithm="direct")
    plain = fastconv.explain_conv2d(x_shape, weight.shape, algorithm="direct")
    assert op.packed_bytes >= weight.nbytes
    assert op.workspace_bytes <= plain.workspace_bytes - op.packed_bytes


def test_it_is_neither_pickled_nor_copied():
    op, _, _ = operation()
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            attempt(op)


def test_several_threads_call_one_operation():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)
    op = fastconv.prepare_conv2d((1, 8, 24, 24), weight, padding=1)
    inputs = [rng.standard_normal(op.x_shape).astype(np.float32) for _ in range(4)]
    wanted = [op(x, num_threads=1).tobytes() for x in inputs]
    wrong = []

    def work(x, bits):
        for _ in range(50):
            if op(x, num_threads=2).tobytes() != bits:
                wrong.append(1)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(inputs, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_keeps_its_instruction_set():
    op, x, _ = operation()
    wanted, before = op(x).tobytes(), _engine.isa()
    try:
        _engine.set_isa("scalar")
        assert op(x).tobytes() == wanted and op.isa == before
    finally:
        _engine.set_isa(before)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("size", [(8, 8), (9, 11), (2, 3)])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_pool_is_the_max_pool_of_the_maps(size, layout, activation):
    """Where an algorithm pools, it gives what max_pool2d gives of its maps; where none does, it says so."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size) if layout == "NCHW" else (2, *size, 3)).astype(np.float32)
    weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((18, 3, 3, 3), (18,)))
    options = {"padding": 1, "layout": layout, "activation": activation}
    try:
        op = fastconv.prepare_conv2d(x.shape, weight, bias, **options, pool=2)
    except NotImplementedError as error:
        assert "pool=2" in str(error)
        return
    maps = fastconv.conv2d(x, weight, bias, **options)
    wanted = fastconv.max_pool2d(maps, 2, layout=layout)
    assert op.y_shape == wanted.shape and "pool=2" in repr(op) and op.explain().output_shape == wanted.shape
    np.testing.assert_allclose(op(x), wanted, rtol=0, atol=2e-5)
    out = np.empty_like(wanted)
    assert op(x, out=out, num_threads=2) is out and np.array_equal(out, op(x, num_threads=1))


def test_out_may_not_overlap_an_input_that_is_copied():
    x = np.ones((1, 4, 5, 5), np.dtype(np.float32).newbyteorder())
    operation = fastconv.prepare_conv2d(x.shape, np.ones((4, 4, 1, 1), np.float32), residual=True)
    other = np.ones(x.shape, np.float32)
    for given in ({"x": x, "residual": other}, {"x": other, "residual": x}):
        with pytest.raises(ValueError, match="out overlaps"):
            operation(**given, out=x)
    assert (x == 1).all()
