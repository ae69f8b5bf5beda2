"""fastconv's operators in onnx's reference evaluator: right where its own are wrong, in several opsets."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx_files.models import one_node  # noqa: E402

import fastconv  # noqa: E402
from fastconv.compat.onnx_reference import NAMES, ops  # noqa: E402


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(operator, *arrays, **options):
    made = one_node(operator, arrays, **options)
    given = {f"x{index}": array for index, array in enumerate(arrays) if array is not None}
    return ReferenceEvaluator(made, new_ops=list(ops)).run(None, given)


def test_every_operator_is_replaced():
    assert [one.__name__ for one in ops] == list(NAMES)


@pytest.mark.parametrize("opset", [7, 11, 22])
def test_conv(opset):
    x, weight, bias = draw(2, 4, 6, 7), draw(6, 2, 3, 3, seed=1), draw(6, seed=2)
    (y,) = run("Conv", x, weight, bias, opset=opset, group=2, auto_pad="SAME_UPPER", strides=[2, 1])
    np.testing.assert_array_equal(y, fastconv.conv2d(x, weight, bias, (2, 1), "same", groups=2))


@pytest.mark.parametrize("opset", [7, 11, 22])
def test_grouped_conv_transpose(opset):
    x, weight, bias = draw(2, 4, 5, 5), draw(4, 3, 3, 3, seed=1), draw(6, seed=2)
    (y,) = run("ConvTranspose", x, weight, bias, opset=opset, group=2, strides=[2, 2])
    np.testing.assert_array_equal(y, fastconv.conv_transpose2d(x, weight, bias, 2, groups=2))


def test_local_response_of_one_image():
    x = draw(1, 5, 3, 3)
    (y,) = run("LRN", x, size=3, alpha=1.0)
    np.testing.assert_allclose(y, fastconv.local_response_norm(x, 3, alpha=1.0), rtol=1e-6)


def test_max_pool_with_pads_along_one_axis():
    x = draw(1, 2, 6)
    y, indices = run("MaxPool", x, outputs=2, kernel_shape=[3], pads=[1, 1])
    np.testing.assert_array_equal(y, fastconv.max_pool1d(x, 3, 1, 1))
    np.testing.assert_array_equal(x.reshape(-1)[indices], y)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_nan_stays(operator):
    x = draw(1, 1, 4, 4)
    x[0, 0, 1, 1] = np.nan
    (y,) = run(operator, x, kernel_shape=[2, 2])
    assert np.isnan(y).sum() == 4


@pytest.mark.parametrize(("opset", "axes"), [(11, (1, 2)), (13, (2,))])
def test_defaults_are_those_of_the_models_opset(opset, axes):
    """Before opset 13 a softmax runs over all axes behind the first."""
    (y,) = run("Softmax", draw(2, 3, 4), opset=opset)
    np.testing.assert_allclose(y.sum(axis=axes), np.ones(y.sum(axis=axes).shape), rtol=1e-6)


def test_in_a_network():
    from fastconv import nn
    from fastconv.onnx import to_onnx

    network = nn.zoo.build("lenet5", seed=0)
    x = draw(2, 1, 28, 28)
    (y,) = ReferenceEvaluator(to_onnx(network, (1, 28, 28)), new_ops=list(ops)).run(None, {"input": x})
    np.testing.assert_allclose(y, network(x), rtol=1e-4, atol=1e-5)
