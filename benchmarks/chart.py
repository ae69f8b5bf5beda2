"""The picture of a comparison: a bar per row, how many times faster fastconv is than the fastest peer."""

from __future__ import annotations

from typing import Any

from common import replacing

FASTER, SLOWER, LINE = "#2a7f62", "#c0504d", "#333333"


def draw(result: dict[str, Any], path: str) -> None:
    """One panel per contest that has rivals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    contests = [contest for contest in result["contests"] if any(row["fastest"] for row in contest["rows"])]
    if not contests:
        return
    longest = max(len(contest["rows"]) for contest in contests)
    columns = min(3, len(contests))
    lines = -(-len(contests) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(5.2 * columns, (0.27 * longest + 1.4) * lines), squeeze=False, layout="constrained"
    )
    for panel, contest in zip(panels.flat, contests, strict=False):
        rows = contest["rows"]
        ratios = [row["ratio"] for row in rows]
        panel.barh(range(len(rows)), ratios, color=[FASTER if ratio >= 1 else SLOWER for ratio in ratios])
        panel.axvline(1, color=LINE, linewidth=1)
        panel.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xlim(0, max(*ratios, 1) * 1.28)
        for number, row in enumerate(rows):
            rival = row["fastest"] if len(contest["versions"]) > 2 else ""
            panel.text(row["ratio"], number, f" {row['ratio']:.2f} {rival}", va="center", fontsize=7)
        panel.set_title(contest["title"].replace(", against", ",\nagainst"), fontsize=9)
        panel.set_xlabel("fastest peer's time / fastconv's time", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in list(panels.flat)[len(contests) :]:
        panel.set_visible(False)
    machine = result["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads", fontsize=10)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    plt.close(figure)
