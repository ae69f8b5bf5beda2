"""Max-pooling of fastconv on NCHW arrays against PyTorch in both of its memory layouts, forward and backward.

    python benchmarks/bench_pools.py [--shapes 64x6x28 ...] [--passes pool_forward ...] [--peers-python PATH]
        [--threads N] [--turns 5] [--json FILE]

Every contestant is a process of its own (layer_worker.py); they take turns, at least five, with a rest before each.
Results are checked against NumPy before anything is timed. PyTorch's backward reads the int64 indices that its forward
saved; ours searches x again, or reads the same indices (pool_backward_indices). The figure of a row is the median over
its turns; ratios are PyTorch / fastconv, so above 1 fastconv is faster.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import Parser, describe_machine, geometric_mean, show_machine, show_table, write_json
from turns import REST, Process, close_all, take_turns, tell_stolen

import fastconv

SHAPES = ((64, 6, 28), (1, 64, 112), (32, 64, 32), (8, 64, 112))
WINDOWS = ((2, 2, 0), (3, 2, 0), (3, 2, 1))
PASSES = ("pool_forward", "pool_forward_indices", "pool_backward", "pool_backward_indices")
CONTESTANTS = {"fastconv": ("fastconv", "NCHW"), "torch": ("torch", "NCHW"), "torch-cl": ("torch", "NHWC")}
# 3x3 windows with stride 2 overlap: up to four gradients add up, in an order that libraries are free to choose.
TOLERANCE = 1e-5
EACH, MEAN, SAME_LAYOUT = 1.5, 2.5, 5.0


def window_view(x: np.ndarray, kernel: int, stride: int, padding: int, fill: float) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def make_arrays(shape: tuple[int, int, int], window: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """x, dy, and by NumPy the results of all passes."""
    n, channels, size = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, channels, size, size), dtype=np.float32)
    values = window_view(x, *window, fill=-np.inf)
    flat = values.reshape(*values.shape[:4], -1)
    places = window_view(
        np.broadcast_to(np.arange(size * size).reshape(1, 1, size, size), (1, 1, size, size)), *window, -1
    )
    found = flat.argmax(-1)
    indices = np.take_along_axis(
        np.broadcast_to(places.reshape(1, 1, *values.shape[2:4], -1), flat.shape), found[..., None], -1
    )[..., 0].astype(np.int64)
    dy = rng.standard_normal(indices.shape, dtype=np.float32)
    dx = np.zeros((n * channels, size * size))
    np.add.at(dx, (np.arange(n * channels)[:, None], indices.reshape(n * channels, -1)), dy.reshape(n * channels, -1))
    return {"x": x, "dy": dy, "indices": indices, "y": flat.max(-1), "dx": dx.reshape(x.shape)}


def oracle(pass_name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    names = {"pool_forward": ("y",), "pool_forward_indices": ("y", "indices")}.get(pass_name, ("dx",))
    return np.stack([arrays[name].astype(np.float64) for name in names])


def check(processes: dict[str, Process], job: dict[str, Any], folder: Path, want: np.ndarray) -> None:
    """Prepare every contestant and stop at a wrong result."""
    result = folder / "result.npy"
    for name, process in processes.items():
        answer = process.ask(
            do="prepare", arrays=str(folder / "arrays.npz"), result=str(result), layout=CONTESTANTS[name][1], **job
        )
        if "error" in answer:
            raise SystemExit(f"bench_pools: {name} failed: {answer['error']}")
        got = np.load(result)
        if got.shape != want.shape or not np.abs(got - want).max() <= TOLERANCE * np.abs(want).max():
            raise SystemExit(f"bench_pools: {name} is wrong in {job}")


def measure(processes: dict[str, Process], arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    rows = []
    for shape in (shape for shape in SHAPES if shape_name(shape) in arguments.shapes):
        for window in WINDOWS:
            kernel, stride, padding = window
            arrays = make_arrays(shape, window)
            np.savez(folder / "arrays.npz", **{name: arrays[name] for name in ("x", "dy", "indices")})
            for pass_name in arguments.passes:
                job = {"pass": pass_name, "kernel": kernel, "stride": stride, "padding": padding}
                check(processes, job, folder, oracle(pass_name, arrays))
                times, stolen = take_turns(processes, arguments.turns, arguments.seconds, arguments.rest)
                label = f"{shape_name(shape)} {kernel}x{kernel}/{stride} pad {padding}"
                tell_stolen(f"{label} {pass_name}", stolen)
                seconds = {name: float(np.median(turns)) for name, turns in times.items()}
                rows.append({"name": label, "pass": pass_name, "seconds": seconds})
    return rows


def shape_name(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


def show(rows: list[dict[str, Any]], rivals: list[str]) -> list[dict[str, Any]]:
    """Print one table for each pass and what became of its goals."""
    goals = []
    for pass_name in dict.fromkeys(row["pass"] for row in rows):
        print(f"\n## {pass_name}\n")
        lines, same, better = [], [], []
        for row in (row for row in rows if row["pass"] == pass_name):
            seconds = row["seconds"]
            ratios = {name: seconds[name] / seconds["fastconv"] for name in rivals}
            row["ratios"] = ratios
            lines.append([row["name"], *(f"{seconds[name] * 1e6:.1f}" for name in ("fastconv", *rivals)),
                          *(f"{ratios[name]:.2f}" for name in rivals)])  # fmt: skip
            if rivals:
                better.append(min(ratios.values()))
                same.append(ratios.get("torch", float("nan")))
        show_table(["row (us)", "fastconv", *rivals, *(f"ratio {name}" for name in rivals)], lines)
        if not rivals:
            continue
        figures = [
            (f"each at least {EACH} of the better layout", min(better), EACH),
            (f"mean at least {MEAN} of the better layout", geometric_mean(better), MEAN),
        ]
        if pass_name == "pool_forward":
            figures.append((f"each at least {SAME_LAYOUT} of PyTorch NCHW", min(same), SAME_LAYOUT))
            figures.append((f"mean at least {SAME_LAYOUT} of PyTorch NCHW", geometric_mean(same), SAME_LAYOUT))
        for text, figure, bound in figures:
            print(f"{'reached' if figure >= bound else 'MISSED'}: {text}: {figure:.2f} ({len(lines)} rows)")
            goals.append({"pass": pass_name, "goal": text, "figure": figure, "reached": figure >= bound})
    return goals


def panels(rows: list[dict[str, Any]], versions: dict[str, str]) -> list[dict[str, Any]]:
    """The passes as chart.py takes them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in (row for row in rows if row["ratios"]):
        fastest = min(row["ratios"], key=row["ratios"].__getitem__)
        found.setdefault(row["pass"], []).append(
            {"name": row["name"], "ratio": row["ratios"][fastest], "fastest": fastest}
        )
    return [
        {"title": f"{name}, against PyTorch's better layout", "versions": versions, "rows": bars}
        for name, bars in found.items()
    ]


