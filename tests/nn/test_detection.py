"""Overlaps, suppression and average precision, by cases that can be reckoned by hand and against loops."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv.nn.detection import box_iou, mask_iou, mean_average_precision, non_maximum_suppression

ONE, FAR, HALF = [0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 10, 5]


def random_boxes(rng, count):
    corner = rng.integers(0, 20, (count, 2))
    return np.concatenate([corner, corner + rng.integers(0, 15, (count, 2))], axis=1)


def test_boxes_overlap_as_their_masks_do():
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 8), random_boxes(rng, 11)
    y, x = np.mgrid[:40, :40]
    masks = [
        np.array([(x >= one[0]) & (x < one[2]) & (y >= one[1]) & (y < one[3]) for one in boxes]) for boxes in (a, b)
    ]
    overlaps = box_iou(a, b)
    assert overlaps.shape == (8, 11) and 0 <= overlaps.min() and overlaps.max() <= 1
    np.testing.assert_allclose(overlaps, mask_iou(*masks), atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (ONE, ONE, 1),
        (ONE, FAR, 0),
        (ONE, HALF, 0.5),
        (ONE, [10, 0, 20, 10], 0),
        ([3, 3, 3, 3], [3, 3, 3, 3], 0),
        ([9, 9, 0, 0], ONE, 0),
    ],
)
def test_box_iou(a, b, expected):
    assert box_iou([a], [b])[0, 0] == box_iou([b], [a])[0, 0] == expected


def test_nothing_overlaps_with_nothing():
    assert box_iou(np.zeros((0, 4)), [ONE]).shape == (0, 1)
    assert mask_iou(np.zeros((2, 3, 3), bool), np.zeros((0, 3, 3), bool)).shape == (2, 0)
    assert mask_iou(np.zeros((1, 3, 3)), np.zeros((1, 3, 3)))[0, 0] == 0
    assert non_maximum_suppression(np.zeros((0, 4)), []).tolist() == []


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold", "kept"),
    [
        ([ONE, HALF, FAR], [0.5, 0.9, 0.1], 0.4, [1, 2]),
        ([ONE, HALF, FAR], [0.5, 0.9, 0.1], 0.5, [1, 0, 2]),
        ([ONE, ONE], [0.5, 0.5], 0.5, [0]),
        # what was suppressed suppresses nothing
        ([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], [0.9, 0.8, 0.7], 0.4, [0, 2]),
    ],
)
def test_non_maximum_suppression(boxes, scores, threshold, kept):
    assert non_maximum_suppression(boxes, scores, threshold).tolist() == kept


def picture(*items):
    """(boxes, scores, labels) of (box, score, label), and the same without scores for (box, label)."""
    columns = list(zip(*items, strict=True)) or [[]] * 3
    return tuple(np.array(column, float if place < len(columns) - 1 else int) for place, column in enumerate(columns))


NOTHING = np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        ([picture((ONE, 0.9, 0))], [picture((ONE, 0))], 1),
        ([picture((ONE, 0.9, 1))], [picture((ONE, 0))], 0),
        ([NOTHING], [picture((ONE, 0))], 0),
        ([picture((ONE, 0.9, 0))], [picture((HALF, 0))], 1),
        ([picture((ONE, 0.9, 0))], [picture(([0, 0, 10, 4.9], 0))], 0),
        # the same item twice: the second is wrong, after all is found
        ([picture((ONE, 0.9, 0), (ONE, 0.8, 0))], [picture((ONE, 0))], 1),
        # a wrong one first: precision 1/2 at the only recall
        ([picture((FAR, 0.9, 0), (ONE, 0.8, 0))], [picture((ONE, 0))], 1 / 2),
        # right, wrong, right of two: 1 for the first half of the recall, 2/3 for the second
        ([picture((ONE, 0.9, 0), (HALF, 0.8, 0), (FAR, 0.7, 0))], [picture((ONE, 0), (FAR, 0))], (1 + 2 / 3) / 2),
        # wrong, right, right of two: 2/3 is reached beyond, and counts for the first half too
        ([picture((HALF, 0.9, 0), (FAR, 0.8, 0), (ONE, 0.7, 0))], [picture((FAR, 0), ([0, 4, 10, 10], 0))], 2 / 3),
        # pictures are apart, their scores in one order
        ([picture((ONE, 0.3, 0)), picture((FAR, 0.9, 0))], [picture((ONE, 0)), picture((ONE, 0))], 1 / 4),
        # the mean of classes; a class that is nowhere known does not count
        ([picture((ONE, 0.9, 0), (FAR, 0.9, 2))], [picture((ONE, 0), (FAR, 1))], 1 / 2),
    ],
)
def test_mean_average_precision(found, known, expected):
    assert mean_average_precision(found, known) == pytest.approx(expected)


def test_average_precision_of_masks_and_of_nothing():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, :2], masks[1, 2:] = True, True
    found = [(masks, np.array([0.9, 0.8]), np.array([0, 0]))]
    assert mean_average_precision(found, [(masks[1:], np.array([0]))], overlap=mask_iou) == 1 / 2
    assert np.isnan(mean_average_precision([NOTHING], [(np.zeros((0, 4)), np.zeros(0, int))]))
    assert np.isnan(mean_average_precision([], []))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: box_iou([0, 0, 1, 1], [ONE]), r"a must be boxes \(N, 4\), got shape \(4,\)"),
        (lambda: box_iou([ONE], [[1, 2]]), r"b must be boxes \(N, 4\), got shape \(1, 2\)"),
        (lambda: mask_iou(np.zeros((1, 2, 2)), np.zeros((1, 2, 3))), "masks .* of one size"),
        (lambda: non_maximum_suppression([ONE], [1, 2]), r"scores has shape \(2,\), boxes holds 1"),
        (lambda: mean_average_precision([NOTHING], []), "found is of 1 pictures, known of 0"),
        (lambda: mean_average_precision([], [], 0), r"threshold \(=0\)"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
