"""A Keras model on the NumPy backend, without JAX: trained here, predicting there, with the same answers.

    pip install keras
    python examples/keras_without_jax.py

Keras cannot train on NumPy arrays, and cannot even be imported for them where JAX is missing. fastconv trains a small
network on Fashion-MNIST; the same network in Keras gets its weights and predicts, its convolutions and pools computed
by fastconv.
"""

from __future__ import annotations

import argparse

import numpy as np

from fastconv import data, nn


def trained(train: data.Dataset, classes: int, epochs: int, seed: int) -> nn.Sequential:
    """Two convolutions with pools behind them, and a dense layer."""
    model = nn.Sequential(
        {
            "conv1": nn.Conv2d(1, 16, 3, padding=1, rng=[seed, 1]),
            "relu1": nn.ReLU(),
            "pool1": nn.MaxPool2d(2),
            "conv2": nn.Conv2d(16, 32, 3, padding=1, rng=[seed, 2]),
            "relu2": nn.ReLU(),
            "pool2": nn.MaxPool2d(2),
            "flatten": nn.Flatten(),
            "scores": nn.Linear(32 * 7 * 7, classes, rng=seed),
        }
    )
    optimizer = nn.AdamW(model.parameters(), lr=2e-3)
    nn.Trainer(model, optimizer, batch_size=64, seed=seed).fit((train.normalized(), train.labels), epochs=epochs)
    return model


def in_keras(classes: int):
    """The same network; channels first, so that flattening gives the same order."""
    from fastconv.compat.keras import keras  # lets Keras be imported, and computes for it

    layers = keras.layers
    options = {"data_format": "channels_first"}
    return keras.Sequential(
        [
            keras.Input((1, 28, 28)),
            layers.Conv2D(16, 3, padding="same", activation="relu", **options),
            layers.MaxPooling2D(2, **options),
            layers.Conv2D(32, 3, padding="same", activation="relu", **options),
            layers.MaxPooling2D(2, **options),
            layers.Flatten(),
            layers.Dense(classes),
        ]
    )


def keras_weights(model: nn.Sequential) -> list[np.ndarray]:
    """Keras has the axes of a kernel last, of a dense layer exchanged."""
    found = []
    for name in ("conv1", "conv2", "scores"):
        weight, bias = (model.state_dict()[f"{name}.{part}"] for part in ("weight", "bias"))
        found += [weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T, bias]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Predict with Keras on NumPy, without JAX.")
    parser.add_argument("--data", default="fashion-mnist-sample", help="a set of pictures of 28x28")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    train, test = (data.load(arguments.data, split) for split in ("train", "test"))
    classes = len(train.class_names)
    model = trained(train, classes, arguments.epochs, arguments.seed)
    try:
        twin = in_keras(classes)
    except ImportError as error:
        raise SystemExit(str(error)) from None
    twin.set_weights(keras_weights(model))

    pictures = data.normalize(test.images, train.mean, train.std)
    mine, theirs = nn.predict(model, pictures), twin.predict(pictures, verbose=0)
    print(f"largest difference of a score {np.abs(mine - theirs).max():.2g}, of scores up to {np.abs(mine).max():.0f}")
    print(f"accuracy by Keras {np.mean(theirs.argmax(1) == test.labels):.3f} on {len(test.labels)} pictures")


if __name__ == "__main__":
    main()
