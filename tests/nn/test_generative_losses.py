"""Binary cross-entropy, the divergence from the normal law, and the loss of variational autoencoders."""

import math

import numpy as np
import pytest

import fastconv
from fastconv import nn

RNG = np.random.default_rng(0)
SCORES, PIXELS = RNG.standard_normal((4, 1, 2, 3)) * 3, RNG.random((4, 1, 2, 3))
MEAN, LOGVAR = RNG.standard_normal((4, 5)), RNG.standard_normal((4, 5))
CASES = [
    (loss, predictions, targets)
    for reduction in ("mean", "sum")
    for loss, predictions, targets in [
        (nn.BCEWithLogitsLoss(reduction), (SCORES,), PIXELS),
        (nn.KLLoss(reduction), (MEAN, LOGVAR), None),
        (nn.VAELoss(0.7, reduction), (SCORES, MEAN, LOGVAR), PIXELS),
    ]
]


def given(parts):
    return tuple(parts) if len(parts) > 1 else parts[0]


@pytest.mark.parametrize(("loss", "predictions", "targets"), CASES, ids=lambda value: getattr(value, "reduction", ""))
def test_gradients(loss, predictions, targets):
    value, gradients = loss.with_gradient(given(predictions), targets)
    assert type(value) is float and value == loss(given(predictions), targets)
    for index, gradient in enumerate(gradients if len(predictions) > 1 else (gradients,)):
        for place in np.ndindex(gradient.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = [part.copy() for part in predictions]
                moved[index][place] += step
                values.append(loss(given(moved), targets))
            assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_single_precision_stays():
    parts = tuple(part.astype(np.float32) for part in (SCORES, MEAN, LOGVAR))
    _, gradients = nn.VAELoss(0.5).with_gradient(parts, PIXELS.astype(np.float32))
    assert {gradient.dtype for gradient in gradients} == {np.dtype(np.float32)}


def test_values():
    assert nn.BCEWithLogitsLoss()(np.array([-1000.0, 1000.0]), np.array([1.0, 0.0])) == 1000
    assert nn.BCEWithLogitsLoss("sum")(np.zeros(3), np.ones(3)) == pytest.approx(3 * math.log(2))
    assert fastconv.binary_cross_entropy_with_logits(np.zeros(3), np.ones(3), "none").shape == (3,)
    assert math.isnan(fastconv.binary_cross_entropy_with_logits(np.zeros(0), np.zeros(0)))
    assert nn.KLLoss()((np.zeros((2, 3)), np.zeros((2, 3)))) == 0
    assert fastconv.normal_divergence(MEAN, LOGVAR, "none").shape == (4,)
    whole = nn.BCEWithLogitsLoss("sum")(SCORES, PIXELS) + 2 * nn.KLLoss("sum")((MEAN, LOGVAR))
    assert nn.VAELoss(2)((SCORES, MEAN, LOGVAR), PIXELS) == pytest.approx(whole / 4)


def test_same_as_pytorch():
    torch = pytest.importorskip("torch")
    x, t = torch.from_numpy(SCORES), torch.from_numpy(PIXELS)
    for reduction in ("mean", "sum"):
        expected = float(torch.nn.BCEWithLogitsLoss(reduction=reduction)(x, t))
        assert nn.BCEWithLogitsLoss(reduction)(SCORES, PIXELS) == pytest.approx(expected, rel=1e-12)
    normal = torch.distributions.Normal(torch.from_numpy(MEAN), torch.from_numpy(np.exp(LOGVAR / 2)))
    expected = float(torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1)).sum())
    assert nn.KLLoss("sum")((MEAN, LOGVAR)) == pytest.approx(expected, rel=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="reduction"):
        nn.KLLoss("none")
    with pytest.raises(ValueError, match="reduction"):
        fastconv.normal_divergence(MEAN, LOGVAR, "all")
    with pytest.raises(ValueError, match=r"beta \(=-1\)"):
        nn.VAELoss(-1)
    with pytest.raises(ValueError, match="targets has shape"):
        nn.BCEWithLogitsLoss()(SCORES, PIXELS[0])
    with pytest.raises(TypeError, match="types are never mixed"):
        nn.BCEWithLogitsLoss()(SCORES, PIXELS.astype(np.float32))
    with pytest.raises(ValueError, match="logvar has shape"):
        nn.KLLoss()((MEAN, LOGVAR[0]))
    with pytest.raises(ValueError, match="batch axis"):
        fastconv.normal_divergence(np.float64(1), np.float64(1))
