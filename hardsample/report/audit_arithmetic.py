"""When a printed number follows from others, and the numbers that the papers print."""

import math
from fractions import Fraction

import pandas as pd

from hardsample.experiments import published
from hardsample.numerals import number

RESULTS = {"3": "CIFAR-10", "4": "CIFAR-100", "5": "STL-10"}  # table: data set
MOST = "most"  # printed in words: more than half


def check(
    place: str,
    quantity: str,
    given: str,
    recomputed: Fraction | float,
    remark: str = "",
    *,
    of_baseline: Fraction | float = math.nan,
    one_off: str = "",
    hypothesis: str = "",
    slack: float = 0.0,
) -> dict:
    """One row of the findings; ``one_off`` and the remark are kept where the number does not follow."""
    follows = does_follow(given, recomputed, slack)
    return {
        "place": place,
        "quantity": quantity,
        "printed": given,
        "recomputed": float(recomputed),
        "follows": follows,
        "truncated": follows and given != MOST and not _rounds(given, recomputed, slack),
        "of_baseline": float(of_baseline),
        "one_off": "" if follows else one_off,
        "hypothesis": hypothesis,
        "remark": "" if follows else remark,
    }


def does_follow(given: str, recomputed: Fraction | float, slack: float = 0.0) -> bool:
    """Whether a printed number is the recomputed one, rounded (within ``slack``) or cut off after its last digit."""
    if given == MOST:
        return recomputed > 50
    unit = last_digit(given)
    cut_off = math.trunc(_exact(recomputed) / unit) * unit
    return _rounds(given, recomputed, slack) or cut_off == Fraction(given)


def _rounds(given: str, recomputed: Fraction | float, slack: float) -> bool:
    return abs(_exact(recomputed) - Fraction(given)) <= last_digit(given) / 2 + _exact(slack)


def _exact(value: Fraction | float) -> Fraction:
    return Fraction(value).limit_denominator(10**9)  # 2.5, not the binary fraction beside it


def last_digit(given: str) -> Fraction:
    """The last printed digit's worth: 1/100 for "8.01"."""
    return Fraction(1, 10 ** len(given.partition(".")[2]))


def percent(part: Fraction | int, whole: Fraction | int) -> Fraction:
    """A part in percent of the whole, exactly."""
    return 100 * Fraction(part) / Fraction(whole)


def one_epoch_off(given: str, before: int, after: int) -> str:
    """What a Δe follows from if one of its two e is one less or more than printed; "" where it never does."""
    ways = []
    for first, then in ((before, after - 1), (before - 1, after), (before, after + 1), (before + 1, after)):
        for whole in (then, first):
            change = percent(first - then, whole)
            if does_follow(given, change):
                cut = "" if _rounds(given, change, 0.0) else f" = {number(float(change), 3)}, cut off"
                ways.append(f"({first} - {then}) / {whole}{cut}")
                break
    return " or ".join(ways)


def would_follow(one_off: str) -> str:
    """A remark on what :func:`one_epoch_off` found; "" for nothing."""
    return f" It would follow from {one_off}." if one_off else ""


def signed(magnitude: str, direction: str) -> str:
    """A printed change with its sign, for which ``direction`` stands in print."""
    return f"-{magnitude}" if direction == "down" else magnitude


def result_rows(number: str) -> dict[str, dict[str, dict[str, str]]]:
    """Table 3, 4 or 5: network -> δ as printed, "1.0" first -> the row as printed."""
    table: dict[str, dict[str, dict[str, str]]] = {}
    for row in published.text(f"hard-samples-table-{number}").to_dict("records"):
        table.setdefault(row["network"], {})[row["delta"]] = row
    return table


def claims(paper: str) -> pd.DataFrame:
    """What the text of paper "A" or "B" says in numbers: place, claim and value, as printed."""
    return published.text(f"{published.PAPERS[paper]}-claims")


def claimed(paper: str, place: str, claim: str) -> str:
    """The value of one claim as printed."""
    return published.claimed(f"{published.PAPERS[paper]}-claims", place, claim)


def check_claim(
    paper: str, place: str, claim: str, recomputed: Fraction | float, remark: str = "", *, one_off: str = ""
) -> dict:
    """The row of a claim; one without a number, on more than one cell, says "most" and is recomputed in percent."""
    given = claimed(paper, place, claim) or MOST
    return check(f"{paper}, {place}", claim, given, recomputed, remark, one_off=one_off)
