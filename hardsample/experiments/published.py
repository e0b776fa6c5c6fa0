"""What the two papers print: the numbers of paper B's tables and the claims of both texts, each with its place."""

from importlib import resources

import pandas as pd

from hardsample.errors import check_choice

_FOLDER = resources.files("hardsample.experiments") / "published-tables"
_WORDS = {
    *("network", "printed_as", "data_set", "iterations", "complexity"),
    *("mark", "direction", "doubt", "place", "kind", "claim", "unit"),
}

PAPERS = {"A": "base-values", "B": "hard-samples"}
"""What the papers are called in short, and the names of their experiments and files."""
NAMES = (
    *(f"hard-samples-table-{number}" for number in range(1, 7)),
    *("hard-samples-claims", "base-values-claims"),
)


def text(name: str) -> pd.DataFrame:
    """One file of ``published-tables``, every cell as it is printed ("50", "10.00"), "" where nothing is.

    Accuracies and changes are percents, times seconds. ``direction`` is "up" for the papers' ▲ and "down" for ▼;
    ``mark`` is "bold" or "underline"; ``doubt`` says what keeps a number from being a target. In the claims a word
    that stands for a count ("all") is given as that count. ``kind`` is "result" for what a paper says of its runs, else
    "set-up".

    Raises:
        InputError: unknown name.
    """
    check_choice("published file", name, NAMES)
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def read(name: str) -> pd.DataFrame:
    """The same as :func:`text` with numbers as numbers, NaN where none is printed.

    Raises:
        InputError: unknown name.
    """
    table = text(name)
    return table.assign(**{column: pd.to_numeric(table[column]) for column in table if column not in _WORDS})


def claimed(name: str, place: str, claim: str) -> str:
    """The value of one of the claims of a file, as printed."""
    found = text(name)
    (value,) = found[(found.place == place) & (found.claim == claim)].value
    return value
