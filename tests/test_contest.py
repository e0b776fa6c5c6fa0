"""The contest's grid: who enters, with which budget, and how the clock decides the length of a run."""

import pytest

from hardsample import contest, experiments
from hardsample.panels import variant

LETTERS = experiments.grid("rivals/letters", profile="small", data="ocr-letters", seeds=2)


def panel(experiment, schedule, noise, budget):
    setting = {"schedule": schedule, "noise": noise, "budget": budget}
    (found,) = (panel for panel in experiment.panels if panel.setting == setting)
    return found


def costs(**changed):
    """A cost of 1 for every method but those given."""
    return {variant(run): 1.0 for run in LETTERS.runs} | changed


def test_every_method_enters_every_setting_with_every_seed():
    names = list(dict.fromkeys(variant(run) for run in LETTERS.runs))
    assert names == [
        *("MB", "SMB", "LB", "PLB", "PEB", "δ = 0.5", "SB", "StaleSB"),
        *("KAKURENBO", "InfoBatch", "Mercury", "OHEM", "focal", "LPS"),
    ]
    settings = {(panel.setting["schedule"], panel.setting["noise"]) for panel in LETTERS.panels}
    assert settings == {(schedule, noise) for schedule in ("constant", "cosine") for noise in (0.0, 0.1, 0.2, 0.4)}
    for one in LETTERS.panels:
        assert sorted((variant(run), run.seed) for run in one.runs) == sorted((n, s) for n in names for s in (1, 2))
        assert {run.label_noise for run in one.runs} == {one.setting["noise"]}
        assert {run.learning_rate_schedule for run in one.runs} == {one.setting["schedule"]}
        assert len({run.learning_rate for run in one.runs}) == 1


def test_equal_backward_passes_are_other_runs_only_where_an_update_has_fewer():
    updates, backward = (panel(LETTERS, "cosine", 0.4, budget) for budget in ("updates", "backward passes"))
    assert {variant(run) for run in set(backward.runs) - set(updates.runs)} == {"OHEM"}
    own = {variant(run): run for run in backward.runs}
    assert own["OHEM"].epochs * own["OHEM"].options["keep"] == own["MB"].epochs


def test_by_the_clock_a_method_of_twice_the_cost_makes_half_the_updates():
    clocked = contest.by_the_clock(LETTERS, costs(SB=2.0, InfoBatch=1.3))
    runs = {variant(run): run for run in panel(clocked, "constant", 0.4, "wall-clock").runs}
    usual = {variant(run): run for run in panel(LETTERS, "constant", 0.4, "updates").runs}
    assert runs["SB"].epochs == usual["SB"].epochs / 2
    assert runs["PLB"] == usual["PLB"] and runs["MB"] == usual["MB"]  # nothing to run anew
    assert runs["InfoBatch"].epochs == runs["InfoBatch"].options["epochs"] == round(usual["MB"].epochs / 1.3, 4)
    assert len(clocked.panels) == 3 * 8 and set(LETTERS.runs) < set(clocked.runs)
    assert contest.by_the_clock(clocked, clocked.costs) == clocked
    assert clocked.attrs["settings"][clocked.panels[2].title]["budget"] == "wall-clock"
    assert clocked.attrs["costs"]["SB"] == 2.0


def test_what_has_no_cost_is_not_run_by_the_clock():
    known = costs()
    del known["SB"]
    runs = {variant(run) for run in panel(contest.by_the_clock(LETTERS, known), "constant", 0.0, "wall-clock").runs}
    assert "SB" not in runs and "PEB" in runs


def test_what_is_timed_is_a_small_training_of_every_method():
    for profile in experiments.PROFILES:
        timed = experiments.grid("rivals/images", profile=profile, seeds=5).timed
        assert {variant(run) for run in timed} == {variant(run) for run in LETTERS.runs}
        assert {run.seed for run in timed} == {1, 2, 3}
        assert {(run.train_examples <= 32 * run.batch_size, run.epochs <= 6) for run in timed} == {(True, True)}
        assert all(run.options.get("epochs", run.epochs) == run.epochs for run in timed)


@pytest.mark.parametrize("name", contest.NAMES)
@pytest.mark.parametrize("profile", experiments.PROFILES)
def test_every_profile_has_its_grid(name, profile):
    experiment = experiments.grid(name, profile=profile)
    assert experiment.runs and profile in experiment.note
    assert experiments.grid(name, profile=profile, examples=64).runs[0].train_examples == 64
