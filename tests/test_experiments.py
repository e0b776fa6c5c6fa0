"""The grids: every cell of both papers, its runs counted once where figures and tables share them."""

import pytest

from hardsample import contest, experiments, panels, paper_a, paper_b
from hardsample.errors import InputError

FIGURES = tuple(name for name in paper_a.NAMES if "figure" in name)


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
    defaults = set(experiments.grid("base-values/figure-1", profile=profile).runs)
    shared = [set(experiments.grid(name, profile=profile).runs) & defaults for name in FIGURES[1:]]
    assert all(runs == shared[0] and {run.method for run in runs} == {"MB", "PEB"} for runs in shared)


def test_panels_are_the_papers_columns():
    titles = {name: [panel.title for panel in experiments.grid(name, profile="paper").panels] for name in FIGURES[1:]}
    assert titles == {
        "base-values/figure-2": [
            f"pre-training {epochs}" for epochs in ("0 epochs", "1 epoch", "2 epochs", "5 epochs")
        ],
        "base-values/figure-3": ["n = 4", "n = 32", "n = 1024"],
        "base-values/figure-4": ["α = 0.1", "α = 0.05", "α = 0.01", "α = 0.001"],
    }
    methods = [run.method for run in experiments.grid("draws", profile="paper", seeds=1).runs]
    assert methods == ["MB", "SMB", "LB", "PLB", "PEB"]


def test_knobs_reach_the_runs():
    knobs = {"profile": "paper", "data": "mnist", "seeds": 2, "examples": 400, "precision": "bf16"}
    runs = experiments.grid("base-values/figure-1", **knobs).runs
    assert len(runs) == 6
    assert {(r.data, r.train_examples, r.evaluate_train_examples, r.precision) for r in runs} == {
        ("mnist", 400, 100, "bf16")
    }


@pytest.mark.parametrize("name", ["table-3", "hard-samples/table-3"])
def test_a_figure_goes_by_its_full_or_its_short_name(name):
    assert experiments.resolve(name) == "hard-samples/table-3"


def test_a_name_of_both_papers_must_be_written_in_full():
    with pytest.raises(InputError, match="stands for base-values/figure-1 and hard-samples/figure-1: write one"):
        experiments.resolve("figure-1")


def test_a_papers_name_stands_for_all_of_it():
    assert experiments.select("hard-samples") == paper_b.NAMES
    assert experiments.select("") == experiments.NAMES == (*paper_a.NAMES, *paper_b.NAMES, *contest.NAMES)
    assert experiments.select("figure-5") == ("hard-samples/figure-5",)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "figure-9"}, "unknown figure 'figure-9': choose one of base-values, hard-samples, rivals, base-"),
        ({"profile": "huge"}, "unknown profile 'huge': choose one of smoke, quick, small, paper"),
        ({"seeds": -1}, "seeds is -1"),
        ({"examples": -5}, "examples is -5"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"name": "table-3", "networks": "resnet18,vgg"}, "network of paper B 'vgg': choose one of all, resnet18"),
        ({"name": "table-3", "protocol": "mine"}, "unknown protocol 'mine': choose one of sound, published"),
    ],
)
def test_bad_names_and_numbers_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        experiments.grid(**({"name": "base-values/figure-1"} | arguments))


def test_data_are_stand_ins_where_minutes_count_and_the_papers_own_elsewhere():
    def names(name, **knobs):
        return tuple(experiments.grid(name, **knobs).sources)

    assert names("draws") == names("draws", profile="paper", data="stand-in") == ("glyphs",)
    assert names("draws", profile="paper") == ("emnist-letters",)
    assert names("table-6") == ("glyphs10-32", "glyphs100-32", "glyphs10-96")
    assert names("table-6", profile="paper") == ("cifar10", "cifar100", "stl10")
    assert names("table-5", profile="paper") == ("stl10",)
    assert names("table-4", data="some/photos.npz") == ("photos",)
    assert experiments.grid("table-4", data="some/photos.npz").sources["photos"] == "some/photos.npz"
    assert experiments.grid("table-4", data="some/photos.npz").folder == "photos"
    assert experiments.grid("table-4").folder == experiments.grid("table-4", data="cifar100").folder == ""


