"""CIFAR-10 in its three forms; pickles that try to run something run nothing."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from data_files import cifar_batch, cifar_binary, cifar_python, image_folder

from fastconv import data
from fastconv.data.sets.cifar10 import CLASS_NAMES

WRITERS = {
    "binary": cifar_binary,
    "protocol 2": lambda folder: cifar_python(folder, 2),
    "protocol 4": lambda folder: cifar_python(folder, 4),
    "protocol 5": lambda folder: cifar_python(folder, 5),
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
def test_reads_batches(tmp_path, form, below):
    WRITERS[form](tmp_path / below)
    train, test = data.load(tmp_path, "train"), data.load(tmp_path, "test")
    pixels, labels = cifar_batch(1)
    assert train.images.shape == (20, 3, 32, 32) and test.images.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(train.images[4:8].reshape(4, -1), pixels)
    assert train.labels[4:8].tolist() == labels
    assert train.name == "cifar10" and len(train.mean) == 3
    assert train.class_names == (CLASS_NAMES if form == "binary" else tuple(f"class {i}" for i in range(10)))


def test_reads_batches_of_python_2():
    """The opcodes of the official files: NumPy's old names, texts as bytes."""
    import io

    from fastconv.data.formats.cifar import _BatchUnpickler, _resolve

    body = bytes(range(6))
    old = (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        b"\x89U\x06" + body + b"tbU\x06labels]K\x05au."
    )
    batch = _resolve(_BatchUnpickler(io.BytesIO(old), encoding="bytes").load())
    np.testing.assert_array_equal(batch[b"data"], np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert batch[b"labels"] == [5]


@pytest.mark.parametrize("form", ["binary", "protocol 2"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "data_batch_3(.bin)?: no such file"),
        ("cut", "data_batch_3(.bin)?: (truncated|damaged)"),
        ("empty", "data_batch_3(.bin)?: (truncated|damaged)"),
        ("noise", "data_batch_3(.bin)?: (truncated|damaged)"),
    ],
)
def test_damaged_batches(tmp_path, form, damage, message):
    WRITERS[form](tmp_path)
    path = next(tmp_path.glob("data_batch_3*"))
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"cut": content[:-700], "empty": b"", "noise": bytes(range(256)) * 3}[damage])
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path)


def test_a_batch_cut_between_records(tmp_path):
    cifar_binary(tmp_path)
    path = tmp_path / "data_batch_5.bin"
    path.write_bytes(path.read_bytes()[:3073])
    with pytest.raises(ValueError, match=r"data_batch_5\.bin: truncated, 1 pictures where another batch has 4"):
        data.load(tmp_path)


def test_a_wrong_label(tmp_path):
    cifar_binary(tmp_path)
    path = tmp_path / "data_batch_2.bin"
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    with pytest.raises(ValueError, match=r"data_batch_2\.bin: label 10 is outside"):
        data.load(tmp_path)


GOOD_DATA, GOOD_LABELS = cifar_batch(0)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "a list, not a dict"),
        ({b"data": GOOD_DATA}, "it has no 'labels'"),
        ({b"labels": GOOD_LABELS}, "it has no 'data'"),
        ({b"data": b"bytes", b"labels": GOOD_LABELS}, "'data' must be N x 3,072 unsigned bytes, got bytes"),
        ({b"data": GOOD_DATA[:, :100], b"labels": GOOD_LABELS}, r"'data' must be .* got shape \(4, 100\)"),
        ({b"data": GOOD_DATA.astype(np.float64), b"labels": GOOD_LABELS}, "arrays must be unsigned bytes"),
        ({b"data": np.array([object()]), b"labels": GOOD_LABELS}, "arrays must be|not allowed"),
        ({b"data": GOOD_DATA, b"labels": GOOD_LABELS[:2]}, "4 pictures but 2 labels"),
        ({b"data": GOOD_DATA, b"labels": ["a"] * 4}, "'labels' must be a list of class numbers"),
        ({b"data": GOOD_DATA, b"labels": [-1] * 4}, "'labels' must be a list of class numbers"),
    ],
)
def test_pickles_of_something_else(tmp_path, batch, message):
    cifar_python(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path)


class Runs:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "hostile",
    [
        lambda trap: Runs(os.mkdir, str(trap)),
        lambda trap: Runs(os.system, f"mkdir {trap}"),
        lambda trap: Runs(eval, f"__import__('os').mkdir({str(trap)!r})"),
        lambda trap: Runs(getattr, "text", "upper"),
        lambda trap: Runs(np.fromfile, str(trap)),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_hostile_pickles_run_nothing(tmp_path, hostile, protocol):
    cifar_python(tmp_path)
    trap = tmp_path / "trap"
    batch = {b"data": GOOD_DATA, b"labels": GOOD_LABELS, b"extra": hostile(trap)}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=protocol))
    with pytest.raises(ValueError, match="data_batch_1: .*not allowed"):
        data.load(tmp_path)
    assert not trap.exists()


def test_a_hostile_memo_takes_no_memory(tmp_path):
    cifar_python(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")
    with pytest.raises(ValueError, match="data_batch_1: .*numbers an object 2147483647"):
        data.load(tmp_path)


def test_a_hostile_array_reads_no_memory(tmp_path):
    """A shape larger than the bytes that come with it is refused."""
    cifar_python(tmp_path)
    good = pickle.dumps({b"data": GOOD_DATA, b"labels": GOOD_LABELS}, protocol=2)
    shape = b"K\x04M\x00\x0c\x86"
    assert good.count(shape) == 1
    (tmp_path / "data_batch_1").write_bytes(good.replace(shape, b"K\x09M\x00\x0c\x86"))
    with pytest.raises(ValueError, match="data_batch_1: .*contents are not as many bytes"):
        data.load(tmp_path)


def test_picture_folder_with_the_ten_classes(tmp_path):
    pytest.importorskip("PIL")
    image_folder(tmp_path, CLASS_NAMES, (32, 32), 3, ".png")
    part = data.load(tmp_path, "test")
    assert part.name == "cifar10" and part.images.shape == (20, 3, 32, 32) and part.class_names == CLASS_NAMES
    assert part.labels[:10].tolist() == list(range(10))
    assert part.images[:, 0, 0, 0].tolist() == [20 * label + index for index in range(2) for label in range(10)]


def test_picture_folder_of_another_size(tmp_path):
    pytest.importorskip("PIL")
    image_folder(tmp_path, CLASS_NAMES, (16, 16), 3, ".png")
    with pytest.raises(ValueError, match="CIFAR-10 pictures are 3x32x32"):
        data.load(tmp_path)
