"""EMA: the average by its formula, apart from the model, with its running statistics."""

import tracemalloc

import numpy as np
import pytest

from fastconv import nn


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2, rng=1))


def test_formula():
    model = network()
    expected = model.state_dict()
    ema = nn.EMA(model, decay=0.4)
    rng = np.random.default_rng(0)
    for step in range(1, 6):
        for _, entry in model.named_state():
            entry.data += np.ones_like(entry.data) if entry.data.dtype == np.int64 else rng.random(entry.data.shape)
        ema.update()
        decay = min(0.4, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            whole = value.dtype == np.int64
            expected[name] = value if whole else decay * expected[name] + (1 - decay) * value
    for name, value in ema.model.state_dict().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)


def test_it_is_apart_from_the_model():
    model = network()
    nn.SGD(model.parameters())
    ema = nn.EMA(model)
    for (_, average), (_, entry) in zip(ema.model.named_state(), model.named_state(), strict=True):
        assert not np.shares_memory(average.data, entry.data)
    x = np.random.default_rng(0).standard_normal((2, 1, 3, 3), np.float32)
    np.testing.assert_array_equal(ema.model(x), model(x))


def test_update_allocates_nothing_large():
    ema = nn.EMA(nn.Linear(300, 300, rng=0))
    tracemalloc.start()
    ema.update()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: nn.EMA("model"), TypeError, "model"),
        (lambda: nn.EMA(network(), 1.0), ValueError, r"decay \(=1.0\)"),
        (lambda: nn.EMA(network(), "much"), TypeError, "decay"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()
