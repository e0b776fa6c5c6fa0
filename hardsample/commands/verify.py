"""`hardsample verify`: check every stored run."""

import argparse
import sys

from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    store = Store()
    problems = store.verify()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(store.records())} finished runs checked in {store.root}, {len(problems)} problems")
    return 1 if problems else 0
