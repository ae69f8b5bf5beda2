"""interpolate, pad, channel_shuffle, local_response_norm: formulas, adjoints, layouts, places for results, errors."""

import itertools

import numpy as np
import pytest

import fastconv

#: forward(x, out=), backward(dy, out=), shape of x; all are linear
LINEAR = {
    "nearest": (lambda x, **o: fastconv.interpolate(x, scale_factor=(2, 3), **o),
                lambda dy, s, **o: fastconv.interpolate_backward(dy, s, scale_factor=(2, 3), **o), (2, 3, 4, 5)),
    "nearest-size": (lambda x, **o: fastconv.interpolate(x, (7, 3), **o),
                     lambda dy, s, **o: fastconv.interpolate_backward(dy, s, (7, 3), **o), (2, 3, 4, 5)),
    "bilinear": (lambda x, **o: fastconv.interpolate(x, (7, 3), mode="bilinear", **o),
                 lambda dy, s, **o: fastconv.interpolate_backward(dy, s, (7, 3), mode="bilinear", **o), (2, 3, 4, 5)),
    "pad": (lambda x, **o: fastconv.pad(x, (1, 2, 0, 3), **o),
            lambda dy, s, **o: fastconv.pad_backward(dy, s, (1, 2, 0, 3), **o), (2, 3, 4, 5)),
    "crop": (lambda x, **o: fastconv.pad(x, (-1, 2, 1, -3), **o),
             lambda dy, s, **o: fastconv.pad_backward(dy, s, (-1, 2, 1, -3), **o), (2, 3, 4, 5)),
    **{mode: (lambda x, mode=mode, **o: fastconv.pad(x, (3, 1, 2, 3), mode, **o),
              lambda dy, s, mode=mode, **o: fastconv.pad_backward(dy, s, (3, 1, 2, 3), mode, **o), (2, 3, 4, 5))
       for mode in ("reflect", "replicate", "circular")},
    "shuffle": (lambda x, **o: fastconv.channel_shuffle(x, 3, **o),
                lambda dy, s, **o: fastconv.channel_shuffle_backward(dy, 3, **o), (2, 6, 4)),
}  # fmt: skip
each_linear = pytest.mark.parametrize(("forward", "backward", "shape"), LINEAR.values(), ids=LINEAR)


@each_linear
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backward_is_the_adjoint(forward, backward, shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    y = forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    dx = backward(dy, shape)
    assert y.dtype == dx.dtype == dtype and dx.shape == shape
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(np.vdot(y, dy), np.vdot(x, dx), rtol=tolerance)


@each_linear
def test_views_and_places_for_results(forward, backward, shape):
    wide = np.random.default_rng(0).standard_normal((*shape[:-1], 2 * shape[-1]))
    x = wide[..., ::2]
    expected = forward(np.ascontiguousarray(x))
    for out in (np.empty_like(expected), np.empty((*expected.shape, 2))[..., 0]):
        assert forward(x, out=out) is out
        np.testing.assert_array_equal(out, expected)
    dy = np.cos(expected)
    dx = backward(dy, shape)
    out = np.empty_like(dx)
    assert backward(np.asfortranarray(dy), shape, out=out) is out
    np.testing.assert_array_equal(out, dx)
    with pytest.raises(ValueError, match="out has shape"):
        forward(x, out=np.zeros(3))
    with pytest.raises(TypeError, match="int"):
        forward(np.zeros(shape, int))
    assert forward(np.zeros((0, *shape[1:]))).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "constant"])
def test_pad_is_numpys(mode):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    name = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "constant": "constant"}[mode]
    options = {"constant_values": 1.5} if mode == "constant" else {}
    expected = np.pad(x, ((0, 0), (0, 0), (2, 3), (1, 4)), name, **options)
    np.testing.assert_array_equal(fastconv.pad(x, (1, 4, 2, 3), mode, 1.5), expected)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    found = fastconv.pad(last, (1, 4, 2, 3), mode, 1.5, layout="NHWC")
    np.testing.assert_array_equal(np.moveaxis(found, -1, 1), expected)


def test_pad_of_channels():
    x = np.ones((2, 3, 4, 5))
    assert fastconv.pad(x, (0, 0, 0, 0, 1, 2)).shape == (2, 6, 4, 5)


