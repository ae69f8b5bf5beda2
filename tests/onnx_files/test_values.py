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


def test_integers_to_negative_powers_are_as_in_c():
    x, power = np.array([2, 1, -1, -1, 3], np.int32), np.array([-1, -5, -1, -2, 2], np.int32)
    proto = model([("Pow", ["x", "k"], ["y"], {})], [value("x", (5,), np.int32)], [value("y", (5,), np.int32)],
                  {"k": power}, 15)  # fmt: skip
    assert load(proto).run({"x": x})["y"].tolist() == [0, 1, -1, 1, 9]


@pytest.mark.parametrize("attributes", [{}, {"axes": [0, 2, 3]}, {"axes": [1]}])
def test_mean_and_variance(attributes):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    axes = tuple(attributes.get("axes", (0, 2, 3)))
    found = outputs([("MeanVarianceNormalization", ["x"], ["y"], attributes)], x)["y"]
    expected = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n", "scale", "size"), [(5, 2.6, 13), (10, 0.7, 7), (5, 1.2, 6), (3, 0.5, 1)])
def test_sizes_of_a_resize_are_those_that_onnx_infers(n, scale, size):
    """In float32: as float64, 5 times float32's 2.6 is below 13."""
    nodes = [("Resize", ["x", "", "s"], ["y"], {"mode": "linear"})]
    x = np.arange(n, dtype=np.float32).reshape(1, 1, n)
    assert outputs(nodes, x, {"s": np.array([1, 1, scale], np.float32)})["y"].shape == (1, 1, size)


def test_the_nearest_pixel_of_a_scale_that_is_none_in_binary():
    """(3 + 0.5) / 0.7 - 0.5 is 4.5, of which the lower neighbour is taken; float64 with float32's 0.7 sees more."""
    nodes = [("Resize", ["x", "", "s"], ["y"], {"mode": "nearest"})]
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    assert outputs(nodes, x, {"s": np.array([1, 1, 0.7], np.float32)})["y"].ravel().tolist() == [0, 2, 3, 4]


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_boxes_without_length_hold_nothing(mode):
    """Also what a model is traced with: boxes that are computed load."""
    nodes = [
        ("Add", ["b", "b"], ["boxes"], {}),
        ("RoiAlign", ["x", "boxes", "i"], ["y"], {"mode": mode, "output_height": 2, "output_width": 2}),
    ]
    x = np.ones((1, 1, 6, 6), np.float32)
    proto = model(nodes, [value("x", x.shape), value("b", (2, 4))], [value("y", (2, 1, 2, 2))],
                  {"i": np.zeros(2, np.int64)}, 16)  # fmt: skip
    boxes = np.array([[1, 1, 1, 1], [0.5, 0.5, 2, 2]], np.float32)
    empty, other = load(proto).run({"x": x, "b": boxes})["y"]
    assert np.all(empty == 0) and np.all(other > 0.5)


def test_whole_numbers_between_integers_are_exact():
    """A third of the way is 1/3 and 2/3 in binary, whose products with the neighbours are 2 less a rounding."""
    x = np.array([[[-5, 1, 7, 4, -2]]], np.int32)
    nodes = [("Resize", ["x", "", "s"], ["y"], {"mode": "linear", "coordinate_transformation_mode": "asymmetric"})]
    proto = model(nodes, [value("x", x.shape, np.int32)], [value("y", (1, 1, 15), np.int32)],
                  {"s": np.array([1, 1, 3], np.float32)})  # fmt: skip
    found = load(proto).run({"x": x})["y"].ravel()
    assert found.tolist() == [-5, -3, -1, 1, 3, 5, 7, 6, 5, 4, 2, 0, -2, -2, -2]
