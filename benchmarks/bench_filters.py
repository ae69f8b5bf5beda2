"""Filters on images and signals of one channel: fastconv against OpenCV, SciPy and NumPy.

    python benchmarks/bench_filters.py [--peers-python PYTHON] [--threads N] [--turns 5] [--only NAME ...] [--json FILE]
        [--chart FILE]

Each library runs in a process of its own and waits without using the CPU while another is timed: fastconv in this
interpreter, the others in the one of --peers-python. They take turns, with 0.2 s of rest before each; times are medians
over the turns. Every result is held against float64 before it is timed. SciPy and NumPy use one thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    Parser,
    describe_machine,
    geometric_mean,
    read_shapes,
    show_machine,
    write_json,
)
from turns import REST, Process, close_all, one_turn, tell_stolen

import fastconv

PEERS = ("opencv", "scipy", "numpy")
WORKER = "filter_calls.py"
# (operation, call of a peer) -> least ratio of each row, least geometric mean
GOALS = {
    ("filter2d", "opencv filter2D"): (1.0, 1.2),
    ("filter2d", "scipy convolve2d"): (None, 20.0),
    ("filter2d", "scipy fftconvolve"): (1.0, None),
    ("filter2d", "scipy oaconvolve"): (1.0, None),
    ("filter1d", "numpy convolve"): (1.0, 3.0),
    ("filter1d", "scipy oaconvolve"): (1.0, None),
}
Row = dict[str, Any]


def kernel_of(operation: str, numbers: list[int]) -> np.ndarray:
    """A random kernel that does not separate, or the one that the operation names."""
    if operation == "gaussian":
        return fastconv.filters.gaussian(8 * numbers[2] + 1, numbers[2])
    if operation == "box":
        return fastconv.filters.box(numbers[2])
    shape = numbers[2:] if operation == "filter2d" else numbers[1:]
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def prepare(folder: Path, operation: str, name: str, numbers: list[int], threads: int) -> Row:
    """Save the arrays of a row where every process finds them."""
    size = numbers[:1] if operation == "filter1d" else numbers[:2]
    stem = folder / name.replace("/", "-")
    np.save(f"{stem}-x.npy", np.random.default_rng(0).standard_normal(size, dtype=np.float32))
    np.save(f"{stem}-w.npy", kernel_of(operation, numbers))
    return {
        "operation": operation, "name": name, "numbers": numbers, "threads": threads, "stem": str(stem),
        "x": f"{stem}-x.npy", "w": f"{stem}-w.npy",
    }  # fmt: skip


def check(row: Row, oracle: Process, libraries: dict[str, Process]) -> list[tuple[str, str]]:
    """Refuse to time wrong answers; return what there is to time: (library, call)."""

    def calls_of(name: str, process: Process) -> list[str]:
        answer = process.ask(do="prepare", row=row, save=f"{row['stem']}-{name}")
        if "calls" not in answer:
            raise SystemExit(f"bench_filters: {name} failed on {row['name']}: {answer.get('error')}")
        return list(answer["calls"])

    calls_of("oracle", oracle)
    wanted = np.load(f"{row['stem']}-oracle-oracle.npy")
    found = []
    for name, process in libraries.items():
        for call in calls_of(name, process):
            got = np.load(f"{row['stem']}-{name}-{call}.npy")
            worst, scale = float(np.abs(got - wanted).max()), float(np.abs(wanted).max())
            if got.shape != wanted.shape or not worst <= 2e-5 * scale:
                raise SystemExit(f"bench_filters: {name} {call} on {row['name']} is off by {worst:.3g}")
            found.append((name, call))
    return found


def measure(
    row: Row, calls: list[tuple[str, str]], libraries: dict[str, Process], turns: int, seconds: float, rest: float
) -> dict[str, float]:
    """Milliseconds of every call, the libraries taking turns."""
    times: dict[str, list[float]] = {}
    stolen = 0.0
    for _ in range(turns):
        for name, call in calls:
            median, share = one_turn(libraries, name, rest, row=row, call=call, seconds=seconds)
            times.setdefault(f"{name} {call}", []).append(1e3 * median)
            stolen = max(stolen, share)
    tell_stolen(row["name"], stolen)
    return {name: statistics.median(values) for name, values in times.items()}


def panels(rows: list[Row], versions: dict[str, str]) -> list[dict[str, Any]]:
    """The operations as chart.py takes them: the fastest peer's call against the slowest of fastconv's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        mine = max(ms for name, ms in row["ms"].items() if name.startswith("fastconv "))
        peers = {name: ms for name, ms in row["ms"].items() if not name.startswith("fastconv ")}
        if peers:
            fastest = min(peers, key=peers.__getitem__)
            bar = {"name": row["name"], "ratio": peers[fastest] / mine, "fastest": fastest}
            found.setdefault(row["operation"], []).append(bar)
    return [
        {"title": f"{name}, against the fastest peer", "versions": versions, "rows": bars}
        for name, bars in found.items()
    ]


