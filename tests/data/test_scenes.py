"""Composed scenes: boxes, masks and labels tell what the pixels show."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import data
from fastconv.data.scenes import silhouettes


@pytest.fixture(scope="module")
def sample():
    return data.load("fashion-mnist-sample", "test")


@pytest.fixture(scope="module")
def scenes(sample):
    return data.compose_scenes(sample, 40, items=(0, 4), seed=5)


def test_shapes_and_order(scenes):
    assert scenes.images.shape == (40, 1, 64, 64) and scenes.images.dtype == np.uint8
    assert scenes.labels.shape == (40, 4) and scenes.boxes.shape == (40, 4, 4)
    counts = (scenes.labels >= 0).sum(1)
    assert counts.min() == 0 and counts.max() == 4
    np.testing.assert_array_equal(scenes.labels >= 0, np.arange(4) < counts[:, None])
    assert not scenes.boxes[scenes.labels < 0].any()
    assert scenes.normalized().dtype == np.float32 and abs(scenes.normalized()).max() <= 1


def test_boxes_masks_and_classes_agree(scenes):
    classes = scenes.class_map()
    for index in range(len(scenes)):
        masks = scenes.masks(index)
        assert len(masks) == (scenes.labels[index] >= 0).sum() == scenes.instances[index].max()
        assert masks.sum(0, initial=0).max() <= 1
        for mask, box, label in zip(masks, scenes.boxes[index].astype(int), scenes.labels[index], strict=False):
            left, top, right, bottom = box
            inside = mask[top:bottom, left:right]
            assert inside.sum() == mask.sum() > 0
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
            assert (classes[index][mask] == label + 1).all()
        assert not classes[index][~masks.any(0)].any()


def test_items_are_the_pictures(sample):
    """An item as large as its picture is the picture's silhouette, pixel by pixel."""
    scenes = data.compose_scenes(sample, 5, items=(1, 1), item_sizes=(28, 28), seed=1)
    for index in range(5):
        left, top, right, bottom = scenes.boxes[index, 0].astype(int)
        mask = scenes.masks(index)[0]
        shown = np.where(mask, scenes.images[index, 0], 0)[top:bottom, left:right]
        candidates = sample.images[sample.labels == scenes.labels[index, 0], 0]
        inside = silhouettes(candidates)
        cut = [
            np.where(one, picture, 0)[np.ix_(one.any(1), one.any(0))]
            for one, picture in zip(inside, candidates, strict=True)
        ]
        assert any(np.array_equal(one, shown) for one in cut)


def test_seeds(sample):
    one, same, other = (data.compose_scenes(sample, 3, seed=seed) for seed in (1, 1, 2))
    for name in ("images", "labels", "boxes", "instances"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.images, other.images)


def test_a_scene_may_be_as_small_as_its_item(sample):
    scenes = data.compose_scenes(sample, 2, size=28, items=(1, 2), item_sizes=(28, 28))
    assert scenes.images.shape == (2, 1, 28, 28) and ((scenes.labels >= 0).sum(1) == 1).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"count": 0}, ValueError, "count"),
        ({"items": (2, 1)}, ValueError, r"items \(=\(2, 1\)\) must be a range within 0..255"),
        ({"items": 3}, TypeError, r"items \(=3\) must be a tuple of two ints"),
        ({"item_sizes": (8, 65)}, ValueError, r"item_sizes \(=\(8, 65\)\) must be a range within 4..64"),
        ({"item_sizes": (8.5, 9)}, TypeError, "item_sizes"),
        ({"size": 20}, ValueError, "item_sizes"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_arguments(sample, arguments, error, message):
    with pytest.raises(error, match=message):
        data.compose_scenes(sample, **{"count": 1, **arguments})


def test_colour_is_refused():
    colour = data.Dataset(
        np.zeros((1, 3, 8, 8), np.uint8), np.zeros(1, np.int64), ("a",), "x", "train", "here", (0, 0, 0), (1, 1, 1)
    )
    with pytest.raises(ValueError, match="pictures of 3x8x8; scenes are composed of grey squares"):
        data.compose_scenes(colour, 1)
