"""`hardsample tables`: the tables over all stored runs."""

import argparse

from hardsample import paths
from hardsample.experiments.shipped import SHIPPED, shipped
from hardsample.report import deviation_effects, every_claim, figures, hours, large_batches, replicates
from hardsample.runs import standing as standings
from hardsample.runs.store import Store, every_detail


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
    standing = standings.standing(store, {record.run: record.provenance for record in records})
    if found := every_claim.tables(records, standing, every_detail(store, records)):
        print(*every_claim.save(found, folder), sep="\n")
    homes = {record.run.data: folder / other.path(record.run).parent.relative_to(other.root) for record in others}
    print(*replicates.save_each(replicates.compare(records, others), homes), sep="\n")
    return 0
