"""The one error that is the user's to mend: it names the bad thing, the valid ones and what to do next."""

from collections.abc import Iterable


class InputError(ValueError):
    """Bad input. Its message is one clear sentence, fit to be shown without a traceback."""


def check_value(name: str, value: object, good: bool, advice: str) -> None:
    """Raise :class:`InputError` unless the value of that name is ``good``; ``advice`` says what to give."""
    if not good:
        raise InputError(f"{name} is {value}: give {advice}.")


def check_choice(kind: str, value: object, valid: Iterable[str]) -> None:
    """Raise :class:`InputError` unless ``value`` is one of ``valid``."""
    valid = list(valid)
    if value not in valid:
        raise InputError(f"unknown {kind} {value!r}: choose one of {', '.join(valid)}.")
