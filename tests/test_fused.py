"""The fused step beside the plain one, in Triton's interpreter: `make test-kernels` runs what needs Triton."""

import dataclasses
import subprocess
import sys

import fake_cuda
import pytest
import torch
from interpreter import INTERPRETED, correct_bf16, interpreted
from random_letters import letters

from hardsample.config import Run
from hardsample.methods import registry
from hardsample.training import agreement, optimizers, ways
from hardsample.training.cohort import Cohort
from hardsample.training.fused import cohort as fused_cohort
from hardsample.training.fused import layout, support
from hardsample.training.fused.cohort import FusedCohort
from hardsample.training.fused.step import FusedStep
from hardsample.training.precision import ARITHMETIC
from hardsample.training.step import TrainingStep
from hardsample.training.updates import stepper

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
FEW = {  # the interpreter's time is that of its programs, however large
    "convolution_1": {"BLOCK": 1024},
    "convolution_2_pool": {"BLOCK": 512, "DEPTH": 32},
    "linear_1": {"PARTS": 3, "ROWS": 16, "BLOCK": 1024},
    "head": {"ROWS": 16},
    "linear_1_backward": {"OUTPUTS": 128, "ROWS": 16, "BLOCK": 1024},
    "convolution_2_weight": {"PARTS": 2, "BLOCK": 128},
    "convolution_1_weight": {"PARTS": 2, "BLOCK": 128, "DEPTH": 64},
    "update_small": {"BLOCK": 4096},
}


def trainer(runs, data, way):
    return TrainingStep(runs, data, CPU, way=way)


@pytest.fixture
def device_trees(monkeypatch):
    """Base values and steps as on a device, on the CPU."""
    monkeypatch.setattr(support, "reason_against", lambda *_: "")
    for module in ("jit", "training.letters_cnn", "training.optimizers", "randomness"):
        monkeypatch.setattr(f"hardsample.{module}.uses_numba", lambda device: False)


@pytest.fixture(autouse=INTERPRETED)
def bf16(monkeypatch):
    correct_bf16(monkeypatch)


@pytest.fixture
def few_programs(monkeypatch):
    def tiles(precision, n):
        back = precision == "bf16"
        return {name: dict(own) for name, own in FEW.items()} | {
            "linear_1_backward": FEW["linear_1_backward"] | {"BACK": back}
        }

    monkeypatch.setattr(layout, "tiles", tiles)


def cohort_of(method, *, seeds=(1, 7), **fields):
    return [Run("random", method, seed, **({"epochs": 2.0} | fields)) for seed in seeds]


def stepped(trainer, steps):
    """A trainer after so many steps from base values of chance, where its method has any."""
    if hasattr(trainer.method, "base_values"):
        trainer.method.base_values.fill(
            torch.rand(trainer.counts.shape, generator=torch.Generator().manual_seed(1)) + 0.1
        )
        trainer.refreshed = 0
    for step in range(steps):
        trainer.prepare(step)
        one_step = trainer.fused_step if trainer.way == "fused" else trainer.plain_step
        assert one_step(step) == trainer.run.batch_size
    return trainer.tensors


def far_apart(one, other):
    """Of every tensor the largest difference, relative to its largest number."""
    assert one.keys() == other.keys()
    distances = {}
    for name, tensor in one.items():
        assert other[name].shape == tensor.shape and other[name].dtype == tensor.dtype, name
        largest = tensor.detach().double().abs().max().clamp(min=1e-30)
        distances[name] = ((other[name] - tensor).detach().double().abs().max() / largest).item()
    return distances


@interpreted
@pytest.mark.parametrize(
    ("method", "n", "size", "classes", "seeds", "fields"),
    [
        ("PEB", 4, 1100, 26, (1, 7), {"learning_rate_decay": 0.5}),
        ("PLB", 3, 40, 33, (7,), {"options": {"uniform": 0.5, "refresh_every": 5}, "label_noise": 0.5}),
        ("PEB", 4, 1100, 26, (1, 7), {"options": {"distinct": True}}),
        ("SMB", 5, 40, 2, (7,), {"learning_rate_schedule": "cosine"}),
        ("LB", 4, 40, 26, (1, 7), {"options": {"draws": "keys", "write": "raw", "monitor": "mini-batch"}}),
        ("MB", 9, 7, 26, (1,), {}),  # mini-batches longer than the data
    ],
)
def test_steps_are_the_plain_ones(device_trees, few_programs, method, n, size, classes, seeds, fields):
    data, runs = letters(size, classes=classes), cohort_of(method, seeds=seeds, batch_size=n, **fields)
    plain, other = (stepped(trainer(runs, data, way), 2) for way in ("plain", "fused"))
    assert torch.equal(plain["counts"], other["counts"]) and plain["counts"].sum() == 2 * n * len(seeds)
    for name, distance in far_apart(plain, other).items():
        sums = "optimizer" in name or name == "method/cusum"  # the latter of small differences
        assert distance < (1e-5 if sums else 1e-6), name


