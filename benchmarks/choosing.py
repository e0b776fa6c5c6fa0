"""What choosing costs: a draw and an update of base values, and a whole step of every method against uniform draws."""

import functools

import torch

from benchmarks.measure import Comparison, Way, compare, in_turns
from benchmarks.step import library
from hardsample.base_values import BaseValues

EMNIST_LETTERS = 124_800


def tree(size: int) -> Way:
    """Draw 32 of ``size`` and give them new values."""
    values = BaseValues(size, torch.tensor([1]))
    values.fill(torch.rand(1, size, generator=torch.Generator().manual_seed(0)))
    new = torch.rand(1, 32, generator=torch.Generator().manual_seed(1))

    def once(number: int) -> None:
        values.update(values.draw(number, 32), new)

    return once


def multinomial(size: int) -> Way:
    """Draw 32 of ``size`` with replacement by torch's own function, and update nothing."""
    weights = torch.rand(size, generator=torch.Generator().manual_seed(0))
    return lambda _: torch.multinomial(weights, 32, replacement=True)


def measure() -> list[Comparison]:
    """The tree against torch.multinomial and against itself at 10^8 examples; every method's step against SMB's."""
    makers = {
        "tree": functools.partial(tree, EMNIST_LETTERS),
        "torch.multinomial": functools.partial(multinomial, EMNIST_LETTERS),
        "tree at 10^8": functools.partial(tree, 10**8),
    }
    seconds = in_turns(makers, rounds=50, inner=50)
    rows = [
        compare("draw and update 32 of 124,800", seconds, "tree", "torch.multinomial", "at least 3"),
        compare("draw and update 32 of 10^8", seconds, "tree", "tree at 10^8", "at most 3"),
    ]
    for precision in ("float32", "bf16"):
        names = ("SMB", "PLB", "PEB", "LB")
        makers = {name: functools.partial(library, method=name, precision=precision) for name in names}
        seconds = in_turns(makers, rounds=100)
        rows += [
            compare(f"training step of {name}, {precision}", seconds, "SMB", name, wanted)
            for name, wanted in (("PLB", "at most 1.03"), ("PEB", "at most 1.03"), ("LB", ""))
        ]
    return rows
