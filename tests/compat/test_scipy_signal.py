"""compat.scipy_signal against SciPy: values, shapes, types and errors, over shapes, types, modes, borders and axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")

from fastconv.compat import scipy_signal as ours  # noqa: E402
from fastconv.compat.scipy_signal import _choice, plane  # noqa: E402

REAL = ("f4", "f8")
TYPES = ("f4", "f8", "c8", "c16", "i2", "u1", "i8", "f2", "?", "O", "g")
MODES = ("full", "same", "valid")
SHAPES = [
    ((7,), (3,)), ((3,), (7,)), ((1,), (1,)), ((6,), (6,)), ((40,), (31,)), ((5, 6), (2, 3)), ((2, 3), (5, 6)),
    ((5, 2), (3, 4)), ((9, 1), (1, 4)), ((4, 5, 3), (2, 2, 2)), ((3, 4, 2, 3), (2, 1, 2, 2)),
]  # fmt: skip
TOLERANCE = {"f": 2e-5, "d": 1e-12, "F": 2e-5, "D": 1e-12, "e": 2e-3, "g": 1e-12}


@pytest.fixture(autouse=True)
def every_size(monkeypatch):
    """The engine computes even what SciPy would have done sooner."""
    monkeypatch.setattr(plane, "_LEAST_PRODUCTS", 1)


def make(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu?O":
        values = rng.integers(0 if dtype.kind in "u?" else -9, 2 if dtype.kind == "?" else 10, shape)
    else:
        values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def outcome(function, *arguments, **keywords):
    """The result, or the type of the exception."""
    with np.errstate(all="ignore"):
        try:
            return function(*arguments, **keywords)
        except Exception as error:  # the test compares types
            return type(error)


def same(got, wanted, digits=None):
    """`digits` is the character of the type whose rounding counts, where SciPy computes part of the sum in it."""
    if isinstance(wanted, type):
        assert got is wanted
        return
    assert not isinstance(got, type), got
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    if wanted.dtype.char not in TOLERANCE:
        assert (got == wanted).all()
    elif wanted.size:
        scale = max(1.0, float(np.abs(wanted).max()))
        assert float(np.abs(got - wanted).max()) <= TOLERANCE[digits or wanted.dtype.char] * scale


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("method", ["auto", "direct", "fft"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_any_shape_and_mode(name, method, shapes):
    for mode, dtype in itertools.product(MODES, REAL + ("c16", "i4")):
        a, b = make(shapes[0], dtype, 0), make(shapes[1], dtype, 1)
        wanted = outcome(getattr(signal, name), a, b, mode, method)
        same(outcome(getattr(ours, name), a, b, mode, method), wanted)


@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", TYPES)
def test_any_pair_of_types(first, second):
    for shapes in [((9,), (4,)), ((6, 5), (2, 3))]:
        a, b = make(shapes[0], first, 0), make(shapes[1], second, 1)
        for name in ("convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"):
            coarse = [array.dtype.char for array in (a, b) if array.dtype.char in "efF"]
            wanted = outcome(getattr(signal, name), a, b)
            same(outcome(getattr(ours, name), a, b), wanted, min(coarse, default=None))


@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
@pytest.mark.parametrize("boundary", ["fill", "pad", "wrap", "circular", "symm", "symmetric"])
def test_every_border(name, boundary):
    shapes = [
        ((6, 7), (3, 3)),
        ((5, 4), (2, 4)),
        ((3, 3), (5, 6)),
        ((2, 2), (5, 5)),
        ((1, 4), (3, 1)),
        ((4, 2), (3, 3)),
    ]
    for (one, two), mode, dtype in itertools.product(shapes, MODES, REAL + ("c8", "u1", "i8")):
        a, b = make(one, dtype, 0), make(two, dtype, 1)
        wanted = outcome(getattr(signal, name), a, b, mode, boundary)
        same(outcome(getattr(ours, name), a, b, mode, boundary), wanted)


@pytest.mark.parametrize("value", [0, 2, -1.5, np.array([3.0]), np.nan, [1, 2], "x", 1j, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "c16"])
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_fill_values(value, dtype):
    a, b = make((5, 6), dtype, 0), make((3, 2), dtype, 1)
    for mode in MODES:
        wanted = outcome(signal.convolve2d, a, b, mode, "fill", value)
        got = outcome(ours.convolve2d, a, b, mode, "fill", value)
        if isinstance(wanted, np.ndarray) and wanted.dtype.kind in "fc":
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
        else:
            same(got, wanted)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers_wrap_as_scipys_sums_do(dtype):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    a = rng.integers(limits.min, limits.max, (12, 11), dtype=dtype, endpoint=True)
    b = rng.integers(limits.min, limits.max, (3, 4), dtype=dtype, endpoint=True)
    same(ours.convolve2d(a, b), signal.convolve2d(a, b))
    same(ours.convolve(a, b, method="direct"), signal.convolve(a, b, method="direct"))
    same(ours.correlate(a[0], b[0], method="direct"), signal.correlate(a[0], b[0], method="direct"))


WRONG = [
    ("convolve", ([1.0], [[1.0]]), {}),
    ("convolve", ([1.0, 2.0], [1.0], "nonsense"), {}),
    ("convolve", ([1.0, 2.0], [1.0], "full", "nonsense"), {}),
    ("correlate", ([1.0, 2.0], [1.0], ["full"]), {}),
    ("correlate", ([1.0, 2.0], [1.0], "full", "nonsense"), {}),
    ("convolve", (np.ones((2, 3)), np.ones((3, 2)), "valid"), {}),
    ("fftconvolve", (np.ones((2, 3)), np.ones((4, 2))), {"axes": 0}),
    ("fftconvolve", ([1.0, 2.0], [1.0]), {"axes": 1}),
    ("fftconvolve", ([1.0, 2.0], [1.0]), {"axes": []}),
    ("fftconvolve", ([1.0, 2.0], [1.0]), {"axes": [0, 0]}),
    ("oaconvolve", ([1.0, 2.0], [1.0]), {"axes": 1.5}),
    ("oaconvolve", ([1.0, 2.0], [1.0], "chips"), {}),
    ("convolve2d", ([1.0], [1.0]), {}),
    ("convolve2d", (np.ones((2, 3)), np.ones((3, 2)), "valid"), {}),
    ("convolve2d", (np.ones((2, 3)), np.ones((2, 2)), 1), {}),
    ("correlate2d", (np.ones((2, 3)), np.ones((2, 2)), "same", 2), {}),
]


@pytest.mark.parametrize(("name", "arguments", "keywords"), WRONG, ids=range(len(WRONG)))
def test_mistakes_are_the_hosts_own_errors(name, arguments, keywords):
    with pytest.raises(Exception) as wanted:  # noqa: B017, PT011 - whatever SciPy raises
        getattr(signal, name)(*arguments, **keywords)
    with pytest.raises(wanted.type) as got:
        getattr(ours, name)(*arguments, **keywords)
    assert str(got.value) == str(wanted.value)


def test_nothing_and_scalars():
    for a, b in [([], []), ([1.0], []), (3, 4), (3.0, 4j), (np.float32(2), 3)]:
        for name in ("convolve", "correlate", "fftconvolve", "oaconvolve"):
            same(outcome(getattr(ours, name), a, b), outcome(getattr(signal, name), a, b))
    empty = np.ones((0, 3)), np.ones((2, 2))
    same(ours.convolve2d(*empty), signal.convolve2d(*empty))


AXES = [((3, 8), (3, 4), 1), ((3, 8), (1, 4), -1), ((1, 8), (2, 4), 1), ((4, 3, 6), (4, 2, 6), [1]),
        ((5, 2, 6), (3, 1, 4), (0, 2)), ((2, 9, 3, 8), (1, 4, 3, 3), [3, 1]),
        ((4, 1, 5), (2, 3, 1), [0, 2])]  # fmt: skip


@pytest.mark.parametrize(("one", "two", "axes"), AXES)
@pytest.mark.parametrize(("name", "dtype"), [
    *itertools.product(["fftconvolve", "oaconvolve", "convolve", "correlate"], ["f4", "f8", "c16", "i4"]),
    ("convolve", "O"), ("correlate", "O"),  # objects have no transforms
])  # fmt: skip
def test_axes_with_the_rest_broadcast(one, two, axes, name, dtype):
    """Every pair of slices by itself; SciPy's function has axes only in its transforms, and cuts "same" too short."""
    a, b = make(one, dtype, 0), make(two, dtype, 1)
    listed = sorted(axis % a.ndim for axis in np.atleast_1d(axes))
    lead = [axis for axis in range(a.ndim) if axis not in listed]
    host = signal.correlate if name == "correlate" else signal.convolve if name == "convolve" else signal.fftconvolve
    for mode in MODES:
        slices_a, slices_b = a.transpose(*lead, *listed), b.transpose(*lead, *listed)
        shape = np.broadcast_shapes(slices_a.shape[: len(lead)], slices_b.shape[: len(lead)])
        slices_a = np.broadcast_to(slices_a, (*shape, *slices_a.shape[len(lead) :]))
        slices_b = np.broadcast_to(slices_b, (*shape, *slices_b.shape[len(lead) :]))
        parts = [outcome(host, slices_a[index], slices_b[index], mode) for index in np.ndindex(*shape)]
        if isinstance(parts[0], type):
            same(outcome(getattr(ours, name), a, b, mode, axes=axes), parts[0])
            continue
        wanted = np.stack(parts).reshape(*shape, *parts[0].shape).transpose(np.argsort([*lead, *listed]))
        same(getattr(ours, name)(a, b, mode, axes=axes), wanted)


