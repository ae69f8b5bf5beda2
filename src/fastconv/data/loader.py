"""Loader: batches of a data set in a given order, prepared ahead by a thread where there is something to prepare.

What a batch holds depends on the seed, the epoch and its place in it, and on nothing that threads do: each batch draws
from a generator of its own. Data may be memory-mapped; only the rows of a batch are read.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator

import numpy as np

from fastconv.geometry import canonical_integer

from .transforms import Transform

__all__ = ["Loader"]

Batch = tuple[np.ndarray, np.ndarray]


class Loader:
    """Batches of inputs and targets.

    Parameters
    ----------
    x, targets : ndarray
        As many of each; a `numpy.memmap` stays on disk.
    batch_size : int
    transform : callable (batch, rng) -> batch, optional
        What a network needs done to a batch of `x`, in a thread that runs ahead.
    seed : int
        Of the transforms.
    ahead : int, optional
        How many batches are prepared ahead; 0 prepares each when it is asked for. Where it is not given, 2 with a
        transform or memory-mapped data, else 0, since copying some rows takes less than handing them over.

    Examples
    --------
    >>> import numpy as np
    >>> loader = Loader(np.arange(10.0), np.arange(10), batch_size=4)
    >>> [labels.tolist() for _, labels in loader.batches(np.arange(10)[::-1])]
    [[9, 8, 7, 6], [5, 4, 3, 2], [1, 0]]
    """

    def __init__(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        *,
        transform: Transform | None = None,
        seed: int = 0,
        ahead: int | None = None,
    ) -> None:
        if len(x) != len(targets):
            raise ValueError(f"x holds {len(x)} inputs, targets {len(targets)}")
        if transform is not None and not callable(transform):
            raise TypeError(f"transform (={transform!r}) must be a function of a batch and a generator")
        mapped = isinstance(x, np.memmap) or isinstance(getattr(x, "base", None), np.memmap)
        self.x, self.targets = np.asarray(x), np.asarray(targets)
        self.batch_size = canonical_integer("batch_size", batch_size, 1)
        self.transform = transform
        self.seed = canonical_integer("seed", seed, 0)
        default = 2 if transform is not None or mapped else 0
        self.ahead = default if ahead is None else canonical_integer("ahead", ahead, 0)
        self._kept: dict[str, np.ndarray] = {}

    def batches(self, order: np.ndarray, epoch: int = 0) -> Generator[Batch, None, None]:
        """The batches of one epoch; what is yielded may be overwritten when the next one is asked for.

        Parameters
        ----------
        order : ndarray of int
            Which rows, in which order; the last batch has what is left.
        epoch : int
            Chooses the random numbers of the transforms.

        Yields
        ------
        inputs, targets : ndarray
        """
        count = -(-len(order) // self.batch_size)

        def make(index: int) -> Batch:
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            keep = self.ahead == 0
            x, targets = self._rows("x", self.x, chosen, keep), self._rows("targets", self.targets, chosen, keep)
            if self.transform is not None:
                x = self.transform(x, np.random.default_rng([self.seed, epoch, index]))
            return x, targets

        if self.ahead:
            return _prepared_ahead(make, count, self.ahead)
        return (make(index) for index in range(count))

    def _rows(self, name: str, array: np.ndarray, chosen: np.ndarray, keep: bool) -> np.ndarray:
        """Copy some rows, into an array made once where the caller is done with the last ones."""
        if not array.flags.c_contiguous:
            return np.ascontiguousarray(array[chosen])  # take would copy the whole array first
        out = self._kept.get(name) if keep else None
        if out is None:
            out = np.empty((min(self.batch_size, max(len(array), 1)), *array.shape[1:]), array.dtype)
            if keep:
                self._kept[name] = out
        return array.take(chosen, axis=0, out=out[: len(chosen)], mode="clip")


def _prepared_ahead(make: Callable[[int], Batch], count: int, ahead: int) -> Generator[Batch, None, None]:
    """Yield ``make(0)``, ``make(1)`` ... that a thread computes, at most `ahead` of them before they are asked for."""
    ready: queue.SimpleQueue[tuple[Batch | None, BaseException | None]] = queue.SimpleQueue()
    places = threading.Semaphore(ahead)
    stopped = threading.Event()

    def work() -> None:
        try:
            for index in range(count):
                places.acquire()
                if stopped.is_set():
                    return
                ready.put((make(index), None))
        except BaseException as error:  # it is raised where the batch is asked for
            ready.put((None, error))

    thread = threading.Thread(target=work, name="fastconv-loader", daemon=True)
    thread.start()
    try:
        for _ in range(count):
            batch, error = ready.get()
            places.release()
            if error is not None:
                raise error
            assert batch is not None
            yield batch
    finally:
        stopped.set()
        places.release()
        thread.join()
