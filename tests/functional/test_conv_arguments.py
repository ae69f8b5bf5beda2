"""What the convolutions accept and refuse: every error names the argument and its value, and nothing crashes."""

import gc

import numpy as np
import pytest

import fastconv
from fastconv.functional._plans import CACHED_PLANS, cached_call

X = np.ones((2, 8, 6, 7))
W = np.ones((4, 8, 3, 3))
F32 = np.float32


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORWARD = [
    # x, weight, bias, keywords, error, words
    (np.ones(6), W, None, {}, ValueError, "x of shape (6,) has 1 axes: it takes 4 (NCHW), or 3 (CHW) without a batch"),
    (np.ones((1, 2, 8, 6, 7)), W, None, {}, ValueError, "has 5 axes"),
    (X, np.ones((4, 8, 3)), None, {}, ValueError, "weight of shape (4, 8, 3) has 3 axes: it takes 4 (OIHW)"),
    (X, np.ones((4, 7, 3, 3)), None, {}, ValueError, "7 input channels per group, but in_channels (=8) / groups (=1)"),
    (X, np.ones((4, 2, 3, 3)), None, {"groups": 3}, ValueError, "groups (=3) must divide in_channels (=8)"),
    (X, np.ones((6, 2, 3, 3)), None, {"groups": 4}, ValueError, "groups (=4) must divide out_channels (=6)"),
    (X, W, None, {"groups": 0}, ValueError, "groups (=0) must be at least 1"),
    (X, W, None, {"groups": 2.0}, TypeError, "groups (=2.0)"),
    (X, W, None, {"stride": 0}, ValueError, "stride (=0)"),
    (X, W, None, {"stride": (1, -1)}, ValueError, "stride (=(1, -1))"),
    (X, W, None, {"stride": (1, 1, 1)}, ValueError, "stride (=(1, 1, 1)) has 3 entries"),
    (X, W, None, {"stride": 1.5}, TypeError, "stride (=1.5)"),
    (X, W, None, {"stride": True}, TypeError, "stride (=True)"),
    (X, W, None, {"stride": (1.0, 1)}, TypeError, "stride"),
    (X, W, None, {"dilation": 0}, ValueError, "dilation (=0)"),
    (X, W, None, {"dilation": None}, TypeError, "dilation (=None)"),
    (X, W, None, {"padding": -1}, ValueError, "padding (=-1)"),
    (X, W, None, {"padding": "sam"}, ValueError, "padding (='sam')"),
    (X, W, None, {"padding": (1, 2, 3, 4)}, ValueError, "write ((1, 2), (3, 4))"),
    (X, W, None, {"padding": 1.0}, TypeError, "padding (=1.0)"),
    (X, W, None, {"padding": ((1, 1), (1, 0.5))}, TypeError, "padding"),
    (X, W, None, {"dilation": 5}, ValueError, "kernel size (=3) along height, spanning 11 with its dilation"),
    (X, np.ones((4, 8, 7, 3)), None, {}, ValueError, "kernel size (=7) along height does not fit"),
    (np.ones((2, 8, 0, 7)), W, None, {"padding": 3}, ValueError, "size 0 along axis H"),
    (np.ones((2, 0, 6, 7)), np.ones((4, 0, 3, 3)), None, {}, ValueError, "size 0 along axis C"),
    (X, np.ones((0, 8, 3, 3)), None, {}, ValueError, "size 0 along axis O"),
    (X, np.ones((4, 8, 0, 3)), None, {}, ValueError, "size 0 along axis H"),
    (X, W, np.ones(3), {}, ValueError, "bias of shape (3,) must have shape (4,)"),
    (X, W, np.ones((4, 1)), {}, ValueError, "bias of shape (4, 1)"),
    (X, W, 1.0, {}, ValueError, "bias of shape ()"),
    (X.astype(int), W, None, {}, TypeError, "x has dtype int64, but only float32 and float64 are computed: cast it"),
    (X.astype(np.float16), W, None, {}, TypeError, "x.astype(np.float32)"),
    (X.astype(complex), W, None, {}, TypeError, "x has dtype complex128"),
    (X.astype(object), W, None, {}, TypeError, "x has dtype object"),
    (None, W, None, {}, TypeError, "x has dtype object"),
    ("image", W, None, {}, TypeError, "x has dtype"),
    (X, W.astype(F32), None, {}, TypeError, "weight is float32 but x is float64"),
    (X, W, np.ones(4, F32), {}, TypeError, "bias.astype(np.float64)"),
    (X, W, None, {"residual": np.ones((2, 4, 4, 5), F32)}, TypeError, "residual is float32"),
    (X, W, None, {"residual": np.ones((2, 4, 4, 4))}, ValueError, "residual has shape (2, 4, 4, 4)"),
    (X, W, None, {"layout": "NHW"}, ValueError, "layout (='NHW') must be 'NCHW' or 'NHWC'"),
    (X, W, None, {"layout": 1}, ValueError, "layout (=1)"),
    (X, W, None, {"weight_layout": "IOHW"}, ValueError, "weight_layout (='IOHW') must be 'OIHW' or 'HWIO'"),
    (X, W, None, {"border": "mirror"}, ValueError, "border (='mirror')"),
    (X, W, None, {"border": None}, TypeError, "border (=None)"),
    (X, W, None, {"activation": "tanh"}, ValueError, "tanh"),
    (X, W, None, {"activation": ("leaky_relu", "a")}, TypeError, "slope"),
    (X, W, None, {"accuracy": "exact"}, ValueError, "accuracy (='exact') must be one of default, strict, fast"),
    (X, W, None, {"algorithm": "magic"}, ValueError, "algorithm (='magic') must be one of auto"),
    (X, W, None, {"algorithm": "depthwise"}, ValueError, "algorithm (='depthwise') does not take this convolution"),
    (X, W, None, {"algorithm": ["auto"]}, TypeError, "algorithm (=['auto'])"),
    (X, W, None, {"border": np.zeros(2)}, TypeError, "border (=array([0., 0.]))"),
    (X, W, None, {"workspace_limit": -1}, ValueError, "workspace_limit (=-1)"),
    (X, W, None, {"workspace_limit": 0, "algorithm": "direct"}, ValueError, "workspace_limit (=0) is too small"),
    (X, W, None, {"num_threads": 0}, ValueError, "num_threads (=0)"),
    (X, W, None, {"num_threads": 2**40}, ValueError, "num_threads (=1099511627776)"),
    (X, W, None, {"border": 10**400}, ValueError, "border (=1000"),
    (X, W, None, {"num_threads": 1.5}, TypeError, "num_threads (=1.5)"),
    (X, W, None, {"out": [1]}, TypeError, "out must be an ndarray"),
    (X, W, None, {"out": np.empty((2, 4, 4, 4))}, ValueError, "out has shape (2, 4, 4, 4), but the result has"),
    (X, W, None, {"out": np.empty((2, 4, 4, 5), F32)}, TypeError, "out has dtype float32"),
    (X, W, None, {"out": read_only(np.empty((2, 4, 4, 5)))}, ValueError, "out is read-only"),
    (X, W, None, {"workspace": 3}, TypeError, "workspace (=int)"),
    (X, W, None, {"workspace": bytes(10**6)}, TypeError, "workspace (=bytes) must be writeable"),
    (X, W, None, {"workspace": np.empty(10, np.uint8), "algorithm": "direct"}, ValueError, "workspace holds 10 bytes"),
    (X, W, None, {"padding": 2**62}, ValueError, "the padded input along height"),
    (X, W, None, {"padding": 2**40}, ValueError, "63 bits"),
    (X, W, None, {"stride": 2**70}, ValueError, "63 bits"),
]  # fmt: skip


