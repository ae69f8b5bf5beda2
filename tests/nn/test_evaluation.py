"""predict, evaluate, confusion_matrix."""

import math

import numpy as np
import pytest

from fastconv import nn


def model_that_returns_its_input(classes=3):
    model = nn.Linear(classes, classes, bias=False)
    model.weight.data[...] = np.eye(classes)
    return model


def test_predict_in_batches():
    model, x = nn.Linear(4, 2, rng=0), np.random.default_rng(0).standard_normal((23, 4), np.float32)
    expected = x @ model.weight.data.T + model.bias.data
    for batch_size in (1, 5, 23, 100):
        np.testing.assert_allclose(nn.predict(model, x, batch_size=batch_size), expected, rtol=1e-5, atol=1e-6)


def test_predict_several_outputs():
    model = nn.zoo.build("conv_vae", input_shape=(1, 4, 4))
    x = np.random.default_rng(0).random((7, 1, 4, 4), np.float32)
    expected = model(x)
    for batch_size in (3, 7):
        for found, whole in zip(nn.predict(model, x, batch_size=batch_size), expected, strict=True):
            np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)
    assert nn.evaluate(model, x, x, nn.VAELoss()).accuracy is None


def test_evaluate():
    scores = np.array([[5, 0, 0], [0, 5, 0], [0, 5, 0], [0, 0, 5]], np.float32)
    result = nn.evaluate(model_that_returns_its_input(), scores, np.array([0, 1, 2, 2]), batch_size=3)
    right, wrong = math.log(math.exp(5) + 2) - 5, math.log(math.exp(5) + 2)
    assert result.loss == pytest.approx((3 * right + wrong) / 4, rel=1e-5)
    assert result.accuracy == 0.75
    np.testing.assert_array_equal(result.predictions, [0, 1, 1, 2])


def test_evaluate_regression():
    x = np.ones((2, 3), np.float32)
    result = nn.evaluate(model_that_returns_its_input(), x, 3 * x, nn.MSELoss())
    assert result.loss == 4 and result.accuracy is None
    np.testing.assert_array_equal(result.predictions, x)


def test_confusion_matrix():
    counts = nn.confusion_matrix(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 0], [1, 0, 2]])
    assert counts.trace() == 3


def test_bad_data():
    model = model_that_returns_its_input()
    with pytest.raises(ValueError, match="x is empty"):
        nn.evaluate(model, np.zeros((0, 3), np.float32), np.zeros(0, int))
    with pytest.raises(ValueError, match="2 inputs"):
        nn.evaluate(model, np.zeros((2, 3), np.float32), np.zeros(3, int))
    with pytest.raises(ValueError, match="batch_size"):
        nn.predict(model, np.zeros((2, 3), np.float32), batch_size=0)
    with pytest.raises(ValueError, match="labels must lie in 0..1"):
        nn.confusion_matrix([0, 2], [0, 1], 2)
    with pytest.raises(ValueError, match="shape"):
        nn.confusion_matrix([0, 1, 1], [0, 1], 2)
    with pytest.raises(TypeError, match="labels must hold integers"):
        nn.confusion_matrix([0.5, 1.0], [0, 1], 2)
    with pytest.raises(TypeError, match="batch_size"):
        nn.predict(nn.ReLU(), np.zeros((2, 3)), batch_size=1.5)


def test_intersection_over_union():
    counts = nn.confusion_matrix(np.array([[0, 0], [1, 1]]), np.array([[0, 1], [1, 1]]), 3)
    np.testing.assert_allclose(nn.intersection_over_union(counts), [1 / 2, 2 / 3, np.nan])
    with pytest.raises(ValueError, match=r"confusion matrix, got shape \(2, 3\)"):
        nn.intersection_over_union(np.zeros((2, 3)))
