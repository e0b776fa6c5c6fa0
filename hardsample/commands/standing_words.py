"""How stored runs stand to today's code and to each other, in lines for people."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from hardsample.config import Run
from hardsample.numerals import count
from hardsample.records import Standing, made, stem

SHOWN = 6  # kinds of code, of machines, and runs that were trained again


def lines(done: Mapping[Run, Mapping[str, Any]], found: Standing) -> list[str]:
    """Which of the runs ``done`` are of other code, what was trained again, and on what all were made."""
    total = len(done)
    told = [f"other code  {count(runs, 'run')} of {total}: {code}" for code, runs in _most(found.other.values())]
    again = [f"run again   {stem(run)}: {words}" for run, words in found.rerun.items()]
    told += again[:SHOWN] + [f"run again   {len(again) - SHOWN} more"] * (len(again) > SHOWN)
    ways = [made(run, about) for run, about in done.items()]
    origins = _most(f"{way['device']}, {way['precision']}, {way['torch']}" for way in ways)
    return told + [f"made on     {count(runs, 'run')} of {total}: {origin}" for origin, runs in origins]


def _most(words: Iterable[str]) -> list[tuple[str, int]]:
    """The words by how often they are said, and how often all the others are."""
    every = Counter(words).most_common()
    others = every[SHOWN:]
    rest = [(f"{len(others)} others", sum(times for _, times in others))] if others else []
    return every[:SHOWN] + rest
