"""What LB costs: a step of its readings against one of uniform draws, at EMNIST letters' 124,800 examples of noise.

Draws by exponential keys pass over the weights of all examples, so that a step depends on how many there are.
"""

import functools

import torch

from benchmarks.attempts import Attempts
from benchmarks.measure import Row, Way
from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.experiments.specs import computes_in_bf16
from hardsample.methods.loss_based import READINGS
from hardsample.training.process import configure_process
from hardsample.training.updates import stepper

EXAMPLES = 124_800
SHOWN = ("raw exp, no reset", "normalized tanh/count, mini-batch loss every step")
STARTS = 2
AT_MOST = 1.25


def measure() -> list[Row]:
    """Mini-batches of 4 and 32, in float32 and where the CPU computes in it in bf16."""
    rows = []
    for precision in ("float32", "bf16")[: 1 + computes_in_bf16()]:
        for n in (4, 32):
            ways = {"SMB": ("SMB", {})} | {reading: ("LB", READINGS[reading]) for reading in SHOWN}
            makers = {name: functools.partial(_step, *way, n, precision) for name, way in ways.items()}
            attempts = Attempts("cpu")
            seconds = attempts.seconds(makers, rounds=8, inner=10, starts=STARTS)
            what = f"training step, n = {n}, {precision}"
            rows += [attempts.compare(what, seconds, "SMB", name, at_most=AT_MOST) for name in SHOWN]
    return rows


def _step(method: str, options: dict, n: int, precision: str) -> Way:
    generator = torch.Generator().manual_seed(0)
    parts = []
    for count in (EXAMPLES, 32):
        parts.append(torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator))
        parts.append(torch.randint(0, 26, (count,), generator=generator))
    data = Dataset("noise", *parts, tuple(map(str, range(26))), True)
    configure_process()
    update = stepper(Run("noise", method, 1, options=options, batch_size=n, precision=precision), data)
    return lambda _: update()
