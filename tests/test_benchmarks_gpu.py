"""The timings of a GPU, rehearsed on a CPU at a tiny size: every way runs and computes what the plain one does."""

import dataclasses
import functools
import multiprocessing
import pickle
from unittest import mock

import numpy as np
import pytest
import torch

from benchmarks import attempts, cohort, measure, networks, stacked
from hardsample import experiments, models, training
from hardsample.configuration import Run
from hardsample.data import Dataset, load
from hardsample.models import Cohort

CPU = torch.device("cpu")
RUNS = [Run("glyphs", "PLB", seed, train_examples=64, test_examples=20, batch_size=4) for seed in (1, 2, 3)]
SMALL = networks.Case("mobilenet_v3_small", batch=4, image_size=32, device="cpu")


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    """What a way sets for its process is undone; without a GPU nothing is compiled, though all is traced."""
    flags = [(torch.backends.cuda.matmul, "allow_tf32")]
    flags += [(torch.backends.cudnn, name) for name in ("allow_tf32", "benchmark")]
    before = [getattr(*flag) for flag in flags]
    if not torch.cuda.is_available():
        monkeypatch.setattr(stacked, "BACKEND", "aot_eager")
    yield
    for flag, value in zip(flags, before, strict=True):
        setattr(*flag, value)


@pytest.fixture(scope="module")
def letters() -> Dataset:
    return load("glyphs", train_examples=64, test_examples=20)


@pytest.fixture
def rehearsed(monkeypatch):
    """Instead of being timed, every way is called twice and said to take a second; the names of all ways."""
    names = []

    def in_turns(makers, *, wall, rounds, inner=1):
        assert wall
        for name, maker in makers.items():
            way = pickle.loads(pickle.dumps(maker))()
            way(0), way(1)
            names.append(name)
        return {name: np.ones(rounds) for name in makers}

    monkeypatch.setattr(attempts, "in_turns", in_turns)
    return names


def remembered(way: type[Cohort]) -> tuple[type[Cohort], list[Cohort]]:
    """The way, and a list of all cohorts that are made of it."""
    made = []

    class Remembered(way):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    return Remembered, made


