"""A one-stage detector: what is where in scenes of several items, from a single pass of a small network.

    python examples/detect.py --picture found.png

The scenes are composed of Fashion-MNIST (`fastconv.data.compose_scenes`), so their boxes are known. The network sees a
picture of 64x64 pixels as a grid of 8x8 cells. The cell that holds the middle of an item answers for it: is there an
item (one score), where exactly and how large (four numbers), and of which class (ten scores). After J. Redmon et al.,
"You Only Look Once", 2016.
"""

from __future__ import annotations

import numpy as np
from scenes import compose, options

from fastconv import data, nn
from fastconv import functional as F
from fastconv.nn.detection import mean_average_precision, non_maximum_suppression

CELL = 8  # pixels a side
USUAL = 24  # pixels a side of a usual item: sizes are learnt as logarithms of what they are in parts of this
FILTERS = (16, 32, 64, 96)


def backbone(seed: int) -> dict[str, nn.Module]:
    """Pairs of 3x3 convolutions, each pair on half the rows and columns of the one before."""
    rng = np.random.default_rng(seed)
    layers: dict[str, nn.Module] = {}
    channels = 1
    for stage, filters in enumerate(FILTERS):
        if stage:
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
        for half in "ab":
            layers[f"conv{stage}{half}"] = nn.Conv2d(channels, filters, 3, padding=1, bias=False, rng=rng)
            layers[f"norm{stage}{half}"] = nn.BatchNorm2d(filters)
            layers[f"relu{stage}{half}"] = nn.ReLU()
            channels = filters
    return layers


def network(classes: int, seed: int) -> nn.Sequential:
    """For each cell: is there an item, right, down, log width, log height, and the scores of the classes."""
    return nn.Sequential({**backbone(seed), "grid": nn.Conv2d(FILTERS[-1], 5 + classes, 1, rng=seed)})


def cells(scenes: data.Scenes) -> tuple[np.ndarray, ...]:
    """Every item's scene, place in it, row and column of its cell, and what that cell should say of its box."""
    scene, item = np.nonzero(scenes.labels >= 0)
    boxes = scenes.boxes[scene, item]
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2 / CELL, boxes[:, 2:] - boxes[:, :2]
    column, row = middle.astype(int).T
    return scene, item, row, column, np.concatenate([middle % 1, np.log(size / USUAL)], axis=1)


def targets(scenes: data.Scenes) -> np.ndarray:
    """What the grid should say, (N, 6, rows, columns): 1 where an item is, its box, its class."""
    side = scenes.images.shape[-1] // CELL
    grid = np.zeros((len(scenes), 6, side, side), np.float32)
    scene, item, row, column, boxes = cells(scenes)
    grid[scene, 0, row, column] = 1
    grid[scene, 1:5, row, column] = boxes
    grid[scene, 5, row, column] = scenes.labels[scene, item]
    return grid


class DetectionLoss(nn.losses.Loss):
    """Is there an item: in every cell. Where, and what: only in the cells that hold one. Sums, a number per item."""

    def with_gradient(self, predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        there = targets[:, 0] == 1
        found, wanted = np.moveaxis(predictions, 1, -1)[there], np.moveaxis(targets, 1, -1)[there]
        parts = np.empty_like(found)
        loss, parts[:, 5:] = F.softmax_cross_entropy(found[:, 5:], wanted[:, 5].astype(np.int64), "sum")
        loss += F.mse_loss(found[:, 1:5], wanted[:, 1:5], "sum")
        parts[:, 1:5] = F.mse_loss_backward(found[:, 1:5], wanted[:, 1:5], "sum")
        loss += F.binary_cross_entropy_with_logits(predictions[:, 0], targets[:, 0], "sum")
        gradient = np.zeros_like(predictions)
        np.moveaxis(gradient, 1, -1)[there] = parts
        gradient[:, 0] = F.binary_cross_entropy_with_logits_backward(predictions[:, 0], targets[:, 0], "sum")
        items = max(1, len(found))
        return loss / items, gradient / items

    def __call__(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        return self.with_gradient(predictions, targets)[0]


def read_grid(grid: np.ndarray, least: float = 0.05) -> tuple[np.ndarray, ...]:
    """What the grid of one picture says: boxes, scores, classes, and the cells (row, column) that said so.

    Of the boxes of one class that overlap, the best stays.
    """
    scores = F.sigmoid(grid[0]) * F.softmax(grid[5:], axis=0)
    label, row, column = np.nonzero(scores > least)
    right, down, width, height = grid[1:5, row, column]
    middle = CELL * np.stack([column + right, row + down], axis=1)
    half = USUAL * np.exp(np.stack([width, height], axis=1)) / 2
    boxes, scores = np.concatenate([middle - half, middle + half], axis=1), scores[label, row, column]
    kept = non_maximum_suppression(boxes + 1000 * label[:, None], scores)  # classes apart, each on its own ground
    return boxes[kept], scores[kept], label[kept], row[kept], column[kept]


def known(scenes: data.Scenes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Boxes and classes of every scene."""
    return [
        (boxes[labels >= 0], labels[labels >= 0]) for boxes, labels in zip(scenes.boxes, scenes.labels, strict=True)
    ]


def draw(scenes: data.Scenes, found: list[tuple[np.ndarray, ...]], path: str) -> None:
    """Eight scenes with the boxes that the detector is sure of."""
    from fastconv.plot.figures import new_figure, save, show

    figure = new_figure(12, 6)
    for axes, image, (boxes, scores, labels, *_) in zip(figure.subplots(2, 4).flat, scenes.images, found, strict=False):
        show(axes, image[0] / 255)
        for box, label in zip(boxes[scores > 0.5], labels[scores > 0.5], strict=True):
            left, top, right, bottom = box - 0.5
            axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top])
            axes.text(left, top - 1, scenes.class_names[label], color="white", fontsize="small")
    save(figure, path)


def main() -> None:
    arguments = options("Detect the items of scenes.", epochs=12, scenes=6000).parse_args()
    train, test = compose(arguments)
    model = network(len(train.class_names), arguments.seed)
    optimizer = nn.AdamW(model.parameters(), lr=2e-3)
    trainer = nn.Trainer(model, optimizer, DetectionLoss(), batch_size=32, seed=arguments.seed)
    trainer.fit((train.normalized(), targets(train)), epochs=arguments.epochs, callbacks=[nn.PrintEpochs()])
    found = [read_grid(grid) for grid in nn.predict(model, test.normalized())]
    if arguments.picture:
        draw(test, found, arguments.picture)
    print(f"mAP@0.5 {mean_average_precision([one[:3] for one in found], known(test)):.3f} on {len(test)} scenes")


if __name__ == "__main__":
    main()