@pytest.mark.parametrize("x, weight, bias, keywords, error, words", FORWARD)
def test_conv2d_refuses(x, weight, bias, keywords, error, words):
    for _ in range(2):
        with pytest.raises(error) as caught:
            fastconv.conv2d(x, weight, bias, **keywords)
        assert words in str(caught.value)


def test_a_valid_call_does_not_hide_an_invalid_equal_one():
    fastconv.conv2d(X, W, stride=(1, 1), groups=1, padding=0)
    for keywords in ({"stride": (1.0, 1)}, {"stride": True}, {"groups": 1.0}, {"groups": True}, {"padding": False}):
        with pytest.raises(TypeError):
            fastconv.conv2d(X, W, **keywords)


def test_forms_of_the_same_argument_agree():
    wanted = fastconv.conv2d(X, W, stride=(2, 2), padding=((1, 1), (1, 1)), dilation=(1, 1))
    for stride in (2, [2, 2], (2,), np.array([2, 2]), np.int64(2)):
        for padding in (1, [1, 1], (1,), [[1, 1], [1, 1]], (1, (1, 1)), np.int8(1)):
            assert np.array_equal(fastconv.conv2d(X, W, stride=stride, padding=padding), wanted)


def test_conv1d_shows_how_pairs_are_written():
    x, weight = np.ones((1, 1, 5)), np.ones((1, 1, 3))
    with pytest.raises(ValueError) as caught:
        fastconv.conv1d(x, weight, padding=(1, 2))
    assert "write ((1, 2),)" in str(caught.value)
    assert fastconv.conv1d(x, weight, padding=((1, 2),)).shape == (1, 1, 6)


