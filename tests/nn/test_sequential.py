"""Sequential: order of calls, fused ReLU, the rule about convolutions after fully connected layers, any image size."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.layers import activation


def small(dtype="float64"):
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, dtype=dtype, rng=0),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3, dtype=dtype, rng=1),
        nn.ReLU(),
        nn.Linear(3, 2, dtype=dtype, rng=2),
    )


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_calls_layers_in_order():
    model, x = small(), picture(3, 2, 4, 4)
    y = x
    for layer in model:
        y = layer(y)
    np.testing.assert_array_equal(model(x), y)
    np.testing.assert_array_equal(model(x, training=True), y)
    assert model.output_shape((2, 4, 4)) == y.shape[1:]


def test_backward_calls_layers_in_reverse():
    model, twin, x = small(), small(), picture(3, 2, 4, 4)
    dy = picture(3, 2, seed=1)
    model(x, training=True)
    dx = model.backward(dy)
    y = x
    for layer in twin:
        y = layer(y, training=True)
    for layer in reversed(list(twin)):
        dy = layer.backward(dy)
    np.testing.assert_array_equal(dx, dy)
    for (name, a), (_, b) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.grad, b.grad, err_msg=name)


def test_relu_is_fused_after_convolution_and_linear(monkeypatch):
    model, x = small(), picture(1, 2, 4, 4)
    calls = []
    monkeypatch.setattr(activation, "activate", lambda x, *_, **__: calls.append(x.shape) or np.maximum(x, 0))
    model(x)
    assert not calls
    nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.ReLU())(x)
    assert calls == [(1, 2, 2, 2)] * 2


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 1, padding=1), nn.MaxPool2d(2, 3)], ids=repr)
@pytest.mark.parametrize("make", [nn.Conv2d, nn.ConvTranspose2d], ids=lambda make: make.__name__)
def test_max_pool_masks_for_the_relu_before_it(make, pool):
    """Windows all of whose elements are 0 after the ReLU pass no gradient on; everything is as without fusion."""
    convolution = make(2, 3, 3, padding=1, dtype="float64", rng=0)
    convolution.bias.data -= 0.3
    model, x = nn.Sequential(convolution, nn.ReLU(), pool), picture(2, 2, 7, 7)
    y = model(x, training=True)
    assert (y == 0).any() and (y > 0).any()
    dy = picture(*y.shape, seed=1)
    dx = model.backward(dy)
    found = convolution.weight.grad.copy()
    relu = nn.ReLU()
    pool(relu(convolution(x, training=True), training=True), training=True)
    np.testing.assert_array_equal(dx, convolution.backward(relu.backward(pool.backward(dy))))
    np.testing.assert_array_equal(found, convolution.weight.grad)


def test_first_layer_needs_no_gradient_for_its_input():
    model, x = small(), picture(2, 2, 4, 4)
    dy = picture(2, 2, seed=1)
    model(x, training=True)
    model.backward(dy)
    expected = [parameter.grad.copy() for parameter in model.parameters()]
    model(x, training=True)
    assert model.backward(dy, needs_input=False) is None
    for parameter, grad in zip(model.parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.grad, grad)


def test_layers_before_the_first_parameter_are_not_gone_back_to(monkeypatch):
    model = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 2, dtype="float64"))
    monkeypatch.setattr(model[0], "backward", lambda *_: pytest.fail("backward of a layer without parameters"))
    model(picture(1, 1, 4, 4), training=True)
    assert model.backward(picture(1, 2), needs_input=False) is None
    assert model[2].weight.grad is not None


def test_no_convolution_after_a_fully_connected_layer():
    with pytest.raises(ValueError, match=r"layer '2' \(Conv2d\) follows the fully connected layer '0'.*Unflatten"):
        nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Conv2d(1, 1, 3))
    with pytest.raises(ValueError, match="Unflatten"):
        nn.Sequential(nn.Sequential(nn.Linear(4, 16)), nn.ConvTranspose2d(1, 1, 3))
    with pytest.raises(ValueError, match="needs a volume"):
        nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (16,)), nn.Conv2d(1, 1, 3))


def test_unflatten_makes_a_decoder():
    decoder = nn.Sequential(
        nn.Linear(4, 32, rng=0),
        nn.ReLU(),
        nn.Unflatten(1, (2, 4, 4)),
        nn.ConvTranspose2d(2, 4, 4, stride=2, padding=1, rng=1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1, rng=2),
    )
    y = decoder(np.ones((3, 4), np.float32), training=True)
    assert y.shape == (3, 1, 16, 16) == (3, *decoder.output_shape((4,)))
    assert decoder.backward(y).shape == (3, 4)


def test_without_fully_connected_layers_any_size_runs():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, rng=0),
        nn.ReLU(),
        nn.Conv2d(8, 10, 3, stride=2, rng=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    for height, width in [(32, 32), (48, 20), (7, 111)]:
        assert model(np.zeros((2, 3, height, width), np.float32)).shape == (2, 10)
        assert model.output_shape((3, height, width)) == (10,)


def test_a_layer_of_ones_own():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(np.full(1, 3.0))

        def forward(self, x, training=False):
            if training:
                self._saved = (x,)
            return x * self.factor.data

        def backward(self, dy, needs_input=True):
            (x,) = self._take_saved()
            self.factor.gradient()[...] = np.sum(dy * x)
            return dy * self.factor.data if needs_input else None

    model = nn.Sequential({"fc": nn.Linear(2, 2, dtype="float64", rng=0), "scale": Scale()})
    assert list(model.state_dict()) == ["fc.weight", "fc.bias", "scale.factor"]
    x = picture(3, 2)
    y = model(x, training=True)
    np.testing.assert_allclose(y, model["fc"](x) * 3)
    model.backward(np.ones_like(y))
    assert model["scale"].factor.grad[0] == pytest.approx(y.sum() / 3)


def test_names_become_keys():
    model = nn.Sequential({"conv1": nn.Conv2d(1, 2, 3), "relu": nn.ReLU(), "inner": nn.Sequential(nn.Conv2d(2, 1, 1))})
    assert list(model.state_dict()) == ["conv1.weight", "conv1.bias", "inner.0.weight", "inner.0.bias"]
    assert model["conv1"] is model[0]
    assert len(model) == 3
    assert isinstance(model[-1], nn.Sequential)
    assert "(conv1): Conv2d(" in repr(model)
    with pytest.raises(ValueError, match="conv9"):
        model["conv9"]


def test_seed_starts_all_layers():
    model, twin = small(), small()
    model.reset_parameters(7)
    assert not np.array_equal(model[0].weight.data, twin[0].weight.data)
    twin.reset_parameters(np.random.default_rng(7))
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


SHARED = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("layers", "error", "match"),
    [
        ([nn.ReLU(), "pool"], TypeError, "layer '1' must be a Module"),
        ([{"a.b": nn.ReLU()}], ValueError, "a.b"),
        ([{"": nn.ReLU()}], ValueError, "non-empty"),
        ([*[nn.ReLU()] * 2], ValueError, "twice"),
        ([nn.Sequential(SHARED), nn.Sequential(SHARED)], ValueError, "'0.0' and '1.0' are one object"),
    ],
)
def test_bad_layers(layers, error, match):
    with pytest.raises(error, match=match):
        nn.Sequential(*layers)


def test_errors_name_the_layer():
    with pytest.raises(ValueError, match="layer '4'"):
        small()(picture(1, 2, 6, 6))
    with pytest.raises(TypeError, match="layer '0'"):
        small()(np.zeros((1, 2, 4, 4), np.float16))


def test_backward_without_forward():
    with pytest.raises(RuntimeError, match="training=True"):
        small().backward(picture(1, 2))
