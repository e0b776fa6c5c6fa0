"""Replicates: paired by key, else by everything but the precision; differences by hand; what has no twin is said."""

import dataclasses

import pandas as pd
import pytest

from hardsample import cli, paths
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.experiments.curves import METRICS
from hardsample.report import replicates
from hardsample.runs.store import Store
from hardsample.training.results import COLUMNS, TrainingResult

RUN = Run(data="own-letters", method="PEB", seed=1, precision="bf16")


def store(store, run, values, device="GPU", fingerprint="a" * 16, **about):
    """A run whose four metrics are each ``values``, an evaluation every 10 steps and half an epoch."""
    rows = []
    for index, value in enumerate(values):
        metrics = dict.fromkeys((*METRICS, "acc/choose", "acc/report"), value)
        row = {"step": 10 * index, "epoch": index / 2} | metrics
        rows.append(tuple(row.get(column) for column in COLUMNS))
    about |= {"device": device, "data": {"fingerprint": fingerprint}, "seconds": {"wall": 2.0}, "cohort": 1}
    store.write(run, TrainingResult(COLUMNS, tuple(rows), {}, None), about)


@pytest.fixture
def stores(tmp_path):
    here, there = Store(), Store(tmp_path / "there")
    for seed, last in ((1, 0.9), (2, 0.8), (3, 0.7)):
        store(here, dataclasses.replace(RUN, seed=seed), (0.1, 0.5, last))
    return here, there


def test_differences_are_replicate_minus_stored_beside_the_spread_of_the_seeds(stores):
    here, there = stores
    store(there, RUN, (0.1, 0.2, 0.95), "CPU")
    table = replicates.compare(here.records(), there.records())
    assert list(table) == list(replicates.COLUMNS) and list(table.metric) == list(METRICS)
    row = table.iloc[0]
    assert (row.seed, row.method, row.device, row.other_device, row.seeds, row.evaluations) == (
        1,
        "PEB",
        "GPU",
        "CPU",
        3,
        3,
    )
    assert (row.value, row.other_value) == (0.9, 0.95)
    assert row.end == pytest.approx(0.05) and row.sd == pytest.approx(0.1)
    assert row.largest == pytest.approx(-0.3) and row.largest_epoch == 0.5
    text = replicates.markdown(table)
    assert "+0.0500 = +0.5 sd (-0.3000 at 0.5)" in text and "CPU, bf16 | GPU, bf16" in text
    assert "more than their hardware" not in text and "counterpart" not in text
    assert "test accuracy over 1 pair is +5.00 points: too few to be called equivalent or not" in text


def test_a_run_of_another_precision_stands_in_and_is_said(stores):
    here, there = stores
    store(there, dataclasses.replace(RUN, seed=2, precision="float32"), (0.1, 0.5, 0.8), "CPU")
    table = replicates.compare(here.records(), there.records())
    assert set(table.precision) == {"bf16"} and set(table.other_precision) == {"float32"}
    assert "CPU, float32 | GPU, bf16" in replicates.markdown(table)
    assert "differ in more than their hardware: stored runs are of bf16, replicates of float32." in replicates.markdown(
        table
    )


def test_other_code_is_said(stores):
    here, there = stores
    store(there, RUN, (0.1, 0.5, 0.9), source="abcdef0123")
    table = replicates.compare(here.records(), there.records())
    assert table.attrs["unlike"] == {"code": (["commit unknown"], ["source abcdef0"])}
    assert "stored runs are of commit unknown, replicates of source abcdef0." in replicates.markdown(table)


@pytest.mark.parametrize(
    ("apart", "said"), [(0.001, ": equivalent within"), (0.02, ": not shown to be equivalent within")]
)
def test_six_pairs_are_tested_for_equivalence_and_five_are_not(tmp_path, apart, said):
    here, there = Store(), Store(tmp_path / "there")
    for seed in range(6):
        store(here, dataclasses.replace(RUN, seed=seed), (0.1, 0.9))
        store(there, dataclasses.replace(RUN, seed=seed), (0.1, 0.9 + apart * (-1) ** seed))
    table = replicates.compare(here.records(), there.records())
    assert f"{said} 0.5 points (two one-sided t tests, p = " in replicates.markdown(table)
    five = replicates.markdown(table[table.seed < 5])
    assert "too few to be called equivalent or not: we ask for 6 pairs" in five and "one-sided" not in five


