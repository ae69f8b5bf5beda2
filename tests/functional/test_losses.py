"""Losses and their gradients against NumPy in float64, on every instruction set and number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastconv
from fastconv import reference

TYPES = (np.float32, np.float64)
REDUCTIONS = ("mean", "sum", "none")
SHAPES = [(64, 10), (1, 1), (3, 1), (5, 2), (2, 16), (3, 17), (4, 1000), (3000, 10)]


def problem(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return (3 * rng.standard_normal(shape)).astype(dtype), rng.integers(0, shape[1], shape[0])


def oracle(logits, targets):
    """Losses and gradients of each row against class probabilities, float64."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    gradient = np.exp(log_softmax) * targets.sum(1, keepdims=True) - targets
    return -(targets * log_softmax).sum(1), gradient


def onehot(labels, classes):
    return np.eye(classes)[labels]


def reduced(values, reduction):
    return values if reduction == "none" else values.sum() if reduction == "sum" else values.mean()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_of_labels(shape, dtype, isa):
    logits, labels = problem(shape, dtype)
    losses, gradient = oracle(logits, onehot(labels, shape[1]))
    unit = 20 * np.finfo(dtype).eps
    for reduction in REDUCTIONS:
        scale = 1 / shape[0] if reduction == "mean" else 1
        loss, dlogits = fastconv.softmax_cross_entropy(logits, labels, reduction)
        np.testing.assert_allclose(loss, reduced(losses, reduction), rtol=unit, atol=unit)
        np.testing.assert_allclose(dlogits, gradient * scale, rtol=unit, atol=unit * scale)
        assert dlogits.dtype == dtype
        assert isinstance(loss, np.ndarray if reduction == "none" else float)
        alone = fastconv.cross_entropy(logits, labels, reduction=reduction)
        np.testing.assert_array_equal(alone, loss)
        alone = fastconv.cross_entropy_backward(logits, labels, reduction=reduction)
        np.testing.assert_array_equal(alone, dlogits)


def test_reference_agrees():
    logits, labels = problem((5, 6), np.float64)
    loss, dlogits = reference.softmax_cross_entropy(logits, labels)
    assert fastconv.cross_entropy(logits, labels) == pytest.approx(loss)
    np.testing.assert_allclose(fastconv.cross_entropy_backward(logits, labels), dlogits, atol=1e-15)
    assert fastconv.mse_loss(logits, dlogits) == pytest.approx(reference.mse_loss(logits, dlogits))
    expected = reference.mse_loss_backward(logits, dlogits)
    np.testing.assert_allclose(fastconv.mse_loss_backward(logits, dlogits), expected)


@pytest.mark.parametrize("dtype", TYPES)
def test_threads_give_the_same_bits(dtype, isa):
    for shape in ((3000, 10), (40, 1000)):
        logits, labels = problem(shape, dtype)
        expected = fastconv.softmax_cross_entropy(logits, labels, "none", num_threads=1)
        for threads in (2, 3):
            loss, dlogits = fastconv.softmax_cross_entropy(logits, labels, "none", num_threads=threads)
            np.testing.assert_array_equal(loss, expected[0])
            np.testing.assert_array_equal(dlogits, expected[1])
            alone = fastconv.cross_entropy(logits, labels, reduction="none", num_threads=threads)
            np.testing.assert_array_equal(alone, expected[0])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(5, 7), (3, 1), (20, 33)], ids=str)
def test_cross_entropy_of_probabilities(shape, dtype, isa):
    logits, _ = problem(shape, dtype)
    targets = np.random.default_rng(1).random(shape).astype(dtype)
    losses, gradient = oracle(logits, targets.astype(np.float64))
    unit = 50 * np.finfo(dtype).eps
    for reduction in REDUCTIONS:
        loss, dlogits = fastconv.softmax_cross_entropy(logits, targets, reduction)
        np.testing.assert_allclose(loss, reduced(losses, reduction), rtol=unit, atol=unit * shape[1])
        scale = 1 / shape[0] if reduction == "mean" else 1
        np.testing.assert_allclose(dlogits, gradient * scale, rtol=unit, atol=unit * shape[1])


@pytest.mark.parametrize("integer", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", ">i4"])
def test_any_integer_labels(integer):
    logits, labels = problem((9, 10), np.float32)
    expected = fastconv.cross_entropy(logits, labels)
    assert fastconv.cross_entropy(logits, labels.astype(integer)) == expected
    assert fastconv.cross_entropy(logits, np.repeat(labels.astype(integer), 2)[::2]) == expected
    assert fastconv.cross_entropy(np.asfortranarray(logits), labels.tolist()) == expected


@pytest.mark.parametrize("places", [(), (4,), (2, 3)], ids=str)
def test_further_axes(places):
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((3, 5, *places)), rng.integers(0, 5, (3, *places))
    rows = np.moveaxis(logits, 1, -1).reshape(-1, 5)
    losses, gradient = oracle(rows, onehot(labels.ravel(), 5))
    loss, dlogits = fastconv.softmax_cross_entropy(logits, labels, "none")
    np.testing.assert_allclose(loss, losses.reshape(labels.shape))
    np.testing.assert_allclose(np.moveaxis(dlogits, 1, -1).reshape(-1, 5), gradient, atol=1e-15)
    assert dlogits.flags.c_contiguous
    dloss = rng.standard_normal(labels.shape)
    weighted = fastconv.cross_entropy_backward(logits, labels, reduction="none", dloss=dloss)
    np.testing.assert_allclose(weighted, dlogits * dloss[:, None])
    targets = np.moveaxis(onehot(labels, 5), -1, 1)
    np.testing.assert_allclose(fastconv.cross_entropy(logits, targets), losses.mean())


def test_one_example_without_a_batch():
    logits = np.array([1.0, 2.0, 3.0])
    loss, dlogits = fastconv.softmax_cross_entropy(logits, 2)
    assert loss == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-2)))
    np.testing.assert_allclose(dlogits, fastconv.softmax(logits) - [0, 0, 1])


