"""What the readers of a contest are told in sentences: in short, and in the notes of its tables and figure."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from hardsample.experiments import base_values
from hardsample.experiments.rivals import BUDGETS, BY_NAME, TIMED_OPTIONS, training_set
from hardsample.methods.loss_based import reading
from hardsample.methods.registry import DIFFERENCES
from hardsample.numerals import count, number, p_value, percent, short
from hardsample.report import wording
from hardsample.report.contest_tables import VERDICTS, baseline_of, competes
from hardsample.statistics import LEVEL, min_attainable_p

_STREAMS = ("LB", "PLB", "PEB")  # of base values
COSINE = "Cosine: the learning rate falls to 0 at the end of the budget."
IMBALANCE = (
    "Imbalance: in training the first class has so many times the examples of the last, and class sizes fall"
    " geometrically between; the test set is as it is."
)


def in_short(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """A bullet per budget, and one each for what "significant" means and for what is unequal besides the choice.

    Above them that nothing can be significant, where that is so.
    """
    bullets = [f"**{few}**"] if (few := too_few_statement(found)) else []
    experiment = table.attrs["curves"].experiment
    held = {setting["budget"] for setting in experiment.settings.values()}
    for budget in BUDGETS:
        if budget not in held and not (budget == BUDGETS[2] and experiment.timed):
            continue
        own = found[found.budget == budget]
        sentences = [repeated_statement(table, budget)]
        if own.verdict.isin(VERDICTS[:3]).any() or own.verdict.eq("not compared").any():
            usual, rows = baseline_of(table), table[table.budget == budget]
            heading = f"Equal {budget}, {count(len(own), 'setting')}:"
            sentences = [heading, *_sentences(own, usual), *_against_controls(rows), _divergence(rows), *sentences]
        bullets.append(" ".join(filter(None, sentences)))
    bullets += [significance_statement(found), unequal_statement(table), no_pretraining_statement(table)]
    return "\n".join(f"- {bullet}" for bullet in bullets if bullet)


def _sentences(found: pd.DataFrame, usual: str) -> Iterator[str]:
    """What is said of the panels of one budget, verdict by verdict."""
    by_verdict = {verdict: found[found.verdict == verdict] for verdict in VERDICTS}
    wins = by_verdict["wins"]
    for method in wins.method.value_counts().index:
        own = wins[wins.method == method]
        low, high = (number(bound, 1, "+") for bound in (own.difference.min(), own.difference.max()))
        size = low if low == high else f"{low} to {high}"
        places = {name: int((own[name] != "").sum()) for name in ("inconclusive", "above")}
        told = [
            f"{'there' if many == len(own) else f'in {many}'} {words}"
            for many, words in (
                (places["inconclusive"], "its difference to others is inconclusive"),
                (places["above"], "one beyond the budget is significantly above it"),
            )
            if many
        ]
        but = f" ({'; '.join(told)})" if told else ""
        yield f"**{method} wins in {len(own)}**, by {size} points{but}: {_where(own)}."
    if len(own := by_verdict["highest inconclusive"]):
        yield (
            f"In {len(own)} the highest method's difference to {usual} is inconclusive, and others are significantly"
            f" above: {_where(own)}."
        )
    if len(own := by_verdict["none above"]):
        yield f"**None is significantly above {usual} in {len(own)}**: {_where(own)}."
    if len(own := by_verdict["too few seeds"]):
        yield f"Too few seeds in {len(own)}: {_where(own)}."
    for verdict in ("not compared", "not run"):
        if len(own := by_verdict[verdict]):
            yield f"{verdict[0].upper()}{verdict[1:]} in {len(own)}: {_where(own)}."
    for side, column in (("above", "better"), ("below", "worse")):
        methods = found[column].dropna().str.split(", ").explode()
        counts = methods[methods.ne("")].value_counts(sort=True)
        if len(counts):
            names = ", ".join(f"{method} in {many}" for method, many in counts.items())
            yield f"Significantly {side} {usual}: {names}."


def _against_controls(table: pd.DataFrame) -> Iterator[str]:
    """In how many panels of one budget a method is above, below or neither, held against its control."""
    for method, rows in table[table.control_p_holm.notna() & (table.same_as == "")].groupby("method", sort=False):
        told = rows.control_p_holm < LEVEL
        above, below = (int((told & sign).sum()) for sign in (rows.control_difference > 0, rows.control_difference < 0))
        counts = {"significantly above it": above, "significantly below it": below, "inconclusive": int((~told).sum())}
        parts = ", ".join(f"{words} in {many}" for words, many in counts.items() if many)
        yield f"{method} against {rows.control.iloc[0]}: {parts}."


def significance_statement(found: pd.DataFrame) -> str:
    """What "significant" means here; "" where nothing can be."""
    if not (found.seeds >= found.needed).any():
        return ""
    return (
        f"Significant: p < {LEVEL:g}, two-sided exact sign-flip test by seed on the half of the test set that did not"
        " choose, adjusted by Holm over the methods run in one setting and budget. The tests cover seeds, not the"
        " choice of test images."
    )


def unequal_statement(table: pd.DataFrame) -> str:
    """Which methods differ from the baseline in learning rate, in updates or in wall-clock, computed from the runs."""
    usual, rates = baseline_of(table), table.attrs["curves"].experiment.rates
    run = table[(table.n + table.diverged > 0) & (table.same_as == "")]
    updates = run.updates / run.panel.map(table[table.method == usual].set_index("panel").updates).astype(float)
    parts = [_multiples("learning rate, on average,", run.method, run.method.map(rates))]
    for budget in BUDGETS:
        own = run.budget == budget
        found = [_multiples("updates", run.method[own], updates[own])]
        if budget != BUDGETS[2]:  # where times are equal
            found.append(_multiples("training time", run.method[own], (updates * run.cost)[own]))
        if any(found):
            parts.append(f"at equal {budget} {' and '.join(filter(None, found))}")
    said = "; ".join(filter(None, parts))
    return f"Unlike {usual} in more than the choice of examples, as multiples of {usual}'s: {said}." if said else ""


def _multiples(what: str, methods: pd.Series, ratios: pd.Series) -> str:
    """ "updates of OHEM 2, SB 0.4": the methods whose mean ratio is not 1, in words; "" if there is none."""
    means = ratios.astype(float).groupby(methods, sort=False).mean().round(2)
    names = [f"{method} {short(ratio)}" for method, ratio in means.items() if ratio != 1 and np.isfinite(ratio)]
    return f"{what} of {', '.join(names)}" if names else ""


def no_pretraining_statement(table: pd.DataFrame) -> str:
    """That the streams of base values start without the pre-training of paper A's default, if they do."""
    run = set(table.method[table.n + table.diverged > 0])
    streams = [method for method in _STREAMS if method in run]
    if not streams or set(table.attrs["curves"].frame.pretrain_epochs) != {0}:
        return ""
    paper = base_values.PROFILES["paper"]
    return (
        f"No run here has a pre-training: {', '.join(streams)} start with the first update, where paper A's default has"
        f" {short(paper.defaults['pretrain_epochs'])} of {count(paper.epochs, 'epoch')} of MB before them."
    )


