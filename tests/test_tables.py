"""The table of statistics against values put in by hand, and what its readers are told."""

import numpy as np
import pandas as pd
import pytest
from synthetic import UNSAID, changed, curves, hard_curves

from hardsample import statistics
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.report import tables, wording

SCHEMA = [
    *("panel", "method", "metric", "n", "diverged", "mean", "sd", "low", "high"),
    *("difference", "difference_low", "difference_high", "smallest", "p", "p_holm", "seeds_won", "pairs"),
    *("updates", "reached", "updates_ratio"),
]
PAIR_SCHEMA = [
    *("panel", "method", "other", "metric"),
    *("difference", "difference_low", "difference_high", "smallest", "p", "p_holm", "seeds_won", "pairs"),
    *("evaluations", "apart", "apart_at_end"),
]


def row(table, method, metric, panel="default", other=None):
    table = table.frame
    chosen = table[(table.panel == panel) & (table.method == method) & (table.metric == metric)]
    return chosen[chosen.other == other].iloc[0] if other else chosen.iloc[0]


def set_curve(made, method, seed, metric, values):
    frame = made.frame
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
    table = tables.final_metrics(curves(("one", "two"), seeds=2, epochs=2)).frame
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
    assert found.difference == pytest.approx(0.2 / 3)
    assert (found.seeds_won, found.pairs) == (2, 3)


def test_p_and_the_smallest_significant_difference_by_hand():
    made = curves(methods=("MB", "PEB"), seeds=8, epochs=1)
    for seed in range(8):  # a difference of 0.01 in seven seeds, -0.01 in one, in accuracy; in losses the same seven
        sign = -1 if seed == 0 else 1
        for metric in ("acc/train", "acc/val", "loss/train", "loss/val"):
            set_curve(made, "MB", seed, metric, [0.5, 0.5, 0.5])
            set_curve(made, "PEB", seed, metric, [0.5, 0.5, 0.5 + 0.01 * sign])
    found = row(tables.final_metrics(made), "PEB", "acc/val")
    # of the 256 patterns of signs 1 + 8 give a sum as large, and as many one as small; two tests, both alike
    assert found.p == 18 / 256 and found.p_holm == 2 * 18 / 256
    # t quantiles of 7 degrees of freedom: 2.36462 for 95 %, 2.84124 for Holm's first step, 1 - 0.05 / 2
    half = found.difference_high - found.difference
    assert found.smallest == pytest.approx(half * 2.84124 / 2.36462, rel=1e-5)
    assert wording.verdict(found.p_holm) == "inconclusive" and wording.verdict(0.049) == "significant"
    text = tables.markdown(tables.final_metrics(made))
    assert f"{found.p_holm:.2g}, inconclusive" in text
    assert text.split("\n\n")[1] == (
        "**acc/val: PEB inconclusive against MB.** **loss/val: PEB inconclusive against MB.**"
    )


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


@pytest.mark.slow
def test_holm_is_over_the_tests_of_the_table_which_are_of_the_test_set():
    found = tables.final_metrics(curves(("one", "two"), seeds=10, epochs=4))
    table = found.frame
    np.testing.assert_allclose(table.p_holm, statistics.holm(table.p))
    assert table.p.notna().sum() == 2 * 2 * 2 == found.tests
    assert set(table.metric[table.p.notna()]) == {"acc/val", "loss/val"}
    first = tables.markdown(found).split("\n\n")[1]
    assert first.startswith("**acc/val: ") and "LB (one, two) significantly below MB" in first
    assert table.p_holm.max() > table.p.min()


def test_pairs_are_the_seeds_run_under_both(by_hand):
    fewer = by_hand.of(~((by_hand.frame.method == "MB") & (by_hand.frame.seed == 0)))
    found = row(tables.final_metrics(fewer), "PEB", "acc/val")
    assert found.pairs == 2 and found.n == 3
    assert found.difference == pytest.approx((0.2 - 0.1) / 2)


def test_a_diverged_seed_is_counted(by_hand):
    set_curve(by_hand, "PEB", 1, "loss/val", [3.0, np.nan, np.nan])
    table = tables.final_metrics(by_hand)
    found = row(table, "PEB", "loss/val")
    assert (found.n, found.diverged, found.pairs) == (2, 1, 3)
    assert "1 diverged" in tables.markdown(table) and "Diverged seeds" in tables.markdown(table)


