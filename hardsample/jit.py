"""Loops over arrays on a CPU, compiled when they are first called.

Numba needs no compiler on the machine, and keeps what it compiled beside the source. It follows new versions of Python
some months behind; where it cannot be imported the plain torch operations do the work, several times more slowly.
A compiled function calls no other module's, or a change there would leave the kept code as it was.
"""

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Any

import torch

try:
    import numba
    from numba.core.caching import FunctionCache
except ImportError:
    numba, FunctionCache = None, object

logger = logging.getLogger(__name__)

AVAILABLE = numba is not None
"""Can loops be compiled here?"""

if not AVAILABLE:
    logger.warning("Numba cannot be imported: training on a CPU takes longer.")


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
    dispatcher = numba.njit(function, **options)
    with contextlib.suppress(RuntimeError, OSError):  # no folder to keep it in can be written
        dispatcher._cache = _Cache(function)
    return dispatcher


class _Cache(FunctionCache):
    """What was compiled of a function; done without where it is damaged, or cannot be written."""

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return super().load_overload(*arguments)
        except Exception:  # a file that was cut is a pickle that may raise anything
            logger.warning("what is kept of %s cannot be read: it is compiled again.", self._name)
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, *arguments: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(*arguments)
