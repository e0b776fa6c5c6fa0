"""The hours of the shipped runs: each run and each pre-training counts once, of a cohort each run its share."""

import dataclasses

import pytest
from synthetic import made_up

from hardsample.config import Run
from hardsample.experiments.panels import Panel
from hardsample.records import StoredRun
from hardsample.report import hours

RUN = Run(data="own", method="PEB", seed=1, pretrain_epochs=2.0, train_examples=100)


def stored(run, wall=3600.0, cohort=1, device="a CPU"):
    return StoredRun(run, {"device": device, "cohort": cohort, "seconds": {"wall": wall, "pretrain": 720.0}}, (), ())


def experiment(name, *runs):
    return dataclasses.replace(made_up(None).experiment, name=name, panels=(Panel("", runs),), said={})


def test_each_run_and_each_pre_training_counts_once():
    baseline, other = dataclasses.replace(RUN, method="MB"), dataclasses.replace(RUN, seed=2)
    first, second = experiment("a/one", baseline, RUN), experiment("a/two", baseline, other)
    rows = hours.table([first, second], [stored(RUN), stored(baseline), stored(other)])
    assert list(zip(rows.output, rows.runs, rows.new, strict=True)) == [("a/one", 2, 2), ("a/two", 2, 1)]
    assert list(rows.hours) == pytest.approx([2 + 0.2, 1 + 0.2]), "the seed's one pre-training; another seed's"


def test_of_a_cohort_each_run_has_its_share_and_devices_have_rows_of_their_own():
    other = dataclasses.replace(RUN, seed=2, pretrain_epochs=0.0)
    alone = dataclasses.replace(RUN, pretrain_epochs=0.0)
    rows = hours.table([experiment("a/one", alone, other)], [stored(alone, cohort=12, device="a GPU"), stored(other)])
    assert dict(zip(rows.device, rows.hours, strict=True)) == pytest.approx({"a GPU": 1 / 12, "a CPU": 1.0})
    text = hours.markdown(rows)
    assert text.startswith("**1 run in 0.08 hours on a GPU; 1 run in 1.0 hours on a CPU.**")
    assert "| a/one | own | 100 | float32 | a GPU | 1 | 0.08 |" in text


def test_what_is_not_stored_has_no_row():
    assert hours.table([experiment("a/one", RUN)], []).empty
