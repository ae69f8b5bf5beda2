"""train with settings and resumed, zoo, and data that are not what they should be."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from data_files import cifar_binary, image_folder

from fastconv import data, nn
from fastconv.cli import main
from fastconv.cli.commands import train

pytest.importorskip("PIL")
SMALL = ("--data", "fashion-mnist-sample", "--limit", "64", "--batch-size", "32", "--quiet")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder; no run draws its picture, which takes longer than to train."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "_draw", lambda *arguments: None)
    return tmp_path


def run(*argv, status=0):
    assert main([str(word) for word in argv]) == status


def refused(capsys, *argv):
    """The one line of a command that fails."""
    run(*argv, status=2)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("fastconv: "), err
    return lines[0]


def state(folder):
    path = next(path for path in folder.iterdir() if path.suffix in (".npz", ".safetensors"))
    return {name: value.tobytes() for name, value in nn.load_checkpoint(path).state.items()}


def test_a_run_can_be_repeated_from_its_settings(here):
    tuned = ("optimizer=adamw", "schedule=onecycle", "warm_up=0.2", "label_smoothing=0.1", "ema=0.9", "clip_norm=1",
             "accumulate=2", "crop=2", "flip=true", "cutout=4")  # fmt: skip
    sets = [word for one in tuned for word in ("--set", one)]
    run("train", *SMALL, "--epochs", 2, *sets, "--out", "first")
    run("train", "--settings", "first/settings.toml", "--quiet", "--out", "second")
    assert state(here / "first") == state(here / "second")
    assert (here / "first/settings.toml").read_text() == (here / "second/settings.toml").read_text()
    run("train", *SMALL, "--epochs", 2, "--out", "plain")
    assert state(here / "plain") != state(here / "first")


@pytest.mark.parametrize("change", ["flip=true", "crop=1", "cutout=2", "decay_norms_and_biases=true", "nesterov=true",
                                    "momentum=0.5", "weight_decay=0.1", "schedule=step", "warm_up=0.3", "accumulate=2",
                                    "label_smoothing=0.2", "clip_norm=0.1", "ema=0.5"])  # fmt: skip
def test_every_setting_reaches_the_training(here, change):
    run("train", *SMALL, "--epochs", 2, "--out", "a")
    run("train", *SMALL, "--epochs", 2, "--out", "b", "--set", change)
    assert state(here / "a") != state(here / "b")


def test_early_stopping(here):
    run("train", *SMALL, "--epochs", 9, "--lr", "1e-9", "--set", "early_stopping=1", "--out", "a")
    assert len((here / "a/history.jsonl").read_text().splitlines()) < 9


@pytest.mark.parametrize("sets", [(), ("--set", "flip=true", "--set", "ema=0.9")])
def test_resume_goes_on_as_if_never_stopped(here, monkeypatch, capsys, sets):
    run("train", *SMALL, "--epochs", 4, *sets, "--out", "unbroken")
    write = nn.HistoryFile.on_epoch_end

    def stopping(self, trainer, record):
        write(self, trainer, record)
        if record["epoch"] == 2 and self.path.suffix == ".jsonl":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nn.HistoryFile, "on_epoch_end", stopping)
        run("train", *SMALL, "--epochs", 4, *sets, "--out", "stopped", status=130)
    assert "interrupted after 2 complete epochs; `fastconv train --resume stopped`" in capsys.readouterr().err
    run("train", "--resume", "stopped", "--quiet")
    assert state(here / "stopped") == state(here / "unbroken")
    rows = list(csv.DictReader((here / "stopped/history.csv").read_text().splitlines()))
    lines = [json.loads(line) for line in (here / "stopped/history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"] and [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert main(["eval", "stopped", "--data", "fashion-mnist-sample", "--limit", "50", "--quiet"]) == 0


def test_what_cannot_be_resumed(here, capsys):
    (here / "empty").mkdir()
    assert "it has no settings.toml" in refused(capsys, "train", "--resume", "empty")
    (here / "empty/settings.toml").write_text("")
    assert "has no checkpoint" in refused(capsys, "train", "--resume", "empty")
    run("train", *SMALL, "--epochs", 1, "--out", "done")
    capsys.readouterr()
    assert "--out does not go with --resume" in refused(capsys, "train", "--resume", "done", "--out", "other")
    for options, said in (
        (["--lr", "0.5"], "lr 0.03, now 0.5"),
        (["--set", "crop=4", "--set", "flip=true"], "crop 0, now 4; flip False, now True"),
        (["resnet18"], "network 'lenet5', now 'resnet18'"),
    ):
        assert f"was trained with {said}" in refused(capsys, "train", *options, "--resume", "done")
    file = next(path for path in (here / "done").iterdir() if path.suffix in (".npz", ".safetensors"))
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    assert "damaged" in refused(capsys, "train", "--resume", "done")


def test_a_loss_that_is_not_finite_is_one_line(here, capsys):
    said = refused(capsys, "train", *SMALL, "--epochs", 1, "--lr", "1e30")
    assert "loss became" in said and " first gave a value that is not finite" in said and "smaller lr" in said


@pytest.mark.parametrize("name", sorted(nn.zoo.NETWORKS))
def test_every_classifier_of_the_zoo_builds_for_the_data(here, capsys, monkeypatch, name):
    """Up to the first batch: pictures of the network's own size, but few."""
    row = nn.zoo.NETWORKS[name]
    channels, height, width = row.input_shape
    image_folder(here / "pets", ("cat", "dog"), (height, width), channels, ".png")
    fitted = []
    monkeypatch.setattr(nn.Trainer, "fit", lambda self, *args, **kwargs: fitted.append(self) or stop())

    def stop():
        raise KeyboardInterrupt

    if row.task != "classification":
        assert "no classifier" in refused(capsys, "train", name, "--data", "pets", "--out", "run")
        return
    monkeypatch.setattr(nn.zoo, "build", lambda name, seed, **shape: row.build(nn.init.UNSET, **shape))
    model = row.make(nn.init.UNSET, num_classes=2)
    assert model.output_shape(row.input_shape) == (2,)
    run("train", name, "--data", "pets", "--out", "run", "--quiet", status=130)
    assert fitted[0].model.parameter_count() == model.parameter_count()


