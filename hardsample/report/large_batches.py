"""PEB against PLB at paper A's largest mini-batches, where no figure of the paper has PLB.

``python -m hardsample.report.large_batches`` writes ``plb-n1024`` into the figures of the full-size letters, from
stored runs.
"""

import dataclasses
import sys
from pathlib import Path

from hardsample import paths
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.experiments.panels import Experiment, Panel
from hardsample.report import markup, tables
from hardsample.runs.store import Store

DATA = "sd19-letters"
BATCH_SIZE = 1024


def experiment() -> Experiment:
    """Figure 1's PLB and PEB, with Figure 3's largest mini-batches."""
    default = registry.grid("base-values/figure-1", profile="paper", data=DATA, precision="bf16")
    runs = [dataclasses.replace(run, batch_size=BATCH_SIZE) for run in default.runs if run.method in ("PLB", "PEB")]
    panel = Panel(f"n = {BATCH_SIZE}", tuple(runs))
    return dataclasses.replace(default, name=f"base-values/plb-n{BATCH_SIZE}", panels=(panel,))


def save(store: Store, stem: Path) -> tuple[Path, ...]:
    """Write the pairs of the stored runs as ``stem``.csv and .md; their metrics are one family of tests.

    Raises:
        InputError: the folder cannot be written, or runs were made with different data of one name.
    """
    curves = store.curves(experiment())
    pairs = tables.pairs(curves)
    text = tables.pairs_markdown(tables.final_metrics(curves), pairs)
    return markup.write(stem, {"csv": markup.csv(pairs.frame), "md": text})


if __name__ == "__main__":
    try:
        print(*save(Store(), paths.figures_dir() / "base-values" / DATA / f"plb-n{BATCH_SIZE}"), sep="\n")
    except InputError as error:
        sys.exit(f"hardsample: {error}")
