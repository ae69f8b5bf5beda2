"""fastconv.onnx.load: names, shapes, programs and their cache, branches, functions, what is lacking."""

from __future__ import annotations

import threading

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper  # noqa: E402
from onnx_files.models import model, value  # noqa: E402

import fastconv  # noqa: E402
from fastconv import nn  # noqa: E402
from fastconv.onnx import load, to_onnx  # noqa: E402

RNG = np.random.default_rng(0)


def array(*shape, kind=np.float32):
    return RNG.standard_normal(shape).astype(kind)


W, B = array(3, 2, 3, 3), array(3)


def conv_model(shape=("n", 2, "h", "w"), opset=17):
    return model(
        [("Conv", ["x", "w", "b"], ["c"], {"pads": [1, 1, 1, 1]}), ("Relu", ["c"], ["y"])],
        [value("x", shape)],
        [value("y", ("n", 3, "h", "w"))],
        {"w": W, "b": B},
        opset,
    )


def test_free_sizes_and_the_cache():
    loaded = load(conv_model())
    assert [port.shape for port in loaded.inputs] == [("n", 2, "h", "w")] and loaded.inputs[0].dtype == np.float32
    for shape in [(1, 2, 5, 5), (4, 2, 5, 7), (2, 2, 9, 3), (1, 2, 4, 4), (3, 2, 6, 6), (1, 2, 5, 5)]:
        x = array(*shape)
        y = loaded.run({"x": x})["y"]
        np.testing.assert_allclose(y, fastconv.conv2d(x, W, B, padding=1, activation="relu"), rtol=1e-5, atol=1e-5)
    assert len(loaded._ready) == 4
    assert [node.operation for node in loaded.program((1, 2, 5, 5)).nodes] == ["conv"]


@pytest.mark.parametrize("form", ["path", "str", "bytes", "proto"])
def test_sources(tmp_path, form):
    made = conv_model()
    path = tmp_path / "net.onnx"
    path.write_bytes(made.SerializeToString())
    source = {"path": path, "str": str(path), "bytes": made.SerializeToString(), "proto": made}[form]
    x = array(1, 2, 4, 4)
    np.testing.assert_array_equal(load(source).run({"x": x})["y"], load(made).run({"x": x})["y"])


def test_outputs_belong_to_the_caller():
    loaded = load(
        model(
            [("Identity", ["x"], ["same"]), ("Reshape", ["x", "s"], ["flat"]), ("Identity", ["k"], ["constant"])],
            [value("x", (2, 3))],
            [value("same", (2, 3)), value("flat", (6,)), value("constant", (2,)), value("k", (2,))],
            {"s": np.array([6]), "k": np.array([1.0, 2.0], np.float32)},
        )
    )
    x = array(2, 3)
    first = loaded.run({"x": x})
    kept = {name: result.copy() for name, result in first.items()}
    for result in first.values():
        result[...] = -7
    np.testing.assert_array_equal(x, kept["same"])
    for name, result in loaded.run({"x": x}).items():
        np.testing.assert_array_equal(result, kept[name])


X5 = array(1, 2, 4, 4)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, r"needs input 'x'; its inputs are x: nx2xhxw float32"),
        ({"x": X5, "z": 1}, ValueError, "has no input 'z'"),
        ({"x": array(1, 3, 4, 4)}, ValueError, r"x has shape \(1, 3, 4, 4\), but the model takes x: nx2xhxw"),
        ({"x": array(2, 4, 4)}, ValueError, "x has shape"),
        ({"x": array(1, 2, 4, 4, kind=np.float64)}, TypeError, r"cast it with .astype\(np.float32\)"),
        ({"x": 7}, TypeError, "x is int64, but the model takes float32"),
        ({"x": None}, TypeError, "x is None, no array of float32"),
        ({"x": "picture.png"}, TypeError, "x is 'picture.png', no array of float32"),
        ({"x": [[1, 2], [3]]}, ValueError, "x is no array: .*inhomogeneous"),
        ([X5], TypeError, "must be a dict"),
        ({"x": X5, "b": B.astype(np.float64)}, TypeError, "b is float64, but the model takes float32"),
        ({"x": X5, "b": B[:2]}, ValueError, r"b has shape \(2,\), but the model takes b: 3 float32"),
        ({"x": X5, "b": None}, TypeError, "b is None, no array of float32"),
    ],
)
def test_bad_inputs(given, error, message):
    made = conv_model()
    made.graph.input.append(value("b", (3,)))
    with pytest.raises(error, match=message):
        load(made).run(given)