def test_zoo(capsys):
    run("zoo", "--json")
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(rows) == set(nn.zoo.NETWORKS)
    assert rows["lenet5"]["parameters"] == 61_706 and rows["resnet50"]["parameters"] == 25_557_032
    run("zoo")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows) and any(line.startswith("lenet5 ") and "61,706" in line for line in lines)


def test_unreadable_pictures(here, capsys):
    image_folder(here / "pets", ("cat", "dog"), (16, 16), 1, ".png")
    for name in ("cat/0001", "dog/0002"):
        (here / "pets/train" / f"{name}.png").write_text("no picture")
    command = ("train", "--data", "pets", "--epochs", 1, "--out", "run", "--quiet")
    assert "0001.png: not a picture that Pillow can read; 2 of 6 pictures" in refused(capsys, *command)
    assert not (here / "run").exists()
    run(*command, "--skip-unreadable")
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].endswith("2 unreadable left out")
    assert [line.endswith(("0001.png", "0002.png")) for line in captured.err.splitlines()] == [True, True]
    assert "skip_unreadable = true" in (here / "run/settings.toml").read_text()
    (here / "pets/test/cat/0001.png").write_text("no picture")
    assert "1 of 4 pictures cannot be read" in refused(capsys, "eval", "run", "--data", "pets")
    run("eval", "run", "--data", "pets", "--skip-unreadable")


def test_pictures_of_two_sizes_and_labels_out_of_range(here, capsys):
    image_folder(here / "pets", ("cat", "dog"), (16, 16), 1, ".png")
    image_folder(here / "small", ("cat", "dog"), (14, 14), 1, ".png")
    (here / "pets/test").rename(here / "elsewhere")
    (here / "small/test").rename(here / "pets/test")
    assert "test part are (1, 14, 14), those of training (1, 16, 16)" in refused(capsys, "train", "--data", "pets")
    cifar_binary(here / "batches")
    batch = here / "batches/data_batch_2.bin"
    batch.write_bytes(bytes([77]) + batch.read_bytes()[1:])
    said = refused(capsys, "train", "--data", "batches", "--out", "run")
    assert "data_batch_2.bin: label 77 is outside the 10 classes" in said
    assert not (here / "run").exists()


def test_a_training_is_never_replaced_by_a_new_one(here, capsys):
    run("train", *SMALL, "--epochs", 1, "--out", "run")
    before = {path.name: path.read_bytes() for path in (here / "run").iterdir()}
    assert "out (='run') holds a training" in refused(capsys, "train", *SMALL, "--lr", "0.5", "--out", "run")
    assert {path.name: path.read_bytes() for path in (here / "run").iterdir()} == before


def test_tensorboard(here, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tensorboardX", None)
        command = ("train", *SMALL, "--epochs", 1, "--set", "tensorboard=true", "--out", "run")
        assert "pip install 'fastconv[tensorboard]'" in refused(capsys, *command)
    pytest.importorskip("tensorboardX")
    run(*command)
    assert list((here / "run/events").iterdir())


def test_augmented_and_plain_pictures_are_normalised_alike():
    from fastconv.cli import feeding

    parts = [data.load("fashion-mnist-sample", split, limit=20) for split in ("train", "test")]
    plain, augmented = feeding.feed(*parts), feeding.feed(*parts, flip=True)
    assert plain.transform is None and augmented.transform is not None
    np.testing.assert_array_equal(augmented.test_transform(augmented.test[0]), plain.test[0])
