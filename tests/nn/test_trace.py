"""Traces: outputs and gradients of inference, which change nothing of the model."""

from __future__ import annotations

import numpy as np
import pytest
from nn.test_layers import CASES

from fastconv import nn


def branched():
    """A convolution, a block of two branches, and a classifier, with batch norms that have seen something."""
    block = nn.Graph(
        {
            "conv": nn.Conv2d(2, 2, 3, padding=1, bias=False, dtype="float64", rng=1),
            "norm": nn.BatchNorm2d(2, dtype="float64"),
            "add": (nn.Add(), "norm", "input"),
        }
    )
    model = nn.Sequential(
        {
            "stem": nn.Conv2d(1, 2, 3, dtype="float64", rng=0), "relu": nn.ReLU(), "block": block,
            "drop": nn.Dropout(0.5), "pool": nn.MaxPool2d(2), "flat": nn.Flatten(),
            "fc": nn.Linear(8, 3, dtype="float64", rng=2),
        }
    )  # fmt: skip
    norm = block["norm"]
    norm.running_mean.data[...], norm.running_var.data[...], norm.weight.data[...] = (0.1, -0.2), (0.5, 2), (1.5, -1)
    return model


def picture(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_outputs_are_those_of_inference():
    model, x = branched(), picture(2, 1, 6, 6)
    trace = nn.Trace(model, x)
    assert list(trace.outputs) == [
        "stem", "relu", "block.conv", "block.norm", "block.add", "drop", "pool", "flat", "fc"
    ]  # fmt: skip
    np.testing.assert_allclose(trace.result, model(x), rtol=1e-12)
    np.testing.assert_allclose(trace.outputs["relu"], np.maximum(trace.outputs["stem"], 0))


@pytest.mark.parametrize("name", ["input", "relu", "block.conv", "block.add", "pool"])
def test_gradients_are_finite_differences_of_inference(name):
    model, x = branched(), picture(1, 1, 6, 6)
    dy = picture(1, 3)
    found = nn.Trace(model, x).gradients({"fc": dy}, of=[name])[name]
    place = nn.Trace(model, x)
    value = x if name == "input" else place.outputs[name]
    rest = later(model, name)
    expected, step = np.empty(value.size), 1e-6
    for index in range(value.size):
        moved = [value.copy(), value.copy()]
        moved[0].reshape(-1)[index] += step
        moved[1].reshape(-1)[index] -= step
        expected[index] = np.sum((rest(moved[0]) - rest(moved[1])) * dy) / (2 * step)
    np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-5, atol=1e-8)


def later(model, name):
    """What the network makes of the output of a layer, for another value of it; what runs beside it stays."""
    x = picture(1, 1, 6, 6)

    def run(value):
        def apply(key, layer, taken):
            y = layer(taken)
            return value if key == name else y

        return model.flow(apply, value if name == "input" else x)

    return run


OTHER_IN_TRAINING = [case for case in CASES if case.type.startswith(("BatchNorm", "Dropout"))]


@pytest.mark.parametrize("case", OTHER_IN_TRAINING, ids=lambda case: case.id)
def test_layers_that_train_otherwise_go_back_as_they_infer(case):
    layer, x = case.make(), case.input()
    if getattr(layer, "running_var", None) is not None:
        layer.running_mean.data[...], layer.running_var.data[...] = 0.3, 2.5
    dy = picture(*layer(x).shape)
    name = case.type.lower()
    found = nn.Trace(layer, x).gradients({name: dy})["input"].reshape(-1)
    for index in range(0, x.size, 5):
        moved = [x.copy(), x.copy()]
        moved[0].reshape(-1)[index] += 1e-6
        moved[1].reshape(-1)[index] -= 1e-6
        expected = np.sum((layer(moved[0]) - layer(moved[1])) * dy) / 2e-6
        np.testing.assert_allclose(found[index], expected, rtol=1e-5, atol=1e-7)


def test_a_sample_of_a_normal_law_is_its_mean():
    model = nn.Graph({"sample": (nn.Reparametrize(rng=0), "mean", "logvar")}, inputs=("mean", "logvar"))
    mean, logvar = picture(2, 3), picture(2, 3)
    trace = nn.Trace(model, (mean, logvar))
    np.testing.assert_array_equal(trace.result, mean)
    found = trace.gradients({"sample": np.ones((2, 3))}, of=["mean", "logvar"])
    assert (found["mean"] == 1).all() and not found["logvar"].any()


