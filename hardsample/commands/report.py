"""`hardsample report`: the verdict on every claim of the papers, as a page, in Markdown, and as a checklist."""

import argparse

from hardsample import paths
from hardsample.runs.store import Store
from hardsample.verdicts import report


def do(options: argparse.Namespace) -> int:
    paths.check_writable(paths.report_dir())
    print(*report.write(Store(), pages=options.pages), sep="\n")
    return 0
