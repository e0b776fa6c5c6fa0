"""A fast way is held to the plain one: within its rounding it passes, off by more it does not."""

import math

import torch

from hardsample.training import agreement

BEFORE = {"weights": torch.zeros(1_000), "counts": torch.zeros(10, dtype=torch.int32)}


def states(scale: float = 0.0, *, drawn: tuple[int, ...] = (0, 1, 2), steps: int = 3) -> list[dict[str, torch.Tensor]]:
    """Weights that grow by 1 a step, off by ``scale`` of chance; one example drawn a step."""
    numbers = torch.Generator().manual_seed(int(scale * 1e6))
    found, counts = [], BEFORE["counts"].clone()
    for step in range(steps):
        counts = counts.clone()
        counts[drawn[step]] += 1
        error = scale * torch.randn(1_000, generator=numbers)
        found.append({"weights": (step + 1) * (1 + error), "counts": counts})
    return found


def test_as_far_as_the_plain_way_is_near_enough_and_twice_is_not():
    exact, plain = states(), states(0.1)
    near = agreement.compare(BEFORE, states(0.1001), plain, exact)
    assert near.agrees and near.steps == 3 and near.tensor == "weights"
    assert not agreement.compare(BEFORE, states(0.2), plain, exact).agrees


def test_in_float32_only_rounding_is_allowed():
    exact = states()
    assert agreement.compare(BEFORE, states(0.001), exact, exact).agrees
    assert not agreement.compare(BEFORE, states(0.02), exact, exact).agrees


def test_the_first_draw_must_be_equal_and_later_ones_end_the_comparison():
    exact = states()
    other = agreement.compare(BEFORE, states(drawn=(5, 1, 2)), exact, exact)
    assert not other.agrees and other.tensor == "counts" and other.to_dict()["ratio"] is None
    later = agreement.compare(BEFORE, states(drawn=(0, 7, 2)), exact, exact)
    assert later.agrees and later.steps == 1


def test_numbers_lost_are_no_agreement():
    lost = states()
    lost[-1]["weights"] = lost[-1]["weights"].index_fill(0, torch.tensor([3]), torch.nan)
    found = agreement.compare(BEFORE, lost, states(), states())
    assert not found.agrees and math.isinf(found.ratio)
    assert agreement.compare(BEFORE, lost, lost, lost).agrees  # a network that diverges does so in every way


def test_what_nothing_moves_must_stay():
    still = [BEFORE | {"counts": state["counts"]} for state in states()]
    assert agreement.compare(BEFORE, still, still, still).agrees
    moved = [state | {"weights": state["weights"] + 1e-3} for state in still]
    assert not agreement.compare(BEFORE, moved, still, still).agrees
