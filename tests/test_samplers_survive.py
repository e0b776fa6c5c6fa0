"""A sampler ends no training that could go on: zeros, skipped batches, dropped items, micro-batches, broken data."""

import itertools
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.methods.persistent import PersistentLoss
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.watch import SamplerWarning
from tests.test_samplers import Itself, Scores, alike, drawn, loader, refused, resumed, trained, values

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
KINDS = pytest.mark.parametrize("kind", [BaseValuesSampler, HardMiniBatchSampler])
SIZE, N = 400, 32
FLOOR = pytest.approx(1e-8)


# Scores that are all zero.


@KINDS
def test_a_training_whose_scores_are_all_zero_goes_on(kind):
    sampler = kind(8, 4, lag=2)
    for _ in range(12):
        sampler.update(sampler.draw(), torch.zeros(4))
    sampler = kind(8, 4)
    sampler.fill(torch.zeros(8))
    assert set(drawn(sampler, lambda indices: torch.zeros(len(indices)), 4)[0]) <= set(range(8))


def test_zeros_are_stored_as_the_floor_and_leave_unseen_examples_before_seen_ones():
    sampler = BaseValuesSampler(6, 2)
    sampler.fill(torch.zeros(6))
    assert values(sampler) == [FLOOR] * 6
    sampler = BaseValuesSampler(6, 2, seed=2)
    first = sampler.draw().tolist()
    sampler.update(first, torch.zeros(2))
    second = sampler.draw().tolist()
    assert [values(sampler)[i] for i in range(6)] == [FLOOR if i in first else 1.0 for i in range(6)]
    sampler.update(second, torch.tensor([5.0, 3.0]))
    sampler.draw()
    expected = [FLOOR if i in first else 5.0 for i in range(6)]
    for i, score in zip(second, (5.0, 3.0), strict=True):
        expected[i] = score
    assert not set(first) & set(second) and values(sampler) == expected


# Batches that are left out.


def test_a_skipped_batch_changes_nothing_but_the_step():
    sampler, score = BaseValuesSampler(SIZE, N, refresh_every=6), Scores()
    drawn(sampler, score, 5)
    before = sampler.draw()
    known = values(sampler)
    sampler.skip()
    assert sampler.refresh_due and sampler.state_dict()["updates"] == 6
    assert not torch.equal(sampler.draw(), before) and values(sampler) == known
    sampler.skip()
    refused(sampler, "no batch waits for an update", sampler.skip)


def nan_every_fifth(sampler, batches, score, skipped: bool) -> list[list[int]]:
    """The batches of a training whose loss is NaN for every fifth, which has its own way of leaving it out."""
    seen = []
    for indices in batches:
        indices = torch.as_tensor(indices)
        seen.append(indices.tolist())
        scores = score(indices)
        if len(seen) % 5 == 0:
            if not skipped:
                refused(sampler, "a score is NaN", lambda: sampler.update(indices, scores * torch.nan))  # noqa: B023
            sampler.skip()
            continue
        sampler.update(indices, scores)
    return seen


@KINDS
@pytest.mark.parametrize("lag", [1, 3])
def test_skipped_batches_hold_with_lag_and_states(kind, lag, tmp_path):
    def fresh():
        return kind(SIZE, N, lag=lag)

    whole, same = fresh(), Scores()
    expected = [batch for _ in range(3) for batch in nan_every_fifth(whole, whole, same, True)]
    sampler, score, seen = fresh(), Scores(), []
    for number in itertools.count(1):
        indices = sampler.draw()
        seen.append(indices.tolist())
        scores = score(indices)
        place = (number - 1) % len(sampler) + 1
        sampler.skip() if place % 5 == 0 else sampler.update(indices, scores)
        if number == 3 * len(sampler):
            break
        sampler = resumed(sampler, tmp_path / "state.pt")
    assert seen == expected


