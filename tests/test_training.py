"""The loop: same key same bits, cohorts, resuming, pre-training, and every option for what the paper leaves open."""

import dataclasses
import functools
import math
import time

import pytest
import torch

from hardsample.config import PRECISIONS, Run
from hardsample.data.dataset import Dataset, load
from hardsample.data.label_noise import flip_labels
from hardsample.errors import InputError
from hardsample.methods import base, registry
from hardsample.methods.registry import METHODS
from hardsample.training import evaluation, networks, optimizers, updates
from hardsample.training import trainer as training
from hardsample.training.cohort import IMAGES_AT_ONCE, Cohort
from hardsample.training.losses import focal_loss
from hardsample.training.results import COLUMNS, DeadlineError, TrainingResult
from hardsample.training.step import TrainingStep

RUN = Run(
    data="glyphs",
    method="PEB",
    seed=1,
    train_examples=96,
    test_examples=40,
    batch_size=16,
    epochs=3.0,
    pretrain_epochs=1.0,
    learning_rate=1.0,
)

NEEDED = {"KAKURENBO": {"epochs": RUN.epochs}, "InfoBatch": {"epochs": RUN.epochs}}  # options without a default


@pytest.fixture(scope="module")
def letters() -> Dataset:
    return load("glyphs", train_examples=96, test_examples=40)


@functools.cache
def started(start: Run, data: Dataset) -> TrainingResult:
    """The pre-training, trained once for all that go on from it."""
    return training.pretrain([start], data)[0]


def outcome(run: Run, data: Dataset, **hooks) -> TrainingResult:
    starts = [started(run.start, data)] if run.start else None
    return training.train([run], data, starts=starts, **hooks)[0]


def column(result: TrainingResult, name: str) -> list:
    return [row[result.columns.index(name)] for row in result.rows]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_same_run_same_bits_and_another_seed_other_ones(method, letters):
    run = dataclasses.replace(RUN, method=method, options=NEEDED.get(method, {}))
    assert outcome(run, letters).rows == outcome(run, letters).rows
    assert outcome(dataclasses.replace(run, seed=2), letters).rows != outcome(run, letters).rows


def test_a_pre_training_gives_the_same_bits_again(letters):
    one, other = started(RUN.start, letters), training.pretrain([RUN.start], letters)[0]
    assert one.rows == other.rows and one.state.keys() == other.state.keys()
    assert all((one.state[name] == other.state[name]).all() for name in one.state)


@pytest.mark.slow
def test_rows_stand_at_the_cadence_and_epoch_ends_count_the_draws(letters):
    result = outcome(RUN, letters)
    assert column(result, "step") == [0, 3, 6, 9, 12, 15, 18]
    assert column(result, "epoch") == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    distinct, per_class = column(result, "draws/distinct"), column(result, "draws/per-class")
    assert distinct[:3] == [None, None, 96]  # the pre-training draws every example once
    assert per_class[2] == torch.bincount(letters.y_train, minlength=26).tolist()
    assert [sum(draws) for draws in per_class[2::2]] == [96, 96, 96]
    assert 0 < distinct[4] < 96


def test_training_learns(letters):
    run = dataclasses.replace(RUN, method="MB", epochs=12.0)
    losses = column(outcome(run, letters), "loss/train")
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_interrupted_and_resumed_equals_uninterrupted(method, letters):
    run = dataclasses.replace(RUN, method=method, options=NEEDED.get(method, {}))
    starts = [started(run.start, letters)]
    whole = training.train([run], letters, starts=starts)[0]
    for steps_before in (0, 5):
        saved = []
        with pytest.raises(DeadlineError):
            training.train([run], letters, starts=starts, save_checkpoint=saved.append, deadline=_After(steps_before))
        resumed = training.train([run], letters, starts=starts, checkpoint=saved[-1])[0]
        assert resumed.rows == whole.rows


class _After(float):
    """A deadline that passes when it has been looked at so many times."""

    def __new__(cls, looks):
        self = super().__new__(cls, math.inf)
        self.looks = looks
        return self

    def __lt__(self, now: float) -> bool:
        self.looks -= 1
        return self.looks < 0


def test_a_past_deadline_without_a_checkpoint_hook_still_stops(letters):
    with pytest.raises(DeadlineError, match="6 of 18 steps"):
        outcome(RUN, letters, deadline=time.monotonic() - 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["MB", "PEB", "LB"])
