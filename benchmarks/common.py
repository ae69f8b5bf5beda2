"""What the benchmarks share: timing, shapes, the description of the machine, and tables."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import fastconv
from fastconv.functional import _peaks

HERE = Path(__file__).resolve().parent
BEYOND_CACHES = 2**28  # bytes
AT_LEAST = {"threads": 1, "turns": 1, "rounds": 1, "iterations": 1, "size": 1, "seconds": 0, "rest": 0}
NETWORKS = ("lenet5", "alexnet", "vgg16", "mobilenetv2")


def best_of(call: Callable[[], Any], seconds: float = 0.25, least: int = 3) -> float:
    """Median time of one call in seconds: at least `least` runs after one that is not counted, for about `seconds`."""
    call()
    times: list[float] = []
    while len(times) < least or (sum(times) < seconds and len(times) < 1000):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    """Time of one call, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive numbers; NaN if there are none."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def read_shapes(network: str) -> list[tuple[str, str, list[int]]]:
    """Rows (operation, name, numbers) of shapes/NETWORK.txt."""
    lines = (line.split("#")[0].split() for line in (HERE / "shapes" / f"{network}.txt").read_text().splitlines())
    return [(words[0], words[1], [int(word) for word in words[2:]]) for words in lines if words]


def measure_peak(threads: int) -> dict[str, float]:
    """Multiply-add and copy limits of this machine, measured by the engine's loops for its best instruction set."""
    measured = {
        "peak_gflops": _peaks.peak_gflops(np.dtype(np.float32), threads),
        "copy_gb_per_s": _peaks.copy_gb_per_s(BEYOND_CACHES, threads),
    }
    return {name: round(value, 1) for name, value in measured.items() if value}


def worker_environment(library: str, threads: int | None = None, **extra: str) -> dict[str, str]:
    """For a process of one library: as many threads as all, fastconv of this tree without a user's tune file."""
    env = {**os.environ, "FASTCONV_TUNE": "0"}
    if threads is not None:
        env["OMP_NUM_THREADS"] = str(threads)
    if library == "fastconv":
        entries = [str(Path(fastconv.__file__).parents[1]), env.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(entry for entry in entries if entry)
    return {**env, **extra}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, before anything is measured: also a target that could not be written."""

    def __init__(self, description: str | None, chart: bool = False) -> None:
        super().__init__(prog=Path(sys.argv[0]).stem, description=(description or "").partition("\n")[0])
        self.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output")
        if chart:
            self.add_argument("--chart", metavar="FILE", help="draw the ratios into this PNG (needs matplotlib)")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")

    def parse(self) -> argparse.Namespace:
        """The arguments, when all of them make sense."""
        arguments = self.parse_args()
        for name, value in vars(arguments).items():
            option = f"--{name.replace('_', '-')}"
            if name in AT_LEAST and not AT_LEAST[name] <= value < math.inf:
                self.error(f"{option} (={value}) must be at least {AT_LEAST[name]}")
            if name.endswith("_python") and shutil.which(value) is None:
                self.error(f"{option} (={value!r}) is no program")
            if name in ("json", "chart", "markdown") and value is not None:
                self._check_target(option, value)
        if getattr(arguments, "chart", None) and importlib.util.find_spec("matplotlib") is None:
            self.error("--chart needs matplotlib: pip install matplotlib")
        return arguments

    def _check_target(self, option: str, value: str) -> None:
        path = Path(value).absolute()
        if option == "--json" and value == "-":
            return
        if path.is_dir():
            self.error(f"{option} (={value!r}) is a folder")
        if not path.parent.is_dir():
            self.error(f"{option} (={value!r}) cannot be written: there is no folder {path.parent}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.error(f"{option} (={value!r}) cannot be written: permission denied")


def blas() -> str:
    """The matrix library under NumPy, as far as it tells."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown (threadpoolctl is not installed)"
    found = [row for row in threadpool_info() if row.get("user_api") == "blas"]
    return ", ".join(f"{r['internal_api']} {r['version']} {r.get('architecture', '')}".strip() for r in found) or "none"


def describe_machine(threads: int) -> dict[str, Any]:
    """What stands at the head of every benchmark."""
    info = fastconv.info()
    head = {
        "cpu": info["cpu"],
        "isa": info["isa"],
        "threads": threads,
        "logical_cpus": os.cpu_count(),
        "fastconv": fastconv.__version__,
        "numpy": np.__version__,
        "blas": blas(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return {**head, **measure_peak(threads)}


def show_machine(head: dict[str, Any]) -> None:
    """Print the head, one fact a line."""
    for name, value in head.items():
        print(f"# {name}: {value}")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their columns, numbers to the right."""
    text = [[value if isinstance(value, str) else f"{value:,.4g}" for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *text]) for i in range(len(columns))]
    for line in [list(columns), *text]:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join([line[0].ljust(widths[0]), *cells[1:]]))


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """A name beside `path` to write to, which becomes `path` when the body ends: nothing half-written stays."""
    beside = f"{path}.part"
    try:
        yield beside
        os.replace(beside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def write_json(path: str | None, result: dict[str, Any]) -> None:
    """Write the result to `path`, or to standard output for "-"."""
    if path is None:
        return
    text = json.dumps(result, indent=1)
    if path == "-":
        sys.stdout.write(text + "\n")
        return
    with replacing(path) as beside:
        Path(beside).write_text(text + "\n", encoding="utf-8")
