"""The compiled trees against the torch ones, number for number, at the edges of blocks and of rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hardsample import jit
from hardsample.methods import trees as trees_module
from hardsample.methods.trees import CHILDREN, LEAVES, MOST, DeviceTrees, HostTrees

CPU = torch.device("cpu")
FLOOR = 1e-6
ROOT = LEAVES * MOST  # examples, the most below the root alone
EDGES = [edge + by for edge in (LEAVES, LEAVES * CHILDREN, ROOT, ROOT * CHILDREN) for by in (-1, 0, 1)]
JUST_BELOW_ONE = 1 - torch.arange(1, 9, dtype=torch.float64) * 2.0**-53
pytestmark = pytest.mark.skipif(not jit.AVAILABLE, reason="without Numba the loops are too slow to test")


def both(size: int, seeds: int = 1, fanout: int = 24) -> tuple[HostTrees, DeviceTrees]:
    return HostTrees(size, seeds, FLOOR), DeviceTrees(size, seeds, FLOOR, CPU, fanout)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    size=st.integers(1, 3000) | st.sampled_from([*EDGES, 2 * ROOT * CHILDREN + 1]),
    seeds=st.integers(1, 3),
    fanout=st.sampled_from([2, 7, 24, 256]),
    n=st.integers(1, 40),
    seed=st.integers(0, 2**31),
)
def test_the_same_numbers_give_the_same_draws_and_the_same_store(size, seeds, fanout, n, seed):
    host, device = both(size, seeds, fanout)
    rng = np.random.default_rng(seed)
    start = torch.from_numpy(rng.exponential(size=(seeds, size)).astype(np.float32))
    numbers = torch.from_numpy(rng.random((seeds, 20, n)))
    for trees in (host, device):
        trees.fill(start)
        trees.adopt(numbers.clone())
    for row in range(20):
        drawn = host.draw(row)
        assert torch.equal(drawn, device.draw(row))
        assert torch.equal(drawn, device.draw(torch.tensor(row)))
        other = torch.from_numpy(rng.integers(0, size, (seeds, n)))
        repeated = torch.where(torch.from_numpy(rng.random((seeds, n)) < 0.3), drawn[:, :1], other)
        new = 10.0 ** rng.uniform(-8, 4, (2, seeds, n)).astype(np.float32)
        new[rng.random(new.shape) < 0.1] = np.nan
        new[rng.random(new.shape) < 0.02] = np.inf
        for indices, values in zip((drawn, repeated), torch.from_numpy(new), strict=True):
            host.update(indices, values)
            device.update(indices, values)
            assert torch.equal(host.values, device.values)
    torch.testing.assert_close(host.totals, device.totals, rtol=1e-14, atol=0)


@pytest.mark.parametrize("size", [1, *EDGES])
def test_every_example_can_be_drawn_and_no_other(size):
    for trees in both(size):
        trees.fill(torch.ones(1, 1))
        middles = (torch.arange(size, dtype=torch.float64) + 0.5) / size
        trees.adopt(middles.view(1, 1, size))
        assert torch.equal(trees.draw(0), torch.arange(size)[None])


def uneven(size: int, empty: int, rng: np.random.Generator) -> torch.Tensor:
    """Values of 22 orders of magnitude after ``empty`` ones at the floor, so that float64 sums of them round."""
    values = 10.0 ** rng.uniform(-8, 14, (8, size)).astype(np.float32)
    values[:, :empty] = 0
    return torch.from_numpy(values)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("size", [3, 7, 40, 100, 1100, ROOT + 90, 9000])
def test_rounding_never_leads_past_the_last_example(kind, size):
    """The largest numbers there are, over sums that round either way."""
    rng = np.random.default_rng(size)
    for empty in (0, max(0, size - 20), max(0, size - 90)) * 30:
        trees = both(size, 8)[kind]
        trees.fill(uneven(size, empty, rng))
        trees.adopt(JUST_BELOW_ONE.expand(8, 1, -1).clone())
        assert trees.draw(0).max() < size


@pytest.mark.parametrize("size, times", [(1, 1), (3, 20), (ROOT + 90, 5)])
def test_the_loops_stay_within_their_arrays(monkeypatch, size, times):
    """As plain Python, where NumPy looks at every index."""
    for name in ("_bounded", "_sum_of_4", "_sum_of_8", "_sum_of_16", "_walk", "_draw", "_update", "_fill"):
        monkeypatch.setattr(trees_module, name, getattr(trees_module, name).py_func)
    rng = np.random.default_rng(size)
    for _ in range(times):
        trees, _ = both(size, 8)
        trees.fill(uneven(size, max(0, size - 90), rng))
        trees.adopt(JUST_BELOW_ONE.expand(8, 1, -1).clone())
        trees.update(trees.draw(0), torch.rand(8, 8))


@pytest.mark.parametrize("kind", [0, 1])
def test_sums_after_many_updates_are_those_of_the_values(kind):
    """A difference added to a sum would lose the small values beside a large one that came and went."""
    trees, fresh = both(9000)[kind], both(9000)[kind]
    trees.fill(torch.ones(1, 1))
    rng = np.random.default_rng(3)
    for _ in range(300):
        indices = torch.from_numpy(rng.integers(0, 9000, (1, 32)))
        for scale in (1e20, 1.0):
            trees.update(indices, torch.from_numpy(scale * rng.random((1, 32), np.float32)))
    fresh.fill(trees.values)
    for name, tensor in fresh.tensors.items():
        torch.testing.assert_close(trees.tensors[name], tensor, rtol=1e-15, atol=0)


def test_the_memory_of_the_host_begins_at_cache_lines():
    trees = HostTrees(5000, 1, FLOOR)
    assert all(tensor.data_ptr() % 64 == 0 for tensor in trees.tensors.values())


def test_adopted_numbers_stay_where_a_captured_graph_reads_them():
    trees = DeviceTrees(10, 1, FLOOR, CPU)
    trees.fill(torch.ones(1, 1))
    first = torch.full((1, 2, 3), 0.05, dtype=torch.float64)
    trees.adopt(first)
    trees.adopt(torch.full((1, 2, 3), 0.95, dtype=torch.float64))
    assert (first == 0.95).all()
    assert trees.draw(1).tolist() == [[9, 9, 9]]
