"""Does any share δ converge earlier whatever the rule? Paper B's e under every rule of ``convergence_rules``."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import Curves, keys
from hardsample.numerals import count
from hardsample.report.convergence_rules import RULES, Rule, epochs_of_convergence
from hardsample.report.paper_runs import opening
from hardsample.report.tables import compared
from hardsample.report.wording import (
    missing_statement,
    origin_statement,
    p_statement,
    seeds_in_words,
    too_few_statement,
)

ALL = "all rules together"
_COMPARED = ("difference", "difference_low", "difference_high", "p", "p_holm", "smallest", "seeds_won", "pairs")
COLUMNS = (
    *("rule", "method", "status", "n", "converged", "e", "e_low", "e_high", *_COMPARED),
    *("rules", "compared", "earlier", "significantly_earlier", "significantly_later"),
)
_NEEDED = (*_COMPARED, "usable", "p_alone")


def table(curves: Curves, rules: Sequence[Rule] = RULES) -> pd.DataFrame:
    """A row per rule and method, then one per δ for all rules; :mod:`hardsample.report.paper_tables` writes it.

    - ``e``: the mean over the ``converged`` of ``n`` seeds with its t interval ``e_low`` to ``e_high``, in epochs.
    - ``difference``: e minus the baseline's by seed, with its t interval, where any seed of the two converges; one that
      does not counts as one evaluation after its last. ``p`` of the exact sign-flip test and
      ``p_holm``, adjusted over the table, for each δ below 1 alone; the ``smallest`` difference that would be
      significant; ``seeds_won``: earlier, of ``pairs``.
    - In the rows of all: of so many ``rules``, those ``compared`` (with a difference), and those under which the δ is
      ``earlier`` in the mean, ``significantly_earlier`` and ``significantly_later``. ``p`` is the largest of any rule,
      or 1 where the δ is not earlier under each, since only all rules together show it; ``p_holm`` is adjusted over
      the δ.

    Then each seed's e, and the keys of the runs. What was not run has no numbers.
    """
    [(panel, methods)] = curves.layout.items()
    epochs = np.sort(curves.frame.epoch.unique())
    late, runs, rows = statistics.after_the_last(epochs), keys(curves.frame), []
    for rule in rules:
        found = epochs_of_convergence(curves, rule)
        usual = found.reindex([curves.baseline]).loc[curves.baseline].dropna()
        for method in methods:
            own = found.loc[method].dropna()
            row = {"rule": rule.name, "method": method, **_summary(own)}
            if method != curves.baseline and np.isfinite([*own, *usual]).any():
                row |= compared(own.clip(upper=late), usual.clip(upper=late), higher_is_better=False)
                row["p_alone"] = row.get("p", np.nan)
                row["p"] = row["p_alone"] if method in _shares(curves) else np.nan
            row |= {f"seed {seed}": epoch for seed, epoch in own.items() if np.isfinite(epoch)}
            rows.append(row | {"runs": runs.get((panel, method), "")})
    found = pd.DataFrame(rows)
    found = found.reindex(columns=dict.fromkeys((*found.columns, *COLUMNS, *_NEEDED)))
    found[[*_NEEDED]] = found[[*_NEEDED]].astype(float)
    tests = int(found.p.notna().sum())
    tested = statistics.family(found.p, found.difference_low, found.difference_high, found.usable)
    found["p"], found["p_holm"], found["smallest"] = tested
    found = pd.concat([found, _together(found, _shares(curves), len(rules))], ignore_index=True)
    found["status"] = np.where(found.n > 0, "measured", "not run")
    seeds = [f"seed {seed}" for seed in sorted(curves.panel(panel).seed.unique())]
    found = found.reindex(columns=[*COLUMNS, *seeds, "runs"])
    found.attrs = {
        "layout": "convergence",
        "title": f"Which δ converges first? The epoch of convergence e by {count(len(rules), 'rule')}",
        "finding": _finding(found, tests, len(rules)),
        "head": opening(curves.experiment, seeds_in_words(found.n)),
        "notes": list(filter(None, _notes(curves, rules, tests, late - epochs.max(initial=0)))),
    }
    return found


def _shares(curves: Curves) -> list[str]:
    """The δ below 1: what is claimed, and so tested."""
    [methods] = curves.layout.values()
    return [method for method in methods if method.startswith("δ = ") and method != curves.baseline]


def _summary(own: pd.Series) -> dict[str, float]:
    found = statistics.summary(own)
    interval = {"e_low": found.interval.low, "e_high": found.interval.high}
    return {"n": len(own), "converged": found.n, "e": found.mean} | interval


def _together(found: pd.DataFrame, shares: Sequence[str], rules: int) -> pd.DataFrame:
    """The rows of all rules: a claim that needs each is as sure as its least sure one (Berger 1982)."""
    rows = []
    for share in shares:
        own = found[found.method == share]
        earlier, told = own.difference < 0, own.p_holm < statistics.LEVEL
        row = {"rule": ALL, "method": share, "n": own.n.max(), "usable": own.usable.min()}
        row |= {"rules": rules, "compared": int(own.difference.notna().sum()), "earlier": int(earlier.sum())}
        row |= {"significantly_earlier": int((told & earlier).sum()), "runs": own.runs.iloc[0]}
        row |= {"significantly_later": int((told & ~earlier).sum()), "p": np.nan}
        if row["compared"]:
            row["p"] = own.p_alone.max() if row["earlier"] == rules else 1.0
        rows.append(row)
    whole = pd.DataFrame(rows, columns=["rule", "method", "n", "usable", "p", *COLUMNS[-5:], "runs"])
    whole["p_holm"] = statistics.adjusted(whole.p, whole.usable)
    whole["p"] = whole.p.where(whole.p_holm.notna())
    return whole


def _finding(found: pd.DataFrame, tests: int, rules: int) -> str:
    """Which δ converges earlier under all rules: in the mean, and significantly."""
    whole = found[(found.rule == ALL) & (found.compared > 0)]
    if whole.empty:
        return ""
    every = whole[whole.earlier == rules]
    said = f"Earlier than δ = 1 under each of {count(rules, 'rule')}, in the mean: {', '.join(every.method) or 'no δ'}"
    if few := too_few_statement(found.pairs.max(), tests):
        return f"{said}. {few}"
    sure = every[every.p_holm < statistics.LEVEL]
    return f"{said}; significantly: {', '.join(sure.method) or 'no δ'}."


def _notes(curves: Curves, rules: Sequence[Rule], tests: int, spacing: float) -> Iterator[str]:
    yield f"e is, by the rules: {'; '.join(f'{rule.name}: {rule.meaning}' for rule in rules)}."
    yield (
        "The paper gives no rule: e is the epoch in which the training loss converges (Table 3). The last value of"
        " δ = 1 is one that δ = 1 itself reaches at its end at the latest."
    )
    if np.isfinite(spacing):
        yield (
            f"Evaluations are {count(spacing, 'epoch')} apart, and e is known no more finely. Converged: of so many"
            " seeds; e: their mean, with half its 95 % t interval. e - (δ = 1): paired by seed; a seed that does not"
            f" converge counts as {count(spacing, 'epoch')} after the end; no difference where no seed of the two"
            " converges."
        )
    if tests:
        yield p_statement(tests, "the table")
        yield (
            f"{ALL.capitalize()}: that a δ is earlier under every rule is as sure as under the rule that shows it"
            " least, so p is the largest of its unadjusted ones, adjusted by Holm for the δ, and 1 where it is not"
            " earlier under each. Reshuffled, which forms its mini-batches anew in every epoch, is not tested."
        )
    yield from (missing_statement(curves), origin_statement(curves))
