"""Tables 3 to 5 beside the paper's: accuracies, differences and convergence, by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_up_tables import (
    COMPARED,
    EPOCHS,
    FINALS,
    FRESH,
    NETWORKS,
    SCHEMAS,
    cell,
    curves,
    diverge,
    lines,
    of_the_papers_budget,
    set_final,
    timings,
    with_reshuffled,
)
from synthetic import changed

from hardsample import numerals, statistics
from hardsample.report import paper_accuracies, paper_best, paper_tables, paper_timings


def test_accuracies_by_hand():
    table = paper_accuracies.table_3(curves())
    found = cell(table, "resnet18", 0.5)
    # seeds end at 65, 66, 67 %; the paper prints 69.2 ± 1.0; t of 2 degrees of freedom is 4.30265
    assert (found.status, found.data, found.n, found.diverged) == ("measured", "glyphs10-32", 3, 0)
    assert found.test == pytest.approx(66) and found.train == pytest.approx(76)
    assert found.test_high - found.test == pytest.approx(4.30265 / np.sqrt(3), abs=1e-5)
    assert (found.test_paper, found.test_paper_interval) == (69.2, 1.0)
    assert found.test_difference == pytest.approx(-3.2) and found.train_difference == pytest.approx(76 - 99.7)
    assert lines(table, "resnet18")[2][2:] == [
        *("3", "66.0 ± 2.5", "+4.0 ± 0.0", "69.2 ± 1.0", "-0.4", "6.0 ± 0.0", "-2.0 ± 0.0", "77"),
    ]


def test_the_paired_difference_by_hand():
    made = curves()
    for seed, value in enumerate((0.71, 0.60, 0.66), start=1):
        set_final(made, 0.5, seed, "acc/val", value)
    table = paper_accuracies.table_3(made)
    found = cell(table, "resnet18", 0.5)
    assert found.difference == pytest.approx(11 / 3)  # against 61, 62, 63: +10, -2, +3
    assert (found.seeds_won, found.pairs) == (2, 3)
    assert found.difference_low < 0 < found.difference_high
    assert found.difference_paper == pytest.approx(69.2 - 69.6)
    assert cell(table, "resnet18", 1.0)[[*COMPARED, "difference_paper"]].isna().all()
    assert table[["p", "p_holm", "smallest"]].isna().all(axis=None)  # of three seeds
    finding = "With 3 seeds no difference of {} can be significant, whatever its size: 6 tests take 8."
    findings = " ".join(map(finding.format, ("test accuracy", "e")))
    assert paper_tables.markdown(table).split("\n\n")[1] == f"**{findings}**"
    assert ", p " not in paper_tables.markdown(table) and "Smallest" not in paper_tables.markdown(table)


@pytest.mark.slow
def test_p_is_shown_where_the_seeds_suffice_and_how_small_a_difference_could_be():
    made = curves(seeds=8)
    values = (0.71, 0.60, 0.66, 0.70, 0.69, 0.72, 0.70, 0.73)
    for seed, value in enumerate(values, start=1):
        set_final(made, 0.5, seed, "acc/val", value)
    found = cell(paper_accuracies.table_3(made), "resnet18", 0.5)
    differences = 100 * (np.array(values) - 0.6 - 0.01 * np.arange(1, 9))
    raw = {delta: statistics.sign_flip_p(np.full(8, 100 * (FINALS[delta] - 0.6))) for delta in (0.8, 0.2)}
    family = [raw[0.8], statistics.sign_flip_p(differences), raw[0.2], raw[0.8], 2 / 2**8, raw[0.2]]
    assert found.p == family[1] and found.p_holm == pytest.approx(statistics.holm(family)[1])
    assert found.smallest == pytest.approx(
        statistics.smallest_significant_difference(statistics.t_interval(differences), 8, 6)
    )
    text = paper_tables.markdown(paper_accuracies.table_3(made))
    assert "p: two-sided exact sign-flip test over seeds, adjusted by Holm for the 6 tests of test accuracy and" in text
    assert "apart, for the 6 of e, so that" in text and "epochs of e against δ = 1; the .csv has each" in text
    assert f", p {numerals.p_value(found.p_holm)}" in lines(paper_accuracies.table_3(made), "resnet18")[2][4]
    assert "The tests cover seeds, not the choice of test images" in text
    assert text.split("\n\n")[1] == (
        "**Test accuracy against δ = 1, 6 differences: significantly above in 4 (ResNet-18 at 0.8, ResNet-18 at 0.5,"
        " MobileNetV3-S at 0.8, MobileNetV3-S at 0.5), significantly below in 2 (ResNet-18 at 0.2, MobileNetV3-S at"
        " 0.2). e against δ = 1, 6 differences: significantly below in 6 (ResNet-18 at 0.8, ResNet-18 at 0.5,"
        " ResNet-18 at 0.2, MobileNetV3-S at 0.8, MobileNetV3-S at 0.5, MobileNetV3-S at 0.2).**"
    )
    diverge(made, 0.5, 3)  # seven pairs are left, one too few
    found = cell(paper_accuracies.table_3(made), "resnet18", 0.5)
    assert found[["p", "p_holm", "smallest"]].isna().all() and (found.pairs, found.usable) == (8, 7)
    assert np.isfinite(found.difference)


@pytest.mark.slow
def test_the_difference_to_reshuffled_training_by_hand():
    made = with_reshuffled(curves(), (0.70, 0.66, 0.65))
    table = paper_accuracies.table_3(made)
    found = cell(table, "resnet18", 0.5)  # 65, 66, 67 %: -5, 0, +2; their standard deviation is sqrt(13)
    assert (found.fresh_difference, found.fresh_pairs) == (pytest.approx(-1), 3)
    width = found.fresh_difference_high - found.fresh_difference_low
    assert width == pytest.approx(2 * 4.30265 * np.sqrt(13 / 3), abs=1e-4)
    assert cell(table, "resnet18", 1.0).fresh_difference == pytest.approx(-5)
    place = paper_tables.markdown(table).split("\n| ")[1].split(" | ").index("test - reshuffled")
    assert lines(table, "resnet18")[2][place] == "-1.0 ± 9.0"
    assert lines(table, "mobilenet_v3_small")[2][place] == ""  # the others were
    assert lines(table, "resnet50") == []  # nothing was
    pd.testing.assert_frame_equal(
        table.drop(columns=FRESH), paper_accuracies.table_3(curves()).drop(columns=FRESH)
    )  # nothing else is touched
    less = cell(paper_accuracies.table_3(with_reshuffled(curves(), (0.70, 0.66))), "resnet18", 0.5)
    assert (less.fresh_difference, less.fresh_pairs) == (pytest.approx(-2.5), 2)


@pytest.mark.slow
def test_differences_to_both_baselines_are_one_family_and_each_has_its_n():
    finals = (0.70, 0.66, 0.65, 0.69, 0.70, 0.68, 0.72, 0.71, 0.73)
    made = with_reshuffled(curves(seeds=10, networks=("resnet18",)), finals)
    table = paper_accuracies.table_3(made)
    found = cell(table, "resnet18", 0.5)
    differences = [0.64 + 0.01 * seed - final for seed, final in enumerate(finals, start=1)]
    assert found.fresh_p == statistics.sign_flip_p(differences) and (found.usable, found.fresh_usable) == (10, 9)
    assert found.fresh_smallest == pytest.approx(
        statistics.smallest_significant_difference(statistics.t_interval(100 * np.array(differences)), 9, 7)
    )
    every = np.concatenate([table.p.dropna(), table.fresh_p.dropna()])
    assert len(every) == 7 and set(statistics.holm(every)) == {*table.p_holm.dropna(), *table.fresh_p_holm.dropna()}
    shown = lines(table, "resnet18")[2]
    assert "(n = 9), p " in shown[5] and "n = " not in shown[4]
    text = paper_tables.markdown(table)
    assert "Test accuracy against reshuffled training, 4 differences: " in text.split("\n\n")[1]


@pytest.mark.slow
def test_e_is_not_compared_with_the_papers_at_another_budget():
    made = curves()
    text = paper_tables.markdown(paper_accuracies.table_3(made))
    assert paper_accuracies.table_3(made).e_difference.isna().all()
    assert (
        "e and the paper's are of unlike budgets: the paper's is 100 epochs of 97 or 98 updates of 512 examples, and"
        " here it is 10 epochs of 10 updates of 32 examples."
    ) in text
    for updates, same in ((97, True), (98, True), (96, False)):
        table = paper_accuracies.table_3(of_the_papers_budget(made, updates))
        assert (cell(table, "resnet18", 0.5).e_difference == 60 - 77) == same
        assert ("of unlike budgets" in paper_tables.markdown(table)) != same
    stl = paper_accuracies.table_3(of_the_papers_budget(curves("table-5"), 9))
    assert cell(stl, "resnet18", 0.5).e_difference == 60 - cell(stl, "resnet18", 0.5).e_paper
    assert paper_accuracies.table_3(of_the_papers_budget(curves("table-5"), 97)).e_difference.isna().all()


def test_the_spacing_of_evaluations_is_said_of_e():
    table = paper_accuracies.table_3(of_the_papers_budget(curves()))
    run = table[table.status == "measured"]
    assert (run.e_spacing == 10).all() and table[table.status == "not run"].e_spacing.isna().all()
    assert "; e is known to 10 epochs." in paper_tables.markdown(table)


@pytest.mark.slow
def test_trainings_that_end_before_e_n_updates_are_said():
    made = curves("table-5", protocol="published", seeds=1)
    assert "pseudo-code" not in paper_tables.markdown(paper_accuracies.table_3(made))
    last = (made.frame.delta == 0.2) & (made.frame.epoch == EPOCHS[-1])
    made.frame.loc[last, ["step", "epoch"]] = 96, 9.6
    table = paper_accuracies.table_3(made)
    assert cell(table, "resnet18", 0.2).updates == 96 and cell(table, "resnet18", 0.5).updates == 100
    assert "and so before E N updates: 96 of 100 at δ = 0.2." in paper_tables.markdown(table)


def test_convergence_by_hand():
    table = paper_accuracies.table_3(curves())
    baseline, found = cell(table, "resnet18", 1.0), cell(table, "resnet18", 0.5)
    assert (baseline.e, found.e, found.e_low, found.converged) == (8, 6, 6, 3)
    assert found.e_change == pytest.approx(100 * 2 / 6) and found.fewer == pytest.approx(25)
    assert (found.e_paper, found.e_change_paper) == (77, 3.89)
    assert np.isnan(baseline.e_change) and np.isnan(baseline.e_change_paper)


def test_a_fall_in_print_is_negative():
    table = paper_accuracies.table_3(curves("table-5"))
    assert cell(table, "efficientnet_b4", 0.8).e_change_paper == -8.51
    assert cell(table, "efficientnet_b4", 0.5).e_change_paper == 26.47


@pytest.mark.slow
def test_a_seed_that_did_not_converge_leaves_no_change():
    made = curves()
    rows = made.frame
    never = (rows.network == "resnet18") & (rows.delta == 0.5) & (rows.seed == 2)
    rows.loc[never, "loss/train"] = 3.0 - rows.epoch[never] / 10
    table = paper_accuracies.table_3(made)
    found = cell(table, "resnet18", 0.5)
    assert (found.e, found.converged, found.n) == (6, 2, 3)
    assert np.isnan(found.e_change) and np.isnan(found.fewer)
    assert (found.epochs_difference, found.epochs_usable) == (
        pytest.approx((-2 + 3 - 2) / 3),
        3,
    )  # 11, after the last, once
    assert "(2/3)" in " ".join(lines(table, "resnet18")[2])
    rows.loc[(rows.network == "resnet18") & (rows.delta == 0.5), "loss/train"] = 3.0
    table = paper_accuracies.table_3(made)
    assert cell(table, "resnet18", 0.5).epochs_difference == 3
    rows.loc[(rows.network == "resnet18") & (rows.delta == 1.0), "loss/train"] = 3.0
    assert np.isnan(cell(paper_accuracies.table_3(made), "resnet18", 0.5).epochs_difference)
    assert np.isnan(cell(table, "resnet18", 0.5).e) and "not converged (0/3)" in lines(table, "resnet18")[2]


def test_what_was_not_run_is_said_beside_the_papers_numbers():
    table = paper_accuracies.table_3(curves())
    found = cell(table, "resnet50", 0.5)
    assert (found.status, found.n, found.test_paper) == ("not run", 0, 64.6)
    assert np.isnan(found.test) and np.isnan(found.test_difference)
    text = paper_tables.markdown(table)
    assert lines(table, "resnet50") == [] and "Not run: ResNet-50; EfficientNet-B4; EfficientNetV2-S." in text
    part = changed(curves(), curves().frame.query("network != 'resnet18' or delta != 0.5"))
    assert "Not run: ResNet-18 (δ = 0.5); ResNet-50;" in paper_tables.markdown(paper_accuracies.table_3(part))


def test_a_network_that_the_paper_has_not_stands_below_its_own():
    made = curves(networks=("resnet18",))
    added = made.frame.assign(network="letters-cnn", panel="letters-cnn, glyphs")
    cells = made.experiment.cells | {"letters-cnn, glyphs": ("letters-cnn", "CIFAR-10")}
    layout = made.layout | {"letters-cnn, glyphs": tuple(made.frame.method.unique())}
    table = paper_accuracies.table_3(changed(made, pd.concat([made.frame, added]), cells=cells, layout=layout))
    assert list(table.network[-4:]) == ["letters-cnn"] * 4
    found = cell(table, "letters-cnn", 0.5)
    assert found.difference == pytest.approx(4) and found.doubt == ""
    assert found[["test_paper", "difference_paper", "e_paper", "e_change_paper"]].isna().all()
    shown = paper_tables.markdown(table)
    assert "| 0.5 | 3 | 66.0 ± 2.5 | +4.0 ± 0.0 |  |  | 6.0 ± 0.0 | -2.0 ± 0.0 |  |" in shown and "nan" not in shown


@pytest.mark.slow
def test_no_run_at_all():
    made = curves(seeds=1)
    nothing = changed(made, made.frame[:0], missing=8)
    for name, make in (("table-3", paper_accuracies.table_3), ("table-6", paper_best.table_6)):
        table = make(nothing)
        assert list(table) == SCHEMAS[name] and set(table.status) == {"not run"}
        assert "no run is done yet" in paper_tables.markdown(table)
    untimed = dataclasses.replace(timings(), frame=timings().frame[:0])
    assert set(paper_timings.table_1(untimed).status) == {"not run"}


@pytest.mark.slow
def test_a_diverged_seed_is_counted_and_left_out():
    made = curves()
    diverge(made, 0.5, 2)
    table = paper_accuracies.table_3(made)
    found = cell(table, "resnet18", 0.5)
    assert (found.status, found.n, found.diverged, found.pairs, found.seeds_won) == ("measured", 2, 1, 3, 2)
    assert found.test == pytest.approx(66) and np.isnan(found.e_change)
    assert lines(table, "resnet18")[2][2] == "2, 1 diverged" and "Diverged seeds" in paper_tables.markdown(table)
    for seed in (1, 3):
        diverge(made, 0.5, seed)
    found = cell(paper_accuracies.table_3(made), "resnet18", 0.5)
    assert (found.status, found.n, found.diverged) == ("diverged", 0, 3)


def test_missing_seeds_are_said():
    made = curves()
    rows = made.frame
    fewer = changed(made, rows[~((rows.network == "resnet18") & (rows.delta == 0.5) & (rows.seed == 3))], missing=1)
    table = paper_accuracies.table_3(fewer)
    assert cell(table, "resnet18", 0.5).status == "incomplete" and cell(table, "resnet18", 0.2).status == "measured"
    assert lines(table, "resnet18")[2][2] == "2, incomplete"
    assert "Not run: 1 run; ResNet-50;" in paper_tables.markdown(table)


def test_one_seed_missing_everywhere_is_said():
    assert set(paper_accuracies.table_3(curves(missing=8)).status) == {"incomplete", "not run"}


def test_one_seed_has_no_interval():
    table = paper_accuracies.table_3(curves(seeds=1))
    assert table[["train_low", "test_low", "difference_low", "e_low"]].isna().all(axis=None)
    assert table.p.isna().all() and table.difference.notna().any()
    assert "With 1 seed no difference of test accuracy can be significant" in paper_tables.markdown(table)
    assert lines(table, "resnet18")[2][3] == "65.0" and "One seed has no interval" in paper_tables.markdown(table)


@pytest.mark.slow
def test_the_published_protocols_interval_is_over_the_mini_batches():
    table = paper_accuracies.table_3(curves("table-5", protocol="published", seeds=1))
    found = cell(table, "resnet18", 1.0)
    assert found.train_high - found.train == pytest.approx(2.26216 * 20 / np.sqrt(10), abs=1e-4)
    assert found.test - found.test_low == pytest.approx(2.77645 * 10 / np.sqrt(5), abs=1e-4)
    assert "over the mini-batches of the one checkpoint" in paper_tables.markdown(table)
    several = cell(paper_accuracies.table_3(curves("table-5", protocol="published")), "resnet18", 1.0)
    assert several.test_high - several.test == pytest.approx(4.30265 / np.sqrt(3), abs=1e-5)


def test_doubtful_numbers_are_shown_and_are_no_target():
    table = paper_accuracies.table_3(of_the_papers_budget(curves("table-4", networks=NETWORKS)))
    found = cell(table, "efficientnet_b4", 0.5)
    assert found.doubt and found.test_paper == 49.7 and found.test == pytest.approx(66)
    assert found[["train_difference", "test_difference", "difference_paper"]].isna().all()
    assert found.e_difference == 60 - 42  # e is that table's own
    assert "49.7 ± 1.0 †" in lines(table, "efficientnet_b4")[2]
    assert f"† {found.doubt[:20]}" in paper_tables.markdown(table)
    sure = cell(table, "resnet18", 0.5)
    assert not sure.doubt and sure.test_difference == pytest.approx(66 - 34.5)
    assert (table.doubt != "").sum() == 8


@pytest.mark.slow
def test_other_methods_are_ignored():
    made = curves()
    rows = made.frame
    both = pd.concat([rows, rows[rows.delta == 0.5].assign(method="random δ = 0.5", **{"acc/val": 0.99})])
    layout = {heading: (*made.layout[heading], "random δ = 0.5") for heading in both.panel.unique()}
    both = changed(made, both, layout=layout)
    pd.testing.assert_frame_equal(paper_accuracies.table_3(both), paper_accuracies.table_3(made))
