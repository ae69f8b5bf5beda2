"""The fairness of the comparison: a process each, the same threads, no CPU while waiting, wrong results never timed."""

from __future__ import annotations

import os
import time

import bench_layers
import numpy as np
import pytest
from common import worker_environment
from contests import CONTESTS
from naive import Conv
from turns import REST, Process, close_all, one_turn, take_turns

LAYER = Conv(1, 16, 28, 28, 16, 3, 1, 1, 1)
CONTEST = next(contest for contest in CONTESTS if contest.name == "plain")


@pytest.fixture
def ours():
    process = Process("fastconv", "python", 2, {})
    assert not process.missing
    yield process
    close_all([process])


def test_rivals_have_as_many_threads_as_ours():
    for contest in CONTESTS:
        if contest.name != "threads":
            assert {rival.threads for rival in contest.rivals} <= {contest.ours.threads}
    for library in ("fastconv", "torch", "onnxruntime", "openvino", "ncnn", "opencv", "scipy"):
        environment = worker_environment(library, 3)
        assert environment["OMP_NUM_THREADS"] == "3" and environment["FASTCONV_TUNE"] == "0"


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system does not tell what a process used")
def test_a_waiting_process_uses_no_cpu(ours, tmp_path):
    ready, notes = bench_layers.prepare({"fastconv": ours}, CONTEST, LAYER, tmp_path, 0)
    assert list(ready) == ["fastconv"] and notes == []
    times, stolen = take_turns(ready, 1, 0.05, 0)
    assert len(times["fastconv"]) == 1 and times["fastconv"][0] > 0 and stolen == 0
    time.sleep(REST)
    before = ours.cpu_seconds()
    time.sleep(0.5)
    assert before > 0 and ours.cpu_seconds() - before <= 0.02


def test_what_waiting_processes_use_is_added_up(ours, tmp_path):
    class Busy:
        clock = 0.0

        def cpu_seconds(self):
            self.clock += 10.0
            return self.clock

    ready, _ = bench_layers.prepare({"fastconv": ours}, CONTEST, LAYER, tmp_path, 0)
    assert one_turn({**ready, "busy": Busy()}, "fastconv", 0, seconds=0.05)[1] > 1


def test_a_wrong_result_is_told_and_never_timed(tmp_path):
    class Wrong:
        def ask(self, **job):
            with np.load(job["arrays"]) as arrays:
                right = bench_layers.oracle(LAYER, "forward", dict(arrays))
            right[0, 0, 3, 3] += 0.1 * np.abs(right).max()
            np.save(job["result"], right.astype(np.float32))
            return {}

    class Broken:
        def ask(self, **job):
            return {"error": "no such layer"}

    processes = {"fastconv": Wrong(), "torch": Broken()}
    ready, notes = bench_layers.prepare(processes, CONTEST, LAYER, tmp_path, 0)
    assert ready == {} and "WRONG" in notes[0] and "no such layer" in notes[1]