@pytest.mark.parametrize(("seeds", "shown"), [(3, False), (7, False), (8, True)])
def test_p_is_shown_only_where_the_seeds_suffice(seeds, shown):
    made = curves(seeds=seeds, epochs=2)
    table, pairs = tables.final_metrics(made), tables.pairs(made.of(made.frame.method != "MB"))
    frame = table.frame
    assert statistics.seeds_needed(4) == 8 and table.tests == 4
    for name in ("p", "p_holm", "smallest"):
        assert frame[name].notna().any() == shown
    assert (frame.difference.notna() == frame.pairs.notna()).all()
    text = tables.markdown(table)
    said = f"With {seeds} seeds no difference can be significant, whatever its size: 4 tests take 8."
    assert (text.split("\n\n")[1] == f"**{said}**") == (not shown) == (said in text)
    assert ("sign-flip" in text) == ("p (Holm)" in text) == ("smallest" in text) == shown
    assert not any(word in tables.markdown(table, pairs) for word in UNSAID)
    assert pairs.tests == 2 and pairs.frame.p.notna().any() == (seeds >= statistics.seeds_needed(2))


def test_a_diverged_seed_does_not_count_as_a_pair_of_the_test():
    made = curves(methods=("MB", "PEB"), seeds=7, epochs=1)
    set_curve(made, "PEB", 0, "loss/val", [3.0, np.nan, np.nan])
    table = tables.final_metrics(made)  # two tests take 7 pairs
    assert np.isnan(row(table, "PEB", "loss/val").p) and row(table, "PEB", "acc/val").p > 0
    said = "Rows of too few seeds have no p. With 6 seeds no difference can be significant, whatever its size: 2"
    assert said in tables.markdown(table)


def test_one_seed_has_no_interval_and_no_evidence():
    table = tables.final_metrics(curves(seeds=1, epochs=2))
    assert table.frame[["low", "sd", "p"]].isna().all(axis=None)
    assert "With 1 seed no difference can be significant" in tables.markdown(table)
    assert "[" not in next(line for line in tables.markdown(table).splitlines() if "PEB" in line)


def test_without_the_baseline_nothing_is_compared():
    table = tables.final_metrics(curves(methods=("PLB", "PEB"), seeds=2, epochs=2))
    assert table.frame["mean"].notna().all()
    assert table.frame[["difference", "p", "p_holm", "pairs", "updates", "reached"]].isna().all(axis=None)
    assert "PEB" in tables.markdown(table)


def test_what_was_not_run_is_said():
    made = curves(seeds=2, epochs=2, layout={"default": ("MB", "LB", "PEB", "PLB")}, missing=2)
    text = tables.markdown(tables.final_metrics(made))
    assert "| default | PLB |" not in text and "Not run: 2 runs (PLB)." in text


def test_no_run_at_all():
    made = curves(seeds=1, epochs=1)
    table = tables.final_metrics(changed(made, pd.DataFrame([], columns=made.frame.columns)))
    assert list(table.frame) == SCHEMA and "no run is done yet" in tables.markdown(table)
    assert "|" not in tables.markdown(table)


def test_markdown_reads(by_hand):
    noted = changed(by_hand, note="a tenth of the letters")
    lines = tables.markdown(tables.final_metrics(noted)).splitlines()
    assert lines[0] == "**Stand-in data: glyphs. Profile quick, n = 3 seeds.**"
    body = [line for line in lines if line.startswith("|")]
    assert len(body) == 2 + 2 and len({line.count("|") for line in body}) == 1
    assert "0.700 [0.452, 0.948] | baseline |" in body[2]
    assert "+0.067 [-0.313, +0.446]" in body[3] and "2/3" in body[3] and "75 = 1.25 x MB's (2/3)" in body[3]
    for words in ("t interval", "tests cover seeds, not the choice of test images", "A tenth of the letters."):
        assert words in lines[-1]
    assert "the others are left out" in lines[-1]


@pytest.mark.slow
def test_the_half_width_over_images_is_that_of_the_images_known():
    made = curves(seeds=3, epochs=4, tested=(997,))
    table = tables.final_metrics(made)
    means = table.frame[table.frame.metric == "acc/val"]["mean"]
    low, high = sorted(196 * np.sqrt(mean * (1 - mean) / 997) for mean in (means.min(), means.max()))
    text = tables.markdown(table)
    assert "all of the test set (997 images)" in text
    assert f"a 95 % half-width of {low:.2f} to {high:.2f} points (binomial)" in text
    for unknown in ((None,), (997, 500), ()):
        text = tables.markdown(tables.final_metrics(changed(made, tested=unknown)))
        assert "all of the test set;" in text and "binomial" not in text


@pytest.mark.slow
def test_pretraining_is_spoken_of_where_there_is_one():
    for pretrain in (0.0, 2.0):
        text = tables.markdown(tables.final_metrics(curves(seeds=2, pretrain=pretrain)))
        assert ("pre-training included" in text) == (pretrain > 0) and "Updates to MB's accuracy" in text
    assert "pre-training included" not in tables.markdown(tables.final_metrics(hard_curves(seeds=2)))


