"""autograd's convolve by fastconv, held against autograd's own; every derivative against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("autograd", reason="autograd is not installed")

import autograd
import autograd.numpy as anp
import autograd.scipy.signal
from autograd.core import make_jvp, make_vjp
from autograd.test_util import check_grads

from fastconv.compat import autograd as compat

HOST = autograd.scipy.signal.convolve
assert HOST is not compat.convolve

# shape of A, of B, axes, dot_axes
CASES = [
    ((7,), (3,), None, ((), ())),
    ((3,), (7,), None, ((), ())),
    ((5, 6), (3, 2), None, ((), ())),
    ((5, 6), (5, 6), None, ((), ())),
    ((5, 4, 6), (2, 3, 2), None, ((), ())),
    ((3, 5), (3, 4), ([1], [0]), ((), ())),
    ((3, 5), (3, 4), ([], []), ([0], [0])),
    ((3, 5), (3, 4, 2), ([1], [2]), ([0], [0])),
    ((2, 5, 4, 3), (2, 4, 2, 3, 2), ([1, 2], [2, 4]), ([0, 3], [0, 3])),
    ((4, 2, 6, 7), (2, 3, 3, 2), ([2, 3], [2, 3]), ([1], [0])),
    ((4, 2, 3, 2), (2, 3, 6, 7), ([2, 3], [2, 3]), ([1], [0])),
    ((6, 2, 7, 3), (2, 3, 2, 5), ([2, 0], [1, 2]), ((), ())),
    ((3, 2, 3, 2, 3), (2, 2, 2, 2), ([0, 1, 2], [0, 1, 2]), ((), ())),
    ((2, 3, 2, 2), (2, 2, 2, 2), None, ((), ())),
]

# autograd's own gradients are wrong where the axes to sum along stand in falling order
HOST_GRADIENT_IS_WRONG = [
    ((2, 4, 5, 3), (2, 4, 2, 3, 2), ([2, 1], [4, 2]), ([3, 0], [3, 0])),
]


def covering(mode, case):
    """Leave out what mode "valid" refuses: neither array covers the other."""
    a, b, axes, _ = case
    pairs = zip(a, b, strict=True) if axes is None else [(a[i], b[j]) for i, j in zip(*axes, strict=True)]
    signs = {np.sign(m - n) for m, n in pairs}
    return mode != "valid" or not {-1, 1} <= signs


def table(cases):
    return [
        pytest.param(mode, *case, id=f"{mode}-{number}")
        for number, case in enumerate(cases)
        for mode in ("full", "valid", "same")
        if covering(mode, case)
    ]


def draw(*shapes, dtype=float):
    rng = np.random.default_rng(sum(map(sum, shapes)))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(("mode", "a", "b", "axes", "dots"), table(CASES + HOST_GRADIENT_IS_WRONG))
def test_convolve_is_the_hosts(mode, a, b, axes, dots):
    A, B = draw(a, b)
    found, wanted = (f(A, B, axes=axes, dot_axes=dots, mode=mode) for f in (compat.convolve, HOST))
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


def test_negative_axes_count_from_the_end():
    """autograd's own takes them and gives an array of another shape."""
    A, B = draw((3, 5), (3, 4))
    wanted = compat.convolve(A, B, axes=([1], [1]), dot_axes=([0], [0]))
    np.testing.assert_array_equal(compat.convolve(A, B, axes=([-1], [-1]), dot_axes=([-2], [-2])), wanted)


def test_full_where_neither_covers_the_other():
    """autograd's own exchanges the two without end where they are of one size."""
    signal = pytest.importorskip("scipy.signal", reason="scipy, autograd's own dependency here, is not installed")
    A, B = draw((2, 5), (5, 2))
    np.testing.assert_allclose(compat.convolve(A, B), signal.convolve(A, B), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("mode", "a", "b", "axes", "dots"), table(CASES))
def test_gradients_of_convolve_are_the_hosts(mode, a, b, axes, dots):
    A, B = draw(a, b)
    mine, theirs = (
        autograd.grad(lambda A, B, f=f: (f(A, B, axes=axes, dot_axes=dots, mode=mode) ** 2).sum(), (0, 1))(A, B)
        for f in (compat.convolve, HOST)
    )
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("mode", "a", "b", "axes", "dots"), table(HOST_GRADIENT_IS_WRONG + CASES[::2]))
def test_convolve_is_twice_differentiable(mode, a, b, axes, dots):
    """Reverse mode, and forward mode, which autograd's own convolve lacks; four axes at once stay with the host."""
    modes = ["rev"] if axes is None and len(a) > 3 else ["fwd", "rev"]
    with autograd_seed():
        check_grads(
            lambda A, B: compat.convolve(A, B, axes=axes, dot_axes=dots, mode=mode), (0, 1), modes=modes, order=2
        )(*draw(a, b))


class autograd_seed:
    """check_grads draws from NumPy's global generator."""

    def __enter__(self):
        self.state = np.random.get_state()
        np.random.seed(1)

    def __exit__(self, *_):
        np.random.set_state(self.state)


