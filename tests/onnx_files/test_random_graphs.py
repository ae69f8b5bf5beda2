"""Random graphs of what passes fuse, fold and place, in every opset: programs beside node by node and ONNX Runtime."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402
from onnx_files.models import value  # noqa: E402
from onnx_files.running import run  # noqa: E402

from fastconv.onnx import load  # noqa: E402
from fastconv.onnx.eager import run_graph  # noqa: E402


class Made:
    """A graph in the making: names with their shapes, all of four axes."""

    def __init__(self, seed):
        self.draw = np.random.default_rng(seed)
        self.opset = int(self.draw.integers(7, 23))
        self.shapes, self.nodes, self.constants = {}, [], []

    def pick(self, *choices):
        return choices[self.draw.integers(len(choices))]

    def random(self, *shape):
        return (self.draw.standard_normal(shape) * 0.5).astype(np.float32)

    def constant(self, array):
        """An initializer, or a Constant."""
        name, tensor = f"k{len(self.nodes)}_{len(self.constants)}", numpy_helper.from_array(np.asarray(array))
        if self.pick(True, False):
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            tensor.name = name
            self.constants.append(tensor)
        return name

    def node(self, operator, inputs, shape, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        self.shapes[name] = tuple(shape)
        return name


def conv(made, x, shape):
    out, kernel, pad = made.pick(1, shape[1], 4), made.pick(1, 3), made.pick(0, 1)
    groups = made.pick(1, shape[1])
    out = shape[1] * made.pick(1, 2) if groups > 1 else out
    size = [n + 2 * pad - kernel + 1 for n in shape[2:]]
    if min(size) > 0:
        weight = made.constant(made.random(out, shape[1] // groups, kernel, kernel))
        bias = [made.constant(made.random(out))] if made.pick(True, False) else []
        made.node("Conv", [x, weight, *bias], (shape[0], out, *size), pads=[pad] * 4, group=groups)


def batch_norm(made, x, shape):
    given = [made.random(shape[1]), made.random(shape[1]), made.random(shape[1]), np.abs(made.random(shape[1])) + 0.1]
    made.node("BatchNormalization", [x, *map(made.constant, given)], shape)


def activation(made, x, shape):
    name, attributes = made.pick(
        ("Relu", {}), ("LeakyRelu", {"alpha": 0.2}), ("Sigmoid", {}), ("Tanh", {}), ("Elu", {}), ("Softplus", {}),
        ("HardSigmoid", {"alpha": 1 / 6}),
    )  # fmt: skip
    made.node(name, [x], shape, **attributes)


def combination(made, x, shape):
    """With another result of the same shape, maybe itself, on either side."""
    other = made.pick(*(name for name, one in made.shapes.items() if one == shape))
    made.node(made.pick("Add", "Mul", "Sub"), [x, other] if made.pick(True, False) else [other, x], shape)


def scale(made, x, shape):
    form = made.pick((1,), (), (shape[1], 1, 1), (1, shape[1], 1, 1), shape[3:], shape, (shape[0], shape[1], 1, 1))
    number = np.asarray(made.random(*form))
    number = np.where(np.abs(number) < 0.2, np.float32(0.5), number)
    operands = [x, made.constant(number)]
    operator = made.pick("Add", "Mul", "Sub", "Div")
    made.node(operator, operands if operator == "Div" or made.pick(True, False) else operands[::-1], shape)


def gate(made, x, shape):
    pooled = made.node("GlobalAveragePool", [x], (*shape[:2], 1, 1))
    squashed = made.node(made.pick("Sigmoid", "HardSigmoid"), [pooled], (*shape[:2], 1, 1))
    made.node("Mul", [squashed, x] if made.pick(True, False) else [x, squashed], shape)


def pool(made, x, shape):
    if min(shape[2:]) > 1:
        size = [n // 2 for n in shape[2:]]
        made.node(made.pick("MaxPool", "AveragePool"), [x], (*shape[:2], *size), kernel_shape=[2, 2], strides=[2, 2])


def concat(made, x, shape):
    axis = made.pick(0, 1, 1, 2)
    fits = [
        name for name, one in made.shapes.items() if one[:axis] + one[axis + 1 :] == shape[:axis] + shape[axis + 1 :]
    ]
    parts = [x, made.pick(*fits), made.pick(*fits)]
    whole = list(shape)
    whole[axis] = sum(made.shapes[name][axis] for name in parts)
    if whole[axis] < 25:
        made.node("Concat", parts, whole, axis=axis)


def pad(made, x, shape):
    pads = [0, 0, 1, 0, 0, 0, 0, 1]
    mode = made.pick("constant", "edge")
    whole = (*shape[:2], shape[2] + 1, shape[3] + 1)
    if made.opset < 11:
        made.node("Pad", [x], whole, mode=mode, pads=pads)
    else:
        made.node("Pad", [x, made.constant(np.array(pads))], whole, mode=mode)


def reshape(made, x, shape):
    """As exporters write it, and back."""
    sizes = made.node("Shape", [x], ())
    first = made.node("Gather", [sizes, made.constant(np.array([0]))], (), axis=0)
    target = made.node("Concat", [first, made.constant(np.array([-1]))], (), axis=0)
    flat = made.node("Reshape", [x, target], ())
    for name in (sizes, first, target, flat):
        del made.shapes[name]
    made.node("Reshape", [flat, sizes], shape)


def transpose(made, x, shape):
    order = made.draw.permutation(4).tolist()
    made.node("Transpose", [x], [shape[axis] for axis in order], perm=order)


STEPS = (
    conv, conv, batch_norm, activation, activation, combination, combination, scale, scale, gate, pool, concat, pad,
    reshape, transpose,
)  # fmt: skip


def random_graph(seed):
    """The same graph with fixed and with free sizes, and its input."""
    made = Made(seed)
    shape = (made.pick(1, 2), made.pick(1, 2, 4), made.pick(3, 6, 8), made.pick(4, 5))
    made.shapes["x"] = shape
    for _ in range(14):
        x = made.pick(*list(made.shapes)[-4:])
        made.pick(*STEPS)(made, x, made.shapes[x])
    read = {name for node in made.nodes for name in node.input}
    names = [name for name in made.shapes if name != "x" and (name not in read or made.draw.random() < 0.1)]
    models = []
    for sizes in (shape, ("n", shape[1], "h", "w")):
        ports = [value(name, made.shapes[name] if sizes == shape else None) for name in names]
        graph = helper.make_graph(made.nodes, "random", [value("x", sizes)], ports, made.constants)
        opsets = [helper.make_opsetid("", made.opset)]
        models.append(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    return models, made.random(*shape)


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * max(np.abs(other).max(initial=0), 1e-3))


@pytest.mark.parametrize("seed", range(80))
def test_random_graphs(seed):
    models, x = random_graph(seed)
    fixed, free = map(load, models)
    assert len(free.outputs)
    by_node = [np.array(y) for y in run_graph(free.graph, {"x": x})]
    for loaded in (fixed, free, free):
        close(loaded.run({"x": x}).values(), by_node)
    assert all(ready is not None for ready in free._ready.values())
    if importlib.util.find_spec("onnxruntime") is not None:
        close(by_node, run(models[0], x))
