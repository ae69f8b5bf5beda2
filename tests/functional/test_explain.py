"""explain_conv: the algorithm it names is the one that runs, and its figures are those of the formulas."""

import json

import numpy as np
import pytest

import fastconv
from fastconv import _engine
from fastconv.functional.explain import ERROR_BOUNDS


def test_the_report():
    report = fastconv.explain_conv2d((2, 3, 8, 9), (4, 3, 3, 3), padding=1)
    assert report.output_shape == (2, 4, 8, 9)
    assert report.padding == ((1, 1), (1, 1))
    assert [row.name for row in report.candidates] == _engine.conv_algorithms()
    assert report.candidates[-1].name == "reference" and report.candidates[-1].status == "ok"
    chosen = next(row for row in report.candidates if row.name == report.algorithm)
    assert chosen.status == "ok" and chosen.workspace_bytes == report.workspace_bytes
    assert chosen.cost == min(row.cost for row in report.candidates if row.status == "ok")
    assert report.macs == chosen.macs >= 2 * 4 * 8 * 9 * 27
    text = str(report)
    for word in ("conv2d forward", "float32", report.isa, "2x3x8x9", "reference", "every input pixel is used"):
        assert word in text
    assert all(len(line) < 200 for line in text.splitlines())


@pytest.mark.parametrize("pass_name", ["forward", "backward_data", "backward_weights"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_engines_plan_agrees(pass_name, dtype):
    for x_shape, weight_shape, options in (
        ((1, 8, 6, 6), (16, 8, 1, 1), {}),
        ((1, 6, 6, 6), (6, 1, 3, 3), {"groups": 6}),
        ((1, 3, 12, 12), (8, 3, 5, 5), {"stride": 2}),
    ):
        report = fastconv.explain_conv2d(x_shape, weight_shape, dtype=dtype, pass_name=pass_name, **options)
        by_name = fastconv.explain_conv2d(
            x_shape, weight_shape, dtype=dtype, pass_name=pass_name, algorithm=report.algorithm, **options
        )
        assert by_name.algorithm == report.algorithm and by_name.reason == "asked for by name"


def test_the_algorithm_asked_for_gives_the_same_bits_as_auto():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 5, 9, 9)), rng.standard_normal((7, 5, 3, 3))
    report = fastconv.explain_conv2d(x, weight, dtype=np.float64)
    auto = fastconv.conv2d(x, weight)
    assert np.array_equal(auto, fastconv.conv2d(x, weight, algorithm=report.algorithm))


@pytest.mark.parametrize(
    "x_shape, weight_shape, options, positions, pixels",
    [
        ((1, 1, 7, 7), (1, 1, 3, 3), {"stride": 3}, {"height": [6], "width": [6]}, 13),
        ((1, 1, 7, 6), (1, 1, 3, 3), {"stride": 3}, {"height": [6], "width": []}, 6),
        ((1, 1, 6, 6), (1, 1, 1, 1), {"stride": 2}, {"height": [1, 3, 5], "width": [1, 3, 5]}, 27),
        ((1, 1, 7, 7), (1, 1, 3, 3), {"stride": 3, "padding": "same"}, {"height": [], "width": []}, 0),
        ((7, 7, 1), (3, 3, 1, 1), {"stride": 3, "layout": "NHWC", "weight_layout": "HWIO"},
         {"height": [6], "width": [6]}, 13),
    ],
)  # fmt: skip
def test_input_pixels_never_used(x_shape, weight_shape, options, positions, pixels):
    report = fastconv.explain_conv2d(x_shape, weight_shape, **options)
    assert {axis: found.tolist() for axis, found in report.unused_input.items()} == positions
    assert report.unused_pixels == pixels
    assert ("input pixels never used" in str(report)) == bool(pixels)


def test_unused_pixels_have_no_influence():
    x = np.random.default_rng(0).standard_normal((1, 1, 10, 11))
    weight = np.ones((1, 1, 2, 3))
    report = fastconv.explain_conv2d(x.shape, weight.shape, stride=(3, 4))
    before = fastconv.conv2d(x, weight, stride=(3, 4))
    x[..., report.unused_input["height"], :] = np.nan
    x[..., :, report.unused_input["width"]] = np.nan
    assert np.isnan(x).sum() == report.unused_pixels
    assert np.array_equal(before, fastconv.conv2d(x, weight, stride=(3, 4)))


