"""Callbacks that keep the history: a table, JSON lines, TensorBoard's events; each epoch once, also when resumed."""

import csv
import json
import struct
import sys

import numpy as np
import pytest

from fastconv import nn

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((40, 6), np.float32), RNG.integers(0, 2, 40)


def trained(folder, callbacks, epochs=3, stop_after=None, test=True):
    path = folder / "model.npz"
    trainer = nn.Trainer(nn.Linear(6, 2, rng=0), batch_size=16, checkpoint=path)
    if path.exists():
        trainer.resume()

    class Stop(nn.Callback):
        def on_epoch_end(self, trainer, record):
            if record["epoch"] == stop_after:
                raise KeyboardInterrupt

    try:
        trainer.fit((X, LABELS), (X, LABELS) if test else None, epochs, callbacks=[*callbacks, Stop()])
    except KeyboardInterrupt:
        pass
    return trainer


@pytest.mark.parametrize("test", [True, False])
def test_history_files(tmp_path, test):
    files = [tmp_path / "history.csv", tmp_path / "history.jsonl"]
    trained(tmp_path, map(nn.HistoryFile, files), stop_after=2, test=test)
    trainer = trained(tmp_path, map(nn.HistoryFile, files), test=test)
    assert [record["epoch"] for record in trainer.history] == [1, 2, 3]
    assert [json.loads(line) for line in files[1].read_text().splitlines()] == trainer.history
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert len(rows) == 3 and list(rows[0]) == list(trainer.history[0])
    for row, record in zip(rows, trainer.history, strict=True):
        assert {key: float(value) if value else None for key, value in row.items()} == record
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "history.jsonl", "model.npz"]


@pytest.mark.parametrize("test", [True, False])
def test_printed_epochs(tmp_path, capsys, test):
    trainer = trained(tmp_path, [nn.PrintEpochs()], test=test)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[-1].startswith(f"epoch  3: train loss {trainer.history[-1]['train_loss']:.4f}, ")
    assert all(("test accuracy" in line) == test for line in lines)


def test_a_history_of_another_kind():
    with pytest.raises(ValueError, match=r"must end in .csv or .jsonl"):
        nn.HistoryFile("history.txt")


def test_a_history_without_a_place(tmp_path):
    with pytest.raises(ValueError, match="cannot be written"):
        trained(tmp_path, [nn.HistoryFile(tmp_path / "none" / "history.csv")])


def events(folder):
    """The figures in the event files of a folder, in order: (step, name, value)."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(folder.iterdir()):
        raw = file.read_bytes()
        while raw:
            (length,) = struct.unpack("<Q", raw[:8])
            event = Event.FromString(raw[12 : 12 + length])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            raw = raw[16 + length :]
    return found


@pytest.mark.parametrize("test", [True, False])
def test_tensorboard(tmp_path, test):
    pytest.importorskip("tensorboardX")
    trainer = trained(tmp_path, [nn.TensorBoard(tmp_path / "events")], test=test)
    found = {(step, name): value for step, name, value in events(tmp_path / "events")}
    figures = ["train_loss", "seconds", "lr", *(["test_loss", "test_accuracy"] if test else [])]
    assert set(found) == {(epoch, name) for epoch in (1, 2, 3) for name in figures}
    for record in trainer.history:
        for name in figures:
            assert found[record["epoch"], name] == pytest.approx(record[name], rel=1e-6)


def test_tensorboard_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[tensorboard\]'"):
        nn.TensorBoard(tmp_path)