def test_gradients_from_and_for_several_layers():
    model, x = branched(), picture(1, 1, 6, 6)
    both = {"relu": picture(1, 2, 4, 4), "fc": picture(1, 3)}
    whole = nn.Trace(model, x).gradients(both, of=["input", "stem"])
    parts = [nn.Trace(model, x).gradients({name: dy}, of=["input", "stem"]) for name, dy in both.items()]
    for name, gradient in whole.items():
        np.testing.assert_allclose(gradient, parts[0][name] + parts[1][name], rtol=1e-10, atol=1e-12)


def test_a_layer_that_nothing_depends_on_has_no_gradient():
    trace = nn.Trace(branched(), picture(1, 1, 6, 6))
    assert not trace.gradients({"stem": np.ones((1, 2, 4, 4))}, of=["fc"])["fc"].any()


def test_nothing_changes():
    model, x = branched(), picture(2, 1, 6, 6)
    model(x, training=True)
    model.backward(np.ones((2, 3)))
    state, gradients = model.state_dict(), [parameter.grad.copy() for parameter in model.parameters()]
    model(x, training=True)
    kept = model["block"]["norm"]._saved
    nn.Trace(model, 2 * x).gradients({"fc": np.ones((2, 3))})
    assert model["block"]["norm"]._saved is kept, "a training step cannot go on"
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)
    after = model.state_dict()
    assert all((after[key] == value).all() for key, value in state.items() if "running" not in key and "num" not in key)
    assert after["block.norm.num_batches_tracked"] == 2, "the trace counted as a batch"


def test_several_inputs_and_outputs():
    model = nn.Graph(
        {"sum": (nn.Add(), "a", "b"), "joined": (nn.Concat(), "sum", "a")}, inputs=("a", "b"), outputs=("joined", "sum")
    )
    a, b = picture(1, 2, 3), picture(1, 2, 3) + 1
    trace = nn.Trace(model, (a, b))
    np.testing.assert_array_equal(trace.result[1], a + b)
    found = trace.gradients({"joined": np.ones((1, 4, 3))}, of=["a", "b"])
    assert (found["a"] == 2).all() and (found["b"] == 1).all()


def test_a_layer_alone():
    trace = nn.Trace(nn.ReLU(), np.array([[-1.0, 2.0]]))
    assert list(trace.outputs) == ["relu"]
    np.testing.assert_array_equal(trace.gradients({"relu": np.ones((1, 2))})["input"], [[0, 1]])


@pytest.mark.parametrize("name", ["lenet5", "convnetjs_cifar10", "mobilenet_v2", "efficientnet_lite0"])
def test_networks_of_the_zoo(name):
    network = nn.zoo.NETWORKS[name]
    shape = (1, network.input_shape[0], *(min(size, 64) for size in network.input_shape[1:]))
    model, x = nn.zoo.build(name), picture(*shape).astype(np.float32)
    trace = nn.Trace(model, x)
    np.testing.assert_allclose(trace.result, model(x), rtol=1e-4, atol=1e-4)
    last = list(trace.outputs)[-1]
    assert np.isfinite(trace.gradients({last: np.ones_like(trace.result)})["input"]).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda trace: trace.gradients({"conv": np.ones(1)}), ValueError, "no layer or input 'conv' here; .*stem"),
        (lambda trace: trace.gradients({}, of=["none"]), ValueError, "no layer or input 'none'"),
        (lambda trace: trace.gradients({"fc": np.ones(3)}), ValueError, r"'fc' has shape \(3,\), its output \(1, 3\)"),
        (lambda trace: nn.Trace("lenet5", np.ones(3)), TypeError, "must be a Module"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(nn.Trace(branched(), picture(1, 1, 6, 6)))


def test_gradients_are_given_once():
    trace = nn.Trace(branched(), picture(1, 1, 6, 6))
    trace.gradients({"fc": np.ones((1, 3))})
    with pytest.raises(RuntimeError, match="training=True"):
        trace.gradients({"fc": np.ones((1, 3))})