@pytest.mark.parametrize(("size", "after"), list(itertools.product((1, 2, 3, 4, 7, 20), ((), (3,), (2, 3)))))
def test_local_response_norm_is_the_formula(size, after):
    x = np.random.default_rng(0).standard_normal((2, 9, *after))
    alpha, beta, k = 0.7, 0.6, 1.5
    expected = np.empty_like(x)
    for c in range(9):
        around = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        expected[:, c] = x[:, c] / (k + alpha / size * np.square(around).sum(1)) ** beta
    np.testing.assert_allclose(fastconv.local_response_norm(x, size, alpha, beta, k), expected, rtol=1e-13)
    last = np.moveaxis(x, 1, -1)
    found = fastconv.local_response_norm(last, size, alpha, beta, k, axis=-1)
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, rtol=1e-13)


@pytest.mark.parametrize("shape", [(1, 96, 40, 40), (3, 5, 7, 11), (2, 40, 30, 700)])
def test_local_response_norm_in_pieces(shape):
    """Planes larger and smaller than a block give what elements by themselves give."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    dy = np.cos(x)
    y, dx = fastconv.local_response_norm(x, 5), fastconv.local_response_norm_backward(dy, x, 5)
    part = (slice(None), slice(None), slice(3, 5), slice(5, 7))
    np.testing.assert_allclose(fastconv.local_response_norm(x[part], 5), y[part], rtol=1e-6)
    np.testing.assert_allclose(fastconv.local_response_norm_backward(dy[part], x[part], 5), dx[part], rtol=1e-5)


PICTURE = np.zeros((1, 2, 4, 4))
BAD = [
    (lambda: fastconv.interpolate(PICTURE), ValueError, "give one of size"),
    (lambda: fastconv.interpolate(PICTURE, (2, 2, 2)), ValueError, "1 or 2 entries"),
    (lambda: fastconv.interpolate(PICTURE, 2, mode="linear"), ValueError, "1 spatial axes, got 2"),
    (lambda: fastconv.interpolate(PICTURE[0, 0], 2), ValueError, "one to three spatial axes"),
    (lambda: fastconv.interpolate(PICTURE, 2, layout="NCW"), ValueError, "layout"),
    (lambda: fastconv.interpolate(PICTURE[..., :0], 2), ValueError, "nothing to take"),
    (lambda: fastconv.interpolate_backward(PICTURE, (1, 2, 4, 4), 5), ValueError, "dy has shape"),
    (lambda: fastconv.interpolate_backward(PICTURE, PICTURE, 5), TypeError, "x_shape"),
    (lambda: fastconv.pad(PICTURE, 1), TypeError, "pad"),
    (lambda: fastconv.pad(PICTURE, (1,)), ValueError, "two ints"),
    (lambda: fastconv.pad(PICTURE, (1,) * 10), ValueError, "at most 4 axes"),
    (lambda: fastconv.pad(PICTURE, (1, 1), "mirror"), ValueError, r"mode \(='mirror'\)"),
    (lambda: fastconv.pad(PICTURE, (4, 0), "reflect"), ValueError, "more than mode 'reflect' can fill"),
    (lambda: fastconv.pad(PICTURE, (5, 0), "circular"), ValueError, "more than mode 'circular'"),
    (lambda: fastconv.pad(PICTURE[..., :0], (1, 0), "replicate"), ValueError, "more than mode 'replicate'"),
    (lambda: fastconv.pad(PICTURE, (-1, 0), "reflect"), ValueError, "takes elements away"),
    (lambda: fastconv.pad(PICTURE, (-3, -3)), ValueError, "takes more than there is"),
    (lambda: fastconv.pad(PICTURE, (1, 1), value="0"), TypeError, "value"),
    (lambda: fastconv.pad_backward(PICTURE, (1, 2, 4, 4), (1, 1)), ValueError, "dy has shape"),
    (lambda: fastconv.channel_shuffle(PICTURE, 3), ValueError, r"groups \(=3\) must divide"),
    (lambda: fastconv.channel_shuffle_backward(PICTURE, 3), ValueError, r"groups \(=3\) must divide"),
    (lambda: fastconv.channel_shuffle(PICTURE, 2, axis=4), ValueError, "axis"),
    (lambda: fastconv.local_response_norm(PICTURE, 0), ValueError, "size"),
    (lambda: fastconv.local_response_norm(PICTURE, 5, beta=np.nan), ValueError, "beta"),
    (lambda: fastconv.local_response_norm(PICTURE, 5, axis=9), ValueError, "axis"),
    (lambda: fastconv.local_response_norm_backward(PICTURE[0], PICTURE, 5), ValueError, "dy has shape"),
]


@pytest.mark.parametrize(("call", "error", "match"), BAD)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
