"""Files that are damaged, unsound or hostile: one clear ValueError at load, and nothing runs."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_files.models import model, value  # noqa: E402

from fastconv.onnx import load  # noqa: E402

WEIGHT = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype(np.float32)


def sound(**options):
    return model(
        [("Conv", ["x", "w"], ["c"]), ("Relu", ["c"], ["y"])],
        [value("x", (1, 2, 5, 5))],
        [value("y", (1, 3, 3, 3))],
        {"w": WEIGHT},
        **options,
    )


def refused(tmp_path, data, message):
    path = tmp_path / "net.onnx"
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    with pytest.raises(ValueError, match=f"(?s)^net.onnx: .*{message}") as caught:
        load(path)
    assert len(str(caught.value)) < 700 and "\n" not in str(caught.value)


def changed(**fields):
    made = sound()
    tensor = made.graph.initializer[0]
    for name, wanted in fields.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(wanted)
        else:
            setattr(tensor, name, wanted)
    return made


def cyclic():
    return model([("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"])], [value("x", (3,))], [value("b", (3,))])


def relu(opset):
    return model([("Relu", ["x"], ["y"])], [value("x", (3,))], [value("y", (3,))], opset=opset)


def own_name():
    return model([("Add", ["x", "y"], ["y"])], [value("x", (3,))], [value("y", (3,))])


def twice():
    return model([("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])], [value("x", (3,))], [value("y", (3,))])


def filled(shape):
    return model(
        [("ConstantOfShape", ["s"], ["big"]), ("Add", ["x", "big"], ["y"])],
        [value("x", (1,))],
        [value("y", None)],
        {"s": np.array(shape)},
    )


def widened(operator, sizes):
    return model([(operator, ["x", "s"], ["y"])], [value("x", (1, 1))], [value("y", None)], {"s": np.array(sizes)})


def cut_after_a_window(kernel):
    """ONNX infers a negative size behind the window, and ends the process where that is cut."""
    return model(
        [("MaxPool", ["x"], ["p"], {"kernel_shape": kernel}), ("Slice", ["p", "zero", "one", "two"], ["y"])],
        [value("x", (1, 1, 4, 4))],
        [value("y", None)],
        {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])},
    )


def large(operator, shape, **attributes):
    return model([(operator, ["x"], ["y"], attributes)], [value("x", shape)], [value("y", None)], opset=18)


def recursive():
    body = [helper.make_node("F", ["a"], ["r"], domain="own")]
    function = helper.make_function("own", "F", ["a"], ["r"], body, [helper.make_opsetid("own", 1)])
    made = model([], [value("x", (3,))], [value("y", (3,))], functions=[function])
    made.graph.node.append(helper.make_node("F", ["x"], ["y"], domain="own"))
    made.opset_import.append(helper.make_opsetid("own", 1))
    return made


def exploding():
    """30 functions that call the one before them twice."""
    functions = []
    for level in range(30):
        call = ("Relu", "") if level == 0 else (f"F{level - 1}", "own")
        body = [
            helper.make_node(call[0], ["a"], ["m"], domain=call[1]),
            helper.make_node(call[0], ["m"], ["r"], domain=call[1]),
        ]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        functions.append(helper.make_function("own", f"F{level}", ["a"], ["r"], body, opsets))
    made = model([], [value("x", (3,))], [value("y", (3,))], functions=functions)
    made.graph.node.append(helper.make_node("F29", ["x"], ["y"], domain="own"))
    made.opset_import.append(helper.make_opsetid("own", 1))
    return made


def sparse():
    made = sound()
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    places = numpy_helper.from_array(np.array([0]), "places")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4]))
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: b"", "no ONNX file"),
        (lambda: b"# a text\n" * 10, "no ONNX file"),
        (lambda: onnx.ModelProto(ir_version=8), "no graph"),
        (lambda: changed(dims=[3, 2, 3, 4]), r"tensor 'w' cannot be read: its shape \[3, 2, 3, 4\] takes 288 bytes"),
        (lambda: changed(dims=[3, 2, -3, 3]), "negative size"),
        (lambda: changed(dims=[2**40, 2**20]), "takes .* bytes, but it holds 216"),
        (lambda: changed(data_type=99), "element type 99"),
        (cyclic, "no sound ONNX model"),
        (own_name, "no sound ONNX model"),
        (twice, "no sound ONNX model"),
        (sparse, "sparse"),
        (lambda: filled([10**6, 10**6]), "would take 4000000000000 bytes"),
        (lambda: filled([-5]), "negative|do not fit"),
        (lambda: widened("Expand", [10**7, 10**7]), "would take"),
        (lambda: widened("Tile", [10**7, 10**7]), "would take"),
        (lambda: widened("Reshape", [4, 4]), "cannot be given shape|do not fit"),
        (lambda: cut_after_a_window([9, 2]), r"node 'p' \(MaxPool\): kernel size \(=9\)"),
        (lambda: cut_after_a_window([10**9, 2**62]), "kernel size"),
        (lambda: large("Erf", (10**6, 10**6)), "input 'x': an array of shape .* would take 4000000000000 bytes"),
        (lambda: large("LogSoftmax", (2**31, 2)), "would take"),
        (lambda: large("Relu", (2**62, 4)), "would take"),
        (recursive, "calls itself|cannot be taken apart|no sound"),
        (exploding, "more than 1000000"),
        (lambda: relu(999), "its opset 999 is none of those"),
        (lambda: relu(3), "opset 3 has another form of Relu"),
        (
            lambda: model(
                [("Conv", ["x", "w"], ["y"])], [value("x", (1, 4, 5, 5))], [value("y", None)], {"w": WEIGHT}
            ),
            "2 channels|do not fit",
        ),
        (
            lambda: model([("MatMul", ["x", "k"], ["y"])], [value("x", (2, 3))], [value("y", None)],
                          {"k": np.ones((4, 5), np.float32)}),
            "do not fit|cannot be multiplied",
        ),
        (
            lambda: model([("Conv", ["x", "w"], ["y"], {"strides": [0, 1]})], [value("x", (1, 2, 5, 5))],
                          [value("y", None)], {"w": WEIGHT}),
            "strides|do not fit",
        ),
        (lambda: model([("Add", ["x", "k"], ["y"])], [value("x", (3,))], [value("y", (3,))], {"k": np.array([1])}),
         "do not fit"),
    ],
)  # fmt: skip
def test_refused(tmp_path, made, message):
    refused(tmp_path, made(), message)


def external(tmp_path, location="weights.bin", **stated):
    made = sound()
    tensor = made.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **stated}.items():
        tensor.external_data.add(key=key, value=str(text))
    return made


def test_external_data(tmp_path):
    path = tmp_path / "net.onnx"
    for stated in ({}, {"offset": 0, "length": 216}):
        path.write_bytes(external(tmp_path, **stated).SerializeToString())
        x = np.ones((1, 2, 5, 5), np.float32)
        np.testing.assert_array_equal(load(path).run({"x": x})["y"], load(sound()).run({"x": x})["y"])
    with pytest.raises(ValueError, match="load the model by its path"):
        load(external(tmp_path))


def test_large_external_data_is_mapped(tmp_path):
    big = np.random.default_rng(1).standard_normal((600, 600)).astype(np.float32)
    made = model([("MatMul", ["x", "k"], ["y"])], [value("x", (1, 600))], [value("y", (1, 600))], {"k": big})
    onnx.save(made, tmp_path / "net.onnx", save_as_external_data=True, location="k.bin", size_threshold=0)
    x = np.ones((1, 600), np.float32)
    np.testing.assert_allclose(load(tmp_path / "net.onnx").run({"x": x})["y"], x @ big, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("location", "stated", "message"),
    [
        ("none.bin", {}, "not there"),
        ("../weights.bin", {}, "outside of the model's folder"),
        ("/etc/passwd", {}, "outside of the model's folder"),
        ("", {}, "not named"),
        (".", {}, "not there"),
        ("a\0b", {}, "outside|not there"),
        ("weights.bin", {"length": 100}, "takes 216 bytes, but 100 are stated"),
        ("weights.bin", {"offset": 8}, "ends at byte 224"),
        ("weights.bin", {"offset": -8}, "no number of bytes"),
        ("weights.bin", {"offset": "many"}, "no number of bytes"),
    ],
)
def test_bad_external_data(tmp_path, location, stated, message):
    refused(tmp_path, external(tmp_path, location, **stated), message)


def test_external_data_behind_a_link(tmp_path):
    inner = tmp_path / "model"
    inner.mkdir()
    made = external(tmp_path)
    (inner / "weights.bin").symlink_to(tmp_path / "weights.bin")
    refused(inner, made, "outside of the model's folder")
