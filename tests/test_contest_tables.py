"""Who wins: made-up contests with known effects, decided, undecided and half-run, and what their readers are told."""

import numpy as np
import pandas as pd
import pytest
from made_up_contest import (
    BUDGETS,
    CONTROLS,
    COSTS,
    METHODS,
    diverge,
    one_panel,
    rival_curves,
    row,
    set_ends,
    texts,
    verdict,
)
from synthetic import UNSAID, changed, curves

from hardsample import statistics
from hardsample.errors import InputError
from hardsample.experiments import base_values, registry
from hardsample.experiments import rivals as contest
from hardsample.methods import registry as methods_registry
from hardsample.report import contest_figure, contest_markdown, contest_tables, contest_words
from hardsample.runs import store


@pytest.fixture(scope="module")
def contested():
    """12 seeds, all methods, all budgets, at the ends of the noise."""
    return rival_curves(noises=(0.0, 0.4))


@pytest.fixture(scope="module")
def table(contested):
    return contest_tables.table(contested)


@pytest.fixture(scope="module")
def found(table):
    return contest_tables.winners(table)


@pytest.mark.slow
def test_a_row_per_panel_and_method(table):
    assert list(table) == list(contest_tables.COLUMNS) and len(set(contest_tables.COLUMNS)) == len(
        contest_tables.COLUMNS
    )
    assert len(table) == 2 * 2 * 3 * len(METHODS)
    assert table[["schedule", "noise", "imbalance", "budget"]].iloc[0].tolist() == ["constant", 0.0, 1.0, "updates"]
    assert table.method[: len(METHODS)].tolist() == list(METHODS)
    assert row(table, "LPS").cost == 1.5 and row(table, "OHEM").backwards == 3200 and row(table, "MB").updates == 200


def test_a_row_by_hand():
    made = one_panel(seeds=3, methods=("MB", "PEB"))
    set_ends(made, "MB", "acc/val", [0.8, 0.7, 0.6])
    set_ends(made, "PEB", "acc/val", [0.9, 0.9, 0.5])
    found = row(contest_tables.table(made), "PEB")
    assert (found["mean"], found.n, found.diverged) == (pytest.approx(230 / 3), 3, 0)
    assert (found.difference, found.seeds_won, found.pairs) == (pytest.approx(20 / 3), 2, 3)
    assert np.isnan([found.p, found.p_holm, found.smallest]).all()  # of 3 seeds
    assert found.difference_high == pytest.approx(
        20 / 3 + 4.30265 * np.std([10, 20, -10], ddof=1) / np.sqrt(3), abs=1e-3
    )


def test_p_and_the_smallest_difference_by_hand():
    made = one_panel(seeds=6, methods=("MB", "PEB"))
    set_ends(made, "MB", "acc/report", [0.6] * 6)
    set_ends(made, "PEB", "acc/report", [0.61, 0.62, 0.63, 0.64, 0.65, 0.66])
    found = row(contest_tables.table(made), "PEB")
    assert (found.report_p, found.report_p_holm, found.report_usable) == (2 / 64, 2 / 64, 6)
    half = 2.570582 * np.std([1, 2, 3, 4, 5, 6], ddof=1) / np.sqrt(6)
    assert found.report_smallest == pytest.approx(half, abs=1e-4)  # one test: the usual interval's half-width
    assert found.report_difference == pytest.approx(3.5)


def test_lower_loss_wins():
    made = one_panel(seeds=2, methods=("MB", "PEB"))
    set_ends(made, "MB", "loss/val", [1.0, 1.0])
    set_ends(made, "PEB", "loss/val", [0.9, 1.2])
    found = row(contest_tables.table(made), "PEB")
    assert (found.loss, found.loss_difference, found.loss_seeds_won) == (pytest.approx(1.05), pytest.approx(0.05), 1)


