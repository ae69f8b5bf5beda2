"""Layer normalizations in nine nodes become one, and what only resembles them stays."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx_files.models import model, value  # noqa: E402

from fastconv.onnx import load  # noqa: E402

LAST, BOTH = {"axes": [-1]}, {"axes": [-2, -1]}
MEAN = ("ReduceMean", ["x"], ["m"], LAST)
CENTRED = ("Sub", ["x", "m"], ["d"])
SQUARES = ("Pow", ["d", "two"], ["s"])
VARIANCE = ("ReduceMean", ["s"], ["v"], LAST)
DEVIATION = [("Add", ["v", "eps"], ["e"]), ("Sqrt", ["e"], ["r"])]
QUOTIENT = ("Div", ["d", "r"], ["q"])
PRODUCT, SUM = ("Mul", ["q", "weight"], ["p"]), ("Add", ["p", "bias"], ["y"])
WHOLE = [MEAN, CENTRED, SQUARES, VARIANCE, *DEVIATION, QUOTIENT, PRODUCT, SUM]


def with_changes(**changes):
    """The nodes, some of them others, by the names of what they give."""
    return [changes.get(node[2][0], node) for node in WHOLE]


#: nodes, and whether they are one in the end
CASES = {
    "as PyTorch writes them": (WHOLE, True),
    "other orders": (
        with_changes(p=("Mul", ["weight", "q"], ["p"]), y=("Add", ["bias", "p"], ["y"])), True,
    ),
    "a product of itself": (with_changes(s=("Mul", ["d", "d"], ["s"])), True),
    "no bias": ([*WHOLE[:-2], ("Mul", ["q", "weight"], ["y"])], True),
    "two axes": (
        with_changes(m=("ReduceMean", ["x"], ["m"], BOTH), v=("ReduceMean", ["s"], ["v"], BOTH)),
        True,
    ),
    "different axes": (with_changes(v=("ReduceMean", ["s"], ["v"], BOTH)), False),
    "an inner axis": (
        with_changes(m=("ReduceMean", ["x"], ["m"], {"axes": [-2]}), v=("ReduceMean", ["s"], ["v"], {"axes": [-2]})),
        False,
    ),
    "another power": (with_changes(s=("Pow", ["d", "four"], ["s"])), False),
    "the square of something else": (with_changes(s=("Mul", ["d", "x"], ["s"])), False),
    "the mean of something else": (with_changes(m=("ReduceMean", ["other"], ["m"], LAST)), False),
    "a weight that is computed": (with_changes(p=("Mul", ["q", "m"], ["p"])), False),
    "a weight of more axes": (with_changes(p=("Mul", ["q", "wide"], ["p"])), False),
}  # fmt: skip
NUMBERS = {
    "two": np.float32(2), "four": np.float32(4), "eps": np.float32(1e-3), "other": np.ones((2, 5, 8), np.float32),
    "weight": np.linspace(-1, 2, 8, dtype=np.float32), "bias": np.linspace(3, 1, 8, dtype=np.float32),
    "wide": np.arange(10, dtype=np.float32).reshape(2, 5, 1),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "is_one"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("opset", [13, 18])
def test_patterns(nodes, is_one, opset):
    """Axes are inputs from opset 18 on."""
    constants = dict(NUMBERS)
    if opset >= 18:
        for index, node in enumerate(nodes):
            if len(node) > 3:
                constants[f"axes{index}"] = np.array(node[3]["axes"], np.int64)
        nodes = [
            (node[0], [*node[1], f"axes{index}"], node[2]) if len(node) > 3 else node
            for index, node in enumerate(nodes)
        ]
    x = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)
    used = {name for node in nodes for name in node[1]}
    constants = {name: array for name, array in constants.items() if name in used}
    made = model(nodes, [value("x", x.shape)], [value("y", x.shape)], constants, opset)
    loaded = load(made)
    np.testing.assert_allclose(
        loaded.run({"x": x})["y"], ReferenceEvaluator(made).run(None, {"x": x})[0], rtol=1e-4, atol=1e-5
    )
    assert (len(loaded.program().nodes) == 1) == is_one


def test_what_others_read_stays():
    made = model(WHOLE, [value("x", (3, 8))], [value("y", (3, 8)), value("r", (3, 1))], {
        name: array for name, array in NUMBERS.items() if name in ("two", "eps", "weight", "bias")
    })  # fmt: skip
    x = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    for found, expected in zip(
        load(made).run({"x": x}).values(), ReferenceEvaluator(made).run(None, {"x": x}), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shape", "axes"), [((2, 3, 1), [-1]), ((2, 1, 5), [-2, -1])])
def test_weights_that_broadcast_an_axis_of_one(shape, axes):
    """Which is no LayerNormalization, but what the nine nodes allow."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weight = np.linspace(-1, 2, 15, dtype=np.float32).reshape(3, 5)[0 if len(axes) == 1 else slice(None)]
    last = {"axes": axes}
    nodes = with_changes(m=("ReduceMean", ["x"], ["m"], last), v=("ReduceMean", ["s"], ["v"], last))
    made = model(
        nodes, [value("x", shape)], [value("y", None)], {**NUMBERS, "weight": weight, "bias": weight}, opset=13
    )
    [expected] = ReferenceEvaluator(made).run(None, {"x": x})
    y = load(made).run({"x": x})["y"]
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