@pytest.mark.parametrize("dtype", TYPES)
def test_extreme_logits(dtype, isa):
    logits = np.array([[1e4, -1e4, 0], [-np.inf, 0, 0], [0, -np.inf, -np.inf], [np.nan, 0, 0]], dtype)
    loss, dlogits = fastconv.softmax_cross_entropy(logits, np.array([1, 1, 0, 1]), "none")
    np.testing.assert_allclose(loss, [2e4, math.log(2), 0, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(dlogits[:3], np.array([[1, -1, 0], [0, -0.5, 0.5], [0, 0, 0]]))
    assert np.isnan(dlogits[3]).all()
    assert fastconv.cross_entropy(logits[1:2], np.array([0])) == math.inf
    certain = np.array([[0.25, 0.75, 0], [0.5, 0.5, 0]], dtype)
    losses = fastconv.cross_entropy(logits[:2], certain, reduction="none")
    np.testing.assert_allclose(losses, [1.5e4, math.inf], rtol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_empty_batch(reduction):
    for labels in (np.zeros(0, int), np.zeros((0, 4), np.float32)):
        loss, dlogits = fastconv.softmax_cross_entropy(np.zeros((0, 4), np.float32), labels, reduction)
        np.testing.assert_array_equal(loss, {"mean": np.nan, "sum": 0, "none": np.zeros(0)}[reduction])
        assert dlogits.shape == (0, 4)
    empty = np.zeros((0, 4, 2), np.float32)
    assert fastconv.softmax_cross_entropy(empty, np.zeros((0, 2), int), reduction)[1].shape == empty.shape
    np.testing.assert_array_equal(
        fastconv.mse_loss(empty, empty, reduction), {"mean": np.nan, "sum": 0, "none": empty}[reduction]
    )
    assert fastconv.mse_loss_backward(empty, empty, reduction).shape == empty.shape


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients_are_the_difference_quotients(reduction):
    rng = np.random.default_rng(0)
    logits, labels, target = rng.standard_normal((4, 6)), rng.integers(0, 6, 4), rng.random((4, 6))
    dloss = {"none": rng.standard_normal(4)}.get(reduction, 1.7)
    dloss_each = {"none": rng.standard_normal((4, 6))}.get(reduction, 1.7)

    def scalar(x, kind):
        if kind == "mse":
            return (fastconv.mse_loss(x, target, reduction) * np.asarray(dloss_each)).sum()
        labels_or_target = labels if kind == "labels" else target
        return (fastconv.cross_entropy(x, labels_or_target, reduction=reduction) * np.asarray(dloss)).sum()

    gradients = {
        "labels": fastconv.cross_entropy_backward(logits, labels, reduction=reduction, dloss=dloss),
        "probabilities": fastconv.cross_entropy_backward(logits, target, reduction=reduction, dloss=dloss),
        "mse": fastconv.mse_loss_backward(logits, target, reduction, dloss=dloss_each),
    }
    for kind, gradient in gradients.items():
        for index in np.ndindex(logits.shape):
            step = np.zeros_like(logits)
            step[index] = 1e-6
            quotient = (scalar(logits + step, kind) - scalar(logits - step, kind)) / 2e-6
            assert abs(gradient[index] - quotient) < 1e-7


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (1,), (64, 10), (3, 4, 5)], ids=str)
def test_mse(shape, dtype):
    rng = np.random.default_rng(0)
    x, target = np.asarray(rng.standard_normal(shape), dtype), np.asarray(rng.standard_normal(shape), dtype)
    difference = x.astype(np.float64) - target
    tolerance = {"rtol": 4 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).eps}
    for reduction in REDUCTIONS:
        loss = fastconv.mse_loss(x, target, reduction)
        np.testing.assert_allclose(loss, reduced(difference**2, reduction), **tolerance)
        gradient = fastconv.mse_loss_backward(x, target, reduction)
        scale = 2 / max(x.size, 1) if reduction == "mean" else 2
        np.testing.assert_allclose(gradient, difference * scale, **tolerance)
        assert gradient.dtype == dtype and gradient.shape == shape
    swapped = fastconv.mse_loss(x.T, target.copy(order="F").T)
    assert swapped == pytest.approx(fastconv.mse_loss(x, target), rel=1e-6)