def test_copies_are_named():
    x = np.zeros((1, 2, 6, 6))
    assert fastconv.explain_conv2d(x[..., ::-2], (1, 2, 3, 3), dtype=np.float64).copies == []
    swapped = fastconv.explain_conv2d(x.astype(">f8"), (1, 2, 3, 3), dtype=np.float64)
    assert len(swapped.copies) == 1 and "byte order" in swapped.copies[0]
    unaligned = np.zeros(8 * 72 + 1, np.uint8)[1:].view(np.float64).reshape(1, 2, 6, 6)
    report = fastconv.explain_conv2d(unaligned, (1, 2, 3, 3), dtype=np.float64)
    assert "not aligned" in report.copies[0] and "copy: x_shape" in str(report)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_dimension_and_option(ndim):
    explain = getattr(fastconv, f"explain_conv{ndim}d")
    report = explain(
        (2, 4) + (6,) * ndim, (8, 2) + (3,) * ndim, True, 2, "same", 1, 2, border="wrap", flip=True, activation="relu",
        residual=True, accuracy="strict",
    )  # fmt: skip
    assert report.operation == f"conv{ndim}d" and report.output_shape == (2, 8) + (3,) * ndim


def test_a_bias_and_a_residual_may_be_the_arrays_of_the_call():
    shapes = (1, 3, 7, 7), (4, 3, 3, 3)
    given = fastconv.explain_conv2d(*shapes, np.ones(4, np.float32), residual=np.ones((1, 4, 5, 5), np.float32))
    assert given.to_dict() == fastconv.explain_conv2d(*shapes, True, residual=True).to_dict()


def test_an_empty_batch_runs_nothing():
    report = fastconv.explain_conv2d((0, 3, 8, 8), (4, 3, 3, 3))
    assert report.algorithm == "none" and report.output_shape == (0, 4, 6, 6) and "empty" in str(report)


def test_plain_objects():
    report = fastconv.explain_conv2d((1, 3, 7, 7), (4, 3, 3, 3), stride=3)
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["algorithm"] == report.algorithm and plain["unused_input"] == {"height": [6], "width": [6]}
    assert plain["candidates"][-1]["name"] == "reference"


@pytest.mark.parametrize(
    "arguments, options, error, words",
    [
        (((1, 3, 7, 7), (4, 3, 3, 3)), {"dtype": np.int8}, TypeError, "dtype (=int8)"),
        (((1, 3, 7, 7), (4, 3, 3, 3)), {"dtype": "quad"}, TypeError, "dtype (='quad')"),
        (((1, 3, 7, 7), (4, 3, 3, 3)), {"pass_name": "backward"}, ValueError, "pass_name (='backward')"),
        (((1, 3, 7, 7), (4, 3, 3, 3)), {"algorithm": "magic"}, ValueError, "algorithm (='magic')"),
        (((1, 3, 7, 7), (4, 3, 9, 9)), {}, ValueError, "kernel size (=9)"),
        (((1, 3, -7, 7), (4, 3, 3, 3)), {}, ValueError, "x_shape"),
        (((1, 3, 2**40, 2**40), (4, 3, 3, 3)), {}, ValueError, "63 bits"),
        ((np.ones((1, 3, 7, 7)), (4, 3, 3, 3)), {}, TypeError, "x_shape has dtype float64"),
    ],
)
def test_bad_input(arguments, options, error, words):
    with pytest.raises(error) as caught:
        fastconv.explain_conv2d(*arguments, **options)
    assert words in str(caught.value)


def test_backward_weights_says_that_nan_may_spread():
    shapes = (1, 3, 9, 9), (4, 3, 3, 3)
    default = fastconv.explain_conv2d(*shapes, pass_name="backward_weights")
    strict = fastconv.explain_conv2d(*shapes, pass_name="backward_weights", accuracy="strict")
    assert "NaN" in str(default) and "NaN" not in str(strict)
    assert "NaN" not in str(fastconv.explain_conv2d(*shapes))


def test_shares_of_the_peak_and_error_bounds():
    report = fastconv.explain_conv2d((1, 32, 20, 20), (32, 32, 3, 3), padding=1)
    chosen = next(row for row in report.candidates if row.name == report.algorithm)
    assert 20 < chosen.predicted_percent < 900
    assert all((row.predicted_percent is None) == (row.status != "ok") for row in report.candidates)
    times = [row.predicted_seconds for row in report.candidates if row.status == "ok"]
    assert min(times) == chosen.predicted_seconds > 0 and "predicted" in str(report)
    assert all(row.predicted_seconds is None for row in report.candidates if row.status != "ok")
    assert all(row.seconds is None and row.percent_of_peak is None for row in report.candidates)
    assert "of peak" in str(report) and "measured" not in str(report) and report.tuned_by is None
    strict = fastconv.explain_conv2d((1, 32, 20, 20), (32, 32, 3, 3), padding=1, accuracy="strict")
    for accuracy, chosen_by in (("default", report), ("strict", strict)):
        limit = {"default": 2.5, "strict": 1.0}[accuracy]
        assert next(row.error_bound for row in chosen_by.candidates if row.name == chosen_by.algorithm) <= limit


@pytest.mark.parametrize("pass_name", ["forward", "backward_data", "backward_weights"])
def test_measured(pass_name):
    report = fastconv.explain_conv2d((2, 8, 12, 12), (8, 8, 3, 3), padding=1, pass_name=pass_name, measured=True)
    for row in report.candidates:
        assert (row.seconds is not None) == (row.status == "ok")
        assert (row.percent_of_peak is not None) == (row.status == "ok")
        assert row.seconds is None or (row.seconds > 0 and row.percent_of_peak > 0)
    assert "measured" in str(report) and " ms" in str(report) and "thread" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["candidates"][-1]["seconds"] > 0
    assert max(map(len, str(report).splitlines())) < 200


