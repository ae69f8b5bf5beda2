"""RBF: how far an input is from the code of each class, as at the end of LeNet-5."""

from __future__ import annotations

import math

import numpy as np

from fastconv.nn import init
from fastconv.nn.layers._arguments import positive
from fastconv.nn.module import Buffer, Module

__all__ = ["RBF"]


class RBF(Module):
    """``y[i] = -sum_j (x[j] - weight[i, j])^2``: Euclidean radial basis functions with codes that stay fixed.

    The sign makes scores of the distances: the nearest code has the largest, and softmax with cross-entropy is then the
    criterion of the paper (its equation 9) without the class for what is no digit.

    Parameters
    ----------
    in_features, out_features : int
        Length of a code, and number of codes.
    rng : int or numpy.random.Generator, optional
        Where the codes are drawn from, -1 and 1 with equal probability: the paper's second choice, which needs no
        pictures of characters.

    Attributes
    ----------
    weight : Buffer, shape (out_features, in_features)

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer = nn.RBF(84, 10, rng=0)
    >>> scores = layer(layer.weight.data)
    >>> bool((scores.argmax(1) == np.arange(10)).all()), bool(scores[3, 3] == 0)
    (True, True)
    """

    KIND = "RBF"
    ARGUMENTS = ("in_features", "out_features")
    HYPERPARAMETERS = ("out_features",)

    def __init__(self, in_features: int, out_features: int, *, rng: int | np.random.Generator | None = None) -> None:
        super().__init__()
        self.in_features = positive("in_features", in_features)
        self.out_features = positive("out_features", out_features)
        self.weight = Buffer(np.ones((self.out_features, self.in_features), np.float32))
        self.reset_parameters(rng)

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw the codes anew."""
        if rng is not init.UNSET:
            self.weight.data[...] = 2 * np.random.default_rng(rng).integers(0, 2, self.weight.data.shape) - 1

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Minus the squared distances."""
        self.output_shape(x.shape[1:])
        codes = self.weight.data.astype(x.dtype, copy=False)
        distances = x[:, None, :] - codes
        y = -np.einsum("nij,nij->ni", distances, distances)
        if training:
            self._saved = (distances,)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """``dx[j] = sum_i -2 dy[i] (x[j] - weight[i, j])``."""
        (distances,) = self._take_saved()
        return np.einsum("ni,nij->nj", -2 * dy, distances) if needs_input else None

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """A number for each code."""
        if input_shape != (self.in_features,):
            raise ValueError(f"{self!r} takes {self.in_features} features, got an input of shape {input_shape}")
        return (self.out_features,)

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """A subtraction, a square and an addition per element of each code."""
        return 3 * math.prod(self.weight.data.shape)