def timed_otherwise_statement(table: pd.DataFrame) -> str:
    """Which methods run by the clock were timed in another reading than enters, which is so of LB alone; "" if none."""
    clocked = table[(table.budget == BUDGETS[2]) & table.cost.notna() & (table.n + table.diverged > 0)]
    parts = []
    for method in dict.fromkeys(clocked.method):
        entered = BY_NAME[method].options
        timed = TIMED_OPTIONS.get(method, entered)
        if timed != entered:
            parts.append(
                f"{method}'s time per update, from which its updates at equal wall-clock follow, was measured in its"
                f" reading {reading(timed)!r}, and {method} enters in {reading(entered)!r}."
            )
    return " ".join(parts)


def _divergence(table: pd.DataFrame) -> str:
    """How many runs of which methods diverged."""
    sums = (table.assign(seeds=table.n + table.diverged)).groupby("method", sort=False)[["diverged", "seeds"]].sum()
    names = [f"{row.Index} {row.diverged} of {count(row.seeds, 'run')}" for row in sums.itertuples() if row.diverged]
    return f"Diverged: {', '.join(names)}." if names else ""


def _where(found: pd.DataFrame) -> str:
    """Settings of one budget: "constant 0, 10 %, imbalance 50; cosine 0 %"."""
    return "; ".join(
        f"{schedule} {', '.join(_training_sets(own))}" for schedule, own in found.groupby("schedule", sort=False)
    )


