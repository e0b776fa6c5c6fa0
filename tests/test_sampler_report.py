"""What samplers report of their examples: exact counts, the hardest, classes, and a text, a table, a picture."""

import itertools

import numpy as np
import pytest
import torch

from hardsample.errors import InputError
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.counted import AT_ONCE
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.method import MethodSampler
from hardsample.samplers.process_group import Told
from hardsample.samplers.report import SamplerReport

SIZE, N = 40, 4
LABELS = torch.arange(SIZE) % 3


def losses(indices: torch.Tensor, step: int) -> torch.Tensor:
    return (0.05 + (indices * 0.618 + step * 0.37) % 1) ** 2


def trained(sampler, steps: int, start: int = 0) -> list[int]:
    """Train so many steps; gives every index drawn."""
    seen = []
    for step in range(start, start + steps):
        indices = sampler.draw()
        sampler.update(indices, losses(indices, step))
        seen += indices.tolist()
    return seen


SAMPLERS = {
    "base values": lambda **options: BaseValuesSampler(SIZE, N, seed=1, **options),
    "hard mini-batches": lambda **options: HardMiniBatchSampler(SIZE + 2, N, seed=1, **options),
    "a method": lambda **options: MethodSampler("SMB", SIZE, N, seed=1, **options),
}
EVERY = pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)


@EVERY
@pytest.mark.parametrize(("lag", "steps"), [(1, 17), (3, 17), (1, 2 * AT_ONCE + 17)])
def test_counts_are_of_what_was_trained_and_go_on_in_a_state(make, lag, steps):
    sampler = make(lag=lag)
    seen = trained(sampler, steps)
    sampler.draw()  # and not trained
    again = make(lag=lag)
    again.load_state_dict(sampler.state_dict())
    indices = again.draw()
    seen += indices.tolist()
    again.update(indices, losses(indices, steps))
    counts = np.bincount(seen, minlength=sampler.size)
    report = again.report()
    assert report.draws.tolist() == counts.tolist() and report.draws.dtype == np.int64 and report.updates == steps + 1
    assert report.size_of_draws == pytest.approx(counts.sum() ** 2 / (counts**2).sum())
    assert sampler.report().draws.sum() == counts.sum() - len(indices)


def test_a_state_that_has_no_counts_still_loads():
    sampler, again = (BaseValuesSampler(SIZE, N, seed=1) for _ in range(2))
    trained(sampler, 9)
    state = sampler.state_dict()
    del state["trained"]
    trained(again, 2)
    again.load_state_dict(state)
    assert again.report().draws.sum() == 0
    assert trained(again, 5, 9) == trained(sampler, 5, 9)
    assert again.report().draws.sum() == 5 * N


@EVERY
def test_a_report_changes_no_draw(make):
    asked, quiet = make(), make()
    for step in range(25):
        assert trained(asked, 1, step) == trained(quiet, 1, step)
        asked.report(labels=[0] * asked.size)
    report = asked.report()
    kept = report.draws.copy()
    trained(asked, 3, 25)
    assert np.array_equal(report.draws, kept)


def test_the_hardest_are_those_of_highest_value_among_the_trained():
    sampler = BaseValuesSampler(SIZE, N, seed=1)
    seen, known = [], {}
    for step in range(8):
        indices = sampler.draw()
        sampler.update(indices, losses(indices, step))
        seen.append(indices.tolist())
        known |= dict(zip(indices.tolist(), losses(indices, step).tolist(), strict=True))
    assert 5 < len(known) < SIZE  # some were never drawn, and count as hardest for the draws alone
    report = sampler.report(top=5)
    expected = sorted(known, key=lambda index: (-known[index], index))
    assert report.order.tolist() == expected and report.suspects.tolist() == expected[:5]
    assert report.hardest == [(index, pytest.approx(known[index])) for index in expected[:5]]
    p = sampler.values.double() / sampler.values.double().sum()
    assert report.size_of_draw == pytest.approx(1 / p.square().sum().item())
    assert 1 <= report.size_of_draw < SIZE


def test_what_a_method_keeps_decides_what_is_known():
    uniform = MethodSampler("SMB", SIZE, N)
    trained(uniform, 10)
    report = uniform.report()
    assert report.values is None and report.hardest == [] and report.size_of_draw == pytest.approx(SIZE)
    hard = HardMiniBatchSampler(SIZE + 2, N, shuffle=False, drop_last=True)
    trained(hard, 10)
    report = hard.report()
    first = losses(torch.arange(4), 0).mean().item()  # of the mini-batch, for each of its examples
    assert report.values[:4] == pytest.approx([first] * 4) and np.isnan(report.values[SIZE:]).all()
    assert report.size_of_draw is None
    examples = MethodSampler("HE", SIZE, N, seed=1)
    seen = trained(examples, 3)
    values = examples.report().values
    assert np.isfinite(values).sum() == 12 and values[seen[0]] == pytest.approx(losses(torch.tensor(seen[0]), 0).item())


