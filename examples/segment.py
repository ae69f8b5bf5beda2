"""Segmentation: which pixels of a scene show an item, which the ground? With a U-Net of an eighth of the filters.

    python examples/segment.py --picture segmented.png

Two classes, as in O. Ronneberger, P. Fischer, T. Brox, "U-Net", 2015. The scenes are composed of Fashion-MNIST, so what
each pixel shows is known. Items may be as dark as the ground, and their outlines are under its grain.
"""

from __future__ import annotations

import numpy as np
from scenes import compose, options

from fastconv import data, nn

CLASSES = ("ground", "item")


def pixels(scenes: data.Scenes) -> np.ndarray:
    """The class of each pixel, int64 (N, H, W)."""
    return (scenes.instances > 0).astype(np.int64)


def draw(scenes: data.Scenes, predicted: np.ndarray, path: str) -> None:
    """Six scenes, what their pixels show, and what the network takes that for."""
    from fastconv.plot.figures import new_figure, save, show

    figure = new_figure(12, 6)
    rows = figure.subplots(3, 6)
    for place, (image, known, found) in enumerate(zip(scenes.images[:6], pixels(scenes), predicted, strict=False)):
        for row, shown in enumerate((image[0] / 255, known, found)):
            show(rows[row, place], shown)
    save(figure, path)


def main() -> None:
    arguments = options("Tell the items of scenes from the ground.", epochs=4, scenes=2000).parse_args()
    train, test = compose(arguments)
    model = nn.zoo.unet(arguments.seed, train.images.shape[1:], len(CLASSES), width=8, batch_norm=True)
    optimizer = nn.AdamW(model.parameters(), lr=2e-3)
    trainer = nn.Trainer(model, optimizer, batch_size=16, seed=arguments.seed)
    trainer.fit((train.normalized(), pixels(train)), epochs=arguments.epochs, callbacks=[nn.PrintEpochs()])

    predicted = nn.predict(model, test.normalized(), batch_size=50).argmax(axis=1)
    counts = nn.confusion_matrix(pixels(test), predicted, len(CLASSES))
    overlap = nn.intersection_over_union(counts)
    if arguments.picture:
        draw(test, predicted, arguments.picture)
    each = ", ".join(f"{name} {value:.3f}" for name, value in zip(CLASSES, overlap, strict=True))
    accuracy = np.trace(counts) / counts.sum()
    print(f"pixel accuracy {accuracy:.3f}, mean IoU {np.nanmean(overlap):.3f} ({each}) on {len(test)} scenes")


if __name__ == "__main__":
    main()
