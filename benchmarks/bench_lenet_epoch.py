"""One training epoch of LeNet-5 on Fashion-MNIST, batch 64: fastconv against PyTorch in both of its memory layouts.

    python benchmarks/bench_lenet_epoch.py --torch-python PATH [--rounds 5] [--threads 2] [--json FILE]

Every measurement is a process of its own (lenet_worker.py); the three take turns, with a rest between them. The first
epoch of a process warms up and is not counted. Checks that all of them learn: the losses must be close.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import HERE, Parser, describe_machine, show_machine, show_table, write_json

import fastconv
from fastconv import data

CONTENDERS = (("fastconv", "native"), ("torch", "contiguous"), ("torch", "channels_last"))
GOAL = 2 / 3
LOSS_TOLERANCE = 0.15


def run(python: str, framework: str, layout: str, path: Path, epochs: int, threads: int) -> dict:
    """One process; what it printed."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if framework == "fastconv":
        entries = [str(Path(fastconv.__file__).parents[1]), env.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(entry for entry in entries if entry)
    command = [python, str(HERE / "lenet_worker.py"), framework, layout, str(path), str(epochs), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        raise SystemExit(f"bench_lenet_epoch: {framework} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--torch-python", default=sys.executable, metavar="PATH", help="interpreter that has torch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2, help="in each process; the first one is not counted")
    parser.add_argument("--threads", type=int, default=fastconv.get_num_threads())
    parser.add_argument("--rest", type=float, default=2.0, help="seconds between processes")
    parser.add_argument("--data", default="fashion-mnist", help="folder or name, as of fastconv train")
    arguments = parser.parse()
    if arguments.epochs < 2:
        parser.error("--epochs must be at least 2: the first one is not counted")
    head = describe_machine(arguments.threads)
    show_machine(head)
    train = data.load(arguments.data, "train")
    seconds: dict[tuple[str, str], list[float]] = {contender: [] for contender in CONTENDERS}
    losses: dict[tuple[str, str], float] = {}
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.npz")
        np.savez(path, images=train.images, labels=train.labels)
        for number in range(arguments.rounds):
            for contender in CONTENDERS:
                python = arguments.torch_python if contender[0] == "torch" else sys.executable
                result = run(python, *contender, path, arguments.epochs, arguments.threads)
                seconds[contender] += result["seconds"][1:]
                losses[contender], versions[contender[0]] = result["losses"][-1], result["version"]
                print(f"round {number + 1} {' '.join(contender)}: {result['seconds'][-1]:.3f} s", flush=True)
                time.sleep(arguments.rest)
    medians = {contender: float(np.median(times)) for contender, times in seconds.items()}
    rows = [
        (f"{name} {versions[name]} {layout}", medians[name, layout], min(seconds[name, layout]), losses[name, layout])
        for name, layout in CONTENDERS
    ]
    print(f"# {len(train.labels)} images")
    show_table(("contender", "median s", "best s", "train loss"), rows)
    ours, loss = medians[CONTENDERS[0]], losses[CONTENDERS[0]]
    theirs = min(medians[contender] for contender in CONTENDERS[1:])
    for contender in CONTENDERS[1:]:
        if abs(losses[contender] - loss) > LOSS_TOLERANCE * losses[contender]:
            raise SystemExit(f"bench_lenet_epoch: losses differ: fastconv {loss:.4f}, torch {losses[contender]:.4f}")
    verdict = "reached" if ours / theirs <= GOAL else "MISSED"
    print(f"fastconv takes {ours / theirs:.3f} of PyTorch's time, goal {GOAL:.3f}, {verdict}")
    named = {" ".join(contender): times for contender, times in seconds.items()}
    write_json(arguments.json, {"machine": head, "versions": versions, "seconds": named, "ratio": ours / theirs})


if __name__ == "__main__":
    main()
