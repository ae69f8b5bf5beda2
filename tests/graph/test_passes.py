"""Each pass changes what it should, leaves alone what it must, and never changes results."""

import numpy as np
import pytest

from fastconv import functional as F
from fastconv.graph import Executable, Program
from fastconv.graph.passes import PASSES


def array(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def conv(program, x, channels=4, name="conv", seed=0, **options):
    common = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1, "layout": "NCHW", "border": "zeros"}
    weight = array(channels, x.shape[1], 3, 3, seed=seed)
    bias = options.pop("bias", array(channels, seed=seed + 1))
    return program.add("conv", (x,), name, weight=weight, bias=bias, **{**common, **options})


def scale(program, x, seed=7):
    channels = x.shape[1]
    return program.add(
        "scale", (x,), scale=array(channels, 1, 1, seed=seed), shift=array(channels, 1, 1, seed=seed + 1)
    )


def relu(program, x):
    return program.add("activation", (x,), activation="relu")


def halve(program, x, halves=True):
    shape = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)

    def pool(x, out):
        np.copyto(out, x[:, :, : shape[2] * 2, : shape[3] * 2].reshape(*shape[:3], 2, shape[3], 2).max(axis=(3, 5)))

    return program.add("max_pool", (x,), function=pool, out=True, shape=shape, halves=halves, layout="NCHW")


def folded(program, x):
    return scale(program, conv(program, x))


def folded_without_bias(program, x):
    return scale(program, conv(program, x, bias=None))


def folded_linear(program, x):
    y = program.add("reshape", (x,), shape=(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]))
    y = program.add("linear", (y,), weight=array(5, y.shape[1]), bias=array(5))
    return program.add("scale", (y,), scale=array(5, seed=3), shift=array(5, seed=4))


def rectified(program, x):
    return relu(program, conv(program, x))


def residual(program, x):
    first = conv(program, x, x.shape[1], "first")
    return relu(program, program.add("add", (conv(program, first, x.shape[1], "second", seed=5), x)))


def residual_of_a_product(program, x):
    """Of 64 rows, so that its weights are packed."""
    y = program.add("linear", (x,), weight=array(8, 8), bias=array(8, seed=1))
    return relu(program, program.add("add", (y, x)))


def residual_of_few_rows(program, x):
    flat = program.add("reshape", (x,), shape=(2, 256))
    return program.add("add", (program.add("linear", (flat,), weight=array(256, 256), bias=None), flat))


def two_convolutions(program, x):
    return program.add("add", (conv(program, x, 4, "first"), conv(program, x, 4, "second", seed=5)))


def pooled(program, x):
    return halve(program, relu(program, scale(program, conv(program, x, 16))))


def pad(program, x, mode="constant", value=0.0, sides=(1, 2, 0, 3)):
    """A border of (left, right, top, bottom), its pairs in the order of the axes."""
    left, right, top, bottom = sides
    shape = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
    return program.add(
        "pad", (x,), function=lambda x, out: F.pad(x, sides, mode, value, out=out), out=True, shape=shape,
        padding=((top, bottom), (left, right)), mode=mode, value=value, layout="NCHW",
    )  # fmt: skip


def padded(mode="constant", value=0.0, **options):
    return lambda program, x: relu(program, conv(program, pad(program, x, mode, value), **options))


def gate(program, x, seed=3):
    sizes = (*x.shape[:2], *[1] * (len(x.shape) - 2))
    means = program.add("call", (x,), function=lambda x: x.mean(axis=(2, 3), keepdims=True), out=False, shape=sizes)
    return program.add("gate", (x, means))


def weighed(program, x):
    """Squeeze and excite, then the end of a residual block."""
    return relu(program, program.add("add", (gate(program, conv(program, x, x.shape[1])), x)))


def weighed_and_added_second(program, x):
    y = conv(program, x, x.shape[1])
    return program.add("add", (relu(program, y), gate(program, y)))


def scaled_and_added(program, x):
    return relu(program, program.add("add", (relu(program, x), scale(program, relu(program, x)))))


def added_and_rectified(program, x):
    y = relu(program, conv(program, x, x.shape[1]))
    return relu(program, program.add("add", (y, x)))


def both_weighed(program, x):
    return program.add("add", (gate(program, x), gate(program, relu(program, x))))


def scaled_twice(program, x):
    return relu(program, scale(program, scale(program, x), seed=4))


