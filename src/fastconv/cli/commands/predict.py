"""Tell what pictures show, with a trained network.

A picture is fitted into the size that the network takes, with its background around it. Networks for grey pictures were
trained on light things on black; a picture with a light border is inverted first, unless --invert says otherwise.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, add_threads_option, count

if TYPE_CHECKING:
    from fastconv.cli.checkpoints import Trained

NAME = "predict"
HELP = "tell what pictures show"
_MIDDLE = 127.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="picture files")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="trained network (default: the newest in ./fastconv-runs)"
    )
    parser.add_argument(
        "--invert",
        choices=("auto", "always", "never"),
        default="auto",
        help="swap light and dark; auto: grey pictures with a light border (default)",
    )
    parser.add_argument("--top", type=count, default=1, metavar="N", help="how many classes to name (default: 1)")
    add_threads_option(parser)
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    import fastconv
    from fastconv import data, nn
    from fastconv.cli import checkpoints

    output = Output(as_json=arguments.json)
    if arguments.threads is not None:
        fastconv.set_num_threads(arguments.threads)
    trained = checkpoints.load(arguments.checkpoint)
    fitted = [_fit(path, trained, arguments.invert) for path in arguments.images]
    pictures = np.stack([pixels for pixels, _ in fitted])
    outputs = nn.predict(trained.model, data.normalize(pictures, trained.mean, trained.std))
    for path, (_, inverted), scores in zip(arguments.images, fitted, fastconv.softmax(outputs), strict=True):
        best = np.argsort(-scores, kind="stable")[: arguments.top]
        classes = [{"class": trained.class_names[label], "probability": float(scores[label])} for label in best]
        output.record({"image": str(path), **classes[0], "classes": classes, "inverted": inverted})
        named = ", ".join(f"{one['class']} {one['probability']:.3f}" for one in classes)
        output.line(f"{path}: {named}{' (inverted)' if inverted else ''}")
    return 0


def _fit(path: Path, trained: Trained, invert: str) -> tuple[np.ndarray, bool]:
    """Read a picture as the network takes it; tell whether it was inverted."""
    from fastconv.data.formats.images import read_image

    channels, height, width = trained.input_shape
    pixels = read_image(path, channels)
    border = _border_mean(pixels)
    light = bool(border.mean() > _MIDDLE)
    inverted = invert == "always" or (invert == "auto" and channels == 1 and light)
    if inverted:
        pixels, border = 255 - pixels, 255 - border
    return _letterbox(pixels, border, height, width), inverted


def _border_mean(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of the outermost pixels, for each channel."""
    edges = (pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1])
    return np.concatenate(edges, axis=1).mean(axis=1)


def _letterbox(pixels: np.ndarray, border: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale to fit, the proportions kept, the rest filled with the colour of the border."""
    from fastconv.data.formats.images import resize

    scale = min(height / pixels.shape[1], width / pixels.shape[2])
    rows = min(height, max(1, round(scale * pixels.shape[1])))
    columns = min(width, max(1, round(scale * pixels.shape[2])))
    result = np.empty((len(pixels), height, width), np.uint8)
    result[:] = np.rint(border)[:, None, None]
    top, left = (height - rows) // 2, (width - columns) // 2
    result[:, top : top + rows, left : left + columns] = resize(pixels, rows, columns)
    return result