CONVOLUTIONS = [
    ("conv1d", (2, 3, 7), (4, 3, 3), {"stride": 2, "padding": 1}),
    ("conv2d", (2, 4, 6, 5), (4, 2, 3, 2), {"stride": (1, 2), "padding": ((1, 0), (0, 2)), "groups": 2}),
    ("conv2d", (2, 6, 5, 2), (3, 3, 2, 3), {"dilation": 2, "layout": "NHWC", "weight_layout": "HWIO"}),
    ("conv2d", (2, 2, 5, 5), (3, 2, 3, 3), {"padding": "same", "flip": True}),
    ("conv3d", (1, 2, 4, 4, 3), (2, 2, 2, 3, 2), {"stride": (2, 1, 1), "padding": "full"}),
]


@pytest.mark.parametrize(("name", "x", "weight", "options"), CONVOLUTIONS)
def test_convolutions_are_twice_differentiable(name, x, weight, options):
    channels = weight[-1] if options.get("weight_layout") else weight[0]
    arrays = draw(x, weight, (channels,))
    layer = getattr(compat, name)
    with autograd_seed():
        check_grads(lambda x, w, b: layer(x, w, b, **options), (0, 1, 2), order=2)(*arrays)
        check_grads(lambda x, w: anp.tanh(layer(x, w, **options)), (0, 1), order=2)(*arrays[:2])


POOLS = [
    ("max_pool1d", (2, 3, 7), (3, 2), {"padding": 1}),
    ("max_pool2d", (2, 3, 6, 6), (2,), {}),
    ("max_pool2d", (2, 3, 6, 5), (3, 2, 1), {"ceil_mode": True}),
    ("max_pool2d", (2, 7, 6, 3), ((2, 3), 1), {"dilation": (2, 1), "layout": "NHWC", "ties": "first"}),
    ("max_pool3d", (1, 2, 4, 4, 4), (2, 2), {"ties": "all"}),
    ("avg_pool1d", (2, 3, 7), (3, 2, 1), {"count_include_pad": False}),
    ("avg_pool2d", (2, 3, 6, 5), (2, 1), {}),
    ("avg_pool2d", (2, 6, 5, 3), (3,), {"layout": "NHWC", "ceil_mode": True}),
    ("avg_pool3d", (1, 2, 4, 4, 4), (2, 2), {}),
]


@pytest.mark.parametrize(("name", "x", "where", "options"), POOLS)
def test_pools_are_twice_differentiable(name, x, where, options):
    """Through a square, so that the second derivative is not nought."""
    pool = getattr(compat, name)
    x = np.random.default_rng(1).permutation(np.linspace(-2, 2, np.prod(x))).reshape(x)
    with autograd_seed():
        check_grads(lambda x: pool(x, *where, **options) ** 2, order=2)(x)


@pytest.mark.parametrize("ties", ["split", "first", "all"])
@pytest.mark.parametrize("options", [{}, {"stride": 1, "padding": 1}, {"stride": 2, "dilation": 2}])
def test_reading_maxima_is_the_adjoint_of_giving_to_them(ties, options):
    """<scatter(g), h> = <g, gather(h)>, on small integers, which tie."""
    rng = np.random.default_rng(2)
    x = rng.integers(0, 3, (2, 3, 7, 7)).astype(float)

    def pool(x):
        return compat.max_pool2d(x, 2, ties=ties, **options)

    vjp, pooled = make_vjp(pool, x)
    g, h = rng.standard_normal(pooled.shape), rng.standard_normal(x.shape)
    _, gathered = make_jvp(pool, x)(h)
    assert np.sum(vjp(g) * h) == pytest.approx(np.sum(g * gathered), rel=1e-12)


def test_default_ties_are_those_of_autograds_maximum():
    x = np.random.default_rng(3).integers(0, 2, (2, 3, 4, 4)).astype(float)
    own = autograd.grad(lambda x: (anp.max(anp.max(x.reshape(2, 3, 2, 2, 2, 2), axis=3), axis=4) ** 2).sum())(x)
    mine = autograd.grad(lambda x: (compat.max_pool2d(x, 2) ** 2).sum())(x)
    assert own.sum() == mine.sum()
    whole = autograd.grad(
        lambda x: (anp.max(x.reshape(2, 3, 2, 2, 2, 2).swapaxes(3, 4).reshape(2, 3, 2, 2, 4), 4) ** 2).sum()
    )(x)
    np.testing.assert_array_equal(mine, whole)


@pytest.mark.parametrize(
    ("one", "other"), [("float32", "float32"), ("float32", "float64"), ("float16", "float16"), ("int64", "float32"),
                       ("int8", "int64"), ("complex128", "float64"), ("longdouble", "float64")],
)  # fmt: skip
def test_element_types_are_the_hosts(one, other):
    """Whole numbers: exact in every type; what is not real and at most 64 bits wide goes to the host."""
    rng = np.random.default_rng(4)
    A, B = rng.integers(-3, 4, (3, 8)).astype(one), rng.integers(-3, 4, (3, 4)).astype(other)
    found, wanted = (f(A, B, axes=([1], [1]), dot_axes=([0], [0])) for f in (compat.convolve, HOST))
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_mistakes_are_errors_of_the_hosts_kind():
    A, B = draw((4, 3), (3, 4))
    with pytest.raises(AssertionError, match="Mode nonsense undefined"):
        compat.convolve(A, B, mode="nonsense")
    for convolve in (compat.convolve, HOST):
        with pytest.raises(Exception, match="larger than the other along all convolved dimensions"):
            convolve(A, B, mode="valid")
        with pytest.raises(ValueError, match="."):
            convolve(A, B, axes=([1], [1]), dot_axes=([0], [0]))