def scaled_thrice_behind_a_convolution(program, x):
    return scale(program, scale(program, scale(program, conv(program, x)), seed=4), seed=2)


def scaled_by_channels_then_by_columns(program, x):
    y = scale(program, x)
    factors = array(1, 1, 1, x.shape[3], seed=5)
    return program.add("scale", (y,), scale=factors, shift=np.zeros_like(factors))


def scaled_and_read_twice(program, x):
    y = scale(program, x)
    return program.add("concat", (scale(program, y, seed=4), y), axis=1)


def transposed(program, x, *order):
    shape = tuple(x.shape[axis] for axis in order)
    return program.add("copy", (x,), view=lambda x: x.transpose(order), shape=shape, order=order)


def matmul(program, a, b):
    shape = (*a.shape[:-1], b.shape[-1])
    return program.add("matmul", (a, b), shape=shape, scale=1.0, views=([], []))


def factor(program, x, value):
    return program.add("scale", (x,), scale=np.full((), value), shift=np.zeros(()))


def attention(program, x):
    """Of rows, each channel a token: (2, 4, 8, 8) -> (2, 8, 4, 8) and back; one operand is a part in another shape."""
    heads = transposed(program, x, 0, 2, 1, 3)
    keys = transposed(program, heads, 0, 1, 3, 2)
    scores = factor(program, matmul(program, factor(program, heads, 0.5), keys), 3.0)
    part = program.add("copy", (heads,), view=lambda x: x[:, 2:4], shape=(2, 2, 4, 8), order=None)
    split = program.add("reshape", (part,), shape=(2, 2, 1, 4, 8))
    few = program.add("copy", (split,), view=lambda x: x[:, :, 0, :, :3], shape=(2, 2, 4, 3), order=None)
    some = program.add("copy", (scores,), view=lambda x: x[:, 1:3], shape=(2, 2, 4, 4), order=None)
    return transposed(program, matmul(program, some, few), 2, 0, 1, 3)


def sliced_between_two_copies(program, x):
    """Rows of other batches lie apart in what is transposed and sliced, so one reshape of both has to copy."""
    turned = transposed(program, x, 1, 0, 2, 3)
    part = program.add("copy", (turned,), view=lambda x: x[:, :, 1:3], shape=(4, 2, 2, 8), order=None)
    rows = program.add("reshape", (part,), shape=(8, 2, 8))
    columns = program.add("reshape", (x,), shape=(8, 8, 8))
    return program.add("reshape", (matmul(program, rows, columns),), shape=(2, 4, 2, 8))


def factor_beyond_what_products_hold(program, x):
    return matmul(program, factor(program, x, 1e-30), transposed(program, x, 0, 1, 3, 2))


def columns_apart(program, x):
    return transposed(program, matmul(program, x, x), 0, 1, 3, 2)


def shifted_before_a_product(program, x):
    return matmul(program, scale(program, x), x)


NONE = {"padding": "valid"}

#: what is built, and the operations that remain
FUSED = {
    "scaled-twice": (scaled_twice, ["scale"]),
    "scaled-thrice-conv": (scaled_thrice_behind_a_convolution, ["conv"]),
    "scaled-apart": (scaled_by_channels_then_by_columns, ["scale", "scale"]),
    "scaled-and-read": (scaled_and_read_twice, ["scale", "scale", "concat"]),
    "padded": (padded(), ["conv"]),
    "padded-same": (padded(padding="same", stride=(2, 1)), ["conv"]),
    "padded-constant": (padded(value=0.5, **NONE), ["conv"]),
    **{f"padded-{mode}": (padded(mode, **NONE), ["conv"]) for mode in ("reflect", "replicate", "circular")},
    "folded": (folded, ["conv"]),
    "folded-without-bias": (folded_without_bias, ["conv"]),
    "folded-linear": (folded_linear, ["reshape", "linear"]),
    "rectified": (rectified, ["conv"]),
    "residual": (residual, ["conv", "conv"]),
    "attention": (attention, ["matmul", "matmul"]),
    "residual-linear": (residual_of_a_product, ["linear"]),
    "two-convolutions": (two_convolutions, ["conv", "conv"]),
    "pooled": (pooled, ["conv"]),
    "weighed": (weighed, ["conv", "call", "gate"]),
    "weighed-and-added-second": (weighed_and_added_second, ["conv", "activation", "call", "gate"]),
    "scaled-and-added": (scaled_and_added, ["activation", "activation", "scale"]),
    "added-and-rectified": (added_and_rectified, ["conv", "add"]),
    "both-weighed": (both_weighed, ["call", "activation", "call", "gate", "gate"]),
}


