"""ncnn's text and binary files from the config and state of a fastconv model, norms folded and activations fused as
its own optimizer does it. One layer a row of `WRITERS`. Sources: ncnn's operators.md and
param-and-model-file-structure.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

FLOAT32_WEIGHTS = b"\0\0\0\0"
SAME_UPPER = -233
ACTIVATIONS = {"ReLU": " 9=1", "ReLU6": " 9=3 -23310=2,0.0,6.0"}


class Node(NamedTuple):
    """A layer of the model: its kind and config, the key of its state, and the blobs it takes and gives."""

    kind: str
    config: dict[str, Any]
    key: str
    inputs: list[str]
    output: str


def flatten(config: dict[str, Any], key: str, taken: list[str], nodes: list[Node]) -> str:
    """Add the layers of a model in the order in which they run; the blob that the last one gives."""
    if config["type"] not in ("Sequential", "Graph"):
        output = key.replace(".", "_")
        nodes.append(Node(config["type"], config, key, taken, output))
        return output
    values = dict(zip(config.get("inputs", ["input"]), taken, strict=True))
    last = taken[0]
    for name, layer, *sources in config["layers"]:
        inputs = [values[source] for source in sources] or [last]
        last = values[name] = flatten(layer, f"{key}.{name}" if key else name, inputs, nodes)
    return values[config["outputs"][0]] if "outputs" in config else last


def pair(value: Any) -> tuple[int, int]:
    """Rows and columns."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def convolution(node: Node, w: np.ndarray, rest: str) -> str:
    (kh, kw), (sh, sw) = pair(node.config["kernel_size"]), pair(node.config["stride"])
    ph, pw = (SAME_UPPER, SAME_UPPER) if node.config["padding"] == "same" else pair(node.config["padding"])
    groups = node.config["groups"]
    kind, more = ("Convolution", "") if groups == 1 else ("ConvolutionDepthWise", f" 7={groups}")
    numbers = f"0={len(w)} 1={kw} 11={kh} 3={sw} 13={sh} 4={pw} 14={ph} 5=1 6={w.size}{more}{rest}"
    return f"{kind} {{name}} 1 1 {{inputs}} {{output}} {numbers}"


def max_pool(node: Node) -> str:
    config = node.config
    (kh, kw), (sh, sw), (ph, pw) = (pair(config[name]) for name in ("kernel_size", "stride", "padding"))
    full = 0 if config["ceil_mode"] else 1
    return f"Pooling {{name}} 1 1 {{inputs}} {{output}} 0=0 1={kw} 11={kh} 2={sw} 12={sh} 3={pw} 13={ph} 5={full}"


def average(node: Node) -> str:
    rows, columns = pair(node.config["output_size"])
    size = "4=1" if rows == columns == 1 else f"7=1 8={columns} 18={rows}"
    return f"Pooling {{name}} 1 1 {{inputs}} {{output}} 0=1 {size}"


#: layers without weights
WRITERS: dict[str, Callable[[Node], str]] = {
    "ReLU": lambda node: "ReLU {name} 1 1 {inputs} {output}",
    "ReLU6": lambda node: "Clip {name} 1 1 {inputs} {output} 0=0.0 1=6.0",
    "Sigmoid": lambda node: "Sigmoid {name} 1 1 {inputs} {output}",
    "MaxPool2d": max_pool,
    "AdaptiveAvgPool2d": average,
    "Flatten": lambda node: "Flatten {name} 1 1 {inputs} {output}",
    "Dropout": lambda node: "Noop {name} 1 1 {inputs} {output}",
    "Add": lambda node: "BinaryOp {name} 2 1 {inputs} {output} 0=0",
    "Multiply": lambda node: "BinaryOp {name} 2 1 {inputs} {output} 0=2",
    "Concat": lambda node: f"Concat {{name}} {len(node.inputs)} 1 {{inputs}} {{output}} 0=0",
}


class Files:
    """The lines and the weights, written node by node."""

    def __init__(self, config: dict[str, Any], state: Mapping[str, np.ndarray]) -> None:
        self.nodes: list[Node] = []
        self.result = flatten(config, "", ["x"], self.nodes)
        self.state = state
        self.lines = ["Input x 0 1 x"]
        self.binary: list[bytes] = []
        self.readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for blob in node.inputs:
                self.readers.setdefault(blob, []).append(node)
        self.taken: dict[str, int] = {}
        self.renamed: dict[str, str] = {}
        fused: set[str] = set()
        self.split("x")
        for node in self.nodes:
            if node.output not in fused:
                fused |= self.write(node)

    def only_reader(self, blob: str, *kinds: str) -> Node | None:
        readers = self.readers.get(blob, [])
        return readers[0] if len(readers) == 1 and readers[0].kind in kinds else None

    def blob(self, name: str) -> str:
        """The name under which the next reader finds a blob: a copy of its own where several read it."""
        name = self.renamed.get(name, name)
        count = len(self.readers.get(name, []))
        if count < 2:
            return name
        self.taken[name] = self.taken.get(name, -1) + 1
        return f"{name}_{self.taken[name]}"

    def split(self, name: str) -> None:
        count = len(self.readers.get(name, []))
        if count > 1:
            copies = " ".join(f"{name}_{index}" for index in range(count))
            self.lines.append(f"Split split_{name} 1 {count} {name} {copies}")

    def write(self, node: Node) -> set[str]:
        """Write a node with what is fused into it; the blobs of those."""
        last, fused = node, set()
        if node.kind in ("Conv2d", "Linear"):
            w = self.state[f"{node.key}.weight"]
            b = self.state.get(f"{node.key}.bias", np.zeros(len(w), w.dtype))
            norm = self.only_reader(last.output, "BatchNorm2d")
            if norm:
                mean, var, scale, shift = (
                    self.state[f"{norm.key}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
                )
                factor = scale / np.sqrt(var + norm.config["eps"])
                w, b = w * factor[:, None, None, None], (b - mean) * factor + shift
                fused.add(norm.output)
                last = norm
            rectifier = self.only_reader(last.output, *ACTIVATIONS)
            rest = ""
            if rectifier:
                rest = ACTIVATIONS[rectifier.kind]
                fused.add(rectifier.output)
                last = rectifier
            if node.kind == "Conv2d":
                line = convolution(node, w, rest)
            else:
                line = f"InnerProduct {{name}} 1 1 {{inputs}} {{output}} 0={len(w)} 1=1 2={w.size}{rest}"
            self.binary += [FLOAT32_WEIGHTS, np.float32(w).tobytes(), np.float32(b).tobytes()]
        else:
            line = WRITERS[node.kind](node)
        inputs = " ".join(self.blob(blob) for blob in node.inputs)
        self.lines.append(line.format(name=node.output, inputs=inputs, output=last.output))
        self.renamed[node.output] = last.output
        if last.output == self.result or node.output == self.result:
            self.result = last.output
        self.split(last.output)
        return fused

    def text(self) -> str:
        blobs = sum(int(line.split()[3]) for line in self.lines)
        return "\n".join(["7767517", f"{len(self.lines)} {blobs}", *self.lines]) + "\n"
