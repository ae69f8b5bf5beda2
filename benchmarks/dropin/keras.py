"""Keras' NumPy backend: with JAX doing its convolutions and pools, which needs JAX, and with fastconv."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Row

Call = Callable[[], Any]
MEAN_GOAL = 1.0


def host_keras() -> Any:
    os.environ["KERAS_BACKEND"] = "numpy"
    import jax  # noqa: F401 - without it there is no host
    import keras

    return keras


def our_keras() -> Any:
    from fastconv.compat.keras import keras

    return keras


def small(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def decoder(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Conv2DTranspose(64, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(32, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2D(3, 3, padding="same"),
        ]
    )


def application(name: str) -> Callable[[Any], Any]:
    return lambda keras: getattr(keras.applications, name)(weights=None)


def predict(keras: Any, build: Callable[[Any], Any], shape: tuple[int, ...]) -> Call:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    model = build(keras)
    return lambda: np.asarray(model(x, training=False))


def row(name: str, build: Callable[[Any], Any], shape: tuple[int, ...]) -> Row:
    return Row(
        name, 1.0, lambda: predict(host_keras(), build, shape), lambda: predict(our_keras(), build, shape), 1e-3
    )  # fmt: skip


ROWS = [
    row("small-32x64x64", small, (32, 64, 64, 3)),
    row("decoder-8x16x16", decoder, (8, 16, 16, 128)),
    row("VGG16", application("VGG16"), (1, 224, 224, 3)),
    row("ResNet50", application("ResNet50"), (1, 224, 224, 3)),
    row("MobileNetV2", application("MobileNetV2"), (1, 224, 224, 3)),
]
