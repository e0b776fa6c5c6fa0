"""The samplers in loops of one's own: what a draw sees, workers, passes, resumed trainings, bad input, any task."""

import copy
import itertools
import time
from collections import Counter

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.methods.base_values import BaseValues
from hardsample.samplers import process_group
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.with_index import WithIndex

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # more workers than cores
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # in torchdata
]
KINDS = pytest.mark.parametrize("kind", [BaseValuesSampler, HardMiniBatchSampler])
SIZE, N = 40, 4


class Itself(Dataset):
    """Example i is i."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index):
        return index


class Scores:
    """A score for (example, how often it was trained); it stands in for a network that learns."""

    def __init__(self) -> None:
        self.seen = Counter()

    def __call__(self, indices) -> torch.Tensor:
        indices = torch.as_tensor(indices).tolist()
        scores = [(0.05 + (i * 0.618 + self.seen[i] * 0.37) % 1) ** 2 for i in indices]
        self.seen.update(indices)
        return torch.tensor(scores)


def loader(sampler, workers: int = 0, **options) -> DataLoader:
    return DataLoader(Itself(), batch_sampler=sampler, num_workers=workers, collate_fn=torch.tensor, **options)


def trained(batches, sampler, score: Scores, steps: int | None = None) -> list[list[int]]:
    """Train on (so many of) the batches; gives them."""
    seen = []
    for indices in itertools.islice(batches, steps):
        sampler.update(indices, score(indices))
        seen.append(torch.as_tensor(indices).tolist())
    return seen


def drawn(sampler, score: Scores, steps: int) -> list[list[int]]:
    """As :func:`trained`, without a loader."""
    return trained((sampler.draw() for _ in range(steps)), sampler, score)


def alike(first, second) -> bool:
    """Are two states the same?"""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(alike(first[name], second[name]) for name in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(alike, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def refused(sampler, message: str, call) -> None:
    """The call is refused in one sentence, and the sampler is as before."""
    before = sampler.state_dict()
    with pytest.raises(InputError, match=message) as error:
        call()
    assert str(error.value).endswith(".") and "\n" not in str(error.value)
    assert alike(before, sampler.state_dict())


# The draws are the methods' own.


def test_streams_are_the_methods_own_draws():
    sampler, score = BaseValuesSampler(SIZE, N, seed=3), Scores()
    method = registry.build("PLB", SIZE, N, torch.tensor([3]))
    for step in range(30):
        method.prepare(step)
        indices = sampler.draw()
        assert indices.dtype == torch.int64 and indices.shape == (N,)
        assert torch.equal(indices, method.draw(step).indices[0])
        scores = score(indices)
        sampler.update(indices, scores)
        if step == 0:
            method.base_values.fill(scores.max().view(1, 1))  # unseen examples
        method.observe(indices[None], None, scores[None])


@pytest.mark.parametrize("options", [{}, {"delta": 0.3, "walk": "data", "round_length": "truncated"}])
def test_hard_mini_batches_are_the_methods_own_draws(options):
    sampler, score = HardMiniBatchSampler(SIZE + 2, N, seed=3, **options), Scores()
    method = registry.build("HMB", SIZE + 2, N, torch.tensor([3]), options=options)
    lengths = set()
    for step in range(40):
        method.prepare(step)
        indices = sampler.draw()
        assert torch.equal(indices, method.draw(step).indices[0])
        scores = score(indices)
        sampler.update(indices, scores)
        method.observe(indices[None], None, scores[None])
        lengths.add(len(indices))
    assert lengths == {4, 2}


def test_options_decide_the_draws():
    def draws(kind, **options) -> list[list[int]]:
        return drawn(kind(SIZE, N, **options), Scores(), 25)

    assert draws(BaseValuesSampler) == draws(BaseValuesSampler, seed=0)
    for options in ({"seed": 1}, {"lag": 2}, {"floor": 9.0}, {"uniform": 0.9}):
        assert draws(BaseValuesSampler, **options) != draws(BaseValuesSampler)
    others = ({"seed": 1}, {"delta": 0.2}, {"shuffle": False}, {"walk": "data"})
    for options in (*others, {"delta": 0.25, "round_length": "truncated"}):
        assert draws(HardMiniBatchSampler, **options) != draws(HardMiniBatchSampler)
    assert len(HardMiniBatchSampler(SIZE + 2, N)) == 11
    assert len(HardMiniBatchSampler(SIZE + 2, N, drop_last=True)) == 10


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_a_draw_sees_the_updates_up_to_its_step_less_the_lag_and_no_others(lag):
    sampler, score = BaseValuesSampler(SIZE, N, lag=lag, batches=9), Scores()
    updates = []
    for step in range(20):
        store = BaseValues(SIZE, torch.tensor([0]))
        for number, (indices, scores) in enumerate(updates[: max(0, step - lag + 1)]):
            if number == 0:
                store.fill(scores.max().view(1, 1))
            store.update(indices[None], scores[None])
        indices = sampler.draw()
        assert torch.equal(indices, store.draw(step, N)[0])
        updates.append((indices, score(indices)))
        sampler.update(*updates[-1])


@KINDS
def test_what_is_done_to_scores_and_indices_afterwards_does_not_matter(kind):
    kept, changed = (kind(SIZE, N, lag=2) for _ in range(2))
    for step in range(16):
        indices, same = kept.draw(), changed.draw()
        assert torch.equal(indices, same)
        kept.update(indices, indices + 1.0)
        given = same.flip(0) if step % 2 else same.clone()
        scores = given + 1.0
        same.zero_()
        changed.update(given, scores)
        given.zero_(), scores.zero_()


def test_a_gradient_is_left_out_and_scores_of_any_real_kind_are_taken():
    expected = drawn(BaseValuesSampler(SIZE, N), lambda indices: indices + 1.0, 6)
    for convert in (torch.Tensor.double, torch.Tensor.bfloat16, torch.Tensor.long, torch.Tensor.requires_grad_):
        sampler = BaseValuesSampler(SIZE, N)
        assert drawn(sampler, lambda indices, convert=convert: convert(indices + 1.0), 6) == expected
        assert not sampler.state_dict()["waiting"][0][2].requires_grad
    sampler = BaseValuesSampler(SIZE, N)
    for batch in expected:
        assert sampler.draw().tolist() == batch
        sampler.update(batch, [i + 1.0 for i in batch])


# Unseen examples, refreshes, more examples.


def values(sampler) -> list[float]:
    return sampler.state_dict()["values"].tolist()


def test_unseen_examples_get_the_largest_score_of_the_first_update():
    sampler = BaseValuesSampler(6, 3, seed=1)
    assert values(sampler) == [1.0] * 6
    indices = sampler.draw()
    sampler.update(indices, torch.tensor([0.5, 3.0, 2.0]))
    sampler.draw()
    expected = [3.0] * 6
    for i, score in zip(indices.tolist(), (0.5, 3.0, 2.0), strict=True):
        expected[i] = score
    assert values(sampler) == expected


def test_after_a_fill_no_example_is_unseen():
    sampler = BaseValuesSampler(6, 2)
    sampler.fill(torch.arange(6.0))
    assert values(sampler) == [pytest.approx(1e-8), 1, 2, 3, 4, 5]
    indices = sampler.draw()
    sampler.update(indices, torch.tensor([9.0, 9.0]))
    sampler.draw()
    assert Counter(values(sampler))[9.0] == len(set(indices.tolist()))


def test_a_fill_between_passes_acts_at_once_whatever_the_lag():
    sampler = BaseValuesSampler(SIZE, N, lag=3, batches=5)
    drawn(sampler, Scores(), 5)
    only = torch.zeros(SIZE)
    only[7] = 1.0
    sampler.fill(only)
    assert sampler.draw().tolist() == [7] * N


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fill_within_a_pass_acts_from_its_step_on_whatever_the_workers(workers):
    """After u = 6 updates, at lag 5: from the draw of step 10 on."""
    sampler, score, seen = BaseValuesSampler(SIZE, N, lag=5, batches=14), Scores(), []
    for step, indices in enumerate(loader(sampler, workers, prefetch_factor=2 if workers else None)):
        sampler.update(indices, score(indices))
        seen.append(indices.tolist())
        if step == 5:
            sampler.fill(torch.where(torch.arange(SIZE) == 7, 1e20, 1e-8))
    assert all(batch != [7] * N for batch in seen[:10])
    assert seen[10:] == [[7] * N] * 4


def test_a_fill_that_comes_too_late_is_refused():
    sampler = BaseValuesSampler(SIZE, N)
    drawn(sampler, Scores(), 2)
    sampler.draw()
    refused(
        sampler, r"the draw of step 2 was made, .* call fill after an update", lambda: sampler.fill(torch.ones(SIZE))
    )


def test_a_fill_of_hard_mini_batches_decides_the_next_round():
    sampler = HardMiniBatchSampler(8, 2, delta=0.25, shuffle=False)
    for first in (0, 2, 4, 6):
        assert sampler.draw().tolist() == [first, first + 1]
        sampler.update([first, first + 1], torch.tensor([1.0, 1.0 + first]))
    sampler.fill(torch.tensor([0.0, 0.0, 1.0, 4.0, 2.0, 2.0, 0.0, 0.0]))
    assert sampler.draw().tolist() == [2, 3]


@KINDS
def test_a_refresh_is_due_after_so_many_updates(kind):
    sampler, score = kind(SIZE, N, refresh_every=3), Scores()
    due = []
    for _ in range(8):
        drawn(sampler, score, 1)
        due.append(sampler.refresh_due)
        if sampler.refresh_due:
            sampler.fill(torch.ones(SIZE))
    assert due == [False, False, True] * 2 + [False] * 2
    assert not kind(SIZE, N).refresh_due


@pytest.mark.parametrize("lag", [1, 3])
def test_new_examples_enter_with_the_largest_score(lag):
    sampler, score = BaseValuesSampler(8, N, lag=lag), Scores()
    drawn(sampler, score, 2)
    sampler.fill(torch.arange(1.0, 9))
    drawn(sampler, lambda indices: indices + 1.0, 1)
    drawn(sampler, lambda indices: indices + 50.0, 1)
    sampler.grow(11)
    after = values(sampler)
    assert len(after) == 11 and after[8:] == [max(after[:8])] * 3
    assert (max(after) >= 50) == (lag == 1)  # at lag 3 no draw sees the last update yet
    assert len(sampler) == 3
    later = drawn(sampler, score, 90)
    assert set(sum(later, [])) == set(range(11))


def test_growing_unseen_examples_keeps_them_alike():
    grown, score = BaseValuesSampler(8, N), Scores()
    grown.grow(20)
    assert drawn(grown, score, 12) == drawn(BaseValuesSampler(20, N), Scores(), 12)


def test_growing_is_refused_within_a_pass_and_to_fewer_examples():
    sampler = BaseValuesSampler(SIZE, N)
    refused(sampler, "grow to 39 examples: give at least the 40", lambda: sampler.grow(39))
    drawn(sampler, Scores(), 3)
    refused(sampler, "grow within a pass, of which 7 batches are not updated", lambda: sampler.grow(50))
    assert not hasattr(HardMiniBatchSampler(SIZE, N), "grow")


# Weights.


def test_weights_are_of_the_probabilities_at_the_draw():
    sampler = BaseValuesSampler(5, 3, beta=0.5, uniform=0.2, lag=2)
    sampler.fill(torch.arange(1.0, 6))
    first, ahead = sampler.draw(), sampler.draw()
    for batch, b in ((first, torch.arange(1.0, 6)), (ahead, torch.arange(1.0, 6))):
        p = 0.8 * b / b.sum() + 0.2 / 5
        weights = sampler.weights(batch)
        assert weights.dtype == torch.float32
        torch.testing.assert_close(weights, (5 * p[batch]) ** -0.5)
        turned = batch.flip(0)
        assert torch.equal(sampler.weights(turned.tolist()), weights.flip(0))
        sampler.update(batch, torch.full((3,), 100.0))
    with pytest.raises(InputError, match="no batch waits"):
        sampler.weights(ahead)
    third = sampler.draw()
    b = torch.arange(1.0, 6)
    b[first] = 100.0  # and not yet those of the second
    torch.testing.assert_close(sampler.weights(third), (5 * (0.8 * b / b.sum() + 0.04)[third]) ** -0.5)
    others = torch.tensor([i for i in range(5) if i not in third])
    assert sampler.weights(others[:3]).tolist() == [1.0] * len(others[:3])  # they came in place of those drawn


@KINDS
def test_without_beta_all_weights_are_1(kind):
    sampler = kind(SIZE, N)
    assert sampler.weights(sampler.draw()).tolist() == [1.0] * N


@pytest.mark.slow
def test_weights_make_the_mean_unbiased():
    sampler = BaseValuesSampler(10, 5, beta=1.0, batches=4000)
    sampler.fill(torch.arange(1.0, 11))
    x = torch.arange(10.0) ** 2
    total = 0.0
    for indices in itertools.islice(sampler, 4000):
        total += (sampler.weights(indices) * x[indices]).mean().item()
        sampler.update(indices, torch.tensor(indices) + 1.0)
    assert total / 4000 == pytest.approx(x.mean().item(), rel=0.02)


# Iterators and loaders.


@KINDS
def test_every_iterator_is_fresh_and_does_nothing_before_its_first_batch(kind):
    sampler = kind(SIZE, N, lag=30)
    unused, first = iter(sampler), iter(sampler)
    assert alike(sampler.state_dict(), kind(SIZE, N, lag=30).state_dict())
    batch = next(first)
    assert type(batch) is list and all(type(i) is int for i in batch)
    assert next(unused) == batch
    with pytest.raises(InputError, match="a newer iteration of the sampler has begun"):
        next(first)
    assert len(list(sampler)) == len(sampler) == 10
    finished = iter(sampler)
    assert len(list(finished)) == 10 and list(finished) == []


@KINDS
def test_a_loop_may_tell_every_epoch_which_changes_nothing(kind):
    told, score = kind(SIZE, N), Scores()
    seen = []
    for epoch in range(3):
        told.set_epoch(epoch), told.examples.set_epoch(epoch), told.mini_batches.set_epoch(epoch)
        seen += trained(told, told, score)
    assert seen == drawn(kind(SIZE, N), Scores(), 30)


def test_the_length_of_a_pass():
    assert len(BaseValuesSampler(41, N)) == 11
    sampler, score = BaseValuesSampler(41, N, batches=3), Scores()
    assert len(sampler) == 3
    assert [len(trained(sampler, sampler, score)) for _ in range(3)] == [3, 3, 3]


@KINDS
def test_all_ways_of_taking_batches_give_the_same_ones(kind):
    def epochs(make) -> list[list[int]]:
        sampler, score = kind(SIZE, N), Scores()
        batches = make(sampler)
        assert len(batches) == 10
        return [batch for _ in range(3) for batch in trained(batches, sampler, score)]

    asked = []

    class Lists(Itself):
        def __getitem__(self, index):
            asked.append(index)
            return torch.tensor(index)

    expected = drawn(kind(SIZE, N), Scores(), 30)
    assert epochs(lambda sampler: sampler) == expected
    assert epochs(lambda sampler: sampler.mini_batches) == expected
    assert epochs(loader) == expected
    assert epochs(lambda sampler: DataLoader(Lists(), sampler=sampler, batch_size=None)) == asked == expected
    assert epochs(lambda sampler: DataLoader(Itself(), sampler=sampler.examples, batch_size=N)) == expected
    assert len(kind(SIZE, N).examples) == SIZE


def test_a_short_mini_batch_has_no_single_indices():
    sampler = HardMiniBatchSampler(SIZE + 2, N)
    refused(sampler, "a short mini-batch of 2 examples", lambda: sampler.examples)
    assert len(HardMiniBatchSampler(SIZE + 2, N, drop_last=True).examples) == SIZE


@pytest.mark.slow
@KINDS
def test_a_pass_left_early_begins_again_at_the_batch_that_was_not_updated(kind):
    expected = drawn(kind(SIZE, N, lag=5), Scores(), 24)
    for workers in (0, 2):
        sampler, score = kind(SIZE, N, lag=5), Scores()
        batches = loader(sampler, workers)
        seen = trained(batches, sampler, score, 3)
        left = next(iter(batches))  # looked at, and not trained
        assert left.tolist() == expected[3]
        seen += trained(batches, sampler, score)
        assert len(seen) == 13
        seen += trained(batches, sampler, score)
        assert seen == expected[:23]


# Workers and lag.


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("how", ["batch_sampler", "examples"])
def test_the_same_lag_gives_the_same_batches_whatever_the_workers(kind, how):
    def epochs(workers: int) -> list[list[int]]:
        sampler, score = kind(SIZE, N, lag=9), Scores()
        batches = loader(sampler, workers, persistent_workers=workers == 2)
        if how == "examples":
            options = {"num_workers": workers, "collate_fn": torch.tensor}
            batches = DataLoader(Itself(), sampler=sampler.examples, batch_size=N, **options)
        return [batch for _ in range(3) for batch in trained(batches, sampler, score)]

    alone = epochs(0)
    assert alone == epochs(2) == epochs(4)
    assert len(alone) == 30
    assert alone != drawn(kind(SIZE, N), Scores(), 30)


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("workers, factor", [(2, 2), (1, 3)])
def test_a_lag_too_small_for_the_loader_is_refused_with_the_smallest_valid_one(kind, workers, factor):
    needed = workers * factor + 1
    for lag in (1, needed - 1):
        sampler = kind(SIZE, N, lag=lag)
        indices = next(iter(loader(sampler, workers, prefetch_factor=factor)))
        refused(
            sampler,
            rf"lag is {lag}, but {needed} batches were drawn .* lag={needed}; .* num_workers \* prefetch_factor \+ 1",
            lambda sampler=sampler, indices=indices: sampler.update(indices, torch.ones(N)),
        )
    sampler = kind(SIZE, N, lag=needed)
    assert len(trained(loader(sampler, workers, prefetch_factor=factor), sampler, Scores())) == 10


@KINDS
def test_draws_made_too_early_leave_no_trace(kind):
    sampler, untouched, score, same = kind(SIZE, N), kind(SIZE, N), Scores(), Scores()
    assert drawn(sampler, score, 12) == drawn(untouched, same, 12)
    message = (
        r"22 batches were drawn and 12 updated: call update .* or skip\(\) .* lag = num_workers \* prefetch_factor"
    )
    with pytest.raises(InputError, match=message):
        list(sampler)
    next(iter(untouched))
    assert alike(sampler.state_dict(), untouched.state_dict())
    assert trained(sampler, sampler, score) == trained(untouched, untouched, same)


def test_a_loop_that_never_updates_is_told_so():
    sampler = BaseValuesSampler(SIZE, N, batches=4)
    for _ in range(4):
        sampler.draw()
    refused(sampler, "4 batches were drawn and 0 updated: call update after every batch", sampler.draw)
    with pytest.raises(InputError, match="10 batches were drawn and 0 updated"):
        for _ in loader(BaseValuesSampler(SIZE, N)):
            pass


# The state.


def resumed(sampler, path):
    """A new sampler that goes on from the state of this one, through a file."""
    torch.save(sampler.state_dict(), path)
    others = {"batches": len(sampler)} if isinstance(sampler, BaseValuesSampler) else {}
    again = type(sampler)(
        sampler.size, sampler.batch_size, seed=sampler.seed, lag=sampler.lag, **sampler._options, **others
    )
    again.load_state_dict(torch.load(path, weights_only=True))
    return again


@pytest.mark.slow
@pytest.mark.parametrize("lag", [1, 4])
@pytest.mark.parametrize(
    "kind, options",
    [
        (BaseValuesSampler, {"seed": 5, "uniform": 0.3, "beta": 0.5, "batches": 7}),
        (BaseValuesSampler, {"batches": 7}),
        (HardMiniBatchSampler, {"seed": 5, "delta": 0.3}),
    ],
)
def test_a_training_stopped_after_any_update_goes_on_the_same(kind, options, lag, tmp_path):
    """Batches, weights, the end of the pass, and refreshes."""

    def run(sampler, score, passes: int, stop: int | None = None):
        for _ in range(passes):
            for indices in sampler:
                weights = sampler.weights(indices).tolist()
                sampler.update(indices, score(indices))
                if sampler._updates == 5:
                    sampler.fill(torch.arange(1.0, 27))
                yield indices, weights
            yield "pass"

    def fresh():
        return kind(26, N, lag=lag, **options)

    whole = list(run(fresh(), Scores(), 3))
    assert whole.count("pass") == 3 and len(whole) == 24
    for stop in range(24):
        sampler, score = fresh(), Scores()
        start = list(itertools.islice(run(sampler, score, 3), stop))
        later = resumed(sampler, tmp_path / "state.pt")
        passes = 3 - start.count("pass")
        rest = list(itertools.islice(run(later, score, passes), 24 - stop))
        if stop and start[-1] != "pass" and whole[stop] == "pass":  # the pass had ended, and nobody had said so
            rest = ["pass", *rest][: 24 - stop]
        assert start + rest == whole


@KINDS
def test_a_state_kept_in_memory_does_not_change(kind):
    sampler, score = kind(SIZE, N, lag=3), Scores()
    drawn(sampler, score, 14)
    sampler.draw()
    state, then = sampler.state_dict(), copy.deepcopy(score)
    kept = copy.deepcopy(state)
    sampler.load_state_dict(state)
    later = drawn(sampler, score, 20)
    assert alike(state, kept)
    for again in (sampler, kind(SIZE, N, lag=3)):
        again.load_state_dict(state)
        assert drawn(again, copy.deepcopy(then), 20) == later
        assert alike(state, kept)
    sampler.load_state_dict(state)
    tensors = [state["drawn"], *state["waiting"], state.values()]
    for tensor in filter(torch.is_tensor, itertools.chain(*tensors)):
        tensor.zero_()
    assert drawn(sampler, then, 20) == later


def test_a_state_loaded_into_a_sampler_that_was_used_finds_the_short_mini_batch():
    sampler, used = (HardMiniBatchSampler(SIZE + 2, N, shuffle=False) for _ in range(2))

    def falling(indices):
        return torch.where(indices < SIZE, 100 - indices // N, 96.5)  # so that the short one comes fifth

    drawn(sampler, falling, 12)
    drawn(used, lambda indices: indices + 1.0, 12)  # in the same round, where it comes first
    used.load_state_dict(sampler.state_dict())
    later = drawn(used, falling, 4)
    assert later == drawn(sampler, falling, 4) and later[3] == [40, 41]


@KINDS
def test_an_iteration_ends_where_another_state_is_loaded(kind):
    sampler = kind(SIZE, N)
    batches = iter(sampler)
    next(batches)
    sampler.load_state_dict(sampler.state_dict())
    with pytest.raises(InputError, match="a newer iteration"):
        next(batches)


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_taken_while_workers_draw_ahead_is_exact(kind, workers, tmp_path):
    whole = drawn(kind(SIZE, N, lag=5), Scores(), 30)
    sampler, score = kind(SIZE, N, lag=5), Scores()
    seen = trained(loader(sampler, 2), sampler, score) + trained(loader(sampler, 2), sampler, score, 4)
    sampler = resumed(sampler, tmp_path / "state.pt")
    seen += trained(loader(sampler, workers), sampler, score)
    assert len(seen) == 20
    assert seen + trained(loader(sampler, workers), sampler, score) == whole


def test_the_state_is_small_and_plain(tmp_path):
    sampler = BaseValuesSampler(10000, N)
    drawn(sampler, Scores(), 3)
    plain = int | float | str | None | list | torch.Tensor
    assert all(isinstance(value, plain) for value in sampler.state_dict().values())
    torch.save(sampler.state_dict(), tmp_path / "state.pt")
    assert (tmp_path / "state.pt").stat().st_size < (4 + 8) * 10000 + 10000  # values, and how often each was trained


def test_a_pass_that_had_ended_is_not_finished_again(tmp_path):
    sampler, score = BaseValuesSampler(SIZE, N), Scores()
    trained(sampler, sampler, score)
    again = resumed(sampler, tmp_path / "state.pt")
    assert len(trained(again, again, score)) == 10
    trained(again, again, score, 3)
    again = resumed(again, tmp_path / "state.pt")
    assert [len(trained(again, again, score)) for _ in range(2)] == [7, 10]
    trained(again, again, score, 3)
    again = resumed(again, tmp_path / "state.pt")
    trained(again, again, score, 2)  # and left: the next pass is a whole one
    assert len(trained(again, again, score)) == 10


@pytest.mark.parametrize(
    "kind, other, message",
    [
        (BaseValuesSampler, {"size": 41}, "the state has size 41, the sampler 40"),
        (BaseValuesSampler, {"batch_size": 8}, "the state has batch_size 8, the sampler 4"),
        (BaseValuesSampler, {"seed": 1}, "the state has seed 1, the sampler 0"),
        (BaseValuesSampler, {"lag": 2}, "the state has lag 2, the sampler 1"),
        (BaseValuesSampler, {"floor": 0.5}, "the state has floor 0.5, the sampler 1e-08"),
        (BaseValuesSampler, {"uniform": 0.5}, "the state has uniform 0.5, the sampler 0.0"),
        (BaseValuesSampler, {"beta": 1.0}, "the state has beta 1.0, the sampler 0.0"),
        (BaseValuesSampler, {"power": 0.5}, "the state has power 0.5, the sampler 1.0"),
        (BaseValuesSampler, {"clip": 9}, "the state has clip 9.0, the sampler None"),
        (BaseValuesSampler, {"distinct": True}, "the state has distinct True, the sampler False"),
        (HardMiniBatchSampler, {"delta": 0.3}, "the state has delta 0.3, the sampler 0.5"),
        (HardMiniBatchSampler, {"shuffle": False}, "the state has shuffle False, the sampler True"),
        (HardMiniBatchSampler, {"drop_last": True}, "the state has drop_last True, the sampler False"),
        (HardMiniBatchSampler, {"walk": "data"}, "the state has walk 'data', the sampler 'loss'"),
        (HardMiniBatchSampler, {"round_length": "truncated"}, "has round_length 'truncated', the sampler 'carried'"),
    ],
)
def test_the_state_of_another_sampler_is_refused(kind, other, message):
    state = kind(**{"size": SIZE, "batch_size": N} | other).state_dict()
    sampler = kind(SIZE, N)
    drawn(sampler, Scores(), 3)
    refused(sampler, message, lambda: sampler.load_state_dict(state))


def test_the_state_of_another_class_or_with_a_part_missing_is_refused():
    hard, stream = HardMiniBatchSampler(SIZE, N), BaseValuesSampler(SIZE, N)
    message = "the state has class 'HardMiniBatchSampler', the sampler 'BaseValuesSampler'"
    refused(stream, message, lambda: stream.load_state_dict(hard.state_dict()))
    newer = {"trained", "power", "clip", "distinct", "touched", "parts"}  # than the first states
    for name in stream.state_dict().keys() - newer:
        state = stream.state_dict()
        del state[name]
        refused(stream, f"the state has no {name}", lambda state=state: stream.load_state_dict(state))


def test_what_decides_no_draw_may_change():
    sampler, score = BaseValuesSampler(SIZE, N, batches=6, refresh_every=4), Scores()
    trained(sampler, sampler, score, 3)
    again = BaseValuesSampler(SIZE, N, batches=8, refresh_every=2, rank=1, world_size=2)
    again.load_state_dict(sampler.state_dict())
    assert again.refresh_due
    assert again.draw().tolist() == sampler.draw().tolist()[2:]


# torchdata's loader.


def stateful(batches, workers: int, **options):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader")
    options = {"num_workers": workers, "collate_fn": torch.tensor} | options
    return torchdata.StatefulDataLoader(Itself(), **options, **batches)


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize(
    "how, workers", [("sampler", 0), ("mini_batches", 0), ("mini_batches", 2), ("examples", 0), ("examples", 2)]
)
@pytest.mark.parametrize("stop", [0, 4, 10, 13])
def test_a_stateful_loader_goes_on_the_same(kind, how, workers, stop, tmp_path):
    def make():
        sampler = kind(SIZE, N, lag=5)
        given = {"batch_sampler": sampler}
        if how == "mini_batches":
            given = {"batch_sampler": sampler.mini_batches}
        elif how == "examples":
            given = {"sampler": sampler.examples, "batch_size": N}
        return sampler, stateful(given, workers)

    sampler, batches = make()
    score, seen = Scores(), []
    while len(seen) < stop:
        left = stop - len(seen)
        seen += trained(batches, sampler, score, left if left < 10 else None)
    saved = {"loader": batches.state_dict(), "sampler": sampler.state_dict()}
    torch.save(saved, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    again, batches = make()
    if how != "sampler":
        again.load_state_dict(saved["sampler"])
    batches.load_state_dict(saved["loader"])
    rest = trained(batches, again, score)
    assert len(rest) == {0: 10, 4: 6, 10: 10, 13: 7}[stop]
    rest += trained(batches, again, score)
    whole = drawn(kind(SIZE, N, lag=5), Scores(), 30)
    assert seen + rest == whole[: len(seen + rest)]


def test_a_stateful_loader_whose_workers_draw_ahead_may_not_save_the_sampler_too_early():
    sampler = BaseValuesSampler(SIZE, N, lag=5)
    with pytest.raises(InputError, match="give it batch_sampler=sampler.mini_batches"):
        next(iter(stateful({"batch_sampler": sampler}, 2)))


@pytest.mark.parametrize("later", [0, 2])
def test_a_stateful_loader_and_a_sampler_of_different_steps_are_refused(later):
    sampler, score = BaseValuesSampler(SIZE, N), Scores()
    batches = stateful({"batch_sampler": sampler.mini_batches}, 0)
    states = []
    for indices in batches:
        states.append((batches.state_dict(), sampler.state_dict()))
        sampler.update(indices, score(indices))
    again = BaseValuesSampler(SIZE, N)
    batches = stateful({"batch_sampler": again.mini_batches}, 0)
    again.load_state_dict(states[4 + 2 * (later > 0)][1])
    batches.load_state_dict(states[6 - later][0])
    with pytest.raises(InputError, match=f"the loader's state is of step {7 - later}, the sampler's of {4 + later}"):
        next(iter(batches))


# Bad input.


@KINDS
@pytest.mark.parametrize(
    "scores, message",
    [
        (torch.tensor([1.0, -0.5, 1.0, 1.0]), "scores go from -0.5 to 1"),
        (torch.tensor([1.0, torch.nan, 1.0, 1.0]), r"a score is NaN, since the loss diverged or .* or call skip\(\)"),
        (torch.tensor([1.0, torch.inf, 1.0, 1.0]), "scores go from 1 to inf"),
        (torch.tensor([1.0, -torch.inf, 1.0, 1.0]), "scores go from -inf to 1"),
        (torch.ones(3), r"scores have the shape \[3\]: give one score of each of 4 examples"),
        (torch.ones(4, 1), r"scores have the shape \[4, 1\]"),
        (torch.tensor(1.0), r'scores have the shape \[\]: .* reduction="none"'),
        (torch.ones(4, device="meta"), "scores are on meta, which holds no numbers: give them on cpu"),
        (torch.ones(4, dtype=torch.bool), "scores are torch.bool"),
        (torch.ones(4, dtype=torch.complex64), "scores are torch.complex64"),
        ("good", "scores of the type str make no tensor"),
    ],
)
def test_bad_scores_are_refused(kind, scores, message):
    sampler = kind(SIZE, N)
    drawn(sampler, Scores(), 11)
    indices = sampler.draw()
    refused(sampler, message, lambda: sampler.update(indices, scores))
    sampler.update(indices, torch.ones(4))


@pytest.mark.parametrize(
    "scores, message",
    [
        (torch.ones(SIZE - 1), r"scores have the shape \[39\]: give one score of each of 40 examples"),
        (torch.ones(SIZE).index_fill(0, torch.tensor([3]), torch.nan), "a score is NaN"),
        (-torch.ones(SIZE), "scores go from -1 to -1"),
        (torch.ones(SIZE, device="meta"), "scores are on meta"),
        (torch.ones(SIZE, dtype=torch.bool), "scores are torch.bool"),
    ],
)
@KINDS
def test_a_bad_fill_is_refused(kind, scores, message):
    sampler = kind(SIZE, N)
    drawn(sampler, Scores(), 3)
    refused(sampler, message, lambda: sampler.fill(scores))


@KINDS
def test_bad_indices_are_refused(kind):
    sampler = kind(SIZE, N, shuffle=False) if kind is HardMiniBatchSampler else kind(SIZE, N)
    refused(
        sampler, "no batch waits for an update: draw one first", lambda: sampler.update([0, 1, 2, 3], torch.ones(4))
    )
    sampler.fill(torch.ones(SIZE))
    indices = sampler.draw().tolist()
    foreign = next(i for i in range(SIZE) if i not in indices)
    for bad, message in (
        ([-1, *indices[1:]], "index -1 is out of range, which is 0 to 39"),
        ([*indices[:3], 40], "index 40 is out of range, which is 0 to 39"),
        ([indices[0], foreign, foreign, foreign], f"index {foreign} is foreign to the batch that waits"),
        ([indices[0]] * 4, f"index {indices[0]} is repeated: 4 times, and drawn 1"),
        ([*indices, indices[0]], r"indices have the shape \[5\]: give the 4 indices of the batch, or a part"),
        ([indices], r"indices have the shape \[1, 4\]"),
        ([float(i) for i in indices], "indices are torch.float"),
        ([True] * 4, "indices are torch.bool"),
        (torch.zeros(4, dtype=torch.int64, device="meta"), "indices are on meta"),
        (None, "indices of the type NoneType make no tensor"),
    ):
        refused(sampler, message, lambda bad=bad: sampler.update(bad, torch.ones(4)))
    sampler.update(torch.tensor(indices[::-1], dtype=torch.int32), torch.ones(4))
    refused(sampler, "no batch waits for an update", lambda: sampler.update(indices, torch.ones(4)))


class SlowFirst(Itself):
    """The worker that has the first batch brings it last."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def __getitem__(self, index):
        time.sleep(0.5 * (index == self.first))
        return index


