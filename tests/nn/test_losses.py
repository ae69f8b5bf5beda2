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


def test_values():
    assert nn.CrossEntropyLoss()(np.zeros((3, 10)), np.array([1, 2, 3])) == pytest.approx(math.log(10))
    assert nn.MSELoss("sum")(np.array([3.0, 1.0]), np.array([1.0, 1.0])) == 4


def test_bad_reduction():
    with pytest.raises(ValueError, match="reduction"):
        nn.MSELoss("none")