def test_inputs_of_any_shape():
    """Traced at the first run, as free sizes are."""
    made = conv_model(None)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    loaded = load(made)
    assert loaded.inputs[0].shape is None and not loaded._ready
    for shape in [(1, 2, 5, 5), (4, 2, 5, 7)]:
        x = array(*shape)
        y = loaded.run({"x": x})["y"]
        np.testing.assert_allclose(y, fastconv.conv2d(x, W, B, padding=1, activation="relu"), rtol=1e-5, atol=1e-5)
    assert [node.operation for node in loaded.program((4, 2, 5, 7)).nodes] == ["conv"]
    with pytest.raises(ValueError, match=r"node 'c' \(Conv\): weights of shape .* do not fit .* \(2, 5, 5\)"):
        loaded.run({"x": array(2, 5, 5)})


def test_inputs_of_any_shape_are_checked_for_the_rest():
    made = model([("Relu", ["x"], ["r"]), ("Add", ["r", "k"], ["y"])], [value("x", None)], [value("y", None)],
                 {"k": np.array([1])})  # fmt: skip
    with pytest.raises(ValueError, match="types do not fit"):
        load(made)


@pytest.mark.parametrize("opset", [7, 8, 9, 13])
@pytest.mark.parametrize("version", [3, 4, 8])
def test_integers_in_constants_of_every_opset(opset, version):
    """Before the ninth ONNX allowed floats alone, and files had them all the same."""
    shape = helper.make_node("Constant", [], ["s"], value=onnx.numpy_helper.from_array(np.array([-1])))
    made = model([], [value("x", (2, 3))], [value("y", (6,))], opset=opset)
    made.graph.node.extend([shape, helper.make_node("Reshape", ["x", "s"], ["y"])])
    made.ir_version = version
    assert load(made).run({"x": array(2, 3)})["y"].shape == (6,)


def test_sizes_of_one_name_must_agree():
    loaded = load(model([("Add", ["a", "b"], ["y"])], [value("a", ("n",)), value("b", ("n",))], [value("y", ("n",))]))
    with pytest.raises(ValueError, match=r"b has shape \(1,\), but the model takes b: n float32, where n is 3"):
        loaded.run({"a": array(3), "b": array(1)})


def test_initializers_that_are_inputs_may_be_replaced():
    made = conv_model((1, 2, 4, 4))
    made.graph.input.append(value("b", (3,)))
    loaded = load(made)
    assert [port.name for port in loaded.inputs] == ["x"]
    x, zeros = array(1, 2, 4, 4), np.zeros(3, np.float32)
    np.testing.assert_allclose(
        loaded.run({"x": x, "b": zeros})["y"], fastconv.conv2d(x, W, padding=1, activation="relu"), rtol=1e-5, atol=1e-5
    )
    assert not np.array_equal(loaded.run({"x": x})["y"], loaded.run({"x": x, "b": zeros})["y"])


def test_what_depends_on_shapes_alone_is_computed_once():
    """Flattening as exporters write it: Shape, Gather, Concat, Reshape."""
    loaded = load(
        model(
            [
                ("Shape", ["x"], ["shape"]),
                ("Gather", ["shape", "zero"], ["batch"]),
                ("Concat", ["batch", "minus"], ["target"], {"axis": 0}),
                ("Reshape", ["x", "target"], ["flat"]),
                ("Gemm", ["flat", "w"], ["y"], {"transB": 1}),
            ],
            [value("x", ("n", 2, 3))],
            [value("y", ("n", 4))],
            {"zero": np.array([0]), "minus": np.array([-1]), "w": array(4, 6)},
        )
    )
    x = array(5, 2, 3)
    assert loaded.run({"x": x})["y"].shape == (5, 4)
    assert [node.operation for node in loaded.program((5, 2, 3)).nodes] == ["reshape", "linear"]


def branches(name, operators):
    nodes = [helper.make_node(operator, ["x"], [f"{name}_y"]) for operator in operators]
    return helper.make_graph(nodes, name, [], [value(f"{name}_y", None)])


