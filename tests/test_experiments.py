"""The grids: every cell of both papers, its runs counted once where figures and tables share them."""

import dataclasses
from pathlib import Path

import pytest

from hardsample.errors import InputError
from hardsample.experiments import (
    base_values,
    base_values_studies,
    hard_samples,
    lb_study,
    panels,
    registry,
    rivals,
    spread,
)
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.training import networks

FIGURES = tuple(name for name in base_values.NAMES if "figure" in name)


def test_the_papers_grid_is_28_configurations_of_12_seeds():
    runs = {run for name in FIGURES for run in registry.grid(name, profile="paper", data="emnist-letters").runs}
    assert len(runs) == 336
    assert {run.seed for run in runs} == set(range(1, 13))
    assert {run.batch_size for run in runs} == {4, 32, 1024}
    assert {run.learning_rate for run in runs} == {0.1, 0.05, 0.01, 0.001}
    assert {run.pretrain_epochs for run in runs} == {0, 1, 2, 5}
    assert {(run.epochs, run.rho, run.optimizer, run.train_examples, run.precision) for run in runs} == {
        (10.0, 0.95, "adadelta", None, "float32")
    }


@pytest.mark.parametrize("profile", registry.profiles())
def test_figures_share_the_runs_at_the_defaults(profile):
    defaults = set(registry.grid("base-values/figure-1", profile=profile).runs)
    shared = [set(registry.grid(name, profile=profile).runs) & defaults for name in FIGURES[1:]]
    assert all(runs == shared[0] and {run.method for run in runs} == {"MB", "PEB"} for runs in shared)


def test_panels_are_the_papers_columns():
    titles = {name: [panel.title for panel in registry.grid(name, profile="paper").panels] for name in FIGURES[1:]}
    assert titles == {
        "base-values/figure-2": [
            *("pre-training 0 epochs", "pre-training 1 epoch"),
            *("pre-training 2 epochs", "pre-training 5 epochs"),
        ],
        "base-values/figure-3": ["n = 4", "n = 32", "n = 1024"],
        "base-values/figure-4": ["α = 0.1", "α = 0.05", "α = 0.01", "α = 0.001"],
    }
    methods = [run.method for run in registry.grid("draws", profile="paper", seeds=1).runs]
    assert methods == ["MB", "SMB", "LB", "LB", "PLB", "PEB"]


def test_knobs_reach_the_runs():
    knobs = {"profile": "paper", "data": "mnist", "seeds": 2, "examples": 400, "precision": "bf16"}
    runs = registry.grid("base-values/figure-1", **knobs).runs
    assert len(runs) == 6
    assert {(r.data, r.train_examples, r.evaluate_train_examples, r.precision) for r in runs} == {
        ("mnist", 400, 100, "bf16")
    }


@pytest.mark.parametrize("name", ["table-3", "hard-samples/table-3"])
def test_a_figure_goes_by_its_full_or_its_short_name(name):
    assert registry.resolve(name) == "hard-samples/table-3"


def test_a_name_of_both_papers_must_be_written_in_full():
    with pytest.raises(InputError, match="stands for base-values/figure-1 and hard-samples/figure-1: write one"):
        registry.resolve("figure-1")


