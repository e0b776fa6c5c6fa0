"""Every claim of both papers with its verdict, from stored runs, from what is printed, and from the package's grids."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from hardsample.config import Run
from hardsample.experiments import base_values, published
from hardsample.experiments.published import PAPERS
from hardsample.numerals import count
from hardsample.records import Standing, StoredRun
from hardsample.report import base_values_claims, claims, hard_samples_claims, wording
from hardsample.report.claim_tests import Statement
from hardsample.report.claim_verdicts import INCONCLUSIVE, NOT_TESTED
from hardsample.report.kept import Detail
from hardsample.verdicts import arithmetic, results, settings
from hardsample.verdicts.claim import Claim, Evidence, Judged, Recomputed, Setting, tested

_NO_CHECK = "It describes the paper's own data, machine or way of work, or defines something: no run can test it."


def judge(
    records: Sequence[StoredRun], standing: Standing | None = None, details: Mapping[Run, Detail] | None = None
) -> Judged:
    """The verdict on every claim.

    ``standing`` says which of the records are of other code than today's; ``details`` are what they keep of single
    examples (:func:`hardsample.runs.store.every_detail`).
    """
    evidence, runs = results.gather(records, standing, details)
    computed, kept = arithmetic.gather(), settings.gather()
    found: list[Claim] = []
    for paper, folder in PAPERS.items():
        printed = published.text(f"{folder}-claims")
        said = _statements(folder)
        number = 0
        for row in printed.itertuples():
            key = paper, row.place, row.claim
            for words, statement in said.get((row.place, row.claim), [(_set_up(row), None)]):
                number += 1
                own = tuple(evidence.get((folder, row.place, words), ()))
                printed_too = () if _is_of_one_network(statement) else computed.get(key, ())
                found.append(_claim(paper, number, row, words, statement, own, printed_too, kept.get(key, ())))
    return Judged(tuple(found), runs)


def _statements(folder: str) -> dict[tuple[str, str], list[tuple[str, Statement]]]:
    """What a paper says of its results, by place and claim: each in words, and the tests that it comes to."""
    if folder == base_values_claims.PAPER:
        statements: Sequence[Statement] = base_values_claims.STATEMENTS
    else:
        statements = [statement for _, statement in hard_samples_claims.SAID]
    found: dict[tuple[str, str], list[tuple[str, Statement]]] = {}
    for (place, words), statement in claims.by_words(folder, statements).items():
        found.setdefault((place, statement.claim), []).append((words, statement))
    return found


def _is_of_one_network(statement: Statement | None) -> bool:
    """Whether it is what one network has of a statement on several, which the audit computes of all."""
    return statement is not None and statement.aspect.endswith(hard_samples_claims.RESNET)


def _set_up(row) -> str:
    """A setting in words with its value, and its unit where the words do not have it."""
    unit = "" if row.unit and row.unit.removesuffix("s") in row.claim else row.unit
    return claims.in_words(Statement(row.place, row.claim), pd.Series({"value": row.value, "unit": unit}))


def _claim(
    paper: str,
    number: int,
    row,
    words: str,
    statement: Statement | None,
    evidence: tuple[Evidence, ...],
    computed: tuple[Recomputed, ...],
    kept: tuple[Setting, ...],
) -> Claim:
    found = tested(evidence)
    if found:
        verdict = found[0].verdict
    elif computed:
        verdict = arithmetic.together(computed)
    else:
        verdict = kept[0].verdict if kept else NOT_TESTED
    notes = [*_of_runs(found)] if found else [_why(statement, evidence, bool(computed or kept))]
    note = " ".join(filter(None, notes))
    return Claim(paper, number, row.place, words, row.kind, verdict, note, row.doubt, evidence, computed, kept)


def _of_runs(found: Sequence[Evidence]) -> Iterator[str]:
    """What a reader must know beside the verdict of the first of those that were tested."""
    first = found[0]
    if not first.whole:
        yield "Not at the paper's size."
    if first.verdict == INCONCLUSIVE and first.decides and first.decides.smallest:
        yield f"The smallest effect that would be significant is {first.decides.smallest}."
    if len({one.verdict for one in found}) > 1:
        told = "; ".join(f"{one.verdict} on {one.data} ({one.size.split(', ')[0]})" for one in found)
        data = {one.data for one in found}
        yield f"{'Data sets' if len(data) > 1 else 'Sizes'} disagree: {told}."
    if first.note:
        yield wording.sentence(first.note)


def _why(statement: Statement | None, evidence: Sequence[Evidence], otherwise: bool) -> str:
    """Why no runs tested it; "" for a set-up that was looked up or computed."""
    if statement is None:
        return "" if otherwise else _NO_CHECK
    if statement.why or not any(one.tests for one in evidence):
        return f"Not run: {statement.why or _not_at_hand(statement)}."
    return _partly(evidence[0])


def _partly(evidence: Evidence) -> str:
    """What of a statement's tests was made, and what is missing for the others."""
    made = Counter(one.verdict for one in evidence.tests if one.verdict != NOT_TESTED)
    told = ", ".join(f"{many} {verdict}" for verdict, many in made.items())
    done = f"Made were {made.total()} of {count(len(evidence.tests), 'test')}: {told}." if made else ""
    begun = re.match(r"\d+ tests?: [^;]*", evidence.note)  # how many have which verdict, which is said above
    missing = evidence.note[begun.end() :].removeprefix("; ") if begun else evidence.note
    return " ".join(filter(None, (wording.sentence(missing), done)))


def _not_at_hand(statement: Statement) -> str:
    """That nothing was run on any of the data sets that a statement is of."""
    slots = next((slots for slots, one in hard_samples_claims.SAID if one == statement), base_values.DATA.own)
    return f"nothing was run on {' or '.join(slots)}"
