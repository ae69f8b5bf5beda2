"""train, eval and predict on a few pictures: what they print, write, and leave when they are stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from data_files import image_folder

from fastconv import data, nn
from fastconv.cli import main
from fastconv.cli.output import Output

#: what every run writes
FILES = {"settings.toml", "history.csv", "history.jsonl"}
SMALL = ("--data", "fashion-mnist-sample", "--limit", "64", "--epochs", "2", "--batch-size", "32")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *argv):
    assert main([str(word) for word in argv]) == 0
    return capsys.readouterr()


def test_train_writes_a_checkpoint_and_a_picture(here, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("safetensors")
    captured = run(capsys, "train", *SMALL, "--out", "there/run")
    assert {path.name for path in (here / "there/run").iterdir()} == {*FILES, "lenet5.safetensors", "training.png"}
    assert (here / "there/run/training.png").read_bytes().startswith(b"\x89PNG")
    lines = captured.out.splitlines()
    assert lines[0].startswith("data: fashion-mnist-sample, train: 64 pictures of 1x28x28, 10 classes, from ")
    assert lines[1].startswith("data: fashion-mnist-sample, test: 64 pictures")
    assert re.match(r"network: lenet5, 61,706 parameters; batch 32, lr 0\.\d+, seed 0, \d+ threads?$", lines[2])
    saved = (here / "there/run/settings.toml").read_text()
    assert lines[3].startswith("settings, as in ") and [line.strip() for line in lines[4:-4]] == saved.splitlines()
    assert re.match(
        r"epoch 1/2  train loss \d\.\d{4}  test loss \d\.\d{4}  test accuracy 0\.\d{4}  \d+\.\d s", lines[-4]
    )
    assert [line.split()[0] for line in lines[-3:]] == ["epoch", "wrote", "wrote"] and not captured.err
    said = nn.load_checkpoint(here / "there/run/lenet5.safetensors").metadata
    assert said["network"] == "lenet5" and said["input_shape"] == [1, 28, 28] and len(said["history"]) == 2


def test_runs_without_out_never_meet(here, capsys):
    for _ in range(2):
        run(capsys, "train", *SMALL, "--quiet")
    runs = sorted(path.name for path in (here / "fastconv-runs").iterdir())
    assert runs == ["lenet5", "lenet5-2"]
    newest = here / "fastconv-runs" / "lenet5-2"
    assert str(newest.name) in run(capsys, "eval", "--data", "fashion-mnist-sample", "--limit", "50").out
    weights = [nn.load_checkpoint(next((here / "fastconv-runs" / name).glob("lenet5.*"))).state for name in runs]
    assert all(np.array_equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_json_is_one_object_an_epoch_and_nothing_else(here, capsys, keep_threads):
    captured = run(capsys, "train", *SMALL, "--json", "--threads", "1")
    records = [json.loads(line) for line in captured.out.splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    for record in records:
        assert {"train_loss", "test_loss", "test_accuracy", "seconds", "data"} <= set(record)
        assert (here / record["checkpoint"]).is_file()
        assert 0 <= record["test_accuracy"] <= 1 and record["seconds"] > 0
    assert captured.err.count("data: fashion-mnist-sample") == 2


def test_quiet_says_data_and_result_only(here, capsys):
    captured = run(capsys, "train", *SMALL, "--quiet", "--out", "run")
    first, second, last = captured.out.splitlines()
    assert first.startswith("data: ") and second.startswith("data: ") and not captured.err
    assert re.match(r"test accuracy 0\.\d{4} after 2 epochs, in run.lenet5\.", last)


@pytest.mark.parametrize(
    ("option", "differs"), [(("--threads", "2"), False), (("--seed", "1"), True), (("--lr", "0.01"), True)]
)
def test_options_that_matter(here, capsys, keep_threads, option, differs):
    run(capsys, "train", *SMALL, "--threads", "1", "--quiet", "--out", "a")
    run(capsys, "train", *SMALL, "--threads", "1", "--quiet", "--out", "b", *option)
    a, b = (nn.load_checkpoint(next((here / name).glob("lenet5.*"))).state for name in "ab")
    assert any(not np.array_equal(a[key], b[key]) for key in a) == differs


def hide(monkeypatch, *packages):
    for package in packages:
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(
    ("missing", "files"),
    [
        (("matplotlib",), {"lenet5.safetensors"}),
        (("safetensors",), {"lenet5.npz", "training.png"}),
        (("matplotlib", "safetensors", "rich", "PIL", "pooch"), {"lenet5.npz"}),
    ],
)
def test_a_missing_extra_is_named_in_one_line_before_the_first_epoch(here, monkeypatch, capfd, missing, files):
    for package in ("matplotlib", "safetensors"):
        pytest.importorskip(package)
    hide(monkeypatch, *missing)
    monkeypatch.setattr(Output, "shows_bars", True)
    assert main(["train", *SMALL, "--out", "run"]) == 0
    out, err = capfd.readouterr()
    named = [line for line in err.splitlines() if "not installed" in line]
    assert len(named) == 1 and "pip install 'fastconv[cli]'" in named[0]
    assert all(package in named[0] for package in missing if package not in ("PIL", "pooch"))
    assert {path.name for path in (here / "run").iterdir()} == {*FILES, *files}
    assert out.count("epoch ") == 2


def test_the_extras_are_named_first(tmp_path):
    """In one stream of output: the line stands between the data and the first epoch."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from fastconv.cli import main\n"
        f"sys.exit(main(['train', *{SMALL!r}, '--out', {str(tmp_path)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    starts = [line.split(":")[0].split()[0] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [*starts[:4], starts[-3]] == ["data", "data", "not", "network", "epoch"]


