"""Transforms: each against its definition picture by picture; none writes to its input."""

import numpy as np
import pytest

from fastconv import data

X = np.random.default_rng(0).integers(1, 256, (64, 3, 9, 7), dtype=np.uint8)
ALL = [
    data.RandomCrop(2),
    data.RandomCrop(3, "reflect"),
    data.RandomFlip(),
    data.Cutout(4),
    data.Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.1)),
    data.Compose(data.RandomCrop(2), data.RandomFlip(), data.Normalize((0.5,) * 3, (0.2,) * 3), data.Cutout(3)),
]
each = pytest.mark.parametrize("transform", ALL, ids=repr)


@each
def test_new_arrays_of_the_same_shape_from_the_seed_alone(transform):
    before = X.copy()
    first, again = (transform(X, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(X, before)
    assert first.shape == X.shape and not np.shares_memory(first, X)
    np.testing.assert_array_equal(first, again)
    if not isinstance(transform, data.Normalize):
        assert not np.array_equal(first, transform(X, np.random.default_rng(6)))


@pytest.mark.parametrize("border", ["zeros", "reflect", "edge"])
def test_a_crop_is_a_window_of_the_padded_picture(border):
    cropped = data.RandomCrop(2, border)(X, np.random.default_rng(0))
    mode = {"zeros": "constant"}.get(border, border)
    places = set()
    for picture, found in zip(X, cropped, strict=True):
        padded = np.pad(picture, ((0, 0), (2, 2), (2, 2)), mode)
        windows = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(padded[:, top : top + 9, left : left + 7], found)
        ]
        assert len(windows) == 1
        places.add(windows[0])
    assert len(places) > 15 and {top for top, _ in places} == {left for _, left in places} == set(range(5))


@pytest.mark.parametrize(("p", "share"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
def test_flips(p, share):
    flipped = data.RandomFlip(p)(X, np.random.default_rng(0))
    mirrored = [np.array_equal(found, picture[..., ::-1]) for picture, found in zip(X, flipped, strict=True)]
    plain = [np.array_equal(found, picture) for picture, found in zip(X, flipped, strict=True)]
    assert [a != b for a, b in zip(mirrored, plain, strict=True)] == [True] * len(X)
    assert np.mean(mirrored) == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_cutout(size):
    holes = data.Cutout(size)(X, np.random.default_rng(0)) == 0
    largest = 0
    for hole in holes:
        assert (hole == hole[0]).all()
        rows, columns = np.flatnonzero(hole[0].any(axis=1)), np.flatnonzero(hole[0].any(axis=0))
        assert 1 <= len(rows) <= size and 1 <= len(columns) <= size
        assert hole[0].sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == len(rows) * len(columns)
        largest = max(largest, int(hole[0].sum()))
    assert largest == size * min(size, 7)


def test_normalize_has_the_bits_of_the_function():
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.2, 0.1)
    np.testing.assert_array_equal(data.Normalize(mean, std)(X), data.normalize(X, mean, std))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: data.RandomCrop(-1), ValueError, "padding"),
        (lambda: data.RandomCrop(1, "mirror"), ValueError, "zeros, reflect"),
        (lambda: data.RandomFlip(2), ValueError, r"p \(=2\)"),
        (lambda: data.Cutout(0), ValueError, "size"),
        (lambda: data.Normalize((0.5,), (0.0,)), ValueError, "std positive"),
        (lambda: data.Normalize((0.5,), (1.0, 1.0)), ValueError, "each channel"),
        (lambda: data.Normalize((0.5,), (1.0,))(X), ValueError, "the pictures have 3"),
        (lambda: data.Compose("flip"), TypeError, "'flip'"),
        (lambda: data.RandomFlip()(X[0], np.random.default_rng()), ValueError, r"\(N, C, H, W\)"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()
