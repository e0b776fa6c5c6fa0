"""The tree of base values against plain arrays: draws, updates, duplicates, floor."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hardsample.base_values import LARGEST, BaseValues, _DeviceTrees
from hardsample.errors import InputError

SEEDS = torch.tensor([1, 2, 3])
BOTH = pytest.mark.parametrize("kind", ["host", "device"])


def store(size: int, kind: str = "host", seeds: torch.Tensor = SEEDS, **options) -> BaseValues:
    """A store whose walks are NumPy's, or those of an accelerator run on the CPU."""
    values = BaseValues(size, seeds, **options)
    if kind == "device":
        values._trees = _DeviceTrees(values._levels, values.floor)
        values._place = values._numbers = None
    return values


def sums_hold(values: BaseValues) -> None:
    for children, parents in zip(values._levels, values._levels[1:], strict=False):
        sums = children.double().sum(2)
        torch.testing.assert_close(parents.flatten(1)[:, : sums.shape[1]], sums, rtol=1e-12, atol=0)


def test_equation_2_by_hand():
    values = store(4, seeds=torch.tensor([5]))
    values.fill(torch.tensor([[1.0, 0.0, 2.0, 5.0]]))
    p = values.values / values.totals
    torch.testing.assert_close(p, torch.tensor([[0.125, 0.0, 0.25, 0.625]]), atol=1e-7, rtol=0, check_dtype=False)


@BOTH
@pytest.mark.parametrize("size", [7, 50, 51, 3000])
def test_draws_follow_the_base_values(kind, size):
    """Chi-square at the 0.1 % level for each of three fixed seeds; an example at 0 is all but never drawn."""
    values = store(size, kind)
    b = torch.rand(3, size, generator=torch.Generator().manual_seed(0)) ** 2
    b[:, size // 2] = 0
    values.fill(b)
    drawn = torch.cat([values.draw(step, 64) for step in range(600)], 1)
    for seed in range(3):
        counts = np.bincount(drawn[seed], minlength=size)
        expected = (values.values[seed].double() / values.totals[seed]).numpy() * drawn.shape[1]
        assert counts[size // 2] == 0
        order = np.argsort(expected)
        bins = np.searchsorted(np.cumsum(expected[order]), np.arange(20, drawn.shape[1], 20))
        observed, wanted = (np.add.reduceat(x[order], np.unique(np.r_[0, bins])) for x in (counts, expected))
        assert stats.chisquare(observed, wanted).pvalue > 1e-3


def test_the_walks_on_host_and_device_agree():
    host, device = store(5000), store(5000, "device")
    generator = torch.Generator().manual_seed(1)
    for step in range(300):
        indices = host.draw(step, 32)
        assert torch.equal(indices, device.draw(step, 32))
        assert torch.equal(indices, device.draw(torch.tensor(step), 32))
        indices[:, 5] = indices[:, 9]
        new = torch.rand(3, 32, generator=generator) ** 8
        host.update(indices, new)
        device.update(indices, new)
        assert torch.equal(host.values, device.values)
    sums_hold(host)
    sums_hold(device)


@BOTH
@settings(max_examples=25)
@given(data=st.data())
def test_the_tree_equals_a_plain_array_under_random_updates(kind, data):
    size = data.draw(st.integers(1, 400))
    seed = data.draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    values = store(size, kind, torch.tensor([seed]), fanout=data.draw(st.sampled_from([2, 3, 50])))
    plain = np.ones(size, np.float32)
    for _ in range(100):
        n = int(rng.integers(1, 40))
        indices, new = rng.integers(0, size, n), rng.exponential(10.0 ** rng.integers(-6, 6), n).astype(np.float32)
        values.update(torch.from_numpy(indices)[None], torch.from_numpy(new)[None])
        for i, v in zip(indices, new, strict=True):
            plain[i] = max(v, np.float32(1e-8))
    np.testing.assert_array_equal(values.values[0], plain)
    np.testing.assert_allclose(values.totals[0], plain.sum(dtype=np.float64), rtol=1e-12)
    sums_hold(values)
    drawn = values.draw(0, 200)[0].numpy()
    numbers = values._numbers[0]
    assert drawn.min() >= 0 and drawn.max() < size
    if len(values._levels) == 1:
        target = np.asarray(numbers[0, 0]) * plain.cumsum(dtype=np.float64)[-1]
        np.testing.assert_array_equal(drawn, np.searchsorted(plain.cumsum(dtype=np.float64), target, "right"))


@BOTH
def test_of_duplicates_the_last_wins(kind):
    values = store(10, kind, torch.tensor([1, 2]))
    indices = torch.tensor([[3, 5, 3, 3, 5], [9, 0, 9, 0, 9]])
    values.update(indices, torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]]))
    assert values.values[0, [3, 5]].tolist() == [4.0, 5.0]
    assert values.values[1, [9, 0]].tolist() == [10.0, 9.0]
    sums_hold(values)


