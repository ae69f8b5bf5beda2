"""What the engine's calls cost: `profile` collects them, FASTCONV_VERBOSE=1 prints each as it ends.

Recorded are convolutions, transposed and prepared ones and those of integers too, and pools, one record per execution
of the engine, from every thread of the process: a network often runs on other threads than the one that watches. While
nobody watches, an execution tests one pointer and reads no clock.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._peaks import copy_gb_per_s, peak_gflops
from fastconv.functional._plans import conv_macs, result_shape

__all__ = ["CallRecord", "Profile", "profile", "start_verbose", "tell", "watch", "watched"]


@dataclass(frozen=True)
class CallRecord:
    """One execution of the engine.

    Attributes
    ----------
    operation : str
        "conv2d", "conv_transpose2d", "conv_integer", "max_pool2d" ...
    pass_name : {"forward", "backward_data", "backward_weights"}
    x_shape, weight_shape, y_shape : tuple of int
        In the axis orders of the call; pools have no weight. In backward passes they are the shapes of the forward.
    dtype, layout, isa, algorithm : str
        Pools have one algorithm, and so have convolutions of integers.
    prepared : bool
    threads : int
        As many as the engine asked for; pools may take fewer.
    seconds : float
        Time in the engine.
    flops : float
        Operations of the convolution by its formula, a multiply-add being two; what a fast algorithm saves counts, what
        it adds does not. 0 for pools.
    moved_bytes : int
        Size of the arrays that are read and written, once each.
    """

    operation: str
    pass_name: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    dtype: str
    layout: str
    isa: str
    algorithm: str
    prepared: bool
    threads: int
    seconds: float
    flops: float
    moved_bytes: int

    @property
    def gflops(self) -> float:
        """GFLOP/s."""
        return 1e-9 * self.flops / self.seconds if self.seconds > 0 else math.nan

    @property
    def gb_per_s(self) -> float:
        """GB/s."""
        return 1e-9 * self.moved_bytes / self.seconds if self.seconds > 0 else math.nan

    @property
    def percent_of_peak(self) -> float | None:
        """Of a convolution: percent of the multiply-adds that this many threads can do in registers; above 100 where an
        algorithm saves multiplications. Of a pool: percent of the bandwidth of a copy of as many bytes. The peak is
        measured when it is first asked for; None for integers, or if it is not known for the instruction set."""
        if self.flops and np.dtype(self.dtype).kind != "f":
            return None
        if self.flops:
            peak = peak_gflops(np.dtype(self.dtype), self.threads, self.isa)
            return None if not peak else 100 * self.gflops / peak
        return 100 * self.gb_per_s / copy_gb_per_s(self.moved_bytes, self.threads)

    def to_dict(self) -> dict[str, Any]:
        """Return the record, its rates and its share of the peak as plain objects."""
        return {
            **asdict(self),
            "gflops": self.gflops,
            "gb_per_s": self.gb_per_s,
            "percent_of_peak": self.percent_of_peak,
        }

    def __str__(self) -> str:
        """One line."""
        return "  ".join(" ".join(cell.split()) for cell in self._cells())

    def _cells(self) -> list[str]:
        shapes = _times(self.x_shape) + (f" * {_times(self.weight_shape)}" if self.weight_shape else "")
        percent = self.percent_of_peak
        return [
            f"{self.operation} {self.pass_name}{' prepared' if self.prepared else ''}",
            f"{shapes} -> {_times(self.y_shape)}",
            f"{self.dtype} {self.layout}",
            self.algorithm,
            f"{self.threads} thread{'s' if self.threads > 1 else ''}",
            f"{1e3 * self.seconds:.3f} ms",
            _rate(self.gflops, self.gb_per_s),
            "" if percent is None else f"{percent:.0f} % of peak",
        ]


class Profile:
    """What `profile` collects; printing it gives `table`.

    Attributes
    ----------
    records : list of CallRecord
        In the order in which the calls ended.
    """

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    @property
    def seconds(self) -> float:
        """Time in the engine, summed over the records."""
        return sum(record.seconds for record in self.records)

    def totals(self) -> dict[str, dict[str, Any]]:
        """Calls, seconds, flops, moved_bytes, gflops and gb_per_s of each algorithm, the slowest first."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.records:
            row = found.setdefault(record.algorithm, {"calls": 0, "seconds": 0.0, "flops": 0.0, "moved_bytes": 0})
            row["calls"] += 1
            row["seconds"] += record.seconds
            row["flops"] += record.flops
            row["moved_bytes"] += record.moved_bytes
        for row in found.values():
            per_second = 1e-9 / row["seconds"] if row["seconds"] > 0 else math.nan
            row["gflops"], row["gb_per_s"] = row["flops"] * per_second, row["moved_bytes"] * per_second
        return dict(sorted(found.items(), key=lambda pair: -pair[1]["seconds"]))

    def table(self) -> str:
        """A line per call, then one per algorithm."""
        calls = [["call", "shapes", "type", "algorithm", "threads", "time", "rate", "of peak"]]
        for record in self.records:
            cells = record._cells()
            calls.append([*cells[:4], str(record.threads), *cells[5:7], cells[7].removesuffix(" of peak")])
        totals = [["total of", "calls", "time", "rate"]]
        for name, row in self.totals().items():
            rate = _rate(row["gflops"], row["gb_per_s"])
            totals.append([name, str(row["calls"]), f"{1e3 * row['seconds']:.3f} ms", rate])
        return "\n".join([*_aligned(calls, 4), "", *_aligned(totals, 1)])

    def to_dict(self) -> dict[str, Any]:
        """Return records and totals as plain objects, fit for JSON."""
        return {
            "records": [record.to_dict() for record in self.records],
            "totals": self.totals(),
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        return self.table()


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _rate(gflops: float, gb_per_s: float) -> str:
    return f"{gflops:,.1f} GFLOP/s" if gflops else f"{gb_per_s:,.1f} GB/s"


def _aligned(rows: list[list[str]], left: int) -> list[str]:
    """Lines of a table whose first `left` columns hold words and whose others hold numbers."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _conv_record(plan: Any, seconds: float, threads: int) -> CallRecord:
    key, problem, _ = plan.about
    y_shape = result_shape(key, problem) if key.pooled else problem.y_shape
    itemsize = np.dtype(key.chars[0]).itemsize
    return CallRecord(
        operation=f"conv{'_transpose' if key.transposed else ''}{key.ndim}d",
        pass_name=key.pass_name,
        x_shape=key.x_shape,
        weight_shape=key.weight_shape,
        y_shape=y_shape,
        dtype=str(np.dtype(key.chars[0])),
        layout=key.layout,
        isa=key.isa,
        algorithm=plan.algorithm,
        prepared=key.prepared,
        threads=threads,
        seconds=seconds,
        flops=2.0 * conv_macs(problem, key.transposed),
        moved_bytes=itemsize * sum(map(math.prod, (key.x_shape, key.weight_shape, y_shape))),
    )


def _pool_record(plan: Any, seconds: float, threads: int) -> CallRecord:
    pass_name, kind, char, letters, x_shape, y_shape = plan.about
    return CallRecord(
        operation=f"max_unpool{len(letters) - 2}d" if kind == "unpool" else f"{kind}_pool{len(letters) - 2}d",
        pass_name=pass_name,
        x_shape=x_shape,
        weight_shape=(),
        y_shape=y_shape,
        dtype=str(np.dtype(char)),
        layout=letters,
        isa=_engine.isa(),
        algorithm="pool",
        prepared=False,
        threads=threads,
        seconds=seconds,
        flops=0.0,
        moved_bytes=np.dtype(char).itemsize * (math.prod(x_shape) + math.prod(y_shape)),
    )


Watcher = Callable[[Any, float, int], None]

_lock = threading.Lock()
_watching: tuple[Watcher, ...] = ()


def tell(plan: Any, seconds: float, threads: int) -> None:
    """Tell everybody who watches; the engine's wrapper calls this after each execution, `conv_integer` does it itself.

    Plans that are about nothing are those that `tune` and measured explanations time.
    """
    if plan.about is None:
        return
    for watcher in _watching:
        watcher(plan, seconds, threads)


def watched() -> bool:
    """Whether somebody watches, so that executions are to be timed."""
    return bool(_watching)


def watch(watcher: Watcher, on: bool) -> None:
    """Call ``watcher(plan, seconds, threads)`` after each execution from now on, or no longer."""
    global _watching
    with _lock:
        _watching = (*_watching, watcher) if on else tuple(other for other in _watching if other is not watcher)
        _engine.set_recorder(tell if _watching else None)


def _record(plan: Any, seconds: float, threads: int) -> CallRecord:
    if isinstance(plan, _engine.ConvPlan):
        return _conv_record(plan, seconds, threads)
    return plan.record(seconds, threads) if hasattr(plan, "record") else _pool_record(plan, seconds, threads)


@contextlib.contextmanager
def profile() -> Iterator[Profile]:
    """Record what the engine does while the body runs, in all threads.

    Yields
    ------
    Profile
        Print it, or look at its ``records``, ``totals()`` and ``to_dict()``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x, weight = np.ones((1, 3, 16, 16), np.float32), np.ones((8, 3, 3, 3), np.float32)
    >>> with fastconv.profile() as seen:
    ...     y = fastconv.max_pool2d(fastconv.conv2d(x, weight, padding=1), 2)
    >>> [record.operation for record in seen.records]
    ['conv2d', 'max_pool2d']
    >>> seen.records[0].flops
    110592.0
    """
    collected = Profile()

    def watcher(plan: Any, seconds: float, threads: int) -> None:
        collected.records.append(_record(plan, seconds, threads))

    watch(watcher, True)
    try:
        yield collected
    finally:
        watch(watcher, False)


def _print(plan: Any, seconds: float, threads: int) -> None:
    """Print a line; a closed stderr must not make the call fail."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"fastconv: {_record(plan, seconds, threads)}\n")


def start_verbose() -> None:
    """Print a line per call from now on if FASTCONV_VERBOSE asks for it.

    Raises
    ------
    ValueError
        If FASTCONV_VERBOSE is neither 0 nor 1.
    """
    value = os.environ.get("FASTCONV_VERBOSE") or "0"
    if value not in ("0", "1"):
        raise ValueError(f"FASTCONV_VERBOSE (={value!r}) is unknown: use 1 for a line per call, 0 or nothing for none")
    if value == "1" and _print not in _watching:
        watch(_print, True)
