"""One process of bench_layers.py, bench_pools.py or bench_networks.py: one library, told over a pipe what to do.

Reads JSON lines and answers each with one: {"do": "prepare", ...} builds the layer or network, runs it once and saves
the result for the check; {"do": "time", "seconds": s} runs it again and again for about s seconds and answers the
median. Between two lines it waits for input and uses no CPU. Imports NumPy and the one library, nothing of fastconv's
unless it is fastconv, so it runs in any interpreter that has them.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LEAST_RUNS = 3
PREPARE = {"pool": "prepare_pool", "network": "prepare_network", "training": "prepare_training"}


def peak_bytes() -> int:
    """The most memory that this process has had; the system's own figure counts what its parent had at the fork."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))


class Worker:
    """The library's module from libraries/, and the layer that is ready to run."""

    def __init__(self, library: str, threads: int) -> None:
        self.library = importlib.import_module(f"libraries.{library}")
        self.library.set_threads(threads)
        self.call: Callable[[], Any] | None = None

    def prepare(self, job: dict[str, Any]) -> dict[str, Any]:
        with np.load(job["arrays"]) as stored:
            arrays = {name: stored[name] for name in stored.files}
        prepare = getattr(self.library, PREPARE.get(job["pass"].partition("_")[0], "prepare"))
        self.call, to_array = prepare(job, arrays)
        np.save(job["result"], np.ascontiguousarray(to_array(self.call())))
        return {"peak_bytes": peak_bytes()}

    def time(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self.call is not None
        self.call()
        times: list[float] = []
        end = time.perf_counter() + job["seconds"]
        while len(times) < LEAST_RUNS or time.perf_counter() < end:
            start = time.perf_counter()
            self.call()
            times.append(time.perf_counter() - start)
        return {"median": statistics.median(times), "runs": len(times)}


def main() -> None:
    # The libraries may print; only the answers go to the real standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, str(Path(__file__).resolve().parent))

    def answer(values: dict[str, Any]) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        worker = Worker(sys.argv[1], int(sys.argv[2]))
    except ImportError as error:
        answer({"missing": str(error)})
        return
    answer({"version": worker.library.version(), "peak_bytes": peak_bytes()})
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer(worker.prepare(job) if job["do"] == "prepare" else worker.time(job))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