def test_a_papers_name_stands_for_all_of_it():
    assert registry.select("hard-samples") == (*hard_samples.NAMES, spread.NAME)
    assert (
        registry.select("")
        == registry.names()
        == (
            *(*base_values.NAMES, lb_study.NAME, *base_values_studies.NAMES),
            *(*hard_samples.NAMES, spread.NAME, *rivals.NAMES),
        )
    )
    assert registry.select("figure-5") == ("hard-samples/figure-5",)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "figure-9"}, "unknown figure 'figure-9': choose one of base-values, hard-samples, rivals, base-"),
        ({"profile": "huge"}, "unknown profile 'huge': choose one of smoke, quick, hour, paper"),
        ({"seeds": -1}, "seeds is -1"),
        ({"examples": -5}, "examples is -5"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"name": "table-3", "networks": "resnet18,vgg"}, "network of paper B 'vgg': choose one of all, resnet18"),
        ({"name": "table-3", "protocol": "mine"}, "unknown protocol 'mine': choose one of sound, published"),
        (
            {"networks": "all"},
            "networks does not apply to base-values/figure-1: leave it out, or choose a figure or table of hard-",
        ),
        (
            {"name": "rivals/letters", "protocol": "published"},
            "protocol does not apply to rivals/letters: leave it out",
        ),
        ({"name": "audit", "networks": "all"}, "networks does not apply to hard-samples/audit: leave it out"),
        (
            {"colour": "red"},
            "colour does not apply to base-values/figure-1: leave it out, or give profile, data, seeds",
        ),
    ],
)
def test_bad_names_and_numbers_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        registry.grid(**({"name": "base-values/figure-1"} | arguments))


def test_data_are_stand_ins_where_minutes_count_and_the_papers_own_elsewhere():
    def names(name, **knobs):
        return tuple(registry.grid(name, **knobs).sources)

    assert names("draws") == names("draws", data="stand-in") == ("easy-letters",)
    assert names("draws", profile="paper", data="stand-in") == ("glyphs",)
    assert names("draws", profile="paper") == ("emnist-letters",)
    assert names("table-6") == ("easy-digits", "easy-hundred", "easy-capitals")
    assert names("table-6", profile="paper", data="stand-in") == ("glyphs10-32", "glyphs100-32", "glyphs10-96")
    assert names("table-6", profile="paper") == ("cifar10", "cifar100", "stl10")
    assert names("table-5", profile="paper") == ("stl10",)
    assert names("table-4", data="some/photos.npz") == ("photos",)
    assert registry.grid("table-4", data="some/photos.npz").sources["photos"] == "some/photos.npz"
    assert registry.grid("table-4", data="some/photos.npz").folder == "photos"
    assert registry.grid("table-4", data="glyphs100-32").folder == "glyphs100-32"  # not the profile's stand-in
    assert registry.grid("table-4").folder == ""  # a trial, on the profile's stand-in
    for table, substitute in (("table-4", False), ("table-3", True), ("table-6", False)):  # table 3 is of CIFAR-10
        experiment = registry.grid(table, data="cifar100")
        assert experiment.folder == "cifar100" and experiment.substitute == experiment.in_place == substitute
    assert registry.grid("table-6", profile="paper").folder == "cifar10-cifar100-stl10"
    assert not registry.grid("table-6", profile="paper").in_place


def test_paper_b_is_five_networks_by_three_data_sets_by_four_shares():
    runs = registry.grid("table-6", profile="paper", seeds=1).runs
    cells = {(run.network, run.data, run.options.get("delta", run.method)) for run in runs}
    assert len(runs) == len(cells) == 75  # the fifth beside the shares is reshuffled training
    assert {(r.epochs, r.batch_size, r.learning_rate, r.momentum, r.optimizer, r.image_size) for r in runs} == {
        (100.0, 512, 0.005, 0.9, "sgd", 128)
    }
    for name in ("figure-1", "figure-3", "figure-4", "figure-5", "table-3", "table-4", "table-5"):
        assert set(registry.grid(f"hard-samples/{name}", profile="paper", seeds=1).runs) <= set(runs)


@pytest.mark.parametrize("name", ["table-3", "table-5"])
def test_the_protocols_differ_in_named_options_alone(name):
    sound = [run for run in registry.grid(name, profile="paper", seeds=1).runs if run.method != "FMB"]
    published = registry.grid(name, profile="paper", protocol="published").runs
    assert len(sound) == len(published) == 20  # one seed, and no reshuffled training
    rounds = {1.0: {}, 0.8: {"rounds": 123}, 0.5: {"rounds": 198}, 0.2: {"rounds": 495}}  # int(99 / δ)
    for one, other in zip(sound, published, strict=True):
        differ = {name for name, value in one.to_dict().items() if other.to_dict()[name] != value}
        assert differ | {"evaluations_per_epoch"} == {"options", *hard_samples.PUBLISHED["run"]}
        assert other.evaluations_per_epoch == 1  # after every N updates, on every data set
        assert one.evaluations_per_epoch == (0.5 if name == "table-5" else 1)
        assert "below δ = 1 of int(ζ) rounds" in registry.grid(name, protocol="published").note
        assert dict(one.options) | hard_samples.PUBLISHED["options"] | rounds[one.options["delta"]] == dict(
            other.options
        )


