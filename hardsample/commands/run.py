"""`hardsample run`: compute the runs that are not stored yet."""

import argparse

from hardsample.commands import chosen


def do(options: argparse.Namespace) -> int:
    report = chosen.launch_all(options, chosen.experiments(options))
    return 1 if report.failed or report.missing else 0