LOGITS, LABELS = problem((4, 3), np.float32)
BAD = [
    (lambda: fastconv.cross_entropy(LOGITS, [0, 1, 3, -7]), ValueError, r"labels holds 3, outside the classes 0\.\.2"),
    (lambda: fastconv.cross_entropy(LOGITS, [0, 1, 2, -7]), ValueError, "labels holds -7"),
    (
        lambda: fastconv.cross_entropy(LOGITS, np.full(4, 2**64 - 1, np.uint64)),
        ValueError,
        "labels holds 18446744073709551615",
    ),
    (lambda: fastconv.cross_entropy(LOGITS, LABELS[:3]), ValueError, r"labels has shape \(3,\)"),
    (lambda: fastconv.cross_entropy(LOGITS, LABELS[:, None]), ValueError, r"labels has shape \(4, 1\)"),
    (lambda: fastconv.cross_entropy(LOGITS, LOGITS[:, :2]), ValueError, r"labels has shape \(4, 2\)"),
    (lambda: fastconv.cross_entropy(LOGITS, LOGITS.astype(float)), TypeError, "labels is float64 but logits"),
    (lambda: fastconv.cross_entropy(LOGITS, LABELS > 0), TypeError, "labels is bool"),
    (lambda: fastconv.cross_entropy(LOGITS.astype(int), LABELS), TypeError, "logits has dtype int64"),
    (lambda: fastconv.cross_entropy(LOGITS[:, :0], LABELS), ValueError, r"logits has shape \(4, 0\)"),
    (lambda: fastconv.cross_entropy(np.float32(1), 0), ValueError, r"logits has shape \(\)"),
    (lambda: fastconv.cross_entropy(LOGITS, LABELS, reduction="max"), ValueError, r"reduction \(='max'\)"),
    (lambda: fastconv.cross_entropy(LOGITS, LABELS, num_threads=0), ValueError, r"num_threads \(=0\)"),
    (lambda: fastconv.cross_entropy_backward(LOGITS, LABELS, dloss=LOGITS[0]), ValueError, "dloss has shape"),
    (lambda: fastconv.mse_loss(LOGITS, LOGITS[:1]), ValueError, r"target has shape \(1, 3\)"),
    (lambda: fastconv.mse_loss(LOGITS, LOGITS.astype(float)), TypeError, "target is float64 but x is float32"),
    (lambda: fastconv.mse_loss(LOGITS, LOGITS, "max"), ValueError, r"reduction \(='max'\)"),
    (lambda: fastconv.mse_loss_backward(LOGITS, LOGITS, dloss=[1.0, 2.0]), ValueError, "dloss has shape"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torch_agrees(reduction, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((6, 4, 3)).astype(dtype), rng.integers(0, 4, (6, 3))
    target = rng.random((6, 4, 3)).astype(dtype)
    tolerance = {"rtol": 50 * np.finfo(dtype).eps, "atol": 50 * np.finfo(dtype).eps}
    functions = [
        (torch.nn.functional.cross_entropy, labels, fastconv.cross_entropy, fastconv.cross_entropy_backward),
        (torch.nn.functional.cross_entropy, target, fastconv.cross_entropy, fastconv.cross_entropy_backward),
        (torch.nn.functional.mse_loss, target, fastconv.mse_loss, fastconv.mse_loss_backward),
    ]
    for theirs, wanted, ours, ours_backward in functions:
        leaf = torch.tensor(logits, requires_grad=True)
        loss = theirs(leaf, torch.tensor(wanted), reduction=reduction)
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        np.testing.assert_allclose(ours(logits, wanted, reduction=reduction), loss.detach().numpy(), **tolerance)
        np.testing.assert_allclose(ours_backward(logits, wanted, reduction=reduction), gradient.numpy(), **tolerance)


@pytest.mark.parametrize("shape", [(4, 6), (2, 6, 3, 2), (6,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_label_smoothing(shape, dtype):
    """Against the loss of the smoothed probabilities, and finite differences for the gradient."""
    rng = np.random.default_rng(0)
    axis = min(1, len(shape) - 1)
    logits = rng.standard_normal(shape).astype(dtype)
    labels = rng.integers(0, 6, shape[:axis] + shape[axis + 1 :])
    smoothed = np.moveaxis(np.eye(6)[labels] * 0.7 + 0.3 / 6, -1, axis).astype(dtype)
    loss, gradient = fastconv.softmax_cross_entropy(logits, labels, "none", label_smoothing=0.3)
    expected, expected_gradient = fastconv.softmax_cross_entropy(logits, smoothed, "none")
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(loss, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gradient, expected_gradient, atol=tolerance)
    assert gradient.dtype == dtype
    alone = fastconv.cross_entropy_backward(logits, labels, reduction="none", label_smoothing=0.3)
    np.testing.assert_array_equal(alone, gradient)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_bad_label_smoothing(share):
    with pytest.raises(ValueError, match="label_smoothing"):
        fastconv.cross_entropy(np.zeros((1, 2)), [0], label_smoothing=share)
