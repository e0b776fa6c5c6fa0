"""What public functions are given, held against what they can use; each check gives the value in its own type."""

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardsample.errors import InputError

if TYPE_CHECKING:
    import torch

MOST = 2**63 - 1  # what is counted with
LONGEST_NAME = 100  # bytes, of the 255 that the name of a file may have


def whole(name: str, value: Any, least: int, advice: str, most: int = MOST) -> int:
    """An integer of any kind, such as a NumPy one or a tensor of one, as an int from ``least`` to ``most``.

    Raises:
        InputError: it is another thing, such as a float or a bool, or out of range.
    """
    try:
        kind = str(getattr(value, "dtype", type(value).__name__))
        number = None if kind in ("bool", "torch.bool") else operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None:
        raise InputError(f"{name} is {told(value)}, which is no whole number: give {advice}.")
    if not least <= number <= most:
        limit = "" if number < least else " and below 2**63" if most == MOST else f" and at most {most:,}"
        raise InputError(f"{name} is {number}: give {advice}{limit}.")
    return number


def real(name: str, value: Any, advice: str = "one such as 0.5") -> float:
    """A number of any kind, NaN and infinities among them, as a float.

    Raises:
        InputError: it is none.
    """
    try:
        if isinstance(value, str | bytes | bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(f"{name} is {told(value)}, which is no number: give {advice}.") from None


def flag(name: str, value: Any) -> bool:
    """True or False, NumPy's too, and nothing that only counts as one.

    Raises:
        InputError: it is another thing.
    """
    if type(value).__name__ not in ("bool", "bool_"):
        raise InputError(f"{name} is {told(value)}: give True or False.")
    return bool(value)


def text(name: str, value: Any, advice: str) -> str:
    """A string.

    Raises:
        InputError: it is another thing.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {told(value)}: give {advice}.")
    return value


def function(name: str, value: Any, advice: str = "a function") -> Any:
    """What can be called, or None.

    Raises:
        InputError: it is another thing.
    """
    if value is not None and not callable(value):
        raise InputError(f"{name} is {told(value)}: give {advice}.")
    return value


def mapping(name: str, value: Any, advice: str = "a mapping, of names to values") -> Mapping[str, Any]:
    """A mapping whose keys are strings.

    Raises:
        InputError: it is another thing.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{name} is {told(value)}: give {advice}.")
    return value


def device(value: Any) -> "torch.device":
    """A device of torch's that is at hand and holds numbers.

    Raises:
        InputError: it is none.
    """
    import torch

    try:
        if not isinstance(value, str | torch.device):
            raise TypeError
        found = torch.empty(0, device=value).device
    except (TypeError, RuntimeError, AssertionError):
        found = torch.device("meta")
    if found.type == "meta":
        raise InputError(f'device is {told(value)}, which is none at hand: give "cpu", or "cuda" where there is a GPU.')
    return torch.device(value)


def file_name(name: str, value: Any, longest: int = LONGEST_NAME) -> str:
    """A name that files and folders can have, too.

    Raises:
        InputError: it is another thing, or no file could be named so.
    """
    plain = isinstance(value, str) and value.isprintable() and value.strip(" .") and not {*"/\\"} & {*value}
    if not plain:
        raise InputError(f"{name} is {told(value)}: give one without / and \\, which can name a file.")
    if len(value.encode()) > longest:
        raise InputError(f"{name} is {told(value)}, too long for the name of a file: give at most {longest} bytes.")
    return value


def told(value: Any) -> str:
    """A value in a sentence: short, on one line, and whatever its own words are."""
    try:
        words = " ".join(repr(value).split())
    except Exception:  # a stranger's own words may fail in any way
        words = f"a {type(value).__name__}"
    return words if len(words) <= 80 else f"{words[:77]}..."
