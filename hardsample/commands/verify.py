"""`hardsample verify`: check every stored run, and train some again if asked to."""

import argparse
import sys

import numpy as np

from hardsample.commands import chosen, knobs, standing_words
from hardsample.commands.columns import aligned
from hardsample.comparison import trials
from hardsample.errors import InputError
from hardsample.numerals import count, number, percent
from hardsample.records import StoredRun, made, rows_by_epoch, stem
from hardsample.runs import checksums, rerun, standing
from hardsample.runs.devices import resolve_device
from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    """Print every problem, and which runs are of other code; with ``--rerun``, a table of the runs trained again."""
    where = knobs.defaults(knobs.WHERE)
    if not options.rerun and (chosen.chooses(options) or any(getattr(options, name) != where[name] for name in where)):
        raise InputError("verify checks all stored runs: its other options choose which --rerun trains again.")
    store = Store()
    compared = list(trials.files(store.root))
    if options.keep_checksums:
        print(f"{count(checksums.keep(store, compared), 'checksum')} kept in {store.root}")
    problems = [*store.verify(), *trials.problems(store.root)]
    for problem in problems:
        print(problem, file=sys.stderr)
    records = store.records()
    print(f"{len(records) + len(compared)} finished runs checked in {store.root}, {len(problems)} problems")
    if unsealed := checksums.count_missing(store, compared):
        print(f"no checksum {count(unsealed, 'run')}: `hardsample verify --keep-checksums` keeps theirs beside them")
    done = {record.run: record.provenance for record in records}
    print(*standing_words.lines(done, standing.standing(store, done)), sep="\n")
    if others := trials.count_other_code(compared):
        print(f"other code  {count(others, 'training')} of {len(compared)} of comparisons")
    return _rerun(options, store) or int(bool(problems))


def _rerun(options: argparse.Namespace, store: Store) -> int:
    """Train again what ``--rerun`` says, and print how it agrees; the exit status."""
    if not options.rerun:
        return 0
    records, sources = chosen.stored(options)
    device = resolve_device(options.device)
    runs = rerun.choose(records, options.rerun, device, np.random.default_rng())
    print(f"\ntraining {count(len(runs), 'stored run')} again, chosen at random:", flush=True)
    report, found = rerun.rerun(
        runs,
        store,
        sources=sources,
        device=device,
        workers=options.workers,
        scheduler=options.scheduler,
        time_limit=options.time_limit,
    )
    if found:
        print(*aligned([_HEAD, *map(_line, found)], left=(0, 1, 2, 3)), sep="\n")
        print(
            "The same: bit for bit on the same processor and versions; elsewhere the last test accuracy and loss lie as"
            f" near to those stored as {percent(standing.TOLERANCE)} of the pairs of seeds do."
        )
    different = [each for each in found if not each.agreement.same]
    print(f"{len(found) - len(different)} of {count(len(runs), 'run')} gave the same")
    return int(bool(different or report.failed or report.missing))


_HEAD = ("run", "stored", "again", "agreement", *(f"{name}, stored" for name in standing.JUDGED), *standing.JUDGED)


def _line(each: rerun.Rerun) -> tuple[str, ...]:
    stored, again = ([*rows_by_epoch(record).values()][-1] for record in (each.stored, each.again))
    ends = [number(row[name], 4) or "diverged" for row in (stored, again) for name in standing.JUDGED]
    return stem(each.stored.run), _origin(each.stored), _origin(each.again), each.agreement.words, *ends


def _origin(record: StoredRun) -> str:
    how = made(record.run, record.provenance)
    return f"{how['device']}, {how['torch']}, {how['code']}"