TRANSPOSED = [
    (np.ones((2, 7, 6, 7)), np.ones((8, 4, 3, 3)), None, {}, ValueError, "has 8 input channels, but x has in_channels"),
    (X, np.ones((8, 4, 3, 3)), None, {"groups": 3}, ValueError, "groups (=3) must divide in_channels (=8)"),
    (X, np.ones((8, 4, 3, 3)), np.ones(4), {"groups": 2}, ValueError, "bias of shape (4,) must have shape (8,)"),
    (X, np.ones((8, 4, 3, 3)), None, {"output_padding": 1}, ValueError, "output_padding (=1) along height"),
    (X, np.ones((8, 4, 3, 3)), None, {"output_padding": -1}, ValueError, "output_padding (=-1)"),
    (X, np.ones((8, 4, 3, 3)), None, {"padding": 5}, ValueError, "leaves nothing"),
    (X, np.ones((8, 4, 3, 3)), None, {"weight_layout": "OIHW"}, ValueError, "must be 'IOHW' or 'HWOI'"),
    (X, np.ones((8, 4, 3, 3)), None, {"stride": 2**62}, ValueError, "the output along height"),
    (X, np.ones((8, 4, 3, 3)), None, {"out": np.empty((2, 4, 8, 8))}, ValueError, "out has shape"),
]


@pytest.mark.parametrize("x, weight, bias, keywords, error, words", TRANSPOSED)
def test_conv_transpose2d_refuses(x, weight, bias, keywords, error, words):
    with pytest.raises(error) as caught:
        fastconv.conv_transpose2d(x, weight, bias, **keywords)
    assert words in str(caught.value)


def test_conv_transpose_has_no_border():
    with pytest.raises(TypeError, match="border"):
        fastconv.conv_transpose2d(X, np.ones((8, 4, 3, 3)), border="wrap")