@pytest.mark.parametrize("kind", ["", "report_", "gap_", "loss_"])
def test_holm_is_within_the_panel(table, kind):
    for _, rows in table.groupby("panel"):
        np.testing.assert_allclose(rows[f"{kind}p_holm"], statistics.holm(rows[f"{kind}p"]))
        assert (rows[f"{kind}smallest"].notna() == rows[f"{kind}p"].notna()).all()
        assert rows[f"{kind}p"].notna().sum() == len(METHODS) - 1


def test_runs_of_an_earlier_budget_are_known(table):
    by_budget = {budget: table[table.budget == budget] for budget in BUDGETS}
    assert set(by_budget["updates"].same_as) == {""}
    passes, clock = by_budget["backward passes"], by_budget["wall-clock"]
    assert set(passes.method[passes.same_as == ""]) == {"OHEM"}
    assert set(clock.method[clock.same_as == "updates"]) == {method for method, cost in COSTS.items() if cost == 1.0}


def test_the_known_winner_wins(found):
    first = found.iloc[0]
    assert (first.verdict, first.method, first.tests, first.seeds, first.needed) == ("wins", "PEB", 13, 12, 10)
    assert 1 < first.difference < 3 and first.p_holm < 0.05 and 0 < first.smallest < first.difference
    assert first.better.startswith("PEB") and first.worse.startswith("LB, OHEM")
    assert found.verdict.isin(contest_tables.VERDICTS).all() and list(found) == list(contest_tables.WINNERS)


def test_better_and_worse_are_significant_after_holm(found, table):
    assert ((table.report_p < 0.05) & (table.report_p_holm >= 0.05)).any()
    for _, panel in found.iterrows():
        rows = table[(table.panel == panel.panel) & (table.report_p_holm < 0.05)]
        for names, wanted in ((panel.better, rows.report_difference > 0), (panel.worse, rows.report_difference < 0)):
            assert set(filter(None, names.split(", "))) == set(rows.method[wanted])


def test_the_winner_may_change_with_the_budget(found):
    cosine = found[(found.schedule == "cosine") & (found.noise == 0.0)].set_index("budget").method
    assert cosine["updates"] == "PEB" and cosine["backward passes"] == "OHEM"


def test_none_is_above_where_all_are_alike():
    made = one_panel(methods=("MB", "SMB", "InfoBatch", "focal"))
    found = verdict(made)
    assert found["verdict"] == "none above" and found["better"] == found["inconclusive"] == found["above"] == ""
    text = contest_markdown.markdown(contest_tables.table(made))
    assert "**None is significantly above MB in 1**: constant 0 %." in text and "wins in 1**, by" not in text


def test_the_baseline_itself_can_be_the_highest():
    found = verdict(one_panel(methods=("MB", "LB", "OHEM")))
    assert (found["verdict"], found["method"], found["worse"]) == ("none above", "MB", "LB, OHEM")


def test_one_half_chooses_and_the_other_reports():
    made = one_panel(methods=("MB", "PLB", "SMB"))
    set_ends(made, "SMB", "acc/choose", np.full(12, 0.99))
    found = verdict(made)
    assert (found["method"], found["verdict"], found["better"]) == ("SMB", "highest inconclusive", "PLB")
    ends = made.frame[made.frame.epoch > 4]
    smb = ends[ends.method == "SMB"].set_index("seed")["acc/report"]
    usual = ends[ends.method == "MB"].set_index("seed")["acc/report"]
    assert found["difference"] == pytest.approx(100 * (smb - usual).mean())
    text = contest_markdown.markdown(contest_tables.table(made))
    assert "difference to MB is inconclusive, and others are significantly above: constant 0 %" in text


def test_methods_that_the_winner_does_not_beat_are_named():
    made = one_panel(methods=("MB", "PEB", "PLB", "LB"))
    for metric in ("acc/val", "acc/choose", "acc/report"):
        ends = made.frame[made.frame.method == "PEB"].groupby("seed")[metric].last().to_numpy()
        set_ends(made, "PLB", metric, ends + 0.001 * np.where(np.arange(12) % 2, 1, -1.5))
    assert (verdict(made)["method"], verdict(made)["inconclusive"], verdict(made)["above"]) == ("PEB", "PLB", "")
    text = contest_markdown.markdown(contest_tables.table(made))
    assert "**PEB wins in 1**" in text and "(there its difference to others is inconclusive)" in text


