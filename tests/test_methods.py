"""Equations 5 and 6 by hand, what each method draws, and how LB collapses without its reset."""

import math

import pytest
import torch
from scipy import stats

from hardsample import randomness
from hardsample.errors import InputError
from hardsample.methods import loss_based, persistent, registry
from hardsample.randomness import Stream
from hardsample.training.losses import cross_entropy

SEED = torch.tensor([1])


def built(name: str, size: int, n: int, seeds: torch.Tensor = SEED, **options) -> registry.Method:
    return registry.build(name, size, n, seeds, options=options)


def never(indices: torch.Tensor):
    raise AssertionError("no forward pass is wanted here")


def stream(method: registry.Method, steps: int, loss=lambda indices: torch.ones(indices.shape)) -> torch.Tensor:
    """The draws of so many steps, [steps, S, n]."""
    drawn = []
    for step in range(steps):
        method.refresh(step, lambda wanted: (torch.zeros(*wanted.shape, 26), loss(wanted)))
        method.prepare(step)
        indices = method.draw(step).indices
        method.observe(indices, torch.zeros(*indices.shape, 26), loss(indices))
        drawn.append(indices)
    return torch.stack(drawn)


def test_equation_5_the_base_value_is_the_loss():
    losses = torch.tensor([[0.25, 3.0]])
    assert persistent.PersistentLoss.values(torch.randn(1, 2, 5), losses).tolist() == losses.tolist()


def test_equation_6_the_base_value_is_the_entropy_in_nats():
    p = torch.tensor([[[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3], [1.0, 1e-30, 1e-30]]])
    by_hand = [1.5 * math.log(2), math.log(3), 0.0]
    entropy = persistent.PersistentEntropy.values(p.log() + 7, torch.zeros(1, 3))[0]
    assert entropy.tolist() == pytest.approx(by_hand, abs=1e-6)


MEASURES = {  # of p = 0.6, 0.3, 0.1 with each class as the label
    "P-margin": [1 - (0.6 - 0.3)] * 3,
    "P-confidence": [1 - 0.6] * 3,
    "P-EL2N": [math.sqrt(x) for x in (0.16 + 0.09 + 0.01, 0.36 + 0.49 + 0.01, 0.36 + 0.09 + 0.81)],
}


@pytest.mark.parametrize("name, by_hand", MEASURES.items())
def test_other_measures_by_hand(name, by_hand):
    p = torch.tensor([0.6, 0.3, 0.1]).expand(1, 3, 3)
    label = torch.arange(3)[None]
    values = registry.METHODS[name].build.values(p.log() + 7, -p.gather(2, label[..., None])[..., 0].log())
    assert values.shape == (1, 3) and values[0].tolist() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_other_measures_keep_their_order_near_0_and_are_bounded(name):
    """A network that is sure of one class, and right, or wrong, or has no numbers left."""
    values = registry.METHODS[name].build.values
    gaps = torch.tensor([10.0, 14.0, 18.0, 22.0, 40.0])
    logits = torch.stack([gaps, torch.zeros(5), torch.zeros(5)], -1)[None]
    right = values(logits, cross_entropy(logits, torch.zeros(1, 5, dtype=torch.int64)))[0]
    times = {"P-margin": 3, "P-confidence": 2, "P-EL2N": math.sqrt(6)}[name]
    torch.testing.assert_close(right, times * torch.exp(-gaps), rtol=1e-3, atol=0)
    wrong = values(logits, cross_entropy(logits, torch.ones(1, 5, dtype=torch.int64)))[0]
    most = math.sqrt(2) if name == "P-EL2N" else 1
    assert (wrong >= 0).all() and (wrong <= most + 1e-6).all()
    method = built(name, 4, 2)
    method.observe(torch.tensor([[1]]), torch.full((1, 1, 3), torch.nan), torch.full((1, 1), torch.nan))
    assert method.base_values.values[0].tolist() == pytest.approx([1, 1e-8, 1, 1])


