"""Settings: what counts over what, files that give back what was written, and errors that name the setting."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import fields

import pytest

from fastconv.cli.commands import train
from fastconv.cli.parsing import Parser
from fastconv.cli.settings import NETWORK_DEFAULTS, Settings, parse_assignment, read_toml


def parsed(*argv) -> argparse.Namespace:
    parser = Parser(prog="fastconv train")
    train.add_arguments(parser)
    return parser.parse_args([str(word) for word in argv])


def settings(*argv) -> Settings:
    return train._settings(parsed(*argv))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text('network = "vgg16"\nepochs = 3\nlr = 1\nflip = true\nschedule = "step"  # a comment\n')
    return path


def test_defaults_are_those_of_the_command_without_arguments():
    assert settings() == Settings()
    assert (Settings().network, Settings().epochs, Settings().batch_size, Settings().lr) == ("lenet5", 12, 64, 0.03)


def test_what_counts_over_what(file):
    assert settings("--settings", file) == Settings(network="vgg16", epochs=3, lr=1.0, flip=True, schedule="step")
    over = ("--set", "epochs=4", "--set", "flip=false", "--set", "data=some/folder", "--lr", "0.5")
    assert settings("--settings", file, *over) == Settings(
        network="vgg16", epochs=4, lr=0.5, schedule="step", data="some/folder"
    )
    assert settings("resnet18", "--settings", file, "--epochs", 9).network == "resnet18"
    assert settings("--settings", file, "--set", "epochs=4", "--epochs", 9).epochs == 9


@pytest.mark.parametrize(
    ("argv", "lr"),
    [
        (["alexnet"], 0.01),
        (["alexnet", "--lr", "0.5"], 0.5),
        (["--set", "network=vgg16"], 0.01),
        (["--set", "optimizer=adamw"], 1e-3),
        (["--set", "optimizer=adam", "--set", "lr=0.1"], 0.1),
    ],
)
def test_learning_rates_by_network_and_optimizer(argv, lr):
    assert settings(*argv).lr == lr


def test_files_give_back_what_was_written(tmp_path):
    odd = Settings(data='a "quoted" \\ folder/\u00e9', lr=1e-07, momentum=0.1 + 0.2, limit=10, flip=True, ema=0.999)
    (tmp_path / "settings.toml").write_text(odd.as_toml(), encoding="utf-8")
    assert Settings().changed(read_toml(tmp_path / "settings.toml"), "file") == odd
    assert odd.as_toml().count("\n") == len(fields(Settings))


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("epochs=3", ("epochs", 3)),
        ("lr = 1e-3", ("lr", 1e-3)),
        ("flip=true", ("flip", True)),
        ('data="my=folder"', ("data", "my=folder")),
        ("schedule=step", ("schedule", "step")),
    ],
)
def test_assignments(text, pair):
    assert parse_assignment(text) == pair


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "--set 'epochs' must be NAME=VALUE"),
        ("epochs=two", r"epochs \(='two'\) must be a whole number"),
        ("flip=1", r"flip \(='1'\) must be true or false"),
        ("momentm=1", "no setting 'momentm'; did you mean momentum"),
        ("colour=red", "no setting 'colour'; there are network, data"),
    ],
)
def test_bad_assignments(text, message):
    with pytest.raises(ValueError, match=message):
        parse_assignment(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, r"place: epochs \(=0\) must be at least 1"),
        ({"epochs": True}, r"epochs \(=True\) must be a whole number"),
        ({"epochs": 2.0}, "whole number"),
        ({"lr": 0.0}, r"lr \(=0.0\) must be positive"),
        ({"lr": math.inf}, "positive"),
        ({"lr": math.nan}, "positive"),
        ({"momentum": 1.0}, "at least 0 and below 1"),
        ({"ema": -0.1}, "at least 0 and below 1"),
        ({"label_smoothing": 2}, "in 0..1"),
        ({"crop": -1}, r"crop \(=-1\) must be at least 0"),
        ({"data": 3}, "must be a text"),
        ({"network": {"name": "x"}}, "must be a text"),
        ({"optimizer": "lion"}, "one of sgd, adam, adamw"),
        ({"schedule": "exponential"}, "one of constant, linear"),
        ({"layers": 3}, "place: no setting 'layers'"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ValueError, match=message):
        Settings().changed(values, "place")


def test_bad_files(tmp_path):
    with pytest.raises(ValueError, match="none.toml: cannot be read, No such file"):
        read_toml(tmp_path / "none.toml")
    for content in (b"epochs = \n", b"= 3", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(content)
        with pytest.raises(ValueError, match="bad.toml: no TOML file"):
            read_toml(tmp_path / "bad.toml")


def test_without_a_parser(tmp_path, monkeypatch):
    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match="Python 3.11 or tomli"):
        read_toml(tmp_path / "any.toml")


def test_every_name_of_the_table_is_checked():
    for values in NETWORK_DEFAULTS.values():
        assert Settings().changed(values, "table") != Settings()
