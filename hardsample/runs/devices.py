"""What of this machine runs are computed on: its GPU or its CPU, how many cores, and how many threads."""

import contextlib
import os
from collections.abc import Iterator

import torch

from hardsample.errors import InputError, check_choice

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str) -> str:
    """The torch device behind "auto", "cpu" or "cuda" on this machine.

    Raises:
        InputError: there is none, or it is none of these.
    """
    check_choice("device", device, DEVICES)
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but no CUDA GPU is at hand: choose cpu or auto.")
    return device


def check_workers(workers: object) -> None:
    """Raise :class:`InputError` unless it is a number of worker processes, or 0."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InputError(f"workers is {workers!r}: give 0 for one per CPU core or GPU, or a number above it.")


@contextlib.contextmanager
def one_thread(device: str) -> Iterator[None]:
    """On a CPU, one thread per run is faster than many and gives the same bits everywhere."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def count_places(device: str) -> int:
    """How many processes of this machine can compute side by side: one on each CPU core or GPU."""
    return count_cores() if device == "cpu" else torch.cuda.device_count()


def count_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
