"""EarlyStopping: when a training no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastconv._arguments import number
from fastconv.geometry import canonical_integer

__all__ = ["EarlyStopping"]


@dataclass(frozen=True)
class EarlyStopping:
    """Ends a training when the figure `monitor` has not got better for `patience` epochs.

    It reads the history and remembers nothing, so that a resumed run ends where an unbroken one does.

    Parameters
    ----------
    patience : int
    monitor : {"test_loss", "train_loss", "test_accuracy"}
        The accuracy is to rise, losses are to fall.
    min_delta : float
        How much better counts.

    Examples
    --------
    >>> stop = EarlyStopping(patience=2)
    >>> stop([{"test_loss": 2.0}, {"test_loss": 1.0}, {"test_loss": 1.1}])
    False
    >>> stop([{"test_loss": 2.0}, {"test_loss": 1.0}, {"test_loss": 1.1}, {"test_loss": 1.0}])
    True
    """

    patience: int = 5
    monitor: str = "test_loss"
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        canonical_integer("patience", self.patience, 1)
        if self.monitor not in _SIGNS:
            raise ValueError(f"monitor (={self.monitor!r}) must be one of {', '.join(_SIGNS)}")
        if not number("min_delta", self.min_delta) >= 0:
            raise ValueError(f"min_delta (={self.min_delta}) must be at least 0")

    def __call__(self, history: Sequence[Mapping[str, Any]]) -> bool:
        """Whether to stop after the last of these records."""
        best, since = float("inf"), 0
        for record in history:
            found = record.get(self.monitor)
            if found is None:
                return False
            value = _SIGNS[self.monitor] * found
            better = value < best - self.min_delta
            best, since = (value, 0) if better else (best, since + 1)
        return since >= self.patience


#: what makes less better
_SIGNS = {"test_loss": 1, "train_loss": 1, "test_accuracy": -1}
