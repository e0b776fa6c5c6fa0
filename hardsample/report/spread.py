"""What paper B's printed ± is made of: the published protocol with each of its choices changed, beside Table 5."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.config import Run
from hardsample.experiments import hard_samples, published
from hardsample.experiments.curves import Curves
from hardsample.experiments.spread import ALL_CHANGED, ALL_TRAINED, PUBLISHED, RUNNING, SHUFFLED
from hardsample.numerals import number
from hardsample.report import kept, markup, paper_tables, wording
from hardsample.report.audit_tables import NEARLY_ALL
from hardsample.training import networks

COLUMNS = (
    *("choice", "delta", "status", "updates", "train_batches", "train", "train_half", "train_one"),
    *("lowest_least", "lowest_most", "others_least", "others_most", "remainder", "full"),
    *("test_batches", "test", "test_half", "run"),
)
PRINTED = "printed"  # the status of the paper's rows
TABLE = "Table 5"
_EXAMPLES_OF_LOWEST = (20, 30, 40)  # percent, of the mini-batch beside those at 100 %


def table(curves: Curves, details: Mapping[Run, kept.Detail]) -> pd.DataFrame:
    """A row for each choice and δ, of one checkpoint: the end of the first seed; then the rows that Table 5 prints.

    - ``status``: "measured", "diverged", "not run", or "printed".
    - ``train``, ``test``: top-1 accuracy in %, the mean over so many mini-batches (``_batches``) of the evaluation;
      ``_half``: half of the 95 % t interval of that mean over them, in points, as the paper prints it. The paper's
      numbers of mini-batches are those that its sizes give.
    - ``train_one``: what ``train_half`` would be if all errors were in one mini-batch.
    - ``lowest_least`` to ``lowest_most``: where the lowest mini-batch of ``train`` lies, and ``others_least`` to
      ``others_most``: the mean of the others (:func:`lowest`).
    - ``remainder``, ``full``: the accuracy on the images that fill no mini-batch, and the mean over the full
      mini-batches; of runs whose ``details`` are given (:meth:`hardsample.runs.store.Store.read_detail`), which have it
      with running statistics.
    - ``run``: its key.

    NaN for what is not known. The ``attrs`` are those of :mod:`hardsample.report.paper_tables`.
    """
    rows = pd.DataFrame([*_measured(curves, details), *_printed()], columns=list(COLUMNS))
    notes = [*_notes(rows), *["Of several seeds the first is shown."] * (curves.frame.seed.nunique() > 1)]
    notes += wording.last_notes(curves, whose=False)
    finding, *others = _findings(rows) or [""]
    head = [
        wording.sentence(wording.data_statement(curves.experiment)),
        "One checkpoint a cell: all of this describes single trainings and tests nothing.",
    ]
    rows.attrs = {"layout": "spread", "title": "What the printed ± is made of", "finding": finding, "head": head}
    rows.attrs |= {"points": others, "notes": notes}
    return rows


def readable(rows: pd.DataFrame) -> pd.DataFrame:
    """The same for readers: a row for each quantity and choice, with a column of text for each δ."""
    shown, lines = rows[rows.status != "not run"], []
    for quantity, text, with_printed in (
        ("train", lambda row: _with_half(row.train, row.train_half), True),
        ("lowest mini-batch of train", lambda row: _between(row.lowest_least, row.lowest_most), False),
        ("its other mini-batches, mean", lambda row: _between(row.others_least, row.others_most), False),
        ("remainder of train", lambda row: number(row.remainder, 1), False),
        ("its full mini-batches, mean", lambda row: number(row.full, 1), False),
        ("test", lambda row: _with_half(row.test, row.test_half), True),
    ):
        for choice, own in shown.groupby("choice", sort=False):
            if with_printed or (own.status != PRINTED).any():
                cells = {f"δ = {row.delta:g}": text(row) for row in own.itertuples()}
                if with_printed:
                    cells |= {f"δ = {row.delta:g}": "diverged" for row in own.itertuples() if row.status == "diverged"}
                lines += [{"top-1, %": quantity, "choice": choice} | cells] * any(cells.values())
    columns = ["top-1, %", "choice", *(f"δ = {delta:g}" for delta in hard_samples.DELTAS)]
    found = pd.DataFrame(lines, columns=columns).fillna("")
    found.attrs = rows.attrs
    return found


def save(rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md and .tex, as :func:`readable`, and .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    shown = readable(rows)
    contents = {"md": paper_tables.markdown(shown), "csv": markup.csv(rows), "tex": paper_tables.latex(shown)}
    return markup.write(stem, contents)


def lowest(mean: float, sd: float, n: int) -> tuple[float, float]:
    """Where the lowest of ``n`` accuracies in % lies, by their mean and standard deviation (ddof 1).

    It is no lower than where the others are all equal (Samuelson 1968), and no higher than the errors allow: the
    largest of some numbers of one sign is at least the sum of their squares over their sum. The two meet where all
    errors are in one of them.
    """
    missing = n * (100 - mean)
    if missing <= 0:
        return 100.0, 100.0
    least = max(0.0, mean - sd * (n - 1) / np.sqrt(n))
    most = 100 - ((n - 1) * sd**2 + missing**2 / n) / missing
    return least, max(least, most)


def by_mini_batch(run: Run, detail: kept.Detail) -> np.ndarray:
    """The accuracy in % on every mini-batch of the training images in their order, the last one short or not."""
    hits = 100.0 * (detail["train/predicted"] == detail["train/label"])
    return np.array([part.mean() for part in np.split(hits, range(run.batch_size, len(hits), run.batch_size))])


def _measured(curves: Curves, details: Mapping[Run, kept.Detail]) -> Iterator[dict]:
    known = {run.key: by_mini_batch(run, detail) for run, detail in details.items()}
    for choice, methods in curves.layout.items():
        panel = curves.panel(choice)
        for delta in hard_samples.DELTAS:
            own = panel[panel.method == f"δ = {delta:g}"]
            if f"δ = {delta:g}" not in methods:
                continue
            row = {"choice": choice, "delta": delta, "status": "not run", "run": ""}
            if len(own):
                end = own[own.seed == own.seed.min()].sort_values("step").iloc[-1]
                row |= {"status": "measured", "updates": end.step, "run": end.run}
                for name, part in (("train", "train"), ("test", "val")):
                    n, sd = end[f"batches/{part}"], 100 * end[f"acc/{part}-sd"]
                    row |= _accuracy(
                        name, 100 * end[f"acc/{part}"], n, statistics.t_half_width(sd, n) if n > 1 else np.nan
                    )
                if np.isfinite(row["train"]):
                    row |= _lowest(row["train"], 100 * end["acc/train-sd"], row["train_batches"])
                    if end.run in known:
                        row |= {"remainder": known[end.run][-1], "full": known[end.run][:-1].mean()}
                else:
                    row["status"] = "diverged"
            yield row


def _printed() -> Iterator[dict]:
    batch, examples = hard_samples.PROFILES["paper"].batch_size, hard_samples.EXAMPLES["STL-10"]
    for row in published.read("hard-samples-table-5").itertuples():
        found = {"choice": f"{TABLE}: {networks.find(row.network).title}", "delta": row.delta, "status": PRINTED}
        found |= _accuracy("train", row.train, -(-examples // batch), row.train_interval)
        yield found | {"test": row.test, "test_half": row.test_interval, "run": ""}


def _accuracy(name: str, mean: float, n: float, half: float) -> dict[str, float]:
    """An accuracy in % with its ±, and what the ± would be if all errors were in one mini-batch."""
    row = {name: mean, f"{name}_half": half, f"{name}_batches": n}
    if name == "train" and n > 1:
        row["train_one"] = one_mini_batch(100 - n * (100 - mean), int(n))[1]
    return row


def _lowest(mean: float, sd: float, n: float) -> dict[str, float]:
    least, most = lowest(mean, sd, int(n))
    others = ((n * mean - value) / (n - 1) for value in (most, least))
    names = ("lowest_least", "lowest_most", "others_least", "others_most")
    return dict(zip(names, (least, most, *others), strict=True))


def one_mini_batch(at: float, n: int) -> tuple[float, float]:
    """The mean of ``n`` mini-batches, one at so many % and the others at 100 %, and its ± as the paper makes it."""
    values = np.array([100.0] * (n - 1) + [at])
    return float(values.mean()), float(statistics.t_half_width(values.std(ddof=1), n))


def _findings(rows: pd.DataFrame) -> list[str]:
    """What the ± is under each choice, over the δ that were run, the main thing first; [] without the protocol's."""
    known = rows[(rows.status == "measured") & rows.train_half.notna() & rows.test_half.notna()]
    run = {choice: own.set_index("delta") for choice, own in known.groupby("choice", sort=False)}
    if PUBLISHED not in run:
        return []
    usual, n = run[PUBLISHED], int(run[PUBLISHED].train_batches.iloc[0])
    printed = rows[(rows.status == PRINTED) & (rows.train >= NEARLY_ALL)].train_half
    trained = f", and {_span(run[ALL_TRAINED].train_half)} with every example trained" if ALL_TRAINED in run else ""
    said = [
        f"The ± of train top-1 is {_span(usual.train_half)} points in the published protocol{trained}.",
        f"With all errors in one of the {n} mini-batches it would be {_span(usual.train_one)}.",
        f"{TABLE} prints {_span(printed)} where train top-1 is {NEARLY_ALL} % or more.",
        f"The lowest mini-batch is at {_span(usual[['lowest_least', 'lowest_most']])} %, the other {n - 1} at"
        f" {_span(usual[['others_least', 'others_most']])} % on average.",
    ]
    for choice, words in (
        (ALL_TRAINED, "With every example trained the ± is {}: the untrained remainder adds {}."),
        (RUNNING, "With running statistics in the evaluation it is {}: batch statistics add {}."),
        (
            SHUFFLED,
            "With mini-batches shuffled once, so that the untrained images are in all mini-batches of the evaluation,"
            " it is {}: the fixed order of the data adds {}.",
        ),
        (ALL_CHANGED, "With all three changed it is {}: together they add {}."),
    ):
        if choice in run:
            added = (usual.train_half - run[choice].train_half).dropna()
            if len(added):
                said.append(words.format(_span(run[choice].train_half), _span(added, "+")))
            if choice == RUNNING and run[choice].remainder.notna().any():
                said.append(
                    f"The remainder itself is then at {_span(run[choice].remainder)} %, and the full mini-batches,"
                    f" which are trained, at {_span(run[choice].full)} % on average."
                )
    tests = ", ".join(f"{_span(own.test_half)} ({choice})" for choice, own in run.items())
    return [*said, f"The ± of test top-1: {tests}."]


