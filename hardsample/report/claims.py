"""Every result that a paper states, with a verdict from stored runs: one table, for every size that was run.

``hardsample tables`` writes ``claims`` into the figures of each data set; :mod:`hardsample.report.claim_verdicts` has
the rules.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from hardsample import statistics
from hardsample.data import catalogue
from hardsample.experiments import published
from hardsample.experiments.curves import Curves
from hardsample.numerals import count, number, p_value, short
from hardsample.report import claim_verdicts, markup, wording
from hardsample.report.claim_tests import OF_DRAWS, Bands, Statement, Test
from hardsample.report.claim_verdicts import FEWEST, NOT_TESTED, VERDICTS, Found
from hardsample.report.lb_statements import SIMILAR

COLUMNS = (
    *("paper", "place", "statement", "part", "test", "effect", "unit", "low", "high", "n", "p", "p_holm", "smallest"),
    *("data", "size", "devices", "verdict", "note"),
)
WHOLE = "all"
"""The ``part`` that is the statement as a whole."""
DIGITS = {"points": 2, "%": 1, "% of the new value": 1, "updates": 0, OF_DRAWS: 1}  # of an effect in that unit; else 3
_PLACE = re.compile(r"^(Tables?|Figures?) \d( (to|and) \d)?: ")  # of the paper, before what is said of it


def table(
    paper: str,
    statements: Sequence[Statement],
    sizes: Sequence[Curves],
    remarks: Mapping[str, str],
    notes: Sequence[str] = (),
    misplaced: Mapping[str, pd.Series] | None = None,
) -> pd.DataFrame:
    """The verdicts on a paper's statements, from the curves of one data set at every size, the largest first.

    In the paper's order, a row for each statement and size, whose ``part`` is :data:`WHOLE`, and one for each of its
    tests, numbered; a statement of one test has the first row alone.

    - ``effect``, with the interval ``low`` to ``high``, in ``unit``; ``n`` pairs of seeds; ``p`` of the test, and
      ``p_holm`` adjusted over the statement's; ``smallest``: the least effect that would be significant at the spread
      of these seeds. Of a statement of several tests they are those of the one that decides
      (:func:`hardsample.report.claim_verdicts.deciding`), which its ``test`` names.
    - ``verdict``: one of :data:`hardsample.report.claim_verdicts.VERDICTS`, and a ``note`` beside it.

    A size at which no two methods can be compared is left out, unless there is no other; so is, at another than the
    first, a statement of which nothing was run. ``remarks`` are noted of a method wherever it is tested, ``notes``
    below the table; ``misplaced`` is that of :func:`hardsample.report.kept.misplaced`. Empty where no two methods were
    run with one seed; ``attrs`` have the ``curves`` of each size, by its words.
    """
    told = by_words(paper, statements)
    cells = [(curves, claim_verdicts.cells(curves.frame, misplaced)) for curves in sizes]
    judged = [(curves, [claim_verdicts.judge(own, one.tests) for one in statements]) for curves, own in cells]
    judged = [one for one in judged if _compares(statements, one[1])] or [
        one for one in judged if _has_pairs(one[0].frame)
    ][:1]
    rows = []
    for at, ((_, said), statement) in enumerate(told.items()):
        for curves, found in judged:
            if _tested(found[at]) or curves is judged[0][0]:
                about = {"paper": paper, "place": statement.place, "statement": said}
                about |= {"data": curves.experiment.data, "size": size_in_words(curves)}
                about["devices"] = ", ".join(sorted(curves.hardware))
                rows += [about | row for row in _rows(statement, found[at], remarks)]
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    made.attrs = {"curves": {size_in_words(curves): curves for curves, _ in judged}, "notes": tuple(notes)}
    return made


def by_words(paper: str, statements: Iterable[Statement]) -> dict[tuple[str, str], Statement]:
    """A paper's statements by their place and what a table says of them, which no two share."""
    printed = published.text(f"{paper}-claims").set_index(["place", "claim"])
    return {(one.place, in_words(one, printed.loc[(one.place, one.claim)])): one for one in statements}


def in_words(statement: Statement, printed: pd.Series) -> str:
    """The statement for readers, with the number that is printed, and its aspect."""
    told = statement.claim
    if printed.value and ":" not in _PLACE.sub("", told):
        joint = " " if told.endswith(("about", "than")) else ": "
        told += f"{joint}{printed.value} {printed.unit}".rstrip()
    return f"{told} ({statement.aspect})" if statement.aspect else told


