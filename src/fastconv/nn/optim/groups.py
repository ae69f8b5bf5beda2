"""Which parameters a weight decay is for."""

from __future__ import annotations

from typing import Any

from fastconv.nn.module import Module

__all__ = ["decay_groups"]


def decay_groups(model: Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for an optimizer: the weights of layers, which decay, and biases and norms, which do not.

    A decay keeps the weights of a convolution or a Linear small. The scale and shift of a norm and a bias are few,
    cannot overfit, and are only held away from where they should be. They are what has a single axis.

    Parameters
    ----------
    model : Module
    weight_decay : float
        Of the first group.

    Returns
    -------
    list of dict
        As an `Optimizer` takes it. A group without parameters is left out.

    Examples
    --------
    >>> from fastconv import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4))
    >>> optimizer = nn.SGD(nn.optim.decay_groups(model, 5e-4), lr=0.1)
    >>> [(group.weight_decay, len(group.parameters)) for group in optimizer.groups]
    [(0.0005, 1), (0.0, 3)]
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.data.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.data.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
