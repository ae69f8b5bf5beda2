"""Callbacks: what a `Trainer` tells while it runs, and those that print its history or keep it in files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.nn.files import replacing

if TYPE_CHECKING:
    from fastconv.nn.trainer import Trainer

__all__ = ["Callback", "HistoryFile", "PrintEpochs", "TensorBoard"]


class Callback:
    """What a `Trainer` tells while it runs; a subclass writes the methods it wants."""

    def on_fit_start(self, trainer: Trainer, epochs: int, batches: int) -> None:
        """Training starts: `epochs` epochs of `batches` batches, of which a resumed run has done some."""

    def on_batch_end(self, trainer: Trainer, epoch: int, batch: int, loss: float) -> None:
        """Batch number `batch` (from 1) of epoch `epoch` (from 1) was learnt; `loss` is its loss before."""

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """An epoch was completed; `record` is its row of ``trainer.history``."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Training is over: done, interrupted, or ended by an error."""


class PrintEpochs(Callback):
    """Prints a line after every epoch.

    Examples
    --------
    >>> from fastconv import nn
    >>> record = {"epoch": 3, "train_loss": 0.25, "test_loss": None, "test_accuracy": None, "seconds": 1.5, "lr": 0.1}
    >>> nn.PrintEpochs().on_epoch_end(None, record)
    epoch  3: train loss 0.2500, 1.50 s
    """

    def on_epoch_end(self, trainer: Trainer | None, record: dict[str, Any]) -> None:
        """Print the losses, the accuracy and the time."""
        figures = [
            f"{name.replace('_', ' ')} {record[name]:.4f}"
            for name in ("train_loss", "test_loss", "test_accuracy")
            if record[name] is not None
        ]
        print(f"epoch {record['epoch']:2d}: {', '.join(figures)}, {record['seconds']:.2f} s", flush=True)


class HistoryFile(Callback):
    """Keeps ``trainer.history`` in a file: a table (.csv), or one JSON object a line (.jsonl).

    The whole file is replaced after every epoch, so that it never holds an epoch twice, also after a resumed run.

    Parameters
    ----------
    path : path
        With the suffix .csv or .jsonl.

    Raises
    ------
    ValueError
        If the suffix is another one, or, after an epoch, if the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix not in _WRITERS:
            raise ValueError(f"path (={str(path)!r}) must end in {' or '.join(_WRITERS)}")

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Write the history."""
        with replacing(self.path) as file:
            file.write(_WRITERS[self.path.suffix](trainer.history).encode())


class TensorBoard(Callback):
    """Writes the figures of every epoch to event files for TensorBoard, through tensorboardX.

    Parameters
    ----------
    folder : path

    Raises
    ------
    ImportError
        If tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard files need tensorboardX: pip install 'fastconv[tensorboard]'") from None
        self.folder = Path(folder)
        self._make = SummaryWriter
        self._writer: Any = None

    def on_fit_start(self, trainer: Trainer, epochs: int, batches: int) -> None:
        """Open the file; what an earlier run wrote of later epochs is declared void."""
        self._writer = self._make(str(self.folder), purge_step=len(trainer.history) + 1)

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Write the figures."""
        for name, value in record.items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, value, record["epoch"])
        self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the file; what is still in tensorboardX's queue is written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _as_csv(history: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]) if history else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def _as_lines(history: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in history)


_WRITERS: dict[str, Callable[[list[dict[str, Any]]], str]] = {".csv": _as_csv, ".jsonl": _as_lines}
