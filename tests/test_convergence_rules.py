"""Rules of convergence on made-up curves whose e is known, and the table that asks whether a δ is earlier under all."""

import numpy as np
import pandas as pd
import pytest
from synthetic import changed, hard_curves

from hardsample import statistics
from hardsample.report import convergence_rules, convergence_table, paper_tables

PANEL = "ResNet-18"
DELTAS = ("δ = 1", "δ = 0.8", "δ = 0.5", "δ = 0.2")
RULES = {rule.name: rule for rule in convergence_rules.RULES}
EPOCHS = np.arange(11.0)


def found(name, values, twin=None):
    values = np.asarray(values, float)
    return RULES[name].find(np.arange(len(values), dtype=float), values, np.asarray(twin or values, float))


@pytest.mark.parametrize(
    ("name", "values", "twin", "expected"),
    [
        ("2 % of the fall", [2, 1.2, 1.08, 1.03, 1.01, 1], None, 4),
        ("5 % of the fall", [2, 1.2, 1.08, 1.03, 1.01, 1], None, 3),
        ("10 % of the fall", [2, 1.2, 1.08, 1.03, 1.01, 1], None, 2),
        ("10 % of the fall", [2, 1.8, 1.6, 1.4, 1.2, 1], None, None),  # nothing shows that it stays
        ("half of the start", [2, 1.5, 1.0, 1.4, 0.5], None, 2),
        ("half of the start", [2, 1.5, 1.1], None, None),
        ("plateau", [2, 1, 0.995, 0.992, 0.4], None, 1),  # two in a row lower it by less than 1 %
        ("plateau", [2, 2.4, 1, 1.2, 0.9, 0.8], None, None),  # one is not enough
        ("plateau", [2, 1, 1.5, 0.98, 0.99, 0.98], None, 3),
        ("δ = 1's last loss", [2, 1.2, 0.9, 1.1], [2, 1.5, 1.2, 1.0], 2),
        ("δ = 1's last loss", [2, 1.8, 1.7], [2, 1.5, 1.2], None),
        ("own best accuracy", [0.1, 0.4, 0.495, 0.48, 0.5], None, 2),
        ("own best accuracy", [0.1, 0.49, 0.2, 0.5], None, 1),  # a whole point, rounding included
        ("δ = 1's last accuracy", [0.1, 0.45, 0.3], [0.1, 0.5, 0.4], 1),
        ("δ = 1's last accuracy", [0.1, 0.3, 0.35], [0.1, 0.5, 0.4], None),
    ],
)
def test_each_rule_finds_the_epoch_that_is_known(name, values, twin, expected):
    assert found(name, values, twin) == expected


def falls(end, floor, last):
    """A loss that falls on a line until the epoch ``end``, and stays at ``floor``; its accuracy rises as long."""
    share = np.minimum(EPOCHS / end, 1)
    return 2.0 - (2.0 - floor) * share, 0.1 + (last - 0.1) * share


def planted(ends, *, seeds=10, floors=None):
    """Runs of every δ, which falls until its epoch of ``ends``, a seed differing from the next by an epoch."""
    made = hard_curves({PANEL: tuple(ends)}, seeds=seeds, epochs=10)
    frame = made.frame.astype({"loss/train": float, "acc/val": float})
    for (method, seed), own in frame.groupby(["method", "seed"]):
        loss, accuracy = falls(ends[method] + seed % 2, (floors or {}).get(method, 0.5), 0.6)
        frame.loc[own.index, "loss/train"], frame.loc[own.index, "acc/val"] = loss, accuracy
    return changed(made, frame)


@pytest.fixture(scope="module")
def made():
    """δ = 0.5 is two epochs earlier by every rule, 0.8 as early as δ = 1, and 0.2 an epoch late."""
    return planted({"δ = 1": 6, "δ = 0.8": 6, "δ = 0.5": 4, "δ = 0.2": 7, "reshuffled": 4})


@pytest.fixture(scope="module")
def table(made):
    return convergence_table.table(made)


def test_a_share_that_is_earlier_under_every_rule_is_found(table):
    whole = table[table.rule == convergence_table.ALL].set_index("method")
    assert list(whole.index) == ["δ = 0.8", "δ = 0.5", "δ = 0.2"]
    row = whole.loc["δ = 0.5"]
    assert (row.rules, row.compared, row.earlier) == (8, 8, 8)
    assert row.significantly_earlier == 8 and row.significantly_later == 0
    assert row.p == pytest.approx(2 / 2**10) and row.p_holm == pytest.approx(3 * 2 / 2**10)
    assert whole.loc["δ = 0.8"].earlier == 0 and whole.p["δ = 0.8"] == 1
    assert whole.significantly_later["δ = 0.2"] > 0
    text = paper_tables.markdown(table)
    assert "Earlier than δ = 1 under each of 8 rules, in the mean: δ = 0.5; significantly: δ = 0.5." in text
    assert "earlier under 8 of 8 rules, significantly under 8" in text