@pytest.mark.slow
def test_every_pair_is_compared_the_later_method_first():
    made = curves(methods=("MB", "PLB", "PEB", "LB"), seeds=12, epochs=4)
    pairs = tables.pairs(made)
    table = pairs.frame
    assert list(table) == PAIR_SCHEMA and len(table) == 6 * 4
    assert list(zip(table.method, table.other, strict=True))[:24:4] == [
        *(("LB", "PEB"), ("LB", "PLB"), ("LB", "MB"), ("PEB", "PLB"), ("PEB", "MB"), ("PLB", "MB")),
    ]
    same = row(tables.final_metrics(changed(made, baseline="PLB")), "PEB", "loss/val")
    found = row(pairs, "PEB", "loss/val", other="PLB")
    for name in ("difference", "difference_low", "difference_high", "p", "seeds_won", "pairs"):
        assert found[name] == same[name]
    with_baseline = table[(table.method == "MB") | (table.other == "MB")]
    assert with_baseline[["p", "p_holm", "smallest"]].isna().all(axis=None)
    rest = table.drop(with_baseline.index)
    np.testing.assert_allclose(rest.p_holm, statistics.holm(rest.p))
    assert pairs.tests == len(rest) / 2 == 6


def test_pairs_without_the_baseline_are_all_tested():
    table = tables.pairs(curves(methods=("PLB", "PEB"), seeds=12, epochs=4))
    tested = table.frame.metric.isin(["acc/val", "loss/val"])
    assert (table.frame.p.notna() == tested).all() and "tested in the table above" not in tables.markdown(
        table_of_both(), table
    )


def table_of_both():
    return tables.final_metrics(curves(methods=("PLB", "PEB"), seeds=12, epochs=4))


@pytest.mark.slow
def test_bands_apart_by_hand():
    """After the pre-training of one epoch: apart at 1.5, not at 2 by a little, and apart at 2.5 and 3."""
    made = curves(methods=("MB", "PEB"), seeds=2, epochs=3, pretrain=1.0)
    for seed, spread in enumerate((-1, 1)):  # standard deviation: √2 times the spread; two bands: 4 √2 = 5.66 times
        set_curve(made, "MB", seed, "acc/val", 0.5 + 0.01 * spread * np.ones(7))
        apart = np.array([0.2, 0.2, 0.2, 0.057, 0.056, 0.057, 0.2])
        set_curve(made, "PEB", seed, "acc/val", 0.5 - apart + 0.01 * spread)
    found, rows = row(tables.pairs(made), "PEB", "acc/val", other="MB"), made.frame
    assert (found.evaluations, found.apart, found.apart_at_end) == (4, 3, "yes")
    set_curve(made, "PEB", 0, "acc/val", rows[(rows.method == "MB") & (rows.seed == 0)]["acc/val"].to_numpy())
    assert row(tables.pairs(made), "PEB", "acc/val", other="MB").apart_at_end == "no"
    text = tables.markdown(tables.final_metrics(made), tables.pairs(made))
    assert "| default | PEB - MB |" in text and "/4, at the end no |" in text
    one = tables.pairs(made.of(rows.seed == 0)).frame
    assert set(one.evaluations) == {0} and set(one.apart_at_end) == {""}  # one seed has no band


def test_pairs_of_what_was_not_run_are_in_the_csv_alone():
    made = curves(methods=("MB", "PEB"), seeds=2, epochs=2, layout={"default": ("MB", "LB", "PEB")})
    table = tables.pairs(made)
    assert row(table, "PEB", "acc/val", other="LB")[["difference", "pairs"]].isna().all()
    assert "PEB - LB" not in tables.markdown(tables.final_metrics(made), table)


