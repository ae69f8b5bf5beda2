"""Weights of a file into a model: renamed, complete or not at all, and the published ones of EfficientNet-Lite0."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from carriers import FOLDER, carried

from fastconv import nn
from fastconv.nn.weights import NAMES

safetensors = pytest.importorskip("safetensors.numpy")


def network(seed=0):
    return nn.Sequential(
        {"conv": nn.Conv2d(1, 2, 3, rng=seed), "norm": nn.BatchNorm2d(2), "flat": nn.Flatten(),
         "head": nn.Linear(2, 3, rng=seed)}
    )  # fmt: skip


def write(tmp_path, state):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors.save({key: np.array(value) for key, value in state.items()}))
    return path


def assert_state(model, expected):
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)


def shifted(rename):
    """A state under a file's keys, and under ours."""
    state = network(1).state_dict()
    return {rename(key): value for key, value in state.items()}, state


@pytest.mark.parametrize(
    ("rename", "names"),
    [
        (lambda key: key, None),
        (lambda key: "module." + key, {"module": ""}),
        (lambda key: "module." + key, "data_parallel"),
        (lambda key: "net.fc" + key[4:] if key.startswith("head") else "net." + key, {"net": "", "net.fc": "head"}),
        (lambda key: key.replace(".", "/"), lambda key: key.replace("/", ".")),
        (lambda key: key[2:], lambda key: {"nv": "co", "rm": "no", "ad": "he"}[key[:2]] + key),
        (lambda key: key.removeprefix("conv."), {"weight": "conv.weight", "bias": "conv.bias"}),
    ],
)
def test_names(tmp_path, rename, names):
    file, state = shifted(rename)
    model = network(2)
    nn.load_weights(model, write(tmp_path, file), names)
    assert_state(model, state)


def test_a_name_of_none_leaves_a_tensor_out(tmp_path):
    state = network(1).state_dict()
    path = write(tmp_path, {**state, "aux.weight": np.zeros(3)})
    for names in ({"aux": None}, lambda key: None if key.startswith("aux") else key):
        model = network(2)
        nn.load_weights(model, path, names)
        assert_state(model, state)


def test_all_that_does_not_fit_is_listed_and_nothing_changes(tmp_path):
    model = network(2)
    before, state = model.state_dict(), network(1).state_dict()
    del state["conv.bias"], state["norm.running_var"]
    state |= {"head.weight": np.zeros((3, 5), np.float32), "norm.bias": np.zeros(7), "extra": np.zeros(1)}
    with pytest.raises(ValueError) as raised:
        nn.load_weights(model, write(tmp_path, state))
    for part in (
        "x.safetensors", "missing keys ['conv.bias', 'norm.running_var']", "unexpected keys ['extra']",
        "state['head.weight'] has shape (3, 5), the model needs (3, 2)",
        "state['norm.bias'] has shape (7,), the model needs (2,)",
    ):  # fmt: skip
        assert part in str(raised.value)
    assert_state(model, before)


def test_damaged_files_change_nothing(tmp_path):
    model = network(2)
    before, path = model.state_dict(), write(tmp_path, network(1).state_dict())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cannot be loaded"):
        nn.load_weights(model, path)
    assert_state(model, before)


def test_counts_of_batches_may_be_missing_and_types_are_cast(tmp_path):
    state = {key: value.astype(np.float16) for key, value in network(1).state_dict().items() if "batches" not in key}
    model = network(2)
    nn.load_weights(model, write(tmp_path, state))
    np.testing.assert_array_equal(model["conv"].weight.data, state["conv.weight"].astype(np.float32))
    assert model["norm"].num_batches_tracked.data == 0


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("torchvision", ValueError, r"names \(='torchvision'\) must be .*'data_parallel'"),
        (3, TypeError, r"names \(=3\) must be"),
        (lambda key: "same", ValueError, "gives 'same' for both"),
        ({"conv": "head"}, ValueError, "gives 'head.(weight|bias)' for both"),
    ],
)
def test_bad_names(tmp_path, names, error, message):
    with pytest.raises(error, match=message):
        nn.load_weights(network(), write(tmp_path, network().state_dict()), names)


def test_model_must_be_one(tmp_path):
    with pytest.raises(TypeError, match="must be a Module"):
        nn.load_weights({}, tmp_path / "x")


def timm_keys():
    """timm's keys of EfficientNet-Lite0, written from its stages."""
    stages = [(1, False), (2, True), (2, True), (3, True), (3, True), (4, True), (1, True)]
    parts = [f"bn.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]
    yield "conv_stem.weight"
    yield from (part.replace("bn", "bn1") for part in parts)
    for stage, (blocks, widens) in enumerate(stages):
        for block in range(blocks):
            convolutions = ("conv_pw", "conv_dw", "conv_pwl") if widens else ("conv_dw", "conv_pw")
            for number, name in enumerate(convolutions, 1):
                yield f"blocks.{stage}.{block}.{name}.weight"
                yield from (f"blocks.{stage}.{block}.{part.replace('bn', f'bn{number}')}" for part in parts)
    yield "conv_head.weight"
    yield from (part.replace("bn", "bn2") for part in parts)
    yield from ("classifier.weight", "classifier.bias")


def test_timm_names():
    """Every key of ours is hit once, in the order in which values pass the network."""
    model = nn.zoo.efficientnet_lite0(nn.init.UNSET)
    assert [NAMES["timm_efficientnet_lite0"](key) for key in timm_keys()] == list(model.state_dict())


def test_a_known_map_leaves_keys_that_it_does_not_know():
    for key in ("blocks.x.0.conv_pw.weight", "blocks.99.0.conv_pw.weight", "blocks.weight"):
        assert NAMES["timm_efficientnet_lite0"](key) == key


def test_published_weights_of_efficientnet_lite0():
    """Top-1 of at least 18 of 20 pictures of ImageNet, and the same from the compiled network."""
    pytest.importorskip("PIL")
    spec = importlib.util.spec_from_file_location(
        "example", Path(__file__).parents[3] / "examples/efficientnet_lite0.py"
    )
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    weights = carried(example.WEIGHTS)
    carried("foolbox/data/imagenet_19_305.jpg")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert digest == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    model, x, labels = example.load(FOLDER)
    logits = model.compile(x.shape)(x)
    assert len(labels) == 20 and (logits.argmax(1) == labels).sum() >= 18
    np.testing.assert_allclose(model(x[:2]), logits[:2], atol=1e-3)
