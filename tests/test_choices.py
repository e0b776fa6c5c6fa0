"""The specification curve: gains paired by seed, sorted, and their change from the default, as computed by hand."""

import numpy as np
import pytest
from synthetic import changed, curves

from hardsample import statistics
from hardsample.report import choices

CHOICES = ("default", "carried", "scored after", "not run yet")
GAINS = {"default": 0.010, "carried": 0.030, "scored after": -0.020}  # in acc/val; the losses move the other way


@pytest.fixture(scope="module")
def made():
    """MB and PEB of 12 seeds under three choices, with gains that differ by seed a little."""
    whole = curves(CHOICES[:3], methods=("MB", "PEB"), seeds=12)
    frame = whole.frame.copy()
    ends = frame.epoch == frame.epoch.max()
    for choice, gain in GAINS.items():
        twins = frame[ends & (frame.panel == choice) & (frame.method == "MB")].set_index("seed")
        own = ends & (frame.panel == choice) & (frame.method == "PEB")
        shaken = gain + 0.001 * np.cos(frame.seed[own])
        frame.loc[own, "acc/val"] = twins["acc/val"][frame.seed[own]].to_numpy() + shaken
        frame.loc[own, "loss/val"] = twins["loss/val"][frame.seed[own]].to_numpy() - 3 * shaken
    return changed(whole, frame, layout={choice: ("MB", "PEB") for choice in CHOICES})


@pytest.fixture(scope="module")
def table(made):
    return choices.table(made)


def test_gains_are_paired_by_seed_and_sorted(made, table):
    rows = table[table.metric == "acc/val"].set_index("choice")
    assert list(rows.index) == ["carried", "default", "scored after", "not run yet"]
    by_hand = 0.010 + 0.001 * np.cos(np.arange(12))
    interval = statistics.t_interval(by_hand)
    row = rows.loc["default"]
    assert (row.difference, row.low, row.high) == pytest.approx((by_hand.mean(), interval.low, interval.high))
    np.testing.assert_allclose(row[[f"seed {seed}" for seed in range(12)]].astype(float), by_hand)
    assert (row.n, row.pairs, row.seeds_won) == (12, 12, 12) and rows.loc["scored after"].seeds_won == 0
    assert len(row.runs.split()) == 24, "both methods' runs"
    assert np.isnan(rows.loc["not run yet"].difference) and rows.loc["not run yet"].n == 0


def test_the_change_is_the_gain_minus_the_default_s(table):
    rows = table[table.metric == "loss/val"].set_index("choice")
    assert rows.change["carried"] == pytest.approx(-3 * (0.030 - 0.010))
    assert rows.change["scored after"] == pytest.approx(-3 * (-0.020 - 0.010))
    assert np.isnan(rows.change["default"]) and np.isnan(rows.change_p_holm["not run yet"])
    assert rows.change_p_holm["carried"] == pytest.approx(4 * 2 / 2**12), "four changes are tested, of two metrics"
    assert rows.p_holm["default"] == pytest.approx(6 * 2 / 2**12), "and six gains"


def test_the_finding_counts_choices_and_names_those_that_matter(made, table):
    text = choices.markdown(made, table)
    assert (
        "PEB is significantly above MB under 2, significantly below MB under 1 of the 3 choices that were run" in text
    )
    assert "carried (larger gain), scored after (smaller gain)" in text and text.count("(larger gain)") == 2
    assert "| **default** | +1." in text and "| not run yet |" not in text
    assert "Choices that were not run: not run yet." in text


def test_a_gain_that_cannot_be_told_is_inconclusive(made):
    frame = made.frame.copy()
    own = (frame.panel == "carried") & (frame.method == "PEB")
    frame.loc[own, "acc/val"] += 0.5 * (-1.0) ** frame.seed[own]
    whole = changed(made, frame)
    text = choices.markdown(whole, choices.table(whole))
    assert "inconclusive under 1 (carried)" in text


def test_every_choice_that_was_run_has_its_line(made, table):
    drawn = choices.figure(made, table)
    accuracy, loss = drawn.axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["carried", "default", "scored after"]
    means = [line.get_xdata()[0] for line in accuracy.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    expected = 100 * table[(table.metric == "acc/val") & (table.pairs > 0)].difference
    np.testing.assert_allclose(means, expected)
    assert accuracy.get_xlabel().endswith("PEB minus MB, points") and loss.get_xlabel().endswith("PEB minus MB")


def test_without_runs_it_says_so(made):
    empty = changed(made, made.frame[:0])
    table = choices.table(empty)
    assert "Nothing can be compared yet" in "".join(text.get_text() for text in choices.figure(empty, table).texts)
    assert "choices that were run" not in choices.markdown(empty, table)
