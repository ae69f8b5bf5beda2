"""Compare fastconv with the other libraries installed here, layer by layer, or run another of its benchmarks.

What follows the name goes to the benchmark: `fastconv bench layers --help`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

NAME = "bench"
HELP = "measure fastconv against other libraries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = sorted(path.stem.removeprefix("bench_") for path in folder().glob("bench_*.py"))
    parser.add_argument("benchmark", nargs="?", default="layers", help=f"{', '.join(names)} (default: layers)")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of that benchmark")


def folder() -> Path:
    """Where the benchmarks are: in the installed package, or beside src/ in a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "benchmarks"
    return installed if installed.is_dir() else package.parents[1] / "benchmarks"


def run(arguments: argparse.Namespace) -> int:
    place = folder()
    if not (place / "__main__.py").is_file():
        raise FileNotFoundError(f"the benchmarks are not here ({place}): install fastconv again, or run a checkout's")
    child = subprocess.Popen([sys.executable, str(place), arguments.benchmark, *arguments.options])
    try:
        return child.wait()
    except KeyboardInterrupt:
        # The terminal told the child as well, and it says so.
        return child.wait()