DY = np.ones((2, 4, 4, 5))
BACKWARD = [
    (np.ones((2, 4, 4, 4)), X, W, {}, ValueError, "dy has shape (2, 4, 4, 4), but the output has shape (2, 4, 4, 5)"),
    (DY, X, W, {"needs": ("x", "w")}, ValueError, "needs (=('x', 'w'))"),
    (DY, X, W, {"needs": None}, TypeError, "needs (=None)"),
    (DY, X.shape, W, {}, ValueError, "x is a shape (=(2, 8, 6, 7)), but the gradient of weight needs its values"),
    (DY, X, W.shape, {}, ValueError, "weight is a shape (=(4, 8, 3, 3)), but the gradient of x needs its values"),
    (DY, X.astype(F32), W, {}, TypeError, "x is float32 but dy is float64"),
    (DY, X, W.astype(F32), {}, TypeError, "weight is float32 but dy is float64"),
    (DY.astype(int), X, W, {}, TypeError, "dy has dtype int64"),
    (DY, X, W, {"activation": "relu"}, ValueError, "y is missing"),
    (DY, X, W, {"activation": "relu", "y": np.ones((2, 4, 4, 4))}, ValueError, "shape"),
    (DY, X, W, {"activation": ("leaky_relu", -1.0), "y": DY}, ValueError, "slope"),
    (DY, X, W, {"out": np.empty(3)}, TypeError, "out must be a tuple (dx, dweight, dbias)"),
    (DY, X, W, {"out": (np.empty((2, 8, 6, 6)), None, None)}, ValueError, "out[0] has shape (2, 8, 6, 6)"),
    (DY, X, W, {"out": (None, np.empty((4, 8, 3, 3), F32), None)}, TypeError, "out[1] has dtype float32"),
    (DY, X, W, {"out": (None, None, np.empty(3))}, ValueError, "out[2] has shape (3,)"),
    (DY, X, W, {"out": (None, W, None)}, ValueError, "out[1] overlaps weight"),
    (DY, X, W, {"out": (X, None, None)}, ValueError, "out[0] overlaps x"),
    (DY, X, W, {"needs": "bias", "out": (np.empty(X.shape), None, None)}, ValueError, "needs does not hold 'x'"),
    (DY, X, W, {"workspace": np.empty(1, np.uint8)}, ValueError, "workspace holds 1 bytes"),
    (DY, (2, 8, 6, 8), W, {"needs": "x"}, ValueError, "the output has shape (2, 4, 4, 6)"),
    (DY, (2, 8, -6, 7), W, {"needs": "x"}, ValueError, "x (=(2, 8, -6, 7))"),
]


@pytest.mark.parametrize("dy, x, weight, keywords, error, words", BACKWARD)
def test_conv2d_backward_refuses(dy, x, weight, keywords, error, words):
    with pytest.raises(error) as caught:
        fastconv.conv2d_backward(dy, x, weight, **keywords)
    assert words in str(caught.value)


def overlapping_pair(shape):
    buffer = np.zeros(2 * int(np.prod(shape)))
    return buffer[: np.prod(shape)].reshape(shape), buffer[1 : 1 + np.prod(shape)].reshape(shape)


def test_out_that_overlaps_is_refused():
    x, out = overlapping_pair((1, 1, 6, 7))
    weight = np.ones((1, 1, 3, 3))
    for keywords in ({}, {"residual": np.ones_like(x)}):
        with pytest.raises(ValueError, match="out overlaps x"):
            fastconv.conv2d(x, weight, padding=1, out=out, **keywords)
    with pytest.raises(ValueError, match="out overlaps residual"):
        fastconv.conv2d(np.ones_like(x), weight, padding=1, out=out, residual=x)
    bias = np.zeros(4)
    with pytest.raises(ValueError, match="out overlaps bias"):
        fastconv.conv2d(np.ones((1, 1, 1, 1)), np.ones((4, 1, 1, 1)), bias, out=bias.reshape(1, 4, 1, 1))
    itself = np.lib.stride_tricks.as_strided(np.zeros(50), (1, 1, 6, 7), (8, 8, 8, 8))
    with pytest.raises(ValueError, match="overlaps itself"):
        fastconv.conv2d(np.ones_like(x), weight, padding=1, out=itself)
    space = np.zeros(10**6, np.uint8)
    inside = space[:336].view(np.float64).reshape(1, 1, 6, 7)
    with pytest.raises(ValueError, match="workspace overlaps x"):
        fastconv.conv2d(inside, weight, workspace=space)


