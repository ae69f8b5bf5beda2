"""Whole networks: inference and training steps against PyTorch, ONNX Runtime, OpenVINO and ncnn.

    python -m benchmarks networks [--contests inference training] [--networks resnet50 ...] [--batches 1 8]
        [--peers-python PATH] [--threads N] [--turns 5] [--json FILE]

The same network for all: the peers get the model as an ONNX file, PyTorch as modules built from the model's config,
with the same state, in which norms are not trivial. Every contestant is a process of its own, anew for each row
(layer_worker.py), so that its peak of memory is that of this network; they take turns, with a rest before each.
Outputs, or the losses of the first three steps, are checked against this package's plain layers before anything is
timed. Ratios are rival / fastconv.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import Parser, describe_machine, geometric_mean, show_machine, show_table, write_json
from contests import Contestant
from turns import REST, Process, close_all, take_turns, tell_stolen

import fastconv
from fastconv import nn, onnx

LEAST_TURNS = 5
# Of the largest output: float32 through fifty layers, Winograd's in most of the libraries.
TOLERANCE = 1e-3
LOSS_TOLERANCE = 2e-3
LR, MOMENTUM, STEPS = 0.01, 0.9, 3

FAST = Contestant("fastconv", "fastconv", {"memory": "fast"})
LEAN = Contestant("lean", "fastconv", {"memory": "lean"})
TORCH = Contestant("torch", "torch")
TORCH_LAST = Contestant("torch-cl", "torch", {"layout": "NHWC"})
COMPILED = Contestant("compiled", "torch", {"compiled": True})
PACKED = tuple(Contestant(name, name) for name in ("onnxruntime", "openvino", "ncnn"))
INFERENCE = (FAST, LEAN, TORCH_LAST, *PACKED)
TRAINING = (FAST, TORCH, TORCH_LAST)


def vgg_like() -> nn.Module:
    """64-64-128-128 channels of 3x3, a pool after each pair, one hidden layer of 256."""
    layers: list[nn.Module] = []
    for channels, filters, pool in ((3, 64, False), (64, 64, True), (64, 128, False), (128, 128, True)):
        layers += [nn.Conv2d(channels, filters, 3, padding=1, rng=len(layers)), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8192, 256, rng=1), nn.ReLU(), nn.Linear(256, 10, rng=2))


@dataclass(frozen=True)
class Row:
    """A network of the zoo, or made here, with what goes in and the least ratio to reach."""

    network: str
    batch: int
    shape: tuple[int, ...]
    contestants: tuple[Contestant, ...]
    goal: float
    make: Callable[[], nn.Module] | None = None

    @property
    def name(self) -> str:
        return f"{self.network}.b{self.batch}"

    @property
    def trains(self) -> bool:
        return self.contestants[1] is TORCH

    def model(self) -> nn.Module:
        return self.make() if self.make else nn.zoo.build(self.network)


PICTURE = (3, 224, 224)
JUDGED = (
    "alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "se_resnet50", "mobilenet_v2", "efficientnet_lite0"
)  # fmt: skip
EACH, MEAN, HEAVY = 0.97, 1.15, 1.3
ROWS = {
    "inference": [
        Row(name, batch, PICTURE, INFERENCE, HEAVY if batch == 8 and name in ("vgg16", "resnet18") else EACH)
        for name in JUDGED
        for batch in (1, 8)
    ],
    "training": [
        Row("lenet5", 64, (1, 28, 28), (*TRAINING, COMPILED), 2.5),
        Row("convnetjs_cifar10", 64, (3, 32, 32), TRAINING, 1.25),
        Row("vgg_like", 64, (3, 32, 32), TRAINING, 1.8, vgg_like),
        Row("airbench94", 128, (3, 32, 32), TRAINING, 1.5),
        Row("resnet18", 8, PICTURE, TRAINING, 1.3),
    ],
}


def randomize(model: nn.Module, rng: np.random.Generator) -> None:
    """Statistics and scales of norms that a wrong fold would show."""
    for module in (module for _, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)):
        for entry, low, high in (
            (module.running_mean, -0.2, 0.2), (module.running_var, 0.8, 1.2), (module.weight, 0.7, 1.0)
        ):  # fmt: skip
            if entry is not None:
                entry.data[...] = rng.uniform(low, high, entry.data.shape)


def describe(row: Row, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The files that contestants read, as a job, and the answer expected."""
    rng = np.random.default_rng(0)
    model = row.model()
    randomize(model, rng)
    x = rng.standard_normal((row.batch, *row.shape), dtype=np.float32)
    labels = rng.integers(0, 10, row.batch)
    files = ("config.json", "state.npz", "model.onnx", "arrays.npz", "result.npy")
    paths = {Path(name).stem.replace("model", "onnx"): str(folder / name) for name in files}
    Path(paths["config"]).write_text(json.dumps(model.config()), encoding="utf-8")
    np.savez(paths["state"], **model.state_dict())
    np.savez(paths["arrays"], x=x, labels=labels)
    job = {
        **paths,
        "pass": "training_step" if row.trains else "network_inference",
        "lr": LR,
        "momentum": MOMENTUM,
        "steps": STEPS,
    }
    if row.trains:
        return job, first_losses(model, x, labels)
    onnx.save(model, paths["onnx"], row.shape)
    return job, model(x)