@interpreted
@pytest.mark.parametrize("method", ["MB", "PLB"])
def test_in_bf16_a_step_is_as_near_to_float32s_as_the_plain_one_is(device_trees, few_programs, method):
    data, runs = letters(40), cohort_of(method, seeds=(1,), batch_size=5)
    short = [dataclasses.replace(run, precision="bf16") for run in runs]
    exact = stepped(trainer(runs, data, "plain"), 1)
    plain, other = (stepped(trainer(short, data, way), 1) for way in ("plain", "fused"))
    for name, tensor in exact.items():
        near, nearer = ((those[name] - tensor).detach().double().norm() for those in (plain, other))
        assert nearer <= 1.25 * near + 1e-7 * tensor.detach().double().norm(), name


@interpreted
@pytest.mark.parametrize("fault", [0.0, 0.5])
def test_a_process_s_first_cohort_checks_itself_and_goes_the_plain_way_if_they_differ(
    device_trees, few_programs, monkeypatch, fault
):
    monkeypatch.setattr(ways, "_AGREEMENTS", {})
    monkeypatch.setattr(ways, "CHECKED", 1)
    right = FusedStep.__call__
    monkeypatch.setattr(FusedStep, "__call__", lambda self, step, rate: right(self, step, rate * (1 + fault)))
    runs, data = cohort_of("MB", seeds=(1,), batch_size=3), letters(40)
    one = ways.agreed_step(runs, data, CPU, way="fused")
    about = one.computed
    assert about["check"]["agrees"] == (fault == 0) and about["way"] == ("plain" if fault else "fused")
    assert ("differs from the plain one in network/" in about.get("reason", "")) == (fault > 0)
    fresh = trainer(runs, data, "plain").tensors
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in one.tensors.items())
    monkeypatch.setattr(ways, "compare_ways", None)  # it is not asked again
    again = ways.agreed_step(cohort_of("MB", seeds=(2,), batch_size=3), data, CPU, way="fused")
    assert again.computed["way"] == about["way"] and again.check == one.check


@interpreted
def test_an_evaluation_that_differs_is_found_before_anything_is_chosen_by_it(device_trees, few_programs, monkeypatch):
    monkeypatch.setattr(ways, "_AGREEMENTS", {})
    right = FusedCohort.evaluate

    def wrong(self, images, labels, **options):
        logits, losses = right(self, images, labels, **options)
        return logits + 1, losses

    monkeypatch.setattr(FusedCohort, "evaluate", wrong)
    one = ways.agreed_step(cohort_of("PEB", batch_size=3), letters(20), CPU, way="fused")
    assert one.computed["way"] == "plain" and one.computed["reason"].endswith("differs from the plain one in logits")
    assert one.cohort.evaluate.__func__ is Cohort.evaluate and (one.method.base_values.values == 1).all()


@interpreted
def test_nan_spreads_as_in_the_plain_step(device_trees, few_programs):
    data, runs = letters(20, classes=3), cohort_of("PLB", batch_size=2)
    found = []
    for way in ("plain", "fused"):
        one = trainer(runs, data, way)
        with torch.no_grad():
            one.cohort.tensors["convolution_1.bias"][1, 4] = torch.nan
            one.cohort.tensors["convolution_2.weight"][0, 9] = torch.nan
            one.cohort.refresh()
        losses = one.cohort.evaluate(data.x_test, data.y_test)[1]
        found.append({"losses": losses} | stepped(one, 1))
    assert found[1]["losses"].isnan().all()
    for name, tensor in found[0].items():
        assert torch.equal(tensor.isnan(), found[1][name].isnan()), name
    assert all((found[1]["method/values.0"] > 0).flatten())  # NaN is stored as the floor


@interpreted
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("seeds", [(3,), (3, 4)])
def test_scores_are_the_plain_ones(monkeypatch, few_programs, precision, seeds):
    monkeypatch.setattr(fused_cohort, "IMAGES_AT_ONCE", 2)
    data = letters(6, classes=33)
    plain, other = (cohort("letters-cnn", 33, seeds, CPU, precision) for cohort in (Cohort, FusedCohort))
    own = data.x_train.expand(len(seeds), -1, -1, -1, -1).clone()
    own[-1] = 255 - own[-1]
    for images in (data.x_train, own):
        for one, two in zip(plain.evaluate(images, data.y_train), other.evaluate(images, data.y_train), strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=1e-5 if precision == "float32" else 0.02)


@interpreted
@pytest.mark.parametrize("seeds", [(3,), (3, 4)])
def test_a_cohort_looks_as_the_plain_one_does(seeds):
    plain, other = (cohort("letters-cnn", 5, seeds, CPU, "float32") for cohort in (Cohort, FusedCohort))
    assert list(plain.tensors) == list(other.tensors) and len(plain.parameters) == len(other.parameters)
    for one, two in zip(plain.parameters, other.parameters, strict=True):
        assert torch.equal(one, two) and two.requires_grad
    states = optimizers.Adadelta(plain.parameters, rho=0.9).tensors, other.adadelta(0.9).tensors
    assert [(n, t.shape) for n, t in states[0].items()] == [(n, t.shape) for n, t in states[1].items()]
    images = letters(3).x_train
    torch.testing.assert_close(plain.logits(images, training=False), other.logits(images, training=False))