def test_mini_batches_draw_every_example_once_an_epoch_in_a_new_order():
    method = built("MB", 24, 8, torch.tensor([1, 2]))
    drawn = stream(method, 9).transpose(0, 1).reshape(2, 3, 24)
    assert torch.equal(drawn.sort(2)[0], torch.arange(24).expand(2, 3, -1))
    assert len({tuple(order.tolist()) for order in drawn.flatten(0, 1)}) == 6


@pytest.mark.parametrize("size, n", [(10, 4), (5, 12)])
def test_epochs_that_mini_batches_do_not_divide_follow_each_other(size, n):
    drawn = stream(built("MB", size, n), 5 * size)[:, 0].flatten()
    assert torch.equal(drawn.view(-1, size).sort(1)[0], torch.arange(size).expand(5 * n, -1))


def test_uniform_stream_is_uniform_and_repeats():
    drawn = stream(built("SMB", 50, 25), 400).flatten()
    assert stats.chisquare(torch.bincount(drawn, minlength=50).numpy()).pvalue > 1e-3
    assert len(drawn[:50].unique()) < 50


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PLB", "PEB", *MEASURES])
def test_base_values_start_from_a_pass_over_all_examples(name):
    method = built(name, 6, 2, floor=1e-8)
    losses = torch.arange(1.0, 7.0)[None]
    logits = torch.arange(6.0)[None, :, None] * torch.tensor([1.0, 0.0])
    asked = []
    method.refresh(0, lambda indices: asked.append(indices.tolist()) or (logits, losses))
    assert asked == [[[0, 1, 2, 3, 4, 5]]]
    expected = losses if name == "PLB" else method.values(logits, losses)
    torch.testing.assert_close(method.base_values.values, expected)
    method.refresh(1, never)


def test_plb_follows_the_losses_it_observes():
    method = built("PLB", 4, 2)
    method.refresh(0, lambda indices: (torch.zeros(1, 4, 3), torch.ones(1, 4)))
    method.observe(torch.tensor([[1, 1]]), torch.zeros(1, 2, 3), torch.tensor([[9.0, 0.0]]))
    assert method.base_values.values[0].tolist() == pytest.approx([1, 1e-8, 1, 1])  # the later duplicate, floored


def test_lb_draws_without_replacement_and_never_what_it_monitors():
    method = built("LB", 100, 20, torch.tensor([1, 2]), held_out=0.1)
    drawn = stream(method, 60, loss=lambda indices: 1.0 / (1 + indices))
    assert all(len(batch.unique()) == 20 for batch in drawn.flatten(0, 1))
    for seed in (0, 1):
        assert not set(drawn[:, seed].flatten().tolist()) & set(method._monitored[seed].tolist())


@pytest.mark.slow
@pytest.mark.parametrize(
    "options, fill",
    [
        ({"held_out": 0.1}, lambda store, weights: store.base_values.fill(weights)),
        ({"held_out": 0.1, "draws": "keys"}, lambda store, weights: store.values.copy_(weights)),
    ],
    ids=loss_based.DRAWS,
)
def test_lb_draws_one_after_another_in_proportion_to_what_is_left(options, fill):
    """Chi-square at the 0.1 % level over ordered pairs, for weights so uneven that most steps take several rounds."""
    method = built("LB", 6, 2, torch.tensor([1, 2]), **options)

    def draw(step):
        fill(method._weights, UNEVEN.expand(2, -1))
        method.draw(step)
        return method._drawn

    assert_drawn_one_after_another(draw, UNEVEN / UNEVEN.sum())


UNEVEN = torch.tensor([16.0, 4.0, 2.0, 1.0, 1.0])


def assert_drawn_one_after_another(draw, p):
    """Pairs of different examples, [2, 2] a step, with p of five and then of the four that are left."""
    counts = torch.zeros(2, 5, 5)
    for step in range(3000):
        first, second = draw(step).unbind(1)
        counts[torch.arange(2), first, second] += 1
    pairs = p[:, None] * p / (1 - p[:, None])
    off = ~torch.eye(5, dtype=torch.bool)
    assert (counts[:, ~off] == 0).all()
    for seen in counts:
        assert stats.chisquare(seen[off].numpy(), 3000 * pairs[off].numpy() / pairs[off].sum().item()).pvalue > 1e-3


