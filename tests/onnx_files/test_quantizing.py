"""Operators between DequantizeLinear and QuantizeLinear: computed on integers, beside real numbers in float64."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper  # noqa: E402
from onnx_files.models import model, value  # noqa: E402

from fastconv import reference  # noqa: E402
from fastconv.onnx import load  # noqa: E402
from fastconv.onnx.eager import run_graph  # noqa: E402
from fastconv.onnx.folding import fold  # noqa: E402
from fastconv.onnx.reading import read  # noqa: E402

U1, I1 = np.uint8, np.int8


def integers(kind, *shape, seed=0, low=None):
    limits = np.iinfo(kind)
    rng = np.random.default_rng(seed)
    return rng.integers(limits.min if low is None else low, limits.max + 1, shape).astype(kind)


def pair(operator, taken, given, name, extra=None):
    """A QuantizeLinear or DequantizeLinear with its scale and zero point by name."""
    return (f"{operator}Linear", [taken, f"{name}.scale", f"{name}.zero"], [given], extra or {})


def meaning(name, scale, zero, kind):
    return {f"{name}.scale": np.float32(scale), f"{name}.zero": np.asarray(zero, kind)}


def node_by_node(made, given):
    """The nodes of the file, none of them merged."""
    graph, _ = read(made)
    fold(graph)
    with np.errstate(all="ignore"):
        return [np.array(y) for y in run_graph(graph, given)]


def kinds(loaded):
    return sorted(call.kind for call in loaded.graph.nodes)


def run(made, given):
    """By the model, in a program and node by node after merging."""
    loaded = load(made)
    results = list(loaded.run(given).values())
    for found, again in zip(results, run_graph(loaded.graph, given), strict=True):
        np.testing.assert_array_equal(found, again)
    return loaded, results


def free(shape):
    """A batch without a size, so that the graph is kept."""
    return ("n", *shape[1:])


#: x without its batch, weight, options; types of x, weight and y; whether weights have scales of their own
CONVS = {
    "3x3": ((8, 9, 10), (16, 8, 3, 3), {"pads": [1, 1, 1, 1]}, (U1, I1, U1), True),
    "one scale of all": ((5, 6, 7), (3, 5, 2, 2), {"strides": [2, 1], "dilations": [1, 2]}, (I1, I1, I1), False),
    "groups": ((6, 8, 8), (9, 2, 3, 1), {"group": 3}, (U1, U1, I1), True),
    "depthwise": ((7, 8, 9), (7, 1, 3, 3), {"group": 7, "auto_pad": "SAME_UPPER"}, (I1, U1, U1), True),
    "one dimension": ((4, 30), (6, 4, 5), {"pads": [2, 2]}, (U1, I1, U1), True),
    "three dimensions": ((2, 4, 5, 6), (4, 2, 2, 2, 3), {}, (U1, U1, U1), False),
}  # fmt: skip
#: nodes before the last QuantizeLinear, and what they cut off at
BETWEEN = {
    "nothing": ([], (-np.inf, np.inf)),
    "Relu": ([("Relu", ["c"], ["r"])], (0, np.inf)),
    "Clip": ([("Clip", ["c", "low", "six"], ["r"])], (-1.0, 6.0)),
}
BIASES = ("none", "integers", "reals")


def conv_model(name, between, bias, **changes):
    """The model, its input, and its result as real numbers in float64, before they are cut off."""
    x_shape, w_shape, options, types, each = CONVS[name]
    x_kind, w_kind, y_kind = types
    rng = np.random.default_rng(len(name))
    w_scale = rng.uniform(0.001, 0.003, w_shape[0] if each else ()).astype(np.float32)
    weight = integers(w_kind, *w_shape, seed=1)
    w_zero = np.asarray(np.full(w_scale.shape, 0 if w_kind is I1 else 128), w_kind)
    constants = {
        **meaning("x", 0.02, 11, x_kind), **meaning("y", 0.05, 40, y_kind),
        "w": weight, "w.scale": w_scale, "w.zero": w_zero, "low": np.float32(-1), "six": np.float32(6),
    }  # fmt: skip
    b_scale = np.float32(0.02) * w_scale
    b = rng.integers(-3000, 3000, w_shape[0]).astype(np.int32)
    nodes, inputs = [pair("Dequantize", "x", "xr", "x"), pair("Dequantize", "w", "wr", "w", {"axis": 0})], ["xr", "wr"]
    real_bias = np.zeros(w_shape[0])
    if bias == "integers":
        constants |= {"b": b, "b.scale": b_scale, "b.zero": np.zeros(b_scale.shape, np.int32)}
        nodes.append(pair("Dequantize", "b", "br", "b", {"axis": 0}))
        inputs.append("br")
        real_bias = b * b_scale.astype(float)
    elif bias == "reals":
        constants["br"] = rng.normal(0, 1, w_shape[0]).astype(np.float32)
        inputs.append("br")
        real_bias = constants["br"].astype(float)
    steps, _ = BETWEEN[between]
    nodes += [("Conv", inputs, ["c"], options), *steps, pair("Quantize", "r" if steps else "c", "y", "y")]
    constants |= changes
    x = integers(x_kind, 2, *x_shape, seed=2)
    made = model(nodes, [value("x", free(x.shape), x_kind)], [value("y", None, y_kind)], constants)
    spread = (-1, *(1,) * (len(w_shape) - 1)) if each else ()
    real_w = (weight - w_zero.astype(float).reshape(spread)) * w_scale.astype(float).reshape(spread)
    pads = options.get("pads", [0] * 2 * (len(w_shape) - 2))
    padding = (
        "same" if "auto_pad" in options else tuple(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))
    )
    stride, dilation = (tuple(options.get(key, [1] * (len(w_shape) - 2))) for key in ("strides", "dilations"))
    exact = reference.conv(
        (x - 11.0) * float(np.float32(0.02)), real_w, real_bias, stride, padding, dilation, options.get("group", 1)
    )
    return made, x, exact


@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("bias", BIASES)
def test_convolutions(name, between, bias):
    made, x, exact = conv_model(name, between, bias)
    loaded, (y,) = run(made, {"x": x})
    assert kinds(loaded) == (["QLinearConv"] if between == "nothing" else ["Gather", "QLinearConv"])
    limits = np.iinfo(y.dtype)
    steps = np.clip(np.clip(exact, *BETWEEN[between][1]) / float(np.float32(0.05)) + 40, limits.min, limits.max)
    assert np.abs(y - steps).max() <= 0.5 + (0.02 if bias == "reals" else 1e-4)
    by_node = node_by_node(made, {"x": x})[0].astype(int)
    assert np.abs(y - by_node).max() <= 1
    assert np.mean(y != by_node) < 0.01


def matmul_model(a, b, b_scale, b_zero, axis=1, operator="MatMul", bias=None, y_scale=0.5, **options):
    constants = {
        **meaning("a", 0.02, 7, a.dtype), **meaning("y", y_scale, 3, a.dtype), "b": b, "b.scale": b_scale,
        "b.zero": b_zero,
    }  # fmt: skip
    nodes = [pair("Dequantize", "a", "ar", "a"), pair("Dequantize", "b", "br", "b", {"axis": axis})]
    inputs = ["ar", "br"]
    if bias is not None:
        constants["bias"] = bias
        inputs.append("bias")
    nodes += [(operator, inputs, ["c"], options), pair("Quantize", "c", "y", "y")]
    return model(nodes, [value("a", free(a.shape), a.dtype)], [value("y", None, a.dtype)], constants)


PRODUCTS = {
    "MatMul": ("MatMul", (3, 20), (20, 5), 1, None, {}),
    "MatMul, last axis": ("MatMul", (2, 3, 20), (20, 5), -1, None, {}),
    "Gemm": ("Gemm", (3, 20), (20, 5), 1, None, {}),
    "Gemm, transposed, bias": ("Gemm", (3, 20), (5, 20), 0, (5,), {"transB": 1}),
    "Gemm, half of a bias": ("Gemm", (3, 20), (5, 20), 0, (1, 5), {"transB": 1, "beta": 0.5}),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("each", [False, True])
def test_products(name, each):
    operator, a_shape, b_shape, axis, bias_shape, options = PRODUCTS[name]
    a, b = integers(U1, *a_shape), integers(I1, *b_shape, seed=1)
    columns = b_shape[axis]
    b_scale = np.linspace(0.01, 0.02, columns).astype(np.float32) if each else np.float32(0.015)
    b_zero = integers(I1, columns, seed=2) if each else np.int8(-3)
    bias = None if bias_shape is None else np.random.default_rng(3).normal(0, 9, bias_shape).astype(np.float32)
    made = matmul_model(a, b, b_scale, b_zero, axis, operator, bias, **options)
    loaded, (y,) = run(made, {"a": a})
    assert kinds(loaded) == ["com.microsoft.QGemm" if operator == "Gemm" else "QLinearMatMul"]
    matrix, scale, zero = (b.T, b_scale, b_zero) if options.get("transB") else (b, b_scale, b_zero)
    exact = (a - 7.0) * float(np.float32(0.02)) @ ((matrix.astype(float) - zero) * scale.astype(float))
    if bias is not None:
        exact = exact + bias.reshape(-1) * options.get("beta", 1.0)
    assert np.abs(y - np.clip(exact / 0.5 + 3, 0, 255)).max() <= 0.5 + 1e-3
    assert np.abs(y - node_by_node(made, {"a": a})[0].astype(int)).max() <= 1


@pytest.mark.parametrize("operator", ["Add", "Mul", "Sum"])
@pytest.mark.parametrize("between", ["nothing", "Relu"])
def test_pairs(operator, between):
    """The same bits as node by node."""
    a, b = integers(U1, 2, 3, 40, 50), integers(I1, 2, 3, 40, 50, seed=1)
    nodes = [pair("Dequantize", "a", "ar", "a"), pair("Dequantize", "b", "br", "b"), (operator, ["ar", "br"], ["c"])]
    steps, _ = BETWEEN[between]
    nodes += [*steps, pair("Quantize", "r" if steps else "c", "y", "y")]
    constants = {**meaning("a", 0.02, 30, U1), **meaning("b", 0.03, -5, I1), **meaning("y", 0.04, 100, U1)}
    inputs = [value("a", free(a.shape), U1), value("b", free(b.shape), I1)]
    made = model(nodes, inputs, [value("y", None, U1)], constants)
    loaded, (y,) = run(made, {"a": a, "b": b})
    name = "com.microsoft.QLinearMul" if operator == "Mul" else "com.microsoft.QLinearAdd"
    assert kinds(loaded) == (["Gather", name] if steps else [name])
    np.testing.assert_array_equal(y, node_by_node(made, {"a": a, "b": b})[0])


#: nodes from the real "r" to the real "t"
MAPS = {
    "sigmoid": [("Sigmoid", ["r"], ["t"])],
    "leaky": [("LeakyRelu", ["r"], ["t"], {"alpha": 0.1})],
    "swish by nodes": [("Sigmoid", ["r"], ["s"]), ("Mul", ["r", "s"], ["t"])],
    "swish between quantizers": [
        ("Sigmoid", ["r"], ["s"]), pair("Quantize", "s", "sq", "gate"), pair("Dequantize", "sq", "sr", "gate"),
        ("Mul", ["r", "sr"], ["t"]),
    ],
    "a number in integers": [("Add", ["r", "k"], ["t"])],
    "a number": [("Add", ["r", "number"], ["s"]), ("Clip", ["s", "zero", "number"], ["t"])],
    "another step": [("Identity", ["r"], ["t"])],
}  # fmt: skip


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("types", [(U1, I1), (I1, U1), (I1, I1)])
def test_maps(name, types):
    """Functions of one byte are one table, and to the bit what the nodes give."""
    q = np.arange(256, dtype=np.uint8).view(types[0]).reshape(1, 2, 128)
    nodes = [pair("Dequantize", "x", "r", "x"), pair("Dequantize", "seven", "k", "x"), *MAPS[name]]
    nodes.append(pair("Quantize", "t", "y", "y"))
    constants = {
        **meaning("x", 0.05, 9, types[0]), **meaning("y", 0.02, 3, types[1]), **meaning("gate", 1 / 255, 0, U1),
        "number": np.float32(1.5), "zero": np.float32(0), "seven": types[0](7),
    }  # fmt: skip
    made = model(nodes, [value("x", free(q.shape), types[0])], [value("y", None, types[1])], constants)
    loaded, (y,) = run(made, {"x": q})
    if name != "another step":  # an Identity is no operator of single elements; it moves them
        assert kinds(loaded) == ["Gather"]
    np.testing.assert_array_equal(y, node_by_node(made, {"x": q})[0])


MOVES = {
    "MaxPool": ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}),
    "Transpose": ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    "Reshape": ("Reshape", ["sizes"], {}),
    "Flatten": ("Flatten", [], {}),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("scale", [0.05, 0.1])
def test_moves(name, scale):
    operator, more, options = MOVES[name]
    q = integers(I1, 2, 4, 9, 8)
    nodes = [pair("Dequantize", "x", "r", "x"), (operator, ["r", *more], ["t"], options)]
    nodes.append(pair("Quantize", "t", "y", "y"))
    constants = {**meaning("x", 0.05, 9, I1), **meaning("y", scale, 9, I1), "sizes": np.array([0, -1, 2])}
    made = model(nodes, [value("x", free(q.shape), I1)], [value("y", None, I1)], constants)
    loaded, (y,) = run(made, {"x": q})
    assert kinds(loaded) == sorted([operator] + ["Gather"] * (scale != 0.05))
    np.testing.assert_array_equal(y, node_by_node(made, {"x": q})[0])


#: what is joined, as the names of real numbers, and the nodes in the end
JOINED = {
    "other steps, twice": (["br", "ar", "br"], ["Concat", "Gather"]),
    "one array with two meanings": (["ar", "as", "ar"], ["Concat", "Gather"]),
    "both": (["as", "ar", "br"], ["Concat", "Gather", "Gather"]),
}


@pytest.mark.parametrize("name", JOINED)
def test_joined(name):
    """Integers of other steps are looked up before they are joined, each once."""
    taken, nodes_left = JOINED[name]
    a, b = integers(U1, 2, 3, 5), integers(I1, 2, 4, 5, seed=1)
    nodes = [
        pair("Dequantize", "a", "ar", "a"), pair("Dequantize", "b", "br", "b"), pair("Dequantize", "a", "as", "s"),
        ("Concat", taken, ["c"], {"axis": 1}), pair("Quantize", "c", "y", "a"),
    ]  # fmt: skip
    constants = {**meaning("a", 0.02, 30, U1), **meaning("b", 0.03, -5, I1), **meaning("s", 0.05, 100, U1)}
    inputs = [value("a", free(a.shape), U1), value("b", free(b.shape), I1)]
    made = model(nodes, inputs, [value("y", None, U1)], constants)
    loaded, (y,) = run(made, {"a": a, "b": b})
    assert kinds(loaded) == nodes_left
    np.testing.assert_array_equal(y, node_by_node(made, {"a": a, "b": b})[0])


def plain_conv(**changes):
    made, x, _ = conv_model("3x3", "nothing", "integers", **changes)
    return made, {"x": x}


def two_readers():
    made, given = plain_conv()
    made.graph.output.append(onnx.ValueInfoProto(name="c"))
    return made, given


def free_scale():
    made, given = plain_conv()
    kept = [one for one in made.graph.initializer if one.name != "y.scale"]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    made.graph.input.append(value("y.scale", [], np.float32))
    return made, {**given, "y.scale": np.float32(0.05)}


def many_channels():
    """Sums of 2^17 products of at most 245 * 128 may leave int32; in real numbers they do not wrap."""
    a, b = integers(U1, 1, 2**17, low=255), np.full((2**17, 1), 127, I1)
    return matmul_model(a, b, np.float32(1), np.int8(0), y_scale=1e9), {"a": a}


KEPT = {
    "a result that something else reads": two_readers,
    "a scale that is an input": free_scale,
    "sums that may leave int32": many_channels,
    "a scale of 0": lambda: plain_conv(**{"w.scale": np.zeros(16, np.float32)}),
    "scales of another axis": lambda: plain_conv(
        **{"x.scale": np.full(8, 0.02, np.float32), "x.zero": np.full(8, 11, U1)}
    ),
    "a bias beyond int32": lambda: plain_conv(**{"b.scale": np.full(16, 1e3, np.float32)}),
    "int16": lambda: plain_conv(**{"y.zero": np.int16(40)}),
}


@pytest.mark.parametrize("name", KEPT)
def test_stays_in_real_numbers(name):
    made, given = KEPT[name]()
    if name == "int16":
        made.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT16
        made.opset_import[0].version = 21
    loaded = load(made)
    assert {"QLinearConv", "QLinearMatMul"}.isdisjoint(kinds(loaded))
    results = list(loaded.run(given).values())
    for y, expected in zip(results, node_by_node(made, given), strict=True):
        if y.dtype.kind == "f":
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
        else:
            assert np.abs(y.astype(int) - expected.astype(int)).max() <= 1


def test_biases_at_the_end_of_int32():
    """Of a filter whose weights are next to nothing quantizers choose a scale that its bias just fits."""
    bias = np.zeros(16, np.int32)
    bias[:3] = 2**31 - 1, -(2**31), 2**31 - 10**6
    made, given = plain_conv(
        **{"b": bias, "w.scale": np.full(16, 1e-8, np.float32), "b.scale": np.full(16, 2e-10, np.float32)}
    )
    loaded, (y,) = run(made, given)
    assert kinds(loaded) == ["QLinearConv"]
    assert np.abs(y - node_by_node(made, given)[0].astype(int)).max() <= 1


def test_weights_that_are_quantized_in_the_file():
    """QuantizeLinear of constants is computed at load, and its integers are used."""
    weight = np.random.default_rng(0).normal(0, 0.1, (4, 3, 3, 3)).astype(np.float32)
    nodes = [
        pair("Dequantize", "x", "xr", "x"), pair("Quantize", "weight", "wq", "w"), pair("Dequantize", "wq", "wr", "w"),
        ("Conv", ["xr", "wr"], ["c"]), pair("Quantize", "c", "y", "y"),
    ]  # fmt: skip
    constants = {**meaning("x", 0.02, 11, U1), **meaning("y", 0.05, 40, U1), **meaning("w", 0.002, 0, I1)}
    x = integers(U1, 1, 3, 8, 8)
    made = model(nodes, [value("x", free(x.shape), U1)], [value("y", None, U1)], constants | {"weight": weight})
    loaded, (y,) = run(made, {"x": x})
    assert kinds(loaded) == ["QLinearConv"]
    assert np.abs(y - node_by_node(made, {"x": x})[0].astype(int)).max() <= 1


def test_zero_points_left_out():
    """uint8 and 0; the type of what an input of the graph holds is the input's."""
    x = integers(U1, 1, 3, 8, 8)
    nodes = [
        ("DequantizeLinear", ["x", "x.scale"], ["xr"]), ("DequantizeLinear", ["w", "w.scale"], ["wr"]),
        ("Conv", ["xr", "wr"], ["c"]), ("QuantizeLinear", ["c", "y.scale"], ["y"]),
    ]  # fmt: skip
    constants = {"x.scale": np.float32(0.02), "w": integers(I1, 4, 3, 2, 2), "w.scale": np.float32(0.01)}
    made = model(
        nodes, [value("x", free(x.shape), U1)], [value("y", None, U1)], {**constants, "y.scale": np.float32(0.05)}
    )
    loaded, (y,) = run(made, {"x": x})
    assert kinds(loaded) == ["QLinearConv"]
    assert np.abs(y - node_by_node(made, {"x": x})[0].astype(int)).max() <= 1


