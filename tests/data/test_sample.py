"""The embedded sample: real, balanced, small, licensed."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import data
from fastconv.data.sets import sample


@pytest.mark.parametrize(("split", "per_class"), [("train", 500), ("test", 100)])
def test_balanced(split, per_class):
    part = data.load("fashion-mnist-sample", split)
    assert part.images.shape == (10 * per_class, 1, 28, 28)
    assert np.bincount(part.labels).tolist() == [per_class] * 10
    assert len(np.unique(part.images.reshape(len(part), -1), axis=0)) > 0.99 * len(part)


def test_classes_take_turns_so_that_a_limit_stays_fair():
    part = data.load("fashion-mnist-sample", "train", limit=500)
    assert np.bincount(part.labels, minlength=10).min() >= 30


def test_statistics_are_those_of_the_pictures():
    part = data.load("fashion-mnist-sample", "train")
    values = part.normalized()
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02


def test_small_and_licensed():
    files = list(sample.FOLDER.iterdir())
    assert sum(file.stat().st_size for file in files) < 3_000_000
    licence = (sample.FOLDER / "LICENSE").read_text()
    assert "Zalando" in licence and "Permission is hereby granted" in licence


def test_is_part_of_the_whole():
    found = data.sets.fashion_mnist.SET.find()
    if found is None:
        pytest.skip("Fashion-MNIST (Debian's dataset-fashion-mnist) is not installed")
    whole, part = data.load("fashion-mnist", "test"), data.load("fashion-mnist-sample", "test")
    known = {picture.tobytes(): label for picture, label in zip(whole.images, whole.labels, strict=True)}
    assert all(known[picture.tobytes()] == label for picture, label in zip(part.images, part.labels, strict=True))
    assert len(whole) == 10_000 and len(data.load("fashion-mnist", "train")) == 60_000


def test_default_is_debians_copy_else_the_sample(monkeypatch, tmp_path):
    monkeypatch.setattr(data.sets.fashion_mnist, "DEBIAN_FOLDER", tmp_path)
    monkeypatch.setenv("FASTCONV_DATA_DIR", str(tmp_path))
    assert data.locate().path == sample.FOLDER
    monkeypatch.undo()
    whole = data.sets.fashion_mnist.SET.find()
    assert data.locate().path == (whole or sample.FOLDER)