def test_lb_draws_on_after_32_rounds_by_numbers_that_no_other_step_has():
    """A weight that holds nearly all makes rounds of repeats; the numbers of the first 32 rounds are as ever."""
    method = built("LB", 300, 20, torch.tensor([1, 2]), held_out=0.1)
    store, drawn = method._weights.base_values, []
    by_counter, by_numbers = store.draw, store.draw_by
    store.draw = lambda counter, n: drawn.append(("counter", counter)) or by_counter(counter, n)
    store.draw_by = lambda numbers: drawn.append(("numbers", tuple(numbers.flatten().tolist()))) or by_numbers(numbers)
    for step in (0, 1):
        method._weights._ROUNDS = 1
        method.prepare(step)
        store.fill(torch.logspace(0, -25, store.size).expand(2, -1))
        assert all(len(row.unique()) == 20 for row in method.draw(step).indices)
    counters = [what for kind, what in drawn if kind == "counter"]
    late = [number for kind, what in drawn if kind == "numbers" for number in what]
    assert counters == [0, 1]
    assert len(late) >= 160 and len(set(late)) == len(late)
    usual = torch.cat([randomness.uniforms(store.seeds, Stream.DRAW, block, 8192) for block in range(4)])
    assert not set(late) & set(usual.flatten().tolist())


def test_lb_writes_its_utilities_by_hand():
    method = built("LB", 10, 2, held_out=0.1)
    method.prepare(0)
    indices = method.draw(0).indices
    taken = method._drawn[0]
    losses = torch.tensor([[0.5, 2.0]])
    method.observe(indices, torch.zeros(1, 2, 3), losses)
    utility = losses[0].tanh()  # both drawn once
    written = torch.full((9,), 1 / 9)
    written[taken] = utility / utility.sum()
    got = (method._weights.base_values.values / method._weights.base_values.totals[:, None])[0]
    torch.testing.assert_close(got, written / written.sum(), rtol=1e-5, atol=0, check_dtype=False)


def test_lb_collapses_without_its_reset_and_not_with_it():
    """Utilities give a batch half of the mass: what was drawn is drawn again, whatever its loss."""
    falling = [10.0]

    def loss(indices: torch.Tensor) -> torch.Tensor:
        falling[0] -= 0.01
        return torch.full(indices.shape, falling[0])

    lost = stream(built("LB", 4000, 32, reset=False), 125).unique()
    kept = stream(built("LB", 4000, 32, monitor_every=5), 125, loss).unique()
    uniform = stream(built("SMB", 4000, 32), 125).unique()
    assert len(lost) < 0.05 * len(uniform) < 0.2 * len(kept)


def test_lb_raises_its_alarm_when_the_held_out_loss_has_fallen_by_more_than_the_threshold():
    method = built("LB", 50, 4, alpha=0.01, threshold=0.1)
    stream(method, 3)
    skewed = method._weights.base_values.values.clone()
    for loss, alarm in ((1.0, False), (0.95, False), (0.90, False), (0.85, True), (0.845, False)):
        method.refresh(50, lambda indices: (torch.zeros(1), torch.full(indices.shape, loss)))  # noqa: B023
        uniform = torch.unique(method._weights.base_values.values).numel() == 1
        assert uniform == alarm, loss
        assert (method._cusum.item() == 0) == (alarm or loss in (1.0, 0.845))
        method._weights.base_values.fill(skewed)


def lb(size: int, n: int, seeds: torch.Tensor = SEED, **options) -> registry.Method:
    return built("LB", size, n, seeds, **({"draws": "keys", "monitor": "mini-batch", "reset": False} | options))


