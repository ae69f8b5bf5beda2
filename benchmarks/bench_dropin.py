"""fastconv in the place of other libraries: the same call by the host, and by the host with fastconv under it.

    python benchmarks/bench_dropin.py [--hosts-python PYTHON] [--files scipy_signal ...] [--only NAME ...] [--threads N]
        [--turns 5] [--json FILE]

Rows are those of the files in dropin/. The two sides of a row run in two processes and take turns, with 0.2 s of rest
before each; times are medians over the turns, results are held against each other before anything is timed. A host that
--hosts-python lacks is left out with a line. The hosts choose their threads themselves.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

import numpy as np  # noqa: E402
from common import Parser, describe_machine, geometric_mean, show_machine, write_json  # noqa: E402
from turns import REST, Process, close_all, one_turn, tell_stolen  # noqa: E402

import fastconv  # noqa: E402

FILES = sorted(path.stem for path in (HERE / "dropin").glob("*.py") if path.stem not in ("__init__", "row"))
SIDES = ("host", "ours")


def differ(host: Path, ours: Path, tolerance: float) -> str | None:
    """What is wrong with our result, None if nothing is."""
    with np.load(host) as wanted, np.load(ours) as got:
        if len(wanted.files) != len(got.files):
            return f"{len(got.files)} results instead of {len(wanted.files)}"
        for name in wanted.files:
            want, have = wanted[name], got[name]
            if want.shape != have.shape or want.dtype != have.dtype:
                return f"{have.dtype} of shape {have.shape} instead of {want.dtype} of shape {want.shape}"
            if not want.size:
                continue
            wide = np.result_type(want, np.float64)
            scale, worst = float(np.abs(want.astype(wide)).max()), float(np.abs(have.astype(wide) - want).max())
            if not worst <= tolerance * scale:
                return f"off by {worst:.3g} of {scale:.3g}"
    return None


def measure(file: str, row: Any, sides: dict[str, Process], arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Check and time one row; None if it cannot run."""
    with tempfile.TemporaryDirectory() as folder:
        for side, process in sides.items():
            save = str(Path(folder) / f"{side}.npz")
            answer = process.ask(do="save", file=file, row=row.name, save=save)
            if "saved" not in answer:
                why = answer.get("missing") or answer.get("error")
                print(f"# {file}, {row.name} is left out, {side}: {why}", flush=True)
                return None
        wrong = differ(Path(folder) / "host.npz", Path(folder) / "ours.npz", row.tolerance)
    if wrong:
        raise SystemExit(f"bench_dropin: {file}, {row.name} is wrong: {wrong}")
    times: dict[str, list[float]] = {side: [] for side in sides}
    stolen = 0.0
    for _ in range(arguments.turns):
        for side in sides:
            median, share = one_turn(
                sides, side, arguments.rest, file=file, row=row.name, seconds=arguments.seconds
            )  # fmt: skip
            times[side].append(median)
            stolen = max(stolen, share)
    tell_stolen(row.name, stolen)
    seconds = {side: statistics.median(values) for side, values in times.items()}
    ratio = seconds["host"] / seconds["ours"]
    verdict = "" if row.goal is None else f"; goal {row.goal:g}: {'reached' if ratio >= row.goal else 'MISSED'}"
    print(
        f"{file}, {row.name}: host {1e3 * seconds['host']:.3f} ms, fastconv {1e3 * seconds['ours']:.3f} ms, "
        f"{ratio:.2f}x{verdict}",
        flush=True,
    )
    return {"file": file, "name": row.name, "goal": row.goal, "seconds": seconds, "ratio": ratio}


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("--hosts-python", default=sys.executable, metavar="PATH", help="interpreter that has the hosts")
    parser.add_argument("--files", nargs="+", choices=FILES, default=FILES, metavar="NAME", help=", ".join(FILES))
    parser.add_argument("--only", nargs="+", metavar="ROW", help="names of rows")
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each turn of each side")
    parser.add_argument("--rest", type=float, default=REST, help="seconds before each turn")
    return parser.parse()


def main() -> None:
    arguments = parse()
    head = describe_machine(arguments.threads)
    show_machine(head)
    paths = [str(Path(fastconv.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    found: list[dict[str, Any]] = []
    for file in arguments.files:
        module = importlib.import_module(f"benchmarks.dropin.{file}")
        sides: dict[str, Process] = {}
        try:
            for side in SIDES:
                sides[side] = Process(
                    side, arguments.hosts_python, arguments.threads, environment, "dropin_worker.py"
                )  # fmt: skip
                if sides[side].missing:
                    raise SystemExit(f"bench_dropin: {arguments.hosts_python} does not run: {sides[side].missing}")
            rows = [row for row in module.ROWS if not arguments.only or row.name in arguments.only]
            results = [measure(file, row, sides, arguments) for row in rows]
        finally:
            close_all(sides.values())
        ratios = [result["ratio"] for result in results if result]
        if ratios:
            goal = getattr(module, "MEAN_GOAL", None)
            mean = geometric_mean(ratios)
            verdict = "" if goal is None else f"; goal {goal:g}: {'reached' if mean >= goal else 'MISSED'}"
            print(f"{file}: mean {mean:.2f}x, least {min(ratios):.2f}x, {len(ratios)} rows{verdict}", flush=True)
        found += [result for result in results if result]
    if not found:
        raise SystemExit("bench_dropin: no row ran; --only must name rows, and --hosts-python have their hosts")
    write_json(arguments.json, {"machine": head, "rows": found})


if __name__ == "__main__":
    main()
