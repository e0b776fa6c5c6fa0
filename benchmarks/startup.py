"""Start-up in fresh processes, by the wall clock: the command line's help, and what the package adds to torch."""

import subprocess
import sys
import time

import numpy as np

from benchmarks.measure import Row, duration, summary

ROUNDS = 10
HELP = ("-m", "hardsample", "--help")
NOTHING = ("-c", "pass")
IMPORTS = """
from time import perf_counter as now
times = [now()]
import torch; times.append(now())
import hardsample; times.append(now())
hardsample.train, hardsample.Store, hardsample.grid; times.append(now())
print(*(end - begin for begin, end in zip(times, times[1:])))
"""


def measure() -> list[Row]:
    """Each process in turn; the first round, which fills the disk's cache, does not count."""
    rounds = [(_seconds(HELP), _seconds(NOTHING), *_imports()) for _ in range(1 + ROUNDS)]
    shown, nothing, bare, added, used = np.array(rounds[1:]).T
    python = f"`python -c pass` takes {duration(float(np.median(nothing)))}"
    torch = f"in one process after `import torch`, which takes {duration(float(np.median(bare)))}"
    return [
        summary("`python -m hardsample --help`", python, shown, "s", at_most=0.3),
        summary("`import hardsample`", torch, added * 1e3, "ms", at_most=50),
        summary("first use of `hardsample.train`, `Store` and `grid`, with Numba", torch, used * 1e3, "ms"),
    ]


def _seconds(command: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _imports() -> list[float]:
    """Seconds to import torch, then the package, then what is used of it first."""
    printed = subprocess.run([sys.executable, "-c", IMPORTS], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in printed.split()]