def test_the_same_precision_goes_first(stores):
    here, there = stores
    exact = dataclasses.replace(RUN, precision="float32")
    store(here, exact, (0.1, 0.5, 0.6))
    store(there, exact, (0.1, 0.5, 0.6))
    table = replicates.compare(here.records(), there.records())
    assert set(table.precision) == {"float32"} and (table.end == 0).all() and set(table.seeds) == {1}
    assert "sd (" not in replicates.markdown(table)  # one seed has no spread


def test_what_has_no_counterpart_is_said(stores):
    here, there = stores
    store(there, RUN, (0.1, 0.5, 0.9))
    store(there, dataclasses.replace(RUN, method="PLB"), (0.1, 0.5, 0.9))
    table = replicates.compare(here.records(), there.records())
    assert len(table) == len(METRICS)
    assert "Without a counterpart: own-letters-PLB-" in replicates.markdown(table)


def test_other_data_of_the_same_name_are_refused(stores):
    here, there = stores
    store(there, RUN, (0.1, 0.5, 0.9), fingerprint="b" * 16)
    with pytest.raises(InputError, match="have fingerprint"):
        replicates.compare(here.records(), there.records())


def test_each_data_set_has_a_table(stores, tmp_path):
    here, there = stores
    store(there, RUN, (0.1, 0.2, 0.95), "CPU")
    table = replicates.compare(here.records(), there.records())
    written = replicates.save_each(table, {"own-letters": tmp_path / "a", "others": tmp_path / "b"})
    assert written == (tmp_path / "a" / "replicates.csv", tmp_path / "a" / "replicates.md")
    assert len(pd.read_csv(written[0])) == len(METRICS) and not (tmp_path / "b").exists()


def test_the_command_writes_every_table_that_has_runs(stores, capsys):
    here, there = stores
    store(there, RUN, (0.1, 0.2, 0.95), "CPU")
    assert cli.main(["tables", "--replicates", str(there.root)]) == 0
    home = paths.figures_dir()
    assert capsys.readouterr().out.splitlines() == [
        *(str(home / f"deviations.{suffix}") for suffix in ("csv", "md")),
        "base-values/plb-n1024: nothing of it is stored, not written",
        *(str(home / "base-values" / "own-letters" / f"replicates.{suffix}") for suffix in ("csv", "md")),
    ]
    for name in ("deviations.csv", "base-values/own-letters/replicates.csv"):
        assert len(pd.read_csv(home / name))


def test_a_folder_without_runs_is_one_sentence(tmp_path, capsys):
    assert cli.main(["tables", "--replicates", str(tmp_path)]) == 2
    assert "no finished run was computed twice: give a folder of runs" in capsys.readouterr().err


def test_whether_a_gain_depends_on_the_device_is_told_by_seed(stores):
    here, there = stores
    baseline = dataclasses.replace(RUN, method="MB")
    for seed, last in ((1, 0.6), (2, 0.7)):
        store(here, dataclasses.replace(baseline, seed=seed), (0.1, 0.5, last))
        store(there, dataclasses.replace(baseline, seed=seed), (0.1, 0.5, last - 0.1), "CPU")
        store(there, dataclasses.replace(RUN, seed=seed), (0.1, 0.5, 0.9), "CPU")
    table = replicates.compare(here.records(), there.records())
    found = replicates.gains(table).set_index(["metric", "seed"])
    assert list(found.loc["acc/val"].stored) == pytest.approx([0.9 - 0.6, 0.8 - 0.7])
    assert list(found.loc["acc/val"].replicate) == pytest.approx([0.9 - 0.5, 0.9 - 0.6])
    assert list(found.loc["loss/val"].apart) == pytest.approx([0.1, 0.2])
    text = replicates.markdown(table)
    assert "| PEB - MB, acc/val, points | 1 | +30.00 (GPU, bf16) | +40.00 (CPU, bf16) | +10.00 |" in text
    assert "PEB - MB in acc/val: +15.00 [-48.53, +78.53]: inconclusive, 6 seeds are needed (n = 2)." in text
    alone = table[table.method == "PEB"]
    alone.attrs = table.attrs
    assert replicates.gains(alone).empty and "depend on the device" not in replicates.markdown(alone)
