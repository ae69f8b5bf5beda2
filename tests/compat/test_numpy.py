"""compat.numpy against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastconv.compat import numpy as ours

TYPES = ("f4", "f8", "i4", "u1", "?", "c8", "c16", "f2", "O")


@pytest.fixture(autouse=True)
def every_size(monkeypatch):
    """The engine computes even what NumPy would have done sooner."""
    monkeypatch.setattr(ours, "_LEAST_PRODUCTS", 1)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("sizes", [(1, 1), (7, 3), (3, 7), (4, 4), (8, 6), (2, 9), (500, 130), (130, 500)])
def test_modes_sizes_and_types(name, sizes):
    rng = np.random.default_rng(0)
    for one, two in itertools.product(TYPES, repeat=2):
        a, v = (rng.integers(0, 5, n).astype(kind) for n, kind in zip(sizes, (one, two), strict=True))
        for mode in (None, "full", "same", "valid"):
            keywords = {} if mode is None else {"mode": mode}
            wanted, got = getattr(np, name)(a, v, **keywords), getattr(ours, name)(a, v, **keywords)
            assert got.dtype == wanted.dtype and got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-4) if wanted.dtype.kind in "fc" else None
            assert wanted.dtype.kind in "fc" or (got == wanted).all()


@pytest.mark.parametrize(
    "arguments", [([], [1]), ([1], []), (np.ones((2, 2)), [1]), ([1], [1], "nonsense"), (["a"], [1])]
)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_mistakes_are_numpys_errors(name, arguments):
    with pytest.raises(Exception) as wanted:  # noqa: B017, PT011 - whatever NumPy raises
        getattr(np, name)(*arguments)
    with pytest.raises(wanted.type):
        getattr(ours, name)(*arguments)


def test_lists_and_scalars():
    assert (ours.convolve([1, 2, 3], [0, 1, 0.5]) == np.convolve([1, 2, 3], [0, 1, 0.5])).all()
    assert (ours.convolve(2.0, [3.0, 4.0]) == np.convolve(2.0, [3.0, 4.0])).all()


def test_what_is_not_finite_stays_under_its_windows():
    a, v = np.ones(5000), np.ones(300)
    a[1000] = np.nan
    assert np.isnan(ours.convolve(a, v)).sum() == 300


def test_bits_do_not_depend_on_threads():
    a, v = np.random.default_rng(0).standard_normal((2, 4000), dtype=np.float32)
    assert ours.convolve(a, v, num_threads=1).tobytes() == ours.convolve(a, v, num_threads=2).tobytes()


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_kernel_that_is_not_finite_reaches_no_further_than_numpys(mode, value):
    draw = np.random.default_rng(2)
    a, v = draw.standard_normal(1500), draw.standard_normal(100)
    v[33] = value
    for name in ("convolve", "correlate"):
        expected = getattr(np, name)(a, v, mode)
        np.testing.assert_allclose(getattr(ours, name)(a, v, mode), expected, rtol=1e-10, atol=1e-10)
