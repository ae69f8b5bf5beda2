"""PyTorch and SciPy as second oracles, where they are installed."""

from __future__ import annotations

import numpy as np
import pytest
from calls import TYPES
from cases import CONV_CASES, transposed_cases
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv


def plain(case):
    """What PyTorch's functions take: no border but zeros, no flip, the same padding on both sides, no names."""
    o = case.oracle_options
    return o.border == "zeros" and not o.flip and all(before == after for before, after in o.pad)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
@pytest.mark.parametrize("case", [c for c in CONV_CASES if plain(c)], ids=lambda c: c.id)
def test_conv_equals_pytorch(case, dtype):
    torch = pytest.importorskip("torch")
    x, weight, bias = case.arrays(dtype)
    o = case.oracle_options
    options = {"stride": o.stride, "padding": tuple(p for p, _ in o.pad), "dilation": o.dilation, "groups": o.groups}
    leaves = [torch.from_numpy(a).requires_grad_() for a in (x, weight, bias)]
    y = getattr(torch.nn.functional, f"conv{case.rank}d")(*leaves, **options)
    ours = getattr(fastconv, f"conv{case.rank}d")(x, weight, bias, **options)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(ours, y.detach().numpy(), **close)
    dy = np.random.default_rng(1).uniform(-1, 1, ours.shape).astype(dtype)
    y.backward(torch.from_numpy(dy))
    gradients = getattr(fastconv, f"conv{case.rank}d_backward")(dy, x, weight, **options)
    for name, gradient, leaf in zip(("dx", "dweight", "dbias"), gradients, leaves, strict=True):
        expected = np.zeros_like(gradient) if leaf.grad is None else leaf.grad.numpy()
        largest = max(1.0, np.abs(expected).max(initial=0))  # both sum thousands of products that nearly cancel
        np.testing.assert_allclose(gradient, expected, close["rtol"], close["atol"] * largest / 10, err_msg=name)


# PyTorch has neither flipping nor asymmetric padding.
TRANSPOSED = [row for row in transposed_cases() if row[0] not in ("flipped", "asymmetric-crop", "three-dimensions")]


@pytest.mark.parametrize("name, x_shape, weight_shape, size, options", TRANSPOSED)
def test_conv_transpose_equals_pytorch(name, x_shape, weight_shape, size, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    rank = len(size)
    groups = options.get("groups", 1)
    arrays = [rng.standard_normal(s) for s in (x_shape, weight_shape, (weight_shape[1] * groups,))]
    leaves = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y = getattr(torch.nn.functional, f"conv_transpose{rank}d")(*leaves, **options)
    ours = getattr(fastconv, f"conv_transpose{rank}d")(*arrays, **options)
    np.testing.assert_allclose(ours, y.detach().numpy(), rtol=1e-10, atol=1e-10)
    dy = rng.standard_normal(ours.shape)
    y.backward(torch.from_numpy(dy))
    gradients = getattr(fastconv, f"conv_transpose{rank}d_backward")(dy, *arrays[:2], **options)
    for gradient, leaf in zip(gradients, leaves, strict=True):
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [(9,), (6, 7), (3, 4, 5)])
def test_same_padding_equals_pytorch(size):
    torch = pytest.importorskip("torch")
    rank = len(size)
    rng = np.random.default_rng(3)
    x, weight = rng.standard_normal((2, 3, *size)), rng.standard_normal((4, 3, *(4, 3, 2)[:rank]))
    expected = getattr(torch.nn.functional, f"conv{rank}d")(
        torch.from_numpy(x), torch.from_numpy(weight), padding="same"
    )
    ours = getattr(fastconv, f"conv{rank}d")(x, weight, padding="same")
    np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-11, atol=1e-11)


SHAPES = st.integers(1, 3).flatmap(
    lambda rank: st.tuples(*(st.tuples(*(st.integers(1, 8 if rank < 3 else 4),) * rank),) * 2)
)


@settings(max_examples=150)
@given(shapes=SHAPES, mode=st.sampled_from(("full", "same", "valid")), dtype=st.sampled_from(TYPES))
def test_convolve_and_correlate_equal_scipy(shapes, mode, dtype):
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(4)
    one, two = (rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes)
    smaller = [a <= b for a, b in zip(*shapes, strict=True)]
    for ours, theirs in ((fastconv.convolve, signal.convolve), (fastconv.correlate, signal.correlate)):
        if mode == "valid" and not (all(smaller) or all(b <= a for a, b in zip(*shapes, strict=True))):
            with pytest.raises(ValueError):
                ours(one, two, mode)
            continue
        expected = theirs(one.astype(np.float64), two.astype(np.float64), mode, method="direct")
        result = ours(one, two, mode)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, atol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize(
    "border, mode",
    [("zeros", "constant"), ("reflect", "mirror"), ("symmetric", "reflect"), ("edge", "nearest"), ("wrap", "wrap")],
)
def test_borders_equal_scipy_ndimage(border, mode):
    """SciPy calls reflect what NumPy calls symmetric, and mirror what NumPy calls reflect."""
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(5)
    image, kernel = rng.standard_normal((7, 6)), rng.standard_normal((5, 3))
    ours = fastconv.conv2d(image[None, None], kernel[None, None], padding="same", border=border)[0, 0]
    np.testing.assert_allclose(ours, ndimage.correlate(image, kernel, mode=mode), atol=1e-12)
    ours = fastconv.conv2d(image[None, None], kernel[None, None], padding="same", border=border, flip=True)[0, 0]
    np.testing.assert_allclose(ours, ndimage.convolve(image, kernel, mode=mode), atol=1e-12)