@pytest.mark.parametrize("known", [True, False])
def test_branches(known):
    made = model(
        [("If", ["c"], ["y"], {"then_branch": branches("a", ["Relu"]), "else_branch": branches("b", ["Neg"])})],
        [value("x", (3,)), *([] if known else [value("c", (), bool)])],
        [value("y", (3,))],
        {"c": np.array(False)} if known else {},
    )
    loaded = load(made)
    x = np.array([-1, 2, 3], np.float32)
    if known:
        np.testing.assert_array_equal(loaded.run({"x": x})["y"], -x)
        assert len(loaded.program((3,)).nodes) == 1
        return
    for condition, expected in ((True, [0, 2, 3]), (False, [1, -2, -3])):
        np.testing.assert_array_equal(loaded.run({"x": x, "c": np.array(condition)})["y"], expected)


def test_shapes_that_depend_on_values():
    loaded = load(
        model(
            [("Relu", ["x"], ["r"]), ("NonZero", ["r"], ["places"]), ("Transpose", ["places"], ["y"])],
            [value("x", ("n", "m"))],
            [value("y", ("k", 2), np.int64)],
        )
    )
    for x in (np.array([[-1.0, 2.0], [3.0, 0.0]]), np.ones((1, 3))):
        y = loaded.run({"x": x.astype(np.float32)})["y"]
        np.testing.assert_array_equal(y, np.argwhere(x > 0))
    with pytest.raises(ValueError, match="node by node"):
        loaded.program((2, 2))


def test_shapes_given_as_an_input():
    loaded = load(
        model([("Reshape", ["x", "s"], ["y"])], [value("x", (6,)), value("s", (2,), np.int64)], [value("y", None)])
    )
    assert loaded.run({"x": array(6), "s": np.array([2, 3])})["y"].shape == (2, 3)
    assert loaded.run({"x": array(6), "s": np.array([3, -1])})["y"].shape == (3, 2)
    with pytest.raises(ValueError, match=r"\(Reshape\): an array of shape \(6,\) cannot be given shape \[4, -1\]"):
        loaded.run({"x": array(6), "s": np.array([4, -1])})


def test_functions_of_the_file():
    body = [helper.make_node("Mul", ["a", "a"], ["s"]), helper.make_node("Add", ["s", "a"], ["r"])]
    function = helper.make_function("own", "Bent", ["a"], ["r"], body, [helper.make_opsetid("", 17)])
    made = model([("Relu", ["x"], ["h"])], [value("x", (3,))], [value("y", (3,))], functions=[function])
    made.graph.node.append(helper.make_node("Bent", ["h"], ["y"], domain="own"))
    made.opset_import.append(helper.make_opsetid("own", 1))
    x = np.array([-1, 2, 3], np.float32)
    np.testing.assert_array_equal(load(made).run({"x": x})["y"], [0, 6, 12])


def test_an_operator_that_is_lacking():
    made = model([("Relu", ["x"], ["r"])], [value("x", ("n", 3))], [value("y", ("n", 3))])
    made.graph.node.append(helper.make_node("Binarizer", ["r"], ["y"], domain="ai.onnx.ml", threshold=1.0))
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    message = r"the model: node 'y' \(Binarizer\) is of an operator that fastconv lacks \(ai.onnx.ml.Binarizer\)"
    with pytest.raises(ValueError, match=message):
        load(made)
    loaded = load(made, fallback="onnx")
    for n in (1, 2):
        x = array(n, 3)
        np.testing.assert_array_equal(loaded.run({"x": x})["y"], (x > 1).astype(np.float32))


def test_an_operator_of_another_domain():
    made = model([], [value("x", (3,))], [value("y", (3,))])
    made.graph.node.append(helper.make_node("FusedConv", ["x"], ["y"], name="odd", domain="com.microsoft"))
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(ValueError, match=r"node 'odd' \(FusedConv\).*lacks \(com.microsoft.FusedConv\)"):
        load(made)


def test_arguments():
    with pytest.raises(ValueError, match="memory"):
        load(conv_model(), memory="small")
    with pytest.raises(ValueError, match="fallback"):
        load(conv_model(), fallback="yes")
    with pytest.raises(TypeError, match="a model is a path"):
        load(7)
    with pytest.raises(FileNotFoundError):
        load("none.onnx")


def test_threads_share_a_model():
    loaded = load(conv_model())
    inputs = [array(1, 2, 8 + index % 3, 8) for index in range(12)]
    expected = [loaded.run({"x": x})["y"] for x in inputs]
    found = [None] * len(inputs)

    def work(start):
        for index in range(start, len(inputs), 3):
            found[index] = loaded.run({"x": inputs[index]})["y"]

    threads = [threading.Thread(target=work, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21])
