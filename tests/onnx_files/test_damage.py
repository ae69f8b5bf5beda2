"""Files with some bytes or numbers changed: one ValueError, or a model that loads, and runs or says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx_files.models import model, one_node, value  # noqa: E402
from onnx_files.test_control import looping, nested, scanning  # noqa: E402

from fastconv.onnx import load  # noqa: E402


def ones(*shape):
    return np.ones(shape, np.float32)


def flattening():
    return model(
        [
            ("Shape", ["x"], ["s"]), ("Gather", ["s", "zero"], ["b"]), ("Concat", ["b", "minus"], ["t"], {"axis": 0}),
            ("Reshape", ["x", "t"], ["f"]), ("Gemm", ["f", "w"], ["y"], {"transB": 1}),
        ],
        [value("x", (2, 2, 3))], [value("y", ("n", 4))],
        {"zero": np.array([0]), "minus": np.array([-1]), "w": ones(4, 6)},
    )  # fmt: skip


def sizes():
    return model(
        [
            ("Resize", ["x", "", "scales"], ["r"], {"mode": "linear"}), ("Pad", ["r", "pads"], ["q"]),
            ("MaxPool", ["q"], ["m"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Slice", ["m", "zero", "three", "two", "one"], ["c"]), ("ConstantOfShape", ["one"], ["k"]),
            ("Add", ["c", "k"], ["z"]), ("Tile", ["z", "copies"], ["y"]),
        ],
        [value("x", (1, 1, 4, 4))], [value("y", None)],
        {"scales": np.array([1, 1, 2, 2], np.float32), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
         "copies": np.array([1, 1, 2, 2]),
         **{name: np.array([n]) for n, name in enumerate(("zero", "one", "two", "three"))}},
    )  # fmt: skip


def quantized():
    return model(
        [
            ("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            ("ConvInteger", ["q", "w", "zero"], ["c"], {"pads": [1, 1, 1, 1]}), ("Cast", ["c"], ["f"], {"to": 1}),
            ("TopK", ["f", "k"], ["y", "places"]), ("NonZero", ["f"], ["where"]),
        ],
        [value("x", (1, 2, 4, 4))],
        [value("y", None), value("places", None, np.int64), value("where", None, np.int64)],
        {"scale": np.float32(0.1), "zero": np.uint8(3), "w": np.ones((2, 2, 3, 3), np.uint8), "k": np.array([2])},
    )  # fmt: skip


MODELS = {
    "flattening": flattening,
    "sizes": sizes,
    "quantized": quantized,
    "loop": looping,
    "scan": scanning,
    "branches": lambda: nested("If"),
    "conv": lambda: one_node("Conv", [ones(1, 2, 5, 5), ones(3, 2, 3, 3), ones(3)], {1, 2}, pads=[1, 1, 1, 1], group=1),
    "transposed": lambda: one_node(
        "ConvTranspose", [ones(1, 2, 4, 4), ones(2, 3, 3, 3)], {1}, strides=[2, 2], output_padding=[1, 1]
    ),
    "columns": lambda: one_node(
        "Col2Im", [ones(1, 4, 4), np.array([3, 3]), np.array([2, 2])], {1, 2}, opset=18, dilations=[1, 1]
    ),
    "spectrum": lambda: one_node("DFT", [ones(1, 8, 1), np.array(8)], {1}, opset=17, axis=1),
    "boxes": lambda: one_node(
        "RoiAlign", [ones(1, 2, 6, 6), ones(1, 4), np.zeros(1, np.int64)], {1, 2}, opset=16, output_height=2,
        sampling_ratio=2,
    ),
}  # fmt: skip

#: numbers that no file should hold where sizes, axes and counts are
ODD = (0, -1, 1, 2, 7, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63), 10**6, 10**9)


def with_other_bytes(proto, draw):
    data = bytearray(proto.SerializeToString())
    if draw.random() < 0.2:
        data = data[: draw.integers(0, len(data))]
    for _ in range(draw.integers(1, 4)):
        if data:
            place = draw.integers(0, len(data))
            data[place : place + draw.integers(0, 3)] = draw.integers(0, 256, draw.integers(0, 4), np.uint8).tobytes()
    return bytes(data)


def with_other_numbers(proto, draw):
    """In attributes, in tensors of integers, and in shapes."""
    changes = []
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.type == attribute.INT:
                changes.append(lambda n, a=attribute: setattr(a, "i", n))
            for index in range(len(attribute.ints)):
                changes.append(lambda n, a=attribute, i=index: a.ints.__setitem__(i, n))
    for tensor in proto.graph.initializer:
        for index in range(len(tensor.dims)):
            changes.append(lambda n, t=tensor, i=index: t.dims.__setitem__(i, n))
        if tensor.data_type == tensor.INT64:
            for start in range(0, len(tensor.raw_data), 8):
                changes.append(lambda n, t=tensor, s=start: setattr(
                    t, "raw_data", t.raw_data[:s] + np.int64(n).tobytes() + t.raw_data[s + 8 :]
                ))  # fmt: skip
    for port in proto.graph.input:
        for size in port.type.tensor_type.shape.dim:
            changes.append(lambda n, s=size: setattr(s, "dim_value", n))
    for _ in range(draw.integers(1, 3)):
        changes[draw.integers(0, len(changes))](ODD[draw.integers(0, len(ODD))])
    return proto.SerializeToString()


@pytest.fixture(autouse=True)
def little_memory():
    """What would take the machine's memory fails, here and not on it."""
    resource = pytest.importorskip("resource", reason="there are no limits of memory here")
    before = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    taken = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (taken + 8 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("change", [with_other_bytes, with_other_numbers])
@pytest.mark.parametrize("name", MODELS)
def test_damage(name, change):
    draw = np.random.default_rng(list(name.encode()))
    for _ in range(60):
        bad = change(MODELS[name](), draw)
        try:
            loaded = load(bad)
        except ValueError as error:
            assert str(error).startswith("the model: ") and "allocate" not in str(error)
            continue
        shapes = [[size if isinstance(size, int) else 2 for size in port.shape or ()] for port in loaded.inputs]
        if any(np.prod(shape, dtype=float) > 1e6 for shape in shapes):
            continue
        given = {port.name: np.ones(shape, port.dtype) for port, shape in zip(loaded.inputs, shapes, strict=True)}
        try:
            loaded.run(given)
        except (ValueError, TypeError) as error:
            assert str(error)