def show(rows: list[Row]) -> None:
    """Times of every row with the ratios peer / slowest of fastconv's calls, then the geometric means."""
    means: dict[tuple[str, str], list[float]] = {}
    print("row, ms of each call; of a peer also how many times the slowest of fastconv's calls it takes")
    for row in rows:
        mine = {name: ms for name, ms in row["ms"].items() if name.startswith("fastconv ")}
        slowest = max(mine.values())
        cells = [f"{name.removeprefix('fastconv ')} {ms:.3f}" for name, ms in mine.items()]
        for name, ms in row["ms"].items():
            if name in mine:
                continue
            cells.append(f"{name.split(' ', 1)[1]} {ms:.2f} = {ms / slowest:.2f}x")
            means.setdefault((row["operation"], name), []).append(ms / slowest)
        print(f"{row['name']:<12} {', '.join(cells)}")
    for (operation, name), ratios in means.items():
        least, mean = GOALS.get((operation, name), (None, None))
        reached = min(ratios) >= (least or 0) and geometric_mean(ratios) >= (mean or 0)
        wanted = ", ".join(
            [f"each at least {least}"] * (least is not None) + [f"mean at least {mean}"] * (mean is not None)
        )
        verdict = f"; {wanted}: {'reached' if reached else 'MISSED'}" if wanted else ""
        figures = f"mean {geometric_mean(ratios):.2f}x, least {min(ratios):.2f}x, {len(ratios)} rows"
        print(f"{operation}, {name}: {figures}{verdict}")


def parse() -> argparse.Namespace:
    parser = Parser(__doc__, chart=True)
    parser.add_argument("--peers-python", default=sys.executable, metavar="PATH", help="interpreter that has the peers")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each turn of each call")
    parser.add_argument("--rest", type=float, default=REST, help="seconds before each turn")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows of shapes/filters.txt")
    arguments = parser.parse()
    arguments.shapes = [row for row in read_shapes("filters") if not arguments.only or row[1] in arguments.only]
    if not arguments.shapes:
        parser.error("--only must name rows of shapes/filters.txt")
    return arguments


def main() -> None:
    arguments = parse()
    oracle = Process("oracle", arguments.peers_python, arguments.threads, {}, WORKER)
    if oracle.missing:
        raise SystemExit(f"bench_filters: {arguments.peers_python} has no scipy, which checks the results")
    head = describe_machine(arguments.threads)
    show_machine(head)
    libraries: dict[str, Process] = {}
    rows = []
    try:
        for name in ("fastconv", *arguments.peers):
            process = Process(name, arguments.peers_python, arguments.threads, {}, WORKER)
            if process.missing:
                print(f"# {name} is left out: {process.missing}")
                process.close()
                continue
            libraries[name] = process
        with tempfile.TemporaryDirectory() as folder:
            for operation, name, numbers in arguments.shapes:
                row = prepare(Path(folder), operation, name, numbers, arguments.threads)
                calls = check(row, oracle, libraries)
                row["ms"] = measure(row, calls, libraries, arguments.turns, arguments.seconds, arguments.rest)
                rows.append(row)
    finally:
        close_all([*libraries.values(), oracle])
    show(rows)
    versions = {name: process.version for name, process in libraries.items()}
    kept = [{key: row[key] for key in ("operation", "name", "numbers", "ms")} for row in rows]
    write_json(arguments.json, {"machine": head, "versions": versions, "rows": kept})
    if arguments.chart:
        from chart import draw

        draw({"machine": head, "contests": panels(rows, versions)}, arguments.chart)


if __name__ == "__main__":
    main()
