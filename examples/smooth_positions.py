"""The textbook's first convolution: a noisy sensor of a plane's position, smoothed by a weighted average.

    python examples/smooth_positions.py

s(t) = sum over a of x(a) w(t - a): recent measurements weigh more, and none from the future weigh anything.
"""

from __future__ import annotations

import numpy as np

import fastconv


def smooth(measured: np.ndarray, memory: int = 12, decay: float = 0.8) -> np.ndarray:
    """Average of the last `memory` measurements, each weighing `decay` times the one after it."""
    weights = decay ** np.arange(memory)
    sums = fastconv.convolve(measured, weights, mode="full")[: len(measured)]
    known = fastconv.convolve(np.ones_like(measured), weights, mode="full")[: len(measured)]
    return sums / known


def main() -> None:
    rng = np.random.default_rng(0)
    time = np.linspace(0, 10, 500)
    position = 0.05 * time**3 - 0.4 * time**2 + 3 * time
    measured = position + rng.normal(0, 0.6, time.size)
    smoothed = smooth(measured)
    for name, values in (("measured", measured), ("smoothed", smoothed)):
        error = np.sqrt(np.mean((values - position) ** 2))
        print(f"{name}: root mean square error {error:.3f}")
    for i in range(0, time.size, 100):
        print(f"t={time[i]:5.2f}  true {position[i]:7.3f}  measured {measured[i]:7.3f}  smoothed {smoothed[i]:7.3f}")


if __name__ == "__main__":
    main()
