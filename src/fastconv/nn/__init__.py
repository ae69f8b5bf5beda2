"""Networks that train: layers, losses, optimisers, a trainer, summaries, checkpoints and a small zoo.

Layers, their arguments and the keys of their state carry PyTorch's names. There is no tape: a layer keeps what its own
backward needs, and `Graph` (or `Sequential`, a chain) calls the layers in order and then in reverse.

Layers
    ``y = layer(x)`` infers and keeps nothing; ``layer(x, training=True)`` also keeps what ``dx = layer.backward(dy)``
    needs. backward *sets* ``parameter.grad`` (it does not add to it). ``layer.parameters()``, ``named_parameters()``,
    ``state_dict()``, ``load_state_dict(state)`` as in PyTorch. Weights are drawn from ``rng=`` (a seed or a Generator).

Training
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.zoo.build("lenet5", seed=0)
    >>> x = np.random.default_rng(0).standard_normal((128, 1, 28, 28), np.float32)
    >>> labels = np.arange(128) % 10
    >>> trainer = nn.Trainer(model, seed=0)
    >>> history = trainer.fit((x, labels), test=(x, labels), epochs=2)
    >>> sorted(history[-1])
    ['epoch', 'lr', 'seconds', 'test_accuracy', 'test_loss', 'train_loss']

    ``Trainer(model, optimizer=None, loss=None, *, batch_size=64, seed=0, schedule="cosine", accumulate=1,
    clip_norm=None, ema=None, early_stopping=None, checkpoint=None, metadata=None)``; ``fit(train, test=None, epochs=12,
    *, transform=None, test_transform=None, callbacks=())`` takes float arrays ready for the network (normalised, NCHW)
    or what the transforms make such arrays of, and integer labels. A `Callback` has ``on_fit_start(trainer, epochs,
    batches)``, ``on_batch_end(trainer, epoch, batch, loss)``, ``on_epoch_end(trainer, record)`` and
    ``on_fit_end(trainer)``; records are dicts that ``json.dumps`` takes. `PrintEpochs`, `HistoryFile`
    and `TensorBoard` are callbacks that write them. With ``checkpoint=PATH`` the file is renewed after every epoch, and
    Ctrl-C leaves that of the last whole one (KeyboardInterrupt is raised again afterwards; ``trainer.history`` holds
    the epochs that were completed, ``trainer.checkpoint_path`` the file).
    ``trainer.resume()`` then makes the next ``fit`` go on with the bits of an unbroken run.
    ``evaluate(model, x, labels) -> Evaluation(loss, accuracy, predictions)``, ``predict(model, x) -> outputs`` in
    batches, ``confusion_matrix(labels, predictions, classes) -> counts``, ``intersection_over_union(counts)``;
    `detection` has average precision, overlaps and the suppression of boxes.

Files
    ``path = save_checkpoint(path, model, metadata)``: metadata is a dict that JSON can hold; the keys that mean
    something are ``network`` (name), ``class_names`` (list), ``mean`` and ``std`` (lists, one value a channel, on the
    0..1 scale), ``input_shape`` (channels, height, width). Without safetensors the suffix of the returned path is
    ``.npz`` and one line on stderr says so. ``checkpoint = load_checkpoint(path)`` has ``.model``, ``.metadata`` and
    ``.state``; bad files are a ValueError. ``load_weights(model, path, names)`` takes over a state dict that PyTorch or
    safetensors wrote, without either.

Networks
    ``zoo.build(name, seed=0, input_shape=None, num_classes=None)`` makes one; ``zoo.NETWORKS`` maps names to rows with
    ``name``, ``description``, ``input_shape``, ``num_classes`` (None where there are no classes), ``task``.

Figures
    ``Trace(model, x)`` keeps what every layer gave, and gives gradients of any of it.
    ``summary(model, input_shape)`` returns a `Summary`: ``str()`` is the table, ``.as_dict()`` the data.
"""

from __future__ import annotations

from fastconv.nn import detection, init, losses, optim, schedules, weights, zoo
from fastconv.nn.callbacks import Callback, HistoryFile, PrintEpochs, TensorBoard
from fastconv.nn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fastconv.nn.config import from_config
from fastconv.nn.ema import EMA
from fastconv.nn.evaluation import Evaluation, confusion_matrix, evaluate, intersection_over_union, predict
from fastconv.nn.generative_losses import BCEWithLogitsLoss, KLLoss, VAELoss
from fastconv.nn.layers import *  # noqa: F403
from fastconv.nn.layers import __all__ as _layers
from fastconv.nn.losses import CrossEntropyLoss, MSELoss
from fastconv.nn.module import Buffer, Module, Parameter
from fastconv.nn.optim import SGD, Adam, AdamW
from fastconv.nn.stopping import EarlyStopping
from fastconv.nn.summary import Summary, summary
from fastconv.nn.trace import Trace
from fastconv.nn.trainer import Trainer
from fastconv.nn.weights import load_weights

__all__ = [
    *_layers,
    "EMA",
    "SGD",
    "Adam",
    "AdamW",
    "BCEWithLogitsLoss",
    "Buffer",
    "Callback",
    "Checkpoint",
    "CrossEntropyLoss",
    "EarlyStopping",
    "Evaluation",
    "HistoryFile",
    "KLLoss",
    "MSELoss",
    "Module",
    "Parameter",
    "PrintEpochs",
    "Summary",
    "TensorBoard",
    "Trace",
    "Trainer",
    "VAELoss",
    "confusion_matrix",
    "detection",
    "evaluate",
    "from_config",
    "init",
    "intersection_over_union",
    "load_checkpoint",
    "load_weights",
    "losses",
    "optim",
    "predict",
    "save_checkpoint",
    "schedules",
    "summary",
    "weights",
    "zoo",
]
