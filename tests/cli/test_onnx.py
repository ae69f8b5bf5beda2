"""fastconv onnx run, info, bench."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("onnx")

from fastconv import nn, onnx  # noqa: E402
from fastconv.cli import main  # noqa: E402


@pytest.fixture
def model(tmp_path):
    network = nn.Sequential({"conv": nn.Conv2d(1, 2, 3, rng=0), "relu": nn.ReLU()})
    onnx.save(network, tmp_path / "net.onnx", (1, 6, 6))
    return tmp_path / "net.onnx", network


def run(capsys, *words):
    assert main(["onnx", *map(str, words)]) == 0
    return capsys.readouterr().out


def failure(capsys, *words):
    assert main(["onnx", *map(str, words)]) == 2
    captured = capsys.readouterr()
    assert not captured.out and captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("form", ["{0}", "input={0}"])
@pytest.mark.parametrize("end", [".npy", ".npz"])
def test_run(capsys, tmp_path, model, form, end):
    path, network = model
    x = np.random.default_rng(0).standard_normal((3, 1, 6, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out = run(capsys, "run", path, form.format(tmp_path / "x.npy"), "--save", tmp_path / f"y{end}")
    assert out.startswith("relu: 3x2x4x4 float32")
    saved = np.load(tmp_path / f"y{end}")
    np.testing.assert_allclose(saved["relu"] if end == ".npz" else saved, network(x), rtol=1e-5, atol=1e-6)


def test_run_takes_an_archive(capsys, tmp_path, model):
    np.savez(tmp_path / "x.npz", input=np.ones((1, 1, 6, 6), np.float32))
    facts = json.loads(run(capsys, "run", model[0], tmp_path / "x.npz", "--json"))
    assert facts["output"] == "relu" and facts["shape"] == [1, 2, 4, 4] and facts["min"] >= 0


def test_info(capsys, model):
    out = run(capsys, "info", model[0])
    assert "input   input: batchx1x6x6 float32" in out and "1  Conv" in out
    facts = json.loads(run(capsys, "info", model[0], "--json"))
    assert facts["operators"] == {"Conv": 1, "Relu": 1} and facts["lacking"] == {}


def test_bench(capsys, model):
    assert "median" in run(capsys, "bench", model[0], "--repeat", 2, "--threads", 1)
    facts = json.loads(run(capsys, "bench", model[0], "--shape", "input=4,1,6,6", "--repeat", 2, "--json"))
    assert facts["runs"] == 2 and 0 < facts["min_ms"] <= facts["median_ms"]


def test_failures(capsys, tmp_path, model):
    path = model[0]
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "x.npy", np.ones((1, 1, 6, 6), np.float32))
    assert "needs input 'input'" in failure(capsys, "run", path)
    assert "no .npy or .npz" in failure(capsys, "run", path, tmp_path / "text.npy")
    assert "No such file" in failure(capsys, "run", path, tmp_path / "none.npy")
    assert "must end in" in failure(capsys, "run", path, tmp_path / "x.npy", "--save", "y.txt")
    assert "no ONNX file" in failure(capsys, "info", tmp_path / "text.npy")
    assert "argument --shape: 'a' must be a whole number" in failure(capsys, "bench", path, "--shape", "input=a")
    assert "--shape names 'z'" in failure(capsys, "bench", path, "--shape", "z=1,1,6,6")
    assert "has shape" in failure(capsys, "bench", path, "--shape", "1,2,6,6")


def test_a_failed_save_leaves_the_old_file(capsys, tmp_path, model, monkeypatch):
    def full(part, array, **options):
        part.write(b"half")
        raise OSError(28, "No space left on device")

    np.save(tmp_path / "x.npy", np.ones((1, 1, 6, 6), np.float32))
    monkeypatch.setattr(np.lib.format, "write_array", full)
    (tmp_path / "y.npz").write_bytes(b"old")
    words = ["onnx", "run", model[0], tmp_path / "x.npy", "--save", tmp_path / "y.npz"]
    assert main([str(word) for word in words]) == 2
    assert "No space left" in capsys.readouterr().err
    assert (tmp_path / "y.npz").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "x.npy", "y.npz"]


@pytest.mark.parametrize("name", ["file", "args"])
def test_any_name_of_an_output_can_be_saved(capsys, tmp_path, name):
    network = nn.Sequential({name: nn.ReLU()})
    onnx.save(network, tmp_path / "net.onnx", (2,))
    np.save(tmp_path / "x.npy", np.ones((1, 2), np.float32))
    run(capsys, "run", tmp_path / "net.onnx", tmp_path / "x.npy", "--save", tmp_path / "y.npz")
    assert [array.tolist() for array in dict(np.load(tmp_path / "y.npz")).values()] == [[[1, 1]]]


def test_files_that_hold_no_numbers(capsys, tmp_path, model):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    path, objects = model[0], np.array([None, {}])
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", input=objects)
    np.save(tmp_path / "small.npy", np.ones((1, 1, 6, 6), ml_dtypes.bfloat16))
    (tmp_path / "text.txt").write_text("no array")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "small.npy").read_bytes()[:100])
    for name in ("objects.npy", "objects.npz"):
        assert f"{name} holds Python objects, not numbers" in failure(capsys, "run", path, tmp_path / name)
    assert "of no type that NumPy's files know: save it as float32" in failure(
        capsys, "run", path, tmp_path / "small.npy"
    )
    assert "text.txt is no .npy or .npz file\n" in failure(capsys, "run", path, tmp_path / "text.txt")
    assert "cut.npy is a damaged .npy or .npz file" in failure(capsys, "run", path, tmp_path / "cut.npy")
    assert "Is a directory" in failure(capsys, "run", path, tmp_path)
    assert "'input=' names no file" in failure(capsys, "run", path, "input=")


def test_bfloat16_by_file(capsys, tmp_path):
    """Which NumPy writes as two bytes an element."""
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    import onnx as package

    kind = package.TensorProto.BFLOAT16
    ports = [package.helper.make_tensor_value_info(name, kind, [2]) for name in "xy"]
    graph = package.helper.make_graph([package.helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    made = package.helper.make_model(graph, opset_imports=[package.helper.make_opsetid("", 17)], ir_version=8)
    package.save(made, tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", np.array([-1, 2], ml_dtypes.bfloat16))
    assert run(capsys, "run", tmp_path / "net.onnx", tmp_path / "x.npy").startswith("y: 2 bfloat16")


@pytest.mark.parametrize(
    ("target", "message"),
    [("none/y.npz", "there is no folder"), ("y.npz", "is a folder"), ("y.txt", "must end in .npy or .npz")],
)
def test_where_results_go_is_looked_at_first(capsys, tmp_path, model, target, message, monkeypatch):
    (tmp_path / "y.npz").mkdir()
    np.save(tmp_path / "x.npy", np.ones((1, 1, 6, 6), np.float32))
    monkeypatch.setattr(onnx.Model, "run", lambda *_: pytest.fail("it ran"))
    assert message in failure(capsys, "run", model[0], tmp_path / "x.npy", "--save", tmp_path / target)
