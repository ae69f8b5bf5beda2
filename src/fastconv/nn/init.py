"""How parameters start: PyTorch's default, drawn from an explicit generator.

Weights and biases are uniform in (-1/sqrt(fan_in), 1/sqrt(fan_in)): Kaiming's bound sqrt(6 / ((1 + a^2) fan_in)) with
a = sqrt(5). The numbers are drawn as float64, so that float32 and float64 networks of one seed start alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.nn.module import Parameter

__all__ = ["UNSET", "kaiming_uniform"]

#: given as rng, leaves parameters without values, for a state that is loaded next
UNSET: Any = object()


def kaiming_uniform(
    rng: int | np.random.Generator | None, weight: Parameter, bias: Parameter | None, fan_in: int
) -> None:
    """Fill `weight` and then `bias` from `rng`.

    Parameters
    ----------
    rng : int or numpy.random.Generator, optional
        A seed, or a generator that is advanced; None is a fresh random seed.
    weight : Parameter
    bias : Parameter or None
    fan_in : int
        Inputs that one output sums over.
    """
    if rng is UNSET:
        return
    generator = np.random.default_rng(rng)
    bound = 1 / math.sqrt(fan_in)
    for parameter in (weight, bias):
        if parameter is not None:
            parameter.data[...] = generator.uniform(-bound, bound, parameter.data.shape)
