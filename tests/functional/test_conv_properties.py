"""What holds for every convolution, on shapes and options that hypothesis makes up."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import strategies
from calls import LAYOUTS, PASSES, TOLERANCE, TYPES, assert_within, layouts, magnitude, oracle, run
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastconv

CASES = strategies.conv_cases()
SEEDS = st.integers(0, 2**16)


def arrays(case, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x, weight = (rng.uniform(-1, 1, shape).astype(dtype) for shape in (case.x_shape, case.weight_shape))
    dy = rng.uniform(-1, 1, oracles.conv(x, weight, None, case.oracle_options).shape).astype(dtype)
    return x, weight, dy


@settings(max_examples=250)
@given(case=CASES, dtype=st.sampled_from(TYPES), layout=st.sampled_from(LAYOUTS), threads=st.integers(1, 3))
def test_every_pass_equals_the_oracle(case, dtype, layout, threads):
    x, weight, dy = arrays(case, dtype)
    o = case.oracle_options
    for pass_name in PASSES:
        actual = run(pass_name, case.rank, x, weight, dy, layout, **case.options, num_threads=threads)
        expected = oracle(pass_name, x, weight, dy, o)
        assert_within(actual, expected, magnitude(pass_name, x, weight, dy, o), TOLERANCE["auto"], pass_name)


@given(case=CASES, dtype=st.sampled_from(TYPES), layout=st.sampled_from(LAYOUTS))
def test_same_bits_for_any_number_of_threads(case, dtype, layout):
    x, weight, dy = arrays(case, dtype)
    for pass_name in PASSES:
        one, two, five = (
            run(pass_name, case.rank, x, weight, dy, layout, **case.options, num_threads=n).tobytes() for n in (1, 2, 5)
        )
        assert one == two == five, pass_name


@given(case=strategies.conv_cases(borders=("zeros", "reflect", "symmetric", "edge", "wrap")), seed=SEEDS)
def test_adjoint_identities(case, seed):
    """<conv(x, w), y> is bilinear, so it equals <x, conv_backward_x(y)> and <w, conv_backward_w(y)>."""
    x, weight, dy = arrays(case, seed=seed)
    options = case.options
    y = run("forward", case.rank, x, weight, dy, **options)
    size = np.vdot(np.abs(y), np.abs(dy)) + 1e-3
    dx = run("backward_data", case.rank, x, weight, dy, **options)
    dweight = run("backward_weights", case.rank, x, weight, dy, **options)
    assert abs(np.vdot(y, dy) - np.vdot(x, dx)) <= 1e-11 * size
    assert abs(np.vdot(y, dy) - np.vdot(weight, dweight)) <= 1e-11 * size


@given(case=strategies.conv_cases(borders=("zeros",), named=False), seed=SEEDS)
def test_transposed_convolution_is_the_adjoint(case, seed):
    """<conv(x, w), y> = <x, conv_transpose(y, w)> where output_padding makes up for what the stride left over."""
    o = case.oracle_options
    x, weight, dy = arrays(case, seed=seed)
    left = tuple(
        n - size
        for n, size in zip(
            case.size, oracles.conv_transpose_size(dy.shape[2:], case.kernel, o, (0,) * case.rank), strict=True
        )
    )
    assume(all(extra < max(s, d) for extra, s, d in zip(left, o.stride, o.dilation, strict=True)))
    names = {"stride": o.stride, "dilation": o.dilation, "padding": o.pad, "groups": o.groups, "flip": o.flip}
    dx = getattr(fastconv, f"conv_transpose{case.rank}d")(dy, weight, **names, output_padding=left)
    np.testing.assert_allclose(dx, oracles.conv_backward_data(dy, x.shape, weight, o), rtol=1e-11, atol=1e-11)


@given(case=CASES, seed=SEEDS)
def test_linear_in_input_and_kernel(case, seed):
    case.options["border"] = "zeros" if not isinstance(case.options["border"], str) else case.options["border"]
    x, weight, _ = arrays(case, seed=seed)
    other, kernel, _ = arrays(case, seed=seed + 1)

    def conv(a, b):
        return run("forward", case.rank, a, b, None, **case.options)

    np.testing.assert_allclose(conv(2 * x - other, weight), 2 * conv(x, weight) - conv(other, weight), atol=1e-11)
    np.testing.assert_allclose(conv(x, 3 * weight + kernel), 3 * conv(x, weight) + conv(x, kernel), atol=1e-11)


@settings(max_examples=25)
@given(case=strategies.conv_cases(), seed=SEEDS)
def test_gradients_by_finite_differences(case, seed):
    """A convolution is affine in each argument, so a difference of any width is the derivative itself."""
    x, weight, dy = arrays(case, seed=seed)
    rng = np.random.default_rng(seed)

    def value(a, b):
        return np.vdot(dy, run("forward", case.rank, a, b, None, **case.options))

    dx = run("backward_data", case.rank, x, weight, dy, **case.options)
    dweight = run("backward_weights", case.rank, x, weight, dy, **case.options)
    along_x, along_w = rng.standard_normal(x.shape), rng.standard_normal(weight.shape)
    slope_x = (value(x + along_x, weight) - value(x - along_x, weight)) / 2
    slope_w = (value(x, weight + along_w) - value(x, weight - along_w)) / 2
    np.testing.assert_allclose(np.vdot(dx, along_x), slope_x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.vdot(dweight, along_w), slope_w, rtol=1e-9, atol=1e-9)


SHAPES = st.integers(1, 3).flatmap(
    lambda rank: st.tuples(*(st.tuples(*(st.integers(1, 9 if rank < 3 else 4),) * rank),) * 2)
)


@given(shapes=SHAPES, seed=SEEDS)
def test_true_convolution_commutes(shapes, seed):
    """Input and kernel change places: I * K = K * I with flip and full padding."""
    rng = np.random.default_rng(seed)
    image, kernel = (rng.uniform(-1, 1, shape) for shape in shapes)
    conv = getattr(fastconv, f"conv{image.ndim}d")
    one = conv(image[None, None], kernel[None, None], padding="full", flip=True)
    other = conv(kernel[None, None], image[None, None], padding="full", flip=True)
    np.testing.assert_allclose(one, other, atol=1e-13)
    np.testing.assert_allclose(fastconv.convolve(image, kernel), one[0, 0], atol=1e-13)
    np.testing.assert_allclose(fastconv.convolve(kernel, image), one[0, 0], atol=1e-13)
    if any(a != b for a, b in zip(image.ravel()[:2], kernel.ravel()[:2], strict=False)):
        apart = conv(image[None, None], kernel[None, None], padding="full")
        turned = conv(kernel[None, None], image[None, None], padding="full")
        np.testing.assert_allclose(np.flip(apart), turned, atol=1e-13)


@given(case=strategies.conv_cases(borders=("wrap",), named=False), data=st.data())
def test_equivariant_to_translation(case, data):
    """Shifting the input round a wrapped border shifts the feature map by as much."""
    case.options["stride"] = 1
    spans = [d * (k - 1) for k, d in zip(case.kernel, case.oracle_options.dilation, strict=True)]
    case.options["padding"] = tuple((span, 0) for span in spans)
    x, weight, _ = arrays(case)
    shift = tuple(data.draw(st.integers(-4, 4)) for _ in case.size)
    axes = tuple(range(2, 2 + case.rank))
    y = run("forward", case.rank, x, weight, None, **case.options)
    assert y.shape[2:] == case.size
    moved = run("forward", case.rank, np.roll(x, shift, axes), weight, None, **case.options)
    np.testing.assert_allclose(moved, np.roll(y, shift, axes), atol=1e-12)


@given(case=CASES, seed=SEEDS)
def test_flip_is_the_kernel_turned_round(case, seed):
    x, weight, dy = arrays(case, seed=seed)
    axes = tuple(range(2, 2 + case.rank))
    turned = np.flip(weight, axes)
    options = {**case.options, "flip": not case.options["flip"]}
    for pass_name in PASSES:
        one = run(pass_name, case.rank, x, weight, dy, **case.options)
        other = run(pass_name, case.rank, x, turned, dy, **options)
        other = np.flip(other, axes) if pass_name == "backward_weights" else other
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@given(case=CASES, seed=SEEDS)
def test_groups_are_convolutions_side_by_side(case, seed):
    x, weight, _ = arrays(case, seed=seed)
    together = run("forward", case.rank, x, weight, None, **case.options)
    apart = [
        run("forward", case.rank, a, b, None, **{**case.options, "groups": 1})
        for a, b in zip(np.split(x, case.groups, axis=1), np.split(weight, case.groups, axis=0), strict=True)
    ]
    np.testing.assert_allclose(together, np.concatenate(apart, axis=1), rtol=1e-12, atol=1e-12)


@given(case=CASES, seed=SEEDS)
def test_every_sample_stands_alone(case, seed):
    assume(case.n > 1)
    x, weight, dy = arrays(case, seed=seed)
    together = run("forward", case.rank, x, weight, dy, **case.options)
    back = run("backward_data", case.rank, x, weight, dy, **case.options)
    total = run("backward_weights", case.rank, x, weight, dy, **case.options)
    parts = 0
    for i in range(case.n):
        one = slice(i, i + 1)
        alone = run("forward", case.rank, x[one], weight, dy[one], **case.options)
        np.testing.assert_allclose(alone, together[one], rtol=1e-12, atol=1e-12)
        alone = run("backward_data", case.rank, x[one], weight, dy[one], **case.options)
        np.testing.assert_allclose(alone, back[one], rtol=1e-12, atol=1e-12)
        parts = parts + run("backward_weights", case.rank, x[one], weight, dy[one], **case.options)
    np.testing.assert_allclose(parts, total, rtol=1e-11, atol=1e-11)


@given(case=CASES, layout=st.sampled_from(LAYOUTS), seed=SEEDS)
def test_padding_by_hand_changes_nothing(case, layout, seed):
    """Padding, in whatever form, equals an input that was widened with `numpy.pad` before."""
    x, weight, _ = arrays(case, seed=seed)
    wide = oracles.pad(x, case.oracle_options)
    inside = run("forward", case.rank, x, weight, None, layout, **case.options)
    outside = run("forward", case.rank, wide, weight, None, layout, **{**case.options, "padding": 0})
    np.testing.assert_allclose(inside, outside, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@settings(max_examples=40)
@given(data=st.data())
def test_fewer_dimensions_are_unit_axes(rank, data):
    case = data.draw(strategies.conv_cases(ranks=(rank,), named=False))
    x, weight, _ = arrays(case)
    o = case.oracle_options
    unit = (1,) * (3 - rank)
    options = {
        "stride": unit + o.stride,
        "dilation": unit + o.dilation,
        "padding": ((0, 0),) * (3 - rank) + o.pad,
        "groups": o.groups,
        "flip": o.flip,
        "border": o.border,
    }
    y = run("forward", rank, x, weight, None, **case.options)
    deep = run(
        "forward",
        3,
        x.reshape(*x.shape[:2], *unit, *x.shape[2:]),
        weight.reshape(*weight.shape[:2], *unit, *weight.shape[2:]),
        None,
        **options,
    )
    assert y.tobytes() == deep.tobytes()


@given(case=CASES, seed=SEEDS)
def test_layout_does_not_change_the_result(case, seed):
    x, weight, dy = arrays(case, seed=seed)
    for pass_name in PASSES:
        first = run(pass_name, case.rank, x, weight, dy, "first", **case.options)
        last = run(pass_name, case.rank, x, weight, dy, "last", **case.options)
        np.testing.assert_allclose(first, last, rtol=1e-12, atol=1e-12)
    assert layouts(case.rank, "first") != layouts(case.rank, "last")
