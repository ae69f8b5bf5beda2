"""Activations and dropout, element by element."""

from __future__ import annotations

import numpy as np


def relu(x: np.ndarray) -> np.ndarray:
    """Rectified linear unit ``max(x, 0)``, in naive loops.

    Parameters
    ----------
    x : ndarray
        Input.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> relu(np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        y[index] = x[index] if x[index] > 0 or np.isnan(x[index]) else 0
    return y


def relu_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of `relu`, in naive loops: `dy` where the output is positive, else 0.

    Parameters
    ----------
    dy : ndarray
        Gradient of the output.
    y : ndarray
        Output of `relu`.

    Returns
    -------
    ndarray of the shape of `dy`

    Examples
    --------
    >>> relu_backward(np.array([5.0, 6.0]), np.array([0.0, 2.0])).tolist()
    [0.0, 6.0]
    """
    dx = np.zeros_like(dy)
    for index in np.ndindex(dy.shape):
        if y[index] > 0:
            dx[index] = dy[index]
    return dx


def dropout(x: np.ndarray, p: float, mask: np.ndarray) -> np.ndarray:
    """Inverted dropout, in naive loops: kept elements are divided by ``1 - p``.

    Parameters
    ----------
    x : ndarray
        Input, or the gradient of the output.
    p : float
        Probability of dropping an element, below 1.
    mask : ndarray of bool
        True where an element is kept.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> dropout(np.array([1.0, 2.0]), 0.5, np.array([True, False])).tolist()
    [2.0, 0.0]
    """
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        if mask[index]:
            y[index] = x[index] / (1 - p)
    return y