@pytest.mark.parametrize("utility", loss_based.UTILITIES)
@pytest.mark.parametrize("write", loss_based.WRITES)
def test_every_reading_of_lb_writes_its_utilities_by_hand(write, utility):
    method = lb(10, 2, write=write, utility=utility)
    losses, wanted = torch.tensor([[0.5, 2.0]]), torch.ones(10, dtype=torch.float64)
    times = torch.zeros(10)
    for step in range(40):
        method.prepare(step)
        drawn = method.draw(step).indices[0]
        method.observe(drawn[None], torch.zeros(1, 2, 3), losses)
        times[drawn] += 1
        function = {"tanh": torch.tanh, "exp": torch.exp, "loss": torch.clone}[utility.split("/")[0]]
        new = function(losses[0]) / (times[drawn] if "count" in utility else 1)
        if write != "raw":
            new = new / new.sum() * (wanted[drawn] if write == "kept" else wanted).sum()
        wanted[drawn] = new.double()
    got = method._weights.values[0]
    if write == "normalized":
        assert got.sum() < 2**33  # where the vector by hand has doubled some forty times
        got, wanted = got / got.sum(), wanted / wanted.sum()
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("draws", loss_based.DRAWS)
@pytest.mark.parametrize("alarm, sign", [("fall", -1), ("rise", 1)])
def test_lb_can_watch_the_mini_batch_for_a_fall_or_a_rise(draws, alarm, sign):
    method = built("LB", 50, 4, draws=draws, monitor="mini-batch", alarm=alarm)
    seen = []
    for step, change in enumerate((0.0, 0.05, 0.05, -0.5, 0.05, 0.0, 0.12)):
        method.refresh(step, never)
        method.prepare(step)
        index = method.draw(step).indices
        level = (seen[-1][0] if seen else 5.0) + sign * change
        method.observe(index, torch.zeros(1, 4, 3), torch.full((1, 4), level))
        values = method._weights.values if draws == "keys" else method._weights.base_values.values
        seen.append((level, values.unique().numel() == 1))
    assert [uniform for _, uniform in seen] == [*[False] * 4, True, False, True]
    assert method._pool.shape == (1, 50)


def test_lb_by_keys_keeps_its_draws_from_its_held_out_examples_and_goes_on_from_its_tensors():
    seeds = torch.tensor([1, 2])
    whole, part = (lb(100, 20, seeds, monitor="held-out", held_out=0.1, reset=True, write="raw") for _ in range(2))
    drawn = stream(whole, 12, loss=lambda indices: 1.0 / (1 + indices))
    assert not set(drawn[:, 0].flatten().tolist()) & set(whole._monitored[0].tolist())
    stream(part, 6, loss=lambda indices: 1.0 / (1 + indices))
    later = lb(100, 20, seeds, monitor="held-out", held_out=0.1, reset=True, write="raw")
    for name, tensor in part.tensors.items():
        later.tensors[name].copy_(tensor)
    for step in range(6, 12):
        index = later.draw(step).indices
        assert torch.equal(index, drawn[step])
        later.observe(index, torch.zeros(2, 20, 3), 1.0 / (1 + index))


