"""A host's own installed tests, run with fastconv in its place, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import fastconv

HERE = Path(__file__).resolve().parent


class Outcome(NamedTuple):
    """Names of tests by what became of them."""

    passed: set[str]
    failed: set[str]
    output: str


def run(folder, arguments, hosts=()):
    """Run pytest with `arguments`, with fastconv in the place of `hosts`; `folder` is for its report."""
    report = Path(folder) / "report.xml"
    paths = [str(Path(fastconv.__file__).parents[1]), str(HERE)]
    # Names of tests that come from sets would differ from run to run.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "FASTCONV_HOSTS": ",".join(hosts),
        "PYTHONHASHSEED": "0",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    command += ["-p", "fastconv_in_place"] if hosts else []
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=3000)
    passed, failed = set(), set()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
        elif case.find("skipped") is None:
            passed.add(name)
    return Outcome(passed, failed, done.stdout[-4000:])
