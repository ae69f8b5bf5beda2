"""Files of torch.save, written here opcode by opcode and, where it is installed, by PyTorch."""

from __future__ import annotations

import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from fastconv.nn.weights import read_weights

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "int64": "Long",
    "uint8": "Byte",
    "bool": "Bool",
}


class Global:
    """A name that the pickle holds whether or not it can be imported here."""

    def __init__(self, module, name):
        self.line = f"c{module}\n{name}\n".encode()


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Persistent:
    def __init__(self, *identifier):
        self.identifier = identifier


class Pickler(pickle._Pickler):
    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(value.line)
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(value, Persistent):
            self.save(value.identifier)
            self.write(pickle.BINPERSID)
        else:
            super().save(value, save_persistent_id)


def pickled(value, protocol=2):
    file = io.BytesIO()
    Pickler(file, protocol).dump(value)
    return file.getvalue()


def tensor(key, array, *, offset=0, shape=None, strides=None, elements=None, tail=()):
    """What stands for a tensor in the pickle; `tail` makes the storage's identifier the legacy one."""
    shape = array.shape if shape is None else shape
    strides = tuple(stride // array.itemsize for stride in array.strides) if strides is None else strides
    elements = array.size if elements is None else elements
    kind = Global("torch", f"{STORAGES[array.dtype.name]}Storage")
    storage = Persistent("storage", kind, key, "cpu", elements, *tail)
    hooks = Call(Global("collections", "OrderedDict"))
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), storage, offset, shape, strides, False, hooks)


def legacy(arrays, protocol=2, **changes):
    tree = {name: tensor(name, array, tail=(None,), **changes) for name, array in arrays.items()}
    head = (MAGIC, VERSION, {"little_endian": True}, tree, sorted(arrays))
    storages = (len_and_bytes(arrays[name]) for name in sorted(arrays))
    return b"".join([*(pickled(part, protocol) for part in head), *storages])


def len_and_bytes(array):
    return array.size.to_bytes(8, "little") + np.ascontiguousarray(array).tobytes()


def zipped(arrays, tree=None, compression=zipfile.ZIP_STORED, **changes):
    tree = {name: tensor(name, array, **changes) for name, array in arrays.items()} if tree is None else tree
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("model/data.pkl", pickled(tree))
        archive.writestr("model/byteorder", "little")
        for name, array in arrays.items():
            archive.writestr(f"model/data/{name}", np.ascontiguousarray(array).tobytes())
    return file.getvalue()


ARRAYS = {
    "conv.weight": np.random.default_rng(0).standard_normal((4, 3, 2, 2)).astype(np.float32),
    "norm.count": np.array(7, np.int64),
    "half": np.array([1.5, -2], np.float16),
    "mask": np.array([[True, False]]),
    "empty": np.zeros((0, 3), np.float64),
}
WRITERS = {"legacy": legacy, "zip": zipped}
both = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def read(tmp_path, data, **options):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return read_weights(path, **options)


def same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@both
def test_tensors_come_back(tmp_path, write):
    same(read(tmp_path, write(ARRAYS)), ARRAYS)


def test_newer_pickle_protocols(tmp_path):
    same(read(tmp_path, legacy(ARRAYS, protocol=4)), ARRAYS)


@both
def test_views_of_a_storage(tmp_path, write):
    array = np.arange(12, dtype=np.float32)
    found = read(tmp_path, write({"a": array}, offset=1, shape=(2, 3), strides=(1, 4)))["a"]
    np.testing.assert_array_equal(found, [[1, 5, 9], [2, 6, 10]])


def test_bfloat16(tmp_path):
    values = np.array([1.0, -2.5, 3e38], np.float32)
    raw = (values.view(np.uint32) >> 16).astype(np.uint16)
    storage = Persistent("storage", Global("torch", "BFloat16Storage"), "x", "cpu", 3)
    tree = {"x": Call(Global("torch._utils", "_rebuild_tensor_v2"), storage, 0, (3,), (1,), False, {})}
    found = read(tmp_path, zipped({"x": raw}, tree))["x"]
    np.testing.assert_allclose(found, values, rtol=1e-2)
    assert found.dtype == np.float32


def test_state_dict_with_attributes_and_parameters(tmp_path):
    """nn.Module's state dicts carry an attribute _metadata; a checkpoint may hold them beside other things."""
    array = ARRAYS["conv.weight"]
    parameter = Call(Global("torch._utils", "_rebuild_parameter"), tensor("w", array), True, {})
    data = zipped({"w": array}, {"epoch": 3, "state_dict": {"w": parameter}})
    same(read(tmp_path, data, part="state_dict"), {"w": array})
    with pytest.raises(ValueError, match=r"no tensor: 'epoch' \(int\), 'state_dict' \(dict\); part='state_dict'"):
        read(tmp_path, data)
    with pytest.raises(ValueError, match=r"has no dict 'model'; it holds 'epoch' \(int\)"):
        read(tmp_path, data, part="model")