def scaled_after_relu(program, x):
    return scale(program, relu(program, conv(program, x)))


def read_twice(program, x):
    y = conv(program, x)
    return program.add("concat", (relu(program, y), scale(program, y)), axis=1)


def added_to_itself(program, x):
    y = conv(program, x)
    return program.add("add", (y, y))


def added_after_relu(program, x):
    return program.add("add", (relu(program, conv(program, x, x.shape[1])), x))


def other_windows(program, x):
    return halve(program, conv(program, x, 16), halves=False)


def residual_then_pooled(program, x):
    return halve(program, program.add("add", (conv(program, x, x.shape[1]), x)))


def cropped(program, x):
    return conv(program, pad(program, x, sides=(-1, 2, 0, 1)))


def padded_and_read_twice(program, x):
    y = pad(program, x)
    return program.add("add", (conv(program, y, x.shape[1]), y))


def weighed_and_read_twice(program, x):
    y = gate(program, x)
    return program.add("add", (y, relu(program, y)))


def rectified_before_the_sum(program, x):
    return program.add("add", (relu(program, gate(program, x)), x))


#: what is built, and the operations that must remain
LEFT_ALONE = {
    "sliced-between-copies": (sliced_between_two_copies, ["copy", "matmul", "reshape"]),
    "factor-too-small": (factor_beyond_what_products_hold, ["scale", "matmul"]),
    "columns-apart": (columns_apart, ["matmul", "copy"]),
    "shifted-before-a-product": (shifted_before_a_product, ["scale", "matmul"]),
    "residual-few-rows": (residual_of_few_rows, ["reshape", "linear", "add"]),
    "cropped": (cropped, ["pad", "conv"]),
    "padded-twice": (padded(value=0.5), ["pad", "conv"]),
    "padded-unlike": (padded("reflect"), ["pad", "conv"]),
    "padded-and-read-twice": (padded_and_read_twice, ["pad", "conv"]),
    "scaled-after-relu": (scaled_after_relu, ["conv", "scale"]),
    "read-twice": (read_twice, ["conv", "activation", "scale", "concat"]),
    "added-to-itself": (added_to_itself, ["conv", "add"]),
    "added-after-relu": (added_after_relu, ["conv", "add"]),
    "other-windows": (other_windows, ["conv", "max_pool"]),
    "residual-then-pooled": (residual_then_pooled, ["conv", "max_pool"]),
    "weighed-and-read-twice": (weighed_and_read_twice, ["call", "gate", "activation", "add"]),
    "rectified-before-the-sum": (rectified_before_the_sum, ["call", "gate", "add"]),
}


def build(make, keep_first=False):
    program = Program(np.float64)
    x = program.input((2, 4, 8, 8))
    program.outputs = [make(program, x)]
    if keep_first:
        program.outputs.append(program.nodes[0])
    return program


def run_unfused(program, x, monkeypatch):
    monkeypatch.setattr("fastconv.graph.executor.PASSES", ())
    results = Executable(program)(x)
    monkeypatch.undo()
    return results


@pytest.mark.parametrize(("make", "left"), [*FUSED.values(), *LEFT_ALONE.values()], ids=[*FUSED, *LEFT_ALONE])
def test_what_is_fused_and_what_is_not(make, left, monkeypatch):
    x = array(2, 4, 8, 8, seed=11)
    [expected] = run_unfused(build(make), x, monkeypatch)
    executable = Executable(build(make))
    assert [node.operation for node in executable.program.nodes] == left
    np.testing.assert_allclose(executable(x)[0], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("make", [make for make, _ in FUSED.values() if make is not folded_linear])
def test_an_output_of_the_program_is_never_fused_away(make, monkeypatch):
    x = array(2, 4, 8, 8, seed=11)
    expected = run_unfused(build(make, keep_first=True), x, monkeypatch)
    for a, b in zip(Executable(build(make, keep_first=True))(x), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_idle_nodes_go():
    program = build(rectified)
    conv(program, program.inputs[0], name="idle")
    assert [node.name for node in Executable(program).program.nodes] == ["conv"]


def test_the_pass_list_is_what_runs(monkeypatch):
    monkeypatch.setattr("fastconv.graph.executor.PASSES", PASSES[:3])
    assert [node.operation for node in Executable(build(pooled)).program.nodes] == ["conv", "activation", "max_pool"]