@pytest.mark.slow
def test_a_loader_that_brings_batches_out_of_order_is_refused():
    sampler = HardMiniBatchSampler(SIZE, N, lag=5)
    first = sampler.draw()[0].item()
    options = {"batch_sampler": sampler, "num_workers": 2, "collate_fn": torch.tensor}
    indices = next(iter(DataLoader(SlowFirst(first), in_order=False, **options)))
    refused(sampler, "in_order=True", lambda: sampler.update(indices, torch.ones(4)))
    assert len(trained(DataLoader(SlowFirst(first), **options), sampler, Scores())) == 10


def test_batches_are_updated_in_the_order_drawn():
    sampler = BaseValuesSampler(SIZE, N, lag=3)
    _, second = sampler.draw(), sampler.draw()
    message = "2 batches were drawn and 0 updated, and these examples are of a later one: call update after every batch"
    refused(sampler, message, lambda: sampler.update(second, torch.ones(4)))


def test_of_an_example_drawn_twice_the_last_score_is_kept():
    sampler = BaseValuesSampler(2, 5, seed=1)
    indices = sampler.draw()
    assert len(set(indices.tolist())) == 2
    fewest = min(indices.tolist(), key=indices.tolist().count)
    other = torch.tensor([fewest] * 5)
    refused(sampler, f"index {fewest} is repeated: 5 times", lambda: sampler.update(other, torch.ones(5)))
    sampler.update(indices, torch.arange(1.0, 6))
    sampler.draw()
    for i in (0, 1):
        last = (indices == i).nonzero().max().item() if i in indices else 4
        assert values(sampler)[i] == last + 1


