"""What a notebook says was found before anybody runs it: a cell computed from the committed tables.

``python -m hardsample.report.found`` writes these cells anew, after committed figures were drawn anew, and the
blocks of the pages of results that say the same.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from hardsample import paths, statistics
from hardsample.data import catalogue
from hardsample.experiments import registry
from hardsample.numerals import count, number, p_value, short
from hardsample.report import markup
from hardsample.report.tables import READABLE, Tested
from hardsample.report.wording import seeds_in_words, sentence, too_few_statement, verdict, with_interval
from hardsample.training.networks import find

TAG = "found"  # of the cell
HEADING = "## What was found"
FOLDERS = ("sd19-letters", "ocr-letters", "cifar10-rebuilt", "cifar100", "cifar10-jpeg")
"""Of committed outputs: the first that has one is told of."""
RUN = ("measured", "incomplete")  # what a table says of a row of which seeds were run
NOTHING = "No run of this comes with the package: the cells below compute and draw it."
CLAIMS = "claims"  # the table of what a paper says, no output of its own
MEASURED = "when-it-helps/summary"  # small problems, compared as a reader's own are
TAUGHT = {
    "00-tutorial": "base-values/figure-1",
    "01-your-own-training": "base-values/figure-1",
    "02-on-your-own": MEASURED,
}
"""What the notebooks that teach, and keep no runs, tell of."""
_ABOUT = {
    "base-values/figure-1": "What [Figure 1](base-values/figure-1.ipynb) found, at full size.",
    MEASURED: (
        "On [other small problems](../docs/when-it-helps.md): mean differences to shuffled mini-batches, and tests."
    ),
}
_TITLES = {"acc/val": "test accuracy", "loss/val": "test loss", "loss/train": "train loss"}
_SHOWN = {"hard-samples/figure-1": ("loss/train", "acc/val")}  # else accuracy and loss on the test set


def cell(name: str) -> str:
    """A notebook's cell in Markdown: what the committed runs of its figure or table show, or that there are none."""
    return f"{HEADING}\n\n{_said(name)}"


def page(text: str) -> str:
    """A page of results with the blocks between ``<!-- found: hard-samples/table-3 -->`` and ``<!-- end -->`` anew."""
    return markup.with_blocks(text, "found", _said)


def _said(name: str) -> str:
    told = TAUGHT.get(name, name)
    stem = committed(told)
    blocks = [NOTHING] if stem is None else [*_kind(told)(told, stem)]
    if stem is not None:
        blocks = [_ABOUT.get(told, "") if told != name else "", *blocks, _source(name, stem)]
    return "\n\n".join(filter(None, blocks))


def answer(table: Tested, metric: str = READABLE[0]) -> str:
    """What :func:`hardsample.report.tables.final_metrics` says of every method against the baseline, in a list."""
    rows, usual = table.frame, table.curves.baseline
    lines = []
    for _, row in rows[(rows.metric == metric) & (rows.method != usual) & (rows.pairs > 0)].iterrows():
        values = (100 * value for value in (row.difference, row.difference_low, row.difference_high))
        said = f"{row.method} against {usual}: {with_interval(*values, '+', 2)} points of {_TITLES[metric]}"
        if math.isfinite(row.p_holm):
            by = f"p = {p_value(row.p_holm)} by Holm for {count(table.tests, 'test')}"
            said = f"**{said}, {verdict(row.p_holm)}** ({by})"
            if least := number(100 * row.smallest, 2):
                said += f"; at this spread the smallest significant difference would be {least} points"
        few = too_few_statement(row.pairs, table.tests)
        won = f"{count(row.pairs, 'seed')}, {number(row.seeds_won, 0)} of them won."
        lines.append(" ".join(filter(None, (f"- {said}.", few, won))))
    return "\n".join(lines) or "There is nothing to compare: no method was run beside the baseline."


def committed(name: str) -> Path | None:
    """The stem of the committed files of a figure, table or the claims, without a suffix; None where there are none."""
    paper, last = name.split("/")
    folders = FOLDERS if last == CLAIMS or _trains(name) else ("",)  # in "" lie trials, which are not committed
    stems = [paths.project_root() / "figures" / paper / folder / last for folder in folders]
    return next((stem for stem in stems if stem.with_name(f"{last}.csv").is_file()), None)


def _trains(name: str) -> bool:
    return name != MEASURED and bool((experiment := registry.grid(name)).runs or experiment.timed)


