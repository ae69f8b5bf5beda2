"""One library's filters, timed in a process of its own: reads one JSON request a line, answers each with one line.

A request names the operation, the library's call, the files of the arrays, and either where to save the result or for
how long to time it. The interpreter needs only NumPy and the library asked for.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[], Any]


def fastconv_calls(x: np.ndarray, w: np.ndarray, row: dict[str, Any]) -> dict[str, Call]:
    import fastconv

    fastconv.set_num_threads(row["threads"])
    if row["operation"] == "filter1d":
        return {"convolve": lambda: fastconv.convolve(x, w)}
    if row["operation"] == "filter2d":
        pad = tuple((k // 2, k - 1 - k // 2) for k in w.shape)
        return {
            "correlate": lambda: fastconv.correlate(x, w, "same"),
            "apply_filter": lambda: fastconv.apply_filter(x, w, border="zeros"),
            "conv2d": lambda: fastconv.conv2d(x[None, None], w[None, None], padding=pad)[0, 0],
        }
    return {"apply_filter": lambda: fastconv.apply_filter(x, w, border="reflect")}


def opencv_calls(x: np.ndarray, w: np.ndarray, row: dict[str, Any]) -> dict[str, Call]:
    import cv2

    cv2.setNumThreads(row["threads"])
    if row["operation"] == "filter2d":
        return {"filter2D": lambda: cv2.filter2D(x, -1, w, borderType=cv2.BORDER_CONSTANT)}
    if row["operation"] == "gaussian":
        return {"GaussianBlur": lambda: cv2.GaussianBlur(x, w.shape[::-1], row["numbers"][2])}
    return {"blur": lambda: cv2.blur(x, w.shape[::-1])} if row["operation"] == "box" else {}


def scipy_calls(x: np.ndarray, w: np.ndarray, row: dict[str, Any]) -> dict[str, Call]:
    from scipy import ndimage, signal

    if row["operation"] == "filter1d":
        return {"oaconvolve": lambda: signal.oaconvolve(x, w), "fftconvolve": lambda: signal.fftconvolve(x, w)}
    if row["operation"] == "filter2d":
        flipped = w[::-1, ::-1]
        calls: dict[str, Call] = {
            "fftconvolve": lambda: signal.fftconvolve(x, flipped, "same"),
            "oaconvolve": lambda: signal.oaconvolve(x, flipped, "same"),
        }
        if x.size * w.size < 2e9:  # beyond, one call takes seconds
            calls["convolve2d"] = lambda: signal.convolve2d(x, flipped, "same")
        return calls
    if row["operation"] == "gaussian":
        return {"ndimage": lambda: ndimage.gaussian_filter(x, row["numbers"][2], mode="mirror")}
    return {"ndimage": lambda: ndimage.uniform_filter(x, row["numbers"][2], mode="mirror")}


def numpy_calls(x: np.ndarray, w: np.ndarray, row: dict[str, Any]) -> dict[str, Call]:
    return {"convolve": lambda: np.convolve(x, w)} if row["operation"] == "filter1d" else {}


def oracle_calls(x: np.ndarray, w: np.ndarray, row: dict[str, Any]) -> dict[str, Call]:
    """The same in float64: what every library's result is held against."""
    from scipy import signal

    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    if row["operation"] == "filter1d":
        return {"oracle": lambda: signal.fftconvolve(x64, w64)}
    mode = "constant" if row["operation"] == "filter2d" else "reflect"
    pads = [(k // 2, k - 1 - k // 2) for k in w.shape]
    return {"oracle": lambda: signal.fftconvolve(np.pad(x64, pads, mode), w64[::-1, ::-1], "valid")}


LIBRARIES = {
    "fastconv": (fastconv_calls, "fastconv"),
    "opencv": (opencv_calls, "cv2"),
    "scipy": (scipy_calls, "scipy"),
    "numpy": (numpy_calls, "numpy"),
    "oracle": (oracle_calls, "scipy"),
}


def timed(call: Call, seconds: float) -> float:
    """Median time of one call, for about `seconds` after one that is not counted."""
    call()
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) < 1000):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    library, module = LIBRARIES[sys.argv[1]]
    try:
        version = importlib.import_module(module).__version__
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return
    print(json.dumps({"version": version}), flush=True)
    loaded: tuple[Any, dict[str, Call]] = (None, {})
    for line in sys.stdin:
        request = json.loads(line)
        row = request["row"]
        if loaded[0] != row["name"]:
            loaded = row["name"], library(np.load(row["x"]), np.load(row["w"]), row)
        calls = loaded[1]
        if request["do"] == "prepare":
            for name, call in calls.items():
                np.save(f"{request['save']}-{name}.npy", call())
            answer: dict[str, Any] = {"calls": list(calls)}
        else:
            answer = {"median": timed(calls[request["call"]], request["seconds"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
