"""The samplers in several processes: W ranks draw and learn what one process does, and raise alike.

Four processes start once. They run everything as four, and then the first two of them as two; each leaves a report.
"""

from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.multiprocessing import spawn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

from hardsample.errors import InputError
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.method import MethodSampler
from hardsample.samplers.with_index import WithIndex

pytestmark = pytest.mark.slow

SIZE, N, STEPS = 45, 8, 24
TAIL = SIZE - 1  # leaves a short mini-batch of 4
WORLDS = pytest.mark.parametrize("world", [2, 4])
METHODS = {"InfoBatch": {"epochs": 5.0}, "LB": READINGS[NEAREST], "PLB": {"uniform": 0.3}, "RMB": {"drop_last": True}}
STREAM = {"seed": 3, "beta": 0.5, "batches": 7}


def x() -> torch.Tensor:
    return torch.randn(SIZE, 3, generator=torch.manual_seed(0), dtype=torch.float64)


def scores(indices: torch.Tensor, step: int, rank: int = 0) -> torch.Tensor:
    """A score by example, step and place in the batch of all ranks, so that their order counts too."""
    places = rank * len(indices) + torch.arange(len(indices))
    return 0.1 + (indices * 0.618 + step * 0.31) % 1 + places * 0.01


def stream(sampler) -> dict[str, list]:
    """The draws of a training, their weights, and the state at its end; a fill in between."""
    drawn, weights = [], []
    for step in range(STEPS):
        drawn.append(sampler.draw())
        weights.append(sampler.weights(drawn[-1]))
        sampler.update(drawn[-1], scores(drawn[-1], step, sampler.rank))
        if step == 9:
            sampler.fill(1.0 + torch.arange(SIZE) + 100 * sampler.rank)
    return {"drawn": drawn, "weights": weights, "state": sampler.state_dict()}


def hard(sampler) -> list[torch.Tensor]:
    drawn = []
    for step in range(STEPS):
        drawn.append(sampler.draw())
        sampler.update(drawn[-1], scores(drawn[-1], step, sampler.rank))
    return drawn


def loaded(sampler) -> list[torch.Tensor]:
    """The batches of a loader whose workers draw ahead."""
    options = {"num_workers": 1, "multiprocessing_context": "fork"}  # to start workers afresh takes seconds
    batches, drawn = DataLoader(TensorDataset(torch.arange(SIZE)), batch_sampler=sampler, **options), []
    for _ in range(2):
        for (indices,) in batches:
            sampler.update(indices, scores(indices, len(drawn), sampler.rank))
            drawn.append(indices)
    return drawn


def parts(sampler) -> dict[str, list]:
    """As :func:`stream`, told in micro-batches; every fifth batch is left out."""
    drawn, weights = [], []
    for step in range(STEPS):
        drawn.append(sampler.draw())
        weights.append(sampler.weights(drawn[-1]))
        if step % 5 == 4:
            sampler.skip()
            continue
        columns = drawn[-1], scores(drawn[-1], step, sampler.rank), weights[-1]
        for own, some, expected in zip(*(column.chunk(2) for column in columns), strict=True):
            assert torch.equal(sampler.weights(own), expected)
            sampler.update(own, some)
    return {"drawn": drawn, "weights": weights, "state": sampler.state_dict()}


def dropped(sampler, ahead: int) -> list[torch.Tensor]:
    """What a loop draws, so far ahead, whose collate function drops every third example and replaces every eighth."""
    ready, drawn = [], []
    for step in range(STEPS):
        while len(ready) <= ahead:
            ready.append(sampler.draw())
        indices = ready.pop(0)
        drawn.append(indices)
        told = indices[indices % 3 != 0]
        sampler.update(torch.where(told % 8 == 1, 7, told), 1.0 + told % 5)
        if step % 6 == 5:
            sampler.skip()
    return drawn


def model() -> tuple[list[list[int]], list[torch.Tensor]]:
    """The batches of a real training in the documented lines, with DistributedDataParallel if there are processes."""
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1).double()
    together = DistributedDataParallel(network) if distributed.is_initialized() else network
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    sampler = BaseValuesSampler(SIZE, N, seed=1)
    drawn = []
    for _ in range(3):
        for inputs, y, index in DataLoader(WithIndex(TensorDataset(x(), x().sum(1))), batch_sampler=sampler):
            losses = (together(inputs)[:, 0] - y) ** 2
            losses.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            sampler.update(index, losses)
            drawn.append(index)
    return drawn, [parameter.detach() for parameter in network.parameters()]


