"""`hardsample gpu-merge`: store the runs that `gpu` brought home."""

import argparse

from hardsample.gpu import merge


def do(options: argparse.Namespace) -> int:
    print(*merge.merge(options.folder), sep="\n")
    return 0
