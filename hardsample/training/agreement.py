"""Does a fast way of computing steps agree with the plain one? Compared tensor by tensor, from the same state on."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

FARTHEST = 1.2
"""How far from float32 a fast way's changes may be, relative to how far the plain way's are in the same precision."""
ROUNDING = 1e-2  # of a change: what the order of sums moves, which no precision explains

States = Sequence[Mapping[str, Tensor]]
"""All tensors of a training after each of a few steps."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far a fast way is from the plain one.

    ``tensor`` is the one that is farthest off, ``ratio`` its distance relative to what is allowed (1: just within it,
    infinite where whole numbers differ), ``steps`` the steps compared.
    """

    tensor: str
    ratio: float
    steps: int

    @property
    def agrees(self) -> bool:
        """Is every tensor within what is allowed?"""
        return self.ratio <= 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "agrees": self.agrees,
            "farthest": self.tensor,
            "ratio": self.ratio if self.ratio < float("inf") else None,
            "steps": self.steps,
        }


def compare(before: Mapping[str, Tensor], fast: States, plain: States, exact: States) -> Agreement:
    """Hold the ``fast`` way to the ``plain`` one of the same precision, both measured from ``exact``, float32's.

    Whole numbers (what was drawn) must be equal after the first step. Later draws may differ, since base values differ
    in their rounding; the steps from there on are not compared.
    """
    whole = [name for name, tensor in before.items() if not tensor.is_floating_point()]
    steps = 0
    for states in zip(fast, plain, exact, strict=True):
        unequal = [n for n in whole if not all(torch.equal(states[0][n], other[n]) for other in states[1:])]
        if unequal and not steps:
            return Agreement(unequal[0], float("inf"), 1)
        if unequal:
            break
        steps += 1
    last = steps - 1
    ratios = {
        name: _ratio(*(states[last][name] for states in (fast, plain, exact)), tensor)
        for name, tensor in before.items()
        if tensor.is_floating_point()
    }
    farthest = max(ratios, key=ratios.__getitem__)
    return Agreement(farthest, ratios[farthest], steps)


def _ratio(fast: Tensor, plain: Tensor, exact: Tensor, before: Tensor) -> float:
    """The fast way's distance from float32, of what is allowed; infinite where its numbers are none and others' are."""
    fast, plain, exact, before = (tensor.double() for tensor in (fast, plain, exact, before))
    numbers = plain.isfinite() & exact.isfinite()
    if not torch.equal(numbers & fast.isfinite(), numbers):
        return float("inf")
    fast, plain, exact, before = (tensor[numbers] for tensor in (fast, plain, exact, before))
    allowed = FARTHEST * (plain - exact).norm() + ROUNDING * (exact - before).norm()
    distance = (fast - exact).norm()
    return (distance / allowed).item() if allowed > 0 else (0.0 if distance == 0 else float("inf"))