def test_new_examples_were_never_drawn():
    sampler = BaseValuesSampler(8, N)
    seen = trained(sampler, 2)
    sampler.grow(11)
    assert sampler.report().draws.tolist() == np.bincount(seen, minlength=11).tolist()
    assert set(sampler.report().order) == set(seen)


@pytest.mark.parametrize("labels", [LABELS, LABELS.numpy(), ["abc"[label] for label in LABELS]])
def test_class_shares_of_draws_stand_beside_those_of_the_data(labels):
    sampler = BaseValuesSampler(SIZE, N, seed=1)
    seen = trained(sampler, 30)
    classes = sampler.report(labels=labels).classes
    drawn = np.bincount(LABELS[seen]) / len(seen)
    assert [one.label for one in classes] == sorted(set(labels if isinstance(labels, list) else [0, 1, 2]))
    assert [one.draws for one in classes] == pytest.approx(drawn.tolist())
    assert [one.data for one in classes] == pytest.approx([14 / 40, 13 / 40, 13 / 40])
    assert sampler.report().classes == []


def test_the_text_is_short_and_says_what_is_known():
    sampler = BaseValuesSampler(SIZE, N, seed=1)
    assert str(sampler.report(labels=LABELS)) == "BaseValuesSampler: 0 updates, 0 draws of 40 examples."
    trained(sampler, 30)
    report = sampler.report(labels=LABELS, top=3)
    lines = str(report).splitlines()
    assert lines[0] == "BaseValuesSampler: 30 updates, 120 draws of 40 examples."
    never = (report.draws == 0).sum()
    assert f"; {never} example{'' if never == 1 else 's'} never." in lines[1]
    assert f"{round(report.size_of_draws)} examples of all draws so far, {round(report.size_of_draw)} of" in lines[2]
    told = ", ".join(f"{index} ({value:.2f})" for index, value in report.hardest)
    assert lines[3] == f"Hardest when last seen, with their values: {told}."
    assert "none is proven" in lines[4] and len(lines) == 6
    furthest = max(report.classes, key=lambda one: abs(one.draws - one.data))
    assert f"first: {furthest.label} {100 * furthest.draws:.1f} % ({100 * furthest.data:.1f} %), " in lines[5]
    named = MethodSampler("PLB", SIZE, N)
    assert str(named.report()).startswith("PLB: 0 updates")


def test_the_frame_has_every_example_hardest_first():
    pytest.importorskip("pandas")
    sampler = BaseValuesSampler(SIZE, N, seed=1)
    trained(sampler, 8)
    report = sampler.report(labels=LABELS)
    frame = report.frame()
    assert list(frame) == ["example", "value", "draws", "label"] and sorted(frame.example) == list(range(SIZE))
    seen = len(report.order)
    assert frame.example[:seen].tolist() == report.order.tolist() and frame.value[:seen].is_monotonic_decreasing
    assert frame.value[seen:].isna().all() and (frame.draws[seen:] == 0).all() and (frame.draws[:seen] > 0).all()
    assert (frame.label == LABELS.numpy()[frame.example]).all()


@pytest.mark.parametrize(
    "make, labels, panels", [("base values", LABELS, 3), ("base values", None, 2), ("a method", None, 1)]
)
@pytest.mark.parametrize("steps", [0, 12])
def test_the_picture_has_a_panel_of_each_thing_that_is_known(make, labels, panels, steps):
    pytest.importorskip("matplotlib")
    sampler = SAMPLERS[make]()
    trained(sampler, steps)
    report = sampler.report(labels=labels)
    figure = report.plot()
    figure.canvas.draw()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        title
        for title, known in (
            ("How often each was drawn", True),
            ("Values when last seen", panels > 1 and steps),
            ("Classes", panels > 2),
        )
        if known
    ]
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert sum(heights) == SIZE
    if panels > 1 and steps:
        assert sum(bar.get_height() for bar in figure.axes[1].patches) == len(report.order)
    if panels > 2:
        bars = [bar.get_height() for bar in figure.axes[-1].patches]
        assert bars == pytest.approx([100 * one.draws for one in report.classes])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"labels": [1, 2]}, r"labels have the shape \[2\]: give one of each of the 40 examples, \[40\]"),
        ({"labels": torch.ones(SIZE, 2)}, r"labels have the shape \[40, 2\]"),
        ({"top": 0}, "top is 0: give how many"),
        ({"top": 2.5}, "top is 2.5"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        BaseValuesSampler(SIZE, N).report(**arguments)


def test_counts_are_of_all_processes():
    samplers = [MethodSampler("SMB", SIZE, N, rank=rank, world_size=2) for rank in (0, 1)]
    for sampler in samplers:  # as if the other had told its share
        sampler._ranks.gathered = lambda what, own, updates, following, device, sampler=sampler: Told(
            sampler._drawn[0][0], torch.ones(N), torch.arange(N) // (N // 2), updates, True
        )
    seen = list(itertools.chain(*(sampler.draw().tolist() for sampler in samplers)))
    for sampler in samplers:
        sampler.update(sampler._drawn[0][0][:2], torch.ones(2))
        report = sampler.report()
        assert isinstance(report, SamplerReport) and report.draws.tolist() == np.bincount(seen, minlength=SIZE).tolist()