def test_paper_b_is_five_networks_by_three_data_sets_by_four_shares():
    runs = experiments.grid("table-6", profile="paper", seeds=1).runs
    cells = {(run.network, run.data, run.options["delta"]) for run in runs}
    assert len(runs) == len(cells) == 60
    assert {(r.epochs, r.batch_size, r.learning_rate, r.momentum, r.optimizer, r.image_size) for r in runs} == {
        (100.0, 512, 0.005, 0.9, "sgd", 128)
    }
    for name in ("figure-1", "figure-3", "figure-4", "figure-5", "table-3", "table-4", "table-5"):
        assert set(experiments.grid(f"hard-samples/{name}", profile="paper", seeds=1).runs) <= set(runs)


def test_the_protocols_differ_in_named_options_alone():
    sound = experiments.grid("table-3", profile="paper", seeds=1).runs
    published = experiments.grid("table-3", profile="paper", protocol="published").runs
    assert len(sound) == len(published) == 20  # one seed
    for one, other in zip(sound, published, strict=True):
        differ = {name for name, value in one.to_dict().items() if other.to_dict()[name] != value}
        assert differ == {"options", *paper_b.PUBLISHED["run"]}
        assert dict(one.options) | paper_b.PUBLISHED["options"] == dict(other.options)


def test_networks_that_are_not_chosen_are_panels_without_runs():
    by_network = {panel.network: panel for panel in experiments.grid("table-3").panels}
    assert list(by_network) == list(paper_b.TITLES)
    assert {network for network, panel in by_network.items() if panel.runs} == set(paper_b.TWO)
    chosen = experiments.grid("table-3", networks="resnet50, efficientnet_b4").runs
    assert {run.network for run in chosen} == {"resnet50", "efficientnet_b4"}
    assert {run.network for run in experiments.grid("table-3", networks="all").runs} == set(paper_b.TITLES)
    assert experiments.grid("hard-samples/figure-4").runs == ()
    assert len(experiments.grid("hard-samples/figure-4", networks="all").runs) == 12


def test_controls_stand_beside_the_four_shares():
    [panel] = experiments.grid("controls", seeds=1).panels
    assert list(map(panels.variant, panel.runs)) == [
        *("δ = 1", "δ = 0.8", "δ = 0.5", "δ = 0.2"),
        *("random δ = 0.5", "random δ = 0.2", "reshuffled", "examples δ = 0.5"),
    ]
    assert len({(run.epochs, run.batch_size, run.learning_rate) for run in panel.runs}) == 1
    published = experiments.grid("controls", protocol="published").runs
    assert all(run.options["drop_last"] for run in published)


def test_a_network_may_have_a_budget_of_its_own():
    budgets = {(run.network, run.epochs, run.learning_rate) for run in experiments.grid("table-3").runs}
    assert budgets == {("resnet18", 6.0, 0.02), ("mobilenet_v3_small", 16.0, 0.05)}
    assert "(MobileNetV3-S: 16 epochs, 0.05)" in experiments.grid("table-3").note
    assert "MobileNetV3-S:" not in experiments.grid("table-3", profile="paper").note


def test_table_1_times_one_run_of_each_share_and_trains_none():
    experiment = experiments.grid("table-1")
    assert experiment.runs == () and [run.options["delta"] for run in experiment.timed] == list(paper_b.DELTAS)
    assert set(experiment.timed) < set(experiments.grid("table-3").runs)


@pytest.mark.parametrize("protocol", paper_b.PROTOCOLS)
@pytest.mark.parametrize("profile", ["quick", "small", "paper"])
def test_no_evaluation_costs_more_than_a_third_of_the_training_it_follows(profile, protocol):
    """In forward passes; a training example counts three, its backward pass being worth two."""
    sizes = {"cifar10": (50_000, 10_000), "cifar100": (50_000, 10_000), "stl10": (5_000, 8_000)}
    for run in experiments.grid("table-6", profile=profile, protocol=protocol, seeds=1).runs:
        train, test = sizes.get(run.data, (run.train_examples, run.test_examples))
        train, test = min(train, run.train_examples or train), min(test, run.test_examples or test)
        evaluated = min(train, run.evaluate_train_examples or train) + test
        assert 3 * evaluated <= 3 * train / run.evaluations_per_epoch, run.label
