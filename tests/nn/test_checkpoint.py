"""Checkpoints: whole or not at all, readable on their own, and no bad file does more than raise one ValueError."""

import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn import checkpoint as module
from fastconv.nn.checkpoint import TrainingState

METADATA = {
    "network": "lenet5",
    "class_names": ["top", "trouser"],
    "mean": [0.286],
    "std": [0.353],
    "input_shape": [1, 28, 28],
}


@pytest.fixture(params=[".npz", ".safetensors"])
def suffix(request):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return request.param


@pytest.fixture
def path(tmp_path, suffix):
    return tmp_path / f"model{suffix}"


def test_round_trip(path):
    model = nn.zoo.build("lenet5", seed=3)
    assert nn.save_checkpoint(path, model, METADATA) == path
    loaded = nn.load_checkpoint(str(path))
    assert loaded.metadata == METADATA
    assert list(loaded.state) == list(model.state_dict()) or set(loaded.state) == set(model.state_dict())
    assert repr(loaded.model) == repr(model)
    for name, value in loaded.model.state_dict().items():
        np.testing.assert_array_equal(value, model.state_dict()[name])
    x = np.random.default_rng(0).standard_normal((2, 1, 28, 28), np.float32)
    np.testing.assert_array_equal(loaded.model(x), model(x))
    assert list(path.parent.iterdir()) == [path]


def test_every_kind_of_layer_comes_back(path):
    model = nn.Sequential(
        {
            "block": nn.Sequential(
                nn.Conv2d(2, 4, 3, padding=((1, 0), (1, 1)), bias=False, dtype="float64"), nn.ReLU()
            ),
            "pool": nn.LPPool2d(2, 2, ceil_mode=True),
            "mean": nn.AdaptiveAvgPool2d((None, 2)),
            "drop": nn.Dropout(0.25),
            "flat": nn.Flatten(),
            "fc": nn.Linear(16, 8, dtype="float64"),
            "volume": nn.Unflatten(1, (2, 2, 2)),
            "up": nn.ConvTranspose2d(2, 1, 2, stride=2, dtype="float64"),
        }
    )
    nn.save_checkpoint(path, model)
    loaded = nn.load_checkpoint(path)
    assert loaded.metadata == {}
    assert repr(loaded.model) == repr(model)
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4))
    np.testing.assert_array_equal(loaded.model(x), model(x))


def test_training_goes_on_from_a_file(path):
    model = nn.Linear(3, 2, rng=0)
    nn.SGD(model.parameters())
    nn.save_checkpoint(path, model)
    loaded = nn.load_checkpoint(path).model
    assert nn.SGD(loaded.parameters(), lr=0.1) and loaded.weight.data.flags.writeable


def test_safetensors_file_is_the_packages_own(tmp_path):
    numpy_format = pytest.importorskip("safetensors.numpy")
    model = nn.Linear(3, 2, rng=0)
    state = numpy_format.load_file(nn.save_checkpoint(tmp_path / "model.safetensors", model))
    np.testing.assert_array_equal(state["weight"], model.weight.data)


def test_suffix_is_chosen(tmp_path, monkeypatch, capsys):
    model = nn.Linear(3, 2)
    monkeypatch.setattr(module, "_installed", lambda: False)
    monkeypatch.setattr(module, "_said", set())
    for name in ("model.safetensors", "model", "model.npz"):
        assert nn.save_checkpoint(tmp_path / name, model) == tmp_path / "model.npz"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "safetensors" in lines[0] and "model.npz" in lines[0]
    assert nn.load_checkpoint(tmp_path / "model.npz").state.keys() == {"weight", "bias"}
    with pytest.raises(ValueError, match="suffix|must end in"):
        nn.save_checkpoint(tmp_path / "model.pth", model)


