"""Folders of pictures, and single pictures read and written."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from data_files import image_folder

from fastconv import data
from fastconv.data.formats.images import read_image, resize, write_image

Image = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize(("channels", "suffix"), [(3, ".png"), (1, ".png"), (3, ".jpg"), (1, ".jpg")])
def test_reads_classes_in_turn(tmp_path, channels, suffix):
    image_folder(tmp_path / "pets", ("cat", "dog", "eel"), (6, 9), channels, suffix)
    train, test = data.load(tmp_path / "pets"), data.load(tmp_path / "pets", "test")
    assert train.images.shape == (9, channels, 6, 9) and len(test) == 6
    assert train.class_names == ("cat", "dog", "eel") and train.name == "pets"
    assert train.labels.tolist() == [0, 1, 2] * 3
    assert train.images[:, 0, 0, 0].tolist() == [20 * label + index for index in range(3) for label in range(3)]
    assert train.mean == test.mean and len(train.mean) == channels


def test_progress_is_told(tmp_path):
    image_folder(tmp_path, ("a", "b"), (4, 4), 1, ".png")
    told = []
    data.load(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(index, 6) for index in range(1, 7)]


def break_size(folder):
    Image.new("RGB", (5, 5)).save(folder / "train" / "a" / "0001.png")
    return r"0001\.png: 3x5x5, but 0000\.png is 3x4x4"


def break_bytes(folder):
    path = folder / "train" / "b" / "0002.png"
    path.write_bytes(path.read_bytes()[:40])
    return r"0002\.png: "


def break_kind(folder):
    (folder / "train" / "b" / "0002.png").write_text("no picture")
    return r"0002\.png: not a picture"


def break_mode(folder):
    Image.new("L", (4, 4)).save(folder / "train" / "a" / "0000.png")
    colours = Image.new("RGB", (4, 4), (1, 2, 3))
    for file in sorted((folder / "train").rglob("*.png"))[1:]:
        colours.save(file)
    return r"0000\.png: in colour, but 0000\.png is grey; all must be of one kind"


def break_several(folder):
    for name in ("a/0001", "b/0002"):
        (folder / "train" / f"{name}.png").write_text("no picture")
    return r"a.0001\.png: not a picture .*; 2 of 6 pictures cannot be read, --skip-unreadable"


def break_empty(folder):
    for file in (folder / "train" / "b").iterdir():
        file.unlink()
    return "b: no pictures in this class folder"


def break_classes(folder):
    (folder / "test" / "b").rename(folder / "test" / "c")
    return "c: this class is not in"


def break_test(folder):
    (folder / "test").rename(folder / "elsewhere")
    return "test: no class folders"


def break_train(folder):
    (folder / "train").rename(folder / "elsewhere")
    return "train: no class folders"


@pytest.mark.parametrize(
    "damage",
    [
        break_size,
        break_bytes,
        break_kind,
        break_mode,
        break_several,
        break_empty,
        break_classes,
        break_test,
        break_train,
    ],
)
def test_damaged_folders(tmp_path, damage):
    image_folder(tmp_path, ("a", "b"), (4, 4), 3, ".png")
    message = damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path, "train")
        data.load(tmp_path, "test")


@pytest.mark.parametrize("bad", [("a/0000",), ("a/0001", "b/0002"), ("b/0000", "b/0001", "b/0002")])
def test_unreadable_pictures_are_left_out_on_request(tmp_path, bad):
    image_folder(tmp_path, ("a", "b"), (4, 4), 3, ".png")
    whole = data.load(tmp_path)
    names = [f"{name}/{index:04}" for index in range(3) for name in "ab"]
    for name in bad:
        (tmp_path / "train" / f"{name}.png").write_text("no picture")
    part = data.load(tmp_path, skip_unreadable=True)
    kept = [name not in bad for name in names]
    np.testing.assert_array_equal(part.images, whole.images[kept])
    np.testing.assert_array_equal(part.labels, whole.labels[kept])
    assert part.skipped == tuple(str(tmp_path / "train" / f"{name}.png") for name in names if name in bad)
    assert part.describe().endswith(f", {len(bad)} unreadable left out") and part.class_names == ("a", "b")
    assert data.load(tmp_path, "test", skip_unreadable=True).skipped == ()


def test_nothing_readable(tmp_path):
    image_folder(tmp_path, ("a", "b"), (4, 4), 3, ".png")
    for file in (tmp_path / "train").rglob("*.png"):
        file.write_text("no picture")
    with pytest.raises(ValueError, match="6 of 6 pictures"):
        data.load(tmp_path, skip_unreadable=True)


def test_wrong_sizes_are_never_left_out(tmp_path):
    image_folder(tmp_path, ("a", "b"), (4, 4), 3, ".png")
    with pytest.raises(ValueError, match=break_size(tmp_path)):
        data.load(tmp_path, skip_unreadable=True)


def test_grey_among_colour_and_colourless_among_grey(tmp_path):
    image_folder(tmp_path / "colour", ("a",), (4, 4), 3, ".png")
    Image.new("L", (4, 4), 9).save(tmp_path / "colour/train/a/0002.png")
    assert data.load(tmp_path / "colour").images[2].tolist() == [[[9] * 4] * 4] * 3
    image_folder(tmp_path / "grey", ("a",), (4, 4), 1, ".png")
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "grey/train/a/0002.png")
    assert data.load(tmp_path / "grey").images[2].tolist() == [[[9] * 4] * 4]


def test_too_large_for_memory(tmp_path, monkeypatch):
    image_folder(tmp_path, ("a", "b"), (4, 4), 3, ".png")
    monkeypatch.setattr(data.sets.image_folder, "_MEMORY_LIMIT", 100)
    with pytest.raises(ValueError, match="6 pictures of 3x4x4 take more than"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("mode", "colour", "channels", "pixel"),
    [
        ("L", 7, 1, [7]),
        ("1", 1, 1, [255]),
        ("RGB", (1, 2, 3), 3, [1, 2, 3]),
        ("P", 0, 3, [0, 0, 0]),
        ("RGBA", (9, 9, 9, 0), 3, [255, 255, 255]),
        ("RGBA", (9, 8, 7, 255), 3, [9, 8, 7]),
        ("LA", (9, 0), 1, [255]),
        ("I;16", 65535, 1, [255]),
        ("I;16", 200, 1, [200]),
    ],
)
def test_modes(tmp_path, mode, colour, channels, pixel):
    path = tmp_path / "picture.png"
    Image.new(mode, (3, 2), colour).save(path)
    pixels = read_image(path)
    assert pixels.shape == (channels, 2, 3) and pixels.dtype == np.uint8
    assert pixels[:, 0, 0].tolist() == pixel


def test_resize_takes_means():
    pixels = np.array([[0, 20, 100, 140], [40, 60, 100, 100]], np.uint8)
    assert resize(np.stack([pixels, pixels]), 1, 2).tolist() == [[[30, 110]]] * 2
    assert resize(pixels[None], 4, 8).shape == (1, 4, 8)


def test_channels_on_demand(tmp_path):
    path = tmp_path / "picture.png"
    write_image(path, np.full((3, 8, 6), 90, np.uint8))
    assert read_image(path, channels=1).shape == (1, 8, 6)
    write_image(path, np.arange(4, dtype=np.uint8).reshape(1, 2, 2))
    np.testing.assert_array_equal(read_image(path, channels=3), np.broadcast_to([[[0, 1], [2, 3]]], (3, 2, 2)))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("picture.xyz", "not a picture format"),
        ("picture", "the suffix chooses the format"),
        ("none/picture.png", "cannot be written"),
    ],
)
def test_unwritable(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / name, np.zeros((1, 2, 2), np.uint8))
    assert not list(tmp_path.iterdir())


def test_without_pillow(tmp_path, monkeypatch):
    image_folder(tmp_path, ("a", "b"), (4, 4), 3, ".png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"need Pillow: pip install 'fastconv\[data\]'"):
        data.load(tmp_path)
