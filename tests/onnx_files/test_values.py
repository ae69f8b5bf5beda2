"""fastconv.onnx: values that a shortcut would spoil, outputs that are one another's, empty arrays and odd forms."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper  # noqa: E402
from onnx_files.models import model, value  # noqa: E402

from fastconv.onnx import load  # noqa: E402

FLOAT = onnx.TensorProto.FLOAT


def outputs(nodes, x, constants=None, opset=17, names=("y",), shape=None):
    """Of one input, x."""
    ports = [value(name, None if shape is None else shape) for name in names]
    proto = model(nodes, [value("x", x.shape)], ports, constants or {}, opset)
    return load(proto).run({"x": x})


def f4(*numbers):
    return np.array(numbers, np.float32)


CHAINS = {
    "a floor behind a division": (
        [("Div", ["x", "d"], ["q"], {}), ("Floor", ["q"], ["y"], {})], {"d": np.float32(41)},
        f4(41, 82, 164), f4(1, 2, 4),
    ),
    "rounding by a large number": (
        [("Add", ["x", "d"], ["q"], {}), ("Sub", ["q", "d"], ["y"], {})], {"d": np.float32(12582912)},
        f4(0.3, 1.7, 2.5, -1.2), f4(0, 2, 2, -1),
    ),
    "factors whose product is infinite": (
        [("Mul", ["x", "d"], ["q"], {}), ("Mul", ["q", "d"], ["y"], {})], {"d": np.float32(1e25)},
        f4(0, 1e-30), f4(0, 1e20),
    ),
    "a bound of one element": (
        [("Clip", ["x", "low", "high"], ["y"], {})], {"low": f4(-1), "high": f4(2)}, f4(-3, 0, 5), f4(-1, 0, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants", "x", "expected"), CHAINS.values(), ids=CHAINS)
def test_chains(nodes, constants, x, expected):
    np.testing.assert_allclose(outputs(nodes, x, constants, shape=x.shape)["y"], expected, rtol=1e-6)


def test_nearest_places_before_opset_11():
    x = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 2, 4)
    nodes = [("Resize", ["x", "s"], ["y"], {"mode": "nearest"})]
    found = outputs(nodes, x, {"s": f4(1, 1, 0.6, 0.6)}, 10, shape=(1, 1, 1, 2))["y"]
    np.testing.assert_array_equal(found.ravel(), [1, 3])


def test_norm_of_large_integers():
    x = np.array([[60000, 60000, 1]], np.int32)
    proto = model([("ReduceL2", ["x"], ["y"], {"axes": [1], "keepdims": 0})], [value("x", x.shape, np.int32)],
                  [value("y", (1,), np.int32)], {}, 13)  # fmt: skip
    assert load(proto).run({"x": x})["y"].tolist() == [84852]


def test_two_names_of_one_result_are_two_arrays():
    x = np.ones((2, 3), np.float32)
    found = outputs([("Relu", ["x"], ["a"], {}), ("Identity", ["a"], ["b"], {})], x, names=("a", "b"), shape=(2, 3))
    assert not np.shares_memory(found["a"], found["b"])


def test_what_a_branch_gives_is_the_callers():
    def branch(name, number):
        tensor = helper.make_tensor("t", FLOAT, [2], [number, number])
        port = helper.make_tensor_value_info(f"{name}_t", FLOAT, [2])
        return helper.make_graph([helper.make_node("Constant", [], [f"{name}_t"], value=tensor)], name, [], [port])

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("one", 1), else_branch=branch("two", 2))
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])],
                              [helper.make_tensor_value_info("y", FLOAT, [2])])  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    proto.ir_version = 8
    loaded = load(proto)
    for _ in range(2):
        y = loaded.run({"c": np.array(True)})["y"]
        assert y.tolist() == [1, 1]
        y += 5


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_scalar_has_no_places(start):
    found = outputs([("NonZero", ["x"], ["y"], {})], np.array(start, np.float32))["y"]
    assert found.shape == (0, int(start != 0)) and found.dtype == np.int64


def test_endless_sizes_are_one_error():
    nodes = [("Range", ["a", "b", "c"], ["y"], {})]
    limits = {"a": np.float32(0), "b": np.float32(np.inf), "c": np.float32(1)}
    with pytest.raises(ValueError, match="Range"):
        outputs(nodes, np.ones(3, np.float32), limits)


def test_programs_need_shapes():
    loaded = load(model([("Relu", ["x"], ["y"], {})], [value("x", ("n", 3))], [value("y", ("n", 3))], {}, 17))
    with pytest.raises(ValueError, match="free sizes"):
        loaded.program()
    with pytest.raises(ValueError, match="takes 1 inputs, got 2"):
        loaded.program((1, 3), (1, 3))
    assert "activation" in str(loaded.program([2, 3]))
