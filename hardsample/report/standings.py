"""Who wins among all methods, where, by how much, and where nothing does: the tables and the figure of a contest.

Everything here takes the curves of an experiment of :mod:`hardsample.experiments.rivals`. Accuracies are in %, their
differences in points. One half of the test set chooses the highest method, the other half reports: *significant* is
said of the reporting half alone, in words, counts and markers, but for the loss, which has no halves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from hardsample.errors import InputError
from hardsample.experiments import base_values
from hardsample.experiments.curves import Curves
from hardsample.experiments.rivals import BUDGETS, BY_NAME, NAMES, TIMED_OPTIONS
from hardsample.methods.loss_based import reading
from hardsample.methods.registry import DIFFERENCES
from hardsample.report import markup, stats, style, tables, wording

LEVEL = stats.LEVEL
_PAIRED = ("difference", "difference_low", "difference_high", "p", "p_holm", "seeds_won", "usable", "smallest")
COLUMNS = (
    *("panel", "schedule", "noise", "budget", "method", "same_as"),
    *("n", "diverged", "mean", "sd", "low", "high", *_PAIRED, "pairs"),
    *("choose_difference", "chosen", "report_mean", *(f"report_{column}" for column in _PAIRED)),
    *(f"gap_{column}" for column in _PAIRED),
    *("control", *(f"control_{column}" for column in _PAIRED)),
    *("loss", *(f"loss_{column}" for column in _PAIRED)),
    *("updates", "forwards", "backwards", "cost"),
)
WINNERS = (
    *("panel", "schedule", "noise", "budget", "verdict", "method", *_PAIRED, "pairs"),
    *("tests", "seeds", "needed", "better", "inconclusive", "above", "worse", "left_out"),
)
VERDICTS = ("wins", "highest inconclusive", "none above", "too few seeds", "not compared", "not run")

_MEASURES = {"": "acc/val", "choose_": "acc/choose", "report_": "acc/report", "loss_": "loss/val"}
_TESTED = ("", "report_", "gap_", "control_", "loss_")
_PASSES = {"updates": "step", "forwards": "forwards", "backwards": "backwards"}
_NOTHING = pd.DataFrame(columns=[*_MEASURES.values(), *_PASSES.values()], dtype=float)  # the ends of no run
_LOOKS = dict(
    zip(
        BUDGETS,
        (style.Style("#0072b2", "-", "o"), style.Style("#d55e00", "-", "D"), style.Style("#009e73", "-", "s")),
        strict=True,
    )
)
_SMALLEST = "smallest significant, about"
_STREAMS = ("LB", "PLB", "PEB")  # of base values
_COSINE = "Cosine: the learning rate falls to 0 at the end of the budget."
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_WIDTH, _GAP, _LEFT = 7.5, 0.17, 1.1  # of all axes side by side, between them, and on their left, inches
_BESIDE = {"xycoords": "axes fraction", "textcoords": "offset points", "rotation": 270, "va": "center"}
_BESIDE |= {"fontsize": style.RC["axes.titlesize"], "fontweight": "bold"}
_WORDS = {"va": "center_baseline", "ha": "left", "fontsize": 7, "color": style.QUIET}


def table(curves: Curves) -> pd.DataFrame:
    """One row per panel and method, from the last evaluation of every seed, which is the end of its budget.

    - ``same_as``: the earlier budget whose very runs these are, or "".
    - ``n``, ``diverged``: seeds that ended with a finite test accuracy, and the others; ``mean``, ``sd``, t interval
      ``low`` to ``high`` of that accuracy, on the whole test set; ``loss``: mean test loss; ``report_mean``: the
      accuracy on the half of the test set that reports.
    - ``report_difference``: the accuracy on that half minus the baseline's over the same seeds, with its t interval,
      exact sign-flip ``p``, ``p_holm`` adjusted over the methods run in the panel, ``smallest``, the smallest
      difference that would be significant, and the ``seeds_won`` of ``pairs`` seeds, of which ``usable`` diverged under
      neither. No p and no smallest difference where the seeds are too few for any (:func:`statistics.seeds_needed`).
      The same without a prefix: on the whole test set; ``loss_``: of the test loss, where less wins.
    - ``chosen``: True for the method of highest ``choose_difference``, the difference on the half that chooses, among
      those with as many usable seeds as any and the baseline, which stands at 0; one that does not keep to the budget
      is not among them. ``gap_``: the difference on the reporting half to the chosen method; ``control_``: to the
      method's ``control``, the entrant that has its learning rate or its number of updates, and does not choose.
    - ``updates``, ``forwards``, ``backwards``: means over seeds; ``cost``: the measured time of an update, relative to
      the baseline's.

    NaN where there is nothing to compare. ``attrs`` hold the ``curves``.

    Raises:
        InputError: the curves are not of a contest.
    """
    return _table(curves, _ends(curves))


def winners(table: pd.DataFrame) -> pd.DataFrame:
    """One row per panel of :func:`table`: which method wins, by how much, or that none does.

    - ``method``: the chosen one, with its difference to the baseline on the half of the test set that did not choose.
    - ``verdict``: it "wins" if that difference is significant and above 0. If not: "highest inconclusive" where other
      methods are significantly ``better`` than the baseline, "none above" where none is. "too few seeds" where no
      difference could be significant, since the ``seeds`` usable are fewer than the ``needed`` for so many ``tests``.
      "not compared" without usable runs of the baseline and of another method, "not run" without any run.
    - ``better``, ``worse``: the methods significantly above and below the baseline on the same half, furthest first.
      Of a winner: ``inconclusive``, the methods whose difference to it is not significant, and ``above``, those
      significantly above it. ``left_out``: those with fewer usable seeds than others, which the choice passed over.
    """
    curves, rows = table.attrs["curves"], []
    for panel, setting in _settings(curves).items():
        own = table[table.panel == panel]
        rows.append({"panel": panel} | dict(setting) | _verdict(own[own.method != curves.baseline], own))
    return pd.DataFrame(rows, columns=list(WINNERS))


def markdown(table: pd.DataFrame) -> str:
    """The contest for readers: in short, who wins in each panel, every method in each panel, and notes."""
    found = winners(table)
    held = table[(table.control_usable > 0) & (table.same_as == "")]
    blocks = [
        wording.heading(table.attrs["curves"].experiment, table.n + table.diverged),
        *("**In short**", _in_short(table, found)),
        *(
            "**Who wins**",
            _lines(_winners_header(table), (_winners_cells(row) for _, row in found.iterrows())),
        ),
        *("**Every method**", _lines(_methods_header(table), _methods_cells(table))),
    ]
    if len(held):
        blocks += ["**Against their controls**", _lines(_CONTROLS, (_control_cells(row) for _, row in held.iterrows()))]
    blocks.append(_notes(table, found))
    if differing := list(_differing(table)):
        blocks += ["**Otherwise than in the authors' code**", "\n".join(differing)]
    return "\n\n".join(blocks) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``-statistics.csv and .md and ``stem``-winners.csv, each whole or not at all.

    Equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    statistics_stem, winners_stem = (stem.with_name(f"{stem.name}-{kind}") for kind in ("statistics", "winners"))
    files = markup.write(statistics_stem, {"csv": markup.csv(table), "md": markdown(table)})
    return files + markup.write(winners_stem, {"csv": markup.csv(winners(table))})


def figure_data(curves: Curves) -> pd.DataFrame:
    """What :func:`figure` draws: a row per panel and method, without those that repeat the runs of another budget.

    Columns: panel, schedule, noise, budget, method; report_mean; report_difference with its t interval, report_p_holm,
    pairs, report_usable, as in :func:`table`; then each seed's difference in points on the half of the test set that
    reports, NaN where it is not run or diverged.

    Raises:
        InputError: the curves are not of a contest.
    """
    ends = _ends(curves)
    return _points(_table(curves, ends), ends)


def figure(curves: Curves) -> Figure:
    """Every method's difference to the baseline: rows are learning-rate schedules, columns shares of flipped labels.

    On the half of the test set that reports. In each axes a line per method and, in it, one per budget that has runs of
    its own: a dot for every seed, the mean, filled where it is significant, and its t interval.

    Raises:
        InputError: the curves are not of a contest.
    """
    ends, usual = _ends(curves), curves.baseline
    found = _table(curves, ends)
    points = _points(found, ends)
    order = list(BY_NAME)
    methods = sorted(set(found.method) - {usual}, key=order.index)
    schedules, noises = list(dict.fromkeys(found.schedule)), sorted(set(found.noise))
    budgets = [budget for budget in BUDGETS if (points.budget[points.pairs > 0] == budget).any()]
    with matplotlib.rc_context(style.RC):
        page, grid = style.page(
            (len(schedules), len(noises)),
            size=(_WIDTH / len(noises) - _GAP, len(methods) * (0.14 + 0.05 * max(len(budgets), 1))),
            gap=(_GAP, 0.5),
            right=0.34,
            bottom=0.42,
            heading=wording.data_statement(curves.experiment),
            handles=_handles(budgets, points),
            caption=_caption(found, points),
            left=_LEFT,
        )
        limits = _limits(points)
        for schedule, row in zip(schedules, grid, strict=True):
            for noise, axes in zip(noises, row, strict=True):
                here = points[(points.schedule == schedule) & (points.noise == noise)]
                _differences(axes, here, methods, usual, limits)
                axes.set_title(f"{_percent(noise)} flipped", loc="left")
                axes.tick_params(labelleft=noise == noises[0])
            row[-1].annotate(f"{schedule} learning rate", (1, 0.5), (8, 0), **_BESIDE)
        for axes in grid[-1]:
            axes.set_xlabel(f"difference to {usual}, points")
    return page


def _usual(table: pd.DataFrame) -> str:
    """The baseline of the curves behind a table."""
    return table.attrs["curves"].baseline


def _settings(curves: Curves) -> dict[str, Mapping]:
    """The setting of every panel."""
    settings = {panel: setting for panel, setting in curves.experiment.settings.items() if setting}
    if not settings:
        raise InputError(
            f"standings need panels with settings, and those of {curves.experiment.name} have none:"
            f" give the curves of {' or '.join(NAMES)}."
        )
    return settings


def _before(one: Mapping, other: Mapping) -> bool:
    """Whether two settings differ in the budget alone, and that of ``one`` comes first."""
    alike = all(one[of] == other[of] for of in ("schedule", "noise"))
    return alike and BUDGETS.index(one["budget"]) < BUDGETS.index(other["budget"])


def _ends(curves: Curves) -> dict[tuple[str, str], pd.DataFrame]:
    """Each seed's last evaluation, by seed, for every panel and method with runs; no metrics for one that diverged."""
    columns = list(_NOTHING.columns)
    own = curves.frame[curves.frame.panel.isin(_settings(curves))]
    last = own.sort_values("step").drop_duplicates(["panel", "method", "seed"], keep="last")
    last = last.astype(dict.fromkeys(columns, float)).sort_values("seed").set_index("seed")
    metrics = list(_MEASURES.values())
    last[metrics] = last[metrics].where(np.isfinite(last[metrics]) & np.isfinite(last[["acc/val"]].to_numpy()))
    last[metrics[:3]] *= 100
    return {cell: rows[columns] for cell, rows in last.groupby(["panel", "method"], sort=False, observed=True)}


