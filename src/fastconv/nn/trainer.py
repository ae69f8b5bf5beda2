"""Trainer: epochs over shuffled batches, a test after each of them, and a checkpoint that a training goes on from."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fastconv._arguments import number
from fastconv.data.loader import Loader
from fastconv.data.transforms import Transform
from fastconv.geometry import canonical_integer
from fastconv.nn.callbacks import Callback
from fastconv.nn.checkpoint import TrainingState, check_place, load_checkpoint, save_checkpoint, target_of
from fastconv.nn.config import first_difference
from fastconv.nn.divergence import find_cause, first_bad_value
from fastconv.nn.ema import EMA
from fastconv.nn.evaluation import evaluate
from fastconv.nn.layers.dropout import Dropout
from fastconv.nn.layers.reparametrize import Reparametrize
from fastconv.nn.losses import CrossEntropyLoss, Loss
from fastconv.nn.module import Module
from fastconv.nn.optim import SGD, Optimizer, decay_groups
from fastconv.nn.schedules import SCHEDULES, describe
from fastconv.nn.stopping import EarlyStopping
from fastconv.nn.training_data import check_data, needs_two_rows

__all__ = ["Trainer"]

_T = TypeVar("_T")

#: layers that draw in training from a generator, their attribute `rng`
RANDOM = (Dropout, Reparametrize)


class Trainer:
    """Trains a model.

    Every run with the same seed, data and settings gives the same bits, whatever the number of threads, and also when
    it is stopped and goes on from its checkpoint (`resume`).

    Parameters
    ----------
    model : Module
    optimizer : Optimizer, optional
        ``SGD(decay_groups(model, 1e-3), lr=0.03, momentum=0.9)`` where it is not given.
    loss : Loss, optional
        `CrossEntropyLoss` where it is not given. Tests are measured without its label smoothing.
    batch_size : int
        A last batch of a single row is left out, in that epoch, for a network that normalises batches of 1x1 maps.
    seed : int
        Of the order of the examples, of layers that draw, and of the transforms.
    schedule : {"cosine", "linear", "constant", "step", "onecycle"} or callable
        Factor on the optimiser's learning rate when a fraction 0..1 of the batches of one `fit` is done; see
        `fastconv.nn.schedules`.
    accumulate : int
        How many batches make one step, which is that of all their rows together.
    clip_norm : float, optional
        Largest 2-norm of all gradients together.
    ema : float, optional
        Decay of an average of the weights (`EMA`), which is then what tests measure and checkpoints hold.
    early_stopping : EarlyStopping or int, optional
        When to end before the last epoch; an int is its patience.
    checkpoint : path, optional
        File that `save_checkpoint` renews after every epoch. KeyboardInterrupt leaves that of the last whole epoch;
        where there is no file yet, the model as it is.
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
    tested : Module
        What tests measure and checkpoints hold: the model, or the average of its weights.

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
        accumulate: int = 1,
        clip_norm: float | None = None,
        ema: float | None = None,
        early_stopping: EarlyStopping | int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = _of_type("model", model, Module)
        if optimizer is None:
            optimizer = SGD(decay_groups(model, 1e-3), lr=0.03, momentum=0.9)
        self.optimizer = _of_type("optimizer", optimizer, Optimizer)
        self.loss = _of_type("loss", CrossEntropyLoss() if loss is None else loss, Loss)
        self.batch_size = canonical_integer("batch_size", batch_size, 1)
        self.seed = canonical_integer("seed", seed, 0)
        if isinstance(schedule, str) and schedule not in SCHEDULES:
            raise ValueError(f"schedule (={schedule!r}) must be one of {', '.join(SCHEDULES)}, or a callable")
        if not isinstance(schedule, str) and not callable(schedule):
            raise TypeError(f"schedule (={schedule!r}) must be a name or a callable")
        self.schedule = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
        self.accumulate = canonical_integer("accumulate", accumulate, 1)
        self.clip_norm = None if clip_norm is None else number("clip_norm", clip_norm)
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm (={clip_norm}) must be positive")
        self.ema = None if ema is None else EMA(model, ema)
        if isinstance(early_stopping, int):
            early_stopping = EarlyStopping(early_stopping)
        self.early_stopping = (
            None if early_stopping is None else _of_type("early_stopping", early_stopping, EarlyStopping)
        )
        self.checkpoint = checkpoint
        self.metadata = dict(metadata or {})
        self.checkpoint_path: str | None = None
        self.history: list[dict[str, Any]] = []
        self.tested = self.model if self.ema is None else self.ema.model
        self._rng = np.random.default_rng(self.seed)
        self._random = {name: one for name, one in model.named_modules() if isinstance(one, RANDOM)}
        for layer in self._random.values():
            layer.rng = self._rng.spawn(1)[0]
        self._base_lr = self.optimizer.lr
        self._resumed = False
        self._done = 0  # epochs of the last fit
        self._plan: dict[str, int] = {}
        self._saved = 0

    def fit(
        self,
        train: tuple[np.ndarray, Any],
        test: tuple[np.ndarray, Any] | None = None,
        epochs: int = 12,
        *,
        transform: Transform | None = None,
        test_transform: Transform | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> list[dict[str, Any]]:
        """Learn for a number of epochs; after `resume`, for what is left of them.

        Parameters
        ----------
        train : tuple of ndarray
            Inputs, shape (N, ...), as the model takes them and of its parameters' type, or what `transform` takes; and
            labels, shape (N,), or for regression targets of that type shaped as the outputs. A `numpy.memmap` is read
            batch by batch.
        test : tuple of ndarray, optional
            The same, to measure loss and accuracy after every epoch.
        epochs : int
        transform : callable (batch, rng) -> batch, optional
            What is done to every batch of training inputs, such as a `fastconv.data.Compose` of crops and flips, in a
            thread that runs ahead.
        test_transform : callable (batch, rng) -> batch, optional
            The same for the test, such as `fastconv.data.Normalize`.
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
            If the data do not fit, the checkpoint cannot be written, or the loss becomes infinite or NaN: the message
            names the layer that gave the first such value, and the checkpoint stays that of the epoch before.
        KeyboardInterrupt
            Again, after the checkpoint was looked after.
        """
        x, targets = check_data(self.model, self.loss, "train", train, transform)
        checked_test = None if test is None else check_data(self.model, self.loss, "test", test, test_transform)
        epochs = canonical_integer("epochs", epochs, 1)
        if self.checkpoint is not None:
            check_place(self.checkpoint)
        if self._resumed and self._plan["rows"] != len(x):
            raise ValueError(f"train[0] has {len(x)} rows, the training that goes on had {self._plan['rows']}")
        loader = Loader(x, targets, self.batch_size, transform=transform, seed=self.seed)
        shape = x.shape[1:] if transform is None else transform(x[:1], np.random.default_rng(0)).shape[1:]
        rows = len(x) - (len(x) > 1 and len(x) % self.batch_size == 1 and needs_two_rows(self.model, shape))
        self._plan = {"rows": len(x), "epochs": epochs}
        self._done = self._done if self._resumed else 0
        self._resumed = False
        self._base_lr = self.optimizer.lr
        first = len(self.history) - self._done
        self.model.reuse_buffers(True)
        try:
            for callback in callbacks:
                callback.on_fit_start(self, epochs, -(-rows // self.batch_size))
            while self._done < epochs and not self._stops(self.history[first:]):
                record = self._epoch(loader, rows, epochs, callbacks)
                if checked_test is not None:
                    result = evaluate(self.tested, *checked_test, self.loss.plain(), transform=test_transform)
                    record.update(test_loss=result.loss, test_accuracy=result.accuracy)
                self._done += 1
                self.history.append(record)
                self.save()
                for callback in callbacks:
                    callback.on_epoch_end(self, record)
        except KeyboardInterrupt:
            self._save_at_interrupt(first)
            raise
        finally:
            self.optimizer.lr = self._base_lr
            self.model.reuse_buffers(False)
            for callback in callbacks:
                callback.on_fit_end(self)
        return self.history

    def save(self) -> None:
        """Write the checkpoint, if the trainer has one."""
        self._write(self._state())
        self._saved = len(self.history)

    def resume(self, path: str | os.PathLike[str] | None = None) -> Trainer:
        """Take over a checkpoint that a Trainer of the same model and settings wrote; `fit` then goes on.

        The next `fit`, with the data and the number of epochs of the one that was stopped, does what is left of it and
        gives the bits of an unbroken run. With another number of epochs it goes on as one that was planned so.

        Parameters
        ----------
        path : path, optional
            The trainer's own checkpoint where it is not given.

        Returns
        -------
        Trainer
            Itself.

        Raises
        ------
        ValueError
            If the file is damaged, holds another network, no training, or one of other settings; nothing is changed
            then.
        """
        if path is None:
            if self.checkpoint is None:
                raise ValueError("path (=None) must name a checkpoint: this trainer has none")
            path = target_of(Path(self.checkpoint))
        loaded = load_checkpoint(path)
        said = f"path (={os.fspath(path)!r})"
        difference = first_difference(_plain(loaded.model.config()), _plain(self.model.config()))
        if difference:
            raise ValueError(f"{said} holds another network: {difference}")
        if loaded.training is None:
            raise ValueError(f"{said} holds a model without the state of a training: there is nothing to resume")
        values, arrays = loaded.training
        differing = _differences(values["settings"], _plain(self._settings()))
        if differing:
            raise ValueError(f"{said} was trained with other settings: {'; '.join(differing)}")
        self.optimizer.load_state_dict(_below("optimizer.", arrays))
        self.tested.load_state_dict(loaded.state)
        if self.ema is not None:
            self.model.load_state_dict(_below("model.", arrays))
            self.ema.steps = int(values["ema_steps"])
        self._rng.bit_generator.state = values["rng"]
        for name, layer in self._random.items():
            layer.rng.bit_generator.state = values["dropout"][name]
        self.history = list(loaded.metadata.get("history", []))
        self._resumed, self._done, self._plan = True, int(values["done"]), dict(values["plan"])
        self._saved = len(self.history)
        self.checkpoint_path = os.fspath(path)
        return self

    def _epoch(self, loader: Loader, rows: int, epochs: int, callbacks: Sequence[Callback]) -> dict[str, Any]:
        start = time.perf_counter()
        model, optimizer, size = self.model, self.optimizer, self.batch_size
        number = len(self.history) + 1
        batches = -(-rows // size)
        order = self._rng.permutation(len(loader.x))[:rows]
        mean = self.loss.reduction == "mean"
        total = 0.0
        with closing(loader.batches(order, number)) as prepared:
            for batch, (inputs, wanted) in enumerate(prepared):
                place = batch % self.accumulate
                if place == 0:
                    optimizer.lr = self._base_lr * self.schedule((self._done * batches + batch) / (epochs * batches))
                    together = min(self.accumulate * size, rows - batch * size)
                outputs = model.forward(inputs, True)
                loss, gradient = self.loss.with_gradient(outputs, wanted)
                if not math.isfinite(loss):
                    cause = find_cause(model, inputs)
                    raise self._diverged(f"the loss became {loss} in batch {batch + 1} of epoch {number}: {cause}")
                if mean and together > len(wanted):
                    gradient *= len(wanted) / together
                model.backward(gradient, False)
                if place < self.accumulate - 1 and batch < batches - 1:
                    optimizer.gather(first=place == 0)
                else:
                    self._step(place > 0)
                total += loss * (len(wanted) if mean else 1)
                for callback in callbacks:
                    callback.on_batch_end(self, number, batch + 1, loss)
        bad = first_bad_value(model)
        if bad:
            raise self._diverged(f"in the last steps of epoch {number} {bad!r} became infinite or NaN")
        return {
            "epoch": number,
            "train_loss": total / rows,
            "test_loss": None,
            "test_accuracy": None,
            "seconds": time.perf_counter() - start,
            "lr": optimizer.lr,
        }

    def _step(self, gathered: bool) -> None:
        if gathered:
            self.optimizer.add_gathered()
        if self.clip_norm is not None:
            self.optimizer.clip_gradients(self.clip_norm)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()

    def _stops(self, records: list[dict[str, Any]]) -> bool:
        return self.early_stopping is not None and self.early_stopping(records)

    def _diverged(self, what: str) -> ValueError:
        kept = f"; {self.checkpoint_path} keeps epoch {self._saved}" if self._saved and self.checkpoint_path else ""
        return ValueError(f"{what}; train with a smaller lr (={self._base_lr:g}) or with clip_norm{kept}")

    def _save_at_interrupt(self, first: int) -> None:
        """Leave the last whole epoch on disk; before there is one, the model as it is, but not over an older file."""
        if len(self.history) > max(first, self._saved):
            self.save()
        elif (
            len(self.history) == first and self.checkpoint is not None and not target_of(Path(self.checkpoint)).exists()
        ):
            self._write(None)

    def _write(self, state: TrainingState | None) -> None:
        if self.checkpoint is not None:
            metadata = {**self.metadata, "history": self.history}
            self.checkpoint_path = str(save_checkpoint(self.checkpoint, self.tested, metadata, state))

    def _settings(self) -> dict[str, Any]:
        """All that the bits of a training depend on, beside its data and where it stands."""
        return {
            "batch_size": self.batch_size,
            "seed": self.seed,
            "loss": repr(self.loss),
            "schedule": describe(self.schedule),
            "accumulate": self.accumulate,
            "clip_norm": self.clip_norm,
            "ema": None if self.ema is None else self.ema.decay,
            "early_stopping": repr(self.early_stopping),
            **{f"optimizer's {name}": value for name, value in self.optimizer.settings().items()},
            "optimizer's lr": self._base_lr,
        }

    def _state(self) -> TrainingState:
        values = {
            "settings": self._settings(),
            "plan": self._plan,
            "done": self._done,
            "rng": self._rng.bit_generator.state,
            "dropout": {name: layer.rng.bit_generator.state for name, layer in self._random.items()},
        }
        arrays = {f"optimizer.{name}": array for name, array in self.optimizer.state_dict().items()}
        if self.ema is not None:
            values["ema_steps"] = self.ema.steps
            arrays |= {f"model.{name}": array for name, array in self.model.state_dict().items()}
        return TrainingState(values, arrays)


def _plain(value: Any) -> Any:
    """The value as it comes back from a file: JSON's lists for tuples."""
    return json.loads(json.dumps(value))


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    names: Iterable[str] = {**here, **there}
    return [
        f"{name} {there.get(name)!r}, here {here.get(name)!r}" for name in names if there.get(name) != here.get(name)
    ]


def _below(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _of_type(name: str, value: Any, kind: type[_T]) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{name} (={value!r}) must be of type {kind.__name__}")
    return value