def _notes(rows: pd.DataFrame) -> Iterator[str]:
    run = rows[rows.status == "measured"]
    n = int((run if len(run) else rows[rows.status == PRINTED]).train_batches.iloc[0])
    means = (f"{at} % gives {_with_half(*one_mini_batch(at, n))}" for at in _EXAMPLES_OF_LOWEST)
    yield (
        "±: half the 95 % t interval over the mini-batches of one evaluation, as the paper seems to make it, not over"
        f" seeds. {n - 1} mini-batches at 100 % and one below: {', '.join(means)}."
    )
    yield (
        "The lowest mini-batch, and the mean of the others, follow from mean and ±: exactly where all errors are in one"
        " mini-batch, else within the bounds given. The remainder is known exactly where predictions are kept: of the"
        " runs with running statistics, whose networks are those of the published protocol."
    )
    yield (
        "An evaluation takes the images in the data's order, so that its mini-batches are not those of a training whose"
        " mini-batches are shuffled."
    )
    for choice, own in run[run.choice.isin((PUBLISHED, ALL_TRAINED))].groupby("choice", sort=False):
        made = (f"{number(row.updates, 0)} at δ = {row.delta:g}" for row in own.itertuples())
        yield f"Updates, {choice}: {', '.join(made)}."


def _with_half(mean: float, half: float) -> str:
    return number(mean, 1) + (f" ± {number(half, 1)}" if np.isfinite(half) else "")


def _between(least: float, most: float) -> str:
    return " to ".join(dict.fromkeys(filter(None, (number(least, 1), number(most, 1)))))


def _span(values: pd.Series | pd.DataFrame, sign: str = "") -> str:
    """The least and the greatest, or the one that they are."""
    ends = (np.nanmin(values), np.nanmax(values))
    return " to ".join(dict.fromkeys(number(end, 1, sign) for end in ends))
