"""What choosing costs: a draw and an update of base values, and a whole step of every method against MB's."""

import torch

from benchmarks.measure import Comparison, compare, in_turns
from benchmarks.step import RUN, steps, trainer
from hardsample.base_values import BaseValues
from hardsample.data import load
from hardsample.methods import METHODS

EMNIST_LETTERS = 124_800


def draw_and_update(size: int):
    """Draw 32 of ``size`` and give them new values, a call."""
    values = BaseValues(size, torch.tensor([1]))
    values.fill(torch.rand(1, size, generator=torch.Generator().manual_seed(0)))
    new = torch.rand(1, 32, generator=torch.Generator().manual_seed(1))

    def once(number: int) -> None:
        values.update(values.draw(number, 32), new)

    return once


def measure() -> list[Comparison]:
    """The tree against torch.multinomial and against itself at 10^8 examples; every method's step against MB's."""
    weights = torch.rand(EMNIST_LETTERS, generator=torch.Generator().manual_seed(0))
    ways = {
        "tree": draw_and_update(EMNIST_LETTERS),
        "torch.multinomial": lambda _: torch.multinomial(weights, 32, replacement=True),
        "tree at 10^8": draw_and_update(10**8),
    }
    seconds = in_turns(ways, rounds=50, inner=20)
    rows = [
        compare("draw and update 32 of 124,800", seconds, "tree", "torch.multinomial", "at least 3"),
        compare("draw and update 32 of 10^8", seconds, "tree", "tree at 10^8", "at most 3"),
    ]
    data = load("glyphs", train_examples=RUN.train_examples, test_examples=RUN.test_examples)
    for precision in ("float32", "bf16"):
        ways = {name: steps(trainer(data, method=name, precision=precision)) for name in METHODS}
        seconds = in_turns(ways, rounds=100)
        rows += [
            compare(
                f"training step of {name}, {precision}", seconds, "SMB", name, "at most 1.03" if "P" in name else ""
            )
            for name in ("PLB", "PEB", "LB")
        ]
    return rows
