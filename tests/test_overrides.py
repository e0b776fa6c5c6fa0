"""Learning rate, mini-batch, epochs and methods can be changed: the runs and the files are then others."""

import dataclasses
import math
import re

import pytest

from hardsample.errors import InputError
from hardsample.experiments import hard_samples, registry, rivals
from hardsample.report import effects, figures

CHANGES = {"learning_rate": 0.25, "batch_size": 16, "epochs": 6.0}


@pytest.mark.parametrize(
    "name", ["base-values/figure-1", "base-values/lb-readings", "hard-samples/table-3", "rivals/letters"]
)
def test_every_run_has_what_was_asked_for_and_nothing_else_changes(name):
    usual, changed = registry.grid(name, profile="smoke"), registry.grid(name, profile="smoke", **CHANGES)
    assert not {*usual.runs} & {*changed.runs}
    for before, after in zip(usual.runs, changed.runs, strict=True):
        assert (after.learning_rate, after.batch_size) == (0.25, 16)
        assert after.epochs == pytest.approx(6 * before.epochs / usual.runs[0].epochs)
        again = {field: getattr(before, field) for field in (*CHANGES, "options")}
        assert dataclasses.replace(after, **again) == before
    assert changed.layout == usual.layout and changed.own == usual.own
    assert changed.note.endswith(". Changed from the profile: learning rate 0.25, mini-batches of 16, epochs 6")


def test_without_changes_it_is_the_figure_itself():
    same = registry.grid("base-values/figure-1")
    zero = registry.grid("base-values/figure-1", learning_rate=0.0, batch_size=0, epochs=0.0, methods="")
    assert zero == same and zero.variation == ""


@pytest.mark.parametrize(
    ("name", "choices", "told"),
    [
        ("hard-samples/table-3", {"networks": ","}, "networks is ',', where a name is missing"),
        ("hard-samples/table-3", {"networks": "resnet18,,resnet50"}, "where a name is missing"),
        ("hard-samples/table-3", {"networks": "resnet18,resnet18"}, "where resnet18 stands twice"),
        ("base-values/draws", {"methods": ","}, "methods is ',', where a name is missing"),
        ("base-values/draws", {"methods": "PLB,"}, "where a name is missing"),
        ("base-values/draws", {"methods": "PLB,plb"}, "where PLB stands twice"),
        ("hard-samples/figure-1", {"methods": "delta = 0.5, δ=0.5"}, "where δ = 0.5 stands twice"),
        ("base-values/figure-1", {"networks": "resnet18"}, "networks does not apply to base-values/figure-1"),
        ("base-values/figure-1", {"learning_rate": math.inf}, "1,000,000 at most"),
        ("base-values/figure-1", {"epochs": math.inf}, "1,000,000 at most"),
        ("base-values/figure-1", {"batch_size": 10**12}, "1,000,000 at most"),
        ("base-values/figure-1", {"seeds": 10**6}, "1,000 at most"),
        ("base-values/figure-1", {"seeds": "three"}, "seeds is 'three', which is no whole number"),
        ("base-values/figure-1", {"seeds": 2.0}, "seeds is 2.0, which is no whole number"),
        ("base-values/figure-1", {"examples": True}, "examples is True, which is no whole number"),
        ("base-values/figure-1", {"batch_size": "8"}, "batch_size is '8', which is no whole number"),
        ("base-values/figure-1", {"learning_rate": "0.1"}, "learning_rate is '0.1', which is no number"),
        ("base-values/figure-1", {"epochs": [2]}, "epochs is [2], which is no number"),
        ("base-values/figure-1", {"methods": 7}, "methods is 7: give words"),
        ("base-values/figure-1", {"data": 7}, "data is 7: give words"),
        ("hard-samples/table-3", {"networks": 18}, "networks is 18: give words"),
        ("hard-samples/table-3", {"protocol": 1}, "protocol is 1: give words"),
        ("rivals/letters", {"examples": 10**12}, "10,000,000 at most"),
    ],
)
def test_what_cannot_be_meant_is_refused(name, choices, told):
    with pytest.raises(InputError, match=re.escape(told)):
        registry.grid(name, profile="smoke", **choices)


def test_a_contest_of_fewer_examples_than_a_mini_batch_has_a_grid():
    assert registry.grid("rivals/letters", profile="smoke", examples=3).runs  # which a launch then refuses