def test_interleaved_arrays_do_not_overlap():
    pair = np.random.default_rng(0).standard_normal((1, 1, 6, 7, 2))
    x, out = pair[..., 0], pair[..., 1]
    weight = np.ones((1, 1, 3, 3))
    wanted = fastconv.conv2d(x.copy(), weight, padding=1)
    assert fastconv.conv2d(x, weight, padding=1, out=out) is out
    np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-13)


def guarded(shape, dtype, kind):
    """An array to write to, and the buffer around it, filled with a mark."""
    if kind == "unaligned":
        raw = np.full(int(np.prod(shape)) * np.dtype(dtype).itemsize + 65, 0xAB, np.uint8)
        return raw[33:-32].view(dtype).reshape(shape), raw
    buffer = np.full(
        [size + 2 for size in shape] + [3], -77, dtype if kind != "swapped" else np.dtype(dtype).newbyteorder()
    )
    inner = tuple(slice(1, -1) for _ in shape)
    if kind == "reversed":
        inner = tuple(slice(-2, 0, -1) for _ in shape)
    return buffer[(*inner, 1)], buffer


@pytest.mark.parametrize("kind", ["strided", "reversed", "unaligned", "swapped"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out_of_any_strides_and_nothing_beside_it(dtype, kind):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 5, 6, 7)).astype(dtype), rng.standard_normal((6, 5, 3, 3)).astype(dtype)
    wanted = fastconv.conv2d(x, weight)
    out, buffer = guarded(wanted.shape, dtype, kind)
    before = buffer.copy()
    assert fastconv.conv2d(x, weight, out=out) is out
    np.testing.assert_allclose(out, wanted, rtol=0, atol=50 * np.finfo(dtype).eps)
    out[...] = -77 if kind != "unaligned" else np.frombuffer(b"\xab" * np.dtype(dtype).itemsize, dtype)[0]
    assert np.array_equal(buffer, before)

    dy = rng.standard_normal(wanted.shape).astype(dtype)
    gradients = fastconv.conv2d_backward(dy, x, weight)
    outs = [guarded(gradient.shape, dtype, kind)[0] for gradient in gradients]
    result = fastconv.conv2d_backward(dy, x, weight, out=tuple(outs))
    for given_array, returned, gradient in zip(outs, result, gradients, strict=True):
        assert returned is given_array
        np.testing.assert_allclose(returned, gradient, rtol=0, atol=200 * np.finfo(dtype).eps)


def test_workspace_of_the_size_that_explain_names():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 8, 20, 20)), rng.standard_normal((16, 8, 5, 5))
    report = fastconv.explain_conv2d(x, weight, dtype=np.float64)
    assert report.workspace_bytes > 0
    wanted = fastconv.conv2d(x, weight)
    for workspace in (np.zeros(report.workspace_bytes, np.uint8), bytearray(report.workspace_bytes), np.zeros(10**6)):
        assert np.array_equal(fastconv.conv2d(x, weight, workspace=workspace), wanted)
    guard = np.full(report.workspace_bytes + 64, 0xAB, np.uint8)
    fastconv.conv2d(x, weight, workspace=guard[32:-32])
    assert (guard[:32] == 0xAB).all() and (guard[-32:] == 0xAB).all()
    with pytest.raises(ValueError, match=f"at least {report.workspace_bytes}"):
        fastconv.conv2d(x, weight, workspace=np.zeros(report.workspace_bytes - 1, np.uint8))
    with pytest.raises(TypeError, match="workspace"):
        fastconv.conv2d(x, weight, workspace=np.zeros(10**6, np.uint8)[::2])


