"""PEB against PLB at paper A's largest mini-batches, where no figure of the paper has PLB.

``hardsample tables`` writes ``plb-n1024`` into the figures of the full-size letters, from stored runs.
"""

import dataclasses
from pathlib import Path

from hardsample.experiments import registry
from hardsample.experiments.curves import Curves
from hardsample.experiments.panels import Experiment, Panel
from hardsample.report import markup, tables

DATA = "sd19-letters"
BATCH_SIZE = 1024


def experiment() -> Experiment:
    """Figure 1's PLB and PEB, with Figure 3's largest mini-batches."""
    default = registry.grid("base-values/figure-1", profile="paper", data=DATA, precision="bf16")
    runs = [dataclasses.replace(run, batch_size=BATCH_SIZE) for run in default.runs if run.method in ("PLB", "PEB")]
    panel = Panel(f"n = {BATCH_SIZE}", tuple(runs))
    return dataclasses.replace(default, name=f"base-values/plb-n{BATCH_SIZE}", panels=(panel,))


def save(curves: Curves, stem: Path) -> tuple[Path, ...]:
    """Write the pairs of :func:`experiment`'s curves as ``stem``.csv and .md; their metrics are one family of tests.

    Raises:
        InputError: the folder cannot be written.
    """
    pairs = tables.pairs(curves)
    text = tables.pairs_markdown(tables.final_metrics(curves), pairs)
    return markup.write(stem, {"csv": markup.csv(pairs.frame), "md": text})
