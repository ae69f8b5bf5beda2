"""info, data, explain, summary and filter: what they print and write."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import fastconv
from fastconv import nn
from fastconv.cli import main
from fastconv.cli.output import Output


def run(capsys, *argv):
    assert main([str(word) for word in argv]) == 0
    return capsys.readouterr().out


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, "-m", "fastconv", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"fastconv {fastconv.__version__}\n" and not done.stderr


def test_a_reader_that_goes_away_is_no_error():
    command = "import sys; from fastconv.cli import main; sys.exit(main(['data', '--json']))"
    child = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    assert child.wait(60) == 141
    assert child.stderr.read() == b""
    child.stderr.close()


def test_without_a_stdout(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["info"]) == 0


def test_json_has_null_where_a_number_is_not_finite(capsys):
    Output(as_json=True).record({"loss": float("nan"), "rows": [{"cost": float("inf")}, 1.5]})
    assert json.loads(capsys.readouterr().out) == {"loss": None, "rows": [{"cost": None}, 1.5]}


def test_info(capsys):
    facts = fastconv.info()
    out = run(capsys, "info")
    assert all(str(facts[key]) in out for key in ("cpu", "isa", "fastconv", "numpy"))
    assert json.loads(run(capsys, "info", "--json")) == json.loads(json.dumps(facts))


def test_data_lists_the_table(capsys):
    rows = [json.loads(line) for line in run(capsys, "data", "--json").splitlines()]
    assert {"fashion-mnist", "mnist", "mnist-5k", "cifar10"} <= {row["name"] for row in rows}
    text = run(capsys, "data")
    assert all(row["name"] in text and row["licence"] in text for row in rows)


def test_data_describes_one(capsys):
    out = run(capsys, "data", "fashion-mnist-sample")
    assert "train: 5,000 pictures of 1x28x28" in out and "test: 1,000" in out and "ankle boot" in out
    assert main(["data", "fashion-mnist-sample", "--json"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["count"] for line in captured.out.splitlines()] == [5000, 1000]
    assert captured.err.count("data: fashion-mnist-sample") == 2


def test_explain(capsys):
    shapes = ("--input", "1,3,224,224", "--weight", "64x3x7x7", "--stride", "2", "--padding", "3")
    out = run(capsys, "explain", *shapes)
    assert "-> 1x64x112x112" in out and "reference" in out
    report = json.loads(run(capsys, "explain", *shapes, "--json"))
    assert report["output_shape"] == [1, 64, 112, 112] and report["candidates"][-1]["name"] == "reference"


def test_explain_by_position_measured_and_prepared(capsys, keep_threads):
    shapes = ("1,8,12,12", "16,8,3,3", "--padding", "1")
    out = run(capsys, "explain", *shapes, "--measure", "--threads", "1")
    assert "-> 1x16x12x12" in out and " ms" in out and "measured on 1 thread" in out
    report = json.loads(run(capsys, "explain", *shapes, "--prepared", "--json"))
    assert report["prepared"] and report["output_shape"] == [1, 16, 12, 12]
    named = json.loads(run(capsys, "explain", "--input", shapes[0], "--weight", shapes[1], "--padding", "1", "--json"))
    assert named["x_shape"] == report["x_shape"] and not named["prepared"]


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (("--input", "1,3,7,7", "--weight", "2,3,3,3", "--stride", "3"), [1, 2, 2, 2]),
        (("--input", "1,3,9,8", "--weight", "2,3,3,3", "--stride", "2,1"), [1, 2, 4, 6]),
        (("--input", "1,3,9,8", "--weight", "2,3,3,3", "--padding", "0:1,2:0"), [1, 2, 8, 8]),
        (("--input", "1,3,9,8", "--weight", "2,3,3,3", "--padding", "1,0"), [1, 2, 9, 6]),
        (("--input", "1,3,9,8", "--weight", "2,3,3,3", "--padding", "same_lower"), [1, 2, 9, 8]),
        (("--input", "1,9,8,3", "--weight", "2,3,3,3", "--layout", "NHWC", "--dilation", "2"), [1, 5, 4, 2]),
        (("--input", "2,4,9", "--weight", "4,1,3", "--groups", "4"), [2, 4, 7]),
        (("--input", "1,1,5,5,5", "--weight", "1,1,3,3,3", "--border", "wrap", "--padding", "1"), [1, 1, 5, 5, 5]),
        (("--input", "1,3,8,8", "--weight", "2,3,3,3", "--pass", "backward_data", "--dtype", "float64"), [1, 2, 6, 6]),
    ],
)
def test_explain_options(capsys, options, output):
    assert json.loads(run(capsys, "explain", *options, "--json"))["output_shape"] == output


def test_explain_names_unused_pixels(capsys):
    assert "never used" in run(capsys, "explain", "--input", "1,1,7,8", "--weight", "1,1,3,3", "--stride", "3")


def test_summary(capsys):
    assert "61,706" in run(capsys, "summary")
    assert json.loads(run(capsys, "summary", "lenet5", "--json"))["parameters"] == 61706
    wide = json.loads(run(capsys, "summary", "--input", "3,32,32", "--classes", "7", "--json"))
    assert wide["input_shape"] == [3, 32, 32] and wide["layers"][-1]["output_shape"] == [7]


def test_summary_of_a_checkpoint(capsys, tmp_path):
    said = {"network": "lenet5", "class_names": ["a"] * 10, "mean": [0], "std": [1], "input_shape": [1, 28, 28]}
    path = nn.save_checkpoint(tmp_path / "net.npz", nn.zoo.build("lenet5"), said)
    assert "61,706" in run(capsys, "summary", path)
    assert "61,706" in run(capsys, "summary", tmp_path)


@pytest.mark.parametrize(("name", "channels"), [("sobel", 1), ("sharpen", 3), ("identity", 3), ("sobel_x", 1)])
def test_filter(capsys, tmp_path, name, channels):
    pytest.importorskip("PIL")
    from fastconv.data.formats.images import read_image, write_image

    pixels = np.random.default_rng(0).integers(0, 256, (channels, 9, 12), dtype=np.uint8)
    write_image(tmp_path / "in.png", pixels)
    command = ("filter", tmp_path / "in.png", "--name", name, "--save", tmp_path / "out.png")
    assert str(tmp_path / "out.png") in run(capsys, *command)
    assert run(capsys, *command, "--quiet") == ""
    record = json.loads(run(capsys, *command, "--json"))
    assert (record["name"], record["width"], record["height"]) == (name, 12, 9)
    expected = fastconv.apply_filter(pixels.transpose(1, 2, 0), name).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), np.clip(np.rint(expected), 0, 255))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]


def test_filter_with_a_number_beyond_the_border(capsys, tmp_path):
    pytest.importorskip("PIL")
    from fastconv.data.formats.images import read_image, write_image

    write_image(tmp_path / "in.png", np.zeros((1, 5, 5), np.uint8))
    run(capsys, "filter", tmp_path / "in.png", "--name", "box", "--border", "90", "--save", tmp_path / "out.png")
    assert read_image(tmp_path / "out.png")[0].tolist()[0] == [50, 30, 30, 30, 50]