def errors(rank: int, world: int) -> dict[str, tuple[str, bool]]:
    """What this rank raised when the last one was given something bad, and whether its state stayed as it was."""
    each, last = N // world, world - 1
    sampler = BaseValuesSampler(SIZE, N, lag=2)
    told = {}

    def tell(name: str, call, *arguments) -> None:
        before = sampler.state_dict()
        try:
            call(*arguments)
        except InputError as error:
            after = sampler.state_dict()
            same = torch.equal(before["values"], after["values"]) and before["updates"] == after["updates"]
            told[name] = str(error), same and len(before["waiting"]) == len(after["waiting"])

    tell("nothing drawn", sampler.update, [0] * each, torch.ones(each))
    tell("nothing to skip", sampler.skip)
    indices = sampler.draw()
    good = torch.ones(each)
    wrong = {
        "length": torch.ones(each + 1),
        "type": torch.ones(each, dtype=torch.bool),
        "device": torch.ones(each, device="meta"),
        "NaN": torch.full((each,), torch.nan),
        "negative": -good,
    }
    for name, bad in wrong.items():
        tell(name, sampler.update, indices, bad if rank == last else good)
    tell("no tensor", sampler.update, None if rank == last else indices, good)
    tell("one skips", *((sampler.skip,) if rank == last else (sampler.update, indices, good)))
    tell("one cannot skip", *((sampler.skip,) if rank != last else (sampler.update, indices, None)))
    tell("range", sampler.update, indices + SIZE if rank == last else indices, good)
    if rank == last:
        sampler.draw(), sampler.draw()
    tell("lag", sampler.update, indices, good)
    sampler = BaseValuesSampler(SIZE, N, lag=2)
    everything = torch.ones(SIZE)
    tell("fill", sampler.fill, everything[1:] if rank == last else everything)
    indices = sampler.draw()
    sampler.update(indices, 0 * good if rank == last else good)  # not all are zero
    told["goes on"] = "", sampler.state_dict()["updates"] == 1
    sampler = BaseValuesSampler(SIZE, N, seed=rank)
    tell("seeds", sampler.update, sampler.draw(), good)
    for name, arguments in {"share": (SIZE, N + 1), "tail": (SIZE, N)}.items():
        tell(name, HardMiniBatchSampler, *arguments)
    sampler = BaseValuesSampler(SIZE, N, rank=0, world_size=1)
    told["alone"] = "", len(sampler.draw()) == N
    return told


def everything(rank: int, world: int) -> dict:
    return {
        "stream": stream(BaseValuesSampler(SIZE, N, **STREAM)),
        "parts": parts(BaseValuesSampler(SIZE, N, **STREAM)),
        "dropped": dropped(BaseValuesSampler(SIZE, N, seed=3, lag=4), rank % 4),
        "hard": hard(HardMiniBatchSampler(TAIL, N, seed=3, delta=0.5)),
        "methods": {name: hard(MethodSampler(name, SIZE, N, seed=3, **METHODS[name])) for name in METHODS},
        "loaded": loaded(BaseValuesSampler(SIZE, N, seed=3, lag=3)),
        "model": model() if world == 2 else None,  # to import what the model needs takes seconds
        "errors": errors(rank, world),
    }


def process(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    for world in (4, 2):
        if rank < world:
            where = f"file://{folder / f'meet-{world}'}"
            limit = timedelta(seconds=240)
            distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=world, timeout=limit)
            torch.save(everything(rank, world), folder / f"{world}-{rank}.pt")
            distributed.barrier()
            distributed.destroy_process_group()


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[int, list[dict]]:
    """By world size, the report of every rank."""
    folder = tmp_path_factory.mktemp("processes")
    spawn(process, (folder,), nprocs=4)
    return {world: [torch.load(folder / f"{world}-{rank}.pt") for rank in range(world)] for world in (2, 4)}


def joined(parts: list[list[torch.Tensor]]) -> list[list[int]]:
    """The batches of all ranks from the shares of each."""
    return [torch.cat(shares).tolist() for shares in zip(*parts, strict=True)]


