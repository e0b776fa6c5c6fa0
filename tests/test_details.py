"""Runs that keep details of single examples: the right numbers, no change of the training, and a sound file."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from scipy import stats

from hardsample.config import Run
from hardsample.data.dataset import Dataset, load
from hardsample.errors import InputError
from hardsample.runs import leftovers
from hardsample.runs.launch import launch
from hardsample.runs.store import Store
from hardsample.training import staleness
from hardsample.training import trainer as training
from hardsample.training.details import MOMENTS, Details
from hardsample.training.fused import support
from hardsample.training.results import DeadlineError, TrainingResult
from hardsample.training.step import TrainingStep

RUN = Run(
    data="glyphs",
    method="PEB",
    network="narrow-letters-cnn",
    seed=1,
    train_examples=96,
    test_examples=40,
    batch_size=16,
    epochs=3.0,
    pretrain_epochs=1.0,
    learning_rate=1.0,
    detail="examples",
)
METHODS = ("MB", "PLB", "PEB", "LPS")


@pytest.fixture(scope="module")
def letters() -> Dataset:
    return load("glyphs", train_examples=96, test_examples=40)


@functools.cache
def start(run: Run, data: Dataset) -> TrainingResult:
    return training.pretrain([run.start], data)[0]


def outcome(run: Run, data: Dataset, **hooks) -> TrainingResult:
    return training.train([run], data, starts=[start(run, data)] if run.start else None, **hooks)[0]


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


@pytest.mark.parametrize("method", METHODS)
def test_details_change_no_number_of_the_training(method, letters):
    run = dataclasses.replace(RUN, method=method)
    plain = dataclasses.replace(run, detail="metrics")
    assert run.start == plain.start and run.key != plain.key
    kept, without = outcome(run, letters), outcome(plain, letters)
    assert repr(kept.rows) == repr(without.rows) and not without.detail
    assert ("stale/rank" in kept.detail) == (method != "MB")


def test_without_details_nothing_of_them_is_measured(letters, monkeypatch):
    monkeypatch.setattr(Details, "__init__", None)
    plain = dataclasses.replace(RUN, detail="metrics")
    outcome(plain, letters)
    step = TrainingStep([plain], letters, torch.device("cpu"), [start(plain, letters)])
    assert step.drawn is None and not any(name.startswith("drawn/") for name in step.tensors)


def test_what_is_kept_of_the_examples_is_what_the_metrics_are_means_of(letters):
    result = outcome(RUN, letters)
    first, last = (dict(zip(result.columns, result.rows[place], strict=True)) for place in (2, -1))
    kept, labels = result.detail, letters.y_test.numpy()
    for row, ending in ((first, "-before"), (last, "")):
        assert (kept[f"test/predicted{ending}"] == labels).mean() == pytest.approx(row["acc/val"])
        assert kept[f"test/loss{ending}"].mean(dtype=float) == pytest.approx(row["loss/val"], rel=1e-3)
    assert first["step"] == 6 and first["acc/val"] == pytest.approx((kept["test/predicted-before"] == labels).mean())
    assert (kept["train/predicted"] == kept["train/label"]).mean() == pytest.approx(last["acc/train"])
    assert kept["train/loss"].mean(dtype=float) == pytest.approx(last["loss/train"], rel=1e-3)
    assert np.array_equal(kept["train/label"], letters.y_train.numpy()) and np.array_equal(kept["test/label"], labels)
    assert kept["train/drawn"].sum() == 2 * 96
    hardest = kept["hardest/index"]
    assert set(hardest) == set(np.argsort(-kept["train/loss"], kind="stable")[: len(hardest)])
    assert (np.diff(kept["train/loss"][hardest].astype(float)) <= 0).all()
    assert np.array_equal(kept["hardest/image"], letters.x_train[hardest.astype(int)].numpy())


def test_labels_that_were_flipped_are_those_kept(letters):
    kept = outcome(dataclasses.replace(RUN, label_noise=1.0), letters).detail
    assert not (kept["train/label"] == letters.y_train.numpy()).any()


@pytest.mark.parametrize("method, options", [("MB", {}), ("PLB", {}), ("PEB", {"refresh_every": 2})])
def test_details_survive_every_interruption(method, options, letters):
    run = dataclasses.replace(RUN, method=method, options=options)
    whole, saved = outcome(run, letters), None
    for _ in range(11):  # once before each step but the first
        states = []
        with pytest.raises(DeadlineError):
            outcome(run, letters, checkpoint=saved, save_checkpoint=states.append, deadline=_Once())
        saved = states[-1]
    resumed = outcome(run, letters, checkpoint=saved)
    assert repr(resumed.rows) == repr(whole.rows) and same(resumed.detail, whole.detail)


class _Once(float):
    """A deadline that passes when it has been looked at twice."""

    def __init__(self):
        self.looks = 0

    def __lt__(self, now):
        self.looks += 1
        return self.looks > 1


def test_staleness_is_of_the_values_stored_then_and_of_the_network_of_then(letters, monkeypatch):
    """The stored values and the forward passes themselves, of a run without details stopped where a moment is."""
    kept = outcome(dataclasses.replace(RUN, method="PLB"), letters).detail
    assert kept["stale/epoch"].tolist() == pytest.approx([9 / 6, 11 / 6, 14 / 6, 16 / 6, 3.0])
    plain = dataclasses.replace(RUN, method="PLB", detail="metrics")
    step = TrainingStep([plain], letters, torch.device("cpu"), [start(plain, letters)])
    last = np.full(96, -1)
    for number in range(6, 14):
        step.prepare(number)
        indices = step.method.base_values.draw(number, 16)
        last[indices[0].numpy()] = number
        step.take(number)
    stored = step.method.base_values.values[0].double().numpy()
    true = step.evaluate(letters.x_train, letters.y_train)[1][0].double().numpy()
    place = 2
    assert kept["stale/rank"][place] == pytest.approx(stats.spearmanr(stored, true).statistic, rel=1e-5)
    assert kept["stale/ratio"][place] == pytest.approx(np.quantile(stored / true, [0.1, 0.5, 0.9]), rel=1e-5)
    assert kept["stale/sum"][place] == pytest.approx(stored.sum() / true.sum(), rel=1e-5)
    moved = np.maximum(stored / stored.sum() - true / true.sum(), 0).sum()
    assert kept["stale/moved"][place] == pytest.approx(moved, rel=1e-4)
    age = (14 - np.where(last < 0, 6, last)) / 6
    assert kept["stale/age"][place] == pytest.approx(np.quantile(age, [0.1, 0.5, 0.9, 1.0]), rel=1e-5)
    assert kept["stale/undrawn"][place] == pytest.approx((last < 0).mean())


def test_values_that_were_just_computed_are_not_stale(letters):
    """Where no update changes the network, stored and true values differ by rounding, and by dropout not at all."""
    options = {"score_dropout": False}
    kept = outcome(dataclasses.replace(RUN, learning_rate=1e-30, options=options), letters).detail
    assert kept["stale/rank"] == pytest.approx(np.ones(MOMENTS), abs=1e-3)
    assert kept["stale/moved"] == pytest.approx(np.zeros(MOMENTS), abs=1e-5)
    assert kept["stale/ratio"] == pytest.approx(np.ones((MOMENTS, 3)), abs=1e-4)


def test_refreshing_ends_the_age_of_all_values(letters):
    kept = outcome(dataclasses.replace(RUN, options={"refresh_every": 3}), letters).detail
    assert kept["stale/age"].max() <= 3 / 6 + 1e-6


def test_ranks_share_the_mean_of_equal_values():
    chance = np.random.default_rng(0)
    stored, true = chance.integers(1, 6, (2, 200)).astype(float)
    assert staleness.compare(stored, true)["rank"] == pytest.approx(stats.spearmanr(stored, true).statistic)
    assert np.isnan(staleness.compare(np.ones(5), true[:5])["rank"])


def test_losses_that_float16_does_not_hold_are_clipped(letters, monkeypatch):
    scores = training.evaluation.TrainingStep.evaluate

    def huge(step, *arguments, **options):
        logits, losses = scores(step, *arguments, **options)
        return logits, torch.full_like(losses, torch.inf)

    monkeypatch.setattr(TrainingStep, "evaluate", huge)
    kept = outcome(dataclasses.replace(RUN, method="MB", pretrain_epochs=0.0, epochs=1.0), letters).detail
    assert kept["test/loss-before"].max() == kept["train/loss"].max() == np.finfo(np.float16).max


def test_a_cohort_keeps_the_details_of_each_seed(letters):
    runs = [dataclasses.replace(RUN, seed=seed) for seed in (1, 2)]
    together = training.train(runs, letters, starts=[start(run, letters) for run in runs])
    assert not np.array_equal(together[0].detail["train/drawn"], together[1].detail["train/drawn"])
    for run, member in zip(runs, together, strict=True):
        alone = outcome(run, letters)
        assert np.array_equal(member.detail["train/drawn"], alone.detail["train/drawn"])
        assert member.detail["stale/rank"] == pytest.approx(alone.detail["stale/rank"], abs=0.05)


def test_a_diverged_run_keeps_what_there_is(letters):
    kept = outcome(dataclasses.replace(RUN, learning_rate=1e30), letters).detail
    assert np.isnan(kept["stale/epoch"]).all() and len(kept["hardest/index"]) == 40


def test_the_fused_step_leaves_draws_uncounted_and_says_so():
    method = training.registry.build("PEB", 96, 16, torch.tensor([1]), first_step=6, options={})
    run = dataclasses.replace(RUN, network="letters-cnn")
    assert "detail" in support.unserved(run, method, 26)
    assert support.unserved(dataclasses.replace(run, detail="metrics"), method, 26) == ""


# the store


@pytest.fixture
def stored(tmp_path):
    """A store with a run that keeps details, as a launch leaves it."""
    store = Store(tmp_path / "store")
    launch([RUN], device="cpu", workers=1, store=store, quiet=True).raise_if_incomplete()
    return store


def test_details_come_back_as_they_were_measured(stored, letters):
    assert same(stored.read_detail(RUN), dict(outcome(RUN, letters).detail))
    assert stored.verify() == [] and leftovers.unfinished(stored.root) == []
    assert {path.suffix for path in stored.path(RUN).parent.iterdir()} == {".json", ".npz"}
    before = stored.path(RUN).read_bytes()
    assert launch([RUN], device="cpu", workers=1, store=stored, quiet=True).found == 1
    assert stored.path(RUN).read_bytes() == before


@pytest.mark.parametrize("spoil", ["gone", "cut", "other"])
def test_a_run_without_its_details_is_not_done_and_is_trained_again(stored, spoil):
    record, detail = stored.path(RUN), stored.path(RUN).with_suffix(".npz")
    before, content = record.read_bytes(), detail.read_bytes()
    detail.unlink() if spoil == "gone" else detail.write_bytes(content[:99] if spoil == "cut" else content + b"\0")
    assert not stored.has(RUN) and stored.find(RUN) is None and stored.missing([RUN]) == [RUN]
    [problem] = stored.verify()
    assert str(detail) in problem and "launch the run again" in problem
    with pytest.raises(InputError, match="no finished run"):
        stored.read_detail(RUN)
    launch([RUN], device="cpu", workers=1, store=stored, quiet=True).raise_if_incomplete()
    assert stored.verify() == [] and detail.read_bytes() == content and record.read_bytes() == before


def test_details_that_differ_set_the_old_record_aside(stored, letters):
    stored.path(RUN).with_suffix(".npz").unlink()
    other = dataclasses.replace(outcome(RUN, letters), detail={"train/drawn": np.zeros(96, np.uint16)})
    assert stored.write(RUN, other, {"data": {"fingerprint": "f"}, "seconds": {"wall": 1.0}, "cohort": 1})
    assert stored.has(RUN) and stored.read_detail(RUN).keys() == {"train/drawn"}
    assert [path.suffix for path in leftovers.unfinished(stored.root)] == [".broken"]


def test_details_whose_run_was_never_written_are_left_over(stored):
    stored.path(RUN).unlink()
    assert leftovers.unfinished(stored.root) == [stored.path(RUN).with_suffix(".npz")] and not stored.has(RUN)


def test_a_run_of_metrics_alone_has_no_details_to_read(stored):
    with pytest.raises(InputError, match='keeps no single examples: train it with detail="examples"'):
        stored.read_detail(dataclasses.replace(RUN, detail="metrics"))


def test_a_value_that_is_none_is_refused():
    with pytest.raises(InputError, match="unknown detail 'all': choose one of metrics, examples"):
        dataclasses.replace(RUN, detail="all")
