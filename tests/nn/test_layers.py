"""Every layer of `fastconv.nn` runs through one table: shapes, gradients, state, descriptions, PyTorch beside it."""

import json
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fastconv import nn


@dataclass(frozen=True)
class Case:
    """A layer: its type, arguments, the shape of its input, and the PyTorch arguments where PyTorch has the layer."""

    id: str
    type: str
    arguments: tuple
    options: dict[str, Any]
    shape: tuple[int, ...]
    in_torch: bool = True

    def make(self, dtype: Any = np.float64, seed: int = 0) -> nn.Module:
        layer_type = nn.layers.LAYERS[self.type]
        options = dict(self.options)
        if layer_type.PARAMETERS:
            options.update(dtype=dtype, rng=seed)
        if self.type in ("Dropout", "RBF"):
            options["rng"] = seed
        return layer_type(*self.arguments, **options)

    def input(self, dtype: Any = np.float64, seed: int = 1) -> np.ndarray:
        """Values 0.37 apart and away from 0, in random order: no ties, no kinks within a difference step."""
        size = math.prod(self.shape)
        values = (np.arange(size) - size // 2 + 0.5) * 0.37 / max(1, size / 16)
        return np.random.default_rng(seed).permutation(values).reshape(self.shape).astype(dtype)


def case(
    layer: str, *arguments: Any, shape: tuple[int, ...], id: str = "", in_torch: bool = True, **options: Any
) -> Case:
    return Case(f"{layer}-{id}" if id else layer, layer, arguments, options, shape, in_torch)


CASES = [
    case("Conv1d", 2, 3, 3, shape=(2, 2, 7)),
    case("Conv2d", 2, 3, 3, shape=(2, 2, 5, 6)),
    case("Conv2d", 4, 6, (3, 2), id="all-options", shape=(2, 4, 6, 7), stride=(2, 1), padding=(1, 0),
         dilation=(1, 2), groups=2),
    case("Conv2d", 2, 3, 3, id="no-bias", shape=(1, 2, 4, 4), bias=False, padding=1),
    case("Conv2d", 2, 2, 3, id="same", shape=(1, 2, 5, 4), padding="same"),
    case("Conv2d", 1, 2, 3, id="reflect", shape=(1, 1, 5, 4), padding=1, padding_mode="reflect"),
    case("Conv2d", 1, 2, 3, id="replicate", shape=(1, 1, 5, 4), padding=1, padding_mode="replicate"),
    case("Conv2d", 1, 2, 3, id="circular", shape=(1, 1, 5, 4), padding=1, padding_mode="circular"),
    case("Conv2d", 1, 2, 2, id="asymmetric", shape=(1, 1, 4, 4), padding=((1, 0), (0, 2)), in_torch=False),
    case("Conv2d", 2, 3, 3, id="channels-last", shape=(2, 5, 6, 2), layout="NHWC", in_torch=False),
    case("Whiten2d", 2, 2, shape=(2, 2, 4, 5), in_torch=False),
    case("Whiten2d", 1, (2, 1), id="all-options", shape=(2, 4, 3, 1), bias=False, layout="NHWC", in_torch=False),
    case("TableConv2d", 3, ((0, 1), (2,), (0, 1, 2)), 2, shape=(2, 3, 4, 3), in_torch=False),
    case("TableConv2d", 3, ((1, 0), (2,)), (2, 1), id="all-options", shape=(1, 4, 3, 3), stride=(1, 2), padding=(1, 0),
         bias=False, layout="NHWC", in_torch=False),
    case("Conv3d", 1, 2, 2, shape=(1, 1, 3, 4, 3), padding=(1, 0, 0)),
    case("ConvTranspose1d", 2, 3, 3, shape=(2, 2, 5), stride=2),
    case("ConvTranspose2d", 2, 3, 3, shape=(2, 2, 3, 4)),
    case("ConvTranspose2d", 4, 2, (3, 2), id="all-options", shape=(1, 4, 3, 3), stride=(2, 3), padding=(1, 0),
         output_padding=(1, 2), groups=2, dilation=(1, 2)),
    case("ConvTranspose2d", 2, 3, 2, id="no-bias", shape=(1, 2, 3, 3), stride=2, bias=False),
    case("ConvTranspose2d", 2, 3, 2, id="channels-last", shape=(1, 3, 3, 2), layout="NHWC", in_torch=False),
    case("ConvTranspose3d", 1, 2, 2, shape=(1, 1, 2, 3, 2), stride=(1, 2, 1)),
    case("MaxPool1d", 2, shape=(2, 2, 7)),
    case("MaxPool2d", 2, shape=(2, 2, 4, 6)),
    case("MaxPool2d", 3, 2, id="overlap", shape=(1, 2, 6, 7), padding=1, ceil_mode=True),
    case("MaxPool2d", 2, id="dilated", shape=(1, 1, 5, 5), stride=1, dilation=2),
    case("MaxPool2d", 2, id="channels-last", shape=(2, 4, 6, 2), layout="NHWC", in_torch=False),
    case("MaxPool3d", 2, shape=(1, 1, 4, 2, 4)),
    case("AvgPool1d", 2, shape=(1, 2, 6)),
    case("AvgPool2d", 2, shape=(2, 2, 4, 4)),
    case("AvgPool2d", 3, 2, id="padded", shape=(1, 1, 5, 6), padding=1, ceil_mode=True, count_include_pad=False),
    case("AvgPool2d", 2, id="divisor", shape=(1, 1, 4, 4), divisor_override=3),
    case("AvgPool3d", 2, shape=(1, 1, 2, 4, 2)),
    case("LPPool1d", 2, 2, shape=(1, 1, 6), in_torch=False),
    case("LPPool2d", 2, 2, shape=(1, 2, 4, 4)),
    case("LPPool2d", 3, 2, id="odd-power", shape=(1, 1, 4, 4), in_torch=False),
    case("LPPool3d", 2, (1, 2, 2), shape=(1, 1, 2, 4, 2), in_torch=False),
    case("AdaptiveAvgPool1d", 3, shape=(1, 2, 7)),
    case("AdaptiveAvgPool2d", (2, None), shape=(1, 2, 5, 3)),
    case("AdaptiveAvgPool3d", 1, shape=(1, 2, 2, 3, 2)),
    case("AdaptiveMaxPool1d", 3, shape=(1, 2, 7)),
    case("AdaptiveMaxPool2d", (2, 3), shape=(1, 2, 5, 4)),
    case("AdaptiveMaxPool3d", 2, shape=(1, 1, 3, 4, 2)),
    case("BatchNorm1d", 3, shape=(4, 3)),
    case("BatchNorm1d", 3, id="signal", shape=(2, 3, 5), momentum=None),
    case("BatchNorm2d", 3, shape=(2, 3, 4, 5), eps=0.01, momentum=0.25),
    case("BatchNorm2d", 2, id="no-affine", shape=(2, 2, 3, 3), affine=False),
    case("BatchNorm2d", 2, id="no-tracking", shape=(2, 2, 3, 3), track_running_stats=False),
    case("BatchNorm2d", 3, id="channels-last", shape=(2, 4, 5, 3), layout="NHWC", in_torch=False),
    case("BatchNorm3d", 2, shape=(2, 2, 2, 3, 2)),
    case("ReLU", shape=(3, 4)),
    case("ReLU6", shape=(3, 40)),
    case("LeakyReLU", 0.2, shape=(3, 4)),
    case("PReLU", shape=(3, 4)),
    case("PReLU", 3, -0.5, id="channels", shape=(2, 3, 4)),
    case("PReLU", 3, id="channels-last", shape=(2, 2, 2, 3), layout="NHWC", in_torch=False),
    case("Sigmoid", shape=(3, 40)),
    case("Tanh", shape=(3, 40)),
    case("ScaledTanh", shape=(3, 4), in_torch=False),
    case("SiLU", shape=(3, 40)),
    case("GELU", shape=(3, 40)),
    case("GELU", id="tanh", shape=(3, 40), approximate="tanh"),
    case("Hardsigmoid", shape=(3, 40), in_torch=False),  # whose gradient is dy times 1/6 in float32
    case("Hardswish", shape=(3, 40)),
    case("LocalResponseNorm", 5, shape=(2, 7, 2, 3)),
    case("LocalResponseNorm", 4, 0.5, 0.6, 2.0, id="even", shape=(2, 6, 3)),
    case("LocalResponseNorm", 9, 0.3, id="wide", shape=(2, 3, 2, 2)),
    case("LocalResponseNorm", 3, 0.3, id="channels-last", shape=(2, 3, 2, 5), layout="NHWC", in_torch=False),
    case("Upsample", None, 2, shape=(2, 2, 3, 2)),
    case("Upsample", None, (2, 3), id="two-factors", shape=(1, 2, 2, 3)),
    case("Upsample", (5, 3), id="size", shape=(1, 2, 3, 4)),
    case("Upsample", None, 1.7, id="fraction", shape=(1, 2, 5, 4)),
    case("Upsample", None, 0.6, id="smaller", shape=(1, 2, 7)),
    case("Upsample", None, (2, 1, 2), id="volume", shape=(1, 2, 2, 2, 2)),
    case("Upsample", None, 3, "linear", id="linear", shape=(2, 2, 4)),
    case("Upsample", None, 2, "bilinear", id="bilinear", shape=(2, 2, 3, 4)),
    case("Upsample", None, 2, "bilinear", True, id="corners", shape=(1, 2, 3, 4)),
    case("Upsample", (1, 7), None, "bilinear", True, id="corners-size", shape=(1, 1, 3, 4)),
    case("Upsample", (2, 3), None, "bilinear", id="bilinear-smaller", shape=(1, 2, 7, 8)),
    case("Upsample", None, 1.5, "trilinear", id="trilinear", shape=(1, 1, 2, 3, 2)),
    case("Upsample", None, 2, "bilinear", id="channels-last", shape=(2, 3, 4, 2), layout="NHWC", in_torch=False),
    case("ChannelShuffle", 2, shape=(2, 6, 2, 3)),
    case("ChannelShuffle", 3, id="channels-last", shape=(2, 2, 3, 6), layout="NHWC", in_torch=False),
    case("ChannelPad", (1, 2), shape=(2, 2, 2, 3), in_torch=False),
    case("ChannelPad", (1, 2), id="channels-last", shape=(2, 2, 3, 2), layout="NHWC", in_torch=False),
    *(case(f"ZeroPad{d}d", 2, shape=(2, 2, *(3, 4, 2)[:d])) for d in (1, 2, 3)),
    case("ZeroPad2d", (1, -1, -2, 3), id="crop", shape=(1, 2, 5, 4)),
    case("ZeroPad2d", (1, 0, 2, 0), id="channels-last", shape=(2, 3, 4, 2), layout="NHWC", in_torch=False),
    *(case(f"ConstantPad{d}d", 1, 0.5, shape=(2, 2, *(3, 4, 2)[:d])) for d in (1, 2, 3)),
    *(case(f"ReflectionPad{d}d", 2, shape=(2, 2, *(3, 4, 3)[:d])) for d in (1, 2, 3)),
    *(case(f"ReplicationPad{d}d", 2, shape=(2, 2, *(3, 4, 1)[:d])) for d in (1, 2, 3)),
    *(case(f"CircularPad{d}d", 2, shape=(2, 2, *(3, 4, 2)[:d])) for d in (1, 2, 3)),
    case("ReflectionPad2d", (1, 2, 0, 1), id="sides", shape=(1, 2, 3, 4)),
    case("ReplicationPad2d", (1, 2, 0, 1), id="sides", shape=(1, 2, 3, 4)),
    case("CircularPad2d", (1, 2, 0, 3), id="channels-last", shape=(1, 3, 4, 2), layout="NHWC", in_torch=False),
    case("Scale", 3, shape=(2, 3, 2, 2), in_torch=False),
    case("Scale", 3, False, id="channels-last", shape=(2, 2, 3), layout="NWC", in_torch=False),
    case("RBF", 5, 3, shape=(4, 5), in_torch=False),
    case("Identity", shape=(3, 4)),
    case("Linear", 5, 3, shape=(4, 5)),
    case("Linear", 5, 3, id="no-bias", shape=(4, 5), bias=False),
    case("Linear", 5, 3, id="volume", shape=(2, 3, 5)),
    case("Dropout", 0.4, shape=(5, 8), in_torch=False),
    case("Flatten", shape=(2, 3, 2, 2)),
    case("Flatten", 2, id="partly", shape=(2, 3, 2, 2)),
    case("Unflatten", 1, (3, 2, 2), shape=(2, 12)),
    case("Unflatten", -1, (2, 3), id="last", shape=(2, 4, 6)),
    case("Softmax", 1, shape=(3, 5)),
    case("Softmax", id="last", shape=(3, 4, 2), dim=-1),
]  # fmt: skip

#: layers whose training call gives something else than inference
OTHER_IN_TRAINING = (nn.Dropout, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def train(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    """A training call, with the same mask each time if the layer is random."""
    if isinstance(layer, nn.Dropout):
        layer.rng = np.random.default_rng(3)
    return layer(x, training=True)


def gradients(layer: nn.Module, x: np.ndarray, dy: np.ndarray) -> dict[str, np.ndarray]:
    train(layer, x)
    found = {"x": layer.backward(dy)}
    return found | {name: parameter.grad.copy() for name, parameter in layer.named_parameters()}


def test_table_names_every_layer():
    joining = {name for name, layer in nn.layers.LAYERS.items() if layer.MERGES or issubclass(layer, nn.Graph)}
    assert {case.type for case in CASES} == set(nn.layers.LAYERS) - joining


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_dtype(case, dtype):
    layer, x = case.make(dtype), case.input(dtype)
    before = x.copy()
    y = layer(x)
    assert y.dtype == dtype
    assert y.shape == (len(x), *layer.output_shape(x.shape[1:]))
    np.testing.assert_array_equal(x, before)
    if not isinstance(layer, OTHER_IN_TRAINING):
        np.testing.assert_array_equal(y, layer(x, training=True))


@each_case
def test_gradients_are_finite_differences(case):
    layer, x = case.make(), case.input()
    dy = np.random.default_rng(2).standard_normal(train(layer, x).shape)
    found = gradients(layer, x, dy)
    arrays = {"x": x} | {name: parameter.data for name, parameter in layer.named_parameters()}
    assert set(found) == set(arrays)
    step = 1e-5
    for name, array in arrays.items():
        expected = np.empty(array.size)
        flat = array.reshape(-1)
        for index in range(array.size):
            value = flat[index]
            losses = []
            for moved in (value + step, value - step):
                flat[index] = moved
                losses.append(np.sum(train(layer, x) * dy))
            flat[index] = value
            expected[index] = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(found[name].reshape(-1), expected, rtol=1e-6, atol=1e-8, err_msg=name)


@each_case
def test_backward_sets_gradients_and_may_skip_the_input(case):
    layer, x = case.make(), case.input()
    dy = np.random.default_rng(2).standard_normal(train(layer, x).shape)
    first = gradients(layer, x, dy)
    again = gradients(layer, x, dy)
    train(layer, x)
    assert layer.backward(dy, needs_input=False) is None
    for name, parameter in layer.named_parameters():
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_array_equal(first[name], parameter.grad)


@each_case
def test_inference_keeps_nothing(case):
    layer, x = case.make(), case.input()
    y = layer(x)
    with pytest.raises(RuntimeError, match="training=True"):
        layer.backward(np.ones_like(y))


@each_case
def test_reused_buffers_change_nothing(case):
    plain, reusing, x = case.make(), case.make(), case.input()
    reusing.reuse_buffers()
    dy = np.random.default_rng(2).standard_normal(train(plain, x).shape)
    part = x[: (len(x) + 1) // 2]  # a batch norm needs two elements of each channel
    for batch in (x, x, part, x):
        expected, found = train(plain, batch), train(reusing, batch)
        np.testing.assert_array_equal(found, expected)
        gradient = np.ascontiguousarray(dy[: len(batch)])
        np.testing.assert_array_equal(reusing.backward(gradient), plain.backward(gradient))
    for (_, a), (_, b) in zip(plain.named_parameters(), reusing.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)


#: layers on 4 MB, with the MB that a training call may still allocate: blocks of formulas, masks
LARGE = {
    "conv": (nn.Conv2d(32, 32, 3, padding=1, rng=0), 0.1),
    "batch-norm": (nn.BatchNorm2d(32), 0.1),
    "relu": (nn.ReLU(), 0.1),
    "prelu": (nn.PReLU(32), 1),
    "sigmoid": (nn.Sigmoid(), 1),
    "gelu": (nn.GELU(), 1.5),
    "hardswish": (nn.Hardswish(), 1),
    "scaled-tanh": (nn.ScaledTanh(), 0.1),
    "lrn": (nn.LocalResponseNorm(5), 1.5),
    "scale": (nn.Scale(32), 0.1),
    "softmax": (nn.Softmax(-1), 0.1),
    "dropout": (nn.Dropout(0.3), 0.3),
    "max-pool": (nn.MaxPool2d(2), 0.1),
    "adaptive-avg-pool": (nn.AdaptiveAvgPool2d(1), 0.1),
    "adaptive-max-pool": (nn.AdaptiveMaxPool2d(2), 0.1),
    "upsample": (nn.Upsample(scale_factor=2), 0.1),
    "channel-shuffle": (nn.ChannelShuffle(4), 0.1),
    "channel-pad": (nn.ChannelPad((8, 8)), 0.1),
    "zero-pad": (nn.ZeroPad2d(1), 0.1),
    "flatten": (nn.Flatten(), 0.1),
    "identity": (nn.Identity(), 0.1),
    "add": (nn.Graph({"add": (nn.Add(), "input", "input")}), 0.1),
    "concat": (nn.Graph({"concat": (nn.Concat(), "input", "input")}), 0.1),
    "multiply": (nn.Graph({"mean": nn.AdaptiveAvgPool2d(1), "multiply": (nn.Multiply(), "input", "mean")}), 0.1),
}


@pytest.mark.parametrize(("layer", "allowed"), LARGE.values(), ids=LARGE)
def test_training_allocates_nothing_large_after_the_first_step(layer, allowed):
    x = np.random.default_rng(0).standard_normal((8, 32, 64, 64), np.float32)
    layer.reuse_buffers()
    dy = np.ones_like(layer(x, training=True))
    layer.backward(dy)
    tracemalloc.start()
    try:
        layer(x, training=True)
        layer.backward(dy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        layer.reuse_buffers(False)
    assert peak < allowed * 2**20


@each_case
def test_description_builds_the_same_layer(case):
    layer, x = case.make(), case.input()
    config = json.loads(json.dumps(layer.config()))
    twin = nn.from_config(config)
    twin.load_state_dict(layer.state_dict())
    assert twin.config() == layer.config()
    assert repr(twin) == repr(layer)
    np.testing.assert_array_equal(twin(x), layer(x))


@each_case
def test_figures(case):
    layer = case.make()
    assert layer.operations(case.shape[1:]) >= 0
    assert set(layer.hyperparameters()) == set(layer.HYPERPARAMETERS) <= set(layer.ARGUMENTS)
    assert layer.KIND
    named = {name for name in layer.PARAMETERS if getattr(layer, name) is not None}
    assert {name for name, _ in layer.named_parameters()} == named


@pytest.mark.parametrize("case", [case for case in CASES if case.in_torch], ids=lambda case: case.id)
def test_same_as_pytorch(case):
    torch = pytest.importorskip("torch")
    layer, x = case.make(), case.input()
    options = dict(case.options)
    peer = getattr(torch.nn, case.type)(*case.arguments, **options).double()
    assert set(peer.state_dict()) == set(layer.state_dict())
    peer.load_state_dict({name: torch.from_numpy(value) for name, value in layer.state_dict().items()})
    peer_x = torch.from_numpy(x).requires_grad_()
    peer_y = peer(peer_x)
    np.testing.assert_allclose(layer(x, training=True), peer_y.detach().numpy(), rtol=1e-10, atol=1e-12)
    dy = np.random.default_rng(2).standard_normal(peer_y.shape)
    peer_y.backward(torch.from_numpy(dy))
    found = {"x": layer.backward(dy)} | {name: parameter.grad for name, parameter in layer.named_parameters()}
    np.testing.assert_allclose(found["x"], peer_x.grad.numpy(), rtol=1e-10, atol=1e-12)
    for name, parameter in peer.named_parameters():
        np.testing.assert_allclose(found[name], parameter.grad.numpy(), rtol=1e-10, atol=1e-12)
    for name, value in peer.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[name], value.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(layer(x), peer.eval()(peer_x).detach().numpy(), rtol=1e-10, atol=1e-12)


def range_of(count: int) -> tuple[int, ...]:
    """Borders that differ from side to side."""
    return tuple(index % 3 for index in range(count))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda d, layout: getattr(nn, f"Conv{d}d")(4, 6, 3, padding=1, groups=2, layout=layout, dtype="float64", rng=0),
        lambda d, layout: getattr(nn, f"ConvTranspose{d}d")(4, 2, 2, stride=2, layout=layout, dtype="float64", rng=0),
        lambda d, layout: getattr(nn, f"MaxPool{d}d")(2, layout=layout),
        lambda d, layout: getattr(nn, f"AvgPool{d}d")(2, layout=layout),
        lambda d, layout: getattr(nn, f"LPPool{d}d")(2, 2, layout=layout),
        lambda d, layout: getattr(nn, f"AdaptiveAvgPool{d}d")(2, layout=layout),
        lambda d, layout: getattr(nn, f"AdaptiveMaxPool{d}d")(2, layout=layout),
        lambda d, layout: getattr(nn, f"BatchNorm{d}d")(4, layout=layout, dtype="float64"),
        lambda d, layout: nn.PReLU(4, layout=layout, dtype="float64"),
        lambda d, layout: nn.LocalResponseNorm(3, 0.3, layout=layout),
        lambda d, layout: nn.Upsample(scale_factor=2, layout=layout),
        lambda d, layout: nn.Upsample(scale_factor=1.6, layout=layout),
        lambda d, layout: nn.Upsample(None, 2, ("linear", "bilinear", "trilinear")[d - 1], layout=layout),
        lambda d, layout: nn.ChannelShuffle(2, layout=layout),
        lambda d, layout: nn.ChannelPad((1, 3), layout=layout),
        lambda d, layout: getattr(nn, f"ConstantPad{d}d")(range_of(2 * d), 0.5, layout=layout),
        lambda d, layout: getattr(nn, f"ReflectionPad{d}d")(range_of(2 * d), layout=layout),
    ],
    ids=[
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AvgPool",
        "LPPool",
        "AdaptiveAvgPool",
        "AdaptiveMaxPool",
        "BatchNorm",
        "PReLU",
        "LocalResponseNorm",
        "Upsample",
        "Upsample-fraction",
        "Upsample-linear",
        "ChannelShuffle",
        "ChannelPad",
        "ConstantPad",
        "ReflectionPad",
    ],
)
def test_channels_last_is_channels_first_moved(make: Callable, dimensions: int):
    names = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[dimensions]
    first, last = (make(dimensions, name) for name in names)
    x = np.random.default_rng(0).standard_normal((2, 4, *(4, 5, 6)[:dimensions]))
    moved = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    y, y_last = first(x, training=True), last(moved, training=True)
    np.testing.assert_allclose(np.moveaxis(y_last, -1, 1), y, rtol=1e-12, atol=1e-12)
    assert last.output_shape(moved.shape[1:]) == y_last.shape[1:]
    dx, dx_last = first.backward(np.cos(y)), last.backward(np.cos(y_last))
    np.testing.assert_allclose(np.moveaxis(dx_last, -1, 1), dx, rtol=1e-12, atol=1e-12)


def test_default_start_is_kaimings():
    layer = nn.Conv2d(3, 64, 5, rng=0)
    bound = 1 / math.sqrt(75)
    for values in (layer.weight.data, layer.bias.data):
        assert 0.9 * bound < np.abs(values).max() <= bound
        assert abs(values.mean()) < 0.2 * bound
    np.testing.assert_array_equal(layer.weight.data, nn.Conv2d(3, 64, 5, rng=0).weight.data)
    assert not np.array_equal(layer.weight.data, nn.Conv2d(3, 64, 5, rng=1).weight.data)
    double = nn.Conv2d(3, 64, 5, rng=0, dtype="float64")
    np.testing.assert_array_equal(double.weight.data.astype(np.float32), layer.weight.data)


def test_dropout_works_in_training_only():
    layer, x = nn.Dropout(0.5, rng=0), np.ones((100, 100), np.float32)
    assert layer(x) is x
    y = layer(x, training=True)
    assert set(np.unique(y)) == {0.0, 2.0}
    assert 0.45 < np.mean(y == 0) < 0.55
    np.testing.assert_array_equal(layer.backward(x), y)


def test_state_dict_is_checked_before_anything_changes():
    layer = nn.Linear(3, 2, rng=0)
    before = layer.state_dict()
    for state, match in [
        ({}, "missing keys"),
        ({**before, "extra": np.zeros(1)}, "extra"),
        ({**before, "bias": np.zeros(3)}, r"state\['bias'\] has shape \(3,\)"),
        ({**before, "bias": np.zeros(2, int)}, "dtype"),
    ]:
        with pytest.raises(ValueError, match=match):
            layer.load_state_dict(state)
        for name, value in layer.state_dict().items():
            np.testing.assert_array_equal(value, before[name])


def test_state_must_be_a_mapping():
    with pytest.raises(TypeError, match="state must map"):
        nn.Linear(2, 2).load_state_dict(None)


def test_state_dict_holds_copies():
    layer = nn.Linear(3, 2, rng=0)
    state = layer.state_dict()
    layer.weight.data[...] = 0
    assert state["weight"].any()