def _table(curves: Curves, ends: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """The rows of :func:`table`, from every method's last evaluations."""
    settings, layout = _settings(curves), curves.layout
    rows = []
    for panel, setting in settings.items():
        own = {method: ends.get((panel, method), _NOTHING) for method in layout.get(panel, ())}
        earlier = [other for other in settings if _before(settings[other], setting)]
        for method, row in _panel(own, curves.baseline).items():
            same = (other for other in earlier if len(own[method]) and own[method].equals(ends.get((other, method))))
            same_as = next((settings[other]["budget"] for other in same), "")
            cost = curves.experiment.costs.get(method, np.nan)
            rows.append({"panel": panel, **setting, "method": method, "same_as": same_as, "cost": cost} | row)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = [f"{kind}{column}" for kind in _TESTED for column in _PAIRED]
    found = found.astype(dict.fromkeys(numbers, float))
    for kind in _TESTED:
        given = [f"{kind}{name}" for name in ("p", "difference_low", "difference_high", "usable")]
        tested = [f"{kind}{name}" for name in ("p", "p_holm", "smallest")]
        for _, rows in found.groupby("panel", sort=False):
            found.loc[rows.index, tested] = np.column_stack(stats.family(*(rows[name] for name in given)))
    found.attrs = {"curves": curves}
    return found


def _missing(curves: Curves) -> str:
    """How many runs are missing, and of which methods there is none; "" if all are there."""
    listed = dict.fromkeys(method for methods in curves.layout.values() for method in methods)
    absent = [method for method in listed if method not in set(curves.frame.method)]
    none = f" (none done of {', '.join(absent)})" if absent and len(absent) < len(listed) else ""
    return wording.missing_count(curves, none)


def _panel(ends: Mapping[str, pd.DataFrame], usual: str) -> dict[str, dict]:
    """The rows of one panel by method, with p not yet adjusted, from every method's last evaluations."""
    rows = {method: _row(own, ends.get(usual, _NOTHING), method == usual) for method, own in ends.items()}
    for method, own in ends.items():
        control = BY_NAME[method].control
        if control in ends:
            rows[method] |= {"control": control} | _compared("control_", own["acc/report"], ends[control]["acc/report"])
    usable = {method: row.get("usable", 0) for method, row in rows.items() if method != usual and _competes(method)}
    if not max(usable.values(), default=0):
        return rows
    fullest = [method for method, seeds in usable.items() if seeds == max(usable.values())]
    chosen = max((usual, *fullest), key=lambda method: rows[method]["choose_difference"])
    rows[chosen]["chosen"] = True
    for method, own in ends.items():
        if method != chosen:
            rows[method] |= _compared("gap_", own["acc/report"], ends[chosen]["acc/report"])
    return rows


def _competes(method: str) -> bool:
    """Does the method keep to the budget?"""
    return BY_NAME[method].times == 1


def _row(own: pd.DataFrame, twins: pd.DataFrame, is_usual: bool) -> dict:
    accuracy = stats.summary(own["acc/val"])
    row = {"n": accuracy.n, "diverged": accuracy.diverged, "mean": accuracy.mean, "sd": accuracy.sd, "chosen": False}
    row |= {"low": accuracy.interval.low, "high": accuracy.interval.high, "loss": own["loss/val"].mean()}
    row |= {name: own[column].mean() for name, column in _PASSES.items()}
    row["report_mean"] = own["acc/report"].mean()
    if is_usual:
        return row | {"choose_difference": 0.0}
    for kind, metric in _MEASURES.items():
        row |= _compared(kind, own[metric], twins[metric], higher_is_better=metric.startswith("acc"))
    return row


def _compared(kind: str, own: pd.Series, twins: pd.Series, *, higher_is_better: bool = True) -> dict[str, float]:
    """The paired columns of that kind, without those that depend on the other tests."""
    compared = tables.compared(own, twins, higher_is_better=higher_is_better)
    return {f"{kind}{name}": value for name, value in compared.items()}


def _verdict(rivals: pd.DataFrame, everyone: pd.DataFrame) -> dict:
    """The columns of :func:`winners` after the setting, from the rows of one panel, without and with the baseline."""
    tests = int((rivals.report_usable > 0).sum())
    competing = rivals[rivals.method.map(_competes).astype(bool)]  # an empty one has no bools of its own
    if not (competing.usable > 0).any():
        return {"verdict": "not compared" if (everyone.n + everyone.diverged).any() else "not run", "tests": 0}
    chosen = everyone[everyone.chosen.astype(bool)].iloc[0]
    seeds, needed = int(competing.usable.max()), stats.seeds_needed(tests)
    significant = rivals[rivals.report_p_holm < LEVEL].sort_values("report_difference", ascending=False)
    better, worse = significant[significant.report_difference > 0], significant[significant.report_difference < 0]
    by_gap = rivals.sort_values("gap_difference", ascending=False)
    inconclusive = by_gap[(by_gap.gap_p_holm >= LEVEL) & (by_gap.usable == seeds)]
    above = by_gap[(by_gap.gap_p_holm < LEVEL) & (by_gap.gap_difference > 0)]
    left_out = competing[(competing.n + competing.diverged > 0) & (competing.usable < seeds)]
    wins = chosen.method in set(better.method)
    if seeds < needed:
        verdict = "too few seeds"
    else:
        verdict = "wins" if wins else "highest inconclusive" if len(better) else "none above"
    return {
        "verdict": verdict,
        "method": chosen.method,
        **{column: chosen[f"report_{column}"] for column in _PAIRED},
        "pairs": chosen.pairs,
        "tests": tests,
        "seeds": seeds,
        "needed": needed,
        "better": ", ".join(better.method),
        "inconclusive": ", ".join(inconclusive.method) if wins else "",
        "above": ", ".join(above.method) if wins else "",
        "worse": ", ".join(worse.method[::-1]),
        "left_out": ", ".join(f"{row.method} ({row.usable:.0f} of {seeds})" for row in left_out.itertuples()),
    }


def _count(number: float, word: str) -> str:
    return f"{number:.0f} {word}{'' if number == 1 else 's'}"


def _in_short(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """A bullet per budget, and one each for what "significant" means and for what is unequal besides the choice."""
    bullets = []
    for budget in BUDGETS:
        own = found[found.budget == budget]
        sentences = [_repeated(table, budget)]
        if own.verdict.ne("not run").any():
            usual, rows = _usual(table), table[table.budget == budget]
            heading = f"Equal {budget}, {_count(len(own), 'setting')}:"
            sentences = [heading, *_sentences(own, usual), *_against_controls(rows), _divergence(rows), *sentences]
        bullets.append(" ".join(filter(None, sentences)))
    bullets += [_significance(found), _unequal(table), _no_pretraining(table)]
    return "\n".join(f"- {bullet}" for bullet in bullets if bullet)


def _sentences(found: pd.DataFrame, usual: str) -> Iterator[str]:
    """What is said of the panels of one budget, verdict by verdict."""
    by_verdict = {verdict: found[found.verdict == verdict] for verdict in VERDICTS}
    wins = by_verdict["wins"]
    for method in wins.method.value_counts().index:
        own = wins[wins.method == method]
        low, high = (f"{bound:+.1f}" for bound in (own.difference.min(), own.difference.max()))
        size = low if low == high else f"{low} to {high}"
        places = {name: int((own[name] != "").sum()) for name in ("inconclusive", "above")}
        told = [
            f"{'there' if count == len(own) else f'in {count}'} {words}"
            for count, words in (
                (places["inconclusive"], "its difference to others is inconclusive"),
                (places["above"], "one beyond the budget is significantly above it"),
            )
            if count
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
        yield f"**Too few seeds in {len(own)}**: {_where(own)}. {_too_few(own)}"
    for verdict in ("not compared", "not run"):
        if len(own := by_verdict[verdict]):
            yield f"{verdict[0].upper()}{verdict[1:]} in {len(own)}: {_where(own)}."
    for side, column in (("above", "better"), ("below", "worse")):
        methods = found[column].dropna().str.split(", ").explode()
        counts = methods[methods.ne("")].value_counts(sort=True)
        if len(counts):
            names = ", ".join(f"{method} in {count}" for method, count in counts.items())
            yield f"Significantly {side} {usual}: {names}."


def _against_controls(table: pd.DataFrame) -> Iterator[str]:
    """In how many panels of one budget a method is above, below or neither, held against its control."""
    for method, rows in table[table.control_p_holm.notna() & (table.same_as == "")].groupby("method", sort=False):
        told = rows.control_p_holm < LEVEL
        above, below = (int((told & sign).sum()) for sign in (rows.control_difference > 0, rows.control_difference < 0))
        counts = {"significantly above it": above, "significantly below it": below, "inconclusive": int((~told).sum())}
        parts = ", ".join(f"{words} in {count}" for words, count in counts.items() if count)
        yield f"{method} against {rows.control.iloc[0]}: {parts}."


def _significance(found: pd.DataFrame) -> str:
    """What "significant" means here; "" where nothing can be."""
    if not (found.seeds >= found.needed).any():
        return ""
    return (
        f"Significant: p < {LEVEL:g}, two-sided exact sign-flip test by seed on the half of the test set that did not"
        " choose, adjusted by Holm over the methods run in one setting and budget. The tests cover seeds, not the"
        " choice of test images."
    )


def _unequal(table: pd.DataFrame) -> str:
    """Which methods differ from the baseline in learning rate, in updates or in wall-clock, computed from the runs."""
    usual, rates = _usual(table), table.attrs["curves"].experiment.rates
    run = table[(table.n + table.diverged > 0) & (table.same_as == "")]
    updates = run.updates / run.panel.map(table[table.method == usual].set_index("panel").updates)
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
    names = [f"{method} {ratio:g}" for method, ratio in means.items() if ratio != 1 and np.isfinite(ratio)]
    return f"{what} of {', '.join(names)}" if names else ""


def _no_pretraining(table: pd.DataFrame) -> str:
    """That the streams of base values start without the pre-training of paper A's default, if they do."""
    run = set(table.method[table.n + table.diverged > 0])
    streams = [method for method in _STREAMS if method in run]
    if not streams or set(table.attrs["curves"].frame.pretrain_epochs) != {0}:
        return ""
    paper = base_values.PROFILES["paper"]
    return (
        f"No run here has a pre-training: {', '.join(streams)} start with the first update, where paper A's default has"
        f" {paper.defaults['pretrain_epochs']:g} of {paper.epochs:g} epochs of MB before them."
    )


def _timed_otherwise(table: pd.DataFrame) -> str:
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
    names = [f"{row.Index} {row.diverged} of {row.seeds} runs" for row in sums.itertuples() if row.diverged]
    return f"Diverged: {', '.join(names)}." if names else ""


def _where(found: pd.DataFrame) -> str:
    """Settings of one budget: "constant 0, 10 %; cosine 0 %"."""
    schedules = found.groupby("schedule", sort=False).noise
    return "; ".join(f"{schedule} {', '.join(f'{100 * n:g}' for n in noises)} %" for schedule, noises in schedules)


def _too_few(found: pd.DataFrame) -> str:
    """Why nothing can be significant, and how many seeds it takes."""
    fullest = found.loc[found.seeds.astype(float).idxmax()]
    return (
        f"With {_count(fullest.seeds, 'seed')} no difference among {_count(fullest.tests, 'test')} can be significant,"
        f" whatever its size, and differences have no p; it takes {fullest.needed:.0f} seeds."
    )


def _repeated(table: pd.DataFrame, budget: str) -> str:
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


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, without the columns that have nothing in them."""
    rows = list(rows)
    kept = [place for place in range(len(header)) if any(row[place] for row in rows)]
    header, *rows = ([row[place] for place in kept] for row in (header, *rows))
    return markup.markdown_table(header, rows)


def _winners_header(table: pd.DataFrame) -> tuple[str, ...]:
    usual = _usual(table)
    return (
        *("learning rate", "labels flipped", "equal", "who wins", "highest on one half of the test set"),
        *(f"- {usual} on the other half, points", "p (Holm)", _SMALLEST, "seeds won"),
        *(f"significantly above {usual}", "inconclusive against the winner", "significantly above the winner"),
        *(f"significantly below {usual}", "passed over: fewer usable seeds"),
    )


def _winners_cells(row: pd.Series) -> tuple[str, ...]:
    winner = f"**{row.method}**" if row.verdict == "wins" else row.verdict
    if not row.tests:
        return (*_setting_cells(row), winner, *("",) * 10)
    lists = (row.better, row.inconclusive, row.above, row.worse, row.left_out)
    return (*_setting_cells(row), winner, row.method, *_paired_cells(row), *lists)


_CONTROLS = (
    *("learning rate", "labels flipped", "equal", "method", "control"),
    *("method - control on the reporting half, points", "p (Holm)", _SMALLEST, "seeds won"),
)


def _control_cells(row: pd.Series) -> tuple[str, ...]:
    return (*_setting_cells(row), row.method, row.control, *_paired_cells(row, "control_"))


def _methods_header(table: pd.DataFrame) -> tuple[str, ...]:
    usual = _usual(table)
    tested = ("p (Holm)", _SMALLEST, "seeds won")
    return (
        *("learning rate", "labels flipped", "equal", "method"),
        *("test accuracy, %", f"- {usual} on the reporting half, points", *tested),
        *("test loss", f"- {usual}, whole test set", *tested),
        *("updates", "forward passes", "backward passes", "time per update"),
    )


def _methods_cells(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """A line per method with runs of its own, and one each for the others of a panel."""
    for _, rows in table.groupby("panel", sort=False):
        done = rows.n + rows.diverged > 0
        setting = _setting_cells(rows.iloc[0])
        for _, row in rows[done & (rows.same_as == "")].iterrows():
            yield (*setting, row.method, *_method_cells(row))
        for budget, same in rows[rows.same_as != ""].groupby("same_as"):
            yield (*setting, ", ".join(same.method), f"as at equal {budget}", *("",) * 13)
        if not done.all():
            yield (*setting, ", ".join(rows.method[~done]), "not run", *("",) * 13)


def _method_cells(row: pd.Series) -> tuple[str, ...]:
    accuracy = wording.with_interval(row["mean"], row.low, row.high, digits=2) if row.n else ""
    diverged = f"{row.diverged} diverged" if row.diverged else ""
    accuracy = f"{accuracy} ({diverged})" if accuracy and diverged else accuracy or diverged
    loss = f"{row.loss:.3f}" if np.isfinite(row.loss) else ""
    passes = (f"{row[name]:,.0f}" if np.isfinite(row[name]) else "" for name in _PASSES)
    cost = f"{row.cost:g}" if np.isfinite(row.cost) else ""
    return (accuracy, *_paired_cells(row, "report_"), loss, *_paired_cells(row, "loss_", 3), *passes, cost)


def _setting_cells(row: pd.Series) -> tuple[str, str, str]:
    return row.schedule, _percent(row.noise), row.budget


def _paired_cells(row: pd.Series, kind: str = "", digits: int = 2) -> tuple[str, str, str, str]:
    """The difference with its interval, p, the smallest that would be significant, the seeds won."""
    difference, low, high, _, p, won, _, smallest = (row[f"{kind}{column}"] for column in _PAIRED)
    if not np.isfinite(difference):
        return "", "", "", ""
    return (
        wording.with_interval(difference, low, high, "+", digits),
        f"{p:.2g}" if np.isfinite(p) else "",
        f"{smallest:.{digits}f}" if np.isfinite(smallest) else "none",
        f"{won:.0f}/{row.pairs:.0f}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _notes(table: pd.DataFrame, found: pd.DataFrame) -> str:
    usual = _usual(table)
    notes = [
        "Metrics at the end of the budget: mean over seeds [95 % t interval of the mean]. Flipped labels are training"
        " labels changed to another class; those of the test set are right. Differences are paired by seed: method"
        f" minus {usual} [95 % t interval], of the accuracy on the half of the test set that reports, of the loss on"
        " the whole test set. p: two-sided exact sign-flip test, adjusted by Holm over the methods run in one setting"
        " and budget; there is none where the seeds are too few for any difference to be significant. Smallest"
        " significant: from the spread of the differences seen, by Student's t at the level of Holm's first step, and"
        " so about what the exact test needs. A seed is won by higher accuracy, or lower loss.",
        f"Who wins: the method of highest mean accuracy on one half of the test set, if on the other half it is above"
        f" {usual} with an adjusted p < {LEVEL:g}; all that is called significant is of that other half and that p."
        " The choice so gains nothing from lucky test examples; the seeds are the same on both halves, and against"
        " their luck stands Holm's adjustment over all methods. Methods with fewer usable seeds than others, diverged"
        " or not run, are passed over in the choice. The winner is tested against every method in the same way, Holm"
        " over them; inconclusive is what is not significant.",
    ]
    if beside := [method for method in dict.fromkeys(table.method[table.n > 0]) if not _competes(method)]:
        notes.append(f"{', '.join(beside)}: longer than the budget, to be compared with, and not in the choice.")
    if "cosine" in set(table.schedule):
        notes.append(_COSINE)
    decided = int((found.seeds >= found.needed).sum())
    if decided:
        notes.append(_across(table, decided))
    if table.attrs["curves"].experiment.costs:
        notes.append(
            f"Time per update: training time as measured, relative to {usual}'s, with the passes that choose; at equal"
            " wall-clock a method makes so many times fewer updates."
        )
    if timed := _timed_otherwise(table):
        notes.append(timed)
    if table.diverged.any():
        notes.append("Diverged seeds are left out of means and differences, and are never won.")
    return " ".join((*notes, *wording.last_notes(table.attrs["curves"], _missing)))


def _differing(table: pd.DataFrame) -> Iterator[str]:
    """A bullet per method with runs that is not its authors'."""
    run = dict.fromkeys(table.method[table.n + table.diverged > 0])
    for method, words in DIFFERENCES.items():
        if names := [name for name in run if BY_NAME[name].method == method]:
            yield f"- {', '.join(names)}: {words}."


def _across(table: pd.DataFrame, decided: int) -> str:
    """What the many panels do to the claims."""
    tests, seeds = int((table.report_usable > 0).sum()), table.report_usable.max()
    whole = min(1.0, tests * 2.0 ** (1 - seeds))
    note = (
        f"Every row of Who wins has its own 5 % chance of a claim that is not so: of {decided}, expect up to"
        f" {LEVEL * decided:.1g}."
    )
    if whole >= LEVEL:
        note += (
            f" The smallest p that {_count(seeds, 'seed')} can give is {2.0 ** (1 - seeds):.2g}; Holm over all {tests}"
            f" tests at once would make it {whole:.2g}, and nothing could be significant, so it is taken row by row."
        )
    return note


def _points(found: pd.DataFrame, ends: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """The rows of :func:`figure_data`, from those of :func:`table`."""
    usual = _usual(found)
    found = found[(found.same_as == "") & (found.n + found.diverged > 0)].reset_index(drop=True)
    reported = (f"report_{column}" for column in ("mean", *_PAIRED[:3], "p_holm", "usable"))
    kept = ("panel", "schedule", "noise", "budget", "method", *reported, "pairs")
    differences = [
        (ends[panel, method]["acc/report"] - ends.get((panel, usual), _NOTHING)["acc/report"]).rename(place)
        for place, (panel, method) in enumerate(zip(found.panel, found.method, strict=True))
        if method != usual
    ]
    seeds = pd.concat(differences, axis=1).T.sort_index(axis=1) if differences else pd.DataFrame()
    return found[list(kept)].join(seeds.rename(columns=lambda seed: f"seed {seed:.0f}"))


def _differences(axes: Axes, points: pd.DataFrame, methods: Sequence[str], usual: str, limits: Sequence[float]) -> None:
    """Draw one schedule and one share of flipped labels, given their rows of :func:`figure_data`."""
    axes.set_xscale("function", functions=(_scale, _unscale))
    axes.set_xlim(*limits)
    ticks = _ticks(limits, 0.26 / (axes.get_position().width * axes.figure.get_figwidth()))
    axes.set_xticks(ticks, [f"{tick:+g}".replace("-", "\N{MINUS SIGN}") if tick else "0" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_yticks(range(len(methods)), methods)
    axes.tick_params(axis="y", length=0, pad=2, labelsize=7.5)
    axes.grid(axis="y", visible=False)
    for place in range(0, len(methods), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    twins = points[(points.method == usual) & points.report_mean.notna()]
    if points.empty or twins.empty:
        text = "not run" if points.empty else f"{usual} not run: no differences"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=style.QUIET, fontsize=9)
        return
    axes.axvline(0, color=style.QUIET, linewidth=0.9, zorder=1)
    title = f"{usual} {twins.report_mean.iloc[0]:.1f} %"
    axes.set_title(title, loc="right", color=style.QUIET, fontsize=7.5, fontweight="normal")
    for place, method in enumerate(methods):
        rows = points[(points.method == method) & (points.pairs > 0)]
        for number, (_, row) in enumerate(rows.iterrows()):
            _comparison(axes, row, place + 0.27 * (number - (len(rows) - 1) / 2))
        if rows.empty:
            axes.text(0.03, place, "not run", transform=axes.get_yaxis_transform(), **_WORDS)


def _comparison(axes: Axes, row: pd.Series, height: float) -> None:
    """Draw one method under one budget: its seeds, their mean and its interval."""
    look = _LOOKS[row.budget]
    seeds = row[[column for column in row.index if column.startswith("seed ")]].astype(float)
    if np.isfinite(row.report_difference_low):
        ends = (row.report_difference_low, row.report_difference_high)
        axes.plot(ends, (height, height), color=look.color, linewidth=3.2, alpha=0.3, solid_capstyle="butt")
    axes.plot(seeds, np.full(len(seeds), height), ".", color=look.color, markersize=4, markeredgewidth=0, alpha=0.8)
    filled = look.color if row.report_p_holm < LEVEL else "white"
    axes.plot(
        row.report_difference,
        height,
        look.marker,
        color=look.color,
        markerfacecolor=filled,
        markersize=4.2,
        markeredgewidth=1,
        zorder=4,
    )
    if row.report_usable < row.pairs:
        text = f"×{row.pairs - row.report_usable:.0f}"
        axes.text(0.01, height, text, transform=axes.get_yaxis_transform(), **_WORDS | {"color": look.color})


def _limits(points: pd.DataFrame) -> tuple[float, float]:
    """The ends of the figure's axis: all seeds, all intervals, and 0 lie within."""
    drawn = points[[column for column in points if column.startswith(("seed ", "report_difference"))]].to_numpy(float)
    low, high = (_scale(bound(drawn[np.isfinite(drawn)], initial=0.0)) for bound in (np.min, np.max))
    room = max(high - low, 0.2)
    left = 0.14 if (points.report_usable < points.pairs).any() else 0.05
    return float(_unscale(low - left * room)), float(_unscale(high + 0.05 * room))


def _scale(points):
    """Linear to one point, logarithmic beyond, with no bend between."""
    size = np.abs(points)
    return np.sign(points) * np.where(size <= 1, size, 1 + np.log(np.maximum(size, 1)))


def _unscale(scaled):
    size = np.abs(scaled)
    return np.sign(scaled) * np.where(size <= 1, size, np.exp(np.maximum(size, 1) - 1))


def _ticks(limits: Sequence[float], apart: float) -> list[float]:
    """0, and what stands apart on both of its sides by that share of the axis."""
    apart *= _scale(limits[1]) - _scale(limits[0])
    ticks = [0.0]
    for sign in (-1, 1):
        last = 0.0
        for size in _TICKS:
            if limits[0] <= sign * size <= limits[1] and _scale(size) - _scale(last) >= apart:
                ticks.append(sign * size)
                last = size
    return sorted(ticks)


def _handles(budgets: Iterable[str], points: pd.DataFrame) -> list[Line2D]:
    looks = {f"equal {budget}": (_LOOKS[budget], _LOOKS[budget].color) for budget in budgets}
    quiet = style.Style(style.QUIET, "", "o")
    if points.report_p_holm.notna().any():
        looks |= {"significant": (quiet, style.QUIET), "inconclusive": (quiet, "white")}
    return [
        Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markerfacecolor=face, label=label)
        for label, (look, face) in looks.items()
    ]


def _caption(found: pd.DataFrame, points: pd.DataFrame) -> str:
    usual = _usual(found)
    verdicts = winners(found)
    parts = [
        f"Test accuracy at the end of the budget minus {usual}'s (whose mean stands above the axes), on the half of the"
        " test set that did not choose the highest, in percentage points, paired by seed.",
        f"Dots: seeds, {wording.seeds_in_words(points.pairs)}; markers: their mean, filled where significant; bars:"
        " 95 % t interval of the mean."
        if (points.report_usable > 0).any()
        else "Nothing can be compared yet.",
        _significance(verdicts),
    ]
    undecided = verdicts[verdicts.verdict == "too few seeds"]
    if len(undecided):
        parts.append(_too_few(undecided))
    parts.append(
        "Flipped: the share of training labels changed to another class; test labels are right. The axes are linear"
        " to ±1 point, logarithmic beyond."
    )
    parts += [_repeated(found, budget) for budget in BUDGETS]
    parts += [_unequal(found), _no_pretraining(found), _timed_otherwise(found)]
    if "cosine" in set(found.schedule):
        parts.append(_COSINE)
    if (points.report_usable < points.pairs).any():
        parts.append("×k: k seeds diverged, left out of mean and interval.")
    return " ".join(part for part in (*parts, *wording.last_notes(found.attrs["curves"], _missing)) if part)
