"""The contest's grid: who enters, with which budget, and how the clock decides the length of a run."""

import dataclasses

import numpy as np
import pytest
import torch

from hardsample.data.class_imbalance import sizes
from hardsample.experiments import registry as experiments
from hardsample.experiments import rivals
from hardsample.experiments.panels import variant
from hardsample.methods import registry as methods
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.report import deviations
from hardsample.training.networks import INITIALIZED_BY_LIBRARY

LETTERS = experiments.grid("rivals/letters", profile="small", data="ocr-letters", seeds=2)


def panel(experiment, schedule, noise, budget, imbalance=1.0):
    setting = {"schedule": schedule, "noise": noise, "imbalance": imbalance, "budget": budget}
    (found,) = (panel for panel in experiment.panels if panel.setting == setting)
    return found


def costs(**changed):
    """A cost of 1 for every method but those given."""
    return {variant(run): 1.0 for run in LETTERS.timed} | changed


TIMED = [
    *("MB", "SMB", "LB", "PLB", "PEB", "δ = 0.5", "SB", "StaleSB"),
    *("KAKURENBO", "InfoBatch", "Mercury", "OHEM", "focal", "LPS"),
]
ENTERED = {
    "updates": {*TIMED, "KAKURENBO's rate"},
    "backward passes": {*TIMED, "KAKURENBO's rate", "MB 2x updates"},
}


def test_every_method_enters_every_setting_with_every_seed():
    settings = {tuple(panel.setting.values())[:3] for panel in LETTERS.panels}
    usual = {(schedule, noise, 1.0) for schedule in ("constant", "cosine") for noise in (0.0, 0.1, 0.2, 0.4)}
    assert settings == usual | {("constant", 0.0, 50.0)}
    for one in LETTERS.panels:
        names = ENTERED[one.setting["budget"]]
        assert sorted((one.variant(run), run.seed) for run in one.runs) == sorted((n, s) for n in names for s in (1, 2))
        assert set(LETTERS.layout[one.title]) == names
        assert {run.label_noise for run in one.runs} == {one.setting["noise"]}
        assert {run.class_imbalance for run in one.runs} == {one.setting["imbalance"]}
        assert {run.learning_rate_schedule for run in one.runs} == {one.setting["schedule"]}
        assert len({run.learning_rate for run in one.runs}) == 1


def test_equal_backward_passes_are_other_runs_only_where_an_update_has_fewer_and_for_its_control():
    updates, backward = (panel(LETTERS, "cosine", 0.4, budget) for budget in ("updates", "backward passes"))
    assert {backward.variant(run) for run in set(backward.runs) - set(updates.runs)} == {"OHEM", "MB 2x updates"}
    own = {backward.variant(run): run for run in backward.runs}
    assert own["OHEM"].epochs * own["OHEM"].options["keep"] == own["MB"].epochs
    longer = own["MB 2x updates"]
    assert (longer.method, longer.options, longer.epochs) == ("MB", {}, own["OHEM"].epochs)


def test_classes_are_imbalanced_in_one_setting_of_as_many_updates():
    usual, imbalanced = panel(LETTERS, "constant", 0.0, "updates"), panel(LETTERS, "constant", 0.0, "updates", 50.0)
    assert imbalanced.title == "constant, imbalance 50, equal updates"
    assert imbalanced.runs == tuple(dataclasses.replace(run, class_imbalance=50.0) for run in usual.runs)
    assert [one.title for one in LETTERS.panels if one.setting["imbalance"] != 1] == [imbalanced.title]


def test_at_full_size_imbalanced_classes_have_epochs_for_as_many_updates():
    def epochs(**chosen):
        found = experiments.grid("rivals/letters", profile="paper", **chosen)
        settings = ((one.setting["imbalance"], one.runs[0].epochs) for one in found.panels)
        return {imbalance: each for imbalance, each in settings}

    usual, stay = 124_800, sizes(np.full(26, 4_800), 50).sum()
    assert stay * epochs()[50.0] == pytest.approx(usual * epochs()[1.0], rel=0.01)
    assert epochs(examples=5_000) == {1.0: 10.0, 50.0: 10.0} and epochs(epochs=3.0) == {1.0: 3.0, 50.0: 3.0}


@pytest.mark.parametrize(
    ("data", "examples", "has"), [("auto", 340, True), ("auto", 339, False), ("own.npz", 0, False)]
)
def test_where_a_class_could_keep_no_example_classes_are_as_they_are(data, examples, has):
    found = experiments.grid("rivals/letters", data=data, examples=examples)
    assert any(run.class_imbalance == 50 for run in found.runs) == has


def test_a_control_has_what_it_controls_for_and_no_more():
    own = {panel(LETTERS, "constant", 0.0, "updates").variant(run): run for run in LETTERS.panels[0].runs}
    rate = own["KAKURENBO's rate"]
    assert rate.options == dict(own["KAKURENBO"].options) | {"hide": False}
    assert {name for name, one in rivals.BY_NAME.items() if one.control} == {"KAKURENBO", "OHEM"}
    assert {one.control for one in rivals.BY_NAME.values()} == {"", "KAKURENBO's rate", "MB 2x updates"}


