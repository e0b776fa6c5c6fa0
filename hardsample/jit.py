"""Loops over arrays on a CPU, compiled when they are first called.

Numba needs no compiler on the machine, and keeps what it compiled beside the source. It follows new versions of Python
some months behind; where it cannot be imported the plain torch operations do the work, several times more slowly.
A compiled function calls no other module's, or a change there would leave the kept code as it was.
"""

import functools
import logging
from collections.abc import Callable

import torch

try:
    import numba
except ImportError:
    numba = None

AVAILABLE = numba is not None
"""Can loops be compiled here?"""

if not AVAILABLE:
    logging.getLogger(__name__).warning("Numba cannot be imported: training on a CPU takes longer.")


def uses_numba(device: torch.device) -> bool:
    """Do compiled loops work on what lies on the device?"""
    return AVAILABLE and device.type == "cpu"


def compiled(function: Callable | None = None, *, multiply_add: bool = False) -> Callable:
    """``function`` compiled for the types it is called with, division by zero as in NumPy; itself without Numba.

    Args:
        function: None gives a decorator with the option.
        multiply_add: may a product be added without being rounded first? Where the processor can, that is faster.
    """
    if function is None:
        return functools.partial(compiled, multiply_add=multiply_add)
    if numba is None:
        return function
    options = {"error_model": "numpy", "fastmath": {"contract"} if multiply_add else False}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:  # no folder to keep it in can be written
        return numba.njit(function, **options)
