"""Every method as a sampler: the draws are the method's own, a stopped training goes on the same; what is refused."""

import itertools
import re
from collections import deque
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import hardsample
from hardsample import paths
from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.methods.base import Draw, FullMiniBatches
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.specs import ENTRIES, METHODS, MethodSpec
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.method import MethodSampler
from hardsample.samplers.with_index import WithIndex

SIZE, N, CLASSES, EPOCHS = 42, 4, 3, 4.0
LABELS = torch.arange(SIZE) % CLASSES
SCHEDULED = ("InfoBatch", "KAKURENBO")
OPTIONS = [
    *((name, {}) for name in METHODS),
    *((entry.method, dict(entry.options)) for entry in ENTRIES.values() if entry.options),
    *(("LB", dict(options)) for options in READINGS.values() if options),
    *(("PLB", {"uniform": 0.3, "beta": 0.5}), ("PLB", {"distinct": True}), ("Mercury", {"group": 2})),
    *(("HMB", {"delta": 0.3, "refresh_every": 2}), ("PEB", {"refresh_every": 3}), ("SB", {"beta": 1.0})),
]
CASES = [(name, options | ({"epochs": EPOCHS} if name in SCHEDULED else {})) for name, options in OPTIONS]
EVERY = pytest.mark.parametrize("name, options", CASES, ids=lambda value: str(value))


