"""Rounding errors against float64 stay within what each accuracy promises, in units of one sequential float32 sum."""

from __future__ import annotations

import bench_error
import pytest


@pytest.mark.parametrize("size", [7, 8, 11, 14])
@pytest.mark.parametrize("channels", [64, 512])
def test_every_algorithm_keeps_the_promise(channels, size, monkeypatch):
    """All passes; "auto" is among the rows, so what a caller gets by default is too."""
    monkeypatch.setattr(bench_error, "SAMPLE", 500)
    rows = bench_error.measure(channels, size, skip=("reference",))
    assert {row["pass"] for row in rows} == set(bench_error.PASSES)
    assert {row["accuracy"] for row in rows} == {"strict", "default", "fast"}
    assert [row for row in rows if row["ratio"] > row["bound"]] == []


@pytest.mark.parametrize("kernel, size", [(5, 3), (5, 8), (5, 14), (5, 15), (3, 4)])
@pytest.mark.parametrize("channels", [24, 32])
def test_few_channels_and_small_maps(channels, size, kernel, monkeypatch):
    """Where direct sums are short, and transforms are refused in time."""
    monkeypatch.setattr(bench_error, "SAMPLE", 1000)
    rows = bench_error.measure(channels, size, kernel)
    assert [row for row in rows if row["ratio"] > row["bound"]] == []
