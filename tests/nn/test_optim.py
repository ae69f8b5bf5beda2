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
    (nn.AdamW, {"lr": 0.1}),
    (nn.AdamW, {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.5}),
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


def adamw(p, grads, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    m = v = 0.0
    for t, g in enumerate(grads, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        p = p - lr * (weight_decay * p + (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps))
    return p


FORMULAS = {nn.SGD: sgd, nn.Adam: adam, nn.AdamW: adamw}


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
    formula = FORMULAS[optimizer_type]
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
    makers = (lambda: nn.SGD(held, lr=0.1, momentum=0.9, weight_decay=0.1), lambda: nn.Adam(held, weight_decay=0.1))
    for make in (*makers, lambda: nn.AdamW(held), lambda: nn.SGD(held, momentum=0.9, nesterov=True)):
        optimizer = make()
        for turn in range(2):
            if turn:
                tracemalloc.start()
            optimizer.gather()
            optimizer.add_gathered()
            optimizer.clip_gradients(1e-3)
            optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100_000  # the buffer of a sum in another type is 64 KB; the parameters are 400 KB


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
        (lambda: nn.SGD([{"params": parameters()}, *parameters()]), TypeError, r"parameters\[1\] must be a dict"),
        (lambda: nn.SGD([{"weights": parameters()}]), TypeError, r"parameters\[0\] must be a dict"),
        (lambda: nn.SGD([{"params": parameters(), "lr": 1}]), ValueError, "has 'lr'; a group takes params"),
        (lambda: nn.SGD([{"params": parameters(), "weight_decay": -1}]), ValueError, "weight_decay"),
        (lambda: nn.SGD([{"params": []}]), ValueError, "empty"),
        (lambda: nn.SGD(parameters()).clip_gradients(-1), ValueError, "max_norm"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()


@each_setting
def test_groups(optimizer_type, options):
    """Each group by the formula with its own decay and its own share of the learning rate."""
    held = parameters()
    groups = [{"params": held[:2], "weight_decay": 0.3}, {"params": held[2:], "lr_scale": 0.5}]
    optimizer = optimizer_type(groups, **options)
    for grads in steps():
        for parameter, grad in zip(held, grads, strict=True):
            parameter.grad[...] = grad
        optimizer.step()
    formula = FORMULAS[optimizer_type]
    own = [{**options, "weight_decay": 0.3}] * 2 + [{**options, "lr": options["lr"] / 2}]
    for index, (start, found) in enumerate(zip(parameters(), held, strict=True)):
        for place in np.ndindex(start.data.shape):
            expected = formula(start.data[place], [grads[index][place] for grads in steps()], **own[index])
            assert found.data[place] == pytest.approx(expected, rel=1e-12)


def test_norms_and_biases_need_not_decay():
    model = nn.zoo.build("resnet18", input_shape=(3, 32, 32), num_classes=3)
    groups = nn.optim.decay_groups(model, 5e-4)
    decayed = {id(parameter) for parameter in groups[0]["params"]}
    for name, parameter in model.named_parameters():
        kind = "weight of a layer" if "conv" in name or name.endswith(("downsample.0.weight", "fc.weight")) else "rest"
        assert (id(parameter) in decayed) == (kind == "weight of a layer"), name
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert [group["weight_decay"] for group in groups] == [5e-4, 0.0]
    assert len(nn.optim.decay_groups(nn.Linear(2, 2, bias=False, rng=0), 1.0)) == 1


@pytest.mark.parametrize("max_norm", [0.5, 3.0, 1e9])
def test_gradients_are_clipped_by_their_common_norm(max_norm):
    held = parameters()
    optimizer = nn.SGD(held, lr=1.0)
    for parameter, grad in zip(held, steps()[0], strict=True):
        parameter.grad[...] = grad
    norm = math.sqrt(sum((grad**2).sum() for grad in steps()[0]))
    assert optimizer.clip_gradients(max_norm) == pytest.approx(norm, rel=1e-12)
    for parameter, grad in zip(held, steps()[0], strict=True):
        np.testing.assert_allclose(parameter.grad, grad * min(1, max_norm / norm), rtol=1e-5)


def test_clipping_leaves_gradients_that_are_not_finite():
    held = parameters()
    optimizer = nn.SGD(held)
    held[0].grad[0, 0] = math.inf
    held[1].grad[...] = 2
    assert optimizer.clip_gradients(1.0) == math.inf
    np.testing.assert_array_equal(held[1].grad, 2)


def test_clipping_where_squares_leave_the_type():
    weight = nn.Parameter(np.zeros((2, 2), np.float32))
    optimizer = nn.SGD([weight])
    weight.gradient()[...] = [[3e25, 0], [0, 4e25]]
    assert optimizer.clip_gradients(1.0) == pytest.approx(5e25, rel=1e-6)
    np.testing.assert_allclose(weight.grad, [[0.6, 0], [0, 0.8]], rtol=1e-6)


def test_gathered_gradients_add_up():
    held = parameters()
    optimizer = nn.SGD(held, lr=1.0)
    for turn in range(2):
        for grads in steps(3):
            for parameter, grad in zip(held, grads, strict=True):
                parameter.grad[...] = grad
            optimizer.gather()
        held[0].grad[...] = 0
        optimizer.add_gathered()
        np.testing.assert_allclose(held[0].grad, sum(grads[0] for grads in steps(3)), rtol=1e-14, err_msg=str(turn))


@each_setting
def test_state_goes_on_with_the_same_bits(optimizer_type, options):
    unbroken = run(optimizer_type, options, np.float32)
    held = parameters(np.float32)
    optimizer = optimizer_type(held, **options)
    for index, grads in enumerate(steps()):
        if index == 2:
            state, values = optimizer.state_dict(), [parameter.data.copy() for parameter in held]
            held = [nn.Parameter(value) for value in values]
            optimizer = optimizer_type(held, **options)
            optimizer.load_state_dict(state)
        for parameter, grad in zip(held, grads, strict=True):
            parameter.grad[...] = grad
        optimizer.step()
    for a, b in zip(unbroken, held, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda state: state.pop("velocity.1"), "'velocity.1' has shape None"),
        (
            lambda state: state.update({"velocity.0": np.zeros((2, 3))}),
            r"'velocity.0' has shape \(2, 3\), needed is \(3, 2",
        ),
        (lambda state: state.update({"mean.0": np.zeros(())}), "'mean.0'"),
    ],
)
def test_state_of_another_optimizer(change, match):
    state = nn.SGD(parameters(), momentum=0.9).state_dict()
    change(state)
    with pytest.raises(ValueError, match=match):
        nn.SGD(parameters(), momentum=0.9).load_state_dict(state)
