"""Arrays without elements: what NumPy and ONNX Runtime give, or an error that names the node."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx_files.models import one_node  # noqa: E402

from fastconv.onnx import load  # noqa: E402

NONE = np.zeros(0, np.float32)


def zeros(*shape, kind=np.float32):
    return np.zeros(shape, kind)


def result(operator, arrays, free=True, **attributes):
    """The output of a node of one input and constants, loaded for sizes that are not known."""
    opset = attributes.pop("opset", 18)
    made = one_node(operator, arrays, range(1, len(arrays)), opset=opset, **attributes)
    for port in (*made.graph.input, *made.graph.output) if free else ():
        port.type.tensor_type.ClearField("shape")
    return load(made).run({"x0": arrays[0]})["y0"]


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0,), (2, 0, 3)])
def test_lines(operator, opset, shape):
    assert result(operator, [zeros(*shape)], opset=opset, axis=len(shape) - 1).shape == shape


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("shape", [(3, 0), (0, 3)])
def test_running_sums(shape, exclusive):
    assert result("CumSum", [zeros(*shape), np.array(1)], exclusive=exclusive).shape == shape


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("ReduceSum", 0), ("ReduceProd", 1), ("ReduceMax", -np.inf), ("ReduceMin", np.inf), ("ReduceL1", 0),
        ("ReduceL2", 0), ("ReduceSumSquare", 0), ("ReduceLogSum", -np.inf), ("ReduceLogSumExp", -np.inf),
        ("ReduceMean", np.nan),
    ],
)  # fmt: skip
def test_reductions(operator, expected):
    np.testing.assert_array_equal(result(operator, [zeros(0, 2), np.array([0])]), np.full((1, 2), expected))
    assert result(operator, [zeros(0, 2), np.array([1])]).shape == (0, 1)


def test_log_sum_exp_of_integers():
    x = np.array([[1, 2, 3]], np.int32)
    assert result("ReduceLogSumExp", [x, np.array([1])]).tolist() == [[3]]  # 3.41


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_places(operator):
    assert result(operator, [zeros(0, 2)], axis=1).shape == (0, 1)
    with pytest.raises(ValueError, match=rf"node 'y0' \({operator}\)"):
        result(operator, [zeros(0, 2)], axis=0)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("shape", [(0, 1, 4, 4), (1, 0, 4, 4), (1, 1, 0, 4)])
def test_resize(shape, mode):
    sizes = (*shape[:2], 2 * shape[2], 2 * shape[3])
    assert result("Resize", [zeros(*shape), NONE, NONE, np.array(sizes)], mode=mode).shape == sizes
    assert result("Resize", [zeros(*shape), NONE, np.array([1, 1, 2, 2], np.float32)], mode=mode).shape == sizes


def test_resize_makes_nothing_of_nothing():
    with pytest.raises(ValueError, match=r"node 'y0' \(Resize\): sizes .* enlarge an axis of no elements"):
        result("Resize", [zeros(1, 1, 0, 4), NONE, NONE, np.array([1, 1, 2, 4])])


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
def test_pools(operator):
    assert result(operator, [zeros(0, 2, 4, 4)], kernel_shape=[2, 2]).shape == (0, 2, 3, 3)
    assert result(operator, [zeros(1, 0, 4, 4)], kernel_shape=[2, 2]).shape == (1, 0, 3, 3)
    with pytest.raises(ValueError, match=rf"node 'y0' \({operator}\)"):
        result(operator, [zeros(1, 2, 0, 4)], kernel_shape=[2, 2])


@pytest.mark.parametrize("operator", ["GlobalMaxPool", "GlobalAveragePool"])
def test_pools_of_planes(operator):
    assert result(operator, [zeros(0, 2, 4, 4)]).shape == (0, 2, 1, 1)
    with pytest.raises(ValueError, match=rf"node 'y0' \({operator}\)"):
        result(operator, [zeros(1, 2, 0, 4)])


def test_grid_sample():
    made = one_node("GridSample", [zeros(0, 2, 4, 4), zeros(0, 3, 5, 2)], opset=16)
    assert load(made).run({"x0": zeros(0, 2, 4, 4), "x1": zeros(0, 3, 5, 2)})["y0"].shape == (0, 2, 3, 5)


def test_an_error_while_running_names_the_node():
    """A call of the engine's, which a program makes, not NumPy."""
    with pytest.raises(ValueError, match=r"node 'y0' \(ConvTranspose\): x of shape \(1, 2, 0, 4\)"):
        result("ConvTranspose", [zeros(1, 2, 0, 4), zeros(2, 3, 3, 3)])
