"""Pictures of a network's inside: the numbers that are drawn, where they are drawn, and what cannot be."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from fastconv import nn, plot

WHITE = (np.s_[2:4], np.s_[5:7])  # where the only bright pixels of the picture are


def detector():
    """Class 1 is the largest brightness, class 0 is sure of nothing: 3x3 means, their maximum, two scores."""
    model = nn.Sequential(
        {"mean": nn.Conv2d(1, 2, 3, padding=1, bias=False, rng=0), "relu": nn.ReLU(), "top": nn.AdaptiveMaxPool2d(1),
         "flat": nn.Flatten(), "scores": nn.Linear(2, 2, rng=0)}
    )  # fmt: skip
    model["mean"].weight.data[...] = 0
    model["mean"].weight.data[1] = 1 / 9
    model["scores"].weight.data[...] = [[0, 0], [0, 20]]
    model["scores"].bias.data[...] = 3, 0
    return model


@pytest.fixture(name="x")
def bright():
    x = np.zeros((1, 8, 10), np.float32)
    x[0][WHITE] = 1
    return x


def box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def test_saliency_is_the_gradient_of_the_score(x):
    heat = plot.saliency_map(detector(), x)
    top, bottom, left, right = box(heat > 0)
    assert bottom - top == right - left == 3 and top <= 2 and bottom >= 4 and left <= 5 and right >= 7
    np.testing.assert_allclose(heat[heat > 0], 20 / 9, rtol=1e-6)
    assert not plot.saliency_map(detector(), x, 0).any()


def test_grad_cam_weighs_the_maps(x):
    heat = plot.grad_cam_map(detector(), x)
    means = nn.Trace(detector(), x[None]).outputs["relu"][0, 1]
    np.testing.assert_allclose(heat, 20 / means.size * means, rtol=1e-5)
    assert box(heat > 0) == (1, 5, 4, 8)
    assert plot.grad_cam_map(detector(), x, 1, "mean").shape == (8, 10)


def test_grad_cam_leaves_out_what_speaks_against(x):
    model = detector()
    model["scores"].weight.data[1, 1] = -20
    assert not plot.grad_cam_map(model, x, 1).any()


def test_occlusion_costs_certainty_where_the_evidence_is(x):
    model = detector()
    found = plot.occlusion_map(model, x, 1, size=5, stride=1, fill=0)
    assert found.shape == (8, 10)
    whole = 1 / (1 + np.exp(3 - 20 * 4 / 9))
    np.testing.assert_allclose(found[7, 0], whole, rtol=1e-4)
    np.testing.assert_allclose(found[2, 5], 1 / (1 + np.exp(3)), rtol=1e-4)
    assert box(found < 0.9 * whole) == (0, 6, 3, 9), "only squares over the bright pixels cost anything"


def test_occlusion_runs_many_places_in_parts_and_takes_compiled_networks(x, monkeypatch):
    monkeypatch.setattr(importlib.import_module("fastconv.plot.occlusion"), "_ELEMENTS", 3 * x.size)
    model = detector()
    found = plot.occlusion_map(model.compile((1, *x.shape)), x, size=3, stride=4)
    monkeypatch.undo()
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found, plot.occlusion_map(model, x, size=3, stride=4), rtol=1e-5)


def test_most_exciting_finds_the_picture_and_the_place(x):
    images = np.stack([0.2 * x, np.zeros_like(x), x, 0.5 * x])
    found = plot.most_exciting(detector(), images, "relu", 1, count=2)
    assert [one.picture for one in found] == [2, 3]
    np.testing.assert_allclose([one.value for one in found], [4 / 9, 2 / 9], rtol=1e-6)
    rows, columns = found[0].rows, found[0].columns
    assert (rows.stop - rows.start, columns.stop - columns.start) == (3, 3)
    np.testing.assert_allclose(x[0, rows, columns].sum(), 4)


def test_most_exciting_in_parts(x, monkeypatch):
    images = np.random.default_rng(0).random((7, *x.shape), np.float32)
    expected = plot.most_exciting(detector(), images, "scores", 1, count=9)
    monkeypatch.setattr("fastconv.plot.exciting._ELEMENTS", 2 * x.size)
    assert plot.most_exciting(detector(), images, "scores", 1, count=9) == expected and len(expected) == 7


def test_maximize_activation_climbs_and_keeps_units_apart():
    model = nn.zoo.build("lenet5", seed=0)
    made = plot.maximize_activation(model, "fc3", [2, 7], (1, 28, 28), steps=12)
    assert made.shape == (2, 1, 28, 28) and made.dtype == np.float32
    scores, before = (nn.Trace(model, x).outputs["fc3"][:, [2, 7]] for x in (made, np.zeros_like(made)))
    assert (np.diag(scores) > np.diag(before)).all() and (np.diag(scores) > np.diag(scores[::-1])).all()
    again = plot.maximize_activation(model, "fc3", [2, 7], (1, 28, 28), steps=12)
    np.testing.assert_array_equal(made, again)


def test_maximize_activation_without_blur_follows_the_gradient():
    """One step from noise: along the gradient of a linear layer, with the length that was asked for."""
    model = nn.Sequential({"flat": nn.Flatten(), "fc": nn.Linear(9, 1, rng=0)})
    model["fc"].weight.data[...] = np.arange(9)
    made = plot.maximize_activation(model, "fc", 1, (1, 3, 3), steps=1, rate=2, decay=0, blur=0)
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 1, 3, 3)).astype(np.float32)
    step = np.arange(9).reshape(1, 1, 3, 3) / np.sqrt(np.mean(np.arange(9.0) ** 2))
    np.testing.assert_allclose(made - noise, 2 * step, rtol=1e-5, atol=1e-6)


class TestDrawn:
    """Figures; matplotlib is needed from here on."""

    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib")

    def test_activations(self, x):
        figure = plot.activations(detector(), x, maps=1)
        picture, maps, scores = figure.axes
        assert maps.get_ylabel() == "relu\n2x8x10" and maps.get_title() == "channel 1"
        np.testing.assert_allclose(maps.images[0].get_array().max(), 4 / 9, rtol=1e-6)
        assert scores.get_ylabel() == "scores\n2"
        np.testing.assert_allclose([bar.get_height() for bar in scores.patches], [3, 80 / 9], rtol=1e-5)
        assert picture.images[0].get_array().max() == 1

    def test_activations_of_chosen_layers_and_long_vectors(self):
        model = nn.Sequential({"flat": nn.Flatten(), "fc": nn.Linear(64, 100, rng=0)})
        (_, axes) = plot.activations(model, np.zeros((1, 8, 8), np.float32), ["fc"]).axes
        assert len(axes.lines[0].get_ydata()) == 100

    @pytest.mark.parametrize("draw", [plot.saliency, plot.grad_cam, plot.occlusion])
    def test_maps_lie_over_the_picture(self, draw, x, tmp_path):
        path = tmp_path / "a.png"
        beside, axes, _ = draw(detector(), x, path=path).axes
        assert path.read_bytes().startswith(b"\x89PNG")
        assert "class 1" in axes.get_title() and beside.get_title() == "picture"
        assert axes.get_xlim() == (-0.5, 9.5) and axes.get_ylim() == (7.5, -0.5)
        left, right, bottom, top = axes.images[-1].get_extent()
        assert left <= -0.5 and right >= 9.5 and bottom >= 7.5 and top <= -0.5

    def test_maps_into_given_axes(self, x):
        from matplotlib.figure import Figure

        figure = Figure()
        axes = figure.subplots(1, 2)
        assert plot.saliency(detector(), x, axes=axes[1]) is figure
        assert not axes[0].images and axes[1].images

    def test_exciting_inputs(self, x, tmp_path):
        images = np.stack([x, 0.5 * x, np.zeros_like(x)])
        figure = plot.exciting_inputs(detector(), images, "relu", [1], count=4, path=tmp_path / "a.png")
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ["0.44", "0.22", "0.00", ""]
        assert figure.axes[0].get_ylabel() == "unit 1"
        assert figure.axes[0].images[0].get_array().shape == (3, 3)
        assert (tmp_path / "a.png").exists()

    def test_activation_maximization(self):
        figure = plot.activation_maximization(detector(), "relu", [1], (1, 8, 10), steps=2)
        assert figure.axes[0].get_title() == "unit 1" and figure.axes[0].images[0].get_array().shape == (8, 10)
        figure = plot.activation_maximization(nn.zoo.build("lenet5"), "conv1", 5, (1, 28, 28), steps=1)
        assert [axes.get_title() for axes in figure.axes if axes.images] == [f"unit {index}" for index in range(5)]

    def test_colour(self):
        model = nn.Sequential(nn.Conv2d(3, 2, 3, rng=0), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        x = np.random.default_rng(0).standard_normal((3, 8, 8)).astype(np.float32)
        beside, axes, _ = plot.grad_cam(model, x).axes
        pixels = beside.images[0].get_array()
        assert pixels.shape == (8, 8, 3) and pixels.min() == 0 and pixels.max() == 1
        assert plot.filters(model).axes[0].get_title() == "Filters: 2 of 3x3x3"
        with pytest.raises(ValueError, match="has no filters"):
            plot.filters(nn.Linear(2, 2))


VECTOR = nn.Sequential({"flat": nn.Flatten(), "fc": nn.Linear(80, 2, rng=0)})
PICTURE = np.zeros((1, 8, 10), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.saliency_map(VECTOR, PICTURE, 2), r"label \(=2\) must be below 2"),
        (lambda: plot.saliency_map(VECTOR, PICTURE, -1), "label"),
        (lambda: plot.saliency_map(VECTOR, PICTURE[0]), r"x must be one picture \(C, H, W\), got shape \(8, 10\)"),
        (lambda: plot.saliency_map(VECTOR, np.zeros((2, 1, 8, 10))), "one picture"),
        (lambda: plot.saliency_map(nn.ReLU(), PICTURE), r"one score for each class, got shape \(1, 1, 8, 10\)"),
        (lambda: plot.grad_cam_map(VECTOR, PICTURE), "no layer with feature maps"),
        (lambda: plot.grad_cam_map(VECTOR, PICTURE, layer="fc"), r"layer \(='fc'\) has no feature maps"),
        (lambda: plot.grad_cam_map(VECTOR, PICTURE, layer="conv"), "no layer 'conv' here; there are flat, fc"),
        (lambda: plot.occlusion_map(VECTOR, PICTURE, size=9), r"size \(=9\) must be at most"),
        (lambda: plot.occlusion_map(VECTOR, PICTURE, stride=0), "stride"),
        (lambda: plot.most_exciting(VECTOR, PICTURE, "fc", 0), r"images must have axes \(N, C, H, W\)"),
        (lambda: plot.most_exciting(VECTOR, PICTURE[None], "fc", 2), r"unit \(=2\) must be below 2"),
        (lambda: plot.most_exciting(VECTOR, PICTURE[None], "f", 0), "no layer 'f'"),
        (lambda: plot.maximize_activation(VECTOR, "fc", [2], (1, 8, 10)), r"units \(=2\) must be below 2"),
        (lambda: plot.maximize_activation(VECTOR, "fc", 1, (8, 10)), "input_shape"),
        (lambda: plot.maximize_activation(VECTOR, "fc", 1, (1, 8, 10), blur=0.3), r"blur \(=0.3\) must lie in 0..0.25"),
        (lambda: plot.maximize_activation(VECTOR, "fc", 1, (1, 8, 10), rate=-1), "rate"),
    ],
)  # fmt: skip
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_drawing_needs_one_or_three_channels():
    pytest.importorskip("matplotlib")
    model = nn.Sequential(nn.Conv2d(2, 2, 3, rng=0), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match="of 1 or 3 channels"):
        plot.saliency(model, np.zeros((2, 8, 8), np.float32))