def test_a_member_of_a_cohort_trains_as_it_does_alone(method, letters):
    runs = [dataclasses.replace(RUN, method=method, seed=seed, batch_size=48) for seed in (1, 2)]
    together = training.train(runs, letters, starts=training.pretrain([run.start for run in runs], letters))
    for run, member in zip(runs, together, strict=True):
        alone = outcome(run, letters)
        for name in ("loss/train", "loss/val"):
            assert column(member, name) == pytest.approx(column(alone, name), rel=2e-2)
        assert column(member, "draws/per-class") == column(alone, "draws/per-class")


@pytest.mark.slow
def test_methods_share_the_start_of_their_seed(letters):
    starts = {dataclasses.replace(RUN, method=method).start for method in METHODS}
    assert len(starts) == 1
    plb, peb = (outcome(dataclasses.replace(RUN, method=method), letters) for method in ("PLB", "PEB"))
    assert plb.rows[:3] == peb.rows[:3]
    assert plb.rows[3:] != peb.rows[3:]


FLIPS = [
    {"options": {"score": "after"}},
    {"options": {"score_dropout": False}},
    {"options": {"score": "after", "score_dropout": True}},
    {"options": {"floor": 5.0}},
    {"pretrain_start": "shared"},
    {"pretrain_optimizer_state": "carried"},
    {"rho": 0.9, "learning_rate_decay": 0.95},
    {"options": {"uniform": 0.5}},
    {"options": {"beta": 1.0}},
    {"options": {"refresh_every": 3}},
    {"loss": "focal"},
    {"loss": "focal", "focal_gamma": 0.5},
    {"label_noise": 0.2},
    {"learning_rate_schedule": "cosine"},
]


OPEN = dataclasses.replace(RUN, method="PLB", epochs=7.0, evaluations_per_epoch=1)  # time for losses to differ


@pytest.fixture(scope="module")
def by_default(letters):
    return outcome(OPEN, letters).rows[-1]


@pytest.mark.slow
@pytest.mark.parametrize("flip", FLIPS, ids=str)
def test_every_open_question_is_an_option_that_changes_the_run(flip, letters, by_default):
    flipped = dataclasses.replace(OPEN, **flip)
    assert flipped.key != OPEN.key
    rows = outcome(flipped, letters).rows
    assert rows[-1] != by_default
    assert all(math.isfinite(value) for value in rows[-1][2:6])


@pytest.mark.slow
def test_bf16_changes_the_run(letters):
    """In few steps, since a CPU may have to emulate them."""
    run = dataclasses.replace(RUN, epochs=0.5, pretrain_epochs=0.0)
    rows = outcome(dataclasses.replace(run, precision="bf16"), letters).rows
    assert rows[-1] != outcome(run, letters).rows[-1]
    assert all(math.isfinite(value) for value in rows[-1][2:6])


@pytest.mark.slow
def test_passes_through_the_network_are_counted(letters):
    runs = {
        "MB": dataclasses.replace(RUN, method="MB"),
        "PLB": dataclasses.replace(RUN, method="PLB"),
        "after": dataclasses.replace(RUN, method="PLB", options={"score": "after"}),
        "refreshed": dataclasses.replace(RUN, method="PLB", options={"refresh_every": 6}),
    }
    found = {name: outcome(run, letters) for name, run in runs.items()}
    steps = column(found["MB"], "step")
    assert all(column(result, "backwards") == [16 * step for step in steps] for result in found.values())
    assert column(found["MB"], "forwards") == [16 * step for step in steps]
    assert column(found["PLB"], "forwards") == [16 * step + 96 * (step > 6) for step in steps]  # the first base values
    assert column(found["after"], "forwards")[-1] == 16 * (6 + 2 * 12) + 96
    assert column(found["refreshed"], "forwards")[-1] == 16 * 18 + 96 * 2
    saved = []
    with pytest.raises(DeadlineError):
        outcome(runs["refreshed"], letters, save_checkpoint=saved.append, deadline=_After(5))
    assert outcome(runs["refreshed"], letters, checkpoint=saved[-1]).rows == found["refreshed"].rows


@pytest.mark.slow
def test_weights_multiply_the_losses(letters):
    evenly = dataclasses.replace(RUN, method="PLB", options={"uniform": 1.0})
    same = dataclasses.replace(RUN, method="PLB", options={"uniform": 1.0, "beta": 1.0})  # all weights are 1
    assert outcome(same, letters).rows == outcome(evenly, letters).rows