@pytest.mark.parametrize(
    "kind, arguments, message",
    [
        (BaseValuesSampler, {"size": 0}, "size is 0: give at least 1 example"),
        (BaseValuesSampler, {"batch_size": 0}, "batch_size is 0: give at least 1"),
        (BaseValuesSampler, {"lag": 0}, "lag is 0: give at least 1"),
        (BaseValuesSampler, {"batches": 0}, "batches is 0: give at least 1"),
        (BaseValuesSampler, {"floor": 0.0}, "floor is 0.0"),
        (BaseValuesSampler, {"uniform": 1.5}, "uniform is 1.5"),
        (BaseValuesSampler, {"beta": -1.0}, "beta is -1.0"),
        (BaseValuesSampler, {"refresh_every": -1}, "refresh_every is -1: give a number of updates"),
        (BaseValuesSampler, {"world_size": 3}, "world_size is 3 and does not divide batch_size 4"),
        (BaseValuesSampler, {"world_size": 0}, "world_size is 0"),
        (BaseValuesSampler, {"rank": 2, "world_size": 2}, "rank is 2: give 0 to 1"),
        (BaseValuesSampler, {"rank": -1, "world_size": 2}, "rank is -1: give the number of this process"),
        (BaseValuesSampler, {"power": 0.0}, "power is 0.0: give 1"),
        (BaseValuesSampler, {"clip": 1.0}, "clip is 1.0: give a number of means above 1"),
        (BaseValuesSampler, {"distinct": 1}, "distinct is 1: give True or False"),
        (BaseValuesSampler, {"distinct": True, "beta": 1.0}, "beta is 1.0: give 0 where distinct"),
        (BaseValuesSampler, {"distinct": True, "size": 3}, "a mini-batch of 4 cannot be drawn from 3 examples"),
        (BaseValuesSampler, {"warn_share": 0.0}, "warn_share is 0.0: give a share of the draws above 0"),
        (HardMiniBatchSampler, {"size": 0}, "size is 0: give at least 1 example"),
        (HardMiniBatchSampler, {"size": 3, "drop_last": True}, "3 examples fill no mini-batch of 4: choose a smaller"),
        (HardMiniBatchSampler, {"lag": -2}, "lag is -2"),
        (HardMiniBatchSampler, {"delta": 0.01}, "delta is 0.01"),
        (HardMiniBatchSampler, {"walk": "up"}, "unknown walk 'up'"),
        (HardMiniBatchSampler, {"round_length": "long"}, "unknown round_length 'long'"),
        (HardMiniBatchSampler, {"world_size": 3}, "world_size is 3 and does not divide"),
        (HardMiniBatchSampler, {"size": 41, "world_size": 2}, "the last mini-batch has 1 examples, which 2 processes"),
    ],
)
def test_bad_arguments_are_refused(kind, arguments, message):
    with pytest.raises(InputError, match=message):
        kind(**{"size": SIZE, "batch_size": N} | arguments)


