"""The table of statistics against values put in by hand, and what its readers are told."""

import numpy as np
import pandas as pd
import pytest
from synthetic import curves, hard_curves

from hardsample import statistics, tables
from hardsample.errors import InputError

SCHEMA = [
    *("panel", "method", "metric", "n", "diverged", "mean", "sd", "low", "high"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "seeds_won", "pairs"),
    *("updates", "reached", "updates_ratio"),
]


def row(table, method, metric, panel="default"):
    return table[(table.panel == panel) & (table.method == method) & (table.metric == metric)].iloc[0]


def set_curve(frame, method, seed, metric, values):
    frame.loc[(frame.method == method) & (frame.seed == seed), metric] = values


@pytest.fixture
def by_hand():
    """Three seeds, evaluations at steps 0, 50, 100; MB ends at 0.8, 0.7, 0.6; PEB at 0.9, 0.9, 0.5."""
    made = curves(methods=("MB", "PEB"), seeds=3, epochs=1, pretrain=0.0)
    for seed, values in enumerate(([0, 0.5, 0.8], [0, 0.7, 0.7], [0, 0.3, 0.6])):
        set_curve(made, "MB", seed, "acc/val", values)
    for seed, values in enumerate(([0, 0.8, 0.9], [0, 0.6, 0.9], [0, 0.4, 0.5])):
        set_curve(made, "PEB", seed, "acc/val", values)
    return made


def test_schema_and_order():
    table = tables.final_metrics(curves(("one", "two"), seeds=2, epochs=2))
    assert list(table) == SCHEMA
    assert len(table) == 2 * 3 * 4
    assert list(table.metric[:4]) == ["acc/train", "acc/val", "loss/train", "loss/val"]
    assert list(table.method[:12:4]) == ["MB", "LB", "PEB"] and list(table.panel.unique()) == ["one", "two"]


def test_final_values_by_hand(by_hand):
    found = row(tables.final_metrics(by_hand), "MB", "acc/val")
    assert found["mean"] == pytest.approx(0.7) and found.sd == pytest.approx(0.1)
    assert (found.n, found.diverged) == (3, 0)
    assert found.high == pytest.approx(0.7 + 4.30265 * 0.1 / np.sqrt(3), abs=1e-5)


def test_paired_difference_by_hand(by_hand):
    found = row(tables.final_metrics(by_hand), "PEB", "acc/val")
    # differences 0.1, 0.2, -0.1: |sums| of the 8 patterns are 0.4 0 0.2 0.2 and again; 6 of 8 reach 0.2
    assert found.difference == pytest.approx(0.2 / 3)
    assert found.p == 6 / 8
    assert (found.seeds_won, found.pairs) == (2, 3)


def test_updates_by_hand(by_hand):
    table = tables.final_metrics(by_hand)
    baseline, found = row(table, "MB", "acc/val"), row(table, "PEB", "acc/val")
    # MB first has its own final accuracy at 100, 50, 100; PEB has it at 50, 100 and never
    assert (baseline.updates, baseline.reached, baseline.updates_ratio) == (pytest.approx(250 / 3), 3, 1.0)
    assert (found.updates, found.reached, found.updates_ratio) == (75, 2, (50 / 100 + 100 / 50) / 2)


def test_lower_loss_wins():
    made = curves(methods=("MB", "PEB"), seeds=2, epochs=1)
    for seed in range(2):
        set_curve(made, "MB", seed, "loss/val", [3.0, 2.0, 1.0])
        set_curve(made, "PEB", seed, "loss/val", [3.0, 2.0, 0.9])
    assert row(tables.final_metrics(made), "PEB", "loss/val").seeds_won == 2


def test_holm_is_over_the_whole_table():
    table = tables.final_metrics(curves(("one", "two"), seeds=6, epochs=4))
    np.testing.assert_allclose(table.p_holm, statistics.holm(table.p))
    assert table.p.notna().sum() == 2 * 2 * 4
    assert table.p_holm.max() > table.p.min()


def test_pairs_are_the_seeds_run_under_both(by_hand):
    fewer = by_hand[~((by_hand.method == "MB") & (by_hand.seed == 0))]
    found = row(tables.final_metrics(fewer), "PEB", "acc/val")
    assert found.pairs == 2 and found.n == 3
    assert found.difference == pytest.approx((0.2 - 0.1) / 2)