@pytest.mark.slow
def test_a_focal_loss_of_gamma_0_is_the_cross_entropy_and_others_follow_equation_4(letters):
    p = torch.tensor([0.9, 0.5, 0.01], dtype=torch.float64)
    assert torch.allclose(focal_loss(-p.log(), 2.0), -((1 - p) ** 2) * p.log())
    assert outcome(dataclasses.replace(RUN, loss="focal", focal_gamma=0.0), letters).rows == outcome(RUN, letters).rows


@pytest.mark.slow
def test_labels_are_flipped_by_the_seed_in_training_alone(letters):
    seeds = torch.tensor([1, 2])
    wrong = flip_labels(letters.y_train, 26, seeds, 0.25)
    changed = wrong != letters.y_train
    assert changed.sum(1).tolist() == [24, 24] and (changed[0] != changed[1]).any()
    assert wrong.min() >= 0 and wrong.max() < 26
    assert torch.equal(flip_labels(letters.y_train, 26, seeds[1:], 0.25)[0], wrong[1])
    clean, noisy = (outcome(dataclasses.replace(RUN, label_noise=share), letters) for share in (0.0, 1.0))
    assert column(noisy, "acc/val")[0] == column(clean, "acc/val")[0]
    assert column(noisy, "loss/train")[0] != column(clean, "loss/train")[0]


def test_a_flipped_label_is_any_other_with_equal_chances():
    wrong = flip_labels(torch.zeros(20_000, dtype=torch.int64), 5, torch.tensor([3]), 1.0)[0]
    counts = torch.bincount(wrong, minlength=5)
    assert counts[0] == 0 and (counts[1:] - 5_000).abs().max() < 300  # five standard deviations


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_pixels_standardised_by_the_training_set_s_moments(letters, precision):
    runs = [dataclasses.replace(RUN, input_scaling="standard", precision=precision, seed=seed) for seed in (1, 2)]
    pixels = letters.x_train.double() / 255
    moments = pytest.approx((pixels.mean().item(), pixels.std(correction=0).item()), rel=1e-9)
    step = TrainingStep([run.start for run in runs], letters, torch.device("cpu"))
    assert step.cohort.module.moments == moments and letters.pixel_moments == moments
    alone = outcome(runs[0], letters)
    together = training.train(runs, letters, starts=training.pretrain([run.start for run in runs], letters))
    exact = {"rel": 1e-3} if precision == "float32" else {"rel": 0.2}
    assert column(together[0], "loss/val") == pytest.approx(column(alone, "loss/val"), **exact)
    unit = outcome(dataclasses.replace(runs[0], input_scaling="unit"), letters)
    assert column(unit, "loss/val")[0] != column(alone, "loss/val")[0]  # evaluated so, too
    assert "-standard" in runs[0].label and runs[0].start.input_scaling == "standard"


def test_pixels_that_cannot_be_standardised_are_refused(letters, digits):
    standard = {"input_scaling": "standard"}
    with pytest.raises(InputError, match="input_scaling is 'standard', but narrow-resnet scales its images in its own"):
        training.check(dataclasses.replace(RUN, network="narrow-resnet", **standard), digits)
    blank = dataclasses.replace(letters, x_train=torch.full_like(letters.x_train, 7))
    for refusing in (training.check, lambda run, data: training.train([run], data)):
        with pytest.raises(InputError, match="but all those of glyphs are alike: leave it out"):
            refusing(dataclasses.replace(RUN, pretrain_epochs=0.0, **standard), blank)


@pytest.mark.slow
def test_the_cosine_falls_from_the_learning_rate_to_0_after_the_pre_training(letters, monkeypatch):
    rates = []
    step = optimizers.Adadelta.step
    monkeypatch.setattr(
        optimizers.Adadelta, "step", lambda self, gradients, rate: rates.append(rate) or step(self, gradients, rate)
    )
    run = dataclasses.replace(RUN, learning_rate_schedule="cosine")
    training.train([run], letters, starts=training.pretrain([run.start], letters))
    assert rates[:6] == [1.0] * 6
    assert rates[6:] == pytest.approx([(1 + math.cos(math.pi * t / 12)) / 2 for t in range(12)])


@pytest.mark.slow
def test_a_shared_start_is_the_same_for_every_seed(letters):
    runs = [dataclasses.replace(RUN, pretrain_start="shared", seed=seed) for seed in (1, 2)]
    assert runs[0].start == runs[1].start
    first, second = (outcome(run, letters) for run in runs)
    assert first.rows[:3] == second.rows[:3] and first.rows[-1] != second.rows[-1]


