"""The comparison with other libraries: its shapes, its arithmetic of goals, and one run without peers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bench_layers
import numpy as np
import pytest
import report
from common import HERE, read_shapes
from contests import CONTESTS, Contest, Contestant, Goal
from naive import Conv

import fastconv

SHAPES = sorted(path.stem for path in (HERE / "shapes").glob("*.txt"))


@pytest.mark.parametrize("network", SHAPES)
def test_shapes_are_layers(network):
    rows = read_shapes(network)
    assert rows and len({name for _, name, _ in rows}) == len(rows)
    for operation, name, numbers in rows:
        if operation != "conv":
            continue
        layer = Conv(*numbers)
        assert min(layer.out) >= 1, name
        assert layer.channels % layer.groups == 0 and layer.filters % layer.groups == 0, name


@pytest.mark.parametrize(
    "layer",
    [Conv(2, 3, 7, 9, 4, 3, 1, 1, 1), Conv(1, 4, 8, 8, 6, 5, 2, 2, 2), Conv(1, 2, 5, 5, 2, 1, 1, 0, 1)],
)
def test_real_multiply_adds_are_those_on_the_image(layer):
    """A convolution of ones by ones adds up one per tap on the image."""
    x = np.ones((layer.n, layer.channels, layer.height, layer.width))
    w = np.ones((layer.filters, layer.channels // layer.groups, layer.kernel, layer.kernel))
    y = fastconv.conv2d(x, w, None, layer.stride, layer.padding, 1, layer.groups, algorithm="reference")
    assert bench_layers.real_multiply_adds(layer) == round(float(y.sum()))


def row(name, layer, **seconds):
    return bench_layers.Row(name, layer, seconds, peak=100.0)


def test_goals_are_judged_by_the_fastest_rival():
    ours, slow, fast = (Contestant(name, name) for name in ("ours", "slow", "fast"))
    contest = Contest("c", "t", "forward", ours, (slow, fast))
    small = Conv(1, 16, 8, 8, 16, 3, 1, 1, 1)
    rows = [row("a", small, ours=1.0, slow=4.0, fast=2.0), row("b", small, ours=1.0, slow=0.5, fast=8.0)]
    assert [r.ratio(contest) for r in rows] == [2.0, 0.5]
    each = bench_layers.judge(Goal("each", "3x3", each=0.95), rows, contest, 1)
    assert each["figure"] == 0.5 and not each["reached"] and each["below"] == ["b"]
    mean = bench_layers.judge(Goal("mean", "all", mean=1.0), rows, contest, 1)
    assert mean["figure"] == pytest.approx(1.0) and mean["rows"] == 2
    assert bench_layers.judge(Goal("none", "1x1", mean=1.0), rows, contest, 1) is None


def test_every_goal_speaks_of_some_layer():
    layers = [row(name, Conv(*numbers), ours=0.5, rival=1.0) for _, name, numbers in read_shapes("peers")]
    contest = Contest("c", "t", "forward", Contestant("ours", "ours"), (Contestant("rival", "rival"),))
    for goal in (goal for each in CONTESTS for goal in each.goals):
        assert any(bench_layers.chosen(goal, layer, contest) for layer in layers), goal.text


def test_a_run_without_peers(tmp_path):
    """Starts, checks and times fastconv alone, and says who is missing."""
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "benchmarks", "layers", "--contests", "plain", "backward_weights", "--rows"]
    command += ["lenet.c3", "mb.dw", "--turns", "1", "--seconds", "0.01", "--rest", "0", "--json", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, timeout=120)
    assert done.returncode == 0, done.stderr
    contests = json.loads(result.read_text())["contests"]
    assert [contest["name"] for contest in contests] == ["plain", "backward_weights"]
    assert all(len(contest["rows"]) == 2 for contest in contests)
    assert "WRONG" not in done.stdout


def test_the_chart_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from chart import draw

    rows = [{"name": name, "ratio": ratio, "fastest": "torch"} for name, ratio in (("a", 0.8), ("b", 2.5))]
    contest = {"title": "forward, against PyTorch", "versions": {"fastconv": "1", "torch": "2"}, "rows": rows}
    machine = {"cpu": "a CPU", "isa": "avx2", "threads": 2}
    path = Path(tmp_path, "chart.png")
    draw({"machine": machine, "contests": [contest]}, str(path))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_page_holds_every_row_and_goal():
    """A row that one contest lacks is a dash there; the mean is of the rows that are there."""
    times = {"a": {"fastconv": 1e-3, "torch": 2e-3}, "b": {"fastconv": 1e-3, "ncnn": 8e-3}}
    facts = {"a": {"ratio": 2.0, "fastest": "torch"}, "b": {"ratio": 8.0, "fastest": "ncnn"}}
    rows = [{"name": name, "seconds": times[name], "share_of_peak": 0.5, **facts[name]} for name in times]
    goal = {"goal": "every row", "figure": 2.0, "reached": True, "below": []}
    contests = [
        {"name": "prepared", "versions": {"fastconv": "1"}, "rows": rows, "goals": [goal]},
        {"name": "plain", "versions": {"fastconv": "1"}, "rows": rows[:1], "goals": [{**goal, "below": ["a"]}]},
    ]
    page = report.markdown({"contests": contests}).splitlines()
    assert page[2:5] == [
        "| a | 1.000 | 50 | torch 2.000 | 2.00 | 2.00 |",
        "| b | 1.000 | 50 | ncnn 8.000 | 8.00 | - |",
        "| geometric mean |  |  |  | **4.00** | **2.00** |",
    ]
    assert page[-2:] == ["| prepared: every row | 2.00 | reached |", "| plain: every row | 2.00 (a) | reached |"]
