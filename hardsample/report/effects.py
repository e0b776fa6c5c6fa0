"""Our effects of PEB beside those that paper A prints as a number."""

from collections.abc import Mapping, Sequence

import pandas as pd

from hardsample import statistics
from hardsample.experiments import published
from hardsample.experiments.curves import Curves, last_values
from hardsample.numerals import number, short
from hardsample.report import markup
from hardsample.report.wording import with_interval

# The effects of PEB against MB that paper A prints as a number, by the figure that shows them: place and claim as in
# ``published``, the panel it is said of (None: the mean of all), the metric, and ours in the unit of the claim.
_PRINTED = (
    ("figure-1", "Section 1", "final training accuracy of PEB above MB's, on average, about", None, "acc/train", 100),
    ("figure-1", "Section 1", "final validation accuracy of PEB above MB's, on average, about", None, "acc/val", 100),
    (
        "figure-2",
        "Section 4.2.2",
        "final training accuracy of PEB above MB's, on average, about",
        None,
        "acc/train",
        100,
    ),
    (
        "figure-2",
        "Section 4.2.2",
        "final validation accuracy of PEB above MB's, on average, about",
        None,
        "acc/val",
        100,
    ),
    ("figure-2", "Section 4.2.2", "training loss of PEB below MB's", None, "loss/train", -1),
    ("figure-2", "Section 4.2.2", "validation loss of PEB below MB's", None, "loss/val", -1),
    (
        *("figure-3", "Section 4.2.3", "validation accuracy of PEB above MB's at mini-batches of 32, more than"),
        *("n = 32", "acc/val", 100),
    ),
)


def effects(curves: Curves) -> list[dict]:
    """Our effects beside those that paper A prints: its own settings alone can be compared with its numbers."""
    if curves.experiment.variation:
        return []
    claims, rows = published.read("base-values-claims").set_index(["place", "claim"]), []
    if curves.baseline != "MB" or curves.frame.empty or not _as_long(curves.frame, claims):
        return []
    for figure, place, claim, panel, metric, scale in _PRINTED:
        if curves.experiment.name != f"base-values/{figure}":
            continue
        panels = [curves.panel(title) for title in curves.layout if panel in (None, title)]
        apart = [last_values(own, "PEB", metric) - last_values(own, "MB", metric) for own in panels]
        seeds = scale * pd.concat(apart, axis=1).mean(axis=1, skipna=False) if apart else pd.Series(dtype=float)
        ours = statistics.summary(seeds)
        if ours.n:
            theirs = claims.loc[(place, claim)]
            row = {"place": place, "claim": claim, "paper": float(theirs.value), "unit": theirs.unit}
            row |= {"panels": len(panels), "value": ours.mean, "low": ours.interval.low, "high": ours.interval.high}
            rows.append(row)
    return rows


def markdown(effects: Sequence[Mapping]) -> str:
    """Our effects beside the paper's, and what share of them they are."""
    header, lines = ("the paper's effect", "paper", "here", "share of the paper's"), []
    for effect in effects:
        digits, unit = (2, " points") if effect["unit"] else (3, "")
        mean = f", mean of {effect['panels']} panels" if effect["panels"] > 1 else ""
        here = with_interval(effect["value"], effect["low"], effect["high"], "+", digits) + unit
        share = effect["value"] / effect["paper"]
        lines.append(
            (
                f"{effect['claim']} ({effect['place']})",
                f"{short(effect['paper'])}{unit}",
                here + mean,
                number(share, 2),
            )
        )
    return f"Beside the effects that the paper prints as a number:\n\n{markup.markdown_table(header, lines)}"


def _as_long(frame: pd.DataFrame, claims: pd.DataFrame) -> bool:
    """Did the runs draw as many examples as paper A's, to within a mini-batch an epoch?"""
    epochs, examples = (
        float(claims.value[place, claim])
        for place, claim in (("Section 4.2.3", "epochs of training"), ("Section 4.1", "training examples"))
    )
    ends = frame.sort_values("step").drop_duplicates("panel", keep="last")
    return bool(((ends.step * ends.batch_size - epochs * examples).abs() <= epochs * ends.batch_size).all())
