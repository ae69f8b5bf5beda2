"""Every pass of the case table against the float64 oracle: types, layouts, instruction sets, threads, algorithms."""

from __future__ import annotations

import functools

import numpy as np
import oracles
import pytest
from calls import (
    LAYOUTS,
    NEEDS,
    PASSES,
    TOLERANCE,
    TYPES,
    assert_within,
    error_scale,
    from_layout,
    layouts,
    magnitude,
    oracle,
    run,
    to_layout,
    too_slow,
    weight_to_layout,
)
from cases import CONV_CASES, transposed_cases

import fastconv

CASES = {case.id: case for case in CONV_CASES}


@functools.cache
def problem(name, dtype):
    """Arrays of a case, and per pass the expected values and the scale of their errors."""
    case = CASES[name]
    x, weight, bias = case.arrays(dtype)
    o = case.oracle_options
    shape = oracles.conv(x, weight, None, o).shape
    dy = np.random.default_rng(99).uniform(-1, 1, shape).astype(dtype)
    expected = {p: (oracle(p, x, weight, dy, o), magnitude(p, x, weight, dy, o)) for p in PASSES}
    return case, x, weight, bias, dy, expected


def takers(pass_name, case, dtype, layout, **epilogue):
    """The algorithms that serve this call by the engine's own word, each with what has to be asked for."""
    found = {"auto": {}}
    for accuracy in ("default", "fast"):
        report = getattr(fastconv, f"explain_conv{case.rank}d")(
            to_layout(np.empty(case.x_shape, dtype), layout).shape,
            weight_to_layout(np.empty(case.weight_shape, dtype), layout).shape,
            **case.options,
            **layouts(case.rank, layout),
            accuracy=accuracy,
            dtype=dtype,
            pass_name=pass_name,
            **epilogue,
        )
        for row in report.candidates:
            if row.status == "ok" and NEEDS.get(row.name, {}).get("accuracy", "default") == accuracy:
                found[row.name] = NEEDS.get(row.name, {})
    return {name: {"algorithm": name, **options} for name, options in found.items()}


def check_threads(call, message):
    """The result of one thread, after 2, 3 and 4 gave the same bits; without them where 4 were not worth starting."""
    with fastconv.profile() as seen:
        most = call(4)
    assert len(seen.records) <= 1
    counts = (1, 2, 3) if any(record.threads > 1 for record in seen.records) else ()
    for threads in counts:
        np.testing.assert_array_equal(call(threads), most, err_msg=f"{message}: {threads} threads have other bits")
    return most, {record.algorithm for record in seen.records}


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("name", CASES)
def test_pass_equals_oracle(name, dtype, isa):
    """Through every algorithm that takes it, asked for by name and really used, with its own tolerance."""
    case, x, weight, _, dy, expected = problem(name, dtype)
    for pass_name in PASSES:
        want, scale = expected[pass_name]
        for layout in LAYOUTS:
            for algorithm, options in takers(pass_name, case, dtype, layout).items():
                if too_slow(algorithm, case, isa):
                    continue
                message = f"{pass_name} {algorithm} channels {layout}"
                keywords = {**case.options, **options}

                def call(threads, p=pass_name, form=layout, keywords=keywords):
                    return run(p, case.rank, x, weight, dy, form, **keywords, num_threads=threads)

                y, used = check_threads(call, message)
                assert y.dtype == dtype, message
                assert algorithm == "auto" or case.n == 0 or used == {algorithm}, message
                assert_within(y, want, error_scale(algorithm, scale), TOLERANCE[algorithm], message)


