"""fastconv against PyTorch, ONNX Runtime, OpenVINO and ncnn, layer by layer.

    python benchmarks/bench_layers.py [--contests prepared plain ...] [--shapes peers vgg16 ...] [--rows NAME ...]
        [--peers-python PATH] [--threads N] [--turns 5] [--json FILE] [--chart FILE] [--markdown FILE]

Every contestant is a process of its own (layer_worker.py); they take turns, at least five, with a rest before each.
Results are checked against NumPy in float64 before anything is timed. A library that is not installed is left out and
named. The figure of a row is the median over its turns; ratios are rival / fastconv, so above 1 fastconv is faster.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    HERE,
    Parser,
    describe_machine,
    geometric_mean,
    read_shapes,
    replacing,
    show_machine,
    show_table,
    write_json,
)
from contests import CONTESTS, Contest, Goal
from naive import Conv, numpy_conv
from report import markdown
from turns import REST, Process, close_all, take_turns, tell_stolen

import fastconv
from fastconv.functional import _peaks

LEAST_TURNS = 5
# Largest error in units of the largest output: float32 sums of Winograd and FFT kernels of all libraries stay below.
TOLERANCE = 1e-4
LONG = 1e-3
HALF = 4e-4
ROOFLINE, DEPTHWISE = 0.6, 1.2


@dataclass
class Row:
    """One layer in one contest."""

    name: str
    layer: Conv
    seconds: dict[str, float]
    peak: float
    spread: float = 0.0

    def ours(self, contest: Contest) -> float:
        return self.seconds[contest.ours.name]

    def best(self, contest: Contest) -> str | None:
        rivals = [r.name for r in contest.rivals if r.name in self.seconds]
        return min(rivals, key=self.seconds.__getitem__) if rivals else None

    def ratio(self, contest: Contest) -> float:
        """Of the fastest rival's time to ours; without rivals, the share of the FMA peak."""
        best = self.best(contest)
        return self.seconds[best] / self.ours(contest) if best else self.share(contest)

    def share(self, contest: Contest) -> float:
        """Share of the measured FMA peak, taps on padding not counted."""
        return 2e-9 * real_multiply_adds(self.layer) / self.ours(contest) / self.peak if self.peak else float("nan")

    def roofline(self, contest: Contest, threads: int) -> float:
        """Share of the speed that the FMA peak, and a copy of what the layer reads and writes, allow."""
        layer = self.layer
        moved = (
            4 * layer.n * (layer.channels * layer.height * layer.width + layer.filters * layer.out[0] * layer.out[1])
        )
        least = max(2e-9 * real_multiply_adds(layer) / self.peak, 1e-9 * moved / _peaks.copy_gb_per_s(moved, threads))
        return least / self.ours(contest)


