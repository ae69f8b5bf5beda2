"""Optimisers over one flat buffer: SGD, Adam, AdamW, and which parameters decay."""

from __future__ import annotations

from fastconv.nn.optim.adam import Adam, AdamW
from fastconv.nn.optim.groups import decay_groups
from fastconv.nn.optim.optimizer import Group, Optimizer
from fastconv.nn.optim.sgd import SGD

__all__ = ["OPTIMIZERS", "SGD", "Adam", "AdamW", "Group", "Optimizer", "decay_groups"]

#: by the name that settings and checkpoints give them
OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
