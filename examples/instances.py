"""Instance masks: the detector of detect.py with one more head, which draws the outline of what it found.

    python examples/instances.py --picture instances.png

The cell that answers for an item also says which parts of the item's box it covers: a mask of 14x14 numbers, stretched
to the box. After P. Pinheiro, R. Collobert, P. Dollar, "Learning to Segment Object Candidates", 2015.
"""

from __future__ import annotations

import numpy as np
from detect import FILTERS, DetectionLoss, backbone, cells, read_grid
from detect import targets as grid_targets
from scenes import compose, options

from fastconv import data, nn
from fastconv import functional as F
from fastconv.nn.detection import mask_iou, mean_average_precision

MASK = 14  # numbers a side


def network(classes: int, seed: int) -> nn.Graph:
    """The detector's grid, and for each cell a mask."""
    rng = np.random.default_rng(seed)
    heads = {
        "grid": (nn.Conv2d(FILTERS[-1], 5 + classes, 1, rng=rng), "maps"),
        "wide": (nn.Conv2d(FILTERS[-1], 2 * FILTERS[-1], 1, rng=rng), "maps"),
        "relu": nn.ReLU(),
        "masks": nn.Conv2d(2 * FILTERS[-1], MASK * MASK, 1, rng=rng),
    }
    return nn.Graph({"maps": nn.Sequential(backbone(seed)), **heads}, outputs=("grid", "masks"))


def targets(scenes: data.Scenes) -> np.ndarray:
    """What grid and masks should say, (N, 6 + 14 * 14, rows, columns)."""
    grid = grid_targets(scenes)
    masks = np.zeros((len(grid), MASK * MASK, *grid.shape[2:]), np.float32)
    steps = (np.arange(MASK) + 0.5) / MASK
    for scene, item, row, column in zip(*cells(scenes)[:4], strict=True):
        left, top, right, bottom = scenes.boxes[scene, item]
        y, x = (top + steps * (bottom - top)).astype(int), (left + steps * (right - left)).astype(int)
        masks[scene, :, row, column] = (scenes.instances[scene][np.ix_(y, x)] == item + 1).ravel()
    return np.concatenate([grid, masks], axis=1)


class InstanceLoss(DetectionLoss):
    """That of the detector, and the cross-entropy of the masks in the cells that hold an item: a mean each."""

    def with_gradient(self, predictions: tuple, targets: np.ndarray) -> tuple[float, tuple]:
        grid, masks = predictions
        loss, dgrid = super().with_gradient(grid, targets[:, :6])
        there = targets[:, 0] == 1
        found, wanted = np.moveaxis(masks, 1, -1)[there], np.moveaxis(targets[:, 6:], 1, -1)[there]
        dmasks = np.zeros_like(masks)
        if len(found):
            loss += F.binary_cross_entropy_with_logits(found, wanted)
            np.moveaxis(dmasks, 1, -1)[there] = F.binary_cross_entropy_with_logits_backward(found, wanted)
        return loss, (dgrid, dmasks)


def read_masks(grid: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one picture holds: masks as large as the picture, scores, classes."""
    boxes, scores, labels, rows, columns = read_grid(grid)
    side = grid.shape[-1] * 8
    found = np.zeros((len(boxes), side, side), bool)
    for mask, box, row, column in zip(found, boxes, rows, columns, strict=True):
        left, top, right, bottom = (int(edge) for edge in np.clip(np.round(box), 0, side))
        small = masks[:, row, column].reshape(1, 1, MASK, MASK)
        if right > left and bottom > top:
            mask[top:bottom, left:right] = F.interpolate(small, (bottom - top, right - left), mode="bilinear")[0, 0] > 0
    return found, scores, labels


def overlaps(found: list, scenes: data.Scenes) -> np.ndarray:
    """For every item of the scenes the overlap with the best of the masks that the network is sure of; 0 if missed."""
    best = [
        mask_iou(masks[scores > 0.3], scenes.masks(index)).max(axis=0, initial=0)
        for index, (masks, scores, _) in enumerate(found)
    ]
    return np.concatenate(best)


def draw(scenes: data.Scenes, found: list, path: str) -> None:
    """Eight scenes with the masks that the network is sure of in colours."""
    from fastconv.plot.figures import new_figure, save, show

    figure = new_figure(12, 6)
    for axes, image, (masks, scores, labels) in zip(figure.subplots(2, 4).flat, scenes.images, found, strict=False):
        sure = scores > 0.3
        shown = np.zeros(image.shape[1:], int)
        for number, mask in enumerate(masks[sure], 1):
            shown[mask] = number
        show(axes, image[0] / 255, ", ".join(scenes.class_names[label] for label in labels[sure]))
        axes.imshow(np.ma.masked_equal(shown, 0), cmap="tab10", vmin=1, vmax=10, alpha=0.5)
    save(figure, path)


def main() -> None:
    arguments = options("Find the items of scenes and their outlines.", epochs=12, scenes=4000).parse_args()
    train, test = compose(arguments)
    model = network(len(train.class_names), arguments.seed)
    optimizer = nn.AdamW(model.parameters(), lr=2e-3)
    trainer = nn.Trainer(model, optimizer, InstanceLoss(), batch_size=32, seed=arguments.seed)
    trainer.fit((train.normalized(), targets(train)), epochs=arguments.epochs, callbacks=[nn.PrintEpochs()])

    outputs = nn.predict(model, test.normalized())
    found = [read_masks(grid, masks) for grid, masks in zip(*outputs, strict=True)]
    known = [(test.masks(index), labels[labels >= 0]) for index, labels in enumerate(test.labels)]
    if arguments.picture:
        draw(test, found, arguments.picture)
    precision = mean_average_precision(found, known, overlap=mask_iou)
    print(f"mean IoU of the masks {overlaps(found, test).mean():.3f}, mAP@0.5 {precision:.3f} on {len(test)} scenes")


if __name__ == "__main__":
    main()
