"""The timings of a GPU, rehearsed on a CPU at a tiny size: every way runs and computes what the plain one does."""

import dataclasses
import functools
import gc
import os
import pickle
import time
import weakref

import numpy as np
import pytest
import torch

from benchmarks import attempts, cohort, fused, networks, reckoning, stacked
from hardsample.config import PRECISIONS, Run
from hardsample.data.dataset import Dataset, load
from hardsample.experiments import registry
from hardsample.training import networks as models
from hardsample.training import trainer, updates
from hardsample.training.cohort import Cohort
from hardsample.training.losses import cross_entropy
from hardsample.training.step import TrainingStep

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

    def in_one_process(self, makers, *, rounds, inner=1):
        for name, maker in makers.items():
            way = pickle.loads(pickle.dumps(maker))()
            way(0), way(1)
            names.append(name)
        return {name: np.ones(rounds) for name in makers}

    monkeypatch.setattr(attempts.Attempts, "_in_one_process", in_one_process)
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
    gradients = torch.autograd.grad(cross_entropy(logits, labels).mean(1).sum(), cohort.parameters)
    return logits.detach(), [gradient if cohort.stacked else gradient[None] for gradient in gradients]


@pytest.mark.slow
@pytest.mark.parametrize("way", stacked.WAYS)
def test_every_way_computes_what_its_seeds_do_alone(way, letters):
    together = stacked.WAYS[way]("letters-cnn", 26, [1, 2, 3], CPU, "float32")
    logits, gradients = trained(together, letters)
    linear = [gradient for gradient in gradients if gradient.dim() == 3]
    assert len(linear) == 2 and all(gradient.is_contiguous() for gradient in linear)  # as the weights are
    shown = together.evaluate(letters.x_test, letters.y_test)
    for place, seed in enumerate((1, 2, 3)):
        alone = Cohort("letters-cnn", 26, [seed], CPU, "float32")
        one, own = trained(alone, letters)
        torch.testing.assert_close(logits[place], one[0], rtol=1e-4, atol=1e-6)
        for gradient, other in zip(gradients, own, strict=True):
            torch.testing.assert_close(gradient[place], other[0], rtol=1e-4, atol=1e-6)
        for value, other in zip(shown, alone.evaluate(letters.x_test, letters.y_test), strict=True):
            torch.testing.assert_close(value[place], other[0], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("way", stacked.WAYS)
def test_written_ways_compute_in_bf16_where_a_seed_alone_does(way, letters):
    logits, gradients = trained(stacked.WAYS[way]("letters-cnn", 26, [1, 2, 3], CPU, "bf16"), letters)
    for place, seed in enumerate((1, 2, 3)):
        one, own = trained(Cohort("letters-cnn", 26, [seed], CPU, "bf16"), letters)
        torch.testing.assert_close(logits[place], one[0], rtol=0, atol=2e-3)
        for gradient, other in zip(gradients, own, strict=True):
            assert (gradient[place] - other[0]).norm() <= 0.03 * other.norm()


@pytest.mark.slow
def test_the_step_compiled_as_one_trains_as_the_library_does(letters):
    way, made = remembered(stacked.Im2col)
    plain, fused = updates.stepper(RUNS, letters, cohort=way), stacked.fused(RUNS, letters, way=way)
    before = [parameter.detach().clone() for parameter in made[0].parameters]
    for _ in range(3):
        plain(), fused()
    for old, one, other in zip(before, *(one.parameters for one in made), strict=True):
        assert not torch.equal(old, one)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_streams_train_every_run_as_it_trains_alone(letters, monkeypatch):
    way, made = remembered(Cohort)
    monkeypatch.setattr(stacked, "stepper", functools.partial(updates.stepper, cohort=way))
    together = stacked.streams(RUNS, letters, device="cpu")
    alone = updates.stepper(RUNS[2], letters, cohort=way)
    for _ in range(2):
        together(), alone()
    assert [len(cohort.seeds) for cohort in made] == [1, 1, 1, 1]
    for one, other in zip(made[2].parameters, made[3].parameters, strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_all_that_is_timed_of_cohorts_runs(rehearsed, monkeypatch):
    runs = [
        Run("glyphs", m, seed, batch_size=n, pretrain_epochs=1.0) for m in ("LB", "PEB") for seed, n in ((1, 4), (2, 8))
    ]
    monkeypatch.setattr(cohort, "paper_a_runs", lambda: runs)
    case = cohort.Case(device="cpu", seeds=2, examples=(64, 20))
    rows = cohort.rows(case, sizes=(4,), precisions=("bf16",))
    ways = [cohort.OURS, *cohort.TARGETS, cohort.OURS, *cohort.OTHERS]
    assert sorted(rehearsed) == sorted(
        [f"{way}, bf16" for way in ways]
        + [*(f"{method}, n = {n}" for method in ("LB", "PEB", "MB") for n in (4, 8)), "evaluation", "start"]
    )
    assert [row.what for row in rows[:2]] == [f"update of 2 seeds, n = 4, against {rival}" for rival in cohort.TARGETS]
    assert {(row.value, row.verdict) for row in rows[:2]} == {(1.0, "**falls short**")}
    assert "projected" in rows[2].what and rows[2].unit == "min" and rows[2].wanted == "at most 10"
    assert [row.wanted for row in rows[3:]] == [""] * len(cohort.OTHERS)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_is_what_its_ways_compute_in(precision):
    case = cohort.Case(precision=precision, device="cpu", seeds=1, examples=(8, 4))
    data = case.begin()
    assert len(data.x_train) == 8 and len(data.x_test) == 4
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    assert case.runs[0].precision == precision
    assert case.begin() is data  # which the ways of a process share


@pytest.mark.slow
def test_all_that_is_timed_of_the_fused_step_runs(rehearsed, monkeypatch):
    asked = []

    def stepper(runs, data, *, device, way):
        asked.append((way, runs[0].method, runs[0].batch_size, runs[0].precision, len(runs)))
        return updates.stepper(runs, data, device=device)

    class Step(TrainingStep):
        def __init__(self, *arguments, way="auto", **options):
            super().__init__(*arguments, **options)
            if way != "auto":  # not by a stepper
                asked.append((way, "evaluation"))

    monkeypatch.setattr(fused, "stepper", stepper)
    monkeypatch.setattr(fused, "TrainingStep", Step)
    monkeypatch.setattr(cohort, "stepper", lambda run, data, *, device: lambda: None)
    monkeypatch.setattr(fused, "SIZES", (4, 2))
    monkeypatch.setattr(fused, "OTHER_PRECISIONS", ("float32",))
    case = cohort.Case(device="cpu", seeds=2, examples=(64, 20))
    rows = fused.rows(case)
    wanted = [
        (way, method, n, precision, 2)
        for n, precision in ((4, "bf16"), (2, "bf16"), (4, "float32"))
        for way in ("fused", "plain")
        for method in ("MB", "PEB")
    ]
    assert asked == [*wanted, ("fused", "evaluation"), ("plain", "evaluation")]
    assert len(rows) == 3 * 6 + 1 and all(row.value is not None for row in rows)
    assert rows[0].what == "fused step of 2 seeds, n = 4, bf16, MB, against the plain cohort as a graph"
    assert (rows[4].what, rows[4].wanted) == ("fused step of 2 seeds, n = 4, bf16: choosing, PEB / MB", "at most 1.02")
    # a copy takes a second for 2 GiB, the step as long for the bytes of two networks' weights
    assert rows[5].value == pytest.approx(2 * fused.COPIED / reckoning.state_bytes(2)) and rows[5].wanted == "at most 3"
    assert rows[-1].wanted == "at least 1"


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


@pytest.mark.slow
@pytest.mark.parametrize(
    "epochs, before, cadence", [(3.0, 1.0, 2.0), (2.5, 0.5, 2.0), (2.0, 0.0, 1.5), (3.0, 2.0, 0.5)]
)
def test_work_is_counted_as_the_library_does_it(letters, epochs, before, cadence):
    run = dataclasses.replace(
        RUNS[0], batch_size=24, epochs=epochs, pretrain_epochs=before, evaluations_per_epoch=cadence
    )
    starts = trainer.pretrain([run.start], letters) if run.start else None
    rows = trainer.train([run], letters, starts=starts)[0].rows
    first = starts[0].rows if starts else ()
    begun = first[-1][0] if first else 0
    assert cohort.work(run, 64) == (rows[-1][0] - begun, len(rows) - len(first))
    if first:
        assert cohort.work(run.start, 64) == (begun, len(first))


def test_paper_a_is_336_runs_in_28_configurations_after_8_pre_trainings():
    runs = cohort.paper_a_runs()
    assert len(runs) == 336 and {run.batch_size for run in runs} == {4, 32, 1024}
    assert sorted(cohort.cohorts(runs).values()) == [1] * 36
    figures = {run for k in (1, 2, 3, 4) for run in registry.grid(f"base-values/figure-{k}", profile="paper").runs}
    assert {(run.method, run.batch_size, run.pretrain_epochs, run.learning_rate) for run in runs} == {
        (run.method, run.batch_size, run.pretrain_epochs, run.learning_rate) for run in figures
    }


@pytest.mark.parametrize("part", [cohort, fused, networks])
def test_without_a_gpu_every_target_says_so(part, monkeypatch):
    monkeypatch.setattr(part, "gpu", lambda: False)
    rows = part.measure()
    assert {(row.verdict, row.sides) for row in rows} == {("unmeasured", "no GPU was at hand")}
    assert all(row.wanted or "1024" in row.what for row in rows)


class Told:
    """A way that tells its process by saying how it is computed."""

    def __init__(self, sleeps: float = 0.0) -> None:
        self.computed = {"way": "plain", "captured": True, "process": os.getpid()}
        self.sleeps = sleeps

    def __call__(self, number: int) -> None:
        time.sleep(self.sleeps)


def broken_when_called() -> Told:
    return lambda number: [][number]


def deadly() -> Told:
    return lambda number: os._exit(1)


@pytest.mark.slow
def test_on_a_gpu_the_ways_share_a_process_until_one_breaks():
    good = {"ours": Told, "rival": functools.partial(Told, 0.01)}
    with attempts.Attempts("cuda") as tried:
        seconds = tried.seconds(good, rounds=3)
        first = {name: computed["process"] for name, computed in tried.computed.items()}
        assert tried.seconds({"third": Told}, rounds=1)["third"].shape == (1,)
        assert {*first.values(), tried.computed["third"]["process"]} == {first["ours"]} != {os.getpid()}
        assert {name: spent.shape for name, spent in seconds.items()} == {"ours": (3,), "rival": (3,)}
        assert (seconds["rival"] >= 0.01).all() and seconds["rival"].min() > seconds["ours"].max()
        bad = {"called": broken_when_called, "dead": deadly}
        seconds = tried.seconds({"ours": Told, **bad}, rounds=2)
        assert [*seconds] == ["ours"] and tried.computed["ours"]["process"] != first["ours"]
        assert tried.reasons == {
            "called": "called broke: list index out of range",
            "dead": "dead broke",
        }
    row = tried.compare("it", seconds, "ours", "dead", at_least=0.5)
    assert (row.verdict, row.sides, row.wanted) == ("unmeasured", "dead broke", "at least 0.5")


@pytest.mark.slow
def test_a_way_that_hangs_is_ended_when_the_time_is_up():
    with attempts.Attempts("cuda", minutes=0.1) as tried:
        began = time.monotonic()
        assert tried.seconds({"hanging": functools.partial(Told, 600.0)}, rounds=1) == {}
        assert time.monotonic() - began < 60
        assert tried.reasons == {"hanging": "the time was up"}


def test_a_way_s_settings_hold_in_its_own_turns_alone():
    seen = {True: [], False: []}

    def way(trial: bool):
        def maker():
            assert not torch.backends.cudnn.benchmark
            torch.backends.cudnn.benchmark = trial
            return lambda number: seen[trial].append(torch.backends.cudnn.benchmark)

        return maker

    torch.backends.cudnn.benchmark = False
    attempts.together({"as it is": way(False), "by trial": way(True)}, 3, 1, lambda name: None)
    assert {*seen[True]} == {True} and {*seen[False]} == {False}
    assert not torch.backends.cudnn.benchmark


def test_a_turn_lasts_as_many_calls_as_fill_it_in_multiples_of_what_is_asked(monkeypatch):
    clock = iter(range(10**6))
    calls = []

    def elapsed(work):
        calls.append(0)
        work()
        return calls[-1] * 0.001  # seconds a call

    def counted(number: int) -> None:
        assert number == next(clock)
        calls[-1] += 1

    monkeypatch.setattr(attempts, "elapsed", elapsed)
    monkeypatch.setattr(attempts, "TURN", 0.05)
    seconds, _ = attempts.together({"it": lambda: counted}, 2, 4, lambda name: None)
    assert calls == [4, 4, 48, 48] and seconds["it"] == pytest.approx([0.001, 0.001])


@pytest.mark.slow
def test_what_is_finished_leaves_no_way_behind():
    made = []

    def maker():
        way = Told()
        made.append(weakref.ref(way))
        return way

    attempts.together({"one": maker, "other": maker}, 1, 1, lambda name: None)
    gc.collect()
    assert [reference() for reference in made] == [None, None]


def test_rows_say_which_step_was_timed_and_whether_as_a_graph():
    tried = attempts.Attempts()
    tried.computed = {"ours": {"way": "fused", "captured": True}, "rival": {"way": "plain", "captured": False}}
    row = tried.compare("it", {"ours": np.array([1.0]), "rival": np.array([2.0])}, "ours", "rival")
    assert row.sides == "ours (fused step, a CUDA graph) 1 s, rival (plain step, no CUDA graph) 2 s"


def test_a_plain_step_is_never_timed_as_a_graph():
    def update() -> None:
        pass

    with pytest.raises(RuntimeError, match="not a CUDA graph: the step does not say that it is"):
        attempts.way_of(update, graph_on="cuda")
    update.computed = {"way": "plain", "captured": False, "reason": "LB draws on the host"}
    with pytest.raises(RuntimeError, match="not a CUDA graph: LB draws on the host"):
        attempts.way_of(update, graph_on="cuda")
    assert attempts.way_of(update).computed == update.computed
    update.computed = {"way": "plain", "captured": True}
    assert attempts.way_of(update, graph_on="cuda").computed == update.computed


def test_an_error_of_no_way_is_raised(monkeypatch):
    def in_turns(makers, **options):
        raise RuntimeError("the machine is on fire")

    monkeypatch.setattr(attempts, "in_turns", in_turns)
    with pytest.raises(RuntimeError, match="on fire"):
        attempts.Attempts("cpu").seconds({"ours": None}, rounds=1)


def test_what_there_is_no_time_for_says_so(rehearsed):
    late = attempts.Attempts(minutes=0)
    seconds = late.seconds({"ours": None, "rival": None}, rounds=1)
    assert not seconds and not rehearsed
    assert late.compare("it", seconds, "ours", "rival").sides == "the time was up"
    assert late.late and not attempts.Attempts().late and not attempts.Attempts("cpu").late


@pytest.mark.slow
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


@pytest.mark.slow
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
    # five ways of 1.25 times 16 GiB, and 1 GiB beside, take 101 GiB at 256, and 51 at 128
    assert networks.fitting(networks.Case("efficientnet_b4")).batch == 128
    monkeypatch.setattr(networks, "free_memory", lambda: 1)
    assert networks.fitting(networks.Case("efficientnet_b4")).batch == networks.SMALLEST


def twelve(n: int) -> list[Run]:
    return [dataclasses.replace(RUNS[0], seed=seed, batch_size=n) for seed in range(1, 13)]


def plainly(runs: list[Run], letters: Dataset) -> list[torch.Tensor]:
    """The cohort's parameters after three steps of the library's own, without a graph."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    way, made = remembered(Cohort)
    update = updates.stepper(runs, letters, device="cuda", cohort=way, graphs=False)
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
    update = updates.stepper(twelve(n), letters, device="cuda", cohort=remember)
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
    monkeypatch.setattr(stacked, "stepper", functools.partial(updates.stepper, cohort=way))
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
