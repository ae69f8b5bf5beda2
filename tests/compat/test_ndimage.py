"""compat.ndimage against SciPy: every filter over shapes, types, modes, origins, axes and outputs, and its errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fastconv.compat import ndimage as ours  # noqa: E402
from fastconv.compat.ndimage import _arguments  # noqa: E402
from fastconv.compat.ndimage._host import HOST, NAMES  # noqa: E402

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap")
TOLERANCE = {"f": 3e-6, "d": 1e-13, "F": 3e-6, "D": 1e-13}
KERNEL = np.random.default_rng(7).standard_normal((3, 4))
CALLS = {
    "convolve": [(KERNEL,), (np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),), (np.ones((5, 5)),)],
    "correlate": [(KERNEL,), (np.ones((1, 6)),), (np.outer([1.0, 2, 1], [1.0, 0, -1]),)],
    "convolve1d": [([1.0, -2.5, 0.5],), ([1, 3],)],
    "correlate1d": [([1.0, -2.5, 0.5, 4.0],), ([2, 1, 2],)],
    "gaussian_filter": [(1.2,), ((0.8, 0),), ((1.0, 2.0), (0, 1))],
    "gaussian_filter1d": [(1.2,), (0.7, 0), (1.5, -1, 2)],
    "gaussian_gradient_magnitude": [(1.1,)],
    "gaussian_laplace": [(1.1,)],
    "laplace": [()],
    "maximum_filter": [(3,), ((2, 5),), (None, np.ones((3, 1))), (None, np.eye(3))],
    "maximum_filter1d": [(4,), (3, 0)],
    "minimum_filter": [(4,), ((1, 15),)],
    "minimum_filter1d": [(5,)],
    "prewitt": [(), (0,)],
    "sobel": [(), (0,)],
    "uniform_filter": [(3,), ((4, 1),)],
    "uniform_filter1d": [(4,), (5, 0)],
}
CASES = [pytest.param(name, arguments, id=f"{name}-{i}") for name in CALLS for i, arguments in enumerate(CALLS[name])]


@pytest.fixture(autouse=True, scope="module")
def every_size():
    """The engine computes even images that SciPy would have done sooner."""
    before, _arguments.LEAST_SIZE = _arguments.LEAST_SIZE, 1
    yield
    _arguments.LEAST_SIZE = before


def make(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu?":
        return rng.integers(0 if dtype.kind in "u?" else -90, 2 if dtype.kind == "?" else 91, shape).astype(dtype)
    values = rng.standard_normal(shape) * 10
    return (values + 1j * rng.standard_normal(shape)).astype(dtype) if dtype.kind == "c" else values.astype(dtype)


def outcome(function, *arguments, **keywords):
    with np.errstate(all="ignore"):
        try:
            return function(*arguments, **keywords)
        except Exception as error:  # the test compares types
            return type(error)


def same(got, wanted, digits=None):
    if isinstance(wanted, type):
        assert got is wanted
        return
    assert not isinstance(got, type), got
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    tolerance = TOLERANCE.get(digits or wanted.dtype.char)
    if tolerance is None:
        assert (got == wanted).all()
    elif wanted.size:
        scale = max(1.0, float(np.abs(wanted).max()))
        assert float(np.abs(got - wanted).max()) <= tolerance * scale


def test_every_function_has_cases():
    assert set(CALLS) == set(NAMES) == set(ours.__all__) == set(HOST)


@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("mode", MODES)
def test_modes_and_types(name, arguments, mode):
    for dtype, shape in itertools.product(("f4", "f8", "u1", "i2", "i4", "i8", "u8"), [(9, 11), (1, 7), (2, 2)]):
        image = make(shape, dtype)
        wanted = outcome(HOST[name], image, *arguments, mode=mode, cval=2)
        same(outcome(getattr(ours, name), image, *arguments, mode=mode, cval=2), wanted)


@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "?", "u1", "i4", "f2", "g", "O"])
def test_other_types(name, arguments, dtype):
    image = make((6, 7), dtype)
    same(outcome(getattr(ours, name), image, *arguments), outcome(HOST[name], image, *arguments))


@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("output", ["float32", np.float64, np.dtype("i4"), "u1", np.uint16, "complex64", "nonsense"])
@pytest.mark.filterwarnings("ignore")
def test_types_of_the_output(name, arguments, output):
    for dtype in ("f4", "f8", "u1", "i4"):
        image = np.abs(make((8, 9), dtype))  # what negative numbers become in unsigned types is the compiler's
        if output in ("u1", np.uint16) and name not in ("uniform_filter", "maximum_filter", "gaussian_filter"):
            continue
        wanted = outcome(HOST[name], image, *arguments, output=output)
        # SciPy stores passes in the type of the output: between float32 passes its sums are rounded too.
        same(outcome(getattr(ours, name), image, *arguments, output=output), wanted)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_arrays_for_the_output(name, arguments):
    for dtype in ("f4", "f8", "i4"):
        image = make((8, 9), dtype)
        wanted = HOST[name](image, *arguments)
        for target in (np.empty_like(image), np.empty((9, 8), dtype).T, np.empty((8, 18), dtype)[:, ::2]):
            assert getattr(ours, name)(image, *arguments, output=target) is target
            same(np.array(target), wanted)
        if dtype == "i4" and name in ("gaussian_laplace", "gaussian_gradient_magnitude"):
            continue  # SciPy's own: reads the image again after writing a part of the result over it
        inplace = image.copy()
        assert getattr(ours, name)(inplace, *arguments, output=inplace) is inplace
        same(inplace, HOST[name](image, *arguments))
        assert outcome(getattr(ours, name), image, *arguments, output=np.empty((8, 8), dtype)) is RuntimeError


@pytest.mark.parametrize("name", ["convolve", "correlate", "uniform_filter", "maximum_filter", "minimum_filter"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_origins(name, dtype):
    image = make((7, 8), dtype)
    for origin, mode in itertools.product([0, 1, -1, -2, (1, 0), (-1, 1), (0, 0, 0), 3, 0.0, "x"], MODES):
        argument = np.arange(12.0).reshape(3, 4) if name in ("convolve", "correlate") else (3, 4)
        keywords = {"origin": origin, "mode": mode, "cval": -3}
        same(
            outcome(getattr(ours, name), image, argument, **keywords), outcome(HOST[name], image, argument, **keywords)
        )


@pytest.mark.parametrize("name", ["convolve1d", "correlate1d", "uniform_filter1d", "maximum_filter1d"])
def test_origins_along_one_axis(name):
    image = make((5, 6, 4), "f8")
    for origin, axis, length in itertools.product([0, 1, -1, -2, 2], [0, 1, -1, 3], [3, 4]):
        argument = np.arange(1.0, length + 1) if name.startswith("co") else length
        wanted = outcome(HOST[name], image, argument, axis, origin=origin)
        same(outcome(getattr(ours, name), image, argument, axis, origin=origin), wanted)


AXES = [None, 0, -1, (0, 1), (1, 2), (0, 2), (2, 0), (0, 1, 2), (), (0, 0), 3, (0, 5), "x"]


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_axes(axes, dtype):
    image = make((6, 7, 5), dtype)
    count = 3 if axes is None else len(axes) if isinstance(axes, tuple) else 1
    kernel = np.random.default_rng(0).integers(-3, 4, (2, 3, 4)[:count]).astype(float)
    for name, arguments in [
        ("convolve", (kernel,)), ("correlate", (kernel,)), ("uniform_filter", (3,)), ("gaussian_filter", (1.0,)),
        ("maximum_filter", (3,)), ("minimum_filter", ((2, 3, 4)[:count],)), ("laplace", ()),
        ("gaussian_laplace", (1.0,)), ("gaussian_gradient_magnitude", (1.0,)),
    ]:  # fmt: skip
        # SciPy's N-D kernels take a negative axis in a tuple only.
        wanted = outcome(HOST[name], image, *arguments, axes=(-1,) if axes == -1 else axes)
        same(outcome(getattr(ours, name), image, *arguments, axes=axes), wanted)


@pytest.mark.parametrize("name", ["uniform_filter", "gaussian_filter", "maximum_filter", "sobel", "laplace"])
def test_a_mode_for_each_axis(name):
    image = make((6, 7), "f8")
    arguments = () if name in ("sobel", "laplace") else (3,)
    for mode in (["reflect", "constant"], ("wrap", "mirror"), ["nearest"], ["reflect", "nonsense"]):
        wanted = outcome(HOST[name], image, *arguments, mode=mode)
        same(outcome(getattr(ours, name), image, *arguments, mode=mode), wanted)


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 12), min_size=4, max_size=4),
    mode=st.sampled_from(MODES),
    dtype=st.sampled_from(["f4", "f8", "i2", "u1"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_window(shape, sizes, mode, dtype, seed):
    rng = np.random.default_rng(seed)
    image, sizes = make(shape, dtype, seed), tuple(sizes[: len(shape)])
    origin = tuple(int(rng.integers(-(n // 2), (n - 1) // 2 + 1)) for n in sizes)
    kernel = rng.integers(-4, 5, tuple(min(n, 5) for n in sizes)).astype(float)
    sigma = float(rng.uniform(0.3, 2))
    for name, arguments, keywords in [
        ("convolve", (kernel,), {"cval": 3}), ("correlate", (kernel,), {"cval": 3}),
        ("uniform_filter", (sizes,), {"origin": origin}), ("maximum_filter", (sizes,), {"origin": origin, "cval": 5}),
        ("minimum_filter", (sizes,), {"origin": origin, "cval": 5}), ("gaussian_filter", (sigma,), {"cval": 1}),
        ("sobel", (), {}), ("laplace", (), {"cval": 2}),
    ]:  # fmt: skip
        wanted = outcome(HOST[name], image, *arguments, mode=mode, **keywords)
        same(outcome(getattr(ours, name), image, *arguments, mode=mode, **keywords), wanted)


WRONG = [
    ("convolve", (np.ones(3),), {}), ("convolve", (np.ones((3, 3)),), {"mode": "nonsense"}),
    ("convolve", (np.ones((3, 3)),), {"mode": ["reflect", "wrap"]}), ("convolve", (np.ones((3, 3)),), {"origin": 2}),
    ("correlate", (np.ones((0, 3)),), {}), ("correlate1d", ([],), {}), ("correlate1d", (np.ones((2, 2)),), {}),
    ("correlate1d", ([1.0],), {"axis": 2}), ("convolve1d", ([1.0, 2.0],), {"origin": -2}),
    ("gaussian_filter", ((1.0, 2.0, 3.0),), {}), ("gaussian_filter", (1.0, -1), {}),
    ("gaussian_filter1d", (1.0,), {"radius": -1}), ("gaussian_filter1d", (1.0,), {"radius": 1.1}),
    ("uniform_filter1d", (0,), {}), ("uniform_filter", ((3, 3, 3),), {}), ("uniform_filter1d", (3,), {"origin": 2}),
    ("maximum_filter", (), {}), ("maximum_filter", (None, np.zeros((3, 3))), {}), ("minimum_filter1d", (-1,), {}),
    ("maximum_filter", (None, np.eye(3)), {"mode": ["reflect", "wrap"]}), ("minimum_filter", (3,), {"origin": 5}),
    ("sobel", (2,), {}), ("prewitt", (), {"mode": ["reflect"]}), ("laplace", (), {"axes": (0, 0)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "keywords"), WRONG, ids=range(len(WRONG)))
def test_mistakes_are_the_hosts_own_errors(name, arguments, keywords):
    image = make((6, 7), "f4")
    with pytest.raises(Exception) as wanted:  # noqa: B017, PT011 - whatever SciPy raises
        HOST[name](image, *arguments, **keywords)
    with pytest.raises(wanted.type) as got:
        getattr(ours, name)(image, *arguments, **keywords)
    assert str(got.value) == str(wanted.value)


def test_the_mean_of_a_picture_stays():
    """float32 weights are rounded so that their sum is 1, as SciPy's float64 ones are."""
    image = np.random.default_rng(0).random((300, 300), dtype=np.float32) + 1000
    for blurred in (ours.gaussian_filter(image, 1.5, mode="wrap"), ours.uniform_filter(image, 7, mode="wrap")):
        assert abs(blurred.mean(dtype=np.float64) - image.mean(dtype=np.float64)) < 1e-4
    flat = np.full((50, 60), 0.1, np.float32)
    np.testing.assert_allclose(ours.gaussian_filter(flat, 2.0), flat, rtol=4e-7)