def test_differences_are_paired_by_seed_and_tested_as_one_family(table):
    row = table[(table.rule == "half of the start") & (table.method == "δ = 0.5")].iloc[0]
    assert row.converged == row.n == row.pairs == row.seeds_won == 10
    own = row[[f"seed {seed}" for seed in range(1, 11)]].astype(float)
    assert row.e == pytest.approx(own.mean()) and row.e_low == pytest.approx(statistics.t_interval(own).low)
    tested = table[table.rule != convergence_table.ALL].p_holm.notna()
    assert tested.sum() == 24 and row.p_holm == pytest.approx(24 * 2 / 2**10)
    reshuffled = table[table.method == "reshuffled"]
    assert reshuffled.difference.notna().all() and reshuffled.p.isna().all()
    assert len(row.runs.split()) == 10


def test_a_seed_that_does_not_converge_counts_as_after_the_end():
    """δ = 0.5 falls to the very end, where its loss is lowest: no rule of its own last value has an e."""
    table = convergence_table.table(planted({"δ = 1": 6, "δ = 0.5": 14}, floors={"δ = 0.5": 0.1}))
    row = table[(table.rule == "5 % of the fall") & (table.method == "δ = 0.5")].iloc[0]
    usual = table[(table.rule == "5 % of the fall") & (table.method == "δ = 1")].iloc[0]
    assert (row.converged, row.n) == (0, 10) and np.isnan(row.e)
    assert row.difference == pytest.approx(11 - usual.e)
    assert "| 5 % of the fall | δ = 0.5 | 0/10 |  | +" in paper_tables.markdown(table)


def test_where_neither_converges_there_is_no_difference():
    table = convergence_table.table(planted({"δ = 1": 14, "δ = 0.5": 13}))
    row = table[(table.rule == "5 % of the fall") & (table.method == "δ = 0.5")].iloc[0]
    assert np.isnan(row.difference) and np.isnan(row.p)
    whole = table[table.rule == convergence_table.ALL].iloc[0]
    assert whole.compared < whole.rules and whole.p == 1, "a rule without an answer does not show it"
    text = paper_tables.markdown(table)
    assert "neither converges under" in text and "in the mean: no δ; significantly: no δ." in text


def test_a_diverged_run_never_converges(made):
    frame = made.frame.copy()
    frame.loc[(frame.method == "δ = 0.5") & (frame.seed == 3) & (frame.epoch > 5), ["loss/train", "acc/val"]] = np.nan
    for rule in convergence_rules.RULES:
        epochs = convergence_rules.epochs_of_convergence(changed(made, frame), rule)
        assert np.isinf(epochs.loc["δ = 0.5", 3]) and np.isfinite(epochs.loc["δ = 0.5", 4])


def test_few_seeds_one_seed_and_none_say_so():
    few = paper_tables.markdown(convergence_table.table(planted(dict.fromkeys(DELTAS, 5), seeds=3)))
    assert "With 3 seeds no difference can be significant, whatever its size: 24 tests take 10." in few
    alone = convergence_table.table(planted({"δ = 1": 6, "δ = 0.5": 4}, seeds=1))
    assert alone.p.isna().all() and "1 seed" in paper_tables.markdown(alone)
    made = planted({"δ = 1": 6, "δ = 0.5": 4}, seeds=1)
    empty = convergence_table.table(changed(made, made.frame[:0]))
    assert "no run is done yet" in paper_tables.markdown(empty)
    nothing = convergence_table.table(changed(made, made.frame[:0], layout={PANEL: ()}))
    assert nothing.empty and "| rule |" not in paper_tables.markdown(nothing)
    without = made.frame[made.frame.method == "δ = 0.5"]
    twinless = convergence_table.table(changed(made, without)).set_index(["rule", "method"])
    assert twinless.n["δ = 1's last loss", "δ = 0.5"] == 0 and twinless.n["plateau", "δ = 0.5"] == 1


def test_it_is_written_whole(table, tmp_path):
    written = paper_tables.save(table, tmp_path / "convergence")
    assert [path.suffix for path in written] == [".md", ".csv", ".tex"]
    assert len(pd.read_csv(tmp_path / "convergence.csv")) == 8 * 5 + 3