@pytest.mark.slow
def test_of_three_seeds_nothing_is_significant_and_there_is_no_p():
    made = rival_curves(seeds=3, noises=(0.0, 0.4), budgets=BUDGETS[:1])
    table = contest_tables.table(made)
    assert set(contest_tables.winners(table).verdict) == {"too few seeds"}
    assert table[[name for name in table if name.endswith(("p", "p_holm", "smallest"))]].isna().all(axis=None)
    text, figure = contest_markdown.markdown(table), contest_figure.figure(contest_tables.table(made))
    for said in (text, texts(figure)):
        assert not any(word in said for word in UNSAID)
        assert "wins in" not in said and "Significant:" not in said and "Holm" not in said
    assert text.count("With 3 seeds no difference can be significant, whatever its size: 13 tests take 10.") == 1
    assert "**In short**\n\n- **With 3 seeds" in text
    assert "markers: mean, of too few seeds for a test; bars: its 95 % interval" in texts(figure)
    assert "| smallest |" not in text and "none" not in text and "Too few seeds" not in text
    assert "**The highest**" in text and "Who wins" not in text and "who wins" not in text
    markers = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "o"]
    assert markers and {line.get_markerfacecolor() for line in markers} == {"white"}
    assert "| inconclusive |" not in texts(figure)


@pytest.mark.parametrize(("seeds", "verdict_of"), [(9, "too few seeds"), (10, "wins")])
def test_ten_seeds_are_needed_as_is_said(seeds, verdict_of):
    assert verdict(one_panel(seeds=seeds))["verdict"] == verdict_of


def test_one_seed_has_no_interval():
    table = contest_tables.table(one_panel(seeds=1))
    assert table[["low", "sd", "difference_low"]].isna().all(axis=None)
    assert table.p.isna().all()
    assert "- **With 1 seed no difference" in contest_markdown.markdown(table)


@pytest.mark.slow
def test_a_diverged_seed_costs_the_choice():
    made = one_panel()
    diverge(made, "PEB", [5])
    table = contest_tables.table(made)
    assert row(table, "PEB")[["n", "diverged", "pairs", "usable"]].tolist() == [11, 1, 12, 11]
    found = verdict(made)
    assert found["method"] != "PEB" and found["left_out"] == "PEB (11 of 12)" and "PEB" in found["better"]
    text = contest_markdown.markdown(table)
    assert "Diverged: PEB 1 of 12 runs." in text and "PEB (11 of 12)" in text and "(1 diverged)" in text
    said = texts(contest_figure.figure(contest_tables.table(made)))
    assert "×1" in said and "k seeds diverged" in said


@pytest.mark.slow
def test_all_seeds_diverged():
    made = one_panel(methods=("MB", "OHEM", "LB"))
    diverge(made, "OHEM", range(1, 13))
    assert np.isnan(row(contest_tables.table(made), "OHEM").difference)
    assert verdict(made)["left_out"] == "OHEM (0 of 12)"
    assert "×12" in texts(
        contest_figure.figure(contest_tables.table(made))
    ) and "12 diverged" in contest_markdown.markdown(contest_tables.table(made))
    diverge(made, "MB", range(1, 13))
    assert verdict(made)["verdict"] == "not compared"
    said = texts(contest_figure.figure(contest_tables.table(made)))
    assert "Nothing can be compared yet." in said and "MB diverged: no differences" in said


def test_pairs_are_the_seeds_run_under_both():
    made = one_panel(methods=("MB", "PEB", "LB"))
    made = made.of((made.frame.method != "PEB") | (made.frame.seed <= 7))
    table = contest_tables.table(made)
    assert (row(table, "PEB").n, row(table, "PEB").pairs, row(table, "LB").pairs) == (7, 7, 12)
    assert verdict(made)["left_out"] == "PEB (7 of 12)"
    assert "n = 7 to 12 seeds" in contest_markdown.markdown(table)
    assert "n = 7 to 12)" in texts(contest_figure.figure(table))