EPILOGUE_CASES = (
    "3x3",
    "strided",
    "pointwise",
    "depthwise",
    "grouped",
    "1d",
    "3d",
    "filters-9",
    "width-17",
    "lenet-c1",
)
ACTIVATIONS = (None, "relu", "relu6", ("leaky_relu", 0.1))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("name", EPILOGUE_CASES)
def test_epilogue(name, dtype, activation, isa):
    """bias, residual and activation, alone and together, through every algorithm, with its gradients."""
    case, x, weight, bias, dy, expected = problem(name, dtype)
    plain, scale = expected["forward"]
    residual = np.random.default_rng(5).uniform(-3, 3, plain.shape).astype(dtype)
    per_channel = bias.reshape(-1, *(1,) * case.rank)
    for with_bias, with_residual in ((False, False), (True, False), (False, True), (True, True)):
        summed = plain + with_bias * per_channel.astype(np.float64) + with_residual * residual.astype(np.float64)
        limit = scale + with_bias * np.abs(per_channel) + with_residual * np.abs(residual)
        for layout in LAYOUTS:
            epilogue = {"bias": with_bias, "residual": with_residual, "activation": activation}
            for algorithm, options in takers("forward", case, dtype, layout, **epilogue).items():
                if too_slow(algorithm, case, isa):
                    continue
                keywords = {**case.options, **options, "activation": activation}
                if with_bias:
                    keywords["bias"] = bias
                if with_residual:
                    keywords["residual"] = to_layout(residual, layout)
                y = run("forward", case.rank, x, weight, None, layout, **keywords)
                message = f"{algorithm} channels {layout} bias {with_bias} residual {with_residual}"
                errors = error_scale(algorithm, limit)
                assert_within(y, oracles.activate(summed, activation), errors, TOLERANCE[algorithm], message)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["3x3", "pointwise", "depthwise", "1d", "3d"])
