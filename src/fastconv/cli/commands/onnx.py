"""Run ONNX models on the CPU, say what is in them, or measure them.

fastconv onnx info model.onnx
fastconv onnx run model.onnx x.npy --save y.npy
fastconv onnx run model.onnx image=x.npy size=s.npy --save results.npz
fastconv onnx bench model.onnx --shape image=1,3,224,224
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.cli.array_files import check_target, read_arrays, write_arrays
from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, add_threads_option, count, shape

if TYPE_CHECKING:
    from fastconv.onnx import Model, Port

NAME = "onnx"
HELP = "run ONNX models, say what is in them, measure them"

_ACTIONS = {
    "run": "compute the outputs for arrays in files",
    "info": "list inputs, outputs, and operators, also those that fastconv lacks",
    "bench": "measure, with inputs of random numbers",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("model", type=Path, metavar="MODEL", help="the .onnx file")
        if name != "info":
            action.add_argument("--fallback", action="store_true", help="run what fastconv lacks in onnx.reference")
            action.add_argument("--memory", default="fast", metavar="WAY", help="fast (default), or lean")
            add_threads_option(action)
        if name == "run":
            action.add_argument("inputs", nargs="*", metavar="[NAME=]FILE", help=".npy, or .npz with all inputs")
            action.add_argument("--save", type=Path, metavar="FILE", help=".npy of the only output, or .npz of all")
        if name == "bench":
            action.add_argument(
                "--shape", action="append", default=[], type=_named_shape, metavar="[NAME=]SIZES", help="of an input"
            )
            action.add_argument("--repeat", type=count, default=20, metavar="N", help="runs to measure (20)")
        add_output_options(action, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    import fastconv

    if getattr(arguments, "threads", None) is not None:
        fastconv.set_num_threads(arguments.threads)
    return {"run": _run, "info": _info, "bench": _bench}[arguments.action](arguments)


def _load(arguments: argparse.Namespace) -> Model:
    from fastconv import onnx

    return onnx.load(arguments.model, memory=arguments.memory, fallback="onnx" if arguments.fallback else None)


def _run(arguments: argparse.Namespace) -> int:
    output = Output(as_json=arguments.json)
    model = _load(arguments)
    if arguments.save is not None:
        check_target(arguments.save, len(model.outputs))
    results = model.run(_arrays(arguments.inputs, model.inputs))
    for name, array in results.items():
        facts = {"output": name, "shape": list(array.shape), "dtype": array.dtype.name}
        if array.size and array.dtype.kind in "biuf":
            facts |= {"min": float(array.min()), "mean": float(array.mean()), "max": float(array.max())}
        output.record(facts)
        numbers = [f"{key} {facts[key]:.6g}" for key in ("min", "mean", "max") if key in facts]
        output.line(f"{name}: {_times(array.shape)} {array.dtype.name}  {', '.join(numbers)}".rstrip())
    if arguments.save is not None:
        write_arrays(arguments.save, results)
    return 0


def _arrays(given: Iterable[str], ports: tuple[Port, ...]) -> dict[str, np.ndarray]:
    """The inputs out of files: .npz by their names in it, .npy by the name before "=", else in order."""
    arrays: dict[str, np.ndarray] = {}
    names = iter([port.name for port in ports])
    for word in given:
        name, equals, file = word.rpartition("=")
        if not file:
            raise ValueError(f"{word!r} names no file")
        found = read_arrays(file)
        if isinstance(found, dict):
            arrays |= found
            continue
        place = name if equals else next(names, None)
        if place is None:
            raise ValueError(f"{file} is one array too many: the model has {len(ports)} inputs")
        arrays[place] = found
    kinds = {port.name: port.dtype for port in ports}
    return {name: _of_kind(name, array, kinds.get(name)) for name, array in arrays.items()}


def _of_kind(name: str, array: np.ndarray, kind: np.dtype | None) -> np.ndarray:
    """NumPy's files know nothing of bfloat16 and its like, and give elements of so many bytes back."""
    if array.dtype.kind != "V":
        return array
    if kind is not None and kind.kind == "V" and kind.itemsize == array.dtype.itemsize:
        return array.view(kind)
    raise ValueError(f"{name} has elements of {array.dtype.itemsize} bytes of no type that NumPy's files know: "
                     f"save it as {kind or 'float32'}")  # fmt: skip


def _info(arguments: argparse.Namespace) -> int:
    from fastconv.onnx.reading import lacking, read

    output = Output(as_json=arguments.json)
    graph, _ = read(arguments.model)
    missing = Counter(call.operator for call in lacking(graph))
    kinds = Counter(call.operator for call in graph.walk())
    weights = sum(array.size for array in graph.constants.values())
    facts: dict[str, Any] = {
        "inputs": [str(port) for port in graph.inputs],
        "outputs": [str(port) for port in graph.outputs],
        "constants": weights,
        "operators": dict(kinds.most_common()),
        "lacking": dict(missing.most_common()),
    }
    output.record(facts)
    output.line("\n".join(f"input   {text}" for text in facts["inputs"]))
    output.line("\n".join(f"output  {text}" for text in facts["outputs"]))
    output.line(f"{weights:,} elements of constants, {sum(kinds.values())} nodes")
    for kind, number in kinds.most_common():
        output.line(f"{number:6d}  {kind}{'  (fastconv lacks it)' if kind in missing else ''}")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    import fastconv

    output = Output(as_json=arguments.json)
    model = _load(arguments)
    inputs = _random(model.inputs, arguments.shape)
    model.run(inputs)
    times = []
    for _ in range(arguments.repeat):
        start = time.perf_counter()
        model.run(inputs)
        times.append(1e3 * (time.perf_counter() - start))
    facts = {"median_ms": statistics.median(times), "min_ms": min(times), "runs": len(times)}
    output.record(facts | {"threads": fastconv.get_num_threads()})
    shapes = ", ".join(f"{name} {_times(array.shape)}" for name, array in inputs.items())
    output.line(
        f"{shapes}: median {facts['median_ms']:.3f} ms, best {facts['min_ms']:.3f} ms of {len(times)} runs, "
        f"{fastconv.get_num_threads()} threads"
    )
    return 0


def _named_shape(word: str) -> tuple[str, tuple[int, ...]]:
    """``x=1,3,224,224``, or sizes alone."""
    name, _, sizes = word.rpartition("=")
    return name, shape(sizes)


def _random(ports: tuple[Port, ...], given: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """Numbers in the shapes that are given; else in those of the file, where 1 stands for what is free."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, sizes in given:
        shapes[name or next((port.name for port in ports), "")] = sizes
    draw = np.random.default_rng(0)
    arrays = {}
    for port in ports:
        free = tuple(size if isinstance(size, int) else 1 for size in port.shape or ())
        size = shapes.pop(port.name, free)
        kind = port.dtype or np.dtype(np.float32)
        numbers = draw.standard_normal(size) if kind.kind == "f" else draw.integers(0, 2, size)
        arrays[port.name] = np.asarray(numbers).astype(kind)
    if shapes:
        raise ValueError(f"--shape names {next(iter(shapes))!r}; inputs are {', '.join(map(str, ports))}")
    return arrays


def _times(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes)) or "scalar"
