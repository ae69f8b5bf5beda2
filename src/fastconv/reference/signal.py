"""The textbook's formulas for one and two dimensions, and for one volume, exactly as they are written there."""

from __future__ import annotations

import numpy as np


def convolve1d(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    r"""True convolution of two series: :math:`s(t) = \sum_a x(a)\, w(t - a)`.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Input.
    w : ndarray of shape (k,)
        Kernel.

    Returns
    -------
    ndarray of shape (n + k - 1,)
        Feature map at every t where the sum is not empty.

    Examples
    --------
    >>> convolve1d(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5])).tolist()
    [0.0, 1.0, 2.5, 4.0, 1.5]
    """
    s = np.zeros(len(x) + len(w) - 1)
    for t in range(len(s)):
        for a in range(len(x)):
            if 0 <= t - a < len(w):
                s[t] += x[a] * w[t - a]
    return s


def correlate1d(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    r"""Cross-correlation of two series: :math:`s(t) = \sum_a x(t + a)\, w(a)`.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Input.
    w : ndarray of shape (k,)
        Kernel.

    Returns
    -------
    ndarray of shape (n + k - 1,)
        Feature map for t from -(k - 1) to n - 1.

    Examples
    --------
    >>> correlate1d(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5])).tolist()
    [0.5, 2.0, 3.5, 3.0, 0.0]
    """
    lowest = 1 - len(w)
    s = np.zeros(len(x) + len(w) - 1)
    for t in range(lowest, len(x)):
        for a in range(len(w)):
            if 0 <= t + a < len(x):
                s[t - lowest] += x[t + a] * w[a]
    return s


def convolve2d(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    r"""True convolution of an image: :math:`S(i,j) = \sum_m \sum_n I(m,n)\, K(i-m, j-n)`.

    Parameters
    ----------
    image : ndarray of shape (h, w)
        Input.
    kernel : ndarray of shape (p, q)
        Kernel.

    Returns
    -------
    ndarray of shape (h + p - 1, w + q - 1)
        Feature map at every (i, j) where the sum is not empty.

    Examples
    --------
    >>> convolve2d(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 1.0]])).tolist()
    [[1.0, 3.0, 2.0], [0.0, 1.0, 2.0]]
    """
    (height, width), (rows, columns) = image.shape, kernel.shape
    s = np.zeros((height + rows - 1, width + columns - 1))
    for i, j in np.ndindex(s.shape):
        for m in range(height):
            for n in range(width):
                if 0 <= i - m < rows and 0 <= j - n < columns:
                    s[i, j] += image[m, n] * kernel[i - m, j - n]
    return s


def correlate2d(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    r"""Cross-correlation of an image: :math:`S(i,j) = \sum_m \sum_n I(i+m, j+n)\, K(m,n)`.

    Parameters
    ----------
    image : ndarray of shape (h, w)
        Input.
    kernel : ndarray of shape (p, q)
        Kernel.

    Returns
    -------
    ndarray of shape (h + p - 1, w + q - 1)
        Feature map for i from -(p - 1) and j from -(q - 1).

    Examples
    --------
    >>> correlate2d(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 1.0]])).tolist()
    [[1.0, 2.0, 0.0], [1.0, 3.0, 2.0]]
    """
    (height, width), (rows, columns) = image.shape, kernel.shape
    s = np.zeros((height + rows - 1, width + columns - 1))
    for i in range(1 - rows, height):
        for j in range(1 - columns, width):
            for m in range(rows):
                for n in range(columns):
                    if 0 <= i + m < height and 0 <= j + n < width:
                        s[i + rows - 1, j + columns - 1] += image[i + m, j + n] * kernel[m, n]
    return s


def feature_maps(volume: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    r"""Feature maps of one volume: :math:`Z_{i,j,k} = \sum_{l,m,n} V_{l,\,j+m,\,k+n}\, K_{i,l,m,n}`.

    Parameters
    ----------
    volume : ndarray of shape (C, H, W)
        Input.
    kernels : ndarray of shape (O, C, p, q)
        Filters, each as deep as the input.

    Returns
    -------
    ndarray of shape (O, H - p + 1, W - q + 1)

    Examples
    --------
    >>> feature_maps(np.ones((3, 4, 4)), np.ones((2, 3, 2, 2))).shape
    (2, 3, 3)
    """
    channels, height, width = volume.shape
    filters, _, rows, columns = kernels.shape
    z = np.zeros((filters, height - rows + 1, width - columns + 1))
    for i, j, k in np.ndindex(z.shape):
        for m in range(channels):
            for n in range(rows):
                for p in range(columns):
                    z[i, j, k] += volume[m, j + n, k + p] * kernels[i, m, n, p]
    return z
