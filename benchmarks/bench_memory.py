"""Memory that filters of memory-mapped pictures take beside picture and result: SciPy's, and fastconv's adapters.

    python benchmarks/bench_memory.py [--size N] [--dtype uint8] [--only NAME ...] [--json FILE]

Each call runs in a process of its own on a picture of N x N elements in a temporary file; counted is the peak of
resident memory during the call, without the picture's and the result's own bytes, while both are resident. Linux only.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

from common import Parser, describe_machine, show_machine, write_json  # noqa: E402

import fastconv  # noqa: E402

ADAPTERS = {"scipy.ndimage": "fastconv.compat.ndimage", "scipy.signal": "fastconv.compat.scipy_signal"}
KERNEL = [[1, 2, 1], [0, 0, 0], [1, 2, 1]]


def ndimage(name: str, *arguments: Any, **options: Any) -> Callable[[bool, np.ndarray], np.ndarray]:
    return lambda ours, x: function("scipy.ndimage", name, ours)(x, *arguments, **options)


def signal(name: str, *arguments: Any) -> Callable[[bool, np.ndarray], np.ndarray]:
    return lambda ours, x: function("scipy.signal", name, ours)(x, np.array(KERNEL, x.dtype), *arguments)


def function(host: str, name: str, ours: bool) -> Callable[..., np.ndarray]:
    return getattr(importlib.import_module(ADAPTERS[host] if ours else host), name)


CALLS = {
    "gaussian_filter 2": ndimage("gaussian_filter", 2),
    "gaussian_filter 2 to float32": ndimage("gaussian_filter", 2, output=np.float32),
    "uniform_filter 5": ndimage("uniform_filter", 5),
    "ndimage.convolve 3x3": ndimage("convolve", KERNEL),
    "sobel": ndimage("sobel"),
    "laplace": ndimage("laplace"),
    "maximum_filter 5": ndimage("maximum_filter", 5),
    "minimum_filter 15 wrap": ndimage("minimum_filter", 15, mode="wrap"),
    "convolve2d 3x3 symm": signal("convolve2d", "same", "symm"),
    "signal.convolve 3x3": signal("convolve", "same", "direct"),
}


def resident(key: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def child(name: str, ours: bool, path: str, dtype: str, size: int) -> None:
    """Measure one call in this process."""
    call, x = CALLS[name], np.memmap(path, dtype, "r", shape=(size, size))
    call(ours, x[:128, :128])
    x.max()
    Path("/proc/self/clear_refs").write_text("5")
    before, start = resident("VmRSS"), time.perf_counter()
    y = call(ours, x)
    seconds, peak = time.perf_counter() - start, resident("VmHWM")
    print(json.dumps({"scratch": max(0, peak - before - y.nbytes), "seconds": seconds}))


def measure(name: str, ours: bool, path: str, dtype: str, size: int) -> dict[str, float]:
    """Scratch in bytes, and the seconds of the one call."""
    paths = [str(Path(fastconv.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    code = (
        f"import sys; sys.path.append({str(HERE)!r}); import bench_memory as b; b.child{name, ours, path, dtype, size}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=600)
    if done.returncode:
        raise SystemExit(f"bench_memory: {name}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def picture(path: str, dtype: str, size: int) -> int:
    """Write a picture; its bytes."""
    x = np.memmap(path, dtype, "w+", shape=(size, size))
    rng = np.random.default_rng(0)
    for row in range(0, size, 256):
        x[row : row + 256] = rng.integers(0, 100, x[row : row + 256].shape, np.uint8)
    x.flush()
    return x.nbytes


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--size", type=int, default=8192, metavar="N")
    parser.add_argument("--dtype", default="uint8", help="of the picture, such as uint8, >i2 or float32")
    parser.add_argument("--only", nargs="+", choices=CALLS, default=list(CALLS), metavar="NAME", help=", ".join(CALLS))
    arguments = parser.parse()
    if not Path("/proc/self/clear_refs").exists():
        raise SystemExit("bench_memory: this system does not tell a process its peak of memory: Linux does")
    head = describe_machine(fastconv.get_num_threads())
    show_machine(head)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "picture")
        size = picture(path, arguments.dtype, arguments.size)
        for name in arguments.only:
            host, ours = (measure(name, side, path, arguments.dtype, arguments.size) for side in (False, True))
            print(
                f"{name}: host {host['scratch'] / 1e6:.1f} MB in {host['seconds']:.3f} s, fastconv "
                f"{ours['scratch'] / 1e6:.1f} MB ({ours['scratch'] / size:.3f} pictures) in {ours['seconds']:.3f} s",
                flush=True,
            )
            rows.append({"name": name, "picture": size, "host": host, "ours": ours})
    write_json(arguments.json, {"machine": head, "rows": rows})


if __name__ == "__main__":
    main()