def test_reading_safetensors_without_the_package(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    model = nn.Linear(3, 2, rng=0)
    path = nn.save_checkpoint(tmp_path / "model.safetensors", model, {"epoch": 3})
    monkeypatch.setitem(sys.modules, "safetensors", None)
    found = nn.load_checkpoint(path)
    assert found.metadata == {"epoch": 3}
    np.testing.assert_array_equal(found.model.weight.data, model.weight.data)
    assert all(array.flags.writeable for array in found.state.values())
    path.write_bytes(b"\0" * 16)
    with pytest.raises(ValueError, match="no checkpoint of fastconv, or damaged"):
        nn.load_checkpoint(path)


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    nn.save_checkpoint(path, nn.Linear(3, 2, rng=0), {"epoch": 1})
    old = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(ValueError, match="cannot be written: No space left"):
        nn.save_checkpoint(path, nn.Linear(3, 2, rng=1), {"epoch": 2})
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_interrupted_write_leaves_the_old_file(path, monkeypatch):
    nn.save_checkpoint(path, nn.Linear(3, 2, rng=0))
    old = path.read_bytes()

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nn.save_checkpoint(path, nn.Linear(3, 2, rng=1))
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_the_new_file_has_the_old_ones_permissions_and_place(path):
    nn.save_checkpoint(path, nn.Linear(3, 2, rng=0))
    path.chmod(0o640)
    link = path.with_name(f"link{path.suffix}")
    link.symlink_to(path)
    assert nn.save_checkpoint(link, nn.Linear(3, 2, rng=1)) == link
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(nn.load_checkpoint(path).model.weight.data, nn.Linear(3, 2, rng=1).weight.data)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(np.int64(1), 2, np.array([3, 2]), padding=np.array([1, 0]), rng=0),
        nn.ConvTranspose1d(1, 2, 3, padding=[np.int32(1)], rng=0),
        nn.AvgPool2d(2, padding=((np.int64(0), 1), 0), divisor_override=np.int64(3), ceil_mode=np.True_),
        nn.LPPool1d(np.float32(2), 2),
        nn.AdaptiveMaxPool2d((np.int64(2), None)),
        nn.Flatten(np.int64(1), np.int8(-1)),
        nn.Unflatten(np.int64(1), (np.int64(2), 2)),
        nn.Softmax(np.int64(1)),
        nn.Dropout(np.float64(0.5)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_arguments_from_numpy_are_saved_as_plain_ones(path, layer):
    nn.save_checkpoint(path, nn.Sequential(layer))
    assert nn.load_checkpoint(path).model[0].config() == layer.config()


def test_unwritable_places(tmp_path, suffix):
    (tmp_path / "file").write_text("")
    for folder in ("missing", "file"):
        with pytest.raises(ValueError, match="cannot be written"):
            nn.save_checkpoint(tmp_path / folder / f"model{suffix}", nn.Linear(3, 2))
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ValueError, match="cannot be written"):
        nn.save_checkpoint(tmp_path / f"folder{suffix}", nn.Linear(3, 2))


def test_metadata_must_be_json(path):
    with pytest.raises(ValueError, match="metadata"):
        nn.save_checkpoint(path, nn.Linear(3, 2), {"mean": np.zeros(3)})
    assert not path.exists()


def test_only_known_layers_can_be_saved(path):
    class Mine(nn.ReLU):
        pass

    with pytest.raises(TypeError, match="model"):
        nn.save_checkpoint(path, {"weight": np.zeros(3)})
    with pytest.raises(ValueError, match="'1', a Mine"):
        nn.save_checkpoint(path, nn.Sequential(nn.Linear(3, 2), Mine()))
    assert not path.exists()


def test_truncated_files(path):
    nn.save_checkpoint(path, nn.Linear(30, 2, rng=0), METADATA)
    whole = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 50, len(whole) // 2, len(whole) - 40, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="model"):
            nn.load_checkpoint(path)


TRAINING = TrainingState({"epoch": 3}, {"optimizer.velocity.0": np.arange(6, dtype=np.float32).reshape(2, 3)})


def same_checkpoint(a, b):
    arrays = [{**one.state, **one.training.arrays} for one in (a, b)]
    return (
        a.metadata == b.metadata
        and a.training.values == b.training.values
        and repr(a.model) == repr(b.model)
        and arrays[0].keys() == arrays[1].keys()
        and all(np.array_equal(array, arrays[1][name]) for name, array in arrays[0].items())
    )


def test_training_state_comes_back_beside_the_model(path):
    nn.save_checkpoint(path, nn.Linear(3, 2, rng=0), METADATA, TRAINING)
    loaded = nn.load_checkpoint(path)
    assert set(loaded.state) == {"weight", "bias"} and loaded.training.values == {"epoch": 3}
    np.testing.assert_array_equal(
        loaded.training.arrays["optimizer.velocity.0"], TRAINING.arrays["optimizer.velocity.0"]
    )
    nn.save_checkpoint(path, loaded.model, loaded.metadata)
    assert nn.load_checkpoint(path).training is None


def test_every_changed_byte_is_noticed(path):
    """A file with one byte changed is refused, or it is a byte that says nothing and the content is the old one."""
    nn.save_checkpoint(path, nn.Linear(30, 2, rng=0), METADATA, TRAINING)
    whole, good = path.read_bytes(), nn.load_checkpoint(path)
    rng = np.random.default_rng(0)
    refused = 0
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(damaged)
        try:
            loaded = nn.load_checkpoint(path)
        except ValueError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert same_checkpoint(loaded, good), place
    assert refused > 0.8 * len(range(0, len(whole), 3)) if path.suffix == ".safetensors" else refused > 100


def test_a_changed_weight_fails_the_checksum(path):
    model = nn.Linear(30, 2, rng=0)
    nn.save_checkpoint(path, model, METADATA)
    whole = bytearray(path.read_bytes())
    whole[whole.index(model.weight.data.tobytes()) + 9] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="checksum|CRC"):
        nn.load_checkpoint(path)


