"""What detectors are measured by: overlaps of boxes and masks, the best of many boxes, average precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv._arguments import number

__all__ = ["box_iou", "mask_iou", "mean_average_precision", "non_maximum_suppression"]

#: what is in one picture: boxes (or masks), their classes, and if they were found their scores
Known = tuple[np.ndarray, np.ndarray]
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def box_iou(a: Any, b: Any) -> np.ndarray:
    """The area that two boxes share over the area that they cover, for every pair.

    Parameters
    ----------
    a, b : ndarray, shape (A, 4) and (B, 4)
        Left, top, right, bottom.

    Returns
    -------
    ndarray of float64, shape (A, B)
        0 where both boxes are empty.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.detection.box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [0, 0, 2, 2]]).round(3)
    array([[0.333, 1.   ]])
    """
    a, b = _boxes("a", a), _boxes("b", b)
    corners = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.prod(np.maximum(corners, 0), axis=2)
    areas = (np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (a, b))
    covered = np.add.outer(*areas) - shared
    return shared / np.where(covered > 0, covered, 1)


def mask_iou(a: Any, b: Any) -> np.ndarray:
    """The same as `box_iou` for masks.

    Parameters
    ----------
    a, b : ndarray of bool, shape (A, H, W) and (B, H, W)

    Returns
    -------
    ndarray of float64, shape (A, B)

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.detection.mask_iou([[[True, True, False]]], [[[False, True, True]]]).round(3)
    array([[0.333]])
    """
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.ndim != 3 or b.ndim != 3 or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"a and b must be masks (N, H, W) of one size, got shapes {a.shape} and {b.shape}")
    a, b = (masks.reshape(len(masks), masks.shape[1] * masks.shape[2]).astype(np.float64) for masks in (a, b))
    shared = a @ b.T
    covered = np.add.outer(a.sum(1), b.sum(1)) - shared
    return shared / np.where(covered > 0, covered, 1)


def non_maximum_suppression(boxes: Any, scores: Any, threshold: float = 0.5) -> np.ndarray:
    """Keep the best box, leave out those that overlap with it, and so on.

    Parameters
    ----------
    boxes : ndarray, shape (N, 4)
        Left, top, right, bottom.
    scores : ndarray, shape (N,)
    threshold : float
        Largest intersection over union of two boxes that are both kept.

    Returns
    -------
    ndarray of int, shape (kept,)
        Indices, the best first.

    Examples
    --------
    >>> from fastconv import nn
    >>> boxes = [[0, 0, 9, 9], [1, 0, 10, 9], [20, 0, 29, 9]]
    >>> nn.detection.non_maximum_suppression(boxes, [0.6, 0.9, 0.7])
    array([1, 2])
    """
    boxes, scores = _boxes("boxes", boxes), np.asarray(scores)
    if scores.shape != (len(boxes),):
        raise ValueError(f"scores has shape {scores.shape}, boxes holds {len(boxes)}")
    overlap = box_iou(boxes, boxes)
    alive = np.ones(len(boxes), bool)
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        if alive[index]:
            kept.append(index)
            alive &= overlap[index] <= threshold
    return np.array(kept, np.intp)


def mean_average_precision(
    found: Sequence[Found],
    known: Sequence[Known],
    threshold: float = 0.5,
    overlap: Callable[[Any, Any], np.ndarray] = box_iou,
) -> float:
    """The average precision of each class, averaged over the classes: mAP.

    What was found goes through by falling score. It is right where it overlaps by the threshold with something known of
    its class and picture that nothing better has taken. Average precision is the area under the precision that is
    reached at each recall or beyond (PASCAL VOC from 2010 on).

    Parameters
    ----------
    found : sequence of (boxes, scores, labels)
        One for each picture: shapes (F, 4), (F,) and (F,).
    known : sequence of (boxes, labels)
        As many.
    threshold : float
        Least overlap, 0..1.
    overlap : callable
        `box_iou`, or `mask_iou` with masks in place of boxes.

    Returns
    -------
    float
        NaN where nothing is known. Classes that are in no picture do not count.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> known = [(np.array([[0, 0, 9, 9], [20, 0, 29, 9]]), np.array([0, 0]))]
    >>> found = [(np.array([[1, 0, 9, 9]]), np.array([0.8]), np.array([0]))]
    >>> nn.detection.mean_average_precision(found, known)
    0.5
    """
    if len(found) != len(known):
        raise ValueError(f"found is of {len(found)} pictures, known of {len(known)}")
    if not 0 < number("threshold", threshold) <= 1:
        raise ValueError(f"threshold (={threshold}) must lie in 0..1, above 0")
    classes = np.unique(np.concatenate([np.zeros(0, int), *(labels for _, labels in known)]))
    precisions = [_average_precision(found, known, label, threshold, overlap) for label in classes]
    return float(np.mean(precisions)) if precisions else float("nan")


def _average_precision(
    found: Sequence[Found], known: Sequence[Known], label: int, threshold: float, overlap: Callable[..., np.ndarray]
) -> float:
    scores: list[np.ndarray] = []
    right: list[np.ndarray] = []
    total = 0
    for (boxes, all_scores, labels), (true_boxes, true_labels) in zip(found, known, strict=True):
        order = np.argsort(-all_scores[labels == label], kind="stable")
        wanted = true_boxes[true_labels == label]
        total += len(wanted)
        scores.append(all_scores[labels == label][order])
        right.append(_matched(overlap(boxes[labels == label][order], wanted), threshold))
    hits = np.concatenate(right)[np.argsort(-np.concatenate(scores), kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[hits].sum() / total)


def _matched(overlaps: np.ndarray, threshold: float) -> np.ndarray:
    """Which rows, the best first, have a column for themselves that they overlap with."""
    free = np.ones(overlaps.shape[1], bool)
    right = np.zeros(len(overlaps), bool)
    for row, values in enumerate(overlaps):
        values = np.where(free, values, -1)
        if free.any() and values.max() >= threshold:
            free[values.argmax()] = False
            right[row] = True
    return right


def _boxes(name: str, boxes: Any) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name} must be boxes (N, 4), got shape {boxes.shape}")
    return boxes
