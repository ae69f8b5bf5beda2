"""What exporters write in several nodes and becomes one; operators of single elements, block by block."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx_files.models import model, value  # noqa: E402
from onnx_files.running import run  # noqa: E402

import fastconv  # noqa: E402
from fastconv.onnx import load  # noqa: E402

NUMBERS = {
    "root": np.float32(np.sqrt(2)), "inverse": np.float32(np.sqrt(0.5)), "one": np.float32(1), "half": np.float32(0.5),
    "three": np.float32(3), "six": np.float32(6), "sixth": np.float32(1 / 6), "zero": np.float32(0),
    "near": np.float32(1.4),
}  # fmt: skip
ERF = [("Div", ["x", "root"], ["s"]), ("Erf", ["s"], ["e"]), ("Add", ["e", "one"], ["t"])]
STEPS = [("Add", ["x", "three"], ["a"]), ("Clip", ["a", "zero", "six"], ["c"])]

#: nodes, what they are together, None for nothing
CASES = {
    "as PyTorch writes gelu": ([*ERF, ("Mul", ["x", "t"], ["p"]), ("Mul", ["p", "half"], ["y"])], fastconv.gelu),
    "half of x first": ([("Mul", ["half", "x"], ["h"]), *ERF, ("Mul", ["h", "t"], ["y"])], fastconv.gelu),
    "half of the sum": ([*ERF, ("Mul", ["t", "half"], ["h"]), ("Mul", ["x", "h"], ["y"])], fastconv.gelu),
    "a product before erf": (
        [("Mul", ["inverse", "x"], ["s"]), ERF[1], ("Add", ["one", "e"], ["t"]), ("Mul", ["t", "x"], ["p"]),
         ("Mul", ["half", "p"], ["y"])],
        fastconv.gelu,
    ),
    "another number": (
        [("Div", ["x", "near"], ["s"]), *ERF[1:], ("Mul", ["x", "t"], ["p"]), ("Mul", ["p", "half"], ["y"])], None,
    ),
    "another x": ([*ERF, ("Mul", ["e", "t"], ["p"]), ("Mul", ["p", "half"], ["y"])], None),
    "hard sigmoid": ([*STEPS, ("Div", ["c", "six"], ["y"])], fastconv.hardsigmoid),
    "hard sigmoid by a product": ([*STEPS, ("Mul", ["sixth", "c"], ["y"])], fastconv.hardsigmoid),
    "six by it": ([*STEPS, ("Div", ["six", "c"], ["d"]), ("Sigmoid", ["d"], ["y"])], None),
    "hard swish": ([*STEPS, ("Div", ["c", "six"], ["d"]), ("Mul", ["d", "x"], ["y"])], fastconv.hardswish),
    "the product first": ([*STEPS, ("Mul", ["x", "c"], ["p"]), ("Div", ["p", "six"], ["y"])], fastconv.hardswish),
    "between others": (
        [STEPS[0], ("Clip", ["a", "zero", "three"], ["c"]), ("Div", ["c", "six"], ["d"]), ("Mul", ["x", "d"], ["y"])],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_patterns(nodes, expected, kind):
    x = np.linspace(-7, 7, 200, dtype=kind).reshape(4, 50)
    numbers = {name: number.astype(kind) for name, number in NUMBERS.items()}
    made = model(nodes, [value("x", x.shape, kind)], [value("y", x.shape, kind)], numbers)
    loaded = load(made)
    y = loaded.run({"x": x})["y"]
    if kind is np.float32:
        np.testing.assert_allclose(y, run(made, x)[0], rtol=1e-5, atol=2e-6)
    kinds = [node.operation for node in loaded.program().nodes]
    assert (kinds == ["smooth"]) == (expected is not None)
    if expected is not None:
        np.testing.assert_array_equal(y, expected(x))


def test_what_others_read_stays():
    nodes = [*ERF, ("Mul", ["x", "t"], ["p"]), ("Mul", ["p", "half"], ["y"])]
    x = np.linspace(-2, 2, 5, dtype=np.float32)
    made = model(nodes, [value("x", (5,))], [value("y", (5,)), value("t", (5,))], NUMBERS)
    found = load(made).run({"x": x})
    np.testing.assert_allclose(found["t"], run(made, x)[1], rtol=1e-6)
    np.testing.assert_array_equal(found["y"], fastconv.gelu(x))


@pytest.mark.parametrize("replaced", [False, True])
def test_numbers_that_may_be_replaced(replaced):
    """An initializer that is an input too is no constant."""
    nodes = [*ERF, ("Mul", ["x", "t"], ["p"]), ("Mul", ["p", "half"], ["y"])]
    made = model(nodes, [value("x", (5,)), value("half", ())], [value("y", (5,))], NUMBERS)
    x = np.linspace(-2, 2, 5, dtype=np.float32)
    given = {"x": x, "half": np.float32(2)} if replaced else {"x": x}
    np.testing.assert_allclose(load(made).run(given)["y"], fastconv.gelu(x) * (4 if replaced else 1), rtol=1e-5)


@pytest.mark.parametrize(
    ("operator", "attributes", "expected"),
    [
        ("Elu", {"alpha": 1.5}, lambda x: np.where(x > 0, x, 1.5 * np.expm1(x))),
        ("Celu", {"alpha": 2.0}, lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2))),
        ("Selu", {}, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
        ("Softplus", {}, lambda x: np.logaddexp(0, x)),
        ("Mish", {}, lambda x: x * np.tanh(np.logaddexp(0, x))),
    ],
)
def test_precision_of_exponentials(operator, attributes, expected):
    """Relative, near zero and far from it: a difference of two numbers near one has no digits there."""
    x = np.concatenate([-np.logspace(-30, 1.9, 400), np.logspace(-30, 1.9, 400)]).astype(np.float32)
    made = model([(operator, ["x"], ["y"], attributes)], [value("x", x.shape)], [value("y", x.shape)], opset=18)
    y = load(made).run({"x": x})["y"]
    np.testing.assert_allclose(y, expected(x.astype(np.float64)), rtol=2e-6, atol=1e-37)


def test_precision_of_erf():
    math = pytest.importorskip("scipy.special", reason="scipy is not installed")
    x = np.concatenate([np.linspace(-5, 5, 4001), np.logspace(-30, 0, 50), [np.inf, -np.inf]]).astype(np.float32)
    made = model([("Erf", ["x"], ["y"])], [value("x", x.shape)], [value("y", x.shape)])
    np.testing.assert_allclose(load(made).run({"x": x})["y"], math.erf(x.astype(np.float64)), rtol=1e-6)
    bad = np.full(len(x), np.nan, np.float32)
    assert np.isnan(load(made).run({"x": bad})["y"]).all()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1, 3, 200, 300), (3, 1, 1)), ((2, 100000), (2, 1)), ((2, 100000), (100000,)), ((1, 1, 70000), (1,)),
        ((5, 1, 9000), (7, 1)), ((), (3,)), ((1, 1), ()), ((300, 300), (300, 300)), ((0, 3), (3,)), ((1, 0), (4, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("operator", [np.greater, np.fmod])
def test_blocks(a, b, operator):
    draw = np.random.default_rng(0)
    x, z = (np.asarray(draw.standard_normal(shape), np.float32) for shape in (a, b))
    node = {np.greater: ("Greater", {}), np.fmod: ("Mod", {"fmod": 1})}[operator]
    made = model([(node[0], ["x", "z"], ["y"], node[1])], [value("x", a), value("z", b)], [value("y", None, bool)])
    made.graph.output[0].type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(operator(x, z).dtype)
    np.testing.assert_array_equal(load(made).run({"x": x, "z": z})["y"], operator(x, z))
