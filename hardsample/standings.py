"""Who wins among all methods, where, by how much, and where nothing does: the tables and the figure of a contest.

Everything here takes the curves of an experiment of :mod:`hardsample.contest`. Accuracies are in %, their differences
in points.
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

from hardsample import canvas, figures, outputs, statistics, tables
from hardsample.contest import BUDGETS, NAMES
from hardsample.errors import InputError

LEVEL = statistics.LEVEL
_PAIRED = ("difference", "difference_low", "difference_high", "p", "p_holm", "seeds_won")
COLUMNS = (
    *("panel", "schedule", "noise", "budget", "method", "same_as"),
    *("n", "diverged", "mean", "sd", "low", "high", *_PAIRED, "pairs", "usable"),
    *("choose_difference", "chosen", *(f"report_{column}" for column in _PAIRED)),
    *(f"gap_{column}" for column in _PAIRED),
    *("loss", *(f"loss_{column}" for column in _PAIRED)),
    *("updates", "forwards", "backwards", "cost"),
)
WINNERS = (
    *("panel", "schedule", "noise", "budget", "verdict", "method", *_PAIRED, "pairs"),
    *("tests", "usable", "least_p", "better", "level", "worse", "left_out"),
)
VERDICTS = ("wins", "no single winner", "nothing wins", "cannot be told", "not compared", "not run")

_MEASURES = {"": "acc/val", "choose_": "acc/choose", "report_": "acc/report", "loss_": "loss/val"}
_TESTED = ("", "report_", "gap_", "loss_")
_PASSES = {"updates": "step", "forwards": "forwards", "backwards": "backwards"}
_NOTHING = pd.DataFrame(columns=[*_MEASURES.values(), *_PASSES.values()], dtype=float)  # the ends of no run
_LOOKS = dict(
    zip(
        BUDGETS,
        (canvas.Style("#0072b2", "-", "o"), canvas.Style("#d55e00", "-", "D"), canvas.Style("#009e73", "-", "s")),
        strict=True,
    )
)
_COSINE = "Cosine: the learning rate falls to 0 at the end of the budget."
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_WIDTH, _GAP, _LEFT = 7.5, 0.17, 0.82  # of all axes side by side, between them, and on their left, inches
_BESIDE = {"xycoords": "axes fraction", "textcoords": "offset points", "rotation": 270, "va": "center"}
_BESIDE |= {"fontsize": canvas.RC["axes.titlesize"], "fontweight": "bold"}
_WORDS = {"va": "center_baseline", "ha": "left", "fontsize": 7, "color": canvas.QUIET}


def table(curves: pd.DataFrame) -> pd.DataFrame:
    """One row per panel and method, from the last evaluation of every seed, which is the end of its budget.

    - ``same_as``: the earlier budget whose very runs these are, or "".
    - ``n``, ``diverged``: seeds that ended with a finite test accuracy, and the others; ``mean``, ``sd``, t interval
      ``low`` to ``high`` of that accuracy; ``loss``: mean test loss.
    - ``difference``: the accuracy minus the baseline's over the same seeds, with its t interval, exact sign-flip
      ``p``, ``p_holm`` adjusted over the methods of the panel, and the ``seeds_won`` of ``pairs`` seeds, of which
      ``usable`` diverged under neither. ``loss_``: the same for the test loss, where less wins.
    - ``chosen``: True for the method of highest ``choose_difference``, the difference on one half of the test set,
      among those with as many usable seeds as any and the baseline, which stands at 0. ``report_``: the difference
      on the other half; ``gap_``: on that half too, but to the chosen method.
    - ``updates``, ``forwards``, ``backwards``: means over seeds; ``cost``: the measured time of an update, relative to
      the baseline's.

    NaN where there is nothing to compare. ``attrs`` are those of the curves.

    Raises:
        InputError: the curves are not of a contest.
    """
    return _table(curves, _ends(curves))


def winners(table: pd.DataFrame) -> pd.DataFrame:
    """One row per panel of :func:`table`: which method wins, by how much, or that none does.

    - ``method``: the chosen one, with its difference to the baseline on the half of the test set that did not choose.
    - ``verdict``: it "wins" if that difference is above 0 and ``p_holm`` < ``LEVEL``. If not: "no single winner" where
      other methods are established to be ``better`` than the baseline, "nothing wins" where none is. "cannot be told"
      where no result could have been established: ``least_p``, the smallest ``p_holm`` that ``usable`` seeds and the
      ``tests`` of the panel can give, is not below ``LEVEL``. "not compared" without usable runs of the baseline
      and of another method, "not run" without any run.
    - ``better``, ``worse``: the methods established to differ from the baseline on the same half, furthest first;
      ``level``: those not established to fall short of a winner; ``left_out``: those with fewer usable seeds than
      others, which the choice passed over.
    """
    usual, everyone = figures.baseline(table), _bare(table)
    rows = []
    for panel, setting in _settings(table).items():
        own = everyone[everyone.panel == panel]
        rows.append({"panel": panel} | dict(setting) | _verdict(own[own.method != usual], own))
    found = pd.DataFrame(rows, columns=list(WINNERS))
    found.attrs = dict(table.attrs)
    return found


def markdown(table: pd.DataFrame) -> str:
    """The contest for readers: in short, who wins in each panel, every method in each panel, and notes."""
    found = winners(table)
    blocks = (
        tables.heading(table),
        *("**In short**", _in_short(table, found)),
        *("**Who wins**", _lines(_winners_header(table), (_winners_cells(row) for _, row in _bare(found).iterrows()))),
        *("**Every method**", _lines(_methods_header(table), _methods_cells(_bare(table)))),
        _notes(table, found),
    )
    return "\n\n".join(blocks) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``-statistics.csv and .md and ``stem``-winners.csv, each whole or not at all.

    Equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    statistics_stem, winners_stem = (stem.with_name(f"{stem.name}-{kind}") for kind in ("statistics", "winners"))
    files = outputs.write(statistics_stem, {"csv": outputs.csv(table), "md": markdown(table)})
    return files + outputs.write(winners_stem, {"csv": outputs.csv(winners(table))})


def figure_data(curves: pd.DataFrame) -> pd.DataFrame:
    """What :func:`figure` draws: a row per panel and method, without those that repeat the runs of another budget.

    Columns: panel, schedule, noise, budget, method; mean; difference with its t interval, p_holm, pairs, usable, as in
    :func:`table`; then each seed's difference in points, NaN where it is not run or diverged.

    Raises:
        InputError: the curves are not of a contest.
    """
    ends = _ends(curves)
    return _points(_table(curves, ends), ends)


def figure(curves: pd.DataFrame) -> Figure:
    """Every method's difference to the baseline: rows are learning-rate schedules, columns shares of flipped labels.

    In each axes a line per method and, in it, one per budget that has runs of its own: a dot for every seed, the mean,
    filled where it is established, and its t interval.

    Raises:
        InputError: the curves are not of a contest.
    """
    ends, usual = _ends(curves), figures.baseline(curves)
    found = _table(curves, ends)
    points = _points(found, ends)
    methods = [method for method in dict.fromkeys(found.method) if method != usual]
    schedules, noises = list(dict.fromkeys(found.schedule)), sorted(set(found.noise))
    budgets = [budget for budget in BUDGETS if (points.budget[points.pairs > 0] == budget).any()]
    with matplotlib.rc_context(canvas.RC):
        page, grid = canvas.page(
            (len(schedules), len(noises)),
            size=(_WIDTH / len(noises) - _GAP, len(methods) * (0.14 + 0.05 * max(len(budgets), 1))),
            gap=(_GAP, 0.5),
            right=0.34,
            bottom=0.42,
            heading=figures.data_statement(curves),
            handles=_handles(budgets),
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


def _settings(frame: pd.DataFrame) -> dict[str, Mapping]:
    """The setting of every panel."""
    settings = {panel: setting for panel, setting in frame.attrs.get("settings", {}).items() if setting}
    if not settings:
        raise InputError(
            f"standings need panels with settings, and those of {frame.attrs.get('name', 'these curves')} have none:"
            f" give the curves of {' or '.join(NAMES)}."
        )
    return settings


def _bare(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without its attrs, which pandas copies, deeply, with every row that is taken from it."""
    bare = frame.copy(deep=False)
    bare.attrs = {}
    return bare