def test_a_picture_that_cannot_be_drawn_spoils_nothing(here, capsys):
    pytest.importorskip("matplotlib")
    (here / "run" / "training.png" / "occupied").mkdir(parents=True)
    captured = run(capsys, "train", *SMALL, "--out", "run")
    assert len(captured.err.splitlines()) == 1 and "training.png: could not be drawn" in captured.err
    assert list((here / "run").glob("lenet5.*")) and not list((here / "run").glob(".*"))


def test_bars_appear_when_somebody_watches(here, monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr(Output, "shows_bars", True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "training" in run(capsys, "train", *SMALL, "--out", "run").err


def test_no_folder_is_made_when_the_data_are_bad(here, capsys):
    (here / "bad").mkdir()
    (here / "bad" / "train-images-idx3-ubyte").write_bytes(b"junk")
    assert main(["train", "--data", "bad", "--out", "run"]) == 2
    assert not (here / "run").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    options = ("--data", "fashion-mnist-sample", "--limit", "1000", "--epochs", "4", "--batch-size", "16", "--quiet")
    assert main(["train", *options, "--out", str(folder)]) == 0
    return next(folder.glob("lenet5.*"))


def test_eval(trained, capsys):
    options = ("--data", "fashion-mnist-sample")
    record = json.loads(run(capsys, "eval", trained, *options, "--json").out)
    assert record["test_accuracy"] > 0.6 and record["count"] == 1000
    assert np.mean(list(record["class_accuracy"].values())) == pytest.approx(record["test_accuracy"])
    text = run(capsys, "eval", trained.parent, *options).out
    assert f"test accuracy {record['test_accuracy']:.4f}" in text and text.startswith("data: ")
    assert record["test_accuracy"] == nn.load_checkpoint(trained).metadata["history"][-1]["test_accuracy"]


@pytest.mark.parametrize("command", [["eval", "--data", "fashion-mnist-sample"], ["predict", "a.png"]])
def test_a_checkpoint_whose_network_does_not_fit_its_words(here, capsys, command):
    said = {"network": "lenet5", "class_names": ["a"] * 9, "mean": [0], "std": [1], "input_shape": [1, 28, 28]}
    (here / "fastconv-runs").mkdir()
    nn.save_checkpoint(here / "fastconv-runs" / "x.npz", nn.zoo.build("lenet5"), said)
    assert main(command) == 2
    assert "not a score for each of 9 classes" in capsys.readouterr().err


def test_eval_on_data_of_another_kind(trained, tmp_path, capsys):
    pytest.importorskip("PIL")
    image_folder(tmp_path, ("cat", "dog"), (28, 28), 1, ".png")
    assert main(["eval", str(trained), "--data", str(tmp_path)]) == 2
    assert "its classes are not those of" in capsys.readouterr().err


def test_training_on_a_folder_of_colour_pictures(here, capsys):
    pytest.importorskip("PIL")
    image_folder(here / "pets", ("cat", "dog", "eel"), (20, 24), 3, ".png")
    run(capsys, "train", "--data", "pets", "--epochs", "1", "--out", "run")
    model = nn.load_checkpoint(next((here / "run").glob("lenet5.*"))).model
    assert model(np.zeros((2, 3, 20, 24), np.float32)).shape == (2, 3)


def test_predict_knows_what_it_learned(trained, tmp_path, capsys):
    pytest.importorskip("PIL")
    from fastconv.data.formats.images import resize, write_image

    test = data.load("fashion-mnist-sample", "test")
    paths = []
    for index in range(40):
        paths.append(tmp_path / f"{index}.png")
        write_image(paths[-1], test.images[index])
    options = ("--checkpoint", trained, "--json")
    plain = [json.loads(line) for line in run(capsys, "predict", *paths, *options).out.splitlines()]
    right = [one["class"] == test.class_names[label] for one, label in zip(plain, test.labels, strict=False)]
    assert np.mean(right) > 0.5 and [one["image"] for one in plain] == [str(path) for path in paths]

    for path, picture, one in zip(paths, test.images, plain, strict=False):
        pixels = 255 - resize(picture, 84, 84) if not one["inverted"] else resize(picture, 84, 84)
        write_image(path, np.concatenate([pixels] * 3))
    swapped = [json.loads(line) for line in run(capsys, "predict", *paths, *options).out.splitlines()]
    assert [one["inverted"] for one in swapped] != [one["inverted"] for one in plain]
    same = [a["class"] == b["class"] for a, b in zip(plain, swapped, strict=True)]
    assert np.mean(same) > 0.9


def test_predict_prints_the_best_classes(trained, tmp_path, capsys):
    pytest.importorskip("PIL")
    from fastconv.data.formats.images import write_image

    write_image(tmp_path / "a.png", data.load("fashion-mnist-sample", "test").images[0])
    text = run(capsys, "predict", tmp_path / "a.png", "--checkpoint", trained, "--top", "3").out
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path / 'a.png'))}: [\w -]+ 0\.\d+, [\w -]+ 0\.\d+, [\w -]+ 0\.\d+\n", text
    )
    never = run(capsys, "predict", tmp_path / "a.png", "--checkpoint", trained, "--invert", "always", "--json").out
    assert json.loads(never)["inverted"] is True