def test_a_diverged_run_ends_with_a_record(letters):
    result = outcome(dataclasses.replace(RUN, learning_rate=1e30), letters)
    assert column(result, "step") == [0, 3]  # no update would bring it back
    assert all(math.isnan(value) for value in result.rows[-1][2:6])
    assert column(result, "acc/val")[0] >= 0


@pytest.mark.slow
def test_a_cohort_goes_on_while_a_seed_of_it_is_sound(letters, monkeypatch):
    """A seed that diverges has no metrics from there on, and stops no other."""
    runs = [dataclasses.replace(RUN, method="MB", pretrain_epochs=0.0, seed=seed) for seed in (1, 2)]
    scores = Cohort.evaluate

    def one_diverged(cohort, *arguments, **options):
        logits, losses = scores(cohort, *arguments, **options)
        losses[0] = torch.nan
        return logits, losses

    monkeypatch.setattr(Cohort, "evaluate", one_diverged)
    first, second = training.train(runs, letters)
    assert math.isnan(column(first, "acc/train")[-1]) and not math.isnan(column(second, "acc/train")[-1])
    assert column(first, "step")[-1] == 18


@pytest.mark.parametrize(
    "change, message",
    [
        ({"method": "XX"}, "unknown method 'XX': choose one of MB, SMB, LB, PLB, PEB"),
        (
            {"options": {"flor": 1}},
            r"unknown option of PEB 'flor' \(did you mean floor\?\): choose one of floor, score",
        ),
        ({"method": "MB", "options": {"floor": 1}}, "it has no options"),
        ({"options": {"score": "never"}}, "unknown score 'never'"),
        ({"options": {"floor": 0}}, "floor is 0"),
        ({"method": "LB", "options": {"held_out": 0.9}}, "held_out is 0.9"),
        ({"network": "vgg"}, "unknown network 'vgg'"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam'"),
    ],
)
def test_bad_runs_are_refused_with_the_valid_names(change, message, letters):
    run = dataclasses.replace(RUN, pretrain_epochs=0.0, **change)
    with pytest.raises(InputError, match=message):
        training.train([run], letters)


@pytest.mark.slow
def test_a_cohort_of_different_runs_and_a_missing_start_are_refused(letters):
    with pytest.raises(InputError, match="differ in their seed alone"):
        training.train([RUN, dataclasses.replace(RUN, method="MB")], letters)
    with pytest.raises(InputError, match="train its start first"):
        training.train([RUN], letters)
    other = load("glyphs", train_examples=64, test_examples=40)
    saved = []
    with pytest.raises(DeadlineError):
        outcome(RUN, letters, save_checkpoint=saved.append, deadline=0.0)
    with pytest.raises(InputError, match="of another run, start or version"):
        training.train([RUN], other, starts=training.pretrain([RUN.start], other), checkpoint=saved[0])


def test_the_estimate_is_of_the_right_size(letters):
    assert 0 < updates.estimate(RUN, letters) < 60


IMAGES = Run(
    data="glyphs10-32",
    method="HMB",
    seed=1,
    options={"delta": 0.5},
    network="mobilenet_v3_small",
    optimizer="sgd",
    learning_rate=0.02,
    train_examples=44,
    test_examples=20,
    batch_size=8,
    epochs=3.0,
    evaluations_per_epoch=1.0,
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("glyphs10-32", train_examples=44, test_examples=20)


@pytest.mark.slow
def test_delta_1_is_plain_training_in_the_same_order_bit_for_bit(digits):
    """Algorithm 1 with torch's own optimiser and data loader, over mini-batches in the data's order, the last short."""
    run = dataclasses.replace(IMAGES, options={"delta": 1.0, "shuffle": False}, image_size=32)
    network = (
        networks.build(run.network, 10, run.seed, 32, initialization=run.initialization)
        .to(memory_format=torch.channels_last)
        .train()
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=run.learning_rate, momentum=run.momentum)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(digits.x_train, digits.y_train), batch_size=8)
    for _ in range(3):
        for images, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    trainer = training.Trainer(TrainingStep([run], digits, torch.device("cpu")))
    trainer.advance()
    assert trainer.step == 18
    for ours, theirs in zip(trainer.parts.cohort.parameters, network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("method, options", [("HMB", {"delta": 0.2}), ("RMB", {"delta": 0.5}), ("FMB", {}), ("HE", {})])
def test_rounds_make_e_n_updates_and_are_evaluated_after_every_n(method, options, digits):
    result = outcome(dataclasses.replace(IMAGES, method=method, options=options), digits)
    assert column(result, "step") == [0, 6, 12, 18] and column(result, "epoch") == [0, 1, 2, 3]
    assert column(result, "draws/distinct")[1] == 44
    assert column(result, "loss/train")[-1] < column(result, "loss/train")[0]


@pytest.mark.slow
def test_a_training_of_whole_rounds_ends_with_the_last_and_is_evaluated_there(digits):
    options = {"delta": 0.5, "drop_last": True, "round_length": "truncated", "rounds": 4}  # int(ζ) of E = 3
    run = dataclasses.replace(IMAGES, options=options)
    result = outcome(run, digits)
    assert column(result, "step") == [0, 5, 10, 13]  # N + 4 int(N / 2) of 15
    more = outcome(dataclasses.replace(run, options=options | {"rounds": 40}), digits)
    assert column(more, "step") == [0, 5, 10, 15] and more.rows[:3] == result.rows[:3]


@pytest.mark.slow
def test_interrupted_and_resumed_rounds_equal_uninterrupted_ones_within_a_round(digits):
    new_order = ("RMB", {"delta": 1.0, "walk": "drawn"})
    for method, options in (("HMB", {"delta": 0.8}), new_order, ("FMB", {}), ("HE", {"delta": 0.8})):
        run = dataclasses.replace(IMAGES, method=method, options=options)
        whole, saved = outcome(run, digits), []
        with pytest.raises(DeadlineError):
            training.train([run], digits, save_checkpoint=saved.append, deadline=_After(8))
        assert training.train([run], digits, checkpoint=saved[-1])[0].rows == whole.rows


@pytest.mark.slow
def test_evaluation_by_mini_batches_is_their_plain_mean_with_its_spread(digits):
    run = dataclasses.replace(IMAGES, evaluation_statistics="batch", evaluation_average="mini-batches")
    trainer = training.Trainer(TrainingStep([run], digits, torch.device("cpu")))
    trainer.advance()
    parts = digits.x_train.split(8), digits.y_train.split(8)
    hits = torch.stack(
        [
            (trainer.parts.cohort.logits(images, training=True)[0].argmax(1) == labels).double().mean()
            for images, labels in zip(*parts, strict=True)
        ]
    )
    last = dict(zip(COLUMNS, trainer.rows[0][-1], strict=True))
    assert last["acc/train"] == pytest.approx(hits.mean().item())
    assert last["acc/train-sd"] == pytest.approx(hits.std().item())
    assert (last["batches/train"], last["batches/val"]) == (6, 3)


@pytest.mark.slow
def test_the_halves_of_the_test_set_make_up_the_whole(digits):
    last = dict(zip(COLUMNS, outcome(IMAGES, digits).rows[-1], strict=True))
    assert (last["acc/choose"] + last["acc/report"]) / 2 == pytest.approx(last["acc/val"])
    assert last["acc/train-sd"] is None and last["batches/val"] is None


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.TITLES)
def test_every_network_trains(network):
    data = load("glyphs10-32", train_examples=12, test_examples=4)
    sizes = {"batch_size": 6, "train_examples": 12, "test_examples": 4, "epochs": 2.0}
    young = "batch"  # running statistics of four updates are too young for the deepest networks
    run = dataclasses.replace(IMAGES, network=network, evaluation_statistics=young, **sizes)
    result = training.train([run], data)[0]
    assert column(result, "step") == [0, 2, 4]
    assert all(math.isfinite(value) for row in result.rows for value in row[2:6])
    assert column(result, "loss/train")[-1] != column(result, "loss/train")[0]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"network": "letters-cnn"}, "letters-cnn takes images of 1x28x28, and these are 3x32x32"),
        ({"options": {"delta": 0.1}}, "delta is 0.1, and of 6 mini-batches"),
        ({"batch_size": 43}, "mini-batches of 43 of 44 images come down to a single one"),
        ({"batch_size": 1}, "mini-batches of 1 of 44 images come down to a single one"),
        ({"method": "FMB"}, "unknown option of FMB 'delta': choose one of drop_last"),
    ],
)
def test_a_run_that_cannot_begin_is_refused_beforehand(change, message, digits):
    training.check(IMAGES, digits)
    with pytest.raises(InputError, match=message):
        training.check(dataclasses.replace(IMAGES, **change), digits)


