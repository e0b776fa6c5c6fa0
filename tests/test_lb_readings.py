"""The study of LB's readings: each of the paper's statements, met or not, on made-up curves whose effects are known."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic import changed, curves

from hardsample.experiments import lb_study, registry
from hardsample.experiments.lb_study import DEFAULT, LARGE_BATCH, LARGE_RATE, SETTINGS, SMALL_BATCH, SMALL_RATE
from hardsample.methods.loss_based import READINGS
from hardsample.report import lb_figure, lb_readings, lb_statements

NAMES = list(READINGS)
FAITHFUL, OTHER = NAMES[2], NAMES[3]


def study(effects=None, *, seeds=3, readings=(FAITHFUL, OTHER)):
    """Curves of MB, PEB and two readings that are MB's own but for ``effects``: (reading, setting, metric) -> change.

    Accuracies gain the change in points, losses are made larger by that many percent, from the pre-training on.
    """
    whole = curves(tuple(SETTINGS), ("MB", "PEB"), seeds, note="profile small", profile="small")
    made = whole.frame
    made["loss/val"] = made.groupby(["panel", "method", "seed"])["loss/val"].cummin()  # nothing overfits
    made = made[(made.method == "MB") | (made.panel == LARGE_BATCH)]
    parts = [made]
    for reading in readings:
        own = made[made.method == "MB"].assign(method=f"LB, {reading}")
        for (whose, setting, metric), change in (effects or {}).items():
            rows = (own.panel == setting) & (own.epoch > own.pretrain_epochs) & (whose == reading)
            before = own.loc[rows, metric]
            own.loc[rows, metric] = before + change / 100 if metric.startswith("acc") else before * (1 + change / 100)
        parts.append(own)
    return changed(whole, pd.concat(parts, ignore_index=True))


def as_the_paper_says(curves):
    """Effects on FAITHFUL with which every statement holds, given what MB and PEB of the made-up curves do."""
    rows = curves.panel(LARGE_BATCH).sort_values("step")
    mb, peb = (rows[rows.method == method].groupby("seed").last() for method in ("MB", "PEB"))
    above = {metric: 100 * (peb[metric] - mb[metric]).max() + 0.5 for metric in ("acc/train", "acc/val")}
    return {
        (FAITHFUL, DEFAULT, "acc/val"): -0.5,
        (FAITHFUL, DEFAULT, "loss/train"): 2.0,
        (FAITHFUL, DEFAULT, "loss/val"): 20.0,
        **{(FAITHFUL, SMALL_BATCH, metric): 30.0 for metric in ("loss/train", "loss/val")},
        **{(FAITHFUL, LARGE_BATCH, metric): change for metric, change in above.items()},
        (FAITHFUL, LARGE_RATE, "acc/val"): -0.5,
        (FAITHFUL, LARGE_RATE, "loss/val"): 20.0,
        **{(FAITHFUL, SMALL_RATE, metric): 0.5 for metric in ("acc/train", "acc/val")},
    }


@pytest.fixture(scope="module")
def faithful():
    return study(as_the_paper_says(study()))


@pytest.mark.slow
def test_a_reading_that_does_what_the_paper_says_meets_every_statement(faithful):
    table = lb_readings.table(faithful)
    own = table[table.reading == FAITHFUL]
    assert list(own.met) == ["yes"] * len(own) and set(own.n) == {3} and set(own.letters) == {3200}
    assert lb_readings.nearest(table) == FAITHFUL
    met = lb_readings.met(table)
    assert met.loc[FAITHFUL, "statements"] == 6 and met.loc[OTHER, "statements"] < 4
    assert met.loc[FAITHFUL, "tests"] == met.loc[FAITHFUL, "of"] >= met.loc[FAITHFUL, "wholly"] > 0
    assert "counts as the paper's LB" in lb_readings.verdict(table)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, effect, change",
    [
        (1, (DEFAULT, "acc/train"), 1.5),
        (1, (DEFAULT, "acc/val"), -1.5),
        (2, (DEFAULT, "loss/val"), 3.0),
        (2, (DEFAULT, "loss/train"), 30.0),
        (3, (SMALL_BATCH, "loss/train"), 8.0),
        (3, (SMALL_BATCH, "loss/val"), 8.0),
        (4, (LARGE_BATCH, "acc/val"), -0.5),
        (4, (LARGE_BATCH, "acc/train"), 0.2),  # above MB, not above PEB
        (4, (LARGE_BATCH, "loss/val"), 8.0),
        (5, (LARGE_RATE, "loss/train"), 8.0),
        (5, (LARGE_RATE, "acc/val"), 0.5),
        (6, (SMALL_RATE, "loss/train"), 8.0),
        (6, (SMALL_RATE, "acc/train"), -0.5),
    ],
)
def test_each_part_of_a_statement_can_fail(faithful, number, effect, change):
    effects = as_the_paper_says(study()) | {(FAITHFUL, *effect): change}
    met, before = (lb_readings.met(lb_readings.table(made)) for made in (study(effects), faithful))
    assert (before.loc[FAITHFUL, number], met.loc[FAITHFUL, number]) == ("yes", "no")


def test_overfitting_is_the_rise_of_the_own_test_loss():
    made = study()
    frame = made.frame
    rows = (frame.method == f"LB, {FAITHFUL}") & (frame.panel == SMALL_BATCH) & (frame.epoch > 2)
    for end, met in ((1.01, "yes"), (1.5, "no")):
        falling = np.tile(np.r_[np.linspace(2.0, 1.0, 15), end], 3)
        frame.loc[rows, "loss/val"] = falling
        table = lb_readings.table(made)
        row = table[(table.reading == FAITHFUL) & (table.test == "overfit")].iloc[0]
        assert row.difference == pytest.approx(100 * (end - 1)) and row.met == met


def test_differences_are_paired_by_seed_with_t_half_widths():
    made = study({(FAITHFUL, DEFAULT, "acc/val"): 0.3})
    made = made.of((made.frame.method != "MB") | (made.frame.seed != 2))
    table = lb_readings.table(made)
    row = table[(table.reading == FAITHFUL) & (table.test == "acc/val") & (table.setting == DEFAULT)].iloc[0]
    assert (row.n, row.unit) == (2, "points") and row.difference == pytest.approx(0.3)
    assert row.half_width == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_what_was_not_run_is_neither_met_nor_not(faithful):
    table = lb_readings.table(faithful)
    assert set(table[table.reading == NAMES[0]].met) == {"not run"}
    assert lb_readings.met(table).loc[NAMES[0], "of"] == 0
    none = lb_readings.table(faithful.of(slice(0)))
    assert lb_readings.verdict(none) == "No reading has been run yet."
    every = lb_readings.verdict(lb_readings.table(study(readings=NAMES)))
    assert "LB is not identified" in every and "so far" not in every
    part = study(readings=NAMES)
    part = part.of(part.frame.panel == DEFAULT)
    assert "not every statement was tried" in lb_readings.verdict(lb_readings.table(part))


def test_every_difference_names_the_runs_behind_it(faithful):
    table, rows = lb_readings.table(faithful), faithful.frame
    assert (table.runs != "").tolist() == (table.met != "not run").tolist()
    for setting, test, methods in (
        (DEFAULT, "acc/val", ("MB", "MB")),
        (SMALL_BATCH, "overfit", ("MB",)),
        (LARGE_BATCH, "acc/val, PEB", ("MB", "PEB")),
    ):
        own = table[(table.reading == FAITHFUL) & (table.setting == setting) & (table.test == test)].iloc[0]
        runs = rows[rows.panel == setting].groupby(["method", "seed"]).run.first()  # a reading's are copies of MB's
        assert own.runs.split() == [key for method in methods for key in runs[method]]


@pytest.mark.slow
def test_two_sizes_stand_side_by_side(faithful):
    larger = changed(faithful, faithful.frame.assign(step=faithful.frame.step * 4))
    table = lb_readings.table(faithful, larger)
    assert sorted(table.letters.unique()) == [3200, 12800] and len(table) == 2 * len(lb_readings.table(faithful))
    text = lb_readings.markdown(table)
    assert "| 3,200 | 3 | " in text and "| 12,800 | 3 | " in text and f"| {lb_readings.TOGETHER} | 3 | " in text
    labels = [text.get_text() for text in lb_figure.figure(table).legends[0].get_texts()]
    assert labels[:2] == ["3,200 letters", "12,800 letters"]
    alone = lb_readings.table(faithful, larger.of(slice(0)))
    assert set(alone.letters) == {3200}


@pytest.mark.slow
def test_it_is_shown_for_readers(faithful, tmp_path):
    table = lb_readings.table(faithful)
    text = lb_readings.markdown(table)
    assert all(f"{statement.number}. {statement.says}" in text for statement in lb_statements.STATEMENTS)
    assert all(name in text for name in NAMES) and "set before" not in text
    assert isinstance(lb_figure.figure(table), Figure)
    assert isinstance(lb_figure.figure(lb_readings.table(faithful.of(slice(0)))), Figure)
    files = lb_readings.save(table, tmp_path / "lb-readings")
    assert [file.suffix for file in files] == [".md"]


def test_the_grid_has_every_reading_in_every_setting():
    experiment = registry.grid("lb-readings", profile="small", data="sd19-letters")
    assert [panel.title for panel in experiment.panels] == list(SETTINGS)
    for panel in experiment.panels:
        variants = list(dict.fromkeys(map(panel.variant, panel.runs)))
        others = ["MB", "PEB"] if panel.title == LARGE_BATCH else ["MB"]
        assert variants[: len(others)] == others and len(variants) == len(others) + len(READINGS) <= 10
    assert {run.seed for run in experiment.runs} == {1, 2, 3} and {run.precision for run in experiment.runs} == {
        "float32"
    }


def test_the_two_sizes_of_the_study_are_read_together():
    small = registry.grid("lb-readings", profile="small", data="sd19-letters")
    both = lb_study.sizes(small)
    assert both[0] is small and [run.precision for run in (both[0].runs[0], both[1].runs[0])] == ["float32", "bf16"]
    assert len({run.seed for run in both[1].runs}) == 12
    paper = registry.grid("lb-readings", profile="paper", data="sd19-letters", precision="bf16")
    assert [study.runs for study in lb_study.sizes(paper)] == [study.runs for study in both]
    quick = registry.grid("lb-readings")
    assert lb_study.sizes(quick) == (quick,)


def test_at_full_size_it_shares_mb_and_peb_with_the_papers_figures():
    knobs = {"profile": "paper", "data": "sd19-letters", "precision": "bf16", "seeds": 12}
    study_runs = set(registry.grid("lb-readings", **knobs).runs)
    figure = registry.grid("base-values/figure-3", **knobs).runs
    shared = {run for run in figure if run in study_runs}
    assert {(run.method, run.batch_size) for run in shared} >= {("MB", 4), ("MB", 32), ("MB", 1024), ("PEB", 1024)}


@pytest.mark.slow
def test_the_largest_size_that_a_test_was_run_at_decides(faithful):
    """OTHER does at full size what FAITHFUL does on fewer letters, in one setting alone."""
    larger = study({(OTHER, *effect): change for (_, *effect), change in as_the_paper_says(study()).items()})
    rows = larger.panel(DEFAULT)
    larger = changed(larger, rows.assign(step=rows.step * 4))
    both = lb_readings.table(faithful, larger)
    decides = lb_readings.together(both)
    assert len(decides) == len(both) / 2
    own = decides[decides.reading == FAITHFUL]
    assert set(own[own.setting == DEFAULT].letters) == {12800}
    assert set(own[own.setting == SMALL_RATE].letters) == {3200}
    met = lb_readings.met(decides)
    assert (met.loc[FAITHFUL, 2], met.loc[OTHER, 2]) == ("no", "yes")
    assert (met.loc[FAITHFUL, 6], met.loc[OTHER, 6]) == ("yes", "no")


def test_the_statements_are_those_that_were_set_before_the_runs():
    kept = [(s.number, t.setting, t.test, t.low, t.high) for s in lb_statements.STATEMENTS for t in s.tests]
    digest = hashlib.sha256(repr(kept).encode()).hexdigest()[:16]
    assert digest == "adb263a34552ec82"
