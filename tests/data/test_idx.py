"""Folders of idx files: what is read, and what each kind of damage says."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from data_files import IDX_STEMS, idx_bytes, idx_folder, pictures

from fastconv import data
from fastconv.data.formats.idx import read_idx, write_idx


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_reads_every_compression(tmp_path, suffix):
    made = idx_folder(tmp_path / "shapes", suffix)
    for split, (images, labels) in made.items():
        part = data.load(tmp_path / "shapes", split)
        np.testing.assert_array_equal(part.images[:, 0], images)
        np.testing.assert_array_equal(part.labels, labels)
        assert part.labels.dtype == np.int64 and part.class_names == tuple("0123456789")
        assert part.name == "shapes" and part.source == str(tmp_path / "shapes")
        assert part.mean == pytest.approx((made["train"][0].mean() / 255,), abs=1e-4)


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_writes_what_it_reads(tmp_path, suffix):
    path = tmp_path / f"some{suffix}"
    write_idx(path, pictures(3, 4, 5))
    np.testing.assert_array_equal(read_idx(path, 3), pictures(3, 4, 5))


def test_dotted_names(tmp_path):
    idx_folder(tmp_path)
    for stems in IDX_STEMS.values():
        for stem in stems:
            (tmp_path / stem).rename(tmp_path / stem.replace("-idx", ".idx"))
    assert len(data.load(tmp_path)) == 12


def test_fashion_mnist_is_told_from_mnist_by_its_labels(tmp_path):
    source = data.sets.fashion_mnist.SET.find()
    if source is None:
        pytest.skip("Fashion-MNIST (Debian's dataset-fashion-mnist) is not installed")
    for file in source.iterdir():
        (tmp_path / file.name.removesuffix(".gz")).write_bytes(gzip.decompress(file.read_bytes()))
    part = data.load(tmp_path, "test")
    assert part.name == "fashion-mnist" and part.class_names[9] == "ankle boot"


IMAGES, LABELS = IDX_STEMS["train"]
GOOD = idx_bytes(pictures(12, 6, 5))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (IMAGES, b"", "truncated, 0 bytes"),
        (IMAGES, GOOD[:9], "truncated inside its header"),
        (IMAGES, GOOD[:-1], "truncated, 359 of the 360 bytes"),
        (IMAGES, GOOD + b"x", "longer than the 360 bytes"),
        (IMAGES, b"PK\x03\x04" + GOOD[4:], "not an idx file"),
        (IMAGES, b"\0\0\x0d\x03" + GOOD[4:], "idx type 0x0d is not unsigned bytes"),
        (IMAGES, idx_bytes(np.zeros(12, np.uint8)), r"holds labels \(1 axis\), expected pictures"),
        (LABELS, GOOD, r"holds pictures \(3 axes\), expected labels"),
        (LABELS, idx_bytes(np.zeros((2, 2), np.uint8)), "holds 2 axes, expected labels"),
        (LABELS, idx_bytes(np.zeros(11, np.uint8)), "12 pictures but train-labels-idx1-ubyte 11 labels"),
        (IMAGES, b"\0\0\x08\x03" + b"\xff" * 12, "truncated, 0 of the 79,"),
        (IMAGES, idx_bytes(np.zeros((12, 0, 5), np.uint8)), "holds no pictures"),
    ],
)
def test_damaged_files(tmp_path, file, content, message):
    idx_folder(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        data.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "no archive"])
def test_damaged_compression(tmp_path, suffix, damage):
    idx_folder(tmp_path, suffix)
    path = tmp_path / (IMAGES + suffix)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-30]
    elif damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    else:
        content = bytearray(b"plain text")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{IMAGES}{suffix}: "):
        data.load(tmp_path)


@pytest.mark.parametrize("missing", [IMAGES, LABELS])
def test_missing_file(tmp_path, missing):
    idx_folder(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        data.load(tmp_path)


def test_more_than_ten_classes(tmp_path):
    idx_folder(tmp_path)
    (tmp_path / LABELS).write_bytes(idx_bytes((np.arange(12) + 35).astype(np.uint8)))
    for split in ("train", "test"):
        assert len(data.load(tmp_path, split).class_names) == 47


def test_a_label_outside_fashion_mnist(tmp_path):
    idx_folder(tmp_path)
    (tmp_path / LABELS).write_bytes(idx_bytes(np.full(12, 10, np.uint8)))
    with pytest.raises(ValueError, match="label 10 is outside the 10 classes"):
        data.sets.fashion_mnist.SET.read(tmp_path, "train", None)
