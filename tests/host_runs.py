"""What the adapters' tests share: interpreters of their own, and the sources that hosts leave out of their wheels."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import pytest


def python(*arguments, timeout=600, path=(), cwd=None, **environment):
    """Run this interpreter with the fastconv under test, and folders before it on the path."""
    search = [str(entry) for entry in path] + [entry for entry in sys.path if entry]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(search), **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=env, cwd=cwd, timeout=timeout
    )


def source_of(package, version, folder):
    """Unpack a host's source distribution; the test is skipped where pip cannot fetch it."""
    command = (
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
        f"{package}=={version}",
        "-d",
        folder,
    )
    done = python(*command)
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        pytest.skip(f"the source of {package} {version} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())