def test_measuring_is_not_recorded(monkeypatch):
    """What a measured explanation or tune runs to take times is no call of the user's."""
    x = np.ones((1, 4, 9, 9), np.float32)
    with fastconv.profile() as seen:
        fastconv.explain_conv2d(x.shape, (4, 4, 3, 3), measured=True)
        fastconv.explain_conv2d(x.shape, (4, 4, 3, 3), measured=True, prepared=True)
        assert seen.records == []
        fastconv.conv2d(x, x.reshape(4, 1, 9, 9)[..., :3, :3], groups=4)
    assert len(seen.records) == 1


def test_measured_leaves_out_what_takes_a_second():
    report = fastconv.explain_conv2d((1, 64, 56, 56), (64, 64, 3, 3), padding=1, measured=True)
    rows = {row.name: row for row in report.candidates}
    assert rows["reference"].seconds is None and rows[report.algorithm].seconds > 0


def test_prepared():
    shapes = (1, 16, 12, 12), (24, 16, 3, 3)
    plain, prepared = fastconv.explain_conv2d(*shapes), fastconv.explain_conv2d(*shapes, prepared=True, measured=True)
    op = fastconv.prepare_conv2d(shapes[0], np.ones(shapes[1], np.float32))
    assert prepared.algorithm == op.algorithm and prepared.workspace_bytes == op.workspace_bytes
    assert prepared.prepared and "prepared" in str(prepared) and "prepared" not in str(plain)
    with pytest.raises(ValueError, match="prepared=True is for the forward pass"):
        fastconv.explain_conv2d(*shapes, prepared=True, pass_name="backward_data")
    with pytest.raises(TypeError, match="measured"):
        fastconv.explain_conv2d(*shapes, measured="yes")


def sequential_rms(pairs, exact):
    """Rms error of one fused multiply-add after the other; the product of two float32 is exact in float64."""
    total = np.zeros(exact.shape, np.float32)
    for a, b in pairs:
        total = (total + a.astype(np.float64) * b).astype(np.float32)
    return np.sqrt(np.mean((total - exact) ** 2))


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("channels", [64, 512])
def test_errors_stay_within_the_bounds(channels, kernel):
    """Every algorithm has a bound, and keeps it on random values; see ERROR_BOUNDS."""
    assert set(ERROR_BOUNDS) == set(_engine.conv_algorithms()), "add the row's bound to ERROR_BOUNDS"
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, channels, 14, 14)).astype(np.float32)
    weight = (rng.standard_normal((16, channels, kernel, kernel)) / np.sqrt(channels * kernel**2)).astype(np.float32)
    exact = fastconv.conv2d(x.astype(np.float64), weight.astype(np.float64), algorithm="reference")
    size = exact.shape[-1]
    pairs = (
        (x[:, None, c, i : i + size, j : j + size], weight[None, :, c, i, j, None, None])
        for c in range(channels)
        for i in range(kernel)
        for j in range(kernel)
    )
    unit = sequential_rms(pairs, exact)
    report = fastconv.explain_conv2d(x, weight, accuracy="fast")
    for row in report.candidates:
        if row.status == "ok":
            y = fastconv.conv2d(x, weight, algorithm=row.name, accuracy="fast")
            error = np.sqrt(np.mean((y - exact) ** 2))
            assert error <= 1.1 * ERROR_BOUNDS[row.name] * unit, row.name


def test_fft_says_what_it_spreads():
    """A NaN reaches its pair of tiles, errors are relative to their largest values; strict runs something else."""
    shapes = (1, 1, 200, 200), (1, 1, 31, 31)
    default = fastconv.explain_conv2d(*shapes)
    strict = fastconv.explain_conv2d(*shapes, accuracy="strict")
    assert default.algorithm == "fft" and strict.algorithm != "fft"
    assert "NaN" in str(default) and "rounding errors" in str(default)
    assert not strict.notes
    assert "spread" in next(row.reason for row in strict.candidates if row.name == "fft")


def test_what_blocked_leaves_out_is_said():
    shapes = (1, 64, 8, 8), (64, 64, 3, 3)
    padded = fastconv.explain_conv2d(*shapes, padding=1, algorithm="blocked")
    assert any("padding" in note for note in padded.notes)
    assert not fastconv.explain_conv2d(*shapes, algorithm="blocked").notes
    assert not fastconv.explain_conv2d(*shapes, padding=1, algorithm="blocked", accuracy="strict").notes
    large = (1, 64, 16, 16), shapes[1]
    weights = fastconv.explain_conv2d(*large, pass_name="backward_weights", algorithm="winograd_weights")
    assert any("NaN" in note for note in weights.notes)