def first_losses(model: nn.Module, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of three steps: the later ones tell whether gradients and steps are right."""
    loss = nn.CrossEntropyLoss()
    optimizer = nn.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    losses = []
    for _ in range(STEPS):
        value, gradient = loss.with_gradient(model.forward(x, True), labels)
        model.backward(gradient, False)
        optimizer.step()
        losses.append(value)
    return np.array(losses)


def run_row(row: Row, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Times and peaks of memory of all that are right, by contestant."""
    processes: dict[str, Process] = {}
    peaks: dict[str, int] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            job, want = describe(row, Path(folder))
            for contestant in row.contestants:
                process = Process(contestant.library, arguments.peers_python, arguments.threads, contestant.environment)
                answer = {"error": process.missing} if process.missing else process.ask(
                    do="prepare", **job, **contestant.options
                )  # fmt: skip
                note = answer.get("error") or wrong(np.load(job["result"]), want, row)
                if note:
                    print(f"# {row.name}: {contestant.name}: {note}", flush=True)
                    process.close()
                    continue
                processes[contestant.name] = process
                peaks[contestant.name] = answer["peak_bytes"] - process.start_bytes
        if FAST.name not in processes:
            return None
        times, stolen = take_turns(processes, arguments.turns, arguments.seconds, arguments.rest)
        tell_stolen(row.name, stolen)
        return {"seconds": {who: float(np.median(turns)) for who, turns in times.items()}, "peak_bytes": peaks}
    finally:
        close_all(processes.values())


def wrong(got: np.ndarray, want: np.ndarray, row: Row) -> str:
    """What is wrong with a result; empty if nothing."""
    tolerance = LOSS_TOLERANCE if row.trains else TOLERANCE
    worst = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
    largest = float(np.abs(want).max())
    return "" if worst <= tolerance * largest else f"WRONG: off by {worst:.3g} of {largest:.3g}"


def show(contest: str, rows: list[tuple[Row, dict[str, Any]]]) -> None:
    """The table of a contest, and what became of its goals."""
    names = list(dict.fromkeys(c.name for row, _ in rows for c in row.contestants))
    lines, goals = [], {}
    ratios: dict[str, float] = {}
    for row, result in rows:
        seconds, peaks = result["seconds"], result["peak_bytes"]
        goals[row.name] = row.goal
        rivals = [name for name in seconds if name not in (FAST.name, LEAN.name)]
        best = min(rivals, key=seconds.__getitem__, default=None)
        if best:
            ratios[row.name] = result["ratio"] = seconds[best] / seconds[FAST.name]
        times = [f"{seconds[name] * 1e3:.2f}" if name in seconds else "-" for name in names]
        memory = [f"{peaks[name] / 2**20:.0f}" if name in peaks else "-" for name in names]
        lines.append([row.name, *times, f"{ratios[row.name]:.2f}" if best else "-", " ".join(memory)])
    print(f"\n## {contest}: milliseconds; MB that each took beyond its start ({' '.join(names)})\n")
    show_table(["network", *names, "ratio", "MB"], lines)
    below = sorted(f"{name} {ratio:.2f} of {goals[name]}" for name, ratio in ratios.items() if ratio < goals[name])
    print(f"{'MISSED' if below else 'reached'}: every row's goal{': ' if below else ''}{', '.join(below)}")
    if contest == "inference" and ratios:
        mean = geometric_mean(ratios.values())
        print(f"{'reached' if mean >= MEAN else 'MISSED'}: geometric mean at least {MEAN}: {mean:.3f}")


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    names = sorted({row.network for rows in ROWS.values() for row in rows})
    parser.add_argument("--contests", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="NAME",
                        help=", ".join(ROWS))  # fmt: skip
    parser.add_argument("--networks", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--batches", nargs="+", type=int, help="only rows of these batches")
    parser.add_argument("--peers-python", default=sys.executable, metavar="PATH", help="interpreter that has the peers")
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--turns", type=int, default=LEAST_TURNS)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one turn")
    parser.add_argument("--rest", type=float, default=REST, help="seconds before each turn")
    return parser.parse()


def main() -> None:
    arguments = parse()
    head = describe_machine(arguments.threads)
    show_machine(head)
    found: dict[str, Any] = {"machine": head}
    for contest in arguments.contests:
        rows = []
        for row in ROWS[contest]:
            if row.network not in arguments.networks or (arguments.batches and row.batch not in arguments.batches):
                continue
            result = run_row(row, arguments)
            if result:
                rows.append((row, result))
        if rows:
            show(contest, rows)
        found[contest] = {row.name: result for row, result in rows}
    write_json(arguments.json, found)


if __name__ == "__main__":
    main()
