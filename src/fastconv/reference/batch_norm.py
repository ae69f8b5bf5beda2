"""Batch normalisation."""

from __future__ import annotations

import math

import numpy as np


def channel_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean and variance of every channel, in naive loops: :math:`\mu_c = \frac1m \sum x_{n,c,p}`,
    :math:`\sigma_c^2 = \frac1m \sum (x_{n,c,p} - \mu_c)^2` over the m elements of channel c.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input.

    Returns
    -------
    mean, var : ndarray of shape (C,)

    Examples
    --------
    >>> mean, var = channel_statistics(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> mean.tolist(), var.tolist()
    ([2.0, 5.0], [1.0, 0.0])
    """
    mean, var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    elements = x.size // x.shape[1]
    for index in np.ndindex(x.shape):
        mean[index[1]] += float(x[index]) / elements
    for index in np.ndindex(x.shape):
        var[index[1]] += (float(x[index]) - mean[index[1]]) ** 2 / elements
    return mean, var


def batch_norm(
    x: np.ndarray, mean: np.ndarray, var: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-5
) -> np.ndarray:
    r"""Batch normalisation, in naive loops:
    :math:`y_{n,c,p} = \gamma_c \frac{x_{n,c,p} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta_c`.

    Parameters
    ----------
    x : ndarray of shape (N, C, ...)
        Input.
    mean, var : ndarray of shape (C,)
        Those of `channel_statistics` in training, running ones otherwise.
    weight, bias : ndarray of shape (C,)
        Scale and shift.
    eps : float
        Added to the variance.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> batch_norm(np.array([[1.0], [3.0]]), 2 * one, one, 10 * one, zero, eps=0).tolist()
    [[-10.0], [10.0]]
    """
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        c = index[1]
        y[index] = (float(x[index]) - mean[c]) / math.sqrt(var[c] + eps) * weight[c] + bias[c]
    return y.astype(x.dtype)


def batch_norm_backward(
    dy: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    weight: np.ndarray,
    training: bool = True,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Gradients of `batch_norm`, in naive loops; in training through mean and variance as well.

    .. math:: d\gamma_c = \sum dy\, \hat x \quad d\beta_c = \sum dy \quad
              dx = \frac{\gamma_c}{\sqrt{\sigma_c^2 + \epsilon}}
              \Bigl(dy - \frac{d\beta_c}{m} - \hat x \frac{d\gamma_c}{m}\Bigr)

    without the last two terms where the statistics were given.

    Parameters
    ----------
    dy, x : ndarray of shape (N, C, ...)
        Gradient of the output, and input.
    mean, var, weight : ndarray of shape (C,)
        Those of the forward pass.
    training : bool
        Whether mean and variance are those of `x`.
    eps : float
        Added to the variance.

    Returns
    -------
    dx, dweight, dbias : ndarray
        Shaped as `x`, (C,) and (C,).

    Examples
    --------
    >>> x, one = np.array([[1.0], [3.0], [3.0], [1.0]]), np.ones(1)
    >>> dx, dweight, dbias = batch_norm_backward(np.array([[1.0], [0.0], [0.0], [0.0]]), x, 2 * one, one, one, eps=0)
    >>> dx.ravel().tolist(), dweight.tolist(), dbias.tolist()
    ([0.5, 0.0, 0.0, -0.5], [-1.0], [1.0])
    """
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    elements = x.size // x.shape[1]
    for index in np.ndindex(x.shape):
        c = index[1]
        dweight[c] += float(dy[index]) * (float(x[index]) - mean[c]) / math.sqrt(var[c] + eps)
        dbias[c] += float(dy[index])
    for index in np.ndindex(x.shape):
        c = index[1]
        deviation = math.sqrt(var[c] + eps)
        dx[index] = float(dy[index])
        if training:
            dx[index] -= (dbias[c] + (float(x[index]) - mean[c]) / deviation * dweight[c]) / elements
        dx[index] *= weight[c] / deviation
    return dx.astype(dy.dtype), dweight.astype(dy.dtype), dbias.astype(dy.dtype)