@pytest.mark.parametrize(
    "options, said",
    [
        ({"write": "rawer"}, "write"),
        ({"utility": "sin"}, "utility"),
        ({"monitor": "test set"}, "monitor"),
        ({"alarm": "both"}, "alarm"),
        ({"draws": "rounds", "write": "raw"}, "give draws"),
        ({"monitor_every": 0}, "monitor_every"),
        ({"monitor_every": 5}, "watched at every step"),
        ({"alpha": -1.0}, "alpha is -1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"floor": 0.0}, "floor is 0"),
    ],
)
def test_lb_refuses_a_reading_that_there_is_not(options, said):
    with pytest.raises(InputError, match=said):
        lb(50, 4, **options)


def test_lb_refuses_a_mini_batch_larger_than_the_data():
    with pytest.raises(InputError, match="mini-batch of 60"):
        lb(50, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MB", "SMB", "LB", "PLB", "PEB", *MEASURES, "HMB", "RMB", "FMB", "HE"])
def test_a_seed_alone_draws_what_it_draws_in_a_cohort_of_twelve(name):
    seeds = torch.arange(1, 13)

    def loss(indices: torch.Tensor) -> torch.Tensor:
        return (indices * 0.7).sin().abs() + 0.1

    together = stream(built(name, 304, 8, seeds), 60, loss)
    for place, seed in enumerate(seeds):
        assert torch.equal(stream(built(name, 304, 8, seed.view(1)), 60, loss)[:, 0], together[:, place])


def test_a_share_of_uniform_draws_is_mixed_in():
    size, n, steps = 50, 40, 500
    method = built("PLB", size, n, uniform=0.3)
    loss = torch.arange(1.0, size + 1)[None]
    method.refresh(0, lambda indices: (torch.zeros(1, size, 2), loss))
    drawn = torch.cat([method.draw(step).indices for step in range(steps)])
    expected = (0.7 * loss[0] / loss.sum() + 0.3 / size).numpy() * n * steps
    assert stats.chisquare(torch.bincount(drawn.flatten(), minlength=size), expected).pvalue > 1e-3


@pytest.mark.parametrize("uniform", [0.0, 0.5])
@pytest.mark.parametrize("name", ["PLB", "PEB", "P-margin"])
def test_distinct_examples_are_drawn_one_after_another(name, uniform):
    method = built(name, 5, 2, torch.tensor([1, 2]), distinct=True, uniform=uniform)
    assert method.capturable
    method.fill(UNEVEN.expand(2, -1))
    p = (1 - uniform) * UNEVEN / UNEVEN.sum() + uniform / 5
    assert_drawn_one_after_another(lambda step: method.draw(step).indices, p)
    assert torch.equal(method.base_values.values, UNEVEN.expand(2, -1))  # to draw changes nothing


def test_distinct_examples_are_all_there_are_at_most_and_each_is_scored():
    method = built("PLB", 6, 6, distinct=True)
    indices, weights = method.draw(3)
    assert weights is None and sorted(indices[0].tolist()) == [*range(6)]
    assert torch.equal(method.draw(torch.tensor(3)).indices, indices)
    assert len({tuple(method.draw(step).indices[0].tolist()) for step in range(9)}) > 6
    losses = indices + 1.0
    method.observe(indices, torch.zeros(1, 6, 3), losses)
    assert method.base_values.values[0].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("uniform", [0.0, 0.25])
def test_weights_of_beta_1_make_any_mean_unbiased(uniform):
    size, n = 6, 20_000
    loss = torch.tensor([[0.1, 0.2, 0.4, 0.8, 1.6, 3.2]])
    method = built("PLB", size, n, beta=1.0, uniform=uniform)
    method.refresh(0, lambda indices: (torch.zeros(1, size, 2), loss))
    indices, weights = method.draw(0)
    p = (1 - uniform) * loss / loss.sum() + uniform / size
    assert torch.allclose(weights, (1 / (size * p)).gather(1, indices))
    means = (weights * torch.eye(size)[indices].movedim(-1, 0)).mean(dim=(1, 2))
    assert (means - 1 / size).abs().max() < 0.02  # each example weighs 1 / N in expectation
    root = built("PLB", size, n, beta=0.5, uniform=uniform)
    root.refresh(0, lambda indices: (torch.zeros(1, size, 2), loss))
    drawn, roots = root.draw(0)
    assert torch.equal(drawn, indices) and torch.allclose(roots**2, weights)
    assert built("PLB", size, n).draw(0).weights is None


def test_base_values_are_refreshed_every_so_many_steps():
    method = registry.build("PEB", 10, 4, SEED, first_step=3, options={"refresh_every": 5})
    asked = []
    for step in range(3, 15):
        method.refresh(step, lambda wanted: asked.append(step) or (torch.zeros(1, 10, 2), torch.ones(1, 10)))  # noqa: B023
    assert asked == [3, 8, 13]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"uniform": 1.5}, "uniform is 1.5: give the share of uniform draws, 0 to 1"),
        ({"beta": -1.0}, "beta is -1.0: give 0"),
        ({"refresh_every": -1}, "refresh_every is -1: give a number of steps, or 0"),
        ({"distinct": "yes"}, "distinct is 'yes': give True or False"),
        ({"distinct": True, "beta": 1.0}, "beta is 1.0: give 0 where distinct is True: such a draw has no simple prob"),
        ({"distinct": True, "n": 11}, "a mini-batch of 11 cannot be drawn from 10 examples without replacement: give"),
    ],
)
def test_bad_options_of_base_values_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        built("PLB", 10, **({"n": 4} | options))