def test_ranks_that_can_share_the_short_mini_batch_do():
    process_group = [HardMiniBatchSampler(SIZE + 2, N, lag=99, rank=rank, world_size=2) for rank in (0, 1)]
    assert [batch for pair in zip(*process_group, strict=True) for batch in [pair[0] + pair[1]]] == [
        batch for batch in HardMiniBatchSampler(SIZE + 2, N, lag=99)
    ]


def test_several_processes_that_do_not_run_cannot_update():
    sampler = BaseValuesSampler(SIZE, N, rank=1, world_size=2)
    indices = sampler.draw()
    message = "the sampler is rank 1 of 2, and torch.distributed has rank 0 of 1: start all processes"
    refused(sampler, message, lambda: sampler.update(indices, torch.ones(2)))
    other = BaseValuesSampler(SIZE, N, rank=1, world_size=2)
    refused(other, message, lambda: other.fill(torch.ones(SIZE)))


# Any task: the score of an example is its loss, whatever it is made of.


def learns(sampler, dataset, model, losses_of, passes: int = 12) -> tuple[float, float]:
    """Mean loss over all examples before and after a training in the three lines of the documentation."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def mean() -> float:
        x, y, _ = next(iter(DataLoader(WithIndex(dataset), batch_size=len(dataset))))
        return losses_of(model(x), y).mean().item()

    before = mean()
    for _ in range(passes):
        for x, y, index in DataLoader(WithIndex(dataset), batch_sampler=sampler):
            losses = losses_of(model(x), y)
            losses.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            sampler.update(index, losses)
    return before, mean()


@pytest.fixture
def x():
    return torch.randn(SIZE, 3, generator=torch.manual_seed(0))


@KINDS
def test_classification(kind, x):
    dataset = TensorDataset(x, (x[:, 0] > 0).long())
    before, after = learns(
        kind(SIZE, N), dataset, torch.nn.Linear(3, 2), lambda out, y: F.cross_entropy(out, y, reduction="none")
    )
    assert after < 0.8 * before


@KINDS
def test_regression(kind, x):
    dataset = TensorDataset(x, x.sum(1))
    before, after = learns(kind(SIZE, N), dataset, torch.nn.Linear(3, 1), lambda out, y: (out[:, 0] - y) ** 2)
    assert after < 0.5 * before


@KINDS
def test_segmentation(kind, x):
    images = x[:, :1, None].expand(-1, 1, 4).unsqueeze(3) * torch.ones(4)  # [N, 1, 4, 4]
    dataset = TensorDataset(images, (images[:, 0] > 0).long())
    model = torch.nn.Conv2d(1, 2, 1)
    before, after = learns(
        kind(SIZE, N), dataset, model, lambda out, y: F.cross_entropy(out, y, reduction="none").mean((1, 2))
    )
    assert after < 0.8 * before


@KINDS
def test_language(kind):
    tokens = torch.arange(SIZE)[:, None] + torch.arange(7)
    dataset = TensorDataset(tokens[:, :-1] % 5, tokens[:, 1:] % 5)
    model = torch.nn.Embedding(5, 5)

    def losses_of(out, y):
        return F.cross_entropy(out.transpose(1, 2), y, reduction="none").mean(1)

    before, after = learns(kind(SIZE, N), dataset, model, losses_of)
    assert after < 0.8 * before


@pytest.mark.gpu
@KINDS
def test_a_gpu_draws_as_the_host_does(kind):
    host, gpu, score, same = kind(SIZE, N, lag=2), kind(SIZE, N, lag=2, device="cuda"), Scores(), Scores()
    for step in range(15):
        indices = gpu.draw()
        assert indices.is_cuda and indices.tolist() == host.draw().tolist()
        gpu.update(indices, score(indices).to(["cpu", "cuda"][step % 2]))
        host.update(indices.cpu(), same(indices))
    again = kind(SIZE, N, lag=2, device="cuda")
    again.load_state_dict(gpu.state_dict())
    assert again.draw().tolist() == host.draw().tolist()


def test_a_sampler_made_before_the_processes_started_is_refused_unless_told_to_be_alone(monkeypatch):
    found, alone = BaseValuesSampler(10, 4), BaseValuesSampler(10, 4, rank=0, world_size=1)
    monkeypatch.setattr(process_group, "_running", lambda: (1, 2))
    with pytest.raises(InputError, match="rank 0 of 1, and torch.distributed has rank 1 of 2: start all processes"):
        found.update(found.draw(), torch.ones(4))
    alone.update(alone.draw(), torch.ones(4))


def test_the_values_are_there_to_be_looked_at():
    sampler = BaseValuesSampler(6, 3)
    sampler.fill(torch.arange(1.0, 7.0))
    assert sampler.values.tolist() == [1, 2, 3, 4, 5, 6]
