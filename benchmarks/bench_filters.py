"""Filters on images and signals of one channel: fastconv against OpenCV, SciPy and NumPy.

    python benchmarks/bench_filters.py [--peers-python PYTHON] [--threads N] [--turns 5] [--only NAME ...] [--json FILE]

Each library runs in a process of its own and waits without using the CPU while another is timed: fastconv in this
interpreter, the others in the one of --peers-python. They take turns, with 0.2 s of rest before each; times are medians
over the turns. Every result is held against float64 before it is timed. SciPy and NumPy use one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    HERE,
    check_target,
    describe_machine,
    geometric_mean,
    read_shapes,
    show_machine,
    worker_environment,
    write_json,
)

import fastconv

REST = 0.2
PEERS = {"opencv": "cv2", "scipy": "scipy", "numpy": "numpy"}
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


class Library:
    """A library's own process."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        command = [python, str(HERE / "filter_calls.py"), name]
        environment = worker_environment(name)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench_filters: {self.name} failed on {request['row']['name']}")
        return dict(json.loads(line))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


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


def check(row: Row, oracle: Library, libraries: list[Library]) -> list[tuple[Library, str]]:
    """Refuse to time wrong answers; return what there is to time."""
    oracle.ask(row=row, save=row["stem"])
    wanted = np.load(f"{row['stem']}-oracle.npy")
    found = []
    for library in libraries:
        for call in library.ask(row=row, save=f"{row['stem']}-{library.name}")["calls"]:
            got = np.load(f"{row['stem']}-{library.name}-{call}.npy")
            worst, scale = float(np.abs(got - wanted).max()), float(np.abs(wanted).max())
            if got.shape != wanted.shape or not worst <= 2e-5 * scale:
                raise SystemExit(f"bench_filters: {library.name} {call} on {row['name']} is off by {worst:.3g}")
            found.append((library, call))
    return found


def measure(row: Row, calls: list[tuple[Library, str]], turns: int, seconds: float) -> dict[str, float]:
    """Milliseconds of every call, the libraries taking turns."""
    times: dict[str, list[float]] = {}
    for _ in range(turns):
        for library, call in calls:
            time.sleep(REST)
            answer = library.ask(row=row, call=call, seconds=seconds)
            times.setdefault(f"{library.name} {call}", []).append(1e3 * answer["seconds"])
    return {name: statistics.median(values) for name, values in times.items()}


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


def installed(python: str, module: str) -> bool:
    """Whether an interpreter can import it."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each turn of each call")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows of shapes/filters.txt")
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output")
    arguments = parser.parse_args()
    shapes = [row for row in read_shapes("filters") if not arguments.only or row[1] in arguments.only]
    if not shapes or arguments.turns < 1 or arguments.threads < 1:
        parser.error("--only must name rows of shapes/filters.txt, --turns and --threads must be at least 1")
    check_target(parser, arguments.json)
    if not installed(arguments.peers_python, PEERS["scipy"]):
        parser.error(f"{arguments.peers_python} has no scipy, which checks the results: see --peers-python")
    head = describe_machine(arguments.threads)
    show_machine(head)
    libraries = [Library("fastconv", sys.executable)]
    for name in arguments.peers:
        if installed(arguments.peers_python, PEERS[name]):
            libraries.append(Library(name, arguments.peers_python))
        else:
            print(f"# {name} is left out: it is not installed")
    oracle = Library("oracle", arguments.peers_python)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for operation, name, numbers in shapes:
            row = prepare(Path(folder), operation, name, numbers, arguments.threads)
            calls = check(row, oracle, libraries)
            row["ms"] = measure(row, calls, arguments.turns, arguments.seconds)
            rows.append(row)
    for library in [*libraries, oracle]:
        library.close()
    show(rows)
    kept = [{key: row[key] for key in ("operation", "name", "numbers", "ms")} for row in rows]
    write_json(arguments.json, {"machine": head, "rows": kept})


if __name__ == "__main__":
    main()
