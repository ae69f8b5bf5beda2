"""Time of `import fastconv` beyond NumPy's, size of the wheel, and time of a clean install with build.

    python benchmarks/bench_import.py [--rounds 15] [--skip-build] [--json FILE]

The build goes through pip in a new virtual environment and fetches what it builds with from the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, Parser, describe_machine, once, show_machine, write_json

import fastconv

ROOT = HERE.parent
CODE = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import fastconv
print(middle - start, time.perf_counter() - middle)
"""
GOALS = {"import_seconds": 0.2, "wheel_megabytes": 4.0, "install_seconds": 180.0}


def import_times(rounds: int) -> tuple[float, float]:
    """Median seconds of `import numpy` and of `import fastconv` after it, each in new interpreters."""
    env = {**os.environ, "PYTHONPATH": str(Path(fastconv.__file__).parents[1])}
    times = []
    for _ in range(rounds + 1):
        done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True, env=env)
        times.append([float(word) for word in done.stdout.split()])
    numpy_seconds, ours = np.median(times[1:], axis=0)
    return float(numpy_seconds), float(ours)


def build(folder: Path) -> tuple[float, float]:
    """Seconds of `pip install` from a clean copy of the sources in a new environment, and megabytes of the wheel."""
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("*.so", "build", "dist", "*.egg-info", "__pycache__", ".*")
    shutil.copytree(ROOT, tree, ignore=ignored)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-cache-dir", str(tree)]
    seconds, _ = once(lambda: subprocess.run(command, check=True))
    command = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(tree)]
    subprocess.run(command, check=True)
    [wheel] = folder.glob("fastconv-*.whl")
    return seconds, wheel.stat().st_size / 1e6


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--skip-build", action="store_true")
    arguments = parser.parse()
    head = describe_machine(fastconv.get_num_threads())
    show_machine(head)
    result: dict[str, Any] = {}
    result["numpy_import_seconds"], result["import_seconds"] = import_times(arguments.rounds)
    if not arguments.skip_build:
        with tempfile.TemporaryDirectory() as folder:
            result["install_seconds"], result["wheel_megabytes"] = build(Path(folder))
    for name, value in result.items():
        goal = f", goal {GOALS[name]:g}, {'reached' if value < GOALS[name] else 'MISSED'}" if name in GOALS else ""
        print(f"{name}: {value:.3f}{goal}")
    write_json(arguments.json, {"machine": head, **result})


if __name__ == "__main__":
    main()
