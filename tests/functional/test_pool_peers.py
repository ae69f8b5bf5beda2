"""PyTorch as a second oracle of pooling, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from cases_pool import CASES, SLIDING, run, run_backward

torch = pytest.importorskip("torch")
F = torch.nn.functional


def fits_torch(case):
    """PyTorch takes even padding of at most half a kernel, and refuses dilated averages."""
    kernel, padding = case.options.get("kernel_size", 1), case.options.get("padding", 0)
    kernels = kernel if isinstance(kernel, tuple) else (kernel,) * case.rank
    pads = padding if isinstance(padding, tuple) else (padding,) * case.rank
    return all(isinstance(pad, int) and pad <= k // 2 for pad, k in zip(pads, kernels, strict=True))


PEER_CASES = [case for case in CASES if fits_torch(case)]


def torch_run(name, x, dy, *arguments, **options):
    """Result and gradient of a PyTorch function."""
    leaf = torch.from_numpy(x).requires_grad_(True)
    y = getattr(F, name)(leaf, *arguments, **options)
    y, rest = (y[0], y[1:]) if isinstance(y, tuple) else (y, ())
    (dx,) = torch.autograd.grad(y, leaf, torch.from_numpy(dy(tuple(y.shape))))
    return y.detach().numpy(), dx.numpy(), *(other.numpy() for other in rest)


@pytest.mark.parametrize("case", PEER_CASES, ids=lambda case: case.id)
def test_max(case):
    x = case.random()
    y, dx, indices = torch_run(case.name("max"), x, lambda shape: case.random("dy", shape), **case.options,
                               return_indices=True)  # fmt: skip
    found, at = run(case, "max", x, return_indices=True)
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(at, indices)
    np.testing.assert_allclose(run_backward(case, "max", case.random("dy", y.shape), x), dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "case", [case for case in PEER_CASES if "dilation" not in case.options], ids=lambda case: case.id
)
def test_avg(case):
    x = case.random()
    choices = [{}] if "output_size" in case.options else [{}, {"count_include_pad": False}]
    for chosen in choices:
        options = {**case.options, **chosen}
        y, dx = torch_run(case.name("avg"), x, lambda shape: case.random("dy", shape), **options)
        np.testing.assert_allclose(run(case, "avg", x, **chosen), y, rtol=1e-12, atol=1e-12)
        dy = case.random("dy", y.shape)
        np.testing.assert_allclose(run_backward(case, "avg", dy, x, **chosen), dx, rtol=1e-12, atol=1e-12)


LP_CASES = [case for case in SLIDING if not {"dilation", "padding"} & set(case.options)]


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("case", LP_CASES, ids=lambda case: case.id)
def test_signed_lp(case, p):
    x = np.abs(case.random())
    dy = lambda shape: case.random("dy", shape)  # noqa: E731
    y, dx = torch_run(case.name("lp"), x, dy, p, **case.options)
    np.testing.assert_allclose(run(case, "lp", x, norm_type=p, signed=True), y, rtol=1e-10)
    found = run_backward(case, "lp", dy(y.shape), x, norm_type=p, signed=True)
    np.testing.assert_allclose(found, dx, rtol=1e-9, atol=1e-12)