def _before(one: Mapping, other: Mapping) -> bool:
    """Whether two settings differ in the budget alone, and that of ``one`` comes first."""
    alike = all(one[of] == other[of] for of in ("schedule", "noise"))
    return alike and BUDGETS.index(one["budget"]) < BUDGETS.index(other["budget"])


def _ends(curves: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Each seed's last evaluation, by seed, for every panel and method with runs; no metrics for one that diverged."""
    columns = list(_NOTHING.columns)
    own = _bare(curves)[curves.panel.isin(_settings(curves))]
    last = own.sort_values("step").drop_duplicates(["panel", "method", "seed"], keep="last")
    last = last.astype(dict.fromkeys(columns, float)).sort_values("seed").set_index("seed")
    metrics = list(_MEASURES.values())
    last[metrics] = last[metrics].where(np.isfinite(last[metrics]) & np.isfinite(last[["acc/val"]].to_numpy()))
    last[metrics[:3]] *= 100
    return {cell: rows[columns] for cell, rows in last.groupby(["panel", "method"], sort=False, observed=True)}


def _table(curves: pd.DataFrame, ends: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """The rows of :func:`table`, from every method's last evaluations."""
    settings, layout = _settings(curves), figures.layout(curves)
    rows = []
    for panel, setting in settings.items():
        own = {method: ends.get((panel, method), _NOTHING) for method in layout.get(panel, ())}
        earlier = [other for other in settings if _before(settings[other], setting)]
        for method, row in _panel(own, figures.baseline(curves)).items():
            same = (other for other in earlier if len(own[method]) and own[method].equals(ends.get((other, method))))
            same_as = next((settings[other]["budget"] for other in same), "")
            cost = curves.attrs["costs"].get(method, np.nan)
            rows.append({"panel": panel, **setting, "method": method, "same_as": same_as, "cost": cost} | row)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    for kind in _TESTED:
        by_panel = found[f"{kind}p"].astype(float).groupby(found.panel)
        found[f"{kind}p_holm"] = by_panel.transform(statistics.holm)
    found.attrs = dict(curves.attrs)
    return found


def _panel(ends: Mapping[str, pd.DataFrame], usual: str) -> dict[str, dict]:
    """The rows of one panel by method, without the adjusted p, from every method's last evaluations."""
    rows = {method: _row(own, ends.get(usual, _NOTHING), method == usual) for method, own in ends.items()}
    usable = {method: row.get("usable", 0) for method, row in rows.items() if method != usual}
    if not max(usable.values(), default=0):
        return rows
    fullest = [method for method, seeds in usable.items() if seeds == max(usable.values())]
    chosen = max((usual, *fullest), key=lambda method: rows[method]["choose_difference"])
    rows[chosen]["chosen"] = True
    for method, own in ends.items():
        if method != chosen:
            rows[method] |= _prefixed("gap_", tables.compared(own["acc/report"], ends[chosen]["acc/report"]))
    return rows


def _row(own: pd.DataFrame, twins: pd.DataFrame, is_usual: bool) -> dict:
    accuracy = statistics.summary(own["acc/val"])
    row = {"n": accuracy.n, "diverged": accuracy.diverged, "mean": accuracy.mean, "sd": accuracy.sd, "chosen": False}
    row |= {"low": accuracy.interval.low, "high": accuracy.interval.high, "loss": own["loss/val"].mean()}
    row |= {name: own[column].mean() for name, column in _PASSES.items()}
    if is_usual:
        return row | {"choose_difference": 0.0}
    for kind, metric in _MEASURES.items():
        compared = tables.compared(own[metric], twins[metric], higher_is_better=metric.startswith("acc"))
        row |= _prefixed(kind, compared)
    return row | {"usable": int((own["acc/val"] - twins["acc/val"]).notna().sum())}


def _prefixed(kind: str, compared: Mapping[str, float]) -> dict[str, float]:
    return {f"{kind}{name}": value for name, value in compared.items()}


def _verdict(rivals: pd.DataFrame, everyone: pd.DataFrame) -> dict:
    """The columns of :func:`winners` after the setting, from the rows of one panel, without and with the baseline."""
    tests = int(rivals.report_p.notna().sum())
    if not tests:
        return {"verdict": "not compared" if (everyone.n + everyone.diverged).any() else "not run", "tests": 0}
    chosen = everyone[everyone.chosen.astype(bool)].iloc[0]
    most = rivals.usable.max()
    established = rivals[rivals.report_p_holm < LEVEL].sort_values("report_difference", ascending=False)
    better, worse = established[established.report_difference > 0], established[established.report_difference < 0]
    level = rivals[(rivals.gap_p_holm >= LEVEL) & (rivals.usable == most)]
    left_out = rivals[(rivals.n + rivals.diverged > 0) & (rivals.usable < most)]
    least_p = min(1.0, tests * 2.0 ** (1 - most))
    wins = chosen.method in set(better.method)
    if least_p >= LEVEL:
        verdict = "cannot be told"
    else:
        verdict = "wins" if wins else "no single winner" if len(better) else "nothing wins"
    return {
        "verdict": verdict,
        "method": chosen.method,
        **{column: chosen[f"report_{column}"] for column in _PAIRED},
        "pairs": chosen.pairs,
        "tests": tests,
        "usable": most,
        "least_p": least_p,
        "better": ", ".join(better.method),
        "level": ", ".join(level.sort_values("gap_difference", ascending=False).method) if wins else "",
        "worse": ", ".join(worse.method[::-1]),
        "left_out": ", ".join(f"{row.method} ({row.usable:.0f} of {most:.0f})" for row in left_out.itertuples()),
    }


def _count(number: float, word: str) -> str:
    return f"{number:.0f} {word}{'' if number == 1 else 's'}"


def _in_short(table: pd.DataFrame, found: pd.DataFrame) -> str:
    """A bullet per budget."""
    bullets = []
    for budget in BUDGETS:
        own = found[found.budget == budget]
        sentences = [_repeated(table, budget)]
        if own.verdict.ne("not run").any():
            usual = figures.baseline(table)
            heading = f"Equal {budget}, {_count(len(own), 'setting')}:"
            sentences = [heading, *_sentences(own, usual), _divergence(table[table.budget == budget]), *sentences]
        bullets.append(f"- {' '.join(filter(None, sentences))}")
    return "\n".join(bullets)


def _sentences(found: pd.DataFrame, usual: str) -> Iterator[str]:
    """What is said of the panels of one budget, verdict by verdict."""
    by_verdict = {verdict: found[found.verdict == verdict] for verdict in VERDICTS}
    wins = by_verdict["wins"]
    for method in wins.method.value_counts().index:
        own = wins[wins.method == method]
        low, high = (f"{bound:+.1f}" for bound in (own.difference.min(), own.difference.max()))
        size = low if low == high else f"{low} to {high}"
        tied = (own.level != "").sum()
        told = f" ({'there' if tied == len(own) else f'in {tied}'} not told apart from others)" if tied else ""
        yield f"**{method} wins in {len(own)}**, by {size} points{told}: {_where(own)}."
    if len(own := by_verdict["no single winner"]):
        yield f"In {len(own)} the highest is not established to beat {usual}, and others are: {_where(own)}."
    if len(own := by_verdict["nothing wins"]):
        yield f"**Nothing wins in {len(own)}**: {_where(own)}."
    if len(own := by_verdict["cannot be told"]):
        yield f"**Who wins cannot be told in {len(own)}**: {_where(own)}. {_too_few(own)}"
    for verdict in ("not compared", "not run"):
        if len(own := by_verdict[verdict]):
            yield f"{verdict[0].upper()}{verdict[1:]} in {len(own)}: {_where(own)}."
    worse = found.worse.dropna().str.split(", ").explode()
    counts = worse[worse.ne("")].value_counts(sort=True)
    if len(counts):
        names = ", ".join(f"{method} in {count}" for method, count in counts.items())
        yield f"Established to be worse than {usual}: {names}."


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
    """Why nothing can be established, and how many seeds it takes."""
    fullest = found.loc[found.least_p.astype(float).idxmin()]
    tests = int(fullest.tests)
    return (
        f"{_least_p(fullest.usable)}, and {fullest.least_p:.2g} after Holm over {_count(tests, 'test')}: no"
        f" difference is established, whatever its size; it takes {int(1 + np.log2(tests / LEVEL)) + 1} seeds."
    )


def _least_p(seeds: float) -> str:
    return f"The smallest p that {_count(seeds, 'seed')} can give is {2.0 ** (1 - seeds):.2g}"


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
    lines = ([row[place] for place in kept] for row in (header, ["---"] * len(header), *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _winners_header(table: pd.DataFrame) -> tuple[str, ...]:
    usual = figures.baseline(table)
    return (
        *("learning rate", "labels flipped", "equal", "who wins", "highest on one half of the test set"),
        *(f"- {usual} on the other half, points", "p (Holm)", "seeds won", f"better than {usual}"),
        *("not told apart from the winner", f"worse than {usual}", "passed over: fewer usable seeds"),
    )


def _winners_cells(row: pd.Series) -> tuple[str, ...]:
    winner = f"**{row.method}**" if row.verdict == "wins" else row.verdict
    if not row.tests:
        return (*_setting_cells(row), winner, *("",) * 8)
    lists = (row.better, row.level, row.worse, row.left_out)
    return (*_setting_cells(row), winner, row.method, *_paired_cells(row), *lists)


def _methods_header(table: pd.DataFrame) -> tuple[str, ...]:
    usual = figures.baseline(table)
    return (
        *("learning rate", "labels flipped", "equal", "method"),
        *("test accuracy, %", f"- {usual}, points", "p (Holm)", "seeds won"),
        *("test loss", f"- {usual}", "p (Holm)", "seeds won"),
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
            yield (*setting, ", ".join(same.method), f"as at equal {budget}", *("",) * 11)
        if not done.all():
            yield (*setting, ", ".join(rows.method[~done]), "not run", *("",) * 11)


def _method_cells(row: pd.Series) -> tuple[str, ...]:
    accuracy = tables.with_interval(row["mean"], row.low, row.high, digits=2) if row.n else ""
    diverged = f"{row.diverged} diverged" if row.diverged else ""
    accuracy = f"{accuracy} ({diverged})" if accuracy and diverged else accuracy or diverged
    loss = f"{row.loss:.3f}" if np.isfinite(row.loss) else ""
    passes = (f"{row[name]:,.0f}" if np.isfinite(row[name]) else "" for name in _PASSES)
    cost = f"{row.cost:g}" if np.isfinite(row.cost) else ""
    return (accuracy, *_paired_cells(row), loss, *_paired_cells(row, "loss_", 3), *passes, cost)


def _setting_cells(row: pd.Series) -> tuple[str, str, str]:
    return row.schedule, _percent(row.noise), row.budget


def _paired_cells(row: pd.Series, kind: str = "", digits: int = 2) -> tuple[str, str, str]:
    difference, low, high, _, p, won = (row[f"{kind}{column}"] for column in _PAIRED)
    if not np.isfinite(difference):
        return "", "", ""
    return tables.with_interval(difference, low, high, "+", digits), f"{p:.2g}", f"{won:.0f}/{row.pairs:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _notes(table: pd.DataFrame, found: pd.DataFrame) -> str:
    usual = figures.baseline(table)
    notes = [
        "Metrics at the end of the budget: mean over seeds [95 % t interval of the mean]. Flipped labels are training"
        " labels changed to another class; those of the test set are right. Differences are paired by seed: method"
        f" minus {usual} [95 % t interval], two-sided exact sign-flip test, p adjusted by Holm over the methods of one"
        " setting and budget. A seed is won by higher accuracy, or lower loss.",
        f"Who wins: the method of highest mean accuracy on one half of the test set, if on the other half it is above"
        f" {usual} with an adjusted p < {LEVEL:g}. Better and worse are of that other half and that p too. The choice"
        " so gains nothing from lucky test examples; the seeds are the same on both halves, and against their luck"
        " stands Holm's adjustment over all methods. Methods with fewer usable seeds than others,"
        " diverged or not run, are passed over in the choice. A winner is not established to be better than the methods"
        " not told apart from it (the same test, winner against method, Holm over them).",
    ]
    if "cosine" in set(table.schedule):
        notes.append(_COSINE)
    decided = int((found.least_p.astype(float) < LEVEL).sum())
    if decided:
        notes.append(_across(table, decided))
    if table.attrs["costs"]:
        notes.append(
            f"Time per update: training time as measured, relative to {usual}'s, with the passes that choose; at equal"
            " wall-clock a method makes so many times fewer updates."
        )
    if table.diverged.any():
        notes.append("Diverged seeds are left out of means and differences, and are never won.")
    return " ".join((*notes, *tables.last_notes(table)))


def _across(table: pd.DataFrame, decided: int) -> str:
    """What the many panels do to the claims."""
    tests, seeds = int(table.p.notna().sum()), table.usable.max()
    whole = min(1.0, tests * 2.0 ** (1 - seeds))
    note = (
        f"Every row of Who wins has its own 5 % chance of a claim that is not so: of {decided}, expect up to"
        f" {LEVEL * decided:.1g}."
    )
    if whole >= LEVEL:
        note += (
            f" {_least_p(seeds)}; Holm over all {tests} tests at once would make it {whole:.2g} and could establish"
            " nothing, so it is taken row by row."
        )
    return note


def _points(found: pd.DataFrame, ends: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """The rows of :func:`figure_data`, from those of :func:`table`."""
    usual, found = figures.baseline(found), _bare(found)
    found = found[(found.same_as == "") & (found.n + found.diverged > 0)].reset_index(drop=True)
    kept = ("panel", "schedule", "noise", "budget", "method", "mean", *_PAIRED[:3], "p_holm", "pairs", "usable")
    differences = [
        (ends[panel, method]["acc/val"] - ends.get((panel, usual), _NOTHING)["acc/val"]).rename(place)
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
    twins = points[(points.method == usual) & points["mean"].notna()]
    if points.empty or twins.empty:
        text = "not run" if points.empty else f"{usual} not run: no differences"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=canvas.QUIET, fontsize=9)
        return
    axes.axvline(0, color=canvas.QUIET, linewidth=0.9, zorder=1)
    title = f"{usual} {twins['mean'].iloc[0]:.1f} %"
    axes.set_title(title, loc="right", color=canvas.QUIET, fontsize=7.5, fontweight="normal")
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
    if np.isfinite(row.difference_low):
        ends = (row.difference_low, row.difference_high)
        axes.plot(ends, (height, height), color=look.color, linewidth=3.2, alpha=0.3, solid_capstyle="butt")
    axes.plot(seeds, np.full(len(seeds), height), ".", color=look.color, markersize=4, markeredgewidth=0, alpha=0.8)
    filled = look.color if row.p_holm < LEVEL else "white"
    axes.plot(
        row.difference,
        height,
        look.marker,
        color=look.color,
        markerfacecolor=filled,
        markersize=4.2,
        markeredgewidth=1,
        zorder=4,
    )
    if row.usable < row.pairs:
        text = f"×{row.pairs - row.usable:.0f}"
        axes.text(0.01, height, text, transform=axes.get_yaxis_transform(), **_WORDS | {"color": look.color})


def _limits(points: pd.DataFrame) -> tuple[float, float]:
    """The ends of the figure's axis: all seeds, all intervals, and 0 lie within."""
    drawn = points[[column for column in points if column.startswith(("seed ", "difference"))]].to_numpy(float)
    low, high = (_scale(bound(drawn[np.isfinite(drawn)], initial=0.0)) for bound in (np.min, np.max))
    room = max(high - low, 0.2)
    left = 0.14 if (points.usable < points.pairs).any() else 0.05
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


def _handles(budgets: Iterable[str]) -> list[Line2D]:
    looks = {f"equal {budget}": (_LOOKS[budget], _LOOKS[budget].color) for budget in budgets}
    quiet = canvas.Style(canvas.QUIET, "", "o")
    if looks:
        looks |= {f"p < {LEVEL:g}": (quiet, canvas.QUIET), f"p ≥ {LEVEL:g}": (quiet, "white")}
    return [
        Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markerfacecolor=face, label=label)
        for label, (look, face) in looks.items()
    ]


def _caption(found: pd.DataFrame, points: pd.DataFrame) -> str:
    usual = figures.baseline(found)
    parts = [
        f"Test accuracy at the end of the budget minus {usual}'s (whose mean stands above the axes), in percentage"
        " points, paired by seed.",
        f"Dots: seeds, {tables.seeds_in_words(points.pairs)}; markers: their mean; bars: 95 % t interval of the mean."
        f" Filled markers are established: p < {LEVEL:g}, two-sided exact sign-flip test, adjusted by Holm over the"
        " methods of one setting and budget."
        if (points.usable > 0).any()
        else "Nothing can be compared yet.",
        "Flipped: the share of training labels changed to another class; test labels are right. The axes are linear"
        " to ±1 point, logarithmic beyond.",
    ]
    parts += [_repeated(found, budget) for budget in BUDGETS]
    if "cosine" in set(found.schedule):
        parts.append(_COSINE)
    verdicts = winners(found)
    undecided = verdicts[verdicts.verdict == "cannot be told"]
    if len(undecided):
        parts.append(_too_few(undecided))
    if (points.usable < points.pairs).any():
        parts.append("×k: k seeds diverged, left out of mean and interval.")
    return " ".join(part for part in (*parts, *tables.last_notes(found)) if part)