def test_workspace_limit_changes_the_choice_not_the_result():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 4, 9, 9)), rng.standard_normal((4, 4, 3, 3))
    frugal = fastconv.conv2d(x, weight, workspace_limit=0)
    report = fastconv.explain_conv2d(x, weight, dtype=np.float64, workspace_limit=0)
    assert report.workspace_bytes == 0 and report.algorithm == "reference"
    assert any(row.status == "workspace too small" for row in report.candidates)
    np.testing.assert_allclose(frugal, fastconv.conv2d(x, weight), atol=1e-13)


class Wrapped:
    """Not an ndarray, but has __array__."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_anything_with_array_is_accepted():
    wanted = fastconv.conv2d(X, W)
    assert np.array_equal(fastconv.conv2d(Wrapped(X), Wrapped(W), Wrapped(np.zeros(4))), wanted)
    assert np.array_equal(fastconv.conv2d(X.tolist(), np.ma.masked_array(W)), wanted)
    dx, _, _ = fastconv.conv2d_backward(Wrapped(DY), X.shape, Wrapped(W), needs=("x",))
    assert dx.shape == X.shape


@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d"])
def test_unbatched_and_empty_batches(op):
    weight = np.random.default_rng(0).standard_normal((8, 8, 3, 3))
    forward, backward = getattr(fastconv, op), getattr(fastconv, f"{op}_backward")
    batched = forward(X, weight, padding=1)
    assert np.array_equal(forward(X[0], weight, padding=1), batched[0])
    dx, dweight, dbias = backward(batched[0], X[0], weight, padding=1)
    assert (dx.shape, dweight.shape, dbias.shape) == (X.shape[1:], weight.shape, (8,))
    empty = X[:0]
    assert forward(empty, weight, np.ones(8), padding=1).shape == (0, *batched.shape[1:])
    dx, dweight, dbias = backward(batched[:0], empty, weight, padding=1)
    assert dx.shape == empty.shape and not dweight.any() and not dbias.any() and dbias.shape == (8,)
    with pytest.raises(ValueError, match="algorithm"):
        forward(empty, weight, algorithm="magic")
    with pytest.raises(ValueError, match="dy has shape"):
        backward(batched[:1], X[0], weight, padding=1)


def test_needs_chooses_the_gradients():
    dx, dweight, dbias = fastconv.conv2d_backward(DY, X, W)
    for needs in (("x",), ("weight",), ("bias",), ("x", "bias"), ("weight", "x"), (), "weight"):
        names = (needs,) if isinstance(needs, str) else needs
        given_x = X if "weight" in names else X.shape
        given_weight = W if "x" in names else W.shape
        found = fastconv.conv2d_backward(DY, given_x, given_weight, needs=needs)
        for name, wanted, gradient in zip(("x", "weight", "bias"), (dx, dweight, dbias), found, strict=True):
            assert (gradient is None) == (name not in names)
            if gradient is not None:
                np.testing.assert_allclose(gradient, wanted, rtol=1e-14)


def test_inputs_may_be_read_only_and_are_never_written():
    rng = np.random.default_rng(0)
    arrays = [read_only(rng.standard_normal(shape)) for shape in (X.shape, W.shape, (4,), DY.shape)]
    copies = [array.copy() for array in arrays]
    x, weight, bias, dy = arrays
    y = fastconv.conv2d(x, weight, bias, activation="relu")
    fastconv.conv2d_backward(dy, x, weight, activation="relu", y=read_only(y))
    for array, copy in zip(arrays, copies, strict=True):
        assert np.array_equal(array, copy)


def test_plans_are_bounded():
    cached_call.cache_clear()
    weight = np.ones((1, 1, 1))
    for size in range(1, CACHED_PLANS + 40):
        fastconv.conv1d(np.ones((1, 1, size)), weight)
    assert cached_call.cache_info().currsize == CACHED_PLANS
    cached_call.cache_clear()
    gc.collect()
    assert fastconv.conv1d(np.ones((1, 1, 3)), weight).tolist() == [[[1.0, 1.0, 1.0]]]