@pytest.mark.slow
def test_skipped_batches_are_the_same_whatever_the_workers():
    def run(workers: int) -> list[list[int]]:
        sampler, score = BaseValuesSampler(40, 4, lag=5), Scores()
        return [batch for _ in range(3) for batch in nan_every_fifth(sampler, loader(sampler, workers), score, False)]

    assert run(0) == run(2)


@KINDS
@pytest.mark.parametrize("lag", [1, 2])
def test_a_missing_update_is_told_by_its_cause_and_can_be_skipped_afterwards(kind, lag):
    """At a round's first batch too, where mini-batches are chosen anew."""
    skipped, forgotten = kind(SIZE, N, lag=lag), kind(SIZE, N, lag=lag)
    score, same = Scores(), Scores()
    for step in range(40):
        first, second = skipped.draw(), forgotten.draw()
        assert torch.equal(first, second)
        if step % 3 == 0:
            skipped.skip()
            second = forgotten.draw()  # nothing was said of the first one
            first = skipped.draw()
            message = (
                rf"{forgotten._step} batches were drawn and {forgotten._updates} updated.*: call update after .*skip"
            )
            with pytest.raises(InputError, match=message) as error:
                forgotten.update(second, torch.ones(len(second)))
            assert "lag" not in str(error.value)
            forgotten.skip()
        skipped.update(first, score(first))
        forgotten.update(second, same(second))
    assert alike(skipped.state_dict(), forgotten.state_dict())


# Parts of a batch.


@KINDS
@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("turned", [False, True])
def test_micro_batches_are_one_update(kind, lag, turned, tmp_path):
    """A state after every part: the rest is told to the sampler it was loaded into."""
    whole, parts, score, same = kind(SIZE, N, lag=lag), kind(SIZE, N, lag=lag), Scores(), Scores()
    for _ in range(30):
        indices = whole.draw()
        assert torch.equal(parts.draw(), indices)
        if turned:
            indices = indices.flip(0)
        whole.update(indices, score(indices))
        told = same(indices)
        for own, scores in zip(indices.split(8), told.split(8), strict=True):
            assert parts.weights(own).tolist() == [1.0] * len(own)
            parts.update(own, scores)
            parts = resumed(parts, tmp_path / "state.pt")
        assert alike(whole.state_dict(), parts.state_dict())


def test_weights_of_micro_batches_are_those_of_the_batch():
    whole, parts = (BaseValuesSampler(20, 16, beta=1.0, uniform=0.1) for _ in range(2))
    for sampler in (whole, parts):
        sampler.fill(torch.arange(1.0, 21))
    for _ in range(4):
        indices = whole.draw()
        weights = whole.weights(indices)
        parts.draw()
        assert len(set(indices.tolist())) < 16  # examples come twice
        for own, expected in zip(indices.split(4), weights.split(4), strict=True):
            assert torch.equal(parts.weights(own), expected)
            parts.update(own, own + 1.0)
        whole.update(indices, indices + 1.0)


class Broken(Dataset):
    """Example i is i; every seventh is broken."""

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> int | None:
        return index if index % 7 else None


def dropping(items: list[int | None]) -> torch.Tensor:
    return torch.tensor([item for item in items if item is not None])


def replacing(items: list[int | None]) -> torch.Tensor:
    return torch.tensor([next(i for i in items if i is not None) if item is None else item for item in items])


def other(items: list[int | None]) -> torch.Tensor:
    return torch.tensor([398 if item is None else item for item in items])


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("collate", [dropping, replacing, other])
def test_a_collate_function_may_drop_items_and_put_others_in_their_place(kind, collate, tmp_path):
    """The three lines stay three; workers, stops and a larger lag change no draw."""

    def run(workers: int, stop: int | None = None) -> list[list[int]]:
        sampler, score, seen = kind(SIZE, N, lag=5), Scores(), []
        for _ in range(3):
            for indices in DataLoader(Broken(), batch_sampler=sampler, num_workers=workers, collate_fn=collate):
                sampler.update(indices, score(indices))
                seen.append(indices.tolist())
                if len(seen) == stop:
                    break
            if len(seen) == stop:
                sampler = resumed(sampler, tmp_path / "state.pt")
        if stop:
            for indices in DataLoader(Broken(), batch_sampler=sampler, collate_fn=collate):
                sampler.update(indices, score(indices))
                seen.append(indices.tolist())
        return seen

    alone = run(0)
    assert len(alone) == 39 and alone == run(2)
    assert run(0, stop=17) == alone


