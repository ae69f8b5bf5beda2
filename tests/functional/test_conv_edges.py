"""Sizes, strides and views at the edge of what the engine's plans can count."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 3, 1, 5), (2, 3, 4, 1)])
def test_views_that_repeat_pixels(shape, kernel):
    """Zero strides, as in the gradient of a sum, are read like any others."""
    x = np.broadcast_to(RNG.standard_normal(shape), (2, 3, 4, 5))
    weight = RNG.standard_normal((4, 3, kernel, kernel))
    pad = kernel // 2
    np.testing.assert_array_equal(
        fastconv.conv2d(x, weight, padding=pad), fastconv.conv2d(x.copy(), weight, padding=pad)
    )
    dy = np.broadcast_to(np.float64(1), (2, 4, 4, 5))
    got = fastconv.conv2d_backward(dy, x, weight, padding=pad)
    for one, other in zip(got, fastconv.conv2d_backward(dy.copy(), x.copy(), weight, padding=pad), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dilation", [2**31, 2**32 - 1, 2**32, 2**35])
def test_a_tile_of_2_to_the_64_elements_is_not_made(dilation):
    """(2**32)**2 is 0 in 64 bits: the product must be noticed, not the remainder."""
    x, weight = np.full((1, 1, 1, 1), 3.0), np.arange(1.0, 5.0).reshape(1, 1, 2, 2)
    padding = ((dilation, 0), (dilation, 0))
    assert fastconv.conv2d(x, weight, padding=padding, dilation=dilation).item() == 12.0


def test_stride_beyond_every_size():
    x, weight = RNG.standard_normal((1, 1, 3, 3)), np.full((1, 1, 1, 1), 2.0)
    assert fastconv.conv2d(x, weight, stride=2**62).item() == 2 * x[0, 0, 0, 0]
    dx = fastconv.conv2d_backward(np.ones((1, 1, 1, 1)), x, weight, stride=2**62, needs="x")[0]
    assert dx[0, 0, 0, 0] == 2.0 and dx.sum() == 2.0


def test_many_residues_of_a_stride():
    """One set of taps per residue: 40,000 of them must cost neither gigabytes nor a search through all per task."""
    x, weight = RNG.standard_normal((1, 1, 400, 400)), RNG.standard_normal((1, 1, 200, 200))
    dy = RNG.standard_normal((1, 1, 2, 2))
    dx = fastconv.conv2d_backward(dy, x, weight, stride=200, needs="x")[0]
    np.testing.assert_allclose(dx[0, 0], np.kron(dy[0, 0], weight[0, 0]), rtol=1e-12)


def test_workspace_does_not_grow_with_the_signal():
    sizes = [fastconv.explain_conv1d((1, 1, n), (1, 1, 31)).workspace_bytes for n in (10**6, 10**8)]
    assert sizes[1] <= 2 * sizes[0]
