"""`hardsample report`: the verdict on every claim of the papers, as a page, in Markdown, and as a checklist."""

import argparse

from hardsample import paths
from hardsample.runs import standing as standings
from hardsample.runs.store import Store
from hardsample.verdicts import judged, twin


def do(options: argparse.Namespace) -> int:
    paths.check_writable(paths.report_dir())
    store = Store()
    records = store.records()
    standing = standings.standing(store, {record.run: record.provenance for record in records})
    found = judged.judge(records, standing)
    print(*twin.write(found), sep="\n")
    return 0