def test_what_is_not_finite():
    """Zero weights let nothing through in kernels of several axes; maxima pass NaN by as SciPy's do."""
    image = make((20, 21), "f4")
    image[5, 6], image[12, 3] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        for name, arguments in [
            ("convolve", (np.eye(3),)),
            ("laplace", ()),
            ("sobel", ()),
            ("correlate1d", ([1, 0, 1],)),
        ]:
            np.testing.assert_allclose(getattr(ours, name)(image, *arguments), HOST[name](image, *arguments), rtol=1e-5)
        np.testing.assert_array_equal(ours.maximum_filter(image, 3), HOST["maximum_filter"](image, 3))
        assert np.isnan(ours.uniform_filter(image, 3)).sum() == 9


def test_long_windows_and_kernels():
    image = make((40, 300), "f4")
    for size in (31, (1, 61), (64, 2), (3, 150), 250):
        same(ours.maximum_filter(image, size), HOST["maximum_filter"](image, size))
        same(ours.minimum_filter(image, size, mode="constant"), HOST["minimum_filter"](image, size, mode="constant"))
    for sigma in (12, 30):
        same(ours.gaussian_filter(image, sigma), HOST["gaussian_filter"](image, sigma))


def test_strided_swapped_and_read_only_images(tmp_path):
    image = make((30, 40), "f4")
    np.save(tmp_path / "x.npy", image)
    views = [image[::2, ::-3], image.T, image.astype(">f4"), np.load(tmp_path / "x.npy", mmap_mode="r"), image.tolist()]
    for view in views:
        for name, arguments in [("convolve", (KERNEL,)), ("gaussian_filter", (1.0,)), ("minimum_filter", (3,))]:
            same(getattr(ours, name)(view, *arguments), HOST[name](view, *arguments), "f")


