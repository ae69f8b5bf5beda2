"""A three-dimensional convolutional network: is it a ball, a box, a ring or a rod?

    python examples/volumes.py

Volumes of 20x20x20 voxels, each made from a formula with a body somewhere in it, turned anyhow, under noise half as
strong as the body: a single slice does not tell what it is.
"""

from __future__ import annotations

import argparse

import numpy as np

from fastconv import nn, plot

SIDE = 20
#: for points (x, y, z) of the turned body, scaled to about 1: whether they lie inside
BODIES = {
    "ball": lambda x, y, z: x**2 + y**2 + z**2 < 0.75,
    "box": lambda x, y, z: np.maximum(np.maximum(abs(x), abs(y)), abs(z)) < 0.7,
    "ring": lambda x, y, z: (np.sqrt(x**2 + y**2) - 0.8) ** 2 + z**2 < 0.09,
    "rod": lambda x, y, z: (abs(x) < 1.1) & (y**2 + z**2 < 0.12),
}


def volumes(count: int, seed: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Volumes, float32 (N, 1, SIDE, SIDE, SIDE), and which body each holds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(BODIES), size=count)
    places = np.moveaxis(np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j], 0, -1)
    x = rng.normal(0, noise, (count, SIDE, SIDE, SIDE))
    for volume, label in zip(x, labels, strict=True):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        points = (places - rng.uniform(-0.2, 0.2, 3)) @ turn / rng.uniform(0.6, 0.85)
        volume += list(BODIES.values())[label](*np.moveaxis(points, -1, 0))
    return x.astype(np.float32)[:, None], labels


def network(seed: int) -> nn.Sequential:
    """Three 3x3x3 convolutions, each on half the rows, columns and layers of the one before."""
    rng = np.random.default_rng(seed)
    layers: dict[str, nn.Module] = {}
    channels = 1
    for stage, filters in enumerate((8, 16, 32), 1):
        if stage > 1:
            layers[f"pool{stage}"] = nn.MaxPool3d(2)
        layers[f"conv{stage}"] = nn.Conv3d(channels, filters, 3, padding=1, bias=False, rng=rng)
        layers[f"norm{stage}"] = nn.BatchNorm3d(filters)
        layers[f"relu{stage}"] = nn.ReLU()
        channels = filters
    layers["mean"] = nn.AdaptiveAvgPool3d(1)
    layers["flatten"] = nn.Flatten()
    layers["scores"] = nn.Linear(channels, len(BODIES), rng=rng)
    return nn.Sequential(layers)


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify volumes made from formulas.")
    parser.add_argument("--volumes", type=int, default=2000, help="how many to learn from")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="PNG for how often each body was taken for each")
    arguments = parser.parse_args()

    train, test = volumes(arguments.volumes, 2 * arguments.seed), volumes(500, 2 * arguments.seed + 1)
    model = network(arguments.seed)
    print(f"{model.parameter_count():,} parameters")
    optimizer = nn.AdamW(model.parameters(), lr=3e-3)
    trainer = nn.Trainer(model, optimizer, batch_size=32, seed=arguments.seed)
    trainer.fit(train, test, arguments.epochs, callbacks=[nn.PrintEpochs()])
    if arguments.out:
        predictions = nn.evaluate(model, *test).predictions
        plot.confusion_matrix(nn.confusion_matrix(test[1], predictions, len(BODIES)), list(BODIES), path=arguments.out)
    print(f"test accuracy {trainer.history[-1]['test_accuracy']:.3f} on {len(test[1])} volumes")


if __name__ == "__main__":
    main()
