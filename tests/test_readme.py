"""The README's example and its first command are executed; its second command is what continuous integration runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import fastconv

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Code blocks of the README in this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_examples_of_the_text_run_and_the_first_is_short(tmp_path):
    example = blocks("python")[0]
    assert len(example.strip().splitlines()) <= 10
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    for code in (example, "\n".join(blocks("python"))):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr


def test_the_two_commands_come_first():
    train, check = blocks("sh")[:2]
    assert "pip install" in train and "fastconv train" in train
    assert "pip install" in check and "pytest" in check


def test_continuous_integration_runs_the_second_command():
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("an sdist has no .ci/run")
    assert "README.md" in script.read_text(encoding="utf-8")


def test_names_in_the_readme_exist():
    names = set(re.findall(r"fastconv\.(\w+)\(", README))
    assert names
    assert not [name for name in names if not hasattr(fastconv, name)]


@pytest.mark.slow
def test_first_command_installs_and_trains(tmp_path):
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info", "build", ".git", ".data", ".*_cache")
    shutil.copytree(ROOT, tree, ignore=ignored)
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FASTCONV_ISA")}
    env["PATH"] = os.pathsep.join([str(home / "bin"), env["PATH"]])
    done = subprocess.run(["sh", "-ec", blocks("sh")[0]], capture_output=True, text=True, cwd=tree, env=env)
    printed = done.stdout + done.stderr
    if "No matching distribution found" in printed or "NewConnectionError" in printed:
        pytest.skip("needs a package index")
    assert done.returncode == 0, printed[-6000:]
    accuracy = [float(value) for value in re.findall(r"accuracy\D{1,4}(\d\.\d+|\d+\.\d+(?=\s*%))", printed)]
    assert accuracy, f"no accuracy in what was printed:\n{printed[-3000:]}"
    assert max(value if value <= 1 else value / 100 for value in accuracy) > 0.7