def real_multiply_adds(layer: Conv) -> int:
    """Multiply-adds of taps that fall on the image."""
    along = []
    for size, out in zip((layer.height, layer.width), layer.out, strict=True):
        starts = np.arange(out) * layer.stride - layer.padding
        along.append(sum(int(((starts + k >= 0) & (starts + k < size)).sum()) for k in range(layer.kernel)))
    return layer.n * layer.filters * (layer.channels // layer.groups) * along[0] * along[1]


def chosen(goal: Goal, row: Row, contest: Contest) -> bool:
    """Whether a goal speaks of this row."""
    layer = row.layer
    dense = layer.groups == 1 and layer.kernel > 1
    return {
        "all": True,
        "3x3": dense and layer.kernel == 3 and layer.stride == 1 and layer.channels >= 16,
        "1x1": layer.kernel == 1,
        "inner": layer.channels > 3,
        "first": layer.channels <= 3,
        "dense": dense,
        "depthwise": layer.depthwise,
        "long": dense and row.ours(contest) > LONG / 2,
        "peak": dense and layer.channels >= 32 and layer.filters >= 32 and row.ours(contest) > HALF,
    }[goal.rows]


def figure_of(goal: Goal, row: Row, contest: Contest, threads: int) -> float:
    """What the goal is a bound on: the ratio, or for depthwise layers the nearer of two bounds, at 1 when reached."""
    if goal.figure == "depthwise":
        return max(row.roofline(contest, threads) / ROOFLINE, row.ratio(contest) / DEPTHWISE)
    return row.ratio(contest)


def judge(goal: Goal, rows: list[Row], contest: Contest, threads: int) -> dict[str, Any] | None:
    """The figure that a goal asks for, or None if it speaks of no row."""
    ratios = {row.name: figure_of(goal, row, contest, threads) for row in rows if chosen(goal, row, contest)}
    if not ratios:
        return None
    if goal.at_most is not None:
        below = sorted(name for name, ratio in ratios.items() if ratio < 1)
        return {
            "goal": goal.text, "figure": len(below), "rows": len(ratios), "reached": len(below) <= goal.at_most,
            "below": below,
        }  # fmt: skip
    bound = goal.mean if goal.mean is not None else goal.each
    assert bound is not None
    figure = geometric_mean(ratios.values()) if goal.mean is not None else min(ratios.values())
    below = sorted(name for name, ratio in ratios.items() if ratio < bound) if goal.mean is None else []
    return {"goal": goal.text, "figure": figure, "rows": len(ratios), "reached": figure >= bound, "below": below}


def make_arrays(layer: Conv, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "x": (layer.n, layer.channels, layer.height, layer.width),
        "w": (layer.filters, layer.channels // layer.groups, layer.kernel, layer.kernel),
        "b": (layer.filters,),
        "dy": (layer.n, layer.filters, *layer.out),
    }
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def oracle(layer: Conv, pass_name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The pass in float64, by NumPy."""
    x, w, dy = (arrays[name].astype(np.float64) for name in ("x", "w", "dy"))
    result = numpy_conv(layer, pass_name, x, w, dy)
    if pass_name == "backward_data":
        result = result[:, :, : layer.height, : layer.width]
    return result + arrays["b"][:, None, None] if pass_name == "forward" else result


def prepare(
    processes: dict[str, Process], contest: Contest, layer: Conv, folder: Path, seed: int
) -> tuple[dict[str, Process], list[str]]:
    """The processes that have the layer ready with a right result, and what became of the others."""
    arrays = make_arrays(layer, seed)
    want = oracle(layer, contest.pass_name, arrays)
    path, result = folder / "arrays.npz", folder / "result.npy"
    np.savez(path, **arrays)
    ready, notes = {}, []
    for contestant in (contest.ours, *contest.rivals):
        process = processes.get(contestant.name)
        if process is None:
            continue
        job = {**vars(layer), **contestant.options, "pass": contest.pass_name}
        answer = process.ask(do="prepare", arrays=str(path), result=str(result), **job)
        if "error" in answer:
            notes.append(f"{contestant.name} does not run it: {answer['error']}")
            continue
        got = np.load(result)
        worst = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
        if not worst <= TOLERANCE * float(np.abs(want).max()):
            notes.append(f"{contestant.name} is WRONG: off by {worst:.3g} of {np.abs(want).max():.3g}")
            continue
        ready[contestant.name] = process
    return ready, notes


def start(contest: Contest, python: str, threads: int) -> tuple[dict[str, Process], dict[str, str]]:
    processes, versions = {}, {}
    for contestant in (contest.ours, *contest.rivals):
        process = Process(contestant.library, python, contestant.threads or threads, contestant.environment)
        if process.missing:
            print(f"# {contestant.name} is left out: {process.missing}")
            process.close()
            continue
        processes[contestant.name] = process
        versions[contestant.name] = process.version
    return processes, versions


def run_contest(contest: Contest, arguments: argparse.Namespace, peak: float) -> tuple[list[Row], dict[str, str]]:
    processes, versions = start(contest, arguments.peers_python, arguments.threads)
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for seed, (name, layer) in enumerate(arguments.layers):
                ready, notes = prepare(processes, contest, layer, Path(folder), seed)
                for note in notes:
                    print(f"# {name}: {note}", flush=True)
                if contest.ours.name not in ready:
                    continue
                times, stolen = take_turns(ready, arguments.turns, arguments.seconds, arguments.rest)
                tell_stolen(name, stolen)
                medians = {who: float(np.median(turns)) for who, turns in times.items()}
                mine = times[contest.ours.name]
                rows.append(Row(name, layer, medians, peak, (max(mine) - min(mine)) / medians[contest.ours.name]))
    finally:
        close_all(processes.values())
    return rows, versions


def show(contest: Contest, rows: list[Row], threads: int) -> list[dict[str, Any]]:
    """Print the table of a contest and what became of its goals."""
    print(f"\n## {contest.name}: {contest.title}\n")
    rivals = [r.name for r in contest.rivals if any(r.name in row.seconds for row in rows)]
    lines = []
    for row in rows:
        times = [f"{row.seconds[name] * 1e3:.3f}" if name in row.seconds else "-" for name in rivals]
        ratio = [f"{row.ratio(contest):.2f}"] if rivals else []
        lines.append(
            [row.name, f"{row.ours(contest) * 1e3:.3f}", f"{100 * row.share(contest):.0f}", *times,
             *([row.best(contest) or "-"] if len(rivals) > 1 else []), *ratio]
        )  # fmt: skip
    heads = ["layer (ms)", contest.ours.name, "% peak", *rivals, *(["fastest"] if len(rivals) > 1 else [])]
    show_table([*heads, *(["ratio"] if rivals else [])], lines)
    if rivals and rows:
        print(f"geometric mean of {len(rows)} rows: {geometric_mean(row.ratio(contest) for row in rows):.3f}")
    verdicts = [verdict for goal in contest.goals if (verdict := judge(goal, rows, contest, threads))]
    for verdict in verdicts:
        word = "reached" if verdict["reached"] else "MISSED"
        below = f"; below: {', '.join(verdict['below'])}" if verdict["below"] else ""
        print(f"{word}: {verdict['goal']}: {verdict['figure']:.3f} ({verdict['rows']} rows{below})")
    return verdicts


def read_layers(networks: list[str], wanted: list[str] | None) -> list[tuple[str, Conv]]:
    layers = []
    for network in networks:
        for operation, name, numbers in read_shapes(network):
            label = name if network == "peers" else f"{network}.{name}"
            if operation == "conv" and (not wanted or name in wanted or label in wanted):
                layers.append((label, Conv(*numbers)))
    return layers


def parse() -> argparse.Namespace:
    parser = Parser(__doc__, chart=True)
    names = [contest.name for contest in CONTESTS]
    networks = sorted(path.stem for path in (HERE / "shapes").glob("*.txt"))
    parser.add_argument(
        "--contests", nargs="+", choices=names, default=names[:5], metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--shapes", nargs="+", choices=networks, default=["peers"], metavar="NAME", help=", ".join(networks)
    )
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only the layers of these names")
    parser.add_argument("--peers-python", default=sys.executable, metavar="PATH", help="interpreter that has the peers")
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--turns", type=int, default=LEAST_TURNS)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one turn")
    parser.add_argument("--rest", type=float, default=REST, help="seconds before each turn")
    parser.add_argument("--markdown", metavar="FILE", help="write ratios and goals as tables of a page")
    arguments = parser.parse()
    arguments.layers = read_layers(arguments.shapes, arguments.rows)
    if not arguments.layers:
        parser.error("--rows: no layer has that name; see the files in benchmarks/shapes")
    return arguments


def peak_of(contest: Contest, threads: int, peak: float) -> float:
    """The FMA peak of our contestant's type and threads; NaN for an instruction set that is not the active one."""
    dtype = np.dtype(contest.ours.options.get("dtype", "float32"))
    if contest.ours.environment:
        return float("nan")
    if dtype == np.float32 and contest.ours.threads in (None, threads):
        return peak
    return _peaks.peak_gflops(dtype, contest.ours.threads or threads) or float("nan")


def main() -> None:
    arguments = parse()
    head = describe_machine(arguments.threads)
    show_machine(head)
    peak = float(head.get("peak_gflops", 0.0))
    results = []
    for contest in (contest for contest in CONTESTS if contest.name in arguments.contests):
        rows, versions = run_contest(contest, arguments, peak_of(contest, arguments.threads, peak))
        verdicts = show(contest, rows, arguments.threads)
        results.append(
            {
                "name": contest.name,
                "title": contest.title,
                "versions": versions,
                "goals": verdicts,
                "rows": [
                    {
                        "name": row.name,
                        "seconds": row.seconds,
                        "ratio": row.ratio(contest),
                        "fastest": row.best(contest),
                        "share_of_peak": row.share(contest),
                        "spread": row.spread,
                    }
                    for row in rows
                ],
            }
        )
    result = {"machine": head, "contests": results}
    write_json(arguments.json, result)
    if arguments.markdown:
        with replacing(arguments.markdown) as beside:
            Path(beside).write_text(markdown(result), encoding="utf-8")
    if arguments.chart:
        from chart import draw

        draw(result, arguments.chart)


if __name__ == "__main__":
    main()
