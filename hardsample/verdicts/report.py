"""The report as files: the page, its Markdown twin, and the reproducibility statement, all of the same verdicts."""

from collections import Counter
from pathlib import Path

import hardsample
from hardsample import paths
from hardsample.experiments.published import PAPERS
from hardsample.numerals import number
from hardsample.records import StoredRun
from hardsample.report import markup
from hardsample.runs import standing as standings
from hardsample.runs.store import Store, every_detail
from hardsample.verdicts import findings, page, reproducibility, twin
from hardsample.verdicts.claim import MEANING, Judged
from hardsample.verdicts.judged import judge

TWIN, STATEMENT = "verdict", "reproducibility"
PAGES = Path("docs")  # where the twin and the statement of the committed runs lie


def write(store: Store, *, pages: bool = False) -> list[Path]:
    """Write the report from the runs of a store; its files, the page first.

    With ``pages`` the twin and the statement are written into ``docs/`` as well, and the blocks of the pages that quote
    them.

    Raises:
        InputError: a folder cannot be written.
    """
    judged, records = of(store)
    texts = {TWIN: twin.markdown(judged), STATEMENT: reproducibility.markdown(judged, records)}
    written = [page.save(_contents(judged, records))]
    for folder in (paths.report_dir(), *([paths.project_root() / PAGES] if pages else [])):
        for name, text in texts.items():
            written += markup.write(folder / name, {"md": text})
    return written + (twin.write_blocks(judged) if pages else [])


def of(store: Store) -> tuple[Judged, list[StoredRun]]:
    """The verdicts on every claim from a store's runs, and those runs."""
    records = store.records()
    standing = standings.standing(store, {record.run: record.provenance for record in records})
    return judge(records, standing, every_detail(store, records)), records


def _contents(judged: Judged, records: list[StoredRun]) -> page.Contents:
    counts = {paper: Counter(claim.verdict for claim in judged.of(paper)) for paper in PAPERS}
    return page.Contents(
        judged,
        findings=(findings.answer(judged), *findings.findings(judged)),
        counts={paper: {verdict: own[verdict] for verdict in MEANING} for paper, own in counts.items()},
        facts={"version": hardsample.__version__, "stored runs": number(len(records), 0)},
    )