def test_predict_keeps_proportions(trained):
    from fastconv.cli.commands.predict import _letterbox

    pixels = np.full((1, 40, 20), 200, np.uint8)
    fitted = _letterbox(pixels, np.array([7.0]), 28, 28)
    assert fitted.shape == (1, 28, 28)
    assert (fitted[0, :, 7:21] == 200).all() and (fitted[0, :, :7] == 7).all() and (fitted[0, :, 21:] == 7).all()


def test_predict_names_the_bad_picture(trained, tmp_path, capsys):
    pytest.importorskip("PIL")
    (tmp_path / "bad.png").write_text("no picture")
    assert main(["predict", str(tmp_path / "bad.png"), "--checkpoint", str(trained)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fastconv: ") and "bad.png: not a picture" in captured.err and not captured.out


@pytest.mark.parametrize(
    "change",
    [{"mean": [0.1, 0.2]}, {"std": [0]}, {"input_shape": [28, 28]}, {"class_names": None}, {"network": ...}],
)
def test_a_checkpoint_that_does_not_say_how_to_feed_it(change, here, capsys):
    said = {"network": "lenet5", "class_names": ["a"] * 10, "mean": [0.5], "std": [0.5], "input_shape": [1, 28, 28]}
    said = {key: value for key, value in {**said, **change}.items() if value is not ...}
    nn.save_checkpoint(here / "net.npz", nn.zoo.build("lenet5"), said)
    assert main(["eval", "net.npz", "--data", "fashion-mnist-sample"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("sets", [(), ("--set", "flip=true", "--set", "ema=0.9")], ids=["plain", "ahead"])
def test_ctrl_c_leaves_a_usable_checkpoint(tmp_path, sets):
    """Also while a thread prepares batches ahead."""
    command = [sys.executable, "-u", "-m", "fastconv", "train", "--data", "fashion-mnist-sample", "--limit", "1000"]
    child = subprocess.Popen(
        [*command, "--epochs", "100000", "--out", str(tmp_path), "--json", *sets],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        first = json.loads(child.stdout.readline())
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 130
    last = err.splitlines()[-1]
    assert last.startswith("interrupted after") and f"`fastconv train --resume {tmp_path}` goes on" in last
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, os.path.basename(last.rpartition(" ")[2])}
    said = nn.load_checkpoint(last.rpartition(" ")[2]).metadata
    assert said["history"][0]["train_loss"] == first["train_loss"]
    assert main(["eval", str(tmp_path), "--data", "fashion-mnist-sample", "--limit", "100"]) == 0


def test_ctrl_c_in_the_first_epoch(here, monkeypatch, capsys):
    """Stopped after three steps, with no epoch complete."""
    steps = []

    def step(self, _step=nn.SGD.step):
        steps.append(_step(self))
        if len(steps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(nn.SGD, "step", step)
    assert main(["train", *SMALL, "--out", "run", "--batch-size", "16"]) == 130
    err = capsys.readouterr().err
    assert err.startswith("interrupted after 0 complete epochs; the network as it is now: ") and err.count("\n") == 1
    assert main(["eval", "run", "--data", "fashion-mnist-sample", "--limit", "100"]) == 0
