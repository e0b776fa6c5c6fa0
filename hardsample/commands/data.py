"""`hardsample data`: load or download a data set and describe it."""

import argparse

from hardsample.data.catalogue import DATASETS
from hardsample.data.dataset import load
from hardsample.experiments.registry import grid


def do(options: argparse.Namespace) -> int:
    data = load(*(grid("base-values/figure-1").sources if options.data == "auto" else [options.data]))
    known = DATASETS.get(data.name)
    about = "stand-in" if data.stand_in else known and known.label
    print(f"name         {data.name}{f' ({about})' if about else ''}")
    if known:
        for heading, words in (("what", known.what), ("from", known.origin), ("made", known.recipe)):
            if words:
                print(f"{heading:<13}{words}")
    print(f"train        {' x '.join(map(str, data.x_train.shape))}")
    print(f"test         {' x '.join(map(str, data.x_test.shape))}")
    print(f"classes      {len(data.classes)}: {' '.join(data.classes)}")
    print(f"fingerprint  {data.fingerprint}{_compared(data.fingerprint, known.fingerprint) if known else ''}")
    return 0


def _compared(found: str, known: str) -> str:
    """What a fingerprint tells, beside the one that is known; nothing where none is."""
    if not known:
        return ""
    return ", the known one" if found == known else f"; the known one is {known}: give other content another name"
