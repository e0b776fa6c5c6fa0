"""Counter-based bits: pure, independent of the company they are made in, and evenly spread."""

import numpy as np
import pytest
import torch
from scipy import stats

from hardsample import jit, randomness
from hardsample.data.label_noise import flip_labels
from hardsample.methods import registry
from hardsample.randomness import Stream

SEEDS = torch.arange(1, 13)


def test_bits_are_splitmix64s():
    """The words of the published reference for a state of 0 (its increment, then its finaliser)."""
    state = torch.tensor([0x9E3779B97F4A7C15 - (1 << 64)])
    assert randomness._mix(state.clone()).item() & (2**64 - 1) == 0xE220A8397B1DCDAF


def test_a_seed_alone_has_the_bits_it_has_in_a_cohort():
    together = randomness.bits(SEEDS, Stream.DRAW, 7, 100)
    masks = randomness.keep_masks(SEEDS, Stream.DROPOUT, 7, (5, 9), 0.25)
    for place, seed in enumerate(SEEDS):
        alone = seed.view(1)
        assert torch.equal(randomness.bits(alone, Stream.DRAW, 7, 100)[0], together[place])
        assert torch.equal(randomness.keep_masks(alone, Stream.DROPOUT, 7, (5, 9), 0.25)[0], masks[place])


def test_compiled_and_plain_bits_and_masks_are_the_same(monkeypatch):
    seeds = torch.tensor([0, 1, -7, 2**62 + 5])

    def made():
        words = [randomness.bits(seeds, stream, step, n) for stream, step, n in ((0, 0, 1), (3, 2**40, 77), (68, 9, 0))]
        return [*words, randomness.keep_masks(seeds, Stream.DROPOUT, 7, (5, 9), 0.25)]

    assert jit.AVAILABLE
    fast = made()
    monkeypatch.setattr(jit, "AVAILABLE", False)
    for one, other in zip(fast, made(), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)


def test_the_step_may_be_a_tensor():
    assert torch.equal(
        randomness.bits(SEEDS, Stream.DRAW, 9, 4), randomness.bits(SEEDS, Stream.DRAW, torch.tensor(9), 4)
    )


def test_seed_stream_and_step_each_change_all_bits():
    base = randomness.bits(torch.tensor([1]), 2, 3, 1000)
    for other in (
        randomness.bits(torch.tensor([2]), 2, 3, 1000),
        randomness.bits(torch.tensor([1]), 3, 3, 1000),
        randomness.bits(torch.tensor([1]), 2, 4, 1000),
    ):
        flipped = np.unpackbits((base ^ other).numpy().view(np.uint8)).mean()
        assert flipped == pytest.approx(0.5, abs=0.01)


def test_uniforms_are_uniform():
    u = randomness.uniforms(SEEDS, Stream.DRAW, 0, 20_000).flatten().numpy()
    assert u.min() >= 0 and u.max() <= 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_the_largest_word_is_rounded_to_one(monkeypatch):
    monkeypatch.setattr(randomness, "bits", lambda seeds, stream, step, n: torch.full((len(seeds), n), -1))
    assert randomness.uniforms(SEEDS, Stream.DRAW, 0, 2).unique().tolist() == [1.0]


@pytest.mark.parametrize(
    ("name", "options"),
    [("SMB", {}), ("PLB", {}), ("PLB", {"uniform": 1.0}), ("PLB", {"distinct": True}), ("Mercury", {})],
)
def test_no_method_makes_an_index_out_of_range_of_a_one(name, options, monkeypatch):
    monkeypatch.setattr(randomness, "uniforms", lambda seeds, stream, step, n: torch.ones(len(seeds), n))
    method = registry.build(name, 10, 4, SEEDS, options=options)
    method.refresh(0, lambda indices: (torch.zeros(*indices.shape, 2), torch.ones(indices.shape)))
    method.prepare(0)
    indices = method.draw(0).indices
    assert indices.shape == (12, 4) and indices.min() >= 0 and indices.max() <= 9


def test_a_one_still_makes_a_label_wrong(monkeypatch):
    monkeypatch.setattr(randomness, "uniforms", lambda seeds, stream, step, n: torch.ones(len(seeds), n))
    labels = torch.arange(40) % 5
    assert (flip_labels(labels, 5, SEEDS, 0.5) != labels).sum(1).tolist() == [20] * 12


@pytest.mark.parametrize("drop", [0.0, 0.25, 0.5])
def test_masks_keep_the_share_they_should(drop):
    kept = randomness.keep_masks(torch.tensor([3]), Stream.DROPOUT, 11, (333, 301), drop)
    assert kept.shape == (1, 333, 301) and kept.dtype == torch.bool
    assert stats.binomtest(int(kept.sum()), kept.numel(), 1 - drop).pvalue > 1e-3


@pytest.mark.parametrize("drop", [0.3, 1.0, -0.25])
def test_a_rate_that_a_byte_cannot_hold_is_refused(drop):
    with pytest.raises(ValueError, match="multiple of 1/256"):
        randomness.keep_masks(torch.tensor([3]), Stream.DROPOUT, 0, (4,), drop)


def test_permutations_hold_every_index_once_and_differ():
    orders = randomness.permutations(SEEDS, Stream.ORDER, 0, 50)
    assert torch.equal(orders.sort(1)[0], torch.arange(50).expand(12, -1))
    assert len({tuple(order.tolist()) for order in orders}) == 12


@pytest.mark.gpu
def test_a_gpu_makes_the_same_bits():
    assert torch.equal(
        randomness.bits(SEEDS.cuda(), Stream.DRAW, 5, 999).cpu(), randomness.bits(SEEDS, Stream.DRAW, 5, 999)
    )
