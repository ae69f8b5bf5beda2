"""The fully connected layer."""

from __future__ import annotations

import numpy as np


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    r"""Fully connected layer, in naive loops: :math:`y_{n,o} = b_o + \sum_i x_{n,i}\, W_{o,i}`.

    Parameters
    ----------
    x : ndarray of shape (N, I)
        Input.
    weight : ndarray of shape (O, I)
        Weights.
    bias : ndarray of shape (O,), optional
        Biases.

    Returns
    -------
    ndarray of shape (N, O)

    Examples
    --------
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5])).tolist()
    [[11.5]]
    """
    y = np.zeros((len(x), len(weight)))
    for n in range(len(x)):
        for o in range(len(weight)):
            total = 0.0 if bias is None else float(bias[o])
            for i in range(x.shape[1]):
                total += float(x[n, i]) * float(weight[o, i])
            y[n, o] = total
    return y.astype(x.dtype)


def linear_backward(dy: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Gradients of `linear`, in naive loops.

    .. math:: dx_{n,i} = \sum_o dy_{n,o} W_{o,i} \quad dW_{o,i} = \sum_n dy_{n,o} x_{n,i} \quad db_o = \sum_n dy_{n,o}

    Parameters
    ----------
    dy : ndarray of shape (N, O)
        Gradient of the output.
    x : ndarray of shape (N, I)
        Input.
    weight : ndarray of shape (O, I)
        Weights.

    Returns
    -------
    dx, dweight, dbias : ndarray
        Shaped as `x`, `weight` and (O,).

    Examples
    --------
    >>> dx, dweight, dbias = linear_backward(np.ones((2, 1)), np.ones((2, 3)), np.array([[1.0, 2.0, 3.0]]))
    >>> dx.tolist(), dweight.tolist(), dbias.tolist()
    ([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], [[2.0, 2.0, 2.0]], [2.0])
    """
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(len(weight))
    for n in range(len(x)):
        for o in range(len(weight)):
            dbias[o] += dy[n, o]
            for i in range(x.shape[1]):
                dx[n, i] += float(dy[n, o]) * float(weight[o, i])
                dweight[o, i] += float(dy[n, o]) * float(x[n, i])
    return dx.astype(dy.dtype), dweight.astype(dy.dtype), dbias.astype(dy.dtype)
