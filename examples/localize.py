"""Localization: what is in the picture, and where? One item, one class, one box, from one network with two heads.

    python examples/localize.py --picture located.png

The scenes hold one piece of Fashion-MNIST each, so its box is known. The network is the zoo's localizer on a backbone
of eight small convolutions.
"""

from __future__ import annotations

import numpy as np
from detect import backbone
from scenes import compose, options

from fastconv import data, nn
from fastconv.nn.detection import box_iou


def targets(scenes: data.Scenes) -> np.ndarray:
    """(N, 5): the class, and the box as centre x, centre y, width and height in parts of the picture."""
    boxes = scenes.boxes[:, 0] / scenes.images.shape[-1]
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([scenes.labels.astype(np.float32), middle, size], axis=1)


class LocalizationLoss(nn.losses.Loss):
    """Cross-entropy of the scores, and the squared error of the boxes with a weight that makes it as important."""

    BOX = 50.0

    def with_gradient(self, predictions: tuple, targets: np.ndarray) -> tuple[float, tuple]:
        scores, boxes = predictions
        what, dscores = nn.CrossEntropyLoss().with_gradient(scores, targets[:, 0].astype(np.int64))
        where, dboxes = nn.MSELoss().with_gradient(boxes, np.ascontiguousarray(targets[:, 1:]))
        return what + self.BOX * where, (dscores, self.BOX * dboxes)

    def __call__(self, predictions: tuple, targets: np.ndarray) -> float:
        return self.with_gradient(predictions, targets)[0]


def draw(scenes: data.Scenes, labels: np.ndarray, boxes: np.ndarray, path: str) -> None:
    """Eight scenes with the boxes that were found."""
    from fastconv.plot.figures import new_figure, save, show

    figure = new_figure(12, 6)
    for axes, image, label, box in zip(figure.subplots(2, 4).flat, scenes.images, labels, boxes, strict=False):
        show(axes, image[0] / 255, scenes.class_names[label])
        left, top, right, bottom = box - 0.5
        axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top])
    save(figure, path)


def main() -> None:
    arguments = options("Say what is in a scene, and where.", epochs=10, scenes=4000).parse_args()
    train, test = compose(arguments, items=(1, 1), item_sizes=(24, 48))
    shape, classes = train.images.shape[1:], len(train.class_names)
    maps = nn.Sequential(backbone(arguments.seed))
    model = nn.zoo.localizer(arguments.seed, shape, classes, backbone=maps, grid=4)
    optimizer = nn.AdamW(model.parameters(), lr=2e-3)
    trainer = nn.Trainer(model, optimizer, LocalizationLoss(), batch_size=32, seed=arguments.seed)
    trainer.fit((train.normalized(), targets(train)), epochs=arguments.epochs, callbacks=[nn.PrintEpochs()])

    scores, found = nn.predict(model, test.normalized())
    middle, half = found[:, :2] * shape[2], found[:, 2:] * shape[2] / 2
    labels, boxes = scores.argmax(axis=1), np.concatenate([middle - half, middle + half], axis=1)
    overlap = np.array([box_iou([one], [other])[0, 0] for one, other in zip(boxes, test.boxes[:, 0], strict=True)])
    right = labels == test.labels[:, 0]
    if arguments.picture:
        draw(test, labels, boxes, arguments.picture)
    print(
        f"accuracy {right.mean():.3f}, mean IoU of the boxes {overlap.mean():.3f}, "
        f"right class and IoU of at least 0.5 {(right & (overlap >= 0.5)).mean():.3f} on {len(test)} scenes"
    )


if __name__ == "__main__":
    main()