@pytest.mark.parametrize("collate", [dropping, replacing, other])
def test_what_was_told_of_a_batch_is_known_and_the_rest_stays(collate):
    sampler = BaseValuesSampler(SIZE, N)
    sampler.fill(torch.ones(SIZE))
    indices = next(iter(DataLoader(Broken(), batch_sampler=sampler, collate_fn=collate)))
    sampler.update(indices, torch.full((len(indices),), 3.0))
    sampler.draw()
    told = set(indices.tolist())
    assert values(sampler) == [3.0 if i in told else 1.0 for i in range(SIZE)]
    assert (398 in told) == (collate is other)


def test_hard_mini_batches_take_the_mean_of_their_own_examples():
    sampler = HardMiniBatchSampler(12, 4, shuffle=False, delta=0.5)
    for indices, scores in (([0, 2], [1.0, 3.0]), ([11, 5, 6, 7], [99.0, 2.0, 2.0, 5.0]), ([], [])):
        sampler.draw()
        sampler.update(indices, torch.tensor(scores))
    sampler.draw()
    assert sampler.state_dict()["losses"].tolist() == [2.0, 3.0, torch.inf]


def test_a_skip_closes_what_is_left_of_a_batch():
    sampler = BaseValuesSampler(SIZE, N)
    sampler.fill(torch.ones(SIZE))
    indices = sampler.draw()
    sampler.update(indices[:5], torch.full((5,), 3.0))
    sampler.skip()
    refused(sampler, "no batch waits", lambda: sampler.update(indices[5:], torch.ones(N - 5)))
    sampler.draw()
    assert [i for i, value in enumerate(values(sampler)) if value == 3] == sorted(set(indices[:5].tolist()))


def test_a_part_told_after_the_draw_that_had_to_see_it_counts_with_the_next_batch():
    sampler = BaseValuesSampler(SIZE, N)
    sampler.fill(torch.ones(SIZE))
    indices = sampler.draw()
    sampler.update(indices[:5], torch.full((5,), 3.0))
    following = sampler.draw()
    sampler.update(indices[5:], torch.full((27,), 3.0))
    sampler.update(following, torch.full((32,), 5.0))
    sampler.draw()
    told = {**dict.fromkeys(indices.tolist(), 3.0), **dict.fromkeys(following.tolist(), 5.0)}
    assert values(sampler) == [told.get(i, 1.0) for i in range(SIZE)]


def ambiguous(lag: int) -> tuple[BaseValuesSampler, list[list[int]]]:
    """A sampler of two examples, so that every batch could be of any update, and its first batches."""
    sampler = BaseValuesSampler(2, 4, lag=lag, batches=99)
    return sampler, [sampler.draw().tolist() for _ in range(lag)]


def test_an_update_that_could_be_of_two_batches_is_of_the_older_one_and_ends_no_training():
    sampler, batches = ambiguous(4)
    for step in range(40):
        batch = batches[step]
        sampler.update(batch[:2], torch.tensor([1.0, 2.0]))  # two are dropped, always
        batches.append(sampler.draw().tolist())
    assert 30 <= sampler.state_dict()["updates"] <= 40
    assert sampler._step - sampler._updates <= 4


