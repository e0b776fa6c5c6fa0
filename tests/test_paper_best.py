"""Table 6: the best δ is chosen on one half of the test set and reported on the other."""

import numpy as np
import pandas as pd
import pytest
from made_up_tables import cell, curves, diverge, lines, set_final, with_reshuffled
from synthetic import changed

from hardsample.report import paper_best, paper_runs, paper_tables


@pytest.mark.slow
def test_table_6_has_the_difference_of_the_chosen_one_to_reshuffled_training():
    made = with_reshuffled(curves("table-6"), (0.60, 0.61, 0.62))
    found = cell(paper_best.table_6(made), "resnet18", "CIFAR-10")
    assert found.delta == 0.5 and found.fresh_difference == pytest.approx(5) and found.fresh_pairs == 3


@pytest.fixture
def differing():
    """ResNet-18: δ = 0.8 is best on the choosing half, 0.2 on the whole test set and on the reporting half."""
    made = curves("table-6")
    for delta, choose, report, val in ((0.8, 0.70, 0.61, 0.655), (0.2, 0.60, 0.80, 0.70)):
        for seed in (1, 2, 3):
            for metric, value in (("acc/choose", choose), ("acc/report", report), ("acc/val", val)):
                set_final(made, delta, seed, metric, value + 0.01 * seed)
    return made


@pytest.mark.slow
def test_delta_is_chosen_on_one_half_and_reported_on_the_other(differing):
    found = cell(paper_best.table_6(differing), "resnet18", "CIFAR-10")
    assert (found.status, found.n, found.delta, found.naive_delta) == ("measured", 3, 0.8, 0.2)
    assert (found.baseline, found.chosen) == (pytest.approx(62), pytest.approx(63))
    assert found.change == pytest.approx(100 * 1 / 63)  # of the new value, as the paper's
    assert found.difference == pytest.approx(1) and (found.seeds_won, found.pairs) == (3, 3)
    assert found.naive_change == pytest.approx(100 * (72 - 62) / 72)


@pytest.mark.slow
def test_table_6_beside_the_papers_own_numbers():
    table = paper_best.table_6(curves("table-6"))
    first, best = cell(table, "resnet18", "CIFAR-10"), cell(table, "resnet18", "CIFAR-100")
    assert (first.change_paper, best.change_paper) == (-0.75, 7.26)
    assert first.change_recomputed == pytest.approx(100 * (69.2 - 69.6) / 69.2)
    assert best.change_recomputed == pytest.approx(100 * (35.8 - 33.2) / 35.8)
    assert best.change_difference == pytest.approx(best.change - 7.26)
    shown = lines(table, "resnet18")
    assert [row[-1] for row in shown] == ["-0.75", "+7.26", "-1.01"]
    doubtful = cell(table, "efficientnet_b4", "CIFAR-100")
    assert doubtful.doubt and np.isnan(doubtful.change_difference) and doubtful.change_paper == 2.95
    assert table.difference.notna().sum() == 6 and table.p_holm.isna().all()


@pytest.mark.slow
def test_a_share_of_an_accuracy_at_chance_is_left_out(differing):
    """A guess among the stand-in's ten classes is right in 10 %; half of that is no -100 %."""
    for delta in (1.0, 0.8, 0.5, 0.2):
        for seed, value in enumerate((0.05, 0.10, 0.15), start=1):
            for metric in ("acc/choose", "acc/report", "acc/val"):
                set_final(differing, delta, seed, metric, value * (0.5 if delta < 1 else 1))
    table = paper_best.table_6(differing)
    found = cell(table, "resnet18", "CIFAR-10")
    assert (found.baseline, found.chosen, found.difference) == (pytest.approx(10), pytest.approx(5), pytest.approx(-5))
    assert found[["change", "change_difference", "naive_change"]].isna().all()
    assert lines(table, "resnet18")[0][-2:] == ["at chance", "-0.75"]
    text = paper_tables.markdown(table)
    assert "-100.00" not in text and "left out where an accuracy is not above that of a guess" in text


@pytest.mark.parametrize(
    ("shares", "images", "guessing"),
    [([0.2, 0.3, 0.4], None, True), ([0.29, 0.3, 0.31], None, False), ([0.11], 100, True), ([0.11], None, False)],
)
def test_what_is_not_above_a_guess(shares, images, guessing):
    assert paper_runs.at_chance(pd.Series(shares), "glyphs10-32", images) == guessing
    assert not paper_runs.at_chance(pd.Series([0.3]), "own-data", None)  # of whose classes nothing is known


@pytest.mark.slow
def test_a_delta_with_a_diverged_seed_is_not_chosen(differing):
    diverge(differing, 0.8, 1)
    table = paper_best.table_6(differing)
    found = cell(table, "resnet18", "CIFAR-10")
    assert (found.delta, found.n, found.diverged, found.status) == (0.5, 3, 1, "measured")
    assert "1 diverged" in lines(table, "resnet18")[0][2]


@pytest.mark.slow
def test_table_6_without_some_deltas_is_incomplete(differing):
    rows = differing.frame
    made = changed(differing, rows[(rows.delta != 0.2) | (rows.network != "resnet18")], missing=9)
    assert cell(paper_best.table_6(made), "resnet18", "STL-10").status == "incomplete"
    assert cell(paper_best.table_6(made), "resnet50", "STL-10").status == "not run"
