"""Train LeNet-5 for some seconds and draw what it sees: one PNG for each question that `fastconv.plot` answers.

python examples/look_inside.py --out inside
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fastconv import data, nn, plot


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of what LeNet-5 sees.")
    parser.add_argument("--data", help="name or folder of a data set")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, default=20_000, help="use only the first pictures")
    parser.add_argument("--out", type=Path, default=Path("inside"), help="folder for the pictures")
    arguments = parser.parse_args()

    train = data.load(arguments.data, "train", limit=arguments.limit)
    test = data.load(arguments.data, "test", limit=2_000)
    images = data.normalize(test.images, train.mean, train.std)
    model = nn.zoo.build("lenet5", input_shape=train.input_shape, num_classes=len(train.class_names))
    trainer = nn.Trainer(model)
    trainer.fit((train.normalized(), train.labels), (images, test.labels), arguments.epochs)

    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    found = nn.evaluate(model, images, test.labels)
    counts = nn.confusion_matrix(test.labels, found.predictions, len(test.class_names))
    plot.curves(trainer.history, path=out / "curves.png")
    plot.confusion_matrix(counts, test.class_names, path=out / "confusion.png")
    plot.filters(model, path=out / "filters.png")

    picture = images[int(np.argmax(found.predictions == test.labels))]
    plot.activations(model, picture, path=out / "activations.png")
    plot.occlusion(model, picture, path=out / "occlusion.png")
    plot.saliency(model, picture, path=out / "saliency.png")
    plot.grad_cam(model, picture, path=out / "grad_cam.png")
    for layer in ("conv1", "conv2"):
        plot.exciting_inputs(model, images, layer, path=out / f"exciting_{layer}.png")
    for layer in ("conv2", "fc3"):
        plot.activation_maximization(model, layer, 6, train.input_shape, path=out / f"maximized_{layer}.png")
    print(f"accuracy {found.accuracy:.3f}; {len(list(out.glob('*.png')))} pictures in {out}")


if __name__ == "__main__":
    main()