# Keys of runs that are stored: what the grids ask for must go on finding them.
STORED = {
    ("resnet18", "δ = 1"): ("4352f7c5bfc2e22c", "0361a36ae9cbf5ac", "bd678c0456063784"),
    ("resnet18", "δ = 0.8"): ("accb97fb3c4ad798", "012d040acee6556a", "001c61503019aa9e"),
    ("resnet18", "δ = 0.5"): ("6a4340e1bf279bf0", "61256e11f807d350", "4b3c816c794bb904"),
    ("resnet18", "δ = 0.2"): ("088d13d2f52fce1b", "523853de2919f27b", "48b545f16c5ec8c0"),
    ("resnet18", "random δ = 0.5"): ("6c157c8f2da52176", "413bfba6c7040940", "ea3180bf0a79ad04"),
    ("resnet18", "random δ = 0.2"): ("2c12cc81cb0fcbe5", "67626f6891065e12", "a8e623790da65652"),
    ("resnet18", "reshuffled"): ("5c6b5718a1828af7", "66502b7768ad8506", "37df90a3209c38d8"),
    ("resnet18", "examples δ = 0.5"): ("79d6ecc847d29452", "9bf2418d22cc37dd", "b73cf6783cbbfa87"),
}


def test_runs_of_resnets_leave_the_initialisation_out_and_keep_their_keys():
    runs = [run for name in ("controls", "table-3", "table-6")
            for run in registry.grid(name, profile="small", data="cifar10-jpeg", seeds=3).runs]  # fmt: skip
    found = {}
    for run in dict.fromkeys(runs):
        found.setdefault((run.network, panels.variant(run)), []).append(run.key)
        assert run.initialization == ("torchvision" if run.network == "resnet18" else "timm")
        assert ("initialization" in run.canonical) == (run.network != "resnet18")
    assert {name: tuple(keys) for name, keys in found.items() if name in STORED} == STORED
    folder = Path(__file__).parents[1] / "runs" / "hard-samples" / "cifar10-jpeg"
    assert all(len(list(folder.glob(f"*-{key}.json"))) == 1 for keys in STORED.values() for key in keys)
    everyone = registry.grid("table-6", profile="paper", seeds=1, networks="all").runs
    assert {run.network for run in everyone if run.initialization == "timm"} == set(networks.INITIALIZED_BY_LIBRARY)


def test_the_column_against_reshuffled_training_adds_less_than_a_quarter_to_paper_b():
    names = [name for name in hard_samples.NAMES if "audit" not in name]
    runs = {run for name in names for run in registry.grid(name, profile="quick").runs}
    shared = set(registry.grid("controls", profile="quick").runs)
    added = sum(run.epochs for run in runs - shared if run.method == "FMB")
    assert added < sum(run.epochs for run in runs) / 5 and any(run.method == "FMB" for run in shared)


def test_networks_that_are_not_chosen_are_panels_without_runs():
    by_network = {panel.network: panel for panel in registry.grid("table-3", profile="hour").panels}
    assert list(by_network) == list(hard_samples.TITLES)
    assert {network for network, panel in by_network.items() if panel.runs} == {"resnet18", "mobilenet_v3_small"}
    chosen = registry.grid("table-3", networks="resnet50, efficientnet_b4").runs
    assert {run.network for run in chosen} == {"resnet50", "efficientnet_b4"}
    assert {run.network for run in registry.grid("table-3", networks="all").runs} == set(hard_samples.TITLES)
    assert registry.grid("hard-samples/figure-4", profile="hour").runs == ()
    assert len(registry.grid("hard-samples/figure-4", profile="hour", networks="all").runs) == 40