def test_a_diverged_seed_is_counted(by_hand):
    set_curve(by_hand, "PEB", 1, "loss/val", [3.0, np.nan, np.nan])
    table = tables.final_metrics(by_hand)
    found = row(table, "PEB", "loss/val")
    assert (found.n, found.diverged, found.pairs) == (2, 1, 3)
    assert "1 diverged" in tables.markdown(table) and "Diverged seeds" in tables.markdown(table)


def test_one_seed_has_no_interval_and_no_evidence():
    table = tables.final_metrics(curves(seeds=1, epochs=2))
    assert table.low.isna().all() and table.sd.isna().all()
    assert set(table.p.dropna()) == {1.0}
    assert "[" not in next(line for line in tables.markdown(table).splitlines() if "PEB" in line)


def test_without_the_baseline_nothing_is_compared():
    table = tables.final_metrics(curves(methods=("PLB", "PEB"), seeds=2, epochs=2))
    assert table["mean"].notna().all()
    assert table[["difference", "p", "p_holm", "pairs", "updates", "reached"]].isna().all(axis=None)
    assert "PEB" in tables.markdown(table)


def test_what_was_not_run_is_said():
    made = curves(seeds=2, epochs=2, attrs={"panels": {"default": ("MB", "LB", "PEB", "PLB")}, "missing": 2})
    text = tables.markdown(tables.final_metrics(made))
    assert "| default | PLB | not run |" in text and "Runs still missing: 2" in text


def test_no_run_at_all():
    made = curves(seeds=1, epochs=1)
    nothing = pd.DataFrame([], columns=made.columns)
    nothing.attrs |= made.attrs
    table = tables.final_metrics(nothing)
    assert list(table) == SCHEMA and "no run is done yet" in tables.markdown(table)


def test_markdown_reads(by_hand):
    by_hand.attrs |= {"note": "a tenth of the letters"}
    lines = tables.markdown(tables.final_metrics(by_hand)).splitlines()
    assert lines[0] == "**Stand-in data: glyphs. Profile quick, n = 3 seeds.**"
    body = [line for line in lines if line.startswith("|")]
    assert len(body) == 2 + 2 and len({line.count("|") for line in body}) == 1
    assert "0.700 [0.452, 0.948]" in body[2]
    assert "+0.067 [-0.313, +0.446]" in body[3] and "2/3" in body[3] and "75 = 1.25 x MB's (2/3)" in body[3]
    for words in ("t interval", "sign-flip", "Holm", "A tenth of the letters."):
        assert words in lines[-1]


def test_substitute_data_are_said():
    made = curves(seeds=1, epochs=1, attrs={"data": "ocr-letters", "stand_in": False, "substitute": True})
    assert "Ocr-letters, not emnist-letters" in tables.markdown(tables.final_metrics(made))


def test_paper_b_compares_with_delta_1():
    made = hard_curves({"ResNet-18, glyphs10-32": ("δ = 1", "δ = 0.5"), "ResNet-50, glyphs10-32": ()})
    table = tables.final_metrics(made)
    own = {method: made[(made.method == method) & (made.epoch == 20)]["acc/val"] for method in ("δ = 1", "δ = 0.5")}
    panel = "ResNet-18, glyphs10-32"
    found = row(table, "δ = 0.5", "acc/val", panel)
    assert found.difference == pytest.approx(own["δ = 0.5"].mean() - own["δ = 1"].mean())
    assert np.isnan(row(table, "δ = 1", "acc/val", panel).difference)
    assert list(table.panel.unique()) == [panel]

    text = tables.markdown(table)
    assert "| test accuracy | test accuracy - δ = 1 |" in text and "method minus δ = 1" in text
    assert "x δ = 1's (3/3)" in text and "MB" not in text and "acc/" not in text
    assert "| ResNet-50, glyphs10-32 |  | not run |" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_save(by_hand, tmp_path):
    table = tables.final_metrics(by_hand)
    files = tables.save(table, tmp_path / "figures" / "figure-1")
    assert [file.name for file in files] == ["figure-1-statistics.csv", "figure-1-statistics.md"]
    pd.testing.assert_frame_equal(pd.read_csv(files[0]), table, check_dtype=False, rtol=1e-8)
    assert files[1].read_text() == tables.markdown(table)
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in tables.save(table, tmp_path / "figures" / "figure-1")] == before
    with pytest.raises(InputError):
        tables.save(table, files[0] / "figure-1")
