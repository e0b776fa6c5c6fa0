"""Two or more ways of doing a thing, timed in turns in one process, so that a noisy machine disturbs them alike.

The clock is the process's own CPU time: on one thread it is the time spent, less what other programs took.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One way against its rival: medians in CPU milliseconds, and rival / ours with its quartiles over rounds."""

    what: str
    ours: str
    rival: str
    ours_ms: float
    rival_ms: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    wanted: str = ""  # the bound that the ratio is held against, in words


def in_turns(ways: Mapping[str, Callable[[int], object]], *, rounds: int, inner: int = 1) -> dict[str, np.ndarray]:
    """CPU seconds of each way, [rounds] each: a round times ``inner`` calls of every way, after three unmeasured ones.

    A way is called with a number that goes up by one, for what must not do the same thing twice.
    """
    seconds = {name: np.empty(rounds) for name in ways}
    for turn in range(-3, rounds):
        for name, way in ways.items():
            began = time.process_time()
            for call in range(inner):
                way((turn + 3) * inner + call)
            if turn >= 0:
                seconds[name][turn] = (time.process_time() - began) / inner
    return seconds


def compare(what: str, seconds: Mapping[str, np.ndarray], ours: str, rival: str, wanted: str = "") -> Comparison:
    """``rival`` against ``ours`` round by round: above 1, ours is faster."""
    ratios = seconds[rival] / seconds[ours]
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    medians = (1e3 * float(np.median(seconds[name])) for name in (ours, rival))
    return Comparison(what, ours, rival, *medians, float(middle), (float(low), float(high)), len(ratios), wanted)
