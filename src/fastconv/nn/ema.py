"""EMA: a second model whose weights are a moving average of those that train."""

from __future__ import annotations

import copy

import numpy as np

from fastconv._arguments import number
from fastconv.nn.module import Module

__all__ = ["EMA"]


class EMA:
    """Exponential moving average of a model's weights and running statistics, held as a model of its own.

    ``average = decay average + (1 - decay) value`` after every step; integers are copied. In the first steps the decay
    is at most ``(1 + steps) / (10 + steps)``, so that the weights the model started with are soon forgotten.

    Parameters
    ----------
    model : Module
        The one that trains; it is not changed.
    decay : float
        0..1.

    Attributes
    ----------
    model : Module
        The averaged model: a copy, ready to be tested and saved.
    steps : int

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Linear(1, 1, bias=False, rng=0)
    >>> model.weight.data[...] = 0
    >>> ema = nn.EMA(model, decay=0.9)
    >>> model.weight.data[...] = 1
    >>> ema.update()
    >>> round(float(ema.model.weight.data[0, 0]), 4)
    0.8182
    """

    def __init__(self, model: Module, decay: float = 0.999) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"model (={model!r}) must be a Module")
        self.decay = number("decay", decay)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay (={decay}) must be at least 0 and below 1")
        self.model = copy.deepcopy(model)
        self.model.reuse_buffers(False)
        self.steps = 0
        self._pairs = [
            (average, entry)
            for (_, average), (_, entry) in zip(self.model.named_state(), model.named_state(), strict=True)
        ]
        sizes = [average.data.nbytes for average, _ in self._pairs if average.data.dtype.kind == "f"]
        self._temporary = np.empty(max(sizes, default=0), np.uint8)

    def update(self) -> None:
        """Move the averages towards the present values; allocates nothing."""
        self.steps += 1
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for average, entry in self._pairs:
            kept, value = average.data, entry.data
            if kept.dtype.kind != "f":
                kept[...] = value
                continue
            change = self._temporary[: kept.nbytes].view(kept.dtype).reshape(kept.shape)
            np.subtract(value, kept, out=change)
            np.multiply(change, share, out=change)
            np.add(kept, change, out=kept)
