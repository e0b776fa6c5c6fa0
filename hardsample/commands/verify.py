"""`hardsample verify`: check every stored run."""

import argparse
import sys

from hardsample.comparison import trials
from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    store = Store()
    problems = [*store.verify(), *trials.problems(store.root)]
    for problem in problems:
        print(problem, file=sys.stderr)
    runs = len(store.records()) + len(list(trials.files(store.root)))
    print(f"{runs} finished runs checked in {store.root}, {len(problems)} problems")
    return 1 if problems else 0
