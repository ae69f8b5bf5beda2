"""Operators of ONNX Runtime's own domain against their formulas, and against ONNX Runtime where it is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402
from onnx_files.models import value  # noqa: E402

from fastconv.onnx import load  # noqa: E402

U1, I1 = np.uint8, np.int8
F4 = np.float32


def integers(kind, *shape, seed=0):
    limits = np.iinfo(kind)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(kind)


def real(q, scale, zero):
    return (q.astype(float) - float(zero)) * float(F4(scale))


def model(operator, inputs, fixed, **attributes):
    """Of one node; inputs are arrays, and None is left out."""
    names = ["" if array is None else f"x{place}" for place, array in enumerate(inputs)]
    given = [value(names[i], array.shape, array.dtype) for i, array in enumerate(inputs) if names[i] and i not in fixed]
    node = helper.make_node(operator, names, ["y"], domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node], "test", given, [value("y", None, inputs[0].dtype if inputs[0].ndim else inputs[2].dtype)],
        [numpy_helper.from_array(inputs[i], names[i]) for i in fixed if names[i]],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def one(scale, zero, kind):
    return [F4(scale), np.asarray(zero, kind)]


X, Z = integers(U1, 2, 3, 6, 8), integers(U1, 2, 3, 6, 8, seed=1)
OF_X, OF_Z, OF_Y = one(0.05, 120, U1), one(0.03, 9, U1), one(0.04, 30, U1)
#: of 7 bits, for ONNX Runtime cuts off sums of larger weights on AVX2
A, B = integers(U1, 5, 20), integers(I1, 20, 7, seed=1) // np.int8(2)
BIAS = np.random.default_rng(2).integers(-900, 900, 7).astype(np.int32)
ONE = [np.asarray(F4(0.015)), np.zeros((), I1)]
EACH = [np.linspace(0.01, 0.02, 7).astype(F4), np.zeros(7, I1)]


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def products(a, b, b_scale, alpha=1.0, bias=None):
    y = real(a, 0.05, 120) @ (b * b_scale.astype(float))
    return alpha * (y if bias is None else y + bias * float(F4(0.05)) * b_scale.astype(float))


#: operator, inputs, attributes, the result in real numbers, whether 0.04 and 30 are its scale and zero point
CASES = {
    "add": ("QLinearAdd", [X, *OF_X, Z, *OF_Z, *OF_Y], {}, real(X, 0.05, 120) + real(Z, 0.03, 9)),
    "add what broadcasts": (
        "QLinearAdd", [X, *OF_X, Z[:1, :, :1, :1], *OF_Z, *OF_Y], {},
        real(X, 0.05, 120) + real(Z[:1, :, :1, :1], 0.03, 9),
    ),
    "multiply": ("QLinearMul", [X, *OF_X, Z, *OF_Z, *OF_Y], {}, real(X, 0.05, 120) * real(Z, 0.03, 9)),
    "sigmoid": ("QLinearSigmoid", [X, *OF_X, *OF_Y], {}, 1 / (1 + np.exp(-real(X, 0.05, 120)))),
    "leaky": (
        "QLinearLeakyRelu", [X, *OF_X, *OF_Y], {"alpha": 0.2},
        np.where(X > 120, real(X, 0.05, 120), 0.2 * real(X, 0.05, 120)),
    ),
    "softmax": ("QLinearSoftmax", [X, *OF_X, *OF_Y], {"axis": 1, "opset": 13}, softmax(real(X, 0.05, 120), 1)),
    "softmax of old": (
        "QLinearSoftmax", [X, *OF_X, *OF_Y], {"axis": 1, "opset": 9},
        softmax(real(X, 0.05, 120).reshape(2, -1), 1).reshape(X.shape),
    ),
    "global mean": (
        "QLinearGlobalAveragePool", [X, *OF_X, *OF_Y], {}, real(X, 0.05, 120).mean((2, 3), keepdims=True),
    ),
    "means": (
        "QLinearAveragePool", [X, *OF_X, *OF_Y], {"kernel_shape": [2, 2], "strides": [2, 2]},
        real(X, 0.05, 120).reshape(2, 3, 3, 2, 4, 2).mean((3, 5)),
    ),
    "concat": (
        "QLinearConcat", [*OF_Y, X, *OF_X, Z, *OF_Z], {"axis": 1},
        np.concatenate([real(X, 0.05, 120), real(Z, 0.03, 9)], 1),
    ),
    "gemm": ("QGemm", [A, *OF_X, B, *EACH, BIAS, *OF_Y], {}, products(A, B, EACH[0], bias=BIAS)),
    "gemm, a row of bias": ("QGemm", [A, *OF_X, B, *EACH, BIAS[None], *OF_Y], {}, products(A, B, EACH[0], bias=BIAS)),
    "gemm, a bias of each row": (
        "QGemm", [A, *OF_X, B, *ONE, BIAS[:5, None], *OF_Y], {}, products(A, B, ONE[0], bias=BIAS[:5, None]),
    ),
    "gemm, transposed": (
        "QGemm", [A, *OF_X, np.ascontiguousarray(B.T), *EACH, None, *OF_Y], {"transB": 1}, products(A, B, EACH[0]),
    ),
    "gemm, alpha": ("QGemm", [A, *OF_X, B, *EACH, BIAS, *OF_Y], {"alpha": 0.5}, products(A, B, EACH[0], 0.5, BIAS)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_formulas(name):
    operator, inputs, attributes, exact = CASES[name]
    moving = [place for place, array in enumerate(inputs) if array is not None and array.ndim == 4 or array is A]
    fixed = [place for place in range(len(inputs)) if place not in moving]
    expected = np.clip(exact / float(F4(0.04)) + 30, 0, 255)
    for constants in (fixed, []):
        made = model(operator, inputs, constants, **attributes)
        given = {f"x{i}": array for i, array in enumerate(inputs) if array is not None and i not in constants}
        (y,) = load(made).run(given).values()
        assert y.dtype == U1
        np.testing.assert_allclose(y, expected, atol=0.5 + 1e-3)
        if importlib.util.find_spec("onnxruntime") is not None and constants:
            import onnxruntime

            session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
            # tables there are made in another order of roundings
            assert np.abs(session.run(None, given)[0].astype(int) - y).max() <= 1


def test_what_is_not_supported():
    with pytest.raises(ValueError, match=r"QGemm.*transA \(=1\) is not supported: transpose the matrix before"):
        load(model("QGemm", CASES["gemm"][1], range(1, 9), transA=1))
    with pytest.raises(ValueError, match="QGemm.*y_scale is missing"):
        load(model("QGemm", [A, *OF_X, B, *EACH, BIAS], range(1, 7)))
    with pytest.raises(ValueError, match="QGemm.*y_zero_point is missing"):
        load(model("QGemm", CASES["gemm"][1][:8], range(1, 8)))
    for scale, message in ((0, r"y_scale \(=0.0\) must not be 0"), (np.nan, r"y_scale \(=nan\) must be finite")):
        for operator in ("QLinearSigmoid", "QLinearLeakyRelu"):
            with pytest.raises(ValueError, match=f"{operator}.*{message}"):
                load(model(operator, [X, *OF_X, F4(scale), OF_Y[1]], range(1, 5)))
        with pytest.raises(ValueError, match=f"QLinearAdd.*{message}"):
            load(model("QLinearAdd", [X, *OF_X, Z, *OF_Z, F4(scale), OF_Y[1]], [1, 2, 4, 5, 6, 7])).run(
                {"x0": X, "x3": Z}
            )
    with pytest.raises(ValueError, match=r"QLinearGlobalAveragePool.*channels_last \(=1\) is not supported"):
        load(model("QLinearGlobalAveragePool", [X, *OF_X, *OF_Y], range(1, 5), channels_last=1))
    with pytest.raises(ValueError, match=r"com\.microsoft\.Unheard.*fallback='onnx'"):
        load(model("Unheard", [X], []))
