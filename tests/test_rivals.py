"""Each rival by the property that its paper gives it, fed with made-up losses."""

import math
from collections import Counter

import pytest
import torch
from scipy import stats

from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.methods.infobatch import InfoBatch
from hardsample.methods.kakurenbo import Kakurenbo
from hardsample.methods.loss_proportional import LossProportional
from hardsample.methods.mercury import Mercury
from hardsample.methods.ohem import OnlineHardExamples
from hardsample.methods.selective_backprop import SelectiveBackprop
from hardsample.methods.uniform import MiniBatches

SEED = torch.tensor([1])
CLASSES = 3
ALL = {
    "SB": (SelectiveBackprop, {"history": 40}),
    "StaleSB": (SelectiveBackprop, {"history": 40, "stale_every": 3}),
    "KAKURENBO": (Kakurenbo, {"epochs": 12.0}),
    "InfoBatch": (InfoBatch, {"epochs": 12.0}),
    "Mercury": (Mercury, {"group": 3}),
    "OHEM": (OnlineHardExamples, {}),
    "LPS": (LossProportional, {}),
}


def loss_of(indices, step):
    """Losses from near 0 to about 3, drifting; some are confident and right, some not."""
    return 1.5 + 1.5 * torch.sin(indices * 0.7 + step * 0.05)


def logits_of(losses, right=True):
    """Logits whose least cross-entropy is the loss, so that the prediction is right; or of another class's."""
    p = (-losses).exp().clamp(1e-6, 1 - 1e-6) if right else torch.full_like(losses, 0.9)
    rest = ((1 - p) / (CLASSES - 1)).log()
    return torch.stack([p.log()] + [rest] * (CLASSES - 1), dim=-1)


def never(indices):
    raise AssertionError("no forward pass is wanted here")


class Driven:
    """A method in the loop's hands: what was drawn, weighed and asked for at each step."""

    def __init__(self, kind, size, n, seeds=SEED, first_step=0, loss=loss_of, right=True, **options):
        self.method = kind(size, n, seeds, first_step, **options)
        self.loss, self.right = loss, right
        self.drawn, self.weights, self.factors = [], [], []
        self.asked = []  # (step, indices) of every forward pass that chooses

    def run(self, steps):
        for step in steps:
            self.refresh(step)
            self.method.prepare(step)
            indices, weights = self.method.draw(step)
            self.weights.append(weights)
            self.factors.append(self.method.learning_rate_factor(step))
            losses = self.loss(indices, step)
            self.method.observe(indices, logits_of(losses, self.right), losses)
            self.drawn.append(indices)
        return torch.stack(self.drawn)

    def refresh(self, step):
        def evaluate(wanted):
            self.asked.append((step, wanted.clone()))
            losses = self.loss(wanted, step)
            return logits_of(losses, self.right), losses

        self.method.refresh(step, evaluate)

    def forwards(self, seed=0):
        return sum(int((wanted[seed] >= 0).sum()) for _, wanted in self.asked)


@pytest.mark.slow
@pytest.mark.parametrize("size, n", [(60, 8), (7, 10)])
@pytest.mark.parametrize("name", ALL)
def test_a_seed_alone_draws_and_asks_what_it_does_in_a_cohort(name, size, n):
    kind, options = ALL[name]
    seeds = torch.tensor([3, 1, 2])
    together = Driven(kind, size, n, seeds, **options)
    drawn = together.run(range(40))
    for place, seed in enumerate(seeds):
        alone = Driven(kind, size, n, seed.view(1), **options)
        assert torch.equal(alone.run(range(40))[:, 0], drawn[:, place])
        assert alone.forwards() == together.forwards(place)
        assert alone.factors == together.factors
        if name in ("InfoBatch", "Mercury"):
            torch.testing.assert_close(torch.cat(alone.weights), torch.stack(together.weights)[:, place])


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_resumed_method_goes_on_as_if_it_had_never_stopped(name):
    kind, options = ALL[name]
    seeds = torch.tensor([1, 2])
    whole = Driven(kind, 60, 8, seeds, **options)
    drawn = whole.run(range(50))
    for stop in (1, 7, 8, 23):
        stopped, resumed = (Driven(kind, 60, 8, seeds, **options) for _ in range(2))
        stopped.run(range(stop))
        saved = {key: tensor.clone() for key, tensor in stopped.method.tensors.items()}
        assert saved.keys() == resumed.method.tensors.keys()
        for key, tensor in resumed.method.tensors.items():
            tensor.copy_(saved[key])
        assert torch.equal(resumed.run(range(stop, 50)), drawn[stop:])
        assert resumed.factors == whole.factors[stop:]
        assert stopped.forwards() + resumed.forwards() == whole.forwards()


