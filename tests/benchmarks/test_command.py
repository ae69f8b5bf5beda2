"""`fastconv bench` and `python -m benchmarks` from the command line: one clear line each, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from common import HERE

from fastconv.cli import main

BENCHMARKS = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
QUICK = ("--turns", "1", "--seconds", "0.01", "--rest", "0")


def bench(*words, **options):
    """A process of `python -m benchmarks`."""
    command = [sys.executable, "-m", "benchmarks", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, timeout=120, **options)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "benchmarks: there is no benchmark 'nonsense'; choose one of"),
        (["layers", "--rows", "nonsense"], "bench_layers: --rows: no layer has that name"),
        (["layers", "--contests", "nonsense"], "bench_layers: argument --contests: invalid choice: 'nonsense'"),
        (["layers", "--turns", "0"], "bench_layers: --turns (=0) must be at least 1"),
        (["layers", "--rest", "-1"], "bench_layers: --rest (=-1.0) must be at least 0"),
        (["layers", "--seconds", "nan"], "bench_layers: --seconds (=nan) must be at least 0"),
        (["layers", "--peers-python", "{empty}/python"], "is no program"),
        (["layers", "--json", "{empty}/none/x.json"], "there is no folder {empty}/none"),
        (["layers", "--markdown", "{empty}/none/x.md"], "there is no folder {empty}/none"),
        (["layers", "--chart", "{empty}"], "bench_layers: --chart (='{empty}') is a folder"),
        (["filters", "--only", "nonsense"], "bench_filters: --only must name rows"),
        (["filters", "--turns", "none"], "bench_filters: argument --turns: invalid int value: 'none'"),
        (["filters", "--chart", "{empty}"], "is a folder"),
        (["pools", "--json", "{empty}/none/x.json"], "there is no folder"),
        (["error", "--channels", "0"], "bench_error: --channels must be at least 1"),
        (["naive", "--iterations", "0"], "bench_naive: --iterations (=0) must be at least 1"),
        (["lenet_epoch", "--torch-python", "{empty}/python"], "is no program"),
        (["import", "--json", "{empty}"], "is a folder"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(words, said, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    assert main(["bench", *(word.format(empty=empty) for word in words)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and said.format(empty=empty) in err
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    done = bench("layers", "--json", tmp_path / "x.json")
    assert done.returncode == 2 and "permission denied" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_tells_its_options(name):
    done = bench(name, "--help")
    assert done.returncode == 0 and "--json" in done.stdout and done.stderr == ""


def ends(group, patience=20):
    """Whether no process of a group is left after some seconds: whoever reaps orphans takes its time."""
    for _ in range(10 * patience):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no process groups")
@pytest.mark.parametrize("command", [["-m", "benchmarks"], ["-m", "fastconv", "bench"]])
@pytest.mark.parametrize("words", [["layers", "--contests", "plain", "--rows", "lenet.c3"], ["filters"]])
def test_ctrl_c_is_one_line_and_leaves_nothing(command, words, tmp_path):
    """As a terminal sends it: to all processes of the group."""
    words = [*words, "--seconds", "60", "--json", str(tmp_path / "x.json"), "--chart", str(tmp_path / "x.png")]
    child = subprocess.Popen(
        [sys.executable, *command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parent,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline().startswith("# cpu")
        time.sleep(2)
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    assert child.returncode == 130
    assert err == f"bench_{words[0]}: interrupted\n"
    assert not list(tmp_path.iterdir())
    assert ends(child.pid), "a worker is left behind"


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "benchmarks", "layers", "--contests", "plain", "--rows", "lenet.c3", *QUICK]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parent)
    child.stdout.close()
    assert child.wait(60) == 141
    assert child.stderr.read() == ""
    child.stderr.close()


def test_filters_against_what_is_installed(tmp_path):
    """Checked, timed in turns, and written as table, JSON and chart."""
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    rows = ("512/3x3", "1e6/9")
    done = bench("filters", *QUICK, "--only", *rows, "--json", tmp_path / "x.json", "--chart", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "x.json").read_text())
    assert [row["name"] for row in result["rows"]] == list(rows)
    assert {"fastconv", "scipy", "numpy"} <= set(result["versions"])
    assert all(name in done.stdout for name in rows)
    assert "peak_gflops" in done.stdout and "copy_gb_per_s" in done.stdout
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.png"]


def test_pools_alone(tmp_path):
    path = Path(tmp_path, "x.json")
    done = bench("pools", *QUICK, "--shapes", "64x6x28", "--passes", "pool_forward", "--json", path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == 3 and all(row["seconds"]["fastconv"] > 0 for row in rows)