@pytest.mark.slow
def test_what_was_not_run_is_said():
    methods = ("MB", "PEB", "SB")
    made = rival_curves(seeds=2, methods=methods, noises=(0.0, 0.4), missing=5)
    method, panel = made.frame.method, made.frame.panel
    gone = ((method == "SB") & panel.str.startswith("cosine")) | panel.str.contains("constant, 40")
    made = made.of(~gone)
    text, said = (
        contest_markdown.markdown(contest_tables.table(made)),
        texts(contest_figure.figure(contest_tables.table(made))),
    )
    assert "not run |" not in text and "| constant | 40 %" not in text and "| cosine | 0 % | updates | SB |" not in text
    assert "Not run: 5 runs (all of constant, 40 % flipped, equal updates; all of constant, 40 % flipped," in text
    assert "SB in 6 of 9 panels)." in text
    assert said.count("not run |") == 3  # a setting, and SB in two others


def test_without_the_baseline_nothing_is_compared():
    made = one_panel(methods=("PLB", "PEB"))
    assert verdict(made)["verdict"] == "not compared"
    assert "MB not run: no differences" in texts(contest_figure.figure(contest_tables.table(made)))


@pytest.mark.slow
def test_no_run_at_all(tmp_path):
    experiment = registry.grid("rivals/letters", profile="smoke", data="stand-in")
    nothing = store.Store(tmp_path).curves(experiment)
    table = contest_tables.table(nothing)
    assert list(table) == list(contest_tables.COLUMNS) and set(contest_tables.winners(table).verdict) == {"not run"}
    assert "no run is done yet" in contest_markdown.markdown(
        table
    ) and "- Equal wall-clock: not run." in contest_markdown.markdown(table)
    assert texts(contest_figure.figure(contest_tables.table(nothing))).count("not run") >= 2
    assert contest_tables.figure_data(contest_tables.table(nothing)).empty


def test_a_budget_that_nothing_enters(tmp_path):
    """By the clock, where no time is known."""
    experiment = contest.by_the_clock(registry.grid("rivals/images", profile="smoke", data="stand-in"), {})
    nothing = store.Store(tmp_path).curves(experiment)
    found = contest_tables.winners(contest_tables.table(nothing))
    assert len(found) == len(experiment.panels) and set(found.verdict) == {"not run"}


@pytest.mark.slow
def test_a_setting_of_one_schedule_alone():
    made = rival_curves(seeds=2, noises=(0.0, 0.4), methods=("MB", "PEB"))
    kept = [panel for panel in made.layout if not panel.startswith("cosine, 40")]
    settings, layout = (
        {panel: said[panel] for panel in kept} for said in (made.experiment.settings, made.experiment.layout)
    )
    rows = made.frame[made.frame.panel.isin(kept)]
    figure = contest_figure.figure(contest_tables.table(changed(made, rows, settings=settings, layout=layout)))
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    assert "not run" not in texts(figure) and figure.axes[1].get_xlabel() == figure.axes[2].get_xlabel() != ""


def test_imbalanced_classes_are_a_setting_in_words_and_tables():
    made = rival_curves(methods=("MB", "PEB", "LB"), noises=(0.0, 0.1), imbalances=(50.0,), budgets=BUDGETS[:1])
    table = contest_tables.table(made)
    assert table[table.imbalance == 50].panel.unique().tolist() == ["constant, imbalance 50, equal updates"]
    text = contest_markdown.markdown(table)
    assert "Equal updates, 5 settings: **PEB wins in 5**" in text
    assert ": constant 0, 10 %, imbalance 50; cosine 0, 10 %." in text
    assert "| constant | 0 %, imbalance 50 | updates | MB |" in text and contest_words.IMBALANCE in text
    usual = contest_markdown.markdown(contest_tables.table(rival_curves(methods=("MB", "PEB"), noises=(0.0,))))
    assert "imbalance" not in usual.lower()
    missing = contest_tables.table(made.of(~made.frame.panel.str.contains("imbalance")))
    assert "Not run in 1: constant imbalance 50." in contest_markdown.markdown(missing)


