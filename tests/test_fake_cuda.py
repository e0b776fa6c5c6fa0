"""The CUDA path traced whole on a device that computes nothing: method, network, optimiser, precision, schedule."""

import dataclasses
import gc

import fake_cuda
import pytest
import torch

from hardsample.config import PRECISIONS, Run
from hardsample.data.dataset import Dataset
from hardsample.errors import InputError
from hardsample.methods.registry import METHODS
from hardsample.training import cuda_graph, trainer, updates
from hardsample.training.cohort import Cohort
from hardsample.training.networks import TITLES

pytestmark = pytest.mark.skipif(not fake_cuda.AVAILABLE, reason="needs g++ to make the device")

CLASSES = tuple("abcdefghijklmnopqrstuvwxyz")
RUN = Run("made", "PEB", 1, batch_size=32, epochs=2.0, evaluations_per_epoch=1.0)
PASSES = ("SB", "KAKURENBO", "InfoBatch")  # the host makes their queues of what it reads: no end of zeros
ROUNDS = ("HMB", "RMB", "FMB", "HE")
IMAGES = Run(
    "made",
    "HMB",
    1,
    network="resnet18",
    optimizer="sgd",
    batch_size=16,
    image_size=64,
    options={"delta": 0.5},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guard")


@pytest.fixture
def device(folder):
    with fake_cuda.device(folder) as device:
        yield device


def made(train: int, test: int, shape: tuple[int, ...], classes: int) -> Dataset:
    x_train, x_test = (torch.zeros(count, *shape, dtype=torch.uint8) for count in (train, test))
    y_train, y_test = (torch.arange(count) % classes for count in (train, test))
    return Dataset("made", x_train, y_train, x_test, y_test, CLASSES[:classes], stand_in=True)


LETTERS = made(132, 40, (1, 28, 28), 26)
MANY_LETTERS = made(1_320, 40, (1, 28, 28), 26)  # base values on two levels
COLOURS = made(72, 40, (3, 32, 32), 10)


def traced(run: Run, data: Dataset, seeds: int = 2) -> dict:
    """How three updates of the run, as a cohort of so many seeds, are computed."""
    runs = [dataclasses.replace(run, seed=seed) for seed in range(1, seeds + 1)]
    update = updates.stepper(runs, data, device="cuda")
    for _ in range(3):
        update()
    return update.computed


CHANGES = [
    *({"method": method} for method in METHODS if method not in (*PASSES, "LB")),
    *({"precision": precision} for precision in PRECISIONS),
    {"method": "LB", "options": {"draws": "keys", "write": "raw", "monitor": "mini-batch"}},
    {"learning_rate_schedule": "cosine"},
    {"learning_rate_decay": 0.95},
    {"loss": "focal"},
    {"label_noise": 0.2},
    {"optimizer": "sgd", "learning_rate": 0.005},
    {"options": {"score": "after"}},
    {"options": {"score_dropout": False}},
    {"options": {"uniform": 0.5, "beta": 1.0}},
    {"options": {"refresh_every": 7}},
]


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_step_of_a_cohort_is_a_replay(change, device):
    run = dataclasses.replace(RUN, **change)
    if run.method in ROUNDS:  # which seeds trained together can make of full mini-batches alone
        run = dataclasses.replace(run, batch_size=33)
    computed = traced(run, LETTERS)
    assert device.replays == 1 + 3  # the first one is compared with the step it was captured from
    assert device.captured > 100 and computed["captured"]
    assert computed["arithmetic"] == {"float32": "IEEE float32", "tf32": "TF32", "bf16": "bf16"}[run.precision]


@pytest.mark.slow
@pytest.mark.parametrize("method", PASSES)
def test_methods_whose_queues_the_host_makes_draw_and_observe_in_the_graph(method, device, monkeypatch):
    monkeypatch.setattr(METHODS[method].build, "refresh", lambda self, step, evaluate: None)
    options = {} if method == "SB" else {"epochs": 2.0}
    assert traced(dataclasses.replace(RUN, method=method, options=options), LETTERS)["captured"]
    assert device.replays == 1 + 3


@pytest.mark.slow
def test_no_garbage_is_collected_while_a_step_is_captured(device, monkeypatch):
    """Another graph's memory that is freed then breaks the capture."""
    seen, observe = {}, METHODS["PEB"].build.observe

    def looking(method, *arguments):
        seen[device.capturing] = gc.isenabled()
        observe(method, *arguments)

    monkeypatch.setattr(METHODS["PEB"].build, "observe", looking)
    traced(RUN, LETTERS)
    assert seen == {False: True, True: False} and gc.isenabled()


def test_a_gpu_evaluates_as_many_letters_at_once_as_fill_it(device):
    cuda, cpu = (Cohort("letters-cnn", 26, [1], torch.device(kind), "float32") for kind in ("cuda", "cpu"))
    assert (cuda.images_at_once, cpu.images_at_once) == (2_400, 500)


@pytest.mark.slow
def test_a_step_that_is_prepared_to_capture_it_refreshes_its_method_once(device, monkeypatch):
    steps, refresh = [], METHODS["PEB"].build.refresh
    monkeypatch.setattr(
        METHODS["PEB"].build,
        "refresh",
        lambda self, step, evaluate: steps.append(step) or refresh(self, step, evaluate),
    )
    (result,) = trainer.train([RUN], LETTERS, device="cuda")
    assert result.computed["captured"] and steps == list(range(round(2 * 132 / 32)))


@pytest.mark.slow
def test_a_cohort_goes_on_from_its_pre_training(device):
    runs = [dataclasses.replace(RUN, pretrain_epochs=1.0, seed=seed) for seed in (1, 2)]
    starts = trainer.pretrain([run.start for run in runs], MANY_LETTERS, device="cuda")
    device.replays = 0
    result = trainer.train(runs, MANY_LETTERS, device="cuda", starts=starts, save_checkpoint=lambda state: None)[0]
    assert [row[0] for row in result.rows] == [0, 41, 82]
    assert device.replays == 1 + 41 and result.computed["captured"]


@pytest.mark.parametrize(
    "network, method",
    [
        *(("resnet18", method) for method in ROUNDS),
        *(pytest.param(network, "HMB", marks=pytest.mark.slow) for network in TITLES if network != "resnet18"),
    ],
)
def test_every_network_and_round_is_captured(network, method, device):
    options = {} if method == "FMB" else {"delta": 0.5}
    assert traced(dataclasses.replace(IMAGES, network=network, method=method, options=options), COLOURS, 1)["captured"]
    assert device.replays == 1 + 3  # the host reads zeros, and so of no short mini-batch


def test_a_method_whose_draws_the_host_counts_is_not_captured_and_says_why(device, monkeypatch):
    monkeypatch.setattr(METHODS["PEB"].build, "capturable", False)
    computed = traced(RUN, LETTERS)
    assert device.replays == 0 and not computed["captured"]
    assert "PEB draws in rounds that the host counts" in computed["reason"]


@pytest.mark.slow
def test_without_graphs_steps_are_plain(device):
    result = trainer.train([RUN], LETTERS, device="cuda", graphs=False)[0]
    assert device.replays == 0 and "graphs are off" in result.computed["reason"]


@pytest.mark.slow
def test_the_estimate_is_of_captured_steps_on_the_device(device):
    runs = [dataclasses.replace(RUN, seed=seed) for seed in (1, 2)]
    assert updates.estimate(runs, LETTERS, device="cuda") > 0 and device.replays == 7


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reading", "copying"])
def test_a_step_that_waits_for_the_host_cannot_be_captured(fault, device, monkeypatch):
    """The process is unsafe then, and says so; nothing else is tried in it."""
    monkeypatch.setattr(cuda_graph, "_failures", [])
    observe = METHODS["PEB"].build.observe

    def waiting(method, indices, logits, losses):
        observe(method, indices, logits, losses)
        losses.sum().item() if fault == "reading" else losses.add_(torch.ones(1).to("cuda"))

    monkeypatch.setattr(METHODS["PEB"].build, "observe", waiting)
    with pytest.raises(cuda_graph.CaptureError, match="not permitted.*graphs=False"):
        trainer.train([RUN], LETTERS, device="cuda")
    assert cuda_graph.failed()


@pytest.mark.slow
def test_products_of_float32_are_ieee_s_and_torch_s_settings_are_left_alone(device, monkeypatch):
    matmul, conv, seen = torch.backends.cuda.matmul, torch.backends.cudnn.conv, {}
    before = matmul.fp32_precision, conv.fp32_precision
    logits = Cohort.logits

    def looking(cohort, *arguments, **options):
        seen[cohort.precision] = {matmul.fp32_precision, conv.fp32_precision}
        return logits(cohort, *arguments, **options)

    monkeypatch.setattr(Cohort, "logits", looking)
    for precision in ("float32", "tf32"):
        trainer.train([dataclasses.replace(RUN, precision=precision)], LETTERS, device="cuda")
    assert seen == {"float32": {"ieee"}, "tf32": {"tf32"}}
    assert (matmul.fp32_precision, conv.fp32_precision) == before


def test_tf32_is_refused_on_a_cpu():
    run = dataclasses.replace(RUN, precision="tf32")
    with pytest.raises(InputError, match="precision 'tf32' is the arithmetic of a GPU.*choose float32 or bf16"):
        trainer.train([run], LETTERS)
