"""If, Loop and Scan: their turns, what their graphs take from around them, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper  # noqa: E402
from onnx_files.models import model, value  # noqa: E402
from onnx_files.running import run  # noqa: E402

from fastconv.onnx import load  # noqa: E402

X = np.array([1, -2, 3], np.float32)


def graph(nodes, inputs, outputs):
    made = [helper.make_node(one[0], one[1], one[2], **(one[3] if len(one) > 3 else {})) for one in nodes]
    return helper.make_graph(made, "inner", inputs, outputs)


def counting(outputs=()):
    """A body that adds `step` of the graph around it, and goes on while the sum is below `limit`."""
    return graph(
        [
            ("Add", ["total", "step"], ["next"]),
            ("ReduceSum", ["next"], ["sum"], {"keepdims": 0}),
            ("Less", ["sum", "limit"], ["on"]),
            ("Neg", ["next"], ["minus"]),
            ("Identity", ["turn"], ["number"]),
        ],
        [value("turn", (), np.int64), value("before", (), bool), value("total", (3,))],
        [value("on", (), bool), value("next", (3,)), *outputs],
    )


COLLECTED = (value("sum", ()), value("minus", (3,)), value("number", (), np.int64))


def looping(most="m", condition="c", collected=COLLECTED):
    names = ["y", *(f"all_{one.name}" for one in collected)]
    return model(
        [
            ("Abs", ["x"], ["step"]),
            ("Loop", [most, condition, "zero"], names, {"body": counting(collected)}),
        ],
        [value("x", (3,)), value("m", (), np.int64), value("c", (), bool)],
        [onnx.ValueInfoProto(name=name) for name in names],
        {"zero": np.zeros(3, np.float32), "limit": np.array(20, np.float32)},
    )


@pytest.mark.parametrize("condition", [True, False])
@pytest.mark.parametrize("most", [0, 1, 3, 99])
def test_loops(most, condition):
    steps = 4 if most == 99 else most  # of 6 each
    count = steps if condition else 0
    found = load(looping()).run({"x": X, "m": np.array(most), "c": np.array(condition)})
    np.testing.assert_array_equal(found["y"], np.abs(X) * count)
    np.testing.assert_array_equal(found["all_sum"], 6 * np.arange(1, count + 1, dtype=np.float32))
    np.testing.assert_array_equal(found["all_minus"], -np.outer(np.arange(1, count + 1), np.abs(X)))
    np.testing.assert_array_equal(found["all_number"], np.arange(count))
    assert found["all_minus"].dtype == np.float32 and found["all_number"].dtype == np.int64


@pytest.mark.parametrize(("most", "condition", "turns"), [("m", "", 2), ("", "c", 4), ("", "", 4)])
def test_what_a_loop_may_leave_out(most, condition, turns):
    loaded = load(looping(most, condition, ()))
    found = loaded.run({"x": X, "m": np.array(2), "c": np.array(True)})
    np.testing.assert_array_equal(found["y"], np.abs(X) * turns)


@pytest.mark.parametrize("operator", ["If", "Loop"])
def test_a_condition_is_one_element(operator):
    made = nested("If") if operator == "If" else looping()
    found = next(one for one in made.graph.input if one.name == "c")
    found.type.tensor_type.ClearField("shape")
    with pytest.raises(ValueError, match=rf"\({operator}\): the condition of shape \(2,\) must be one element"):
        load(made).run({"x": X, "m": np.array(2), "c": np.ones(2, bool)} if operator == "Loop" else
                       {"x": X, "c": np.ones(2, bool), "c2": np.array(True)})  # fmt: skip


def scanning(**attributes):
    body = graph(
        [("Add", ["s", "e"], ["s2"]), ("Mul", ["s2", "w"], ["o"]), ("Sub", ["o", "around"], ["p"])],
        [value("s", (2,)), value("e", (2,)), value("w", (2,))],
        [value("s2", (2,)), value("o", (2,)), value("p", (2,))],
    )
    return model(
        [
            ("Neg", ["start"], ["around"]),
            ("Scan", ["start", "x", "z"], ["f", "o_all", "p_all"], {"body": body, "num_scan_inputs": 2, **attributes}),
        ],
        [value("start", (2,)), value("x", ("a", "b")), value("z", ("c", "d"))],
        [value("f", (2,)), value("o_all", None), value("p_all", None)],
    )


AXES = {"scan_input_axes": [1, -2], "scan_output_axes": [1, -1]}
WAYS = {"scan_input_directions": [1, 0], "scan_output_directions": [0, 1]}


@pytest.mark.parametrize("attributes", [{}, AXES, WAYS, AXES | WAYS])
def test_scans(attributes):
    pytest.importorskip("onnxruntime")
    draw = np.random.default_rng(0)
    x, z = (draw.standard_normal((4, 2)).astype(np.float32) for _ in range(2))
    given = (np.ones(2, np.float32), x.T.copy() if "scan_input_axes" in attributes else x, z)
    made = scanning(**attributes)
    found = load(made).run(dict(zip(("start", "x", "z"), given, strict=True)))
    for one, other in zip(found.values(), run(made, *given), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_scans_of_nothing_and_of_different_lengths():
    loaded, start = load(scanning()), np.ones(2, np.float32)
    nothing = np.zeros((0, 2), np.float32)
    found = loaded.run({"start": start, "x": nothing, "z": nothing})
    assert found["f"].tolist() == [1, 1] and found["o_all"].shape == (0, 2)
    with pytest.raises(ValueError, match=r"\(Scan\): the scanned inputs have different lengths, \[0, 3\]"):
        loaded.run({"start": start, "x": nothing, "z": np.zeros((3, 2), np.float32)})


def nested(operator):
    """A branch that computes `h` and holds another If, or a Loop, which takes `h` and names from around both."""
    if operator == "If":
        sides = [graph([(name, ["outer", "h"], [name])], [], [value(name, None)]) for name in ("Add", "Mul")]
        inner = ("If", ["c2"], ["r"], {"then_branch": sides[0], "else_branch": sides[1]})
    else:
        body = graph(
            [("Add", ["a", "h"], ["a2"]), ("Add", ["a2", "outer"], ["a3"]), ("Identity", ["c2"], ["on"])],
            [value("i", (), np.int64), value("on_before", (), bool), value("a", (3,))],
            [value("on", (), bool), value("a3", (3,))],
        )
        inner = ("Loop", ["two", "", "x"], ["r"], {"body": body})
    then = graph([("Abs", ["x"], ["h"]), inner], [], [value("r", None)])
    other = graph([("Identity", ["outer"], ["r2"])], [], [value("r2", None)])
    return model(
        [
            ("Neg", ["x"], ["outer"]),
            ("If", ["c"], ["y0"], {"then_branch": then, "else_branch": other}),
            ("Add", ["y0", "x"], ["y"]),
        ],
        [value("x", (3,)), value("c", (), bool), value("c2", (), bool)],
        [value("y", (3,))],
        {"two": np.array(2)},
    )


@pytest.mark.parametrize("operator", ["If", "Loop"])
def test_names_from_around(operator):
    loaded = load(nested(operator))
    for first, second in np.ndindex(2, 2):
        found = loaded.run({"x": X, "c": np.array(bool(first)), "c2": np.array(bool(second))})["y"]
        turns = 1 + second
        inner = {"If": np.abs(X) - X if second else -X * np.abs(X), "Loop": X + turns * (np.abs(X) - X)}[operator]
        np.testing.assert_array_equal(found, (inner if first else -X) + X)
