"""A state that no sampler saves is refused in one sentence, and the sampler goes on as if it had not been given."""

import copy
import math

import pytest
import torch

from hardsample import BaseValuesSampler, HardMiniBatchSampler, InputError, MethodSampler

N, n = 40, 4


def evaluate(indices):
    return torch.stack([indices.sin(), indices.cos()], 1), 1.5 + indices.sin()


MAKERS = {
    "BaseValuesSampler": lambda: BaseValuesSampler(N, n, seed=3, lag=2, beta=1.0),
    "HardMiniBatchSampler": lambda: HardMiniBatchSampler(N, n, seed=3, lag=2),
    "PLB": lambda: MethodSampler("PLB", N, n, seed=3),
    "PEB": lambda: MethodSampler("PEB", N, n, seed=3, evaluate=evaluate),
    "LB": lambda: MethodSampler("LB", N, n, seed=3, evaluate=evaluate),
    "LB by keys": lambda: MethodSampler("LB", N, n, seed=3, monitor="mini-batch", draws="keys"),
    "HMB": lambda: MethodSampler("HMB", N, n, seed=3),
    "FMB": lambda: MethodSampler("FMB", N, n, seed=3),
    "HE": lambda: MethodSampler("HE", N, n, seed=3),
    "SB": lambda: MethodSampler("SB", N, n, seed=3, evaluate=evaluate),
    "InfoBatch": lambda: MethodSampler("InfoBatch", N, n, seed=3, epochs=5),
    "KAKURENBO": lambda: MethodSampler("KAKURENBO", N, n, seed=3, epochs=5, evaluate=evaluate),
}


def trained(name, updates=13):
    """A sampler with a batch drawn ahead and an update that waits, where it can have them."""
    sampler = MAKERS[name]()
    ahead = [sampler.draw() for _ in range(sampler.lag - 1)]
    for _ in range(updates):
        ahead.append(sampler.draw())
        indices = ahead.pop(0)
        logits, losses = evaluate(indices)
        sampler.update(indices, losses, **({"logits": logits} if isinstance(sampler, MethodSampler) else {}))
    return sampler


def spoilt(state):
    """States that differ from a good one in one thing, by what is wrong."""

    def changed(name, value):
        return {**copy.deepcopy(state), name: value}

    for other in (None, [], "state", 7):
        yield "no mapping", other
    for name, value in state.items():
        yield f"no {name}", {key: kept for key, kept in state.items() if key != name} if name not in OLDER else None
        yield f"{name} is None", changed(name, None) if name not in ("trained", *OPTIONS) else None
        yield f"{name} is a string", changed(name, "x")
        if isinstance(value, torch.Tensor) and value.numel():
            yield f"{name} is shorter", changed(name, value[..., :-1])
            yield f"{name} is of another type", changed(name, value.to(torch.int16))
        elif type(value) is int and name not in OPTIONS:
            yield f"{name} is negative", changed(name, -5)
            yield f"{name} is a float", changed(name, 0.5)
        elif isinstance(value, list):
            yield f"{name} holds a string", changed(name, ["x"])


OLDER = ("parts", "touched", "trained", "power", "clip", "distinct")  # what states of older versions lack
OPTIONS = ("seed", "lag", "clip", "epochs", "size", "batch_size", "refresh_every", "score_dropout")


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_state_is_refused_and_changes_nothing(name):
    sampler, twin = trained(name), trained(name)
    good = sampler.state_dict()
    for what, state in spoilt(good):
        if state is None and what != "no mapping":
            continue
        with pytest.raises(InputError) as caught:
            sampler.load_state_dict(state)
        words = str(caught.value)
        assert words.endswith(".") and "\n" not in words, what
    for _ in range(5):
        assert torch.equal(sampler.draw(), twin.draw())
        if isinstance(sampler, MethodSampler):
            break


def places(tensor, value):
    changed = tensor.clone()
    changed.view(-1)[0] = value
    return changed


@pytest.mark.parametrize("name", ["BaseValuesSampler", "HardMiniBatchSampler"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_scores_of_a_state_are_numbers_that_can_be(name, value):
    sampler = trained(name)
    good, learned = sampler.state_dict(), {"BaseValuesSampler": "values", "HardMiniBatchSampler": "losses"}[name]
    step, indices, scores = good["waiting"][0]
    bad = [{**good, "waiting": [[step, indices, places(scores, value)]]}]
    if name == "BaseValuesSampler" or value != math.inf:  # what is not known yet is infinite there
        bad.append({**good, learned: places(good[learned], value)})
    if good["weights"] and value != math.inf:
        bad.append({**good, "weights": [places(good["weights"][0], value), *good["weights"][1:]]})
    for state in bad:
        with pytest.raises(InputError, match="in the state has"):
            sampler.load_state_dict(state)
    sampler.load_state_dict(good)


@pytest.mark.parametrize("index", [-1, N, 2**62])
def test_indices_of_a_state_are_of_examples(index):
    sampler = trained("BaseValuesSampler")
    good = sampler.state_dict()
    step, indices, scores = good["waiting"][0]
    for state in (
        {**good, "drawn": [places(good["drawn"][0], index)], "weights": []},
        {**good, "waiting": [[step, places(indices, index), scores]]},
        {**good, "parts": [[torch.tensor([index]), torch.ones(1), torch.zeros(1, dtype=torch.int64)]]},
    ):
        with pytest.raises(InputError, match=f"in the state has {index}"):
            sampler.load_state_dict(state)


@pytest.mark.parametrize(
    ("name", "tensor", "values"),
    [
        ("PLB", "sums", [math.nan, math.inf, -1.0]),
        ("PLB", "leaves", [math.nan, math.inf, -1.0]),
        ("LB", "times_drawn", [-1]),
        ("LB", "cusum", [math.nan, -1.0]),
        ("LB by keys", "weights", [math.nan, -1.0]),
        ("HMB", "round", [-1, N // n]),
        ("FMB", "examples", [-1, N]),
        ("HE", "examples", [-1, N]),
        ("SB", "queue", [-1, N]),
        ("SB", "kept", [-1, 2 * n]),
        ("InfoBatch", "queue", [-N - 1, N]),
        ("InfoBatch", "place", [-1, 2 * N]),
        ("KAKURENBO", "queue", [-N - 1, N]),
    ],
)
def test_what_a_method_has_learned_is_within_its_bounds(name, tensor, values):
    sampler = trained(name)
    good = sampler.state_dict()
    if f"method.{tensor}" not in good:
        pytest.skip("without compiled loops the state has other names")
    for value in values:
        with pytest.raises(InputError, match="in the state has"):
            sampler.load_state_dict({**good, f"method.{tensor}": places(good[f"method.{tensor}"], value)})
    sampler.load_state_dict(good)