def test_a_narrow_network_stands_in_the_place_of_each_and_says_so():
    for name in ("figure-4", "table-3"):
        experiment = registry.grid(f"hard-samples/{name}")
        assert [panel.network for panel in experiment.panels] == ["narrow-resnet"]
        assert "narrow ResNet in place of the paper's networks" in experiment.note
    assert "narrow letters CNN in place of the letters CNN" in registry.grid("base-values/figure-1").note
    assert "in place of" not in registry.grid("table-3", networks="resnet18").note


def test_controls_stand_beside_the_four_shares():
    [panel] = registry.grid("controls", profile="hour", seeds=1).panels
    assert list(map(panels.variant, panel.runs)) == [
        *("δ = 1", "δ = 0.8", "δ = 0.5", "δ = 0.2"),
        *("random δ = 0.5", "random δ = 0.2", "new order", "reshuffled", "examples δ = 0.5"),
    ]
    assert len({(run.epochs, run.batch_size, run.learning_rate) for run in panel.runs}) == 1
    published = registry.grid("controls", profile="hour", protocol="published").runs
    assert all(run.options["drop_last"] for run in published)
    walks = {panels.variant(run): run.options.get("walk") for run in published}
    assert walks.pop("new order") == "drawn" and {walks.pop(name) for name in ("reshuffled", "examples δ = 0.5")} == {
        None
    }
    assert set(walks.values()) == {"data"}


def test_causes_are_the_controls_at_two_learning_rates_and_quick_adds_no_run():
    usual = {"profile": "hour", "data": "cifar10-rebuilt", "seeds": 2}
    controls, causes = (registry.grid(name, **usual) for name in ("controls", "causes"))
    constant, cosine = causes.panels
    assert [panel.setting["schedule"] for panel in causes.panels] == ["constant", "cosine"]
    assert constant.runs == controls.runs and constant.title.endswith("constant learning rate")
    assert [dataclasses.replace(run, learning_rate_schedule="constant") for run in cosine.runs] == list(constant.runs)
    assert not set(cosine.runs) & set(constant.runs)
    quick = registry.grid("causes")
    assert quick.runs == registry.grid("controls").runs and len(quick.panels) == 1
    with pytest.raises(InputError, match="protocol does not apply to hard-samples/causes"):
        registry.grid("causes", protocol="published")


def test_a_data_set_may_have_a_budget_of_its_own():
    budgets = {(run.data, run.epochs, run.train_examples) for run in registry.grid("table-6").runs}
    assert budgets == {("easy-digits", 6.0, 512), ("easy-hundred", 5.0, 1_600), ("easy-capitals", 6.0, 512)}
    assert "(1,600 training images, 5 epochs for CIFAR-100)" in registry.grid("table-4").note
    assert "for CIFAR-100" not in registry.grid("table-3").note
    assert {run.train_examples for run in registry.grid("table-6", examples=99).runs} == {99}
    assert {run.epochs for run in registry.grid("table-6", epochs=3.0).runs} == {3}


def test_table_1_times_one_run_of_each_share_and_trains_none():
    experiment = registry.grid("table-1", profile="hour")
    assert experiment.runs == () and [run.options["delta"] for run in experiment.timed] == list(hard_samples.DELTAS)
    assert set(experiment.timed) < set(registry.grid("table-3", profile="hour").runs)


@pytest.mark.parametrize("profile", ["quick", "small", "paper"])
def test_no_evaluation_costs_more_than_a_third_of_the_training_it_follows(profile):
    """In forward passes; a training example counts three, its backward pass being worth two.

    The published protocol evaluates as the paper does, whatever it costs.
    """
    sizes = {"cifar10": (50_000, 10_000), "cifar100": (50_000, 10_000), "stl10": (5_000, 8_000)}
    for run in registry.grid("table-6", profile=profile, seeds=1).runs:
        train, test = sizes.get(run.data, (run.train_examples, run.test_examples))
        train, test = min(train, run.train_examples or train), min(test, run.test_examples or test)
        evaluated = min(train, run.evaluate_train_examples or train) + test
        assert 3 * evaluated <= 3 * train / run.evaluations_per_epoch, run.label


