"""All methods, by name; one of your own is a :class:`MethodSpec` that is registered."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hardsample.errors import check_choice
from hardsample.methods import (
    el2n,
    hard_mini_batches,
    infobatch,
    kakurenbo,
    least_confidence,
    loss_based,
    loss_proportional,
    margin,
    mercury,
    ohem,
    persistent,
    selective_backprop,
    uniform,
)
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches, Method
from hardsample.methods.specs import BUDGETS, DIFFERENCES, ENTRIES, LOOKS, METHODS, Entry, Look, MethodSpec

__all__ = [
    "BUDGETS",
    "DIFFERENCES",
    "ENTRIES",
    "LOOKS",
    "METHODS",
    "Draw",
    "Entry",
    "Evaluate",
    "FullMiniBatches",
    "Look",
    "Method",
    "MethodSpec",
    "build",
    "option_names",
]

_MODULES = (  # in the order of tables and legends
    *(uniform, loss_based, persistent, margin, least_confidence, el2n),
    *(hard_mini_batches, selective_backprop, kakurenbo, infobatch, mercury, ohem, loss_proportional),
)
for _module in _MODULES:
    for _spec in _module.SPECS:
        _spec.register()


def option_names(name: str) -> list[str]:
    """What can be chosen of a method of ``METHODS``."""
    return METHODS[name].option_names


def build(
    name: str, size: int, n: int, seeds: Tensor, *, first_step: int = 0, options: Mapping[str, Any] | None = None
) -> Method:
    """The method of that name for N = ``size`` examples, mini-batches of ``n`` and int64 seeds [S].

    Raises:
        InputError: unknown method or option, or an option's value out of its range or of another type.
    """
    check_choice("method", name, METHODS)
    return METHODS[name].made(size, n, seeds, first_step, {} if options is None else options)
