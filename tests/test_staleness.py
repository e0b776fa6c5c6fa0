"""How stale base values are: means over seeds, what changed, and who is staler, as computed by hand."""

import numpy as np
import pytest
from made_up_details import SEEDS, made_up, without

from hardsample import statistics
from hardsample.report import staleness


@pytest.fixture(scope="module")
def made():
    return made_up(name="base-values/staleness")


@pytest.fixture(scope="module")
def rows(made):
    return staleness.table(*made)


def test_rows_are_means_over_the_seeds_of_methods_that_store_values(rows):
    assert set(rows.method) == {"PLB", "PEB"} and set(rows.measure) == set(staleness.MEASURES)
    assert sorted(rows.epoch.unique()) == pytest.approx([3.6, 5.2, 6.8, 8.4, 10.0])
    row = rows[(rows.method == "PEB") & (rows.measure == "probability misplaced") & (rows.epoch == 3.6)].iloc[0]
    by_hand = [100 * np.float32(0.2 + 0.01 * (seed % 3)) for seed in range(1, SEEDS + 1)]
    found = statistics.summary(by_hand)
    assert (row["mean"], row.low, row.high) == pytest.approx((found.mean, found.interval.low, found.interval.high))
    assert row.n == SEEDS and len(row.runs.split()) == SEEDS
    oldest = rows[(rows.method == "PLB") & (rows.measure == "age in epochs, oldest") & (rows.epoch == 10.0)].iloc[0]
    assert oldest["mean"] == pytest.approx(6)


def test_the_words_follow_the_intervals(made, rows):
    text = staleness.markdown(made[0], rows)
    assert "The rank correlation falls from epoch 3.6 on: -0.128 [-0.128, -0.128]." in text
    assert "The misplaced probability rises from epoch 3.6 on: +10.0 [+10.0, +10.0] points." in text
    assert "The misplaced probability does not clearly change from epoch 3.6 on: 0.0" in text, "PLB's"
    assert "PEB's values are not clearly staler or fresher than PLB's at the end" in text
    shifted = rows.copy()
    own = (shifted.method == "PEB") & (shifted.measure == "probability misplaced")
    shifted.loc[own, [f"seed {seed}" for seed in range(1, SEEDS + 1)]] += 5
    assert "PEB's values are staler than PLB's at the end" in staleness.markdown(made[0], shifted)


def test_the_figure_draws_the_means(made, rows):
    axes = staleness.figure(made[0], rows).axes
    assert [axis.get_title("left") for axis in axes] == [
        "rank correlation",
        "stored / true",
        "age, epochs",
        "probability misplaced",
    ]
    moved = rows[(rows.method == "PEB") & (rows.measure == "probability misplaced")]
    assert any(
        np.array_equal(line.get_ydata(), moved["mean"]) for line in axes[3].lines if len(line.get_ydata()) == len(moved)
    )
    assert axes[1].get_yscale() == "log" and axes[3].get_ylim()[0] == 0


@pytest.mark.parametrize("missing", [("PLB",), ("PLB", "PEB"), ("MB", "PLB", "PEB")])
def test_what_is_not_run_is_left_out(made, missing):
    curves, details = without(*made, *missing)
    rows = staleness.table(curves, details)
    assert len(staleness.figure(curves, rows).axes) == 4
    text = staleness.markdown(curves, rows)
    assert "nan" not in text and "Not run" in text and ("staler" in text) == (not {"PLB", "PEB"} & set(missing))
