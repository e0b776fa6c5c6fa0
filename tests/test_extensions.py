"""An experiment of a third paper, and a size of one that there is, are one edit each, outside the package."""

import dataclasses

import pytest

import hardsample.plugins
from hardsample import cli
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.experiments import registry, specs
from hardsample.experiments.panels import Experiment, Panel, PaperData, named
from hardsample.experiments.specs import ExperimentSpec, Profile
from hardsample.report import figures
from hardsample.runs import launch
from hardsample.runs.launch import LaunchReport

DATA = PaperData(own=("mnist",), stand_ins=("glyphs",))


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(specs, "EXPERIMENTS", dict(specs.EXPERIMENTS))
    monkeypatch.setattr(registry, "EXPERIMENTS", specs.EXPERIMENTS)
    for of, known in specs.PROFILES.items():
        monkeypatch.setitem(specs.PROFILES, of, dict(known))


def profile(**changes):
    size = {"of": "third", "name": "quick", "seeds": 2, "train_examples": 50, "test_examples": 20}
    size |= {"evaluate_train_examples": 10, "epochs": 1.0, "stand_in": True}
    return Profile(**(size | changes))


def build(spec, profile, data, seeds, precision, temperature="1"):
    chosen = DATA.sources(data, stand_in=profile.stand_in)
    (name,) = named(chosen)
    runs = tuple(
        Run(name, method, seed, train_examples=profile.train_examples, precision=precision, rho=float(temperature))
        for method in ("MB", "SMB")
        for seed in range(1, 1 + (seeds or profile.seeds))
    )
    panel = Panel("one", runs)
    about = {"sources": named(chosen), "own": DATA.own, "note": f"profile {profile.name}", "baseline": "SMB"}
    return Experiment(spec.name, spec.title, (panel,), profile.name, folder=DATA.folder(chosen), **about)


SPEC = ExperimentSpec(name="third/figure-1", title="Mine", grid=build, sizes="third", knobs={"temperature": "0.5"})


@pytest.fixture
def third(restored):
    hardsample.plugins.register(profile())
    return hardsample.plugins.register(SPEC)


def test_a_figure_of_a_third_paper_is_found_built_and_has_a_place(third):
    assert registry.select("third") == ("third/figure-1",) and registry.names()[-1] == "third/figure-1"
    made = registry.grid("third/figure-1", examples=40)
    assert (made.title, made.baseline, made.profile, made.folder) == ("Mine", "SMB", "quick", "")
    assert {(run.data, run.seed, run.train_examples, run.rho) for run in made.runs} == {
        ("glyphs", seed, 40, 0.5) for seed in (1, 2)
    }
    assert {run.rho for run in registry.grid("third/figure-1", temperature="0.25").runs} == {0.25}
    assert figures.stem(registry.grid("third/figure-1", data="cifar10")).parts[-3:] == ("third", "cifar10", "figure-1")
    with pytest.raises(InputError, match="networks does not apply to third/figure-1.*of hard-samples"):
        registry.grid("third/figure-1", networks="all")
    with pytest.raises(InputError, match="'figure-1' stands for base-values/figure-1 and .* and third/figure-1"):
        registry.resolve("figure-1")


def test_the_command_line_runs_a_figure_of_a_third_paper(third, monkeypatch):
    launched = []
    monkeypatch.setattr(launch, "launch", lambda runs, **_: launched.append(runs) or LaunchReport(0, 0, (), 0, 1.0))
    assert cli.main(["run", "--figure", "third", "--seeds", "1"]) == 0
    assert [[run.method for run in runs] for runs in launched] == [["MB", "SMB"]]


def test_a_name_is_given_once_and_has_two_parts(third):
    third.register()  # the same again does nothing
    with pytest.raises(InputError, match="experiment 'third/figure-1' is another one already"):
        dataclasses.replace(third, title="Yours").register()
    for name in ("figure-1", "a/b/c", "third/"):
        with pytest.raises(InputError, match=f"experiment '{name}' has no name of two parts: call it paper/figure"):
            dataclasses.replace(third, name=name).register()


@pytest.mark.parametrize("of", ["base-values", "hard-samples", "rivals/letters"])
def test_a_profile_of_ones_own_is_chosen_by_its_name(of):
    name = of if "/" in of else f"{of}/figure-3"
    quick = specs.find_profile(of, "quick")
    day = hardsample.plugins.register(dataclasses.replace(quick, name="day", seeds=5, train_examples=99))
    made = registry.grid(name, profile="day")
    assert made.profile == "day" and made.note.startswith("profile day: ")
    assert {run.seed for run in made.runs} == {1, 2, 3, 4, 5} and {run.train_examples for run in made.runs} == {99}
    assert made.sources == registry.grid(name).sources  # generated, as in the profile that it is like
    day.register()
    with pytest.raises(InputError, match=f"profile 'day' of {of} is another one already"):
        dataclasses.replace(day, seeds=6).register()


def test_a_profile_that_an_experiment_does_not_have_is_refused(third):
    with pytest.raises(InputError, match="unknown profile 'paper': choose one of quick"):
        registry.grid("third/figure-1", profile="paper")


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_the_former_name_of_a_profile_is_understood(name):
    former, now = registry.grid(name, profile="small"), registry.grid(name, profile="hour")
    assert former == now and now.profile == "hour" and "profile small" not in now.note
