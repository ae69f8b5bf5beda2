"""A loss that is not finite: training stops at once, says where it began, and keeps the last good checkpoint."""

import math
import re

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn.divergence import find_cause, first_bad_value

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((64, 1, 8, 8), np.float32), RNG.integers(0, 2, 64)


def network():
    return nn.Sequential(
        {
            "conv": nn.Conv2d(1, 4, 3, padding=1, rng=0),
            "bn": nn.BatchNorm2d(4),
            "block": nn.Graph(
                {"conv": nn.Conv2d(4, 4, 1, rng=1), "add": (nn.Add(), "conv", "input"), "relu": nn.ReLU()}
            ),
            "flatten": nn.Flatten(),
            "fc": nn.Linear(256, 2, rng=2),
        }
    )


def poison(model, name, value=math.nan):
    dict(model.named_state())[name].data.flat[0] = value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("conv.weight", math.nan, "layer 'conv' first gave .*, whose weight was not finite before"),
        ("bn.bias", math.inf, "layer 'bn' first gave .*, whose bias was not finite"),
        ("block.conv.bias", math.nan, "layer 'block.conv' first gave .*, whose bias was not finite"),
        ("fc.weight", 1e38, "^layer 'fc' first gave a value that is not finite$"),
    ],
)
def test_the_first_layer_is_named(name, value, said):
    model = network()
    if value == 1e38:
        model["fc"].weight.data[...] = value
    else:
        poison(model, name, value)
    before = {key: array.tobytes() for key, array in model.state_dict().items()}
    cause = find_cause(model, X)
    assert re.search(said, cause), cause
    assert {key: array.tobytes() for key, array in model.state_dict().items()} == before


def test_bad_inputs_are_counted():
    x = X.copy()
    x[3, 0, 0, 0], x[5] = math.nan, math.inf
    assert find_cause(network(), x) == "2 of 64 inputs of the batch are not finite"


def test_a_loss_alone():
    assert "their loss is not" in find_cause(network(), X)


def test_bad_values():
    model = network()
    assert first_bad_value(model) is None
    poison(model, "bn.running_var", math.inf)
    assert first_bad_value(model) == "bn.running_var"


def fit(trainer, x=X, epochs=4, callbacks=()):
    with np.errstate(all="ignore"):
        return trainer.fit((x, LABELS), epochs=epochs, callbacks=callbacks)


def test_training_stops_at_the_batch():
    model = network()
    seen = []

    class Witness(nn.Callback):
        def on_batch_end(self, trainer, epoch, batch, loss):
            seen.append((epoch, batch))
            if (epoch, batch) == (1, 2):
                poison(model, "block.conv.weight")

    trainer = nn.Trainer(model, batch_size=16)
    with pytest.raises(ValueError, match=r"loss became nan in batch 3 of epoch 1: layer 'block.conv' first gave"):
        fit(trainer, callbacks=[Witness()])
    assert seen == [(1, 1), (1, 2)] and trainer.history == []


@pytest.mark.parametrize("batch", [2, 4])
def test_the_last_good_checkpoint_stays(tmp_path, batch):
    """Also where only the last step of an epoch broke the weights, so that no loss of that epoch tells."""
    model = network()
    path = tmp_path / "model.npz"

    class Witness(nn.Callback):
        def on_batch_end(self, trainer, epoch, number, loss):
            if (epoch, number) == (3, batch):
                poison(model, "fc.weight")

    trainer = nn.Trainer(model, batch_size=16, checkpoint=path)
    with pytest.raises(ValueError, match=r"epoch 3.*; .*model.npz keeps epoch 2$"):
        fit(trainer, callbacks=[Witness()])
    good = nn.load_checkpoint(path)
    assert len(good.metadata["history"]) == 2 and first_bad_value(good.model) is None


def test_a_learning_rate_too_large():
    model = network()
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=1e30), batch_size=4)
    with pytest.raises(ValueError, match=r"epoch 1: layer .*; train with a smaller lr \(=1e\+30\) or with clip_norm$"):
        fit(trainer)


def test_inputs_that_are_not_finite():
    x = X.copy()
    x[7] = math.nan
    with pytest.raises(ValueError, match="1 of 16 inputs of the batch are not finite"):
        fit(nn.Trainer(network(), batch_size=16), x)
