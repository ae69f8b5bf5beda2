"""Processes that take turns: started once, told over a pipe what to do, silent in between.

A contestant that waits must not compute: its threads may spin for a while after their last work, which would slow the
one whose turn it is, so there is a rest before each turn, and the CPU time that the waiting ones used is added up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common import HERE, worker_environment

REST = 0.2
MOST_STOLEN = 0.05


class Process:
    """One worker; `missing` says why it could not start."""

    def __init__(
        self, library: str, python: str, threads: int, environment: dict[str, str], script: str = "layer_worker.py"
    ) -> None:
        env = worker_environment(library, threads, **environment)
        if library == "fastconv":
            python = sys.executable
        command = [python, str(HERE / script), library, str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
        )
        hello = self._read()
        self.missing: str | None = hello.get("missing") or hello.get("error")
        self.version: str = hello.get("version", "")
        self.start_bytes: int = hello.get("peak_bytes", 0)

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        return json.loads(line) if line else {"error": "the process ended"}

    def ask(self, **job: Any) -> dict[str, Any]:
        """Send one job and wait for its answer."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "the process ended"}
        return self._read()

    def cpu_seconds(self) -> float:
        """CPU time used so far, where the system tells."""
        try:
            words = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def take_turns(
    processes: dict[str, Process], turns: int, seconds: float, rest: float = REST
) -> tuple[dict[str, list[float]], float]:
    """Medians of every turn of every process, and the largest share of CPU that others used meanwhile."""
    medians: dict[str, list[float]] = {name: [] for name in processes}
    stolen = 0.0
    for _ in range(turns):
        for name in processes:
            median, share = one_turn(processes, name, rest, seconds=seconds)
            medians[name].append(median)
            stolen = max(stolen, share)
    return medians, stolen


def one_turn(processes: dict[str, Process], name: str, rest: float, **job: Any) -> tuple[float, float]:
    """Median that one process reports after a rest, and the share of a CPU that the others used meanwhile."""
    time.sleep(rest)
    before = _used(processes, name)
    start = time.perf_counter()
    answer = processes[name].ask(do="time", **job)
    stolen = (_used(processes, name) - before) / (time.perf_counter() - start)
    if "median" not in answer:
        raise SystemExit(f"{name} failed while it was timed: {answer.get('error')}")
    return answer["median"], stolen


def tell_stolen(row: str, stolen: float) -> None:
    """A waiting process that computes disturbs the one that is timed."""
    if stolen > MOST_STOLEN:
        print(f"# {row}: waiting processes used {stolen:.0%} of a CPU meanwhile", flush=True)


def _used(processes: dict[str, Process], running: str) -> float:
    return sum(process.cpu_seconds() for name, process in processes.items() if name != running)


def close_all(processes: Iterable[Process]) -> None:
    for process in processes:
        process.close()
