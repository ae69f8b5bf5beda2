"""Pictures of a training: what is drawn, and that it is written whole or not at all."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from fastconv import plot

HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 1.1 / epoch, "test_accuracy": accuracy}
    for epoch, accuracy in ((1, 0.5), (2, 0.9), (3, 0.8))
]
COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 10]])
NAMES = ("cat", "dog", "eel")


def test_curves():
    loss, accuracy = plot.curves(HISTORY).axes
    assert [line.get_label() for line in loss.lines] == ["train", "test"]
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(accuracy.lines[0].get_xydata(), [[1, 0.5], [2, 0.9], [3, 0.8]])
    assert "best 0.9000, epoch 2" in accuracy.get_title()


def test_curves_without_a_test_set():
    loss, accuracy = plot.curves([{"epoch": 1, "train_loss": 2.0, "test_loss": None, "test_accuracy": None}]).axes
    assert len(loss.lines) == 1 and not accuracy.lines


def test_mosaic_places_and_scales_each_filter():
    weight = np.zeros((6, 1, 2, 2))
    weight[4, 0] = [[-3, 0], [1.5, 3]]
    picture = plot.mosaic(weight)
    assert picture.shape == (7, 10, 3)
    np.testing.assert_allclose(picture[4:6, 4:6, 0], [[0, 0.5], [0.75, 1]])
    np.testing.assert_allclose(picture[1:3, 1:3], 0.5)
    assert len(np.unique(picture[3], axis=0)) == 1


@pytest.mark.parametrize(
    ("count", "columns", "shape"), [(96, None, (97, 145, 3)), (1, None, (13, 13, 3)), (7, 4, (25, 49, 3))]
)
def test_mosaic_shapes(count, columns, shape):
    picture = plot.mosaic(np.random.default_rng(0).standard_normal((count, 3, 11, 11)), columns=columns)
    assert picture.shape == shape and 0 <= picture.min() <= picture.max() <= 1


def test_mosaic_keeps_colour():
    weight = np.zeros((1, 3, 1, 1))
    weight[0, :, 0, 0] = 1, -1, 0
    np.testing.assert_allclose(plot.mosaic(weight)[1, 1], [1, 0, 0.5])


def test_confusion_matrix():
    (axes,) = plot.confusion_matrix(COUNTS, NAMES).axes
    assert "90.00% right" in axes.get_title()
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert sorted(text.get_text() for text in axes.texts) == ["1", "10", "2", "8", "9"]
    np.testing.assert_allclose(axes.images[0].get_array(), COUNTS / 10)


def test_training_report(tmp_path):
    path = tmp_path / "report.png"
    path.write_text("the old one")
    assert plot.training_report(path, HISTORY, np.ones((6, 1, 5, 5)), COUNTS, NAMES, title="net") == path
    assert path.read_bytes().startswith(b"\x89PNG") and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.curves([]), "history is empty"),
        (lambda: plot.filters(np.ones((3, 3))), r"weight must have axes \(O, C, H, W\).* got shape \(3, 3\)"),
        (lambda: plot.filters(np.ones((0, 1, 3, 3))), "none of them empty"),
        (lambda: plot.confusion_matrix(COUNTS, "ab"), r"counts has shape \(3, 3\), but there are 2 class names"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unwritable(tmp_path):
    figure = plot.curves(HISTORY)
    (tmp_path / "file").touch()
    for path in (tmp_path / "none" / "a.png", tmp_path / "file" / "a.png"):
        with pytest.raises(ValueError, match=r"a\.png'\) cannot be written"):
            plot.save(figure, path)


def test_without_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[cli\]'"):
        plot.curves(HISTORY)


def test_no_window_system_is_touched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    path = tmp_path / "a.png"
    plot.training_report(path, HISTORY, np.ones((6, 1, 5, 5)), COUNTS, NAMES)
    assert path.read_bytes().startswith(b"\x89PNG")
