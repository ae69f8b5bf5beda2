"""Graph: any layers feed any others; gradients add up; several inputs and outputs; what is fused changes nothing."""

import json

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.layers import activation


def conv(channels_in=2, channels_out=2, kernel=3, seed=0):
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, dtype="float64", rng=seed)


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def residual():
    """A block whose input and first rectified maps are both read twice."""
    return nn.Graph(
        {
            "conv1": conv(),
            "relu1": nn.ReLU(),
            "conv2": conv(seed=1),
            "add1": (nn.Add(), "conv2", "input"),
            "relu2": nn.ReLU(),
            "add2": (nn.Add(), "relu2", "relu1", "relu1"),
            "pool": nn.MaxPool2d(2),
        }
    )


def branches():
    """Two inputs, three outputs; one output is read on the way, one input reaches an output without a parameter."""
    return nn.Graph(
        {
            "left": (conv(2, 3), "a"),
            "relu": nn.ReLU(),
            "right": (conv(1, 2, 1), "b"),
            "join": (nn.Concat(), "relu", "right", "b"),
            "head": conv(6, 2, seed=2),
            "mean": (nn.AvgPool2d(2), "b"),
        },
        inputs=("a", "b"),
        outputs=("head", "relu", "mean"),
    )


def skip():
    """A small U: what was pooled comes back beside what was not; a graph and a chain within the graph."""
    return nn.Graph(
        {
            "down": nn.Sequential({"conv": conv(2, 4), "relu": nn.ReLU()}),
            "pool": nn.MaxPool2d(2),
            "inner": nn.Graph({"conv": conv(4, 4), "add": (nn.Add(), "conv", "input")}),
            "up": nn.ConvTranspose2d(4, 4, 2, stride=2, dtype="float64", rng=3),
            "join": (nn.Concat(), "down", "up"),
            "out": conv(8, 2, 1),
        }
    )


NETWORKS = {
    "residual": (residual, [(2, 4, 4)]),
    "branches": (branches, [(2, 4, 4), (1, 4, 4)]),
    "skip": (skip, [(2, 4, 6)]),
}
each_network = pytest.mark.parametrize(("make", "shapes"), NETWORKS.values(), ids=NETWORKS)


def inputs(shapes):
    return [picture(3, *shape, seed=index) for index, shape in enumerate(shapes)]


def given(parts):
    return tuple(parts) if len(parts) > 1 else parts[0]


def listed(y):
    return list(y) if isinstance(y, tuple) else [y]


@each_network
def test_gradients_are_finite_differences(make, shapes):
    model, xs = make(), inputs(shapes)
    dys = [picture(*y.shape, seed=5 + index) for index, y in enumerate(listed(model(given(xs), training=True)))]
    found = listed(model.backward(given(dys))) + [p.grad.copy() for p in model.parameters()]
    arrays = xs + [p.data for p in model.parameters()]
    rng, step = np.random.default_rng(1), 1e-6
    for array, gradient in zip(arrays, found, strict=True):
        flat = array.reshape(-1)
        for index in rng.choice(array.size, min(array.size, 12), replace=False):
            value, losses = flat[index], []
            for moved in (value + step, value - step):
                flat[index] = moved
                losses.append(sum(np.sum(y * dy) for y, dy in zip(listed(model(given(xs))), dys, strict=True)))
            flat[index] = value
            expected = (losses[0] - losses[1]) / (2 * step)
            np.testing.assert_allclose(gradient.reshape(-1)[index], expected, rtol=1e-5, atol=1e-7)