def trained(cohort: Cohort, letters: Dataset) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits and gradients of three seeds with a mini-batch each."""
    images, labels = letters.x_train[:18].view(3, 6, 1, 28, 28), letters.y_train[:18].view(3, 6)
    if not cohort.stacked:
        place = cohort.seeds.item() - 1
        images, labels = images[place : place + 1], labels[place : place + 1]
    logits = cohort.logits(images, cohort.masks(4, 6), training=True)
    gradients = torch.autograd.grad(models.losses(logits, labels).mean(1).sum(), cohort.parameters)
    return logits.detach(), [gradient if cohort.stacked else gradient[None] for gradient in gradients]


@pytest.mark.parametrize("way", stacked.WAYS)
def test_every_way_computes_what_its_seeds_do_alone(way, letters):
    together = stacked.WAYS[way]("letters-cnn", 26, [1, 2, 3], CPU, "float32")
    logits, gradients = trained(together, letters)
    shown = together.scores(letters.x_test, letters.y_test)
    for place, seed in enumerate((1, 2, 3)):
        alone = Cohort("letters-cnn", 26, [seed], CPU, "float32")
        one, own = trained(alone, letters)
        torch.testing.assert_close(logits[place], one[0], rtol=1e-4, atol=1e-6)
        for gradient, other in zip(gradients, own, strict=True):
            torch.testing.assert_close(gradient[place], other[0], rtol=1e-4, atol=1e-6)
        for value, other in zip(shown, alone.scores(letters.x_test, letters.y_test), strict=True):
            torch.testing.assert_close(value[place], other[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", stacked.WAYS)
def test_written_ways_compute_in_bf16_where_a_seed_alone_does(way, letters):
    logits, gradients = trained(stacked.WAYS[way]("letters-cnn", 26, [1, 2, 3], CPU, "bf16"), letters)
    for place, seed in enumerate((1, 2, 3)):
        one, own = trained(Cohort("letters-cnn", 26, [seed], CPU, "bf16"), letters)
        torch.testing.assert_close(logits[place], one[0], rtol=0, atol=2e-3)
        for gradient, other in zip(gradients, own, strict=True):
            assert (gradient[place] - other[0]).norm() <= 0.03 * other.norm()


def test_the_step_compiled_as_one_trains_as_the_library_does(letters):
    way, made = remembered(stacked.Im2col)
    plain, fused = training.stepper(RUNS, letters, cohort=way), stacked.fused(RUNS, letters, way=way)
    before = [parameter.detach().clone() for parameter in made[0].parameters]
    for _ in range(3):
        plain(), fused()
    for old, one, other in zip(before, *(one.parameters for one in made), strict=True):
        assert not torch.equal(old, one)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_streams_train_every_run_as_it_trains_alone(letters, monkeypatch):
    way, made = remembered(Cohort)
    monkeypatch.setattr(stacked, "stepper", functools.partial(training.stepper, cohort=way))
    together = stacked.streams(RUNS, letters, device="cpu")
    alone = training.stepper(RUNS[2], letters, cohort=way)
    for _ in range(2):
        together(), alone()
    assert [len(cohort.seeds) for cohort in made] == [1, 1, 1, 1]
    for one, other in zip(made[2].parameters, made[3].parameters, strict=True):
        assert torch.equal(one, other)


def test_all_that_is_timed_of_cohorts_runs(rehearsed, monkeypatch):
    runs = [
        Run("glyphs", m, seed, batch_size=n, pretrain_epochs=1.0) for m in ("LB", "PEB") for seed, n in ((1, 4), (2, 8))
    ]
    monkeypatch.setattr(cohort, "paper_a_runs", lambda: runs)
    case = cohort.Case(device="cpu", seeds=2, examples=(64, 20))
    rows = cohort.rows(case, sizes=(4,), settings=("bf16",))
    ways = [cohort.OURS, *cohort.TARGETS, cohort.OURS, *cohort.OTHERS]
    assert sorted(rehearsed) == sorted(
        [f"{way} (bf16)" for way in ways]
        + [*(f"{method}, n = {n}" for method in ("LB", "PEB", "MB") for n in (4, 8)), "evaluation", "start"]
    )
    assert [row.what for row in rows[:2]] == [f"update of 2 seeds, n = 4, against {rival}" for rival in cohort.TARGETS]
    assert {(row.value, row.verdict) for row in rows[:2]} == {(1.0, "**falls short**")}
    assert "projected" in rows[2].what and rows[2].unit == "min" and rows[2].wanted == "at most 10"
    assert [row.wanted for row in rows[3:]] == [""] * len(cohort.OTHERS)


def test_ways_that_take_much_memory_are_timed_a_few_at_a_time():
    cases = [cohort.Case(1024, setting) for setting in cohort.SETTINGS]
    groups = list(cohort._groups(cases))
    assert [case.setting for some, _ in groups for case in some] == [s for s in cohort.SETTINGS for _ in range(2)]
    assert [name for some, ways in groups if some[0].setting == "TF32" for name in ways] == list(cohort.OTHERS)
    assert list(cohort._groups(cases[:0] + [cohort.Case(4)])) == [([cohort.Case(4)], cohort.OTHERS)]


@pytest.mark.parametrize("setting", cohort.SETTINGS)
def test_a_setting_is_what_its_process_computes_in(setting):
    case = cohort.Case(setting=setting, device="cpu", seeds=1, examples=(8, 4))
    data = case.begin()
    assert len(data.x_train) == 8 and len(data.x_test) == 4
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (setting == "TF32")
    assert case.runs[0].precision == ("bf16" if setting == "bf16" else "float32")


def test_data_are_repeated_in_order(letters):
    data = attempts.repeated(letters, 130, 41)
    assert len(data.x_train) == len(data.y_train) == 130 and len(data.x_test) == 41
    assert torch.equal(data.x_train[64:128], letters.x_train) and torch.equal(data.y_train[128:], letters.y_train[:2])
    assert torch.equal(data.y_test[20:40], letters.y_test)


def test_the_projection_adds_updates_evaluations_and_starts():
    runs = [
        Run("glyphs", "PLB", seed, batch_size=10, epochs=3.0, pretrain_epochs=1.0, evaluations_per_epoch=2.0)
        for seed in range(1, 25)
    ]
    seconds = {"PLB, n = 10": 2.0, "MB, n = 10": 1.0, "evaluation": 10.0, "start": 100.0}
    # 2 cohorts of 12 each: after the pre-training 20 updates and 4 evaluations; before, 10 updates and 3 evaluations
    expected = 2 * (20 * 2 + 4 * 10 + 100) + 2 * (10 * 1 + 3 * 10 + 100)
    assert cohort.projected(runs, 100, {name: np.array([s, 2 * s]) for name, s in seconds.items()}).tolist() == [
        expected,
        2 * expected,
    ]


@pytest.mark.parametrize(
    "epochs, before, cadence", [(3.0, 1.0, 2.0), (2.5, 0.5, 2.0), (2.0, 0.0, 1.5), (3.0, 2.0, 0.5)]
)
def test_work_is_counted_as_the_library_does_it(letters, epochs, before, cadence):
    run = dataclasses.replace(
        RUNS[0], batch_size=24, epochs=epochs, pretrain_epochs=before, evaluations_per_epoch=cadence
    )
    starts = training.pretrain([run.start], letters) if run.start else None
    rows = training.train([run], letters, starts=starts)[0].rows
    first = starts[0].rows if starts else ()
    begun = first[-1][0] if first else 0
    assert cohort.work(run, 64) == (rows[-1][0] - begun, len(rows) - len(first))
    if first:
        assert cohort.work(run.start, 64) == (begun, len(first))


def test_paper_a_is_336_runs_in_28_configurations_after_8_pre_trainings():
    runs = cohort.paper_a_runs()
    assert len(runs) == 336 and {run.batch_size for run in runs} == {4, 32, 1024}
    assert sorted(cohort.cohorts(runs).values()) == [1] * 36
    figures = {run for k in (1, 2, 3, 4) for run in experiments.grid(f"base-values/figure-{k}", profile="paper").runs}
    assert {(run.method, run.batch_size, run.pretrain_epochs, run.learning_rate) for run in runs} == {
        (run.method, run.batch_size, run.pretrain_epochs, run.learning_rate) for run in figures
    }


@pytest.mark.parametrize("part", [cohort, networks])
def test_without_a_gpu_every_target_says_so(part, monkeypatch):
    monkeypatch.setattr(part, "gpu", lambda: False)
    rows = part.measure()
    assert {(row.verdict, row.sides) for row in rows} == {("unmeasured", "no GPU was at hand")}
    assert all(row.wanted for row in rows)


def test_what_breaks_is_left_out_and_the_rest_is_timed(monkeypatch):
    calls = []

    def in_turns(makers, *, wall, rounds):
        calls.append(list(makers))
        if "wrong" in makers:
            near, far = multiprocessing.Pipe()
            far.close()
            measure._answer("wrong", near)
        return {name: np.full(rounds, 2.0) for name in makers}

    monkeypatch.setattr(attempts, "in_turns", in_turns)
    tried = attempts.Attempts()
    seconds = tried.seconds(dict.fromkeys(("ours", "wrong", "rival")), rounds=3)
    assert calls == [["ours", "wrong", "rival"], ["ours", "rival"]]
    assert tried.compare("it", seconds, "ours", "rival", at_least=0.5).verdict == "yes"
    missing = tried.compare("it", seconds, "ours", "wrong", at_least=0.5)
    assert (missing.verdict, missing.sides, missing.wanted) == ("unmeasured", "wrong broke", "at least 0.5")


def test_an_error_of_no_way_is_raised(monkeypatch):
    def in_turns(makers, **options):
        raise RuntimeError("the machine is on fire")

    monkeypatch.setattr(attempts, "in_turns", in_turns)
    with pytest.raises(RuntimeError, match="on fire"):
        attempts.Attempts().seconds({"ours": None}, rounds=1)


def test_what_there_is_no_time_for_says_so(rehearsed):
    late = attempts.Attempts(minutes=0)
    seconds = late.seconds({"ours": None, "rival": None}, rounds=1)
    assert not seconds and not rehearsed
    assert late.compare("it", seconds, "ours", "rival").sides == "the time was up"


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_all_that_is_timed_of_networks_runs(precision, rehearsed, monkeypatch):
    monkeypatch.setattr(networks, "fitting", lambda case: case)
    monkeypatch.setattr(networks, "has_timm", lambda: False)
    rows = networks.rows([dataclasses.replace(SMALL, precision=precision)])
    assert rehearsed == ["δ = 1", "δ = 0.5", *networks.TARGETS]
    assert len(rows) == 2 * len(networks.TARGETS)
    assert rows[0].what == f"update of MobileNetV3-S, {precision}, n = 4, δ = 1, against forward and backward alone"
    assert rows[0].sides == "δ = 1 4 images/s, forward and backward alone 4 images/s" and rows[0].verdict == "yes"
    assert rows[1].sides.endswith("timm's loop 4 images/s, its network torchvision's")


def test_the_reference_loops_are_one_training_in_another_order(monkeypatch):
    made, plain = [], networks.Case.plain_network

    def recorded(case, network=None):
        made.append(plain(case, network))
        return made[-1]

    monkeypatch.setattr(networks.Case, "plain_network", recorded)
    monkeypatch.setattr(networks, "has_timm", lambda: False)
    for way in (networks.timm_loop(SMALL), networks.torchvision_loop(SMALL)):
        way(0), way(1)
    fresh = models.build("mobilenet_v3_small", 10, 1).network
    for one, other, old in zip(*(network.parameters() for network in (*made, fresh)), strict=True):
        assert torch.equal(one, other) and not torch.equal(one, old)


def test_mini_batches_are_halved_until_every_way_has_memory(monkeypatch):
    monkeypatch.setattr(networks, "peak", lambda case: float("inf") if case.batch > 256 else case.batch << 26)
    monkeypatch.setattr(networks, "free_memory", lambda: 78 << 30)
    # five ways of 1.25 times 16 GiB and 1 GiB beside at 256 take 105 GiB, at 128 they take 55
    assert networks.fitting(networks.Case("efficientnet_b4")).batch == 128
    monkeypatch.setattr(networks, "free_memory", lambda: 1)
    assert networks.fitting(networks.Case("efficientnet_b4")).batch == networks.SMALLEST


def twelve(n: int) -> list[Run]:
    return [dataclasses.replace(RUNS[0], seed=seed, batch_size=n) for seed in range(1, 13)]


def plainly(runs: list[Run], letters: Dataset) -> list[torch.Tensor]:
    """The cohort's parameters after three steps of the library's own, without a graph."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    way, made = remembered(Cohort)
    with mock.patch.object(training._Trainer, "_captured_step", lambda self: None):
        update = training.stepper(runs, letters, device="cuda", cohort=way)
    for _ in range(3):
        update()
    return made[0].parameters


