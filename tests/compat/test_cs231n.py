"""CS231n's fast layers: the notebook's checks (its shapes, its rel_error, float64), ties, sandwiches, norms."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv.compat import cs231n


def rel_error(x, y):
    """The notebook's measure."""
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def conv_naive(x, w, b, conv_param, dout=None):
    """Output and, for `dout`, the three gradients: one output position at a time."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    height, width = ((padded.shape[k] - w.shape[k]) // stride + 1 for k in (2, 3))
    out = np.zeros((len(x), len(w), height, width))
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    for i, j in np.ndindex(height, width):
        at = (..., slice(i * stride, i * stride + w.shape[2]), slice(j * stride, j * stride + w.shape[3]))
        out[:, :, i, j] = np.einsum("nchw,fchw->nf", padded[at], w) + b
        if dout is not None:
            dx[at] += np.einsum("nf,fchw->nchw", dout[:, :, i, j], w)
            dw += np.einsum("nf,nchw->fchw", dout[:, :, i, j], padded[at])
    if dout is None:
        return out
    return out, dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, dout.sum(axis=(0, 2, 3))


def pool_naive(x, pool_param, dout, ties):
    """Output and gradient; `ties` is "split" or "first"."""
    kh, kw, stride = (pool_param[name] for name in ("pool_height", "pool_width", "stride"))
    out, dx = np.zeros(dout.shape), np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        at = (n, c, slice(i * stride, i * stride + kh), slice(j * stride, j * stride + kw))
        out[n, c, i, j] = x[at].max()
        mask = x[at] == x[at].max()
        if ties == "first":
            mask = np.arange(mask.size).reshape(mask.shape) == mask.argmax()
        dx[at] += mask / mask.sum() * dout[n, c, i, j]
    return out, dx


def close(found, wanted, bound=1e-8):
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.shape == theirs.shape and rel_error(mine, theirs) <= bound


CONVOLUTIONS = [
    # x, w, stride, pad: the notebook's first with a tenth of its images, then others
    ((10, 3, 31, 31), (25, 3, 3, 3), 2, 1),
    ((2, 3, 4, 4), (3, 3, 4, 4), 2, 1),
    ((4, 3, 5, 5), (2, 3, 3, 3), 1, 1),
    ((2, 3, 16, 16), (3, 3, 3, 3), 1, 1),
    ((2, 2, 7, 9), (4, 2, 3, 2), 2, 0),
    ((1, 5, 8, 8), (2, 5, 5, 5), 3, 2),
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_fast_convolution_against_the_loops(case):
    """Seed and draws as in the notebook; float64 is computed in float64."""
    x_shape, w_shape, stride, pad = case
    np.random.seed(231)
    x, w, b = np.random.randn(*x_shape), np.random.randn(*w_shape), np.random.randn(w_shape[0])
    conv_param = {"stride": stride, "pad": pad}
    out, cache = cs231n.conv_forward_fast(x, w, b, conv_param)
    dout = np.random.randn(*out.shape)
    close((out, *cs231n.conv_backward_fast(dout, cache)), conv_naive(x, w, b, conv_param, dout))


def test_the_notebooks_worked_example():
    """conv_forward_naive of linspaces; the numbers stand in the notebook."""
    x = np.linspace(-0.1, 0.5, num=96).reshape(2, 3, 4, 4)
    w = np.linspace(-0.2, 0.3, num=144).reshape(3, 3, 4, 4)
    out, _ = cs231n.conv_forward_naive(x, w, np.linspace(-0.1, 0.2, num=3), {"stride": 2, "pad": 1})
    assert rel_error(out[0, 0], np.array([[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]])) < 1e-7
    x = np.linspace(-0.3, 0.4, num=96).reshape(2, 3, 4, 4)
    out, _ = cs231n.max_pool_forward_naive(x, {"pool_width": 2, "pool_height": 2, "stride": 2})
    assert rel_error(out[0, 0], np.array([[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]])) < 1e-7


POOLS = [
    # x, pool, stride, who gets the gradient of ties
    ((100, 3, 32, 32), (2, 2), 2, "split"),
    ((3, 2, 8, 8), (2, 2), 2, "split"),
    ((3, 2, 7, 8), (2, 2), 2, "first"),
    ((2, 2, 9, 9), (3, 3), 2, "first"),
    ((2, 2, 6, 8), (2, 3), 2, "first"),
]


@pytest.mark.parametrize("case", POOLS)
def test_fast_pool_against_the_loops(case):
    """Rounded numbers have ties."""
    shape, (kh, kw), stride, ties = case
    np.random.seed(231)
    x = np.random.randn(*shape).round(1)
    pool_param = {"pool_height": kh, "pool_width": kw, "stride": stride}
    out, cache = cs231n.max_pool_forward_fast(x, pool_param)
    dout = np.random.randn(*out.shape)
    close((out, cs231n.max_pool_backward_fast(dout, cache)), pool_naive(x, pool_param, dout, ties))


def test_sandwiches_are_their_layers():
    np.random.seed(231)
    x, w, b = np.random.randn(2, 3, 16, 16), np.random.randn(3, 3, 3, 3), np.random.randn(3)
    conv_param, pool_param = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
    maps = conv_naive(x, w, b, conv_param)
    out, cache = cs231n.conv_relu_forward(x, w, b, conv_param)
    dout = np.random.randn(*out.shape)
    close([out], [np.maximum(maps, 0)])
    close(cs231n.conv_relu_backward(dout, cache), conv_naive(x, w, b, conv_param, dout * (maps > 0))[1:])
    out, cache = cs231n.conv_relu_pool_forward(x, w, b, conv_param, pool_param)
    dout = np.random.randn(*out.shape)
    pooled, dmaps = pool_naive(np.maximum(maps, 0), pool_param, dout, "split")
    close([out], [pooled])
    close(cs231n.conv_relu_pool_backward(dout, cache), conv_naive(x, w, b, conv_param, dmaps * (maps > 0))[1:])


def numeric(function, x, dout, h=1e-5):
    """The course's eval_numerical_gradient_array."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        old = x[index]
        x[index] = old + h
        above = function(x)
        x[index] = old - h
        below = function(x)
        x[index] = old
        gradient[index] = np.sum((above - below) * dout) / (2 * h)
    return gradient