def parse() -> argparse.Namespace:
    parser = Parser(__doc__, chart=True)
    names = [shape_name(shape) for shape in SHAPES]
    parser.add_argument("--shapes", nargs="+", choices=names, default=names, metavar="NxCxH", help=", ".join(names))
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=PASSES, metavar="PASS", help=", ".join(PASSES))
    parser.add_argument("--peers-python", default=sys.executable, metavar="PATH", help="interpreter that has torch")
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one turn")
    parser.add_argument("--rest", type=float, default=REST, help="seconds before each turn")
    return parser.parse()


def main() -> None:
    arguments = parse()
    head = describe_machine(arguments.threads)
    show_machine(head)
    processes: dict[str, Process] = {}
    versions: dict[str, str] = {}
    try:
        for name, (library, _) in CONTESTANTS.items():
            process = Process(library, arguments.peers_python, arguments.threads, {})
            if process.missing:
                print(f"# {name} is left out: {process.missing}")
                process.close()
                continue
            processes[name], versions[name] = process, process.version
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(processes, arguments, Path(folder))
    finally:
        close_all(processes.values())
    goals = show(rows, [name for name in processes if name != "fastconv"])
    write_json(arguments.json, {"machine": head, "versions": versions, "rows": rows, "goals": goals})
    if arguments.chart:
        from chart import draw

        draw({"machine": head, "contests": panels(rows, versions)}, arguments.chart)


if __name__ == "__main__":
    main()
