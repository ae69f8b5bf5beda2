"""Quantized operators: products of matrices, sums that wrap, blocks of elements, and scales that nothing can mean."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx_files.models import one_node  # noqa: E402

from fastconv import reference  # noqa: E402
from fastconv.onnx import load  # noqa: E402


def integers(kind, *shape, seed=0):
    limits = np.iinfo(kind)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(kind)


def both_ways(operator, arrays, expected, **options):
    """With all but the first input constant, and with none."""
    for fixed in (tuple(range(1, len(arrays))), ()):
        loaded = load(one_node(operator, arrays, fixed, **options))
        given = {f"x{index}": array for index, array in enumerate(arrays) if array is not None and index not in fixed}
        for _ in range(2):
            (y,) = loaded.run(given).values()
            assert y.dtype == expected.dtype
            np.testing.assert_array_equal(y, expected)


def scalar(value, kind=np.float32):
    return np.array(value, kind)


MATRICES = {
    "matrices": ((5, 7), (7, 4), (), (4,)),
    "a vector": ((7,), (7, 4), (), ()),
    "a stack of rows": ((2, 3, 5, 70), (70, 33), (), (33,)),
    "one row of three axes": ((1, 1, 7), (7, 1), (), ()),
    "a zero point of each row": ((5, 7), (7, 4), (5,), ()),
    "two stacks": ((2, 5, 7), (2, 7, 4), (), ()),
    "no rows": ((0, 7), (7, 4), (), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("kinds", list(itertools.product((np.uint8, np.int8), repeat=2)))
def test_matrix_products(name, kinds):
    a_shape, b_shape, a_zeros, b_zeros = MATRICES[name]
    a, b = integers(kinds[0], *a_shape), integers(kinds[1], *b_shape, seed=1)
    a_zero, b_zero = integers(kinds[0], *a_zeros, seed=2), integers(kinds[1], *b_zeros, seed=3)
    rows = a_zero.astype(int).reshape(-1, 1) if a_zero.ndim else int(a_zero)
    sums = np.matmul(a.astype(int) - rows, b.astype(int) - b_zero.astype(int))
    both_ways("MatMulInteger", [a, b, a_zero, b_zero], sums.astype(np.int32))
    b_scale = np.linspace(0.001, 0.01, b_shape[-1]).astype(np.float32) if b_zeros else scalar(0.003)
    a_scale, y_scale, y_zero = scalar(0.02), scalar(0.3), scalar(3, kinds[0])
    limits = np.iinfo(kinds[0])
    expected = np.clip(np.rint(sums * (a_scale * b_scale / y_scale).astype(float)) + 3, limits.min, limits.max)
    given = [a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]
    both_ways("QLinearMatMul", given, expected.astype(kinds[0]))


def test_sums_wrap_as_those_of_int32():
    """As in onnxruntime: of the bias too, and where products of matrices are computed in float64."""
    x, weight = np.full((1, 1, 2), 255, np.uint8), np.full((1, 1, 2), -128, np.int8)
    bias = np.array([-(2**31)], np.int32)
    sums = reference.conv_integer(x, weight, bias)
    assert sums.item() == 2**31 - 2 * 255 * 128
    expected = reference.requantize(sums, np.float32(1e-7), 3)
    assert expected.item() == 218
    one, zeros = scalar(1.0), (scalar(0, np.uint8), scalar(0, np.int8), scalar(3, np.uint8))
    arrays = [x, scalar(1e-7), zeros[0], weight, one, zeros[1], one, zeros[2], bias]
    both_ways("QLinearConv", arrays, expected)
    a, b = np.full((2, 1, 40000), 255, np.uint8), np.full((40000, 1), 255, np.uint8)
    wrapped = 40000 * 255 * 255 - 2**32
    for b_like in (b, np.stack([b, b])):
        both_ways("MatMulInteger", [a, b_like], np.full((2, 1, 1), wrapped, np.int32))
        given = [a, scalar(-1e-7), zeros[0], b_like, one, zeros[0], one, zeros[0]]
        both_ways("QLinearMatMul", given, np.full((2, 1, 1), round(-1e-7 * wrapped), np.uint8))


#: shape of the input, of the scales, attributes
AXES = {
    "one number": ((), (), {}),
    "per tensor": ((2, 3, 120, 130), (), {}),
    "per tensor, one of one": ((2, 3, 7), (1,), {}),
    "channels": ((2, 3, 120, 130), (3,), {}),
    "rows of more than a block": ((2, 3, 25000), (2,), {"axis": 0}),
    "last axis": ((5, 140, 130), (130,), {"axis": -1}),
    "blocks": ((4, 12), (4, 3), {"axis": 1, "block_size": 4}),
    "no elements": ((0, 3), (3,), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16])
def test_blocks_of_elements(name, kind):
    shape, scales, options = AXES[name]
    scale = np.random.default_rng(1).uniform(0.01, 0.1, scales).astype(np.float32)
    zero = integers(kind, *scales, seed=2)
    spread = [scale, zero]
    if "block_size" in options:
        spread = [one.repeat(4, axis=1) for one in spread]
    elif scale.size > 1:
        axis = options.get("axis", 1) % len(shape)
        spread = [one.reshape(-1, *(1,) * (len(shape) - axis - 1)) for one in spread]
    elif scales:
        spread = [one[0] for one in spread]
    x = np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)
    limits = np.iinfo(kind)
    moved = np.rint(x / spread[0]) + spread[1].astype(np.float32)
    q = np.asarray(np.clip(moved, limits.min, limits.max)).astype(kind)
    both_ways("QuantizeLinear", [x, scale, zero], q, opset=21, **options)
    real = np.asarray((q.astype(np.float32) - spread[1].astype(np.float32)) * spread[0])
    both_ways("DequantizeLinear", [q, scale, zero], real, opset=21, **options)


def test_quantizing_runs_in_blocks():
    x, scale = np.ones((1, 4, 5, 5), np.float32), np.ones(4, np.float32)
    loaded = load(one_node("QuantizeLinear", [x, scale, np.zeros(4, np.uint8)], (1, 2)))
    assert [node.operation for node in loaded.program().nodes if node.operation != "input"] == ["call"]


X, W = np.ones((1, 2, 4, 4), np.uint8), np.ones((3, 2, 1, 1), np.int8)
A, B = np.ones((5, 2), np.uint8), np.ones((2, 3), np.uint8)
BAD = [
    ("QLinearConv", {"y_scale": 0.0}, r"y_scale \(=0.0\) must not be 0"),
    ("QLinearConv", {"x_scale": np.nan}, r"x_scale \(=nan\) must be finite"),
    ("QLinearConv", {"w_scale": [1.0, np.inf, 1.0]}, r"w_scale \(=\[1.0, inf, 1.0\]\) must be finite"),
    ("QLinearConv", {"x_scale": 1e30, "w_scale": 1e30}, r"x_scale \* w_scale / y_scale \(=inf\)"),
    ("QLinearConv", {"x_scale": [1.0, 1.0, 1.0]}, r"x_scale of shape \(3,\) must be a single number$"),
    ("QLinearConv", {"y_scale": [1.0, 1.0, 1.0]}, r"y_scale of shape \(3,\) must be a single number$"),
    ("QLinearConv", {"w_scale": [1.0, 1.0]}, r"w_scale of shape \(2,\).*or 3, one of each output channel"),
    ("QLinearMatMul", {"y_scale": 0.0}, r"y_scale \(=0.0\) must not be 0"),
    ("QLinearMatMul", {"x_scale": np.inf}, r"a_scale \(=inf\) must be finite"),
    ("QLinearMatMul", {"x_scale": [1.0] * 4 + [np.nan]}, r"a_scale \(=.*nan.*must be finite"),
]


@pytest.mark.parametrize(("operator", "scales", "message"), BAD)
@pytest.mark.parametrize("constant", [True, False])
def test_refuses_scales(operator, scales, message, constant):
    x_scale, w_scale, y_scale = (scalar(scales.get(name, 1.0)) for name in ("x_scale", "w_scale", "y_scale"))
    x, weight = (X, W) if operator == "QLinearConv" else (A, B)
    zero = scalar(0, np.uint8)
    given = [x, x_scale, zero, weight, w_scale, scalar(0, weight.dtype), y_scale, zero]
    fixed = tuple(range(1, 8)) if constant else ()
    with pytest.raises(ValueError, match=rf"node .*{operator}.*{message}"):
        load(one_node(operator, given, fixed)).run({f"x{i}": one for i, one in enumerate(given) if i not in fixed})
