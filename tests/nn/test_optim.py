"""Optimisers against their formulas in plain Python and against PyTorch; parameters as views of one buffer."""

import math

import numpy as np
import pytest

from fastconv import nn

SETTINGS = [
    (nn.SGD, {"lr": 0.1}),
    (nn.SGD, {"lr": 0.1, "momentum": 0.9}),
    (nn.SGD, {"lr": 0.1, "weight_decay": 0.05}),
    (nn.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    (nn.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (nn.SGD, {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True}),
    (nn.Adam, {"lr": 0.1}),
    (nn.Adam, {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.05}),
]
each_setting = pytest.mark.parametrize(
    ("optimizer_type", "options"), SETTINGS, ids=[f"{kind.__name__}-{'-'.join(o)}" for kind, o in SETTINGS]
)


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.standard_normal(shape).astype(dtype)) for shape in [(3, 2), (5,), (2, 1, 3)]]


def steps(count=4):
    rng = np.random.default_rng(1)
    return [[rng.standard_normal(shape) for shape in [(3, 2), (5,), (2, 1, 3)]] for _ in range(count)]


def sgd(p, grads, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
    v = 0.0
    for g in grads:
        g = g + weight_decay * p
        v = momentum * v + g
        p = p - lr * (g + momentum * v if nesterov else v)
    return p


def adam(p, grads, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    m = v = 0.0
    for t, g in enumerate(grads, start=1):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        p = p - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


def run(optimizer_type, options, dtype=np.float64):
    held = parameters(dtype)
    optimizer = optimizer_type(held, **options)
    for grads in steps():
        for parameter, grad in zip(held, grads, strict=True):
            parameter.grad[...] = grad
        optimizer.step()
    return held


@each_setting
def test_formula(optimizer_type, options):
    formula = {nn.SGD: sgd, nn.Adam: adam}[optimizer_type]
    for index, (start, found) in enumerate(zip(parameters(), run(optimizer_type, options), strict=True)):
        for place in np.ndindex(start.data.shape):
            expected = formula(start.data[place], [grads[index][place] for grads in steps()], **options)
            assert found.data[place] == pytest.approx(expected, rel=1e-12)


@each_setting
def test_same_as_pytorch(optimizer_type, options):
    torch = pytest.importorskip("torch")
    peers = [torch.nn.Parameter(torch.from_numpy(parameter.data.copy())) for parameter in parameters()]
    optimizer = getattr(torch.optim, optimizer_type.__name__)(peers, **options)
    for grads in steps():
        for peer, grad in zip(peers, grads, strict=True):
            peer.grad = torch.from_numpy(grad)
        optimizer.step()
    for peer, found in zip(peers, run(optimizer_type, options), strict=True):
        np.testing.assert_allclose(found.data, peer.detach().numpy(), rtol=1e-12)


@each_setting
def test_float32_stays_float32(optimizer_type, options):
    for single, double in zip(run(optimizer_type, options, np.float32), run(optimizer_type, options), strict=True):
        assert single.data.dtype == single.grad.dtype == np.float32
        np.testing.assert_allclose(single.data, double.data, rtol=1e-4, atol=1e-5)


def test_parameters_become_views_of_one_buffer():
    held = parameters()
    before = [parameter.data.copy() for parameter in held]
    nn.SGD(held, lr=0.1)
    for arrays in ([p.data for p in held], [p.grad for p in held]):
        bases = {id(array.base) for array in arrays}
        assert len(bases) == 1 and None not in bases
        assert all(array.ctypes.data % 64 == 0 for array in arrays)
    for parameter, values in zip(held, before, strict=True):
        np.testing.assert_array_equal(parameter.data, values)


def test_replaced_arrays_are_taken_over():
    held = parameters()
    optimizer = nn.SGD(held, lr=0.5, momentum=0.9)
    held[0].data, held[0].grad = np.ones((3, 2)), np.ones((3, 2))
    optimizer.step()
    np.testing.assert_array_equal(held[0].data, np.full((3, 2), 0.5))
    optimizer.step()
    np.testing.assert_allclose(held[0].data, np.full((3, 2), 0.5 - 0.5 * 1.9))


def test_a_parameter_may_not_change_its_shape():
    held = parameters()
    optimizer = nn.SGD(held, lr=0.5, momentum=0.9)
    held[0].data = np.ones((2, 2))
    with pytest.raises(ValueError, match="new optimizer"):
        optimizer.step()


def test_a_second_optimizer_takes_over():
    held = parameters()
    first, second = nn.SGD(held, lr=1.0), nn.SGD(held, lr=1.0)
    start = held[1].data.copy()
    for optimizer in (first, second, first):
        for parameter in held:
            parameter.grad[...] = 1
        optimizer.step()
    np.testing.assert_allclose(held[1].data, start - 3)


def test_zero_grad():
    held = parameters()
    optimizer = nn.Adam(held)
    held[0].grad = np.ones((3, 2))
    optimizer.zero_grad()
    assert not any(parameter.grad.any() for parameter in held)


def test_step_allocates_nothing_large():
    import tracemalloc

    held = [nn.Parameter(np.ones(100_000, np.float32))]
    for optimizer in (nn.SGD(held, lr=0.1, momentum=0.9, weight_decay=0.1), nn.Adam(held, weight_decay=0.1)):
        optimizer.step()
        tracemalloc.start()
        optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10_000


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: nn.SGD([], lr=0.1), ValueError, "empty"),
        (lambda: nn.SGD([np.ones(3)], lr=0.1), TypeError, "Parameter"),
        (lambda: nn.SGD(parameters()[:1] * 2, lr=0.1), ValueError, "twice"),
        (lambda: nn.SGD(parameters() + parameters(np.float32), lr=0.1), ValueError, "float32, float64"),
        (lambda: nn.SGD(parameters(), lr=-1), ValueError, "lr"),
        (lambda: nn.SGD(parameters(), lr=math.nan), ValueError, "lr"),
        (lambda: nn.SGD(parameters(), lr="fast"), TypeError, "lr"),
        (lambda: nn.SGD(parameters(), momentum=-0.1), ValueError, "momentum"),
        (lambda: nn.SGD(parameters(), nesterov=True), ValueError, "nesterov"),
        (lambda: nn.SGD(parameters(), weight_decay=-1), ValueError, "weight_decay"),
        (lambda: nn.Adam(parameters(), betas=(0.9, 1.0)), ValueError, r"betas\[1\]"),
        (lambda: nn.Adam(parameters(), betas=0.9), TypeError, "betas"),
        (lambda: nn.Adam(parameters(), betas=(0.9,)), TypeError, "betas"),
        (lambda: nn.Adam(parameters(), eps=-1), ValueError, "eps"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_schedules_start_at_one():
    for name, schedule in nn.optim.SCHEDULES.items():
        assert schedule(0.0) == 1, name
        assert 0 <= schedule(0.999) <= schedule(0.5) <= 1, name