def test_opsets(opset):
    x = array(1, 2, 4, 4)
    found = load(conv_model((1, 2, 4, 4), opset)).run({"x": x})["y"]
    np.testing.assert_allclose(found, fastconv.conv2d(x, W, B, padding=1, activation="relu"), rtol=1e-5, atol=1e-5)


def test_batch_norm_and_sums_go_into_convolutions():
    """A residual block, exported and read back, is two convolutions."""
    network = nn.Graph(
        {
            "conv1": nn.Conv2d(4, 4, 3, padding=1, rng=0),
            "norm1": nn.BatchNorm2d(4),
            "relu1": nn.ReLU(),
            "conv2": nn.Conv2d(4, 4, 3, padding=1, rng=1),
            "norm2": nn.BatchNorm2d(4),
            "sum": (nn.Add(), "norm2", "x"),
            "relu2": nn.ReLU(),
        },
        inputs=("x",),
    )
    for _, entry in network.named_state():
        if isinstance(entry, nn.Buffer) and entry.data.ndim:
            entry.data[...] = RNG.uniform(0.5, 2, entry.data.shape)
    loaded = load(to_onnx(network, (4, 6, 6)))
    x = array(2, 4, 6, 6)
    np.testing.assert_allclose(loaded.run({"x": x})["relu2"], network(x), rtol=1e-4, atol=1e-4)
    nodes = loaded.program((2, 4, 6, 6)).nodes
    assert [node.operation for node in nodes] == ["conv", "conv"]
    assert [node.attributes["activation"] for node in nodes] == ["relu", "relu"]


@pytest.mark.parametrize("order", [("x", "g"), ("g", "x")])
@pytest.mark.parametrize(
    ("operator", "attributes", "expected"),
    [("Sigmoid", {}, fastconv.silu), ("HardSigmoid", {"alpha": 1 / 6}, fastconv.hardswish)],
)
def test_a_number_times_a_function_of_itself(operator, attributes, expected, order):
    made = model(
        [(operator, ["x"], ["g"], attributes), ("Mul", list(order), ["y"])], [value("x", (3, 4))], [value("y", (3, 4))]
    )
    loaded, x = load(made), array(3, 4)
    np.testing.assert_array_equal(loaded.run({"x": x})["y"], expected(x))
    assert [node.operation for node in loaded.program((3, 4)).nodes] == ["smooth"]


def test_lean_memory():
    """Weights of Winograd's form are larger than the originals."""
    weight = array(64, 64, 3, 3)
    made = model(
        [("Conv", ["x", "w"], ["y"], {"pads": [1, 1, 1, 1]})],
        [value("x", (1, 64, 28, 28))],
        [value("y", (1, 64, 28, 28))],
        {"w": weight},
    )
    x = array(1, 64, 28, 28)
    found = [load(made, memory=memory).run({"x": x})["y"] for memory in ("fast", "lean")]
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-3)
    sizes = [next(iter(load(made, memory=way)._ready.values())).executable.packed_bytes for way in ("fast", "lean")]
    assert sizes[1] <= weight.nbytes * 1.1 < sizes[0]


@pytest.mark.parametrize("fixed", [True, False])
def test_weights_are_kept_once_where_sizes_are_fixed(fixed):
    made = conv_model((1, 2, 4, 4) if fixed else ("n", 2, 4, 4))
    loaded, x = load(made), array(1, 2, 4, 4)
    for _ in range(2):
        y = loaded.run({"x": x})["y"]
        np.testing.assert_allclose(y, fastconv.conv2d(x, W, B, padding=1, activation="relu"), rtol=1e-5, atol=1e-5)
    assert (not loaded.graph.constants) == fixed
    assert len(loaded.program().nodes) == 1
    if fixed:
        with pytest.raises(ValueError, match="takes inputs of the sizes in the file alone"):
            loaded.program((2, 2, 4, 4))
    else:
        assert loaded.program((2, 2, 4, 4)).nodes[0].shape == (2, 3, 4, 4)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenet_v2", "googlenet", "efficientnet_lite0"])
def test_networks_of_the_zoo(name):
    network = nn.zoo.build(name, seed=0)
    channels, height, width = nn.zoo.NETWORKS[name].input_shape
    x = array(2, channels, min(64, height), min(64, width))
    loaded = load(to_onnx(network, x.shape[1:]))
    expected = network(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for found, one in zip(loaded.run({loaded.inputs[0].name: x}).values(), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-3, atol=1e-4 * np.abs(one).max())