@pytest.mark.slow
def test_a_stepper_makes_the_updates_of_the_run(digits):
    trainer = training.Trainer(TrainingStep([IMAGES], digits, torch.device("cpu")))
    trainer.advance()
    update = updates.stepper(IMAGES, digits)
    for _ in range(18):
        update()
    stepped = update.__closure__  # what makes its steps
    other = next(cell.cell_contents for cell in stepped if isinstance(cell.cell_contents, TrainingStep))
    for one, two in zip(trainer.parts.cohort.parameters, other.cohort.parameters, strict=True):
        assert torch.equal(one, two)


# Losses of a network that diverges say nothing of two ways of computing them.
SOUND = {"learning_rate": 1e-3, "evaluation_statistics": "batch"}


@pytest.mark.slow
@pytest.mark.parametrize("network", networks.TITLES)
def test_what_the_graph_is_compared_on_does_not_diverge(network, digits):
    result = outcome(dataclasses.replace(IMAGES, network=network, epochs=1.0, **SOUND), digits)
    assert all(0 < loss < 10 for loss in column(result, "loss/train"))


@pytest.mark.gpu
@pytest.mark.parametrize("network", networks.TITLES)
def test_the_graph_of_every_network_equals_the_plain_loop(network, digits):
    run = dataclasses.replace(IMAGES, network=network, **SOUND)
    captured = training.train([run], digits, device="cuda")[0]
    plain = training.train([run], digits, device="cuda", graphs=False)[0]
    assert captured.computed["captured"] and not plain.computed["captured"]
    assert column(captured, "loss/train") == pytest.approx(column(plain, "loss/train"), rel=5e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_the_graph_equals_the_plain_loop(method, letters):
    options = NEEDED.get(method, {})
    runs = [dataclasses.replace(RUN, method=method, options=options, seed=seed) for seed in range(1, 13)]
    starts = training.pretrain([run.start for run in runs], letters, device="cuda")
    captured = training.train(runs, letters, device="cuda", starts=starts)
    plain = training.train(runs, letters, device="cuda", starts=starts, graphs=False)
    for one, other in zip(captured, plain, strict=True):
        assert column(one, "loss/val") == pytest.approx(column(other, "loss/val"), rel=2e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("n", [4, 32, 200])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("method", ["MB", "SMB", "PLB", "PEB"])
def test_the_fused_step_is_as_near_to_float32_as_the_plain_one(method, precision, n):
    data = load("glyphs", train_examples=1_320, test_examples=40)  # base values on two levels
    run = Run("glyphs", method, 1, batch_size=n, precision=precision)
    runs = [dataclasses.replace(run, seed=seed) for seed in range(1, 13)]
    computed = updates.stepper(runs, data, device="cuda", way="fused").computed
    assert computed["check"]["agrees"], computed
    assert computed["way"] == "fused" and computed["captured"]


@pytest.mark.parametrize(("seeds", "statistics"), [(1, "running"), (2, "batch")])
def test_evaluating_in_blocks_changes_no_bit(monkeypatch, seeds, statistics):
    """Of metrics, and of the base values that PEB begins with: whole parts are passed together, as ever."""
    data = load("glyphs", train_examples=1100, test_examples=520)
    common = {"epochs": 0.02, "batch_size": 20, "evaluation_statistics": statistics}
    runs = [Run("glyphs", "PEB", seed, **common) for seed in range(1, seeds + 1)]
    monkeypatch.setattr(base, "AT_ONCE", 10**6)
    monkeypatch.setattr(evaluation, "AT_ONCE", 10**6)
    whole = training.train(runs, data)
    monkeypatch.setattr(base, "AT_ONCE", 700)
    monkeypatch.setattr(evaluation, "AT_ONCE", 700)
    assert [one.rows for one in training.train(runs, data)] == [one.rows for one in whole]


def test_the_logits_of_all_examples_are_never_kept_at_once():
    asked = []

    def evaluate(indices):
        asked.append(indices.shape[1])
        return torch.zeros(*indices.shape, 300), torch.ones(indices.shape)

    size = 3 * base.AT_ONCE + 7
    method = registry.build("PEB", size, 32, torch.tensor([1]))
    method.refresh(0, evaluate)
    assert asked == [base.AT_ONCE] * 3 + [7]
    evaluate.at_once = IMAGES_AT_ONCE - 1
    method.refresh(0, evaluate)
    assert asked[4] % (IMAGES_AT_ONCE - 1) == 0 and max(asked) == base.AT_ONCE
    torch.testing.assert_close(method.hardness, torch.full((1, size), 300.0).log())
