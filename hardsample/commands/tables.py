"""`hardsample tables`: the tables over all stored runs."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from hardsample import paths
from hardsample.experiments import base_values_sizes
from hardsample.experiments.curves import Curves, join_runs
from hardsample.experiments.shipped import SHIPPED, shipped
from hardsample.records import StoredRun
from hardsample.report import base_values_claims, claims, deviation_effects, figures, hours, large_batches, replicates
from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    store, other, folder = Store(), Store(options.replicates), paths.figures_dir()
    records, others = store.records(), other.records()
    print(*deviation_effects.save(deviation_effects.table(records), folder / "deviations"), sep="\n")
    own = [experiment for experiment, _ in shipped([name for name, _ in SHIPPED])]
    if len(spent := hours.table(own, records)):
        print(*hours.save(spent, folder / "hours"), sep="\n")
    experiment = large_batches.experiment()
    if store.done(experiment.runs):
        print(*large_batches.save(store.curves(experiment), figures.stem(experiment)), sep="\n")
    else:
        print(f"{experiment.name}: nothing of it is stored, not written")
    for path in _claims(records):
        print(path)
    homes = {record.run.data: folder / other.path(record.run).parent.relative_to(other.root) for record in others}
    print(*replicates.save_each(replicates.compare(records, others), homes), sep="\n")
    return 0


def _claims(records: list[StoredRun]) -> Iterator[Path]:
    """Write what paper A says beside what the runs say of it, for all data of which enough are stored."""
    by_data: dict[Path, list[Curves]] = {}
    for experiment, found in base_values_sizes.at_every_size(records):
        by_data.setdefault(figures.stem(experiment), []).append(join_runs(experiment, found))
    for stem, sizes in by_data.items():
        table = claims.table(base_values_claims.PAPER, base_values_claims.STATEMENTS, sizes, base_values_claims.REMARKS)
        if len(table):
            yield from claims.save(table, stem)
