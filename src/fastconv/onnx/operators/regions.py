"""Boxes: the best of those that overlap, and what lies in them."""

from __future__ import annotations

import math

import numpy as np

from fastconv.onnx.operators.operator import Call, Operator, bounded, in_float

__all__ = ["ROWS"]


def _non_max_suppression(
    call: Call,
    boxes: np.ndarray,
    scores: np.ndarray,
    most: np.ndarray | None = None,
    overlap: np.ndarray | None = None,
    least: np.ndarray | None = None,
) -> np.ndarray:
    """(image, class, box) of the best boxes, without those that overlap a better one of their class too much."""
    limit = 0 if most is None else int(np.ravel(most)[0])
    threshold = 0.0 if overlap is None else float(np.ravel(overlap)[0])
    corners = boxes.astype(np.float64)
    if call["center_point_box"]:
        centre, size = corners[..., :2], corners[..., 2:]
        corners = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    low, high = np.minimum(corners[..., :2], corners[..., 2:]), np.maximum(corners[..., :2], corners[..., 2:])
    area = np.prod(high - low, axis=-1)
    found = []
    for image, kind in np.ndindex(scores.shape[:2]):
        values = scores[image, kind]
        order = np.argsort(-values, kind="stable")
        if least is not None:
            order = order[values[order] > float(np.ravel(least)[0])]
        chosen: list[int] = []
        while len(order) and len(chosen) < limit:
            best, order = int(order[0]), order[1:]
            chosen.append(best)
            common = np.minimum(high[image, best], high[image, order]) - np.maximum(low[image, best], low[image, order])
            inner = np.prod(np.maximum(common, 0), axis=-1)
            union = area[image, best] + area[image, order] - inner
            order = order[inner <= threshold * union]
        found += [(image, kind, box) for box in chosen]
    return np.array(found, np.int64).reshape(-1, 3)


@in_float
def _roi_align(call: Call, x: np.ndarray, boxes: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The mean, or largest share, of points in each cell of a box, read between pixels."""
    size = (call["output_height"] or 1, call["output_width"] or 1)
    scale = 1.0 if call["spatial_scale"] is None else call["spatial_scale"]
    half = call.since >= 16 and call["coordinate_transformation_mode"] != "output_half_pixel"
    y = np.zeros(bounded((len(boxes), x.shape[1], *size), np.float64), np.float64)
    for index, (box, image) in enumerate(zip(boxes, images, strict=True)):
        first_x, first_y, last_x, last_y = box.astype(np.float64) * scale - (0.5 if half else 0.0)
        lines = [
            _line(first, last, cells, extent, call["sampling_ratio"] or 0, half)
            for first, last, cells, extent in (
                (first_y, last_y, size[0], x.shape[2]), (first_x, last_x, size[1], x.shape[3])
            )
        ]  # fmt: skip
        (rows, shares), (columns, others) = lines
        bounded((x.shape[1], *rows.shape, *columns.shape), np.float64)
        # (C, cell, point, corner, cell, point, corner)
        values = x[int(image)][:, rows[..., None, None, None], columns] * shares[..., None, None, None] * others
        if not values.size:  # a box of no length has no points
            continue
        if (call["mode"] or "avg") == "avg":
            y[index] = values.sum(axis=(3, 6)).mean(axis=(2, 4))
        else:
            y[index] = values.max(axis=(3, 6)).max(axis=(2, 4))
    return y.astype(x.dtype)


def _line(first: float, last: float, cells: int, extent: int, ratio: int, half: bool) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis the two pixels around each point of each cell, (cells, points, 2), and their shares."""
    length = last - first if half else max(last - first, 1.0)
    points = ratio if ratio > 0 else max(0, math.ceil(length / cells))
    bounded((cells, points, 2), np.float64)
    at = first + length / cells * (np.arange(cells)[:, None] + (np.arange(points) + 0.5) / points)
    outside = (at < -1) | (at > extent)
    at = np.clip(at, 0, extent - 1)
    low = np.floor(at).astype(np.intp)
    pixels = np.stack([low, np.minimum(low + 1, extent - 1)], axis=-1)
    shares = np.stack([1 - (at - low), at - low], axis=-1)
    return pixels, np.where(outside[..., None], 0, shares)


ROWS: dict[str, Operator] = {
    "NonMaxSuppression": Operator(_non_max_suppression, dynamic=True),
    "RoiAlign": Operator(_roi_align),
}
