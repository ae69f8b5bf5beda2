"""Losses: values, gradients by finite differences, PyTorch's values."""

import math

import numpy as np
import pytest

from fastconv import nn

RNG = np.random.default_rng(0)
SCORES, LABELS, TARGETS = RNG.standard_normal((4, 5)), np.array([0, 4, 2, 2]), RNG.standard_normal((4, 5))
CASES = [(nn.CrossEntropyLoss, LABELS, reduction, "CrossEntropyLoss") for reduction in ("mean", "sum")] + [
    (nn.MSELoss, TARGETS, reduction, "MSELoss") for reduction in ("mean", "sum")
]
each_case = pytest.mark.parametrize(("loss_type", "targets", "reduction", "peer"), CASES)


@each_case
def test_gradient(loss_type, targets, reduction, peer):
    loss = loss_type(reduction)
    value, gradient = loss.with_gradient(SCORES, targets)
    assert type(value) is float
    assert value == pytest.approx(loss(SCORES, targets), rel=1e-14)
    for place in np.ndindex(SCORES.shape):
        moved = [SCORES.copy(), SCORES.copy()]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        expected = (loss(moved[0], targets) - loss(moved[1], targets)) / 2e-6
        assert gradient[place] == pytest.approx(expected, rel=1e-6, abs=1e-8)


@each_case
def test_same_as_pytorch(loss_type, targets, reduction, peer):
    torch = pytest.importorskip("torch")
    expected = getattr(torch.nn, peer)(reduction=reduction)(torch.from_numpy(SCORES), torch.from_numpy(targets))
    assert loss_type(reduction)(SCORES, targets) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_label_smoothing_is_cross_entropy_with_smoothed_probabilities(reduction, share):
    loss = nn.CrossEntropyLoss(reduction, label_smoothing=share)
    probabilities = np.eye(5)[LABELS] * (1 - share) + share / 5
    value, gradient = loss.with_gradient(SCORES, LABELS)
    expected, expected_gradient = nn.CrossEntropyLoss(reduction).with_gradient(SCORES, probabilities)
    assert value == pytest.approx(expected, rel=1e-12) == loss(SCORES, LABELS)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-14)
    assert loss(SCORES, np.eye(5)[LABELS]) == pytest.approx(expected, rel=1e-12)
    assert loss.plain()(SCORES, LABELS) == nn.CrossEntropyLoss(reduction)(SCORES, LABELS)


def test_label_smoothing_as_pytorch_has_it():
    torch = pytest.importorskip("torch")
    peer = torch.nn.CrossEntropyLoss(label_smoothing=0.2)
    expected = float(peer(torch.from_numpy(SCORES), torch.from_numpy(LABELS)))
    assert nn.CrossEntropyLoss(label_smoothing=0.2)(SCORES, LABELS) == pytest.approx(expected, rel=1e-12)


def test_bad_label_smoothing():
    with pytest.raises(ValueError, match=r"label_smoothing \(=1.5\)"):
        nn.CrossEntropyLoss(label_smoothing=1.5)


def test_values():
    assert nn.CrossEntropyLoss()(np.zeros((3, 10)), np.array([1, 2, 3])) == pytest.approx(math.log(10))
    assert nn.MSELoss("sum")(np.array([3.0, 1.0]), np.array([1.0, 1.0])) == 4


def test_bad_reduction():
    with pytest.raises(ValueError, match="reduction"):
        nn.MSELoss("none")