def test_rates_are_the_means_over_the_updates_that_a_training_makes():
    assert set(LETTERS.rates) == {"KAKURENBO", "KAKURENBO's rate"}
    (run,) = (run for run in LETTERS.panels[0].runs if variant(run) == "KAKURENBO's rate" and run.seed == 1)
    method = methods.build("KAKURENBO", 1024, 32, torch.tensor([1]), options=run.options)
    factors = []
    for step in range(192):
        method.refresh(step, lambda indices: (torch.zeros(*indices.shape, 26), torch.ones(indices.shape)))
        method.prepare(step)
        factors.append(method.learning_rate_factor(step))
        indices = method.draw(step).indices
        method.observe(indices, torch.zeros(1, 32, 26), torch.ones(1, 32))
    assert LETTERS.rates["KAKURENBO's rate"] == LETTERS.rates["KAKURENBO"] == pytest.approx(sum(factors) / 192)
    for profile in experiments.profiles():  # those without a number of examples too
        rates = experiments.grid("rivals/images", profile=profile).rates
        assert 1.1 < rates["KAKURENBO"] < 1 / 0.7


def test_by_the_clock_a_method_of_twice_the_cost_makes_half_the_updates():
    clocked = rivals.by_the_clock(LETTERS, costs(SB=2.0, InfoBatch=1.3))
    runs = {variant(run): run for run in panel(clocked, "constant", 0.4, "wall-clock").runs}
    usual = {variant(run): run for run in panel(LETTERS, "constant", 0.4, "updates").runs}
    assert runs["SB"].epochs == usual["SB"].epochs / 2
    assert runs["PLB"] == usual["PLB"] and runs["MB"] == usual["MB"]  # nothing to run anew
    assert runs["InfoBatch"].epochs == runs["InfoBatch"].options["epochs"] == round(usual["MB"].epochs / 1.3, 4)
    assert len(clocked.panels) == 3 * 8 + 1 and set(LETTERS.runs) < set(clocked.runs)
    assert rivals.by_the_clock(clocked, clocked.costs) == clocked
    assert clocked.settings[clocked.panels[2].title]["budget"] == "wall-clock"
    assert clocked.costs["SB"] == 2.0


def test_what_has_no_cost_is_not_run_by_the_clock():
    known = costs()
    del known["SB"]
    runs = {variant(run) for run in panel(rivals.by_the_clock(LETTERS, known), "constant", 0.0, "wall-clock").runs}
    assert "SB" not in runs and "PEB" in runs and "KAKURENBO's rate" not in runs


def test_what_is_timed_is_a_small_training_of_every_method():
    assert experiments.grid("rivals/images").timed == ()  # quick compares at equal updates alone
    for profile in ("smoke", "hour", "paper"):
        timed = experiments.grid("rivals/images", profile=profile, seeds=5).timed
        assert list(dict.fromkeys(map(variant, timed))) == TIMED
        assert {run.seed for run in timed} == {1, 2, 3}
        assert {(run.train_examples <= 32 * run.batch_size, run.epochs <= 6) for run in timed} == {(True, True)}
        assert all(run.options.get("epochs", run.epochs) == run.epochs for run in timed)


@pytest.mark.slow
@pytest.mark.parametrize("name", rivals.NAMES)
@pytest.mark.parametrize("profile", experiments.profiles())
def test_every_profile_has_its_grid(name, profile):
    experiment = experiments.grid(name, profile=profile)
    assert experiment.runs and profile in experiment.note
    assert experiments.grid(name, profile=profile, examples=64).runs[0].train_examples == 64


def test_lb_enters_in_the_reading_that_figures_name_and_is_timed_in_its_default_one():
    entered = {dict(run.options) == READINGS[NEAREST] for run in LETTERS.runs if run.method == "LB"}
    assert entered == {True} and {not run.options for run in LETTERS.timed if run.method == "LB"} == {True}


@pytest.mark.parametrize("profile", ["hour", "paper"])
def test_the_images_start_as_timm_s_do_but_for_the_stored_runs_and_the_note_says_which(profile):
    experiment = experiments.grid("rivals/images", profile=profile)
    choice = {(run.network in INITIALIZED_BY_LIBRARY, run.initialization) for run in experiment.runs + experiment.timed}
    expected = {"hour": (True, "torchvision"), "paper": (False, "torchvision")}  # ResNet-18 has one alone
    assert choice == {expected[profile]}
    said = "" if profile == "paper" else f" with {experiment.runs[0].initialization}'s initialisation"
    assert f"{said}, SGD" in experiment.note and ("initialisation" in experiment.note) == bool(said)
    (entry,) = (one for one in deviations.DEVIATIONS if "initialization" in one.default)
    assert "`small`" in entry.here and "torchvision's" in entry.here


def test_networks_with_one_initialisation_name_none():
    assert "initialisation" not in LETTERS.note


@pytest.mark.slow
def test_the_stored_runs_of_the_images_keep_their_keys(committed):
    experiment = experiments.grid("rivals/images", profile="small", data="cifar10-jpeg")
    assert experiment.runs[0].key == "ee7bd10227be3aba"
    own = experiment.panels[0]
    found = {own.variant(run) for run in own.runs if committed.path(run).exists()}
    assert found >= {*TIMED} - {"LB"}