@pytest.mark.slow
def test_our_effect_stands_beside_the_papers():
    panels = {"n = 4": ("MB", "PEB"), "n = 32": ("MB", "PEB")}
    paper = {"layout": panels, "name": "base-values/figure-3"}
    made = curves(tuple(panels), methods=("MB", "PEB"), seeds=3, epochs=10, **paper)
    made.frame["step"] *= 39  # 3,900 updates with 32 examples each are an epoch of the paper's 124,800
    table = tables.final_metrics(made)
    ours = 100 * row(table, "PEB", "acc/val", "n = 32").difference
    (effect,) = table.effects
    assert effect["value"] == pytest.approx(ours) and effect["paper"] == 2
    assert f"| 2 points | {ours:+.2f} [" in tables.markdown(table) and f"| {ours / 2:.2f} |" in tables.markdown(table)

    table = tables.final_metrics(changed(made, name="base-values/figure-2"))
    effects = {effect["claim"]: effect for effect in table.effects}
    assert len(effects) == 4
    losses = table.frame.query("method == 'PEB' and metric == 'loss/val'").difference
    assert effects["validation loss of PEB below MB's"]["value"] == pytest.approx(-losses.mean())

    shorter = changed(made, made.frame.assign(step=made.frame.step // 10))  # another budget has no effect to compare
    assert tables.final_metrics(shorter).effects == []


def test_the_papers_statement_of_the_bands_stands_beside_ours():
    made = curves(methods=("MB", "PEB"), seeds=3, epochs=4, name="base-values/figure-2")
    text = tables.markdown(tables.final_metrics(made), tables.pairs(made))
    assert "The paper says: the bands of PEB and MB overlap in no plot (Section 4.2.2)." in text


def test_what_pairs_mix_and_what_train_means_is_said():
    unlike = {"AMD EPYC": ("MB",), "NVIDIA H200": ("PLB", "PEB")}
    made = curves(seeds=2, epochs=2, hardware={"a": 1}, unlike=unlike, measured=(3000,))
    text = tables.markdown(tables.final_metrics(made))
    assert "Some pairs differ in more than the method: MB from AMD EPYC; PLB, PEB from NVIDIA H200." in text
    assert "Train metrics are measured on 3,000 of the training examples." in text


def test_substitute_data_are_said():
    named = {
        "mnist": "**mnist, not emnist-letters",
        "ocr-letters": "Handwritten letters of the Kassel/Taskar",
    }
    for name, said in named.items():
        made = curves(seeds=1, epochs=1, data=name, stand_in=False, substitute=True)
        assert said in tables.markdown(tables.final_metrics(made))


@pytest.mark.parametrize(
    ("data", "said", "in_place"),
    [
        ("folder/mine.npz", "mine", False),
        ("own", "emnist-letters", False),
        ("ocr-letters", "handwritten letters of the Kassel/Taskar OCR set", True),
        ("mnist", "mnist, not emnist-letters", True),
        ("stand-in", "stand-in data: glyphs", True),
    ],
)
def test_known_data_stand_in_the_papers_place_and_your_own_do_not(data, said, in_place):
    experiment = registry.grid("base-values/figure-1", profile="hour", data=data)
    assert wording.data_statement(experiment).startswith(said) and experiment.in_place == in_place


def test_paper_b_compares_with_delta_1():
    made = hard_curves({"ResNet-18, glyphs10-32": ("δ = 1", "δ = 0.5"), "ResNet-50, glyphs10-32": ()})
    table = tables.final_metrics(made)
    rows = made.frame
    own = {method: rows[(rows.method == method) & (rows.epoch == 20)]["acc/val"] for method in ("δ = 1", "δ = 0.5")}
    panel = "ResNet-18, glyphs10-32"
    found = row(table, "δ = 0.5", "acc/val", panel)
    assert found.difference == pytest.approx(own["δ = 0.5"].mean() - own["δ = 1"].mean())
    assert np.isnan(row(table, "δ = 1", "acc/val", panel).difference)
    assert list(table.frame.panel.unique()) == [panel]

    text = tables.markdown(table)
    assert "| test accuracy | test accuracy - δ = 1 |" in text and "method minus δ = 1" in text
    assert "x δ = 1's (3/3)" in text and "MB" not in text and "acc/" not in text
    assert "| ResNet-50, glyphs10-32 |" not in text and "Not run: ResNet-50, glyphs10-32." in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_save(by_hand, tmp_path):
    table = tables.final_metrics(by_hand)
    pairs = tables.pairs(by_hand)
    files = tables.save(table, tmp_path / "figures" / "figure-1", pairs)
    assert [file.name for file in files] == [
        *("figure-1-statistics.csv", "figure-1-statistics.md", "figure-1-pairs.csv"),
    ]
    pd.testing.assert_frame_equal(pd.read_csv(files[0]), table.frame, check_dtype=False, rtol=1e-8)
    pd.testing.assert_frame_equal(pd.read_csv(files[2]), pairs.frame, check_dtype=False, rtol=1e-8)
    assert files[1].read_text() == tables.markdown(table, pairs)
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in tables.save(table, tmp_path / "figures" / "figure-1", pairs)] == before
    alone = tables.save(table, tmp_path / "figures" / "alone")
    assert [file.name for file in alone] == ["alone-statistics.csv", "alone-statistics.md"]
    assert alone[1].read_text() == tables.markdown(table)
    with pytest.raises(InputError):
        tables.save(table, files[0] / "figure-1")