def test_spatial_batchnorm_keeps_the_running_statistics():
    np.random.seed(231)
    x, gamma, beta = 4 * np.random.randn(2, 3, 4, 5) + 10, np.array([3.0, 4, 5]), np.array([6.0, 7, 8])
    bn_param = {"mode": "train"}
    out, cache = cs231n.spatial_batchnorm_forward(x, gamma, beta, bn_param)
    close([out.mean(axis=(0, 2, 3)), out.std(axis=(0, 2, 3))], [beta, gamma], 1e-5)
    close([bn_param["running_mean"]], [0.1 * x.mean(axis=(0, 2, 3))])
    close([bn_param["running_var"]], [0.1 * x.var(axis=(0, 2, 3))])
    dout = np.random.randn(*x.shape)
    found = cs231n.spatial_batchnorm_backward(dout, cache)
    forward = cs231n.spatial_batchnorm_forward
    wanted = (
        numeric(lambda v: forward(v, gamma, beta, {"mode": "train"})[0], x, dout),
        numeric(lambda v: forward(x, v, beta, {"mode": "train"})[0], gamma, dout),
        numeric(lambda v: forward(x, gamma, v, {"mode": "train"})[0], beta, dout),
    )
    close(found, wanted, 1e-5)
    bn_param["mode"] = "test"
    mean, var = (bn_param[name].reshape(1, 3, 1, 1) for name in ("running_mean", "running_var"))
    out, _ = forward(x, gamma, beta, bn_param)
    columns = gamma.reshape(3, 1, 1), beta.reshape(3, 1, 1)
    close([out], [(x - mean) / np.sqrt(var + 1e-5) * columns[0] + columns[1]])
    with pytest.raises(ValueError, match="mode"):
        forward(x, gamma, beta, {"mode": "validate"})


def test_spatial_groupnorm():
    np.random.seed(231)
    x = 4 * np.random.randn(2, 6, 4, 5) + 10
    gamma, beta = np.random.randn(1, 6, 1, 1), np.random.randn(1, 6, 1, 1)
    forward = cs231n.spatial_groupnorm_forward
    out, cache = forward(x, gamma, beta, 2, {})
    groups = x.reshape(4, -1)
    normal = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-5)
    close([out], [gamma * normal.reshape(x.shape) + beta])
    dout = np.random.randn(*x.shape)
    wanted = (
        numeric(lambda v: forward(v, gamma, beta, 2, {})[0], x, dout),
        numeric(lambda v: forward(x, v, beta, 2, {})[0], gamma, dout),
        numeric(lambda v: forward(x, gamma, v, 2, {})[0], beta, dout),
    )
    close(cs231n.spatial_groupnorm_backward(dout, cache), wanted, 1e-5)
    with pytest.raises(ValueError, match="G"):
        forward(x, gamma, beta, 4, {})


def test_conv_bn_relu_is_its_layers():
    np.random.seed(231)
    x, w, b, gamma, beta = (np.random.randn(*shape) for shape in ((2, 3, 6, 6), (4, 3, 3, 3), (4,), (4,), (4,)))
    conv_param = {"stride": 1, "pad": 1}
    out, cache = cs231n.conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, {"mode": "train"})
    maps, conv_cache = cs231n.conv_forward_fast(x, w, b, conv_param)
    normal, bn_cache = cs231n.spatial_batchnorm_forward(maps, gamma, beta, {"mode": "train"})
    close([out], [np.maximum(normal, 0)])
    dout = np.random.randn(*out.shape)
    dmaps, dgamma, dbeta = cs231n.spatial_batchnorm_backward(dout * (normal > 0), bn_cache)
    wanted = (*cs231n.conv_backward_fast(dmaps, conv_cache), dgamma, dbeta)
    # db is 0 but for rounding: the batch norm takes the mean out again
    for mine, theirs in zip(cs231n.conv_bn_relu_backward(dout, cache), wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "wanted"), [("float32", "float32"), ("float64", "float64"), ("int64", "float64"), ("float16", "float16")]
)
def test_element_types(given, wanted):
    x, w, b = (np.ones(shape, given) for shape in ((1, 2, 4, 4), (3, 2, 2, 2), (3,)))
    out, cache = cs231n.conv_forward_fast(x, w, b, {"stride": 1, "pad": 0})
    assert out.dtype == wanted and {g.dtype for g in cs231n.conv_backward_fast(out, cache)} == {np.dtype(wanted)}


def test_a_star_import_hides_no_homework():
    names = {}
    exec("from fastconv.compat.cs231n import *", names)
    assert "conv_forward_fast" in names and not any("naive" in name or "batchnorm" in name for name in names)