class Evil:
    """A pickle that runs a command where it is loaded with pickle."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", [2, 4])
@both
def test_nothing_is_executed(tmp_path, write, protocol):
    mark = tmp_path / "executed"
    evil = pickle.dumps(Evil(mark), protocol)
    pickle.loads(evil)
    assert mark.exists(), "this pickle would do nothing anyway"
    mark.unlink()
    tree = {"w": tensor("w", ARRAYS["half"]), "x": Call(Global("posix", "system"), f"touch {mark}")}
    if write is zipped:
        data = zipped({"w": ARRAYS["half"]}, tree)
    else:
        data = b"".join(pickled(part, protocol) for part in (MAGIC, VERSION, {}, tree))
    for bad in (evil, data):
        with pytest.raises(ValueError, match=r"asks for (posix|nt)\.system.*refused, and nothing was executed"):
            read(tmp_path, bad)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"), ("builtins", "getattr"), ("torch", "load"), ("torch._utils", "_rebuild_tensor"),
        ("collections", "OrderedDict.fromkeys"), ("torch", "FloatStorage.__init__"),
        ("fastconv.nn.weights.torch_file", "read_zip"),
    ],
)  # fmt: skip
def test_other_names_are_refused(tmp_path, module, name):
    with pytest.raises(ValueError, match=f"asks for {module}.{name}, which"):
        read(tmp_path, zipped({}, {"x": Call(Global(module, name), "1")}))


@pytest.mark.parametrize(
    "body",
    [
        b"(itorch\nFloatStorage\n.",  # INST calls a class
        b"ctorch\nFloatStorage\n)\x81.",  # NEWOBJ makes an object
        b"ctorch\nFloatStorage\n)R.",  # REDUCE calls what only names a type
        b"ctorch\nFloatStorage\n}(U\x08functioncposix\nsystem\nub.",  # BUILD changes an inert function
        b")" + b"q\x00h\x00\x86" * 30 + b"U\x01a\x93.",  # STACK_GLOBAL on tuples, whose text would be endless
        b"\x82\x01.",  # EXT1 takes a name from the registry of extensions
    ],
)
def test_opcodes_that_make_objects_are_refused(tmp_path, body):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02" + body)
    with pytest.raises(ValueError, match="opcode|asks for posix.system|calls|no text"):
        read(tmp_path, file.getvalue())


@both
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": 1}, "reaches beyond its storage of 48"),
        ({"shape": (49,), "strides": (1,)}, "reaches beyond"),
        ({"shape": (2,), "strides": (48,)}, "reaches beyond"),
        ({"shape": (2**40, 2**40), "strides": (0, 0)}, "repeats the elements"),
        ({"shape": (2,), "strides": (-1,)}, "sizes and strides are none"),
        ({"shape": (-1,), "strides": (1,)}, "sizes and strides are none"),
        ({"shape": (2, 2), "strides": (1,)}, "sizes and strides are none"),
        ({"offset": -1}, "sizes and strides are none"),
        ({"offset": 2**70}, "sizes and strides are none"),
        ({"shape": (1,) * 40, "strides": (1,) * 40}, "sizes and strides are none"),
        ({"elements": 96}, "cut off|has not the 96 elements|has 192 bytes"),
        ({"elements": -1}, "without a type, a key or a size"),
        ({"elements": 2**61}, "cut off|has 192 bytes"),
    ],
)
def test_bounds(tmp_path, write, changes, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, write({"a": ARRAYS["conv.weight"]}, **changes))


@both
def test_cut_off_anywhere(tmp_path, write):
    data = write(ARRAYS)
    for end in range(0, len(data), 7):
        with pytest.raises(ValueError, match="weights.pth"):
            read(tmp_path, data[:end])


@both
def test_any_change_of_a_byte_is_one_error_or_harmless(tmp_path, write):
    """No other exception; in the zip a change of the numbers is always found."""
    data, draw = write(ARRAYS), random.Random(0)
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1 << draw.randrange(8)
        try:
            read(tmp_path, bytes(broken))
        except ValueError as error:
            assert "weights.pth" in str(error)


def test_flipped_bits_of_a_zip_are_found(tmp_path):
    data = zipped(ARRAYS)
    place = data.index(ARRAYS["conv.weight"].tobytes()) + 10
    with pytest.raises(ValueError, match="damaged.*CRC"):
        read(tmp_path, data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no file of PyTorch or safetensors"),
        (b"hello", "no file of PyTorch or safetensors"),
        (zipped(ARRAYS, compression=zipfile.ZIP_DEFLATED), "is compressed"),
        (pickle.dumps({"a": 1}, 2), "none of torch.save"),
        (zipped({}, 5), "holds a int, no state dict"),
        (pickled(MAGIC) + pickled(7), "protocol version"),
        (zipped({}, {"x": [1]}), r"no tensor: 'x' \(list\)"),
    ],
)
def test_other_files(tmp_path, data, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, data)


def test_a_dict_within_itself(tmp_path):
    loop = {}
    loop["x"] = loop
    with pytest.raises(ValueError, match=r"no tensor: 'x' \(dict\)"):
        read(tmp_path, zipped({}, loop))


def test_keys_whose_hash_never_ends(tmp_path):
    key = ()
    for _ in range(70):
        key = (key, key)
    storage = tensor("w", ARRAYS["half"])
    ordered = Call(Global("collections", "OrderedDict"), [(key, storage)])
    with pytest.raises(ValueError, match="a tuple among its keys"):
        read(tmp_path, zipped({"w": ARRAYS["half"]}, ordered))


def test_missing_file(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            read_weights(path)


@pytest.mark.parametrize("zip_format", [False, True])
def test_what_pytorch_writes(tmp_path, zip_format):
    torch = pytest.importorskip("torch")
    state = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    state["view"] = torch.arange(24.0).reshape(4, 6).T[1:, ::2]
    state["bfloat16"] = torch.tensor([1.5, -2.0]).bfloat16()
    state["parameter"] = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    torch.save(state, tmp_path / "model.pt", _use_new_zipfile_serialization=zip_format)
    found = read_weights(tmp_path / "model.pt")
    assert isinstance(state, OrderedDict) and list(found) == list(state)
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value.detach().float().numpy(), err_msg=name)