def size_in_words(curves: Curves) -> str:
    """How many examples were trained on, for how long, in which precision; the experiment's note, if it has one."""
    if curves.experiment.note:
        return curves.experiment.note
    runs = curves.experiment.runs
    precisions = ", ".join(sorted({run.precision for run in runs}))
    return f"{count(train_examples(curves), 'training example')}, {count(runs[0].epochs, 'epoch')}, {precisions}"


def train_examples(curves: Curves) -> int:
    """How many examples were trained on."""
    first = curves.frame.sort_values("batch_size", kind="stable").iloc[0]  # the smallest mini-batch rounds least
    own = curves.frame[curves.frame.run == first.run].iloc[-1]
    return round(own.step * own.batch_size / own.epoch)


def finding(table: pd.DataFrame) -> list[str]:
    """How many statements have which verdict, a sentence for each size."""
    sentences = []
    for size, own in table[table.part == WHOLE].groupby("size", sort=False):
        counts, seeds = own.verdict.value_counts(), own.n
        if not seeds.any():  # too few to test anything
            frame = table.attrs["curves"][size].frame
            seeds = frame.groupby(["panel", "method"], observed=True).seed.nunique()
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)
        sentences.append(f"{size}; {wording.seeds_in_words(seeds)}. Of {count(len(own), 'statement')}: {said}")
    return sentences


def markdown(table: pd.DataFrame) -> str:
    """The table of :func:`table` for readers: what was found, every statement, every test, the rules."""
    several, data = table["size"].nunique() > 1, table.data.iloc[0]
    whole = table[table.part == WHOLE]
    parts = table.duplicated(["place", "statement", "size"], keep=False)
    made = table[(table.verdict != NOT_TESTED) & ~(parts & (table.part == WHOLE))]
    head = ("place", "statement", "verdict", "test that decides", "effect [95 % t interval]", "n", "size", "note")
    lines = [
        (
            row.place,
            row.statement,
            f"**{row.verdict}**",
            row.test,
            *numbers(row),
            row.size if several else "",
            row.note,
        )
        for row in whole[whole.verdict != NOT_TESTED].itertuples()
    ]
    untested = [
        (row.place, row.statement, row.size if several else "", row.note)
        for row in whole[whole.verdict == NOT_TESTED].itertuples()
    ]
    header = ("place", "test", "verdict", "effect [95 % t interval]", "n", "p (Holm)", "smallest", "size", "note")
    tests = [
        (
            *(row.place, row.test, row.verdict, *numbers(row), p_value(row.p_holm)),
            *(in_unit(row.smallest, row.unit), row.size if several else "", row.note),
        )
        for row in made.itertuples()
    ]
    blocks = (
        f"**{wording.sentence(catalogue.label(data)) or f'{data}.'}**",
        "\n".join(f"- **{sentence}.**" for sentence in finding(table)),
        _elsewhere(table),
        markup.markdown_table(head, lines) if lines else "",
        "**Not tested, or not in all that it says.**",
        markup.markdown_table(("place", "statement", "size", "why"), untested),
        "**Every test that was made.**" if tests else "",
        markup.markdown_table(header, tests) if tests else "",
        " ".join(_notes(table)),
    )
    return "\n\n".join(filter(None, blocks)) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.csv and .md, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"csv": markup.csv(table), "md": markdown(table)})


def _elsewhere(table: pd.DataFrame) -> str:
    """That the data are not the paper's, where they are not."""
    experiment = next(iter(table.attrs["curves"].values())).experiment
    own = ", ".join(name for name in experiment.own if name not in experiment.sources)
    return f"A verdict is of these data: nothing here was run on the paper's own, {own}." if own else ""


def _compares(statements: Sequence[Statement], found: Sequence[Sequence[Found]]) -> bool:
    """Whether a test of two methods was made."""
    return any(
        test.other and one.verdict != NOT_TESTED
        for statement, own in zip(statements, found, strict=True)
        for test, one in zip(statement.tests, own, strict=True)
    )


