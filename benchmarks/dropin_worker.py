"""One side of the rows of bench_dropin.py, in a process of its own: reads one JSON request a line, answers each.

A request names a file of rows and a row, and either where to save the result or for how long to time the call. What a
host prints goes to standard error, since standard output carries the answers.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))  # last, so that no folder there hides a host


def arrays_of(result: Any) -> list[np.ndarray]:
    """The arrays of a result, in a fixed order."""
    if isinstance(result, dict):
        return [array for key in sorted(result) for array in arrays_of(result[key])]
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in arrays_of(part)]
    return [np.asarray(result)]


def timed(call: Callable[[], Any], seconds: float) -> float:
    """Median time of one call, for about `seconds` after one that is not counted."""
    call()
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) < 1000):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def answer_to(request: dict[str, Any], side: str, loaded: dict[str, Any]) -> dict[str, Any]:
    """Prepare the row if it is a new one, then save its result or time it."""
    wanted = [request["file"], request["row"]]
    if loaded.get("wanted") != wanted:
        loaded.clear()
        rows = importlib.import_module(f"benchmarks.dropin.{request['file']}").ROWS
        row = next(row for row in rows if row.name == request["row"])
        loaded.update(wanted=wanted, call=getattr(row, side)())
    if request["do"] == "time":
        return {"median": timed(loaded["call"], request["seconds"])}
    np.savez(request["save"], *arrays_of(loaded["call"]()))
    return {"saved": request["save"]}


def main() -> None:
    side = sys.argv[1]
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        print(json.dumps({"version": ""}), file=answers, flush=True)
        loaded: dict[str, Any] = {}
        for line in sys.stdin:
            try:
                answer = answer_to(json.loads(line), side, loaded)
            except ImportError as error:
                answer = {"missing": str(error)}
            except Exception as error:  # the other side and the other rows go on
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
