"""The store of base values against plain arrays: draws, updates, duplicates, floor."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hardsample import jit, randomness
from hardsample.errors import InputError
from hardsample.methods.base_values import BaseValues
from hardsample.methods.trees import LARGEST, DeviceTrees, HostTrees

SEEDS = torch.tensor([1, 2, 3])
BOTH = pytest.mark.parametrize("kind", ["host", "device"])


def store(size: int, kind: str = "host", seeds: torch.Tensor = SEEDS, fanout: int = 24, **options) -> BaseValues:
    """A store on the compiled trees, or on those of an accelerator run on the CPU."""
    values = BaseValues(size, seeds, **options)
    if kind == "device":
        values._trees = DeviceTrees(size, seeds.numel(), values.floor, seeds.device, fanout)
        values.fill(torch.ones(seeds.numel(), 1))
    return values


def sums_hold(values: BaseValues) -> None:
    """After any updates the sums are those of a store filled with the same values."""
    before = {name: tensor.clone() for name, tensor in values.tensors.items()}
    values.fill(values.values.clone())
    for name, tensor in values.tensors.items():
        torch.testing.assert_close(before[name], tensor, rtol=1e-15, atol=0)
    torch.testing.assert_close(values.totals, values.values.double().sum(1), rtol=1e-12, atol=0)


def test_the_cpu_has_the_compiled_trees_where_there_is_numba(monkeypatch):
    assert isinstance(BaseValues(5, SEEDS)._trees, HostTrees if jit.AVAILABLE else DeviceTrees)
    monkeypatch.setattr(jit, "AVAILABLE", False)
    assert isinstance(BaseValues(5, SEEDS)._trees, DeviceTrees)


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


@BOTH
def test_the_numbers_of_a_step_are_a_function_of_seed_and_step(kind):
    """Draws of a step are the same later, out of order, and as an inverse of the distribution function."""
    values = store(700, kind, torch.tensor([4]), fanout=5)
    values.fill(torch.rand(1, 700, generator=torch.Generator().manual_seed(0)))
    first = [values.draw(step, 3000) for step in range(5)]
    assert all(torch.equal(values.draw(step, 3000), first[step]) for step in (3, 0, 4, 1))
    numbers = randomness.uniforms(torch.tensor([4]), values.stream, 1, 6000)[0].numpy()
    sums = values.values[0].numpy().cumsum(dtype=np.float64)
    np.testing.assert_array_equal(first[3][0], np.searchsorted(sums, numbers[3000:] * sums[-1], "right"))


@BOTH
@pytest.mark.parametrize("size", [7, 50, 3000, 100_000])
def test_a_number_that_was_rounded_to_one_draws_the_last_example(kind, size, monkeypatch):
    values = store(size, kind)
    monkeypatch.setattr(randomness, "uniforms", lambda seeds, stream, step, n: torch.ones(len(seeds), n))
    assert (values.draw(0, 5) == size - 1).all()
    assert (values.draw_by(torch.ones(3, 2)) == size - 1).all()


@pytest.mark.slow
@BOTH
@settings(max_examples=25)
@given(data=st.data())
def test_the_store_equals_a_plain_array_under_random_updates(kind, data):
    size = data.draw(st.integers(1, 400) | st.sampled_from([511, 512, 513, 8193]))
    seed = data.draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    values = store(size, kind, torch.tensor([seed]), data.draw(st.sampled_from([2, 3, 50])))
    plain = np.ones(size, np.float32)
    for _ in range(100):
        n = int(rng.integers(1, 40))
        indices, new = rng.integers(0, size, n), rng.exponential(10.0 ** rng.integers(-6, 6), n).astype(np.float32)
        values.update(torch.from_numpy(indices)[None], torch.from_numpy(new)[None])
        for i, v in zip(indices, new, strict=True):
            plain[i] = max(v, np.float32(1e-8))
    np.testing.assert_array_equal(values.values[0], plain)
    sums_hold(values)
    sums = plain.cumsum(dtype=np.float64)
    numbers = randomness.uniforms(values.seeds, values.stream, 0, 200)[0].numpy()
    np.testing.assert_array_equal(values.draw(0, 200)[0], np.searchsorted(sums, numbers * sums[-1], "right"))


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
    odd = [0.0, torch.nan, torch.inf, -4.0, -torch.inf, 1e35]
    stored = pytest.approx([1e-3, 1e-3, LARGEST, 1e-3, 1e-3, LARGEST, 1])
    for dtype in (torch.float32, torch.float64):
        values = store(7, kind, torch.tensor([1]), floor=1e-3)
        values.update(torch.arange(6)[None], torch.tensor([odd], dtype=dtype))
        assert values.values[0].tolist() == stored
        filled = store(7, kind, torch.tensor([1]), floor=1e-3)
        filled.fill(torch.tensor([[*odd, 1.0]], dtype=dtype))
        assert filled.values[0].tolist() == stored


@BOTH
def test_fill_takes_what_is_not_contiguous(kind):
    values = store(40, kind)
    new = torch.arange(1.0, 121).view(40, 3).T
    values.fill(new)
    assert torch.equal(values.values, new)
    values.fill(values.values * torch.tensor([[1.0], [2.0], [4.0]]))
    assert torch.equal(values.values, new * torch.tensor([[1.0], [2.0], [4.0]]))
    sums_hold(values)


@BOTH
def test_update_takes_what_was_drawn_what_was_not_and_what_is_not_contiguous(kind):
    values, wanted = store(1000, kind), torch.ones(3, 1000)
    drawn = values.draw(0, 16)
    values.update(drawn, torch.full((3, 16), 2.0))
    wanted.scatter_(1, drawn, 2.0)
    drawn[:, 0] = torch.tensor([7, 8, 9])
    values.update(drawn, torch.full((3, 16), 3.0))
    wanted.scatter_(1, drawn, 3.0)
    turned = torch.tensor([[4, 5, 6], [40, 50, 60]]).T, torch.tensor([[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]).T
    values.update(*turned)
    assert torch.equal(values.values, wanted.scatter_(1, *turned))


@BOTH
def test_what_does_not_fit_is_refused_and_changes_nothing(kind):
    values = store(10, kind)
    before = {name: tensor.clone() for name, tensor in values.tensors.items()}
    rows, ones = torch.zeros(3, 2, dtype=torch.int64), torch.ones(3, 2)
    far = rows.clone()
    far[2, 1] = 10
    bad = {
        "an index is of no example: give 0 to 9": [(far, ones), (far - 11, ones)],
        "differ in shape or do not fit": [
            *((rows[:2], ones[:2]), (rows.repeat(2, 1), ones.repeat(2, 1)), (rows, ones[:, :1])),
            *((rows[0], ones[0]), (rows, None), ([[1]], [[1.0]]), (rows.unsqueeze(0), ones.unsqueeze(0))),
        ],
        "indices are torch": [(rows.int(), ones), (rows.float(), ones), (rows.bool(), ones)],
        "values are torch": [(rows, rows), (rows, ones.bool()), (rows, ones.cfloat())],
    }
    for words, calls in bad.items():
        for indices, scores in calls:
            with pytest.raises(InputError, match=words):
                values.update(indices, scores)
    for scores in (torch.ones(3, 9), torch.ones(2, 10), torch.ones(10), None, 1.0, torch.ones(3, 10).long()):
        with pytest.raises(InputError, match="values are"):
            values.fill(scores)
    for numbers in (torch.ones(4, 2) / 2, torch.ones(2), torch.ones(3, 0), None, [0.5]):
        with pytest.raises(InputError, match="numbers are"):
            values.draw_by(numbers)
    for step, n in ((0, 0), (0, -1), (0, 1.5), (-1, 2), (2**64, 2), (None, 2), (0, None), (torch.tensor(0), 2)):
        with pytest.raises(InputError, match="step is|n is|call prepare first"):
            values.draw(step, n)
    assert all(torch.equal(tensor, before[name]) for name, tensor in values.tensors.items())


@pytest.mark.skipif(not jit.AVAILABLE, reason="torch looks at every index")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 0.0])
def test_a_draw_stays_in_range_whatever_is_copied_into_the_state(bad):
    values = store(5000)
    for tensor in values.tensors.values():
        tensor.fill_(bad)
    drawn = values.draw(0, 64)
    assert drawn.min() >= 0 and drawn.max() < 5000


@pytest.mark.parametrize("seeds", [None, [1], torch.tensor([1.0]), torch.tensor(1), torch.empty(0, dtype=torch.int64)])
def test_seeds_have_to_be_a_row_of_whole_numbers(seeds):
    with pytest.raises(InputError, match="seeds are"):
        BaseValues(5, seeds)


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


@BOTH
def test_the_state_copied_into_another_store_continues_it(kind):
    first, second = store(3000, kind), store(3000, kind)
    first.fill(torch.rand(3, 3000, generator=torch.Generator().manual_seed(0)))
    for name, tensor in first.tensors.items():
        second.tensors[name].copy_(tensor)
    assert torch.equal(first.values, second.values)
    assert torch.equal(first.totals, second.totals)
    assert torch.equal(first.draw(7, 50), second.draw(7, 50))


def test_sums_take_little_memory_beside_the_values():
    for kind in ("host", "device"):
        values = store(10**6, kind, torch.tensor([1]), fanout=256)
        assert sum(tensor.nbytes for tensor in values.tensors.values()) < 1.1 * 4 * 10**6


@pytest.mark.slow
@BOTH
def test_more_examples_than_a_float32_can_count(kind):
    size = 2**24 + 5
    values = store(size, kind, torch.tensor([1]), fanout=256)
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
    host, gpu = store(5000), BaseValues(5000, SEEDS.cuda())
    for step in range(50):
        indices = host.draw(step, 32)
        assert torch.equal(indices, gpu.draw(step, 32).cpu())
        host.update(indices, indices.sin().abs())
        gpu.update(indices.cuda(), indices.sin().abs().cuda())