def test_files_without_a_checksum_are_those_of_the_first_format(tmp_path):
    path = tmp_path / "model.npz"
    write_npz(path, GOOD, LINEAR.state_dict())
    assert nn.load_checkpoint(path).training is None
    write_npz(path, {**GOOD, "format": 2}, LINEAR.state_dict())
    with pytest.raises(ValueError, match="checksum"):
        nn.load_checkpoint(path)


def test_a_full_disk_leaves_the_old_file(path):
    """The system itself refuses the write: no file may grow beyond a limit."""
    resource = pytest.importorskip("resource")
    nn.save_checkpoint(path, nn.Linear(300, 20, rng=0))
    old = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(ValueError, match="cannot be written: File too large"):
            nn.save_checkpoint(path, nn.Linear(300, 20, rng=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed(path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    leftover = path.with_name(f".{path.name}.{gone.pid}.0123abcd")
    others = path.with_name(f".{path.name}.{os.getpid()}.0123abcd")
    for file in (leftover, others):
        file.write_bytes(b"half")
    nn.save_checkpoint(path, nn.Linear(3, 2, rng=0))
    assert set(path.parent.iterdir()) == {path, others}


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 64])
def test_wrong_files(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no checkpoint of fastconv"):
        nn.load_checkpoint(path)


def test_missing_and_misnamed_files(tmp_path, suffix):
    with pytest.raises(ValueError, match="is no file"):
        nn.load_checkpoint(tmp_path / f"missing{suffix}")
    with pytest.raises(ValueError, match="must end in"):
        nn.load_checkpoint(tmp_path / "model.pt")


def test_pickles_are_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "model.npz"
    np.savez(path, fastconv=np.array([Trap()], dtype=object), weight=np.zeros(3))
    with pytest.raises(ValueError, match="no checkpoint"):
        nn.load_checkpoint(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="no checkpoint"):
        nn.load_checkpoint(path)
    assert not (tmp_path / "sprung").exists()


def write_npz(path, described, state):
    text = described if isinstance(described, str) else json.dumps(described)
    np.savez(path, fastconv=np.frombuffer(text.encode(), np.uint8), **state)


LINEAR = nn.Linear(3, 2, rng=0)
GOOD = {"model": LINEAR.config(), "metadata": {}}


@pytest.mark.parametrize(
    ("described", "match"),
    [
        ("{", "no checkpoint"),
        ("[1]", "no checkpoint"),
        ({"metadata": {}}, "'model'"),
        ({**GOOD, "metadata": 3}, "metadata"),
        ({**GOOD, "model": "os.system"}, "description"),
        ({**GOOD, "model": {"type": "Module"}}, "unknown"),
        ({**GOOD, "model": {"type": "__import__"}}, "unknown"),
        ({**GOOD, "model": {"type": ["Linear"]}}, "type"),
        ({**GOOD, "model": {"type": "Linear", "in_features": 3}}, "out_features"),
        ({**GOOD, "model": {**LINEAR.config(), "rng": 3}}, "rng"),
        ({**GOOD, "model": {**LINEAR.config(), "out_features": 4}}, "shape"),
        ({**GOOD, "model": {**LINEAR.config(), "out_features": "two"}}, "out_features"),
        ({**GOOD, "model": {**LINEAR.config(), "in_features": 10**12, "out_features": 10**12}}, "no checkpoint"),
        ({**GOOD, "model": {**LINEAR.config(), "in_features": 10**30}}, "no checkpoint"),
        ({**GOOD, "model": {"type": "Sequential", "layers": {"0": LINEAR.config()}}}, "list"),
        ({**GOOD, "model": {"type": "Sequential", "layers": [["0", LINEAR.config()]]}}, "missing keys"),
        ({**GOOD, "model": {"type": "ReLU"}}, "unexpected keys"),
    ],
)
def test_wrong_descriptions(tmp_path, described, match):
    path = tmp_path / "model.npz"
    write_npz(path, described, LINEAR.state_dict())
    with pytest.raises(ValueError, match=match):
        nn.load_checkpoint(path)


def test_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    write_npz(path, '{"model": ' + "[" * 100_000, {})
    with pytest.raises(ValueError, match="no checkpoint"):
        nn.load_checkpoint(path)


def test_foreign_npz(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, weight=np.zeros(3))
    with pytest.raises(ValueError, match="no 'fastconv' in it"):
        nn.load_checkpoint(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="no checkpoint"):
        nn.load_checkpoint(path)
