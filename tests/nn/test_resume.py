"""A training that is stopped, also killed, goes on from its checkpoint with the bits of an unbroken one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fastconv import data, nn

RNG = np.random.default_rng(0)
X, LABELS = RNG.integers(0, 256, (100, 1, 12, 12), dtype=np.uint8), RNG.integers(0, 2, 100)
NORMALIZE = data.Normalize((0.5,), (0.25,))
AUGMENT = data.Compose(data.RandomCrop(1), data.RandomFlip(), NORMALIZE, data.Cutout(3))
ADAMW, SGD = nn.AdamW, nn.SGD


def network(width=4):
    return nn.Sequential(
        nn.Conv2d(1, width, 5, padding=2, rng=0),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(36 * width, 2, rng=1),
    )


def trainer(path=None, optimizer=SGD, lr=0.05, **options):
    model = options.pop("model", None) or network()
    chosen = {"momentum": 0.9, "nesterov": True} if optimizer is SGD else {}
    made = optimizer(nn.optim.decay_groups(model, 1e-3), lr=lr, **chosen)
    return nn.Trainer(model, made, checkpoint=path, **{"batch_size": 16, **options})


def fit(made, epochs=5, callbacks=(), rows=100):
    pair = (X[:rows], LABELS[:rows])
    made.fit(pair, (X, LABELS), epochs, transform=AUGMENT, test_transform=NORMALIZE, callbacks=callbacks)
    return made


class Stop(nn.Callback):
    def __init__(self, epoch, batch=None):
        self.epoch, self.batch = epoch, batch

    def on_batch_end(self, trainer, epoch, batch, loss):
        if (epoch, batch) == (self.epoch, self.batch):
            raise KeyboardInterrupt

    def on_epoch_end(self, trainer, record):
        if self.batch is None and record["epoch"] == self.epoch:
            raise KeyboardInterrupt


def bits(made):
    records = [{key: value for key, value in record.items() if key != "seconds"} for record in made.history]
    states = [model.state_dict() for model in (made.model, made.tested)]
    state = {**states[0], **{f"tested.{name}": value for name, value in states[1].items()}}
    state |= made.optimizer.state_dict()
    return {name: value.tobytes() for name, value in state.items()}, records


OPTIONS = [
    {},
    {"optimizer": ADAMW, "schedule": "onecycle"},
    {"ema": 0.9, "clip_norm": 1.0},
    {"accumulate": 3, "schedule": nn.schedules.WarmUp(), "loss": nn.CrossEntropyLoss(label_smoothing=0.1)},
    {"early_stopping": 1, "lr": 1e-6},
]


@pytest.mark.parametrize(
    "stop", [Stop(1), Stop(3), Stop(3, 1), Stop(2, 5)], ids=lambda stop: f"{stop.epoch}-{stop.batch}"
)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_same_bits_as_an_unbroken_run(tmp_path, options, stop):
    unbroken = fit(trainer(**options))
    path = tmp_path / "model.npz"
    stopped = trainer(path, **options)
    try:
        fit(stopped, callbacks=[stop])
    except KeyboardInterrupt:
        assert len(stopped.history) == (stop.epoch if stop.batch is None else stop.epoch - 1)
    resumed = fit(trainer(path, **options).resume())
    assert bits(resumed) == bits(unbroken)
    again = trainer(path, **options).resume()
    assert bits(fit(again)) == bits(unbroken), "a run that is over does nothing"


def test_a_second_interrupt_and_a_later_fit(tmp_path):
    """Resumed twice, then a second fit of its own, which an unbroken trainer does as well."""
    unbroken = fit(fit(trainer()), epochs=2)
    path = tmp_path / "model.npz"
    for epoch in (1, 4):
        made = trainer(path)
        if epoch > 1:
            made.resume()
        with pytest.raises(KeyboardInterrupt):
            fit(made, callbacks=[Stop(epoch, 6)] if epoch > 1 else [Stop(epoch)])
    resumed = fit(fit(trainer(path).resume()), epochs=2)
    assert bits(resumed) == bits(unbroken)


def test_the_trainers_own_checkpoint_has_the_suffix_that_was_written(tmp_path, monkeypatch):
    from fastconv.nn import checkpoint

    for installed in (True, False):
        monkeypatch.setattr(checkpoint, "_installed", lambda installed=installed: installed)
        if installed:
            pytest.importorskip("safetensors")
        fit(trainer(tmp_path / "model"), epochs=1)
        made = trainer(tmp_path / "model").resume()
        assert made.checkpoint_path == str(tmp_path / ("model.safetensors" if installed else "model.npz"))


def test_a_run_can_be_made_longer(tmp_path):
    path = tmp_path / "model.npz"
    fit(trainer(path, schedule="constant"), epochs=2)
    longer = fit(trainer(path, schedule="constant").resume(), epochs=4)
    assert bits(longer) == bits(fit(trainer(schedule="constant"), epochs=4))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: trainer(model=network(6)), r"another network: 0.out_channels is 4 there, 6 here"),
        (
            lambda: trainer(model=nn.Sequential(nn.Flatten(), nn.Linear(144, 2, rng=0))),
            "0 is Conv2d there, Flatten here",
        ),
        (lambda: trainer(model=nn.Sequential({"conv": nn.Conv2d(1, 1, 1, rng=0)})), "a layer is 0 there, conv here"),
        (lambda: trainer(model=nn.Linear(3, 3, rng=0)), "the network is Sequential there, Linear here"),
        (lambda: trainer(model=nn.Sequential(*list(network())[:-1])), "the number of layers is 7 there, 6 here"),
        (lambda: trainer(lr=0.1), "other settings: optimizer's lr 0.05, here 0.1"),
        (lambda: trainer(batch_size=8, seed=3), "batch_size 16, here 8; seed 0, here 3"),
        (lambda: trainer(optimizer=ADAMW), "optimizer's type 'SGD', here 'AdamW'"),
        (lambda: trainer(schedule="step"), "schedule {'type': 'Cosine'"),
        (lambda: trainer(ema=0.9), "ema None, here 0.9"),
    ],
)
def test_what_belongs_to_another_training_is_refused(tmp_path, make, match):
    path = tmp_path / "model.npz"
    fit(trainer(path), epochs=1)
    other = make()
    before = bits(other)
    with pytest.raises(ValueError, match=match) as caught:
        other.resume(path)
    assert "model.npz" in str(caught.value) and "\n" not in str(caught.value)
    assert bits(other) == before and other.history == []


def test_nothing_to_resume(tmp_path):
    with pytest.raises(ValueError, match=r"path \(=None\)"):
        trainer().resume()
    with pytest.raises(ValueError, match="is no file"):
        trainer(tmp_path / "none.npz").resume()
    nn.save_checkpoint(tmp_path / "model.npz", network())
    with pytest.raises(ValueError, match="nothing to resume"):
        trainer(tmp_path / "model.npz").resume()
    fit(trainer(tmp_path / "model.npz"), epochs=1)
    with pytest.raises(ValueError, match="50 rows, the training that goes on had 100"):
        fit(trainer(tmp_path / "model.npz").resume(), rows=50)


def test_a_model_trained_on_can_start_another_training(tmp_path):
    path = tmp_path / "model.npz"
    fit(trainer(path), epochs=1)
    loaded = nn.load_checkpoint(path)
    assert len(fit(trainer(model=loaded.model), epochs=1).history) == 1


KILLED = """
import sys
sys.path.insert(0, {folder!r})
import test_resume as case
from pathlib import Path
path = Path({path!r})
made = case.trainer(path, ema=0.9)
if path.exists():
    made.resume()