def write() -> list[str]:
    """Write every notebook's cell and every page's blocks anew; the names of the notebooks and pages that changed.

    Raises:
        InputError: the folder cannot be written.
    """
    changed = []
    for path in sorted(paths.notebooks_dir().rglob("*.ipynb")):
        name = path.relative_to(paths.notebooks_dir()).with_suffix("").as_posix()
        before = path.read_text()
        book = json.loads(before)
        for own in book["cells"]:
            if TAG in own["metadata"].get("tags", ()):
                own["source"] = cell(name).splitlines(keepends=True)
        after = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
        if ".ipynb_checkpoints" not in path.parts and _written(path, before, after):
            changed.append(name)
    for path in sorted((paths.project_root() / "docs" / "results").glob("*.md")):
        before = path.read_text()
        if _written(path, before, page(before)):
            changed.append(path.name)
    return changed


def _written(path: Path, before: str, after: str) -> bool:
    """Write what differs; whether it does."""
    if after != before:
        paths.write_atomically(path, after.encode())
    return after != before


def _kind(name: str) -> Callable[[str, Path], Iterator[str]]:
    kinds = {
        MEASURED: _whole,
        "base-values/draws": _distinct,
        "base-values/lb-readings": _first_words,
        "base-values/choices": _first_words,
        "base-values/lasting": _first_words,
        "base-values/staleness": _first_words,
        "base-values/where": _first_words,
        f"base-values/{CLAIMS}": _first_words,
        "hard-samples/audit": _first_words,
        "hard-samples/spread": _first_words,
        "hard-samples/convergence": _first_words,
        "hard-samples/causes": _first_words,
        f"hard-samples/{CLAIMS}": _first_words,
        "hard-samples/figure-2": _updates,
        "hard-samples/table-1": _times,
        "hard-samples/table-2": _sizes,
        **dict.fromkeys(("hard-samples/table-3", "hard-samples/table-4"), _accuracies),
        "hard-samples/table-6": _best,
        "rivals/letters": _first_words,
        "rivals/images": _first_words,
    }
    return kinds.get(name, _differences)


def _source(name: str, stem: Path) -> str:
    """A link to the committed table, as the notebook's page reaches it."""
    files = [stem.with_name(f"{stem.name}{end}") for end in ("-statistics.md", ".md", ".csv")]
    file = next(path for path in files if path.is_file()).relative_to(paths.project_root())
    return f"All numbers: [{file.name}]({'../' * len(Path(name).parts)}{file.as_posix()})."


def _data(stem: Path, counts: pd.Series) -> str:
    label = sentence(catalogue.label(stem.parent.name)).removesuffix(".") or stem.parent.name
    return f"{label}; {seeds_in_words(counts)}."


def _differences(name: str, stem: Path) -> Iterator[str]:
    """Every method against the baseline, in every panel."""
    rows = pd.read_csv(stem.with_name(f"{stem.name}-statistics.csv"))
    metrics = _SHOWN.get(name, ("acc/val", "loss/val"))
    baseline = "MB" if (rows.method == "MB").any() else "δ = 1"
    tests = int(rows[rows.metric.isin(READABLE)].difference.notna().sum())
    shown = rows[rows.metric.isin(metrics)]
    run = shown[(shown.n > 0) & (shown.method != baseline)]
    tested = bool(run.p_holm.notna().any())
    counts = _counts(run, baseline) if tested else [_too_few(run, tests)]
    yield " ".join((*counts, _data(stem, run.n)))
    panels = shown.panel.nunique() > 1
    header = [*["setting"] * panels, "method"]
    for metric in metrics:
        header.append(f"{_TITLES[metric]} - {baseline}{', points' if metric.startswith('acc') else ''}")
        header += ["p (Holm)"] * tested
    lines = []
    for (panel, method), own in run.groupby(["panel", "method"], sort=False):
        cells = (_compared(row, tested) for _, row in own.set_index("metric").loc[[*metrics]].iterrows())
        lines.append([*[panel] * panels, method, *(text for pair in cells for text in pair)])
    yield markup.markdown_table(header, lines)
    if name == "hard-samples/figure-1":
        yield _converged(stem.with_name("table-3.csv"))
    missing = shown[shown.n == 0].groupby("method", sort=False).panel.unique()
    absent = [method + (f" ({', '.join(where)})" if panels else "") for method, where in missing.items()]
    yield f"Not run: {'; '.join(absent)}." if absent else ""
    yield (
        "Differences are paired by seed, with their 95 % t interval"
        + ("; p is of an exact sign-flip test, adjusted over the table's tests." if tested else ".")
        + " They cover seeds, not the choice of test images."
    )


