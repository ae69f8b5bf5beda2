"""Whiten2d: filters from the covariance of patches, which training leaves alone."""

import numpy as np
import pytest

from fastconv import nn


def pictures(shape, seed=0):
    """Neighbouring pixels and channels that resemble each other."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    return np.cumsum(np.cumsum(noise, axis=-1), axis=1) - noise


@pytest.mark.parametrize(("kernel_size", "layout"), [(2, "NCHW"), ((1, 3), "NCHW"), (2, "NHWC")])
def test_responses_are_independent_and_of_variance_one(kernel_size, layout):
    x = pictures((20, 3, 9, 8))
    x -= x.mean()
    x = np.moveaxis(x, 1, -1) if layout == "NHWC" else x
    layer = nn.Whiten2d(3, kernel_size, bias=False, layout=layout, dtype=np.float64, rng=0).fit(x, eps=1e-12)
    y = layer(x)
    rows = (y if layout == "NHWC" else np.moveaxis(y, 1, -1)).reshape(-1, layer.out_channels)
    count = layer.out_channels // 2
    np.testing.assert_allclose(rows[:, :count].T @ rows[:, :count] / len(rows), np.eye(count), atol=1e-6)
    np.testing.assert_array_equal(rows[:, count:], -rows[:, :count])


def test_the_first_filter_is_what_patches_have_most_in_common():
    layer = nn.Whiten2d(1, 2, dtype=np.float64, rng=0).fit(np.cumsum(pictures((20, 1, 9, 9)), axis=-2))
    first = layer.weight.data[0]
    assert np.all(first > 0) or np.all(first < 0)


def test_training_leaves_the_filters_alone():
    x = pictures((8, 2, 6, 6)).astype(np.float32)
    model = nn.Sequential(nn.Whiten2d(2, 2, rng=0).fit(x), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3, rng=1))
    before = {name: entry.data.copy() for name, entry in model.named_state()}
    nn.Trainer(model, nn.SGD(model.parameters(), lr=0.01), batch_size=4).fit((x, np.arange(8) % 3), epochs=1)
    changed = [name for name, entry in model.named_state() if not np.array_equal(entry.data, before[name])]
    assert changed == ["0.bias", "3.weight", "3.bias"]


@pytest.mark.parametrize("x", [np.zeros((0, 1, 4, 4)), np.full((2, 1, 4, 4), np.nan), np.zeros((2, 3, 4, 4)),
                               np.zeros((2, 1, 1, 4))])  # fmt: skip
def test_what_no_filters_can_come_from(x):
    layer = nn.Whiten2d(1, 2, rng=0)
    before = layer.weight.data.copy()
    for given, options in ((x, {}), (pictures((2, 1, 4, 4)), {"eps": 0.0})):
        with pytest.raises(ValueError):
            layer.fit(given, **options)
    np.testing.assert_array_equal(layer.weight.data, before)