def _training_sets(found: pd.DataFrame) -> Iterator[str]:
    """Those of one schedule: shares of flipped labels in one, and each class imbalance."""
    usual = found.imbalance == 1
    if usual.any():
        yield f"{', '.join(short(100 * noise) for noise in found.noise[usual])} %"
    yield from (training_set(row.noise, row.imbalance) for row in found[~usual].itertuples())


def too_few_statement(found: pd.DataFrame) -> str:
    """Why nothing can be significant in any setting, and how many seeds it takes; "" where something can."""
    undecided = found[found.verdict == "too few seeds"]
    if undecided.empty or (found.seeds >= found.needed).any():
        return ""
    fullest = undecided.loc[undecided.seeds.astype(float).idxmax()]
    return wording.too_few_statement(fullest.seeds, fullest.tests)


def repeated_statement(table: pd.DataFrame, budget: str) -> str:
    """Which runs of one budget are those of another, or that there are none; empty if all are its own."""
    run = table[(table.budget == budget) & (table.n + table.diverged > 0)]
    if run.empty:
        return f"Equal {budget}: not run."
    own = list(dict.fromkeys(run.method[run.same_as == ""]))
    same = [method for method in dict.fromkeys(run.method) if method not in own]
    if not same:
        return ""
    source = " or ".join(f"equal {other}" for other in dict.fromkeys(run.same_as[run.same_as != ""]))
    if not own:
        return f"At equal {budget} every run is one of {source}: this is no further evidence."
    if len(own) <= len(same):
        return f"At equal {budget} only {', '.join(own)} trained differently; all other runs are those of {source}."
    return f"At equal {budget} the runs of {', '.join(same)} are those of {source}."


def notes(table: pd.DataFrame, found: pd.DataFrame) -> str:
    usual = baseline_of(table)
    notes = [
        f"At the end of the budget: mean over seeds [95 % t interval], and the method minus {usual} by seed [95 % t"
        " interval]. Seeds won: with higher accuracy, or lower loss. Flipped: the share of training labels changed to"
        " another class; test labels are right.",
        "The half of the test set that chooses names the method of highest mean accuracy; the half that reports gives"
        f" its difference to {usual} and its p, so that the choice gains nothing by luck with images. A method with"
        " fewer usable seeds than others is passed over in the choice. The winner is tested against every other method"
        " in the same way.",
    ]
    if (found.seeds >= found.needed).any():
        notes.insert(1, wording.p_statement(int(found.tests.max()), "one setting and budget"))
    if beside := [method for method in dict.fromkeys(table.method[table.n > 0]) if not competes(method)]:
        notes.append(f"{', '.join(beside)}: longer than the budget, to be compared with, and not in the choice.")
    if "cosine" in set(table.schedule):
        notes.append(COSINE)
    if (table.imbalance != 1).any():
        notes.append(IMBALANCE)
    decided = int((found.seeds >= found.needed).sum())
    if decided:
        notes.append(_across(table, decided))
    if table.attrs["curves"].experiment.costs:
        notes.append(
            f"Time per update: training time as measured, relative to {usual}'s, with the passes that choose; at equal"
            " wall-clock a method makes so many times fewer updates."
        )
    if timed := timed_otherwise_statement(table):
        notes.append(timed)
    if table.diverged.any():
        notes.append(wording.DIVERGED)
    return " ".join((*notes, *wording.last_notes(table.attrs["curves"])))


def differing_from_authors(table: pd.DataFrame) -> Iterator[str]:
    """A bullet per method with runs that is not its authors'."""
    run = dict.fromkeys(table.method[table.n + table.diverged > 0])
    for method, words in DIFFERENCES.items():
        if names := [name for name in run if BY_NAME[name].method == method]:
            yield f"- {', '.join(names)}: {words}."


def _across(table: pd.DataFrame, decided: int) -> str:
    """What the many panels do to the claims."""
    tests, seeds = int((table.report_usable > 0).sum()), table.report_usable.max()
    least = min_attainable_p(seeds)
    whole = min(1.0, tests * least)
    note = (
        f"Every row of Who wins has its own {percent(LEVEL)} chance of a false claim: of {decided}, expect up to"
        f" {short(round(LEVEL * decided, 1))}."
    )
    if whole >= LEVEL:
        note += (
            f" The smallest p that {count(seeds, 'seed')} can give is {p_value(least)}; Holm over all {tests}"
            f" tests at once would make it {p_value(whole)}, and nothing could be significant, so it is taken row by"
            " row."
        )
    return note
