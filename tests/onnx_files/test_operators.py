"""Operators against oracles of their own: the specification's loops in float64, and where onnx's reference errs.

Each case runs twice: with its weights as constants, so that the program has nodes for passes, and as inputs.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx_files.models import one_node  # noqa: E402

from fastconv import reference  # noqa: E402
from fastconv.onnx import load  # noqa: E402


def draw(*shape, seed=0, kind=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(kind)


def run(operator, arrays, constants=(), **options):
    loaded = load(one_node(operator, arrays, constants, **options))
    given = {f"x{index}": array for index, array in enumerate(arrays) if array is not None and index not in constants}
    found = list(loaded.run(given).values())
    for one, again in zip(found, loaded.run(given).values(), strict=True):
        np.testing.assert_array_equal(one, again)
    return found


def both_ways(operator, arrays, expected, constants=None, tolerance=1e-5, **options):
    """With all but the first input constant, and with none."""
    constants = range(1, len(arrays)) if constants is None else constants
    for fixed in (tuple(constants), ()):
        (y,) = run(operator, arrays, fixed, **options)
        assert y.dtype == arrays[0].dtype and y.shape == expected.shape
        np.testing.assert_allclose(
            y, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max(initial=0))
        )


def transposed(x, weight, bias, stride, pads, group):
    """Each element spreads its kernel: the definition."""
    n, channels, *size = x.shape
    kernel = weight.shape[2:]
    full = [(m - 1) * s + k for m, s, k in zip(size, stride, kernel, strict=True)]
    y = np.zeros((n, weight.shape[1] * group, *full))
    each = channels // group
    for image, channel in itertools.product(range(n), range(channels)):
        first = channel // each * weight.shape[1]
        for place in itertools.product(*map(range, size)):
            spot = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, stride, kernel, strict=True))
            y[(image, slice(first, first + weight.shape[1]), *spot)] += x[(image, channel, *place)] * weight[channel]
    y += 0 if bias is None else bias.reshape(-1, *(1,) * len(size))
    ndim = len(size)
    inside = tuple(slice(pads[axis], full[axis] - pads[axis + ndim]) for axis in range(ndim))
    return y[(slice(None), slice(None), *inside)]


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("group", [1, 2, 3])
def test_grouped_conv_transpose(group, biased):
    x, weight = draw(2, 6, 4, 5), draw(6, 2, 3, 2, seed=1)
    bias = draw(2 * group, seed=2) if biased else None
    expected = transposed(x, weight, bias, (2, 1), (1, 0, 0, 1), group)
    arrays = [x, weight, *([bias] if biased else [])]
    both_ways("ConvTranspose", arrays, expected, group=group, strides=[2, 1], pads=[1, 0, 0, 1])


@pytest.mark.parametrize(
    ("options", "pads", "larger"),
    [
        ({"auto_pad": "SAME_UPPER"}, (0, 1), None),
        ({"auto_pad": "SAME_LOWER"}, (1, 0), None),
        ({"output_shape": [8]}, (1, 0), None),
        ({"output_shape": [8], "auto_pad": "SAME_UPPER"}, (0, 1), None),
        ({"output_shape": [11]}, (0, 0), (1, 1)),
        ({"output_padding": [1]}, (0, 0), (0, 1)),
    ],
)
def test_sizes_of_conv_transpose(options, pads, larger):
    x, weight, bias = draw(1, 2, 4), draw(2, 3, 3, seed=1), draw(3, seed=2)
    expected = transposed(x, weight, None, (2,), pads, 1)
    if larger is not None:
        expected = np.pad(expected, [(0, 0), (0, 0), larger])
    both_ways("ConvTranspose", [x, weight, bias], expected + bias[:, None], strides=[2], **options)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("shape", [(1, 5, 4, 4), (3, 4), (2, 7, 3), (1, 3, 2, 2, 2)])
def test_local_response(shape, size):
    x = draw(*shape)
    expected = np.empty(shape)
    for c in range(shape[1]):
        first, last = max(0, c - (size - 1) // 2), min(shape[1] - 1, c + math.ceil((size - 1) / 2))
        total = np.square(x[:, first : last + 1].astype(float)).sum(axis=1)
        expected[:, c] = x[:, c] / (1.5 + 0.2 / size * total) ** 0.6
    both_ways("LRN", [x], expected, size=size, alpha=0.2, beta=0.6, bias=1.5)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 5), -1), ((2, 3, 5), 1), ((40, 197), 1), ((7,), 0), ((3, 0), 1)])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_softmax(operator, shape, axis, kind):
    x = (5 * draw(*shape)).astype(kind)
    if not x.size:
        (y,) = run(operator, [x], axis=axis)
        assert y.shape == shape
        return
    moved = x.astype(float) - x.max(axis=axis, keepdims=True)
    expected = moved - np.log(np.exp(moved).sum(axis=axis, keepdims=True))
    expected = expected if operator == "LogSoftmax" else np.exp(expected)
    both_ways(operator, [x], expected, tolerance=max(1e-6, 2 * float(np.finfo(kind).eps)), axis=axis)


MATRICES = [
    ((2, 3, 5), (5, 4)),
    ((2, 3, 5), (1, 5, 4)),
    ((5, 3), (2, 3, 4)),
    ((2, 1, 70, 5), (3, 5, 40)),
    ((4,), (4, 3)),
    ((3, 4), (4,)),
    ((2, 0, 3), (3, 5)),
    ((2, 3, 0), (2, 0, 5)),
    ((2,) * 8, (2, 3)),
    ((2,) * 8, (2,) * 8),
]


@pytest.mark.parametrize(("left", "right"), MATRICES)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int32])
@pytest.mark.parametrize("constants", [(0,), (1,)])
def test_matmul(left, right, kind, constants):
    a, b = (3 * draw(*shape, seed=seed) for seed, shape in enumerate((left, right)))
    a, b = a.astype(kind), b.astype(kind)
    expected = np.matmul(a.astype(float), b.astype(float))
    both_ways("MatMul", [a, b], expected, constants, tolerance=2e-3 if kind == np.float16 else 1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    ("axis", "scale", "bias"), [(-1, (7,), (7,)), (1, (3, 7), (7,)), (1, (3, 1), None), (-1, (1,), None)]
)
def test_layer_normalization(axis, scale, bias, kind):
    x, weight = draw(2, 3, 7).astype(kind), draw(*scale, seed=1).astype(kind)
    shift = None if bias is None else draw(*bias, seed=2).astype(kind)
    axes = tuple(range(axis % 3, 3))
    wide = x.astype(float)
    expected = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + 0.1) * weight
    arrays = [x, weight] if shift is None else [x, weight, shift]
    expected = expected if shift is None else expected + shift
    tolerance = 4e-3 if kind == np.float16 else 1e-5
    both_ways("LayerNormalization", arrays, expected, tolerance=tolerance, axis=axis, epsilon=0.1)


def windows(x, kernel, stride, dilation, pads):
    """For each output its place and the places of its window that lie in the input."""
    ndim = len(kernel)
    size = x.shape[2:]
    counts = [
        (n + pads[axis] + pads[axis + ndim] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1
        for axis, n in enumerate(size)
    ]
    for out in itertools.product(*map(range, counts)):
        spots = itertools.product(
            *(
                [p for p in (o * s - pads[axis] + t * d for t in range(k)) if 0 <= p < size[axis]]
                for axis, (o, s, k, d) in enumerate(zip(out, stride, kernel, dilation, strict=True))
            )
        )
        yield counts, out, list(spots)


POOLS = [
    ((2, 2, 7), [3], [1], [1], [1, 1]),
    ((2, 2, 9), [2], [2], [2], [1, 0]),
    ((2, 2, 4, 5), [2, 3], [1, 1], [1, 1], [0, 1, 1, 0]),
    ((2, 2, 4, 4), [2, 2], [2, 2], [1, 1], [0, 0, 0, 0]),
    ((2, 2, 5, 6), [3, 2], [2, 1], [1, 2], [1, 0, 1, 1]),
    ((1, 2, 4, 3, 5), [2, 2, 3], [1, 1, 1], [1, 1, 1], [1, 0, 1, 0, 1, 1]),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "dilation", "pads"), POOLS)
@pytest.mark.parametrize("columns", [0, 1])
def test_max_pool_and_its_indices(shape, kernel, stride, dilation, pads, columns):
    """Indices count through the whole array, whatever the stride."""
    x = draw(*shape)
    options = {"kernel_shape": kernel, "strides": stride, "dilations": dilation, "pads": pads}
    y, places = run("MaxPool", [x], outputs=2, storage_order=columns, **options)
    (alone,) = run("MaxPool", [x], **options)
    np.testing.assert_array_equal(alone, y)
    size = shape[2:]
    for n, c in np.ndindex(shape[:2]):
        for _, out, spots in windows(x, kernel, stride, dilation, pads):
            best = max(spots, key=lambda spot: x[(n, c, *spot)])
            assert y[(n, c, *out)] == x[(n, c, *best)]
            flat = np.ravel_multi_index(best, size, order="F" if columns else "C")
            assert places[(n, c, *out)] == (n * shape[1] + c) * math.prod(size) + flat


@pytest.mark.parametrize(("shape", "kernel", "stride", "dilation", "pads"), POOLS)
@pytest.mark.parametrize("counted", [0, 1])
def test_average_pool(shape, kernel, stride, dilation, pads, counted):
    x = draw(*shape)
    rows = list(windows(x, kernel, stride, dilation, pads))
    expected = np.empty((*shape[:2], *rows[0][0]))
    for n, c in np.ndindex(shape[:2]):
        for _, out, spots in rows:
            total = sum(float(x[(n, c, *spot)]) for spot in spots)
            expected[(n, c, *out)] = total / (math.prod(kernel) if counted else len(spots))
    both_ways("AveragePool", [x], expected, kernel_shape=kernel, strides=stride, dilations=dilation, pads=pads,
              count_include_pad=counted, opset=19)  # fmt: skip


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_nan_stays_in_its_windows(operator, pads):
    x = draw(1, 1, 6, 6)
    x[0, 0, 2, 3] = np.nan
    (y,) = run(operator, [x], kernel_shape=[3, 3], pads=pads)
    for _, out, spots in windows(x, [3, 3], [1, 1], [1, 1], pads):
        assert np.isnan(y[(0, 0, *out)]) == ((2, 3) in spots)


def test_max_pool_of_small_integers():
    x = np.random.default_rng(0).integers(-128, 128, (1, 2, 6, 6)).astype(np.int8)
    (y,) = run("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    assert y.dtype == np.int8
    wide = np.pad(x.astype(int), [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-1000)
    for i, j in np.ndindex(3, 3):
        np.testing.assert_array_equal(y[..., i, j], wide[..., 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(2, 3)))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_pool_uses_magnitudes(p):
    x = draw(1, 2, 5, 5)
    expected = np.empty((1, 2, 3, 3))
    for i, j in np.ndindex(3, 3):
        patch = np.abs(x[..., i : i + 3, j : j + 3].astype(float))
        expected[..., i, j] = (patch**p).sum(axis=(2, 3)) ** (1 / p)
    both_ways("LpPool", [x], expected, kernel_shape=[3, 3], p=p)


def test_max_unpool_is_the_way_back():
    x = draw(2, 3, 6, 6)
    y, places = run("MaxPool", [x], outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    (back,) = run("MaxUnpool", [y, places], kernel_shape=[2, 2], strides=[2, 2])
    np.testing.assert_array_equal(back, np.where(np.isin(np.arange(x.size).reshape(x.shape), places), x, 0))


CONVS = [
    ((2, 4, 9), (6, 2, 3), {"group": 2, "strides": [2], "pads": [1, 0]}),
    ((1, 3, 7, 8), (5, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 3, 7, 8), (5, 3, 4, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((1, 4, 6, 6), (4, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1], "dilations": [1, 1]}),
    ((1, 2, 5, 4, 6), (3, 2, 2, 2, 3), {"dilations": [2, 1, 1]}),
]


@pytest.mark.parametrize(("shape", "weights", "options"), CONVS)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_conv(shape, weights, options, kind):
    x, weight = draw(*shape, kind=kind), draw(*weights, seed=1, kind=kind)
    bias = draw(weights[0], seed=2, kind=kind)
    ndim = len(shape) - 2
    named = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower"}.get(options.get("auto_pad"))
    flat = options.get("pads", [0] * 2 * ndim)
    padding = named or tuple(zip(flat[:ndim], flat[ndim:], strict=True))
    window = {"stride": options.get("strides", [1] * ndim), "dilation": options.get("dilations", [1] * ndim)}
    window = {key: tuple(values) for key, values in window.items()}
    expected = reference.conv(x.astype(float), weight.astype(float), bias.astype(float), padding=padding,
                              groups=options.get("group", 1), **window)  # fmt: skip
    both_ways("Conv", [x, weight, bias], expected, tolerance=3e-3 if kind == np.float16 else 1e-5, **options)


def integers(kind, *shape, seed=0):
    limits = np.iinfo(kind)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(kind)


@pytest.mark.parametrize("kinds", list(itertools.product((np.uint8, np.int8), repeat=2)))
@pytest.mark.parametrize("channels", [3, 160])
def test_conv_of_integers_is_exact(kinds, channels):
    x, weight = integers(kinds[0], 1, channels, 6, 7), integers(kinds[1], 5, channels, 3, 3, seed=1)
    x_zero, weight_zero = kinds[0](7), integers(kinds[1], 5, seed=2)
    arrays = [x, weight, np.array(x_zero), weight_zero]
    wide = np.pad(x.astype(np.int64) - int(x_zero), [(0, 0), (0, 0), (1, 1), (1, 1)])
    taps = weight.astype(np.int64) - weight_zero.astype(np.int64).reshape(-1, 1, 1, 1)
    patches = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (2, 3))
    expected = np.einsum("nchwij,ocij->nohw", patches, taps)
    for fixed in ((1, 2, 3), ()):
        (y,) = run("ConvInteger", arrays, fixed, pads=[1, 1, 1, 1])
        assert y.dtype == np.int32
        np.testing.assert_array_equal(y, expected)
    scales = [np.float32(0.02), np.linspace(0.001, 0.01, 5).astype(np.float32), np.float32(0.3)]
    bias, y_zero = integers(np.int32, 5, seed=3) // 10**5, kinds[0](3)
    given = [x, np.array(scales[0]), np.array(x_zero), weight, scales[1], weight_zero, np.array(scales[2]),
             np.array(y_zero), bias]  # fmt: skip
    real = (expected + bias.reshape(-1, 1, 1)) * (scales[0] * scales[1] / scales[2]).reshape(-1, 1, 1)
    limits = np.iinfo(kinds[0])
    quantized = np.clip(np.rint(real) + int(y_zero), limits.min, limits.max)
    for fixed in (tuple(range(1, 9)), ()):
        (y,) = run("QLinearConv", given, fixed, pads=[1, 1, 1, 1])
        assert y.dtype == kinds[0]
        np.testing.assert_array_equal(y, quantized)


#: operators of two operands, of which the engine takes some with constants
BINARY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


@pytest.mark.parametrize("operator", BINARY)
@pytest.mark.parametrize(
    "shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (2, 3, 1, 1), (5,), (2, 3, 4, 5), (4, 1), (7, 2, 3, 4, 5)]
)
@pytest.mark.parametrize("first", [True, False])
def test_arithmetic(operator, shape, first):
    x, other = draw(2, 3, 4, 5), np.abs(draw(*shape, seed=1)) + np.float32(0.5)
    arrays = [x, other] if first else [other, x]
    expected = BINARY[operator](*(array.astype(float) for array in arrays))
    both_ways(operator, arrays, expected, constants=(1,) if first else (0,))


UNARY = {
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "Erf": np.vectorize(math.erf),
    "Softplus": lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "Abs": np.abs,
    "Exp": np.exp,
}


@pytest.mark.parametrize("operator", UNARY)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_functions_of_one_number(operator, kind):
    x = np.concatenate([np.linspace(-6, 6, 101), [1e-30, -1e-20, 1e-8, 20.0]]).astype(kind)
    expected = UNARY[operator](x.astype(np.float64))
    (y,) = run(operator, [x], opset=18)
    np.testing.assert_allclose(y, expected, rtol=2e-6 if kind == np.float32 else 1e-13, atol=1e-300)


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (0.0, None), (-1.0, 1.0), (None, 2.0), (0.0, 3e38)])
def test_clip(low, high):
    x = draw(3, 50) * 5
    bounds = [None if bound is None else np.array(bound, np.float32) for bound in (low, high)]
    expected = np.clip(x, -np.inf if low is None else low, np.inf if high is None else high)
    constants = tuple(index for index in (1, 2) if bounds[index - 1] is not None)
    both_ways("Clip", [x, *bounds] if high is not None else [x, bounds[0]], expected, constants)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("places", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
@pytest.mark.parametrize("scale", [2.0, 3.0, 1.5, 0.6])
def test_resize(mode, places, scale):
    """Along one axis of images, as the specification's formulas say."""
    x = draw(1, 2, 4, 5)
    scales = np.array([1, 1, 1, scale], np.float32)
    after = int(np.floor(5 * np.float32(scale)))
    expected = np.empty((1, 2, 4, after))
    for o in range(after):
        place = {
            "half_pixel": (o + 0.5) / scales[3] - 0.5,
            "pytorch_half_pixel": (o + 0.5) / scales[3] - 0.5,
            "asymmetric": o / scales[3],
            "align_corners": o * 4 / (5 * float(scales[3]) - 1),
        }[places]
        place = float(place)
        if mode == "nearest":
            expected[..., o] = x[..., min(max(math.ceil(place - 0.5), 0), 4)]
            continue
        base = math.floor(place)
        total = 0.0
        for tap in range(base - 1, base + 3):
            d = abs(place - tap)
            if mode == "linear":
                weight = max(0.0, 1 - d)
            elif d <= 1:
                weight = 1.25 * d**3 - 2.25 * d**2 + 1
            else:
                weight = -0.75 * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0
            total = total + weight * x[..., min(max(tap, 0), 4)].astype(float)
        expected[..., o] = total
    both_ways("Resize", [x, None, scales], expected, (2,), mode=mode, coordinate_transformation_mode=places)


def test_errors_name_the_node():
    x = draw(2, 3)
    with pytest.raises(ValueError, match=r"\(Softmax\): axis \(=5\) is out of range|do not fit"):
        run("Softmax", [x], axis=5)
    with pytest.raises(ValueError, match=r"node 'y0' \(Gather\): indices from 7 to 7 in an axis of 3"):
        run("Gather", [x, np.array([7])], axis=1)
