"""The grids: paper A's 28 configurations by 12 seeds, counted once where figures share them."""

import pytest

from hardsample import experiments
from hardsample.errors import InputError

FIGURES = tuple(name for name in experiments.NAMES if "figure" in name)


def test_the_papers_grid_is_28_configurations_of_12_seeds():
    runs = {run for name in FIGURES for run in experiments.grid(name, profile="paper", data="emnist-letters").runs}
    assert len(runs) == 336
    assert {run.seed for run in runs} == set(range(1, 13))
    assert {run.batch_size for run in runs} == {4, 32, 1024}
    assert {run.learning_rate for run in runs} == {0.1, 0.05, 0.01, 0.001}
    assert {run.pretrain_epochs for run in runs} == {0, 1, 2, 5}
    assert {(run.epochs, run.rho, run.optimizer, run.train_examples, run.precision) for run in runs} == {
        (10.0, 0.95, "adadelta", None, "float32")
    }


@pytest.mark.parametrize("profile", experiments.PROFILES)
def test_figures_share_the_runs_at_the_defaults(profile):
    defaults = set(experiments.grid("figure-1", profile=profile).runs)
    shared = [set(experiments.grid(name, profile=profile).runs) & defaults for name in FIGURES[1:]]
    assert all(runs == shared[0] and {run.method for run in runs} == {"MB", "PEB"} for runs in shared)


def test_panels_are_the_papers_columns():
    titles = {name: [panel.title for panel in experiments.grid(name, profile="paper").panels] for name in FIGURES[1:]}
    assert titles == {
        "base-values/figure-2": [f"pre-training {epochs} epochs" for epochs in (0, 1, 2, 5)],
        "base-values/figure-3": ["n = 4", "n = 32", "n = 1024"],
        "base-values/figure-4": ["α = 0.1", "α = 0.05", "α = 0.01", "α = 0.001"],
    }
    methods = [run.method for run in experiments.grid("draws", profile="paper", seeds=1).runs]
    assert methods == ["MB", "SMB", "LB", "PLB", "PEB"]


def test_knobs_reach_the_runs():
    runs = experiments.grid("figure-1", profile="paper", data="mnist", seeds=2, examples=400, precision="bf16").runs
    assert len(runs) == 6
    assert {(r.data, r.train_examples, r.evaluate_train_examples, r.precision) for r in runs} == {
        ("mnist", 400, 100, "bf16")
    }


@pytest.mark.parametrize("name", ["figure-2", "base-values/figure-2"])
def test_a_figure_goes_by_its_full_or_its_short_name(name):
    assert experiments.resolve(name) == "base-values/figure-2"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "figure-9"}, "unknown figure 'figure-9': choose one of base-values/figure-1"),
        ({"profile": "huge"}, "unknown profile 'huge': choose one of smoke, quick, paper"),
        ({"seeds": -1}, "seeds is -1"),
        ({"examples": -5}, "examples is -5"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
    ],
)
def test_bad_names_and_numbers_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        experiments.grid(**({"name": "figure-1"} | arguments))