def test_backward_with_activation(name, layout, activation):
    """backward takes the forward's output and gives all three gradients of the fused call."""
    case, x, weight, bias, dy, _ = problem(name, np.float64)
    o = case.oracle_options
    y = oracles.activate(oracles.conv(x, weight, bias, o), activation)
    sent = dy * oracles.activation_slope(y, activation)
    keywords = {**case.options, **layouts(case.rank, layout)}
    gradients = getattr(fastconv, f"conv{case.rank}d_backward")(
        to_layout(dy, layout),
        to_layout(x, layout),
        weight_to_layout(weight, layout),
        activation=activation,
        y=None if activation is None else to_layout(y, layout),
        **keywords,
    )
    dx, dweight, dbias = gradients
    np.testing.assert_allclose(
        from_layout(dx, layout), oracles.conv_backward_data(sent, x.shape, weight, o), rtol=1e-12, atol=1e-12
    )
    expected = weight_to_layout(oracles.conv_backward_weights(sent, x, weight.shape, o), layout)
    np.testing.assert_allclose(dweight, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dbias, oracles.conv_backward_bias(sent), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("name", ["3x3", "grouped", "large-3x3", "1d", "3d", "empty-batch"])
def test_bias_gradient_and_needs(name, dtype):
    case, x, weight, _, dy, expected = problem(name, dtype)
    backward = getattr(fastconv, f"conv{case.rank}d_backward")
    everything = backward(dy, x, weight, **case.options)
    for index, need in enumerate(("x", "weight", "bias")):
        some = backward(dy, x, weight, **case.options, needs=(need,))
        assert [g is not None for g in some] == [i == index for i in range(3)]
        if need != "bias":
            np.testing.assert_array_equal(some[index], everything[index])
    scale = oracles.conv_backward_bias(np.abs(dy))
    for dbias in (everything[2], some[2]):
        assert_within(dbias, oracles.conv_backward_bias(dy), scale, TOLERANCE["direct"], "dbias")


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("name, x_shape, weight_shape, size, options", transposed_cases())
def test_conv_transpose_equals_oracle(name, x_shape, weight_shape, size, options, dtype, isa):
    rng = np.random.default_rng(21)
    rank = len(size)
    x, weight = (rng.uniform(-1, 1, shape).astype(dtype) for shape in (x_shape, weight_shape))
    bias = rng.uniform(-1, 1, weight_shape[1] * options.get("groups", 1)).astype(dtype)
    o = oracles.options(rank, **{k: v for k, v in options.items() if k != "output_padding"})
    expected = oracles.conv_transpose(x, weight, bias, size, o)
    scale = oracles.conv_transpose(np.abs(x), np.abs(weight), np.abs(bias), size, o)
    dy = rng.uniform(-1, 1, expected.shape).astype(dtype)
    transpose = getattr(fastconv, f"conv_transpose{rank}d")
    backward = getattr(fastconv, f"conv_transpose{rank}d_backward")
    for layout in LAYOUTS:
        names = layouts(rank, layout)
        names["weight_layout"] = {"first": "IO", "last": ""}[layout] + "DHW"[3 - rank :]
        names["weight_layout"] += {"first": "", "last": "OI"}[layout]
        w = weight_to_layout(weight, layout)
        one = None
        for threads in (1, 2, 3):
            message = f"channels {layout} {threads} threads"
            y = transpose(to_layout(x, layout), w, bias, **options, **names, num_threads=threads, activation="relu")
            y = from_layout(y, layout)
            if one is None:
                one = y
                assert_within(y, np.maximum(expected, 0), scale, TOLERANCE["auto"], message)
            np.testing.assert_array_equal(y, one, err_msg=message)
        dx, dweight, dbias = backward(to_layout(dy, layout), to_layout(x, layout), w, **options, **names)
        absolute = np.abs(dy), np.abs(x), np.abs(weight)
        assert_within(
            from_layout(dx, layout),
            oracles.conv(dy, weight, None, o),
            oracles.conv(absolute[0], absolute[2], None, o),
            TOLERANCE["auto"],
            "dx",
        )
        dweight = dweight if layout == "first" else np.moveaxis(dweight, (-1, -2), (0, 1))
        assert_within(
            dweight,
            oracles.conv_backward_weights(x, dy, weight.shape, o),
            oracles.conv_backward_weights(absolute[1], absolute[0], weight.shape, o),
            TOLERANCE["auto"],
            "dweight",
        )
        assert_within(
            dbias, oracles.conv_backward_bias(dy), oracles.conv_backward_bias(absolute[0]), TOLERANCE["direct"], "dbias"
        )


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("padding", ["same", "same_lower"])
def test_conv_transpose_same_gives_n_times_stride(stride, kernel, padding):
    rng = np.random.default_rng(kernel)
    x, weight = rng.standard_normal((1, 2, 4, 5)), rng.standard_normal((2, 3, kernel, kernel))
    y = fastconv.conv_transpose2d(x, weight, stride=stride, padding=padding)
    assert y.shape == (1, 3, 4 * stride, 5 * stride)
    total = max(0, kernel - stride)
    first = (total + 1) // 2 if padding == "same_lower" else total // 2
    o = oracles.options(2, stride=stride, padding=((first, total - first), (first, total - first)))
    np.testing.assert_allclose(y, oracles.conv_transpose(x, weight, None, y.shape[2:], o), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_unbatched(rank, layout):
    rng = np.random.default_rng(rank)
    x, weight = rng.standard_normal((1, 3, *(6, 5, 4)[:rank])), rng.standard_normal((4, 3, *(3,) * rank))
    names = layouts(rank, layout)
    conv, backward = getattr(fastconv, f"conv{rank}d"), getattr(fastconv, f"conv{rank}d_backward")
    moved, w = to_layout(x, layout), weight_to_layout(weight, layout)
    batched = conv(moved, w, padding=1, **names)
    np.testing.assert_array_equal(conv(moved[0], w, padding=1, **names), batched[0])
    dy = rng.standard_normal(batched.shape)
    for one, many in zip(
        backward(dy[0], moved[0], w, padding=1, **names), backward(dy, moved, w, padding=1, **names), strict=True
    ):
        np.testing.assert_array_equal(one, many[0] if one.shape != many.shape else many)


def test_relu_keeps_nan():
    x = np.array([[[np.nan, -1.0, 2.0]]])
    for activation in ("relu", "relu6", ("leaky_relu", 0.1)):
        y = fastconv.conv1d(x, np.ones((1, 1, 1)), activation=activation)
        assert np.isnan(y[0, 0, 0]) and y[0, 0, 2] == 2.0


@pytest.mark.parametrize("accuracy", ["default", "strict", "fast"])
def test_accuracy_names(accuracy):
    case, x, weight, _, _, expected = problem("3x3", np.float32)
    y = fastconv.conv2d(x, weight, **case.options, accuracy=accuracy)
    units = {"default": TOLERANCE["auto"], "strict": 4.0, "fast": TOLERANCE["winograd6"]}[accuracy]
    assert_within(y, *expected["forward"], units, accuracy)
