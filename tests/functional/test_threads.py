"""Threads behave: any number gives the same bits, Python threads run side by side, a forked child works."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from calls import LAYOUTS, PASSES, TYPES, run
from cases import LARGE

import fastconv

OPERATIONS = {
    "max_pool2d": lambda x, n: fastconv.max_pool2d(x, 3, 2, num_threads=n),
    "avg_pool2d": lambda x, n: fastconv.avg_pool2d(x, 3, 2, num_threads=n),
    "lp_pool2d": lambda x, n: fastconv.lp_pool2d(x, 2, 3, 2, num_threads=n),
    "relu": lambda x, n: fastconv.relu(x, num_threads=n),
    "linear": lambda x, n: fastconv.linear(x.reshape(len(x), -1), x.reshape(len(x), -1)[:7], num_threads=n),
}


def problem(case, dtype=np.float32):
    x, weight, _ = case.arrays(dtype)
    y = run("forward", case.rank, x, weight, None, **case.options)
    return x, weight, np.random.default_rng(1).uniform(-1, 1, y.shape).astype(dtype)


def all_bytes(case, x, weight, dy, **keywords):
    return [run(p, case.rank, x, weight, dy, **case.options, **keywords).tobytes() for p in PASSES]


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", LARGE, ids=lambda c: c.id)
def test_same_bits_for_any_number_of_threads(case, layout, dtype):
    x, weight, dy = problem(case, dtype)
    one = all_bytes(case, x, weight, dy, layout=layout, num_threads=1)
    for threads in (2, 3, 4, 7):
        assert all_bytes(case, x, weight, dy, layout=layout, num_threads=threads) == one


@pytest.mark.parametrize("name", OPERATIONS)
def test_other_operations_give_the_same_bits(name):
    x = np.random.default_rng(2).standard_normal((9, 8, 65, 63)).astype(np.float32)
    one = OPERATIONS[name](x, 1).tobytes()
    for threads in (2, 3, 5):
        assert OPERATIONS[name](x, threads).tobytes() == one


def test_default_number_of_threads(keep_threads):
    case = LARGE[0]
    x, weight, dy = problem(case)
    results = []
    for threads in (1, 2, 3):
        fastconv.set_num_threads(threads)
        assert fastconv.get_num_threads() == threads
        results.append(all_bytes(case, x, weight, dy))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    "count, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_wrong_number_of_threads(count, error, keep_threads):
    with pytest.raises(error, match=rf"\(={count!r}\)"):
        fastconv.set_num_threads(count)
    with pytest.raises(error, match="num_threads"):
        fastconv.conv1d(np.zeros((1, 1, 3)), np.zeros((1, 1, 2)), num_threads=count)


@pytest.mark.parametrize("threads", [1, 2])
def test_python_threads_side_by_side(threads):
    """Four Python threads at once, each with problems of its own: the bits of a thread alone."""
    problems = [(case, problem(case)) for case in LARGE]
    expected = [all_bytes(case, *arrays, num_threads=threads) for case, arrays in problems]
    wrong, start = [], threading.Barrier(4)

    def work(offset):
        start.wait()
        for turn in range(8):
            index = (offset + turn) % len(problems)
            case, arrays = problems[index]
            if all_bytes(case, *arrays, num_threads=threads) != expected[index]:
                wrong.append(case.id)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_interpreter_runs_while_the_engine_computes():
    """The lock is released: this thread counts on while another one sits in one long call."""
    x = np.ones((4, 64, 96, 96), np.float32)
    weight = np.ones((64, 64, 5, 5), np.float32)
    out = np.empty((4, 64, 92, 92), np.float32)
    inside, counted = threading.Event(), 0

    def work():
        inside.set()
        fastconv.conv2d(x, weight, out=out, num_threads=1)

    worker = threading.Thread(target=work)
    worker.start()
    inside.wait()
    interval = sys.getswitchinterval()
    while worker.is_alive():
        counted += 1
        worker.join(interval / 5)
    assert counted > 3


def _child(queue, case, arrays, threads):
    if threads:
        fastconv.set_num_threads(threads)
    queue.put((fastconv.get_num_threads(), all_bytes(case, *arrays)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("threads", [None, 1, 2, 3])
def test_forked_child_works(threads, keep_threads):
    """After the parent used its threads: as it is, and after set_num_threads in the child."""
    case = LARGE[0]
    arrays = problem(case)
    fastconv.set_num_threads(2)
    expected = all_bytes(case, *arrays, num_threads=3)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue, case, arrays, threads))
    child.start()
    try:
        count, found = queue.get(timeout=60)
    finally:
        child.join(10)
        if child.is_alive():
            child.kill()
    assert child.exitcode == 0
    assert found == expected
    if threads:
        assert count == threads
    assert all_bytes(case, *arrays, num_threads=2) == expected


@pytest.mark.parametrize("value", ["1", "3"])
def test_omp_num_threads_sets_the_default(value):
    code = "import fastconv; print(fastconv.get_num_threads())"
    environment = {**os.environ, "OMP_NUM_THREADS": value}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == value, done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_affinity_bounds_the_default():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import fastconv; print(fastconv.get_num_threads())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "1", done.stderr


POOL_REPORT = """
import multiprocessing, numpy as np, fastconv
x = np.random.default_rng(0).standard_normal((4, 16, 40, 40)).astype(np.float32)
w = np.random.default_rng(1).standard_normal((24, 16, 3, 3)).astype(np.float32)
def bits():
    return fastconv.conv2d(x, w, num_threads=3).tobytes().hex()[-64:]
def child(queue):
    fastconv.set_num_threads(2)
    queue.put(bits())
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    found = [bits()]
    process = context.Process(target=child, args=(queue,))
    process.start()
    found.append(queue.get(timeout=60))
    process.join()
    print(*found)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_both_pools_give_the_same_bits_and_survive_a_fork():
    bits = set()
    for pool in ("team", "openmp", ""):
        environment = {**os.environ, "FASTCONV_POOL": pool}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", POOL_REPORT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        bits |= set(done.stdout.split())
    assert len(bits) == 1


def test_unknown_pool_is_an_error_at_import():
    environment = {**os.environ, "FASTCONV_POOL": "tbb"}
    done = subprocess.run(
        [sys.executable, "-c", "import fastconv"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "FASTCONV_POOL (='tbb')" in done.stderr.strip().splitlines()[-1]