def _has_pairs(frame: pd.DataFrame) -> bool:
    """Whether two methods were run with one seed."""
    return bool((frame.groupby(["panel", "seed"], observed=True).method.nunique() > 1).any())


def _tested(found: Sequence[Found]) -> bool:
    return any(one.verdict != NOT_TESTED for one in found)


def _rows(statement: Statement, found: Sequence[Found], remarks: Mapping[str, str]) -> Iterator[dict]:
    """The statement's own row, and those of its tests where it has several."""
    notes = [_remarks([test], remarks) for test in statement.tests]
    if len(found) == 1:
        yield _row(WHOLE, statement.tests[0], found[0], notes[0])
        return
    whole = claim_verdicts.together(found, most=statement.most) if found else Found(NOT_TESTED, statement.why)
    at = claim_verdicts.deciding(found, whole.verdict)
    yield _row(WHOLE, None if at is None else statement.tests[at], whole, _remarks(statement.tests, remarks))
    for at, (test, one, note) in enumerate(zip(statement.tests, found, notes, strict=True), 1):
        yield _row(str(at), test, one, note)


def _row(part: str, test: Test | Bands | None, found: Found, remark: str) -> dict:
    numbers = ("effect", "low", "high", "n", "p", "p_holm", "smallest", "verdict")
    row = {"part": part, "test": test.words if test else "", "unit": test.unit if test else ""}
    row |= {name: getattr(found, name) for name in numbers}
    return row | {"note": "; ".join(filter(None, (found.note, remark)))}


def _remarks(tests: Sequence[Test | Bands], remarks: Mapping[str, str]) -> str:
    methods = {name for test in tests for name in (test.method, test.other)}
    return "; ".join(dict.fromkeys(text for method, text in remarks.items() if method in methods))


def numbers(row) -> tuple[str, str]:
    """Effect and interval of a row of :func:`table` in their unit, and n."""
    if row.unit.endswith("plots"):
        effect = number(row.effect, 0)
    else:
        effect = wording.with_interval(row.effect, row.low, row.high, "+", DIGITS.get(row.unit, 3))
    return f"{effect} {row.unit}".strip() if effect else "", number(row.n, 0) if row.n else ""


def in_unit(value: float, unit: str) -> str:
    """An effect in a unit of :func:`table`, with as many digits as it has there; "" for none."""
    text = number(value, DIGITS.get(unit, 3))
    return f"{text} {unit}".strip() if text else ""


def _notes(table: pd.DataFrame) -> Iterator[str]:
    """How the verdicts come about, and of which runs."""
    paper = table.paper.iloc[0]
    facts = int((published.text(f"{paper}-claims").kind == "set-up").sum())
    yield (
        "No verdict is typed: each follows from the stored runs by a rule. Differences are paired by seed; losses,"
        " standard deviations and updates are compared as ratios, in %. p is two-sided, by the exact sign-flip test, or"
        " by the t test of a standard deviation (jackknife) and of every evaluation; for two things that are called"
        " alike, by two one-sided t tests. It is adjusted by Holm over the tests of a statement, and a test decides"
        f" only below {statistics.LEVEL:g}. What one sentence says of several things counts as several statements."
    )
    yield (
        "Supported: the interval lies wholly on the side that is claimed or, for a printed number, meets what rounds"
        " to it. Contradicted: it lies wholly on the other side, does not meet the number, or a difference is claimed"
        f" and the two are shown to differ by less than {short(100 * statistics.MARGIN)} points of accuracy or"
        f" {SIMILAR:g} % of the loss. A statement is supported by all of its tests, or, where it says most, by"
        " more than half; one that contradicts it suffices. Else it is inconclusive, or not tested where some of its"
        " runs were not made. Beside a statement of several tests stands the clearest that contradicts it, or else"
        " the weakest."
    )
    yield (
        f"A test of fewer than {count(FEWEST, 'pair')} of seeds is not made. Smallest: the least effect that would be"
        " significant at the spread of these seeds. Intervals and tests cover seeds, not the choice of test images."
    )
    yield from table.attrs["notes"]
    yield f"{facts} more rows of what the paper prints are facts of its set-up, and no results."
    for size, curves in table.attrs["curves"].items():
        measured = wording.measured_statement(curves.experiment)
        yield " ".join(filter(None, (f"{size}: {wording.origin_statement(curves)}", measured)))