@each_network
def test_reused_buffers_change_nothing(make, shapes):
    plain, reusing, xs = make(), make(), inputs(shapes)
    reusing.reuse_buffers()
    for part in (xs, xs, [x[:1] for x in xs], xs):
        expected, found = (listed(model(given(part), training=True)) for model in (plain, reusing))
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)
        dys = given([np.cos(y) for y in expected])
        for a, b in zip(listed(plain.backward(dys)), listed(reusing.backward(dys)), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(plain.parameters(), reusing.parameters(), strict=True):
            np.testing.assert_array_equal(a.grad, b.grad)


@each_network
def test_without_the_inputs_gradient(make, shapes):
    model, xs = make(), inputs(shapes)
    dys = given([np.cos(y) for y in listed(model(given(xs), training=True))])
    model.backward(dys)
    expected = [p.grad.copy() for p in model.parameters()]
    model(given(xs), training=True)
    assert model.backward(dys, needs_input=False) is None
    for a, parameter in zip(expected, model.parameters(), strict=True):
        np.testing.assert_array_equal(a, parameter.grad)


@each_network
def test_shapes_and_description(make, shapes):
    model, xs = make(), inputs(shapes)
    y = model(given(xs))
    shape = given([tuple(size) for size in shapes])
    assert model.output_shape(shape) == given([part.shape[1:] for part in listed(y)])
    assert model.operations(shape) > 0
    twin = nn.from_config(json.loads(json.dumps(model.config())))
    twin.load_state_dict(model.state_dict())
    assert repr(twin) == repr(model)
    for a, b in zip(listed(twin(given(xs))), listed(y), strict=True):
        np.testing.assert_array_equal(a, b)


def test_keys_follow_the_names():
    keys = list(skip().state_dict())
    assert keys[:4] == ["down.conv.weight", "down.conv.bias", "inner.conv.weight", "inner.conv.bias"]


def test_relu_is_fused_only_where_nothing_else_reads(monkeypatch):
    calls = []
    monkeypatch.setattr(activation, "activate", lambda x, *_, **__: calls.append(x.shape) or np.maximum(x, 0))
    residual()(picture(1, 2, 4, 4))
    assert not calls
    twice = nn.Graph({"conv": conv(), "relu": nn.ReLU(), "add": (nn.Add(), "relu", "conv")})
    x = picture(1, 2, 4, 4)
    y = twice["conv"](x)
    np.testing.assert_array_equal(twice(x), np.maximum(y, 0) + y)
    assert calls == [(1, 2, 4, 4)]
    shown = nn.Graph({"conv": conv(), "relu": nn.ReLU()}, outputs=("conv", "relu"))
    before, after = shown(x)
    assert (before < 0).any()
    np.testing.assert_array_equal(after, np.maximum(before, 0))


def test_summary_walks_the_graph():
    found = nn.summary(skip(), (2, 4, 6))
    assert [row.name for row in found.layers][:3] == ["down.conv", "down.relu", "pool"]
    join = next(row for row in found.layers if row.name == "join")
    assert (join.input_shape, join.output_shape) == (((4, 4, 6), (4, 4, 6)), (8, 4, 6))
    assert found.parameters == skip().parameter_count()
    assert "8x4x6" in str(found)


def test_summary_of_several_inputs():
    found = nn.summary(branches(), ((2, 4, 4), (1, 4, 4)))
    assert found.parameters == branches().parameter_count()
    assert "2x4x4, 1x4x4" in str(found)
    with pytest.raises(TypeError, match="input_shape"):
        nn.summary(branches(), (2, (1, 4)))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (({"a": 3},), TypeError, "layer 'a' must be a Module"),
        (({"a": (nn.ReLU(), "b")},), ValueError, "layer 'a' takes 'b'; before it there are input"),
        (
            ({"a": nn.ReLU(), "b": (nn.ReLU(), "input", "a")},),
            ValueError,
            r"'b' \(ReLU\) takes one input, got input, a",
        ),
        (({"a": nn.ReLU(), "b": (nn.ReLU(), "input")},), ValueError, "nothing takes the output of 'a'"),
        (({"input": nn.ReLU()},), ValueError, "'input' is that of an input"),
        (({"a.b": nn.ReLU()},), ValueError, "without dots"),
    ],
)
def test_bad_graphs(arguments, error, match):
    with pytest.raises(error, match=match):
        nn.Graph(*arguments)


def test_bad_names_and_inputs():
    with pytest.raises(ValueError, match=r"outputs names 'c'"):
        nn.Graph({"a": nn.ReLU()}, outputs=("c",))
    with pytest.raises(TypeError, match="inputs"):
        nn.Graph({"a": nn.ReLU()}, inputs="input")
    with pytest.raises(ValueError, match="twice"):
        nn.Graph({"a": nn.ReLU()}, outputs=("a", "a"))
    with pytest.raises(ValueError, match="nothing takes the output of 'b'"):
        nn.Graph({"c": (nn.ReLU(), "a")}, inputs=("a", "b"))
    with pytest.raises(ValueError, match="tuple of 2 inputs: a, b"):
        branches()(picture(1, 2, 4, 4))
    with pytest.raises(ValueError, match="layer 'add1': inputs of one shape"):
        nn.Graph({"conv": conv(2, 3), "add1": (nn.Add(), "conv", "input")})(picture(1, 2, 4, 4))


def test_bad_description_is_one_error():
    config = residual().config()
    for change in ({"layers": 3}, {"inputs": "x"}, {"outputs": ["nothing"]}, {"layers": [["a"]]}):
        with pytest.raises(ValueError):
            nn.from_config(json.loads(json.dumps({**config, **change})))


def test_graphs_of_several_outputs_end_a_network():
    parts = nn.Graph({"a": nn.ReLU(), "b": (nn.ReLU(), "input")}, outputs=("a", "b"))
    with pytest.raises(ValueError, match="layer 'sum' takes 'parts', which has several outputs"):
        nn.Graph({"parts": parts, "sum": nn.Add()})
    assert len(nn.Graph({"parts": parts})(np.ones((1, 2)))) == 2


def test_descriptions_name_each_layer_once():
    config = nn.Sequential(nn.ReLU()).config()
    with pytest.raises(ValueError, match="different names"):
        nn.from_config({**config, "layers": config["layers"] * 2})


def test_a_missing_gradient_is_named():
    model, xs = branches(), inputs([(2, 4, 4), (1, 4, 4)])
    ys = model(tuple(xs), training=True)
    with pytest.raises(ValueError, match="None for the output 'relu'"):
        model.backward((ys[0], None, ys[2]))


def test_a_graph_in_a_chain_is_one_layer_of_it():
    head = nn.Graph(
        {"flat": nn.Flatten(), "fc": nn.Linear(8, 2, rng=0), "conv": (nn.Conv2d(2, 3, 1, rng=0), "input")},
        outputs=("fc", "conv"),
    )
    y, z = nn.Sequential(head)(picture(1, 2, 2, 2).astype(np.float32))
    assert (y.shape, z.shape) == ((1, 2), (1, 3, 2, 2))
    assert nn.Sequential({"input": nn.ReLU()})(np.ones(2)).shape == (2,)