@pytest.mark.parametrize("name", ALL)
def test_a_step_prepared_twice_is_the_same(name):
    """What captures a step as a graph prepares it, and so does the loop."""
    kind, options = ALL[name]
    once, twice = (Driven(kind, 60, 8, **options) for _ in range(2))
    for step in range(30):
        once.run([step])
        twice.refresh(step)
        twice.method.prepare(step)
        before = {key: tensor.clone() for key, tensor in twice.method.tensors.items()}
        for _ in range(2):
            for key, tensor in twice.method.tensors.items():
                tensor.copy_(before[key])
            twice.method.prepare(step)
            indices = twice.method.draw(step).indices
            losses = loss_of(indices, step)
            twice.method.observe(indices, logits_of(losses), losses)
        assert torch.equal(indices, once.drawn[-1])
    assert twice.forwards() == once.forwards()


@pytest.mark.parametrize("name", ALL)
def test_state_keeps_its_shape_and_its_memory(name):
    kind, options = ALL[name]
    driven = Driven(kind, 60, 8, torch.tensor([1, 2]), **options)
    before = {key: (tensor.shape, tensor.data_ptr()) for key, tensor in driven.method.tensors.items()}
    driven.run(range(20))
    assert before == {key: (tensor.shape, tensor.data_ptr()) for key, tensor in driven.method.tensors.items()}


@pytest.mark.parametrize("name", ALL)
def test_losses_that_are_no_numbers_stop_nothing(name):
    kind, options = ALL[name]
    for value in (math.nan, math.inf, 0.0):
        drawn = Driven(kind, 20, 4, loss=lambda indices, step: torch.full(indices.shape, value), **options).run(  # noqa: B023
            range(30)
        )
        assert ((0 <= drawn) & (drawn < 20)).all()


@pytest.mark.parametrize("name", ["KAKURENBO", "InfoBatch", "SB"])
def test_after_a_pre_training_other_orders_follow(name):
    """The first whole pass is in the order of the next epoch, and a schedule begins where the method does."""
    kind, options = ALL[name]
    early = Driven(kind, 60, 6, **options | {"epochs": 12.0} if name != "SB" else {"beta": 0.0})
    late = Driven(kind, 60, 6, first_step=20, **options | {"epochs": 12.0} if name != "SB" else {"beta": 0.0})
    first, after = early.run(range(10)).flatten(), late.run(range(20, 30)).flatten()
    assert sorted(first.tolist()) == sorted(after.tolist()) == list(range(60))
    assert not torch.equal(first, after)


# selective backprop


@pytest.mark.slow
def test_sb_keeps_in_proportion_to_the_power_of_the_rank():
    """Losses 1..50 in a stationary history: the i-th is kept with probability (i / 50)^beta."""
    size, rounds = 50, 400
    driven = Driven(SelectiveBackprop, size, size, loss=lambda indices, step: indices + 1.0, beta=2.0, history=size)
    drawn = driven.run(range(rounds)).flatten()
    shown = driven.forwards() / size  # candidate epochs, each example once in each
    expected = shown * ((torch.arange(size) + 1) / size) ** 2
    counts = torch.bincount(drawn, minlength=size)
    z = (counts - expected) / (expected * (1 - expected / shown)).clamp(min=1).sqrt()
    assert z.abs().max() < 4.5
    assert counts.sum() / driven.forwards() == pytest.approx(1 / 3, rel=0.05)  # 1 / (beta + 1), for large R


