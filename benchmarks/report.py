"""The page of bench_layers.py: one row a layer, a column of ratios for every contest with rivals, and the goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import geometric_mean


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]


def own_columns(contest: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """Our time, its share of the peak, and the fastest peer's name and time."""
    seconds = row["seconds"]
    peer = f"{row['fastest']} {seconds[row['fastest']] * 1e3:.3f}"
    return [f"{seconds[next(iter(contest['versions']))] * 1e3:.3f}", f"{100 * row['share_of_peak']:.0f}", peer]


def markdown(result: dict[str, Any]) -> str:
    """The ratios of all contests side by side, times of the first, and what became of the goals."""
    contests = [contest for contest in result["contests"] if any(row["fastest"] for row in contest["rows"])]
    lines: list[str] = []
    if contests:
        first = contests[0]
        names = [row["name"] for row in first["rows"] if row["fastest"]]
        ratios = [{row["name"]: row["ratio"] for row in contest["rows"] if row["fastest"]} for contest in contests]
        head = ["layer", f"{first['name']}, ms", "% of peak", "fastest peer, ms", *(c["name"] for c in contests)]
        shown = {row["name"]: own_columns(first, row) for row in first["rows"] if row["fastest"]}
        body = [
            [name, *shown[name], *(f"{ratio[name]:.2f}" if name in ratio else "-" for ratio in ratios)]
            for name in names
        ]
        means = [f"**{geometric_mean(ratio.values()):.2f}**" for ratio in ratios]
        lines += table(head, [*body, ["geometric mean", "", "", "", *means]]) + [""]
    verdicts = [
        [
            f"{contest['name']}: {goal['goal']}",
            f"{goal['figure']:.2f}" + (f" ({', '.join(goal['below'])})" if goal["below"] else ""),
            "reached" if goal["reached"] else "missed",
        ]
        for contest in result["contests"]
        for goal in contest["goals"]
    ]
    return "\n".join(lines + table(["goal", "figure", ""], verdicts)) + "\n"