def test_what_is_not_finite_stays_under_its_windows():
    x = make((300, 300), "f4", 0)
    x[100, 100] = np.nan
    kernel = make((20, 20), "f4", 1)
    for function in (ours.convolve2d, ours.convolve, ours.fftconvolve):
        assert np.isnan(function(x, kernel, "full")).sum() == kernel.size


def test_a_large_kernel_goes_to_one_transform():
    x, kernel = make((20000,), "f8", 0), make((19000,), "f8", 1)
    from fastconv.compat.scipy_signal._problem import problem_of

    assert _choice.transform_wins(problem_of(x, kernel, "full", None))
    same(ours.convolve(x, kernel), signal.fftconvolve(x, kernel))


def test_memory_mapped_and_strided_input(tmp_path):
    stored = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (64, 50))
    stored[...] = make((64, 50), "f4", 0)
    read = np.load(tmp_path / "x.npy", mmap_mode="r")
    kernel = make((3, 5), "f4", 1)
    same(ours.convolve2d(read, kernel), signal.convolve2d(stored, kernel))
    same(ours.convolve(read[::-2, ::3], kernel[:, ::-1]), signal.convolve(stored[::-2, ::3], kernel[:, ::-1]))
    swapped = stored.astype(">f4")
    same(ours.convolve(swapped, kernel), signal.convolve(stored, kernel))


def test_bits_do_not_depend_on_threads():
    for dtype in ("f4", "c8", "i2"):
        x, kernel = make((500, 400), dtype, 0), make((7, 6), dtype, 1)
        for name in ("convolve", "correlate", "convolve2d", "fftconvolve"):
            one, two = (getattr(ours, name)(x, kernel, num_threads=threads) for threads in (1, 2))
            assert one.tobytes() == two.tobytes()


def test_methods_and_lags():
    x, kernel = make((100,), "f8", 0), make((7,), "f8", 1)
    assert ours.choose_conv_method(x, kernel) == signal.choose_conv_method(x, kernel)
    method, seconds = ours.choose_conv_method(x, kernel, measure=True)
    assert method == min(seconds, key=seconds.get) and set(seconds) == {"fft", "direct"}
    assert (ours.correlation_lags(5, 3, "valid") == signal.correlation_lags(5, 3, "valid")).all()