def _counts(rows: pd.DataFrame, baseline: str) -> Iterator[str]:
    """In how many settings a method is significantly above or below the baseline, or neither."""
    for method, own in rows.groupby("method", sort=False):
        parts = []
        for metric, found in own[own.p_holm.notna()].groupby("metric", sort=False):
            told = found.p_holm < statistics.LEVEL
            numbers = {
                "significantly above": int((told & (found.difference > 0)).sum()),
                "significantly below": int((told & (found.difference < 0)).sum()),
                "inconclusive": int((~told).sum()),
            }
            of = f" of {len(found)} settings" if len(found) > 1 else ""
            said = [words + (f" in {many}" if of else "") for words, many in numbers.items() if many]
            parts.append(f"{_TITLES[metric]} {', '.join(said)}{of}")
        yield f"**{method} against {baseline}**: {'; '.join(parts)}."


def _too_few(run: pd.DataFrame, tests: int) -> str:
    said = too_few_statement(run.n.max(), tests)
    return f"**{said}**" if said else ""


def _compared(row: pd.Series, tested: bool) -> list[str]:
    scale, digits = (100, 2) if row.name.startswith("acc") else (1, 3)
    values = (scale * value for value in (row.difference, row.difference_low, row.difference_high))
    said = f"{p_value(row.p_holm)}, {verdict(row.p_holm)}" if math.isfinite(row.p_holm) else ""
    return [with_interval(*values, "+", digits), *[said] * tested]


def _converged(table: Path) -> str:
    """In how many seeds the training loss converged, for each δ."""
    rows = pd.read_csv(table)
    run = rows[rows.status.isin(RUN)]
    counts = (f"{number(row.converged, 0)} of {row.n} seeds at δ = {short(row.delta)}" for _, row in run.iterrows())
    return f"The training loss converged within the budget in {', '.join(counts)}."


def _distinct(name: str, stem: Path) -> Iterator[str]:
    """The share of distinct examples among the draws of the last epoch."""
    points = pd.read_csv(stem.with_name(f"{stem.name}.csv"))
    last = points[(points.metric == "draws/distinct") & (points.epoch == points.epoch.max())]
    seeds = [column for column in points.columns if column.startswith("seed ")]
    most, least = (last.loc[at] for at in (last["mean"].idxmax(), last["mean"].idxmin()))
    (most, on_top), (least, at_foot) = ((row.method, f"{row['mean']:.0%}".replace("%", " %")) for row in (most, least))
    epoch = short(last.epoch.iloc[0])
    yield f"**Distinct examples among the draws of epoch {epoch}: from {on_top} ({most}) to {at_foot} ({least})**."
    yield _data(stem, last.n)
    lines = []
    for _, row in last.iterrows():
        found = statistics.summary(100 * row[seeds].astype(float))
        lines.append((row.method, with_interval(found.mean, found.interval.low, found.interval.high, digits=1)))
    yield markup.markdown_table(("method", "distinct examples, % of an epoch's draws"), lines)
    yield "Means over seeds, with their 95 % t interval."


def _first_words(name: str, stem: Path) -> Iterator[str]:
    """What the committed table says before its first row."""
    files = [stem.with_name(f"{stem.name}{end}") for end in ("-statistics.md", ".md")]
    text = next(path for path in files if path.is_file()).read_text()
    blocks = text.split("\n\n")
    first = next(at for at, block in enumerate(blocks) if block.startswith("|"))
    while _is_title(blocks[first - 1]) and first > 1:
        first -= 1
    yield from blocks[:first]


def _whole(name: str, stem: Path) -> Iterator[str]:
    """All of the committed table."""
    yield stem.with_name(f"{stem.name}.md").read_text().strip()


def _is_title(block: str) -> bool:
    return block.startswith("**") and block.endswith("**") and "\n" not in block


def _updates(name: str, stem: Path) -> Iterator[str]:
    """How many updates a diagram's training makes."""
    rows = pd.read_csv(stem.with_name(f"{stem.name}.csv"))
    least, most = rows.updates.min(), rows.updates.max()
    yield (
        f"At the paper's N and E every δ makes {count(least, 'update')}, as the paper claims."
        if least == most
        else f"At the paper's N and E the numbers of updates differ: {number(least, 0)} to {number(most, 0)}."
    )
    yield _table(rows, {"delta": "δ", "first_pass": "first pass", "per_round": "per round", "rounds": "rounds"})


def _table(rows: pd.DataFrame, columns: dict[str, str]) -> str:
    cells = ([short(row[column]) for column in columns] for _, row in rows.iterrows())
    return markup.markdown_table([*columns.values()], cells)