def test_figures_name_the_reading_of_lb_nearest_to_the_paper_and_draws_shows_the_collapsed_one():
    shown = registry.grid("draws", profile="paper", seeds=1, data="sd19-letters")
    options = {name: dict(run.options) for run, name in shown.panels[0].names.items()}
    assert options["LB"] == READINGS[NEAREST] and options["LB, collapsed"] == {} and NEAREST in shown.note
    figure = registry.grid("base-values/figure-3", profile="paper", seeds=1)
    assert {frozenset(run.options) for run in figure.runs if run.method == "LB"} == {frozenset(READINGS[NEAREST])}
    assert NEAREST not in registry.grid("base-values/figure-1", profile="paper").note


@pytest.mark.parametrize(
    ("data", "profile", "count"),
    [("sd19-letters", "paper", 20_800), ("stand-in", "smoke", base_values.PROFILES["smoke"].test_examples)],
)
def test_the_test_examples_of_a_known_set_or_a_stand_in_are_known(data, profile, count):
    assert registry.grid("base-values/figure-1", profile=profile, data=data).tested == (count,)


def test_the_test_examples_of_a_file_of_ones_own_are_not_known():
    assert registry.grid("base-values/figure-1", profile="small", data="own.npz").tested == (None,)


def test_a_choice_differs_from_the_default_in_what_it_says_alone():
    """And the default's runs are one for all studies, and keep their details."""
    study, measures = (registry.grid(name, profile="hour", data="mnist") for name in ("choices", "measures"))
    runs = {panel.title: dict(zip(map(panel.variant, panel.runs), panel.runs, strict=True)) for panel in study.panels}
    default = runs["default"]
    changes = {}
    for title, own in runs.items():
        for method, run in own.items():
            usual = dataclasses.replace(default.get(method, run), detail=run.detail)
            fields = [
                field.name
                for field in dataclasses.fields(run)
                if getattr(run, field.name) != getattr(usual, field.name)
            ]
            changes[title, method] = fields
    assert (
        changes["optimizer's state carried on", "MB"]
        == ["pretrain_optimizer_state"]
        == changes["optimizer's state carried on", "PEB"]
    )
    assert changes["γ decays the learning rate", "PEB"] == ["rho", "learning_rate_decay"]
    assert changes["scores taken after the update", "MB"] == [] and changes["scores taken after the update", "PEB"] == [
        "options"
    ]
    assert all(changes[title, "PEB"] for title in runs if title not in ("default", "against MB with replacement (SMB)"))
    assert list(runs["against MB with replacement (SMB)"]) == ["SMB", "PEB"]
    assert default["PEB"] in measures.runs and default["PEB"].detail == "examples"
    assert {run.seed for run in study.runs} == set(range(1, 13)) and {run.precision for run in study.runs} == {
        "float32"
    }


@pytest.mark.parametrize(("profile", "each", "quarter"), [("hour", 375, 94), ("paper", 3900, 975), ("smoke", 8, 2)])
def test_all_base_values_are_refreshed_each_epoch_or_four_times(profile, each, quarter):
    runs = registry.grid("measures", profile=profile, data="mnist").runs
    assert {run.options["refresh_every"] for run in runs if "refresh_every" in run.options} == {each, quarter}


def test_lasting_is_figure_1_s_methods_for_three_times_as_long():
    study = registry.grid("lasting", profile="hour", data="mnist")
    assert {run.epochs for run in study.runs} == {30.0} and "30 epochs" in study.note
    assert list(study.layout.values()) == [("MB", "PLB", "PEB")] * 2
    assert [panel.runs[0].learning_rate_schedule for panel in study.panels] == ["constant", "cosine"]
