"""Names, folders, the table, and what is said when nothing is found."""

from __future__ import annotations

import re

import numpy as np
import pytest
from data_files import idx_folder

from fastconv import data
from fastconv.data.sets import TABLE


def test_every_row_of_the_table_is_complete():
    assert len({source.name for source in TABLE}) == len(TABLE) >= 7
    for source in TABLE:
        assert source.summary and source.licence
        for remote in source.remotes:
            assert re.fullmatch("[0-9a-f]{64}", remote.sha256) and remote.file
    assert [row["name"] for row in data.available()] == [source.name for source in TABLE]


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(data.sets.fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    return tmp_path


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist", "cifar10"])
def test_absent_data_says_how_to_get_it(nothing_here, name):
    with pytest.raises(ValueError, match=f"'{name}'.* is not on this machine; --download"):
        data.load(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nosuch",), r"data \(='nosuch'\) is neither a folder nor a known name: fashion-mnist, .*mnist-5k, cifar10"),
        (("idx-folder",), "is neither a folder nor a known name"),
        (("fashion-mnist-sample", "validation"), r"split \(='validation'\) must be one of train, test"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(*arguments)


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match=r"holds no data set that fastconv knows: idx files"):
            data.load(path)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True])
def test_bad_limit(limit):
    with pytest.raises(ValueError, match=rf"limit \(={limit}\)"):
        data.load("fashion-mnist-sample", limit=limit)


def test_limit(tmp_path):
    made = idx_folder(tmp_path)
    part = data.load(tmp_path, limit=5)
    np.testing.assert_array_equal(part.images[:, 0], made["train"][0][:5])
    assert len(part.labels) == 5 and len(data.load(tmp_path, limit=1000)) == 12
    assert part.describe() == f"{tmp_path.name}, train: 5 pictures of 1x6x5, 10 classes, from {tmp_path}"


GOOD = {
    "images": np.zeros((2, 1, 3, 3), np.uint8),
    "labels": np.array([0, 1]),
    "class_names": ("a", "b"),
    "name": "toy",
    "split": "train",
    "source": "memory",
    "mean": (0.5,),
    "std": (0.5,),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 1, 3, 3))}, "memory: images must be uint8"),
        ({"images": np.zeros((2, 3, 3), np.uint8)}, "memory: images must be uint8 with axes"),
        ({"labels": np.array([0])}, "memory: 2 images need as many int64 labels"),
        ({"labels": np.array([0, 1], np.int32)}, "memory: 2 images need as many int64 labels"),
        ({"labels": np.array([0, 2])}, "memory: label 2 is outside the 2 classes"),
        ({"labels": np.array([-1, 1])}, "memory: label -1 is outside the 2 classes"),
        ({"mean": (0.5, 0.5)}, "memory: mean"),
        ({"std": (0.0,)}, "memory: mean .* std positive"),
        ({"images": np.zeros((0, 1, 3, 3), np.uint8), "labels": np.zeros(0, np.int64)}, "holds no pictures"),
    ],
)
def test_dataset_checks_itself(change, message):
    assert len(data.Dataset(**GOOD)) == 2
    with pytest.raises(ValueError, match=message):
        data.Dataset(**{**GOOD, **change})


def test_normalized_by_channel():
    images = np.array([0, 255, 51], np.uint8).reshape(1, 3, 1, 1)
    values = data.normalize(images, (0.5, 0.5, 0.2), (0.5, 0.25, 0.1))
    np.testing.assert_allclose(values.ravel(), [-1, 2, 0], atol=1e-6)


def test_statistics_do_not_alias_with_the_turns_of_the_classes():
    images = np.zeros((50_000, 1, 1, 1), np.uint8)
    images[::10] = 255
    mean, std = data.dataset.pixel_statistics(images)
    assert mean[0] == pytest.approx(0.1, abs=0.01) and std[0] == pytest.approx(0.3, abs=0.01)