@interpreted
def test_refreshed_shadows_are_the_parameters():
    cohort = FusedCohort("letters-cnn", 5, (3, 4), CPU, "bf16")
    with torch.no_grad():
        for tensor in cohort.tensors.values():
            tensor.add_(1)
    cohort.refresh()
    for name, view in cohort.views(cohort.small_shadow, cohort.large_shadow).items():
        assert torch.equal(view, cohort.tensors[name].bfloat16())


class Launches:
    """In place of a kernel: what it is launched with must lie on the device as it lies in memory there."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    def __getitem__(self, grid):
        assert all(isinstance(number, int) and number > 0 for number in grid), (self.name, grid)
        return self

    def __call__(self, *arguments, **options):
        tensors = [value for value in arguments if isinstance(value, torch.Tensor)]
        assert tensors and all(tensor.device.type == "cuda" for tensor in tensors), self.name
        self.seen.append(self.name)


@interpreted
@pytest.mark.skipif(not fake_cuda.AVAILABLE, reason="needs g++ to make the device")
@pytest.mark.parametrize(
    ("method", "precision"), [("MB", "bf16"), ("SMB", "bf16"), ("PLB", "bf16"), ("PEB", "float32"), ("PEB", "tf32")]
)
def test_on_a_gpu_every_step_is_a_replay_of_kernels(method, precision, tmp_path, monkeypatch):
    """Traced on a device that computes nothing, from the choice of the way to the last replay."""
    from hardsample.training.fused import kernels

    seen = []
    for name in dir(kernels):
        if hasattr(getattr(kernels, name), "arg_names") and not name.startswith("_"):
            monkeypatch.setattr(kernels, name, Launches(name, seen))
    monkeypatch.setattr(ways, "_AGREEMENTS", {})
    monkeypatch.setattr(agreement, "compare", lambda *_: agreement.Agreement("all", 0.5, 1))
    data, runs = letters(1320, 40), cohort_of(method, batch_size=33, precision=precision, learning_rate_decay=0.5)
    with fake_cuda.device(tmp_path) as device:
        update = stepper(runs, data, device="cuda")
        for _ in range(3):
            update()
    assert update.computed == {
        **{"way": "fused", "captured": True, "arithmetic": ARITHMETIC[precision]},
        "check": {"agrees": True, "farthest": "all", "ratio": 0.5, "steps": 1},
    }
    assert device.replays == 1 + 3 and {"convolution_1", "convolution_2_pool", "head", "update_small"} <= {*seen}


def reason(method="PEB", classes=26, device=CUDA, **fields):
    run = cohort_of(method, **fields)[0]
    return support.reason_against(
        run, registry.build(method, 100, run.batch_size, torch.tensor([1]), options=run.options), classes, device
    )


@pytest.mark.parametrize("method", ["MB", "SMB", "PLB", "PEB"])
def test_it_serves(monkeypatch, method):
    monkeypatch.setattr(support.importlib.util, "find_spec", lambda name: object())
    assert reason(method) == reason(method, precision="bf16", batch_size=1000, label_noise=0.1) == ""
    assert reason(method, learning_rate_schedule="cosine", learning_rate_decay=0.9, classes=47) == ""


def test_it_serves_lb_where_its_draws_are_of_a_fixed_number(monkeypatch):
    monkeypatch.setattr(support.importlib.util, "find_spec", lambda name: object())
    assert reason("LB", options={"draws": "keys"}) == ""
    assert "LB does not draw in a fixed number of operations" in reason("LB")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"device": CPU}, "CUDA"),
        ({"network": "resnet18"}, "resnet18"),
        ({"optimizer": "sgd"}, "sgd"),
        ({"loss": "focal"}, "focal"),
        ({"input_scaling": "standard"}, "input_scaling unit alone, and this is standard"),
        ({"method": "LB"}, "LB"),
        ({"method": "P-margin"}, "P-margin"),
        ({"method": "HMB", "options": {"delta": 0.5}}, "HMB"),
        ({"options": {"score": "after"}}, "scored"),
        ({"options": {"score_dropout": False}}, "scored"),
        ({"options": {"beta": 0.4}}, "beta"),
        ({"classes": 129}, "129"),
    ],
)
def test_it_refuses_in_words_what_it_does_not_serve(monkeypatch, changed, word):
    monkeypatch.setattr(support.importlib.util, "find_spec", lambda name: object())
    assert word in reason(**changed)


@interpreted
def test_a_step_ignores_no_setting(device_trees):
    with pytest.raises(ValueError, match="sgd"):
        trainer(cohort_of("MB", batch_size=2, optimizer="sgd"), letters(8), "fused")


def test_without_triton_it_says_so(monkeypatch):
    monkeypatch.setattr(support.importlib.util, "find_spec", lambda name: None)
    assert "Triton" in reason()


@pytest.mark.slow
def test_importing_it_needs_no_triton():
    code = "import sys; sys.modules['triton'] = None; import hardsample.training.fused.step"
    subprocess.run([sys.executable, "-c", code], check=True)