def test_as_they_stand():
    made, given = plain_conv()
    loaded = load(made, integers=False)
    assert kinds(loaded) == ["Conv", "DequantizeLinear", "QuantizeLinear"]
    assert np.abs(loaded.run(given)["y"] - node_by_node(made, given)[0].astype(int)).max() <= 1
    with pytest.raises(TypeError, match=r"integers \(=1\) must be True or False"):
        load(made, integers=1)


def test_models_that_run_node_by_node_keep_packed_weights():
    """A NonZero beside it: no program can be made of this, and weights are packed once all the same."""
    made, given = plain_conv()
    made.graph.node.append(helper.make_node("NonZero", ["y"], ["places"]))
    made.graph.output.append(onnx.ValueInfoProto(name="places"))
    loaded = load(made)
    expected = load(plain_conv()[0]).run(given)["y"]
    for x in (given["x"], given["x"], given["x"][:1], given["x"]):
        np.testing.assert_array_equal(loaded.run({"x": x})["y"], expected[: len(x)])
    (conv,) = [call for call in loaded.graph.nodes if call.operator == "QLinearConv"]
    kept = conv.kept
    loaded.run(given)
    assert conv.kept is kept


@pytest.mark.parametrize("kind", [U1, I1])
def test_nan(kind):
    """The lowest integer, by program, table and node."""
    nodes = [
        pair("Dequantize", "x", "r", "x"), ("Log", ["r"], ["l"]), pair("Quantize", "l", "y", "y"),
        pair("Quantize", "f", "g", "y"),
    ]  # fmt: skip
    constants = {**meaning("x", 0.05, 9, kind), **meaning("y", 0.02, 3, kind)}
    inputs = [value("x", ("n",), kind), value("f", ("n",), np.float32)]
    made = model(nodes, inputs, [value("y", None, kind), value("g", None, kind)], constants)
    given = {
        "x": np.arange(256, dtype=np.uint8).view(kind),
        "f": np.array([np.nan, np.inf, -np.inf] * 85 + [0.02], np.float32),
    }  # fmt: skip
    loaded = load(made)
    for result in (list(loaded.run(given).values()), run_graph(loaded.graph, given), node_by_node(made, given)):
        assert result[0][given["x"] < 9].tolist() == [np.iinfo(kind).min] * np.sum(given["x"] < 9)
        limits = np.iinfo(kind)
        assert result[1].tolist() == [limits.min, limits.max, limits.min] * 85 + [4]


@pytest.mark.parametrize("name", ["x", "y"])
def test_names_that_are_taken(name):
    """New constants never take a name of the graph's."""
    made, given = plain_conv()
    made.graph.node[-2].name = "taken"
    made.graph.node.append(helper.make_node("Identity", [name], [f"taken.{name}.scale"]))
    made.graph.output.append(onnx.ValueInfoProto(name=f"taken.{name}.scale"))
    loaded = load(made)
    results = loaded.run(given)
    assert "QLinearConv" in kinds(loaded)
    np.testing.assert_array_equal(results[f"taken.{name}.scale"], results["y"] if name == "y" else given["x"])
