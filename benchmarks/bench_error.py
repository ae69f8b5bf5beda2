"""Rounding errors of every algorithm, in units of those of one sequential float32 FMA sum per output.

    python benchmarks/bench_error.py [--channels 64 512] [--size 14] [--json FILE]

3x3 convolutions, C channels in and out, padding 1, one normal random image; all three passes. The oracle is the same
pass in float64 by NumPy. The sequential sum adds one exact product after the other and rounds to float32 each time, for
a sample of outputs. The figure is rms error / rms error of that sum; "default" promises at most 2.5, "fast" at most 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from common import Parser, describe_machine, show_machine, show_table, write_json
from naive import Conv, numpy_conv

import fastconv

PASSES = ("forward", "backward_data", "backward_weights")
BOUNDS = {"strict": 2.5, "default": 2.5, "fast": 10.0}
SAMPLE = 2000
Terms = tuple[np.ndarray, np.ndarray]


def windows(layer: Conv, padded: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The padded patch under each sampled pixel: [sample][channels * taps]."""
    k = layer.kernel
    return np.stack([padded[0, :, row : row + k, column : column + k].ravel() for row, column in places])


def terms(layer: Conv, pass_name: str, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> Terms:
    """Pairs of factors of a sample of outputs, [sample][terms] each, in a natural order of summation."""
    pad = ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2)
    x, w, dy = arrays["x"], arrays["w"], arrays["dy"]
    if pass_name == "backward_weights":
        padded = np.pad(x, pad)
        rows, columns = layer.out
        pick = np.stack([rng.integers(0, size, SAMPLE) for size in w.shape], 1)
        left = np.stack([padded[0, c, i : i + rows, j : j + columns].ravel() for _, c, i, j in pick])
        return left, np.stack([dy[0, o].ravel() for o, *_ in pick])
    if pass_name == "backward_data":
        x, w = dy, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    places = np.stack([rng.integers(0, layer.height, SAMPLE), rng.integers(0, layer.width, SAMPLE)], 1)
    return windows(layer, np.pad(x, pad), places), w[rng.integers(0, len(w), SAMPLE)].reshape(SAMPLE, -1)


def sequential_error(left: np.ndarray, right: np.ndarray) -> float:
    """Rms error of float32 FMA sums in the order of the terms; products of float32 are exact in float64."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    total = np.zeros(len(left), np.float32)
    for term in range(left.shape[1]):
        total = (total + left[:, term] * right[:, term]).astype(np.float32)
    return rms(total - (left * right).sum(1))


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def run(pass_name: str, arrays: dict[str, np.ndarray], padding: int, **options: Any) -> np.ndarray:
    x, w, dy = arrays["x"], arrays["w"], arrays["dy"]
    if pass_name == "forward":
        return fastconv.conv2d(x, w, None, 1, padding, **options)
    if pass_name == "backward_data":
        return fastconv.conv2d_backward(dy, x.shape, w, 1, padding, needs=("x",), **options)[0]
    return fastconv.conv2d_backward(dy, x, w.shape, 1, padding, needs=("weight",), **options)[1]


def measure(channels: int, size: int, kernel: int = 3, skip: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A row per pass, accuracy and algorithm that takes the layer."""
    padding = kernel // 2
    layer = Conv(1, channels, size, size, channels, kernel, 1, padding, 1)
    rng = np.random.default_rng(channels)
    shapes = {
        "x": (1, channels, size, size),
        "w": (channels, channels, kernel, kernel),
        "dy": (1, channels, *layer.out),
    }
    arrays = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    rows = []
    for pass_name in PASSES:
        want = numpy_conv(layer, pass_name, *(arrays[name].astype(np.float64) for name in ("x", "w", "dy")))
        if pass_name == "backward_data":
            want = want[:, :, :size, :size]
        unit = sequential_error(*terms(layer, pass_name, arrays, rng))
        for accuracy, bound in BOUNDS.items():
            report = fastconv.explain_conv2d(
                shapes["x"], shapes["w"], None, 1, padding, pass_name=pass_name, accuracy=accuracy
            )
            able = [row.name for row in report.candidates if row.status == "ok" and row.name not in skip]
            for name in ["auto", *able]:
                error = rms(run(pass_name, arrays, padding, algorithm=name, accuracy=accuracy) - want)
                label = f"auto ({report.algorithm})" if name == "auto" else name
                rows.append(
                    {
                        "channels": channels,
                        "pass": pass_name,
                        "accuracy": accuracy,
                        "algorithm": label,
                        "relative": error / rms(want),
                        "ratio": error / unit,
                        "bound": bound,
                    }
                )
    return rows


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--channels", nargs="+", type=int, default=[64, 512])
    parser.add_argument("--size", type=int, default=14, help="of the image")
    arguments = parser.parse()
    if min(arguments.channels) < 1:
        parser.error("--channels must be at least 1")
    head = describe_machine(fastconv.get_num_threads())
    show_machine(head)
    rows = [row for channels in arguments.channels for row in measure(channels, arguments.size)]
    columns = ("channels", "pass", "accuracy", "algorithm", "relative", "ratio")
    show_table(
        ("C", "pass", "accuracy", "algorithm", "rms error / rms output", "/ sequential sum"),
        [[str(row[name]) if isinstance(row[name], int) else row[name] for name in columns] for row in rows],
    )
    over = [row for row in rows if row["ratio"] > row["bound"]]
    for row in over:
        print(f"MISSED: C {row['channels']} {row['pass']} {row['accuracy']} {row['algorithm']}: {row['ratio']:.2f}")
    if not over:
        print("reached: every algorithm within the bound of its accuracy")
    write_json(arguments.json, {"machine": head, "rows": rows})


if __name__ == "__main__":
    main()
