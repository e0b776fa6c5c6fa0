"""The one error that is the user's to mend: it names the bad thing, the valid ones and what to do next."""

import difflib
from collections.abc import Iterable, Sequence

ALIKE, MEANT = 0.65, 2  # how alike (0 to 1) what is meant must be written, and how many are named at most


class InputError(ValueError):
    """Bad input. Its message is one clear sentence, fit to be shown without a traceback."""


def check_value(name: str, value: object, good: bool, advice: str) -> None:
    """Raise :class:`InputError` unless the value of that name is ``good``; ``advice`` says what to give."""
    if not good:
        raise InputError(f"{name} is {value}: give {advice}.")


def check_choice(kind: str, value: object, valid: Iterable[str], also: Iterable[str] = ()) -> None:
    """Raise :class:`InputError` unless ``value`` is one of ``valid``; ``also`` are other names that may be meant."""
    valid = list(valid)
    if value not in valid:
        meant = did_you_mean(value, [*valid, *also])
        raise InputError(f"unknown {kind} {value!r}{meant}: choose one of {', '.join(valid)}.")


def check_names(kind: str, text: str, names: Sequence[str], *, once: bool = True) -> None:
    """Raise :class:`InputError` where one of the ``names`` in ``text``, which commas join, is empty or stands twice."""
    if not all(names):
        raise InputError(f"{kind} is {text!r}, where a name is missing: join names by single commas.")
    if twice := once and [name for name in names if names.count(name) > 1]:
        raise InputError(f"{kind} is {text!r}, where {twice[0]} stands twice: name each once.")


def did_you_mean(value: object, valid: Iterable[str]) -> str:
    """What of ``valid`` is written most like ``value``, as " (did you mean table-3?)"; "" where nothing stands out."""
    asked = str(value).casefold()
    alike = {name: difflib.SequenceMatcher(None, asked, str(name).casefold()).ratio() for name in valid}
    nearest = [name for name, ratio in alike.items() if ratio == max(alike.values()) and ratio >= ALIKE]
    return f" (did you mean {' or '.join(nearest)}?)" if 0 < len(nearest) <= MEANT else ""
