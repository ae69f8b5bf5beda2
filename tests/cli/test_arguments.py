"""Bad command lines: one line on stderr, nothing on stdout, status 2."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import fastconv
from fastconv.cli import main

SAMPLE = ("--data", "fashion-mnist-sample")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["nosuch"], "invalid choice: 'nosuch'"),
        (["--nosuch"], "COMMAND|--nosuch"),
        (["train", "--epochs", "0"], "argument --epochs: '0' must be at least 1"),
        (["train", "--epochs", "two"], "argument --epochs: 'two' must be a whole number"),
        (["train", "--epoch", "2"], "unrecognized arguments: --epoch"),
        (["train", "--batch-size", "-5"], "argument --batch-size: '-5' must be at least 1"),
        (["train", "--lr", "0"], "argument --lr: '0' must be a positive number"),
        (["train", "--lr", "inf"], "argument --lr: 'inf' must be a positive number"),
        (["train", "--seed", "-1"], "argument --seed: '-1' must be at least 0"),
        (["train", "--threads", "0"], "argument --threads: '0' must be at least 1"),
        (["train", "--limit", "0"], "argument --limit: '0' must be at least 1"),
        (["train", "nosuchnet", *SAMPLE], r"network \(='nosuchnet'\) must be one of lenet5"),
        (["train", "--data", "nosuchdata"], r"data \(='nosuchdata'\) is neither a folder nor a known name: fashion-"),
        (["train", *SAMPLE, "--out", "{file}"], r"out \(='.*file'\) cannot be written to: "),
        (["train", *SAMPLE, "--out", "{file}/below"], r"out \(='.*below'\) cannot be written to: Not a directory"),
        (["train", "--data", "{empty}"], "holds no data set that fastconv knows"),
        (["train", "--data", "{cut}"], "train-images-idx3-ubyte: truncated"),
        (["eval", "{empty}/no.npz"], r"no\.npz'\) is no file"),
        (["eval", "{empty}"], r"checkpoint \(='.*empty'\) is a folder without one"),
        (["eval", "{file}"], r"must end in \.safetensors or \.npz"),
        (["eval", "{broken}"], "is no checkpoint of fastconv, or damaged"),
        (["predict"], "required: IMAGE"),
        (["predict", "a.png", "--invert", "perhaps"], "invalid choice: 'perhaps'"),
        (["predict", "a.png", "--checkpoint", "{broken}"], "is no checkpoint of fastconv, or damaged"),
        (["data", "nosuch"], "known name"),
        (["data", "--download"], "needs the name of a data set"),
        (["filter", "a.png", "--name", "sobel"], "required: --save"),
        (["filter", "{file}", "--name", "nosuch", "--save", "b.png"], r"'nosuch'.* must be one of identity, box"),
        (["filter", "{empty}/a.png", "--name", "sobel", "--save", "b.png"], r"a\.png: no such file"),
        (["filter", "{empty}", "--name", "sobel", "--save", "b.png"], "a folder, not a picture"),
        (["filter", "{file}", "--name", "sobel", "--save", "b.png"], "not a picture"),
        (["filter", "{picture}", "--name", "box", "--save", "{empty}/b.xyz"], r"\.xyz is not a picture format"),
        (["filter", "{picture}", "--name", "box", "--save", "{empty}/b"], r"b: the suffix chooses the format"),
        (["filter", "{picture}", "--name", "box", "--save", "b.png", "--border", "nan"], "argument --border: 'nan'"),
        (["filter", "{picture}", "--name", "box", "--save", "{file}/b.png"], r"b\.png: cannot be written"),
        (["filter", "{picture}", "--name", "box", "--save", "{empty}/b.png", "--border", "odd"], r"border \(='odd'\)"),
        (["explain"], "give two shapes, those of input and filters"),
        (["explain", "1,3,8,8"], "give two shapes, those of input and filters"),
        (["explain", "1,3,8,8", "4,3,3,3", "--input", "1,3,8,8"], "once: by position, or as --input and --weight"),
        (["explain", "1,3,8,8", "4,3,3,3", "5"], "once: by position"),
        (["explain", "1,3,8,y", "4,3,3,3"], "'y' must be a whole number"),
        (["explain", "1,3,8,8", "4,3,3,3", "--pass", "sideways"], r"pass_name \(='sideways'\)"),
        (
            ["explain", "1,3,8,8", "4,3,3,3", "--pass", "backward_data", "--prepared"],
            "prepared=True is for the forward",
        ),
        (["tune"], "name one thing to tune"),
        (["tune", "1,3,8,8", "4,3,3,3", "--network", "lenet5"], "name one thing to tune"),
        (["tune", "--network", "nosuch"], r"network \(='nosuch'\) must be one of lenet5"),
        (["tune", "--file", "{file}"], "holds no line 'conv name"),
        (["tune", "--file", "{picture}"], "no text file of shapes"),
        (["tune", "--file", "{empty}/none.txt"], "No such file"),
        (["tune", "1,3,8,8", "4,3,3,3", "--pass", "forward,x"], r"passes \(=.*'x'"),
        (["tune", "1,3,8,8", "4,2,3,3"], "in_channels"),
        (["tune", "1,3,8,8", "4,3,3,3", "--dtype", "int8"], r"dtype \(='int8'\)"),
        (["explain", "--input", "1,3,x", "--weight", "1,3,3,3"], "argument --input: '' must be a whole number"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3"], r"weight \(=\(4, 3\)\) must have 3, 4 or 5 sizes"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,5,3,3"], "channels"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--stride", "0"], r"stride \(=0"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--padding", "-1"], r"padding \(=-1"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--padding", "snug"], "'snug'"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--groups", "2"], r"groups \(=2\)"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,9,9"], "9"),
        (
            ["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--workspace-limit", "0", "--algorithm", "direct"],
            r"workspace_limit \(=0\)",
        ),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--dtype", "int8"], "dtype"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--dtype", "float33"], "dtype"),
        (["explain", "--input", "1,3,8,8", "--weight", "4,3,3,3", "--algorithm", "magic"], "magic"),
        (["explain", "--input", "1,1,4294967296,4294967296", "--weight", "4294967296,1,1,1"], "has more elements"),
        (["summary", "nosuchnet"], "must be one of lenet5"),
        (["summary", "--input", "1,4,4"], "lenet5 cannot be built"),
        (["summary", "{broken}"], "is no checkpoint of fastconv, or damaged"),
        (["summary", "{broken}", "--classes", "3"], "--classes fits a network's name only"),
        (["info", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_one_line_and_status_2(argv, message, tmp_path, capfd, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "broken.npz").write_text("no archive")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(5))
    (tmp_path / "cut" / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    (tmp_path / "cut" / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    places = {name: str(tmp_path / name) for name in ("empty", "file", "cut")}
    places |= {"broken": str(tmp_path / "broken.npz"), "picture": str(tmp_path / "picture.png")}
    if any("{picture}" in word for word in argv) or argv[:1] == ["filter"]:
        pytest.importorskip("PIL.Image").new("L", (4, 4)).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path / "empty")
    assert main([word.format(**places) for word in argv]) == 2
    out, err = capfd.readouterr()
    said = err.splitlines()
    assert len(said) == 1 and said[0].startswith("fastconv: "), err
    assert re.search(message, said[0]), said[0]
    assert all(line.startswith("data: ") for line in out.splitlines())
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["explain", "-h"], ["--version"]])
def test_help_and_version(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert (fastconv.__version__ in out) if argv == ["--version"] else ("usage: fastconv" in out)


def test_an_unexpected_error_is_one_line_too(monkeypatch, capsys):
    def broken():
        raise KeyError("inner")

    monkeypatch.setattr(fastconv, "info", broken)
    assert main(["info"]) == 2
    assert capsys.readouterr().err == "fastconv: KeyError: 'inner' (FASTCONV_TRACEBACK=1 shows where)\n"
    monkeypatch.setenv("FASTCONV_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["info"])


# One module that is read with the package, one that the command reads later.
@pytest.mark.parametrize("module", ["numpy", "argparse"])
def test_ctrl_c_while_modules_are_read(tmp_path, module):
    (tmp_path / f"{module}.py").write_text("raise KeyboardInterrupt\n")
    (tmp_path / "fastconv").write_text("import sys\nfrom fastconv.cli import main\nsys.exit(main())\n")
    path = os.pathsep.join([str(tmp_path), *(entry for entry in sys.path if entry)])
    env = {**os.environ, "PYTHONPATH": path}
    for command in (["-m", "fastconv"], [tmp_path / "fastconv"]):
        done = subprocess.run([sys.executable, *command, "info"], capture_output=True, text=True, env=env)
        assert (done.returncode, done.stderr) == (130, "fastconv: interrupted\n")
    done = subprocess.run([sys.executable, "-c", "import fastconv.cli"], capture_output=True, text=True, env=env)
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_ctrl_c_before_there_is_anything_to_save(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(fastconv, "info", interrupted)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "fastconv: interrupted\n"