@BOTH
def test_zero_nan_and_infinity_are_stored_within_bounds(kind):
    values = store(6, kind, torch.tensor([1]), floor=1e-3)
    values.update(torch.tensor([[0, 1, 2, 3]]), torch.tensor([[0.0, torch.nan, torch.inf, -4.0]]))
    assert values.values[0].tolist() == pytest.approx([1e-3, 1e-3, LARGEST, 1e-3, 1, 1])
    filled = store(3, kind, torch.tensor([1]), floor=1e-3)
    filled.fill(torch.tensor([[torch.nan, torch.inf, 0.0]]))
    assert filled.values[0].tolist() == pytest.approx([1e-3, LARGEST, 1e-3])


def test_all_at_the_floor_is_uniform():
    values = store(500, seeds=torch.tensor([4]))
    values.fill(torch.zeros(1, 500))
    counts = torch.bincount(torch.cat([values.draw(step, 50) for step in range(400)], 1)[0], minlength=500)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_a_seed_alone_draws_what_it_draws_in_a_cohort_of_twelve():
    seeds = torch.arange(1, 13)
    together, alone = store(4000, seeds=seeds), [store(4000, seeds=seed.view(1)) for seed in seeds]
    for step in range(40):
        indices = together.draw(step, 32)
        new = indices.sin().abs()
        for place, one in enumerate(alone):
            assert torch.equal(one.draw(step, 32)[0], indices[place])
            one.update(indices[place : place + 1], new[place : place + 1])
        together.update(indices, new)


def test_sums_take_little_memory_beside_the_values():
    values = store(10**6, seeds=torch.tensor([1]))
    assert sum(level.nbytes for level in values._levels) < 1.1 * 4 * 10**6


def test_more_examples_than_a_float32_can_count():
    size = 2**24 + 5
    values = store(size, seeds=torch.tensor([1]))
    assert values.totals.item() == size
    values.fill(torch.zeros(1, 1))
    values.update(torch.tensor([[size - 1]]), torch.tensor([[1e6]]))
    assert values.draw(0, 8)[0].tolist() == [size - 1] * 8


@pytest.mark.parametrize(
    "size, options, message",
    [(0, {}, "at least 1 example"), (5, {"floor": 0.0}, "floor is 0.0"), (5, {"floor": 1e31}, "floor is 1e")],
)
def test_bad_input_is_refused(size, options, message):
    with pytest.raises(InputError, match=message):
        BaseValues(size, SEEDS, **options)


@pytest.mark.gpu
def test_a_gpu_draws_as_the_host_does():
    host, gpu = store(5000), BaseValues(5000, SEEDS.cuda(), fanout=50)
    for step in range(50):
        indices = host.draw(step, 32)
        assert torch.equal(indices, gpu.draw(step, 32).cpu())
        host.update(indices, indices.sin().abs())
        gpu.update(indices.cuda(), indices.sin().abs().cuda())