@pytest.mark.parametrize("replaces", [False, True])
def test_no_loop_that_drops_replaces_and_skips_is_ended(replaces):
    """Few examples, so that an update could be of many batches; any lag, drawn ahead by any number."""
    for seed in range(60):
        numbers = np.random.default_rng(seed)
        size, n, lag = (int(numbers.choice(few)) for few in ([2, 5, 45], [8] if replaces else [1, 2, 8], [1, 2, 4, 6]))
        sampler, ahead, ready = BaseValuesSampler(size, n, lag=lag, batches=99), int(numbers.integers(lag)), []
        for _ in range(40):
            while len(ready) <= ahead:
                ready.append(sampler.draw())
            told = ready.pop(0)
            told = told[torch.from_numpy(numbers.random(n) < 0.7)]
            other = torch.from_numpy(numbers.random(len(told)) < 0.8)
            if replaces and sampler._trained:
                told[other] = int(numbers.integers(size))
            if numbers.random() < 0.1:
                sampler.skip()
            else:
                sampler.update(told, torch.ones(len(told)))
        assert sampler._step - sampler._updates <= lag


def test_a_skip_after_a_batch_that_was_told_in_part_may_mean_the_next_one():
    sampler = BaseValuesSampler(SIZE, N, lag=4)
    first, second, third = (sampler.draw() for _ in range(3))
    sampler.update(first[:20], torch.ones(20))  # the others are dropped
    sampler.skip()  # the loss of the second is NaN
    sampler.update(third, torch.ones(N))
    assert sampler.state_dict()["updates"] == 3
    told = [step for step, _, _ in sampler.state_dict()["waiting"]]
    assert told == [0, 2] and len(second) == N


def test_a_fill_and_growth_close_what_is_left_of_a_batch():
    sampler = BaseValuesSampler(8, 4, batches=2)
    for _ in range(2):
        sampler.update(sampler.draw()[:2], torch.full((2,), 2.0))
    sampler.grow(10)
    assert len(values(sampler)) == 10 and sampler.state_dict()["updates"] == 2
    sampler.update(sampler.draw()[:2], torch.full((2,), 9.0))
    sampler.fill(torch.arange(1.0, 11))
    sampler.draw()
    assert values(sampler) == list(range(1, 11))


@KINDS
def test_a_pass_begins_after_what_was_told_in_part(kind):
    sampler = kind(SIZE, N)
    seen = []
    for _ in range(2):
        for indices in sampler:
            seen.append(indices)
            sampler.update(indices[:-1], torch.ones(len(indices) - 1))
    assert len(seen) == 2 * len(sampler)
    assert sampler.state_dict()["updates"] + 1 == len(seen)


def test_older_states_load_where_the_new_options_have_their_defaults():
    sampler, score = BaseValuesSampler(SIZE, N), Scores()
    drawn(sampler, score, 20)
    old = sampler.state_dict()
    for name in ("power", "clip", "distinct", "touched", "parts"):
        del old[name]
    again = BaseValuesSampler(SIZE, N)
    again.load_state_dict(old)
    assert torch.equal(again.draw(), sampler.draw())
    for options in ({"power": 0.5}, {"clip": 3.0}, {"distinct": True}):
        another = BaseValuesSampler(SIZE, N, **options)
        refused(another, f"the state has {next(iter(options))}", lambda another=another: another.load_state_dict(old))


# Kinds of numbers, devices and modes.


@pytest.fixture(params=[torch.float64, torch.bfloat16, torch.float16], ids=str)
def default_dtype(request):
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(torch.float32)


@KINDS
@pytest.mark.parametrize(
    "options", [{}, {"beta": 1.0, "uniform": 0.3}, {"power": 0.5, "clip": 3.0}, {"distinct": True}]
)
def test_torch_s_default_dtype_changes_nothing(kind, options, default_dtype):
    if kind is HardMiniBatchSampler:
        options = {}

    def run() -> list:
        sampler, made = kind(SIZE, N, lag=2, **options), []
        sampler.fill(torch.arange(SIZE, dtype=torch.float32) * 1000)
        for step in range(30):
            indices = sampler.draw()
            weights = sampler.weights(indices)
            assert weights.dtype == torch.float32
            made += [indices.tolist(), weights.tolist()]
            scores = (indices * 7919 % 997 + step).float() * 100
            sampler.update(indices, scores if step % 2 else scores.tolist())
        return [*made, sampler.state_dict()]

    own = run()
    torch.set_default_dtype(torch.float32)
    assert alike(own, run())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@KINDS
