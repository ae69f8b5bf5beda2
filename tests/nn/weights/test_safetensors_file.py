"""safetensors files, written here and, where it is installed, by safetensors."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from fastconv.nn.weights import read_weights

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(3, np.int64), "c": np.zeros((0, 2))}
F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def written(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def whole():
    rows = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]},
        "c": {"dtype": "F64", "shape": [0, 2], "data_offsets": [32, 32]},
    }
    return written(rows, ARRAYS["a"].tobytes() + ARRAYS["b"].tobytes())


def read(tmp_path, data):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    return read_weights(path)


def test_tensors_come_back(tmp_path):
    found = read(tmp_path, whole())
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16(tmp_path):
    raw = (np.array([1.5, -2], np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    found = read(tmp_path, written({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, raw))
    np.testing.assert_array_equal(found["x"], np.array([1.5, -2], np.float32))


def test_what_safetensors_writes(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(ARRAYS, tmp_path / "x.safetensors", metadata={"format": "np"})
    found = read_weights(tmp_path / "x.safetensors")
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (written({"x": F32}, b"1234567"), "has 7 bytes of tensors, where its header says 8"),
        (written({"x": F32}, bytes(9)), "has 9 bytes"),
        (written({"x": F32, "y": F32}, bytes(8)), "overlaps"),
        (written({"x": {**F32, "data_offsets": [4, 12]}}, bytes(12)), "overlaps, gaps"),
        (written({"x": {**F32, "shape": [3]}}, bytes(8)), "wrong size"),
        (written({"x": {**F32, "shape": [-2]}}, bytes(8)), "does not describe x"),
        (written({"x": {**F32, "shape": [2**62]}}, bytes(8)), "does not describe x"),
        (written({"x": {**F32, "dtype": "F8"}}, bytes(8)), "does not describe x"),
        (written({"x": {"dtype": "F32"}}), "does not describe x"),
        (written({"x": {**F32, "shape": [True, 2]}}, bytes(8)), "does not describe x"),
        (written(b"{]"), "no JSON"),
        (written(b"{" + b"[" * 100_000), "no JSON|damaged"),
        (b"\xff" * 8 + b"{}", "cut off within its header"),
    ],
)
def test_bad_files(tmp_path, data, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, data)


def test_cut_off_anywhere(tmp_path):
    data = whole()
    for end in range(len(data)):
        with pytest.raises(ValueError, match="weights.safetensors"):
            read(tmp_path, data[:end])


def test_any_change_of_a_byte_is_one_error_or_harmless(tmp_path):
    data, draw = whole(), random.Random(0)
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1 << draw.randrange(8)
        try:
            read(tmp_path, bytes(broken))
        except ValueError as error:
            assert "weights.safetensors" in str(error)
