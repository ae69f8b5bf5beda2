"""Softmax and the two losses: classification and regression."""

from __future__ import annotations

import math

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    r"""Softmax of every row, in naive loops: :math:`p_i = e^{x_i} / \sum_j e^{x_j}`.

    Parameters
    ----------
    x : ndarray of shape (N, K)
        Logits.

    Returns
    -------
    ndarray of shape (N, K)
        Probabilities.

    Examples
    --------
    >>> softmax(np.log(np.array([[1.0, 3.0]]))).round(12).tolist()
    [[0.25, 0.75]]
    """
    p = np.zeros(x.shape)
    for n in range(len(x)):
        largest = max(float(value) for value in x[n])
        total = 0.0
        for i in range(x.shape[1]):
            p[n, i] = math.exp(float(x[n, i]) - largest)
            total += p[n, i]
        for i in range(x.shape[1]):
            p[n, i] /= total
    return p.astype(x.dtype)


def softmax_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    r"""Gradient of `softmax`, in naive loops: :math:`dx_i = y_i (dy_i - \sum_j dy_j y_j)`.

    Parameters
    ----------
    dy : ndarray of shape (N, K)
        Gradient of the probabilities.
    y : ndarray of shape (N, K)
        Probabilities.

    Returns
    -------
    ndarray of shape (N, K)

    Examples
    --------
    >>> softmax_backward(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])).tolist()
    [[0.25, -0.25]]
    """
    dx = np.zeros(y.shape)
    for n in range(len(y)):
        inner = 0.0
        for i in range(y.shape[1]):
            inner += float(dy[n, i]) * float(y[n, i])
        for i in range(y.shape[1]):
            dx[n, i] = float(y[n, i]) * (float(dy[n, i]) - inner)
    return dx.astype(dy.dtype)


def softmax_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    r"""Mean cross-entropy of the softmax of every row and its gradient, in naive loops.

    .. math:: L = -\frac{1}{N} \sum_n \log p_{n, t_n} \qquad dx_{n,i} = \frac{1}{N} (p_{n,i} - [i = t_n])

    Parameters
    ----------
    logits : ndarray of shape (N, K)
        Logits.
    labels : ndarray of int, shape (N,)
        The true class *t* of every row.

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (N, K)

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy(np.log(np.array([[1.0, 3.0]])), np.array([1]))
    >>> round(loss, 6), gradient.round(6).tolist()
    (0.287682, [[0.25, -0.25]])
    """
    loss = 0.0
    p = softmax(np.asarray(logits, dtype=np.float64))
    gradient = np.zeros(p.shape)
    for n in range(len(p)):
        loss -= math.log(p[n, labels[n]]) / len(p)
        for i in range(p.shape[1]):
            gradient[n, i] = (p[n, i] - (1.0 if i == labels[n] else 0.0)) / len(p)
    return loss, gradient.astype(logits.dtype)


def mse_loss(x: np.ndarray, target: np.ndarray) -> float:
    r"""Mean squared error, in naive loops: :math:`L = \frac{1}{n} \sum_i (x_i - t_i)^2`.

    Parameters
    ----------
    x : ndarray
        Predictions.
    target : ndarray of the shape of `x`
        What they should be.

    Returns
    -------
    float

    Examples
    --------
    >>> mse_loss(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    2.5
    """
    total = 0.0
    for index in np.ndindex(x.shape):
        total += (float(x[index]) - float(target[index])) ** 2
    return total / x.size


def mse_loss_backward(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    r"""Gradient of `mse_loss`, in naive loops: :math:`dx_i = 2 (x_i - t_i) / n`.

    Parameters
    ----------
    x : ndarray
        Predictions.
    target : ndarray of the shape of `x`
        What they should be.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> mse_loss_backward(np.array([1.0, 3.0]), np.array([0.0, 1.0])).tolist()
    [1.0, 2.0]
    """
    dx = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        dx[index] = 2 * (x[index] - target[index]) / x.size
    return dx