@WORLDS
def test_ranks_draw_together_what_one_process_draws(reports, world):
    ranks = [report["stream"] for report in reports[world]]
    one = stream(BaseValuesSampler(SIZE, N, **STREAM))
    assert joined([rank["drawn"] for rank in ranks]) == joined([one["drawn"]])
    assert joined([rank["weights"] for rank in ranks]) == joined([one["weights"]])
    assert all(len(share) == N // world for rank in ranks for share in rank["drawn"])
    assert all(torch.equal(rank["state"]["values"], one["state"]["values"]) for rank in ranks)


@WORLDS
@pytest.mark.parametrize("name", METHODS)
def test_methods_that_go_by_losses_alone_do_too(reports, world, name):
    ranks = [report["methods"][name] for report in reports[world]]
    assert joined(ranks) == joined([hard(MethodSampler(name, SIZE, N, seed=3, **METHODS[name]))])


@WORLDS
def test_ranks_tell_parts_and_skip_together_as_one_process_does(reports, world):
    ranks = [report["parts"] for report in reports[world]]
    one = parts(BaseValuesSampler(SIZE, N, **STREAM))
    assert all(torch.equal(rank["state"]["values"], one["state"]["values"]) for rank in ranks)
    assert joined([rank["drawn"] for rank in ranks]) == joined([one["drawn"]])
    assert joined([rank["weights"] for rank in ranks]) == joined([one["weights"]])


@WORLDS
def test_ranks_whose_loaders_draw_ahead_by_more_or_less_drop_examples_alike(reports, world):
    one = dropped(BaseValuesSampler(SIZE, N, seed=3, lag=4), 0)
    assert joined([report["dropped"] for report in reports[world]]) == joined([one])
    assert one != joined([dropped(BaseValuesSampler(SIZE, N, seed=3, lag=3), 0)])


@WORLDS
def test_a_state_of_several_processes_goes_on_in_one(reports, world):
    one = BaseValuesSampler(SIZE, N, **STREAM)
    stream(one)
    following = one.draw()
    for report in reports[world]:
        again = BaseValuesSampler(SIZE, N, **STREAM)
        again.load_state_dict(report["stream"]["state"])
        assert torch.equal(again.draw(), following)


@WORLDS
def test_hard_mini_batches_are_shared_the_short_one_too(reports, world):
    drawn = joined([report["hard"] for report in reports[world]])
    assert drawn == joined([hard(HardMiniBatchSampler(TAIL, N, seed=3, delta=0.5))])
    assert {len(batch) for batch in drawn} == {8, 4}


@WORLDS
def test_workers_draw_ahead_in_every_process(reports, world):
    one = loaded(BaseValuesSampler(SIZE, N, seed=3, lag=3))
    assert joined([report["loaded"] for report in reports[world]]) == joined([one])
    assert len(one) == 12


def test_a_distributed_model_trains_as_one_process_does(reports):
    drawn, parameters = model()
    assert joined([report["model"][0] for report in reports[2]]) == joined([drawn])
    for report in reports[2]:
        torch.testing.assert_close(report["model"][1], parameters)


@WORLDS
@pytest.mark.parametrize(
    "name, own, others",
    [
        ("length", "scores have the shape", "rank {last} was given what it cannot use"),
        ("type", "scores are torch.bool", "rank {last} was given what it cannot use"),
        ("device", "scores are on meta, which holds no numbers", "rank {last} was given what it cannot use"),
        ("no tensor", "indices of the type NoneType make no tensor", "rank {last} was given what it cannot use"),
        ("lag", "lag is 2, but 3 batches were drawn", "rank {last} was given what it cannot use"),
        ("fill", r"scores have the shape \[44\]", "rank {last} was given what it cannot use"),
        ("NaN", "a score is NaN", "a score is NaN"),
        ("negative", "scores go from -1 to 1", "scores go from -1 to 1"),
        ("range", r"index \d+ is out of range, which is 0 to 44", r"index \d+ is out of range"),
        ("nothing to skip", "no batch waits for an update", "no batch waits for an update"),
        (
            "one skips",
            r"rank {last} skips the batch that rank 0 updates: let every",
            r"rank {last} skips .* every rank",
        ),
        ("one cannot skip", "scores of the type NoneType", "rank {last} was given what it cannot use"),
        ("nothing drawn", "no batch waits for an update", "no batch waits for an update"),
        ("share", "does not divide batch_size 9", "does not divide batch_size 9"),
        ("tail", "last mini-batch has 5 examples", "last mini-batch has 5 examples"),
    ],
)
def test_all_ranks_raise_alike_and_change_nothing(reports, world, name, own, others):
    told = [report["errors"][name] for report in reports[world]]
    for rank, (message, unchanged) in enumerate(told):
        pattern = (own if rank == world - 1 else others).format(last=world - 1)
        assert unchanged and pytest.raises(InputError, match=pattern).matches(InputError(message))


@WORLDS
def test_ranks_that_draw_differently_are_told(reports, world):
    for report in reports[world]:
        message, unchanged = report["errors"]["seeds"]
        assert unchanged and "the ranks drew different batches" in message


@WORLDS
def test_ranks_go_on_after_errors_and_a_sampler_may_stay_alone(reports, world):
    for report in reports[world]:
        assert report["errors"]["goes on"][1] and report["errors"]["alone"][1]