def test_other_curves_are_refused():
    with pytest.raises(InputError, match="hard-samples/figure-3 have none.*rivals/letters or rivals/images"):
        contest_tables.table(curves(seeds=1, epochs=1, name="hard-samples/figure-3", settings={"default": {}}))


@pytest.mark.slow
def test_markdown_is_in_words_and_whole(table):
    text = contest_markdown.markdown(table)
    assert text.startswith(
        "**Stand-in data: glyphs. Profile small, n = 12 seeds.**\n\n**In short**\n\n- Equal updates, 4 settings:"
    )
    for lines in text.split("\n\n"):
        assert len({line.count("|") for line in lines.splitlines()}) == 1 or not lines.startswith("|")
    assert not any(word in text for word in UNSAID)
    assert "only OHEM trained differently; all other runs are those of equal updates" in text
    assert "| constant | 0 % | backward passes | MB, SMB, LB" in text and "| as at equal updates |" in text
    mean, low, high = (f"{row(table, 'MB')[name]:.2f}" for name in ("mean", "low", "high"))
    assert f"| constant | 0 % | updates | MB | {mean} [{low}, {high}] |" in text
    whole = 12 * 13 / 2**11
    assert whole > 0.05 and f"Holm over all 156 tests at once would make it {whole:.2g}" in text
    assert "of 12, expect up to 0.6" in text and "Profile small: letters CNN, 1,024 training examples." in text


def test_a_budget_of_the_same_runs_is_no_evidence():
    made = rival_curves(seeds=3, methods=("MB", "PLB"), schedules=("constant",), noises=(0.0,), budgets=BUDGETS[:2])
    assert "every run is one of equal updates: this is no further evidence" in contest_markdown.markdown(
        contest_tables.table(made)
    )


@pytest.mark.slow
def test_save(table, found, tmp_path):
    files = contest_markdown.save(table, tmp_path / "figures" / "letters")
    assert [file.name for file in files] == ["letters-statistics.csv", "letters-statistics.md", "letters-winners.csv"]
    read = pd.read_csv(files[0], keep_default_na=False, na_values=[""])
    assert read.difference.to_numpy() == pytest.approx(table.difference.astype(float).to_numpy(), nan_ok=True, rel=1e-8)
    assert pd.read_csv(files[2]).method.tolist() == found.method.tolist()
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in contest_markdown.save(table, tmp_path / "figures" / "letters")] == before
    with pytest.raises(InputError):
        contest_markdown.save(table, files[0] / "letters")


@pytest.mark.parametrize("budget", BUDGETS[:2])
def test_controls_are_held_against_what_they_control_and_do_not_choose(budget):
    methods = (*METHODS, "KAKURENBO's rate", *(CONTROLS[1:] if budget == BUDGETS[1] else ()))
    made = rival_curves(methods=methods, schedules=("constant",), noises=(0.0,), budgets=(budget,))
    for metric in ("acc/val", "acc/choose", "acc/report"):
        if budget == BUDGETS[1]:  # far above all others
            set_ends(made, "MB 2x updates", metric, 0.95 + 0.001 * np.arange(12))
    table, panel = contest_tables.table(made), f"constant, 0 % flipped, equal {budget}"
    kakurenbo = row(table, "KAKURENBO", panel)
    ends = made.frame.groupby(["seed", "method"])["acc/report"].last().unstack()
    gains = 100 * (ends["KAKURENBO"] - ends["KAKURENBO's rate"])
    assert kakurenbo.control_difference == pytest.approx(gains.mean()) and kakurenbo.control == "KAKURENBO's rate"
    assert kakurenbo.control_difference_high < 0 and kakurenbo.control_p_holm < 0.05
    text = contest_markdown.markdown(table)
    assert "KAKURENBO against KAKURENBO's rate: significantly below it in 1." in text
    assert "**Against their controls**" in text
    assert f"| constant | 0 % | {budget} | KAKURENBO | KAKURENBO's rate | {gains.mean():+.2f} [" in text
    found = verdict(made)
    assert found["tests"] == len(methods) - 1  # of what was run, and the family that Holm adjusts over
    if budget == BUDGETS[1]:
        assert row(table, "OHEM", panel).control == "MB 2x updates"
        assert (found["verdict"], found["method"], found["above"]) == ("wins", "PEB", "MB 2x updates")
        assert found["better"].startswith("MB 2x updates, PEB") and "one beyond the budget" in text
        assert "not in the choice" in text