def assert_near(parameters: list[torch.Tensor], others: list[torch.Tensor]) -> None:
    torch.cuda.synchronize()
    for one, other in zip(parameters, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("n", [4, 32])
@pytest.mark.parametrize("way", stacked.WAYS)
def test_the_graph_of_every_way_equals_the_plain_loop(way, n, letters):
    expected = plainly(twelve(n), letters)
    remember, made = remembered(stacked.WAYS[way])
    update = training.stepper(twelve(n), letters, device="cuda", cohort=remember)
    for _ in range(3):
        update()
    assert_near(made[0].parameters, expected)


@pytest.mark.gpu
def test_the_graph_of_the_step_compiled_as_one_equals_the_plain_loop(letters):
    expected = plainly(twelve(32), letters)
    way, made = remembered(stacked.Im2col)
    update = stacked.fused(twelve(32), letters, device="cuda", way=way)
    for _ in range(3):
        update()
    assert_near(made[0].parameters, expected)


@pytest.mark.gpu
def test_graphs_in_streams_equal_the_plain_loop(letters, monkeypatch):
    expected = plainly(twelve(32), letters)
    way, made = remembered(Cohort)
    monkeypatch.setattr(stacked, "stepper", functools.partial(training.stepper, cohort=way))
    update = stacked.streams(twelve(32), letters, device="cuda")
    for _ in range(3):
        update()
    torch.cuda.synchronize()
    assert_near([torch.stack(one) for one in zip(*(seed.parameters for seed in made), strict=True)], expected)


@pytest.mark.gpu
def test_forward_and_backward_as_a_graph_gives_the_plain_gradients():
    case = dataclasses.replace(SMALL, batch=16, device="cuda")
    work = networks.gradients(case)
    plain, kept = [gradient.clone() for gradient in work()], []
    attempts.captured(lambda: kept.append(work())).replay()
    torch.cuda.synchronize()
    for one, other in zip(kept[-1], plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)
