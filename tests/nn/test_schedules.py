"""Schedules: their values, how they compose, and what is refused."""

import json

import pytest

from fastconv import nn
from fastconv.nn.schedules import SCHEDULES, Constant, Cosine, Linear, OneCycle, Step, WarmUp, describe

CASES = [
    (Constant(), {0: 1, 0.5: 1, 1: 1}),
    (Linear(end=0.2), {0: 1, 0.5: 0.6, 1: 0.2}),
    (Cosine(), {0: 1, 1 / 3: 0.75, 0.5: 0.5, 1: 0}),
    (Cosine(end=0.5), {0: 1, 0.5: 0.75, 1: 0.5}),
    (Step(at=(0.25, 0.5), factor=0.5), {0: 1, 0.249: 1, 0.25: 0.5, 0.5: 0.25, 1: 0.25}),
    (OneCycle(peak=0.25, start=0.1, end=0.01, shape="linear"), {0: 0.1, 0.125: 0.55, 0.25: 1, 0.625: 0.505, 1: 0.01}),
    (OneCycle(peak=0.5, start=0.0, end=0.0), {0: 0, 0.25: 0.5, 0.5: 1, 0.75: 0.5, 1: 0}),
    (WarmUp(Constant(), fraction=0.1, start=0.2), {0: 0.2, 0.05: 0.6, 0.1: 1, 1: 1}),
    (WarmUp(Cosine(), fraction=0.5, start=0.0), {0: 0, 0.25: 0.5, 0.5: 1, 0.75: 0.5, 1: 0}),
    (WarmUp(WarmUp(Linear(), 0.5, 0.5), 0.5, 0.0), {0: 0, 0.25: 0.25, 0.5: 0.5, 0.75: 1, 1: 0}),
    (WarmUp(lambda done: 2 - done, 0.5, 0.0), {0.25: 1, 0.5: 2, 1: 1}),
]


@pytest.mark.parametrize(("schedule", "values"), CASES, ids=[str(type(schedule).__name__) for schedule, _ in CASES])
def test_values(schedule, values):
    for done, value in values.items():
        assert schedule(done) == pytest.approx(value, abs=1e-12), done


def test_names():
    assert set(SCHEDULES) == {"constant", "cosine", "linear", "step", "onecycle"}
    for name, schedule in SCHEDULES.items():
        assert max(schedule(step / 1000) for step in range(1000)) == pytest.approx(1, abs=1e-4), name
        assert all(0 <= schedule(step / 1000) <= 1 for step in range(1000)), name


@pytest.mark.parametrize(("schedule", "values"), CASES[:-1])
def test_descriptions_tell_them_apart(schedule, values):
    others = [describe(other) for other, _ in CASES if other is not schedule]
    assert json.loads(json.dumps(describe(schedule)))["type"] == type(schedule).__name__
    assert describe(schedule) not in others


def test_a_function_is_only_that():
    assert describe(lambda done: done) == {"type": "callable"}


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Linear(end=-1), ValueError, "end"),
        (lambda: Cosine(end=float("nan")), ValueError, "end"),
        (lambda: Step(at=()), TypeError, "at"),
        (lambda: Step(at=0.5), TypeError, "at"),
        (lambda: Step(at=(1.5,)), ValueError, "at"),
        (lambda: Step(factor="half"), TypeError, "factor"),
        (lambda: OneCycle(peak=1), ValueError, "peak"),
        (lambda: OneCycle(shape="square"), ValueError, "cosine, linear"),
        (lambda: WarmUp(0.5), TypeError, "then"),
        (lambda: WarmUp(fraction=0), ValueError, "fraction"),
        (lambda: nn.EarlyStopping(patience=0), ValueError, "patience"),
        (lambda: nn.EarlyStopping(monitor="loss"), ValueError, "test_loss, train_loss"),
        (lambda: nn.EarlyStopping(min_delta=-1), ValueError, "min_delta"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    ("options", "figures", "stops_after"),
    [
        ({"patience": 1}, [3, 2, 2, 1], 3),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1], 6),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.8], 2),
        ({"patience": 2, "monitor": "test_accuracy"}, [0.1, 0.3, 0.2, 0.3], 4),
        ({"patience": 1}, [None, None, None], None),
    ],
)
def test_early_stopping(options, figures, stops_after):
    stop = nn.EarlyStopping(**options)
    history = [{stop.monitor: value} for value in figures]
    stopped = [count for count in range(1, len(history) + 1) if stop(history[:count])]
    assert (stopped[0] if stopped else None) == stops_after