def test_a_changed_figure_has_a_place_of_its_own():
    stems = [
        figures.stem(registry.grid("base-values/figure-1", data=data, **changes))
        for data in ("auto", "sd19-letters")
        for changes in ({}, {"epochs": 5.0}, {"learning_rate": 0.1, "epochs": 5.0}, {"methods": "PEB"})
    ]
    assert len(set(stems)) == len(stems)
    assert [stem.parent.name for stem in stems[1:4]] == ["epochs5", "lr0.1-epochs5", "MB-PEB"]
    assert stems[5].parts[-5:-1] == ("base-values", "sd19-letters", "changed", "epochs5")


@pytest.mark.parametrize(
    ("name", "methods", "kept"),
    [
        ("base-values/figure-1", "PEB", ["MB", "PEB"]),
        ("base-values/draws", " lb , LB, collapsed", ["MB", "LB", "LB, collapsed"]),
        ("base-values/draws", "LB, collapsed", ["MB", "LB, collapsed"]),
        ("hard-samples/figure-3", "delta=0.5", ["δ = 1", "δ = 0.5"]),
        ("rivals/letters", "InfoBatch,OHEM", ["MB", "OHEM", "InfoBatch"]),
    ],
)
def test_methods_go_by_the_names_of_their_curves_and_the_baseline_stays(name, methods, kept):
    usual, chosen = registry.grid(name, profile="smoke"), registry.grid(name, profile="smoke", methods=methods)
    assert all(sorted(names) == sorted(kept) for names in chosen.layout.values())
    assert {*chosen.runs} < {*usual.runs}
    assert f"only {', '.join(chosen.layout[chosen.panels[0].title])}" in chosen.note


def test_equal_wall_clock_has_the_methods_chosen():
    experiment = registry.grid("rivals/letters", profile="smoke", methods="PEB")
    clocked = rivals.by_the_clock(experiment, {"MB": 1.0, "PEB": 1.2, "SB": 2.0})
    assert len(clocked.panels) > len(experiment.panels)
    assert {*map(tuple, clocked.layout.values())} == {("MB", "PEB")}


def test_published_rounds_follow_the_epochs():
    chosen = {"profile": "paper", "protocol": "published", "epochs": 10.0}
    runs = registry.grid("hard-samples/figure-3", **chosen).runs
    assert {run.options.get("rounds") for run in runs} - {None} == {
        hard_samples.whole_rounds(10, delta) for delta in (0.8, 0.5, 0.2)
    }


def test_the_paper_s_effects_are_of_its_own_settings_alone():
    experiment = registry.grid("base-values/figure-1", profile="paper", learning_rate=0.1)
    assert effects.effects(dataclasses.make_dataclass("Curves", ["experiment", "baseline"])(experiment, "MB")) == []


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("base-values/figure-4", {"learning_rate": 0.1}, "learning_rate is what base-values/figure-4 varies: leave it"),
        ("base-values/figure-3", {"batch_size": 8}, "batch_size is what base-values/figure-3 varies"),
        ("base-values/figure-2", {"epochs": 0.5}, "epochs is 0.5, and base-values/figure-2 pre-trains for 1: give"),
        (
            "base-values/figure-1",
            {"methods": "PEB, LPB"},
            "unknown method of base-values/figure-1 'LPB' (did you mean PLB or PEB?): choose one of MB",
        ),
        (
            "base-values/figure-1",
            {"learning_rate": -1.0},
            "learning_rate is -1.0: give a number above 0, 1,000,000 at most, or 0",
        ),
        ("hard-samples/figure-2", {"epochs": 3.0}, "hard-samples/figure-2 trains nothing: leave out epochs."),
        ("hard-samples/table-1", {"methods": "δ=1"}, "hard-samples/table-1 trains nothing: leave out methods."),
    ],
)
def test_what_cannot_be_changed_is_refused_in_a_sentence(name, changes, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        registry.grid(name, **changes)
    with pytest.raises(InputError, match=re.escape(sentence)):
        registry.grids(name, **changes)


def test_of_a_whole_paper_what_trains_nothing_is_as_ever():
    usual, changed = (registry.grids("hard-samples", profile="smoke", **more) for more in ({}, {"epochs": 3.0}))
    assert [experiment.name for experiment in changed if not experiment.variation] == [
        experiment.name for experiment in usual if not experiment.runs
    ]