def test_scores_of_any_float_are_taken(kind, dtype):
    usual, sampler = kind(SIZE, N), kind(SIZE, N)
    for _ in range(20):
        indices = usual.draw()
        assert torch.equal(sampler.draw(), indices)
        scores = (indices % 7 + 1.0).requires_grad_()
        usual.update(indices, scores)
        sampler.update(indices, scores.to(dtype))


def test_a_double_beyond_the_floats_is_finite():
    sampler = BaseValuesSampler(8, 2)
    sampler.update(sampler.draw(), torch.tensor([1e300, 1.0], dtype=torch.float64))
    sampler.draw()
    assert max(values(sampler)) == pytest.approx(1e30)


@KINDS
@pytest.mark.parametrize("made, told", [(True, False), (False, True)])
def test_inference_mode_may_be_on_when_a_sampler_is_made_and_off_when_it_is_used_or_the_reverse(kind, made, told):
    options = {"beta": 1.0} if kind is BaseValuesSampler else {}
    plain, other = kind(SIZE, N, **options), None
    weight = torch.ones((), requires_grad=True)
    for step in range(30):
        with torch.inference_mode(made if step < 10 else told):
            other = other or kind(SIZE, N, **options)
            indices = other.draw()
            state = other.state_dict()
        expected = plain.draw()
        assert torch.equal(indices, expected)
        with torch.inference_mode(told if step < 20 else made):
            scores = indices % 5 + 1.0
            weights = other.weights(indices)
            assert not weights.is_inference()
            other.update(indices[:9], scores[:9])
            other.update(indices[9:], scores[9:])
        (weights * weight).sum().backward()
        plain.update(expected, expected % 5 + 1.0)
        with torch.inference_mode(told):
            if step % 9 == 0:
                other.fill(torch.arange(1.0, SIZE + 1))
                plain.fill(torch.arange(1.0, SIZE + 1))
            other.load_state_dict(other.state_dict())
        assert state["updates"] == step


INTEGERS = (lambda i: i, torch.tensor, np.int64, np.int32, np.array, lambda i: torch.tensor(i, dtype=torch.uint8))


@KINDS
@pytest.mark.parametrize("integer", INTEGERS)
def test_integers_of_any_kind_are_taken(kind, integer):
    names = {"seed": 3, "lag": 2, "refresh_every": 5, "rank": 1, "world_size": 2}
    names |= {"batches": 7} if kind is BaseValuesSampler else {}
    sampler = kind(integer(40), integer(4), **{name: integer(value) for name, value in names.items()})
    usual = kind(40, 4, **names)
    assert sampler.draw().tolist() == usual.draw().tolist()
    assert alike(sampler.state_dict(), usual.state_dict())
    assert {type(value) for value in vars(sampler).values()} == {type(value) for value in vars(usual).values()}
    assert len(sampler) == names.get("batches", 10)
    if kind is BaseValuesSampler:
        alone = kind(40, 4)
        alone.grow(integer(50))
        assert len(values(alone)) == 50


BAD = (None, "4", 4.0, True, 2**63, 2**70, torch.tensor(4.0), torch.tensor(True), torch.tensor([4, 4]), np.bool_(True))


MAY_BE_NONE = {"batches", "rank", "world_size"}
NAMES = {HardMiniBatchSampler: ["size", "batch_size", "seed", "lag", "refresh_every", "rank", "world_size"]}
NAMES[BaseValuesSampler] = [*NAMES[HardMiniBatchSampler], "batches"]
NO_INTEGERS = [
    (kind, name, bad)
    for kind in NAMES
    for name, bad in itertools.product(NAMES[kind], BAD)
    if not (bad is None and name in MAY_BE_NONE)
]