def test_colour_and_volumes():
    for shape, sigma, size in [
        ((20, 21, 3), (1, 1, 0), (3, 3, 1)),
        ((8, 9, 40), (0, 1, 1), (1, 3, 5)),
        ((9, 8, 7), 1, 3),
    ]:
        for dtype in ("f4", "f8", "u1"):
            image = make(shape, dtype)
            kernel = np.random.default_rng(0).integers(-2, 3, [3 if n else 1 for n in np.broadcast_to(sigma, 3)])
            same(ours.gaussian_filter(image, sigma), HOST["gaussian_filter"](image, sigma))
            same(ours.maximum_filter(image, size), HOST["maximum_filter"](image, size))
            same(ours.convolve(image, kernel), HOST["convolve"](image, kernel))


def test_bits_do_not_depend_on_threads():
    image = make((400, 500), "f4")
    for name in NAMES:
        arguments = CALLS[name][0]
        one, two = (getattr(ours, name)(image, *arguments, num_threads=threads) for threads in (1, 2))
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("order", range(5))
def test_weights_of_gaussians_have_scipys_bits(order):
    impulse = np.zeros(101)
    impulse[50] = 1
    for sigma in (0.3, 0.7, 1.0, 1.9, 3.3, 8.0):
        options = {"order": order, "mode": "constant"}
        expected = ndimage.gaussian_filter1d(impulse, sigma, **options)
        np.testing.assert_array_equal(ours.gaussian_filter1d(impulse, sigma, **options), expected)


LARGE = [
    ("gaussian_filter", (5,), {"mode": "constant", "cval": 1e39}),
    ("gaussian_filter1d", (12,), {"mode": "constant", "cval": 1e39}),
    ("maximum_filter", (3,), {"mode": "constant", "cval": 1e300}),
    ("minimum_filter", (3,), {"mode": "constant", "cval": -1e300}),
    ("correlate", (np.arange(1.0, 10).reshape(3, 3),), {"mode": "constant", "cval": 1e300}),
]


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
@pytest.mark.parametrize(("name", "arguments", "options"), LARGE)
@pytest.mark.filterwarnings("error")
def test_borders_beyond_the_type_are_infinite_without_a_word(name, arguments, options, dtype):
    x = np.random.default_rng(0).random((90, 90)).astype(dtype)
    expected = getattr(ndimage, name)(x, *arguments, **options)
    np.testing.assert_allclose(getattr(ours, name)(x, *arguments, **options), expected, rtol=1e-5)