class Network:
    """Logits that are a function of the example and of how many updates were made."""

    def __init__(self) -> None:
        self.updates, self.passes = 0, 0

    def __call__(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lanes = indices[:, None] * 7 + torch.arange(CLASSES) * 3 + self.updates * 5
        logits = (lanes.double() * 0.618 % 1).float() * 4
        logits[:, 0] += 3 * (LABELS[indices] == 0)
        return logits, F.cross_entropy(logits, LABELS[indices], reduction="none")

    def evaluate(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.passes += 1
        return self(indices)


def made(name: str, options: dict, network: Network, **arguments) -> MethodSampler:
    return MethodSampler(name, SIZE, N, seed=3, evaluate=network.evaluate, **options, **arguments)


def none(step: int) -> bool:
    return False


def every_third(step: int) -> bool:
    return step % 3 == 2


def steps(
    sampler: MethodSampler, network: Network, count: int, skipped: Callable[[int], bool] = none
) -> list[tuple[list[int], list[float], float]]:
    """Train so many steps but for those skipped; gives their batches, weights and learning-rate factors."""
    seen = []
    for step in range(sampler._updates, sampler._updates + count):
        indices = sampler.draw()
        seen.append((indices.tolist(), sampler.weights(indices).tolist(), sampler.learning_rate_factor))
        if skipped(step):
            sampler.skip()
            continue
        logits, losses = network(indices)
        sampler.update(indices, losses, logits=logits)
        network.updates += 1
    return seen


def driven(
    name: str, options: dict, count: int, skipped: Callable[[int], bool] = none, lag: int = 1
) -> list[tuple[list[int], list[float], float]]:
    """As :func:`steps`, by the method itself."""
    method, network, seen = registry.build(name, SIZE, N, torch.tensor([3]), options=options), Network(), []
    told: deque[tuple] = deque()

    def evaluate(indices):
        return tuple(part[None] for part in network.evaluate(indices[0]))

    for step in range(count):
        while told and told[0][0] <= step - lag:
            method.observe(*told.popleft()[1:])
        method.refresh(step, evaluate)
        method.prepare(step)
        indices, weights = method.draw(step)
        weights = torch.ones(indices.shape) if weights is None else weights
        seen.append((indices[0].tolist(), weights[0].tolist(), method.learning_rate_factor(step)))
        if skipped(step):
            method.skip()
            continue
        logits, losses = network(indices[0])
        told.append((step, indices, logits[None], losses[None]))
        network.updates += 1
    return seen


@EVERY
def test_draws_weights_and_factors_are_the_methods_own(name, options):
    assert steps(made(name, options, Network()), Network(), 0) == []
    network = Network()
    assert steps(made(name, options, network), network, 45) == driven(name, options, 45)


@EVERY
def test_a_training_stopped_after_any_update_goes_on_the_same(name, options, tmp_path):
    network = Network()
    whole = steps(made(name, options, network), network, 32)
    for stop in (0, 1, 10, 11, 12, 13, 25):
        network = Network()
        sampler = made(name, options, network)
        start = steps(sampler, network, stop)
        torch.save(sampler.state_dict(), tmp_path / "state.pt")
        again = made(name, options, network)
        network.updates = 50
        steps(again, network, 14)  # what it did before leaves no trace
        network.updates = stop
        again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        assert start + steps(again, network, 32 - stop) == whole


@EVERY
def test_it_trains_in_the_three_lines_of_every_sampler(name, options):
    x = torch.randn(SIZE, 3, generator=torch.manual_seed(0))
    dataset, model = TensorDataset(x, (x[:, 0] > 0).long()), torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def evaluate(indices):
        assert not torch.is_grad_enabled()
        logits = model(x[indices])
        return logits, F.cross_entropy(logits, dataset.tensors[1][indices], reduction="none")

    sampler = MethodSampler(name, SIZE, N, seed=1, evaluate=evaluate, **options)
    with torch.no_grad():
        before = evaluate(torch.arange(SIZE))[1].mean()
    lengths = []
    for _ in range(3):
        for x_, y, index in DataLoader(WithIndex(dataset), batch_sampler=sampler):
            logits = model(x_)
            losses = F.cross_entropy(logits, y, reduction="none")
            (losses * sampler.weights(index)).mean().mul(sampler.learning_rate_factor).backward()
            optimizer.step()
            optimizer.zero_grad()
            sampler.update(index, losses, logits=logits)
            lengths.append(len(index))
    with torch.no_grad():
        assert evaluate(torch.arange(SIZE))[1].mean() < before
    assert len(lengths) == 33
    if name == "OHEM":
        assert set(lengths) == {N // 2}
    elif name in ("HMB", "RMB", "FMB", "HE"):
        assert set(lengths) == {N, SIZE % N}
    else:
        assert set(lengths) == {N}


# Batches that are left out.


@EVERY
def test_a_loop_that_skips_every_third_batch_goes_on(name, options):
    network = Network()
    seen = steps(made(name, options, network), network, 45, every_third)
    assert seen == driven(name, options, 45, every_third)
    again = [seen[step][0] == seen[step + 1][0] for step in range(44) if every_third(step)]
    assert len(again) == 14 and sum(again) <= (name == "HMB")  # which may end a round and begin the next


@pytest.mark.parametrize(
    ("name", "options"),
    [("MB", {}), ("InfoBatch", {"ratio": 0.0}), ("KAKURENBO", {"fraction": 0.0}), ("SB", {"beta": 0.0})],
)
def test_after_a_skip_the_following_examples_come(name, options):
    """Where nothing is left to what is learned, all 45 batches are those of a loop that skips none."""
    options |= {"epochs": EPOCHS} if name in SCHEDULED else {}
    (skipping, network), (whole, same) = ((made(name, options, each), each) for each in (Network(), Network()))
    kept, expected = (
        [batch for batch, *_ in steps(*each)] for each in ((skipping, network, 45, every_third), (whole, same, 45))
    )
    assert kept == expected
    assert sorted(sum(kept, [])[: 4 * SIZE]) == sorted([*range(SIZE)] * 4)


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_first_pass_goes_on_after_a_skip(name):
    network, same = Network(), Network()
    skipping, whole = (made(name, {"epochs": EPOCHS}, each) for each in (network, same))
    assert steps(skipping, network, SIZE // N, every_third) == steps(whole, same, SIZE // N)


@EVERY
def test_the_last_batch_of_a_pass_may_be_skipped(name, options):
    network, same = Network(), Network()
    sampler, seen = made(name, options, network), []
    for _ in range(3):
        for number, indices in enumerate(sampler, 1):
            seen.append(indices)
            if number == len(sampler):
                sampler.skip()
                continue
            logits, losses = network(torch.tensor(indices))
            sampler.update(indices, losses, logits=logits)
            network.updates += 1
    last = len(sampler) - 1
    expected = steps(made(name, options, same), same, 3 * len(sampler), lambda step: step % len(sampler) == last)
    assert len(seen) == 33 and seen == [batch for batch, *_ in expected]


@EVERY
def test_a_training_stopped_after_a_skip_goes_on_the_same(name, options, tmp_path):
    network = Network()
    whole = steps(made(name, options, network), network, 33, every_third)
    for stop in (3, 9, 12, 24):
        network = Network()
        sampler = made(name, options, network)
        start = steps(sampler, network, stop, every_third)
        torch.save(sampler.state_dict(), tmp_path / "state.pt")
        again = made(name, options, network)
        again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        assert start + steps(again, network, 33 - stop, every_third) == whole


@pytest.mark.parametrize("name", ["MB", "PLB", "PEB", "HMB", "RMB", "FMB", "HE"])
@pytest.mark.parametrize("lag", [2, 3])
def test_skips_hold_with_a_lag(name, lag, tmp_path):
    """Batches are drawn ahead, as a loader's workers draw them, and a state is saved after a skip."""
    network, seen, ahead = Network(), [], deque()
    sampler = made(name, {}, network, lag=lag)
    for step in range(45):
        while len(ahead) < lag:
            ahead.append(sampler.draw())
        indices = ahead.popleft()
        seen.append(indices.tolist())
        if every_third(step):
            sampler.skip()
        else:
            logits, losses = network(indices)
            sampler.update(indices, losses, logits=logits)
            network.updates += 1
        if step in (2, 11, 20):
            torch.save(sampler.state_dict(), tmp_path / "state.pt")
            sampler = made(name, {}, network, lag=lag)
            sampler.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
            ahead.clear()
    assert seen == [batch for batch, *_ in driven(name, {}, 45, every_third, lag)]


@pytest.mark.parametrize("lag", [1, 3])
def test_a_round_goes_on_after_a_skip(lag):
    network, same = Network(), Network()
    method, sampler = made("HMB", {}, network, lag=lag), HardMiniBatchSampler(SIZE, N, seed=3, lag=lag)
    expected = [batch for batch, *_ in steps(method, network, 45, every_third)]
    seen = []
    for step in range(45):
        indices = sampler.draw()
        seen.append(indices.tolist())
        if every_third(step):
            sampler.skip()
            continue
        sampler.update(indices, same(indices)[1])
        same.updates += 1
    assert seen == expected
    assert sorted(sum(seen[:11], [])) == [*range(SIZE)]  # the first pass has each mini-batch once


@pytest.mark.parametrize("options", [{}, READINGS[NEAREST]], ids=["rounds", "keys"])
def test_a_skipped_mini_batch_of_lb_keeps_its_weights(options):
    network = Network()
    sampler = made("LB", options, network)
    steps(sampler, network, 10)
    known = {name: tensor.clone() for name, tensor in sampler._method.tensors.items()}
    changed = 0
    for _ in range(11):
        sampler.draw()
        changed += any(not torch.equal(known[name], tensor) for name, tensor in sampler._method.tensors.items())
        sampler.skip()
        assert all(torch.equal(known[name], tensor) for name, tensor in sampler._method.tensors.items())
    assert bool(changed) == (not options)  # examples of a round are set aside while others are drawn


# What is told to it.


@pytest.mark.parametrize("name", ["PLB", "HMB", "InfoBatch", "OHEM", "KAKURENBO"])
def test_a_part_of_a_batch_is_refused_and_nothing_is_changed(name):
    options = {"epochs": EPOCHS} if name in SCHEDULED else {}
    network, same = Network(), Network()
    sampler, other = made(name, options, network), made(name, options, same)
    for _ in range(5):
        indices = sampler.draw()
        logits, losses = network(indices)
        foreign = torch.tensor([next(i for i in range(SIZE) if i not in indices)])
        for part in (indices[:1], torch.cat([indices[:1], indices[:-1]]), torch.cat([indices[:-1], foreign])):
            message = rf"{name} learns from whole batches: update each once, .* with all {len(indices)} of its indices"
            with pytest.raises(InputError, match=message):
                sampler.update(part, losses[: len(part)], logits=logits[: len(part)])
        sampler.update(indices, losses, logits=logits)
        network.updates += 1
        assert steps(other, same, 1)[0][0] == indices.tolist()


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("P")])
def test_without_forward_passes_unseen_examples_are_as_the_hardest_of_the_first_mini_batch(name):
    network = Network()
    sampler = MethodSampler(name, SIZE, N, seed=3)
    method = registry.build(name, SIZE, N, torch.tensor([3]))
    assert isinstance(method, PersistentLoss)
    for step in range(20):
        method.prepare(step)
        indices = sampler.draw()
        assert torch.equal(indices, method.draw(step).indices[0])
        logits, losses = network(indices)
        sampler.update(indices, losses, logits=logits)
        values = method.values(logits, losses)
        if step == 0:
            method.fill(values.max().view(1, 1))
        method.base_values.update(indices[None], values[None])
        network.updates += 1
    assert network.passes == 0


@pytest.mark.parametrize("name", ["PLB", "HMB", "LB", "KAKURENBO"])
def test_a_batch_may_be_told_in_any_order(name):
    options = {"epochs": EPOCHS} if name == "KAKURENBO" else {}
    network = Network()
    kept, turned = (made(name, options, network) for _ in range(2))
    for _ in range(24):
        indices, same = kept.draw(), turned.draw()
        assert torch.equal(indices, same)
        logits, losses = network(indices)
        kept.update(indices, losses, logits=logits)
        turned.update(same.flip(0), losses.flip(0), logits=logits.flip(0))
        network.updates += 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MB", "SMB", "PLB", "PEB", "HMB", "HE", "FMB"])
def test_a_lag_is_exact_for_the_methods_that_may_draw_ahead(name, tmp_path):
    """Also through a state that holds batches drawn and not updated, and logits that no draw has seen."""

    def fresh():
        return MethodSampler(name, SIZE, N, seed=3, lag=5)

    def run(workers: int, stop: int | None = None) -> list[list[int]]:
        sampler, network, seen = fresh(), Network(), []
        loader = DataLoader(
            torch.arange(SIZE), batch_sampler=sampler, num_workers=workers, prefetch_factor=2 if workers else None
        )
        for indices in itertools.chain(loader, loader):
            seen.append(indices.tolist())
            logits, losses = network(indices)
            sampler.update(indices, losses, logits=logits)
            network.updates += 1
            if len(seen) == stop:
                torch.save(sampler.state_dict(), tmp_path / "state.pt")
                sampler = fresh()
                sampler.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
                return seen + [batch for batch, *_ in steps(sampler, network, 22 - stop)]
        return seen

    alone = run(0)
    assert len(alone) == 22 and alone == run(2) == run(2, stop=7) == run(0, stop=13)


def test_a_fill_sets_what_a_method_keeps():
    sampler = MethodSampler("PEB", SIZE, N)
    sampler.fill(torch.where(torch.arange(SIZE) == 7, 1e20, 1e-8))
    assert sampler.draw().tolist() == [7] * N
    with pytest.raises(InputError, match="MB keeps no scores to fill in"):
        MethodSampler("MB", SIZE, N).fill(torch.ones(SIZE))


class Backwards(FullMiniBatches):
    """The last examples first, as many steps ago as it was told."""

    def __init__(self, size, n, seeds, first_step, *, by: int = 1):
        super().__init__(size, n)
        self.place, self.n, self.size, self.by = torch.zeros(1, 1, dtype=torch.int64), n, size, by

    def draw(self, step):
        return Draw((self.size - 1 - self.place * self.n * self.by - torch.arange(self.n)) % self.size)

    def observe(self, indices, logits, losses):
        self.skip()

    def skip(self):
        self.place += 1

    @property
    def tensors(self):
        return {"place": self.place}


def test_a_method_of_ones_own_is_served(monkeypatch):
    monkeypatch.setitem(METHODS, "Backwards", MethodSpec("Backwards", Backwards))
    sampler = MethodSampler("Backwards", 10, 3, by=2)
    for expected in ([9, 8, 7], [3, 2, 1], [7, 6, 5]):
        indices = sampler.draw()
        assert indices.tolist() == expected
        sampler.update(indices, torch.ones(3))
    again = MethodSampler("Backwards", 10, 3, by=2)
    state = sampler.state_dict()
    again.load_state_dict(state)
    assert again.draw().tolist() == sampler.draw().tolist() == [1, 0, 9]
    sampler.skip()
    assert sampler.draw().tolist() == [5, 4, 3]
    with pytest.raises(InputError, match="the state has by 2, the sampler 1"):
        MethodSampler("Backwards", 10, 3).load_state_dict(state)
    with pytest.raises(InputError, match="lag is 2, and Backwards cannot draw ahead"):
        MethodSampler("Backwards", 10, 3, lag=2)


# What is refused.


def nothing(indices):
    return torch.ones(len(indices))


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("NoSuch", {}, "unknown method 'NoSuch'.*: choose one of MB, "),
        ("PBL", {}, r"did you mean PLB"),
        ("MB", {"size": 0}, "size is 0: give at least 1 example"),
        ("MB", {"delta": 0.5}, "unknown option of MB 'delta'"),
        ("MB", {"epochs": 3.0}, "unknown option of MB 'epochs'"),
        ("MB", {"lag": 0}, "lag is 0"),
        ("InfoBatch", {}, "epochs is None: give the run's length"),
        (
            "InfoBatch",
            {"epochs": 3.0, "lag": 5},
            "lag is 5, and InfoBatch cannot draw ahead: give lag=1, .*num_workers=0",
        ),
        ("LB", READINGS["raw exp, no reset"] | {"lag": 2}, "lag is 2, and LB cannot draw ahead"),
        ("PEB", {"refresh_every": 4, "evaluate": nothing, "lag": 2}, "lag is 2, and PEB cannot draw ahead"),
        *(
            (name, {}, rf"{name} asks for forward passes: give evaluate=, .* to losses \[m\]\.")
            for name in ("OHEM", "SB", "Mercury", "LPS", "LB")
        ),
        ("PLB", {"refresh_every": 5}, "PLB asks for forward passes"),
        ("HMB", {"refresh_every": 5}, "HMB asks for forward passes"),
        ("KAKURENBO", {"epochs": 3.0}, r"KAKURENBO asks for .* to \(logits \[m, K\], losses \[m\]\)\."),
        *((name, {"lag": 3, "evaluate": nothing}, f"{name} cannot draw ahead") for name in ("OHEM", "SB", "Mercury")),
        ("PEB", {"world_size": 2}, "PEB reads logits, which 2 processes do not share"),
        (
            "OHEM",
            {"world_size": 2, "evaluate": nothing},
            "OHEM asks for forward passes, which 2 processes do not share",
        ),
        ("PLB", {"world_size": 2, "evaluate": nothing}, "PLB asks for forward passes, which 2 processes"),
        ("HMB", {"world_size": 2, "size": 41}, "the last mini-batch has 1 examples, which 2 processes cannot share"),
        ("HMB", {"rounds": 3}, "HMB would end after so many rounds: leave rounds out"),
        ("PLB", {"score": "after"}, "your own loop decides when PLB is scored: leave score and score_dropout out"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(name, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        MethodSampler(**{"method": name, "size": SIZE, "batch_size": N} | arguments)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_what_goes_by_losses_alone_is_shared_by_processes():
    whole = MethodSampler("InfoBatch", SIZE, N, epochs=EPOCHS, rank=0, world_size=1).draw().tolist()
    halves = [MethodSampler("InfoBatch", SIZE, N, epochs=EPOCHS, rank=rank, world_size=2).draw() for rank in (0, 1)]
    assert torch.cat(halves).tolist() == whole
    assert len(MethodSampler("HMB", 41, N, drop_last=True, rank=0, world_size=2)) == 10
    assert len(MethodSampler("MB", 41, N, rank=0, world_size=2)) == 11


@pytest.mark.parametrize(
    "logits, message",
    [
        (None, r"PEB reads logits: call update\(index, losses, logits=logits\)"),
        (torch.ones(N), r"logits have the shape \[4\]: give one row of each example, \[4, K\]"),
        (torch.ones(N - 1, 3), r"logits have the shape \[3, 3\]"),
        (torch.ones(N, 3, dtype=torch.int64), "logits are torch.int64"),
        (torch.ones(N, 3, device="meta"), "logits are on meta, which holds no numbers"),
    ],
)
def test_bad_logits_are_refused_and_nothing_is_changed(logits, message):
    sampler, same = MethodSampler("PEB", SIZE, N), MethodSampler("PEB", SIZE, N)
    for each in (sampler, same):
        steps(each, Network(), 3)
    indices = sampler.draw()
    assert torch.equal(indices, same.draw())
    with pytest.raises(InputError, match=message):
        sampler.update(indices, torch.ones(N), logits=logits)
    for each in (sampler, same):
        each.update(indices, torch.ones(N), logits=torch.eye(N))
    assert steps(sampler, Network(), 8) == steps(same, Network(), 8)


@pytest.mark.parametrize(
    "name, answer, message",
    [
        ("OHEM", lambda indices: None, r"OHEM's evaluate gave losses of the type NoneType: give a tensor of one loss"),
        ("OHEM", lambda indices: torch.ones(3), r"OHEM's evaluate gave losses \[3\] of .*, asked for 4 indices"),
        ("OHEM", lambda indices: torch.ones(4, dtype=torch.int64), r"losses \[4\] of torch.int64"),
        ("PEB", nothing, r"PEB's evaluate gave logits of the type NoneType: give \(logits \[m, K\], losses \[m\]\)"),
        ("PEB", lambda indices: (torch.ones(2, 3), nothing(indices)), r"evaluate gave logits \[2, 3\] of"),
    ],
)
def test_a_bad_answer_to_a_forward_pass_is_refused(name, answer, message):
    sampler = MethodSampler(name, SIZE, N, evaluate=answer)
    with pytest.raises(InputError, match=message):
        sampler.draw()
    sampler._evaluate = Network().evaluate
    assert steps(sampler, Network(), 3)


@pytest.mark.parametrize("name", ["InfoBatch", "OHEM"])
def test_a_batch_asked_for_too_early_is_refused(name):
    options = {"epochs": EPOCHS} if name == "InfoBatch" else {}
    sampler = made(name, options, Network())
    batches = iter(DataLoader(torch.arange(SIZE), batch_sampler=sampler))
    indices = next(batches)
    with pytest.raises(
        InputError, match=f"{name} cannot draw ahead, .* call update after every batch, .*num_workers=0"
    ):
        next(batches)
    sampler.update(indices, torch.ones(len(indices)))
    with pytest.raises(InputError, match="cannot draw ahead"):
        next(iter(DataLoader(torch.arange(SIZE), batch_sampler=sampler, num_workers=1)))


def test_a_state_between_draw_and_update_is_refused_where_it_would_not_be_whole():
    sampler = made("SB", {}, Network())
    steps(sampler, Network(), 4)
    sampler.draw()
    with pytest.raises(InputError, match="a batch of SB was drawn and not updated: save the state after update"):
        sampler.state_dict()


@pytest.mark.parametrize(
    "other, message",
    [
        ({"method": "RMB"}, "the state has method 'RMB', the sampler 'HMB'"),
        ({"delta": 0.3}, "the state has delta 0.3, the sampler 0.5"),
        ({"refresh_every": 2, "evaluate": nothing}, "the state has refresh_every 2, the sampler 0"),
    ],
)
def test_the_state_of_another_method_is_refused(other, message):
    state = MethodSampler(**{"method": "HMB", "size": SIZE, "batch_size": N} | other).state_dict()
    with pytest.raises(InputError, match=message):
        MethodSampler("HMB", SIZE, N).load_state_dict(state)


def test_single_indices_cannot_tell_a_short_mini_batch():
    with pytest.raises(InputError, match="give the loader batch_sampler=sampler.mini_batches"):
        MethodSampler("OHEM", SIZE, N, evaluate=nothing).examples  # noqa: B018


@pytest.mark.gpu
@pytest.mark.parametrize("name, options", [case for case in CASES if case[0] != "LB"], ids=str)
def test_a_gpu_draws_as_the_host_does(name, options):
    network, same = Network(), Network()

    def evaluate(indices):
        return tuple(part.cuda() for part in same.evaluate(indices.cpu()))

    host = made(name, options, network)
    gpu = MethodSampler(name, SIZE, N, seed=3, evaluate=evaluate, device="cuda", **options)
    for _ in range(25):
        indices = host.draw()
        assert gpu.draw().tolist() == indices.tolist()
        torch.testing.assert_close(gpu.weights(indices).cpu(), host.weights(indices))
        logits, losses = network(indices)
        host.update(indices, losses, logits=logits)
        gpu.update(indices, losses.cuda(), logits=logits.cuda())
        network.updates, same.updates = network.updates + 1, same.updates + 1


# The table of the documentation.


def said(name: str) -> tuple[str, ...]:
    """A row of docs/samplers.md but its last cell, by what the method says of itself."""
    options = {"epochs": EPOCHS} if name in SCHEDULED else {}
    method = registry.build(name, SIZE, N, torch.tensor([0]), options=options)
    gives = ["`logits=`"] * method.reads_logits + ["`evaluate=`"] * method.evaluates
    gives += ["`epochs=`"] * (name in SCHEDULED)
    lag = "no" if method.in_turn or method.evaluates else "yes"
    alone = "no" if method.reads_logits or method.evaluates else "yes"
    return name, ", ".join(gives) or "losses", lag, alone


def test_the_table_of_methods_says_what_they_say_of_themselves():
    text = (paths.project_root() / "docs" / "samplers.md").read_text()
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in re.findall(r"^\| `.*$", text, re.M)]
    assert [(row[0].strip("`"), *row[1:4]) for row in rows] == list(map(said, METHODS))
    for name, row in zip(METHODS, rows, strict=True):
        assert ("learning_rate_factor" in row[4]) == METHODS[name].changes_learning_rate
        assert ("weights" in row[4]) == (name in ("InfoBatch", "Mercury", "PLB"))


def test_it_is_public():
    assert hardsample.MethodSampler is MethodSampler