print(len(made.history), flush=True)
class Tell(case.nn.Callback):
    def on_batch_end(self, trainer, epoch, batch, loss):
        print("batch", flush=True)
    def on_epoch_end(self, trainer, record):
        print("epoch", record["epoch"], flush=True)
case.fit(made, epochs=30, callbacks=[Tell()])
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX has them")
def test_killed_again_and_again_it_loses_at_most_the_epoch_that_ran(tmp_path):
    """kill -9 after a random time, while batches run and while files are written, until the training is over."""
    path = tmp_path / "model.npz"
    code = KILLED.format(folder=os.path.dirname(__file__), path=str(path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    rng = np.random.default_rng(0)
    completed = kills = 0
    for _ in range(100):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        started = int(child.stdout.readline())
        assert started >= completed, "a completed epoch was lost"
        time.sleep(float(rng.uniform(0, 0.12)))
        child.send_signal(signal.SIGKILL)
        said = child.stdout.read().split("\n")
        child.wait()
        kills += child.returncode == -signal.SIGKILL
        completed = max([started, *(int(line.split()[1]) for line in said if line.startswith("epoch "))])
        if path.exists():
            assert len(nn.load_checkpoint(path).metadata["history"]) >= completed
        if "done" in said:
            break
    assert "done" in said and kills >= 3
    resumed = fit(trainer(path, ema=0.9).resume(), epochs=30)
    assert bits(resumed) == bits(fit(trainer(ema=0.9), epochs=30))
    nn.save_checkpoint(path, network())
    assert list(tmp_path.iterdir()) == [path]