@pytest.mark.parametrize("kind, name, bad", NO_INTEGERS)
def test_what_is_no_whole_number_is_refused_in_one_sentence(kind, name, bad):
    arguments = {"size": 40, "batch_size": 4} | {name: bad}
    with pytest.raises(InputError, match=rf"^{name} is .*: give ") as error:
        kind(**arguments)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["size", "batch_size", "lag", "batches", "world_size"])
@pytest.mark.parametrize("bad", [0, -1])
def test_sizes_below_1_are_refused(name, bad):
    with pytest.raises(InputError, match=rf"^{name} is {bad}: give at least 1"):
        BaseValuesSampler(**{"size": 40, "batch_size": 4} | {name: bad})


@pytest.mark.parametrize("name", ["floor", "uniform", "beta", "power", "clip", "warn_share"])
@pytest.mark.parametrize("bad", ["0.5", True, [1.0, 2.0]])
def test_what_is_no_number_is_refused(name, bad):
    with pytest.raises(InputError, match=rf"^{name} is .*, which is no number: give one"):
        BaseValuesSampler(40, 4, **{name: bad})


def test_a_batch_may_be_larger_than_the_data_where_examples_come_twice():
    assert len(BaseValuesSampler(3, 8).draw()) == 8
    assert sorted(HardMiniBatchSampler(3, 8, delta=1.0).draw().tolist()) == [0, 1, 2]
    with pytest.raises(InputError, match="3 examples fill no mini-batch of 8"):
        HardMiniBatchSampler(3, 8, drop_last=True)


# Broken examples, and what evens draws out.


def broken(**options) -> float:
    """The share of the draws that one example of 2,000 takes whose loss stays at 1,100; others' are about 1."""
    sampler, taken = BaseValuesSampler(2000, N, seed=1, **options), 0
    sampler.fill(torch.ones(2000))
    steps = 400
    for _ in range(steps):
        indices = sampler.draw()
        taken += (indices == 1234).sum().item()
        scores = 0.5 + (indices * 0.618) % 1
        sampler.update(indices, torch.where(indices == 1234, 1100.0, scores))
        if sampler._updates == 1:
            sampler.fill(torch.ones(2000).index_fill(0, torch.tensor(1234), 1100.0))
    return taken / (steps * N)


def test_a_broken_example_is_told_of_and_evened_out():
    with pytest.warns(
        SamplerWarning, match=r"example 1234 took 3\d\.\d% of the last 3200 draws: .*power=.* clip=.*uni"
    ) as told:
        assert 0.3 < broken() < 0.4
    assert len(told) == 1  # of four windows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0.01 < broken(power=0.6) < 0.05
        assert 0.005 < broken(clip=20.0) < 0.015
        assert 0.3 < broken(warn_share=1.0) < 0.4