def test_sb_ranks_among_the_last_r_losses_alone():
    """Low losses after high ones rank low until the high ones are forgotten."""
    driven = Driven(SelectiveBackprop, 40, 40, loss=lambda i, step: i + 1.0 + 100.0 * (step == 0), history=40)
    driven.run(range(1))
    history = driven.method._history
    assert sorted(history[0].tolist()) == [i + 101.0 for i in range(40)]
    driven.run(range(1, 2))
    assert sorted(history[0].tolist()) == [i + 1.0 for i in range(40)]
    longer = Driven(SelectiveBackprop, 40, 8, loss=lambda i, step: i + 1.0, history=20)
    longer.run(range(3))
    shown = torch.cat([wanted[0] for _, wanted in longer.asked])
    assert sorted(longer.method._history[0].tolist()) == sorted((shown[-20:] + 1.0).tolist())


def test_sb_walks_its_candidates_in_shuffled_epochs_and_loses_none_that_it_keeps():
    driven = Driven(SelectiveBackprop, 30, 7, beta=1.0)
    drawn = driven.run(range(40)).flatten().tolist()
    shown = torch.cat([wanted[0] for _, wanted in driven.asked])
    whole = shown[: len(shown) // 30 * 30].view(-1, 30)
    assert (whole.sort(1)[0] == torch.arange(30)).all() and len({tuple(row.tolist()) for row in whole}) == len(whole)
    remaining = iter(shown.tolist())
    assert all(index in remaining for index in drawn)  # what is trained is a subsequence of what was shown
    keeps_all = Driven(SelectiveBackprop, 30, 7, beta=0.0)
    kept = keeps_all.run(range(20)).flatten()
    assert torch.equal(kept, torch.cat([wanted[0] for _, wanted in keeps_all.asked])) and keeps_all.forwards() == 140


def test_sb_asks_each_seed_until_it_has_its_own_n():
    driven = Driven(SelectiveBackprop, 60, 6, torch.tensor([1, 2, 3]), beta=2.0)
    driven.run(range(50))
    assert any((wanted[:, 0] < 0).any() for _, wanted in driven.asked)
    assert all(((wanted >= 0).all(1) | (wanted == -1).all(1)).all() for _, wanted in driven.asked)
    for seed in range(3):
        assert driven.forwards(seed) / 50 == pytest.approx(18, rel=0.25)  # n (beta + 1)


def test_stale_sb_computes_losses_in_every_third_epoch_of_candidates():
    plain = Driven(SelectiveBackprop, 60, 6, beta=1.0)
    stale = Driven(SelectiveBackprop, 60, 6, beta=1.0, stale_every=3)
    constant = lambda indices, step: loss_of(indices, 0)  # noqa: E731
    plain.loss = stale.loss = constant
    drawn = plain.run(range(90))
    assert torch.equal(drawn, stale.run(range(90)))  # stale losses are as good where losses stay
    batches = plain.forwards() // 6
    assert stale.forwards() == 6 * sum(batch // 10 % 3 == 0 for batch in range(batches))
    for number, (_, wanted) in enumerate(stale.asked):
        assert torch.equal(wanted, plain.asked[number // 10 * 30 + number % 10][1])


def test_stale_sb_reuses_the_loss_last_computed():
    """Losses turn around after the first epoch of candidates; the stale choice does not notice."""

    def turning(indices, step):
        return (indices + 1.0) * (1 if step == 0 else -1) + 61

    def high(stale_every):
        driven = Driven(SelectiveBackprop, 60, 60, loss=turning, beta=4.0, history=60, stale_every=stale_every)
        driven.method._kept += 59  # so that the first step needs one candidate epoch or little more
        return driven

    stale = high(1000)
    stale.run(range(12))
    assert {step for step, _ in stale.asked} == {0}
    assert torch.stack(stale.drawn[3:]).float().mean() > 40
    assert torch.stack(high(1).run(range(12)).unbind()[3:]).float().mean() < 20


# passes over what is kept


@pytest.mark.parametrize("kind", [Kakurenbo, InfoBatch])
@pytest.mark.parametrize("size, n", [(40, 8), (40, 7), (5, 9)])
def test_a_first_pass_trains_all_and_the_next_goes_on_without_a_short_mini_batch(kind, size, n):
    drawn = Driven(kind, size, n, epochs=20.0).run(range(30))
    assert drawn.shape == (30, 1, n)
    assert sorted(drawn.flatten()[:size].tolist()) == list(range(size))


def test_where_two_passes_meet_in_a_mini_batch_the_later_loss_stays():
    method = InfoBatch(6, 4, SEED, 0, epochs=10.0)
    method.refresh(0, never)
    indices = torch.tensor([[2, 5, 2, 2]])
    method.observe(indices, torch.zeros(1, 4, CLASSES), torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert method._losses[0, [2, 5]].tolist() == [4.0, 2.0]
    assert method._last(indices).tolist() == [[3, 1, 3, 3]]


# KAKURENBO


def test_kakurenbo_hides_the_easiest_that_are_right_and_confident():
    """Of 20 the 6 of lowest loss are candidates: 1 is wrong, 2 are below tau, 3 are hidden."""
    losses = torch.linspace(0.05, 4.0, 20)
    losses[:6] = torch.tensor([0.05, 0.20, 0.25, 0.30, 0.50, 0.55])  # the last two below 0.7 in confidence
    right = torch.ones(20, dtype=torch.bool)
    right[1] = False

    def logits(indices, shown):
        return torch.where(right[indices][..., None], logits_of(shown), logits_of(shown, right=False))

    method = Kakurenbo(20, 5, SEED, 0, epochs=100.0)
    trained = []
    for step in range(4 + 3):
        method.refresh(step, never)  # nothing is hidden yet
        indices = method.draw(step).indices
        trained.append(indices[0].tolist())
        method.observe(indices, logits(indices, losses[indices]), losses[indices])
    assert sorted(sum(trained[:4], [])) == list(range(20))
    assert method._hidden[0].nonzero().flatten().tolist() == [0, 2, 3]
    assert not {0, 2, 3} & set(sum(trained[4:], []))
    new, asked = torch.tensor([[0.05, 3.5, 0.2]]), []
    method.refresh(7, lambda wanted: asked.append(wanted.tolist()) or (logits_of(new), new))
    assert asked == [[[0, 2, 3]]]  # 17 were kept: the pass ends inside the next mini-batch
    assert method._losses[0, [0, 2, 3]].tolist() == pytest.approx([0.05, 3.5, 0.2])
    hidden = method._hidden[0].nonzero().flatten().tolist()
    assert hidden == [0, 3]  # 2 is moved back for its loss; 1, 4 and 5 are candidates, and wrong or unsure


def test_kakurenbo_moves_all_back_where_no_prediction_is_right_or_confident():
    for options in ({"right": False}, {"tau": 0.9}):
        driven = Driven(Kakurenbo, 40, 8, epochs=10.0, loss=lambda indices, step: 0.2 + indices * 0.01, **options)
        drawn = driven.run(range(50))
        assert torch.equal(drawn.view(-1, 40).sort(1)[0], torch.arange(40).expand(10, -1))
        assert not driven.asked


def test_kakurenbo_lowers_its_fraction_and_scales_the_learning_rate():
    """F = 0.3 of 100 falls to 24, 18 and 12; the factor is 1 / (1 - F), and 1 in the first pass."""
    driven = Driven(Kakurenbo, 100, 10, epochs=40.0, loss=lambda indices, step: 0.01 + indices * 0.001)
    driven.run(range(400))
    counts = {step: wanted.shape[1] for step, wanted in driven.asked}
    assert list(Counter(counts.values())) == [30, 24, 18, 12]
    for step, count in counts.items():  # hidden when the pass that ends here began
        shares = [0.3, 0.24, 0.18, 0.12]
        begun = max((other for other in counts if other < step), default=10)
        assert count == 100 * shares[sum(begun >= mark for mark in (120, 240, 320))]
    expected = [1.0] * 10 + [1 / 0.7] * 110 + [1 / 0.76] * 120 + [1 / 0.82] * 80 + [1 / 0.88] * 80
    assert driven.factors == pytest.approx(expected)


def test_kakurenbo_examines_the_hidden_once_a_pass_and_each_seeds_own():
    seeds = torch.tensor([1, 2, 3])

    def differing(indices, step):  # by row, so that the seeds hide different numbers
        rows = torch.arange(len(indices))[:, None]
        return loss_of(indices + 7 * rows, 0)

    driven = Driven(Kakurenbo, 60, 6, seeds, epochs=30.0, loss=differing)
    drawn = driven.run(range(200))
    for place in range(3):
        asked = [row[place] for _, row in driven.asked if row[place, 0] >= 0]
        assert len(asked) and all((row >= 0).all() for row in asked)
        trained, examined = 6 * len(drawn), sum(map(len, asked))
        assert (trained + examined) % 60 <= trained  # every pass shows all 60, trained or examined
        assert trained + examined == pytest.approx(60 * int(driven.method._number[place]), abs=60)


@pytest.mark.parametrize("size, n, first_step", [(60, 6, 0), (40, 7, 0), (60, 6, 20)])
def test_kakurenbo_that_hides_nothing_has_its_rate_and_draws_as_mb_does(size, n, first_step):
    seeds, steps = torch.tensor([3, 1]), range(first_step, first_step + 100)
    options = {"epochs": 20.0, "loss": lambda indices, step: 0.01 + indices * 0.001}  # all right, and confident
    hiding = Driven(Kakurenbo, size, n, seeds, first_step, **options)
    control = Driven(Kakurenbo, size, n, seeds, first_step, hide=False, **options)
    usual = Driven(MiniBatches, size, n, seeds, first_step)
    hidden, drawn = hiding.run(steps), control.run(steps)
    assert torch.equal(drawn, usual.run(steps)) and not torch.equal(drawn, hidden)
    assert control.factors == hiding.factors and max(control.factors) == pytest.approx(1 / 0.7)
    assert hiding.asked and not control.asked


# InfoBatch


@pytest.mark.slow
def test_info_batch_prunes_half_of_those_below_the_mean_and_makes_up_for_it():
    """Losses 1..40 with mean 20.5: over many passes each low one counts 1 a pass in expectation."""
    size, n, steps = 40, 10, 2000
    driven = Driven(InfoBatch, size, n, loss=lambda indices, step: indices + 1.0, epochs=2 * steps * n / size)
    drawn = driven.run(range(steps)).flatten()[size:]
    weights = torch.cat(driven.weights).flatten()[size:]
    assert torch.equal(weights, torch.where(drawn < 20, 2.0, 1.0))
    begun = int(driven.method._number[0]) - 2  # after the first, and but for the last
    sums = torch.zeros(size).scatter_add_(0, drawn, weights) / begun
    torch.testing.assert_close(sums[20:], torch.ones(20), rtol=2 / begun, atol=0)
    assert (sums[:20] - 1).abs().max() < 4.5 / begun**0.5  # a count is 0 or 2: standard deviation 1
    assert sums[:20].mean() == pytest.approx(1, abs=4.5 / (20 * begun) ** 0.5)
    counts = torch.bincount(drawn, minlength=size)
    assert stats.binomtest(int(counts[:20].sum()), 20 * begun, 0.5).pvalue > 1e-3


def test_info_batch_weighs_the_loss_without_bias():
    """The expectation of a pass's weighted sum of losses is the sum of all."""
    losses = torch.rand(30, generator=torch.Generator().manual_seed(1)) + 0.1
    sums = []
    seeds = torch.arange(400)
    method = InfoBatch(30, 6, seeds, 0, epochs=1000.0, ratio=0.7)
    method._losses.copy_(losses.expand(400, -1))
    method.refresh(0, never)
    for place in range(400):
        queued = method._queue[place, : int(method._end[place])]
        low = queued < 0
        indices = torch.where(low, ~queued, queued)
        assert torch.equal(low, losses[indices] < losses.double().mean())
        sums.append((losses[indices] * torch.where(low, 1 / 0.3, 1.0)).sum().item())
    sums = torch.tensor(sums)
    assert abs(sums.mean() - losses.sum()) < 4 * sums.std() / 20
    assert sums.std() > 0.1
    indices, weights = method.draw(0)
    assert indices.max() < 30 and indices.min() >= 0
    assert weights.unique().tolist() == pytest.approx([1.0, 1 / 0.3])
    assert weights.dtype == torch.float32


def test_info_batch_keeps_a_pruned_examples_loss_and_prunes_none_at_the_end():
    driven = Driven(InfoBatch, 40, 8, epochs=16.0, loss=lambda indices, step: indices + step + 1.0)
    drawn = driven.run(range(100))
    method = driven.method
    last = {index: step for step, batch in enumerate(drawn[:, 0].tolist()) for index in batch}
    assert method._losses[0].tolist() == [index + last[index] + 1.0 for index in range(40)]
    weights = torch.cat(driven.weights)
    assert (weights[5:60] == 2).any(1).float().mean() > 0.8
    assert (weights[75:] == 1).all()  # the passes that begin from step 70 on
    assert set(torch.bincount(drawn[75:].flatten()).tolist()) <= {4, 5, 6}
    never = Driven(InfoBatch, 40, 8, epochs=16.0, delta=0.0).run(range(80))
    assert torch.equal(never.view(-1, 40).sort(1)[0], torch.arange(40).expand(16, -1))
    assert not driven.asked  # no forward pass but the training's own


# Mercury


def test_mercury_scores_a_group_of_the_shuffled_epochs_before_every_update():
    driven = Driven(Mercury, 60, 5, group=4)
    drawn = driven.run(range(12))
    assert [(step, wanted.shape) for step, wanted in driven.asked] == [(step, (1, 20)) for step in range(12)]
    groups = torch.stack([wanted[0] for _, wanted in driven.asked])
    assert torch.equal(groups.view(-1, 60).sort(1)[0], torch.arange(60).expand(4, -1))
    assert all(set(batch.tolist()) <= set(group.tolist()) for batch, group in zip(drawn[:, 0], groups, strict=True))
    assert Driven(Mercury, 12, 5).run(range(3)).shape == (3, 1, 5)  # a group is never larger than the data


@pytest.mark.slow
def test_mercury_draws_in_proportion_to_the_smoothed_losses_and_reweights_without_bias():
    losses = torch.arange(1.0, 11.0)
    method = Mercury(10, 10, SEED, 0, group=1, alpha=0.5)
    method.refresh(0, lambda wanted: (torch.zeros(1, 10, CLASSES), losses[wanted]))
    p = (losses + 0.5 * 5.5) / (55 + 10 * 0.5 * 5.5)
    counts, weighted, ones = torch.zeros(10), [], []
    for step in range(2000):
        indices, weights = (rows[0] for rows in method.draw(step))
        torch.testing.assert_close(weights, 1 / (10 * p[indices]))
        counts += torch.bincount(indices, minlength=10)
        weighted.append((weights * losses[indices] ** 2).mean().item())
        ones.append(weights.mean().item())
    assert stats.chisquare(counts.numpy(), (20000 * p / p.sum()).numpy(), sum_check=False).pvalue > 1e-3
    for values, truth in ((weighted, 38.5), (ones, 1.0)):
        values = torch.tensor(values)
        assert abs(values.mean() - truth) < 4 * values.std() / 2000**0.5


def test_mercury_smooths_by_a_running_mean_of_the_groups():
    method = Mercury(4, 2, SEED, 0, group=2, alpha=1.0)
    for step, mean in enumerate((2.0, 0.9 * 2.0 + 0.1 * 4.0)):
        losses = torch.full((1, 4), 2.0 + 2 * step)
        method.refresh(step, lambda wanted: (torch.zeros(1, 4, CLASSES), losses))  # noqa: B023
        assert method.tensors["mean"].item() == pytest.approx(mean)
        assert method._importance[0].tolist() == pytest.approx([2.0 + 2 * step + mean] * 4)


def test_mercurys_running_mean_can_begin_anew_in_every_epoch():
    """8 examples in mini-batches of 2: an epoch is 4 updates. The group's mean loss is that of the step."""
    means = {}
    for mean_over in ("run", "epoch"):
        driven = Driven(
            Mercury, 8, 2, loss=lambda indices, step: torch.full(indices.shape, 1.0 + step), mean_over=mean_over
        )
        means[mean_over] = [driven.run([step]) is None or driven.method._mean.item() for step in range(8)]
    expected = [1.0]
    for step in range(1, 8):
        expected.append(0.9 * expected[-1] + 0.1 * (1 + step))
    assert means["run"] == pytest.approx(expected)
    expected = [1.0, 1.1, 1.29, 1.561, 5.0, 5.1, 5.29, 5.561]
    assert means["epoch"] == pytest.approx(expected)


# OHEM


@pytest.mark.parametrize("keep, count", [(0.5, 4), (0.25, 2), (1.0, 8), (0.1, 1)])
def test_ohem_trains_the_hardest_of_every_mini_batch(keep, count):
    driven = Driven(OnlineHardExamples, 24, 8, torch.tensor([1, 2]), keep=keep)
    drawn = driven.run(range(9))
    assert drawn.shape == (9, 2, count)
    groups = torch.stack([wanted for _, wanted in driven.asked])
    assert torch.equal(groups.transpose(0, 1).reshape(2, 3, 24).sort(2)[0], torch.arange(24).expand(2, 3, -1))
    for step, (hardest, group) in enumerate(zip(drawn, groups, strict=True)):
        for row, candidates in zip(hardest, group, strict=True):
            best = sorted(candidates.tolist(), key=lambda i: -loss_of(torch.tensor(i), step).item())  # noqa: B023
            assert row.tolist() == best[:count]
    assert driven.forwards() == 9 * 8


# LPS


def test_lps_draws_in_proportion_to_the_losses():
    drawn = Driven(LossProportional, 8, 8, loss=lambda indices, step: 1.0 + indices).run(range(1500)).flatten()
    expected = 12000 * torch.arange(1.0, 9.0) / 36
    seen = torch.bincount(drawn, minlength=8)
    assert stats.chisquare(seen.numpy(), expected.numpy(), sum_check=False).pvalue > 1e-3


@pytest.mark.parametrize("size, n, first_step", [(40, 8, 0), (40, 7, 3), (5, 8, 0), (40, 8, 12)])
def test_lps_examines_all_once_an_epoch_and_keeps_the_losses_until_the_next(size, n, first_step):
    driven = Driven(LossProportional, size, n, torch.tensor([1, 2]), first_step=first_step)
    for step in range(first_step, first_step + 30):
        driven.run([step])
        last = driven.asked[-1][0]
        torch.testing.assert_close(driven.method.base_values.values[0], loss_of(torch.arange(size), last).clamp(1e-8))
    begins = [step for step in range(30) if step == 0 or step * n // size > (step - 1) * n // size]
    assert [step - first_step for step, _ in driven.asked] == begins
    assert all(torch.equal(wanted, torch.arange(size).expand(2, -1)) for _, wanted in driven.asked)


# bad input


@pytest.mark.parametrize(
    "kind, options, message",
    [
        (SelectiveBackprop, {"beta": -1.0}, "beta is -1.0: give 0 to keep every candidate"),
        (SelectiveBackprop, {"beta": math.nan}, "beta is nan"),
        (SelectiveBackprop, {"history": 0}, "history is 0: give at least 1 loss"),
        (SelectiveBackprop, {"stale_every": 0}, "stale_every is 0: give 1 for the plain method"),
        (Kakurenbo, {}, "epochs is None: give the run's length, above 0"),
        (Kakurenbo, {"epochs": -2.0}, "epochs is -2.0"),
        (Kakurenbo, {"epochs": 9.0, "fraction": 1.0}, "fraction is 1.0: give the largest share to hide"),
        (Kakurenbo, {"epochs": 9.0, "tau": 1.5}, "tau is 1.5: give a confidence from 0 to 1"),
        (InfoBatch, {}, "epochs is None"),
        (InfoBatch, {"epochs": math.inf}, "epochs is inf"),
        (InfoBatch, {"epochs": 9.0, "ratio": 1.0}, "ratio is 1.0: give the probability of leaving out"),
        (InfoBatch, {"epochs": 9.0, "delta": 2.0}, "delta is 2.0: give the share of the training"),
        (Mercury, {"group": 0}, "group is 0: give at least 1 mini-batch"),
        (Mercury, {"alpha": -0.1}, "alpha is -0.1: give 0 for no smoothing"),
        (Mercury, {"mean_over": "pass"}, "unknown mean_over 'pass': choose one of run, epoch"),
        (OnlineHardExamples, {"keep": 0.0}, "keep is 0.0: give a share that leaves an example of 8"),
        (OnlineHardExamples, {"keep": 0.01}, "keep is 0.01"),
        (OnlineHardExamples, {"keep": 1.1}, "keep is 1.1"),
        (LossProportional, {"floor": 0.0}, "floor is 0.0"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(kind, options, message):
    with pytest.raises(InputError, match=message) as caught:
        kind(40, 8, SEED, 0, **options)
    assert str(caught.value).endswith(".") and ". " not in str(caught.value)


def test_a_run_must_be_longer_than_its_pre_training():
    with pytest.raises(InputError, match="epochs is 2.0: give the run's length, above 2"):
        Kakurenbo(40, 8, SEED, 10, epochs=2.0)
    assert Kakurenbo(40, 8, SEED, 10, epochs=2.1).updates_per_epoch == 5


def test_every_class_says_what_the_loop_asks_of_a_method():
    for kind, options in ALL.values():
        method = kind(60, 8, SEED, 0, **options)
        assert method.capturable  # its learning rate too is read from the device
        assert (method.scored, method.short(0), method.updates_per_epoch) == (("before", True), False, 7.5)


def test_every_rival_says_what_is_not_its_authors():
    of_methods = {name: spec.build for name, spec in registry.METHODS.items() if name in ALL}
    assert registry.DIFFERENCES.keys() == of_methods.keys()
    for name in ("SB", "KAKURENBO", "InfoBatch", "Mercury"):
        assert "the authors' code" in registry.DIFFERENCES[name]
        assert "the authors' code" in of_methods[name].__doc__.lower()
    assert "Home-made" in LossProportional.__doc__ and "home-made" in registry.DIFFERENCES["LPS"]
