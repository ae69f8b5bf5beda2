"""Memory does not grow with the number of shapes: plans are forgotten, scratch is shared, results are the caller's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CALLS = """
import numpy as np
import fastconv


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * {page}


rng = np.random.default_rng(0)
x = rng.standard_normal(8 * 64 * 64).astype(np.float32)
weight = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)
dy = rng.standard_normal(16 * 64 * 64).astype(np.float32)


def call(number):
    kind, height, width = number % 4, 5 + number // 4 % 50, 5 + number // 200
    image = x[: 8 * height * width].reshape(1, 8, height, width)
    if kind == 0:
        fastconv.conv2d(image, weight, padding=1)
    elif kind == 1:
        fastconv.prepare_conv2d(image.shape, weight, padding=1)(image)
    elif kind == 2:
        fastconv.conv2d_backward(dy[: 16 * height * width].reshape(1, 16, height, width), image, weight, padding=1)
    else:
        fastconv.max_pool2d(image, 2)


for number in range(4):
    call(number)
before = resident()
for number in range(10000):
    call(number)
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell what is resident")
def test_ten_thousand_shapes():
    path = os.pathsep.join(entry for entry in sys.path if entry)
    code = CALLS.replace("{page}", str(os.sysconf("SC_PAGE_SIZE")))
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 32 * 2**20