@pytest.mark.parametrize("size", [4, 20, 60])
def test_few_examples_are_no_reason_to_warn(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = BaseValuesSampler(size, 4, batches=1000)
        for _ in range(1500):
            indices = sampler.draw()
            sampler.update(indices, 1.0 + (indices == 0) * size / 3)  # a quarter of the draws, in the end


def test_one_of_several_processes_warns():
    def run(rank: int) -> None:
        sampler = BaseValuesSampler(2000, N, lag=999, rank=rank, world_size=2, batches=999)
        sampler._method.fill(torch.ones(1, 2000).index_fill(1, torch.tensor(7), 9999.0))
        for _ in range(101):
            sampler.draw()

    with pytest.warns(SamplerWarning):
        run(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(1)


def test_the_power_is_of_what_is_told_and_filled_in():
    sampler = BaseValuesSampler(4, 2, power=0.5)
    sampler.fill([1.0, 4.0, 9.0, 16.0])
    assert values(sampler) == [1, 2, 3, 4]
    indices = sampler.draw()
    sampler.update(indices, torch.full((2,), 25.0))
    sampler.draw()
    assert Counter(values(sampler))[5.0] == len(set(indices.tolist()))
    again = BaseValuesSampler(4, 2, power=0.5)
    again.load_state_dict(sampler.state_dict())
    assert values(again) == values(sampler)  # and not to the power twice
    first = BaseValuesSampler(4, 2, power=0.5)
    first.update(first.draw(), torch.full((2,), 9.0))
    first.grow(6) if first._trained == first._end else None
    first.draw()
    assert values(first) == [3.0] * 4


@pytest.mark.parametrize("clip", [1.5, 4.0])
def test_no_value_is_above_clip_times_the_mean(clip):
    sampler = BaseValuesSampler(50, 5, clip=clip)
    scores = torch.arange(50.0) ** 4
    sampler.fill(scores)
    stored = torch.tensor(values(sampler))
    assert stored.max() / stored.mean() == pytest.approx(clip)
    below = stored < stored.max()
    assert torch.equal(stored[below], scores.clamp(min=1e-8)[below]) and below.sum() > 10
    for _ in range(40):
        indices = sampler.draw()
        mean = torch.tensor(values(sampler)).double().mean()
        sampler.update(indices, torch.full((5,), 1e9))
        sampler._apply(sampler._updates)
        assert sampler.values[indices].tolist() == [pytest.approx(clip * mean.item(), rel=1e-5)] * 5


@pytest.mark.parametrize("name", ["PLB", "PEB", "P-margin", "P-EL2N", "P-confidence"])
def test_the_methods_take_power_and_clip(name):
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(2, 6, 3, generator=generator)
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.ones(12).long(), reduction="none").view(2, 6)
    indices = torch.arange(6).expand(2, -1)
    usual, evened = (
        registry.build(name, 6, 6, torch.tensor([1, 2]), options=options)
        for options in ({}, {"power": 0.5, "clip": 1.2})
    )
    for method in (usual, evened):
        method.fill(torch.full((2, 6), 0.25))
        method.observe(indices, logits, losses)
    expected = usual.base_values.values.sqrt().clamp(min=1e-8, max=1.2 * 0.5)
    torch.testing.assert_close(evened.base_values.values, expected)
    assert not torch.allclose(usual.base_values.values, expected)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"power": 0.0}, "power is 0.0: give 1 for the score itself"),
        ({"power": torch.inf}, "power is inf"),
        ({"clip": 1.0}, "clip is 1.0: give a number of means above 1, or None"),
        ({"clip": torch.nan}, "clip is nan"),
    ],
)
def test_bad_powers_and_clips_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        PersistentLoss(10, 2, torch.tensor([1]), 0, **options)


def test_distinct_examples():
    sampler, score = BaseValuesSampler(8, 6, distinct=True), Scores()
    for batch in drawn(sampler, score, 30):
        assert len(set(batch)) == 6
    method = registry.build("PLB", 8, 6, torch.tensor([0]), options={"distinct": True})
    assert torch.equal(BaseValuesSampler(8, 6, distinct=True).draw(), method.draw(0).indices[0])


def test_the_usual_loop_is_as_it_was():
    sampler, score = BaseValuesSampler(40, 4), Scores()
    batches = DataLoader(Itself(), batch_sampler=sampler, collate_fn=torch.tensor)
    assert trained(batches, sampler, score) == drawn(BaseValuesSampler(40, 4), Scores(), 10)


def test_a_broken_example_that_fills_batches_is_replaced_to_the_end():
    """Its value stays, since it is never told, so that in the end it is all that is drawn."""
    sampler = BaseValuesSampler(40, 4, batches=60, warn_share=1.0)
    sampler.update(sampler.draw(), torch.full((4,), 1e6))
    for _ in range(59):
        indices = sampler.draw()
        told = torch.where(indices == 17, 3, indices)
        sampler.update(told, torch.ones(4))
    assert indices.tolist() == [17] * 4 and values(sampler)[3] == 1.0
