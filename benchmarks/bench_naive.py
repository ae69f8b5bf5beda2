"""fastconv against naive Python loops and against NumPy, on the layers of LeNet-5, AlexNet, VGG-16 and MobileNetV2.

    python benchmarks/bench_naive.py [--networks lenet5 ...] [--threads N] [--json FILE]

Every result is checked before it is timed: on the part that the loops computed, and on the whole layer against NumPy.
Float32. The loops run once on a part of a layer (see naive.py) and are scaled up by iterations; the others are medians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from common import (
    NETWORKS,
    Parser,
    best_of,
    describe_machine,
    geometric_mean,
    once,
    read_shapes,
    show_machine,
    show_table,
)
from common import write_json as write
from naive import Conv, Pool, naive_pool, naive_pool_backward, numpy_conv, numpy_pool

import fastconv
from fastconv import reference

PASSES = ("forward", "backward_data", "backward_weights")
GOALS = {
    "convolution": ("naive", 10_000),
    "depthwise": ("naive", 3_000),
    "other": ("naive", 300),
    "convolution, NumPy": ("numpy", 3),
    "pools, NumPy": ("numpy", 8),
}
Row = dict[str, Any]
RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


def check(got: np.ndarray, want: np.ndarray, name: str) -> None:
    """Refuse to time a wrong answer."""
    scale = float(np.abs(want).max()) if want.size else 0.0
    worst = float(np.abs(got - want).max()) if want.size else 0.0
    if got.shape != want.shape or not worst <= 2e-4 * scale + 1e-6:
        raise SystemExit(f"bench_naive: {name} is wrong: off by {worst:.3g} of {scale:.3g}")


def conv_arrays(layer: Conv) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input, filters and gradient of the output."""
    x = random(layer.n, layer.channels, layer.height, layer.width)
    w = random(layer.filters, layer.channels // layer.groups, layer.kernel, layer.kernel)
    return x, w, random(layer.n, layer.filters, *layer.out)


def fast_conv(layer: Conv, pass_name: str, x: np.ndarray, w: np.ndarray, dy: np.ndarray) -> Callable[[], np.ndarray]:
    options = (layer.stride, layer.padding, 1, layer.groups)
    if pass_name == "forward":
        return lambda: fastconv.conv2d(x, w, None, *options)
    if pass_name == "backward_data":
        return lambda: fastconv.conv2d_backward(dy, x.shape, w, *options, needs=("x",))[0]
    return lambda: fastconv.conv2d_backward(dy, x, w.shape, *options, needs=("weight",))[1]


def naive_conv(layer: Conv, pass_name: str, x: np.ndarray, w: np.ndarray, dy: np.ndarray) -> np.ndarray:
    options = (layer.stride, layer.padding, 1, layer.groups)
    if pass_name == "forward":
        return reference.conv(x, w, None, *options)
    if pass_name == "backward_data":
        return reference.conv_backward_data(dy, x.shape, w, *options)
    return reference.conv_backward_weights(dy, x, w.shape, *options)


def bench_conv(network: str, name: str, layer: Conv, iterations: int) -> list[Row]:
    rows = []
    arrays = conv_arrays(layer)
    for pass_name in PASSES:
        label = f"{network} {name} {pass_name}"
        part = layer.part(pass_name, iterations)
        small = conv_arrays(part)
        loops, answer = once(lambda: naive_conv(part, pass_name, *small))  # noqa: B023
        check(fast_conv(part, pass_name, *small)(), answer, f"{label} on the part")
        call = fast_conv(layer, pass_name, *arrays)
        check(call(), numpy_conv(layer, pass_name, *arrays), label)
        seconds = best_of(call)
        by_numpy = best_of(lambda: numpy_conv(layer, pass_name, *arrays), 0.2, 1)  # noqa: B023
        rows.append(
            {
                "kind": "depthwise" if layer.depthwise else "convolution",
                "layer": label,
                "part": part.multiply_adds / layer.multiply_adds,
                "seconds": seconds,
                "gflops": 2e-9 * layer.multiply_adds / seconds,
                "naive": loops * layer.multiply_adds / part.multiply_adds / seconds,
                "numpy": by_numpy / seconds,
            }
        )
    return rows


def other_row(
    label: str, kind: str, fast: Callable[[], Any], loops: float, share: float, by_numpy: float | None
) -> Row:
    seconds = best_of(fast)
    row: Row = {"kind": kind, "layer": label, "part": share, "seconds": seconds, "naive": loops / share / seconds}
    if by_numpy is not None:
        row["numpy"] = by_numpy / seconds
    return row


def bench_pool(network: str, name: str, layer: Pool, kind: str, iterations: int) -> list[Row]:
    x = random(layer.n, layer.channels, layer.height, layer.width)
    dy = random(layer.n, layer.channels, *layer.out)
    window = (layer.kernel, layer.stride, layer.padding)
    forward = {"max": fastconv.max_pool2d, "avg": fastconv.avg_pool2d}[kind]
    backward = {
        "max": lambda: fastconv.max_pool2d_backward(dy, x, *window),
        "avg": lambda: fastconv.avg_pool2d_backward(dy, x.shape, *window),
    }[kind]
    planes = max(1, min(layer.n * layer.channels, iterations * layer.n * layer.channels // layer.elements))
    part = replace(layer, n=1, channels=planes)
    px = x.reshape(1, -1, *x.shape[2:])[:, :planes]
    pdy = dy.reshape(1, -1, *dy.shape[2:])[:, :planes]
    share = part.elements / layer.elements
    loops, answer = once(lambda: naive_pool(part, kind, px))
    whole = forward(x, *window)
    check(whole.reshape(1, -1, *layer.out)[:, :planes], answer, f"{network} {name}")
    check(whole, numpy_pool(layer, kind, x), f"{network} {name}")
    by_numpy = best_of(lambda: numpy_pool(layer, kind, x))
    rows = [other_row(f"{network} {name} forward", "pool", lambda: forward(x, *window), loops, share, by_numpy)]
    loops, answer = once(lambda: naive_pool_backward(part, kind, pdy, px))
    check(backward().reshape(1, -1, *x.shape[2:])[:, :planes], answer, f"{network} {name} backward")
    return [*rows, other_row(f"{network} {name} backward", "pool", backward, loops, share, None)]


def bench_relu(network: str, name: str, shape: list[int], iterations: int) -> list[Row]:
    x, dy = random(*shape), random(*shape)
    y = fastconv.relu(x)
    flat = min(x.size, iterations)
    loops, answer = once(lambda: reference.relu(x.reshape(-1)[:flat]))
    check(y.reshape(-1)[:flat], answer, f"{network} {name}")
    share = flat / x.size
    by_numpy = best_of(lambda: np.maximum(x, 0))
    rows = [other_row(f"{network} {name} forward", "other", lambda: fastconv.relu(x), loops, share, by_numpy)]
    loops, answer = once(lambda: reference.relu_backward(dy.reshape(-1)[:flat], y.reshape(-1)[:flat]))
    check(fastconv.relu_backward(dy, y).reshape(-1)[:flat], answer, f"{network} {name} backward")
    fast = lambda: fastconv.relu_backward(dy, y)  # noqa: E731
    return [*rows, other_row(f"{network} {name} backward", "other", fast, loops, share, best_of(lambda: dy * (y > 0)))]


def bench_linear(network: str, name: str, size: list[int], iterations: int) -> list[Row]:
    n, inputs, outputs = size
    x, w, b, dy = random(n, inputs), random(outputs, inputs), random(outputs), random(n, outputs)
    kept = max(1, min(outputs, iterations // inputs))
    share = kept / (n * outputs)
    loops, answer = once(lambda: reference.linear(x[:1], w[:kept], b[:kept]))
    check(fastconv.linear(x, w, b)[:1, :kept], answer, f"{network} {name}")
    by_numpy = best_of(lambda: x @ w.T + b)
    rows = [other_row(f"{network} {name} forward", "other", lambda: fastconv.linear(x, w, b), loops, share, by_numpy)]
    loops, answers = once(lambda: reference.linear_backward(dy[:1, :kept], x[:1], w[:kept]))
    for got, want in zip(fastconv.linear_backward(dy[:1, :kept].copy(), x[:1], w[:kept]), answers, strict=True):
        check(got, want, f"{network} {name} backward")
    fast = lambda: fastconv.linear_backward(dy, x, w)  # noqa: E731
    by_numpy = best_of(lambda: (dy @ w, dy.T @ x, dy.sum(axis=0)))
    return [*rows, other_row(f"{network} {name} backward", "other", fast, loops, share, by_numpy)]


def bench_softmax(network: str, name: str, size: list[int], iterations: int) -> list[Row]:
    n, classes = size
    x, labels = random(n, classes), RNG.integers(0, classes, n)
    kept = max(1, min(n, iterations // classes))
    loops, answer = once(lambda: reference.softmax(x[:kept]))
    check(fastconv.softmax(x)[:kept], answer, f"{network} {name}")
    rows = [other_row(f"{network} {name} softmax", "other", lambda: fastconv.softmax(x), loops, kept / n, None)]
    loops, answer = once(lambda: reference.softmax_cross_entropy(x[:kept], labels[:kept]))
    got = fastconv.softmax_cross_entropy(x[:kept], labels[:kept])
    check(np.asarray(got[1]), np.asarray(answer[1]), f"{network} {name} cross-entropy")
    fast = lambda: fastconv.softmax_cross_entropy(x, labels)  # noqa: E731
    return [*rows, other_row(f"{network} {name} cross-entropy", "other", fast, loops, kept / n, None)]


def bench_row(network: str, operation: str, name: str, numbers: list[int], iterations: int) -> list[Row]:
    """All rows of one line of a shapes file."""
    if operation == "conv":
        return bench_conv(network, name, Conv(*numbers), iterations)
    if operation in ("max_pool", "avg_pool"):
        return bench_pool(network, name, Pool(*numbers), operation.removesuffix("_pool"), iterations)
    benches = {"relu": bench_relu, "linear": bench_linear, "softmax": bench_softmax}
    return benches[operation](network, name, numbers, iterations)


def means(rows: list[Row]) -> dict[str, float]:
    """Geometric means for GOALS."""

    def mean(kinds: tuple[str, ...], against: str) -> float:
        return geometric_mean(row[against] for row in rows if row["kind"] in kinds and against in row)

    return {
        "convolution": mean(("convolution",), "naive"),
        "depthwise": mean(("depthwise",), "naive"),
        "other": mean(("pool", "other"), "naive"),
        "convolution, NumPy": mean(("convolution",), "numpy"),
        "pools, NumPy": mean(("pool",), "numpy"),
    }


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--iterations", type=int, default=50_000, help="of the Python loops on each part")
    arguments = parser.parse()
    fastconv.set_num_threads(arguments.threads)
    head = describe_machine(arguments.threads)
    show_machine(head)
    rows: list[Row] = []
    for network in arguments.networks:
        for operation, name, numbers in read_shapes(network):
            rows += bench_row(network, operation, name, numbers, arguments.iterations)
    columns = ("layer", "part looped", "ms", "GFLOP/s", "x loops", "x NumPy")
    show_table(
        columns,
        [
            (r["layer"], f"{r['part']:.2%}", r["seconds"] * 1e3, r.get("gflops", ""), r["naive"], r.get("numpy", ""))
            for r in rows
        ],
    )
    print()
    result = means(rows)
    for name, (against, goal) in GOALS.items():
        side = "naive loops" if against == "naive" else "NumPy"
        if not np.isnan(result[name]):
            verdict = "reached" if result[name] >= goal else "MISSED"
            print(f"{name}: geometric mean {result[name]:,.4g}x of {side}, goal {goal:,}x, {verdict}")
    write(arguments.json, {"machine": head, "rows": rows, "geometric_means": result})


if __name__ == "__main__":
    main()
