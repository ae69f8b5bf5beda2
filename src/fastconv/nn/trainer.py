"""Trainer: epochs over shuffled batches, a test after each of them, and a checkpoint that Ctrl-C leaves usable."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn.checkpoint import check_place, save_checkpoint
from fastconv.nn.evaluation import check_pair, evaluate
from fastconv.nn.layers.dropout import Dropout
from fastconv.nn.losses import CrossEntropyLoss, Loss
from fastconv.nn.module import Module
from fastconv.nn.optim import SGD, Optimizer
from fastconv.nn.schedules import SCHEDULES

__all__ = ["Callback", "Trainer"]

_T = TypeVar("_T")


class Callback:
    """What a `Trainer` tells while it runs; a subclass writes the methods it wants."""

    def on_fit_start(self, trainer: Trainer, epochs: int, batches: int) -> None:
        """Training starts: `epochs` epochs of `batches` batches."""

    def on_batch_end(self, trainer: Trainer, epoch: int, batch: int, loss: float) -> None:
        """Batch number `batch` (from 1) of epoch `epoch` (from 1) was learnt; `loss` is its loss before."""

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """An epoch was completed; `record` is its row of ``trainer.history``."""


class Trainer:
    """Trains a model.

    Every run with the same seed, data and settings gives the same bits, whatever the number of threads.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer, optional
        ``SGD(lr=0.03, momentum=0.9, weight_decay=1e-3)`` where it is not given.
    loss : Loss, optional
        `CrossEntropyLoss` where it is not given.
    batch_size : int
    seed : int
        Of the order of the examples and of dropout.
    schedule : {"cosine", "linear", "constant"} or callable
        Factor on the optimiser's learning rate when a fraction 0..1 of the batches of one `fit` is done.
    checkpoint : path, optional
        File that `save_checkpoint` renews after every epoch, and when KeyboardInterrupt ends the run.
    metadata : mapping, optional
        Of the checkpoint; the history is added to it.

    Attributes
    ----------
    history : list of dict
        One record an epoch: ``epoch`` (from 1), ``train_loss`` (mean over the epoch's batches while it learnt),
        ``test_loss``, ``test_accuracy`` (None without a test set), ``seconds`` (of learning, without the test),
        ``lr`` (of the last batch).
    checkpoint_path : str or None
        The file that was written last.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> x = np.random.default_rng(0).standard_normal((64, 2), np.float32)
    >>> labels = (x[:, 0] > x[:, 1]).astype(int)
    >>> trainer = nn.Trainer(nn.Linear(2, 2, rng=0), batch_size=8)
    >>> history = trainer.fit((x, labels), test=(x, labels), epochs=10)
    >>> history[-1]["test_accuracy"] > 0.9
    True
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer | None = None,
        loss: Loss | None = None,
        *,
        batch_size: int = 64,
        seed: int = 0,
        schedule: str | Callable[[float], float] = "cosine",
        checkpoint: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = _of_type("model", model, Module)
        if optimizer is None:
            optimizer = SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-3)
        self.optimizer = _of_type("optimizer", optimizer, Optimizer)
        self.loss = _of_type("loss", CrossEntropyLoss() if loss is None else loss, Loss)
        self.batch_size = canonical_integer("batch_size", batch_size, 1)
        self.seed = canonical_integer("seed", seed, 0)
        if isinstance(schedule, str) and schedule not in SCHEDULES:
            raise ValueError(f"schedule (={schedule!r}) must be one of {', '.join(SCHEDULES)}, or a callable")
        if not isinstance(schedule, str) and not callable(schedule):
            raise TypeError(f"schedule (={schedule!r}) must be a name or a callable")
        self.schedule = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
        self.checkpoint = checkpoint
        self.metadata = dict(metadata or {})
        self.checkpoint_path: str | None = None
        self.history: list[dict[str, Any]] = []
        self._batches = 0
        self._rng = np.random.default_rng(self.seed)
        for _, module in model.named_modules():
            if isinstance(module, Dropout):
                module.rng = self._rng.spawn(1)[0]

    def fit(
        self,
        train: tuple[np.ndarray, Any],
        test: tuple[np.ndarray, Any] | None = None,
        epochs: int = 12,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> list[dict[str, Any]]:
        """Learn for a number of epochs.

        Parameters
        ----------
        train : tuple of ndarray
            Inputs as the model takes them, shape (N, ...), of its parameters' type; and labels, shape (N,), or for
            regression targets of that type shaped as the outputs.
        test : tuple of ndarray, optional
            The same, to measure loss and accuracy after every epoch.
        epochs : int
        callbacks : sequence of Callback

        Returns
        -------
        list of dict
            ``history``: the records of these epochs after those of earlier calls.

        Raises
        ------
        TypeError
            If the data are of another type.
        ValueError
            If the data do not fit, the checkpoint cannot be written, or the loss becomes infinite or NaN.
        KeyboardInterrupt
            Again, after the checkpoint was written.
        """
        x, targets = self._prepare("train", train)
        checked_test = None if test is None else self._prepare("test", test)
        epochs = canonical_integer("epochs", epochs, 1)
        if self.checkpoint is not None:
            check_place(self.checkpoint)
        batches = -(-len(x) // self.batch_size)
        base_lr = self.optimizer.lr
        self._batches = 0
        self.model.reuse_buffers(True)
        try:
            for callback in callbacks:
                callback.on_fit_start(self, epochs, batches)
            for epoch in range(epochs):
                record = self._epoch(x, targets, base_lr, epoch, epochs, callbacks)
                if checked_test is not None:
                    result = evaluate(self.model, *checked_test, self.loss)
                    record.update(test_loss=result.loss, test_accuracy=result.accuracy)
                self.history.append(record)
                self.save()
                for callback in callbacks:
                    callback.on_epoch_end(self, record)
        except KeyboardInterrupt:
            # Before the first batch there is nothing to keep that would be worth an older file.
            if self._batches or self.checkpoint is None or not os.path.exists(self.checkpoint):
                self.save()
            raise
        finally:
            self.optimizer.lr = base_lr
            self.model.reuse_buffers(False)
        return self.history

    def save(self) -> None:
        """Write the checkpoint, if the trainer has one."""
        if self.checkpoint is not None:
            path = save_checkpoint(self.checkpoint, self.model, {**self.metadata, "history": self.history})
            self.checkpoint_path = str(path)

    def _epoch(
        self, x: np.ndarray, targets: np.ndarray, base_lr: float, epoch: int, epochs: int, callbacks: Sequence[Callback]
    ) -> dict[str, Any]:
        start = time.perf_counter()
        model, optimizer, size = self.model, self.optimizer, self.batch_size
        number = len(self.history) + 1
        batches = -(-len(x) // size)
        order = self._rng.permutation(len(x))
        batch_x = np.empty((min(size, len(x)), *x.shape[1:]), x.dtype)
        batch_targets = np.empty((len(batch_x), *targets.shape[1:]), targets.dtype)
        total = 0.0
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            inputs, wanted = batch_x[: len(chosen)], batch_targets[: len(chosen)]
            x.take(chosen, axis=0, out=inputs, mode="clip")
            targets.take(chosen, axis=0, out=wanted, mode="clip")
            optimizer.lr = base_lr * self.schedule((epoch * batches + batch) / (epochs * batches))
            outputs = model.forward(inputs, True)
            loss, gradient = self.loss.with_gradient(outputs, wanted)
            model.backward(gradient, False)
            optimizer.step()
            self._batches += 1
            total += loss * (len(chosen) if self.loss.reduction == "mean" else 1)
            for callback in callbacks:
                callback.on_batch_end(self, number, batch + 1, loss)
        if not math.isfinite(total):
            raise ValueError(f"the loss became {total} in epoch {number}: train with a smaller lr (={base_lr})")
        return {
            "epoch": number,
            "train_loss": total / len(x),
            "test_loss": None,
            "test_accuracy": None,
            "seconds": time.perf_counter() - start,
            "lr": optimizer.lr,
        }

    def _prepare(self, name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name} must be a tuple (inputs, targets), got {type(pair).__name__}")
        x, targets = np.asarray(pair[0]), np.asarray(pair[1])
        check_pair(f"{name}[0]", x, f"{name}[1]", targets)
        if x.dtype not in (np.float32, np.float64):
            raise TypeError(f"{name}[0] has dtype {x.dtype}: normalise it and cast it with .astype(np.float32)")
        wanted = next((parameter.data.dtype for parameter in self.model.parameters()), x.dtype)
        if x.dtype != wanted:
            raise TypeError(f"{name}[0] is {x.dtype} but the model is {wanted}: cast it with .astype(np.{wanted})")
        if self.loss.CLASSIFIES:
            if targets.dtype.kind not in "iu":
                raise TypeError(f"{name}[1] must hold integer labels, got dtype {targets.dtype}")
            targets = targets.astype(np.int64, copy=False)
        elif targets.dtype != wanted:
            raise TypeError(
                f"{name}[1] is {targets.dtype} but {name}[0] is {x.dtype}: cast it with .astype(np.{x.dtype})"
            )
        return np.ascontiguousarray(x), np.ascontiguousarray(targets)


def _of_type(name: str, value: Any, kind: type[_T]) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{name} (={value!r}) must be of type {kind.__name__}")
    return value
