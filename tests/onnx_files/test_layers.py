"""Every layer as ONNX nodes: the cases of the layers' own tests, checked by onnx and computed by another program.

The folder is not called onnx, or `import onnx` would find it.
"""

from __future__ import annotations

import numpy as np
import pytest
from nn.test_layers import CASES
from onnx_files.running import run

from fastconv import nn

onnx = pytest.importorskip("onnx")

from fastconv.onnx import ROWS, to_onnx  # noqa: E402

#: cases that ONNX has no nodes for, and what the error says
REFUSED = {
    "BatchNorm2d-no-tracking": "without running statistics",
}


#: cases that onnx's own reference gets wrong: cropped transposes, pools of volumes, windows over channels, shrinking
RUNTIME_ONLY = (
    "ConvTranspose2d-all-options", "adaptive-max-global", "LocalResponseNorm", "LocalResponseNorm-wide",
    "LocalResponseNorm-channels-last", "Upsample-smaller", "ZeroPad2d-crop",
)  # fmt: skip


@pytest.fixture(autouse=True)
def judged(request):
    """Leave a case out where nothing here computes it right."""
    if any(f"[{name}]" in request.node.name for name in RUNTIME_ONLY):
        pytest.importorskip("onnxruntime")


def agree(layer, x, more=3):
    """The exported layer gives what the layer does, also for another number of pictures than it was exported with."""
    model = to_onnx(layer, x.shape[1:])
    for batch in (x, np.concatenate([x] * more)):
        (y,) = run(model, batch)
        expected = layer(batch)
        assert y.shape == expected.shape and y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5 * max(1, np.abs(expected).max()))
    return model


def values(layer, x):
    """Statistics that are not 0 and 1."""
    draw = np.random.default_rng(5)
    for _, entry in layer.named_state():
        if isinstance(entry, nn.Buffer) and entry.data.ndim:
            entry.data[...] = draw.uniform(0.5, 2, entry.data.shape)
    return layer, x


@pytest.mark.parametrize("case", [case for case in CASES if case.id not in REFUSED], ids=lambda case: case.id)
def test_same_as_the_layer(case):
    agree(*values(case.make(np.float32), case.input(np.float32)))


@pytest.mark.parametrize("case", [case for case in CASES if case.id in REFUSED], ids=lambda case: case.id)
def test_what_onnx_has_no_nodes_for_is_named(case):
    with pytest.raises(
        ValueError, match=rf"layer '\w+' \({case.type}\) cannot be exported to ONNX: {REFUSED[case.id]}"
    ):
        to_onnx(case.make(np.float32), case.shape[1:])


MORE = {
    "same-strided": (lambda: nn.Conv2d(2, 3, 3, 2, "same", rng=0), (2, 2, 7, 8)),
    "same-lower": (lambda: nn.Conv2d(2, 3, 4, 2, "same_lower", rng=0), (2, 2, 7, 8)),
    "full": (lambda: nn.Conv1d(2, 3, 3, padding="full", dilation=2, rng=0), (2, 2, 7)),
    "channels-last-border": (
        lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect", layout="NHWC", rng=0), (2, 5, 6, 3),
    ),
    "transposed-same": (lambda: nn.ConvTranspose2d(2, 3, 2, 3, "same", rng=0), (1, 2, 4, 5)),
    "transposed-pairs": (lambda: nn.ConvTranspose2d(2, 3, 4, 2, ((1, 0), (2, 1)), rng=0), (1, 2, 4, 5)),
    "max-ceil": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), (1, 2, 8, 10)),
    "max-ceil-drops": (lambda: nn.MaxPool2d(2, 4, 1, ceil_mode=True), (1, 1, 7, 9)),
    "max-same": (lambda: nn.MaxPool2d(3, 2, "same"), (1, 2, 8, 9)),
    "mean-ceil": (lambda: nn.AvgPool2d(3, 2, ceil_mode=True), (1, 2, 8, 10)),
    "mean-ceil-padded": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (1, 2, 8, 10)),
    "mean-padded": (lambda: nn.AvgPool2d(3, 2, 1), (1, 2, 8, 10)),
    "mean-divisor-ceil": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=5), (1, 2, 8, 10)),
    "norm-infinite": (lambda: nn.LPPool2d(float("inf"), 2, padding=1), (1, 2, 6, 6)),
    "norm-3-padded": (lambda: nn.LPPool2d(3, 3, 2, padding=1, ceil_mode=True), (1, 2, 6, 7)),
    "adaptive-enlarges": (lambda: nn.AdaptiveAvgPool2d(6), (2, 3, 2, 4)),
    "adaptive-even": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 6, 4)),
    "adaptive-3d": (lambda: nn.AdaptiveAvgPool3d((2, 3, 5)), (2, 3, 5, 4, 7)),
    "adaptive-max-even": (lambda: nn.AdaptiveMaxPool2d((3, 2)), (2, 3, 6, 4)),
    "adaptive-max-global": (lambda: nn.AdaptiveMaxPool3d(1), (2, 3, 4, 4, 2)),
    "adaptive-max-last": (lambda: nn.AdaptiveMaxPool2d((2, 3), layout="NHWC"), (2, 5, 4, 3)),
    "signal-norm": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "drop-alone": (lambda: nn.Dropout(0.5), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), MORE.values(), ids=MORE)
def test_more_arguments(make, shape):
    agree(*values(make(), np.random.default_rng(0).standard_normal(shape).astype(np.float32)))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.LPPool2d(2.5, 2), r"norm_type \(=2.5\) must be whole"),
        (nn.LPPool2d(2, 2, signed=True), "signed=True"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="symmetric"), "no border 'symmetric'"),
    ],
)
def test_arguments_that_onnx_does_not_know(layer, message):
    with pytest.raises(ValueError, match=f"layer 'only'.*cannot be exported to ONNX: .*{message}"):
        to_onnx(nn.Sequential({"only": layer}), (1, 6, 6))


def test_sizes_that_onnx_computes_otherwise():
    """0.7 is less than seven tenths in float32, in which ONNX keeps it: it would make 6 rows of 10."""
    with pytest.raises(ValueError, match="ONNX computes other shapes than this model"):
        to_onnx(nn.Sequential(nn.Upsample(scale_factor=0.7)), (1, 10, 10))


def test_every_row_is_of_a_layer():
    joined = {name for name, layer in nn.layers.LAYERS.items() if issubclass(layer, nn.Graph)}
    assert set(nn.layers.LAYERS) - joined <= set(ROWS)
