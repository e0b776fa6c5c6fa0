"""Algorithm 2 by hand, the number of updates for every N and δ, and what each protocol and control does otherwise."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hardsample.errors import InputError
from hardsample.methods import hard_mini_batches, registry

SEED = torch.tensor([1])


def built(name: str, size: int, n: int, seeds: torch.Tensor = SEED, **options) -> registry.Method:
    return registry.build(name, size, n, seeds, options=options)


def never(indices: torch.Tensor):
    raise AssertionError("no forward pass is wanted here")


def trained(method: registry.Method, steps: int, loss) -> list[list[int]]:
    """The examples of each of so many steps; ``loss`` gives every example's, by step and indices."""
    drawn = []
    for step in range(steps):
        method.refresh(step, never)
        method.prepare(step)
        indices = method.draw(step).indices
        method.observe(indices, torch.zeros(*indices.shape, 3), loss(step, indices))
        drawn.append(indices[0].tolist())
    return drawn


def batches(drawn: list[list[int]], n: int = 2) -> list[int]:
    """Numbers of unshuffled mini-batches of n."""
    return [indices[0] // n for indices in drawn]


def test_algorithm_2_by_hand():
    """Four mini-batches of two, δ = 0.5: pairs of updates, the highest kept loss first, and its new loss kept."""
    kept = [[1.0, 4.0, 3.0, 2.0], [0.5, 2.5], [1.9, 3.5], [0.1, 0.2], [7.0, 0.0]]
    expected = [0, 1, 2, 3, *(1, 2), *(2, 3), *(3, 0), *(1, 0)]
    losses = [loss for round_ in kept for loss in round_]
    method = built("HMB", 8, 2, delta=0.5, shuffle=False)
    # After the pass 1 4 3 2; then 1 .5 2.5 2; then 1 .5 1.9 3.5; then .2 .5 1.9 .1, where 2 and 1 lead.
    drawn = trained(method, 8, lambda step, indices: torch.full(indices.shape, losses[step]))
    assert batches(drawn) == expected[:8]
    assert method.losses[0].tolist() == pytest.approx([1.0, 0.5, 1.9, 3.5])
    method.prepare(8)
    assert method.draw(8).indices[0].tolist() == [6, 7]


def test_a_mini_batch_is_kept_by_the_mean_of_its_examples_losses():
    method = built("HMB", 4, 2, delta=0.5, shuffle=False)
    trained(method, 2, lambda step, indices: indices.float() ** 2)
    assert method.losses[0].tolist() == [0.5, 6.5]


@pytest.mark.slow
@given(
    batches=st.integers(1, 120),
    tail=st.integers(0, 3),
    percent=st.integers(1, 100),
    epochs=st.integers(1, 9),
    kind=st.sampled_from(["carried", "truncated"]),
)
def test_rounds_share_out_exactly_e_n_updates(batches, tail, percent, epochs, kind):
    """N + ζδN = E N (equation 4): every update is one place of one round, and no round is longer than δN allows."""
    delta, size = percent / 100, 4 * batches + tail
    count = -(-size // 4)
    if percent * count < 100:
        with pytest.raises(InputError, match="not a whole one"):
            built("HMB", size, 4, delta=delta)
        return
    method = built("HMB", size, 4, delta=delta, round_length=kind)
    assert method.updates_per_epoch == count
    places = [method._place(step) for step in range(epochs * count)]
    assert places == sorted(set(places))  # each once, in order
    lengths = list(Counter(number for number, _ in places).values())
    assert lengths[0] == count and sum(lengths) == epochs * count
    whole = percent * count // 100
    if kind == "truncated":
        assert set(lengths[1:-1]) <= {whole}
    else:
        complete = lengths[1:-1]
        assert set(complete) <= {whole, whole + 1}
        assert sum(complete) == percent * len(complete) * count // 100  # the fraction is carried


def test_delta_n_below_one_is_refused_with_the_smallest_valid_delta():
    with pytest.raises(InputError, match=r"delta is 0.05, and of 10 mini-batches .* give 0.1 to 1"):
        built("HMB", 100, 10, delta=0.05)
    with pytest.raises(InputError, match=r"of 97 mini-batches .* give 0.01031 to 1"):
        built("HMB", 97, 1, delta=0.01)
    assert built("HMB", 97, 1, delta=0.01031).round_length >= 1
    assert built("HMB", 97, 1, delta=1 / 97).round_length == 1


@pytest.mark.parametrize("delta", [0, -0.5, 1.5, math.nan])
def test_delta_out_of_range_is_refused(delta):
    with pytest.raises(InputError, match=f"delta is {delta:g}"):
        built("HMB", 100, 10, delta=delta)


def test_delta_1_walks_all_mini_batches_in_their_own_order_whatever_their_losses():
    drawn = trained(built("HMB", 12, 4, delta=1.0, shuffle=False), 9, lambda step, indices: -indices.float())
    assert drawn == 3 * [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_the_published_walk_is_in_the_datas_order_and_leaves_the_last_examples_out():
    options = {"delta": 0.5, "shuffle": False, "drop_last": True, "walk": "data", "round_length": "truncated"}
    method = built("HMB", 11, 2, **options)
    drawn = trained(method, 9, lambda step, indices: 10.0 - indices.float() + 20 * (indices // 2 == 3))
    # N = 5 and int(2.5) = 2: hardest are 3 and 0, trained as 0, 3.
    assert batches(drawn) == [0, 1, 2, 3, 4, 0, 3, 0, 3]
    assert 10 not in sum(drawn, [])
    sound = built("HMB", 11, 2, **options | {"walk": "loss"})
    assert batches(trained(sound, 7, lambda step, indices: 10.0 + 20.0 * (indices // 2 == 3)))[5:] == [3, 0]


def test_equal_losses_go_by_the_mini_batches_order():
    drawn = trained(built("HMB", 12, 2, delta=0.5, shuffle=False), 12, lambda step, indices: torch.ones(indices.shape))
    assert batches(drawn)[6:] == [0, 1, 2, 0, 1, 2]


def test_a_loss_that_is_no_number_is_the_highest():
    def loss(step, indices):
        return torch.where(indices // 2 == 2, torch.nan, 5.0 - indices / 2)

    assert batches(trained(built("HMB", 8, 2, delta=0.25, shuffle=False), 6, loss))[4:] == [2, 2]


def test_the_host_reads_a_round_once_where_a_mini_batch_is_short(monkeypatch):
    """On a GPU it waits for every number that it reads."""
    reads = []
    for name in ("tolist", "item", "__bool__"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda tensor, real=real: reads.append(0) or real(tensor))
    method = built("HMB", 9, 2, delta=0.6, drop_last=False)
    lengths = [len(drawn) for drawn in trained(method, 5, lambda step, indices: torch.ones(indices.shape))]
    assert sorted(lengths) == [1, 2, 2, 2, 2]
    before = len(reads)
    method.prepare(6)
    method.prepare(7)
    assert len(reads) - before <= 1


def test_a_short_last_mini_batch_is_trained_as_it_is():
    method = built("HMB", 7, 3, delta=0.5)
    drawn = trained(
        method, 9, lambda step, indices: torch.where(torch.tensor(indices.shape[1] == 1), 9.0, 1.0) + indices
    )
    assert [len(indices) for indices in drawn[:3]] == [3, 3, 1]
    assert sorted(sum(drawn[:3], [])) == list(range(7))
    assert any(len(indices) == 1 for indices in drawn[3:])
    with pytest.raises(InputError, match="leave a short one of 7 examples, which seeds trained together"):
        built("HMB", 7, 3, torch.tensor([1, 2]))
    assert built("HMB", 7, 3, torch.tensor([1, 2]), drop_last=True).updates_per_epoch == 2
    with pytest.raises(InputError, match="2 examples fill no mini-batch of 3"):
        built("HMB", 2, 3, drop_last=True)


@pytest.mark.parametrize("name, options", [("HMB", {"delta": 0.5}), ("FMB", {}), ("HE", {"delta": 0.5})])
def test_a_graph_can_be_captured_at_a_short_mini_batch_and_is_of_full_ones(name, options):
    method = built(name, 7, 3, **options)
    method.prepare(2)
    assert method.short(2) and method.draw(2).indices.shape == (1, 1)
    captured = method.draw(torch.tensor(2)).indices
    assert captured.shape == (1, 3) and captured.max() < 7


def test_the_shuffle_is_the_seeds_and_stays():
    drawn = trained(built("HMB", 60, 5, delta=0.25), 30, lambda step, indices: torch.ones(indices.shape))
    first = {tuple(indices) for indices in drawn[:12]}
    assert len(first) == 12 and set(map(tuple, drawn)) == first
    assert sorted(sum(drawn[:12], [])) == list(range(60)) != sum(drawn[:12], [])
    other = built("HMB", 60, 5, torch.tensor([2]), delta=0.25)
    other.prepare(0)
    assert other.draw(0).indices[0].tolist() != drawn[0]


def test_random_mini_batches_at_delta_1_keep_their_order_unless_they_are_trained_as_drawn():
    def drawn(**options):
        return trained(built("RMB", 43, 4, delta=1.0, **options), 33, lambda step, indices: indices.float())

    kept, new = drawn(), drawn(walk="drawn")
    passes = [new[first : first + 11] for first in (0, 11, 22)]
    assert kept[:11] == kept[11:22] == kept[22:] == passes[0]  # the first pass is the same
    assert passes[0] != passes[1] != passes[2]
    assert all(sorted(one) == sorted(passes[0]) for one in passes)  # the short one too
    share = [trained(built("RMB", 40, 4, delta=0.4, walk=walk), 30, lambda step, indices: indices.float())
             for walk in ("loss", "drawn")]  # fmt: skip
    assert share[0] == share[1]
    with pytest.raises(InputError, match="unknown walk 'drawn': choose one of loss, data"):
        built("HMB", 40, 4, walk="drawn")


# E, N and δ; int(ζ), int(δN) and their updates: the paper's pseudo-code on CIFAR (N = 97) and STL-10 (N = 9).
ENDS = [
    (100, 97, 0.8, 123, 77, 9_568),
    (100, 97, 0.5, 198, 48, 9_601),
    (100, 97, 0.2, 495, 19, 9_502),
    (100, 97, 1.0, 99, 97, 9_700),
    (100, 9, 0.8, 123, 7, 870),
    (100, 9, 0.5, 198, 4, 801),
    (100, 9, 0.2, 495, 1, 504),
    (2.5, 10, 0.7, 2, 7, 24),
]


@pytest.mark.parametrize("epochs, count, delta, number, length, updates", ENDS)
def test_whole_rounds_end_where_the_papers_pseudo_code_does(epochs, count, delta, number, length, updates):
    assert hard_mini_batches.whole_rounds(epochs, delta) == number
    options = {"delta": delta, "round_length": "truncated", "drop_last": True}
    method = registry.build("HMB", 2 * count, 2, SEED, first_step=7, options=options | {"rounds": number})
    assert method.round_length == length and method.end == 7 + updates == 7 + count + number * length
    assert method._place(method.end - 1) == (number, length - 1)  # the last of its round
    assert built("HMB", 2 * count, 2, **options).end is None
    with pytest.raises(InputError, match="rounds is -1: give a number of rounds, or 0 for as many as"):
        built("HMB", 2 * count, 2, rounds=-1)


def test_the_modules_words_on_the_difference_are_so():
    said = {97: (132, 99, 198), 9: (30, 99, 396)}
    for count, fewer in said.items():
        found = {delta: 100 * count - updates for _, n, delta, *_, updates in ENDS if n == count}
        assert fewer == (found[0.8], found[0.5], found[0.2])
    words = " ".join(hard_mini_batches.__doc__.split())
    assert "132, 99 and 198 of 9,700" in words and "30, 99 and 396 of 900" in words


def test_random_mini_batches_look_at_no_loss_and_differ_from_round_to_round():
    def drawn(loss):
        return trained(built("RMB", 200, 2, delta=0.2), 160, loss)

    rising = drawn(lambda step, indices: indices.float())
    assert rising == drawn(lambda step, indices: -indices.float())
    later = [frozenset(map(tuple, rising[first : first + 20])) for first in (100, 120, 140)]
    assert all(len(round_) == 20 for round_ in later) and len(set(later)) == 3
    assert set().union(*later) <= set(map(tuple, rising[:100]))


def test_fresh_mini_batches_hold_every_example_once_an_epoch_and_are_never_the_same():
    drawn = trained(built("FMB", 22, 5), 15, lambda step, indices: indices.float())
    epochs = [drawn[first : first + 5] for first in (0, 5, 10)]
    assert all(sorted(sum(epoch, [])) == list(range(22)) for epoch in epochs)
    assert all([len(indices) for indices in epoch] == [5, 5, 5, 5, 2] for epoch in epochs)
    assert len(set(map(tuple, drawn))) == 15


def test_hard_examples_are_chosen_one_by_one():
    """Twelve examples in threes, δ = 0.5: rounds of the six with the highest loss when last trained, in that order."""
    method = built("HE", 12, 3, delta=0.5)
    drawn = trained(method, 8, lambda step, indices: indices.float() - (20 if step > 3 else 0))
    assert drawn[4:6] == [[11, 10, 9], [8, 7, 6]]
    assert drawn[6:8] == [[5, 4, 3], [2, 1, 0]]
    left_out = built("HE", 13, 3, delta=0.5, drop_last=True)
    thrice = trained(left_out, 12, lambda step, indices: indices.float())
    assert len(set(sum(thrice, []))) == 12


@pytest.mark.parametrize("name", ["HMB", "RMB", "HE"])
def test_bad_options_are_refused(name):
    with pytest.raises(InputError, match="unknown round_length 'rounded': choose one of carried, truncated"):
        built(name, 8, 2, round_length="rounded")
    if name != "HE":
        with pytest.raises(InputError, match="unknown walk 'up': choose one of loss, data"):
            built(name, 8, 2, walk="up")


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_loss_goes_to_the_mini_batch_of_its_examples_whenever_it_comes(drop_last):
    method = built("HMB", 7, 2, drop_last=drop_last)
    drawn = []
    for step in range(method.updates_per_epoch):
        method.prepare(step)
        drawn.append(method.draw(step).indices.clone())
    for number in reversed(range(len(drawn))):
        method.observe(drawn[number], torch.zeros(0), torch.full(drawn[number].shape, float(number)))
    assert method.losses[0].tolist() == list(range(len(drawn)))


@pytest.mark.parametrize("name", ["HMB", "HE"])
def test_losses_are_refreshed_every_so_many_rounds_before_the_round_is_chosen(name):
    method = built(name, 8, 2, delta=0.5, shuffle=False, refresh_every=2)
    asked = []
    for step in range(4 + 5 * 2):

        def evaluate(wanted):
            asked.append(step)  # noqa: B023
            assert wanted.tolist() == [list(range(8))]
            return torch.zeros(1, 8, 3), torch.tensor([[0.0, 0, 5, 5, 0, 0, 9, 7]])

        method.refresh(step, evaluate)
        method.prepare(step)
        indices = method.draw(step).indices
        if asked and step == asked[-1]:
            assert indices.tolist() == [[6, 7]]  # the hardest of what was just looked at
        method.observe(indices, torch.zeros(0), torch.zeros(indices.shape))
    assert asked == [6, 10]  # of rounds 1 to 5 the second and the fourth


def test_refreshed_losses_are_means_of_mini_batches_a_short_one_too():
    method = built("HMB", 7, 2, shuffle=False)
    method.fill(torch.arange(7.0)[None])
    assert method.losses.tolist() == [[0.5, 2.5, 4.5, 6.0]]
    with pytest.raises(InputError, match="refresh_every is -1: give a number of rounds, or 0"):
        built("HMB", 8, 2, refresh_every=-1)
