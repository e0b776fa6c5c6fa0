"""Does a gain last: differences by epoch, and when the baseline catches up, as computed by hand."""

import numpy as np
import pytest
from synthetic import changed, curves

from hardsample import statistics
from hardsample.report import lasting, tables

PANELS = ("constant learning rate", "cosine schedule")


@pytest.fixture(scope="module")
def made():
    """PEB minus MB in accuracy: 0.02 up to epoch 6 and nothing later on the left, 0.02 to the end on the right."""
    whole = curves(PANELS, methods=("MB", "PEB"), seeds=8)
    frame = whole.frame.copy()
    for panel, until in zip(PANELS, (6.0, 10.0), strict=True):
        twins = frame[(frame.panel == panel) & (frame.method == "MB")].set_index(["seed", "epoch"])["acc/val"]
        own = (frame.panel == panel) & (frame.method == "PEB")
        cells = list(zip(frame.seed[own], frame.epoch[own], strict=True))
        shaken = 0.001 * (-1.0) ** frame.seed[own] + np.where(frame.epoch[own] <= until, 0.02, 0.0)
        frame.loc[own, "acc/val"] = twins[cells].to_numpy() + shaken
    return changed(whole, frame)


@pytest.fixture(scope="module")
def rows(made):
    return lasting.table(made)


def test_differences_are_paired_by_seed_and_epoch_from_the_pretraining_s_end_on(rows):
    assert rows.epoch.min() == 2.0 and rows.epoch.max() == 10.0 and set(rows.method) == {"PEB"}
    row = rows[(rows.panel == PANELS[0]) & (rows.metric == "acc/val") & (rows.epoch == 4)].iloc[0]
    by_hand = 100 * (0.02 + 0.001 * (-1.0) ** np.arange(8))
    interval = statistics.t_interval(by_hand)
    assert (row.difference, row.low, row.high, row.n) == pytest.approx((by_hand.mean(), interval.low, interval.high, 8))
    np.testing.assert_allclose(row[[f"seed {seed}" for seed in range(8)]].astype(float), by_hand)


def test_the_baseline_has_caught_up_where_no_interval_lies_beyond_it_any_more(rows):
    accuracy = rows[rows.metric == "acc/val"]
    assert lasting.caught_up(accuracy[accuracy.panel == PANELS[0]]) == 6.5
    assert lasting.caught_up(accuracy[accuracy.panel == PANELS[1]]) is None
    behind = accuracy[accuracy.panel == PANELS[1]].assign(low=-2.0, high=-1.0)
    assert lasting.caught_up(behind) == 2.0, "never ahead"
    assert lasting.caught_up(behind.assign(metric="loss/val")) is None, "of a loss lower is better"


def test_the_words_follow_the_rows(made, rows):
    text = lasting.markdown(rows, tables.final_metrics(made))
    assert (
        "- constant learning rate, PEB: acc/val is higher than MB's up to epoch 6; MB has caught up from epoch 6.5 on."
        in text
    )
    assert "- cosine schedule, PEB: acc/val is still higher than MB's at epoch 10." in text
    assert "| from epoch 6.5 |" in text and "| not by the end |" in text


def test_the_figure_draws_the_differences(made, rows):
    axes = lasting.figure(made, rows).axes
    left = rows[(rows.panel == PANELS[0]) & (rows.metric == "acc/val")]
    [line] = [line for line in axes[0].lines if line.get_label() == "PEB"]
    np.testing.assert_allclose(line.get_ydata(), left.difference)
    assert axes[0].get_ylim() == axes[1].get_ylim(), "one scale for both schedules"


def test_without_runs_it_says_so(made):
    empty = changed(made, made.frame[:0], layout={panel: ("MB", "PEB") for panel in PANELS})
    rows = lasting.table(empty)
    assert rows.empty and len(lasting.figure(empty, rows).axes) == 4
    assert "catches up" not in lasting.markdown(rows, tables.final_metrics(empty))
