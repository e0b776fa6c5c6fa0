"""Two or more ways of doing a thing, timed in turns, so that a noisy machine disturbs them alike.

Each way has a process of its own, since settings of a process are a part of how fast a way is. The clock is that
process's CPU time: on one thread it is the time spent, less what other programs took.
"""

import contextlib
import dataclasses
import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection

import numpy as np
import torch

Way = Callable[[int], object]
"""Does the thing once; called with a number that goes up by one, for what must not do the same twice."""

WARM_UP = 3  # rounds


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


def in_turns(makers: Mapping[str, Callable[[], Way]], *, rounds: int, inner: int = 1) -> dict[str, np.ndarray]:
    """CPU seconds of each way, [rounds] each: a round times ``inner`` calls of every way, one way after the other.

    ``makers`` are picklable functions that make a way, called in its process.
    """
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        lines = {}
        for name, maker in makers.items():
            lines[name], far = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(maker, far, inner), daemon=True)
            process.start()
            stack.callback(process.terminate)
        for line in lines.values():
            line.recv()  # made
        seconds = {name: [] for name in makers}
        for turn in range(-WARM_UP, rounds):
            for name, line in lines.items():
                line.send(turn + WARM_UP)
                seconds[name].append(line.recv())
    return {name: np.array(spent[WARM_UP:]) for name, spent in seconds.items()}


def compare(what: str, seconds: Mapping[str, np.ndarray], ours: str, rival: str, wanted: str = "") -> Comparison:
    """``rival`` against ``ours`` round by round: above 1, ours is faster."""
    ratios = seconds[rival] / seconds[ours]
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    medians = (1e3 * float(np.median(seconds[name])) for name in (ours, rival))
    return Comparison(what, ours, rival, *medians, float(middle), (float(low), float(high)), len(ratios), wanted)


def _serve(maker: Callable[[], Way], line: Connection, inner: int) -> None:
    torch.set_num_threads(1)
    way = maker()
    line.send("made")
    while True:
        turn = line.recv()
        began = time.process_time()
        for call in range(inner):
            way(turn * inner + call)
        line.send((time.process_time() - began) / inner)
