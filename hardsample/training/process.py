"""What makes a CPU process fast at training, for a process that does nothing else."""

import contextlib
import ctypes
import functools
from collections.abc import Iterator

import numpy as np
import torch

from hardsample import arguments


def configure_process() -> None:
    """Set this process up to train and do nothing else: numbers too small for float32's normal range become 0, and
    memory that is freed stays with the process.

    A worker calls it. :func:`hardsample.train` itself leaves the process as it was.
    """
    torch.set_flush_denormal(True)
    _keep_freed_memory()


@contextlib.contextmanager
def flushed_denormals(device: str | torch.device) -> Iterator[None]:
    """On a CPU, numbers too small for float32's normal range become 0 meanwhile, in this thread; they are slow else."""
    before = _flushes()
    if arguments.device(device).type == "cpu":
        torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    return float(np.finfo(np.float32).smallest_normal / np.float32(2)) == 0


@functools.cache
def _keep_freed_memory() -> None:
    """Have glibc, where it is the C library, keep what is freed: every step asks for the same megabytes again.

    Without this a bf16 step has 3,400 page faults, a fifth of its time.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        trim_threshold, mmap_threshold = -1, -3  # their numbers in malloc.h
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)
