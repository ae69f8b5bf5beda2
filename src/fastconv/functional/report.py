"""What an explanation holds and how it reads: a row for each algorithm, and the report around them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fastconv import geometry

__all__ = ["Candidate", "ConvReport", "times"]


@dataclass(frozen=True)
class Candidate:
    """One algorithm as one convolution sees it.

    Attributes
    ----------
    name : str
        Row of the engine's list.
    status : {"ok", "unsupported", "workspace too small"}
    reason : str
        Why not, or when it wins.
    cost : float
        Predicted cycles on one core.
    macs : float
        Multiply-adds, taps on padding included.
    workspace_bytes : int
        Scratch memory for one thread.
    predicted_percent : float or None
        Multiply-adds of the formula in percent of what `cost` cycles have room for; above 100 where an algorithm
        saves multiplications.
    predicted_seconds : float or None
        The same as a time, on the threads that the call starts, by the measured peak of this machine.
    error_bound : float or None
        Largest rms error, where one sequential sum per output has 1; see `ERROR_BOUNDS`. None if it is not known.
    seconds : float or None
        Least time of some calls; None unless it was measured.
    percent_of_peak : float or None
        Multiply-adds of the formula in percent of what the same threads do in registers, if measured.
    """

    name: str
    status: str
    reason: str
    cost: float
    macs: float
    workspace_bytes: int
    predicted_percent: float | None = None
    predicted_seconds: float | None = None
    error_bound: float | None = None
    seconds: float | None = None
    percent_of_peak: float | None = None


@dataclass(frozen=True, eq=False)
class ConvReport:
    """What `explain_conv2d` found; ``str`` makes it readable, `to_dict` plain.

    Attributes
    ----------
    operation, pass_name, dtype, isa : str
    x_shape, weight_shape, output_shape : tuple of int
        In the axis orders of the call.
    algorithm : str
        The one that runs; "none" for an empty batch.
    reason : str
        Why it runs.
    candidates : list of Candidate
        The engine's ordered list.
    workspace_bytes : int
        Scratch memory for one thread.
    macs : float
        Multiply-adds of the chosen algorithm.
    padding : tuple of (int, int)
        Before and after, per spatial axis.
    unused_input : dict of str to ndarray of int64
        Positions along each spatial axis that no window reads.
    unused_pixels : int
        Input pixels, of one channel, that no window reads.
    copies : list of str
        Arrays that have to be copied first, and why.
    notes : list of str
    prepared : bool
        Whether the weights come packed.
    threads : int
        Threads that the call starts by default.
    tuned_by : str or None
        The file that chose the algorithm, if one did.
    """

    operation: str
    pass_name: str
    dtype: str
    isa: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    algorithm: str
    reason: str
    candidates: list[Candidate]
    workspace_bytes: int
    macs: float
    padding: tuple[tuple[int, int], ...]
    unused_input: dict[str, np.ndarray]
    unused_pixels: int
    copies: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prepared: bool = False
    threads: int = 1
    tuned_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python objects, fit for JSON."""
        plain = asdict(self)
        plain["unused_input"] = {axis: positions.tolist() for axis, positions in self.unused_input.items()}
        return plain

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [
            f"{self.operation} {self.pass_name}{', prepared' if self.prepared else ''}, {self.dtype}, ISA {self.isa}",
            f"  x {times(self.x_shape)}, weight {times(self.weight_shape)} -> {times(self.output_shape)}",
            f"  padding {', '.join(f'{before}+{after}' for before, after in self.padding)}; "
            f"{self.macs:,.0f} multiply-adds; workspace {self.workspace_bytes:,} bytes for one thread",
            f"  runs: {self.algorithm} ({self.reason})",
        ]
        lines += self._candidate_lines()
        if self.unused_pixels:
            lines.append(f"  input pixels never used: {self.unused_pixels:,} per channel")
            for axis, positions in self.unused_input.items():
                if len(positions):
                    lines.append(f"    along {axis}: {geometry.format_positions(positions)}")
        else:
            lines.append("  every input pixel is used")
        lines += [f"  copy: {copy}" for copy in self.copies]
        lines += [f"  note: {note}" for note in self.notes]
        return lines

    def _candidate_lines(self) -> list[str]:
        if not self.candidates:
            return []
        measured = any(row.seconds is not None for row in self.candidates)
        head = f"  {'candidate':<14}{'status':<20}{'cycles':>13}{'predicted':>12}{'of peak':>9}"
        head += f"{'error':>7}{'workspace':>13}"
        head += f"{'measured':>12}{'of peak':>9}" if measured else ""
        lines = [f"{head}  why"]
        for row in self.candidates:
            able = row.status == "ok"
            line = f" {'*' if row.name == self.algorithm else ' '}{row.name:<14}{row.status:<20}"
            line += f"{row.cost:>13,.0f}" if able else f"{'-':>13}"
            line += _cell(row.predicted_seconds and 1e3 * row.predicted_seconds, "{:,.3f} ms", 12)
            line += _cell(row.predicted_percent if able else None, "{:.0f} %", 9)
            line += _cell(row.error_bound, "{:g}x", 7)
            line += f"{'-' if row.status == 'unsupported' else format(row.workspace_bytes, ','):>13}"
            if measured:
                line += _cell(row.seconds and 1e3 * row.seconds, "{:,.3f} ms", 12)
                line += _cell(row.percent_of_peak, "{:.0f} %", 9)
            lines.append(f"{line}  {row.reason}".rstrip())
        if measured:
            lines.append(f"  measured on {self.threads} thread{'s' if self.threads > 1 else ''}, best of some calls")
        return lines


def _cell(value: float | None, form: str, width: int) -> str:
    return f"{'-' if value is None else form.format(value):>{width}}"


def times(shape: tuple[int, ...]) -> str:
    """Sizes as people write them: 1x3x224x224."""
    return "x".join(map(str, shape))
