"""Ways of doing a thing, timed in turns, so that a noisy machine disturbs them alike; and the rows that come of it.

On a CPU each way has a process of its own, since where it finds its memory is a part of how fast it is. The clock is
that process's CPU time: on one thread it is the time spent, less what other programs took.
"""

import contextlib
import dataclasses
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from types import MappingProxyType

import numpy as np
import torch

Way = Callable[[int], object]
"""Does the thing once; called with a number that goes up by one, for what must not do the same twice."""

WARM_UP = 3  # rounds


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing measured: a ratio of two ways, or a quantity; or why it was not measured.

    Args:
        what: the thing.
        sides: the two ways compared with their medians, or the circumstances; where unmeasured, the reason.
        value: the median over rounds; None where it was not measured.
        unit: "x" for a ratio, which is rival / ours: above 1, ours is faster.
        quartiles: of ``value`` over rounds.
        n: rounds.
        at_least, at_most: the bound that ``value`` is held against; both None if there is none.
    """

    what: str
    sides: str
    value: float | None = None
    unit: str = "x"
    quartiles: tuple[float, float] | None = None
    n: int = 0
    at_least: float | None = None
    at_most: float | None = None

    @property
    def wanted(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"

    @property
    def verdict(self) -> str:
        """Is the bound kept?"""
        if self.value is None:
            return "unmeasured"
        if not self.wanted:
            return ""
        kept = self.value >= self.at_least if self.at_least is not None else self.value <= self.at_most
        return "yes" if kept else "**falls short**"


class Broken(RuntimeError):
    """A way ended with an error, which its process has printed; ``why`` is its first line, "" if it left none."""

    def __init__(self, name: str, why: str = "") -> None:
        super().__init__(f"{name!r} broke: its error is printed above.")
        self.name, self.why = name, why


def in_turns(
    makers: Mapping[str, Callable[[], Way]], *, rounds: int, inner: int = 1, starts: int = 1
) -> dict[str, np.ndarray]:
    """CPU seconds of each way, [starts * rounds]: a round times ``inner`` calls of every way, one way after the other.

    ``makers`` are picklable functions that make a way, called in its process. The processes are started ``starts``
    times: where one finds its memory changes its speed by a tenth.

    Raises:
        Broken: a way did not hold.
    """
    started = [_in_turns(makers, rounds, inner) for _ in range(starts)]
    return {name: np.concatenate([seconds[name] for seconds in started]) for name in makers}


def compare(
    what: str,
    seconds: Mapping[str, np.ndarray],
    ours: str,
    rival: str,
    *,
    missing: Mapping[str, str] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """``rival`` against ``ours`` round by round: above 1, ours is faster; or why it is ``missing`` in ``seconds``.

    ``names`` are what the row calls the ways, where not as ``seconds`` does.
    """
    for name in (rival, ours):
        if name not in seconds:
            return Row(what, missing[name], at_least=at_least, at_most=at_most)
    sides = ", ".join(f"{names.get(name, name)} {duration(float(np.median(seconds[name])))}" for name in (ours, rival))
    ratios = seconds[rival] / seconds[ours]
    return summary(what, sides, ratios, at_least=at_least, at_most=at_most)


def summary(
    what: str,
    sides: str,
    values: Sequence[float] | np.ndarray,
    unit: str = "x",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """The median and quartiles of a value of every round."""
    low, middle, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    return Row(what, sides, middle, unit, (low, high), len(values), at_least, at_most)


def duration(seconds: float) -> str:
    """In the unit that reads best."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


@contextlib.contextmanager
def processes(work: Mapping[str, tuple]) -> Iterator[dict[str, Connection]]:
    """A process for each function with its arguments, ended with the block: lines to them, by name.

    A function's first argument is its own end of the line.
    """
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        lines = {}
        for name, (function, *arguments) in work.items():
            lines[name], far = spawn.Pipe()
            process = spawn.Process(target=function, args=(far, *arguments), daemon=True)
            process.start()
            stack.callback(process.terminate)
            far.close()  # so that a process that breaks ends the wait for it
        yield lines


def gpu() -> bool:
    """Is there a GPU to measure?"""
    return torch.cuda.is_available()


def _in_turns(makers: Mapping[str, Callable[[], Way]], rounds: int, inner: int) -> dict[str, list[float]]:
    with processes({name: (_serve, maker, inner) for name, maker in makers.items()}) as lines:
        for name, line in lines.items():
            _answer(name, line)  # made
        seconds: dict[str, list[float]] = {name: [] for name in makers}
        for turn in range(-WARM_UP, rounds):
            for name, line in lines.items():
                line.send(turn + WARM_UP)
                seconds[name].append(_answer(name, line))
    return {name: spent[WARM_UP:] for name, spent in seconds.items()}


def _answer(name: str, line: Connection) -> float:
    try:
        answer = line.recv()
    except EOFError:
        raise Broken(name) from None
    if isinstance(answer, str):
        raise Broken(name, answer)
    return answer


def _serve(line: Connection, maker: Callable[[], Way], inner: int) -> None:
    torch.set_num_threads(1)
    try:
        way = maker()
        line.send(0.0)
        while True:
            turn = line.recv()
            began = time.process_time()
            for call in range(inner):
                way(turn * inner + call)
            line.send((time.process_time() - began) / inner)
    except Exception as error:
        traceback.print_exc()
        line.send(first_line(error))


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