def _times(name: str, stem: Path) -> Iterator[str]:
    """How much longer than δ = 1 an iteration takes."""
    rows = pd.read_csv(stem.with_name(f"{stem.name}.csv"))
    hard = rows[rows.delta < 1]
    yield (
        f"{_data(stem, pd.Series(dtype=float)).split(';')[0]}, on a CPU. **An iteration takes"
        f" {number(hard.ratio.min(), 2)} to {number(hard.ratio.max(), 2)} times as long as at δ = 1**; the paper prints"
        f" {number(hard.ratio_paper.min(), 2)} to {number(hard.ratio_paper.max(), 2)} times."
    )
    lines = [
        (
            short(row.delta),
            with_interval(row.seconds, row.seconds_low, row.seconds_high, digits=4),
            with_interval(row.ratio, row.ratio_low, row.ratio_high, digits=2),
            number(row.ratio_paper, 2),
        )
        for _, row in rows.iterrows()
    ]
    yield markup.markdown_table(("δ", "seconds per iteration", "ratio to δ = 1", "the paper's ratio"), lines)
    yield f"Median over {count(rows.rounds.iloc[0], 'round')} [quartiles]."
    if "walked_tests_ratio" in rows and hard.walked_tests_ratio.notna().all():
        ends = " to ".join(number(end, 2) for end in (hard.walked_tests_ratio.min(), hard.walked_tests_ratio.max()))
        yield (
            "With a test pass in every round and a loader walked from end to end, a loop as the paper describes it"
            f" takes {ends} times as long as at δ = 1."
        )


def _sizes(name: str, stem: Path) -> Iterator[str]:
    """How many printed sizes are those of the networks."""
    rows = pd.read_csv(stem.with_name(f"{stem.name}.csv"))
    equal = {kind: int((rows[f"{kind}_difference"] == 0).sum()) for kind in ("parameters", "flops")}
    yield (
        f"**{equal['parameters']} of {len(rows)} printed numbers of parameters and {equal['flops']} of {len(rows)} of"
        " FLOPs are those of the networks**, to the digits printed."
    )
    lines = [
        (
            find(row.network).title,
            f"{row.parameters_millions} M",
            f"{row.parameters_paper} M",
            f"{row.flops_giga} G",
            f"{row.flops_paper} G",
        )
        for _, row in rows.iterrows()
    ]
    yield markup.markdown_table(("network", "parameters", "the paper's", "FLOPs", "the paper's"), lines)


def _measured(stem: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table's rows, and those of them that were run."""
    rows = pd.read_csv(stem.with_name(f"{stem.name}.csv"))
    return rows, rows[rows.status.isin(RUN)]


def _accuracies(name: str, stem: Path) -> Iterator[str]:
    """Every δ that was run against δ = 1, and when it converged."""
    rows, run = _measured(stem)
    yield f"{_seeds_or_counts(run)} {_data(stem, run.n)}"
    lines = [
        (
            f"{find(row.network).title}, δ = {short(row.delta)}",
            with_interval(row.test, row.test_low, row.test_high, digits=1),
            number(row.test_paper, 1),
            with_interval(row.difference, row.difference_low, row.difference_high, "+", 1),
            number(row.difference_paper, 1, "+"),
            f"{number(row.converged, 0)} of {row.n}",
        )
        for _, row in run.iterrows()
    ]
    header = ("", "test accuracy, %", "paper", "test - (δ = 1), points", "paper", "seeds that converged in the budget")
    yield markup.markdown_table(header, lines)
    yield _rest(rows, run)


def _best(name: str, stem: Path) -> Iterator[str]:
    """The best δ below 1, chosen on one half of the test set, against δ = 1 on the other."""
    rows, run = _measured(stem)
    yield f"{_seeds_or_counts(run)} {_data(stem, run.n)}"
    lines = [
        (
            f"{find(row.network).title}, {row.data_set}",
            short(row.delta),
            with_interval(row.difference, row.difference_low, row.difference_high, "+", 1),
            number(row.change, 2, "+"),
            number(row.change_paper, 2, "+"),
        )
        for _, row in run.iterrows()
    ]
    yield markup.markdown_table(("", "best δ", "best - (δ = 1), points", "change, %", "the paper's change, %"), lines)
    yield _rest(rows, run)


def _seeds_or_counts(run: pd.DataFrame) -> str:
    tests = int(run[["difference", "fresh_difference"]].notna().sum().sum())
    if run[["p_holm", "fresh_p_holm"]].isna().all(axis=None):
        return _too_few(run, tests)
    told, of = (run.p_holm < statistics.LEVEL).sum(), run.difference.notna().sum()
    return f"{told} of {of} differences to δ = 1 are significant, among {count(tests, 'test')} of the table."


def _rest(rows: pd.DataFrame, run: pd.DataFrame) -> str:
    return (
        f"Run: {len(run)} of the table's {len(rows)} rows. Differences are paired by seed, with their 95 % t interval."
    )


if __name__ == "__main__":
    print(*write(), sep="\n")