@pytest.mark.slow
def test_controls_that_are_not_run_are_named_and_count_for_nothing():
    made = rival_curves(noises=(0.0,), schedules=("constant",), missing=24)
    made = changed(made, layout={panel: (*METHODS, *CONTROLS) for panel in made.layout})
    text, said = (
        contest_markdown.markdown(contest_tables.table(made)),
        texts(contest_figure.figure(contest_tables.table(made))),
    )
    assert set(contest_tables.winners(contest_tables.table(made)).tests) == {13}
    assert "Not run: 24 runs (KAKURENBO's rate; MB 2x updates)." in text and "of KAKURENBO 1.22;" in text
    assert "Not run: KAKURENBO's rate, MB 2x updates." in said
    assert "**Against their controls**" not in text
    order = [label.get_text() for label in contest_figure.figure(contest_tables.table(made)).axes[0].get_yticklabels()]
    assert "KAKURENBO" in order and not {"KAKURENBO's rate", "MB 2x updates"} & set(order)


@pytest.mark.slow
def test_what_differs_besides_the_choice_is_computed(table):
    text = contest_markdown.markdown(table)
    costs = ", ".join(f"{method} {COSTS[method]:g}" for method in METHODS if COSTS[method] != 1)
    assert f"at equal updates training time of {costs};" in text
    assert "at equal backward passes updates of OHEM 2 and training time of OHEM 1.4;" in text
    shares = text.split("at equal wall-clock updates of ")[1].split(".\n")[0].split(", ")
    shares = {method: float(share) for method, share in (part.rsplit(" ", 1) for part in shares)}
    assert shares == pytest.approx({m: 1 / cost for m, cost in COSTS.items() if cost != 1}, abs=0.01)


@pytest.mark.parametrize("pretrain_epochs", [0.0, 1.0])
def test_a_missing_pre_training_is_said(pretrain_epochs):
    made = one_panel(seeds=2, methods=("MB", "PEB", "SB"))
    made.frame["pretrain_epochs"] = pretrain_epochs
    paper = base_values.PROFILES["paper"]
    words = f"paper A's default has {paper.defaults['pretrain_epochs']:g} of {paper.epochs:g} epochs of MB"
    said = contest_markdown.markdown(contest_tables.table(made))
    assert (words in said) == ("No run here has a pre-training: PEB start" in said) == (pretrain_epochs == 0)


@pytest.mark.slow
def test_tables_say_what_is_not_the_authors(table):
    text = contest_markdown.markdown(table)
    assert f"- SB, StaleSB: {methods_registry.DIFFERENCES['SB']}." in text
    assert all(words in text for words in methods_registry.DIFFERENCES.values())
    few = contest_markdown.markdown(contest_tables.table(one_panel(seeds=2, methods=("MB", "PEB", "LPS"))))
    assert methods_registry.DIFFERENCES["LPS"] in few and methods_registry.DIFFERENCES["Mercury"] not in few


@pytest.mark.slow
def test_the_figures_points_name_the_runs_behind_them():
    made = rival_curves(seeds=3, noises=(0.0,))
    points, rows = contest_tables.figure_data(contest_tables.table(made)), made.frame
    assert list(points)[-1] == "runs" and len(points) > len(METHODS)
    for point in points.itertuples():
        own = rows[(rows.panel == point.panel) & (rows.method == point.method)].groupby("seed").run.first()
        assert point.runs.split() == own.tolist() and len(own) == 3
